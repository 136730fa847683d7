"""The machine as the host sees it, without booting one: QEMU is a script that does what a broken or hostile one could."""
import json
import os
import re
import shutil
import signal
import stat
import sys
import time

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.dirname(__file__))
from runner import Started, leftovers, need_machine, project, running, runtime  # noqa: E402,F401


RUNNER = ROOT / "tests/fuzz/corpus/vm_pe/uki"  # as small as one can be; no machine boots it


class Ground:
    """A project, and on PATH a QEMU that is this script."""

    def __init__(self, aicert, tmp, runtime):
        self.aicert, self.bin, self.runtime = aicert, tmp / "bin", runtime
        self.bin.mkdir()
        self.uki = tmp / "aicert.efi"
        shutil.copy(RUNNER, self.uki)
        project(aicert)

    def qemu(self, script):
        path = self.bin / "qemu-system-x86_64"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def env(self):
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(self.runtime)}

    def args(self, *more):
        return ("run", "--in", "vm", "--vm-image", self.uki, *more)

    def refused(self, words, *more, code=5):
        r = self.aicert(*self.args(*more), env=self.env(), code=code)
        assert words in r.stderr, r.stderr
        assert not (self.aicert.cwd / "proof.json").exists()
        assert leftovers(self.aicert, self.runtime) == []
        return r


@pytest.fixture
def ground(aicert, tmp_path, runtime):  # noqa: F811
    need_machine()
    return Ground(aicert, tmp_path, runtime)


def test_a_machine_that_dies_is_told_with_its_last_lines(ground):
    ground.qemu("echo 'aicert: boot'; printf '\\033[2J| a step says\\n'; printf 'Kernel panic \\033]0;evil\\007\\n'; echo 'qemu: no such device' >&2; exit 1")
    r = ground.refused("machine: QEMU failed: qemu: no such device: its last lines: aicert: boot / | a step says / Kernel panic")
    assert "\nboot\n" in r.stderr and "a step says\n" in r.stderr
    assert "\033" not in r.stderr and "\007" not in r.stderr
    log = next((ground.aicert.home / "aicert/cache/logs").glob("machine-*.log"))
    assert f"its console: {log}" in r.stderr and "Kernel panic" in log.read_text()
    # One that ends in peace and has written nothing is no better.
    ground.qemu("echo 'Kernel panic - not syncing'")
    r = ground.refused("the machine ended without writing to it: its last lines: Kernel panic - not syncing")
    assert str(log) in r.stderr
    ground.qemu("kill -SEGV $$")
    ground.refused("machine: QEMU was killed by signal 11")
    # The store is whole: the same job runs outside.
    ground.aicert("run", "-q")


def test_a_machine_that_hangs_is_ended(ground):
    ground.qemu("echo 'aicert: boot'; trap '' TERM; while :; do sleep 1; done")
    r = ground.refused("machine: was not done after 2 s, and was ended: its last lines: aicert: boot", "--vm-time", "2s")
    assert "--vm-time" in r.stderr


def test_an_interrupt_ends_it(ground):
    ground.qemu("echo 'aicert: boot'; exec sleep 600")
    with Started(ground.aicert, *ground.args(), env=ground.env()) as run:
        code, said = run.until("\nboot\n").end(signal.SIGINT)
    assert code == 130 and "interrupted" in said
    assert leftovers(ground.aicert, ground.runtime) == [] and not (ground.aicert.cwd / "proof.json").exists()
    ground.aicert("run", "-q")


def test_no_machine_outlives_us(ground):
    ground.qemu("echo 'aicert: boot'; exec sleep 600")
    with Started(ground.aicert, *ground.args(), env=ground.env()) as run:
        code, _ = run.until("\nboot\n").end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    # What it left is files, and the next one removes them.
    assert len(leftovers(ground.aicert, ground.runtime)) == 2
    ground.qemu("exit 0")
    ground.refused("ended without writing")


@pytest.mark.long
def test_a_console_without_end_is_no_log_without_end(ground):
    ground.qemu("yes \"$(printf '%065536d' 0)\" | head -c 150000000; exit 0")
    ground.refused("ended without writing", "-q")
    log = next((ground.aicert.home / "aicert/cache/logs").glob("machine-*.log"))
    assert log.stat().st_size <= 64 << 20


