"""`aicert trust check` and `aicert tpm check` over the real certificates of ../shared: each one by one, with the count at the end.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import csv
import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build")).resolve()
VECTORS, ROOTS = ROOT.parent / "shared/vectors", ROOT.parent / "shared/roots"
GOOGLE = VECTORS / "google+go-tpm-tools"
LEAVES, AUTHORITIES = GOOGLE / "internal/test/certificates", GOOGLE / "server/ca-certs"

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is absent")

# Which certificates stand between a leaf and the root, the root last.
ABOVE = {
    "pca": ["gcp_ek_ak_ca_intermediate_v3.crt", "gcp_ek_ak_ca_root.crt"],
    "uca": ["tpm_ek_intermediate_3.crt", "tpm_ek_root_1.cer"],
    "akcert": ["tpm_ek_intermediate_2.crt", "tpm_ek_root_1.cer"],
}
NAMES = {"pca": "GCE EK/AK CA Root", "uca": "GCE tpm_ek_v1_cloud_host root", "akcert": "GCE tpm_ek_v1_cloud_host root"}
CERTIFICATES = sorted(f"{g}_tpm_{k}_{u}_cert.pem" for g in ("pca", "uca") for k in ("rsa", "ecc") for u in ("sign", "enc"))
AK_CERTIFICATES = [f"gce-cos-85-{w}" for w in ("no-nonce", "nonce9009")]
WHEN = "2023-01-01T00:00:00Z"


def index(kind):
    with open(VECTORS / "INDEX.tsv", newline="") as f:
        return [r["file"] for r in csv.DictReader(f, delimiter="\t") if r["kind"] == kind]


def run(home, *args):
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "AICERT_HOME": str(home / "aicert"), "NO_COLOR": "1",
           **{k: os.environ[k] for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ}}
    return subprocess.run([BUILD / "aicert", *map(str, args)], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def check(tmp_path):
    """check(files…, option…) -> (exit code, answer)."""
    def ask(*args):
        r = run(tmp_path, "trust", "check", "--json", *args)
        assert r.returncode in (0, 1, 2, 3), (r.returncode, r.stderr)
        return r.returncode, json.loads(r.stdout) if r.stdout else None, r.stderr
    return ask


def chain(name):
    generation = name.split("_")[0] if name in CERTIFICATES else "akcert"
    leaf = LEAVES / name if name in CERTIFICATES else GOOGLE / "extracted" / name / "akcert.der"
    return generation, [leaf, *(AUTHORITIES / a for a in ABOVE[generation])]


def der_of(path):
    raw = path.read_bytes()
    if raw[:1] == b"0":
        return raw
    return base64.b64decode(b"".join(re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", raw, re.S).group(1).split()))


def test_the_index_names_no_certificate_that_is_not_judged_here():
    judged = {str((LEAVES / c).relative_to(VECTORS)) for c in CERTIFICATES}
    judged |= {str((GOOGLE / "extracted" / a / "akcert.der").relative_to(VECTORS)) for a in AK_CERTIFICATES}
    assert set(index("cert")) == judged and len(judged) == 10
    assert {pathlib.Path(c).name for c in index("ca")} == {a for above in ABOVE.values() for a in above}


@pytest.mark.parametrize("name", CERTIFICATES + AK_CERTIFICATES)
def test_a_real_certificate_is_believed_for_its_role_only(check, name):
    generation, files = chain(name)
    role, other = ("ek", "ak-cloud") if "_enc_" in name else ("ak-cloud", "ek")
    code, answer, _ = check(*files, "--role", role, "--as-of", WHEN)
    assert code == 0 and answer["believed"] and answer["root"] == NAMES[generation] and answer["authority"] == "gcp"
    code, answer, _ = check(*files, "--role", other, "--as-of", WHEN)
    assert code == 1 and not answer["believed"]
    assert ("secrets are sent to" if role == "ek" else "not that of an endorsement key") in answer["why"]
    # No team's CA vouches for it, and no time stamp is its.
    for role in ("ak-ca", "tsa"):
        code, answer, _ = check(*files, "--role", role, "--as-of", WHEN)
        assert code == 1 and "is an anchor for endorsement keys and the attestation keys of a cloud only" in answer["why"]


@pytest.mark.parametrize("name", CERTIFICATES + AK_CERTIFICATES)
def test_a_real_chain_is_judged_at_its_time(check, name):
    _, files = chain(name)
    role = "ek" if "_enc_" in name else "ak-cloud"
    code, answer, _ = check(*files, "--role", role, "--as-of", "2053-01-01")
    assert code == 1 and "expired at 205" in answer["why"]
    code, answer, _ = check(*files, "--role", role, "--as-of", "2021-01-01")
    assert code == 1 and "not yet valid at 2021-01-01" in answer["why"]
    code, answer, _ = check(*files, "--role", role, "--as-of", answer["not_before"])
    assert code == 0
    code, answer, _ = check(*files, "--role", role, "--as-of", answer["not_after"])
    assert code == 0


@pytest.mark.parametrize("name", CERTIFICATES + AK_CERTIFICATES)
def test_a_real_chain_with_a_link_missing_turned_or_left_over_does_not_hold(check, name):
    _, files = chain(name)
    role = ("--role", "ek" if "_enc_" in name else "ak-cloud", "--as-of", WHEN)
    for wrong, words in (
        (files[:1], "its issuer's certificate is missing"), (files[:2], "its issuer's certificate is missing"),
        ([files[0], files[2]], "issuer is not the subject"), (files + files[2:], "left over"), ([files[1], files[0], files[2]], "is a CA"),
        ([files[0], files[0], *files[1:]], "its issuer is not the subject of the next"), ([files[2]], "is a CA"),
    ):
        code, answer, err = check(*wrong, *role)
        assert code == 1 and answer is None and words in err, (wrong, err)


@pytest.mark.parametrize("name", CERTIFICATES + AK_CERTIFICATES)
def test_a_real_leaf_with_a_byte_flipped_is_refused(check, tmp_path, name):
    _, files = chain(name)
    der = bytearray(der_of(files[0]))
    for at in (*range(0, 8), len(der) // 3, len(der) // 2, len(der) - 300, len(der) - 256, len(der) - 1):
        der[at] ^= 1
        (tmp_path / "flipped.der").write_bytes(der)
        der[at] ^= 1
        code, answer, err = check(tmp_path / "flipped.der", *files[1:], "--role", "ek" if "_enc_" in name else "ak-cloud", "--as-of", WHEN)
        assert code in (1, 3) and answer is None and err, at


@pytest.mark.parametrize("name", AK_CERTIFICATES)
def test_a_real_quote_and_its_real_certificates_go_together(tmp_path, name):
    d = GOOGLE / "extracted" / name
    args = ["tpm", "check", "--quote", d / "quote-sha256.msg", "--signature", d / "quote-sha256.sig", "--key", d / "akpub.tpmt", "--pcrs",
            d / "quote-sha256.pcrs.json", "--extra", "9009" if "9009" in name else "", "--json", "--as-of", WHEN]
    _, files = chain(name)

    def certificates(leaf):
        r = run(tmp_path, *args, *(w for f in (leaf, *files[1:]) for w in ("--certificates", f)))
        return r.returncode, {c["name"]: c for c in json.loads(r.stdout)["checks"]}["certificates"]
    code, said = certificates(files[0])
    assert code == 0 and said["status"] == "passed" and NAMES["akcert"] in said["compared"]
    # A genuine certificate of another key.
    files[1] = AUTHORITIES / ABOVE["uca"][0]
    code, said = certificates(LEAVES / "uca_tpm_rsa_sign_cert.pem")
    assert code == 1 and said["status"] == "failed" and "not the attestation key" in said["compared"]


# --- the makers' and clouds' ----------------------------------------------------------------------------------------------

def roots():
    if not ROOTS.is_dir():
        return []
    with open(ROOTS / "roots.tsv", newline="") as f:
        return [(r["sha256_der"], r["name"]) for r in csv.DictReader(f, delimiter="\t")]


@pytest.mark.parametrize("der,name", roots(), ids=[f"{d[:8]} {n}" for d, n in roots()])
def test_a_root_or_intermediate_is_built_in_or_can_be_added(tmp_path, der, name):
    path = ROOTS / f"{der[:16]}.der"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == der
    before = json.loads(run(tmp_path, "trust", "--json").stdout)["roots"]
    r = run(tmp_path, "trust", "add", "--root", path, "--role", "ek", "--name", "this one")
    after = json.loads(run(tmp_path, "trust", "--json").stdout)["roots"]
    if r.returncode:
        assert r.returncode == 2 and "is an anchor already, as" in r.stderr and after == before
        return
    assert after[:-1] == before and after[-1]["name"] == "this one" and after[-1]["roles"] == ["ek"] and not after[-1]["builtin"]
    assert after[-1]["spki"] not in {a["spki"] for a in before if "ek" in a["roles"]}
    assert run(tmp_path, "trust", "remove", "this one").returncode == 0
    assert json.loads(run(tmp_path, "trust", "--json").stdout)["roots"] == before


def test_every_certificate_counted(capsys):
    with capsys.disabled():
        print(f"\n# certificates: {len(CERTIFICATES) + len(AK_CERTIFICATES)} leaves, {len(index('ca'))} authorities, {len(roots())} roots and intermediates")
    assert len(CERTIFICATES) + len(AK_CERTIFICATES) == len(index("cert")) and len(roots()) == len(list(ROOTS.glob("*.der")))
