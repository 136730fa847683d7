"""Enrolment from end to end: a swtpm with certificates of its maker's, a team's attestation CA, a verifier; and who is turned away.

The maker is swtpm's own local CA, made in the test's folder; the verifier and the CA believe it only because the test says so.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

NEEDED = ("swtpm", "swtpm_setup", "swtpm_localca", "openssl")
pytestmark = pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="swtpm, swtpm-tools or openssl is not installed")

AICERTFILE = """\
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


def free_ports():
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


class Maker:
    """A maker of TPMs: swtpm's local CA in a folder; make() gives the state of a TPM with certificates."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "setup.conf").write_text(f"create_certs_tool=/usr/bin/swtpm_localca\ncreate_certs_tool_config={folder}/localca.conf\n"
                                           f"create_certs_tool_options={folder}/localca.options\n")
        (folder / "localca.conf").write_text(f"statedir = {folder}\nsigningkey = {folder}/signkey.pem\nissuercert = {folder}/issuercert.pem\n"
                                             f"certserial = {folder}/certserial\n")
        (folder / "localca.options").write_text("--platform-manufacturer Example\n--platform-version 2.1\n--platform-model test\n")
        self.root, self.issuer = folder / "swtpm-localca-rootca-cert.pem", folder / "issuercert.pem"

    def make(self, state):
        state.mkdir()
        r = subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", str(state), "--create-ek-cert", "--config", str(self.folder / "setup.conf")],
                           env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}, capture_output=True, text=True)
        assert r.returncode == 0, r.stdout + r.stderr
        return state


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    """A maker, two of its TPMs, and one of another maker's: states to be copied."""
    d = tmp_path_factory.mktemp("factory")
    maker, stranger = Maker(d / "maker"), Maker(d / "stranger")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        foreign = pool.submit(stranger.make, d / "foreign")
        return {"maker": maker, "stranger": stranger, "one": maker.make(d / "one"), "two": maker.make(d / "two"), "foreign": foreign.result()}


