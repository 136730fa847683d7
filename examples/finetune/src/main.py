"""Fine-tune a small French language model on an instruction data set.

Reads   resources/base.safetensors, resources/alpaca-fr-small.csv
Writes  outputs/finetuned.safetensors, outputs/metrics.json

Paths are relative to the current directory. Equal inputs give equal outputs,
byte for byte, on one machine: fixed seed, one thread, no clock.
"""

import os
import sys

# A parallel sum adds in an order that varies, and with it the last bits. The
# libraries read these when they are loaded, so they come before numpy.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                 "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"

import json

import numpy as np

import dataset
import model
import safetensors_io
import training

BASE = "resources/base.safetensors"
ROWS = "resources/alpaca-fr-small.csv"
FINETUNED = "outputs/finetuned.safetensors"
METRICS = "outputs/metrics.json"

SEED = 1
EPOCHS = 3
BATCH_SIZE = 4
PEAK_RATE = 1.2e-2
WARMUP_UPDATES = 10


def main():
    try:
        run()
    except OSError as error:
        return fail(str(error))
    except safetensors_io.SafetensorsError as error:
        return fail(f"{BASE}: {error}")
    except model.ModelError as error:
        return fail(f"{BASE}: {error}")
    except dataset.DatasetError as error:
        return fail(f"{ROWS}: {error}")
    except FloatingPointError as error:
        return fail(f"training: {error}")
    return 0


def run():
    parameters, metadata = safetensors_io.load_file(BASE)
    model.check(parameters)
    rows = dataset.load(ROWS)
    training_rows, held_out_rows = dataset.split(rows)
    say(f"rows: {len(training_rows)} to train on, {len(held_out_rows)} held out")

    held_out = training.make_batches(dataset.response_examples(held_out_rows), BATCH_SIZE)
    before = measured(parameters, held_out)
    say(f"before: {described(before)}")
    epochs = finetune(parameters, training_rows, held_out)
    after = epochs[-1]["held_out"]
    say(f"after: {described(after)}")

    os.makedirs("outputs", exist_ok=True)
    safetensors_io.save_file(FINETUNED, parameters, metadata)
    save_metrics({
        "rows": {"training": len(training_rows), "held_out": len(held_out_rows)},
        "settings": {"seed": SEED, "epochs": EPOCHS, "batch_size": BATCH_SIZE,
                     "peak_rate": PEAK_RATE, "warmup_updates": WARMUP_UPDATES},
        "before": before,
        "epochs": epochs,
        "after": after,
    })


def finetune(parameters, rows, held_out):
    """Train the parameters in place; return what was measured after each epoch."""
    batches = training.make_batches(dataset.whole_examples(rows), BATCH_SIZE)
    order = np.random.default_rng(SEED)
    optimizer = training.Adam(parameters)
    updates = EPOCHS * len(batches)
    epochs = []
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for index in order.permutation(len(batches)):
            rate = training.linear_decay(
                PEAK_RATE, optimizer.steps, updates, WARMUP_UPDATES)
            losses.append(training.train_step(optimizer, batches[index], rate))
        training_loss = round(float(np.mean(losses)), 6)
        epochs.append({"training_loss": training_loss,
                       "held_out": measured(parameters, held_out)})
        say(f"epoch {epoch}/{EPOCHS}: training loss {training_loss:.3f}, "
            f"held out: {described(epochs[-1]['held_out'])}")
    return epochs


def measured(parameters, batches):
    loss, accuracy = training.measure(parameters, batches)
    if not np.isfinite(loss):
        raise FloatingPointError(f"held-out loss became {loss}")
    return {"loss": round(loss, 6), "accuracy": round(accuracy, 6)}


def described(measure):
    return f"loss {measure['loss']:.3f} accuracy {measure['accuracy']:.3f}"


def save_metrics(metrics):
    with open(METRICS, "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")


def say(line):
    # Flushed, so that the progress is seen while it is progress.
    print(line, flush=True)


def fail(message):
    print(f"main.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
