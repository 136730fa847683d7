"""`aicert trust`: keys, roots with roles, removed and revoked ones; what the file survives.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import json
import subprocess

import pytest

KEY = "5c19e6697d7c99f5" * 4


def openssl(*args, cwd):
    r = subprocess.run(["openssl", *map(str, args)], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stderr


def new_key(d, name):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key", cwd=d)


def root(d, name, cn, days=3650):
    new_key(d, name)
    openssl("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={cn}", "-days", days, "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-out", f"{name}.pem", cwd=d)
    return d / f"{name}.pem"


def issued(d, name, cn, by, extensions):
    new_key(d, name)
    (d / f"{name}.cnf").write_text(extensions)
    openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={cn}", "-out", f"{name}.csr", cwd=d)
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-days", 365, "-set_serial", 7, "-extfile", f"{name}.cnf",
            "-out", f"{name}.pem", cwd=d)
    return d / f"{name}.pem"


AK = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=2.23.133.8.3\n"
SUB = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n"


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    """A team's CA, one below it, an attestation key's certificate; another root of the same name."""
    d = tmp_path_factory.mktemp("certs")
    root(d, "team", "Team CA")
    issued(d, "sub", "Team CA 2", "team", SUB)
    issued(d, "ak", "an attestation key", "sub", AK)
    issued(d, "web", "www.example.org", "team", "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
    root(d, "twin", "Team CA")
    openssl("x509", "-in", "team.pem", "-outform", "DER", "-out", "team.der", cwd=d)
    return d


def by_name(aicert):
    return {r["name"]: r for r in aicert.json("trust")["roots"]}


def trust_file(aicert):
    return json.loads((aicert.home / "aicert/data/trust.json").read_text())


def test_what_is_built_in_is_listed(aicert):
    said = aicert.json("trust", "list")
    assert said["keys"] == said["revoked"] == []
    roots = {r["name"]: r for r in said["roots"]}
    assert len(roots) == len(said["roots"]) > 50 and all(r["builtin"] and not r["removed"] and not r["revoked"] for r in roots.values())
    assert {r["authority"] for r in roots.values() if "ak-cloud" in r["roles"]} == {"azure", "gcp"}
    assert all(r["roles"] == ["ek"] for r in roots.values() if "ak-cloud" not in r["roles"])
    assert not any("ame" in n.lower() and "root" in n.lower() for n in roots)
    text = aicert("trust").stdout
    line = next(x for x in text.splitlines() if "Azure Virtual TPM Root" in x)
    assert line.split()[:7] == ["5cbc52672ae1", "ak-cloud", "azure", "2023-06-01", "to", "2048-06-01", "built"]
    assert not (aicert.home / "aicert/data").exists()


def test_a_key_is_added_listed_and_removed(aicert):
    aicert("trust", "add", KEY, "--name", "build server")
    assert f"{KEY}  build server" in aicert("trust").stdout
    aicert("trust", "add", KEY, code=2)
    assert "is taken" in aicert("trust", "add", "ab" * 32, "--name", "build server", code=2).stderr
    aicert("trust", "remove", KEY[:8])
    assert aicert.json("trust")["keys"] == []
    assert "fits 0" in aicert("trust", "remove", KEY[:8], code=2).stderr


def test_a_root_is_added_with_its_role(aicert, certs):
    aicert("trust", "add", "--root", certs / "team.pem", "--role", "ak-ca", "--authority", "our-datacentre")
    r = by_name(aicert)["Team CA"]
    assert r["roles"] == ["ak-ca"] and r["authority"] == "our-datacentre" and not r["builtin"] and "der" not in r
    assert "our-datacentre" in aicert("trust").stdout
    # The same in another encoding, for the same role; and for another.
    assert "is an anchor already, as 'Team CA'" in aicert("trust", "add", "--root", certs / "team.der", "--role", "ak-ca", code=2).stderr
    assert "root name 'Team CA' is taken" in aicert("trust", "add", "--root", certs / "team.der", "--role", "tsa", code=2).stderr
    aicert("trust", "add", "--root", certs / "team.der", "--role", "tsa", "--name", "our stamps")
    # One that is not self-signed is pinned by its bytes.
    aicert("trust", "add", "--root", certs / "sub.pem", "--role", "ak-ca")
    assert len(by_name(aicert)["Team CA 2"]["der"]) == 64
    assert [r["name"] for r in trust_file(aicert)["roots"]] == ["Team CA", "our stamps", "Team CA 2"]
    aicert("trust", "remove", "our stamps")
    aicert("trust", "remove", "Team CA")
    assert [r["name"] for r in trust_file(aicert)["roots"]] == ["Team CA 2"]


@pytest.mark.parametrize("args,words", [
    (["--root", "team.pem"], "--role"), (["--root", "team.pem", "--role", "any"], "expected ek, ak-cloud, ak-ca or tsa"),
    (["--root", "ak.pem", "--role", "ak-ca"], "not a CA certificate"), (["--root", "team.key", "--role", "ak-ca"], "not an X.509 certificate"),
    (["--root", "absent.pem", "--role", "ak-ca"], "absent.pem"), (["--root", "both.pem", "--role", "ak-ca"], "more follows"),
    (["--root", "team.pem", "--role", "ak-ca", "--name", "a\nb"], "without control characters"), (["--root", "team.pem", "--role", "ak-ca", "--name", ""], "empty text"),
    (["--root", "team.pem", "--role", "ak-ca", "--name", "AMDTPM ECC"], "is taken"),
    (["--root", "team.pem", "--role", "ak-ca", "--name", "azure"], "an authority's"), (["--role", "ek", KEY], "no such use"),
    (["not a fingerprint"], "expected a key's fingerprint"), ([KEY.upper()], "expected a key's fingerprint"),
])
def test_what_is_no_root_or_key_is_refused(aicert, certs, args, words):
    (certs / "both.pem").write_text((certs / "team.pem").read_text() + (certs / "twin.pem").read_text())
    r = aicert("trust", "add", *args, cwd=certs, code=None)
    assert r.returncode in (2, 3) and words in r.stderr
    assert not (aicert.home / "aicert/data/trust.json").exists()


def test_a_built_in_root_can_be_removed_and_comes_back(aicert):
    name = "Azure Virtual TPM Root Certificate Authority 2023"
    aicert("trust", "remove", name)
    assert by_name(aicert)[name]["removed"] and "removed" in next(x for x in aicert("trust").stdout.splitlines() if name in x)
    assert "fits 0" in aicert("trust", "remove", name, code=2).stderr
    aicert("trust", "add", name)
    assert not by_name(aicert)[name]["removed"]
    aicert("trust", "add", name, code=2)
    aicert("trust", "remove", "5cbc52672ae1")
    assert by_name(aicert)[name]["removed"]


def test_certificates_are_believed_while_the_root_is(aicert, certs):
    files = [certs / f for f in ("ak.pem", "sub.pem", "team.pem")]
    assert "not an anchor of this verifier" in aicert("trust", "check", *files, code=1).stderr
    aicert("trust", "add", "--root", certs / "team.pem", "--role", "ak-ca", "--authority", "us")
    said = aicert.json("trust", "check", *files)
    assert said["believed"] and said["root"] == "Team CA" and said["authority"] == "us" and said["why"] is None
    assert "believed at" in aicert("trust", "check", *files).stdout
    bundle = certs / "bundle.pem"
    bundle.write_text("".join(f.read_text() for f in files))
    assert aicert.json("trust", "check", bundle)["believed"]
    assert "for the attestation keys that a CA enrolled only" in aicert("trust", "check", *files, "--role", "ek", code=1).stderr
    assert "is an anchor for" in aicert("trust", "check", *files, "--role", "ak-cloud", code=1).stderr
    assert "expired" in aicert("trust", "check", *files, "--as-of", "2099-01-01", code=1).stderr
    assert "lacks 2.23.133.8.3" in aicert("trust", "check", certs / "web.pem", certs / "team.pem", code=1).stderr
    # A root that a forger made, of the same name.
    assert "not by the key of the next" in aicert("trust", "check", certs / "web.pem", certs / "twin.pem", code=1).stderr
    aicert("trust", "remove", "Team CA")
    aicert("trust", "check", *files, code=1)


@pytest.mark.parametrize("which", ["ak.pem", "sub.pem", "team.pem"])
def test_a_revoked_certificate_spoils_the_chain(aicert, certs, which):
    files = [certs / f for f in ("ak.pem", "sub.pem", "team.pem")]
    aicert("trust", "add", "--root", certs / "team.pem", "--role", "ak-ca")
    aicert("trust", "revoke", certs / which, "--why", "its key was lost")
    assert "was revoked by this verifier" in aicert("trust", "check", *files, code=1).stderr
    revoked = aicert.json("trust")["revoked"]
    assert len(revoked) == 1 and revoked[0]["why"] == "its key was lost" and revoked[0]["id"] in aicert("trust").stdout
    assert "is revoked already" in aicert("trust", "revoke", revoked[0]["id"], code=2).stderr
    assert by_name(aicert)["Team CA"]["revoked"] == (which == "team.pem")
    aicert("trust", "unrevoke", revoked[0]["id"])
    aicert("trust", "check", *files)
    assert "is not revoked" in aicert("trust", "unrevoke", certs / which, code=2).stderr


def test_a_certificate_is_revoked_by_the_hash_of_its_file(aicert, certs):
    files = [certs / f for f in ("ak.pem", "sub.pem", "team.pem")]
    aicert("trust", "add", "--root", certs / "team.pem", "--role", "ak-ca")
    der = subprocess.run(["openssl", "x509", "-in", certs / "sub.pem", "-outform", "DER"], capture_output=True, check=True).stdout
    import hashlib
    aicert("trust", "revoke", hashlib.sha256(der).hexdigest())
    assert "certificate 1 'CN = Team CA 2': was revoked" in aicert("trust", "check", *files, code=1).stderr


# --- the file ----------------------------------------------------------------------------------------------------------

def write_trust(aicert, value):
    d = aicert.home / "aicert/data"
    d.mkdir(parents=True, mode=0o700)
    (d / "trust.json").write_text(value if isinstance(value, str) else json.dumps(value))


def test_a_file_of_before_there_were_roots_is_read_and_kept(aicert, certs):
    keys = [{"fingerprint": KEY, "name": "builder", "added": "2026-01-01T00:00:00Z"}]
    write_trust(aicert, {"keys": keys})
    assert aicert.json("trust")["keys"] == keys
    aicert("trust", "add", "--root", certs / "team.pem", "--role", "ak-ca")
    assert trust_file(aicert)["keys"] == keys
    assert "'builder' is taken by a key" in aicert("trust", "add", "--root", certs / "team.pem", "--role", "tsa", "--name", "builder", code=2).stderr
    assert "taken by a root" in aicert("trust", "add", "ab" * 32, "--name", "Team CA", code=2).stderr


def test_a_root_that_was_added_and_is_built_in_since_does_no_harm(aicert, shared):
    der = (shared / "roots/14aac9fd58471a61.der").read_bytes()
    e = {"name": "AMD as I call it", "role": "ek", "authority": "", "certificate": base64.b64encode(der).decode(), "added": "2026-01-01T00:00:00Z"}
    write_trust(aicert, {"keys": [], "roots": [e]})
    assert "AMDTPM ECC" in by_name(aicert) and "AMD as I call it" not in by_name(aicert)
    aicert("trust", "remove", "AMD as I call it")
    assert trust_file(aicert)["roots"] == []


def test_a_removed_root_that_is_built_in_no_more_does_no_harm(aicert):
    write_trust(aicert, {"keys": [], "removed": [{"name": "gone", "spki": "ab" * 32, "added": "2026-01-01T00:00:00Z"}]})
    assert len(by_name(aicert)) > 50


@pytest.mark.parametrize("value,words", [
    ({}, "'keys' is missing"), ({"keys": [], "roots": {}}, "'roots' is missing, or no array"), ({"keys": [], "roots": [{}]}, "roots[0]: expected"),
    ({"keys": [], "roots": [{"name": "x", "role": "ek", "authority": "", "certificate": "AAAA"}]}, "roots[0]"),
    ({"keys": [], "roots": [{"name": "x", "role": "king", "authority": "", "certificate": "AAAA"}]}, "roots[0]"),
    ({"keys": [], "removed": [{"name": "x", "spki": "zz"}]}, "removed[0]: expected"), ({"keys": [], "revoked": [{"id": "12"}]}, "revoked[0]: expected"),
    ("{", "trust.json"), ({"keys": [{"fingerprint": KEY}]}, "keys[0]: expected"),
])
def test_a_damaged_file_is_told(aicert, value, words):
    write_trust(aicert, value)
    r = aicert("trust", code=3)
    assert words in r.stderr and r.stdout == ""


def test_names_cannot_reach_the_terminal(aicert, certs):
    write_trust(aicert, {"keys": [{"fingerprint": KEY, "name": "\x1b[31mred", "added": "x"}]})
    out = aicert("trust", code=None).stdout
    assert "\x1b" not in out


def test_help_names_every_use(aicert):
    text = aicert("trust", "--help").stdout
    for word in ("list", "add", "--root", "remove", "revoke", "unrevoke", "check", "example:", "ak-ca", "tsa"):
        assert word in text
    assert "no such use" in aicert("trust", "believe", code=2).stderr
    assert "no such use" in aicert("trust", "remove", code=2).stderr


def test_changes_at_the_same_time_are_all_kept(aicert):
    """A revocation that another change overwrote would be believed to stand."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda i: aicert("trust", "revoke", f"{i}" * 64), range(10)))
    assert sorted(r["id"][0] for r in json.loads(aicert("trust", "list", "--json").stdout)["revoked"]) == list("0123456789")
