"""`aicert plan`: it says what a run then does, asks nobody and changes nothing."""
import hashlib
import http.server
import json
import pathlib
import shutil
import sqlite3
import threading

import pytest

FILE = """\
aicert: 1
name: planned
environment: host
inputs:
  code: {{ git: "file://{repo}", ref: main }}
  table: {{ url: "{url}/table.csv" }}
  known: {{ url: "{url}/known.bin", sha256: {sha256} }}
  both: {{ url: ["{url}/a.txt", "{url}/b.txt"] }}
  words: {{ path: words.txt }}
steps:
  count: {{ use: shell, inputs: {{ w: words }}, script: "wc -l < $IN_W > $OUT_N", outputs: {{ n: count.txt }} }}
  read: {{ use: shell, inputs: {{ c: code, t: table }}, script: "cat $IN_C/main.py $IN_T > $OUT_N", outputs: {{ n: read.txt }} }}
  pair: {{ use: shell, inputs: {{ k: known, b: both }}, script: "cat $IN_K $IN_B/a.txt > $OUT_N", outputs: {{ n: pair.txt }} }}
  join: {{ use: shell, inputs: {{ x: count.n, y: read.n }}, script: "cat $IN_X $IN_Y > $OUT_N", outputs: {{ n: join.txt }} }}
outputs: {{ n: join.n, p: pair.n }}
"""
CONTENT = {"/table.csv": b"1,2\n" * 3000, "/known.bin": b"known" * 100, "/a.txt": b"a\n", "/b.txt": b"b\n"}


@pytest.fixture
def server():
    """Its address; asked: what was asked for."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = CONTENT.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    asked = []
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    s.url, s.asked = f"http://127.0.0.1:{s.server_port}", asked
    yield s
    s.shutdown()
    s.server_close()


@pytest.fixture
def project(aicert, git_repo, server):
    repo, _ = git_repo({"main.py": "print()\n"})
    (aicert.cwd / "words.txt").write_text("a\nb\n")
    (aicert.cwd / "Aicertfile").write_text(FILE.format(repo=repo, url=server.url, sha256=hashlib.sha256(CONTENT["/known.bin"]).hexdigest()))
    return repo


def files(folder):
    """Every file's bytes, and every row of every database."""
    found = {}
    for p in sorted(folder.rglob("*")):
        name = str(p.relative_to(folder))
        if p.suffix == ".db":
            db = sqlite3.connect(f"file:{p}?mode=ro", uri=True)
            tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            found[name] = {t: sorted(db.execute(f"SELECT * FROM {t}").fetchall(), key=repr) for t in tables}
            db.close()
        elif p.is_file() and not p.name.endswith(("-wal", "-shm")):
            found[name] = p.read_bytes()
    return found


def would(plan):
    return {s["step"]: s["would"] for s in plan["steps"]}, {s["name"]: s["would"] for s in plan["sources"]}


def test_before_anything_is_known(aicert, project, server):
    before = files(aicert.cwd)
    p = aicert.json("plan")
    steps, sources = would(p)
    assert steps == {"count": "run", "read": "wait", "pair": "wait", "join": "wait"}
    assert sources == {"code": "pin", "table": "pin", "known": "pin", "both": "pin", "words": "nothing"}
    why = {s["step"]: s["why"] for s in p["steps"]}
    assert why["count"] == "it never ran here" and "not here yet" in why["read"] and why["join"] == "'count' comes first"
    assert p["totals"] == {"steps": 4, "reuse": 0, "run": 1, "wait": 3, "fetch": 0, "pin": 4, "size": 0}
    # Nobody was asked; no lock, no home, no folder left over.
    assert server.asked == [] and files(aicert.cwd) == before and not (aicert.home / "aicert").exists()
    assert "comes first" in aicert("plan").stdout


def test_it_says_what_the_run_then_does(aicert, project, server):
    aicert("lock")
    p = aicert.json("plan")
    assert would(p)[0] == {"count": "run", "read": "run", "pair": "run", "join": "wait"}
    assert aicert.json("run")["executed"] == 4
    home, project_files = files(aicert.home), files(aicert.cwd)
    server.asked.clear()
    p = aicert.json("plan")
    assert set(would(p)[0].values()) == {"reuse"} and set(would(p)[1].values()) == {"nothing"} and p["totals"]["reuse"] == 4
    # One word more: only what takes it.
    (aicert.cwd / "words.txt").write_text("a\nb\nc\n")
    project_files["words.txt"] = b"a\nb\nc\n"
    p = aicert.json("plan")
    assert would(p)[0] == {"count": "run", "read": "reuse", "pair": "reuse", "join": "wait"}
    assert next(s["why"] for s in p["steps"] if s["step"] == "count").startswith("input ")
    assert server.asked == [] and files(aicert.home) == home and files(aicert.cwd) == project_files
    # What is under the step that waits may come out the same.
    assert aicert.json("run", "--force")["executed"] == 2


