"""`aicert env freeze`: this machine's own files as an image, in which the same steps give the same results."""
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

import pytest
from conftest import BUILD, ROOT, git

HOST = """\
aicert: 1
name: frozen
environment: host
steps:
  words:
    use: shell
    script: |
      printf 'b\\na\\n' | sort > "$OUT_WORDS"; date -d @0 >> "$OUT_WORDS"; wc -c < /usr/share/common-licenses/GPL-3 >> "$OUT_WORDS"
    outputs: { words: words.txt }
"""
IN_IMAGE = HOST.replace("environment: host", "environment: { image: 'oci:frozen' }")


def aicertfile(aicert, text):
    (aicert.cwd / "Aicertfile").write_text(text)


def layer(folder):
    """The one layer of a layout, as a tar file."""
    blobs = folder / "blobs/sha256"
    manifest = json.loads((folder / "index.json").read_text())["manifests"][0]["digest"][7:]
    return blobs / json.loads((blobs / manifest).read_text())["layers"][0]["digest"][7:]


def members(folder):
    with tarfile.open(layer(folder)) as t:
        return {m.name: m for m in t}


def test_the_same_step_gives_the_same_in_the_frozen_image(aicert, aicert_in, tmp_path):
    aicertfile(aicert, HOST)
    host = aicert.json("--output-bom", "host.json", "--output-dir", "host")
    made = aicert.json("env", "freeze", "--out", "frozen")
    aicertfile(aicert, IN_IMAGE)
    image = aicert.json("--output-bom", "image.json")
    assert (aicert.cwd / "outputs/words.txt").read_bytes() == (aicert.cwd / "host/words.txt").read_bytes()
    assert host["root"] != image["root"]
    aicert("verify", "image.json", "--require", "software")
    pin = json.loads((aicert.cwd / "aicert.lock").read_text())["images"]["oci:frozen"]
    assert pin["revision"] == made["manifest"] and pin["uri"] == "oci:frozen"
    # Once it is in the store the folder may go; and where it lies is no part of what a step is.
    (aicert.cwd / "frozen").rename(aicert.cwd / "elsewhere")
    assert aicert.json("--output-bom", "again.json", "--output-dir", "again")["reused"] == 1
    aicertfile(aicert, IN_IMAGE.replace("oci:frozen", "oci:elsewhere"))
    assert aicert.json("--output-bom", "moved.json", "--output-dir", "moved")["reused"] == 1
    # A stranger with project and image gets the same root.
    shutil.copytree(aicert.cwd / "elsewhere", tmp_path / "other/frozen")
    (tmp_path / "other/Aicertfile").write_text(IN_IMAGE)
    (tmp_path / "home2").mkdir()
    assert aicert_in(tmp_path / "home2", tmp_path / "other").json("--output-bom", "proof.json")["root"] == image["root"]


def test_same_files_same_digest_and_nothing_of_the_machine(aicert, aicert_in, tmp_path):
    aicertfile(aicert, HOST)
    aicert()
    first = aicert.json("env", "freeze", "--out", "frozen")
    (tmp_path / "home2").mkdir()
    (tmp_path / "two").mkdir()
    second = aicert_in(tmp_path / "home2", tmp_path / "two")
    aicertfile(second, HOST)
    subprocess.run([str(BUILD / "aicert")], cwd=second.cwd, env={**second.env, "TZ": "Asia/Tokyo", "LC_ALL": "C"}, check=True, capture_output=True, umask=0o077)
    again = second.json("env", "freeze", "--out", "other/place")
    assert {k: first[k] for k in ("manifest", "layer", "bytes", "files")} == {k: again[k] for k in ("manifest", "layer", "bytes", "files")}
    all_members = members(aicert.cwd / "frozen")
    assert list(all_members) == sorted(all_members, key=lambda n: n.encode())
    for m in all_members.values():
        assert (m.uid, m.gid, m.uname, m.gname, m.mtime) == (0, 0, "", "", 0) and m.mode in (0o644, 0o755), m.name
        assert not m.pax_headers and (m.isdir() or m.isfile() or m.issym()), m.name
    assert all_members["usr/bin/sort"].mode == 0o755 and "usr/share/common-licenses/GPL-3" in all_members
    assert not [n for n in all_members if n.split("/")[0] in ("home", "root", "tmp", "proc", "sys", "dev", "run")]
    assert all_members["etc/localtime"].linkname == "/usr/share/zoneinfo/Etc/UTC"
    # The bytes are those that another program writes of the same members.
    other = tmp_path / "other.tar"
    with tarfile.open(layer(aicert.cwd / "frozen")) as t, tarfile.open(other, "w", format=tarfile.USTAR_FORMAT) as out:
        for m in t:
            out.addfile(m, t.extractfile(m) if m.isfile() else None)
    ours = layer(aicert.cwd / "frozen").read_bytes()
    assert other.read_bytes()[:len(ours)] == ours
    # What is there already and the same is left; something else is not, unless it is said.
    aicert("env", "freeze", "--out", "frozen")
    aicert("env", "freeze", "/usr/share/common-licenses", "--out", "frozen", code=2)
    aicert("env", "freeze", "/usr/share/common-licenses", "--out", "frozen", "--force")
    assert "usr/share/common-licenses/BSD" in members(aicert.cwd / "frozen")


