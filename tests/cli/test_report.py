"""`aicert verify --json` is what report.schema.json says: every report of every verdict, and nothing that the schema does not name.
SPDX-License-Identifier: Apache-2.0
"""
import json
import re

import pytest
from conftest import ROOT

SCHEMA = json.loads((ROOT / "aicert" / "python" / "src" / "aicert" / "report.schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
WORDS = {"$schema", "$id", "$ref", "$defs", "title", "description", "type", "required", "properties", "items", "enum", "pattern", "minimum", "maximum"}
AICERTFILE = """\
aicert: 1
name: reported
parameters: { epochs: 3 }
inputs:
  words: { path: words.txt }
  base: { proof: base/proof.json, level: software }
steps:
  sort:
    use: shell
    inputs: { raw: words, base: base }
    script: |
      sort "$IN_RAW" "$IN_BASE" > "$OUT_SORTED"
      echo ${param.epochs} > "$OUT_METRICS"
    outputs: { sorted: sorted.txt, metrics: { path: metrics.json, carried: true } }
  other: { use: shell, script: 'printf "\\377" > $OUT_O', outputs: { o: { path: o, carried: true } } }
"""
BASE = "aicert: 1\nname: base\nsteps:\n  b: { use: shell, script: 'echo base > $OUT_M', outputs: { m: m.txt } }\n"


def faults(value, schema, where="report"):
    """What of a value the schema does not allow, or does not name. The part of JSON Schema that the file uses, and no other."""
    assert set(schema) <= WORDS, set(schema) - WORDS
    if "$ref" in schema:
        yield from faults(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], where)
    kind = TYPES.get(schema.get("type"))
    if kind and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield f"{where}: got {type(value).__name__}, expected {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: got {value!r}, expected one of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: got {value!r}, expected {schema['pattern']}"
    if value is not None and "minimum" in schema and value < schema["minimum"]:
        yield f"{where}: got {value}, expected at least {schema['minimum']}"
    if value is not None and "maximum" in schema and value > schema["maximum"]:
        yield f"{where}: got {value}, expected at most {schema['maximum']}"
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}: lacks {name}"
    for name, inner in (value.items() if isinstance(value, dict) else ()):
        if name in schema["properties"]:
            yield from faults(inner, schema["properties"][name], f"{where}.{name}")
        else:
            yield f"{where}: {name} is not in the schema"
    for i, inner in enumerate(value if isinstance(value, list) else ()):
        yield from faults(inner, schema["items"], f"{where}[{i}]")


def test_the_validator_finds_faults():
    good = {"verified": True, "level": "none", "required": "software", "why_not_next": "", "hint": "", "root": "", "name": "", "checks": [], "inputs": [],
            "outputs": [], "output_model_hash": "", "platform_hash": "", "key": "", "executed": 0, "reused": 0, "started": "", "finished": ""}
    assert list(faults(good, SCHEMA)) == []
    for change in ({"verified": 1}, {"level": "gold"}, {"root": "ab"}, {"checks": [{"name": "x", "status": "ok", "compared": ""}]}, {"executed": -1},
                   {"carried": [{"step": "s", "output": "o", "hash": "0" * 64, "size": 65537}]}, {"parameters": [{"name": "n"}]}, {"executed": True}, {"checks": [{"name": "x", "status": "passed"}]}, {"more": 1}, {"started": "now"}, {"clock": {}}, {"key": None}):
        assert list(faults({**good, **change}, SCHEMA)), change
    for name in good:
        assert list(faults({k: v for k, v in good.items() if k != name}, SCHEMA)) == [f"report: lacks {name}"]


@pytest.fixture
def done(aicert):
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE)
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "base").mkdir()
    (aicert.cwd / "base" / "Aicertfile").write_text(BASE)
    aicert("run", cwd=aicert.cwd / "base")
    aicert("run", "sort", "other", "-D", "epochs=5")
    return aicert


def test_every_verdict(done, tmp_path):
    (done.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\n")
    (done.cwd / "strict.yaml").write_text("aicert-policy: 1\ntimestamp: required\n")
    seen = set()

    def judge(*words, proof="proof.json", code=0):
        report = done.json("verify", proof, *words, code=code)
        assert list(faults(report, SCHEMA)) == []
        assert report["verified"] == (code == 0) == all(c["status"] != "failed" for c in report["checks"])
        names = [c["name"] for c in report["checks"]]
        assert len(set(names)) == len(names) and names[-1] == "level"
        seen.update(report)
        return report

    good = judge("--require", "software")
    assert good["level"] == "software"
    assert good["parameters"] == [{"name": "aicert.steps", "value": "other,sort"}, {"name": "epochs", "value": "5"}]
    assert [(t["name"], t["input"], t["output"]) for t in good["lineage"]] == [("base", "base", "m")]
    assert sorted(("text" in c, c["step"], c["size"]) for c in good["carried"]) == [(False, "other", 1), (True, "sort", 2)]
    assert judge(code=1)["required"] == "measured-platform"
    assert judge("--require", "unsigned", "--only-keys")["level"] == "unsigned"
    judge("--policy", "policy.yaml", "--as-of", "2026-01-31")
    judge("--policy", "strict.yaml", code=1)
    judge("--require", "software", "--input", "words=words.txt", "--nonce", "x", code=1)
    text = (done.cwd / "proof.json").read_text()
    for i, (old, new) in enumerate((('"name": "reported"', '"name": "other"'), ('"type": "tpm2"', '"type": "tpm3"'), ('"version": "v1"', '"version": "v1", "x": 1'))):
        assert old in text
        (done.cwd / f"{i}.json").write_text(text.replace(old, new))
        assert judge("--require", "unsigned", proof=f"{i}.json", code=1)["level"] == "none"
    said = done("show", "proof.json").stdout
    assert "  chosen    other,sort\n  with      epochs = 5\n" in said and "proof base\n" in said and "  carries   metrics\n    5\n" in said
    # The schema promises nothing that no report has.
    assert seen == set(SCHEMA["properties"])
