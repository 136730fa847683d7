"""`aicert vm reference`: hashes by other people's code, firmware's values from its bytes, policies that are taken, and machines of other shapes."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.dirname(__file__))
import ovmf_values  # noqa: E402
from runner import project, runner  # noqa: E402,F401

UKI = ROOT / "tests/fuzz/corpus/vm_pe/uki"
STUB = pathlib.Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
OVMF = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def tool(*argv):
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is absent")
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    return r.stdout + r.stderr


def known_firmware():
    if not OVMF.exists():
        pytest.skip(f"{OVMF} is absent (ovmf)")
    image = OVMF.read_bytes()
    if hashlib.sha256(image).hexdigest() not in ovmf_values.BUILDS:
        pytest.skip(f"{OVMF} is another build than those that are known")
    return image


def test_hash_by_osslsigncode(aicert, tmp_path):
    """The hash that is signed, whether there is a signature or not."""
    key, cert, signed = (tmp_path / n for n in ("key.pem", "cert.pem", "signed.efi"))
    tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=test", "-days", "2")
    tool("osslsigncode", "sign", "-certs", cert, "-key", key, "-h", "sha256", "-in", UKI, "-out", signed)
    said = re.search(r"Calculated message digest : ([0-9A-F]{64})", tool("osslsigncode", "verify", signed))
    assert said[1].lower() == aicert.json("vm", "reference", UKI)["uki"] == aicert.json("vm", "reference", signed)["uki"]


def test_uki_by_objcopy(aicert, tmp_path):
    """Sections that objcopy put into the distribution's stub are found and hashed as they are; its layout is another than ours."""
    if not STUB.exists():
        pytest.skip(f"{STUB} is absent (systemd-boot-efi)")
    kernel = UKI.read_bytes()[-0x800:]
    kernel = kernel[kernel.index(b"MZ"):]
    parts = {".osrel": b"ID=x\n", ".cmdline": b"console=ttyS0", ".initrd": b"the initrd", ".linux": kernel}
    argv, at = [], 0x100000
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
        argv += ["--add-section", f"{name}={tmp_path / name}", "--change-section-vma", f"{name}={at:#x}"]
        at += 0x10000
    made = tmp_path / "made.efi"
    assert tool("objcopy", *argv, STUB, made) == ""
    r = aicert.json("vm", "reference", made)
    assert r["command_line"] == "console=ttyS0"
    sha = {n: hashlib.sha256(d).hexdigest() for n, d in parts.items()}
    assert [(s["name"], s["sha256"]) for s in r["sections"]] == [(n, sha[n]) for n in (".linux", ".osrel", ".cmdline", ".initrd")]
    assert [f["sha256"] for f in r["files"]] == [hashlib.sha256("console=ttyS0\0".encode("utf-16le")).hexdigest(), sha[".initrd"]]
    pcr = bytes(32)
    for f in r["files"]:
        pcr = hashlib.sha256(pcr + bytes.fromhex(f["sha256"])).digest()
    assert r["pcrs"]["9"] == pcr.hex()


def policy_values(text):
    """PCR 0's, of a policy's text."""
    block = re.search(r"^  0:\n((?:    .*\n)+)", text, re.M)[1]
    return re.findall(r"^    - ([0-9a-f]{64})$", block, re.M)


def test_firmware_from_its_bytes(aicert):
    """The values that are built in are those of the distribution's firmware."""
    image = known_firmware()
    aicert("vm", "reference", UKI, "--policy", "all.yaml")
    aicert("vm", "reference", UKI, "--policy", "one.yaml", "--firmware", OVMF)
    all_, one = ((aicert.cwd / n).read_text() for n in ("all.yaml", "one.yaml"))
    assert all_ == one
    values = policy_values(one)
    assert values == [v for _, _, _, v in ovmf_values.table(image)] and len(set(values)) == len(values)


def test_shapes_between(aicert):
    """What `aicert run` makes of a size that is not in the table has the value of one that is."""
    image = known_firmware()
    peifv, dxefv = ovmf_values.volumes(image)
    _, at = ovmf_values.BUILDS[hashlib.sha256(image).hexdigest()]
    known = {v for _, _, _, v in ovmf_values.table(image)}
    for mib in (2048, 3072, 3073, 8000, 30 * 1024, 30 * 1024 + 1, 100000, 254 * 1024):
        for kind in ovmf_values.KINDS:
            assert ovmf_values.pcr0(peifv, dxefv, at, mib << 20, 4, kind) in known, mib
    for mib, cpus in ((512, 1), (1500, 1), (4096, 3), (255 * 1024, 1)):
        assert ovmf_values.pcr0(peifv, dxefv, at, mib << 20, cpus, "intel") not in known, mib


