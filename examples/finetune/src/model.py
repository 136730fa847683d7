"""A byte-level language model: one GRU layer, with the gradient written by hand.

With x the current byte, h the state and [r|z|n] three blocks of H columns:

    g = h W + b                       the only product inside the time loop
    r = sigmoid(E[x].r + g.r)         reset
    z = sigmoid(E[x].z + g.z)         update
    n = tanh(E[x].n + r * g.n)        candidate
    h' = (1 - z) * n + z * h
    P(next byte) = softmax(h' O + c)

The input is one-hot, so its product with a weight matrix is a row of the table
E: a look-up that costs no arithmetic. The reset gate acts after the product
(as in cuDNN and PyTorch), which leaves one product per time step.

Shapes: T steps, B sequences, N scored positions; arrays are time first.
"""

import numpy as np

VOCABULARY = 256
TABLE_SCALE = 0.5

INPUT_TABLE = "input.table"
RECURRENT_WEIGHT = "recurrent.weight"
RECURRENT_BIAS = "recurrent.bias"
OUTPUT_WEIGHT = "output.weight"
OUTPUT_BIAS = "output.bias"


class ModelError(ValueError):
    """A set of tensors is not a model of this architecture."""


def expected_shapes(hidden):
    return {
        INPUT_TABLE: (VOCABULARY, 3 * hidden),
        RECURRENT_WEIGHT: (hidden, 3 * hidden),
        RECURRENT_BIAS: (3 * hidden,),
        OUTPUT_WEIGHT: (hidden, VOCABULARY),
        OUTPUT_BIAS: (VOCABULARY,),
    }


def initialize(hidden, seed, dtype=np.float32):
    """Return random parameters for `hidden` units, equal for equal seeds."""
    generator = np.random.default_rng(seed)
    parameters = {}
    for name, shape in expected_shapes(hidden).items():
        scale = 0.0 if len(shape) == 1 else hidden ** -0.5
        # One row of the table is the whole input: it is not a sum of many small terms.
        scale = TABLE_SCALE if name == INPUT_TABLE else scale
        parameters[name] = generator.uniform(-scale, scale, shape).astype(dtype)
    return parameters


def check(tensors):
    """Raise ModelError unless `tensors` are finite float32 parameters of a model."""
    weight = tensors.get(RECURRENT_WEIGHT)
    if weight is None or weight.ndim != 2 or weight.shape[0] == 0:
        raise ModelError(f"no usable tensor '{RECURRENT_WEIGHT}'")
    shapes = expected_shapes(weight.shape[0])
    if set(tensors) != set(shapes):
        raise ModelError(
            f"tensors: got {sorted(tensors)}, expected {sorted(shapes)}")
    for name, shape in shapes.items():
        if tensors[name].dtype != np.float32 or tensors[name].shape != shape:
            raise ModelError(
                f"tensor '{name}': got {tensors[name].dtype} {tensors[name].shape}, "
                f"expected float32 {shape}")
        if not np.isfinite(tensors[name]).all():
            raise ModelError(f"tensor '{name}': has values that are not finite")


def evaluate(parameters, inputs, targets, scored):
    """Return (sum of losses in nats, number of right guesses, scored positions).

    inputs, targets  uint8 (T, B); scored  bool (T, B), the positions that count.
    """
    states = _run(parameters, inputs)["after"][scored]
    log_probabilities = _log_softmax(parameters, states)
    wanted = targets[scored]
    losses = -log_probabilities[np.arange(len(wanted)), wanted]
    right = log_probabilities.argmax(axis=1) == wanted
    # float64, because a float32 sum over 10^5 terms loses printed digits.
    return float(losses.sum(dtype=np.float64)), int(right.sum()), len(wanted)