@pytest.mark.skipif(not shutil.which("skopeo") or not shutil.which("umoci"), reason="needs skopeo and umoci")
def test_others_read_the_image(aicert, tmp_path):
    aicertfile(aicert, HOST)
    aicert()
    made = aicert.json("env", "freeze", "--out", "frozen")
    said = subprocess.run(["skopeo", "inspect", "--no-tags", "oci:frozen:latest"], cwd=aicert.cwd, check=True, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert json.loads(said.stdout)["Digest"] == made["manifest"]
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    subprocess.run(["umoci", "unpack", *rootless, "--image", "frozen:latest", str(tmp_path / "bundle")], cwd=aicert.cwd, check=True, capture_output=True)
    assert (tmp_path / "bundle/rootfs/usr/bin/sort").read_bytes() == pathlib.Path("/usr/bin/sort").read_bytes()


def test_the_demo_gives_the_same_weights(aicert):
    """The example's own program on a few rows: Python, numpy, and a requirements.txt that the environment meets."""
    example, repo = ROOT / "examples/finetune", aicert.cwd / "repo"
    shutil.copytree(example / "src", repo / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (repo / "requirements.txt").write_text("numpy\n")
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    shutil.copytree(example / "model", aicert.cwd / "model")
    (aicert.cwd / "data").mkdir()
    rows = (example / "data/alpaca-fr-small.csv").read_text().splitlines(keepends=True)
    (aicert.cwd / "data/alpaca-fr-small.csv").write_text("".join(rows[:13]))
    text = (example / "Aicertfile").read_text()
    aicertfile(aicert, text + "environment: host\n")
    aicert("--output-bom", "host.json", "--output-dir", "host")
    # What is asked whether numpy is there is not of the step's own record.
    metadata = pathlib.Path("/usr/lib/python3/dist-packages").glob("numpy-*info")
    made = aicert.json("env", "freeze", "/usr/lib/python3.11", *metadata, "--out", "frozen")
    assert made["bytes"] < 200 << 20
    aicertfile(aicert, text + "image: oci:frozen\n")
    aicert("--output-bom", "image.json")
    for name in ("finetuned.safetensors", "metrics.json"):
        assert (aicert.cwd / "outputs" / name).read_bytes() == (aicert.cwd / "host" / name).read_bytes(), name


def test_what_there_is_not(aicert):
    aicertfile(aicert, HOST)
    said = aicert("env", "freeze", "--out", "frozen", code=2).stderr
    assert "was never run here" in said and "hint: run it in the host environment first" in said
    aicertfile(aicert, HOST.replace("script: |", "script: |\n      false"))
    aicert(code=4)
    assert "the last run of this project failed" in aicert("env", "freeze", "--out", "frozen", code=2).stderr
    aicertfile(aicert, HOST)
    aicert()
    assert "expected --out DIR" in aicert("env", "freeze", code=2).stderr
    (aicert.cwd / "mine").mkdir()
    (aicert.cwd / "mine/file").write_text("kept")
    for place in ("mine", "Aicertfile"):
        assert "is no image layout" in aicert("env", "freeze", "--out", place, "--force", code=2).stderr
    assert (aicert.cwd / "mine/file").read_text() == "kept"
    aicert("env", "freeze", "--out", "frozen")
    aicertfile(aicert, IN_IMAGE)
    aicert("--output-dir", "image")
    assert "no step of the last run ran in the host environment" in aicert("env", "freeze", "--out", "more", code=2).stderr
    assert sorted(p.name for p in aicert.cwd.iterdir() if "." in p.name[1:]) == ["aicert.lock", "proof.json"]


def test_paths_alone(aicert):
    said = aicert("env", "freeze", "--no-run", "/usr/share/common-licenses", "/usr/bin/env", "--out", "made/frozen")
    assert said.stdout.startswith("image    oci:made/frozen\ndigest   sha256:")
    found = members(aicert.cwd / "made/frozen")
    assert {"usr/bin/env", "usr/share/common-licenses/GPL", "etc/localtime"} <= set(found) and "usr/bin/sh" not in found
    assert "leaves nothing to freeze" in aicert("env", "freeze", "--no-run", "--out", "x", code=2).stderr
    for path, words in (("/etc/shadow", "holds secrets"), ("/proc", "no step sees it"), (str(aicert.home / "aicert"), "secrets" if "/tmp/" not in str(aicert.home) else "no step"),
                        ("/usr/nothing", "is not there"), ("/", "whole machine")):
        assert words in aicert("env", "freeze", "--no-run", path, "--out", "x", code=2).stderr, path
    assert not (aicert.cwd / "x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay a folder over /opt for one test")
def test_a_file_that_changed_since_the_run_is_named(aicert):
    aicertfile(aicert, HOST.replace("/usr/share/common-licenses/GPL-3", "/opt/tool/data"))
    freeze = f"{BUILD}/aicert env freeze --out frozen"
    script = f"""
set -e
mount -t tmpfs tmpfs /opt && mkdir /opt/tool && echo one > /opt/tool/data && ln -s data /opt/tool/name
{BUILD}/aicert
{freeze} && mv frozen kept
echo two > /opt/tool/data
if {freeze}; then exit 9; fi
rm /opt/tool/data && ln -s name /opt/tool/data
if {freeze}; then exit 9; fi
rm /opt/tool/data
if {freeze}; then exit 9; fi
"""
    r = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=aicert.cwd, env=aicert.env, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    for how in ("content differs", "link, was file", "absent, was file"):
        assert f"/opt/tool/data: is no longer what the last run used: {how}\nhint: run again" in r.stderr, r.stderr
    assert not (aicert.cwd / "frozen").exists() and "opt/tool/data" in members(aicert.cwd / "kept")


def test_help(aicert):
    assert "example: aicert env freeze --out frozen" in aicert("env", "--help").stdout
    assert "example: aicert --output-bom host.json && aicert env freeze --out frozen" in aicert("env", "freeze", "--help").stdout
    assert "did you mean 'freeze'" in aicert("env", "frieze", code=2).stderr
