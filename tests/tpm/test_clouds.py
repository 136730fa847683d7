"""Runs over TPMs that look like Azure's, GCE's and a maker's; the addresses in their certificates, and who may be behind them."""
import base64
import json
import shutil
import subprocess
import threading
import time

import pytest
from tpm.tpm_ground import AK, Ca, Server, Tpm

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
SLOW = SMALL.replace("sort \"$IN_RAW\"", "sleep 3; sort \"$IN_RAW\"")
AZURE_NV, GCE_RSA, GCE_RSA_TEMPLATE, GCE_ECC, GCE_ECC_TEMPLATE = 0x1C101D0, 0x1C10000, 0x1C10001, 0x1C10002, 0x1C10003

pytestmark = pytest.mark.skipif(not shutil.which("swtpm") or not shutil.which("tpm2_createprimary"), reason="swtpm or tpm2-tools is not installed")


@pytest.fixture
def small(aicert):
    (aicert.cwd / "Aicertfile").write_text(SMALL)
    (aicert.cwd / "words.txt").write_text("b\na\n")
    aicert.env["AICERT_ISSUER_S"] = "2"
    return aicert


@pytest.fixture
def tpm(tmp_path):
    t = Tpm(tmp_path / "swtpm").start()
    yield t
    t.stop()


@pytest.fixture
def server():
    s = Server()
    yield s
    s.stop()


@pytest.fixture
def ca(tmp_path, server):
    c = Ca(tmp_path / "ca", server.address)
    server.pages.update({"/issuing": c.issuing, "/root": c.root})
    return c


def evidence(run):
    return json.loads((run.cwd / "proof.json").read_text())["evidence"]


def chain(run):
    return [base64.b64decode(c) for c in evidence(run)["ak_certificates"]]


def verified(run):
    """The proof holds, and its key is that of this machine's TPM."""
    run("verify", "proof.json", "--require", "software")
    run("verify", "proof.json", "--require", "genuine-tpm", code=1)


def in_use(run, tcti, *args):
    return run.json("tpm", "status", "--tpm", tcti, *args)["ak"][0]


# --- Azure -----------------------------------------------------------------------


def azure(tpm, ca, size=4096):
    leaf = ca.leaf(tpm.azure())
    tpm.nv_put(AZURE_NV, leaf, min(size, 2048), "ownerread|ownerwrite")
    return leaf


def test_azures_key_is_used_and_its_chain_completed(small, tpm, ca, server):
    leaf = azure(tpm, ca)
    r = small("--tpm", tpm.tcti)
    assert chain(small) == [leaf, ca.issuing, ca.root]
    assert "note: tpm:" not in r.stderr
    assert base64.b64decode(evidence(small)["ak_public"])[:2] == b"\x00\x01"
    verified(small)
    assert server.asked == ["/issuing", "/root"]
    # Once more without a network: the same certificates.
    server.pages.clear()
    small("--tpm", tpm.tcti, "--force")
    assert chain(small) == [leaf, ca.issuing, ca.root]
    assert server.asked == ["/issuing", "/root"]
    assert in_use(small, tpm.tcti)["kind"] == "azure"


def test_the_key_stays_in_the_tpm(small, tpm, ca):
    azure(tpm, ca)
    for _ in range(3):
        small("--tpm", tpm.tcti, "--force")
    assert b"0x81000003" in tpm.tool("tpm2_getcap", "handles-persistent")
    assert tpm.tool("tpm2_getcap", "handles-transient").strip() == b""


def own_key(run, tpm, *words):
    """The run takes the machine's own key, says why, and the proof holds."""
    r = run("--tpm", tpm.tcti, "--force")
    for w in words:
        assert w in r.stderr, r.stderr
    assert r.stderr.count("note: tpm:") == 1
    assert evidence(run)["ak_certificates"] == []
    run("verify", "proof.json", "--require", "software")
    return r


def test_a_certificate_of_another_key_is_not_used(small, tpm, ca):
    tpm.azure()
    other = tpm.primary("ecc256:ecdsa-sha256:null")[0]
    tpm.tool("tpm2_flushcontext", "-t")
    tpm.nv_put(AZURE_NV, ca.leaf(other), 2048)
    own_key(small, tpm, "the Azure key of this vTPM is not used", "the certificate is of another key")
    assert in_use(small, tpm.tcti)["kind"] == "own"