def test_what_the_machine_is_given(ground, tmp_path):
    """Its shape is what policies know it by; the job's disk is not its to change; and QEMU itself is held."""
    ground.qemu(f"printf '%s\\n' \"$@\" > {tmp_path}/argv; exit 0")
    ground.refused("ended without writing", "--vm-memory", "1500M", "--vm-cpus", "3")
    argv = (tmp_path / "argv").read_text().splitlines()

    def of(option):
        return [argv[i + 1] for i, a in enumerate(argv) if a == option]
    assert of("-m") == ["2048"] and of("-smp") == ["4"] and of("-M") == ["q35,smm=off"]
    assert of("-sandbox")[0].startswith("on,") and "-nodefaults" in argv and "-no-user-config" in argv and "-no-reboot" in argv
    assert not [a for a in argv if "net" in a or "user" in a and a != "-no-user-config"]
    drives = of("-drive")
    assert [d for d in drives if "id=job" in d and "readonly=on" in d] and [d for d in drives if "OVMF_CODE_4M.fd" in d and "readonly=on" in d]
    assert of("-device") == ["tpm-crb,tpmdev=tpm0", "virtio-blk-pci,drive=job,serial=aicert-job", "virtio-blk-pci,drive=result,serial=aicert-result"]
    # Emulated AVX is 40 times slower than SSE: a processor that has it would be taken at its word.
    assert of("-accel") in (["tcg"], ["kvm"])
    if of("-accel") == ["tcg"]:
        assert of("-cpu") == ["Westmere,+rdrand"]


def recorded(name, paths):
    """A command line as it is recorded, with these paths in place of the words for them."""
    plan = json.loads((ROOT / "tests/vm/providers/qemu-tcg.json").read_text())["plan"]
    return [re.sub("|".join(rf"\b{w}\b" for w in paths), lambda m: paths[m[0]], word) for word in plan[name][0]["argv"]]


@pytest.mark.parametrize("provider", [(), ("--provider", "qemu"), ("--provider", "mine.lua")])
def test_what_is_recorded_is_what_is_started(ground, tmp_path, provider):
    """Both command lines, with blanks and commas in the paths; by a file of one's own as well."""
    for name, real in (("qemu-system-x86_64", None), ("swtpm", "/usr/bin/swtpm")):
        path = ground.bin / name
        path.write_text(f"#!/usr/bin/python3 -IS\nimport json, os, sys\nopen({str(tmp_path / name)!r}, 'a').write(json.dumps(['{name}', *sys.argv[1:]]) + '\\n')\n"
                        + (f"os.execv({real!r}, ['{name}', *sys.argv[1:]])\n" if real else "import time; time.sleep(1)\n"))
        path.chmod(0o755)
    shutil.copy(ROOT / "rules/providers/qemu.lua", ground.aicert.cwd / "mine.lua")
    odd, data = tmp_path / "a, b,readonly=off", tmp_path / "da ta"
    odd.mkdir()
    uki = tmp_path / "my, runner.efi"
    shutil.copy(RUNNER, uki)
    env = {**ground.env(), "AICERT_HOME": "", "XDG_CACHE_HOME": str(odd), "XDG_DATA_HOME": str(data)}
    r = ground.aicert("run", "--in", "vm", "--vm-image", uki, *provider, *(["--set", "accelerator=tcg"] if provider else []), env=env, code=5)
    assert "ended without writing" in r.stderr
    (qemu,) = [json.loads(line) for line in (tmp_path / "qemu-system-x86_64").read_text().splitlines()]
    swtpm = json.loads((tmp_path / "swtpm").read_text().splitlines()[-1])
    (scratch,) = {w.split("=")[-1].rsplit("/", 1)[0] for w in qemu if w.startswith("socket,")}
    (folder,) = {w.split("file=")[1].replace(",,", ",").rsplit("/", 1)[0] for w in qemu if "id=job" in w and "file=" in w}
    assert folder.startswith(f"{odd}/aicert/tmp/vm.") and scratch.startswith(f"{ground.runtime}/aicert-machine.")
    quoted = folder.replace(",", ",,")
    if provider or qemu[qemu.index("-accel") + 1] == "tcg":
        assert qemu == recorded("machine", {"UKI": str(uki), "JOB": f"{quoted}/job.raw", "RESULT": f"{quoted}/result.raw", "SCRATCH": scratch})
    fd = next(re.search(r"fd=\d+", w)[0] for w in swtpm if w.startswith("type=unixio"))
    assert swtpm == [w.replace(f"path={scratch}/sock.ctrl", fd) for w in recorded("tpm", {"TPM": f"{data}/aicert/vm/tpm", "SCRATCH": scratch})]


