"""The runner with the agent of this build: one UKI for all tests of a session, and a project that it can run."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from conftest import BUILD, ROOT, Aicert

sys.path.insert(0, str(ROOT / "tests/image"))
from images import BUSYBOX, busybox  # noqa: E402

MACHINE = (("/usr/bin/qemu-system-x86_64", "qemu-system-x86"), ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"), ("/usr/bin/swtpm", "swtpm"),
           ("/usr/bin/swtpm_setup", "swtpm-tools"), (BUSYBOX, "busybox-static"))
STEP = """\
aicert: 1
name: small
environment: {{ image: 'oci:image' }}
inputs:
  words: {{ path: words.txt }}
steps:
  sort:
    use: shell
    inputs: {{ raw: words }}
    script: |
      {script}
    outputs: {{ sorted: sorted.txt }}
    limits: {{ {limits} }}
"""
SORT = 'echo sorting; sort "$IN_RAW" > "$OUT_SORTED"'
_built = {}


def need_machine():
    for path, package in MACHINE:
        if not pathlib.Path(path).exists():
            pytest.skip(f"{path} is absent ({package})")


def build(tmp_path_factory):
    home = tmp_path_factory.mktemp("runner")
    # What is built with sanitizers needs libraries that no runner has.
    agent = (BUILD if not BUILD.name.startswith("build-") else ROOT / "build") / "aicert-agent"
    if not agent.exists():
        return None, f"{agent} is not built"
    uki = home / "aicert.efi"
    r = Aicert(home, home)("vm", "build", "--agent", agent, "--out", uki, code=None, timeout=1200)
    if r.returncode == 5:
        return None, "the runner's packages are not to be had: " + r.stderr.strip().splitlines()[-1]
    assert r.returncode == 0, r.stderr
    return uki, None


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    need_machine()
    if not _built:
        _built["uki"], _built["why"] = build(tmp_path_factory)
    if not _built["uki"]:
        pytest.skip(_built["why"])
    return _built["uki"]


def project(aicert, script=SORT, limits="time: 5m"):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "Aicertfile").write_text(STEP.format(script=script, limits=limits))


def descendants(pid):
    """Every process below this one that has not ended."""
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(stat.parent.name))
                todo.append(found[-1])
    return found


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Started:
    """`aicert` with these arguments, going on; what it says is read until a text comes."""

    def __init__(self, aicert, *args, env=None):
        self.p = subprocess.Popen([str(BUILD / "aicert"), *map(str, args)], cwd=aicert.cwd, env={**aicert.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        self.said = b""

    def until(self, text, seconds=240):
        end = time.monotonic() + seconds
        os.set_blocking(self.p.stderr.fileno(), False)
        while text.encode() not in self.said:
            assert time.monotonic() < end, f"'{text}' did not come: {self.said.decode()}"
            more = self.p.stderr.read()
            if more:
                self.said += more
            elif more == b"":
                raise AssertionError(f"it ended before '{text}': {self.said.decode()}")
            else:
                time.sleep(0.05)
        return self

    def end(self, sig, seconds=30):
        """Sends the signal; code and everything that was said. Nothing that it started goes on."""
        below = descendants(self.p.pid)
        assert below
        self.p.send_signal(sig)
        code = self.p.wait(seconds)
        os.set_blocking(self.p.stderr.fileno(), True)
        self.said += self.p.stderr.read() or b""
        self.p.stderr.close()
        end = time.monotonic() + 10
        while (left := [p for p in below if running(p)]) and time.monotonic() < end:
            time.sleep(0.05)
        assert not left
        return code, self.said.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p.poll() is None:
            os.killpg(self.p.pid, signal.SIGKILL)
            self.p.wait()
        self.p.stderr.close()


@pytest.fixture
def runtime():
    """Where sockets go: a path that is short enough for them, or /tmp is taken instead and nobody looks there."""
    with tempfile.TemporaryDirectory(prefix="rt", dir="/tmp") as d:
        yield pathlib.Path(d)


def leftovers(aicert, runtime):
    """What a run left of its disks and sockets."""
    tmp = aicert.home / "aicert/cache/tmp"
    return [p.name for p in runtime.iterdir()] + ([p.name for p in tmp.iterdir() if p.name.startswith("vm")] if tmp.exists() else [])
