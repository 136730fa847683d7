"""The agent: whole jobs on two files instead of a machine's disks; and in a machine, what a step can see and what ends it.

What a hostile job disk can do is in test_hostile_machine.py.
"""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path[:0] = [str(ROOT / "tests/image"), str(ROOT / "tests/tpm")]
from images import BUSYBOX, busybox  # noqa: E402
from tpm_ground import Tpm  # noqa: E402

LIBS = "-lcrypto -ljansson -lyaml -llua5.4 -lm -lgit2 -lcurl -larchive -lsqlite3 -ltss2-esys -ltss2-mu -ltss2-tctildr -ltss2-rc -ltpms -lpthread"
SANITIZED = BUILD.name.startswith("build-") and BUILD.name != "build-"
TWO_STEPS = """\
aicert: 1
name: measured
environment: {{ image: 'oci:image' }}
inputs:
  code: {{ git: 'file://{repo}', ref: main }}
  words: {{ path: words.txt }}
steps:
  sort:
    use: shell
    inputs: {{ raw: words, src: code }}
    script: |
      echo sorting; sort "$IN_RAW" > "$OUT_SORTED" && cat "$IN_SRC/tail.txt" >> "$OUT_SORTED"
    outputs: {{ sorted: sorted.txt }}
  count:
    use: shell
    inputs: {{ all: sort.sorted }}
    script: |
      wc "$IN_ALL" > "$OUT_COUNT"; mkdir -p "$OUT_MORE"; cat /opt/*/* > "$OUT_MORE/names.txt"; echo $MARK >> "$OUT_MORE/names.txt"
    outputs: {{ count: count.txt, more: {{ path: more, type: dir }} }}
outputs: {{ model: sort.sorted, count: count.count }}
"""
ONE_STEP = """\
aicert: 1
name: one
{environment}
steps:
  only:
    use: shell
    script: |
      {script}
    outputs: {{ out: out.txt }}
    limits: {{ {limits} }}
"""
IMAGE = "environment: { image: 'oci:image' }"


@pytest.fixture(scope="session")
def agent_tool(tmp_path_factory):
    lib = BUILD / "libaicert.a"
    if not lib.exists():
        pytest.skip(f"{lib} is not built")
    out = tmp_path_factory.mktemp("tool") / "agent_tool"
    san = [f"-fsanitize={BUILD.name[6:].replace('-', ',')}"] if SANITIZED else []
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-g", *san, f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", out, ROOT / "tests/vm/agent_tool.c", lib,
                    *LIBS.split()], check=True)
    return out


class Ground:
    """A project, and the parts of a measured run of it."""

    def __init__(self, aicert, tool, tmp):
        self.aicert, self.program, self.tmp, self.homes = aicert, tool, tmp, 0
        self.job, self.result = tmp / "job.img", tmp / "result.img"

    def home(self):
        self.homes += 1
        return self.tmp / f"home{self.homes}"

    def tool(self, *args, code=0, timeout=240):
        r = subprocess.run([str(self.program), *map(str, args)], cwd=self.aicert.cwd, env=self.aicert.env, capture_output=True, text=True, timeout=timeout,
                           stdin=subprocess.DEVNULL)
        assert code is None or r.returncode == code, f"{args}: {r.returncode}\n{r.stdout}\n{r.stderr}"
        return r

    def write(self, text):
        (self.aicert.cwd / "Aicertfile").write_text(text)

    def one(self, script, environment=IMAGE, limits="memory: 1G"):
        if not (self.aicert.cwd / "image").exists():
            busybox(self.aicert.cwd / "image", env=["PATH=/bin"])
        self.write(ONE_STEP.format(script=script, environment=environment, limits=limits))

    def pack(self, *more):
        return json.loads(self.tool("pack", "Aicertfile", self.tmp / "outside", self.job, *more).stdout)

    def blank(self, size=1 << 30):
        with open(self.result, "wb") as f:
            f.truncate(size)

    def agent(self, code=0, tpm="embedded", size=1 << 30):
        self.blank(size)
        return self.tool("run", self.job, self.result, self.home(), tpm, code=code)

    def take(self, code=0):
        r = self.tool("take", "Aicertfile", self.tmp / "outside", self.result, code=code)
        return json.loads(r.stdout)


