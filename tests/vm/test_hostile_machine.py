"""What a hostile machine could do to the host that takes its results in, and a hostile job disk to the machine: each is refused, and leaves nothing.

No machine is booted: QEMU is a stand-in that runs the agent on the two disks, with the vTPM's own key, and then writes what it likes.
SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import shutil
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.dirname(__file__))
from vm_ground import Disk, agent_run, canonical, hostile, need_machine, project  # noqa: E402,F401


@pytest.fixture
def ground(aicert, git_repo, tmp_path, agent_run):  # noqa: F811
    need_machine()
    return Ground(aicert, git_repo, tmp_path, agent_run)


class Ground:
    """A project, and the machine that is none: `run` is `aicert run --in vm` on it."""

    def __init__(self, aicert, git_repo, tmp, program):
        self.aicert, self.tmp, self.program = aicert, tmp, program
        self.repo, self.commit = project(aicert.cwd, git_repo)
        self.uki = tmp / "aicert.efi"
        shutil.copy(ROOT / "tests/fuzz/corpus/vm_pe/uki", self.uki)  # a runner, and no machine boots it
        self.kept = tmp / "kept"
        self.n = 0

    def agent(self, **more):
        self.n += 1
        home = self.tmp / f"guest{self.n}"
        home.mkdir()
        return {"agent": {"program": str(self.program), "home": str(home), "state": str(self.state()), **more}, "keep": str(self.kept)}

    def state(self):
        return self.aicert.home / "aicert/data/vm/tpm"

    def run(self, how, code=0, *more):
        return self.aicert("run", "--in", "vm", "--vm-image", self.uki, "--vm-memory", "1G", "--output-bom", "proof.json", "--output-dir", "out", *more,
                           env=hostile(self.tmp, how), code=code)

    def good(self):
        """The disks of a run in which nobody lied."""
        self.run(self.agent(), 0)
        (self.aicert.cwd / "proof.json").rename(self.tmp / "good.json")
        return Disk.read(self.kept / "job"), Disk.read(self.kept / "result")

    def refused(self, how, code, words):
        r = self.run(how, code)
        assert words in r.stderr, r.stderr
        assert not (self.aicert.cwd / "proof.json").exists()
        return r

    def answers(self, disk, code, words, console=b""):
        """A machine that gives back these bytes."""
        path = self.tmp / "answer"
        path.write_bytes(disk if isinstance(disk, bytes) else disk.bytes())
        (self.tmp / "console").write_bytes(console)
        return self.refused({"instead": str(path), "console": str(self.tmp / "console")}, code, words)


# --- a hostile machine: what it gives back ------------------------------------------------------------------------------


def test_the_good_one(ground):
    job, result = ground.good()
    proof = json.loads((ground.tmp / "good.json").read_text())
    assert proof["evidence"]["run_log"][0] == {"event": "job", "id": job.header()}
    assert {v["how"] for v in proof["claims"]["verified"]} == {"git", "oci", "none"}
    report = ground.aicert.json("verify", ground.tmp / "good.json", "--require", "software")
    assert report["level"] == "software" and report["job"] == job.header() and report["boot"] == {"replayed": False, "matches": False}
    assert f"given     as job disk {job.header()}" in ground.aicert("show", ground.tmp / "good.json").stdout
    # The same bytes once more are the same run, and are taken.
    (ground.tmp / "answer").write_bytes(result.bytes())
    ground.run({"instead": str(ground.tmp / "answer"), "console": os.devnull})


def change_node(disk, kind, change):
    """Another node in its place; its new id."""
    i, node = disk.node(kind)
    change(node)
    data = canonical(node)
    disk.objects[i][1:] = [hashlib.sha256(data).hexdigest(), data]
    return disk.objects[i][1]


def of_another_step(disk):
    disk.about["steps"][0]["result"] = change_node(disk, "result", lambda n: n.update(step="1" * 64))


def with_other_content(disk):
    i = disk.of("blob", b"the tail")
    disk.objects[i][1:] = [hashlib.sha256(b"evil").hexdigest(), b"evil"]
    disk.about["steps"][0]["result"] = change_node(disk, "result", lambda n: n["outputs"][0].update(blob=hashlib.sha256(b"evil").hexdigest()))


def without_content(disk):
    disk.about["steps"][0]["result"] = change_node(disk, "result", lambda n: n["outputs"][0].update(blob="2" * 64))


def with_claims(**fields):
    def change(disk):
        i = disk.of("attestation")
        attestation = json.loads(disk.objects[i][2])
        attestation["claims"].update(fields)
        disk.objects[i][2] = canonical(attestation)
    return change


def attested_as(data):
    return lambda disk: disk.objects[disk.of("attestation")].__setitem__(2, data)


def drop(kind):
    return lambda disk: disk.objects.pop(disk.of(kind))


def add(kind, name, data):
    return lambda disk: disk.objects.append([kind, name, data])


def say(**about):
    return lambda disk: disk.about.update(about)


def failed_with(code, text):
    def change(disk):
        del disk.about["root"]
        disk.about["error"] = {"code": code, "text": text}
    return change


LIES = {
    "a result of another step": (of_another_step, "of another step"),
    "other content than was made": (with_other_content, "root: got"),
    "a result whose content is nowhere": (without_content, "is missing"),
    "a root of its own": (say(root="3" * 64), "root: got 3333"),
    "another plan": (say(plan="3" * 64), "is of another plan"),
    "no steps": (say(steps=[]), "steps: got 0"),
    "a step of another name": (lambda d: d.about["steps"][0].update(name="../../etc/passwd"), "expected 'sort'"),
    "a word more": (say(more=1), "nothing else"),
    "a root and an error": (say(error={"code": -4, "text": "no"}), "nothing else"),
    "an error that is a success": (failed_with(0, "all is well"), "a documented code"),
    "an error of a code of its own": (failed_with(-77, "no"), "a documented code"),
    "an error with a terminal's commands": (failed_with(-4, "\x1b[2Jno"), "a documented code"),
    "no attestation": (drop("attestation"), "no attestation of it"),
    "claims of another root": (with_claims(root="4" * 64), "of another root"),
    "claims of another plan": (with_claims(plan="4" * 64), "of another plan"),
    "claims of results that it has not": (with_claims(executed=["4" * 64]), "does not list the result"),
    "claims that the quote is not of": (with_claims(finished="2030-01-01T00:00:00Z"), "attestation: "),
    "a log of no step": (add("log", "../../../../tmp/evil", b"x"), "no step of this name"),
    "a log of the terminal's": (add("log", "\x1b[2J", b"x"), "not a name of one"),
    "content that belongs to nothing": (add("blob", hashlib.sha256(b"mine").hexdigest(), b"mine"), "belongs to no result"),
    "a git object": (add("git", "0" * 40, b"blob 0\0"), "no such object"),
    "what is no attestation": (attested_as(b"[[[[[[[[[["), "attestation"),
    "an attestation of text": (attested_as(b'"x"'), "attestation: has no claims"),
}


def test_a_machine_lies(ground):
    """Each lie is refused by its name, and nothing of it counts."""
    ground.good()
    for lie, (change, words) in LIES.items():
        print(lie)
        disk = Disk.read(ground.kept / "result")
        change(disk)
        r = ground.answers(disk, 3, words)
        assert "\x1b" not in r.stderr
    ground.run(ground.agent())
    assert json.loads((ground.aicert.cwd / "proof.json").read_text())["root"] == json.loads((ground.tmp / "good.json").read_text())["root"]


def listed(i, **fields):
    def change(objects):
        objects[i].update(fields)
        return objects
    return change


BYTES = {
    "nothing": (lambda d: b"\0" * 4096, 5, "its last lines"),
    "noise": (lambda d: hashlib.sha512(b"noise").digest() * 100, 3, "is no aicert disk"),
    "a job disk": (lambda d: Disk("job", d.about, d.objects).bytes(), 3, "is of kind 'job'"),
    "a header alone": (lambda d: d.bytes()[:4096], 3, "index: hashes to"),
    "an index of the end of the world": (lambda d: d.bytes()[:40] + (1 << 63).to_bytes(8, "little") + d.bytes()[48:], 3, "an index of"),
    "an index behind the end": (lambda d: d.bytes()[:32] + (1 << 62).to_bytes(8, "little") + d.bytes()[40:], 3, "the index lies at byte"),
    "an object of the whole world": (lambda d: d.bytes(listed(1, size=1 << 52)), 3, "the objects end at"),
    "an object that is shorter": (lambda d: d.bytes(listed(1, size=1)), 3, "hashes to"),
    "an object of another name": (lambda d: d.bytes(listed(1, name="5" * 64)), 3, "its content hashes to"),
    "an object listed twice": (lambda d: d.bytes(lambda o: o + [{**o[0], "size": 0}]), 3, ""),
    "a byte of content": (lambda d: d.bytes().replace(b"the tail\n", b"the tale\n"), 3, "hashes to"),
    "something behind the header": (lambda d: d.bytes()[:4095] + b"\1" + d.bytes()[4096:], 3, "something stands behind its end"),
}


def test_a_machine_gives_back(ground):
    ground.good()
    for what, (make, code, words) in BYTES.items():
        print(what)
        ground.answers(make(Disk.read(ground.kept / "result")), code, words)


def test_a_machine_with_a_key_of_its_own(ground):
    """Everything holds, and it is another machine's word."""
    ground.good()
    how = ground.agent()
    del how["agent"]["state"]
    ground.refused(how, 3, "by another key than this host's vTPM's")


