"""Read an instruction data set (CSV) and turn its rows into training examples."""

import csv
import hashlib
from collections import namedtuple

import numpy as np

from training import Example

COLUMNS = ["instruction", "input", "output"]
MAX_ROW_BYTES = 2048
HELD_OUT_PERCENT = 15

Row = namedtuple("Row", COLUMNS)


class DatasetError(ValueError):
    """The file is not an instruction data set."""


def load(path):
    """Return the rows of a UTF-8 CSV file with exactly the three columns."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            if header != COLUMNS:
                raise DatasetError(f"columns: got {header}, expected {COLUMNS}")
            rows = [_check_row(fields, reader.line_num) for fields in reader]
        except csv.Error as error:
            raise DatasetError(f"line {reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise DatasetError(f"not UTF-8: {error}") from None
    if len(set(rows)) != len(rows):
        # A row that occurs twice could be trained on and held out at once.
        raise DatasetError(f"{len(rows) - len(set(rows))} rows occur more than once")
    return rows


def split(rows):
    """Return (training rows, held-out rows).

    The side depends on the question alone: it does not change when rows are
    added or moved, and a question never stands on both sides.
    """
    sides = [], []
    for row in rows:
        question = f"{row.instruction}\0{row.input}".encode("utf-8")
        draw = int.from_bytes(hashlib.sha256(question).digest()[:8], "big") % 100
        sides[draw < HELD_OUT_PERCENT].append(row)
    if not all(sides):
        raise DatasetError(f"{len(rows)} rows are too few to hold some out")
    return sides


def response_examples(rows):
    """Return examples in which only the answer counts.

    The prompt's fixed words would be learnt at once and flatter the figures.
    """
    examples = []
    for row in rows:
        prompt, answer = _format(row)
        scored = np.zeros(len(prompt) + len(answer), bool)
        scored[len(prompt):] = True
        examples.append(Example(prompt + answer, scored))
    return examples


def whole_examples(rows):
    """Return examples in which every byte counts, the question's too."""
    contents = [b"".join(_format(row)) for row in rows]
    return [Example(content, np.ones(len(content), bool)) for content in contents]


def _format(row):
    context = f"\n{row.input}" if row.input else ""
    prompt = f"Q : {row.instruction}{context}\nR : "
    return prompt.encode("utf-8"), f"{row.output}\n".encode("utf-8")


def _check_row(fields, line):
    if len(fields) != len(COLUMNS):
        raise DatasetError(
            f"line {line}: got {len(fields)} columns, expected {len(COLUMNS)}")
    row = Row(*fields)
    if not row.instruction or not row.output:
        raise DatasetError(f"line {line}: instruction or output is empty")
    if len("".join(fields).encode("utf-8")) > MAX_ROW_BYTES:
        raise DatasetError(f"line {line}: longer than {MAX_ROW_BYTES} bytes")
    return row
