"""The attack suite: a program that plays the malicious step makes every attack of attacks.h through the built command.

As root and as a user, in the host environment and in an image. Each attack must be refused or without effect, which its own line says, and the machine outside
must be as it was: that is looked at from here. The same program without a sandbox shows that its attacks are real, and under bubblewrap that we
confine what others confine.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import hashlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import time

import pytest
from conftest import BUILD

HERE = pathlib.Path(__file__).resolve().parent
ATTACKS = dict(re.findall(r'^\tX\((\w+), "(.*)"\)', (HERE / "attacks.h").read_text(), re.M))
LINE = re.compile(r"^(\w+): .*: (refused|without effect|HARMED|UNCLEAR) \((.*)\)$", re.M)
SECRET = "attack-secret-4711"
USER = 64990
LIBC = ctypes.CDLL(None, use_errno=True)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="plays root and a user: needs to be started by root")


def unused_uid():
    """The uid that the sandbox gives a step of root's: the first from 65520 that nobody has."""
    for uid in range(65520, 65534):
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
    pytest.skip("uids 65520 to 65533 are taken")


def join_session():
    """A session keyring with a key in it, inherited by whoever is started."""
    LIBC.syscall(250, 1, 0, 0, 0, 0)
    LIBC.syscall(248, b"user", b"aicert-attack", SECRET.encode(), len(SECRET), -3)


@pytest.fixture(scope="session")
def ground(tmp_path_factory):
    """A folder that everybody may enter, with the programs: the checkout may lie in root's own home."""
    d = tmp_path_factory.mktemp("attack")
    for up in (d, d.parent, d.parent.parent):
        up.chmod(0o755)
    for p in ("aicert", "aicert-engine"):
        shutil.copy(BUILD / p, d)
    subprocess.run(["cc", "-static", "-O1", "-std=gnu11", "-o", d / "attacker", *sorted(HERE.glob("*.c"))], check=True)
    return d


class Machine:
    """What a step must not reach: a secret, a folder, servers, a process of its own uid, shared memory."""

    def __init__(self, folder, uid):
        self.folder, self.uid = folder, uid
        folder.mkdir()
        self.secret, self.open = folder / "secret", folder / "open"
        self.secret.write_text(SECRET + "\n")
        self.open.mkdir()
        self.open.chmod(0o777)
        self.folder.chmod(0o755)
        self.abstract = f"aicert-attack-{os.getpid()}-{folder.name}"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.tcp6 = socket.create_server(("::1", self.port), family=socket.AF_INET6)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix, self.named = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.unix.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        self.named.bind("\0" + self.abstract)
        for s in (self.unix, self.named):
            s.listen()
        for s in (self.tcp, self.tcp6, self.udp, self.unix, self.named):
            s.setblocking(False)
        self.shm = LIBC.shmget(0, 4096, 0o1666)
        self.victim = subprocess.Popen(["sleep", "1000"], user=uid, group=uid, extra_groups=[])
        self.before = self.state()

    def state(self):
        """What must be the same afterwards."""
        pid = self.victim.pid
        sysctls = {}
        for name in ("kernel/core_pattern", "kernel/hostname", "kernel/modprobe", "kernel/sysrq", "vm/overcommit_memory", "net/ipv4/ip_forward",
                     "fs/suid_dumpable", "kernel/randomize_va_space", "kernel/panic"):
            p = pathlib.Path("/proc/sys") / name
            sysctls[name] = p.read_text() if p.exists() else None
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        null = os.stat("/dev/null")
        return {"the secret": (self.secret.read_text(), self.secret.stat().st_mtime_ns, self.secret.stat().st_mode),
                "the folder": sorted(p.name for p in self.open.iterdir()), "settings": sysctls,
                "the process outside": (self.victim.poll(), os.getpriority(os.PRIO_PROCESS, pid), sorted(os.sched_getaffinity(pid)), limits,
                                        LIBC.syscall(252, 1, pid), os.sched_getscheduler(pid)),
                "/dev/null": (null.st_mode, null.st_uid), "the clock": abs(time.time() - time.monotonic() - self.clock()) < 60}

    def clock(self):
        if not hasattr(self, "epoch"):
            self.epoch = time.time() - time.monotonic()
        return self.epoch

    def visitors(self):
        """Who connected, or sent something, to which server."""
        found = []
        for name in ("tcp", "tcp6", "unix", "named"):
            try:
                getattr(self, name).accept()[0].close()
                found.append(name)
            except BlockingIOError:
                pass
        try:
            self.udp.recv(100)
            found.append("udp")
        except BlockingIOError:
            pass
        return found

    def targets(self, given, outputs, home):
        return [f"secret={self.secret}", f"folder={self.open}", f"home={home}", f"unix={self.folder / 'socket'}", f"abstract={self.abstract}",
                f"input={given}", f"outputs={outputs}", f"victim={self.victim.pid}", f"port={self.port}", f"udp={self.udp.getsockname()[1]}",
                f"shm={self.shm}"]

    def close(self):
        for s in (self.tcp, self.tcp6, self.udp, self.unix, self.named):
            s.close()
        LIBC.shmctl(self.shm, 0, None)
        self.victim.kill()
        self.victim.wait()


