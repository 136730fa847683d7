"""libaicert-verify through ctypes: finds it, and mirrors the verifying half of aicert.h.

Looked for in this order: in this package (where the wheel puts it), $AICERT_LIBRARY (a file), the system's libraries.
The full library, libaicert, is a superset; it is looked for only when a clone is to be read.
SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

import ctypes
import ctypes.util
import functools
import json
import os
import pathlib
from typing import Any, Mapping, Optional, Sequence, Tuple

from ._errors import Error, LibraryError, UsageError

OK, NO, USAGE, INPUT = 0, -1, -2, -3  # enum aicert_code
NAME, SONAME = "libaicert-verify.so", "libaicert-verify.so.0"


class _Error(ctypes.Structure):
    """aicert_error"""

    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 1024), ("hint", ctypes.c_char * 512)]


class _NamedPath(ctypes.Structure):
    """aicert_named_path"""

    _fields_ = [("name", ctypes.c_char_p), ("path", ctypes.c_char_p)]


class _VerifyOptions(ctypes.Structure):
    """aicert_verify_options; the library takes a shorter one as one of an older caller."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("require", ctypes.c_char_p),
        ("keys", ctypes.POINTER(ctypes.c_char_p)),
        ("n_keys", ctypes.c_size_t),
        ("nonce", ctypes.c_char_p),
        ("home", ctypes.c_char_p),
        ("ignore_home", ctypes.c_int),
        ("allow_withheld", ctypes.c_int),
        ("inputs", ctypes.POINTER(_NamedPath)),
        ("n_inputs", ctypes.c_size_t),
        ("outputs", ctypes.POINTER(_NamedPath)),
        ("n_outputs", ctypes.c_size_t),
        ("policy", ctypes.c_char_p),
        ("as_of", ctypes.c_char_p),
        ("disclosures", ctypes.POINTER(_NamedPath)),
        ("n_disclosures", ctypes.c_size_t),
    ]


def _declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    """Argument types, without which ctypes cuts pointers; AttributeError when it is another library."""
    lib.aicert_version.restype = ctypes.c_char_p
    lib.aicert_version.argtypes = []
    lib.aicert_free.restype = None
    lib.aicert_free.argtypes = [ctypes.c_void_p]
    lib.aicert_verify.restype = ctypes.c_int
    lib.aicert_verify.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_VerifyOptions), ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(_Error)]
    return lib


def _find() -> str:
    """The first place that has one decides: a broken library there is an error, not a reason to take another."""
    bundled = pathlib.Path(__file__).resolve().parent / NAME
    if bundled.exists():
        return str(bundled)
    if named := os.environ.get("AICERT_LIBRARY"):
        return os.path.abspath(named)
    # find_library asks the linker's cache, which knows nothing of LD_LIBRARY_PATH; the soname does.
    return ctypes.util.find_library("aicert-verify") or SONAME


def _load() -> Tuple[ctypes.CDLL, str]:
    where = _find()
    try:
        return _declare(ctypes.CDLL(where)), where
    except AttributeError as e:
        raise LibraryError(f"{where}: is not libaicert-verify: {e}") from None
    except OSError as e:
        hint = "install the package from aicert's checkout, or name the library's file by AICERT_LIBRARY" if where == SONAME else ""
        raise LibraryError(f"libaicert-verify: cannot load: {e}", hint) from None


_verify_library, _where = _load()


def version() -> str:
    """Version of the library that judges."""
    return _verify_library.aicert_version().decode()


@functools.lru_cache(maxsize=None)
def _full_library() -> Optional[ctypes.CDLL]:
    """libaicert of the same version, or None."""
    found = ctypes.util.find_library("aicert")
    named = os.environ.get("AICERT_LIBRARY")
    beside = os.path.join(os.path.dirname(os.path.abspath(named)), "libaicert.so") if named else None
    for where in (named, beside, found, "libaicert.so.0"):
        try:
            lib = _declare(ctypes.CDLL(where)) if where else None
        except (OSError, AttributeError):
            continue
        # Two versions may judge differently; an answer must not depend on which was lying about.
        if lib and hasattr(lib, "aicert_hash_commit") and lib.aicert_version() == _verify_library.aicert_version():
            return lib
    return None