def test_what_only_a_strange_key_vouches_for_is_not_reused(ground):
    """The refused machine's results were right, and nobody knows it: a run outside makes them itself."""
    how = ground.agent()
    del how["agent"]["state"]
    ground.refused(how, 3, "by another key than this host's vTPM's")
    assert "1 executed, 0 reused" in ground.aicert("run", "--output-bom", "outside.json", "--output-dir", "out").stdout


def test_a_certificate_of_another_machine(ground, aicert_in, tmp_path):
    """One operator, two hosts: what the other's vTPM was certified for does not become this one's."""
    other = aicert_in(tmp_path / "other-home", tmp_path / "other")
    other.home.mkdir()
    other.cwd.mkdir()
    ca = tmp_path / "ca"
    ground.aicert("ca", "init", ca, "--name", "Operator")
    known = []
    for host in (ground.aicert, other):
        host("vm", "enroll", "--ca", ca)
        known.append(host.home / "aicert/data/vm/certificates.json")
    mine, its = (json.loads(p.read_text()) for p in known)
    assert mine["ak"] != its["ak"]
    known[0].write_text(json.dumps({**mine, "certificates": its["certificates"]}))
    assert "its public key is not the attestation key" in ground.run(ground.agent()).stderr
    report = ground.aicert.json("verify", "proof.json", "--require", "software")
    assert report["level"] == "software" and "has no certificate" in report["why_not_next"]
    # Nor when it is put into the proof by hand.
    proof = json.loads((ground.aicert.cwd / "proof.json").read_text())
    proof["evidence"]["ak_certificates"] = its["certificates"]
    (ground.aicert.cwd / "forged.json").write_text(json.dumps(proof))
    report = ground.aicert.json("verify", "forged.json", "--require", "software", code=1)
    assert report["level"] == "none" and "attestation key" in next(c["compared"] for c in report["checks"] if c["status"] == "failed"), report


