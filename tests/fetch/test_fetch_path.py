"""path: what is taken in, what is left out, what is refused by name."""
import hashlib
import json
import os
import socket
import subprocess

import pytest

FILES = {"a.txt": b"alpha", "src/main.py": b"print()", "src/deep/x": b"", "ünï": b"u"}


def sha(b):
    return hashlib.sha256(b).hexdigest()


@pytest.fixture
def folder(fetch):
    d = fetch.project / "data"
    for name, data in FILES.items():
        (d / name).parent.mkdir(parents=True, exist_ok=True)
        (d / name).write_bytes(data)
    return d


def taken(fetch, *args, where="data", env=None):
    r = fetch("both", "path", where, *args, env=env)
    assert "pin" not in r.json and r.json["how"] == "none"
    return fetch.tree(r.json["ref"]["tree"])


def refused(fetch, *args, where="data", env=None):
    return fetch("content", "path", where, *args, code=3, env=env)


def test_folder(fetch, folder):
    assert taken(fetch) == FILES == taken(fetch, where=folder) == taken(fetch, where="./data/../data/")
    (folder / "a.txt").chmod(0o755)
    (folder / "a.txt").touch()
    (folder / "empty").mkdir()
    assert taken(fetch) == {**FILES, "a.txt": ("exec", b"alpha"), "empty/": None}


def test_recomputable_by_hand(fetch, folder):
    r = fetch("content", "path", "data/src/deep")
    node = '{"entries":[{"id":"%s","name":"x","type":"file"}],"kind":"tree"}' % sha(b"")
    assert r.json["ref"] == {"tree": sha(node.encode())}


def test_file(fetch, folder):
    r = fetch("content", "path", "data/a.txt")
    assert r.json == {"how": "none", "ref": {"blob": sha(b"alpha")}}
    assert fetch("content", "path", "data/a.txt", "--sha256", sha(b"alpha")).json["how"] == "sha256"
    r = refused(fetch, "--sha256", "0" * 64, where="data/a.txt")
    assert "0" * 64 in r.error and sha(b"alpha") in r.error
    assert "is a folder" in refused(fetch, "--sha256", "0" * 64).error
    assert "cannot open" in refused(fetch, where="data/none").error


def test_left_out(fetch, folder):
    (folder / ".git").mkdir()
    (folder / "src/.git").write_text("gitdir: elsewhere")
    (folder / "outputs").mkdir()
    (folder / "outputs/m").write_bytes(b"m")
    (folder / "proof.json").write_text("{}")
    (fetch.project / "alias").symlink_to("data")
    out = ("--leave-out", folder / "outputs", "--leave-out", fetch.project / "alias/proof.json", "--leave-out", folder / "not/yet")
    assert taken(fetch, *out) == FILES
    assert taken(fetch, *out, where="alias") == FILES
    assert "outputs/m" in taken(fetch)
    assert set(taken(fetch, *out, "--exclude", "*.py", "--exclude", "src/deep")) == {"a.txt", "ünï", "src/"}
    assert set(taken(fetch, *out, "--exclude", "src/**")) == {"a.txt", "ünï"} or set(taken(fetch, *out, "--exclude", "src/**")) == {"a.txt", "ünï", "src/"}


def test_exclusion_spares_the_bad(fetch, folder):
    os.mkfifo(folder / "pipe")
    (folder / "bad\x01name").touch()
    assert taken(fetch, "--exclude", "pipe", "--exclude", "bad*") == FILES


def test_special_files(fetch, folder):
    os.mkfifo(folder / "src/pipe")
    assert "data/src/pipe': is a FIFO" in refused(fetch).error
    os.unlink(folder / "src/pipe")
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path is short
        s.bind("sock")
        os.chdir(here)
        assert "data/sock': is a socket" in refused(fetch).error
    os.unlink(folder / "sock")
    if os.geteuid() == 0:
        try:
            os.mknod(folder / "null", 0o20666, os.makedev(1, 3))
        except PermissionError:
            return
        assert "data/null': is a character device" in refused(fetch).error
    os.mkfifo(fetch.project / "pipe")
    assert "is a FIFO" in refused(fetch, where="pipe").error


@pytest.mark.parametrize("name,words", [(b"a\x01b", "control character"), (b"a\nb", "control character"), (b"a\xffb", "not UTF-8"), (b"\xc0\xaf", "not UTF-8"),
                                        (b"\xed\xa0\x80", "not UTF-8"), (b"a\x7f", "control character")])
