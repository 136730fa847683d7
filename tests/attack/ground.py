"""What the attack suite stands on: the program that attacks, a machine that must come to no harm, and builders who run hostile steps.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import hashlib
import io
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tarfile
import time

import pytest
from conftest import BUILD
from image.images import BUSYBOX, layout, tar_of

HERE = pathlib.Path(__file__).resolve().parent
ATTACKS = dict(re.findall(r'^\tX\((\w+), "(.*)"\)', (HERE / "attacks.h").read_text(), re.M))
SECRET = "attack-secret-4711"
USER = 64990
LIBC = ctypes.CDLL(None, use_errno=True)

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="plays root and a user: needs to be started by root")
# Who runs the step, and in what: name -> (uid, lines of the Aicertfile).
IMAGE = "environment: { image: 'oci:image' }\n"
CONTEXTS = {"host-root": (0, ""), "host-user": (USER, ""), "image-root": (0, IMAGE), "image-user": (USER, IMAGE)}


def image(folder, attacker):
    """busybox, and the attacker as a program that is set-user-id root in its layer."""
    applets = "sh ls cat echo id mkdir rm ln cp chmod mkfifo kill touch sleep printf test true env find date".split()
    files = {"bin": None, "bin/busybox": ("exec", pathlib.Path(BUSYBOX).read_bytes()), "etc": None, "tmp": None, "usr": None, "usr/bin": None}
    files.update({f"bin/{a}": ("link", "busybox") for a in applets})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("bin/suid")
        info.mode, info.uid, info.gid, info.size = 0o6755, 0, 0, len(attacker)
        tar.addfile(info, io.BytesIO(attacker))
    layout(folder, [tar_of(files), out.getvalue()], env=["PATH=/bin"])


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
        if environment:
            image(self.project / "image", (ground / "attacker").read_bytes())
        self.own()

    def own(self):
        for p in [self.folder, *self.folder.rglob("*")]:
            os.chown(p, self.uid, self.uid, follow_symlinks=False)

    def write(self, script, limits="", outputs="{ out: { path: out/, type: dir } }"):
        """Another step stands beside it, so that it is run as steps of a pipeline are: by one of two workers."""
        body = "".join(f"      {line}\n" for line in script.strip("\n").split("\n"))
        (self.project / "Aicertfile").write_text(f"aicert: 1\nname: attack\n{self.environment}inputs:\n  given: {{ path: given }}\n  tools: {{ path: tools }}\n"
            f"steps:\n  attack:\n    use: shell\n    inputs: {{ given: given, tools: tools }}\n{limits}    script: |\n{body}    outputs: {outputs}\n"
            "  beside: { use: shell, script: ': > $OUT_O', outputs: { o: o } }\n")

    def run(self, script, code=None, timeout=120, env=None, **how):
        options = {k: how.pop(k) for k in ("pass_fds", "preexec_fn", "stdin", "stdout", "stderr", "start_new_session", "text") if k in how}
        self.write(script, **how)
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace", **options}
        r = subprocess.run([self.program, "--force", "-j", "2"], cwd=self.project, user=self.uid, group=self.uid, extra_groups=[], timeout=timeout,
                           env={"PATH": os.environ["PATH"], "HOME": str(self.home), "AICERT_HOME": str(self.home / "aicert"),
                                **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **(env or {})}, **options)
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
