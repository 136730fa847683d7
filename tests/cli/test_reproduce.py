"""`aicert reproduce`: a proof's steps run again elsewhere and compared, and every way in which that must stop."""
import base64
import http.server
import json
import os
import shutil
import sys
import threading
import time

import pytest
from conftest import ROOT, git

sys.path.insert(0, str(ROOT / "tests/image"))
from images import busybox  # noqa: E402

CHAIN = """\
aicert: 1
name: chain
environment: host
inputs:
  words: {{ path: words }}
steps:
  sort: {{ use: shell, inputs: {{ raw: words }}, script: '{first}', outputs: {{ sorted: sorted.txt }} }}
  count: {{ use: shell, inputs: {{ s: sort.sorted }}, script: 'mkdir -p "$OUT_D"; wc -l < "$IN_S" > "$OUT_D/n"', outputs: {{ d: d/ }} }}
"""
SORT = 'sort "$IN_RAW"/a > "$OUT_SORTED"'
RANDOM = 'sort "$IN_RAW"/a > "$OUT_SORTED"; cat /proc/sys/kernel/random/uuid >> "$OUT_SORTED"'


def everything_in(folder):
    return {str(p.relative_to(folder)): (os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None, p.lstat().st_mtime_ns)
            for p in folder.rglob("*")}


@pytest.fixture
def build(aicert):
    """Runs the chain; gives the proof's path."""
    def build(first=SORT, *options):
        (aicert.cwd / "words").mkdir(exist_ok=True)
        (aicert.cwd / "words" / "a").write_text("b\na\n")
        tool = aicert.cwd / "words" / "sub" / "tool"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        if not (aicert.cwd / "words" / "link").is_symlink():
            (aicert.cwd / "words" / "link").symlink_to("sub/tool")
        (aicert.cwd / "Aicertfile").write_text(CHAIN.format(first=first))
        aicert("run", "-q", *options)
        return aicert.cwd / "proof.json"
    return build


@pytest.fixture
def stranger(tmp_path, aicert_in):
    """Another user on another machine: a home and a folder of its own, nothing in its cache."""
    (tmp_path / "stranger-home").mkdir()
    (tmp_path / "stranger").mkdir()
    return aicert_in(tmp_path / "stranger-home", tmp_path / "stranger")


def report(aicert, *args, code=0, **kw):
    r = json.loads(aicert("reproduce", *args, "--json", code=code, **kw).stdout)
    r["by"] = {s["step"]: s for s in r["steps"]}
    return r


def test_a_deterministic_proof_is_reproduced_and_nothing_is_touched(aicert, build, stranger):
    proof = build()
    before = everything_in(aicert.cwd)
    r = report(stranger, proof)
    assert r["same"] and [s["same"] for s in r["steps"]] == [True, True] and r["root"] == json.loads(proof.read_text())["root"]
    assert everything_in(aicert.cwd) == before and not everything_in(stranger.cwd)
    assert any("host" in n for n in r["notes"]) and r["inputs"] == [{"name": "words", "from": str(aicert.cwd)}]
    said = stranger("reproduce", proof).stdout
    assert "sort: same" in said and said.endswith("REPRODUCED\n") and "NOT" not in said


def test_on_the_builders_machine_the_cache_serves_and_the_log_stays(aicert, build):
    proof = build('echo once; date +%N; ' + SORT)
    log = aicert("log", "sort").stdout
    record = aicert.json("why")
    (aicert.cwd / "words" / "a").write_text("changed since\n")
    r = report(aicert, proof)
    assert r["same"] and r["inputs"][0]["from"] == "the cache"
    assert aicert("log", "sort").stdout == log
    (aicert.cwd / "words" / "a").write_text("b\na\n")
    assert aicert.json("why") == record


def test_what_differs_is_named_and_the_next_step_is_judged_by_itself(aicert, build, stranger):
    proof = build(RANDOM)
    here = report(aicert, proof, code=1)
    # The builder's cache has the proven output: it is compared line by line, and `count` gets it as the proof's run did.
    d = here["by"]["sort"]["differences"]
    assert len(d) == 1 and d[0]["output"] == "sorted" and d[0]["line"]["number"] == 3 and "UUID" in d[0]["hint"]
    assert here["by"]["count"]["same"] and not here["same"]
    there = report(stranger, proof, code=1)
    assert there["by"]["sort"]["by_id_only"] and "offset" not in there["by"]["sort"]["differences"][0]
    assert any("earlier step differs" in n for n in there["by"]["count"]["notes"])
    assert any("as they were" in n for n in there["by"]["sort"]["notes"])
    assert "DIFFERS" in stranger("reproduce", proof, code=1).stdout


