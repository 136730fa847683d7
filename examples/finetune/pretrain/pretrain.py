"""Make model/base.safetensors from corpus.txt.

Run it with no argument, from anywhere:  python3 pretrain.py
It writes ../model/base.safetensors: the same bytes each time on one machine.
"""

import os
import sys

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "src"))

import numpy as np

import model
import safetensors_io
import training

CORPUS = os.path.join(HERE, "corpus.txt")
BASE = os.path.join(HERE, "..", "model", "base.safetensors")

SEED = 20
HIDDEN = 96
WINDOW_BYTES = 128
BATCH_SIZE = 4
EPOCHS = 30
PEAK_RATE = 1e-2
WARMUP_UPDATES = 20
# The last paragraphs are never trained on, so that the printed figures mean something.
HELD_OUT_BYTES = 3000


def main():
    with open(CORPUS, "rb") as file:
        text = file.read()
    text, held_out_text = text[:-HELD_OUT_BYTES], text[-HELD_OUT_BYTES:]
    held_out = training.make_batches(windows(held_out_text, 0), BATCH_SIZE)
    generator = np.random.default_rng(SEED)
    parameters = model.initialize(HIDDEN, SEED)
    optimizer = training.Adam(parameters)
    updates = EPOCHS * (len(text) // WINDOW_BYTES // BATCH_SIZE + 1)
    for epoch in range(1, EPOCHS + 1):
        losses = train_epoch(optimizer, text, generator, updates)
        loss, accuracy = training.measure(parameters, held_out)
        print(f"epoch {epoch}/{EPOCHS}: training loss {np.mean(losses):.3f}, "
              f"held out: loss {loss:.3f} accuracy {accuracy:.3f}", flush=True)
    safetensors_io.save_file(BASE, parameters, {"architecture": "byte-gru"})


def train_epoch(optimizer, text, generator, updates):
    # Another first offset each time, so that the cuts fall elsewhere.
    examples = windows(text, int(generator.integers(WINDOW_BYTES)))
    order = generator.permutation(len(examples))
    losses = []
    for start in range(0, len(examples), BATCH_SIZE):
        batch = training.pad([examples[i] for i in order[start:start + BATCH_SIZE]])
        rate = training.linear_decay(
            PEAK_RATE, optimizer.steps, updates, WARMUP_UPDATES)
        losses.append(training.train_step(optimizer, batch, rate))
    return losses


def windows(text, first):
    pieces = [text[start:start + WINDOW_BYTES]
              for start in range(first, len(text), WINDOW_BYTES)]
    return [training.Example(piece, np.ones(len(piece), bool)) for piece in pieces]


if __name__ == "__main__":
    main()
