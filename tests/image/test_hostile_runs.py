"""What a stranger's Aicertfile, lock, image or proof tries to do to whoever runs, verifies or reproduces it."""
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from conftest import git  # noqa: E402
from images import busybox  # noqa: E402

SHELL = """\
aicert: 1
name: small
environment: {{ image: 'oci:image' }}
steps:
  look: {{ use: shell, script: '{script}', outputs: {{ seen: seen.txt }} }}
"""


def shell(aicert, script='env | sort > "$OUT_SEEN"'):
    (aicert.cwd / "Aicertfile").write_text(SHELL.format(script=script))


def edit_lock(aicert, edit):
    path = aicert.cwd / "aicert.lock"
    lock = json.loads(path.read_text())
    edit(lock)
    path.write_text(json.dumps(lock))


def forge_env(aicert, name, value):
    def edit(lock):
        env = lock["images"]["oci:image"]["config"]["env"]
        env.append({"name": name, "value": value})
        env.sort(key=lambda e: e["name"])
    edit_lock(aicert, edit)


# --- the lock -------------------------------------------------------------------------------


def test_a_lock_gives_an_image_no_variables_of_its_own(aicert):
    """The image's content is in the cache already, so nothing need be fetched: its config is held against the lock's all the same."""
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert)
    aicert("--output-bom", "proof.json")
    forge_env(aicert, "LD_PRELOAD", "/opt/evil.so")
    r = aicert("--output-bom", "proof.json", "--force", code=3)
    assert "LD_PRELOAD" in r.stderr and "aicert.lock" in r.stderr, r.stderr
    assert "LD_PRELOAD" not in (aicert.cwd / "outputs/seen.txt").read_text()


@pytest.mark.parametrize("env, words", [
    ([{"name": "API_TOKEN", "value": "x"}, {"name": "PATH", "value": "/bin"}], "secret"),
    ([{"name": "A=B", "value": "x"}, {"name": "PATH", "value": "/bin"}], "variable"),
    ([{"name": "PATH", "value": "/bin"}, {"name": "PATH", "value": "/opt"}], "sorted"),
    ([{"name": "PATH", "value": "/bin", "extra": "x"}], "extra"),
])
def test_what_a_locks_config_may_not_say(aicert, env, words):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert)
    aicert("lock")
    edit_lock(aicert, lambda lock: lock["images"]["oci:image"]["config"].update(env=env))
    r = aicert(code=None)
    assert r.returncode in (2, 3) and not (aicert.cwd / "proof.json").exists(), r.stderr
    assert words in r.stderr or "aicert.lock" in r.stderr, r.stderr


def test_a_lock_of_another_platform_is_no_pin(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert)
    aicert("lock")
    edit_lock(aicert, lambda lock: lock["images"]["oci:image"].update(platform="linux/arm64"))
    r = aicert("--locked", code=3)
    assert "has no pin" in r.stderr, r.stderr


def test_a_lock_that_names_another_image_of_the_folder(aicert):
    """Another manifest than the tag's is what a lock is for, but then it is that one that is used and named."""
    first = busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "cat /opt/v > \"$OUT_SEEN\" || echo first > \"$OUT_SEEN\"")
    aicert("lock")
    other = busybox(aicert.cwd / "image", {"opt/v": b"other\n"}, env=["PATH=/bin"])
    edit_lock(aicert, lambda lock: lock["images"]["oci:image"].update(revision=other))
    aicert("--output-bom", "proof.json")
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    assert [i["hash"] for i in proof["inputs"]] == [other] != [first]
    assert (aicert.cwd / "outputs/seen.txt").read_text() == "other\n"


# --- programs of the machine ---------------------------------------------------------------------


