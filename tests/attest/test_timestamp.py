"""A time-stamping authority on loopback, made of `openssl ts`: asked by `aicert run --timestamp` and `aicert timestamp`, judged by `aicert verify`.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import datetime
import hashlib
import http.server
import json
import os
import subprocess
import threading

import pytest

AICERTFILE = """\
aicert: 1
name: stamped
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

CONFIG = """\
[ ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[ tsa_leaf ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ tsa ]
default_tsa = service
[ service ]
serial = {dir}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = yes
ess_cert_id_alg = sha256
"""


def openssl(*args, cwd=None, code=0):
    r = subprocess.run(["openssl", *map(str, args)], cwd=cwd, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert code is None or r.returncode == code, (args, r.stderr)
    return r


class Authority:
    """Keys and certificates (root, issuing CA, signer) and an HTTP service that answers with `openssl ts -reply`."""

    def __init__(self, folder):
        self.dir = folder
        folder.mkdir()
        (folder / "openssl.cnf").write_text(CONFIG.format(dir=folder))
        (folder / "serial").write_text("01\n")
        self.config = folder / "openssl.cnf"
        self._issue("root", "/CN=Clock root", "ca", None)
        self._issue("issuing", "/CN=Clock issuing CA", "ca", "root")
        self._issue("signer", "/O=Clocks/CN=Clock 1", "tsa_leaf", "issuing")
        (folder / "chain.pem").write_bytes((folder / "issuing.pem").read_bytes() + (folder / "root.pem").read_bytes())
        self.asked, self.spoil, self.type = [], None, "application/timestamp-reply"

    def _issue(self, name, subject, extensions, issuer):
        d = self.dir
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", d / f"{name}.key")
        openssl("req", "-new", "-key", d / f"{name}.key", "-subj", subject, "-out", d / f"{name}.csr", "-config", "/dev/null")
        by = ["-CA", d / f"{issuer}.pem", "-CAkey", d / f"{issuer}.key", "-CAcreateserial"] if issuer else ["-signkey", d / f"{name}.key"]
        openssl("x509", "-req", "-in", d / f"{name}.csr", "-days", 30, "-extfile", self.config, "-extensions", extensions, "-out", d / f"{name}.pem", *by)

    def reply(self, query, *args):
        (self.dir / "query.tsq").write_bytes(query)
        openssl("ts", "-reply", "-config", self.config, "-queryfile", self.dir / "query.tsq", "-signer", self.dir / "signer.pem",
                "-inkey", self.dir / "signer.key", "-chain", self.dir / "chain.pem", "-out", self.dir / "reply.tsr", *args)
        return (self.dir / "reply.tsr").read_bytes()

    def start(self):
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.asked.append((self.headers["Content-Type"], query))
                answer = authority.reply(query) if authority.spoil is None else authority.spoil(query)
                self.send_response(200 if answer is not None else 500)
                self.send_header("Content-Type", authority.type)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tsr"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "authority")


@pytest.fixture
def authority(keys):
    keys.asked, keys.spoil, keys.type = [], None, "application/timestamp-reply"
    keys.start()
    yield keys
    keys.stop()


@pytest.fixture
def project(aicert):
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE)
    (aicert.cwd / "words.txt").write_text("b\na\n")
    return aicert


def check_of(report, name):
    return next(c for c in report["checks"] if c["name"] == name)


def proof_of(project, name="proof.json"):
    return json.loads((project.cwd / name).read_text())


