"""Machines that are not the one that a policy was written for: each boots, runs the job and quotes, and is refused by the name of what differs.

The vTPM's key has the operator's certificate, so that nothing but what was booted can refuse it. QEMU is started through deviant_qemu.py, as a
hostile host would start it; aicert itself has no option for any of this.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import copy
import hashlib
import json
import os
import struct
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT, Aicert

sys.path.insert(0, os.path.dirname(__file__))
from runner import project, runner  # noqa: E402,F401
from test_build import sections  # noqa: E402
from vm_ground import agent_run, hostile  # noqa: E402,F401

ROM = "/usr/lib/ipxe/qemu/efi-virtio.rom"
OVMF = "/usr/share/OVMF"
REFUSED = ["measured platform", "policy boot", "level"]


class Operator:
    """A host whose machines an operator's CA vouches for, and a verifier who believes in that operator."""

    def __init__(self, folder, uki):
        self.folder, self.uki = folder, uki
        (folder / "project").mkdir()
        (folder / "home").mkdir()
        self.aicert = Aicert(folder / "home", folder / "project")
        project(self.aicert)
        self.aicert("ca", "init", folder / "ca", "--name", "Operator")
        self.aicert("vm", "enroll", "--ca", folder / "ca")
        self.policy = folder / "policy.yaml"
        self.aicert("vm", "reference", uki, "--policy", self.policy, "--authority", "Operator", "--root", folder / "ca/ca.pem")
        self.reference = self.aicert.json("vm", "reference", uki)

    def boots(self, how, code=0):
        proof = self.folder / "project/proof.json"
        proof.unlink(missing_ok=True)
        r = self.aicert("run", "--in", "vm", "--vm-image", self.uki, "--force", code=code, env=hostile(self.folder, how), timeout=900)
        return json.loads(proof.read_text()) if code == 0 else r

    def judges(self, proof, policy=None, level=None):
        """The report of a verifier who has never seen this host. level: what it must be."""
        (self.folder / "judged.json").write_text(json.dumps(proof))
        (self.folder / "judged.yaml").write_text(policy or self.policy.read_text())
        r = self.aicert("verify", self.folder / "judged.json", "--policy", self.folder / "judged.yaml", "--json", code=None,
                        env={"AICERT_HOME": str(self.folder / "stranger")})
        report = json.loads(r.stdout)
        assert r.returncode == (0 if report["verified"] else 1)
        if level:
            assert report["level"] == level, report
        return report

    def refuses(self, proof, words, policy=None):
        """A genuine TPM of the operator's says so, of a machine that the policy does not know: in these words."""
        report = self.judges(proof, policy, "genuine-tpm")
        assert [c["name"] for c in report["checks"] if c["status"] == "failed"] == REFUSED
        assert words in report["why_not_next"] and words in failed(report, "policy boot"), report["why_not_next"]
        assert report["boot"]["replayed"] and not report["boot"]["matches"]
        return report


def failed(report, name):
    return next(c["compared"] for c in report["checks"] if c["name"] == name and c["status"] == "failed")


