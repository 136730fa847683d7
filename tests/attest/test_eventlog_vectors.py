"""Every boot log of ../shared/vectors gives what the index says of it: one test each, and their count at the end.

The oracle is a replay written here, besides the known values (of real TPMs, and tpm2_eventlog's).
SPDX-License-Identifier: Apache-2.0
"""
import base64
import csv
import hashlib
import json
import pathlib
import random
import re
import struct

import pytest

from conftest import SHARED

VECTORS = SHARED / "vectors"
NAMES = {4: "sha1", 11: "sha256", 12: "sha384", 13: "sha512"}
SIZES = {4: 20, 11: 32, 12: 48, 13: 64}
NO_ACTION, HCRTM = 3, 0x80000010


def index():
    if not (VECTORS / "INDEX.tsv").is_file():
        return []
    with open(VECTORS / "INDEX.tsv", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


ROWS = index()
LOGS = [r for r in ROWS if r["kind"] == "eventlog"]
NEGATIVE = [r for r in ROWS if r["kind"] == "negative"
            and (r["file"].endswith(("bogus", "empty")) or "specid" in r["file"] or "eventsize" in r["file"])]
HEADERS = [r for r in LOGS if "/specid/" in r["file"]]
WITH_KNOWN = [r for r in LOGS if (VECTORS / (r["file"] + ".pcrs.json")).is_file()]
WHY = {"neg_eventsize_too_large.bin": "size lies: got 1206894525", "specid_invalid_version.bin": "got version 1.2, expected 2.0",
       "specid_malicious_num_algs.bin": "got 4294967295 algorithms", "binary_bios_measurements-bogus": "got text",
       "binary_bios_measurements-empty": "empty", "specid-vendordata.bin": "vendorInfoSize lies: got 4, expected the 0 bytes"}


def rows(which):
    ids = [r["file"].replace("/", ".") for r in which]
    return pytest.mark.parametrize("row", which or [pytest.param(None, marks=pytest.mark.skip("../shared is absent"))], ids=ids or ["none"])


def parse(b):
    """[(pcr, type, {alg: (offset, digest)}, data)] and the algorithms, by the specification's shortest reading."""
    def head(at):
        pcr, kind = struct.unpack_from("<II", b, at)
        size, = struct.unpack_from("<I", b, at + 28)
        return pcr, kind, b[at + 32:at + 32 + size], at + 32 + size
    pcr, kind, data, at = head(0)
    events = []
    if data[:16] != b"Spec ID Event03\0":
        at = 0
        while at < len(b) and any(b[at:]):
            pcr, kind, data, end = head(at)
            events.append((pcr, kind, {4: (at + 8, b[at + 8:at + 28])}, data))
            at = end
        return {4: 20}, events
    n, = struct.unpack_from("<I", data, 24)
    algs = dict(struct.unpack_from("<HH", data, 28 + 4 * i) for i in range(n))
    while at < len(b) and any(b[at:]):
        pcr, kind, n = struct.unpack_from("<III", b, at)
        at += 12
        digests = {}
        for _ in range(n):
            alg, = struct.unpack_from("<H", b, at)
            digests[alg] = (at + 2, b[at + 2:at + 2 + algs[alg]])
            at += 2 + algs[alg]
        size, = struct.unpack_from("<I", b, at)
        events.append((pcr, kind, digests, b[at + 4:at + 4 + size]))
        at += 4 + size
    return algs, events


def replay(b):
    """{bank: {pcr: hex}} for the banks in which every event has a digest."""
    algs, events = parse(b)
    out = {}
    for alg in (a for a in algs if a in NAMES):
        extends = [(p, d) for p, kind, d, _ in events if kind != NO_ACTION]
        if not all(alg in d for _, d in extends):
            continue
        pcrs = {}
        for p, kind, _, data in events:
            if kind == NO_ACTION and data[:16] == b"StartupLocality\0" and data[16]:
                pcrs[0] = bytes(SIZES[alg] - 1) + data[16:17]
        for p, d in extends:
            pcrs[p] = hashlib.new(NAMES[alg], pcrs.get(p, bytes(SIZES[alg])) + d[alg][1]).digest()
        out[NAMES[alg]] = {str(p): v.hex() for p, v in pcrs.items()}
    return out


def sha1_format(b):
    return not (b[32:48] == b"Spec ID Event03\0" or b[:16] == b"Spec ID Event03\0")


def flags(b):
    return ["--allow-sha1"] if sha1_format(b) else []


def content(row):
    b = (VECTORS / row["file"]).read_bytes()
    return base64.b64decode(b) if row["file"].endswith(".b64") else b


@rows([r for r in LOGS if r not in HEADERS and "cel.b64" not in r["file"]])
def test_replays(aicert, row):
    """Parsed, put in words, and every bank's PCRs as the oracle has them."""
    path, b = VECTORS / row["file"], content(row)
    got = aicert.json("tpm", "eventlog", path, *flags(b))
    algs, events = parse(b)
    assert got["format"] == ("sha1" if sha1_format(b) else "crypto-agile")
    assert got["pcrs"] == replay(b)
    assert [bank["size"] for bank in got["banks"]] == list(algs.values())
    assert len(got["events"]) == len(events)
    bank = next(a for a in NAMES if NAMES[a] == got["bank"])
    for i, (event, (pcr, _, digests, data)) in enumerate(zip(got["events"], events)):
        assert (event["index"], event["pcr"]) == (i, -1 if pcr == 0xffffffff else pcr)
        assert event["digest"] == digests[bank][1].hex()
        # What is believed without being an image is in the data, and the data or a part of it was hashed.
        if event["believed"] and event["what"] not in ("image", "uki-section"):
            parts = (data[k:len(data) + e] + z for k in range(min(len(data) + 1, 40)) for e in (0, -1, -2) for z in (b"", b"\0"))
            assert any(hashlib.new(NAMES[bank], part).digest() == digests[bank][1] for part in parts), event
    text = aicert("tpm", "eventlog", path, *flags(b)).stdout
    assert all(f"PCR {p}  {v}" in text for p, v in got["pcrs"][got["bank"]].items())
    if sha1_format(b):
        refused = aicert("tpm", "eventlog", path, code=1)
        assert "SHA-1 format" in refused.stderr and "--allow-sha1" in refused.stderr and not refused.stdout


@rows(WITH_KNOWN)
def test_equals_what_the_tpm_said(aicert, row, tmp_path):
    """The TPM's values, in every bank listed; and no digest that they come from can change."""
    path, b, known = VECTORS / row["file"], content(row), VECTORS / (row["file"] + ".pcrs.json")
    got = aicert.json("tpm", "eventlog", path, "--pcrs", known, *flags(b))
    values = json.loads(known.read_text())
    assert got["equal"] is True and len(got["compared"]) == sum(map(len, values.values()))
    assert all(c["equal"] and c["known"] == values[c["bank"]][str(c["pcr"])] == c["replayed"] for c in got["compared"])
    # Some of the digests here; tests/unit/test_eventlog_vectors.c turns every byte of each.
    digests = [(pcr, alg, *d[alg]) for pcr, kind, d, _ in parse(b)[1] if kind != NO_ACTION for alg in d
               if alg in NAMES and str(pcr) in values.get(NAMES[alg], {})]
    rng, flipped = random.Random(row["file"]), tmp_path / "flipped"
    for pcr, alg, at, digest in rng.sample(digests, min(25, len(digests))):
        at += rng.randrange(len(digest))
        flipped.write_bytes(b[:at] + bytes([b[at] ^ 1 << rng.randrange(8)]) + b[at + 1:])
        r = aicert("tpm", "eventlog", flipped, "--pcrs", known, *flags(b), code=1)
        assert f"{NAMES[alg]} PCR {pcr} differs" in r.stdout


@rows([r for r in LOGS if "tpm2-tools" in r["file"]])
def test_equals_tpm2_eventlog(aicert, row, tmp_path):
    """tpm2_eventlog's own expected values, for logs without StartupLocality (with it, 5.4 is wrong)."""
    name = VECTORS / row["file"]
    text = next(p for p in (name.parent / "event-pretty" / (name.name + ".yaml"), name.parent / (name.name + ".yaml")) if p.is_file()).read_text()
    known, bank = {}, None
    for line in text.split("\npcrs:\n")[1].splitlines():
        head, value = re.fullmatch(r"  (\w+):", line), re.fullmatch(r"    (\d+)\s*: 0x([0-9a-f]+)", line)
        if head:
            bank = known.setdefault(head[1], {})
        elif value:
            bank[value[1]] = value[2]
    (tmp_path / "known").write_text(json.dumps(known))
    b = content(row)
    got = aicert.json("tpm", "eventlog", name, "--pcrs", tmp_path / "known", *flags(b))
    assert got["equal"] is True and len(got["compared"]) == sum(map(len, known.values())) > 0


@rows(HEADERS)
def test_header_alone(aicert, row):
    """A TCG_EfiSpecIDEvent without the event around it: its banks are read."""
    got = aicert.json("tpm", "eventlog", VECTORS / row["file"])
    assert [b["name"] for b in got["banks"]] == (["sha1", "sha256"] if "sha256" in row["file"] else ["sha1"]) and got["events"] == []


@rows(NEGATIVE)
def test_refused(aicert, row):
    path = VECTORS / row["file"]
    for more in ([], ["--allow-sha1"], ["--json"]):
        r = aicert("tpm", "eventlog", path, *more, code=3)
        assert WHY[path.name] in r.stderr and not r.stdout


def test_canonical_event_log(aicert, shared):
    r = aicert("tpm", "eventlog", VECTORS / "google+go-tpm-tools/agent/testdata/cel.b64", code=3)
    assert "TCG Canonical Event Log (CEL, in TLV)" in r.stderr


def test_windows(aicert, shared):
    """A Windows log and the values of its TPM, all SHA-1: refused, and equal when that is allowed."""
    d = VECTORS / "google+go-attestation/extracted/windows_gcp_shielded_vm"
    aicert("tpm", "eventlog", d / "wbcl.bin", "--pcrs", d / "pcrs.json", code=1)
    known = json.loads((d / "pcrs.json").read_text())["sha1"]
    got = json.loads(aicert("tpm", "eventlog", d / "wbcl.bin", "--pcrs", d / "pcrs.json", "--allow-sha1", "--json", code=None).stdout)
    differs = {c["pcr"] for c in got["compared"] if not c["equal"]}
    assert len(got["compared"]) == len(known) and differs == set(), differs


def test_exit_boot_services_left_out(aicert, shared, tmp_path):
    """go-attestation's log without ExitBootServices: PCR 5 differs, and the report says what would make it equal."""
    log = VECTORS / "google+go-attestation/attest/testdata/ebs_event_missing_eventlog"
    (tmp_path / "known").write_text(json.dumps({"5": "31245808d6d35849bc394f6343f2b3ff908ed5e3"}))
    r = aicert("tpm", "eventlog", log, "--allow-sha1", "--pcrs", tmp_path / "known", code=1)
    assert "equal with the two events of ExitBootServices behind the log" in r.stdout
    assert "ExitBootServices are not in the log" in r.stdout


def test_every_log_of_the_index_is_here(shared):
    """Nothing that the index calls a log, or a malformed one, was left out above."""
    tested = {r["file"] for r in LOGS} | {r["file"] for r in NEGATIVE}
    wanted = {r["file"] for r in ROWS if r["kind"] == "eventlog" or (r["kind"] == "negative" and pathlib.Path(r["file"]).name in WHY)}
    assert tested == wanted and {pathlib.Path(r["file"]).name for r in NEGATIVE} == set(WHY)
    print(f"{len(LOGS)} logs, {len(WITH_KNOWN)} with a TPM's values, {len(NEGATIVE)} refused")
    assert len(LOGS) >= 42 and len(WITH_KNOWN) >= 15
