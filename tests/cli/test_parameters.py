"""Parameters, matrices and chosen steps, from the command line to the verdict of a verifier."""
import base64
import hashlib
import json
import os
import time

import pytest

PIPELINE = """\
aicert: 1
name: pipeline
environment: host
parameters: { epochs: 3, word: hello, tag: }
inputs:
  raw: { path: data/raw.txt }
  other: { path: data/absent.txt }
steps:
  tokens:
    use: shell
    inputs: { raw: raw }
    script: "tr a-z A-Z < $IN_RAW > $OUT_T; echo '${param.word}' >> $OUT_T"
    outputs: { t: tokens.txt }
  train:
    use: shell
    matrix: { seed: [1, 2, 3] }
    inputs: { t: tokens.t }
    script: "cat $IN_T > $OUT_MODEL; echo seed ${matrix.seed} epochs ${param.epochs} tag ${param.tag} >> $OUT_MODEL"
    outputs: { model: model.bin }
  pick:
    use: shell
    inputs: [train.model]
    script: "for f in resources/*/model.bin; do echo $f; cat $f; done > $OUT_BEST"
    outputs: { best: best.bin }
  report: { use: shell, inputs: { o: other }, script: "cat $IN_O > $OUT_R", outputs: { r: r.txt } }
outputs: { best: pick.best, model: train.model, report: report.r }
"""


@pytest.fixture
def project(aicert):
    (aicert.cwd / "data").mkdir()
    (aicert.cwd / "data/raw.txt").write_text("some words\n")
    (aicert.cwd / "Aicertfile").write_text(PIPELINE)
    return aicert


def plan_of(proof):
    nodes = json.loads(proof.read_text())["nodes"]
    return next(n for n in nodes.values() if n["kind"] == "plan")


def test_a_run_with_parameters_of_chosen_steps(project):
    r = project("run", "pick", "train", "-D", "tag=v1", "-Depochs=5")
    out = project.cwd / "outputs"
    # What 'report' needs is not there, and not needed.
    assert sorted(p.name for p in out.iterdir()) == ["best", "model-1", "model-2", "model-3"]
    assert (out / "model-2").read_text() == "SOME WORDS\nhello\nseed 2 epochs 5 tag v1\n"
    best = (out / "best").read_text().splitlines()
    assert best[0] == "resources/train-1/model.bin" and best[4:6] == ["resources/train-2/model.bin", "SOME WORDS"]
    plan = plan_of(project.cwd / "proof.json")
    assert plan["parameters"] == [{"name": "aicert.steps", "value": "pick,train"}, {"name": "epochs", "value": "5"},
                                  {"name": "tag", "value": "v1"}, {"name": "word", "value": "hello"}]
    assert [s["name"] for s in plan["steps"]] == ["tokens", "train-1", "train-2", "train-3", "pick"]
    assert [s["name"] for s in plan["sources"]] == ["raw"]
    report = project.json("verify", "proof.json", "--require", "software")
    assert report["verified"] and next(c for c in report["checks"] if c["name"] == "planned again")["status"] == "passed"
    assert "5 executed" in r.stdout
    # Again: everything is known. One parameter changed: what it is in runs again, and nothing else.
    assert "0 executed, 5 reused" in project("run", "pick", "train", "-D", "tag=v1", "-D", "epochs=5").stdout
    assert "4 executed, 1 reused" in project("run", "pick", "train", "-D", "tag=v1", "-D", "epochs=6").stdout
    # One that no file's output names is given by its own.
    assert "0 executed, 1 reused" in project("run", "tokens", "-D", "tag=v2", "-D", "epochs=7").stdout
    assert (out / "t").read_text() == "SOME WORDS\nhello\n"


def test_the_same_in_another_place_gives_the_same_root(project, aicert_in, tmp_path):
    project("run", "train-2", "-D", "tag=x")
    other = aicert_in(tmp_path / "home2", tmp_path / "elsewhere")
    os.makedirs(other.home)
    (other.cwd / "data").mkdir(parents=True)
    (other.cwd / "data/raw.txt").write_text("some words\n")
    (other.cwd / "Aicertfile").write_text(PIPELINE)
    other("run", "-D", "tag=x", "--", "train-2")
    roots = [json.loads((a.cwd / "proof.json").read_text()) for a in (project, other)]
    outputs = [next(n for n in p["nodes"].values() if n["kind"] == "run")["outputs"] for p in roots]
    plans = [plan_of(a.cwd / "proof.json") for a in (project, other)]
    assert outputs[0] == outputs[1] and plans[0] == plans[1]
    assert [o["name"] for o in outputs[0]] == ["model-2"]


def test_a_proof_of_chosen_steps_is_reproduced(project):
    project("run", "train", "-D", "tag=x", "-D", "epochs=1")
    r = project("reproduce", "proof.json")
    assert "REPRODUCED" in r.stdout and "train-3" in r.stdout and "report" not in r.stdout