@pytest.mark.parametrize("path", ["bin", "{cwd}/bin", "./bin", "", ":/usr/bin", "/usr/../{cwd}/bin"])
def test_no_program_of_the_project_runs_outside_the_sandbox(aicert, path, tmp_path):
    """A requirements.txt is held against the host's Python, which is asked outside of the sandbox: PATH is the Aicertfile's to say."""
    mark = tmp_path / "ran-outside"
    (aicert.cwd / "bin").mkdir()
    (aicert.cwd / "src").mkdir()
    for where in (aicert.cwd / "bin/python3", aicert.cwd / "python3"):
        where.write_text(f"#!/bin/sh\necho x > {mark}\n")
        where.chmod(0o755)
    (aicert.cwd / "src/main.py").write_text("print('x')\n")
    (aicert.cwd / "src/requirements.txt").write_text("numpy\n")
    value = path.format(cwd=aicert.cwd)
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\nsource: {{type: path, path: src}}\nenv: {{ PATH: '{value}' }}\n")
    aicert(code=None, env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    assert not mark.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a project in /opt")
def test_nor_of_a_project_in_a_system_folder(aicert_in, tmp_path):
    project = pathlib.Path(tempfile.mkdtemp(prefix="aicert-test-", dir="/opt"))
    try:
        (tmp_path / "home").mkdir()
        mine = aicert_in(tmp_path / "home", project)
        for name in ("bin", "src"):
            (project / name).mkdir()
        (project / "src/main.py").write_text("open('outputs/x', 'w').write('x')\n")
        (project / "src/requirements.txt").write_text("numpy\n")
        mark = tmp_path / "ran-outside"
        (project / "bin/python3").write_text(f"#!/bin/sh\necho x > {mark}\n")
        (project / "bin/python3").chmod(0o755)
        (project / "Aicertfile").write_text(f"kind: python\nsource: {{type: path, path: src}}\nenv: {{ PATH: '{project}/bin:/usr/bin:/bin' }}\n")
        mine(code=None)
        assert not mark.exists()
    finally:
        shutil.rmtree(project)


# --- a digest in the Aicertfile -------------------------------------------------------------------------


@pytest.fixture
def registry(aicert):
    """Serves the blobs of aicert.cwd/image as repository a/b, by digest only."""
    blobs = aicert.cwd / "image/blobs/sha256"

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *a):
            pass

        def do_GET(self):
            file = blobs / self.path.rsplit("sha256:", 1)[-1]
            there = self.path.startswith("/v2/a/b/") and file.is_file()
            data = file.read_bytes() if there else b"{}"
            self.send_response(200 if there or self.path == "/v2/" else 404)
            self.send_header("Content-Type", json.loads(data).get("mediaType", "text/plain") if "/manifests/" in self.path else "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}/a/b"
    server.shutdown()
    server.server_close()
    thread.join()


def index_of(folder, digest):
    """An index that leads to this manifest, in the layout's blobs; its digest."""
    manifest = folder / "blobs/sha256" / digest[7:]
    media = "application/vnd.oci.image.index.v1+json"
    data = json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": [
        {"mediaType": json.loads(manifest.read_bytes())["mediaType"], "digest": digest, "size": manifest.stat().st_size,
         "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
    name = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256" / name).write_bytes(data)
    return "sha256:" + name


@pytest.mark.parametrize("kept", [False, True])
def test_a_lock_cannot_replace_what_a_digest_leads_to(aicert, registry, kept):
    """The Aicertfile, which people read, names the image by digest; the lock, which they do not, says that it means another."""
    good = busybox(aicert.cwd / "image", env=["PATH=/bin"])
    evil = busybox(aicert.cwd / "image", {"opt/evil": b"evil\n"}, env=["PATH=/bin"])
    image = f"{registry}@{index_of(aicert.cwd / 'image', good)}"
    text = SHELL.replace("oci:image", image).format(script='cat /opt/evil > "$OUT_SEEN" || echo good > "$OUT_SEEN"')
    if kept:  # the evil one is in the cache, come as itself
        (aicert.cwd / "Aicertfile").write_text(SHELL.replace("oci:image", f"{registry}@{evil}").format(script='echo > "$OUT_SEEN"'))
        aicert("--output-bom", "proof.json")
    (aicert.cwd / "Aicertfile").write_text(text)
    aicert("--output-bom", "proof.json", "--force")
    assert (aicert.cwd / "outputs/seen.txt").read_text() == "good\n"
    (aicert.cwd / "proof.json").unlink()
    edit_lock(aicert, lambda lock: lock["images"][image].update(revision=evil))
    r = aicert("--output-bom", "proof.json", code=3)
    assert evil in r.stderr and "is not what" in r.stderr and not (aicert.cwd / "proof.json").exists(), r.stderr
    edit_lock(aicert, lambda lock: lock["images"][image].update(revision=evil, digest=evil))
    r = aicert("--locked", "--output-bom", "proof.json", code=3)
    assert "has no pin" in r.stderr, r.stderr


def test_an_image_that_no_step_runs_in_is_not_shown_as_an_input(aicert):
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: {image: 'oci:image'}\nsteps:\n"
                                           "  a: { use: shell, script: 'echo > $OUT_A', environment: host, outputs: { a: a } }\n")
    r = aicert(code=2)
    assert "Aicertfile:2:" in r.stderr and "no step runs in image 'oci:image'" in r.stderr, r.stderr


def test_a_lock_cannot_replace_a_commit(aicert, git_repo):
    repo, first = git_repo({"say": "first"})
    (repo / "say").write_text("other")
    git(repo, "commit", "-qam", "other")
    other = git(repo, "rev-parse", "HEAD")
    (aicert.cwd / "Aicertfile").write_text(f"aicert: 1\ninputs: {{ code: {{ git: '{repo}', ref: {first} }} }}\nsteps:\n"
                                           "  a: { use: shell, source: code, script: 'cat src/say > $OUT_A', outputs: { a: a } }\n")
    aicert("lock")
    edit_lock(aicert, lambda lock: lock["inputs"]["code"].update(revision=other))
    r = aicert(code=3)
    assert f"revision: got {other}, expected {first}" in r.stderr and not (aicert.cwd / "proof.json").exists(), r.stderr


# --- folders of strangers ----------------------------------------------------------------------------------


def test_no_pipe_holds_who_comes_by(aicert):
    os.mkfifo(aicert.cwd / "Aicertfile")
    assert "is not a file" in aicert(code=2, timeout=20).stderr
    (aicert.cwd / "Aicertfile").unlink()
    (aicert.cwd / ".git").mkdir()
    os.mkfifo(aicert.cwd / ".git/config")
    aicert("init", timeout=20)
    (aicert.cwd / "Aicertfile").unlink()
    (aicert.cwd / ".git/config").unlink()
    (aicert.cwd / ".git/config").write_text('[remote "origin"]\n\turl = https://example.org/x\n')
    os.mkfifo(aicert.cwd / ".git/HEAD")
    aicert("init", timeout=20)


@pytest.mark.parametrize("image", ["docker-archive:pipe", "oci-archive:pipe", "docker-archive:/dev/zero", "oci-archive:/dev/zero", "oci:/proc/self", "oci:layout"])
def test_images_that_never_end(aicert, image):
    os.mkfifo(aicert.cwd / "pipe")
    (aicert.cwd / "layout").mkdir()
    os.mkfifo(aicert.cwd / "layout/index.json")
    os.mkfifo(aicert.cwd / "layout/oci-layout")
    (aicert.cwd / "Aicertfile").write_text(SHELL.replace("oci:image", image).format(script="true"))
    assert image in aicert(code=3, timeout=20).stderr


# --- a proof that somebody else reproduces ---------------------------------------------------------------------


@pytest.fixture
def victim(aicert_in, tmp_path):
    (tmp_path / "victim-home").mkdir()
    (tmp_path / "victim").mkdir()
    return aicert_in(tmp_path / "victim-home", tmp_path / "victim")


def test_reproduce_does_not_take_the_builders_word_for_an_images_variables(aicert, victim):
    """A builder's own cache says that he has seen this config in the image; whoever reproduces looks at the image."""
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert)
    aicert("--output-bom", "honest.json")
    forge_env(aicert, "LD_PRELOAD", "/opt/evil.so")
    config = json.loads((aicert.cwd / "aicert.lock").read_text())["images"]["oci:image"]["config"]
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    with sqlite3.connect(aicert.home / "aicert/cache/store.db") as db:
        changed = db.execute("UPDATE pins SET key = substr(key, 1, instr(key, ' config ') + 7) || ? WHERE key LIKE 'oci %'",
                             [hashlib.sha256(canonical).hexdigest()])
        assert changed.rowcount == 1
    db.close()
    aicert("--output-bom", "forged.json", "--force")
    shutil.copytree(aicert.cwd / "image", victim.cwd / "image")
    for name in ("honest.json", "forged.json"):
        shutil.copy(aicert.cwd / name, victim.cwd)
    (victim.cwd / "out").mkdir()
    victim("reproduce", "honest.json", "--input", "oci:image=image")
    r = victim("reproduce", "forged.json", "--input", "oci:image=image", code=3)
    assert "config" in r.stderr and "LD_PRELOAD" in r.stderr, r.stderr


