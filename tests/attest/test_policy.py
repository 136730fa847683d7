"""Policies from the command line: what a verifier asks of a proof, the policy made from one, and who tries to get past it."""
import json
import pathlib
import re

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/policy"
PROJECT = """\
aicert: 1
name: small
inputs:
  data: { path: data.txt }
steps:
  copy: { use: shell, inputs: { data: data }, script: "%s", outputs: { out: out.txt } }
outputs: { model: copy.out }
"""


def build(aicert, script="cat resources/data.txt > outputs/out.txt", data="hello\n", out="proof.json"):
    (aicert.cwd / "Aicertfile").write_text(PROJECT % script)
    (aicert.cwd / "data.txt").write_text(data)
    aicert("--output-bom", out, "--force")
    return aicert.cwd / out


@pytest.fixture
def proof(aicert):
    return build(aicert)


@pytest.fixture
def stranger(aicert_in, tmp_path):
    """A verifier on another machine, who trusts no key of the builder's."""
    home, cwd = tmp_path / "stranger-home", tmp_path / "stranger"
    home.mkdir()
    cwd.mkdir()
    return aicert_in(home, cwd)


def failed(report):
    return [c["name"] for c in report["checks"] if c["status"] == "failed"]


def verify(who, policy, proof, code):
    return json.loads(who("verify", "--policy", policy, "--json", proof, code=code).stdout)


# --- made from a proof --------------------------------------------------------------------------------


def test_init_accepts_just_this_proof(aicert, stranger, proof):
    policy = stranger.cwd / "policy.yaml"
    stranger("policy", "init", proof, "--out", policy)
    text = policy.read_text()
    assert "require: software" in text and text.count("#") > 3
    report = verify(stranger, policy, proof, 0)
    assert report["level"] == "software" and report["required"] == "software"
    passed = {c["name"] for c in report["checks"] if c["status"] == "passed"}
    assert {"policy root", "policy inputs", "policy outputs", "policy rules", "policy steps", "policy environments"} <= passed
    # Another run of the same builder with the same key; then, without `root:`, what stands below it.
    other = build(aicert, data="other\n", out="other.json")
    assert failed(verify(stranger, policy, other, 1)) == ["policy root", "policy inputs", "policy outputs"]
    same = build(aicert, script="cp resources/data.txt outputs/out.txt", out="same.json")
    assert failed(verify(stranger, policy, same, 1)) == ["policy root"]
    policy.write_text(re.sub(r"(?m)^root:.*\n", "", text))
    verify(stranger, policy, same, 0)
    assert failed(verify(stranger, policy, other, 1)) == ["policy inputs", "policy outputs"]


def test_another_key_fails_the_policy(stranger, aicert_in, tmp_path, proof):
    policy = stranger.cwd / "policy.yaml"
    stranger("policy", "init", proof, "--out", policy)
    home, cwd = tmp_path / "forger-home", tmp_path / "forger"
    home.mkdir()
    cwd.mkdir()
    forged = build(aicert_in(home, cwd))
    # The forger did the very same: the root is the same, only the key is not.
    assert json.loads(forged.read_text())["root"] == json.loads(proof.read_text())["root"]
    assert "accepted key" in failed(verify(stranger, policy, forged, 1))


def test_an_altered_proof_fails_the_policy(stranger, proof):
    policy = stranger.cwd / "policy.yaml"
    stranger("policy", "init", proof, "--out", policy)
    p = json.loads(proof.read_text())
    p["output_model_hash"] = "0" * 64
    altered = stranger.cwd / "altered.json"
    altered.write_text(json.dumps(p))
    assert verify(stranger, policy, altered, 1)["level"] == "none"
    assert stranger("policy", "init", altered, code=1).stdout == ""


def test_init_prints_and_overwrites_nothing(aicert, proof):
    text = aicert("policy", "init", proof).stdout
    assert text.startswith("#") and "aicert-policy: 1" in text
    there = aicert.cwd / "there.yaml"
    there.write_text("mine\n")
    r = aicert("policy", "init", proof, "--out", there, code=2)
    assert "--force" in r.stderr and there.read_text() == "mine\n"
    aicert("policy", "init", proof, "--out", there, "--force")
    assert there.read_text() == text


# --- read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", sorted(p.name for p in EXAMPLES.glob("*.yaml")))
def test_examples_are_policies(aicert, example):
    out = aicert("policy", "check", EXAMPLES / example).stdout
    assert re.search(r"(?m)^require +\S+$", out)
    as_json = json.loads(aicert("policy", "check", "--json", EXAMPLES / example).stdout)
    assert as_json["aicert-policy"] == "1"


def test_example_of_content(aicert, aicert_in, proof):
    verify(aicert, EXAMPLES / "content.yaml", proof, 0)
    assert "policy outputs" in failed(verify(aicert, EXAMPLES / "content.yaml", build(aicert, data="other\n", out="b.json"), 1))


def test_example_of_a_team_asks_for_more(aicert, proof):
    report = verify(aicert, EXAMPLES / "team.yaml", proof, 1)
    assert report["required"] == "genuine-tpm" and report["level"] == "software"
    assert {"genuine tpm", "policy timestamp", "policy rules", "policy images"} <= set(failed(report))


