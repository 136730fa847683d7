"""merge, redact and disclose by hand: two builders of one root, a proof that says less, one file shown without the rest."""
import hashlib
import json

import pytest

AICERTFILE = """\
aicert: 1
name: small
inputs:
  words: { path: words.txt }
  book: { path: book }
steps:
  sort:
    use: shell
    inputs: { raw: words, b: book }
    script: |
      mkdir -p "$OUT_SORTED/deep/er"
      sort "$IN_RAW" > "$OUT_SORTED/deep/er/words"
      cp "$IN_B/one/page" "$OUT_SORTED/page"
      printf '#!/bin/sh\\n' > "$OUT_SORTED/deep/run"
      chmod +x "$OUT_SORTED/deep/run"
      ln -s words "$OUT_SORTED/deep/er/link"
    outputs: { sorted: sorted/ }
  count:
    use: shell
    inputs: { s: sort.sorted }
    script: 'wc -l < "$IN_S/page" > "$OUT_N"'
    outputs: { n: n.txt }
outputs: { sorted: sort.sorted, n: count.n }
"""


def project(folder, words="b\na\n"):
    (folder / "book/one").mkdir(parents=True, exist_ok=True)
    (folder / "book/one/page").write_text("page\n")
    (folder / "book/two").write_text("another\n")
    (folder / "words.txt").write_text(words)
    (folder / "Aicertfile").write_text(AICERTFILE)


@pytest.fixture
def built(aicert):
    project(aicert.cwd)
    aicert("-q", "--with-trees", "-o", "trees.json")
    aicert("-q")
    return aicert


@pytest.fixture
def builders(aicert_in, tmp_path):
    """Three who never met: each with a home, so a key, of his own."""
    made = []
    for name in ("ann", "bob", "cid"):
        home, cwd = tmp_path / name / "home", tmp_path / name / "project"
        home.mkdir(parents=True)
        cwd.mkdir()
        project(cwd)
        a = aicert_in(home, cwd)
        a("-q")
        made.append(a)
    return made


def load(path):
    return json.loads(path.read_text())


def key(proof):
    return load(proof)["claims"]["ak"]


def without(a, *words, out="out.json", **kw):
    r = a("redact", "proof.json", *words, "--out", out, "--force", **kw)
    return r


# --- merge -----------------------------------------------------------------------------------------------------------

