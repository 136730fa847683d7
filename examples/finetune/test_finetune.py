"""Checks of the fine-tuning example itself: file format, data, gradient, model.

Run with:  /usr/bin/python3 -m pytest test_finetune.py
"""

import json
import os
import sys

import numpy as np
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "src"))

import dataset
import main
import model
import safetensors_io
import training

BASE = os.path.join(HERE, "model", "base.safetensors")
ROWS = os.path.join(HERE, "data", "alpaca-fr-small.csv")
HIDDEN = 96


def entry(begin, end, dtype="U8", shape=None):
    shape = [end - begin] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def file_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


# safetensors: round trip

def test_round_trip_keeps_every_tensor(tmp_path):
    tensors = {
        "scalar": np.array(3.5, np.float32),
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "half": np.array([1, -2], np.float16),
        "empty": np.zeros((0, 4), np.float64),
        "nombre d'œufs": np.array([12], np.int64),
    }
    path = tmp_path / "file.safetensors"
    safetensors_io.save_file(path, tensors, {"b": "2", "a": "1"})
    loaded, metadata = safetensors_io.load_file(path)
    assert metadata == {"a": "1", "b": "2"}
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        np.testing.assert_array_equal(loaded[name], tensor)


def test_bytes_do_not_depend_on_insertion_order():
    one, two = np.ones(2, np.float32), np.zeros(3, np.float16)
    assert (safetensors_io.serialize({"a": one, "b": two})
            == safetensors_io.serialize({"b": two, "a": one}))


def test_bytes_are_those_of_the_format():
    content = safetensors_io.serialize({"x": np.array([1, 2], np.uint8)})
    header = b'{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   '
    assert content == len(header).to_bytes(8, "little") + header + b"\x01\x02"


def test_unknown_type_is_not_written():
    with pytest.raises(safetensors_io.SafetensorsError, match="cannot store complex"):
        safetensors_io.serialize({"x": np.zeros(1, np.complex64)})


# safetensors: refusals

VALID = safetensors_io.serialize({"x": np.arange(8, dtype=np.float32)})

REFUSED = {
    "empty file": (b"", "no header length"),
    "truncated length": (VALID[:5], "no header length"),
    "truncated header": (VALID[:20], "header truncated"),
    "huge header length": (b"\xff" * 8 + VALID[8:], "header too long"),
    "header is a list": (file_bytes(b"[]"), "does not start"),
    "header is not JSON": (file_bytes(b'{"x":'), "not JSON"),
    "header is not UTF-8": (file_bytes(b'{"\xff":1}'), "not JSON in UTF-8"),
    "duplicate name": (file_bytes(b'{"x":1,"x":1}'), "twice"),
    "metadata not strings": (file_bytes({"__metadata__": {"a": 1}}), "map of strings"),
    "entry not a map": (file_bytes({"x": 3}), "expected exactly"),
    "missing field": (file_bytes({"x": {"dtype": "U8"}}), "expected exactly"),
    "unknown dtype": (file_bytes({"x": entry(0, 1, "F7")}, b"0"), "unknown dtype"),
    "dtype not text": (file_bytes({"x": entry(0, 1, [])}, b"0"), "unknown dtype"),
    "negative extent": (
        file_bytes({"x": entry(0, 1, shape=[-1, -1])}, b"0"), "shape is not a list"),
    "boolean extent": (
        file_bytes({"x": entry(0, 1, shape=[True])}, b"0"), "shape is not a list"),
    "reversed offsets": (
        file_bytes({"x": entry(2, 1, shape=[1])}, b"012"), "are no range"),
    "size is not the shape's": (
        file_bytes({"x": entry(0, 3, shape=[2])}, b"012"), "expected 2 for its shape"),
    "huge shape": (
        file_bytes({"x": entry(0, 3, shape=[2 ** 40, 2 ** 40])}, b"012"), "for its shape"),
    "offsets out of range": (file_bytes({"x": entry(0, 9)}, b"0123"), "the file's at 4"),
    "overlap": (
        file_bytes({"x": entry(0, 3), "y": entry(2, 4)}, b"0123"), "overlap"),
    "hole": (file_bytes({"x": entry(0, 1), "y": entry(2, 4)}, b"0123"), "hole"),
    "trailing bytes": (VALID + b"\0", "belong to no tensor"),
}