@pytest.mark.parametrize("argv, code, said", [
    (["--set", "memory=2048", "--vm-memory", "2G"], 2, "--vm-memory and --set memory=… say the same"),
    (["--set", "memory=2"], 2, "setting 'memory': got '2', expected a number from 64"),
    (["--set", "accelerator=xen"], 2, "expected one of kvm, tcg"), (["--set", "zone=a"], 2, "has no setting 'zone'"),
])
def test_settings_of_this_host(ground, argv, code, said):
    ground.qemu("exit 0")
    ground.refused(said, "--provider", "qemu", *argv, code=code)


def test_settings_are_the_machines(ground, tmp_path):
    ground.qemu(f"printf '%s\\n' \"$@\" > {tmp_path}/argv; exit 0")
    ground.refused("ended without writing", "--provider", "qemu", "--set", "memory=1500", "--set", "cpus=3", "--set", "accelerator=tcg")
    argv = (tmp_path / "argv").read_text().splitlines()
    assert [argv[argv.index(o) + 1] for o in ("-m", "-smp", "-accel")] == ["2048", "4", "tcg"]


def test_kvm_that_does_not_run_is_not_tried(ground):
    ground.qemu("exit 1")
    ground.refused("machine: accelerator: got 'kvm', which does not run on this host", "--provider", "qemu", "--set", "accelerator=kvm")


@pytest.mark.parametrize("old, new, said", [
    ('"swtpm", "socket"', '"swtpm", s.zone', "settings has no 'zone'"), ("run.listen", "run.nothing", "run has no 'nothing'"),
    ('call { package = "swtpm",', 'call { maybe = true, package = "swtpm",', "maybe: is for a cloud"), ('package = "swtpm",', "", "package: expected the name"),
    ("machine = function", "wait = function", "provider: stages has no field 'tpm'"), ("tpm = function", "wait = function", "provider: stages has no field 'wait'"),
    ('"--terminate" } },', '"--terminate" } }, call { package = "x", argv = { "x" } },', "got 2 calls, expected one"),
    ('argv = { "swtpm"', 'argv = { "no-such-program"', "there is no no-such-program on this host"),
])
def test_files_that_are_wrong(ground, old, new, said):
    """Found before anything is fetched or started."""
    text = (ROOT / "rules/providers/qemu.lua").read_text()
    assert text.count(old) == 1
    ground.qemu("exit 0")
    (ground.aicert.cwd / "mine.lua").write_text(text.replace(old, new))
    r = ground.aicert(*ground.args("--provider", "mine.lua"), env=ground.env(), code=None)
    assert r.returncode in (2, 5) and said in r.stderr, r.stderr
    assert "fetch " not in r.stderr and leftovers(ground.aicert, ground.runtime) == []


