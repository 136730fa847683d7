"""The examples are run as their READMEs say, verified, and say what they are said to say."""
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"


@pytest.fixture
def example(aicert, request):
    """example("hello"): the project's folder becomes a copy of it."""
    def take(name):
        shutil.copytree(EXAMPLES / name, aicert.cwd, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        return aicert
    return take


@pytest.fixture
def server():
    """server(folder) -> address: its files on loopback; ends with the test."""
    running = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    def serve(folder):
        s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        threading.Thread(target=s.serve_forever, daemon=True).start()
        running.append(s)
        return f"http://127.0.0.1:{s.server_port}"
    yield serve
    for s in running:
        s.shutdown()
        s.server_close()


def carried(aicert, *more):
    report = aicert.json("verify", "proof.json", "--require", "software", *more)
    return {f"{c['step']}.{c['output']}": c["text"] for c in report["carried"]}


def root_of(aicert):
    return json.loads((aicert.cwd / "proof.json").read_text())["root"]


def test_hello(example):
    aicert = example("hello")
    aicert()
    assert (aicert.cwd / "outputs/greeting").read_text() == "Hello, world\n"
    assert carried(aicert) == {"count.length": "13\n"}
    assert "carries   length" in aicert("show", "proof.json").stdout
    first = root_of(aicert)
    aicert("run", "-D", "name=reader")
    assert root_of(aicert) != first and (aicert.cwd / "outputs/length").read_text() == "14\n"
    aicert("run")
    assert root_of(aicert) == first


def test_pipeline(example, server):
    aicert = example("pipeline")
    assert "'corpus'" in aicert(code=2).stderr, "where from is to be said"
    where = f"corpus={server(EXAMPLES / 'pipeline')}/corpus.txt"
    aicert("run", "-j", "2", "-D", where)
    metrics = {name: json.loads(text) for name, text in carried(aicert).items()}
    assert sorted(metrics) == ["eval-1.metrics", "eval-2.metrics", "eval-3.metrics", "pick.why"]
    best = metrics["pick.why"]["seed"]
    assert metrics["pick.why"]["measured"] == {seed: metrics[f"eval-{seed}.metrics"] for seed in "123"}
    assert metrics[f"eval-{best}.metrics"]["loss"] == min(metrics[f"eval-{seed}.metrics"]["loss"] for seed in "123")
    assert sorted(p.name for p in (aicert.cwd / "outputs/model").iterdir()) == ["model.json", "vocabulary.json", "why.json"]
    # The same again in another order, from nothing: the same root.
    first = root_of(aicert)
    shutil.rmtree(aicert.home / "aicert")
    aicert("run", "-j", "1", "--force", "-D", where)
    assert root_of(aicert) == first
    # Other words, the same tokens: nothing but tokens runs again.
    text = (aicert.cwd / "corpus.txt").read_text()
    (aicert.cwd / "corpus.txt").write_text(text.replace("the cat sat on the mat\n", "The Cat sat on the mat\n"))
    (aicert.cwd / "aicert.lock").unlink()
    aicert("run", "-D", f"corpus={server(aicert.cwd)}/corpus.txt")
    claims = json.loads((aicert.cwd / "proof.json").read_text())["claims"]
    assert len(claims["executed"]) == 1 and len(claims["reused"]) == 8


def test_custom_rule(example):
    aicert = example("custom-rule")
    assert aicert("rules", "test", "rules/registry.lua", "rules/quantize_test.lua").stdout.rstrip().endswith("8 tests, 0 failed")
    listed = aicert("rules").stdout
    assert "quantize" in listed and "registry" in listed and "bits" in aicert("rules", "quantize").stdout
    with subprocess.Popen([sys.executable, str(aicert.cwd / "serve.py"), "0"], stdout=subprocess.PIPE, text=True) as registry:
        try:
            where = f"server={registry.stdout.readline().strip()}"
            aicert("run", "-D", where)
        finally:
            registry.kill()
    pin = json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["weights"]
    assert pin["type"] == "registry" and pin["revision"] == "1.2" and [f["path"] for f in pin["files"]] == ["weights.json"]
    assert json.loads((aicert.cwd / "outputs/weights.json").read_text())["weights"] == [2, -4, 0, 7, -3]
    assert json.loads(carried(aicert)["small.report"]) == {"weights": 5, "largest error": 0.107143}
    # With the registry gone nothing is asked, and an edited rule runs its step again.
    aicert("run", "--locked", "-D", where)
    rule = aicert.cwd / "rules/quantize.lua"
    rule.write_text(rule.read_text().replace("-- quantize: ", "-- A remark. "))
    assert "would reuse" in aicert("why", "-D", where).stdout
    rule.write_text(rule.read_text().replace("round(worst, 6)", "round(worst, 3)"))
    why = aicert("why", "-D", where).stdout
    assert "its rule 'quantize' changed: file /workspace/tmp.quantize.py: line 9 was '" in why and "round(worst, 3)" in why
    aicert("run", "--locked", "-D", where)
    assert json.loads(carried(aicert)["small.report"])["largest error"] == 0.107
