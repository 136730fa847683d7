"""A small classifier trained with numpy: same packages, same numbers, in the host environment and in an image.

Reads resources/points.csv (x, y, class), writes outputs/weights.npy and outputs/report.json.
"""
import json
import os
import sys

import numpy as np

EPOCHS, RATE, SEED = 400, 0.5, 7


def load(path):
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :2], table[:, 2].astype(np.int64)


def features(points):
    x, y = points.T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def main():
    points, classes = load("resources/points.csv")
    inputs, n = features(points), int(classes.max()) + 1
    wanted = np.eye(n)[classes]
    weights = np.random.default_rng(SEED).normal(0, 0.01, (inputs.shape[1], n))
    for _ in range(EPOCHS):
        scores = inputs @ weights
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        given = scores / scores.sum(axis=1, keepdims=True)
        weights -= RATE * inputs.T @ (given - wanted) / len(inputs)
    right = float((given.argmax(axis=1) == classes).mean())
    np.save("outputs/weights.npy", weights)
    with open("outputs/report.json", "w") as f:
        json.dump({"right": round(right, 4), "python": sys.version.split()[0], "numpy": np.__version__}, f, sort_keys=True)
    # What of the machine can be seen from here: in an image, nothing.
    print("right", right, "machine's files:", sorted(set(os.listdir("/")) & {"home", "srv", "mnt", "media", "boot"}), os.listdir("/home"))


main()