def test_two_builders_one_proof(builders):
    ann, bob, cid = builders
    a, b, c = (x.cwd / "proof.json" for x in builders)
    assert len({load(p)["root"] for p in (a, b, c)}) == 1 and len({key(p) for p in (a, b, c)}) == 3
    ann("merge", a, b, c, "--out", "all.json")
    assert ann("merge", a, c, b).stdout == (ann.cwd / "all.json").read_text()
    m = load(ann.cwd / "all.json")
    assert m["claims"] == load(a)["claims"] and {x["claims"]["ak"] for x in m["cosigned"]} == {key(b), key(c)}
    report = ann.json("verify", "all.json", "--require", "software")
    assert report["cosigned"] == 2 and "2 further attestations of this root" in ann("show", "all.json").stdout
    # A verifier who trusts two of the three, and wants to hear it from two.
    (ann.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\nthreshold: 2\n")
    judge = ("verify", "all.json", "--policy", "policy.yaml", "--only-keys", "--key")
    assert "threshold" in ann(*judge, key(a), code=1).stdout
    ann(*judge, key(a), "--key", key(b))
    ann("verify", a, "--policy", "policy.yaml", code=1)


def test_reuse_is_no_second_word(builders):
    ann, bob, _ = builders
    ann("merge", "proof.json", bob.cwd / "proof.json", "--out", "both.json")
    ann("--force", "-q", "-o", "again.json")                  # reuses both results of the first run
    assert ann.json("verify", "again.json", "--require", "software")["reused"] == 2
    (ann.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\nthreshold: 2\n")
    keys = ("--key", key(ann.cwd / "proof.json"), "--key", key(bob.cwd / "proof.json"))
    ann("merge", "proof.json", "again.json", "--out", "same.json")
    assert "got 1 parties" in ann("verify", "same.json", "--policy", "policy.yaml", *keys, code=1).stdout
    ann("verify", "both.json", "--policy", "policy.yaml", *keys)
    ann("merge", "again.json", bob.cwd / "proof.json", "--out", "three.json")
    ann("verify", "three.json", "--policy", "policy.yaml", *keys)


def test_what_is_not_merged(builders):
    ann, bob, _ = builders
    project(bob.cwd, words="c\nb\n")
    bob("--force", "-q")
    r = ann("merge", "proof.json", bob.cwd / "proof.json", "--out", "m.json", code=1)
    assert "root: got" in r.stderr and not (ann.cwd / "m.json").exists()
    p = load(ann.cwd / "proof.json")
    p["output_model_hash"] = p["root"]
    (ann.cwd / "bad.json").write_text(json.dumps(p))
    assert "bad.json: not verified: summary" in ann("merge", "proof.json", "bad.json", code=1).stderr
    assert "at least two" in ann("merge", "proof.json", code=2).stderr
    ann("merge", "proof.json", "nothing.json", code=3)
    (ann.cwd / "words.txt").write_text("kept\n")
    assert "--force" in ann("merge", "proof.json", "proof.json", "--out", "words.txt", code=2).stderr
    assert (ann.cwd / "words.txt").read_text() == "kept\n"


# --- redact ----------------------------------------------------------------------------------------------------------

def test_withheld_and_what_shows_all_the_same(built):
    r = without(built, "--node", "words", "--node", "used:sort")
    assert "withheld: source" in r.stderr and " of words" in r.stderr and "unsalted" in r.stderr and "Aicertfile" in r.stderr
    p = load(built.cwd / "out.json")
    assert {"type": "withheld", "name": "words", "download_url": ""}.items() <= [i for i in p["inputs"] if i["name"] == "words"][0].items()
    assert sum(n["kind"] == "withheld" for n in p["nodes"].values()) == 2
    assert "--allow-withheld" in built("verify", "out.json", "--require", "software", code=1).stdout
    seen = built("verify", "out.json", "--require", "software", "--allow-withheld").stdout
    # What stands in the place of a content's hash is said to be none.
    shown = [i["hash"] for i in p["inputs"] if i["name"] == "words"][0]
    assert [f"{shown}  (withheld" in line for line in seen.splitlines() if shown in line] == [True]
    for allowed, code in (("[source]", 1), ("[source, used]", 0), ("['source:words', used]", 0), ("['source:book', used]", 1)):
        (built.cwd / "policy.yaml").write_text(f"aicert-policy: 1\nrequire: software\nwithhold: {allowed}\n")
        built("verify", "out.json", "--policy", "policy.yaml", code=code)
    shown = built("show", "out.json").stdout
    assert "from      what is withheld" in shown and "used      of the host what is withheld" in shown
    assert built("redact", "proof.json", "--node", "words", "-q").stderr == ""


def test_an_aicertfile_says_it_all_the_same(built):
    """What the warning says is so: the input's name and path stand in the carried Aicertfile."""
    import base64
    without(built, "--node", "words")
    p = load(built.cwd / "out.json")
    assert any(b"words.txt" in base64.b64decode(b) for b in p["blobs"].values())


def test_withheld_trees(built):
    p = load(built.cwd / "trees.json")
    book = [n for n in p["nodes"].values() if n["kind"] == "source" and "tree" in n["content"]][0]["content"]["tree"]
    r = built("redact", "trees.json", "--node", "book", "--out", "out.json")
    assert f"tree {book}" in r.stderr and "is still there" in r.stderr
    built("verify", "out.json", "--require", "software", "--allow-withheld")
    built("redact", "trees.json", "--node", "book", "--node", book, "--out", "both.json")
    q = load(built.cwd / "both.json")
    names = {e["name"] for n in q["nodes"].values() if n["kind"] == "tree" for e in n["entries"]}
    assert q["nodes"][book] == {"kind": "withheld"} and "two" not in names and "deep" in names
    built("verify", "both.json", "--require", "software", "--allow-withheld")
    built("redact", "trees.json", "--kind", "tree", "--out", "none.json")
    built("verify", "none.json", "--require", "software", "--allow-withheld")


@pytest.mark.parametrize("word, said", [("sort", "'environment:sort' or 'used:sort'"), ("nothing", "expected an id"), ("environment:nothing", "no step 'nothing'"), ("0123456789", "no node whose id")])
def test_what_cannot_be_withheld(built, word, said):
    assert said in built("redact", "proof.json", "--node", word, code=2).stderr


def test_mandatory_nodes_cannot_be_withheld(built):
    p = load(built.cwd / "proof.json")
    for id, n in p["nodes"].items():
        if n["kind"] in ("run", "plan", "step", "result"):
            assert f"is a {n['kind']}" in built("redact", "proof.json", "--node", id, code=2).stderr
    assert "no --node" in built("redact", "proof.json", code=2).stderr
    assert "expected 'source'" in built("redact", "proof.json", "--kind", "result", code=2).stderr


def test_twice(built):
    without(built, "--node", "words")
    assert "withheld already" in built("redact", "out.json", "--node", "words", code=2).stderr
    built("redact", "out.json", "--kind", "environment", "--out", "more.json")
    built("verify", "more.json", "--require", "software", "--allow-withheld")
    assert "differs" in built("redact", "out.json", "--kind", "used", "--out", "out.json", code=2).stderr


def test_merge_fills_in(builders):
    ann, bob, _ = builders
    ann("redact", "proof.json", "--node", "words", "--kind", "used", "--out", "less.json")
    bob("redact", "proof.json", "--kind", "environment", "--out", "less.json")
    ann("merge", "less.json", bob.cwd / "less.json", "--out", "whole.json")
    ann("verify", "whole.json", "--require", "software")


# --- disclose --------------------------------------------------------------------------------------------------------

def test_one_file_without_the_rest(built):
    built("disclose", "proof.json", "--output", "sorted", "--path", "deep/er/words", "--dir", "outputs/sorted", "--out", "d.json")
    d = load(built.cwd / "d.json")
    assert d["reference"] == {"blob": hashlib.sha256(b"a\nb\n").hexdigest()} and len(d["trees"]) == 3
    # By its own trees the proof gives the same.
    assert built("disclose", "trees.json", "--output", "sorted", "--path", "deep/er/words").stdout == (built.cwd / "d.json").read_text()
    (built.cwd / "words").write_text("a\nb\n")
    r = built("verify", "proof.json", "--require", "software", "--disclosure", "d.json", "--file", "words", "-v")
    assert "'deep/er/words', a file (blob" in r.stdout
    (built.cwd / "words").write_text("a\nc\n")
    r = built("verify", "proof.json", "--require", "software", "--disclosure", "d.json", "--file", "words", code=1)
    assert "disclosure d.json" in r.stdout and "level reached: software" in r.stdout
    built("disclose", "trees.json", "--output", "sorted", "--path", "deep/run", "--out", "run.json")
    assert "an executable file" in built("verify", "proof.json", "--require", "software", "--disclosure", "run.json", "-v").stdout
    # A folder is disclosed as well, and compared with one.
    built("disclose", "trees.json", "--input", "book", "--path", "one", "--out", "one.json")
    built("verify", "proof.json", "--require", "software", "--disclosure", "one.json", "--file", "book/one")


def test_what_is_not_disclosed(built):
    def no(*words, code):
        return built("disclose", *words, code=code).stderr
    assert "is a link to 'words'" in no("trees.json", "--output", "sorted", "--path", "deep/er/link", code=2)
    assert "there is no 'x'" in no("trees.json", "--output", "sorted", "--path", "deep/x", code=2)
    assert "--dir DIR" in no("proof.json", "--output", "sorted", "--path", "page", code=1)
    assert "nothing to disclose" in no("proof.json", "--output", "n", "--path", "page", code=2)
    assert "it has 'n', 'sorted'" in no("proof.json", "--output", "none", "--path", "page", code=2)
    no("trees.json", "--output", "sorted", "--path", "../x", code=2)
    no("trees.json", "--output", "sorted", "--input", "book", "--path", "x", code=2)
    no("trees.json", "--output", "sorted", code=2)
    (built.cwd / "outputs/sorted/page").write_text("other\n")
    assert "which the proof names" in no("proof.json", "--output", "sorted", "--path", "deep/er/words", "--dir", "outputs/sorted", code=1)


def test_a_disclosure_of_another_proof(builders):
    ann, bob, _ = builders
    project(bob.cwd, words="c\n")
    bob("--force", "-q", "--with-trees")
    bob("disclose", "proof.json", "--output", "sorted", "--path", "page", "--out", "d.json")
    r = ann("verify", "proof.json", "--require", "software", "--disclosure", bob.cwd / "d.json", code=1)
    assert "made for another proof" in r.stdout
    d = load(bob.cwd / "d.json")
    d["root"] = load(ann.cwd / "proof.json")["root"]
    (ann.cwd / "d.json").write_text(json.dumps(d))
    assert "which the proof names" in ann("verify", "proof.json", "--require", "software", "--disclosure", "d.json", code=1).stdout


@pytest.mark.parametrize("command", ["merge", "redact", "disclose"])
def test_help(aicert, command):
    out = aicert(command, "--help").stdout
    assert f"usage: aicert {command}" in out and "example:" in out