def _text(what: str, value: object) -> bytes:
    """UTF-8 for C, which would take a NUL for the end."""
    if not isinstance(value, str):
        raise UsageError(f"{what}: got {type(value).__name__}, expected str")
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what}: got {value!r}, expected text that UTF-8 can say") from None
    if b"\0" in data:
        raise UsageError(f"{what}: got {value!r}, expected text without NUL")
    return data


def _path(what: str, path: object) -> bytes:
    """A path as the system writes it."""
    try:
        at = os.fsencode(path)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{what}: got {type(path).__name__}, expected a path") from None
    if not at or b"\0" in at:
        raise UsageError(f"{what}: got {path!r}, expected a path")
    return at


def _named_paths(what: str, paths: Optional[Mapping[str, Any]]) -> Tuple[Any, int]:
    if paths is None:
        return None, 0
    if not isinstance(paths, Mapping):
        raise UsageError(f"{what}: got {type(paths).__name__}, expected a dict of names to paths")
    pairs = []
    for name, path in paths.items():
        pairs.append((_text(what, name), _path(f"{what}: {name!r}", path)))
    return (_NamedPath * len(pairs))(*pairs), len(pairs)


def _disclosures(files: Optional[Mapping[Any, Any]]) -> Tuple[Any, int]:
    """A mapping of disclosures' files to what lies here, or None, as the library takes it."""
    if files is None:
        return None, 0
    if not isinstance(files, Mapping):
        raise UsageError(f"disclosures: got {type(files).__name__}, expected a dict of paths to paths")
    pairs = [(_path("disclosures", f), None if here is None else _path(f"disclosures: {f!r}", here)) for f, here in files.items()]
    return (_NamedPath * len(pairs))(*pairs), len(pairs)


def verify(
    proof: bytes,
    *,
    require: Optional[str],
    keys: Sequence[str] = (),
    nonce: Optional[str] = None,
    ignore_home: bool = False,
    allow_withheld: bool = False,
    inputs: Optional[Mapping[str, Any]] = None,
    outputs: Optional[Mapping[str, Any]] = None,
    policy: Any = None,
    as_of: Optional[str] = None,
    disclosures: Optional[Mapping[Any, Any]] = None,
) -> Tuple[int, Any, str, str]:
    """aicert_verify: its code, the report (None when there is none), the error's text and hint."""
    in_, n_in = _named_paths("inputs", inputs)
    out, n_out = _named_paths("outputs", outputs)
    shown, n_shown = _disclosures(disclosures)
    options = _VerifyOptions(
        size=ctypes.sizeof(_VerifyOptions), require=None if require is None else _text("require", require),
        keys=(ctypes.c_char_p * len(keys))(*(_text("key", k) for k in keys)), n_keys=len(keys),
        nonce=None if nonce is None else _text("nonce", nonce), ignore_home=bool(ignore_home), allow_withheld=bool(allow_withheld),
        inputs=in_, n_inputs=n_in, outputs=out, n_outputs=n_out, policy=None if policy is None else _path("policy", policy),
        as_of=None if as_of is None else _text("as_of", as_of), disclosures=shown, n_disclosures=n_shown)
    lib = (_full_library() if n_in else None) or _verify_library
    report, error = ctypes.c_void_p(), _Error()
    code = lib.aicert_verify(proof, len(proof), ctypes.byref(options), ctypes.byref(report), ctypes.byref(error))
    try:
        text = ctypes.string_at(report.value) if report.value else None
    finally:
        lib.aicert_free(report)
    if code in (OK, NO) and text is None:
        raise Error(f"internal: the library answered {code} without a report")
    return code, json.loads(text) if text is not None else None, error.text.decode("utf-8", "replace"), error.hint.decode("utf-8", "replace")
