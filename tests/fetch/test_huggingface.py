"""huggingface: commits and hashes pinned, files by pattern, both layouts, tokens where they belong and nowhere else."""
import hashlib
import json
import subprocess

import pytest

from fetch.hub_help import Hub, Repo, git_blob

BIG, TOKENS = bytes(range(256)) * 2000, b"t" * 5000
FILES = {"config.json": b'{"a":1}', "model.safetensors": BIG, "sub/deep/tokenizer.model": TOKENS, "README.md": b"# hi", "run.sh": b"#!/bin/sh\n"}
LFS = ["model.safetensors", "sub/deep/tokenizer.model"]
SHA = hashlib.sha256(BIG).hexdigest()


@pytest.fixture
def hub():
    with Hub() as h:
        h.repos["models", "tiiuae/falcon"] = Repo(FILES, LFS, refs=["main", "v1.0", "refs/pr/1"])
        h.repos["datasets", "o/alpaca"] = Repo({"train.csv": b"a,b\n1,2\n"})
        h.repos["models", "gpt2"] = Repo({"config.json": b"{}"})
        yield h


@pytest.fixture
def project(aicert, hub):
    aicert.env.update(HF_ENDPOINT=hub.url, AICERT_RETRY_BASE_MS="10")

    def write(attrs, script='find "$IN_M" | sort > "$OUT_LIST"'):
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs:\n  m: {%s}\nsteps:\n  look:\n    use: shell\n    inputs: {m: m}\n"
                                               "    script: |\n      %s\n    outputs: {list: list.txt}\n" % (attrs, script))
        return aicert

    return write


def pin(aicert):
    return json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["m"]


def test_a_model_is_pinned_fetched_and_verified(project, hub):
    aicert = project("huggingface: tiiuae/falcon")
    aicert()
    repo, p = hub.repos["models", "tiiuae/falcon"], pin(aicert)
    assert (p["type"], p["uri"], p["ref"], p["revision"]) == ("huggingface", "https://huggingface.co/tiiuae/falcon", "main", repo.commit)
    assert {f["path"]: f["sha256"] for f in p["files"]} == {k: hashlib.sha256(v).hexdigest() for k, v in FILES.items()}
    assert {f["path"]: f.get("sha1") for f in p["files"]} == {k: None if k in LFS else git_blob(v) for k, v in FILES.items()}
    assert all(f["uri"] == f"https://huggingface.co/tiiuae/falcon/resolve/{repo.commit}/{f['path']}" for f in p["files"])
    assert (aicert.cwd / "outputs/list.txt").read_text().split() == [
        "/workspace/resources/m" + s for s in ("", "/README.md", "/config.json", "/model.safetensors", "/run.sh", "/sub", "/sub/deep", "/sub/deep/tokenizer.model")]
    report = aicert.json("verify", "proof.json", "--require", "software")
    assert any(c["name"] == "planned again" and c["status"] == "passed" for c in report["checks"])
    # A large file's hash is known without it: it came once, with the content; nothing is asked again.
    assert sum(p.startswith("/cdn/" + SHA) for p, _ in hub.seen) == 1
    before = len(hub.seen)
    aicert()
    assert len(hub.seen) == before


def test_another_machine_gets_the_same_root(project, hub, aicert_in, tmp_path):
    aicert = project("huggingface: tiiuae/falcon, layout: hub-cache")
    root = aicert.json()["root"]
    other = aicert_in(tmp_path / "other", aicert.cwd)
    other.env.update(HF_ENDPOINT=hub.url)
    assert other.json("run", "--locked", "--output-bom", "again.json", "--output-dir", "again")["root"] == root


def test_patterns(project, hub):
    aicert = project('huggingface: tiiuae/falcon, files: ["*.json", "sub/**"], exclude: ["nothing"]')
    aicert("lock")
    assert [f["path"] for f in pin(aicert)["files"]] == ["config.json", "sub/deep/tokenizer.model"]
    aicert = project('huggingface: tiiuae/falcon, exclude: ["*.safetensors", sub]')
    aicert("lock")
    assert [f["path"] for f in pin(aicert)["files"]] == ["README.md", "config.json", "run.sh"]
    aicert = project('huggingface: tiiuae/falcon, files: ["*.gguf"]')
    assert "has no file that is asked for" in aicert("lock", code=2).stderr