class Builder:
    """Root or a user with a home and a project, who runs a hostile step."""

    def __init__(self, ground, name, uid, environment):
        self.uid, self.environment = uid, environment
        self.folder, self.program, self.ground = ground / name, ground / "aicert", ground
        self.home, self.project = self.folder / "home", self.folder / "project"
        for d in (self.folder, self.home, self.project, self.project / "given", self.project / "given/sub", self.project / "tools"):
            d.mkdir()
        (self.project / "given/data").write_text("data\n" * 1000)
        (self.project / "given/sub/more").write_text("more\n")
        shutil.copy(ground / "attacker", self.project / "tools/attacker")
        self.own()

    def own(self):
        for p in [self.folder, *self.folder.rglob("*")]:
            os.chown(p, self.uid, self.uid, follow_symlinks=False)

    def write(self, script, limits="", outputs="{ out: { path: out/, type: dir } }"):
        body = "".join(f"      {line}\n" for line in script.strip("\n").split("\n"))
        (self.project / "Aicertfile").write_text(f"aicert: 1\nname: attack\n{self.environment}inputs:\n  given: {{ path: given }}\n  tools: {{ path: tools }}\n"
            f"steps:\n  attack:\n    use: shell\n    inputs: {{ given: given, tools: tools }}\n{limits}    script: |\n{body}    outputs: {outputs}\n")

    def run(self, script, code=None, timeout=120, env=None, **how):
        options = {k: how.pop(k) for k in ("pass_fds", "preexec_fn", "stdin", "stdout", "stderr", "start_new_session", "text") if k in how}
        self.write(script, **how)
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace", **options}
        r = subprocess.run([self.program, "--force"], cwd=self.project, user=self.uid, group=self.uid, extra_groups=[], timeout=timeout,
                           env={"PATH": os.environ["PATH"], "HOME": str(self.home), "AICERT_HOME": str(self.home / "aicert"), **(env or {})}, **options)
        if code is not None:
            assert r.returncode == code, f"exit {r.returncode}, expected {code}\n{r.stdout}\n{r.stderr}"
        return r

    def logs(self):
        return b"".join(p.read_bytes() for p in sorted((self.home / "aicert/cache/logs").glob("*.log"))).decode("utf-8", "replace")

    def store_is_sound(self):
        objects = [p for p in (self.home / "aicert/cache/objects").rglob("*") if p.is_file()]
        assert objects
        for p in objects:
            assert hashlib.sha256(p.read_bytes()).hexdigest() == p.parent.name + p.name, f"object {p} was changed"
            s = p.stat()
            assert stat.S_IMODE(s.st_mode) == 0o444 and s.st_uid == self.uid, f"object {p}: mode {s.st_mode:o}, owner {s.st_uid}"

    def nothing_left(self):
        left = [p.name for p in (self.home / "aicert/cache/tmp").iterdir()]
        assert not left, f"scratch is left behind: {left}"


# --- every attack of attacks.h ------------------------------------------------------------------------

def read_report(text):
    report = {name: (how, detail) for name, how, detail in LINE.findall(text)}
    missing = set(ATTACKS) - set(report)
    assert not missing, f"not made: {sorted(missing)}\n{text}"
    return report


class Raid:
    """All attacks once in one context, and what was there afterwards."""

    def __init__(self, ground, name, uid, environment):
        self.machine = Machine(ground / f"{name}-machine", unused_uid() if uid == 0 else uid)
        self.builder = b = Builder(ground, name, uid, environment)
        targets = " ".join(f"'{t}'" for t in self.machine.targets("$G", "$OUT_OUT", b.home / "aicert")).replace("'input=$G'", '"input=$IN_GIVEN"')
        targets = targets.replace("'outputs=$OUT_OUT'", '"outputs=$OUT_OUT"')
        fds = [os.open(self.machine.secret, os.O_RDONLY), os.open(self.machine.folder, os.O_RDONLY), self.machine.tcp.fileno()]
        fds.append(fds and os.dup2(fds[0], 700, inheritable=True))
        self.before = self.machine.state()
        self.result = b.run(f'mkdir -p "$OUT_OUT"; "$IN_TOOLS/attacker" {targets} || true; echo done > "$OUT_OUT/done"', pass_fds=fds, preexec_fn=join_session,
                            env={"GITHUB_TOKEN": SECRET, "ATTACK_SECRET": SECRET, "LC_SECRET": SECRET})
        for fd in (fds[0], fds[1], fds[3]):
            os.close(fd)
        self.text = b.logs()
        self.report = read_report(self.text or self.result.stdout + self.result.stderr)


