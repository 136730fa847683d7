"""Steps in images: what they see, what the lock and the proof say of it, and every way in which it must fail."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path.insert(0, os.path.dirname(__file__))
from images import busybox, layout, tar_of  # noqa: E402

SHELL = """\
aicert: 1
name: small
environment: {{ image: 'oci:image' }}
steps:
  look:
    use: shell
    script: |
      {script}
    outputs: {{ seen: seen.txt }}
"""


def shell(aicert, script, text=SHELL):
    (aicert.cwd / "Aicertfile").write_text(text.format(script=script))


def environments(proof):
    return [n for n in proof["nodes"].values() if n["kind"] == "environment"]


def test_a_step_sees_the_image_and_nothing_of_the_machine(aicert):
    digest = busybox(aicert.cwd / "image", {"opt/marker": b"from the image\n"}, env=["PATH=/bin", "GREETING=hello", "HOME=/root"])
    shell(aicert, "(echo $GREETING $HOME; cat /opt/marker; ls /; ls /usr /home /root /sys /etc || true; id -u; pwd) > \"$OUT_SEEN\" 2>&1")
    aicert("--output-bom", "proof.json")
    seen = (aicert.cwd / "outputs/seen.txt").read_text()
    assert "hello /home/aicert\nfrom the image\n" in seen and "1000\n/workspace\n" in seen
    for name in ("python3", "boot", "lib64", "debian_version", "alternatives", "ld.so.cache"):
        assert name not in seen.split(), name
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    assert [e["image"]["manifest"] for e in environments(proof)] == [digest]
    result = next(n for n in proof["nodes"].values() if n["kind"] == "result")
    assert "used" not in result
    source = next(i for i in proof["inputs"] if i["type"] == "image")
    assert source["hash"] == digest
    lock = json.loads((aicert.cwd / "aicert.lock").read_text())
    assert lock["images"]["oci:image"]["revision"] == digest
    assert {"name": "GREETING", "value": "hello"} in lock["images"]["oci:image"]["config"]["env"]
    aicert("verify", "proof.json", "--require", "software")


def test_the_root_of_an_image_run_does_not_depend_on_machine_or_home(aicert, aicert_in, tmp_path):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "echo the same > \"$OUT_SEEN\"")
    first = aicert.json("--output-bom", "proof.json")["root"]
    other = tmp_path / "elsewhere"
    shutil.copytree(aicert.cwd, other, ignore=shutil.ignore_patterns("outputs", "proof.json", "aicert.lock"))
    (tmp_path / "home2").mkdir()
    second = aicert_in(tmp_path / "home2", other)
    assert second.json("--output-bom", "proof.json")["root"] == first
    again = aicert.json("--output-bom", "again.json", "--output-dir", "again")
    assert (again["root"], again["executed"], again["reused"]) == (first, 0, 1)


def test_why_names_the_image_that_changed(aicert):
    first = busybox(aicert.cwd / "image", env=["PATH=/bin", "VERSION=1"])
    shell(aicert, "echo 1 > \"$OUT_SEEN\"")
    aicert()
    shutil.rmtree(aicert.cwd / "image")
    second = busybox(aicert.cwd / "image", {"opt/new": b"new\n"}, env=["PATH=/bin", "VERSION=2"])
    assert f"moved   oci:image: was {first}, is {second}\n" in aicert("lock", "--update", "oci:image").stderr
    changed = f"environment: was image {first[:19]}, is image {second[:19]}"
    assert changed in aicert("why").stdout
    assert f"run     look  ({changed})" in aicert().stderr
    (aicert.cwd / "Aicertfile").write_text((aicert.cwd / "Aicertfile").read_text().replace("{ image: 'oci:image' }", "host"))
    assert f"environment: was image {second[:19]}, is the host" in aicert("why").stdout


def test_each_step_its_own_environment(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "Aicertfile").write_text("""\
aicert: 1
steps:
  a: { use: shell, script: 'test -x /bin/busybox && test ! -e /usr/bin/python3 && echo a > "$OUT_A"', environment: { image: 'oci:image' }, outputs: { a: a } }
  b: { use: shell, inputs: { a: a.a }, script: 'test -e /usr/bin/python3 && cat "$IN_A" > "$OUT_B"', environment: host, outputs: { b: b } }