def test_hub_cache_is_what_huggingface_hub_reads(project, hub):
    aicert = project("huggingface: tiiuae/falcon, ref: v1.0, layout: hub-cache", script=(
        'cd "$IN_M"/models--tiiuae--falcon; c=$(cat refs/main); test "$c" = "$(cat refs/v1.0)"; '
        'for f in $(cd snapshots/$c; find . -type l); do echo "$f $(readlink snapshots/$c/$f) $(sha256sum < snapshots/$c/$f)"; done | sort > "$OUT_LIST"'))
    aicert()
    lines = (aicert.cwd / "outputs/list.txt").read_text().splitlines()
    name = {k: hashlib.sha256(v).hexdigest() if k in LFS else git_blob(v) for k, v in FILES.items()}
    up = {k: "../" * (k.count("/") + 2) for k in FILES}
    assert lines == sorted(f"./{k} {up[k]}blobs/{name[k]} {hashlib.sha256(v).hexdigest()}  -" for k, v in FILES.items())


@pytest.mark.parametrize("written,kind,repo,uri", [
    ("datasets/o/alpaca", "datasets", "o/alpaca", "https://huggingface.co/datasets/o/alpaca"),
    ("https://huggingface.co/datasets/o/alpaca", "datasets", "o/alpaca", "https://huggingface.co/datasets/o/alpaca"),
    ("https://huggingface.co/tiiuae/falcon/tree/v1.0", "models", "tiiuae/falcon", "https://huggingface.co/tiiuae/falcon"),
    ("gpt2", "models", "gpt2", "https://huggingface.co/gpt2"),
])
def test_ways_to_write_it(project, hub, written, kind, repo, uri):
    aicert = project("huggingface: " + written)
    aicert("lock")
    assert pin(aicert)["uri"] == uri and pin(aicert)["revision"] == hub.repos[kind, repo].commit


def test_refs(project, hub):
    commit = hub.repos["models", "tiiuae/falcon"].commit
    for ref in ("refs/pr/1", commit):
        aicert = project("huggingface: tiiuae/falcon, ref: " + ref)
        aicert("lock")
        assert pin(aicert)["revision"] == commit and pin(aicert)["ref"] == ref
    for ref, attrs in (("nope", "ref: nope"), ("0" * 40, "ref: " + "'" + "0" * 40 + "'")):
        r = project("huggingface: tiiuae/falcon, " + attrs)("lock", code=2)
        assert f"shows no 'tiiuae/falcon' at '{ref}': it answers 404" in r.stderr


@pytest.mark.parametrize("name", ["a/b/c", "../x", "o/..", "o/n?x=1", "o/n%2e", "https://evil.example/o/n", "o//n", "o/n#x", "''"])
def test_names_that_are_none(project, hub, name):
    r = project(f"huggingface: '{name}'" if name != "''" else "huggingface: ''")("lock", code=2)
    assert "expected owner/name" in r.stderr and hub.seen == []


def test_the_pin_stays_until_it_is_moved(project, hub):
    aicert = project("huggingface: tiiuae/falcon")
    aicert("lock")
    first = pin(aicert)["revision"]
    hub.repos["models", "tiiuae/falcon"] = Repo({**FILES, "config.json": b'{"a":2}'}, LFS)
    aicert("lock")
    assert pin(aicert)["revision"] == first
    r = aicert("lock", "--update", "m")
    assert f"moved   m: was {first}, is {pin(aicert)['revision']}" in r.stderr