def swap(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def pcrs(proof):
    return {int(k): v for k, v in proof["evidence"]["pcrs"].items()}


def differing(a, b):
    """Of what was booted: PCR 15 is the run's."""
    return {i for i in range(15) if pcrs(a)[i] != pcrs(b)[i]}


@pytest.fixture(scope="session")
def operator(runner, tmp_path_factory):  # noqa: F811
    return Operator(tmp_path_factory.mktemp("operator"), runner)


@pytest.fixture(scope="session")
def good(operator):
    """The proof of the machine that the policy is of: every refusal is worth something only because this one passes."""
    proof = operator.boots({})
    report = operator.judges(proof, level="measured-platform")
    assert report["verified"] and report["boot"] == {"replayed": True, "matches": True} and report["authority"] == "Operator"
    return proof


def test_another_command_line(operator):
    """One word more than the runner's own, which the host may give: it is in PCR 12, as given, and in PCR 9, as the kernel takes it."""
    proof = operator.boots({"append": operator.reference["command_line"] + " aicert.word=1"})
    assert pcrs(proof)[12] != "0" * 64 and pcrs(proof)[9] != operator.reference["pcrs"]["9"]
    assert pcrs(proof)[4] == operator.reference["pcr4_direct"] and pcrs(proof)[11] == operator.reference["pcrs"]["11"]
    operator.refuses(proof, f"PCR 9: got {pcrs(proof)[9]}")
    # Whoever lets any PCR 9 pass is told of PCR 12.
    lax = swap(operator.policy.read_text(), f"  9: [ {operator.reference['pcrs']['9']} ]", f"  9: [ {pcrs(proof)[9]} ]")
    operator.refuses(proof, "PCR 12: got", lax)


@pytest.mark.long
def test_the_policy_leaves_nothing_out(operator, good):
    """Every PCR that is quoted must be judged; and what a policy asks of the boot is asked at any level."""
    text = operator.policy.read_text()
    head = text[:text.index("pcrs:\n")]
    for left_out in range(15):
        values = "".join(f"  {i}: {v}\n" for i, v in sorted(pcrs(good).items()) if i not in (left_out, 15))
        report = operator.judges(good, f"{head}pcrs:\n{values}", "genuine-tpm")
        assert f"PCR {left_out} was quoted and the policy does not judge it" in report["why_not_next"]
    assert "PCR 12 was quoted" in operator.judges(good, swap(text, "  12-14: zero\n", ""), "genuine-tpm")["why_not_next"]
    # Secure Boot is off in this machine, and a verifier may ask for it.
    assert "Secure Boot: got off" in operator.judges(good, swap(text, "secure_boot: off", "secure_boot: on"), "genuine-tpm")["why_not_next"]
    # An operator who is not named, or whose CA is another's.
    report = operator.judges(good, swap(text, '- name: "Operator"\n    roots: [ operator ]', "- gcp"), "genuine-tpm")
    assert "none of the authorities that the policy names" in report["why_not_next"] and "boot replayed, runner matches" in report["why_not_next"]
    operator.aicert("ca", "init", operator.folder / "other-ca", "--name", "Operator")
    other = operator.folder / "other.yaml"
    operator.aicert("vm", "reference", operator.uki, "--policy", other, "--authority", "Operator", "--root", operator.folder / "other-ca/ca.pem")
    assert not operator.judges(good, other.read_text(), "unsigned")["verified"]


@pytest.mark.long
def test_the_builder_is_the_operator(operator, good):
    """The same proof where nobody is named who operates the machine: the word of whoever runs it."""
    own = operator.folder / "own.yaml"
    operator.aicert("vm", "reference", operator.uki, "--policy", own)
    key = good["claims"]["ak"]
    report = operator.judges(good, own.read_text() + f"keys: {{ accept: [ {key} ] }}\n", "software")
    assert report["verified"] and report["boot"] == {"replayed": True, "matches": True}
    assert "boot replayed, runner matches" in report["why_not_next"] and "holds the state of its TPM" in report["why_not_next"]
    text = operator.aicert("verify", operator.folder / "judged.json", "--policy", operator.folder / "judged.yaml").stdout
    assert "boot     replayed, runner matches\n" in text and "not more because: " in text
    # At level software, too, another runner is refused.
    wrong = swap(own.read_text(), operator.reference["pcrs"]["11"], "1" * 64) + f"keys: {{ accept: [ {key} ] }}\n"
    report = operator.judges(good, wrong, "software")
    assert not report["verified"] and "PCR 11: got" in failed(report, "policy boot")


@pytest.mark.long
def test_the_evidence_edited(operator, good):
    """Of a real machine: its log, its job and its PCRs, each changed where a builder has it in his hands."""
    def edited(change):
        proof = copy.deepcopy(good)
        change(proof["evidence"])
        return operator.judges(proof, level="none")
    log = base64.b64decode(good["evidence"]["boot_log"])
    at = log.index(b"Calling EFI Application")
    for boot_log in (log[:at] + b"Falling" + log[at + 7:], log[:-40], log + log[-40:], b""):
        report = edited(lambda e, b=boot_log: e.update(boot_log=base64.b64encode(b).decode()))
        assert "which the claims name" in failed(report, "boot log")
    for change in (lambda e: e["run_log"].pop(0), lambda e: e["run_log"].insert(0, e["run_log"][0]), lambda e: e["run_log"][0].update(id="5" * 64),
                   lambda e: e["run_log"].insert(1, e["run_log"].pop(0))):
        failed(edited(change), "run log")
    failed(edited(lambda e: e["pcrs"].update({"12": "1" * 64})), "pcrs")
    # It replays, and says less: a measured machine's log has nothing that is known by its digest alone.
    opaque = copy.deepcopy(good)
    job = opaque["evidence"]["run_log"][0]
    digest = hashlib.sha256(json.dumps(job, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    opaque["evidence"]["run_log"][0] = {"event": "opaque", "digest": digest}
    report = operator.judges(opaque)
    assert not report["verified"] and "has no job event" in failed(report, "policy job")
    # The job is the one that was given, or one of those.
    for listed, verified in ((job["id"], True), ("6" * 64, False)):
        report = operator.judges(good, swap(operator.policy.read_text(), "job: required", f"job: [ {listed} ]"))
        assert report["verified"] == verified


@pytest.mark.long
def test_another_runner(operator, good, tmp_path):
    """One byte behind the agent's end: another initrd, and so PCR 4, 9 and 11."""
    agent = (BUILD if not BUILD.name.startswith("build-") else ROOT / "build") / "aicert-agent"
    (tmp_path / "agent").write_bytes(agent.read_bytes() + b"\1")
    operator.aicert("vm", "build", "--agent", tmp_path / "agent", "--out", tmp_path / "other.efi", timeout=1200)
    proof = operator.boots({"uki": str(tmp_path / "other.efi")})
    assert differing(proof, good) == {4, 9, 11}
    operator.refuses(proof, f"PCR 4: got {pcrs(proof)[4]}")
    # The policy of that runner takes it, and refuses this one.
    other = tmp_path / "other.yaml"
    operator.aicert("vm", "reference", tmp_path / "other.efi", "--policy", other, "--authority", "Operator", "--root", operator.folder / "ca/ca.pem")
    assert operator.judges(proof, other.read_text(), "measured-platform")["verified"]
    operator.refuses(good, f"PCR 4: got {pcrs(good)[4]}", other.read_text())


@pytest.mark.long
def test_another_command_line_in_the_runner(operator, good, tmp_path):
    """The section changed in the file: the runner is another, and so is what the kernel takes."""
    word = operator.reference["command_line"].encode()
    uki = operator.uki.read_bytes()
    assert uki.count(word) == 1 and b"quiet" in word
    (tmp_path / "other.efi").write_bytes(uki.replace(word, word.replace(b"quiet", b"debug")))
    proof = operator.boots({"uki": str(tmp_path / "other.efi")})
    assert differing(proof, good) == {4, 9, 11}
    operator.refuses(proof, f"PCR 4: got {pcrs(proof)[4]}")


@pytest.mark.long
def test_firmware_that_measures_nothing_of_the_runner(operator, good, tmp_path):
    """The runner's own kernel and initrd, started by a BIOS: all of it runs, and the job is done; but nothing says that it is the runner."""
    parts = sections(operator.uki.read_bytes())
    for name in (".linux", ".initrd"):
        (tmp_path / name).write_bytes(parts[name])
    proof = operator.boots({"bios": {"kernel": str(tmp_path / ".linux"), "initrd": str(tmp_path / ".initrd"), "append": operator.reference["command_line"]}})
    assert proof["root"] == good["root"] and pcrs(proof)[9] == pcrs(proof)[11] == "0" * 64
    report = operator.judges(proof, level="genuine-tpm")
    assert not report["boot"]["matches"] and report["why_not_next"].startswith(("measured platform: PCR 0: got ", "PCR 0: got ")), report["why_not_next"]
    # Nor does the good machine's log make it one: what was quoted is another.
    proof["evidence"]["boot_log"] = good["evidence"]["boot_log"]
    assert "which the claims name" in failed(operator.judges(proof, level="none"), "boot log")


@pytest.mark.long
def test_another_firmware(operator, good):
    proof = operator.boots({"firmware": f"{OVMF}/OVMF_CODE.fd", "variables": f"{OVMF}/OVMF_VARS.fd"})
    assert differing(proof, good) == {0}
    operator.refuses(proof, f"PCR 0: got {pcrs(proof)[0]}")


@pytest.mark.long
def test_an_option_rom(operator, good):
    if not os.path.exists(ROM):
        pytest.skip(f"{ROM} is absent (ipxe-qemu)")
    proof = operator.boots({"extra": ["-device", f"virtio-net-pci,romfile={ROM}"]})
    assert differing(proof, good) == {2}
    operator.refuses(proof, "PCR 2: event ")


# --- variables of the firmware, written by hand -------------------------------------------------------------------------

GLOBAL = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
AUTHENTICATED = bytes.fromhex("782cf3aa7b949a43a1802e144ec37792")


def variables(path, **values):
    """OVMF's empty store with these variables (VARIABLE_STORE_HEADER, AUTHENTICATED_VARIABLE_HEADER of EDK II)."""
    store = bytearray(open(f"{OVMF}/OVMF_VARS_4M.fd", "rb").read())
    at = store.index(AUTHENTICATED) + 28
    for name, value in values.items():
        name = name.encode("utf-16-le") + b"\0\0"
        entry = struct.pack("<HBBIQ16sIII", 0x55aa, 0x3f, 0, 7, 0, bytes(16), 0, len(name), len(value)) + GLOBAL + name + value
        entry += b"\xff" * (-len(entry) % 4)
        assert set(store[at:at + len(entry)]) == {0xff}
        store[at:at + len(entry)] = entry
        at += len(entry)
    path.write_bytes(store)
    return str(path)


def load_option(slot, file):
    """EFI_LOAD_OPTION of a file on the disk in this PCI slot."""
    name = file.encode("utf-16-le") + b"\0\0"
    path = struct.pack("<BBHII", 2, 1, 12, 0x0a0341d0, 0) + struct.pack("<BBHBB", 1, 1, 6, 0, slot)
    path += struct.pack("<BBH", 4, 4, 4 + len(name)) + name + struct.pack("<BBH", 0x7f, 0xff, 4)
    return struct.pack("<IH", 1, len(path)) + "mine".encode("utf-16-le") + b"\0\0" + path


def driver():
    """The smallest EFI driver: it returns EFI_SUCCESS."""
    code = b"\x31\xc0\xc3"
    head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22e)
    head += struct.pack("<HBBIIIII", 0x20b, 0, 0, 0x200, 0, 0, 0x1000, 0x1000)
    head += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0, 0x2000, 0x200, 0, 11, 0)
    head += struct.pack("<QQQQII", 0x10000, 0x1000, 0x10000, 0x1000, 0, 16) + bytes(16 * 8)
    head += b".text\0\0\0" + struct.pack("<IIIIIIHHI", len(code), 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x60000020)
    return head.ljust(0x200, b"\0") + code.ljust(0x200, b"\0")


@pytest.mark.long
def test_a_boot_variable(operator, good, tmp_path):
    """A boot entry of the host's, which -kernel never looks at: PCR 1 has it all the same."""
    proof = operator.boots({"variables": variables(tmp_path / "vars.fd", Boot0007=load_option(5, "\\mine.efi"), BootOrder=b"\7\0")})
    assert differing(proof, good) == {1}
    operator.refuses(proof, "PCR 1: event ")


@pytest.mark.long
def test_a_driver_that_a_variable_loads(operator, good, tmp_path):
    """Driver0000: code of the host's in the firmware, before the runner."""
    if not os.path.exists("/usr/bin/mcopy") or not os.path.exists("/usr/sbin/mkfs.vfat"):
        pytest.skip("mtools or dosfstools is absent")
    disk = tmp_path / "drivers.img"
    (tmp_path / "mine.efi").write_bytes(driver())
    disk.write_bytes(bytes(4 << 20))
    subprocess.run(["/usr/sbin/mkfs.vfat", disk], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", disk, tmp_path / "mine.efi", "::mine.efi"], check=True)
    proof = operator.boots({"variables": variables(tmp_path / "vars.fd", Driver0000=load_option(5, "\\mine.efi"), DriverOrder=b"\0\0"),
                            "extra": ["-drive", f"if=none,id=mine,format=raw,readonly=on,file={disk}", "-device", "virtio-blk-pci,drive=mine,addr=0x5"]})
    assert differing(proof, good) == {2}
    report = operator.refuses(proof, "PCR 2: event ")
    assert "EV_EFI_BOOT_SERVICES_DRIVER" in report["why_not_next"]


@pytest.mark.long
def test_the_job_disk_changes_after_it_was_measured(operator, tmp_path):
    """Between the read of the header and that of the last object: refused inside, and nothing is attested."""
    words = operator.folder / "project/words.txt"
    kept = words.read_bytes()
    words.write_bytes(b"b\n" * (16 << 20))
    try:
        r = operator.boots({"when": "job     ", "poke": {"at": -8192, "hex": "00"}, "keep": str(tmp_path)}, code=3)
    finally:
        words.write_bytes(kept)
    assert "in the machine: job disk" in r.stderr and "hashes to" in r.stderr


@pytest.mark.long
def test_no_machine_at_all(operator, good, agent_run, tmp_path):  # noqa: F811
    """The agent started by the host, on the vTPM of its machines: the same root and a good key, and nothing that booted."""
    (tmp_path / "guest").mkdir()
    proof = operator.boots({"agent": {"program": str(agent_run), "home": str(tmp_path / "guest"), "state": str(operator.folder / "home/aicert/data/vm/tpm")}})
    assert proof["root"] == good["root"]
    report = operator.judges(proof, level="genuine-tpm")
    assert "the boot log is empty" in report["why_not_next"] and report["boot"] == {"replayed": False, "matches": False}
