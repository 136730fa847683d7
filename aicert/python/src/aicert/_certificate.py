"""A proof, what it says, and the verdict on it.  SPDX-License-Identifier: Apache-2.0"""
from __future__ import annotations

import copy
import datetime
import functools
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from . import _library
from ._errors import Error, ProofError, UsageError, VerificationError
from ._report import Report, make_report

Path = Union[str, "os.PathLike[str]"]


class Certificate:
    """A proof as it was read: `verify` judges the very bytes that the properties show.

    The properties say what the proof says. Believe them after `verify` returned, not before: until then they are the builder's word, or anybody's.
    They are copies; changing them changes nothing here. Each raises `ProofError` when the proof lacks what it shows.
    """

    def __init__(self, data: bytes, name: str = "proof") -> None:
        """data: the bytes of a proof; name: what messages call it. Raises ProofError when they are no proof. `load` is the usual way."""
        self._data = bytes(data)
        self._name = name
        self._level: Optional[str] = None
        code, _, text, hint = _library.verify(self._data, require="unsigned", ignore_home=True)
        if code == _library.INPUT:
            # The library knows the bytes by no other name than "proof".
            raise ProofError(name + text[len("proof"):] if text.startswith("proof:") else f"{name}: {text}", hint)
        if code not in (_library.OK, _library.NO):
            raise Error(text, hint)

    def __repr__(self) -> str:
        return f"<aicert.Certificate {self._name!r}>"

    def verify(
        self,
        require: Optional[str] = None,
        key: Union[None, str, Sequence[str]] = None,
        policy: Optional[Path] = None,
        inputs: Optional[Mapping[str, Path]] = None,
        outputs: Optional[Mapping[str, Path]] = None,
        nonce: Optional[str] = None,
        allow_withheld: bool = False,
        only_keys: bool = False,
        as_of: Union[None, str, datetime.date, datetime.datetime] = None,
        disclosures: Optional[Mapping[Path, Optional[Path]]] = None,
    ) -> Report:
        """Judges the proof, and returns the report when it holds.

        require         the level that it must reach: "unsigned", "software", "genuine-tpm" or "measured-platform"; None: what the policy asks for,
                        else "measured-platform"
        key             fingerprints (64 lower-case hex digits each; one, or a list) of attestation keys to accept beside this machine's own and
                        those of `aicert trust`
        policy          the file of a policy (YAML; `aicert policy --help`): what else the proof must be
        inputs          {name: path} of files and folders here that must be the inputs of those names; for a git input the path of a clone, whose
                        commit is compared (takes the full library, libaicert, of the same version)
        outputs         {name: path} of files and folders here that must be the outputs of those names
        nonce           what the builder was given to prove that the run is newer than that
        allow_withheld  accept a proof some of whose nodes are not shown
        only_keys       accept no key but those of `key`
        as_of           when certificates are judged, unless a timestamp that is believed says it: "2026-01-31" (the end of that day),
                        "2026-01-31T12:00:00Z", a date, or a datetime that knows its time zone; None: now
        disclosures     {file that `aicert disclose` wrote: path of the disclosed file here, or None}

        The report is the command's, `aicert verify --json`, check by check.

        Raises VerificationError (what failed is in it) when the proof does not hold, does not reach the level, or a comparison differs; UsageError
        when an argument is wrong, names an input or output that the proof does not have, or the policy says what no policy can; Error when the policy's file or this user's
        keys cannot be read.
        """
        report = self._judge(require, [key] if isinstance(key, str) else list(key or ()), inputs, outputs, nonce, allow_withheld, only_keys,
                             policy, _instant(as_of), disclosures)
        self._level = report.level
        if not report.verified:
            raise VerificationError(_why(self._name, report), _what_to_type(report), report)
        return report

    def _judge(self, require: Optional[str], keys: Sequence[str] = (), inputs: Optional[Mapping[str, Path]] = None, outputs: Optional[Mapping[str, Path]] = None,
               nonce: Optional[str] = None, allow_withheld: bool = False, only_keys: bool = False, policy: Optional[Path] = None,
               as_of: Optional[str] = None, disclosures: Optional[Mapping[Path, Optional[Path]]] = None) -> Report:
        code, raw, text, hint = _library.verify(
            self._data, require=require, keys=keys, nonce=nonce, ignore_home=only_keys, allow_withheld=allow_withheld, inputs=inputs, outputs=outputs,
            policy=policy, as_of=as_of, disclosures=disclosures)
        if raw is None:
            raise (UsageError if code == _library.USAGE else Error)(text, hint)
        return make_report(raw)

    @property
    def level(self) -> str:
        """The level that the last `verify` of this certificate found, raised or not. Before the first one: the level that
        `verify(require="unsigned")` finds, which is asked for then; "none" when the proof does not hold together.
        """
        if self._level is None:
            self._level = self._judge("unsigned").level
        return self._level

    # --- what the proof says ---------------------------------------------

    @functools.cached_property
    def _proof(self) -> Dict[str, Any]:
        # The library has read the same bytes and refuses doubled keys, deep nesting and all that readers disagree on, so there is one way to read them.
        proof: Dict[str, Any] = json.loads(self._data)
        return proof

    def _get(self, name: str, kind: type) -> Any:
        value = self._proof.get(name)
        if not isinstance(value, kind):
            raise ProofError(f"{self._name}: has no '{name}'")
        return copy.deepcopy(value)

    @property
    def inputs(self) -> List[Dict[str, Any]]:
        """Where the inputs came from: [{"type", "name", "download_url", "hash"}]. The hash of a git input is its commit (40 hex digits) if the
        run tied the content to it, else the SHA-256 of the content, as of all other inputs.
        """
        value: List[Dict[str, Any]] = self._get("inputs", list)
        return value

    @property
    def outputs(self) -> List[Dict[str, Any]]:
        """What the run gave: [{"name", "hash", "type"}]. type "file": the hash is what `sha256sum FILE` prints; type "dir": what `aicert hash DIR`
        prints.
        """
        run = self._get("nodes", dict).get(self.root)
        listed = run.get("outputs") if isinstance(run, dict) else None
        if not isinstance(listed, list) or not all(isinstance(o, dict) and isinstance(o.get("name"), str) for o in listed):
            raise ProofError(f"{self._name}: its root is no run with outputs")
        return [{"name": o["name"], "hash": o.get("blob", o.get("tree")), "type": "file" if "blob" in o else "dir"} for o in listed]

    @property
    def output_model_hash(self) -> str:
        """Id of the output named `model`, else of the only output, else of all of them as one folder."""
        value: str = self._get("output_model_hash", str)
        return value

    @property
    def platform_hash(self) -> str:
        """SHA-256 over the TPM's registers that hold what booted (PCRs 0-9 and 11-14); for an embedded software TPM the same for everybody."""
        value: str = self._get("platform_hash", str)
        return value

    @property
    def root(self) -> str:
        """Id of the run, from which every node is reached. Equal inputs give an equal root, whoever runs them and when."""
        value: str = self._get("root", str)
        return value

    @property
    def nodes(self) -> Dict[str, Dict[str, Any]]:
        """{id: node}, each a dict with "kind"; the id is the SHA-256 of the node's canonical JSON (RFC 8785)."""
        value: Dict[str, Dict[str, Any]] = self._get("nodes", dict)
        return value

    @property
    def claims(self) -> Dict[str, Any]:
        """What the builder's machine said of this one run: "executed", "reused", "started", "finished", "machine", "program", …"""
        value: Dict[str, Any] = self._get("claims", dict)
        return value


