"""What a run shows while it goes on: a live view on a terminal, lines on a pipe, objects for --json. Foreign text is text everywhere."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BUILD
from cli.terminal import Terminal

HEAD = "aicert: 1\nname: many\nenvironment: host\nsteps:\n"
# Colours, a title, a bell, a C1 control, text that turns around, bytes that are no text.
HOSTILE = r"\033[31mred\033[0m\033]0;title\007\302\233 2J\342\200\256evil\377end"


def step(name, script, inputs="{}"):
    return f"  {name}: {{ use: shell, inputs: {inputs}, script: {json.dumps(script)}, outputs: {{ o: {name}.txt }} }}\n"


@pytest.fixture
def write(aicert):
    def put(*steps):
        (aicert.cwd / "Aicertfile").write_text(HEAD + "".join(steps))
    return put


@pytest.fixture
def terminal(aicert):
    def start(*args, env=None, **kw):
        e = {**aicert.env, "TERM": "xterm", **(env or {})}
        return Terminal([str(BUILD / "aicert"), *args], aicert.cwd, {k: v for k, v in e.items() if v is not None}, **kw)
    return start



@pytest.fixture
def held():
    """A step that says something and takes its time."""
    return lambda name, seconds, text="at work": step(name, f"echo '{text}'; sleep {seconds}; echo {name} > $OUT_O")


def test_the_view_is_there_and_goes(aicert, write, held, terminal):
    write(held("one", 3, "loading"), held("two", 3, "epoch 1"), step("three", "echo > $OUT_O", "{ a: one.o }"))
    t = terminal("run", "-j2")
    text = t.until(lambda s: "2 running" in s and "loading" in s and "epoch 1" in s)
    assert "0 of 3 steps, 2 running" in text
    t.until(lambda s: "0:02" in s)
    assert t.end() == 0
    text = t.screen.text()
    assert "running" not in text and "0:0" not in text and "loading" not in text
    assert sorted(l.split()[1] for l in text.splitlines() if l.startswith("done")) == ["one", "three", "two"]
    assert "proof    proof.json" in text and not t.screen.unknown
    # Another: everything is reused.
    t = terminal("run", "--force")
    assert t.end() == 0 and "0 executed, 3 reused" in t.screen.text() and "reuse   one" in t.screen.text()


def test_no_color(write, held, terminal):
    write(held("one", 0.3), held("two", 0.3))
    for env, coloured in (({"NO_COLOR": "1"}, False), ({"NO_COLOR": None}, True)):
        t = terminal("run", "--force", "--fresh", env=env)
        assert t.end() == 0
        assert (b"\x1b[32m" in t.raw) == coloured and (b"\x1b[0m" in t.raw) == coloured


def test_a_dumb_terminal_gets_lines(write, held, terminal):
    write(held("one", 0.2), held("two", 0.2))
    t = terminal("run", env={"TERM": "dumb"})
    assert t.end() == 0
    assert b"\x1b" not in t.raw and "one: at work" in t.screen.text()


def test_it_is_as_wide_as_the_terminal(write, held, terminal):
    write(held("one", 60, "é" * 300), held("a-step-with-a-long-name-that-takes-more-than-its-part", 60, "日本語" * 60))
    t = terminal("run", "-j2", columns=60)
    t.until(lambda s: "2 running" in s and "éé" in s and "日本" in s)
    t.resize(24, 34)
    t.screen.wrapped = 0
    os.killpg(t.p.pid, signal.SIGWINCH)
    t.until(lambda s: all(len(l) < 34 for l in s.splitlines()) and "2 running" in s)
    os.write(t.fd, b"\x03")
    assert t.end() == 130
    # Names and paths that are told for good may take more; the view never wraps.
    assert "running" not in t.screen.text() and "0:0" not in t.screen.text()


def test_more_steps_than_lines(write, held, terminal):
    write(*(held(f"s{i}", 60) for i in range(12)))
    t = terminal("run", "-j12", rows=6)
    t.until(lambda s: "12 running" in s and "more" in s)
    os.write(t.fd, b"\x03")
    assert t.end() == 130 and "more" not in t.screen.text() and "running" not in t.screen.text()


def test_one_step_streams(write, held, terminal):
    write(step("one", "for i in 1 2 3; do printf \"bar $i\\r\"; sleep 0.3; done; echo; echo said; echo > $OUT_O"))
    t = terminal("run")
    t.until(lambda s: "bar 2" in s and "bar 1" not in s)
    assert t.end() == 0
    lines = t.screen.text().splitlines()
    assert "said" in lines and "bar 3" in lines and "bar 2" not in lines and any(l.startswith("run     one") for l in lines)


def test_a_failure_shows_its_last_lines(aicert, write, held, terminal):
    write(step("bad", "for i in $(seq 30); do echo line $i; done; exit 3"), step("good", "echo > $OUT_O"), step("after", "echo > $OUT_O", "{ b: bad.o }"))
    t = terminal("run", "-k", "-j2")
    assert t.end() == 4
    text = t.screen.text()
    assert "failed  bad  (exit 3)" in text and "  | line 30" in text and "line 20" not in text and "skipped after" in text


@pytest.mark.parametrize("how", ["terminal", "pipe", "json"])
def test_foreign_text_is_harmless(aicert, write, terminal, how):
    write(step("one", f"printf '{HOSTILE}\\n'; sleep 0.4; echo > $OUT_O"), step("two", f"printf '{HOSTILE}\\n'; exit 1"))
    if how == "terminal":
        t = terminal("run", "-k")
        t.end()
        assert not t.screen.unknown and b"\x9b" not in t.raw.replace("日".encode(), b"") and b"\x07" not in t.raw and b"\x1b]" not in t.raw
        assert b"\xe2\x80\xae" not in t.raw and "evil" in t.screen.text()
        return
    r = subprocess.run([str(BUILD / "aicert"), "run", "-k", *(["--json"] if how == "json" else [])], cwd=aicert.cwd, env=aicert.env, capture_output=True,
                       stdin=subprocess.DEVNULL)
    assert r.returncode == 4 and b"\x1b" not in r.stderr + r.stdout and b"\x07" not in r.stderr + r.stdout and b"\xff" not in r.stderr + r.stdout
    if how == "pipe":
        assert b"one: ?[31mred" in r.stderr
    else:
        said = [e["text"] for e in map(json.loads, r.stdout.splitlines()) if e["event"] == "log"]
        assert len(said) == 2 and said[0].startswith("\x1b[31mred") and said[0].endswith("evil\ufffdend")


def test_the_end_of_the_run_clears_the_view(aicert, write, held, terminal):
    """However it ends: asked to, or killed outright."""
    write(held("one", 60), held("two", 60))
    t = terminal("run", "-j2")
    t.until(lambda s: "2 running" in s)
    os.write(t.fd, b"\x03")
    assert t.end() == 130
    text = t.screen.text()
    assert "running" not in text and "aicert: interrupted" in text and "stopped one" in text and "failed" not in text and "at work" not in text
    t = terminal("run", "-j2")
    t.until(lambda s: "2 running" in s)
    t.p.kill()
    t.end()
    assert "running" not in t.screen.text()


def test_stopped_and_continued(write, held, terminal):
    write(held("one", 60), held("two", 60))
    t = terminal("run", "-j2")
    t.until(lambda s: "2 running" in s)
    os.killpg(t.p.pid, signal.SIGSTOP)
    t.read(0.3)
    # What the shell prints meanwhile stays.
    t.screen.feed(b"\r\n[1]+ Stopped\r\n$ fg\r\n")
    os.killpg(t.p.pid, signal.SIGCONT)
    t.until(lambda s: "running" in s.partition("fg")[2])
    os.write(t.fd, b"\x03")
    assert t.end() == 130
    assert "[1]+ Stopped" in t.screen.text() and "$ fg" in t.screen.text()


def test_a_fetch_has_bytes_and_rate(aicert, tmp_path, terminal):
    """A server that gives its file slowly."""
    import http.server
    import threading

    seen = threading.Event()

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(4 << 20))
            self.end_headers()
            for i in range(64):
                self.wfile.write(bytes(64 << 10))
                seen.wait(0.1 if i < 16 else 1)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs:\n  big: { url: \"http://127.0.0.1:%d/big.bin\" }\nsteps:\n"
            "  one: { use: shell, inputs: { b: big }, script: 'wc -c < $IN_B > $OUT_O', outputs: { o: n.txt } }\n" % server.server_port)
        t = terminal("run", columns=120)
        t.until(lambda s: "of 4.0 MiB" in s and "%" in s and "iB/s" in s and " left" in s)
        seen.set()
        assert t.end() == 0 and "of 4.0 MiB" not in t.screen.text()
    finally:
        server.shutdown()
        server.server_close()


def test_a_pipe_gets_plain_lines(aicert, write, held):
    write(held("one", 0.5, "said by one"), held("two", 0.1, "said by two"))
    r = aicert("run", "-j2")
    assert "one: said by one\n" in r.stderr and "two: said by two\n" in r.stderr and "\r" not in r.stderr and "\x1b" not in r.stderr
    assert r.stderr.index("run     one") < r.stderr.index("done    one")
    assert aicert("run", "-q", "--force").stderr == ""


def test_many_steps_that_are_known_are_few_words(aicert, write):
    (aicert.cwd / "Aicertfile").write_text(HEAD + "  a:\n    use: shell\n    matrix: { n: [" + ", ".join(map(str, range(60))) + "] }\n"
                                           "    script: echo > $OUT_O\n    outputs: { o: o.txt }\n")
    aicert("run", "-q")
    r = aicert("run", "--force")
    assert "reuse" not in r.stderr and "0 executed, 60 reused" in r.stdout
    assert aicert("run", "-o", "other.json", "-v").stderr.count("reuse   a-") == 60


def test_json_is_an_object_a_line(aicert, write, held):
    write(held("one", 0.2, "said"), step("two", "exit 7", "{ a: one.o }"), step("three", "echo > $OUT_O", "{ a: two.o }"))
    r = aicert("run", "--json", code=4)
    events = [json.loads(l) for l in r.stdout.splitlines()]
    states = [(e["step"], e["state"]) for e in events if e["event"] == "step"]
    assert states == [("one", "begins"), ("one", "done"), ("two", "begins"), ("two", "failed"), ("three", "skipped")]
    assert {"event": "log", "step": "one", "text": "said"} in events
    done = next(e for e in events if e.get("state") == "done")
    assert done["steps"] == 3 and done["index"] == 0 and 0.1 < done["seconds"] < 60
    assert next(e for e in events if e.get("state") == "failed")["why"] == "exit 7"
    assert events[-1]["event"] == "error" and events[-1]["code"] == 4
    write(held("one", 0.2, "said"))
    events = [json.loads(l) for l in aicert("run", "--json").stdout.splitlines()]
    assert events[-1]["event"] == "report" and events[-1]["executed"] + events[-1]["reused"] == 1
    assert len(aicert("run", "--json", "-q", "--force").stdout.splitlines()) == 1