@pytest.fixture
def ground(aicert, agent_tool, tmp_path):
    if not pathlib.Path(BUSYBOX).exists():
        pytest.skip(f"{BUSYBOX} is absent (busybox-static)")
    return Ground(aicert, agent_tool, tmp_path)


def two_steps(ground, git_repo):
    busybox(ground.aicert.cwd / "image", {"opt/é/ß.txt": b"names\n"}, env=["PATH=/bin", "MARK=of the image"])
    repo, commit = git_repo({"tail.txt": "the tail\n"}, name="origin")
    (ground.aicert.cwd / "words.txt").write_text("b\na\n")
    ground.write(TWO_STEPS.format(repo=repo))
    return commit


# --- without a machine ---------------------------------------------------------------------------------------------------


def test_the_root_is_that_of_a_run_outside(ground, git_repo):
    two_steps(ground, git_repo)
    root = ground.aicert.json("--output-bom", "proof.json")["root"]
    given = ground.pack("a nonce of the verifier's, 16 bytes or more")
    said = ground.agent().stdout.splitlines()
    taken = ground.take()
    assert taken["root"] == root
    claims, evidence = taken["attestation"]["claims"], taken["attestation"]["evidence"]
    assert claims["root"] == root and claims["plan"] == given["plan"] and claims["nonce"] == "a nonce of the verifier's, 16 bytes or more"
    assert len(claims["executed"]) == 2 and claims["reused"] == [] and claims["failed"] == []
    assert sorted(v["how"] for v in claims["verified"]) == ["git", "none", "oci"]
    log = evidence["run_log"]
    assert log[0] == {"event": "job", "id": given["header"]} and log[1] == {"event": "plan", "id": given["plan"]}
    # Results that come within half a second of each other are one event.
    *results, last = log[2:]
    assert last["event"] == "claims" and {e["event"] for e in results} == {"results"} and len({i for e in results for i in e["ids"]}) == 2
    # The header is measured before anything else is said of the job, and what a step prints cannot be taken for a line of the agent's.
    assert said[0] == f"aicert: job     {given['header']}"
    assert "| sorting" in said and all(line.startswith(("aicert: ", "| ")) for line in said)


def test_nothing_of_an_earlier_run_is_reused(ground, git_repo):
    two_steps(ground, git_repo)
    ground.pack()
    home = ground.home()
    for _ in range(2):
        ground.blank()
        said = ground.tool("run", ground.job, ground.result, home, "embedded").stdout
        assert said.count("aicert: run ") == 2 and "reuse" not in said


def test_a_step_that_fails(ground):
    ground.one("echo before; exit 3")
    given = ground.pack()
    r = ground.agent(code=4)
    assert "step 'only': failed: exit 3" in r.stderr and "its log is" not in r.stderr
    taken = ground.take(code=4)
    assert "failed: exit 3" in taken["error"] and "its log is" not in taken["hint"] and taken["root"] == ""
    claims = taken["attestation"]["claims"]
    assert "root" not in claims and claims["executed"] == [] and claims["failed"] == [{"step": "only", "how": "exit 3"}]
    assert claims["plan"] == given["plan"] and taken["steps"][0]["failure"] == "exit 3"


def test_limits_are_kept(ground):
    ground.one("/bin/busybox dd if=/dev/zero of=/dev/null bs=300M count=1", limits="memory: 64M")
    ground.pack()
    ground.agent(code=4)
    assert ground.take(code=4)["attestation"]["claims"]["failed"] == [{"step": "only", "how": "memory limit (64M)"}]


