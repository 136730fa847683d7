"""A bigram model by gradient descent: small, seeded, and the same bytes for the same seed. Goes on from checkpoints/state.json."""
import argparse
import json
import math
import os
import random

p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, required=True)
p.add_argument("--epochs", type=int, required=True)
p.add_argument("data")
p.add_argument("model")
a = p.parse_args()

STATE = "checkpoints/state.json"
RANK, RATE = 6, 0.3
data = json.load(open(a.data, encoding="utf-8"))
pairs = [pair for line in data["lines"] for pair in zip(line, line[1:])]


def fresh():
    rng = random.Random(a.seed)
    table = lambda: [[rng.uniform(-0.5, 0.5) for _ in range(RANK)] for _ in range(data["words"])]
    return {"epoch": 0, "left": table(), "right": table()}


def save(path, value):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


state = json.load(open(STATE)) if os.path.exists(STATE) else fresh()
while state["epoch"] < a.epochs:
    order = list(range(len(pairs)))
    random.Random(a.seed * 1000 + state["epoch"]).shuffle(order)
    loss = 0.0
    for i in order:
        x, y = pairs[i]
        left, right = state["left"][x], state["right"]
        scores = [sum(l * r for l, r in zip(left, row)) for row in right]
        top = max(scores)
        weights = [math.exp(s - top) for s in scores]
        total = sum(weights)
        loss -= math.log(weights[y] / total)
        gradient = [0.0] * RANK
        for k, row in enumerate(right):
            g = weights[k] / total - (k == y)
            for d in range(RANK):
                gradient[d] += g * row[d]
                row[d] -= RATE * g * left[d]
        for d in range(RANK):
            left[d] -= RATE * gradient[d]
    state["epoch"] += 1
    save(STATE, state)
    print(f"seed {a.seed}, epoch {state['epoch']}: loss {loss / max(1, len(pairs)):.4f}")
save(a.model, {"left": state["left"], "right": state["right"]})
