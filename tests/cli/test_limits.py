"""Limits and GPUs as a user meets them: an Aicertfile, the program, what it says; as root and as a plain user.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from conftest import BUILD

NOBODY = 65534
HOG = "b = bytearray(b'x') * (900 << 20); import time; time.sleep(20)"
WORKERS = ("import os, time\nfor i in range(10):\n  if os.fork() == 0: b = bytearray(b'x') * (40 << 20); time.sleep(30); os._exit(0)\n"
           "for i in range(10): os.wait()\n")
BOMB = "import os, time\nfor i in range(400):\n  if os.fork() == 0: time.sleep(30); os._exit(0)\n"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)\n"
# What is tried, the limit, and how the failure is called.
BREACHES = [(HOG, "memory: 200M", "memory limit (200M)", "'memory'"), (WORKERS, "memory: 200M", "memory limit (200M)", "'memory'"),
            (BOMB, "pids: 60", "process limit (60)", "'pids'"), ("import time; time.sleep(60)", "time: 1s", "time limit (1s)", "'time'"),
            (DEAF, "time: 1s", "time limit (1s)", "'time'"),
            # The first that is reached is named.
            (HOG, "memory: 200M, time: 50s, pids: 60, cpus: 1", "memory limit (200M)", "'memory'")]


@pytest.fixture(params=["root", "user"])
def whoever(request, tmp_path):
    """run(Aicertfile, code, env) -> result, in a folder that belongs to whoever runs it."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not root")
    drop = request.param == "user" and os.geteuid() == 0
    place = pathlib.Path("/tmp") / f"aicert-limits-{os.getpid()}-{time.monotonic_ns()}"
    cwd, program = place / "project", place / "bin"
    request.addfinalizer(lambda: shutil.rmtree(place, ignore_errors=True))
    cwd.mkdir(parents=True)
    program.mkdir()
    # The build folder may lie where a plain user cannot go.
    for name in ("aicert", "aicert-engine"):
        shutil.copy2(BUILD / name, program / name)
    if drop:
        for p in (place, cwd, program):
            os.chown(p, NOBODY, NOBODY)

    def run(text, code, env=None):
        (cwd / "Aicertfile").write_text(text)
        e = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        e.update(HOME=str(place), AICERT_HOME=str(place / "home"), NO_COLOR="1", **(env or {}))
        r = subprocess.run([str(program / "aicert")], cwd=cwd, env=e, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
                           **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if drop else {}))
        assert r.returncode == code, f"exit {r.returncode}, expected {code}\n{r.stdout}\n{r.stderr}"
        return r
    run.cwd, run.place = cwd, place
    return run


def aicertfile(script, limits):
    body = "".join(f"  {line}\n" for line in script.splitlines())
    return f"kind: shell\nscript: |\n  cat > p.py <<'END'\n{body}  END\n  /usr/bin/python3 p.py\n  echo done > outputs/o\nlimits: {{ {limits} }}\n"


@pytest.mark.parametrize("script, limits, words, advice", BREACHES, ids=["hog", "workers", "bomb", "sleep", "deaf", "all"])
def test_a_breach_is_named(whoever, script, limits, words, advice):
    began = time.monotonic()
    r = whoever(aicertfile(script, limits), 4)
    assert f"failed: {words}" in r.stderr
    assert "hint: raise " + advice in r.stderr and "its log is " in r.stderr
    assert "signal 9" not in r.stderr and "killed" not in r.stderr
    assert time.monotonic() - began < 30
    # Nothing came out of it.
    assert not (whoever.cwd / "outputs/o").exists()


def test_within_its_limits(whoever):
    whoever(aicertfile("b = bytearray(b'x') * (60 << 20)\nimport os\npids = [os.fork() for i in range(3)]\n", "memory: 1G, pids: 50, time: 1m, cpus: 2"), 0)
    assert (whoever.cwd / "outputs/o").read_text() == "done\n"


def test_no_gpu(whoever):
    empty = whoever.place / "machine"
    empty.mkdir(mode=0o755)
    r = whoever(aicertfile("print(1)", "gpus: 1"), 5, {"AICERT_GPU_ROOT": str(empty)})
    assert "limits: gpus: got 1, expected at most 0" in r.stderr and "hint: " in r.stderr
    (empty / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (empty / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n")
    (empty / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text("Model: \t\t M\nGPU UUID: \t GPU-1\nDevice Minor: \t 0\n")
    r = whoever(aicertfile("print(1)", "gpus: 1"), 5, {"AICERT_GPU_ROOT": str(empty)})
    assert "no device node (/dev/nvidia0)" in r.stderr and "nvidia-modprobe" in r.stderr


def test_gpus_reach_the_step_and_the_proof(whoever):
    machine = whoever.place / "machine"
    for i, model in enumerate(("NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3")):
        d = machine / f"proc/driver/nvidia/gpus/0000:0{i}:00.0"
        d.mkdir(parents=True)
        (d / "information").write_text(f"Model: \t\t {model}\nGPU UUID: \t GPU-{i}\nDevice Minor: \t {i}\nGPU Excluded:\t No\n")
    (machine / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.58.02  Release Build\n")
    (machine / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (machine / "dev" / name).symlink_to("/dev/null")
    libs = machine / "usr/lib64"
    libs.mkdir(parents=True)
    (libs / "libcuda.so.555.58.02").write_text("")
    text = "kind: shell\nscript: ls /dev > outputs/dev; echo x > /dev/nvidia0\nlimits: { gpus: 1 }\n"
    whoever(text, 0, {"AICERT_GPU_ROOT": str(machine)})
    dev = (whoever.cwd / "outputs/dev").read_text().split()
    assert {"nvidia0", "nvidiactl", "nvidia-uvm"} <= set(dev) and "nvidia1" not in dev
    proof = json.loads((whoever.cwd / "proof.json").read_text())
    environments = [n for n in proof["nodes"].values() if n["kind"] == "environment"]
    assert [e.get("gpus") for e in environments] == [[{"driver": "555.58.02", "model": "NVIDIA A100-SXM4-40GB"}]]
    assert proof["claims"]["machine"]["gpus"] == ["GPU-0"]
    # The uuid is this machine's, so it is in the claims and in no node.
    assert "GPU-0" not in json.dumps(proof["nodes"])