# --- logins --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["HF_TOKEN", "file", "HF_HOME", "HF_TOKEN_PATH"])
def test_a_token_goes_to_the_hub_and_nowhere_else(project, hub, aicert, where, tmp_path):
    hub.repos["models", "tiiuae/falcon"] = Repo(FILES, LFS, token="hf_s3cret")
    kept = {"file": aicert.home / ".cache/huggingface/token", "HF_HOME": tmp_path / "hf/token", "HF_TOKEN_PATH": tmp_path / "t"}.get(where)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("hf_s3cret\n")
    aicert.env.update({"HF_TOKEN": "hf_s3cret"} if where == "HF_TOKEN" else {"HF_HOME": str(kept.parent)} if where == "HF_HOME"
                      else {"HF_TOKEN_PATH": str(kept)} if where == "HF_TOKEN_PATH" else {})
    project("huggingface: tiiuae/falcon")()
    assert "Bearer hf_s3cret" in hub.tokens("/api") and "Bearer hf_s3cret" in hub.tokens("/tiiuae")
    assert set(hub.tokens("/cdn")) == {None}
    left = subprocess.run(["grep", "-rl", "hf_s3cret", str(aicert.home / "aicert"), str(aicert.cwd)], capture_output=True, text=True).stdout
    assert left == ""


def test_a_public_repository_is_not_shown_the_token(project, hub, aicert):
    aicert.env["HF_TOKEN"] = "hf_s3cret"
    project("huggingface: tiiuae/falcon")("lock")
    assert set(hub.tokens()) == {None}


def test_without_a_token(project, hub, aicert):
    hub.repos["models", "tiiuae/falcon"] = Repo(FILES, LFS, token="hf_s3cret")
    r = project("huggingface: tiiuae/falcon")("lock", code=2)
    assert "Aicertfile:4:" in r.stderr and "shows no 'tiiuae/falcon' at 'main': it answers 401" in r.stderr and "HF_TOKEN" in r.stderr
    aicert.env["HF_TOKEN"] = "wrong"
    assert "wrong" not in project("huggingface: tiiuae/falcon")("lock", code=2).stderr


# --- what goes wrong --------------------------------------------------------------------------


def test_a_cut_connection_goes_on(project, hub):
    hub.cut[SHA] = 1
    project("huggingface: tiiuae/falcon")()
    assert [h.get("Range") for p, h in hub.seen if p.startswith("/cdn/" + SHA)] == [None, f"bytes={len(BIG) // 2}-"]


def test_other_bytes_are_refused(project, hub):
    aicert = project("huggingface: tiiuae/falcon")
    aicert("lock", "--update")
    bad = bytes([BIG[0] ^ 1]) + BIG[1:]
    hub.spoil[SHA] = bad
    r = project("huggingface: tiiuae/falcon")(code=3)
    assert f"'model.safetensors': 'https://huggingface.co" not in r.stderr
    assert f"sha256: got {hashlib.sha256(bad).hexdigest()}, expected {SHA}" in r.stderr and "s1gn3d" not in r.stderr


def test_a_small_file_is_held_to_its_git_blob(project, hub):
    hub.spoil["config.json"] = b'{"a":9}'
    r = project("huggingface: tiiuae/falcon")("lock", code=3)
    assert f"'config.json': git blob: got {git_blob(hub.spoil['config.json'])}, expected {git_blob(FILES['config.json'])}" in r.stderr
    hub.spoil["config.json"] = b'{"a":1234}'
    r = project("huggingface: tiiuae/falcon")("lock", code=3)
    assert "size: got 10 bytes or more, expected 7" in r.stderr


def test_the_hub_is_away(project, aicert):
    aicert.env["HF_ENDPOINT"] = "http://127.0.0.1:1"
    r = project("huggingface: tiiuae/falcon")("lock", code=5)
    assert "cannot be reached" in r.stderr


# --- a hub that lies -----------------------------------------------------------------------------


def file(**changed):
    return {"type": "file", "oid": "0" * 40, "size": 1, "path": "a", **changed}


