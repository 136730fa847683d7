"""Outputs that the proof carries: shown, bounded, bound to the result, and nobody's origin."""
import base64
import hashlib
import json


def project(aicert, script, **more):
    spec = json.dumps({"path": "m.json", "carried": True, **more})
    (aicert.cwd / "Aicertfile").write_text(
        f"aicert: 1\nname: t\nsteps:\n  m: {{ use: shell, environment: host, script: {json.dumps(script)}, outputs: {{ m: {spec} }} }}\n")


def proof_of(aicert):
    return json.loads((aicert.cwd / "proof.json").read_text())


def judged(aicert, proof):
    (aicert.cwd / "edited.json").write_text(json.dumps(proof))
    report = json.loads(aicert("verify", "edited.json", "--require", "software", "--json", code=1).stdout)
    return {c["name"]: c for c in report["checks"]}, report


def test_shown(aicert):
    project(aicert, "printf '{\"loss\": 0.5}\\n\\033[31m' > $OUT_M")
    aicert()
    said = aicert("show", "proof.json").stdout
    assert "carries   m\n    {\"loss\": 0.5}\n" in said and "\033[31m" not in said
    c, = aicert.json("verify", "proof.json", "--require", "software")["carried"]
    assert (c["step"], c["output"], c["size"], c["text"]) == ("m", "m", 19, '{"loss": 0.5}\n\033[31m')
    assert c["hash"] == hashlib.sha256(c["text"].encode()).hexdigest()


def test_bytes_that_are_no_text(aicert):
    project(aicert, "printf '\\377\\000x' > $OUT_M")
    aicert()
    c, = aicert.json("verify", "proof.json", "--require", "software")["carried"]
    assert base64.b64decode(c["base64"]) == b"\xff\0x" and "text" not in c


def test_too_large(aicert):
    project(aicert, "head -c 65536 /dev/zero > $OUT_M")
    aicert()
    project(aicert, "head -c 65537 /dev/zero > $OUT_M")
    r = aicert(code=4)
    assert "output 'm': the proof is to carry it: got 65537 bytes, expected at most 65536" in r.stderr


def test_no_folder(aicert):
    project(aicert, "true", type="dir")
    assert "'carried' is for files" in aicert(code=2).stderr


def test_a_proof_without_it_is_refused(aicert):
    project(aicert, "echo 1 > $OUT_M")
    aicert()
    proof = proof_of(aicert)
    proof["blobs"].pop(hashlib.sha256(b"1\n").hexdigest())
    checks, report = judged(aicert, proof)
    assert "is to be carried, and the proof has not its bytes" in checks["carried"]["compared"] and report["carried"] == []


def test_other_bytes_are_refused(aicert):
    project(aicert, "echo 1 > $OUT_M")
    aicert()
    proof = proof_of(aicert)
    hex1 = hashlib.sha256(b"1\n").hexdigest()
    proof["blobs"][hex1] = base64.b64encode(b"2\n").decode()
    assert judged(aicert, proof)[0]["ids"]["status"] == "failed"
    assert "but other bytes than its hash says" in aicert("show", "edited.json").stdout
    proof = proof_of(aicert)
    proof["blobs"][hashlib.sha256(b"2\n").hexdigest()] = base64.b64encode(b"2\n").decode()
    assert judged(aicert, proof)[0]["references"]["status"] == "failed"


def test_reused_and_redacted(aicert):
    project(aicert, "echo 1 > $OUT_M")
    aicert()
    aicert("run")
    assert proof_of(aicert)["claims"]["reused"]
    assert aicert.json("verify", "proof.json", "--require", "software")["carried"][0]["text"] == "1\n"
    aicert("redact", "proof.json", "--node", "used:m", "--out", "public.json")
    assert aicert.json("verify", "public.json", "--require", "software", "--allow-withheld")["carried"][0]["text"] == "1\n"