class World:
    """Who takes part: builders with a TPM each (started when first used, ended by their pids), the team's CA, its files."""

    def __init__(self, tmp_path, factory, new):
        self.d, self.factory, self.new, self.processes, self.builders = tmp_path, factory, new, [], {}
        self.maker = factory["maker"]
        self.team = new(self.folder("team-home"), tmp_path)
        self.ca = tmp_path / "ca"
        self.team("ca", "init", self.ca, "--name", "Team CA", "--curve", "P-256")

    def folder(self, name):
        (self.d / name).mkdir()
        return self.d / name

    def tpm(self, which):
        state = self.d / f"tpm-{which}"
        shutil.copytree(self.factory[which], state, ignore=shutil.ignore_patterns(".lock"))
        port = free_ports()
        p = subprocess.Popen(["swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1", "--ctrl",
                              f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear", "--tpmstate", f"dir={state}"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(p)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port + 1)) == 0:
                    return f"swtpm:host=127.0.0.1,port={port}"
            time.sleep(0.01)
        raise AssertionError("swtpm does not listen")

    def builder(self, which):
        if which not in self.builders:
            b = self.new(self.folder(f"home-{which}"), self.folder(f"project-{which}"))
            b.env["AICERT_TPM"] = self.tpm(which)
            self.builders[which] = b
        return self.builders[which]

    def request(self, which="one", out="request.json"):
        self.builder(which)("enroll", "request", "--out", self.d / out)
        return self.d / out

    def challenge(self, request, out="challenge.json", code=0, roots=True, more=()):
        roots = ("--root", self.maker.root, "--issuer", self.maker.issuer) if roots else ()
        r = self.team("ca", "challenge", self.ca, request, "--out", self.d / out, *roots, *more, code=code)
        assert (self.d / out).exists() == (code == 0)
        return self.d / out if code == 0 else r.stderr

    def answer(self, challenge, which="one", out="answer.json", code=0):
        r = self.builder(which)("enroll", "answer", challenge, "--out", self.d / out, code=code)
        return self.d / out if code == 0 else r.stderr

    def issue(self, answer, out="certificate.json", code=0, more=()):
        r = self.team("ca", "issue", self.ca, answer, "--out", self.d / out, *more, code=code)
        return self.d / out if code == 0 else r.stderr

    def whole(self, which="one"):
        return self.issue(self.answer(self.challenge(self.request(which)), which))

    def issued(self):
        return json.loads(self.team("ca", "list", self.ca, "--json").stdout)

    def end(self):
        for p in self.processes:
            p.terminate()
            p.wait()


@pytest.fixture
def world(tmp_path, factory, aicert_in):
    w = World(tmp_path, factory, aicert_in)
    yield w
    w.end()


def sealed(fields):
    """A file as its maker would write it: with the id of the rest."""
    fields = {k: v for k, v in fields.items() if k != "check"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**fields, "check": hashlib.sha256(text.encode()).hexdigest()}


def edit(path, out, **changes):
    out.write_text(json.dumps(sealed({**json.loads(path.read_text()), **changes})))
    return out


def pem(der_base64, path):
    r = subprocess.run(["openssl", "x509", "-inform", "DER", "-out", str(path)], input=base64.b64decode(der_base64), capture_output=True)
    assert r.returncode == 0, r.stderr
    return path


# --- the good way ---------------------------------------------------------------

def test_an_enrolled_key_reaches_genuine_tpm(world):
    builder, verifier = world.builder("one"), world.new(world.folder("verifier-home"), world.d)
    (builder.cwd / "Aicertfile").write_text(AICERTFILE)
    (builder.cwd / "words.txt").write_text("b\na\n")
    certificate = world.whole()
    builder("enroll", "install", certificate)
    builder()
    proof = builder.cwd / "proof.json"
    assert json.loads(proof.read_text())["evidence"]["ak_certificates"] == json.loads(certificate.read_text())["certificates"]
    verifier("verify", proof, "--require", "genuine-tpm", code=1)
    # The maker's root vouches for endorsement keys, never for this one.
    verifier("trust", "add", "--root", world.maker.root, "--role", "ek", "--authority", "maker")
    verifier("verify", proof, "--require", "genuine-tpm", code=1)
    verifier("trust", "add", "--root", world.ca / "ca.pem", "--role", "ak-ca", "--authority", "team")
    r = verifier("verify", proof, "--require", "genuine-tpm")
    assert "genuine-tpm" in r.stdout
    verifier("verify", proof, "--require", "measured-platform", code=1)
    # Whoever revokes the certificate that `ca list` names, believes it no more.
    verifier("trust", "revoke", world.issued()[0]["sha256"])
    verifier("verify", proof, "--require", "genuine-tpm", code=1)


def test_other_peoples_code_reads_the_certificate(world):
    file = json.loads(world.whole().read_text())
    leaf = pem(file["certificates"][0], world.d / "leaf.pem")
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", str(world.ca / "ca.pem"), str(leaf)], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", str(leaf), "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    assert "2.23.133.8.3" in text and "Digital Signature" in text and "CA:FALSE" in text
    assert "Subject Alternative Name: critical" in text and "2.23.133.2.1=id:00001014" in text and "2.23.133.2.2=swtpm" in text
    assert len(world.issued()) == 1 and world.issued()[0]["ak"] == file["ak"]


def test_the_files_of_a_ca(world):
    modes = {p.name: p.stat().st_mode & 0o777 for p in world.ca.iterdir()}
    assert modes["ca.key"] == 0o600 and world.ca.stat().st_mode & 0o777 == 0o700
    text = subprocess.run(["openssl", "x509", "-in", str(world.ca / "ca.pem"), "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    assert "CA:TRUE, pathlen:0" in text and "Certificate Sign, CRL Sign" in text and "Subject Key Identifier" in text
    before = {p.name: p.read_bytes() for p in world.ca.iterdir() if p.is_file()}
    world.team("ca", "init", world.ca, code=2)
    assert before == {p.name: p.read_bytes() for p in world.ca.iterdir() if p.is_file()}


def test_a_key_with_a_passphrase(world):
    (world.d / "pass").write_text("correct horse\nsecond line\n")
    (world.d / "other").write_text("wrong\n")
    world.ca = world.d / "sealed"
    world.team("ca", "init", world.ca, "--passphrase-file", world.d / "pass")
    assert "ENCRYPTED" in (world.ca / "ca.key").read_text()
    answer = world.answer(world.challenge(world.request()))
    assert "passphrase" in world.issue(answer, code=3)
    assert "passphrase" in world.issue(answer, code=3, more=("--passphrase-file", world.d / "other"))
    # A wrong passphrase does not use the answer up.
    world.issue(answer, more=("--passphrase-file", world.d / "pass"))


def test_the_same_key_again_and_another_key(world):
    """A certificate is renewed without ado; another key under the same EK takes the CA's word."""
    request = world.request()
    world.issue(world.answer(world.challenge(request)))
    world.issue(world.answer(world.challenge(request, "c2.json"), out="a2.json"), "cert2.json")
    assert len({r["serial"] for r in world.issued()}) == 2
    line = {**world.issued()[0], "ak": "ab" * 32}
    (world.ca / "issued.jsonl").write_text(json.dumps(line) + "\n")
    assert "another attestation key" in world.challenge(request, "c3.json", code=1)
    world.challenge(request, "c3.json", more=("--another",))
    world.issue(world.answer(world.d / "c3.json", out="a3.json"), "cert3.json")


def test_another_key_that_came_between(world):
    answer = world.answer(world.challenge(world.request()))
    ek = json.loads(pending(world).read_text())["ek"]
    record = {"ek": ek, "ak": "ab" * 32, "not_after": "2099-01-01T00:00:00Z"}
    (world.ca / "issued.jsonl").write_text(json.dumps(record) + "\n" + "cut by a cra")
    assert "another attestation key" in world.issue(answer, code=1)
    (world.ca / "issued.jsonl").write_text(json.dumps({**record, "not_after": "2020-01-01T00:00:00Z"}) + "\n" + "cut by a cra")
    world.issue(answer)
    assert len(world.issued()) == 2


def test_two_make_a_ca_at_once(world):
    """One makes it, and says its fingerprint; nobody is told one whose key was overwritten."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: world.team("ca", "init", world.d / "raced", code=None), range(6)))
    assert sorted(r.returncode for r in done) == [0, 2, 2, 2, 2, 2], [r.stderr for r in done]
    said = "".join(r.stdout for r in done).split()
    der = subprocess.run(["openssl", "pkey", "-in", world.d / "raced" / "ca.key", "-pubout", "-outform", "der"], capture_output=True, check=True).stdout
    assert said == [hashlib.sha256(der).hexdigest()]


def test_nothing_is_overwritten(world):
    request = world.request()
    before = request.read_bytes()
    world.builder("one")("enroll", "request", "--out", request, code=2)
    assert request.read_bytes() == before
    challenge = world.challenge(request)
    world.team("ca", "challenge", world.ca, request, "--root", world.maker.root, "--issuer", world.maker.issuer, "--out", challenge, code=2)
    answer = world.answer(challenge)
    (world.d / "taken.json").write_text("mine")
    assert "is there already" in world.issue(answer, "taken.json", code=2)
    # And the answer is as good as before.
    world.issue(answer)


# --- who is turned away ---------------------------------------------------------

def test_an_ek_root_that_nobody_trusts(world):
    assert "not an anchor" in world.challenge(world.request("foreign"), code=1, roots=False, more=("--issuer", world.factory["stranger"].issuer, "--issuer", world.factory["stranger"].root))
    # Nor does another maker's root help, nor the right root without what stands between.
    assert "issuer" in world.challenge(world.d / "request.json", code=1)
    assert not (world.ca / "pending").exists()


def test_an_ek_certificate_of_another_ek(world):
    one, two = world.request("one"), world.request("two", "two.json")
    stolen = edit(one, world.d / "stolen.json", ek_certificates=json.loads(two.read_text())["ek_certificates"])
    assert "public key" in world.challenge(stolen, code=1)


def test_anothers_ek_with_ones_own_ak(world):
    """The whole identity of another TPM: its owner alone could answer."""
    one, two = world.request("one"), world.request("two", "two.json")
    mixed = edit(two, world.d / "mixed.json", ak_public=json.loads(one.read_text())["ak_public"])
    challenge = world.challenge(mixed)
    world.answer(challenge, "one", code=5)
    assert "another attestation key" in world.answer(challenge, "two", code=1)
    assert not (world.d / "answer.json").exists()


def test_a_challenge_for_another_tpm(world):
    challenge = world.challenge(world.request("one"))
    assert "another attestation key" in world.answer(challenge, "two", code=1)
    # With the AK's name made to fit, the TPM itself refuses.
    ours = world.request("two", "two.json")
    ak = hashlib.sha256(base64.b64decode(json.loads(ours.read_text())["ak_public"])).hexdigest()
    world.answer(edit(challenge, world.d / "c2.json", ak=ak), "two", code=5)


AK_ATTRIBUTES = {"not restricted": ("restricted", lambda a: a & ~0x10000), "exportable": ("fixedTPM", lambda a: a & ~0x2), "to another parent": ("fixedParent", lambda a: a & ~0x10),
                 "imported": ("sensitiveDataOrigin", lambda a: a & ~0x20), "decrypts": ("decrypt", lambda a: a | 0x20000), "by policy": ("policy", lambda a: a | 0x80)}


@pytest.mark.parametrize("how", AK_ATTRIBUTES)
def test_an_ak_that_others_could_use(world, how):
    word, change = AK_ATTRIBUTES[how]
    request = world.request()
    ak = bytearray(base64.b64decode(json.loads(request.read_text())["ak_public"]))
    ak[4:8] = change(int.from_bytes(ak[4:8], "big")).to_bytes(4, "big")
    assert word in world.challenge(edit(request, world.d / "bad.json", ak_public=base64.b64encode(ak).decode()), code=1)


def soft_public(folder, attributes="00050072"):
    """TPMT_PUBLIC of a P-256 key that openssl holds, saying of itself what a TPM's key would."""
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "soft.pem"], cwd=folder, check=True, capture_output=True)
    point = subprocess.run(["openssl", "ec", "-in", "soft.pem", "-pubout", "-outform", "DER"], cwd=folder, check=True, capture_output=True).stdout[-64:]
    return bytes.fromhex("0023000b" + attributes + "0000" + "00100018000b0003" + "0010" + "0020") + point[:32] + b"\0\x20" + point[32:]


def test_a_software_key_passed_off_as_an_ak(world):
    """It looks as it should, so it gets a challenge; no TPM opens that, not even with the key's public part loaded."""
    request, soft = world.request(), soft_public(world.d)
    challenge = world.challenge(edit(request, world.d / "soft.json", ak_public=base64.b64encode(soft).decode()))
    assert "another attestation key" in world.answer(challenge, code=1)
    if not shutil.which("tpm2_activatecredential"):
        pytest.skip("tpm2-tools is not installed")
    c = json.loads(challenge.read_text())
    (world.d / "cred").write_bytes(bytes.fromhex("badcc0de00000001") + base64.b64decode(c["credential"]) + base64.b64decode(c["seed"]))
    (world.d / "soft.pub").write_bytes(len(soft).to_bytes(2, "big") + soft)
    env = {**os.environ, "TPM2TOOLS_TCTI": world.builder("one").env["AICERT_TPM"]}

    def tool(*args):
        return subprocess.run(args, cwd=world.d, env=env, capture_output=True, text=True)
    assert tool("tpm2_loadexternal", "-C", "e", "-u", "soft.pub", "-c", "soft.ctx").returncode == 0
    assert tool("tpm2_startauthsession", "--policy-session", "-S", "ses").returncode == 0
    assert tool("tpm2_policysecret", "-S", "ses", "-c", "e").returncode == 0
    r = tool("tpm2_activatecredential", "-c", "soft.ctx", "-C", "0x81010001", "-P", "session:ses", "-i", "cred", "-o", "secret")
    assert r.returncode != 0 and "not available for selected entity" in r.stderr and not (world.d / "secret").exists()


def test_an_answer_counts_once(world):
    answer = world.answer(world.challenge(world.request()))
    world.issue(answer)
    assert "answered already" in world.issue(answer, "again.json", code=1)
    assert len(world.issued()) == 1


def test_an_answer_counts_once_also_at_the_same_time(world):
    answer, codes = world.answer(world.challenge(world.request())), []

    def try_it(i):
        codes.append(world.team("ca", "issue", world.ca, answer, "--out", world.d / f"at-once-{i}.json", code=None).returncode)
    threads = [threading.Thread(target=try_it, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(codes) == [0, 1, 1, 1] and len(world.issued()) == 1


def pending(world):
    return next((world.ca / "pending").iterdir())


def test_an_answer_that_comes_too_late(world):
    answer = world.answer(world.challenge(world.request()))
    p = pending(world)
    edit(p, p, expires="2026-01-01T00:00:00Z")
    assert "expired" in world.issue(answer, code=1)
    # Long after, the entry itself goes, with the next challenge.
    edit(p, p, expires="2020-01-01T00:00:00Z")
    world.challenge(world.d / "request.json", "c2.json")
    assert not p.exists()


def test_an_answer_for_another_entry(world):
    first = world.challenge(world.request())
    answer = world.answer(first)
    second = world.challenge(world.d / "request.json", "c2.json")
    moved = edit(answer, world.d / "moved.json", challenge=json.loads(second.read_text())["id"])
    assert "secret" in world.issue(moved, code=1)
    world.issue(edit(answer, world.d / "nowhere.json", challenge="ab" * 32), code=1)
    world.issue(answer)


def test_a_request_edited_after_the_challenge(world):
    """What is certified is the key that was challenged, whatever the files say afterwards."""
    request = world.request()
    challenge = world.challenge(request)
    soft = soft_public(world.d)
    edit(request, request, ak_public=base64.b64encode(soft).decode())
    answer = world.answer(challenge)
    renamed = edit(answer, world.d / "renamed.json", ak=hashlib.sha256(soft).hexdigest())
    assert "another attestation key" in world.issue(renamed, code=1)
    certificate = world.issue(answer)
    assert json.loads(certificate.read_text())["ak"] == json.loads(challenge.read_text())["ak"]


def test_a_wrong_secret(world):
    answer = world.answer(world.challenge(world.request()))
    secret = bytearray(base64.b64decode(json.loads(answer.read_text())["secret"]))
    for i in (0, 31):
        bad = bytearray(secret)
        bad[i] ^= 1
        assert "secret" in world.issue(edit(answer, world.d / "bad.json", secret=base64.b64encode(bad).decode()), code=1)
    assert not world.issued()


def test_denied_keys(world):
    request = world.request()
    answer = world.answer(world.challenge(request))
    entry = json.loads(pending(world).read_text())
    for key in (entry["ek"], json.loads(answer.read_text())["ak"]):
        (world.ca / "denied").write_text(f"# stolen\n\n{key}   # from the lab\n")
        assert "denied" in world.challenge(request, "c2.json", code=1)
        assert "denied" in world.issue(answer, code=1)
    # A list that cannot be read denies all.
    (world.ca / "denied").write_text("not a fingerprint\n")
    assert "denied:1" in world.issue(answer, code=3)
    (world.ca / "denied").write_bytes(b"0" * 64 + b"\0\n" + entry["ek"].encode() + b"\n")
    assert "NUL" in world.issue(answer, code=3)
    (world.ca / "denied").unlink()
    world.issue(answer)


def test_a_key_that_others_could_have_read(world):
    answer = world.answer(world.challenge(world.request()))
    (world.ca / "ca.key").chmod(0o644)
    assert "ca.key" in world.issue(answer, code=5)
    (world.ca / "ca.key").chmod(0o600)
    world.ca.chmod(0o755)
    assert "yours alone" in world.issue(answer, code=5)
    world.ca.chmod(0o700)
    (world.ca / "ca.key").rename(world.d / "moved.key")
    (world.ca / "ca.key").symlink_to(world.d / "moved.key")
    world.issue(answer, code=5)
    assert not world.issued()
    (world.ca / "ca.key").unlink()
    (world.d / "moved.key").rename(world.ca / "ca.key")
    world.issue(answer)


def test_cut_and_oversized_files(world):
    request = world.request()
    challenge = world.challenge(request)
    answer = world.answer(challenge)
    certificate = world.issue(answer)
    steps = [(request, lambda p: world.challenge(p, "x.json", code=3)), (challenge, lambda p: world.answer(p, out="x.json", code=3)),
             (answer, lambda p: world.issue(p, "x.json", code=3)), (certificate, lambda p: world.builder("one")("enroll", "install", p, code=3))]
    bad = world.d / "bad.json"
    for path, step in steps:
        text = path.read_bytes()
        for broken in (text[:len(text) // 2], b"", text + b"{}", text.rstrip()[:-1] + b" " * (600 << 10) + b"}", text.replace(b'"format": 1', b'"format": 2')):
            bad.write_bytes(broken)
            step(bad)
        for other, _ in steps:
            if other != path:
                step(other)


def test_a_certificate_for_another_key_is_not_installed(world):
    theirs = world.whole("one")
    mine = world.builder("two")
    assert "another attestation key" in mine("enroll", "install", theirs, code=1).stderr
    ak = hashlib.sha256(base64.b64decode(json.loads(world.request("two", "two.json").read_text())["ak_public"])).hexdigest()
    assert "public key" in mine("enroll", "install", edit(theirs, world.d / "renamed.json", ak=ak), code=1).stderr


def test_an_ek_certificate_is_no_aks(world):
    certificate = world.whole()
    request = json.loads((world.d / "request.json").read_text())
    chain = [request["ek_certificates"][0]]
    for p in (world.maker.issuer, world.maker.root):
        chain.append(base64.b64encode(subprocess.run(["openssl", "x509", "-in", str(p), "-outform", "DER"], check=True, capture_output=True).stdout).decode())
    bad = edit(certificate, world.d / "ek.json", certificates=chain)
    assert "public key" in world.builder("one")("enroll", "install", bad, code=1).stderr


def test_the_embedded_tpm_is_nobodys_make(world):
    b = world.new(world.folder("home-embedded"), world.d)
    r = b("enroll", "request", "--tpm", "embedded", "--out", world.d / "embedded.json", code=5)
    assert "certificate" in r.stderr and not (world.d / "embedded.json").exists()


def test_usage(world):
    for args in (("ca", "chalenge"), ("ca", "init"), ("ca", "issue", world.ca), ("enroll",), ("enroll", "answer"), ("ca", "init", world.d / "x", "--days", "1e3"),
                 ("ca", "init", world.d / "x", "--curve", "P-521")):
        world.team(*args, code=2)
    assert not (world.d / "x").exists()
    for args in (("ca", "--help"), ("ca", "init", "--help"), ("ca", "challenge", "--help"), ("ca", "issue", "--help"), ("ca", "list", "--help"), ("enroll", "--help")):
        assert "example:" in world.team(*args).stdout
