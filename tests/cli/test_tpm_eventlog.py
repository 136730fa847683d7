"""`aicert tpm eventlog` as a command: its options, what it takes as known values, its exit codes, its words. Logs made here.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import json
import struct

import pytest

SHA256 = ((11, 32),)
EBS = b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success"


def header(banks=SHA256):
    data = b"Spec ID Event03\0" + bytes((0, 0, 0, 0, 0, 2, 0, 2)) + struct.pack("<I", len(banks)) + b"".join(struct.pack("<HH", *b) for b in banks) + b"\0"
    return struct.pack("<II", 0, 3) + bytes(20) + struct.pack("<I", len(data)) + data


def event(pcr, kind, data, hashed=None):
    digest = hashlib.sha256(data if hashed is None else hashed).digest()
    return struct.pack("<IIIH", pcr, kind, 1, 11) + digest + struct.pack("<I", len(data)) + data


def good():
    b = header() + event(0, 8, "v1\0".encode("utf-16-le"))
    b += event(7, 0x80000001, bytes(16) + struct.pack("<QQ", 10, 1) + "SecureBoot".encode("utf-16-le") + b"\1")
    b += b"".join(event(p, 4, bytes(4)) for p in range(8)) + b"".join(event(5, 0x80000007, t) for t in EBS)
    return b + event(8, 13, b"kernel_cmdline: /vmlinuz \033[31m\0", b"/vmlinuz \033[31m")


def pcr(*texts):
    value = bytes(32)
    for t in texts:
        value = hashlib.sha256(value + hashlib.sha256(t).digest()).digest()
    return value.hex()


PCR4, PCR5 = pcr(bytes(4)), pcr(bytes(4), *EBS)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").write_bytes(good())
    return tmp_path / "log"


@pytest.fixture
def known(tmp_path):
    def write(value):
        (tmp_path / "known").write_text(value if isinstance(value, str) else json.dumps(value))
        return tmp_path / "known"
    return write


def test_for_people(aicert, log):
    out = aicert("tpm", "eventlog", log).stdout
    assert f"PCR 4  {PCR4}" in out and "variable 'SecureBoot': Secure Boot is on" in out and "firmware version 'v1'" in out
    assert "\033" not in out and "kernel command line '/vmlinuz \\x1b[31m'" in out
    assert "TCG's profile" not in out


def test_one_pcr(aicert, log):
    out = aicert("tpm", "eventlog", log, "--pcr", "4,5", "--pcr", "7").stdout
    assert [line.split()[1] for line in out.splitlines() if line.startswith("PCR")] == ["4", "5", "7"]
    got = aicert.json("tpm", "eventlog", log, "--pcr", "4")
    assert {e["pcr"] for e in got["events"]} == {4} and got["pcrs"] == {"sha256": {"4": PCR4}}
    for bad in ("24", "x", "", "4,,5", "4,", "-1", "999", "4 5"):
        assert "--pcr" in aicert("tpm", "eventlog", log, f"--pcr={bad}", code=2).stderr


def test_json_is_as_documented(aicert, log):
    got = aicert.json("tpm", "eventlog", log)
    assert set(got) == {"format", "bank", "banks", "locality", "hcrtm", "pcrs", "events", "faults"}
    assert got["format"] == "crypto-agile" and got["bank"] == "sha256" and got["banks"] == [{"name": "sha256", "size": 32, "replayed": True}]
    assert got["faults"] == [] and got["locality"] == 0 and got["hcrtm"] is False
    assert got["pcrs"]["sha256"]["5"] == PCR5
    assert got["events"][-1] == {"index": 12, "pcr": 8, "type": "EV_IPL", "digest": hashlib.sha256(b"/vmlinuz \033[31m").hexdigest(), "label": "kernel_cmdline",
                                 "text": "/vmlinuz \\x1b[31m", "what": "command-line", "believed": True}


@pytest.mark.parametrize("form", [lambda v: {"sha256": v}, lambda v: v, lambda v: {"pcrs": v}, lambda v: {"pcrs": {"sha256": v}, "more": 1}],
                         ids=["banks", "flat", "pcrs", "report"])
def test_known_values(aicert, log, known, form):
    good_values = {"4": PCR4, "5": "0x" + PCR5.upper(), "16": "00" * 32, "17": "ff" * 32}
    got = aicert.json("tpm", "eventlog", log, "--pcrs", known(form(good_values)))
    assert got["equal"] is True and [c["pcr"] for c in got["compared"]] == [4, 5, 16, 17] and all(c["equal"] for c in got["compared"])
    r = aicert("tpm", "eventlog", log, "--pcrs", known(form({**good_values, "4": PCR5})), code=1)
    assert f"sha256 PCR 4 differs: replays to {PCR4}, expected {PCR5}" in r.stdout and "3 of 4 known values" in r.stdout
    # Shown or not, all are compared.
    assert "PCR 4 differs" in aicert("tpm", "eventlog", log, "--pcr", "7", "--pcrs", known(form({"4": PCR5})), code=1).stdout
    got = json.loads(aicert("tpm", "eventlog", log, "--json", "--pcrs", known(form({"4": PCR5})), code=1).stdout)
    assert got["equal"] is False and got["compared"][0]["replayed"] == PCR4


def test_one_report_serves_another(aicert, log, known):
    assert aicert.json("tpm", "eventlog", log, "--pcrs", known(aicert("tpm", "eventlog", log, "--json").stdout))["equal"] is True


def test_says_why(aicert, log, tmp_path, known):
    short = tmp_path / "short"
    short.write_bytes(good()[:good().index(struct.pack("<II", 5, 0x80000007))])
    r = aicert("tpm", "eventlog", short, "--pcrs", known({"5": PCR5}), code=1)
    assert "equal with the two events of ExitBootServices" in r.stdout and "calls of ExitBootServices are not in the log" in r.stdout
    assert "a PCR which nothing was extended into" in aicert("tpm", "eventlog", log, "--pcrs", known({"4": "00" * 32}), code=1).stdout
    assert "no event of the log is in this PCR" in aicert("tpm", "eventlog", log, "--pcrs", known({"10": PCR5}), code=1).stdout
    assert "the log has no such bank" in aicert("tpm", "eventlog", log, "--pcrs", known({"sha384": {"4": "00" * 48}}), code=1).stdout


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": {}}', '{"24": "%s"}' % PCR4, '{"04": "%s"}' % PCR4, '{"x": "%s"}' % PCR4, '{"4": 4}', '{"4": ""}', '{"4": "zz"}',
                                  '{"4": "%s"}' % PCR4[2:], '{"4": "%s", "5": "%s"}' % (PCR4, "00" * 20), '{"md5": {"4": "00"}}', '{"sha384": {"4": "%s"}}' % PCR4,
                                  '{"4": "%s", "4": "%s"}' % (PCR4, PCR4), '{"pcrs": {}}', '{"4": "%s"}' % ("00" * 65)])
def test_known_values_that_are_none(aicert, log, known, text):
    r = aicert("tpm", "eventlog", log, "--pcrs", known(text), code=3)
    assert "known" in r.stderr and not r.stdout


def test_sha1(aicert, log, tmp_path, known):
    """Refused as a format, and as the only bank that is compared."""
    old = tmp_path / "old"
    old.write_bytes(struct.pack("<II", 4, 4) + hashlib.sha1(bytes(4)).digest() + struct.pack("<I", 4) + bytes(4))
    r = aicert("tpm", "eventlog", old, code=1)
    assert "SHA-1 format" in r.stderr and "hint: --allow-sha1" in r.stderr and not r.stdout
    value = hashlib.sha1(bytes(20) + hashlib.sha1(bytes(4)).digest()).hexdigest()
    assert "SHA-1 values alone" in aicert("tpm", "eventlog", log, "--pcrs", known({"4": value}), code=1).stderr
    assert aicert.json("tpm", "eventlog", old, "--allow-sha1", "--pcrs", known({"4": value}))["equal"] is True


def test_base64_and_standard_input(aicert, log, tmp_path):
    want = aicert("tpm", "eventlog", log).stdout
    text = base64.encodebytes(good()).decode()
    (tmp_path / "log.b64").write_text(text)
    assert aicert("tpm", "eventlog", tmp_path / "log.b64").stdout == want == aicert("tpm", "eventlog", "-", input=text).stdout


def test_banks(aicert, log, tmp_path):
    assert "got no bank sha384" in aicert("tpm", "eventlog", log, "--bank", "sha384", code=1).stderr
    assert "--bank" in aicert("tpm", "eventlog", log, "--bank", "md5", code=2).stderr
    # A bank that is off: its events have no digest in it.
    two = tmp_path / "two"
    two.write_bytes(header(((12, 48), (11, 32), (0x27, 32))) + event(4, 4, bytes(4)))
    got = aicert.json("tpm", "eventlog", two)
    assert got["bank"] == "sha256" and list(got["pcrs"]) == ["sha256"] and [b["replayed"] for b in got["banks"]] == [False, True, False]
    assert "has no digest in bank sha384" in got["banks"][0]["why"] and got["banks"][2]["name"] == "0x0027"


def test_usage(aicert, log, tmp_path):
    assert "example:" in aicert("tpm", "eventlog", "--help").stdout
    assert "eventlog" in aicert("tpm", "--help").stdout
    aicert("tpm", "eventlog", code=2)
    aicert("tpm", "eventlog", log, log, code=2)
    aicert("tpm", "eventlog", log, "--nonsense", code=2)
    aicert("tpm", "eventlog", tmp_path / "absent", code=3)
    aicert("tpm", "eventlog", tmp_path, code=3)
    aicert("tpm", "eventlog", log, "--pcrs", tmp_path / "absent", code=3)


def test_long_texts_fit_the_screen(aicert, tmp_path):
    (tmp_path / "log").write_bytes(header() + event(4, 0x80000007, b"x" * 5000) + event(4, 0x80000007, "ä".encode() * 500))
    lines = aicert("tpm", "eventlog", tmp_path / "log").stdout.splitlines()
    assert max(map(len, (line for line in lines if "'" in line and "=" in line))) < 160 and any(line.endswith("ä…") for line in lines)
    assert aicert.json("tpm", "eventlog", tmp_path / "log")["events"][0]["text"] == "x" * 5000