def test_reproduce_runs_no_program_that_came_with_the_proof(aicert, victim, tmp_path):
    (aicert.cwd / "src").mkdir()
    (aicert.cwd / "src/main.py").write_text("open('outputs/x', 'w').write('x')\n")
    (aicert.cwd / "src/requirements.txt").write_text("numpy\n")
    (aicert.cwd / "Aicertfile").write_text("kind: python\nsource: {type: path, path: src}\nenv: { PATH: 'bin:.:/usr/bin:/bin' }\n")
    aicert("--output-bom", "proof.json")
    shutil.copytree(aicert.cwd / "src", victim.cwd / "src")
    shutil.copy(aicert.cwd / "proof.json", victim.cwd)
    mark = tmp_path / "ran-outside"
    (victim.cwd / "bin").mkdir()
    for name in ("bin/python3", "python3"):
        (victim.cwd / name).write_text(f"#!/bin/sh\necho x > {mark}\n")
        (victim.cwd / name).chmod(0o755)
    before = sorted(p.name for p in victim.cwd.iterdir())
    victim("reproduce", "proof.json")
    assert not mark.exists() and sorted(p.name for p in victim.cwd.iterdir()) == before


# --- homes of others ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="makes folders of another user")
@pytest.mark.parametrize("which", ["cache", "data"])
@pytest.mark.parametrize("owner, mode, words", [(65534, 0o755, "belongs to another user, uid 65534"), (0, 0o777, "anybody may write there"), (0, 0o1777, "anybody may write there")])
def test_no_run_in_a_home_that_others_made_ready(aicert, which, owner, mode, words):
    """Its owner would hold the keys, say which results are known, and put links where root writes."""
    home = aicert.home / "aicert" / which
    home.mkdir(parents=True)
    os.chown(home, owner, owner)
    home.chmod(mode)
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: echo x > outputs/x\n")
    r = aicert(code=5)
    assert words in r.stderr and "AICERT_HOME" in r.stderr and list(home.iterdir()) == [], r.stderr