def test_a_machine_that_was_given_another_job(ground):
    """A good run of the same plan, on a job disk that this host did not give it."""
    ground.run(ground.agent(), 0, "--nonce", "somebody else's")
    (ground.aicert.cwd / "proof.json").unlink()
    ground.answers(Disk.read(ground.kept / "result"), 3, "another job disk")


def test_an_old_answer_to_a_new_nonce(ground):
    ground.run(ground.agent(), 0, "--nonce", "old")
    (ground.aicert.cwd / "proof.json").unlink()
    (ground.tmp / "answer").write_bytes(Disk.read(ground.kept / "result").bytes())
    r = ground.run({"instead": str(ground.tmp / "answer"), "console": os.devnull}, 3, "--nonce", "new")
    assert "nonce: got 'old', expected 'new'" in r.stderr


def test_a_console_that_commands_the_terminal(ground):
    """What the machine prints is foreign text, whatever it begins with; and what it says of itself is believed by nobody."""
    nasty = b"\x1b[2J\x1b]0;owned\x07\x9b31maicert: done\r\n| \x1b[31mred\x9d\x07\naicert: \x1b[8mhidden\x08\x08\n" + b"A" * 300000 + b"\x00\xff\naicert: done\n"
    r = ground.answers(b"\0" * 4096, 5, "its last lines", console=nasty)
    for text in (r.stderr, r.stdout):
        assert not {c for c in text if (ord(c) < 0x20 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0}, ascii(text)[-600:]
    assert len(r.stderr) < 20000


# --- a hostile job disk: what the machine is given ----------------------------------------------------------------------


def put(disk, i, data):
    disk.objects[i][1:] = [hashlib.sha256(data).hexdigest(), data]
    return disk.objects[i][1]


def put_blob(disk, data):
    disk.objects.append(["blob", hashlib.sha256(data).hexdigest(), data])
    return disk.objects[-1][1]


def replace_in_plan(disk, *pairs):
    k, plan = disk.node("plan")
    data = canonical(plan)
    for old, new in pairs:
        data = data.replace(old.encode(), new.encode())
    disk.about["plan"] = put(disk, k, data)


def swap_source(disk, kind, change):
    """Source and plan as a builder would make them for another content."""
    i, node = next((i, json.loads(o[2])) for i, o in enumerate(disk.objects) if o[0] == "node" and json.loads(o[2]).get("type") == kind)
    old, was = disk.objects[i][1], node["content"].get("tree")
    change(node)
    replace_in_plan(disk, (old, put(disk, i, canonical(node))), (was or old, node["content"].get("tree") or old))


def poison(disk):
    evil = put_blob(disk, b"poison")
    tree = canonical({"kind": "tree", "entries": [{"id": evil, "name": "tail.txt", "type": "file"}]})
    disk.objects.append(["node", hashlib.sha256(tree).hexdigest(), tree])
    swap_source(disk, "git", lambda n: n["content"].update(tree=hashlib.sha256(tree).hexdigest()))


def other_image(disk):
    swap_source(disk, "image", lambda n: n["content"].update(tree="6" * 64))


def in_plan(change):
    def apply(disk):
        k, plan = disk.node("plan")
        change(disk, plan)
        disk.about["plan"] = put(disk, k, canonical(plan))
    return apply


def other_command(disk, plan):
    plan["steps"][0]["recipe"]["actions"][0]["argv"][-1] = "echo evil > $OUT_SORTED"


def other_rule(disk, plan):
    i = next(i for i, o in enumerate(disk.objects) if o[1] == plan["rules"][0]["blob"])
    plan["rules"][0]["blob"] = put(disk, i, b"while true do end\n" + disk.objects[i][2])


def other_lock(disk, plan):
    i = next(i for i, o in enumerate(disk.objects) if o[1] == plan["lock"])
    lock = json.loads(disk.objects[i][2])
    lock["inputs"] = {}
    plan["lock"] = put(disk, i, json.dumps(lock).encode())


def poisoned_file(disk):
    disk.objects[disk.of("git", b"the tail")][2] = b"blob 9\0the tale\n"


def longer_layer(disk):
    layer = max((o for o in disk.objects if o[0] == "oci"), key=lambda o: len(o[2]))
    layer[2] += b"x"


def other_bytes(change):
    return lambda disk: change(disk.bytes())


# What a change returns is written as it is; else the disk that it changed.
JOBS = {
    "a poisoned file under an official blob's id": (poisoned_file, "its bytes hash to"),
    "a poisoned tree under an official commit id": (poison, "the commit gives other content"),
    "another commit in the source": (lambda d: swap_source(d, "git", lambda n: n.update(revision="6" * 40)), "git object 6666"),
    "another image under the manifest's digest": (other_image, "the manifest gives other content"),
    "a layer of mine": (longer_layer, "its content hashes to"),
    "a plan that the Aicertfile does not give": (in_plan(other_command), "the plan made here is"),
    "an output of another name": (in_plan(lambda d, p: p["outputs"][0].update(name="official")), "the plan made here is"),
    "a rule that never ends": (in_plan(other_rule), "rules/shell.lua"),
    "a lock without pins": (in_plan(other_lock), "aicert.lock has no pin"),
    "a file that is missing": (lambda d: d.objects.pop(d.of("blob", b"b\na\n")) and None, "is missing"),
    "a git object that is missing": (lambda d: d.objects.pop(d.of("git", b"the tail")) and None, "is missing"),
    "something that nothing needs": (lambda d: put_blob(d, b"mine") and None, "nothing in the plan needs it"),
    "a result, to be taken for one made here": (lambda d: d.objects.append(["attestation", "", b"{}"]), "a job has no such object"),
    "a path for a git object's name": (lambda d: d.objects.append(["git", "../../../../../tmp/evil", b"blob 0\0"]), "not a name of one"),
    "a nonce that is no text": (lambda d: d.about.update(nonce="\x1b[2J"), "nonce"),
    "certificates that are none": (lambda d: d.about.update(certificates=["AAAA", "!"]), "is not base64"),
    "a thousand certificates": (lambda d: d.about.update(certificates=["AAAA"] * 1000), "1000 certificates"),
    "no plan": (lambda d: d.about.pop("plan") and None, "expected plan"),
    "a plan that is not there": (lambda d: d.about.update(plan="7" * 64), "is missing"),
    "a source for a plan": (lambda d: d.about.update(plan=d.objects[d.node("source")[0]][1]), "expected a plan"),
    "a result disk": (lambda d: setattr(d, "kind", "result"), "is of kind 'result'"),
    "a changed byte": (other_bytes(lambda b: b.replace(b"b\na\n", b"b\nb\n")), "hashes to"),
    "an index that is not the header's": (other_bytes(lambda b: b[:48] + bytes(32) + b[80:]), "the header says"),
    "arrays in arrays": (lambda d: d.about.update(certificates=json.loads("[" * 900 + "]" * 900)), "job disk"),
}


def test_a_job_disk_lies(ground):
    """Refused inside, by name, before anything runs; and there is no attestation of it, so that it can be nobody's proof."""
    ground.good()
    good = Disk.read(ground.kept / "job")
    given = ground.tmp / "given"
    for what, (change, words) in JOBS.items():
        print(what)
        disk = Disk(good.kind, json.loads(json.dumps(good.about)), [list(o) for o in good.objects])
        data = change(disk)
        given.write_bytes(data if isinstance(data, bytes) else disk.bytes())
        r = ground.refused({**ground.agent(), "given": str(given)}, None, words)
        assert r.returncode in (2, 3), r.stderr
        back = Disk.read(ground.kept / "result")
        assert back.objects == [] and "root" not in back.about, what
    assert not os.path.exists("/tmp/evil")