def load(path: Path) -> Certificate:
    """Reads the proof in the file path. Raises OSError when it cannot be read, ProofError when its bytes are no proof."""
    with open(path, "rb") as f:
        return Certificate(f.read(), os.fsdecode(path))


def loads(data: bytes) -> Certificate:
    """The proof that these bytes are. Raises ProofError when they are none."""
    return Certificate(data)


def _instant(when: Union[None, str, datetime.date, datetime.datetime]) -> Optional[str]:
    """As the library reads it. A clock time without a zone could be any of 26 hours."""
    if isinstance(when, datetime.datetime):
        if when.utcoffset() is None:
            raise UsageError(f"as_of: got {when!r}, expected a datetime with a time zone")
        return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return when.isoformat() if isinstance(when, datetime.date) else when


# --- words -----------------------------------------------------------------

def _why(name: str, report: Report) -> str:
    failed = "".join(f"\n  {c.name}: {c.compared}" for c in report.failed)
    return f"{name}: not verified: level reached: {report.level}, level required: {report.required}{failed}"


def _what_to_type(report: Report) -> str:
    """The one thing to try next, in this language; the library's own hint speaks of the command's options."""
    failed = {c.name for c in report.failed}
    if "withheld" in failed:
        return "allow_withheld=True accepts nodes that are not shown, if you need not see them"
    if report.level == "software" and "level" in failed:
        return 'if the word of a software TPM is enough: verify(require="software")'
    if report.level == "unsigned" and "accepted key" in failed and report.key:
        return f'if you know whose key it is: verify(require="software", key="{report.key}")'
    return ""
