"""Read and write the safetensors format with numpy and nothing else.

A file is: 8 bytes, the header's length N (unsigned, little endian); N bytes of
JSON that map a tensor's name to {"dtype", "shape", "data_offsets"}; the data.
Offsets count from the first byte after the header. The tensors must tile the
data exactly: no overlap, no hole, no trailing byte, so that no byte of a model
file is without a name.

A file may come from anybody, so nothing that the header says is used before it
was checked against the bytes that are really there.
"""

import json
import os

import numpy as np

LENGTH_BYTES = 8
# The limit of the reference implementation; ours is lower than any honest
# header of a model this size needs, but the format is the format.
MAX_HEADER_BYTES = 100_000_000
ALIGNMENT = 8
METADATA_KEY = "__metadata__"

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class SafetensorsError(ValueError):
    """The bytes are not a valid safetensors file."""


def save_file(path, tensors, metadata=None):
    """Write `tensors` (name -> array) so that equal input gives equal bytes."""
    content = serialize(tensors, metadata)
    with open(path, "wb") as file:
        file.write(content)


def load_file(path):
    """Return (name -> array, metadata) of the file at `path`."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = _header_length(file.read(LENGTH_BYTES), size)
        return _parse(file.read(length), file.read())


def serialize(tensors, metadata=None):
    """Return the bytes of a safetensors file."""
    header = {METADATA_KEY: dict(sorted(metadata.items()))} if metadata else {}
    chunks = []
    end = 0
    for name in _storage_order(tensors):
        data = tensors[name].tobytes()
        header[name] = {
            "dtype": _dtype_name(name, tensors[name]),
            "shape": list(tensors[name].shape),
            "data_offsets": [end, end + len(data)],
        }
        chunks.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text + b"".join(chunks)


def deserialize(content):
    """Return (name -> array, metadata) of the bytes of a safetensors file."""
    length = _header_length(content[:LENGTH_BYTES], len(content))
    data_start = LENGTH_BYTES + length
    return _parse(content[LENGTH_BYTES:data_start], content[data_start:])


def _storage_order(tensors):
    # Wide elements first keeps every tensor aligned to its element size.
    return sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))


def _dtype_name(name, array):
    dtype = array.dtype.newbyteorder("<")
    if array.dtype.byteorder == ">" or dtype not in NAMES:
        raise SafetensorsError(f"tensor '{name}': cannot store {array.dtype}")
    return NAMES[dtype]


def _header_length(prefix, file_size):
    if len(prefix) < LENGTH_BYTES:
        raise SafetensorsError(
            f"no header length: got {len(prefix)} bytes, expected {LENGTH_BYTES}")
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER_BYTES:
        raise SafetensorsError(
            f"header too long: got {length} bytes, expected at most {MAX_HEADER_BYTES}")
    if length > file_size - LENGTH_BYTES:
        raise SafetensorsError(
            f"header truncated: got {file_size - LENGTH_BYTES} bytes, expected {length}")
    return length


def _parse(header_bytes, data):
    header = _parse_header(header_bytes)
    metadata = _check_metadata(header.pop(METADATA_KEY, {}))
    entries = {name: _check_entry(name, entry) for name, entry in header.items()}
    _check_tiling(entries, len(data))
    tensors = {}
    for name, (dtype, shape, begin, end) in entries.items():
        # A copy, because an array over `bytes` is read-only and keeps the file alive.
        tensors[name] = np.frombuffer(data[begin:end], dtype).reshape(shape).copy()
    return tensors, metadata


def _parse_header(header_bytes):
    if not header_bytes.startswith(b"{"):
        raise SafetensorsError("header does not start with '{'")
    try:
        return json.loads(header_bytes.decode("utf-8"), object_pairs_hook=_unique_keys)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise SafetensorsError(f"header is not JSON in UTF-8: {error}") from None


def _unique_keys(pairs):
    # json.loads keeps the last of two equal keys; two readers could then see
    # two different models in one file.
    keys = {}
    for key, value in pairs:
        if key in keys:
            raise SafetensorsError(f"header names '{key}' twice")
        keys[key] = value
    return keys


def _check_metadata(metadata):
    if not isinstance(metadata, dict) or not all(
            isinstance(value, str) for value in metadata.values()):
        raise SafetensorsError(f"{METADATA_KEY} is not a map of strings")
    return metadata


def _check_entry(name, entry):
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(
            f"tensor '{name}': expected exactly dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise SafetensorsError(f"tensor '{name}': unknown dtype {entry['dtype']!r}")
    dtype = DTYPES[entry["dtype"]]
    shape = _check_naturals(name, "shape", entry["shape"])
    offsets = _check_naturals(name, "data_offsets", entry["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise SafetensorsError(f"tensor '{name}': data_offsets are no range: {offsets}")
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if offsets[1] - offsets[0] != size:
        raise SafetensorsError(
            f"tensor '{name}': got {offsets[1] - offsets[0]} bytes, "
            f"expected {size} for its shape")
    return dtype, shape, offsets[0], offsets[1]


def _check_naturals(name, field, values):
    # `type` and not isinstance, because True is an int to isinstance.
    if not isinstance(values, list) or not all(
            type(value) is int and value >= 0 for value in values):
        raise SafetensorsError(f"tensor '{name}': {field} is not a list of naturals")
    return values


def _check_tiling(entries, data_size):
    position = 0
    for name, (_, _, begin, end) in sorted(
            entries.items(), key=lambda item: item[1][2:]):
        if end > data_size:
            raise SafetensorsError(
                f"tensor '{name}': data ends at {end}, the file's at {data_size}")
        if begin != position:
            kind = "overlap" if begin < position else "hole"
            raise SafetensorsError(
                f"tensor '{name}': {kind}: begins at {begin}, expected {position}")
        position = end
    if position != data_size:
        raise SafetensorsError(f"{data_size - position} bytes belong to no tensor")