def test_a_key_that_signs_anything_is_not_used(small, tpm, ca):
    tpm.nv_put(AZURE_NV, ca.leaf(tpm.azure(AK.replace("restricted|", ""))), 2048)
    own_key(small, tpm, "the Azure key of this vTPM is not used", "restricted")


def test_a_certificate_without_a_key(small, tpm, ca):
    tpm.nv_put(AZURE_NV, ca.leaf(tpm.primary("ecc256:ecdsa-sha256:null")[0]), 2048)
    tpm.tool("tpm2_flushcontext", "-t")
    own_key(small, tpm, "81000003: is not there")


@pytest.mark.parametrize("bytes_", [b"\0" * 64, b"\x30\x82\xff\xff" + b"x" * 60, b"not a certificate", b"\x30\x03abc"], ids=["zeros", "cut", "text", "rubbish"])
def test_what_is_no_certificate_is_not_used(small, tpm, bytes_):
    tpm.azure()
    tpm.nv_put(AZURE_NV, bytes_, 512)
    own_key(small, tpm, "is not used", "no ")


def test_a_foreign_key_at_azures_handle_is_nobodys_business(small, tpm):
    tpm.azure()
    r = small("--tpm", tpm.tcti)
    assert "note: tpm:" not in r.stderr
    assert in_use(small, tpm.tcti)["kind"] == "own"


# --- GCE ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ecc", "rsa"])
def test_gces_key_is_made_from_its_template(small, tpm, ca, kind):
    if kind == "ecc":
        leaf = ca.leaf(tpm.gce("ecc256:ecdsa-sha256:null", GCE_ECC_TEMPLATE))
        tpm.nv_put(GCE_ECC, leaf)
    else:
        leaf = ca.leaf(tpm.gce("rsa2048:rsassa-sha256:null", GCE_RSA_TEMPLATE))
        tpm.nv_put(GCE_RSA, leaf)
    small("--tpm", tpm.tcti)
    assert chain(small) == [leaf, ca.issuing, ca.root]
    verified(small)
    assert in_use(small, tpm.tcti)["kind"] == "gce"
    assert tpm.tool("tpm2_getcap", "handles-transient").strip() == b""


def test_of_two_the_one_asked_for(small, tpm, ca):
    ecc = ca.leaf(tpm.gce("ecc256:ecdsa-sha256:null", GCE_ECC_TEMPLATE))
    rsa = ca.leaf(tpm.gce("rsa2048:rsassa-sha256:null", GCE_RSA_TEMPLATE))
    tpm.nv_put(GCE_ECC, ecc)
    tpm.nv_put(GCE_RSA, rsa)
    subjects = {}
    for ak in ("ecc", "rsa"):
        small("--tpm", tpm.tcti, "--ak", ak, "--force")
        subjects[ak] = chain(small)[0]
    assert subjects == {"ecc": ecc, "rsa": rsa}
    assert [k["kind"] for k in small.json("tpm", "status", "--tpm", tpm.tcti)["ak"]] == ["gce"] * 3


def test_a_template_without_a_certificate(small, tpm):
    tpm.gce("ecc256:ecdsa-sha256:null", GCE_ECC_TEMPLATE)
    own_key(small, tpm, "the GCE key of this vTPM is not used", "there is no certificate")


@pytest.mark.parametrize("template", [b"", b"\0\x23\0\x0b", b"\xff" * 200], ids=["empty", "cut", "rubbish"])
def test_a_malformed_template(small, tpm, ca, template):
    pem = tpm.primary("ecc256:ecdsa-sha256:null")[0]
    tpm.tool("tpm2_flushcontext", "-t")
    tpm.nv_put(GCE_ECC_TEMPLATE, template or b"\0")
    tpm.nv_put(GCE_ECC, ca.leaf(pem))
    own_key(small, tpm, "the GCE key of this vTPM is not used")


# --- the addresses -------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pem", "pkcs7", "bundle"])
def test_issuers_in_other_forms(small, tpm, ca, server, form):
    leaf = azure(tpm, ca)
    pem = (ca.folder / "issuing.pem").read_bytes()
    server.pages["/issuing"] = {"pem": pem, "pkcs7": ca.pkcs7("issuing"), "bundle": (ca.folder / "root.pem").read_bytes() + pem}[form]
    small("--tpm", tpm.tcti)
    assert chain(small) == [leaf, ca.issuing, ca.root]
    verified(small)