def test_help_documents_every_key(aicert):
    """Whatever a policy may say is in the help: the keys are those that its reader names."""
    text = aicert("policy", "--help").stdout
    root = pathlib.Path(__file__).resolve().parents[2] / "aicert/proof/policy"
    keys = set()
    for source in ("policy_read.c", "policy_read_boot.c"):
        keys |= set(re.findall(r'\{ "([\w-]+)", (?:ai_policy|take)_\w+ \}', (root / source).read_text()))
    assert len(keys) > 40
    assert [k for k in sorted(keys) if not re.search(rf"(?<![\w-]){re.escape(k)}(?![\w-])", text)] == []


@pytest.mark.parametrize("text, words", [
    ("aicert-policy: 1\nrequre: software\n", "policy.yaml:2:1: a policy has no key 'requre' (did you mean 'require'?)"),
    ("aicert-policy: 1\npcrs: { 4: zero, 4: rules }\n", "policy.yaml:2:18: key '4' is given twice"),
    ("aicert-policy: 1\nkeys: { accept: [ abc ] }\n", "policy.yaml:2:19: accept: got 'abc', expected 64 lower-case hex digits"),
    ("require: software\n", "'aicert-policy: 1' is missing"),
])
def test_a_policy_that_is_none(aicert, proof, text, words):
    policy = aicert.cwd / "policy.yaml"
    policy.write_text(text)
    assert words in aicert("policy", "check", policy, code=2).stderr
    r = aicert("verify", "--policy", policy, proof, code=2)
    assert words in r.stderr and "VERIFIED" not in r.stdout


def test_files_that_a_policy_names_are_beside_it(aicert):
    folder = aicert.cwd / "elsewhere"
    folder.mkdir()
    (folder / "team.yaml").write_text((EXAMPLES / "team.yaml").read_text())
    r = aicert("policy", "check", "elsewhere/team.yaml", code=3)
    assert "elsewhere/team-ca.pem" in r.stderr and "team.yaml:7:43" in r.stderr
    (folder / "team-ca.pem").write_text((EXAMPLES / "team-ca.pem").read_text())
    assert "team-ca" in aicert("policy", "check", "elsewhere/team.yaml").stdout


def test_usage(aicert):
    assert "did you mean 'check'" in aicert("policy", "chek", code=2).stderr
    aicert("policy", code=2)
    aicert("policy", "check", code=2)
    aicert("policy", "init", code=2)
    for sub in ("init", "check"):
        assert "example:" in aicert("policy", sub, "--help").stdout
    assert aicert("policy", "check", "absent.yaml", code=3).stderr


# --- asked of the run ----------------------------------------------------------------------------------------


def test_boot_values_are_asked_at_any_level(aicert, proof):
    """An embedded TPM has measured nothing: a policy that speaks of its boot is not passed over because `software` is enough."""
    policy = aicert.cwd / "policy.yaml"
    policy.write_text("aicert-policy: 1\nrequire: software\npcrs: { 0-14: zero }\n")
    verify(aicert, policy, proof, 0)
    policy.write_text(f"aicert-policy: 1\nrequire: software\npcrs: {{ 4: {'a' * 64} }}\n")
    assert failed(verify(aicert, policy, proof, 1)) == ["policy boot"]
    policy.write_text("aicert-policy: 1\nrequire: software\npcrs: { 0-14: zero }\nboot: { secure_boot: on }\n")
    assert failed(verify(aicert, policy, proof, 1)) == ["policy boot"]


def test_denied(aicert, proof):
    p = json.loads(proof.read_text())
    policy = aicert.cwd / "policy.yaml"
    policy.write_text(f"aicert-policy: 1\nrequire: software\ndeny: {{ programs: [ {p['claims']['program']['sha256']} ] }}\n")
    assert failed(verify(aicert, policy, proof, 1)) == ["policy denied"]
    # A key of this machine's own is accepted unless the policy denies it.
    policy.write_text(f"aicert-policy: 1\nrequire: software\ndeny: {{ keys: [ {p['claims']['ak']} ] }}\n")
    assert {"accepted key", "policy denied"} <= set(failed(verify(aicert, policy, proof, 1)))


def test_nonce(aicert):
    (aicert.cwd / "Aicertfile").write_text(PROJECT % "cat resources/data.txt > outputs/out.txt")
    (aicert.cwd / "data.txt").write_text("hello\n")
    aicert("run", "--nonce", "fresh 1", "--output-bom", "proof.json")
    policy = aicert.cwd / "policy.yaml"
    policy.write_text("aicert-policy: 1\nrequire: software\nnonce: fresh 1\n")
    verify(aicert, policy, "proof.json", 0)
    policy.write_text("aicert-policy: 1\nrequire: software\nnonce: fresh 2\n")
    assert failed(verify(aicert, policy, "proof.json", 1)) == ["nonce"]
    assert "nonce: TEXT" in aicert("policy", "init", "proof.json").stdout


def test_an_authority_that_nobody_is_is_noted(aicert):
    (aicert.cwd / "policy.yaml").write_text("aicert-policy: 1\nauthorities: [ azur, gcp ]\n")
    noted = aicert("policy", "check", "policy.yaml").stderr
    assert "note: authority 'azur'" in noted and "did you mean 'azure'" in noted and "gcp" not in noted
