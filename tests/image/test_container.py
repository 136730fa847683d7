"""`use: container`: what an image runs by itself, from the lock's config of it."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from images import busybox  # noqa: E402

ENTRY = b"#!/bin/sh\n(pwd; echo \"$@\"; cat \"$2\") > /workspace/outputs/said.txt\n"
RUN = {"Entrypoint": ["./train", "--from"], "Cmd": ["/etc/motd"], "WorkingDir": "/srv/app"}


def write(aicert, attributes, image="oci:image"):
    environment = f"environment: {{ image: '{image}' }}, " if image else "environment: host, "
    (aicert.cwd / "Aicertfile").write_text(
        f"aicert: 1\nname: t\ninputs: {{ d: {{ path: d.txt }} }}\nsteps:\n  c: {{ use: container, {environment}{attributes} outputs: {{ said: said.txt }} }}\n")
    (aicert.cwd / "d.txt").write_text("of mine\n")


def image(aicert, **run):
    return busybox(aicert.cwd / "image", {"srv": None, "srv/app": None, "srv/app/train": ("exec", ENTRY), "etc/motd": b"hello\n"}, env=["PATH=/bin"],
                   run={**RUN, **run})


def test_its_own_command(aicert):
    image(aicert)
    write(aicert, "")
    aicert()
    assert (aicert.cwd / "outputs/said.txt").read_text() == "/srv/app\n--from /etc/motd\nhello\n"
    config = json.loads((aicert.cwd / "aicert.lock").read_text())["images"]["oci:image"]["config"]
    assert config["entrypoint"] == ["./train", "--from"] and config["cmd"] == ["/etc/motd"] and config["workdir"] == "/srv/app"
    aicert("verify", "proof.json", "--require", "software")


def test_arguments_of_ones_own(aicert):
    image(aicert)
    write(aicert, "inputs: [d], args: ['${d}'],")
    aicert()
    assert (aicert.cwd / "outputs/said.txt").read_text() == "/srv/app\n--from /workspace/resources/d.txt\nof mine\n"
    write(aicert, "entrypoint: [sh, -c], args: ['pwd > $OUT; ls /srv >> $OUT'], workdir: /workspace, env: { OUT: '${out.said}' },")
    aicert()
    assert (aicert.cwd / "outputs/said.txt").read_text() == "/workspace\napp\n"


def test_nothing_to_run(aicert):
    image(aicert, Entrypoint=None, Cmd=None)
    write(aicert, "")
    r = aicert(code=2)
    assert "Aicertfile:5:3: step 'c': the image names no command" in r.stderr and "aicert lock --update" in r.stderr
    write(aicert, "", image=None)
    assert "this step runs in the host" in aicert(code=2).stderr


def test_a_lock_of_before_is_good(aicert):
    """Entry points were not pinned once: such a lock is no other image, and a step that needs none runs by it."""
    image(aicert)
    write(aicert, "entrypoint: [cp, /etc/motd, /workspace/outputs/said.txt],")
    aicert("lock")
    path = aicert.cwd / "aicert.lock"
    lock = json.loads(path.read_text())
    for key in ("entrypoint", "cmd"):
        del lock["images"]["oci:image"]["config"][key]
    path.write_text(json.dumps(lock))
    aicert("run", "--locked")
    write(aicert, "")
    assert "renewed by `aicert lock --update IMAGE`" in aicert("run", "--locked", code=2).stderr
    # But what it has must be what the image says.
    lock["images"]["oci:image"]["config"]["entrypoint"] = ["./other"]
    path.write_text(json.dumps(lock))
    assert "config" in aicert("run", code=3, env={"AICERT_HOME": str(aicert.home / "fresh")}).stderr