def loss_and_gradients(parameters, inputs, targets, scored):
    """Return (mean loss over the scored positions, gradient per parameter)."""
    trace = _run(parameters, inputs)
    states = trace["after"][scored]
    wanted = targets[scored]
    rows = np.arange(len(wanted))
    log_probabilities = _log_softmax(parameters, states)
    loss = -float(log_probabilities[rows, wanted].mean(dtype=np.float64))

    # d(mean cross entropy)/d(logits) = (softmax - one-hot) / N
    d_logits = np.exp(log_probabilities)
    d_logits[rows, wanted] -= 1
    d_logits /= len(wanted)
    d_after = np.zeros_like(trace["after"])
    d_after[scored] = d_logits @ _transposed(parameters[OUTPUT_WEIGHT])

    gradients = _backward(parameters, inputs, trace, d_after)
    gradients[OUTPUT_WEIGHT] = states.T @ d_logits
    gradients[OUTPUT_BIAS] = d_logits.sum(axis=0)
    return loss, gradients


def _run(parameters, inputs):
    """Run the recurrence from a zero state; return all that the gradient needs."""
    weight = parameters[RECURRENT_WEIGHT]
    bias = parameters[RECURRENT_BIAS]
    steps, batch = inputs.shape
    hidden = weight.shape[0]
    from_input = parameters[INPUT_TABLE][inputs]
    names = ("before", "reset", "update", "candidate", "product", "after")
    trace = {name: np.empty((steps, batch, hidden), weight.dtype) for name in names}
    state = np.zeros((batch, hidden), weight.dtype)
    for t in range(steps):
        from_state = state @ weight + bias
        gates = _sigmoid(from_input[t, :, :2 * hidden] + from_state[:, :2 * hidden])
        reset, update = gates[:, :hidden], gates[:, hidden:]
        product = from_state[:, 2 * hidden:]
        candidate = np.tanh(from_input[t, :, 2 * hidden:] + reset * product)
        after = candidate + update * (state - candidate)
        for name, value in zip(
                names, (state, reset, update, candidate, product, after)):
            trace[name][t] = value
        state = after
    return trace


def _backward(parameters, inputs, trace, d_after):
    """Back-propagate through time from the gradient of every state."""
    weight_transposed = _transposed(parameters[RECURRENT_WEIGHT])
    steps, batch, hidden = d_after.shape
    d_from_input = np.empty((steps, batch, 3 * hidden), d_after.dtype)
    d_from_state = np.empty_like(d_from_input)
    d_state = np.zeros((batch, hidden), d_after.dtype)
    for t in reversed(range(steps)):
        before, reset, update, candidate, product = (
            trace[name][t]
            for name in ("before", "reset", "update", "candidate", "product"))
        d_state += d_after[t]
        d_candidate = d_state * (1 - update) * (1 - candidate ** 2)
        d_reset = d_candidate * product * reset * (1 - reset)
        d_update = d_state * (before - candidate) * update * (1 - update)
        d_from_input[t] = np.concatenate((d_reset, d_update, d_candidate), axis=1)
        d_from_state[t] = np.concatenate(
            (d_reset, d_update, d_candidate * reset), axis=1)
        d_state = d_state * update + d_from_state[t] @ weight_transposed

    flat_state = d_from_state.reshape(-1, 3 * hidden)
    flat_before = trace["before"].reshape(-1, hidden)
    return {
        INPUT_TABLE: _sum_per_byte(
            inputs.reshape(-1), d_from_input.reshape(-1, 3 * hidden)),
        RECURRENT_WEIGHT: flat_before.T @ flat_state,
        RECURRENT_BIAS: flat_state.sum(axis=0),
    }


def _sum_per_byte(byte_values, rows):
    """Add up the rows that belong to the same byte."""
    # Sorting and reduceat: np.add.at does the same, and is many times slower.
    order = np.argsort(byte_values, kind="stable")
    present, starts = np.unique(byte_values[order], return_index=True)
    total = np.zeros((VOCABULARY, rows.shape[1]), rows.dtype)
    total[present] = np.add.reduceat(rows[order], starts, axis=0)
    return total


def _transposed(matrix):
    # A real copy: reference BLAS multiplies by a transposed view far slower.
    return np.ascontiguousarray(matrix.T)


def _sigmoid(values):
    # By way of tanh, which saturates where exp would overflow.
    return 0.5 * np.tanh(0.5 * values) + 0.5


def _log_softmax(parameters, states):
    logits = states @ parameters[OUTPUT_WEIGHT] + parameters[OUTPUT_BIAS]
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