""")
    aicert("--output-bom", "proof.json")
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    assert sorted("host" in e for e in environments(proof)) == [False, True]
    aicert("verify", "proof.json", "--require", "software")
    assert "steps in the host environment ran" in aicert("reproduce", "proof.json", "--step", "b").stdout
    assert "host" not in aicert("reproduce", "proof.json", "--step", "a").stdout, "the step that ran has nothing of the host"


def test_a_registry_that_cannot_be_reached_leaves_ways_to_go_on(aicert):
    shell(aicert, "echo 1 > \"$OUT_SEEN\"")
    path = aicert.cwd / "Aicertfile"
    path.write_text(path.read_text().replace("oci:image", "127.0.0.1:1/team/x:1"))
    r = aicert(code=5)
    assert "image '127.0.0.1:1/team/x:1'" in r.stderr and "cannot be reached" in r.stderr
    assert "hint: without that registry: a mirror (AICERT_REGISTRY_MIRRORS)" in r.stderr


def test_a_moved_tag_needs_lock_update(aicert):
    first = busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "cat /opt/v > \"$OUT_SEEN\" || echo none > \"$OUT_SEEN\"")
    aicert("--output-bom", "proof.json")
    shutil.rmtree(aicert.cwd / "image")
    second = busybox(aicert.cwd / "image", {"opt/v": b"2\n"}, env=["PATH=/bin"])
    assert second != first
    # The lock holds: what it pins is in the store, so nothing else is asked for.
    assert aicert.json("--output-bom", "proof.json")["reused"] == 1
    # Without the store, what the lock pins is not what is there now.
    shutil.rmtree(aicert.home / "aicert/cache")
    r = aicert("--output-bom", "proof.json", code=None)
    assert r.returncode == 3 and "image 'oci:image'" in r.stderr, r.stderr
    aicert("lock", "--update", "oci:image")
    assert json.loads((aicert.cwd / "aicert.lock").read_text())["images"]["oci:image"]["revision"] == second
    aicert("--output-bom", "proof.json", "--force")
    assert (aicert.cwd / "outputs/seen.txt").read_text() == "2\n"


def test_locked_adds_no_image(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "echo x > \"$OUT_SEEN\"")
    r = aicert("--locked", code=3)
    assert "image 'oci:image' has no pin" in r.stderr and "aicert lock" in r.stderr


@pytest.mark.parametrize("image, words, code", [
    ("oci:nowhere", "nowhere", 3),
    ("oci:image:other", "other", 3),
    ("python:3.11:x", "python:3.11:x", 2),
    ("127.0.0.1:1/a/b:c", "127.0.0.1:1", 5),
])
def test_images_that_are_not_there(aicert, image, words, code):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "echo x", SHELL.replace("oci:image", image))
    r = aicert(code=code, env={"AICERT_RETRY_BASE_MS": "1"})
    assert words in r.stderr and not (aicert.cwd / "proof.json").exists(), r.stderr


def test_a_changed_blob_is_refused(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    blobs = sorted((aicert.cwd / "image/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(blobs[-1].read_bytes())
    data[len(data) // 2] ^= 1
    blobs[-1].write_bytes(data)
    shell(aicert, "echo x > \"$OUT_SEEN\"")
    r = aicert(code=3)
    assert blobs[-1].name in r.stderr, r.stderr


def test_another_processors_image_is_refused_by_name(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"], architecture="s390x")
    shell(aicert, "echo x > \"$OUT_SEEN\"")
    r = aicert(code=3)
    assert "s390x" in r.stderr and "amd64" in r.stderr, r.stderr


def test_a_command_that_the_image_lacks(aicert):
    layout(aicert.cwd / "image", [tar_of({"etc/motd": b"x"})])
    shell(aicert, "echo x > \"$OUT_SEEN\"")
    r = aicert(code=4)
    assert "exit 127" in r.stderr and "hint: a command was not found, and the image may lack it; its log is" in r.stderr, r.stderr


def test_an_images_own_links_lead_nowhere_outside(aicert, tmp_path):
    """Mount points that are links into the machine: what the sandbox mounts or writes must not follow them."""
    victim = tmp_path / "victim"
    victim.mkdir()
    busybox(aicert.cwd / "image", {"workspace": ("link", str(victim)), "home": ("link", str(victim)), "proc": ("link", "/"), "var": None,
                                   "var/tmp": ("link", str(victim)), "etc/passwd": ("link", str(victim / "passwd"))}, env=["PATH=/bin"])
    shell(aicert, "echo x > \"$OUT_SEEN\"; cat /etc/passwd")
    aicert(code=None)
    assert list(victim.iterdir()) == []


def test_gpus_without_one_is_an_error_before_anything_runs(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: echo ran > outputs/x\nlimits: {gpus: 1}\n")
    r = aicert(code=5, env={"AICERT_GPU_ROOT": str(aicert.home)})
    assert "gpus" in r.stderr.lower() and not (aicert.cwd / "outputs").exists(), r.stderr


def test_example_host_and_image_give_the_same_weights(aicert):
    """The example as its README has it, over this machine's own packages."""
    shutil.copytree(ROOT / "examples/image", aicert.cwd, dirs_exist_ok=True, ignore=shutil.ignore_patterns("image", "outputs", "__pycache__"))
    made = subprocess.run(["/usr/bin/python3", "make_image.py", "image", "python3", "python3-numpy"], cwd=aicert.cwd, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    in_image = aicert.json("--output-bom", "proof.json")
    in_host = aicert.json("run", "-f", "host.yaml", "--output-bom", "host.json", "--output-dir", "host")
    assert in_image["root"] != in_host["root"]
    assert (aicert.cwd / "outputs/weights.npy").read_bytes() == (aicert.cwd / "host/weights.npy").read_bytes()
    assert json.loads((aicert.cwd / "outputs/report.json").read_text())["right"] > 0.8
    aicert("verify", "proof.json", "--require", "software")
    aicert("verify", "host.json", "--require", "software")
    inside = json.loads((aicert.cwd / "proof.json").read_text())
    assert made.stdout.split()[0] in [e["image"]["manifest"] for e in environments(inside)]


def test_a_python_that_the_host_lacks_is_found_in_an_image(aicert):
    (aicert.cwd / "main.py").write_text("print(1)\n")
    (aicert.cwd / "Aicertfile").write_text("kind: python\npythonVersion: 9\nenvironment: host\nsource: {type: path, path: .}\n")
    r = aicert(code=5)
    assert "the host has no 'python3.9'" in r.stderr and "hint: run it in an image that has it ('image: python:3.9')" in r.stderr, r.stderr
    assert not (aicert.cwd / "proof.json").exists()