def test_trees_in_the_proof_name_the_files(aicert, stranger):
    (aicert.cwd / "Aicertfile").write_text(
        "aicert: 1\nenvironment: host\nsteps:\n  s: { use: shell, script: 'mkdir -p $OUT_D/sub; echo x > $OUT_D/same; cat /proc/sys/kernel/random/uuid > $OUT_D/sub/id', outputs: { d: d/ } }\n")
    aicert("run", "-q", "--with-trees", "-o", "trees.json")
    aicert("run", "-q", "-o", "bare.json")
    with_trees = report(stranger, aicert.cwd / "trees.json", code=1)["by"]["s"]
    assert [d["path"] for d in with_trees["differences"]] == ["sub/id"] and not any("--with-trees" in n for n in with_trees["notes"])
    bare = report(stranger, aicert.cwd / "bare.json", code=1)["by"]["s"]
    assert [d["path"] for d in bare["differences"]] == [""] and any("--with-trees" in n for n in bare["notes"])


def test_one_step_and_what_it_needs(aicert, build, stranger):
    proof = build()
    assert set(report(aicert, proof, "--step", "count")["by"]) == {"count"}
    assert set(report(stranger, proof, "--step", "count")["by"]) == {"sort", "count"}
    assert set(report(stranger, proof, "--step", "sort")["by"]) == {"sort"}
    assert "did you mean 'count'?" in stranger("reproduce", proof, "--step", "cuont", code=2).stderr


def test_keep(aicert, build, stranger):
    proof = build()
    report(stranger, proof, "--keep", "kept")
    assert (stranger.cwd / "kept" / "sort" / "sorted").read_text() == "a\nb\n"
    assert (stranger.cwd / "kept" / "count" / "d" / "n").read_text().strip() == "2"
    before = everything_in(stranger.cwd)
    assert "not empty" in stranger("reproduce", proof, "--keep", "kept", code=2).stderr
    assert everything_in(stranger.cwd) == before


# --- inputs ------------------------------------------------------------------------------------------------------------

def test_a_path_input_is_looked_for_or_given_and_must_be_the_proofs(aicert, build, stranger, tmp_path):
    proof = build()
    alone = stranger.cwd / "alone.json"
    shutil.copy(proof, alone)
    r = stranger("reproduce", alone, code=3)
    assert "--input words=PATH" in r.stderr
    assert report(stranger, alone, "--project", aicert.cwd)["same"]
    # Now its content is in the cache; another stranger has it not.
    shutil.rmtree(stranger.home / "aicert")
    assert report(stranger, alone, "--input", f"words={aicert.cwd / 'words'}")["inputs"][0]["from"] == str(aicert.cwd / "words")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_text("b\na\nc\n")
    r = stranger("reproduce", alone, "--input", f"words={other}", code=3)
    want = next(n["content"]["tree"] for n in json.loads(alone.read_text())["nodes"].values() if n["kind"] == "source")
    assert want in r.stderr and "got tree" in r.stderr
    assert stranger.json("hash", other)[0]["tree"] in r.stderr
    assert "did you mean 'words'?" in stranger("reproduce", alone, "--input", f"wrods={other}", code=2).stderr
    assert stranger("reproduce", alone, "--input", f"words={tmp_path / 'none'}", code=3)


def test_a_changed_project_is_refused(aicert, build, stranger):
    proof = build()
    (aicert.cwd / "words" / "a").write_text("c\n")
    assert "is not the proof's" in stranger("reproduce", proof, code=3).stderr