def test_intermediates_that_the_tpm_holds(small, tpm, ca, server):
    leaf = azure(tpm, ca)
    tpm.nv_put(0x1C00100, ca.root + ca.issuing[:100])
    tpm.nv_put(0x1C00101, ca.issuing[100:], len(ca.issuing) + 50)
    small("--tpm", tpm.tcti)
    assert chain(small) == [leaf, ca.issuing, ca.root]
    assert server.asked == []


def endless(h, over):
    h.send_response(200)
    h.end_headers()
    while not over.is_set():
        h.wfile.write(b"0" * 65536)


def trickle(h, over):
    h.send_response(200)
    h.end_headers()
    while not over.wait(0.1):
        h.wfile.write(b"0")


def hang(h, over):
    over.wait(60)


def loop(h, over):
    h.send_response(302)
    h.send_header("Location", "/issuing")
    h.end_headers()


def to_file(h, over):
    h.send_response(302)
    h.send_header("Location", "file:///etc/passwd")
    h.end_headers()


def broken(h, over):
    h.send_response(500)
    h.end_headers()


def cut(h, over):
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    h.wfile.write(b"0" * 10)


@pytest.mark.parametrize("page", [endless, trickle, hang, loop, to_file, broken, cut, b"", b"<html>log in</html>"],
                         ids=["endless", "trickle", "hang", "redirect-loop", "redirect-to-file", "500", "cut", "empty", "html"])
def test_a_server_that_is_of_no_help(small, tpm, ca, server, page):
    azure(tpm, ca)
    server.pages["/issuing"] = page
    begin = time.monotonic()
    r = own_or_bare(small, tpm)
    assert time.monotonic() - begin < 15
    assert "A cloud's issuing CA" in r.stderr and "level software at most" in r.stderr


def own_or_bare(run, tpm):
    """The cloud's key, without certificates that nobody could check."""
    r = run("--tpm", tpm.tcti, "--force")
    assert r.stderr.count("note: tpm:") == 1
    assert evidence(run)["ak_certificates"] == []
    assert base64.b64decode(evidence(run)["ak_public"])[:2] == b"\x00\x01"
    verified(run)
    return r


def test_a_server_that_sends_somebody_elses_certificate(small, tpm, ca, server, tmp_path):
    azure(tpm, ca)
    forger = Ca(tmp_path / "forger", server.address)
    server.pages["/issuing"] = forger.issuing  # the same names, other keys
    r = own_or_bare(small, tpm)
    assert "did not sign the certificate" in r.stderr
    # The right one later: nothing of the wrong one was kept.
    server.pages["/issuing"] = ca.issuing
    small("--tpm", tpm.tcti, "--force")
    assert len(chain(small)) == 3


def test_a_network_that_is_not_there(small, tpm, ca, server):
    azure(tpm, ca)
    server.stop()
    r = own_or_bare(small, tpm)
    assert "cannot be had" in r.stderr
    server.thread.join()


def test_halfway_up(small, tpm, ca, server):
    azure(tpm, ca)
    del server.pages["/root"]
    r = own_or_bare(small, tpm)
    assert "A cloud's root" in r.stderr and "404" in r.stderr


# --- what else a TPM can be like --------------------------------------------------------


def test_a_tpm_without_the_sha256_bank(small, tpm):
    tpm.tool("tpm2_pcrallocate", "sha1:all+sha256:none+sha384:all+sha512:none")
    tpm.stop()
    tpm.start()
    r = small("--tpm", tpm.tcti, code=5)
    assert "bank sha256 is not active: active are: sha1, sha384" in r.stderr
    assert "hint:" in r.stderr and "tpm2_pcrallocate" in r.stderr
    assert not (small.cwd / "proof.json").exists()
    s = small.json("tpm", "status", "--tpm", tpm.tcti)
    assert [b["bank"] for b in s["banks"]] == ["sha1", "sha384"]
    assert "not active" in s["pcr15"]["trouble"]
    small("tpm", "quote", "--tpm", tpm.tcti, "--bank", "sha384", "--out", "q")
    small("tpm", "quote", "--tpm", tpm.tcti, "--out", "q2", code=5)


def test_a_tpm_with_a_password(small, tpm):
    tpm.tool("tpm2_changeauth", "-c", "e", "secret")
    r = small("--tpm", tpm.tcti, code=5)
    assert "endorsement hierarchy has a password" in r.stderr
    s = small.json("tpm", "status", "--tpm", tpm.tcti)
    assert "has a password" in s["ak"][0]["trouble"]
    small("tpm", "quote", "--tpm", tpm.tcti, "--out", "q", code=5)