def test_a_cache_whose_path_would_be_an_option(ground, tmp_path):
    """A comma ends an option of QEMU, unless it is doubled; swtpm knows no such thing."""
    ground.qemu(f"printf '%s\\n' \"$@\" > {tmp_path}/argv; exit 0")
    odd = tmp_path / "a,readonly=off"
    odd.mkdir()
    env = {**ground.env(), "AICERT_HOME": "", "XDG_CACHE_HOME": str(odd), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert "ended without writing" in ground.aicert(*ground.args(), env=env, code=5).stderr
    drives = [a for a in (tmp_path / "argv").read_text().splitlines() if "readonly=off" in a]
    assert len(drives) == 2 and all(f"{tmp_path}/a,,readonly=off/" in a for a in drives)
    env["XDG_DATA_HOME"] = str(odd)
    assert "path has a comma" in ground.aicert(*ground.args(), env=env, code=5).stderr


# --- what is refused before anything is fetched ---------------------------------------------------------------------------


@pytest.mark.parametrize("args, words", [
    (("--tpm", "embedded"), "--tpm does not go with --in vm"), (("--ak", "rsa"), "--ak does not go with --in vm"),
    (("--check", "sort"), "--check does not go with --in vm"), (("--vm-memory", "much"), "--vm-memory: got 'much'"),
    (("--vm-memory", "8"), "--vm-memory: got '8'"), (("--vm-cpus", "0"), "--vm-cpus: got '0'"), (("--vm-cpus", "-1"), "--vm-cpus: got '-1'"), (("--vm-time", "soon"), "--vm-time: got 'soon'"),
])
def test_options_that_make_no_sense(ground, args, words):
    ground.qemu("exit 0")
    r = ground.refused(words, *args, code=2)
    assert not (ground.aicert.home / "aicert/data/vm").exists(), r.stderr


def test_places(aicert):
    project(aicert)
    assert "usage: --in: got 'cloud', expected 'vm'" in aicert("run", "--in", "cloud", code=2).stderr
    for option, value in (("--vm-memory", "1G"), ("--vm-cpus", "2"), ("--vm-time", "2h"), ("--vm-image", "x.efi")):
        assert f"'{option}' is for the measured machine: expected '--in vm' too" in aicert("run", option, value, code=2).stderr


@pytest.mark.parametrize("of, to, code, words", [
    ("environment: { image: 'oci:image' }", "environment: host", 2, "step 'sort': runs in the host environment"),
    ("time: 5m", "gpus: 1", 5, "the measured machine has no GPUs yet"), ("time: 5m", "memory: 4000G", 5, "of memory: this host has"),
])
def test_jobs_that_it_cannot_run(ground, of, to, code, words):
    ground.qemu("exit 0")
    path = ground.aicert.cwd / "Aicertfile"
    path.write_text(path.read_text().replace(of, to))
    ground.refused(words, code=code)


def test_what_is_not_there_is_named(ground):
    ground.qemu("exit 0")
    ground.uki.unlink()
    r = ground.refused("aicert.efi: No such file or directory")
    assert "aicert vm build" in r.stderr
    # Without --vm-image: where `aicert vm build` puts it.
    r = ground.aicert("run", "--in", "vm", env=ground.env(), code=5)
    assert "cache/vm/aicert.efi" in r.stderr
    shutil.copy(RUNNER, ground.uki)
    r = ground.aicert(*ground.args(), env={"PATH": str(ground.bin)}, code=5)
    assert "there is no swtpm on this host" in r.stderr and "apt-get install swtpm" in r.stderr


@pytest.mark.parametrize("data, words", [
    (b"#!/bin/sh\necho no image\n", "PE: got"), (b"", "PE: got 0 bytes"), (RUNNER.read_bytes()[:600], "PE: "), (RUNNER.read_bytes().replace(b"systemd-stub 252", b"systemd-stub 999"), "systemd-stub 252"),
    (None, "Is a directory"),
], ids=["text", "empty", "cut", "stub", "folder"])
def test_what_is_no_runner(ground, data, words):
    """Said before anything is fetched or made, for no policy could take what it would prove."""
    ground.qemu("exit 0")
    ground.uki.unlink()
    ground.uki.write_bytes(data) if data is not None else ground.uki.mkdir()
    r = ground.refused(words, code=3)
    assert f"machine: {ground.uki}: " in r.stderr and "hint: a runner is what `aicert vm build` writes" in r.stderr and "fetch" not in r.stderr
    assert not (ground.aicert.home / "aicert/data/vm").exists()


@pytest.mark.parametrize("argv", [("vm", "enroll", "--ca", "ca"), ("run", "--in", "vm")], ids=["enroll", "run"])
def test_interrupted_while_the_vtpm_is_made(ground, argv):
    """swtpm_setup starts an swtpm of its own, makes temporary files, and is killed with both still there."""
    need_machine()
    setup = ground.bin / "swtpm_setup"
    setup.write_text('#!/bin/sh\nmktemp > made\nsleep 600 & echo $! > grandchild.new; mv grandchild.new grandchild; wait\n')
    setup.chmod(0o755)
    ground.qemu("exit 0")
    ground.aicert("ca", "init", "ca", "--name", "Operator")
    vm = ground.aicert.home / "aicert/data/vm"
    left = vm / "tpm.killed"
    left.mkdir(parents=True)
    (left / "key.pem").write_text("of somebody who was killed")
    more = ("--vm-image", ground.uki) if argv[0] == "run" else ()
    with Started(ground.aicert, *argv, *more, env=ground.env()) as run:
        run.until("a vTPM is made")
        end = time.monotonic() + 30
        while not (ground.aicert.cwd / "grandchild").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        assert run.end(signal.SIGINT)[0] == 130
    grandchild, made = (int((ground.aicert.cwd / "grandchild").read_text()), (ground.aicert.cwd / "made").read_text().strip())
    assert not running(grandchild) and not os.path.exists(made) and str(vm) in made
    assert sorted(p.name for p in vm.iterdir()) in (["tpm.lock"], ["objects", "tpm.lock"])
    assert leftovers(ground.aicert, ground.runtime) == []
