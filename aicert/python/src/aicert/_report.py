"""What a verification found.  SPDX-License-Identifier: Apache-2.0"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple


class Check(NamedTuple):
    """One thing that was compared with another."""

    name: str
    """Such as "quote", "provenance", "output model"."""
    status: str
    """"passed", "failed", or "skipped": it had nothing to look at, and has not passed."""
    compared: str
    """What was compared with what, or why it failed; for people."""


@dataclass(frozen=True)
class Report:
    """What a verification found. Of a proof that does not hold together (level "none") nothing is repeated: its fields below `root` are empty."""

    verified: bool
    """True when every check passed or had nothing to look at, and the level is the required one or better."""
    level: str
    """The level reached: "none", "unsigned", "software", "genuine-tpm" or "measured-platform"."""
    required: str
    """The level that was required."""
    why_not_next: str
    """Why the level is not higher; "" when there is nothing to say."""
    checks: List[Check]
    """All checks, in the order in which they ran."""
    root: str
    """The id of the run: 64 hex digits, or ""."""
    name: str
    """What the builder called the run; "" when it has no name."""
    inputs: List[Dict[str, Any]]
    """[{"type", "name", "download_url", "hash"}]: as `Certificate.inputs`."""
    outputs: List[Dict[str, Any]]
    """[{"name", "hash", "type": "file" or "dir"}]: as `Certificate.outputs`."""
    parameters: List[Dict[str, str]]
    """[{"name", "value"}]: the Aicertfile's parameters with the values that the run had; "aicert.steps", where the builder chose steps, names those."""
    carried: List[Dict[str, Any]]
    """[{"step", "output", "hash", "size", and "text" or "base64"}]: outputs whose bytes the proof carries, such as metrics."""
    output_model_hash: str
    """64 hex digits, or ""."""
    platform_hash: str
    """64 hex digits, or ""."""
    key: str
    """Fingerprint of the key that attested the run: 64 hex digits, or ""."""
    executed: int
    """Number of results that the attested run made itself."""
    reused: int
    """Number of results that it took from earlier runs, whose attestations were checked like its own."""
    started: str
    """UTC, such as "2026-01-01T00:00:00Z", as the builder's machine says; or ""."""
    finished: str
    """As `started`."""
    judged_at: str
    """When certificates were judged, UTC; "" when the proof does not hold together."""
    judged_by: str
    """Why then: "timestamp" (of the proof, by an authority that you believe), "as-of", "now", or ""."""
    timestamp_authority: str
    """Whose timestamp it was; "" when `judged_by` is another."""
    anchor: str
    """Name of the root that vouches for the TPM, or ""."""
    authority: str
    """Who operates what that root vouches for, such as "azure", or ""."""
    cosigned: int
    """Number of further attestations of the same root."""
    job: str
    """Of a measured runner: SHA-256 of the header of the job disk that it was given; or ""."""
    boot: Dict[str, bool]
    """{"replayed", "matches"}: the boot log gives every PCR that was quoted; and all are as the policy says, whoever operates the machine. {} without evidence."""
    lineage: List[Dict[str, Any]]
    """[{"root", "name", "level", "key", "authority", "by", "input", "output"}]: the inputs that are outputs of other runs, and what the proofs of those reach."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    """The report as the library gave it: what `aicert verify --json` prints."""

    @property
    def failed(self) -> List[Check]:
        """The checks that failed."""
        return [c for c in self.checks if c.status == "failed"]

    def __str__(self) -> str:
        lines = [f"{'verified' if self.verified else 'not verified'}: level reached: {self.level}, required: {self.required}"]
        lines += [f"  {c.status:<8} {c.name:<19} {c.compared}" for c in self.failed + [c for c in self.checks if c.status != "failed"]]
        if self.why_not_next:
            lines.append(f"not more because: {self.why_not_next}")
        return "\n".join(lines)


def make_report(raw: Mapping[str, Any]) -> Report:
    """From the library's JSON."""
    # What is said of the attester only when the proof holds together.
    fields: Dict[str, Any] = {"judged_at": "", "judged_by": "", "timestamp_authority": "", "anchor": "", "authority": "", "cosigned": 0,
                              "job": "", "boot": {}, "lineage": [], "parameters": [], "carried": []}
    fields.update({name: raw[name] for name in Report.__dataclass_fields__ if name in raw and name not in ("checks", "raw")})
    return Report(checks=[Check(c["name"], c["status"], c["compared"]) for c in raw["checks"]], raw=raw, **fields)