def test_azures_key_needs_no_hierarchy(small, tpm, ca):
    """Its key is there already, so a password that the owner set does not matter."""
    azure(tpm, ca)
    tpm.tool("tpm2_changeauth", "-c", "e", "secret")
    small("--tpm", tpm.tcti)
    assert len(chain(small)) == 3


def test_a_tpm_that_dies_while_a_step_runs(small, tpm):
    (small.cwd / "Aicertfile").write_text(SLOW)
    timer = threading.Timer(1.5, lambda: tpm.stop(kill=True))
    timer.start()
    r = small("--tpm", tpm.tcti, code=5)
    timer.join()
    assert tpm.tcti in r.stderr
    assert not (small.cwd / "proof.json").exists()


def test_a_tpm_that_dies_while_an_address_is_asked(small, tpm, ca, server):
    azure(tpm, ca)

    def kill(h, over):
        tpm.stop(kill=True)
        broken(h, over)
    server.pages["/issuing"] = kill
    r = small("--tpm", tpm.tcti, code=5)
    assert tpm.tcti in r.stderr
    assert not (small.cwd / "proof.json").exists()


# --- aicert tpm status, quote ---------------------------------------------------------------


def test_status_of_a_makers_tpm(small, tmp_path):
    """A TPM as swtpm's own tools make it: EK certificates by a local CA."""
    if not shutil.which("swtpm_setup"):
        pytest.skip("swtpm_setup is not installed")
    state, conf = tmp_path / "made", tmp_path / "conf"
    state.mkdir()
    conf.mkdir()
    (conf / "localca.conf").write_text(f"statedir = {conf}\nsigningkey = {conf}/signkey.pem\nissuercert = {conf}/issuercert.pem\ncertserial = {conf}/certserial\n")
    (conf / "localca.options").write_text("--platform-manufacturer x\n--platform-version 2.1\n--platform-model y\n")
    (conf / "setup.conf").write_text(f"create_certs_tool = {shutil.which('swtpm_localca')}\ncreate_certs_tool_config = {conf}/localca.conf\n"
                                     f"create_certs_tool_options = {conf}/localca.options\nactive_pcr_banks = sha256\n")
    subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", conf / "setup.conf"],
                   check=True, capture_output=True, cwd=tmp_path)
    tpm = Tpm(state).start()
    try:
        s = small.json("tpm", "status", "--tpm", tpm.tcti)
        text = small("tpm", "status", "--tpm", tpm.tcti).stdout
    finally:
        tpm.stop()
    assert {(e["nv"], e["type"]) for e in s["ek"]} == {("01c00002", "RSA 2048"), ("01c00016", "ECC P-384")}
    assert all("swtpm-localca" in e["issuer"] and e["not_after"].endswith("Z") for e in s["ek"])
    assert s["banks"] == [{"bank": "sha256", "pcrs": list(range(24))}]
    assert "sha256: PCRs 0-23" in text and "RSA 2048, certificate in NV 01c00002" in text


def test_status_of_the_embedded_tpm(small):
    s = small.json("tpm", "status", "--tpm", "embedded")
    assert set(s) == {"tpm", "maker", "model", "firmware", "banks", "ek", "ak", "pcr15", "clock", "boot_log"}
    assert s["tpm"] == "embedded" and s["ek"] == []
    assert s["pcr15"] == {"value": "00" * 32, "extended_since_boot": 0}
    assert s["ak"][0]["used"] and s["ak"][0]["certificates"] == 2 and "software TPM" in s["ak"][0]["certificate"]["subject"]
    assert small("tpm", "status").returncode == 0


def test_status_counts_what_runs_extended(small, tpm):
    small("--tpm", tpm.tcti)
    assert small.json("tpm", "status", "--tpm", tpm.tcti)["pcr15"]["extended_since_boot"] == 3
    tpm.tool("tpm2_pcrextend", "15:sha256=" + "ab" * 32)
    assert "kept no log" in small.json("tpm", "status", "--tpm", tpm.tcti)["pcr15"]["trouble"]


def test_status_does_not_ask_the_network(small, tpm, ca, server):
    azure(tpm, ca)
    s = small.json("tpm", "status", "--tpm", tpm.tcti)
    assert s["ak"][0]["certificates"] == 1 and "note" not in s
    assert server.asked == []