def test_no_path_of_the_builders_machine_is_read_unasked(aicert, stranger, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    (aicert.cwd / "Aicertfile").write_text(
        f"aicert: 1\nenvironment: host\ninputs:\n  s: {{ path: '{secret}' }}\nsteps:\n  c: {{ use: shell, inputs: {{ s: s }}, script: 'cp $IN_S $OUT_O', outputs: {{ o: o }} }}\n")
    aicert("run", "-q")
    proof = aicert.cwd / "proof.json"
    r = stranger("reproduce", proof, code=3)
    assert "--input s=PATH" in r.stderr
    assert not any(b"secret\n" == p.read_bytes() for p in (stranger.home / "aicert").rglob("*") if p.is_file())
    assert report(stranger, proof, "--input", f"s={secret}")["same"]


def test_git_and_its_clone(aicert, stranger, git_repo, tmp_path):
    repo, commit = git_repo({"main.py": "open('outputs/m', 'w').write('x')"})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\nenvironment: host\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    aicert("run", "-q")
    proof = aicert.cwd / "proof.json"
    assert report(stranger, proof)["inputs"] == [{"name": "source", "from": "its pin"}]
    # The branch moves on: the pin does not. Then the remote is gone, and a clone or a bare checkout stands in.
    (repo / "main.py").write_text("open('outputs/m', 'w').write('other')")
    git(repo, "commit", "-q", "-a", "-m", "second")
    shutil.rmtree(stranger.home / "aicert")
    assert report(stranger, proof)["same"]
    moved = tmp_path / "moved"
    repo.rename(moved)
    shutil.rmtree(stranger.home / "aicert")
    assert stranger("reproduce", proof, code=None).returncode in (3, 5)
    assert report(stranger, proof, "--input", f"source={moved}")["same"]
    shutil.rmtree(stranger.home / "aicert")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "main.py").write_text("open('outputs/m', 'w').write('x')")
    assert report(stranger, proof, "--input", f"source={checkout}")["same"]
    shutil.rmtree(stranger.home / "aicert")
    (checkout / "main.py").write_text("open('outputs/m', 'w').write('y')")
    assert "is not the proof's" in stranger("reproduce", proof, "--input", f"source={checkout}", code=3).stderr


@pytest.fixture
def server(tmp_path):
    """Serves tmp_path/www on loopback."""
    www = tmp_path / "www"
    www.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *a):
            super().__init__(*a, directory=str(www))

        def log_message(self, *a):
            pass
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    t = threading.Thread(target=s.serve_forever)
    t.start()
    yield www, f"http://127.0.0.1:{s.server_port}"
    s.shutdown()
    t.join()
    s.server_close()


def test_a_url_is_fetched_by_its_pin(aicert, stranger, server, tmp_path):
    www, base = server
    (www / "data.csv").write_text("1,2\n")
    (aicert.cwd / "Aicertfile").write_text(
        f"aicert: 1\nenvironment: host\ninputs:\n  d: {{ url: '{base}/data.csv' }}\nsteps:\n  c: {{ use: shell, inputs: {{ d: d }}, script: 'cp $IN_D $OUT_O', outputs: {{ o: o }} }}\n")
    aicert("run", "-q")
    proof = aicert.cwd / "proof.json"
    assert report(stranger, proof)["same"]
    (www / "data.csv").write_text("3,4\n")
    shutil.rmtree(stranger.home / "aicert")
    r = stranger("reproduce", proof, code=3)
    sha = next(n["content"]["blob"] for n in json.loads(proof.read_text())["nodes"].values() if n["kind"] == "source")
    assert sha in r.stderr
    (tmp_path / "saved.csv").write_text("1,2\n")
    assert report(stranger, proof, "--input", f"d={tmp_path / 'saved.csv'}")["same"]


def test_an_image_is_the_very_one(aicert, stranger, tmp_path):
    busybox(aicert.cwd / "image", {"opt/marker": b"one\n"}, env=["PATH=/bin"])
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: { image: 'oci:image' }\nsteps:\n  s: { use: shell, script: 'cat /opt/marker > $OUT_O', outputs: { o: o } }\n")
    aicert("run", "-q")
    proof = aicert.cwd / "proof.json"
    r = report(stranger, proof)
    assert r["same"] and not r["notes"] and not r["by"]["s"]["notes"]
    # Without the project the image must be given; another one of the same name is not taken.
    alone = stranger.cwd / "alone.json"
    shutil.copy(proof, alone)
    shutil.rmtree(stranger.home / "aicert")
    stranger("reproduce", alone, code=3)
    other = tmp_path / "other"
    busybox(other, {"opt/marker": b"two\n"}, env=["PATH=/bin"])
    stranger("reproduce", alone, "--input", f"oci:image={other}", code=3)
    assert report(stranger, alone, "--input", f"oci:image={aicert.cwd / 'image'}")["same"]