def imprint(attestation):
    """As design.md has it, by other people's code."""
    stamped = {"quote": attestation["low_level_quote"], "signature": attestation["signature"], "ak_public": attestation["evidence"]["ak_public"],
               "ak_certificates": attestation["evidence"]["ak_certificates"]}
    return hashlib.sha256(json.dumps(stamped, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def believe(project, authority):
    project("trust", "add", "--root", authority.dir / "root.pem", "--role", "tsa")


def edit(project, change, name="proof.json"):
    proof = proof_of(project)
    change(proof)
    (project.cwd / name).write_text(json.dumps(proof))


# --- at run -------------------------------------------------------------------

def test_run_with_a_timestamp(project, authority):
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    project("run", "--timestamp", authority.url)
    [(kind, query)] = authority.asked
    assert kind == "application/timestamp-query"
    proof = proof_of(project)
    token = base64.b64decode(proof["evidence"]["timestamp"])
    # OpenSSL's own verifier agrees, over the imprint that anybody can compute.
    (authority.dir / "token.der").write_bytes(token)
    r = openssl("ts", "-verify", "-digest", imprint(proof), "-in", authority.dir / "token.der", "-token_in", "-CAfile", authority.dir / "root.pem",
                "-untrusted", authority.dir / "chain.pem")
    assert "OK" in r.stdout + r.stderr
    # Nobody believes the authority yet: the stamp holds, and changes nothing.
    report = project.json("verify", "proof.json", "--require", "software")
    check = check_of(report, "timestamp")
    assert check["status"] == "skipped" and "holds and is not believed" in check["compared"] and "aicert trust add --root FILE --role tsa" in check["compared"]
    assert report["judged_by"] == "now" and report["timestamp_authority"] == ""
    believe(project, authority)
    report = project.json("verify", "proof.json", "--require", "software")
    check = check_of(report, "timestamp")
    assert check["status"] == "passed" and "Clock 1" in check["compared"] and "Clock root" in check["compared"]
    assert report["judged_by"] == "timestamp" and "Clock 1" in report["timestamp_authority"]
    at = datetime.datetime.fromisoformat(report["judged_at"].replace("Z", "+00:00"))
    assert before <= at <= datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    # The stamp is what counts, whatever else is asked for.
    assert project.json("verify", "proof.json", "--require", "software", "--as-of", "2020-01-01")["judged_by"] == "timestamp"


def test_reused_attestation_brings_its_stamp(project, authority):
    project("run", "--timestamp", authority.url)
    (project.cwd / "Aicertfile").write_text(AICERTFILE + "outputs: { again: sort.sorted }\n")
    project("run", "--force")
    proof = proof_of(project)
    assert "timestamp" not in proof["evidence"]
    [earlier] = proof["attestations"].values()
    assert earlier["evidence"]["timestamp"]
    believe(project, authority)
    check = check_of(project.json("verify", "proof.json", "--require", "software"), "timestamp")
    assert check["status"] == "passed" and "of 1 further attestations 1 carry one that holds, and 1 of those are believed" in check["compared"]


def test_stamp_put_on_another_attestation_of_the_same_key(project, authority):
    project("run", "--timestamp", authority.url)
    (project.cwd / "Aicertfile").write_text(AICERTFILE + "outputs: { again: sort.sorted }\n")
    project("run", "--force")

    def move(proof):
        [earlier] = proof["attestations"].values()
        proof["evidence"]["timestamp"] = earlier["evidence"].pop("timestamp")
    edit(project, move)
    believe(project, authority)
    report = project.json("verify", "proof.json", "--require", "software", code=1)
    check = check_of(report, "timestamp")
    assert check["status"] == "failed" and "is the stamp of something else" in check["compared"]
    assert report["level"] == "none"


def test_new_stamp_of_the_main_put_on_the_reused(project, authority):
    project("run")
    (project.cwd / "Aicertfile").write_text(AICERTFILE + "outputs: { again: sort.sorted }\n")
    project("run", "--force", "--timestamp", authority.url)

    def copy(proof):
        [earlier] = proof["attestations"].values()
        earlier["evidence"]["timestamp"] = proof["evidence"]["timestamp"]
    edit(project, copy)
    report = project.json("verify", "proof.json", "--require", "software", code=1)
    check = check_of(report, "timestamp")
    assert check["status"] == "failed" and check["compared"].startswith("attestation ") and "is the stamp of something else" in check["compared"]


def test_authority_that_is_down_costs_no_result(project, authority):
    authority.stop()
    r = project("run", "--timestamp", authority.url, code=5, env={"AICERT_RETRY_BASE_MS": "1"})
    assert "is written, without a timestamp" in r.stderr and "hint: add one later: aicert timestamp" in r.stderr
    assert "root" in r.stdout and list((project.cwd / "outputs").iterdir())
    assert "timestamp" not in proof_of(project)["evidence"]
    project("verify", "proof.json", "--require", "software")
    authority.start()
    # What ran is attested: nothing runs again.
    project("timestamp", "proof.json", "--url", authority.url)
    believe(project, authority)
    assert project.json("verify", "proof.json", "--require", "software")["judged_by"] == "timestamp"


def test_run_refuses_what_is_no_url_before_it_runs(project):
    r = project("run", "--timestamp", "freetsa.org", code=2)
    assert "expected the http or https URL" in r.stderr
    assert not (project.cwd / "proof.json").exists()


# --- later ------------------------------------------------------------------------

@pytest.fixture
def done(project):
    project("run")
    return project


def test_timestamp_later(done, authority):
    before = proof_of(done)
    report = done.json("timestamp", "proof.json", "--url", authority.url)
    assert set(report) == {"proof", "timestamp", "authority"} and "Clock 1" in report["authority"]
    after = proof_of(done)
    del after["evidence"]["timestamp"]
    assert after == before
    believe(done, authority)
    verdict = done.json("verify", "proof.json", "--require", "software")
    assert verdict["judged_at"] == report["timestamp"]
    # One is there: the earlier says more.
    r = done("timestamp", "proof.json", "--url", authority.url, code=2)
    assert "has a timestamp already" in r.stderr
    done("timestamp", "proof.json", "--url", authority.url, "--force")


def test_token_without_the_root_that_the_verifier_gave(done, authority):
    """As most authorities answer."""
    authority.spoil = lambda query: authority.reply(query, "-chain", authority.dir / "issuing.pem")
    done("timestamp", "proof.json", "--url", authority.url)
    assert check_of(done.json("verify", "proof.json", "--require", "software"), "timestamp")["status"] == "skipped"
    believe(done, authority)
    report = done.json("verify", "proof.json", "--require", "software")
    assert report["judged_by"] == "timestamp" and "Clock root" in check_of(report, "timestamp")["compared"]


def test_timestamp_url_from_the_environment_only(done, authority):
    r = done("timestamp", "proof.json", code=2)
    assert "AICERT_TIMESTAMP_URL" in r.stderr and "none is built in" in r.stderr
    done("timestamp", "proof.json", "--out", "stamped.json", env={"AICERT_TIMESTAMP_URL": authority.url})
    assert "timestamp" in proof_of(done, "stamped.json")["evidence"] and "timestamp" not in proof_of(done)["evidence"]
    r = done("timestamp", "proof.json", "--out", "stamped.json", "--url", authority.url, code=2)
    assert "is there already" in r.stderr


def test_without_a_network(done, authority):
    report = done.json("timestamp", "proof.json", "--request", "ask.tsq")
    assert report == {"request": "ask.tsq", "imprint": imprint(proof_of(done))}
    (done.cwd / "answer.tsr").write_bytes(authority.reply((done.cwd / "ask.tsq").read_bytes()))
    done("timestamp", "proof.json", "--response", "answer.tsr")
    believe(done, authority)
    assert done.json("verify", "proof.json", "--require", "software")["judged_by"] == "timestamp"
    assert authority.asked == []


def test_answers_that_are_none(done, authority):
    before = (done.cwd / "proof.json").read_bytes()
    done("timestamp", "proof.json", "--request", "old.tsq")
    old = authority.reply((done.cwd / "old.tsq").read_bytes())

    def of_something_else(query):
        openssl("ts", "-query", "-digest", "00" * 32, "-sha256", "-cert", "-out", authority.dir / "other.tsq")
        return authority.reply((authority.dir / "other.tsq").read_bytes())

    def without_certificates(query):
        openssl("ts", "-query", "-digest", imprint(json.loads(before)), "-sha256", "-out", authority.dir / "bare.tsq")
        return authority.reply((authority.dir / "bare.tsq").read_bytes())

    def sha1(query):
        openssl("ts", "-query", "-digest", "00" * 20, "-sha1", "-cert", "-out", authority.dir / "sha1.tsq")
        return authority.reply((authority.dir / "sha1.tsq").read_bytes())

    for spoil, code, words in ((lambda q: b"<html>", 3, "is no TimeStampResp"), (lambda q: b"", 3, "is no TimeStampResp"),
                               (lambda q: authority.reply(q) + b"\0", 3, "is no TimeStampResp"), (lambda q: old, 1, "its nonce is another"),
                               (of_something_else, 1, "its nonce is another"), (without_certificates, 1, "carries 0 certificates"), (sha1, 1, "gives no timestamp: status 2"),
                               (lambda q: b"x" * 100000, 3, "more than"), (lambda q: None, 5, "answers 500")):
        authority.spoil = spoil
        r = done("timestamp", "proof.json", "--url", authority.url, code=code, env={"AICERT_RETRY_BASE_MS": "1"})
        assert words in r.stderr and "Traceback" not in r.stderr, r.stderr
        assert (done.cwd / "proof.json").read_bytes() == before
    authority.spoil, authority.type = None, "text/html"
    r = done("timestamp", "proof.json", "--url", authority.url, code=3)
    assert "is no time-stamping authority" in r.stderr


def test_what_is_no_proof(done, authority):
    (done.cwd / "x.json").write_text("{}")
    (done.cwd / "y.json").write_text('{"version":"v1"}')
    assert "is no proof of version 'v1'" in done("timestamp", "x.json", "--url", authority.url, code=3).stderr
    assert "is no attestation" in done("timestamp", "y.json", "--url", authority.url, code=3).stderr
    done("timestamp", "z.json", "--url", authority.url, code=3)
    done("timestamp", code=2)
    done("timestamp", "proof.json", "--url", authority.url, "--request", "q", code=2)
    assert authority.asked == []


# --- forgeries ----------------------------------------------------------------------

@pytest.fixture
def stamped(done, authority):
    done("timestamp", "proof.json", "--url", authority.url)
    believe(done, authority)
    return done


def refused(project, words):
    report = project.json("verify", "proof.json", "--require", "software", code=1)
    check = check_of(report, "timestamp")
    assert check["status"] == "failed" and words in check["compared"], check
    assert report["level"] == "none" and not report["verified"]


def token_edit(change):
    def apply(proof):
        token = bytearray(base64.b64decode(proof["evidence"]["timestamp"]))
        proof["evidence"]["timestamp"] = base64.b64encode(bytes(change(token))).decode()
    return apply


def test_stamp_of_another_signature(stamped, authority):
    first = proof_of(stamped)["evidence"]["timestamp"]
    (stamped.cwd / "words.txt").write_text("c\n")
    stamped("run", "--force")
    edit(stamped, lambda p: p["evidence"].update(timestamp=first))
    refused(stamped, "is the stamp of something else")


def test_edited_time(stamped):
    def earlier(token):
        at = token.index(b"20", token.index(bytes([0x18, 0x0f])))
        token[at + 3] = ord("0") if token[at + 3] != ord("0") else ord("1")
        return token
    edit(stamped, token_edit(earlier))
    refused(stamped, "it was edited")


def test_bytes_after_the_token(stamped):
    edit(stamped, token_edit(lambda t: t + b"\0"))
    refused(stamped, "bytes follow its end")


def test_not_base64_or_not_text(stamped):
    edit(stamped, lambda p: p["evidence"].update(timestamp=p["evidence"]["timestamp"] + "\n"))
    refused(stamped, "timestamp")
    edit(stamped, lambda p: p["evidence"].update(timestamp=7))
    report = stamped.json("verify", "proof.json", "--require", "software", code=1)
    assert check_of(report, "format")["status"] == "failed"


def test_self_made_authority_changes_nothing(stamped, tmp_path):
    forger = Authority(tmp_path / "forger").start()
    try:
        stamped("timestamp", "proof.json", "--url", forger.url, "--force")
    finally:
        forger.stop()
    report = stamped.json("verify", "proof.json", "--require", "software")
    check = check_of(report, "timestamp")
    assert check["status"] == "skipped" and "which this verifier does not believe for time stamps" in check["compared"]
    assert report["judged_by"] == "now"


def test_policy_that_asks_for_one(done, authority):
    (done.cwd / "policy.yaml").write_text("aicert-policy: 1\nrequire: software\ntimestamp: required\n")
    report = done.json("verify", "proof.json", "--policy", "policy.yaml", code=1)
    check = check_of(report, "policy timestamp")
    assert check["status"] == "failed" and "got none" in check["compared"]
    done("timestamp", "proof.json", "--url", authority.url)
    report = done.json("verify", "proof.json", "--policy", "policy.yaml", code=1)
    assert "does not believe" in check_of(report, "policy timestamp")["compared"]
    believe(done, authority)
    report = done.json("verify", "proof.json", "--policy", "policy.yaml")
    assert check_of(report, "policy timestamp")["status"] == "passed" and report["verified"]
