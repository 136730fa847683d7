"""What bad input gets: a message with its place, the documented exit code, the store intact."""
import json
import os
import socket

import pytest

GOOD = "aicert: 1\ninputs: { w: { path: w.txt } }\nsteps:\n  s: { use: shell, inputs: { w: w }, script: 'cp \"$IN_W\" \"$OUT_O\"', outputs: { o: o.txt } }\n"

BAD_FILES = {
    "misspelt-key": ("aicert: 1\nstpes: {}\n", 2, "did you mean 'steps'"),
    "misspelt-attribute": (GOOD.replace("script:", "scirpt:"), 2, "did you mean 'script'"),
    "wrong-type": (GOOD.replace("inputs: { w: { path: w.txt } }", "inputs: [1]"), 2, "Aicertfile:2:"),
    "duplicate-key": ("aicert: 1\naicert: 1\n", 2, "Aicertfile:2:1"),
    "cycle": ("aicert: 1\nsteps:\n  a: { use: shell, inputs: { x: b.o }, script: 'true', outputs: { o: o } }\n"
              "  b: { use: shell, inputs: { x: a.o }, script: 'true', outputs: { o: o } }\n", 2, "a"),
    "no-such-rule": (GOOD.replace("use: shell", "use: shel"), 2, "did you mean 'shell'"),
    "output-out-of-workspace": (GOOD.replace("o: o.txt", "o: ../o.txt"), 2, ".."),
    "output-absolute": (GOOD.replace("o: o.txt", "o: /etc/o.txt"), 2, "/etc/o.txt"),
    "tab-indentation": ("aicert: 1\nsteps:\n\ts: {}\n", 2, "Aicertfile:3"),
    "not-yaml": ("a: [\n", 2, "Aicertfile:"),
    "image": (GOOD + "environment: { image: python:3.11 }\n", 5, "image"),
    "secret-variable": (GOOD.replace("script:", "env: { API_TOKEN: x }, script:"), 2, "API_TOKEN"),
    "newer-format": (GOOD.replace("aicert: 1", "aicert: 2"), 2, "2"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_aicertfile(aicert, name):
    text, code, words = BAD_FILES[name]
    (aicert.cwd / "w.txt").write_text("w\n")
    (aicert.cwd / "Aicertfile").write_text(text)
    r = aicert(code=code)
    assert words in r.stderr, r.stderr
    assert not (aicert.cwd / "proof.json").exists()


def project(aicert, text=GOOD):
    (aicert.cwd / "w.txt").write_text("w\n")
    (aicert.cwd / "Aicertfile").write_text(text)


def folder(aicert):
    project(aicert, GOOD.replace("path: w.txt", "path: d").replace("cp ", "ls "). replace('\\"$OUT_O\\"', '> \\"$OUT_O\\"'))
    d = aicert.cwd / "d"
    d.mkdir()
    (d / "ok").write_text("ok")
    return d


@pytest.mark.parametrize("make,words", [
    (lambda d: os.mkfifo(d / "fifo"), "fifo"),
    (lambda d: socket.socket(socket.AF_UNIX).bind(str(d / "sock")), "sock"),
    (lambda d: os.symlink("../../etc/passwd", d / "out"), "out"),
    (lambda d: os.symlink("/etc/passwd", d / "abs"), "abs"),
    (lambda d: open(bytes(d) + b"/bad\xff", "w").close(), "bad"),
    (lambda d: open(d / "line\nbreak", "w").close(), "break"),
], ids=["fifo", "socket", "link-out", "link-absolute", "not-utf8", "control-character"])
def test_bad_folder_input(aicert, make, words, monkeypatch):
    d = folder(aicert)
    monkeypatch.chdir(d)
    make(d) if "sock" not in words else socket.socket(socket.AF_UNIX).bind("sock")
    r = aicert(code=3)
    assert words in r.stderr and "\n\nbreak" not in r.stderr


def test_input_gone(aicert):
    project(aicert)
    (aicert.cwd / "w.txt").unlink()
    assert "w.txt" in aicert(code=3).stderr


def test_wrong_sha256(aicert):
    data = aicert.cwd / "data.csv"
    data.write_text("a,b\n")
    project(aicert, GOOD.replace("{ path: w.txt }", f"{{ url: 'file://{data}', sha256: {'0' * 64} }}"))
    r = aicert(code=3)
    assert "0" * 12 in r.stderr and "got" in r.stderr


def test_repository_gone(aicert):
    project(aicert, f"kind: python\nsource: {{ type: git, gitRepo: 'file://{aicert.cwd}/nowhere' }}\n")
    assert aicert(code=None).returncode in (3, 5)


def test_edited_truncated_and_doubled_proofs(aicert):
    project(aicert)
    aicert()
    text = (aicert.cwd / "proof.json").read_text()
    for name, bad in {"truncated": text[:-20], "empty": "", "array": "[]", "duplicate": text.replace('{', '{"version": "v1",', 1),
                      "float": text.replace('"format": 1', '"format": 1.0'), "null": text.replace('"lineage": []', '"lineage": null')}.items():
        (aicert.cwd / "bad.json").write_text(bad)
        r = aicert("verify", "bad.json", "--require", "unsigned", code=None)
        assert r.returncode in (1, 3), name
        assert "VERIFIED  " not in r.stdout.replace("NOT VERIFIED", "") and (r.stderr or "FAILED" in r.stdout), name
    p = json.loads(text)
    p["inputs"][0]["hash"] = "0" * 64
    (aicert.cwd / "bad.json").write_text(json.dumps(p))
    assert "FAILED" in aicert("verify", "bad.json", "--require", "unsigned", code=1).stdout


def test_hostile_project_rules(aicert):
    (aicert.cwd / "rules").mkdir()
    for name, body in {"loop": "while true do end", "memory": "local t = {} for i = 1, 1e9 do t[i] = 'x' .. i end",
                       "globals": "leak = 1", "io": "io.open('/etc/passwd')"}.items():
        (aicert.cwd / "rules" / "bad.lua").write_text(
            f"return rule {{ name = 'bad', attrs = {{}}, outputs = {{}}, plan = function(a, out) {body} return {{}} end }}\n")
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nsteps:\n  s: { use: bad }\n")
        r = aicert(code=2, timeout=60)
        assert "rules/bad.lua" in r.stderr, (name, r.stderr)


@pytest.mark.parametrize("name", ["rules/shell.lua", "aicert.lock"])
def test_a_fifo_in_a_project_holds_nobody(aicert, name):
    project(aicert)
    (aicert.cwd / name).parent.mkdir(exist_ok=True)
    os.mkfifo(aicert.cwd / name)
    assert f"{name}: is not a file" in aicert(code=2, timeout=20).stderr


def test_secrets_stay_out_of_everything(aicert, tmp_path):
    """User info, tokens and signed queries are used on the wire and written nowhere."""
    data = tmp_path / "served" / "data.csv"
    data.parent.mkdir()
    data.write_text("a,b\n1,2\n")
    import http.server
    import threading
    seen = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *a, **k):
            super().__init__(*a, directory=str(data.parent), **k)

        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            super().do_GET()

        def log_message(self, *a):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://user:hunter2secret@127.0.0.1:{server.server_port}/data.csv?X-Amz-Signature=sig99secret&token=tok77secret"
        (aicert.cwd / "Aicertfile").write_text(GOOD.replace("{ path: w.txt }", f"{{ url: '{url}' }}"))
        r = aicert(env={"GITHUB_TOKEN": "gh55secret"})
        assert any(auth and auth.startswith("Basic ") for _, auth in seen)
        assert any("sig99secret" in path for path, _ in seen)
        aicert("verify", "proof.json", "--require", "software")
        assert "secret" not in r.stdout + r.stderr
        places = [aicert.home, aicert.cwd / "proof.json", aicert.cwd / "aicert.lock", aicert.cwd / "outputs"]
        for top in places:
            for f in [top] if top.is_file() else top.rglob("*"):
                if f.is_file():
                    body = f.read_bytes()
                    for s in (b"hunter2secret", b"sig99secret", b"tok77secret", b"gh55secret"):
                        assert s not in body, f
    finally:
        server.shutdown()
        server.server_close()
