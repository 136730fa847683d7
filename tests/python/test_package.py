"""The Python package: installed by pip without an index into an empty venv, it judges real proofs, and forged ones."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import BUILD, ROOT, Aicert, git

PACKAGE = ROOT / "aicert" / "python"
MAIN = """\
import os, pathlib
rows = pathlib.Path("resources/data.csv").read_text()
pathlib.Path("outputs/model.bin").write_text("weights of " + rows)
"""
AICERTFILE = """\
aicert: 1
name: tiny
inputs:
  code: {{ git: "file://{repo}", ref: main }}
  data: {{ path: data.csv }}
steps:
  train: {{ use: python, source: code, entry: main.py, resources: [data], outputs: {{ model: model.bin }} }}
outputs: {{ model: train.model }}
"""


def sanitized():
    """What a Python that did not start with the sanitizers' runtime needs to load a library that was built with them."""
    needed = subprocess.run(["readelf", "-d", BUILD / "libaicert-verify.so"], capture_output=True, text=True).stdout
    if "libasan" not in needed:
        return {}
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    return {"LD_PRELOAD": os.path.realpath(runtime), "ASAN_OPTIONS": "detect_leaks=0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("package")


@pytest.fixture(scope="module")
def venv(place):
    """A new venv with the package installed as the README says, but for the library, which the tested build gives."""
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "AICERT_BUILD": str(BUILD), "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(["/usr/bin/python3", "-m", "venv", place / "venv"], env=env, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"python3 -m venv: {made.stdout}{made.stderr}")
    python = place / "venv" / "bin" / "python"
    r = subprocess.run([python, "-m", "pip", "install", "--no-index", PACKAGE], env=env, capture_output=True, text=True, cwd=place)
    assert r.returncode == 0, r.stdout + r.stderr
    return python


@pytest.fixture(scope="module")
def built(place):
    """A project that was run for real: its Aicert, the clone, the commit."""
    (place / "home").mkdir()
    (place / "project").mkdir()
    repo = place / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    (repo / "main.py").write_text(MAIN)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    aicert = Aicert(place / "home", place / "project")
    (aicert.cwd / "data.csv").write_text("bonjour,monde\n")
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE.format(repo=repo))
    aicert("run", "--nonce", "n0nce", "--output-bom", "proof.json")
    return aicert, repo, git(repo, "rev-parse", "HEAD")


def run(python, home, code, cwd, *args, env=None, fail=False):
    """Runs code in the venv; what it hands to `give` comes back."""
    program = "import json, sys\ndef give(x): print('GIVEN', json.dumps(x))\nimport aicert\n" + code
    # -I would also leave out PYTHONPATH, which some tests are about.
    e = {"PATH": os.environ["PATH"], "HOME": str(home), "AICERT_HOME": str(home / "aicert"), **sanitized(), **(env or {})}
    r = subprocess.run([python, "-I" if not e.get("PYTHONPATH") else "-s", "-c", program, *map(str, args)], env=e, cwd=cwd, capture_output=True, text=True)
    if fail:
        assert r.returncode != 0
        return r.stderr
    assert r.returncode == 0, r.stderr
    given = [json.loads(line[6:]) for line in r.stdout.splitlines() if line.startswith("GIVEN ")]
    return given[0] if len(given) == 1 else given


@pytest.fixture
def py(venv, built):
    aicert = built[0]

    def go(code, *args, home=None, **kw):
        return run(venv, home or aicert.home, code, aicert.cwd, *args, **kw)
    return go


# Calls verify with the arguments given as JSON, and tells the outcome.
VERIFY = """
try:
    cert = aicert.load(sys.argv[1])
    r = cert.verify(**json.loads(sys.argv[2]))
    give({"ok": True, "level": r.level, "checks": {c.name: c.status for c in r.checks}, "inputs": r.inputs, "key": r.key})
except aicert.VerificationError as e:
    give({"ok": False, "text": str(e), "level": e.level, "required": e.required, "failed": [c.name for c in e.failed],
          "report": [e.report.verified, e.report.inputs, e.report.output_model_hash, e.report.key]})
except (aicert.Error, OSError) as e:
    give({"error": type(e).__name__, "text": str(e), "value_error": isinstance(e, ValueError)})
"""