def test_pinned_and_not_here(aicert, project, server):
    """Another machine, the same lock: hashes say which steps, sizes how much."""
    aicert("run")
    shutil.rmtree(aicert.home / "aicert")
    p = aicert.json("plan")
    steps, sources = would(p)
    assert sources == {"code": "fetch", "table": "fetch", "known": "fetch", "both": "fetch", "words": "nothing"}
    assert steps == {"count": "run", "read": "wait", "pair": "run", "join": "wait"}
    sizes = {s["name"]: s.get("size") for s in p["sources"]}
    assert sizes == {"code": None, "table": 12000, "known": 500, "both": 4, "words": None} and p["totals"]["size"] == 12504
    text = aicert("plan").stdout
    assert "fetch 11.7 KiB" in text and "12.2 KiB that aicert.lock knows of" in text
    assert not (aicert.home / "aicert").exists()


def test_chosen_steps_and_parameters(aicert):
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nparameters: { n: 1 }\nsteps:\n"
        "  a: { use: shell, script: 'echo ${param.n} > $OUT_O', outputs: { o: o.txt } }\n"
        "  b: { use: shell, script: 'echo b > $OUT_O', outputs: { o: o.txt } }\n")
    assert would(aicert.json("plan", "a"))[0] == {"a": "run"}
    aicert("run")
    assert would(aicert.json("plan"))[0] == {"a": "reuse", "b": "reuse"}
    p = aicert.json("plan", "-D", "n=2")
    assert would(p)[0] == {"a": "run", "b": "reuse"}
    assert "echo 2" in next(s["why"] for s in p["steps"] if s["step"] == "a")
    assert "no parameter 'm'" in aicert("plan", "-D", "m=2", code=2).stderr
    assert would(aicert.json("plan", "--fresh"))[0] == {"a": "run", "b": "run"}


def test_an_image_that_was_never_pulled(aicert):
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nsteps:\n  a: { use: shell, environment: { image: 'registry.invalid/x/y:1' }, script: 'echo > $OUT_O', outputs: { o: o.txt } }\n")
    p = aicert.json("plan")
    assert would(p) == ({"a": "wait"}, {"registry.invalid/x/y:1": "pin"})


@pytest.mark.parametrize("inputs", [
    "m: { huggingface: owner/name, ref: main }",
    "m: { url: 'http://192.0.2.1/a.tar.gz', unpack: true, strip: 1 }",
    "m: { proof: other/proof.json, output: model }",
    "m: { git: 'https://192.0.2.1/r', ref: 0123456789012345678901234567890123456789 }",
    "m: { url: ['http://192.0.2.1/b', 'http://192.0.2.1/a'] }",
])
def test_nothing_is_asked_of_anybody(aicert, inputs):
    """192.0.2.1 is nobody: a run would wait for it."""
    (aicert.cwd / "Aicertfile").write_text(f"aicert: 1\nenvironment: host\ninputs:\n  {inputs}\nsteps:\n"
        "  a: { use: shell, inputs: { i: m }, script: 'ls $IN_I > $OUT_O', outputs: { o: o.txt } }\n")
    p = json.loads(aicert("plan", "--json", timeout=20).stdout)
    assert would(p) == ({"a": "wait"}, {"m": "pin"}) and p["steps"][0]["why"] == "'m' is not here yet"
    assert pathlib.Path(aicert.cwd / "aicert.lock").exists() is False


def test_attributes_of_an_input_are_checked(aicert):
    def write(more):
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs: { m: { huggingface: owner/name%s } }\n"
                                               "steps: { a: { use: shell, script: 'echo > outputs/x' } }\n" % more)
    write("")
    assert aicert.json("plan")["sources"][0]["uri"] == "owner/name"
    write(", file: [x]")
    assert "'huggingface' takes no attribute 'file' (did you mean 'files'?)" in aicert("plan", code=2).stderr


def test_what_is_wrong_is_said(aicert):
    assert "Aicertfile" in aicert("plan", code=2).stderr
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs: { p: { path: nowhere } }\nsteps:\n"
        "  a: { use: shell, inputs: { i: p }, script: 'true', outputs: { o: o.txt } }\n")
    assert "nowhere" in aicert("plan", code=3).stderr
    assert "no step" in aicert("plan", "zz", code=2).stderr
    assert "example:" in aicert("plan", "--help").stdout