def gpu_machine(folder, model):
    """A made-up device tree with one GPU."""
    d = folder / "proc/driver/nvidia/gpus/0000:01:00.0"
    d.mkdir(parents=True)
    (d / "information").write_text(f"Model: \t\t {model}\nGPU UUID: \t GPU-0\nDevice Minor: \t 0\nGPU Excluded:\t No\n")
    (folder / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n")
    (folder / "dev").mkdir()
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (folder / "dev" / name).symlink_to("/dev/null")
    (folder / "usr/lib64").mkdir(parents=True)
    (folder / "usr/lib64/libcuda.so.535.183.01").write_text("")
    return {"AICERT_GPU_ROOT": str(folder)}


def test_another_machines_gpus_are_said(aicert, stranger, tmp_path):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nenvironment: host\nscript: echo x > outputs/o\nlimits: { gpus: 1 }\n")
    aicert("run", "-q", env=gpu_machine(tmp_path / "a", "NVIDIA A100-SXM4-40GB"))
    proof = aicert.cwd / "proof.json"
    r = report(stranger, proof, env=gpu_machine(tmp_path / "b", "NVIDIA H100 80GB HBM3"))
    assert r["same"] and any("GPUs or their driver" in n for n in r["notes"])
    assert any("ran on GPUs" in n for n in r["by"]["shell"]["notes"])
    assert not any("GPUs or their driver" in n for n in report(stranger, proof, env={"AICERT_GPU_ROOT": str(tmp_path / "a")})["notes"])
    (tmp_path / "none").mkdir()
    stranger("reproduce", proof, code=5, env={"AICERT_GPU_ROOT": str(tmp_path / "none")})


# --- the proof ---------------------------------------------------------------------------------------------------------

def test_an_altered_proof_is_refused_before_anything_runs(aicert, build, stranger):
    p = json.loads(build().read_text())
    hurt = stranger.cwd / "hurt.json"

    def refused(code=1):
        hurt.write_text(json.dumps(p))
        r = stranger("reproduce", hurt, "--project", aicert.cwd, code=code)
        assert "\nrun " not in "\n" + r.stderr
        return r.stderr
    kept = json.dumps(p)
    blob = next(iter(p["blobs"]))
    p["blobs"][blob] = base64.b64encode(b"steps: {}").decode()
    refused()
    p = json.loads(kept)
    step = next(n for n in p["nodes"].values() if n["kind"] == "result")
    step["outputs"][0].update({k: "0" * 64 for k in ("blob", "tree") if k in step["outputs"][0]})
    refused()
    p = json.loads(kept)
    p["signature"] = p["signature"][:-8] + "AAAAAAA="
    refused()
    hurt.write_text("{}")
    stranger("reproduce", hurt, code=3)
    hurt.write_text("no proof")
    stranger("reproduce", hurt, code=3)
    stranger("reproduce", stranger.cwd / "absent.json", code=3)
    stranger("reproduce", code=2)


def test_the_proofs_own_rules_are_run(aicert, stranger):
    rule = 'return rule {{ name = "hello", doc = "d", attrs = {{ outputs = attr.outputs {{ doc = "o" }} }},\n  plan = function(a, out) return action.run {{ argv = {{ "sh", "-c", "echo {} > outputs/x" }} }} end }}\n'
    (aicert.cwd / "rules").mkdir()
    (aicert.cwd / "rules" / "hello.lua").write_text(rule.format("ours"))
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nsteps:\n  s: { use: hello, outputs: { x: x } }\n")
    aicert("run", "-q")
    (aicert.cwd / "rules" / "hello.lua").write_text(rule.format("changed"))
    (aicert.cwd / "Aicertfile").write_text("broken: [")
    assert report(stranger, aicert.cwd / "proof.json", "--keep", "kept")["same"]
    assert (stranger.cwd / "kept" / "s" / "x").read_text() == "ours\n"


def test_a_step_that_fails_here(aicert, stranger):
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nsteps:\n  s: { use: shell, script: 'test $(date +%s) -lt " + str(int(time.time()) + 3) + " && echo x > $OUT_O', outputs: { o: o } }\n")
    aicert("run", "-q")
    time.sleep(3.2)
    r = stranger("reproduce", aicert.cwd / "proof.json", code=4)
    assert "step 's': failed: exit 1" in r.stderr


def test_help_names_the_exit_codes(aicert):
    said = aicert("reproduce", "--help").stdout
    assert "example:" in said and "1: something differs" in said and "--keep" in said