@pytest.mark.parametrize("bank,kind", [("sha256", "ecc"), ("sha384", "rsa"), ("sha1", "ecc"), ("sha512", "ecc")])
def test_quotes_that_other_peoples_code_accepts(small, tpm, bank, kind):
    small("tpm", "quote", "--tpm", tpm.tcti, "--ak", kind, "--bank", bank, "--pcrs", "0-7,15,23", "--extra", "00ff10", "--out", "q")
    q = small.cwd / "q"
    assert sorted(p.name for p in q.iterdir()) == ["ak.pem", "ak.pub", "pcrs.json", "quote.msg", "quote.sig"]
    check = ["tpm2_checkquote", "-u", "ak.pem", "-m", "quote.msg", "-s", "quote.sig", "-g", "sha256"]
    subprocess.run([*check, "-q", "00ff10"], cwd=q, check=True, capture_output=True)
    assert subprocess.run([*check, "-q", "00ff11"], cwd=q, capture_output=True).returncode != 0
    values = json.loads((q / "pcrs.json").read_text())
    assert list(values) == [bank] and sorted(map(int, values[bank])) == [*range(8), 15, 23]
    out = tpm.tool("tpm2_pcrread", f"{bank}:0,23").decode().lower()
    assert f"0x{values[bank]['0']}" in out and f"0x{values[bank]['23']}" in out


def test_a_quote_of_a_cloud_with_its_chain(small, tpm, ca):
    leaf = azure(tpm, ca)
    small("tpm", "quote", "--tpm", tpm.tcti, "--nonce", "hello", "--out", "q")
    pem = (small.cwd / "q" / "certificates.pem").read_text()
    assert pem.count("BEGIN CERTIFICATE") == 3
    assert "leaf" not in pem
    subprocess.run(["openssl", "verify", "-CAfile", ca.folder / "root.pem", "-untrusted", ca.folder / "issuing.pem", small.cwd / "q" / "certificates.pem"],
                   check=True, capture_output=True)
    j = small.json("tpm", "quote", "--tpm", tpm.tcti, "--nonce", "hello")
    assert [base64.b64decode(c) for c in j["ak_certificates"]] == [leaf, ca.issuing, ca.root]
    assert j["ak_kind"] == "azure" and j["ak_pem"] == (small.cwd / "q" / "ak.pem").read_text()
    assert base64.b64decode(j["ak_public"]) == (small.cwd / "q" / "ak.pub").read_bytes()
    assert b"hello" in base64.b64decode(j["quote"])
    # Files that are there are not overwritten, and with --force none of an earlier quote stays behind.
    r = small("tpm", "quote", "--tpm", "embedded", "--out", "q", code=2)
    assert "--force" in r.stderr
    tpm.stop()
    t = Tpm(tpm.folder.parent / "fresh").start()
    try:
        small("tpm", "quote", "--tpm", t.tcti, "--out", "q", "--force")
    finally:
        t.stop()
    assert not (small.cwd / "q" / "certificates.pem").exists()


@pytest.mark.parametrize("args,words", [
    (["--pcrs", "24"], "--pcrs"), (["--pcrs", ""], "--pcrs"), (["--pcrs", "1-"], "--pcrs"), (["--pcrs", "7-3"], "--pcrs"), (["--pcrs", "1,,2"], "--pcrs"),
    (["--pcrs", "0,"], "--pcrs"), (["--pcrs", "0x1"], "--pcrs"), (["--pcrs", "-1"], "--pcrs"), (["--bank", "md5"], "--bank"),
    (["--extra", "0"], "odd"), (["--extra", "zz"], "hex"), (["--extra", "00" * 65], "at most 64"), (["--nonce", "x" * 65], "at most 64"),
    (["--extra", "00", "--nonce", "x"], "expected one of them"), (["more"], "'more'"), (["--ak", "dsa"], "'ecc' or 'rsa'"), (["--json"], "--out and --json"),
])
def test_what_quote_refuses(small, args, words):
    r = small("tpm", "quote", "--tpm", "embedded", "--out", "q", *args, code=2)
    assert words in r.stderr, r.stderr
    assert not (small.cwd / "q").exists()


def test_help(aicert):
    for command in ("status", "quote"):
        out = aicert("tpm", command, "--help").stdout
        assert "example: aicert tpm " + command in out
    aicert("tpm", "status", "--tpm", "", code=2)
    aicert("tpm", "status", "--tpm", "swtpm:host=127.0.0.1,port=9", code=5)
    aicert("tpm", "quote", code=2)
