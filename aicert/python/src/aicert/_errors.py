"""What can go wrong.  SPDX-License-Identifier: Apache-2.0"""
from __future__ import annotations

from typing import TYPE_CHECKING, List

if TYPE_CHECKING:
    from ._report import Check, Report


class Error(Exception):
    """Base of all that this package raises.

    Raised itself when the machine, not the proof, is at fault: no memory, a key store of this user that cannot be read.
    """

    hint: str
    """What to do about it, one line, or ""."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.hint = hint


class ProofError(Error, ValueError):
    """The bytes are no proof: not JSON, cut short, another format, or lacking the field that was asked for."""


class UsageError(Error, ValueError):
    """An argument is wrong: an unknown level, a key that is no fingerprint, an output that the proof does not have."""


class LibraryError(Error, ImportError):
    """libaicert-verify was not found, or is not one that this package can use."""


class VerificationError(Error):
    """The proof was judged, and the answer is no."""

    failed: List[Check]
    """The checks that failed, in the order in which they ran; never empty. A level that is too low is the check "level"."""
    level: str
    """The level that the proof reached; "none" when it does not hold together."""
    required: str
    """The level that was required."""
    report: Report
    """All that was found."""

    def __init__(self, message: str, hint: str, report: Report) -> None:
        super().__init__(message, hint)
        self.report = report
        self.failed = report.failed
        self.level = report.level
        self.required = report.required

    def __reduce__(self):  # type: ignore[no-untyped-def]
        # Exceptions are pickled by their args, which are not those of __init__ here; workers send them home pickled.
        return _restore, (str(self), self.hint, self.report)


def _restore(text: str, hint: str, report: Report) -> VerificationError:
    error = VerificationError(text, "", report)
    error.hint = hint
    return error