@pytest.mark.parametrize("layout,entries", [(("plain", "hub-cache")[i % 2], e) for i, e in enumerate([
    [file(path="../../x")], [file(path="/etc/passwd")], [file(path="a/../b")], [file(path="a\x1b[2J")], [file(path="a\x00b")], [file(path="\ud800")], [file(path="")],
    [file(path="n" * 300)], [file(path="d/" * 300 + "x")], [file(path="a//b")], [file(), file()], [file(), file(path="a/b")], [file(path=["a"])], [file(path=None)], [file(path=7)],
    [file(size=-1)], [file(size="1")], [file(size=1e300)], [file(size=0.5)], [file(oid="zz")], [file(oid=None)], [file(oid="../" * 13 + "a")], [file(lfs={"oid": "0" * 63})],
    [file(lfs={"oid": "../../../x"})], [file(lfs="x")], [file(lfs={})], [7], ["a"], [[]], {"a": 1}, 7, "text", None, [file(path=f"a{i}") for i in range(1000)] + [7],
])], ids=range(34))
def test_lists_that_lie(project, hub, layout, entries):
    hub.repos["models", "tiiuae/falcon"] = Repo({"a": b"a"})
    hub.lie = lambda h, _: h.json(entries)
    aicert = project(f"huggingface: tiiuae/falcon, layout: {layout}")
    r = aicert("lock", code=None)
    assert r.returncode in (2, 3) and "internal" not in r.stderr and "\x1b" not in r.stderr, r.stderr
    assert not (aicert.cwd / "aicert.lock").exists()


@pytest.mark.parametrize("to,words", [
    ("{url}{path}", "repeats"), ("{cdn}{path}", "another server"), ("file:///etc/passwd", "another server"), ("http://127.0.0.1:1/x", "another server"), ("{url}@127.0.0.1:1/", ""),
    ("/etc/passwd", ""), ("s3://bucket/", "another server"),
])
def test_pages_that_lead_astray(project, hub, to, words):
    hub.repos["models", "tiiuae/falcon"] = Repo(FILES)
    hub.lie = lambda h, e: h.json(e[:1], Link=f'<{to.format(url=hub.url, cdn=hub.cdn, path=h.path)}>; rel="next"')
    r = project("huggingface: tiiuae/falcon")("lock", code=None)
    assert r.returncode in (2, 3) and words in r.stderr and len(hub.seen) < 10, r.stderr


@pytest.mark.parametrize("body", [b"[" * 100000, b'{"a":' * 100000, b"[1e999]", b"\xff", b"", b'[{"type":"file","path":"a","path":"b"}]', b"[" + b"0," * 40000000 + b"0]"],
                         ids=["deep", "deep map", "number", "bytes", "empty", "twice", "huge"])
def test_bodies_that_are_none(project, hub, body):
    hub.repos["models", "tiiuae/falcon"] = Repo({"a": b"a"})
    hub.lie = lambda h, _: h.reply(200, body)
    r = project("huggingface: tiiuae/falcon")("lock", code=None)
    assert r.returncode in (2, 3) and r.stderr.startswith("lock") and "internal" not in r.stderr, r.stderr


def test_a_redirect_of_the_api_takes_no_token_along(project, hub, aicert):
    aicert.env["HF_TOKEN"] = "hf_s3cret"
    with Hub() as other:
        for h in (hub, other):
            h.repos["models", "tiiuae/falcon"] = Repo(FILES, token="hf_s3cret")
        hub.away = other.url.replace("127.0.0.1", "localhost")
        r = project("huggingface: tiiuae/falcon")("lock", code=None)
        assert r.returncode != 0 and other.seen and set(other.tokens()) == {None} and "hf_s3cret" not in r.stderr


def test_the_wrong_commit(project, hub):
    repo = hub.repos["models", "tiiuae/falcon"] = Repo({"a": b"a"}, refs=["main", "f" * 40])
    r = project(f"huggingface: tiiuae/falcon, ref: {'f' * 40}")("lock", code=None)
    assert r.returncode != 0 and "names no commit" in r.stderr
    repo.commit = "../../../../x"
    r = project("huggingface: tiiuae/falcon")("lock", code=None)
    assert r.returncode != 0 and "names no commit" in r.stderr
