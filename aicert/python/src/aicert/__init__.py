"""Judges proofs of what a model was made of.

    import aicert
    cert = aicert.load("proof.json")
    cert.verify()                        # or cert.verify(require="software"), …
    print(cert.inputs, cert.output_model_hash)

A proof is a JSON file written by the command `aicert`. `load` reads it; `Certificate.verify` judges it and raises `VerificationError` unless it
reaches the level that was required. Nothing here uses the network or needs the builder's machine.

Every hash and id is 64 lower-case hex digits of a SHA-256. Levels, from weakest to strongest: "none" (altered, or does not hold together),
"unsigned", "software", "genuine-tpm", "measured-platform".

All that this package raises on purpose is an `aicert.Error`; a file that cannot be read is Python's own OSError.
Everything may be used from several threads.
SPDX-License-Identifier: Apache-2.0
"""
from ._certificate import Certificate, load, loads
from ._errors import Error, LibraryError, ProofError, UsageError, VerificationError
from ._library import version as _version
from ._report import Check, Report

__version__: str = _version()
"""Version of the library that judges, such as "0.1.0"."""

# Tracebacks and help() name what is public by the name that users type.
for _public in (Certificate, Check, Error, LibraryError, ProofError, Report, UsageError, VerificationError, load, loads):
    _public.__module__ = __name__

__all__ = ["Certificate", "Check", "Error", "LibraryError", "ProofError", "Report", "UsageError", "VerificationError", "load", "loads"]
