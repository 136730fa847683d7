"""Whole runs over a TPM behind a socket, and what other people's tools say of our quotes."""
import base64
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

SMALL = """\
aicert: 1
name: small
inputs:
  words: { path: words.txt }
steps:
  sort:
    use: shell
    inputs: { raw: words }
    script: |
      sort "$IN_RAW" > "$OUT_SORTED"
    outputs: { sorted: sorted.txt }
"""


@pytest.fixture
def small(aicert):
    (aicert.cwd / "Aicertfile").write_text(SMALL)
    (aicert.cwd / "words.txt").write_text("b\na\n")
    return aicert


def free_ports():
    """Two neighbours, for swtpm's commands and its control."""
    for _ in range(100):
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")


@pytest.fixture
def swtpm(tmp_path):
    if not shutil.which("swtpm"):
        pytest.skip("swtpm is not installed")
    port, state = free_ports(), tmp_path / "swtpm"
    state.mkdir()
    p = subprocess.Popen(["swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1", "--ctrl",
                          f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear",
                          "--tpmstate", f"dir={state}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port + 1)) == 0:
                break
        time.sleep(0.01)
    yield f"swtpm:host=127.0.0.1,port={port}"
    p.terminate()
    p.wait()


def proof_of(run):
    return json.loads((run.cwd / "proof.json").read_text())


def test_a_run_over_swtpm_verifies_as_software(small, swtpm):
    small("--tpm", swtpm)
    small("verify", "proof.json", "--require", "software")
    small("verify", "proof.json", "--require", "genuine-tpm", code=1)
    proof = proof_of(small)
    assert [e["event"] for e in proof["evidence"]["run_log"]] == ["plan", "results", "claims"]
    assert proof["evidence"]["ak_certificates"] == []


def test_the_environment_names_the_tpm_and_the_argument_wins(small, swtpm):
    small(env={"AICERT_TPM": swtpm})
    assert proof_of(small)["evidence"]["ak_certificates"] == []
    small("--force", "--tpm", "embedded", env={"AICERT_TPM": "swtpm:host=127.0.0.1,port=9"})
    assert len(proof_of(small)["evidence"]["ak_certificates"]) == 2


def test_a_second_run_lists_the_first_ones_extends_as_opaque(small, swtpm):
    small("--tpm", swtpm)
    (small.cwd / "words.txt").write_text("c\n")
    small("--tpm", swtpm, "--force")
    events = [e["event"] for e in proof_of(small)["evidence"]["run_log"]]
    assert events == ["opaque"] * 3 + ["plan", "results", "claims"]
    small("verify", "proof.json", "--require", "software")


def test_a_foreign_extend_is_exit_5_and_no_fall_back(small, swtpm):
    if not shutil.which("tpm2_pcrextend"):
        pytest.skip("tpm2-tools is not installed")
    subprocess.run(["tpm2_pcrextend", "15:sha256=" + "ab" * 32], env={**os.environ, "TPM2TOOLS_TCTI": swtpm}, check=True)
    r = small("--tpm", swtpm, code=5)
    assert "PCR 15 was extended by somebody" in r.stderr and "embedded" in r.stderr
    assert not (small.cwd / "proof.json").exists()


def test_other_peoples_code_accepts_the_quote(small, tmp_path):
    """The signature and pcrDigest by tpm2-tools, the chain by openssl."""
    if not shutil.which("tpm2_checkquote") or not shutil.which("openssl"):
        pytest.skip("tpm2-tools or openssl is not installed")
    small()
    proof = proof_of(small)
    names = ["leaf.der", "ca.der"]
    for name, text in zip(names, proof["evidence"]["ak_certificates"]):
        (tmp_path / name).write_bytes(base64.b64decode(text))
        subprocess.run(["openssl", "x509", "-inform", "DER", "-in", name, "-out", name[:-4] + ".pem"], cwd=tmp_path, check=True)
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "leaf.pem"], cwd=tmp_path, check=True)
    key = subprocess.run(["openssl", "x509", "-in", "leaf.pem", "-noout", "-pubkey"], cwd=tmp_path, check=True, capture_output=True).stdout
    (tmp_path / "ak.pem").write_bytes(key)
    (tmp_path / "quote").write_bytes(base64.b64decode(proof["low_level_quote"]))
    (tmp_path / "sig").write_bytes(base64.b64decode(proof["signature"]))
    claims = json.dumps(proof["claims"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (tmp_path / "claims").write_bytes(claims)
    extra = subprocess.run(["sha256sum", "claims"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout[:64]
    check = ["tpm2_checkquote", "-u", "ak.pem", "-m", "quote", "-s", "sig", "-g", "sha256", "-q"]
    subprocess.run([*check, extra], cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run([*check, "00" * 32], cwd=tmp_path, capture_output=True).returncode != 0