def test_a_step_of_the_host_is_refused(ground):
    ground.one("echo x > $OUT_OUT", environment="environment: host")
    ground.pack()
    r = ground.agent(code=3)
    assert "step 'only': is to run in the host environment, and the measured machine has none" in r.stderr and "aicert: run " not in r.stdout
    taken = ground.take(code=3)
    assert "the measured machine has none" in taken["error"] and taken["attestation"] is False


def test_a_second_job_on_the_same_boot(ground):
    """Its PCR 15 is no longer as the boot left it: nothing is measured into it, and nothing runs."""
    ground.one("echo x > $OUT_OUT")
    ground.pack()
    folder = ground.tmp / "tpm"
    tpm = Tpm(folder).start()
    try:
        ground.agent(tpm=tpm.tcti)
        assert ground.take()["root"]
        before = tpm.tool("tpm2_pcrread", "sha256:15")
        r = ground.agent(code=5, tpm=tpm.tcti)
        assert "PCR 15 was extended by somebody" in r.stderr and "aicert: job" not in r.stdout and "aicert: run" not in r.stdout
        assert tpm.tool("tpm2_pcrread", "sha256:15") == before
        taken = ground.take(code=5)
        assert "PCR 15 was extended" in taken["error"] and taken["attestation"] is False and taken["root"] == ""
    finally:
        tpm.stop()


def test_a_tpm_that_is_not_there(ground):
    ground.one("echo x > $OUT_OUT")
    ground.pack()
    r = ground.agent(code=5, tpm=f"device:{ground.tmp}/absent")
    assert "aicert: job" not in r.stdout
    assert "tpm: device:" in ground.take(code=5)["error"]


def test_certificates_of_another_key_are_left_out(ground):
    ground.one("echo x > $OUT_OUT")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem", "-subj", "/CN=other",
                    "-days", "9", "-outform", "DER", "-out", "c.der"], cwd=ground.tmp, check=True, capture_output=True)
    der = base64.b64encode((ground.tmp / "c.der").read_bytes()).decode()
    ground.pack("a nonce that is long enough", json.dumps([der]))
    r = ground.agent()
    assert "aicert: note: tpm: the certificates that came with the job are not used: " in r.stdout
    taken = ground.take()
    assert taken["root"] and der not in taken["attestation"]["evidence"]["ak_certificates"]


def test_a_result_that_does_not_fit(ground):
    """What is missing is said where the result would be, and is not a run that succeeded."""
    ground.one("/bin/busybox dd if=/dev/urandom of=$OUT_OUT bs=1M count=20")
    ground.pack()
    r = ground.agent(code=5, size=8 << 20)
    assert "aicert: note: result disk: " in r.stdout
    taken = ground.take(code=5)
    assert taken["root"] == "" and taken["error"]


def test_a_job_disk_that_was_never_written(ground):
    with open(ground.job, "wb") as f:
        f.truncate(1 << 20)
    ground.one("echo x > $OUT_OUT")
    r = ground.agent(code=None)
    assert r.returncode != 0 and "job disk" in r.stderr
    assert "job disk" in ground.take(code=None)["error"]


def test_what_the_agent_is_linked_with():
    """The machine's libraries are what a verifier must trust: none that reaches a network, parses XML, or makes a TPM of its own."""
    if SANITIZED:
        pytest.skip("built with sanitizers")
    needed = {line.split("[")[1].rstrip("]") for line in subprocess.run(["readelf", "-d", BUILD / "aicert-agent"], check=True, capture_output=True,
                                                                       text=True).stdout.splitlines() if "(NEEDED)" in line}
    assert "libtss2-tcti-device.so.0" in needed
    assert not [n for n in needed if n.startswith(("libcurl", "libgit2", "libtpms", "libarchive", "libxml2", "libssl", "libssh"))]
    assert len(needed) <= 16, sorted(needed)


# --- in a machine ----------------------------------------------------------------------------------------------------------