@pytest.fixture
def verify(py):
    def go(proof="proof.json", home=None, env=None, **kw):
        return py(VERIFY, proof, json.dumps(kw), home=home, env=env)
    return go


# --- judging ---------------------------------------------------------------

def test_guide_flow_on_a_software_proof_raises_and_says_what_to_type(verify):
    r = verify()
    assert r["ok"] is False and r["level"] == "software" and r["required"] == "measured-platform" and r["failed"] == ["genuine tpm", "measured platform", "level"]
    for words in ('require="software"', "level reached: software", "level required: measured-platform", "proof.json"):
        assert words in r["text"]


def test_software_is_enough_when_asked(verify, built):
    r = verify(require="software")
    assert r["ok"] and r["level"] == "software"
    assert r["checks"]["quote"] == r["checks"]["provenance"] == r["checks"]["level"] == "passed"
    assert {"code": built[2]}.items() <= {i["name"]: i["hash"] for i in r["inputs"]}.items()


def test_what_the_proof_says(py, built):
    aicert, _, commit = built
    said = py("""
c = aicert.load("proof.json")
give([c.level, c.inputs, c.outputs, c.output_model_hash, c.platform_hash, c.root, c.nodes, c.claims])
""")
    level, inputs, outputs, model, platform, root, nodes, claims = said
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    data = hashlib.sha256((aicert.cwd / "data.csv").read_bytes()).hexdigest()
    weights = hashlib.sha256((aicert.cwd / "outputs" / "model.bin").read_bytes()).hexdigest()
    assert level == "software"
    assert {i["name"]: (i["type"], i["hash"]) for i in inputs} == {"code": ("git", commit), "data": ("path", data)}
    assert outputs == [{"name": "model", "hash": weights, "type": "file"}] and model == weights
    assert (platform, root, nodes, claims) == tuple(proof[k] for k in ("platform_hash", "root", "nodes", "claims"))
    for id_, node in nodes.items():
        assert hashlib.sha256(json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest() == id_
    assert nodes[root]["kind"] == "run" and claims["root"] == root and claims["nonce"] == "n0nce"


def test_what_it_was_made_from(py, built, tmp_path):
    """An input that is this run's model: its proof is carried and judged; parameters and carried outputs are told, and a forged one tells nothing."""
    aicert = built[0]
    (tmp_path / "Aicertfile").write_text(f"""\
aicert: 1
name: tuned
parameters: {{ epochs: }}
inputs: {{ base: {{ proof: {aicert.cwd}/proof.json, level: software }} }}
steps:
  tune: {{ use: shell, inputs: [base], script: "echo ${{param.epochs}} > $OUT_M", outputs: {{ m: {{ path: m.json, carried: true }} }} }}
""")
    aicert("run", "-D", "epochs=2", cwd=tmp_path)
    proof = json.loads((tmp_path / "proof.json").read_text())
    base, = proof["proofs"]
    proof["proofs"][base]["output_model_hash"] = "0" * 64
    (tmp_path / "forged.json").write_text(json.dumps(proof))
    good, forged = py("""
def told(r): return [r.level, [(t["root"], t["name"], t["input"], t["output"], t["level"]) for t in r.lineage], r.parameters, [c["text"] for c in r.carried]]
out = [told(aicert.load(sys.argv[1] + "/proof.json").verify(require="software"))]
try:
    aicert.load(sys.argv[1] + "/forged.json").verify(require="software")
except aicert.VerificationError as e:
    out += [told(e.report) + [c.name for c in e.failed]]
give(out)
""", tmp_path)
    assert good == ["software", [[base, "tiny", "base", "model", "software"]], [{"name": "epochs", "value": "2"}], ["2\n"]]
    assert forged == ["none", [], [], [], "lineage", "level"]


def test_a_stranger_must_name_the_key(verify, py, tmp_path):
    r = verify(home=tmp_path, require="software")
    assert r["level"] == "unsigned" and "accepted key" in r["failed"]
    key = re.search(r'require="software", key="([0-9a-f]{64})"', r["text"])[1]
    assert verify(home=tmp_path, require="software", key=key)["ok"]
    assert verify(home=tmp_path, require="software", key=["0" * 64, key])["ok"]
    assert verify(home=tmp_path, require="software", key="0" * 64)["failed"] == ["accepted key", "level"]
    assert verify(home=tmp_path, require="unsigned")["ok"]
    assert list(tmp_path.iterdir()) == []


def test_only_keys_leaves_out_this_machines_own(verify):
    own = verify(require="software")["key"]
    assert verify(require="software", only_keys=True)["level"] == "unsigned"
    assert verify(require="software", only_keys=True, key="0" * 64)["level"] == "unsigned"
    assert verify(require="software", only_keys=True, key=own)["ok"]


def test_nonce(verify):
    assert verify(require="software", nonce="n0nce")["checks"]["nonce"] == "passed"
    for other in ("n0nc", "n0nce ", ""):
        assert verify(require="software", nonce=other)["failed"] == ["nonce"]
    assert verify(require="software", nonce="n0nce\0")["error"] == "UsageError"


def test_outputs(verify, built, tmp_path):
    model = built[0].cwd / "outputs" / "model.bin"
    other = tmp_path / "other.bin"
    other.write_bytes(model.read_bytes() + b" ")
    assert verify(require="software", outputs={"model": str(model)})["checks"]["output model"] == "passed"
    assert verify(require="software", outputs={"model": str(other)})["failed"] == ["output model"]
    gone = verify(require="software", outputs={"model": str(tmp_path / "gone")})
    assert gone["failed"] == ["output model"] and "gone" in gone["text"]
    unknown = verify(require="software", outputs={"modle": str(model)})
    assert unknown["error"] == "UsageError" and "'model'" in unknown["text"]


def test_inputs(verify, built):
    data = built[0].cwd / "data.csv"
    assert verify(require="software", inputs={"data": str(data)})["checks"]["input data"] == "passed"
    assert verify(require="software", inputs={"data": str(built[0].cwd / "Aicertfile")})["failed"] == ["input data"]


def test_a_clone_takes_the_full_library(verify, built, tmp_path):
    """The full library is found beside $AICERT_LIBRARY; without it the error says what to do."""
    repo = built[1]
    full = verify(require="software", inputs={"code": str(repo)}, env={"AICERT_LIBRARY": str(BUILD / "libaicert-verify.so")})
    assert full["ok"] and full["checks"]["input code"] == "passed" and full["checks"]["planned again"] == "passed"
    if shutil.which("ldconfig", path="/sbin:/usr/sbin") and "libaicert.so" in subprocess.run(
            ["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout:
        pytest.skip("libaicert is installed in the system")
    alone = verify(require="software", inputs={"code": str(repo)})
    assert alone["error"] == "UsageError" and "libaicert" in alone["text"] and "hint:" in alone["text"]


def edit(proof, change):
    p = json.loads(proof)
    change(p)
    return json.dumps(p)


def other_digit(text):
    return ("1" if text[0] == "0" else "0") + text[1:]


def drop(p, kind):
    del p["nodes"][next(i for i, n in p["nodes"].items() if n["kind"] == kind)]


FORGERIES = {
    "model-hash": (lambda p: p.update(output_model_hash=other_digit(p["output_model_hash"])), "summary"),
    "platform-hash": (lambda p: p.update(platform_hash=other_digit(p["platform_hash"])), "summary"),
    "input-url": (lambda p: p["inputs"][0].update(name="other"), "summary"),
    "node": (lambda p: p["nodes"][p["root"]].update(name="other"), "ids"),
    "root": (lambda p: p.update(root=other_digit(p["root"])), "references"),
    "dropped-step": (lambda p: drop(p, "step"), "references"),
    "quote": (lambda p: p.update(low_level_quote=base64.b64encode(b"\0" + base64.b64decode(p["low_level_quote"])[1:]).decode()), "quote"),
    "claims": (lambda p: p["claims"].update(started="2020-01-01T00:00:00Z"), "quote"),
    "unknown-field": (lambda p: p.update(verified=True), "format"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_raises_and_names_the_check(verify, built, tmp_path, name):
    change, check = FORGERIES[name]
    forged = tmp_path / "forged.json"
    forged.write_text(edit((built[0].cwd / "proof.json").read_text(), change))
    for require in ("software", "unsigned"):
        r = verify(forged, require=require)
        assert r["ok"] is False and check in r["failed"] and r["level"] == "none", r
        assert check in r["text"] and 'require="software"' not in r["text"]
        assert r["report"] == [False, [], "", ""]


def not_proofs(proof):
    return {
        "empty": b"", "not-json": b"hello", "truncated": proof[:-10], "half": proof[:len(proof) // 2], "array": b"[]", "other-json": b"{}",
        "newer": proof.replace(b'"version": "v1"', b'"version": "v9"').replace(b'"version":"v1"', b'"version":"v9"'),
        "doubled-key": proof.rstrip()[:-1] + b', "root": "' + b"0" * 64 + b'"}', "trailing": proof + b"{}", "nul": b"\0" * 100,
        "not-utf8": b'{"version": "v1\xff"}', "deep": b"[" * 100000,
        "deep-but-whole": b'{"version": "v1", "root": "a", "nodes": {"a":' + b"[" * 1800 + b"]" * 1800 + b"}}",
    }


def test_what_is_no_proof(py, built, tmp_path):
    cases = not_proofs((built[0].cwd / "proof.json").read_bytes())
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    said = py("""
import pathlib
out = {}
for p in pathlib.Path(sys.argv[1]).iterdir():
    try:
        aicert.load(p)
        out[p.name] = "loaded"
    except aicert.ProofError as e:
        out[p.name] = [isinstance(e, ValueError), str(e)]
give(out)
""", tmp_path)
    assert set(said) == set(cases)
    for name, outcome in said.items():
        assert outcome != "loaded" and outcome[0], (name, outcome)
        assert str(tmp_path / name) in outcome[1], (name, outcome)


def test_a_field_that_is_not_there(py, tmp_path):
    (tmp_path / "p").write_text('{"version": "v1", "nodes": {"a": [1]}, "root": "a"}')
    said = py("""
c = aicert.load(sys.argv[1])
out = {"level": c.level}
for name in ("inputs", "outputs", "output_model_hash", "platform_hash", "claims"):
    try:
        getattr(c, name)
    except aicert.ProofError as e:
        out[name] = str(e)
give(out)
""", tmp_path / "p")
    assert said.pop("level") == "none" and len(said) == 5


def test_a_file_that_is_not_there(verify, built):
    assert verify("gone.json")["error"] == "FileNotFoundError"
    assert verify(".")["error"] == "IsADirectoryError"


@pytest.mark.parametrize("kw,words", [
    ({"policy": {"any": 1}}, "expected a path"), ({"policy": ""}, "expected a path"), ({"as_of": "yesterday"}, "expected '2026-01-31'"),
    ({"disclosures": ["x"]}, "expected a dict"), ({"disclosures": {"x": 3}}, "expected a path"), ({"as_of": 3}, "expected str"), ({"as_of": "2026-02-30"}, "expected '2026-01-31'"),
    ({"require": "hardware"}, "measured-platform"), ({"require": "none"}, "measured-platform"), ({"require": ""}, "measured-platform"),
    ({"require": 3}, "expected str"), ({"require": "software\0"}, "NUL"), ({"key": "abc"}, "fingerprint"), ({"key": "A" * 64}, "fingerprint"),
    ({"key": [3]}, "expected str"), ({"nonce": 3}, "expected str"), ({"outputs": ["model"]}, "expected a dict"), ({"outputs": {"model": 3}}, "expected a path"),
    ({"outputs": {"model": "a\0b"}}, "expected a path"), ({"inputs": {"data": ""}}, "expected a path"), ({"inputs": {"nothing": "x"}}, "'data'"),
])
def test_wrong_arguments(verify, kw, words):
    r = verify(**{"require": "software", **kw})
    assert r["error"] == "UsageError" and r["value_error"] and words in r["text"], r


def test_the_bytes_judged_are_the_bytes_shown(py, built, tmp_path):
    copy = tmp_path / "proof.json"
    shutil.copy(built[0].cwd / "proof.json", copy)
    root, kept, after = py("""
c = aicert.load(sys.argv[1])
open(sys.argv[1], "w").write("{}")
c.nodes.clear()
c.inputs[0]["name"] = "other"
c.claims["root"] = "other"
r = c.verify(require="software")
give([r.root, c.root, [c.inputs[0]["name"] == r.inputs[0]["name"], len(c.nodes) > 0, c.claims["root"] == r.root]])
""", copy)
    assert root == kept and after == [True, True, True]


def test_level_follows_the_last_verdict(py, tmp_path):
    said = py("""
c = aicert.loads(open("proof.json", "rb").read())
out = [c.level]
try:
    c.verify(require="software", only_keys=True)
except aicert.VerificationError as e:
    out.append(e.level)
out.append(c.level)
c.verify(require="software")
out.append(c.level)
give(out)
""")
    assert said == ["software", "unsigned", "unsigned", "software"]


def test_threads_and_pickles(py):
    said = py("""
import concurrent.futures, pickle
c = aicert.load("proof.json")
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    roots = {r.root for r in pool.map(lambda _: c.verify(require="software"), range(32))}
try:
    c.verify()
except aicert.VerificationError as e:
    again = pickle.loads(pickle.dumps(e))
    assert repr(type(e)) == "<class 'aicert.VerificationError'>"
    give([roots == {c.root}, str(again) == str(e), again.failed == e.failed, again.level, again.hint == e.hint])
""")
    assert said == [True, True, True, "software", True]


def test_everything_public_is_explained(py):
    bare = py("""
import inspect
bare = [n for n in aicert.__all__ if not inspect.getdoc(getattr(aicert, n))]
for cls in (aicert.Certificate, aicert.Report):
    bare += [f"{cls.__name__}.{n}" for n, v in vars(cls).items() if not n.startswith("_") and (callable(v) or isinstance(v, property)) and not inspect.getdoc(v)]
bare += [n for n, v in vars(aicert.Certificate).items() if isinstance(v, property) and not v.fget.__annotations__.get("return")]
give(bare)
""")
    assert bare == []


def test_policy_and_as_of(verify, built, tmp_path):
    aicert = built[0]
    policy = tmp_path / "policy.yaml"
    policy.write_text("aicert-policy: 1\nrequire: software\nnonce: n0nce\n")
    # The policy says the level unless the call does.
    assert verify(policy=str(policy))["ok"]
    assert verify(policy=str(policy), require="genuine-tpm")["required"] == "genuine-tpm"
    policy.write_text("aicert-policy: 1\nrequire: software\ntimestamp: required\n")
    assert verify(policy=str(policy))["failed"] == ["policy timestamp"]
    policy.write_text("aicert-policy: 1\nrequires: software\n")
    assert verify(policy=str(policy))["error"] == "UsageError"
    assert verify(policy=str(tmp_path / "gone"))["error"] == "Error"


def test_instants(py):
    said = py("""
import datetime as d
c = aicert.load("proof.json")
r = lambda **kw: [(x := c.verify(require="software", **kw)).judged_at, x.judged_by]
out = [r(as_of="2026-01-31"), r(as_of="2026-01-31T12:00:00Z"), r(as_of=d.date(2026, 1, 31)), r()[1],
       r(as_of=d.datetime(2026, 1, 31, 13, 0, tzinfo=d.timezone(d.timedelta(hours=1))))]
try:
    r(as_of=d.datetime(2026, 1, 31))
except aicert.UsageError as e:
    out.append(str(e))
give(out)
""")
    noon = ["2026-01-31T12:00:00Z", "as-of"]
    assert said[:5] == [["2026-01-31T23:59:59Z", "as-of"], noon, ["2026-01-31T23:59:59Z", "as-of"], "now", noon] and "time zone" in said[5]


def test_disclosures(verify, built, tmp_path):
    aicert, repo, _ = built
    aicert("disclose", "proof.json", "--input", "code", "--path", "main.py", "--dir", repo, "--out", tmp_path / "shown.json")
    shown = str(tmp_path / "shown.json")
    for here in (None, str(repo / "main.py")):
        r = verify(require="software", disclosures={shown: here})
        assert r["ok"] and [s for n, s in r["checks"].items() if n.startswith("disclosure")] == ["passed"], r
    assert not verify(require="software", disclosures={shown: str(aicert.cwd / "Aicertfile")})["ok"]


# The command's report and the package's, over one proof with the same questions.
SAME = """
try:
    r = aicert.load(sys.argv[1]).verify(**json.loads(sys.argv[2]))
except aicert.VerificationError as e:
    r = e.report
give(r.raw)
"""


@pytest.mark.parametrize("question", ["plain", "software", "policy", "as_of", "only_keys", "nonce", "output", "altered"])
def test_the_report_is_the_commands_check_by_check(py, built, tmp_path, question):
    aicert = built[0]
    (tmp_path / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\ntimestamp: required\n")
    model = aicert.cwd / "outputs" / "model.bin"
    words, kw = {
        "plain": ([], {}), "software": (["--require", "software"], {"require": "software"}),
        "policy": (["--policy", tmp_path / "policy.yaml"], {"policy": str(tmp_path / "policy.yaml")}),
        "as_of": (["--as-of", "2026-01-31"], {"as_of": "2026-01-31"}),
        "only_keys": (["--only-keys", "--key", "0" * 64], {"only_keys": True, "key": "0" * 64}),
        "nonce": (["--nonce", "other"], {"nonce": "other"}), "output": (["--output", f"model={model}"], {"outputs": {"model": str(model)}}),
        "altered": (["--require", "unsigned"], {"require": "unsigned"}),
    }[question]
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    if question == "altered":
        proof["claims"]["finished"] = "2026-01-01T00:00:00Z"
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    command = json.loads(aicert("verify", tmp_path / "proof.json", "--json", *words, code=None).stdout)
    package = py(SAME, tmp_path / "proof.json", json.dumps(kw))
    # libaicert-verify cannot plan again, and says so; the hint names the file, which the package knows by another name.
    for r in (command, package):
        r["checks"] = [c for c in r["checks"] if c["name"] != "planned again"]
        r["hint"] = r["hint"].replace(str(tmp_path / "proof.json"), "proof")
        # Now is another second for each of them.
        if question != "as_of":
            r.pop("judged_at", None)
            for c in r["checks"]:
                c["compared"] = re.sub(r"as of \S+", "as of now", c["compared"])
    assert command == package


# --- the library -----------------------------------------------------------

def test_structures_are_those_of_the_header(py, tmp_path):
    fields = {"aicert_error": ("code", "text", "hint"), "aicert_named_path": ("name", "path"), "aicert_verify_options": (
        "size", "require", "keys", "n_keys", "nonce", "home", "ignore_home", "allow_withheld", "inputs", "n_inputs", "outputs", "n_outputs",
        "policy", "as_of", "disclosures", "n_disclosures")}
    lines = [f'printf("%zu\\n", sizeof({t}));' + "".join(f'printf("%zu\\n", offsetof({t}, {f}));' for f in names) for t, names in fields.items()]
    codes = "".join(f'printf("%d\\n", {c});' for c in ("AICERT_OK", "AICERT_NO", "AICERT_USAGE", "AICERT_INPUT"))
    (tmp_path / "size.c").write_text('#include <stdio.h>\n#include "aicert.h"\nint main(void) {' + "".join(lines) + codes + "}\n")
    subprocess.run(["cc", f"-I{ROOT / 'aicert'}", "-o", tmp_path / "size", tmp_path / "size.c"], check=True)
    header = [int(n) for n in subprocess.run([tmp_path / "size"], capture_output=True, text=True, check=True).stdout.split()]
    assert header == py("""
import ctypes
from aicert import _library as l
out = []
for t in (l._Error, l._NamedPath, l._VerifyOptions):
    out += [ctypes.sizeof(t)] + [getattr(t, n).offset for n, *_ in t._fields_]
give(out + [l.OK, l.NO, l.USAGE, l.INPUT])
""")


def test_where_the_library_is_looked_for(venv, built, tmp_path):
    """In the package, $AICERT_LIBRARY, the system; a library that is none of ours is an error."""
    home, cwd = built[0].home, built[0].cwd
    src = tmp_path / "src"
    shutil.copytree(PACKAGE / "src", src, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    where = "from aicert import _library\ngive(_library._where)"

    def from_source(fail=False, **env):
        return run(venv, home, where, cwd, env={"PYTHONPATH": str(src), **env}, fail=fail)

    assert run(venv, home, where, cwd, env={"AICERT_LIBRARY": "/nowhere"}).endswith("site-packages/aicert/libaicert-verify.so")
    assert from_source(AICERT_LIBRARY=str(BUILD / "libaicert-verify.so")) == str(BUILD / "libaicert-verify.so")
    assert from_source(AICERT_LIBRARY=str(BUILD / "libaicert.so"), ASAN_OPTIONS="detect_leaks=0") == str(BUILD / "libaicert.so")
    assert "aicert-verify.so.0" in from_source(LD_LIBRARY_PATH=str(BUILD))
    error = from_source(fail=True, AICERT_LIBRARY=str(tmp_path / "gone.so"))
    assert "LibraryError" in error and "gone.so" in error
    libc = next(l.split()[2] for l in subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout.splitlines() if "libc.so" in l)
    assert "is not libaicert-verify" in from_source(fail=True, AICERT_LIBRARY=libc)
    if not subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout.count("libaicert-verify"):
        error = from_source(fail=True)
        assert "LibraryError" in error and "AICERT_LIBRARY" in error


# --- the build backend -----------------------------------------------------

def test_what_was_installed(venv, py):
    makefile = (ROOT / "Makefile").read_text()
    version, name, files = py("""
import importlib.metadata, base64, hashlib
d = importlib.metadata.distribution("aicert")
files = {}
for f in d.files:
    data = f.locate().read_bytes()
    if f.hash:
        assert f.hash.value == base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=") and f.size == len(data), f
    files[str(f)] = bool(f.hash)
assert not d.requires
give([aicert.__version__, [d.metadata["Name"], d.version, d.metadata["Requires-Python"]], files])
""")
    assert f"VERSION := {version}\n" in makefile and name == ["aicert", version, ">=3.9"]
    assert files["aicert/libaicert-verify.so"] and files["aicert/py.typed"] and files["aicert/__init__.py"] and files["aicert/report.schema.json"]


def backend(folder, hook, *args, env=None, code=0):
    """Calls a hook as pip does: in the folder, in a process of its own."""
    program = f"import sys; sys.path.insert(0, 'backend'); import aicert_build; print('GIVEN', aicert_build.{hook}(*sys.argv[1:]))"
    e = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    r = subprocess.run([sys.executable, "-I", "-c", program, *map(str, args)], cwd=folder, env=e, capture_output=True, text=True)
    assert r.returncode == code, r.stdout + r.stderr
    return re.search(r"^GIVEN (.*)$", r.stdout, re.M)[1] if code == 0 else r.stdout + r.stderr


@pytest.fixture
def fake(tmp_path):
    """A checkout whose library is a text, with the real package in it."""
    top = tmp_path / "top"
    shutil.copytree(PACKAGE, top / "aicert" / "python", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    (top / "aicert" / "aicert.h").write_text("/* header */\n")
    (top / "aicert" / "base").mkdir()
    (top / "aicert" / "base" / "a.c").write_text("int a;\n")
    (top / "Makefile").write_text("VERSION := 9.8.7\nbuild/libaicert-verify.so: aicert/base/a.c\n\tmkdir -p build && cp $< $@\n")
    return top


def test_backend_builds_what_it_packs(fake, tmp_path):
    package = fake / "aicert" / "python"
    # A make around it must not reach in.
    name = backend(package, "build_wheel", tmp_path, env={"MAKEFLAGS": "n", "MAKELEVEL": "1"})
    assert re.fullmatch(r"aicert-9\.8\.7-py3-none-linux_\w+\.whl", name)
    with zipfile.ZipFile(tmp_path / name) as z:
        assert z.read("aicert/libaicert-verify.so") == b"int a;\n"
        assert z.namelist()[-1].startswith("aicert-9.8.7.dist-info/") and len({i.date_time for i in z.infolist()}) == 1
        record = dict(line.rsplit(",", 2)[0:2] for line in z.read("aicert-9.8.7.dist-info/RECORD").decode().splitlines())
        assert sorted(record) == sorted(z.namelist())
        for path, said in record.items():
            if said:
                assert said == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(z.read(path)).digest()).decode().rstrip("=")
    first = (tmp_path / name).read_bytes()
    for p in package.rglob("*"):
        os.utime(p, (1, 1))
    assert backend(package, "build_wheel", tmp_path) == name and (tmp_path / name).read_bytes() == first
    (fake / "aicert" / "base" / "a.c").write_text("int b;\n")
    backend(package, "build_wheel", tmp_path)
    with zipfile.ZipFile(tmp_path / name) as z:
        assert z.read("aicert/libaicert-verify.so") == b"int b;\n"


def test_backend_says_what_is_missing(fake, tmp_path):
    package = fake / "aicert" / "python"
    (tmp_path / "empty").mkdir()
    error = backend(package, "build_wheel", tmp_path, env={"AICERT_BUILD": str(tmp_path / "empty")}, code=1)
    assert f"AICERT_BUILD: {tmp_path}/empty/libaicert-verify.so: no such file" in error
    (fake / "aicert" / "base" / "a.c").unlink()
    assert "make build/libaicert-verify.so' failed" in backend(package, "build_wheel", tmp_path, code=1)
    assert "there is no make" in backend(package, "build_wheel", tmp_path, env={"PATH": str(tmp_path / "empty")}, code=1)
    lost = tmp_path / "lost"
    shutil.copytree(package, lost)
    assert "not in a checkout of aicert" in backend(lost, "build_wheel", tmp_path, code=1)


def test_editable_finds_the_library_beside_itself(fake, tmp_path):
    package = fake / "aicert" / "python"
    for _ in range(2):
        name = backend(package, "build_editable", tmp_path)
    assert (package / "src" / "aicert" / "libaicert-verify.so").read_text() == "int a;\n"
    with zipfile.ZipFile(tmp_path / name) as z:
        assert z.read("__editable__.aicert.pth").decode() == f"{package}/src\n"
        assert not [n for n in z.namelist() if n.startswith("aicert/")]


def test_sdist_holds_what_the_library_is_made_of(fake, tmp_path):
    name = backend(fake / "aicert" / "python", "build_sdist", tmp_path)
    assert name == "aicert-9.8.7.tar.gz"
    first = (tmp_path / name).read_bytes()
    backend(fake / "aicert" / "python", "build_sdist", tmp_path)
    assert (tmp_path / name).read_bytes() == first
    with tarfile.open(tmp_path / name) as t:
        t.extractall(tmp_path / "unpacked")
    top = tmp_path / "unpacked" / "aicert-9.8.7"
    assert (top / "PKG-INFO").read_text().startswith("Metadata-Version: 2.1\nName: aicert\nVersion: 9.8.7\n")
    wheel = backend(top, "build_wheel", tmp_path)
    with zipfile.ZipFile(tmp_path / wheel) as z:
        assert z.read("aicert/libaicert-verify.so") == b"int a;\n"


@pytest.mark.long
def test_a_real_sdist_builds_the_real_library(tmp_path):
    name = backend(PACKAGE, "build_sdist", tmp_path)
    with tarfile.open(tmp_path / name) as t:
        t.extractall(tmp_path)
    wheel = backend(tmp_path / name[:-len(".tar.gz")], "build_wheel", tmp_path)
    with zipfile.ZipFile(tmp_path / wheel) as z:
        assert z.read("aicert/libaicert-verify.so")[:4] == b"\x7fELF"