@pytest.mark.parametrize("args, words", [
    (["run"], "Aicertfile:4:39: parameter 'tag' has no default: it must be given\nhint: -D tag=VALUE"),
    (["run", "-D", "tag=1", "-D", "epoch=2"], "there is no parameter 'epoch' (did you mean 'epochs'?)"),
    (["run", "-D", "tag=1", "trian"], "there is no step 'trian' (did you mean 'train'?)"),
    (["run", "-D", "tag=1", "train-9"], "there is no step 'train-9' (did you mean 'train-1'?)"),
    (["run", "-D", "tag"], "-D: got 'tag', expected NAME=VALUE"),
    (["run", "-D", "tag=1", "-D", "tag=2"], "parameter 'tag' is given twice"),
    (["run", "-D", "aicert.steps=train"], "a parameter's name has no '.'"),
    (["run", "-D", "tag=https://me:pw@example.org/"], "its value is a URL that holds a secret"),
    (["lock"], "parameter 'tag' has no default"),
    (["why", "-D", "tag=1", "-D", "x=2"], "there is no parameter 'x'"),
])
def test_refused(project, args, words):
    r = project(*args, code=2)
    assert words in r.stderr
    assert "me:pw" not in r.stderr
    assert not (project.cwd / "proof.json").exists() and not (project.cwd / "aicert.lock").exists()


def renamed(nodes, old, node):
    """The node under its own id in the place of an old one; the new id."""
    del nodes[old]
    new = hashlib.sha256(json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
    nodes[new] = node
    return new


def test_a_stranger_s_proof_of_very_many_steps_ends_in_time(project, tmp_path):
    """The few words of an Aicertfile in a proof may mean 100,000 steps that one more takes: what is planned again is no more than the proof's plan has."""
    project("run", "tokens", "-D", "tag=1")
    proof = json.loads((project.cwd / "proof.json").read_text())
    nodes = proof["nodes"]
    text = ("aicert: 1\nname: pipeline\nenvironment: host\ninputs: { raw: { path: data/raw.txt } }\nsteps:\n"
            "  t:\n    use: shell\n    script: x\n    inputs: [raw]\n    outputs: { o: o }\n    matrix: { a: [0, 1], "
            + ", ".join(f"b{i}: [{', '.join(map(str, range(10)))}]" for i in range(4)) + ", c: [0, 1, 2, 3, 4] }\n  u: { use: shell, inputs: [t.o], script: x }\n")
    blob = hashlib.sha256(text.encode()).hexdigest()
    plan_id, plan = next((i, n) for i, n in nodes.items() if n["kind"] == "plan")
    run_id, run = next((i, n) for i, n in nodes.items() if n["kind"] == "run")
    del proof["blobs"][plan["aicertfile"]]
    proof["blobs"][blob] = base64.b64encode(text.encode()).decode()
    plan.update(aicertfile=blob, parameters=[])
    run["plan"] = renamed(nodes, plan_id, plan)
    proof["root"] = renamed(nodes, run_id, run)
    (tmp_path / "forged.json").write_text(json.dumps(proof))
    began = time.monotonic()
    report = json.loads(project("verify", tmp_path / "forged.json", "--require", "unsigned", "--json", code=1, timeout=200).stdout)
    again = next(c for c in report["checks"] if c["name"] == "planned again")
    assert again["status"] == "failed" and not report["verified"], again
    assert "it means 100001 steps, expected 1, as the plan has" in again["compared"], again
    assert time.monotonic() - began < 30


def test_files_of_one_name_from_two_steps(aicert):
    """Neither hides the other: it is said, with a way out that there is; and the files of a matrix stand in folders of their steps."""
    text = """\
aicert: 1
name: t
environment: host
inputs: {{ w: {{ path: model.bin }} }}
steps:
  a: {{ use: shell, script: 'echo a > $OUT_MODEL', outputs: {{ model: model.bin }} }}
  b: {{ use: shell, script: 'echo b > $OUT_MODEL', outputs: {{ model: {0} }} }}
  c: {{ use: shell, inputs: {1}, script: 'cat resources/*.bin > $OUT_O', outputs: {{ o: o }} }}
"""
    (aicert.cwd / "model.bin").write_text("w")

    def tried(file, inputs, code):
        (aicert.cwd / "Aicertfile").write_text(text.format(file, inputs))
        return aicert("run", "-q", code=code).stderr

    said = tried("model.bin", "{ x: a.model, y: b.model }", 2)
    assert "step 'c': input 'a.model' and input 'b.model' come to the same place 'resources/model.bin'" in said
    assert "hint: give one of the files another name in the outputs of its step" in said
    assert "hint: give an input another place with 'to:'" in tried("model.bin", "{ x: a.model, y: w }", 2)
    assert "write a map with names of your own" in tried("model.bin", "[a.model, b.model]", 2)
    tried("other.bin", "{ x: a.model, y: b.model }", 0)
    assert (aicert.cwd / "outputs/o").read_text() == "a\nb\n"