SETTINGS = {"kernel/modules_disabled": "1", "kernel/kexec_load_disabled": "1", "kernel/kptr_restrict": "2", "kernel/dmesg_restrict": "1",
            "kernel/unprivileged_bpf_disabled": "1", "kernel/sysrq": "0", "kernel/panic_on_oops": "1", "fs/suid_dumpable": "0",
            "kernel/hostname": "aicert"}
HIDDEN = ("/dev/tpm0", "/dev/tpmrm0", "/dev/vda", "/dev/vdb", "/dev/mem", "/dev/kmsg", "/dev/console", "/dev/ttyS0", "/dev/hvc0", "/dev/port", "/dev/mapper", "/dev/dm-0",
          "/dev/nvram", "/dev/rtc0", "/dev/cpu", "/dev/loop-control", "/dev/fuse", "/dev/kvm", "/dev/userfaultfd", "/sys/block", "/sys/kernel", "/sys/firmware",
          "/sys/fs", "/sys/class", "/sys/devices", "/sys/bus", "/modules", "/init", "/aicert", "/root.new", "/lib/x86_64-linux-gnu", "/proc/1/root/aicert",
          "/proc/1/cwd/aicert", "/proc/1/root/init")
# Of what /proc shows of the whole machine and of others: nothing is in it, or it cannot be opened.
EMPTY = ("/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/1/environ", "/proc/1/mem", "/proc/1/maps", "/proc/1/fd/3", "/proc/1/stack")
# All that a step has for devices.
DEVICES = {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm", "pts", "ptmx", "tty", "mqueue"}
# What is found where it is: a loop that finds nothing anywhere shows nothing.
THERE = ("/dev/null", "/bin/busybox", "/proc/self/status", "/workspace")
LOOK = """\
aicert: 1
name: look
environment: {{ image: 'oci:image' }}
steps:
  look:
    use: shell
    script: |
      for f in {hidden}; do if test -e $f; then echo "there: $f"; exit 1; fi; done
      for f in {there}; do if test -e $f; then echo "control: $f"; fi; done
      for f in {empty}; do if /bin/busybox head -c 1 $f 2> /dev/null | /bin/busybox grep -q .; then echo "there: $f"; fi; done
      if /bin/busybox head -c 1 /proc/self/status | /bin/busybox grep -q .; then echo "control: read"; fi
      for f in $(ls /dev); do echo "device: $f"; done
      for p in /proc/[0-9]*; do echo "process: $(cat $p/comm)"; done
      for f in /proc/self/fd/*; do echo "descriptor: $(/bin/busybox readlink $f)"; done
      for s in {settings}; do echo "$s=$(cat /proc/sys/$s)"; done
      for f in /proc/sys/kernel/sysrq /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/self/oom_score_adj; do
        if (echo 0 > $f) 2> /dev/null; then echo "written: $f"; exit 1; fi
      done
      for c in 'mknod /workspace/d c 10 224' 'mknod /workspace/d b 254 0' 'mount -t devtmpfs d /workspace' 'mount -t tmpfs d /tmp' 'chroot / true' \\
        'unshare -m true' 'insmod /bin/busybox' 'poweroff -f' 'reboot -f' 'dmesg'; do
        if /bin/busybox $c > /dev/null 2>&1; then echo "done: $c"; exit 1; fi
      done
      ls /dev /sys; id -u; cat /proc/self/cgroup; ls /proc/self/fd | wc -l; /bin/busybox ip link 2> /dev/null || true
      echo "seen" > "$OUT_SEEN"
    outputs: {{ seen: seen.txt }}
  hog:
    use: shell
    inputs: {{ after: look.seen }}
    script: /bin/busybox dd if=/dev/zero of=/dev/null bs=300M count=1; echo survived
    outputs: {{ o: o.txt }}
    limits: {{ memory: 64M }}
"""


@pytest.fixture(scope="session")
def uki(tmp_path_factory):
    if SANITIZED:
        pytest.skip("the sanitizers' libraries are not among the runner's packages")
    folder = tmp_path_factory.mktemp("uki")
    for what, package in (("/usr/bin/qemu-system-x86_64", "qemu-system-x86"), ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"), ("/usr/bin/swtpm", "swtpm")):
        if not os.path.exists(what):
            pytest.skip(f"{what} is absent ({package})")
    r = subprocess.run([str(BUILD / "aicert"), "vm", "build", "--agent", str(BUILD / "aicert-agent"), "--out", str(folder / "aicert.efi")],
                       env={**os.environ, "AICERT_HOME": str(folder / "home")}, capture_output=True, text=True, timeout=600)
    if r.returncode == 5:
        pytest.skip(f"no packages to build a runner from: {r.stderr}")
    assert r.returncode == 0, r.stderr
    return folder / "aicert.efi"


@pytest.mark.long
def test_a_step_in_the_machine(ground, uki):
    """One boot: a step that looks for everything that is not its own, then one that needs more memory than it may have."""
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    assert {"mknod", "mount", "chroot", "unshare", "insmod", "poweroff", "reboot", "dmesg", "dd", "ip", "head", "grep", "readlink"} <= set(applets), "what is tried must be there to be refused"
    busybox(ground.aicert.cwd / "image", env=["PATH=/bin"])
    ground.write(LOOK.format(hidden=" ".join(HIDDEN), settings=" ".join(SETTINGS), empty=" ".join(EMPTY), there=" ".join(THERE)))
    given = ground.pack()
    ground.blank()
    folder = ground.tmp / "m"
    folder.mkdir(mode=0o700)
    console = ground.tool("boot", uki, ground.job, ground.result, folder, timeout=400).stdout
    shown = [line[2:] for line in console.splitlines() if line.startswith("| ")]
    assert not [s for s in shown if s.startswith(("there: ", "written: ", "done: "))] and "survived" not in shown, console
    said = {word: {s.split(": ", 1)[1] for s in shown if s.startswith(f"{word}: ")} for word in ("control", "device", "process", "descriptor")}
    assert said["control"] == {*THERE, "read"}, console
    assert {"null", "fd"} <= said["device"] <= DEVICES, said["device"]
    # The sandbox's own first process, which begins as the agent's copy, and what runs the script.
    assert said["process"] <= {"init", "aicert-agent", "sh", "ash", "busybox", "cat"}, said["process"]
    assert said["descriptor"] and not [d for d in said["descriptor"] if any(w in d for w in ("tty", "console", "tpm", "vd", "hvc", "memfd", "aicert"))], said["descriptor"]
    assert {s.split("=")[0]: s.split("=")[1] for s in shown if "=" in s and "/" in s.split("=")[0]} == SETTINGS, console
    assert "1000" in shown and "0::/" in shown, console
    assert not [s for s in shown if "eth" in s or "ens" in s], console
    lines = console.splitlines()
    assert f"aicert: job     {given['header']}" in lines and "aicert: attest" not in console
    assert "aicert: failed: step 'hog': failed: memory limit (64M)" in lines, console
    taken = ground.take(code=4)
    assert [s["state"] for s in taken["steps"]] == [1, 3]
    claims, evidence = taken["attestation"]["claims"], taken["attestation"]["evidence"]
    assert "root" not in claims and claims["failed"] == [{"step": "hog", "how": "memory limit (64M)"}] and len(claims["executed"]) == 1
    assert claims["program"]["sha256"] == hashlib.sha256((BUILD / "aicert-agent").read_bytes()).hexdigest()
    boot = base64.b64decode(evidence["boot_log"])
    assert claims["boot_log"] == hashlib.sha256(boot).hexdigest() and b"Calling EFI Application from Boot Option" in boot
    assert claims["started"] > "2026"
    for pcr in ("4", "9", "11"):
        assert evidence["pcrs"][pcr] != "0" * 64
    assert evidence["pcrs"]["12"] == "0" * 64