CONTEXTS = {"host-root": (0, ""), "host-user": (USER, "")}


@pytest.fixture(scope="session")
def raids(ground):
    made = {}

    def get(context):
        if context not in made:
            made[context] = Raid(ground, context, *CONTEXTS[context])
        return made[context]
    yield get
    for r in made.values():
        r.machine.close()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(raids, context, attack):
    how, detail = raids(context).report[attack]
    print(f"{context}: {attack}: {ATTACKS[attack]}: {how} ({detail})")
    assert how in ("refused", "without effect"), f"{ATTACKS[attack]}: {how} ({detail})"


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_machine_is_as_it_was(raids, context):
    raid = raids(context)
    after = raid.machine.state()
    for what, before in raid.before.items():
        assert after[what] == before, f"{what} changed"
    assert raid.machine.visitors() == []
    assert SECRET not in raid.text and SECRET not in raid.result.stdout + raid.result.stderr
    assert raid.result.returncode == 0, raid.result.stderr
    raid.builder.store_is_sound()
    raid.builder.nothing_left()


# --- the same attacks without us ----------------------------------------------------------------------

class Other:
    """The attacker as a user, started by somebody else: nobody (no sandbox at all), or bubblewrap. A fresh input for each attack."""

    def __init__(self, ground, name, wrap):
        self.machine = Machine(ground / f"{name}-machine", USER + 1)
        self.home, text = ground / name, ""
        for d in (self.home, self.home / "out", self.home / "data", self.home / "data/tpm", self.home / "cache"):
            d.mkdir()
        for d in self.home, self.home / "out":
            os.chown(d, USER + 1, USER + 1)
        for attack in ATTACKS:
            given = self.home / f"given-{attack}"
            (given / "sub").mkdir(parents=True)
            (given / "data").write_text("data")
            (given / "sub/more").write_text("more")
            for p in [given, *given.rglob("*")]:
                os.chown(p, USER + 1, USER + 1)
            r = subprocess.run([*wrap(self), ground / "attacker", *self.machine.targets(given, self.home / "out", self.home), attack], user=USER + 1, group=USER + 1,
                               extra_groups=[], cwd="/", capture_output=True, text=True, errors="replace", env={"PATH": os.environ["PATH"], "ATTACK_SECRET": SECRET},
                               preexec_fn=join_session, pass_fds=[self.machine.tcp.fileno()], stdin=subprocess.DEVNULL, timeout=60)
            text += r.stdout or r.stderr
        self.report = read_report(text)


@pytest.fixture(scope="session")
def bare(ground):
    other = Other(ground, "bare", lambda _: [])
    yield other
    other.machine.close()


# What an ordinary user of an ordinary machine can do at will: where it did not succeed outside, it would show nothing inside.
REAL = """net_inet net_inet6 net_udp net_unix_path net_unix_abstract net_netlink_other net_families file_absolute file_dotdot file_proc_self_root
    file_proc_others file_store file_tpm file_descriptors file_environment file_write file_machine_secrets input_write input_reopen input_truncate
    input_mode input_times input_xattr input_unlink input_rename input_link input_lease input_folder proc_signal proc_seen proc_core proc_capabilities
    sys_device_list sys_keys sys_ldt sys_personality sys_int80 sys_proc_read sys_ipc""".split()


def test_the_attacks_are_real(bare):
    for attack in ATTACKS:
        print(f"unconfined: {attack}: {' '.join(bare.report[attack])}")
    assert not [(a, bare.report[a]) for a in REAL if bare.report[a][0] != "HARMED"]
    assert {"tcp", "tcp6", "unix", "named", "udp"} <= set(bare.machine.visitors())
    assert bare.machine.victim.wait(10) == -9


@pytest.fixture(scope="session")
def wrapped(ground):
    if not shutil.which("bwrap"):
        pytest.skip("bwrap is not installed")
    other = Other(ground, "wrapped", lambda o: ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/", "/", "--dev", "/dev",
                                                "--proc", "/proc", "--tmpfs", "/dev/shm", "--bind", o.home / "out", o.home / "out"])
    yield other
    other.machine.close()


@pytest.mark.parametrize("context", CONTEXTS)
def test_where_bubblewrap_confines_we_confine(raids, wrapped, context):
    ours, theirs = raids(context).report, wrapped.report
    for attack in ATTACKS:
        print(f"{attack}: bwrap: {' '.join(theirs[attack])}; {context}: {' '.join(ours[attack])}")
    good = ("refused", "without effect")
    assert not [a for a in ATTACKS if theirs[a][0] in good and ours[a][0] not in good]
    # A comparison with something that does not confine would say nothing.
    assert len([a for a in ATTACKS if theirs[a][0] in good]) > len(ATTACKS) / 2
    assert wrapped.machine.visitors() in ([], ["unix"]) and wrapped.machine.victim.poll() is None