def test_bad_names(fetch, folder, name, words):
    open(os.path.join(os.fsencode(folder / "src"), name), "w").close()
    r = refused(fetch)
    assert words in r.error and "data/src" in r.error and "\\x" in r.error


def test_links(fetch, folder):
    (folder / "src/in").symlink_to("../a.txt")
    (folder / "dangling").symlink_to("src/none")
    assert taken(fetch) == {**FILES, "src/in": ("link", "../a.txt"), "dangling": ("link", "src/none")}
    for target in ("/etc/passwd", "../outside", "src/../../outside", str(folder / "a.txt")):
        (folder / "src/out").unlink(missing_ok=True)
        (folder / "src/out").symlink_to(target if target.startswith("/") else "../" + target)
        r = refused(fetch)
        assert "data/src/out': link to" in r.error and "follow: true" in r.hint


def test_follow_a_link_farm(fetch):
    """The layout of the Hugging Face cache."""
    hub = fetch.project / "models--x"
    (hub / "blobs").mkdir(parents=True)
    (hub / "blobs/abc").write_bytes(b"weights")
    (hub / "blobs/d").mkdir()
    (hub / "blobs/d/e").write_bytes(b"e")
    snap = hub / "snapshots/r1"
    (snap / "sub").mkdir(parents=True)
    (snap / "model.safetensors").symlink_to("../../blobs/abc")
    (snap / "sub/again").symlink_to("../model.safetensors")
    (snap / "dir").symlink_to("../../blobs/d")
    (hub / "latest").symlink_to("snapshots/r1")
    want = {"model.safetensors": b"weights", "sub/again": b"weights", "dir/e": b"e"}
    assert taken(fetch, "--follow", where="models--x/snapshots/r1") == want == taken(fetch, "--follow", where="models--x/latest")
    refused(fetch, where="models--x/snapshots/r1")
    (snap / "nowhere").symlink_to("../../blobs/none")
    assert "nowhere': link that leads nowhere" in refused(fetch, "--follow", where="models--x/snapshots/r1").error
    (snap / "nowhere").unlink()
    for name, target in (("loop", "."), ("up", ".."), ("self", "self")):
        (snap / "sub" / name).symlink_to(target)
        assert f"sub/{name}': link that leads" in refused(fetch, "--follow", where="models--x/snapshots/r1").error
        (snap / "sub" / name).unlink()
    (snap / "sub/fifo").symlink_to("../../../blobs/pipe")
    os.mkfifo(hub / "blobs/pipe")
    assert "is a FIFO" in refused(fetch, "--follow", where="models--x/snapshots/r1").error


def test_import_does_not_follow_its_root(fetch, folder):
    """The outputs of a step: a link in the place of an output would take in a file of the host."""
    (fetch.project / "out").symlink_to("/etc/passwd")
    assert "is a link" in fetch("import", "path", fetch.project / "out", code=3).error
    assert fetch("content", "path", "data").json["ref"] == fetch("import", "path", folder).json["ref"]


def test_changed_while_read(fetch, folder):
    r = refused(fetch, env={"FETCH_TOOL_TOUCH": "main.py"})
    assert "data/src/main.py': changed while it was read" in r.error


def test_too_deep(fetch):
    d = str(fetch.project / "deep")
    os.makedirs(d + "/d" * 250)
    fetch("content", "path", "deep")
    subprocess.run(["mkdir", "-p", d + "/d" * 260], check=True)
    assert "nested deeper than 256" in refused(fetch, where="deep").error


def test_unreadable(fetch, folder):
    if os.geteuid() == 0:
        # Root reads everything by its capabilities: without them it is a user like any other.
        fetch.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    (folder / "a.txt").chmod(0)
    assert "data/a.txt" in refused(fetch).error


def test_order_of_creation_does_not_matter(fetch, fetch_in, tmp_path):
    a, b = fetch.project / "a", fetch.project / "b"
    for d, order in ((a, range(50)), (b, reversed(range(50)))):
        d.mkdir()
        for i in order:
            (d / f"f{i}").write_text(str(i))
    assert fetch("content", "path", "a").json == fetch("content", "path", "b").json


def test_json_is_stable(fetch, folder):
    assert json.dumps(fetch("content", "path", "data").json) == json.dumps(fetch("content", "path", "data").json)
