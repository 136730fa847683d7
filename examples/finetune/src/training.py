"""Batches of byte sequences, the Adam optimizer, and a training epoch."""

from collections import namedtuple

import numpy as np

import model

# Bytes that are read as input but neither trained on nor measured are told
# from the others by `scored`, a bool for each byte of `content`.
Example = namedtuple("Example", "content scored")
Batch = namedtuple("Batch", "inputs targets scored")

MAX_GRADIENT_NORM = 1.0
START_BYTE = 0


def make_batches(examples, size):
    """Group examples of similar length, so that little of a batch is padding."""
    ordered = sorted(examples, key=lambda example: (len(example.content), example.content))
    return [pad(ordered[start:start + size]) for start in range(0, len(ordered), size)]


def pad(examples):
    """Return one batch, time first; byte t is predicted from the bytes before it."""
    shape = (max(len(example.content) for example in examples), len(examples))
    inputs = np.full(shape, START_BYTE, np.uint8)
    targets = np.zeros(shape, np.uint8)
    scored = np.zeros(shape, bool)
    for column, example in enumerate(examples):
        length = len(example.content)
        content = np.frombuffer(example.content, np.uint8)
        inputs[1:length, column] = content[:-1]
        targets[:length, column] = content
        scored[:length, column] = example.scored
    return Batch(inputs, targets, scored)


def measure(parameters, batches):
    """Return (nats per scored byte, share of scored bytes guessed right)."""
    loss = right = count = 0
    for batch in batches:
        batch_loss, batch_right, batch_count = model.evaluate(parameters, *batch)
        loss += batch_loss
        right += batch_right
        count += batch_count
    return loss / count, right / count


def linear_decay(peak, step, steps, warmup):
    """Return the learning rate of a step: up to `peak`, then down towards zero."""
    return peak * min((step + 1) / warmup, (steps - step) / max(steps - warmup, 1))


class Adam:
    """Adam (Kingma and Ba, 2015), with the gradient's norm clipped first."""

    def __init__(self, parameters, mean_decay=0.9, square_decay=0.99, epsilon=1e-8):
        self.parameters = parameters
        self.mean_decay = mean_decay
        self.square_decay = square_decay
        self.epsilon = epsilon
        self.steps = 0
        self.means = {name: np.zeros_like(p) for name, p in parameters.items()}
        self.squares = {name: np.zeros_like(p) for name, p in parameters.items()}

    def update(self, gradients, rate):
        """Move the parameters, in place, against the gradients."""
        self.steps += 1
        norm = sum(float((g ** 2).sum(dtype=np.float64)) for g in gradients.values()) ** 0.5
        clip = min(1.0, MAX_GRADIENT_NORM / (norm + self.epsilon))
        mean_bias = 1 - self.mean_decay ** self.steps
        square_bias = 1 - self.square_decay ** self.steps
        for name, parameter in self.parameters.items():
            gradient = gradients[name] * np.float32(clip)
            mean, square = self.means[name], self.squares[name]
            mean += (1 - self.mean_decay) * (gradient - mean)
            square += (1 - self.square_decay) * (gradient ** 2 - square)
            scale = np.sqrt(square / square_bias) + self.epsilon
            parameter -= (rate / mean_bias) * mean / scale


def train_step(optimizer, batch, rate):
    """Do one update; return the batch's loss before it."""
    loss, gradients = model.loss_and_gradients(optimizer.parameters, *batch)
    # A loss that is not finite would poison every parameter: stop before that.
    if not np.isfinite(loss):
        raise FloatingPointError(f"loss became {loss} at update {optimizer.steps + 1}")
    optimizer.update(gradients, rate)
    return loss