# --- what is kept between runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["more", "other", "mode", "gone", "link", "extra"])
def test_a_kept_root_that_was_changed_is_made_anew(aicert, how):
    """As a careless script of the user's would: what keeps size, mode and time of a program's copy is not noticed."""
    busybox(aicert.cwd / "image", {"opt/tool": ("exec", b"#!/bin/sh\necho good\n"), "opt/data": b"good\n"}, env=["PATH=/bin"])
    shell(aicert, "/opt/tool > $OUT_SEEN; cat /opt/data >> $OUT_SEEN; ls /opt >> $OUT_SEEN; echo 1")
    aicert()
    seen = (aicert.cwd / "outputs/seen.txt").read_text()
    (tool,) = [p for p in (aicert.home / "aicert/cache").rglob("tool")]
    if how == "more":
        tool.chmod(0o755)
        tool.write_bytes(b"#!/bin/sh\necho evil; exit\n")
        tool.chmod(0o555)
    elif how == "other":
        tool.chmod(0o755)
        tool.write_bytes(b"#!/bin/sh\necho evil\n")
        tool.chmod(0o555)
    elif how == "mode":
        tool.chmod(0o444)
    elif how == "link":
        tool.unlink()
        tool.symlink_to("/bin/busybox")
    elif how == "gone":
        tool.unlink()
    else:
        (tool.parent / "evil").write_text("x")
    shell(aicert, "/opt/tool > $OUT_SEEN; cat /opt/data >> $OUT_SEEN; ls /opt >> $OUT_SEEN; echo 2")
    assert aicert.json()["executed"] == 1
    assert (aicert.cwd / "outputs/seen.txt").read_text() == seen == "good\ngood\ndata\ntool\n"


def test_a_result_of_another_image_is_not_reused(aicert):
    """The same files under another manifest are another environment; and a tag that leads back finds its own result."""
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    shell(aicert, "echo x > $OUT_SEEN")
    assert aicert.json()["executed"] == 1
    busybox(aicert.cwd / "image", env=["PATH=/bin", "A=b"])
    aicert("lock", "--update", "oci:image")
    assert aicert.json("--force")["executed"] == 1
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    aicert("lock", "--update", "oci:image")
    again = aicert.json("--force")
    assert (again["executed"], again["reused"]) == (0, 1)


# --- what a reader is told -----------------------------------------------------------------------------------------


def test_a_step_in_the_host_beside_one_in_an_image_is_said(aicert):
    """An image among the inputs must not let it seem that all ran in it."""
    digest = busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "Aicertfile").write_text("""\
aicert: 1
steps:
  pre: { use: shell, script: 'echo > $OUT_P', outputs: { p: p }, environment: { image: 'oci:image' } }
  train: { use: shell, script: 'echo > $OUT_M', outputs: { m: m }, environment: host }
""")
    aicert()
    shown = aicert("show", "proof.json").stdout
    assert f"image oci:image {digest}" in shown and "the host environment" in shown and f"manifest  {digest}" in shown
    assert "2: 1 ran in an image, 1 in the host environment" in aicert("verify", "proof.json", "--require", "software").stdout
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    for id, node in proof["nodes"].items():
        if node["kind"] == "environment":
            proof["nodes"][id] = {"kind": "withheld"}
    (aicert.cwd / "withheld.json").write_text(json.dumps(proof))
    assert aicert("show", "withheld.json").stdout.count("an environment that is withheld") == 2
    aicert("verify", "withheld.json", "--require", "software", code=1)
    said = aicert("verify", "withheld.json", "--require", "software", "--allow-withheld").stdout
    assert "plan not rechecked" in said and "2 in what is withheld" in said, said