def test_other_firmware(aicert, tmp_path):
    other = tmp_path / "OVMF_CODE.fd"
    other.write_bytes(b"\0" * 4096)
    r = aicert("vm", "reference", UKI, "--policy", "p.yaml", "--firmware", other, code=2)
    assert "no build that is known here" in r.stderr and not (aicert.cwd / "p.yaml").exists()
    r = aicert("vm", "reference", UKI, "--policy", "p.yaml", "--machine", "azure", code=2)
    assert "no build of machine 'azure' is known" in r.stderr and "--firmware" in r.stderr
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps([{"name": "my region", "pcrs": {"0": ["ab" * 32], "1": ["cd" * 32]}}]))
    aicert("vm", "reference", UKI, "--policy", "p.yaml", "--machine", "azure", "--firmware", mine)
    p = aicert.json("policy", "check", "p.yaml")
    assert p["pcrs"]["0"] == ["ab" * 32] and p["pcrs"]["1"] == ["cd" * 32] and p["authorities"] == ["azure"]


def test_policy_is_taken(aicert, tmp_path):
    ca = tmp_path / "ca"
    aicert("ca", "init", ca, "--name", "Test CA")
    root = next(p for p in ca.rglob("*.pem") if "BEGIN CERTIFICATE" in p.read_text())
    r = aicert.json("vm", "reference", UKI, "--policy", "p.yaml", "--authority", "Example Hosting", "--root", root)
    p = aicert.json("policy", "check", "p.yaml")
    assert p["require"] == "measured-platform" and p["authorities"] == ["Example Hosting"] and p["job"] == "required"
    assert p["pcrs"]["4"] == [r["pcr4_direct"]] and [p["pcrs"][n] for n in ("9", "11")] == [[r["pcrs"][n]] for n in ("9", "11")]
    assert sorted(p["pcrs"], key=int) == [str(n) for n in range(15)]
    # What is there stays, unless it is said.
    before = (aicert.cwd / "p.yaml").read_text()
    assert "is there already" in aicert("vm", "reference", UKI, "--policy", "p.yaml", code=2).stderr
    assert (aicert.cwd / "p.yaml").read_text() == before
    aicert("vm", "reference", UKI, "--policy", "p.yaml", "--force")
    assert aicert.json("policy", "check", "p.yaml")["require"] == "software"


def test_mistakes(aicert, tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate\n")
    for code, words, *args in ((3, "there is no runner yet"), (2, "'two' too", UKI, "two"), (2, "got 'vmware'", UKI, "--machine", "vmware"), (2, "are for --policy", UKI, "--authority", "x"), (3, "not-there", tmp_path / "not-there"),
                               (3, "do not begin as an image does", bad), (2, "got only the authority", UKI, "--policy", "p.yaml", "--authority", "x"),
                               (2, "got 'xen'", UKI, "--policy", "p.yaml", "--machine", "xen"),
                               (3, "not an X.509 certificate", UKI, "--policy", "p.yaml", "--authority", "x", "--root", bad)):
        r = aicert("vm", "reference", *args, code=code)
        assert words in r.stderr, (args, r.stderr)
        assert not (aicert.cwd / "p.yaml").exists()


def test_the_runner_in_the_cache(aicert):
    """What `aicert vm build` says to type next."""
    there = aicert.home / "aicert/cache/vm"
    there.mkdir(parents=True)
    shutil.copy(UKI, there / "aicert.efi")
    assert aicert.json("vm", "reference") == aicert.json("vm", "reference", UKI)


def test_terminal_is_safe(aicert, tmp_path):
    """A command line with an escape sequence is none of a runner's."""
    data = UKI.read_bytes()
    assert data.count(b"quiet") == 1
    (tmp_path / "x.efi").write_bytes(data.replace(b"quiet", b"q\x1b[2J"))
    r = aicert("vm", "reference", tmp_path / "x.efi", code=3)
    assert "expected printable ASCII" in r.stderr and "\x1b" not in r.stderr + r.stdout


@pytest.mark.long
def test_machine_of_another_shape(aicert, runner):  # noqa: F811
    """Memory and processors that nobody rounded: the machine gets a shape whose PCR 0 is known."""
    known_firmware()
    project(aicert)
    r = aicert("run", "--in", "vm", "--vm-image", runner, "--vm-memory", "1100M", "--vm-cpus", "3", timeout=900)
    assert "2048 MiB" in r.stderr
    aicert("vm", "reference", runner, "--policy", "p.yaml")
    assert aicert.json("verify", "proof.json", "--policy", "p.yaml")["level"] == "software"
    # Another runner is not this one.
    aicert("vm", "reference", UKI, "--policy", "other.yaml")
    r = aicert("verify", "proof.json", "--policy", "other.yaml", code=1)
    assert "PCR 4" in r.stdout + r.stderr