@pytest.mark.parametrize("content, reason", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_file_is_refused(content, reason, tmp_path):
    with pytest.raises(safetensors_io.SafetensorsError, match=reason):
        safetensors_io.deserialize(content)
    path = tmp_path / "file.safetensors"
    path.write_bytes(content)
    with pytest.raises(safetensors_io.SafetensorsError, match=reason):
        safetensors_io.load_file(path)


# data set

def test_rows_are_many_distinct_and_clean():
    rows = dataset.load(ROWS)
    assert len(rows) >= 300
    assert len({(row.instruction, row.input) for row in rows}) == len(rows)
    for row in rows:
        for field in row:
            assert field == field.strip()
            assert field.isprintable()
            # What UTF-8 looks like when it was taken for Latin-1.
            assert not any(sign in field for sign in ("Ã", "Â", "\ufffd"))


def test_split_depends_on_the_question_alone():
    rows = dataset.load(ROWS)
    training_rows, held_out_rows = dataset.split(rows)
    assert len(training_rows) + len(held_out_rows) == len(rows)
    assert not set(training_rows) & set(held_out_rows)
    shuffled = dataset.split(rows[::-1])
    assert set(shuffled[0]) == set(training_rows)


def test_only_the_answer_is_measured():
    (example,) = dataset.response_examples([dataset.Row("Dis oui.", "vite", "Oui.")])
    scored = bytes(np.frombuffer(example.content, np.uint8)[example.scored])
    assert scored.decode() == "Oui.\n"


@pytest.mark.parametrize("content, reason", [
    (b"", "columns: got"),
    (b"question,answer\n", "columns: got"),
    (b"instruction,input,output\na,b\n", "line 2: got 2 columns"),
    (b"instruction,input,output\na,,\n", "line 2: instruction or output is empty"),
    (b"instruction,input,output\na,,\xff\n", "not UTF-8"),
    (b'instruction,input,output\na,,"b\n', "line 2: unexpected end"),
    (b"instruction,input,output\na,,b\na,,b\n", "more than once"),
    (b"instruction,input,output\na,," + b"b" * 4000 + b"\n", "longer than"),
])
def test_malformed_data_set_is_refused(content, reason, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(dataset.DatasetError, match=reason):
        dataset.load(path)


# model

def small_batch():
    contents = [b"abcab", b"ca", b"bbac"]
    return training.pad([
        training.Example(content, np.arange(len(content)) % 3 != 1)
        for content in contents])


def test_gradient_is_that_of_finite_differences():
    parameters = model.initialize(hidden=5, seed=3, dtype=np.float64)
    parameters[model.RECURRENT_BIAS] += 0.3
    batch = small_batch()
    _, gradients = model.loss_and_gradients(parameters, *batch)
    generator = np.random.default_rng(4)
    step = 1e-5
    for name, parameter in parameters.items():
        flat, gradient = parameter.reshape(-1), gradients[name].reshape(-1)
        # The entries that matter most, and some at random (many are exactly zero).
        largest = np.argsort(-np.abs(gradient))[:15]
        for index in [*largest, *generator.integers(flat.size, size=5)]:
            kept = flat[index]
            flat[index] = kept + step
            above, _ = model.loss_and_gradients(parameters, *batch)
            flat[index] = kept - step
            below, _ = model.loss_and_gradients(parameters, *batch)
            flat[index] = kept
            assert (above - below) / (2 * step) == pytest.approx(
                gradient[index], rel=1e-5, abs=1e-9), (name, index)


def test_evaluation_and_training_see_the_same_loss():
    parameters = model.initialize(hidden=5, seed=3, dtype=np.float64)
    loss, _ = model.loss_and_gradients(parameters, *small_batch())
    total, _, count = model.evaluate(parameters, *small_batch())
    assert total / count == pytest.approx(loss)


def test_padding_changes_nothing():
    parameters = model.initialize(hidden=5, seed=3, dtype=np.float64)
    examples = [training.Example(content, np.ones(len(content), bool))
                for content in (b"abcabcabc", b"ba")]
    together = model.evaluate(parameters, *training.pad(examples))
    alone = [model.evaluate(parameters, *training.pad([one])) for one in examples]
    np.testing.assert_allclose(together, np.sum(alone, axis=0))


def test_training_learns_and_repeats_bit_for_bit():
    def train():
        parameters = model.initialize(hidden=16, seed=1)
        optimizer = training.Adam(parameters)
        losses = [training.train_step(optimizer, small_batch(), 1e-2) for _ in range(30)]
        return losses, safetensors_io.serialize(parameters)

    losses, content = train()
    assert losses[-1] < 0.5 * losses[0]
    assert train() == (losses, content)


def test_a_loss_that_is_not_finite_stops_the_training():
    parameters = model.initialize(hidden=4, seed=1)
    parameters[model.OUTPUT_BIAS][0] = np.nan
    with pytest.raises(FloatingPointError, match="loss became nan at update 1"):
        training.train_step(training.Adam(parameters), small_batch(), 1e-3)


def test_base_model_loads_with_the_expected_shapes():
    parameters, metadata = safetensors_io.load_file(BASE)
    model.check(parameters)
    assert {name: p.shape for name, p in parameters.items()} == model.expected_shapes(HIDDEN)
    assert metadata == {"architecture": "byte-gru"}


@pytest.mark.parametrize("spoil, reason", [
    (lambda p: p.pop(model.OUTPUT_BIAS), "tensors: got"),
    (lambda p: p.pop(model.RECURRENT_WEIGHT), "no usable tensor"),
    (lambda p: p.update({model.OUTPUT_BIAS: np.zeros(3, np.float32)}), "expected float32"),
    (lambda p: p.update({model.OUTPUT_BIAS: np.zeros(256)}), "got float64"),
    (lambda p: p[model.OUTPUT_WEIGHT].fill(np.inf), "not finite"),
])
def test_other_tensors_are_refused(spoil, reason):
    parameters = model.initialize(hidden=4, seed=1)
    spoil(parameters)
    with pytest.raises(model.ModelError, match=reason):
        model.check(parameters)


# program

def test_missing_and_malformed_inputs_end_with_a_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.main() == 1
    error = capsys.readouterr().err
    assert "No such file or directory: 'resources/base.safetensors'" in error
    resources = tmp_path / "resources"
    resources.mkdir()
    (resources / "base.safetensors").write_bytes(b"not a model")
    assert main.main() == 1
    assert "resources/base.safetensors: header" in capsys.readouterr().err
    safetensors_io.save_file(
        resources / "base.safetensors", model.initialize(hidden=4, seed=1))
    (resources / "alpaca-fr-small.csv").write_bytes(b"a,b\n")
    assert main.main() == 1
    assert "resources/alpaca-fr-small.csv: columns" in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()
