"""An input that is an output of another run: its proof verified on entry, carried, and judged again by whoever verifies."""
import base64
import functools
import hashlib
import http.server
import json
import os
import shutil
import tarfile
import threading

import pytest
from conftest import ROOT, Aicert

BASE = """\
aicert: 1
name: base
inputs:
  words: { path: words.txt }
steps:
  pretrain:
    use: shell
    inputs: { words: words }
    script: |
      sort "$IN_WORDS" > "$OUT_MODEL"
      mkdir -p "$OUT_TOKENS/deep"
      tr a-z A-Z < "$IN_WORDS" > "$OUT_TOKENS/deep/vocab"
    outputs: { model: base.bin, tokens: { path: tokens, type: dir } }
"""

TUNE = """\
aicert: 1
name: tune
inputs:
  base: { INPUT }
steps:
  tune:
    use: shell
    inputs: { base: base }
    script: |
      if [ -d "$IN_BASE" ]; then cat "$IN_BASE"/deep/vocab; else cat "$IN_BASE"; fi > "$OUT_MODEL"
      echo tuned >> "$OUT_MODEL"
    outputs: { model: tuned.bin }
"""
SOFT = "proof: ../base/proof.json, level: software"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A home and the folder of a run of its own, with its proof: made once, and each test has a copy (which no run has written: --force)."""
    top = tmp_path_factory.mktemp("ground")
    for name in ("home", "base"):
        (top / name).mkdir()
    (top / "base" / "Aicertfile").write_text(BASE)
    (top / "base" / "words.txt").write_text("b\na\n")
    Aicert(top / "home", top / "base")()
    return top


@pytest.fixture
def base(aicert, ground):
    for name in ("home", "base"):
        shutil.copytree(ground / name, aicert.cwd.parent / name, symlinks=True, dirs_exist_ok=True)
    return aicert.cwd.parent / "base"


def tune(aicert, text=SOFT, **kw):
    (aicert.cwd / "Aicertfile").write_text(TUNE.replace("INPUT", text))
    return aicert(**kw)


def proof_of(folder):
    return json.loads((folder / "proof.json").read_text())


def verify(aicert, path="proof.json", code=0, *more):
    return json.loads(aicert("verify", path, "--require", "software", "--json", *more, code=code).stdout)


def check(report, name):
    return next(c for c in report["checks"] if c["name"] == name)


class Served:
    """A folder over http on loopback, with what was asked for."""

    def __init__(self, folder):
        self.asked = asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def served():
    made = []

    def serve(folder):
        made.append(Served(folder))
        return made[-1]
    yield serve
    for s in made:
        s.close()


# --- what works ---------------------------------------------------------------

def test_a_model_reaches_its_base(aicert, base):
    tune(aicert)
    mine, theirs = proof_of(aicert.cwd), proof_of(base)
    assert (aicert.cwd / "outputs" / "tuned.bin").read_text() == "a\nb\ntuned\n"
    assert list(mine["proofs"]) == [theirs["root"]] and mine["proofs"][theirs["root"]] == theirs
    assert mine["nodes"][mine["root"]]["lineage"] == [theirs["root"]]
    pin = json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["base"]
    assert pin == {"type": "proof", "uri": "local", "revision": theirs["root"], "blob": theirs["output_model_hash"]}
    source = next(n for n in mine["nodes"].values() if n["kind"] == "source")
    assert source == {"kind": "source", "type": "proof", "uri": "local", "revision": theirs["root"], "content": {"blob": theirs["output_model_hash"]}}
    report = verify(aicert)
    assert report["lineage"] == [{"root": theirs["root"], "by": mine["root"], "input": "base", "output": "model", "name": "base", "level": "software",
                                  "key": theirs["claims"]["ak"], "authority": ""}]
    assert check(report, "lineage")["status"] == check(report, "lineage accepted")["status"] == check(report, "planned again")["status"] == "passed"
    assert f"output 'model' of run 'base' {theirs['root']}" in aicert("verify", "proof.json", "--require", "software").stdout
    assert theirs["root"] in aicert("show", "proof.json").stdout


def test_a_folder_of_the_base(aicert, base):
    tune(aicert, SOFT + ", output: tokens")
    assert (aicert.cwd / "outputs" / "tuned.bin").read_text() == "B\nA\ntuned\n"
    report = verify(aicert)
    assert report["lineage"][0]["output"] == "tokens"
    assert aicert("verify", "proof.json", "--require", "software", "--input", f"base={base}/outputs/tokens").returncode == 0
    # One file of it is shown to lie in what this run took, and so in what that one gave.
    aicert("disclose", "proof.json", "--input", "base", "--path", "deep/vocab", "--dir", base / "outputs/tokens", "--out", "vocab.json")
    verify(aicert, "proof.json", 0, "--disclosure", "vocab.json", "--file", base / "outputs/tokens/deep/vocab")
    verify(aicert, "proof.json", 1, "--disclosure", "vocab.json", "--file", base / "words.txt")


def test_two_outputs_of_one_run_are_one_proof(aicert, base):
    (aicert.cwd / "Aicertfile").write_text(TUNE.replace("  base: { INPUT }", f"  base: {{ {SOFT} }}\n  vocab: {{ {SOFT}, output: tokens }}")
                                           .replace("{ base: base }", "{ base: base, vocab: vocab }"))
    aicert()
    assert len(proof_of(aicert.cwd)["proofs"]) == 1
    assert [t["output"] for t in verify(aicert)["lineage"]] == ["model", "tokens"]


def test_a_chain_is_carried_flat(aicert, base):
    tune(aicert)
    third = aicert.cwd.parent / "third"
    third.mkdir()
    (third / "Aicertfile").write_text(TUNE.replace("INPUT", "proof: ../project, level: software").replace("name: tune", "name: third"))
    aicert(cwd=third)
    proof = proof_of(third)
    assert set(proof["proofs"]) == {proof_of(base)["root"], proof_of(aicert.cwd)["root"]}
    assert all(p["proofs"] == {} for p in proof["proofs"].values())
    report = verify(aicert, third / "proof.json")
    assert [(t["name"], t["level"]) for t in report["lineage"]] == [("tune", "software"), ("base", "software")]


def test_nothing_new_is_nothing_to_do(aicert, base):
    first = tune(aicert)
    root = proof_of(aicert.cwd)["root"]
    report = aicert.json("run")
    assert (report["executed"], report["reused"], report["root"]) == (0, 1, root), first.stderr


def test_what_was_taken_is_kept(aicert, base):
    tune(aicert)
    shutil.rmtree(base)
    aicert("--fresh", "--locked")
    assert verify(aicert)["verified"]


def test_another_proof_of_the_same_run_does_as_well(aicert, base):
    """The lock names the run: who attests it again, or stamps it, changes nothing for those who build on it."""
    tune(aicert)
    root, old = proof_of(aicert.cwd)["root"], (base / "proof.json").read_bytes()
    aicert("--force", cwd=base)
    assert (base / "proof.json").read_bytes() != old
    aicert("--locked")
    mine = proof_of(aicert.cwd)
    assert mine["root"] == root and list(mine["proofs"].values())[0] == proof_of(base)


def test_over_http_what_is_here_is_not_fetched(aicert, base, served):
    web = served(base)
    tune(aicert, f"proof: {web.url}/proof.json, level: software")
    aicert("--fresh")
    assert web.asked == ["/proof.json"]
    source = next(n for n in proof_of(aicert.cwd)["nodes"].values() if n["kind"] == "source")
    assert source["uri"] == f"{web.url}/proof.json"


def test_over_http_from_an_empty_store(aicert_in, aicert, base, served, tmp_path):
    web = served(base)
    home, cwd = tmp_path / "other-home", tmp_path / "other"
    home.mkdir(), cwd.mkdir()
    other = aicert_in(home, cwd)
    other("trust", "add", proof_of(base)["claims"]["ak"])
    refused = tune(other, f"proof: {web.url}/proof.json, level: software", code=3)
    assert "the content of output 'model'" in refused.stderr and "content: PATH or URL" in refused.stderr
    tune(other, f"proof: {web.url}/proof.json, level: software, content: {web.url}/outputs/base.bin")
    assert (cwd / "outputs" / "tuned.bin").read_text() == "a\nb\ntuned\n"
    assert verify(other)["lineage"][0]["level"] == "software"
    asked = len(web.asked)
    other("--fresh")
    assert len(web.asked) == asked, web.asked[asked:]
    # A folder comes as an archive.
    with tarfile.open(base / "tokens.tar", "w") as tar:
        tar.add(base / "outputs" / "tokens", ".")
    tune(other, f"proof: {web.url}/proof.json, level: software, output: tokens, content: {web.url}/tokens.tar", )
    assert (cwd / "outputs" / "tuned.bin").read_text() == "B\nA\ntuned\n"


# --- whom the builder believes ----------------------------------------------------

def test_the_level_is_verifys_own_unless_told(aicert, base):
    refused = tune(aicert, "proof: ../base/proof.json", code=3)
    assert "reaches 'software', expected 'measured-platform'" in refused.stderr and "'level: software' in the input" in refused.stderr
    assert not (aicert.cwd / "aicert.lock").exists() and not (aicert.cwd / "proof.json").exists()
    (aicert.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\n")
    aicert("--policy", "policy.yaml")
    # What the Aicertfile asks for can be more than the policy, and not less.
    (aicert.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: genuine-tpm\n")
    (aicert.cwd / "Aicertfile").write_text(TUNE.replace("INPUT", SOFT))
    assert "reaches 'software', expected 'genuine-tpm'" in aicert("--policy", "policy.yaml", code=3).stderr
    refused = tune(aicert, "proof: ../base/proof.json, level: softwear", code=2)
    assert "Aicertfile:4:3" in refused.stderr and "'softwear'" in refused.stderr


def test_a_policy_that_denies_the_base(aicert, base):
    key = proof_of(base)["claims"]["ak"]
    (aicert.cwd / "policy.yaml").write_text(f"aicert-policy: 1\nrequire: software\nkeys: {{ deny: [ {key} ] }}\n")
    (aicert.cwd / "Aicertfile").write_text(TUNE.replace("INPUT", SOFT))
    refused = aicert("--policy", "policy.yaml", code=3)
    assert "reaches 'unsigned'" in refused.stderr and "is not among the keys" in refused.stderr and "hint" not in refused.stderr


def test_a_strangers_base(aicert, aicert_in, base, tmp_path):
    (tmp_path / "h2").mkdir()
    other = aicert_in(tmp_path / "h2", aicert.cwd)
    refused = tune(other, code=3)
    assert "reaches 'unsigned', expected 'software'" in refused.stderr and "aicert trust add" in refused.stderr
    tune(other, "proof: ../base/proof.json, level: unsigned")
    report = verify(other, "proof.json", 1)
    assert report["level"] == "unsigned" and report["lineage"][0]["level"] == "unsigned"
    assert "the proof of input 'base'" in report["why_not_next"] and check(report, "lineage accepted")["status"] == "failed"
    assert "aicert trust add" in report["hint"]
    other("trust", "add", proof_of(base)["claims"]["ak"])
    assert verify(other)["level"] == "software"


# --- what is refused on entry --------------------------------------------------------

def edit(folder, change):
    proof = proof_of(folder)
    change(proof)
    (folder / "proof.json").write_text(json.dumps(proof))


def flip(proof):
    quote = bytearray(base64.b64decode(proof["low_level_quote"]))
    quote[60] ^= 1
    proof["low_level_quote"] = base64.b64encode(quote).decode()


@pytest.mark.parametrize("change, words", [
    (flip, "not verified: quote"),
    (lambda p: p.update(output_model_hash="1" * 64), "not verified: summary"),
    (lambda p: p.pop("claims"), "not verified: format"),
    (lambda p: p.update(version="v9"), "version 'v9'"),
    (lambda p: p.update(root="1" * 64), "not verified: references"),
    (lambda p: p.update(proofs={p["root"]: json.loads(json.dumps(p))}), "not verified: lineage"),
], ids=["quote", "summary", "claims", "version", "root", "proofs"])
def test_an_altered_base_is_no_input(aicert, base, change, words):
    edit(base, change)
    refused = tune(aicert, code=3)
    assert words in refused.stderr, refused.stderr
    assert not (aicert.cwd / "aicert.lock").exists()


def test_content_that_is_not_the_proofs(aicert, aicert_in, base, served, tmp_path):
    """Weights beside the proof that are not those that it names: nobody takes them, wherever they lie."""
    (tmp_path / "h2").mkdir()
    other = aicert_in(tmp_path / "h2", aicert.cwd)
    other("trust", "add", proof_of(base)["claims"]["ak"])
    evil = base / "outputs" / "base.bin"
    os.chmod(evil, 0o644)
    evil.write_text("evil\n")
    refused = tune(other, code=3)
    assert "is not here: looked at" in refused.stderr and str(evil) in refused.stderr
    refused = tune(other, SOFT + ", content: ../base/outputs/base.bin", code=3)
    assert f"got blob {hashlib.sha256(b'evil' + bytes([10])).hexdigest()}" in refused.stderr
    refused = tune(other, SOFT + f", content: {served(base).url}/outputs/base.bin", code=3)
    assert proof_of(base)["output_model_hash"] in refused.stderr
    refused = tune(other, SOFT + ", content: ../base/outputs", code=3)
    assert "got tree" in refused.stderr


def test_a_pin_is_not_moved(aicert, base):
    tune(aicert)
    old = proof_of(base)["root"]
    (base / "words.txt").write_text("c\nb\na\n")
    aicert("--force", cwd=base)
    new = proof_of(base)["root"]
    refused = aicert(code=3)
    assert f"root: got {new}, expected {old}" in refused.stderr and "aicert lock --update base" in refused.stderr
    said = aicert("lock", "--update", "base")
    assert f"was {old}, is {new}" in said.stderr
    aicert()
    assert list(proof_of(aicert.cwd)["proofs"]) == [new] and verify(aicert)["verified"]


def test_another_output_is_another_pin(aicert, base):
    tune(aicert)
    (aicert.cwd / "Aicertfile").write_text(TUNE.replace("INPUT", SOFT + ", output: tokens"))
    assert "has no pin" in aicert("--locked", code=3).stderr
    aicert()


def test_a_lock_that_names_other_content(aicert, base):
    tune(aicert)
    lock = json.loads((aicert.cwd / "aicert.lock").read_text())
    lock["inputs"]["base"]["blob"] = "1" * 64
    (aicert.cwd / "aicert.lock").write_text(json.dumps(lock))
    assert "the pinned content is not that of the output" in aicert(code=3).stderr


@pytest.mark.parametrize("text, words, code", [
    ("proof: ../base/proof.json, level: software, output: modal", "has no output 'modal': it has 'model', 'tokens'", 3),
    ("proof: ../base/proof.json, level: software, sha256: " + "1" * 64, "sha256: got", 3),
    ("proof: ../base/nothing.json, level: software", "cannot open", 3),
    ("proof: ../base/words.txt, level: software", "words.txt", 3),
    ("proof: proof.json, level: software", "own proof goes", 2),
    ("proof: ../base/proof.json, ref: main", "takes no 'ref'", 2),
    ("use: proof, x: y", "no source rule can be called 'proof'", 2),
    ("path: words.txt, level: software", "takes no 'level'", 2),
    ("proof: 'https://user:secret@127.0.0.1:1/proof.json'", "", None),
], ids=["output", "sha256", "absent", "no proof", "own", "ref", "rule", "level", "secret"])
def test_refused(aicert, base, text, words, code):
    aicert.env["AICERT_RETRY_BASE_MS"] = "1"
    (aicert.cwd / "words.txt").write_text("x")
    (aicert.cwd / "proof.json").write_text((base / "proof.json").read_text())
    refused = tune(aicert, text, code=code)
    assert words in refused.stderr, refused.stderr
    assert refused.returncode != 0 and "secret@" not in refused.stderr


def test_a_base_that_withholds(aicert, base):
    """Only who lets that be withheld builds on it, and who verifies must let it, too."""
    aicert("redact", base / "proof.json", "--node", "words", "-o", base / "public.json")
    text = "proof: ../base/public.json, level: software"
    assert "nodes are withheld: expected none\nhint: a policy can accept that: 'withhold: [ source ]'" in tune(aicert, text, code=3).stderr
    (aicert.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\nwithhold: [ 'source:words' ]\n")
    aicert("--policy", "policy.yaml")
    assert "nodes are withheld" in check(verify(aicert, "proof.json", 1), "lineage")["compared"]
    aicert("verify", "proof.json", "--policy", "policy.yaml")
    # A policy made of the proof lets through what it holds, and names the run below; that name alone is enough.
    aicert("policy", "init", "proof.json", "-o", "made.yaml")
    made = (aicert.cwd / "made.yaml").read_text()
    assert 'withhold: [ "source:words" ]' in made or "withhold: [ source:words ]" in made
    aicert("verify", "proof.json", "--policy", "made.yaml")
    root = proof_of(base)["root"]
    for revision, code in ((root, 0), ("1" * 64, 1)):
        (aicert.cwd / "run.yaml").write_text(f"aicert-policy: 1\nrequire: software\nwithhold: [ source ]\ninputs: {{ base: {{ type: proof, revision: '{revision}' }} }}\n")
        aicert("verify", "proof.json", "--policy", "run.yaml", code=code)


def test_a_pipe_for_a_proof(aicert, base):
    os.mkfifo(base / "pipe.json")
    assert "is not a file" in tune(aicert, "proof: ../base/pipe.json, level: software", code=3).stderr


# --- what others do with such a proof ----------------------------------------------------

def test_forged_after_it_was_made(aicert, base):
    tune(aicert)
    good = proof_of(aicert.cwd)
    root = proof_of(base)["root"]

    def forged(change, words):
        proof = json.loads(json.dumps(good))
        change(proof)
        (aicert.cwd / "forged.json").write_text(json.dumps(proof))
        report = verify(aicert, "forged.json", 1)
        assert report["level"] == "none" and words in check(report, "lineage")["compared"], report["checks"][:4]

    forged(lambda p: p.update(proofs={}), "no proof of")
    forged(lambda p: p["proofs"].update({good["root"]: {**good, "proofs": {}}}), "is of no input")
    forged(lambda p: p["proofs"].update({root: {**p["proofs"][root], "signature": good["signature"]}}), "quote")
    forged(lambda p: p["proofs"].update({root: {**good, "proofs": {}, "root": root}}), "references")
    forged(lambda p: p["proofs"][root]["nodes"].pop(next(k for k, n in p["proofs"][root]["nodes"].items() if n["kind"] == "source")), "absent")


def test_redact_and_merge_keep_the_proofs(aicert, base):
    tune(aicert)
    kept = proof_of(aicert.cwd)["proofs"]
    aicert("redact", "proof.json", "-o", "less.json", "--node", "base")
    less = proof_of_file(aicert.cwd / "less.json")
    assert less["proofs"] == kept
    report = verify(aicert, "less.json", 0, "--allow-withheld")
    assert report["lineage"][0]["input"] == "" and report["lineage"][0]["root"] == list(kept)[0]
    shutil.copy(aicert.cwd / "proof.json", aicert.cwd / "first.json")
    # Two attestations of one second would be of the same claims.
    aicert("--fresh", "--nonce", "again")
    aicert("merge", "first.json", "proof.json", "-o", "both.json")
    assert proof_of_file(aicert.cwd / "both.json")["proofs"] == kept
    assert verify(aicert, "both.json")["cosigned"] == 1


def proof_of_file(path):
    return json.loads(path.read_text())


def test_a_policy_made_of_it(aicert, aicert_in, base, tmp_path):
    """It names the base's key, rules and environment too, or it would not accept the very proof that it was made of."""
    for name in ("h2", "p2"):
        (tmp_path / name).mkdir()
    other = aicert_in(tmp_path / "h2", tmp_path / "p2")
    other("trust", "add", proof_of(base)["claims"]["ak"])
    tune(other, "proof: ../base/proof.json, level: software")
    aicert("policy", "init", tmp_path / "p2" / "proof.json", "-o", "policy.yaml")
    text = (aicert.cwd / "policy.yaml").read_text()
    assert proof_of(base)["claims"]["ak"] in text and "the proof of an input" in text
    third = aicert_in(tmp_path, tmp_path / "p2")
    report = third.json("verify", "proof.json", "--policy", aicert.cwd / "policy.yaml")
    assert report["verified"] and report["level"] == "software"


def test_reproduced(aicert, base):
    tune(aicert)
    assert aicert.json("reproduce", "proof.json")["same"]


def test_the_example(aicert, tmp_path):
    """examples/lineage, as its README says to run it."""
    shutil.copytree(ROOT / "examples" / "lineage", tmp_path / "lineage")
    base, mine = tmp_path / "lineage" / "base", tmp_path / "lineage" / "tune"
    aicert(cwd=base)
    aicert(cwd=mine)
    report = json.loads(aicert("verify", "proof.json", "--require", "software", "--json", "--output", "model=outputs/model.json", cwd=mine).stdout)
    assert [(t["name"], t["input"], t["output"], t["level"]) for t in report["lineage"]] == [("lineage-base", "base", "model", "software")]
    before, after = (json.loads((d / "outputs" / "model.json").read_text()) for d in (base, mine))
    assert (before["passes"], after["passes"]) == (1, 2) and len(after["pairs"]) > len(before["pairs"])
