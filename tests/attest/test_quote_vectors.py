"""`aicert tpm check` over quotes of real TPMs: each accepted as it is, and refused with the right reason once anything differs.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build")).resolve()
VECTORS = ROOT.parent / "shared/vectors"
GCE, WINDOWS = "google+go-tpm-tools/extracted/gce-cos-85-", "google+go-attestation/extracted/windows_gcp_shielded_vm/"
KEYLIME, AZURE = "keylime+keylime/", "kinvolk+azure-cvm-tooling/extracted/azure-cvm-quote"


def gce(which, bank, extra, key):
    d = f"{GCE}{which}/"
    return (f"{d}quote-{bank}.msg", f"{d}quote-{bank}.sig", f"{d}akpub.{key}", f"{d}quote-{bank}.pcrs.json", extra, ["--allow-sha1"] if bank == "sha1" else [])


def plain(base, extra):
    return (f"{base}.msg", f"{base}.sig", f"{base}.akpub.pem", f"{base}.pcrs.json", extra, [])


# Every quote of INDEX.tsv: message, signature, key, PCR values, extra data, and what it takes to be accepted.
QUOTES = [
    *(gce(w, bank, extra, key) for w, extra in (("no-nonce", ""), ("nonce9009", "9009")) for bank in ("sha1", "sha256", "sha384") for key in ("tpmt", "pem")),
    *((WINDOWS + "quote.msg", WINDOWS + "quote.sig", WINDOWS + f"akpub.{k}", WINDOWS + "pcrs.json", "", ["--allow-sha1"]) for k in ("tpmt", "pem")),
    plain(KEYLIME + "extracted/test-data-files/quote", "db1db298db6d60e6385b7231743e9c3056a18003"),
    plain(KEYLIME + "extracted/tpm_util_test/quote", "4169354d35536a596a6e6b797634503769744831"),
    *((KEYLIME + "test-data/files/quote.out", KEYLIME + "test-data/files/quotesig.out", KEYLIME + f"test-data/files/{k}", KEYLIME + "test-data/files/quotepcr.out",
       "db1db298db6d60e6385b7231743e9c3056a18003", []) for k in ("ak.pub", "akpub.pem")),
    plain(AZURE, "6368616c6c656e6765"),
]
IDS = [f"{q[0].rsplit('/', 2)[-2]}/{q[0].rsplit('/', 1)[-1]} {q[2].rsplit('/', 1)[-1]}" for q in QUOTES]

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is absent")


def check(*args):
    r = subprocess.run([BUILD / "aicert", "tpm", "check", *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert r.returncode in (0, 1, 2, 3), (r.returncode, r.stderr)
    return r


def judge(*args):
    """Exit code and the checks by name."""
    r = check(*args, "--json")
    report = json.loads(r.stdout)
    assert report["accepted"] == (r.returncode == 0)
    return r.returncode, {c["name"]: c for c in report["checks"]}, report


def options(q, **other):
    given = {"quote": VECTORS / q[0], "signature": VECTORS / q[1], "key": VECTORS / q[2], "pcrs": VECTORS / q[3], "extra": q[4], **other}
    return [w for k, v in given.items() if v is not None for w in (f"--{k.replace('_', '-')}", v)] + q[5]


def refused(code, name, words, *args):
    got, checks, _ = judge(*args)
    assert got == code and checks[name]["status"] == "failed" and words in checks[name]["compared"], (got, checks[name])


def test_the_list_is_complete():
    """Every signature of the vectors is of a quote in the list, or of the attestation that is none."""
    sigs = {p.relative_to(VECTORS).as_posix() for p in VECTORS.rglob("*") if p.suffix == ".sig" or p.name == "quotesig.out"}
    assert sigs == {q[1] for q in QUOTES} | {WINDOWS + "create_attest.sig"}
    assert len(QUOTES) == 19 and len(sigs) == 12


@pytest.mark.parametrize("q", QUOTES, ids=IDS)
def test_a_real_quote_is_accepted(q):
    code, checks, report = judge(*options(q))
    assert code == 0, checks
    for name in ("quote", "key", "signature", "bank", "extra data", "pcrs"):
        assert checks[name]["status"] == "passed", checks[name]
    assert checks["attributes"]["status"] == ("skipped" if q[2].endswith(".pem") else "passed")
    assert report["quote"]["extra"] == q[4]


@pytest.mark.parametrize("q", [q for q in QUOTES if q[5]], ids=[i for q, i in zip(QUOTES, IDS) if q[5]])
def test_sha1_is_refused_by_default(q):
    code, checks, _ = judge(*options((*q[:5], [])))
    assert code == 1 and "SHA-1" in checks["bank"]["compared"] and "--allow-sha1" in checks["bank"]["hint"]
    assert (checks["key"]["status"] == "failed") == ("windows" in q[0])


@pytest.mark.parametrize("q", QUOTES, ids=IDS)
def test_another_nonce_is_refused(q):
    for other in ("01020304", q[4] + "00", q[4][:-2] if q[4] else "00"):
        refused(1, "extra data", "extraData: got", *options(q, extra=other))


@pytest.mark.parametrize("q", QUOTES, ids=IDS)
def test_a_reversed_signature_is_refused(q, tmp_path):
    sig = (VECTORS / q[1]).read_bytes()
    (tmp_path / "sig").write_bytes(sig[:6] + sig[:5:-1])
    refused(1, "signature", "not made by this", *options(q, signature=tmp_path / "sig"))


def values_of(q, tmp_path, change):
    pcrs = json.loads((VECTORS / q[3]).read_text())
    change(pcrs)
    (tmp_path / "pcrs").write_text(json.dumps(pcrs))
    return tmp_path / "pcrs"


WITH_JSON = [(q, i) for q, i in zip(QUOTES, IDS) if q[3].endswith(".json")]


@pytest.mark.parametrize("q", [q for q, _ in WITH_JSON], ids=[i for _, i in WITH_JSON])
def test_pcrs_that_are_not_those_quoted_are_refused(q, tmp_path):
    bank = next(iter(json.loads((VECTORS / q[3]).read_text())))

    def flipped(p):
        k = next(iter(p[bank]))
        p[bank][k] = f"{int(p[bank][k][0], 16) ^ 1:x}{p[bank][k][1:]}"

    def relabelled(p):
        k = next(iter(p[bank]))
        p[bank]["25"] = p[bank].pop(k)

    def other_bank(p):
        p["sha512"] = {k: v.ljust(128, "0")[:128] for k, v in p.pop(bank).items()}

    def fewer(p):
        p[bank].pop(next(iter(p[bank])))

    def more(p):
        p[bank]["30"] = next(iter(p[bank].values()))

    def another_bank_too(p):
        p["sha512"] = {"0": "00" * 64}

    for change, words in ((flipped, "not those quoted"), (relabelled, "expected those that were quoted"), (other_bank, "expected those that were quoted"),
                          (more, "expected those that were quoted"), (another_bank_too, "expected those that were quoted")):
        refused(1, "pcrs", words, *options(q, pcrs=values_of(q, tmp_path, change)))
    if len(json.loads((VECTORS / q[3]).read_text())[bank]) > 1:
        refused(1, "pcrs", "expected those that were quoted", *options(q, pcrs=values_of(q, tmp_path, fewer)))


def test_two_pcrs_that_changed_places_are_refused(tmp_path):
    q = plain(AZURE, "6368616c6c656e6765")

    def swap(p):
        p["sha256"]["0"], p["sha256"]["4"] = p["sha256"]["4"], p["sha256"]["0"]
    refused(1, "pcrs", "not those quoted", *options(q, pcrs=values_of(q, tmp_path, swap)))


def test_a_creation_is_no_quote():
    """Its signature is good and by the same key; its type is another (tpm2_checkquote 5.4 takes it)."""
    d = VECTORS / WINDOWS
    args = ("--quote", d / "create_attest.msg", "--signature", d / "create_attest.sig", "--key", d / "akpub.tpmt", "--allow-sha1")
    refused(1, "quote", "type: got 801a, expected 8018", *args)
    assert judge(*args)[1]["signature"]["status"] == "passed"


@pytest.mark.parametrize("which", ["quote", "signature"])
@pytest.mark.parametrize("q", [QUOTES[2], plain(AZURE, "6368616c6c656e6765")], ids=["gce tpmt", "azure pem"])
def test_no_flipped_bit_is_accepted(q, which, tmp_path):
    """A bit of every fourth byte, and of each of the first ones (two bits of every byte: tests/unit/test_quote.c)."""
    b = bytearray((VECTORS / q[0 if which == "quote" else 1]).read_bytes())
    f = tmp_path / "flipped"
    for i in [*range(12), *range(12, len(b), 4)]:
        b[i] ^= 1 << i % 8
        f.write_bytes(b)
        assert check(*options(q, **{which: f})).returncode in (1, 3), i
        b[i] ^= 1 << i % 8


@pytest.mark.parametrize("which", ["quote", "signature", "key"])
def test_a_byte_more_or_less_is_malformed(which, tmp_path):
    q, f = QUOTES[2], tmp_path / "f"
    b = (VECTORS / q[{"quote": 0, "signature": 1, "key": 2}[which]]).read_bytes()
    for cut in (b[:-1], b + b"\0", b[:9], b""):
        f.write_bytes(cut)
        assert check(*options(q, **{which: f})).returncode == 3, (which, len(cut))


def test_wrapped_files_are_taken_and_said(tmp_path):
    q = QUOTES[2]
    for name, i in (("quote", 0), ("key", 2)):
        b = (VECTORS / q[i]).read_bytes()
        (tmp_path / name).write_bytes(len(b).to_bytes(2, "big") + b)
    code, checks, _ = judge(*options(q, quote=tmp_path / "quote", key=tmp_path / "key"))
    assert code == 0 and "TPM2B_ATTEST" in checks["quote"]["compared"]


def test_bare_signature_and_bare_values(tmp_path):
    q = QUOTES[2]
    (tmp_path / "sig").write_bytes((VECTORS / q[1]).read_bytes()[6:])
    pcrs = json.loads((VECTORS / q[3]).read_text())["sha256"]
    (tmp_path / "values").write_bytes(b"".join(bytes.fromhex(pcrs[k]) for k in sorted(pcrs, key=int)))
    for key in ("tpmt", "pem"):
        args = options(q, signature=tmp_path / "sig", key=VECTORS / f"{GCE}no-nonce/akpub.{key}", pcrs=tmp_path / "values")
        assert judge(*args, "--scheme", "rsassa-sha256")[0] == 0
        assert judge(*args, "--scheme", "rsapss-sha256")[0] == 1
        assert judge(*args)[0] in (1, 3)
    (tmp_path / "flat").write_text(json.dumps({k: v.upper() for k, v in pcrs.items()}))
    assert judge(*options(q, pcrs=tmp_path / "flat"))[0] == 0


def test_keys_of_one_never_fit_the_quotes_of_another():
    for a in QUOTES:
        for b in QUOTES:
            if a[0] != b[0] and (VECTORS / a[2]).read_bytes() != (VECTORS / b[2]).read_bytes() and a[2].endswith(".pem") and b[2].endswith(".pem"):
                if (a[0].startswith(GCE) and b[0].startswith(GCE)) or "keylime" in a[0] and "keylime" in b[0]:
                    continue
                assert judge(*options(a, key=VECTORS / b[2]), "--allow-sha1")[1]["signature"]["status"] == "failed", (a[0], b[2])


def test_whose_key_it_is():
    gce_ = judge(*options(QUOTES[2]))[1]["signer"]
    assert gce_["status"] == "passed" and "primary key of the endorsement hierarchy" in gce_["compared"]
    q, files = QUOTES[16], VECTORS / KEYLIME / "test-data/files"
    assert judge(*options(q))[1]["signer"]["status"] == "skipped"
    below = judge(*options(q, parent=files / "ek.pub"))[1]["signer"]
    assert below["status"] == "passed" and "below its parent" in below["compared"]
    assert (files / "ak.name").read_bytes().hex() in below["compared"]
    refused(1, "signer", "not that of this key below this parent", *options(q, parent=files / "ak.pub"))


LOGS = [(q, VECTORS / GCE.replace("gce-cos-85-", q[0].split("/")[2]) / "eventlog.bin", "0,1,2,3,4,5,6,7,8,9") for q in (QUOTES[0], QUOTES[2], QUOTES[4], QUOTES[8])]
LOGS.append((QUOTES[12], VECTORS / WINDOWS / "wbcl.bin", "0,4,5,7,11,12,13,14"))


@pytest.mark.parametrize("q,log,agree", LOGS, ids=[q[0].split("/", 2)[-1] for q, _, _ in LOGS])
def test_the_boot_log_replays_to_the_quoted_pcrs(q, log, agree, tmp_path):
    code, checks, _ = judge(*options(q, eventlog=log))
    assert code == 0 and f":{agree};" in checks["event log"]["compared"], checks["event log"]
    b = log.read_bytes()
    (tmp_path / "log").write_bytes(b[:-1])
    assert judge(*options(q, eventlog=tmp_path / "log"))[1]["event log"]["status"] == "failed"


def test_the_log_of_another_boot_is_refused():
    refused(1, "event log", "does not replay to the quoted PCRs", *options(QUOTES[12], eventlog=VECTORS / f"{GCE}no-nonce/eventlog.bin"))
    refused(1, "event log", "SHA-1", *options((*QUOTES[2][:5], []), eventlog=VECTORS / WINDOWS / "wbcl.bin"))


def test_certificates_of_the_key():
    q, d = QUOTES[2], VECTORS / f"{GCE}no-nonce"
    roots = VECTORS / "google+go-tpm-tools/server/ca-certs"
    chain = ["--certificates", d / "akcert.der", "--certificates", roots / "tpm_ek_intermediate_2.crt", "--certificates", roots / "tpm_ek_root_1.cer"]
    code, checks, _ = judge(*options(q), *chain, "--as-of", "2021-12-01")
    assert code == 0 and checks["certificates"]["status"] == "passed", checks["certificates"]
    refused(1, "certificates", "not yet valid", *options(q), *chain, "--as-of", "2020-01-01")
    azure = plain(AZURE, "6368616c6c656e6765")
    assert judge(*options(azure), *chain, "--as-of", "2021-12-01")[1]["certificates"]["status"] == "failed"


def test_after_an_earlier_quote():
    a, b = QUOTES[2], QUOTES[8]
    assert (VECTORS / a[2]).read_bytes() == (VECTORS / b[2]).read_bytes()
    clock = [int(judge(*options(q))[2]["quote"]["clock"]) for q in (a, b)]
    first, then = (a, b) if clock[0] < clock[1] else (b, a)
    code, checks, _ = judge(*options(then, after=VECTORS / first[0], after_signature=VECTORS / first[1]))
    assert code == 0 and "signed by the same key" in checks["earlier quote"]["compared"], checks["earlier quote"]
    refused(1, "earlier quote", "it is not earlier", *options(first, after=VECTORS / then[0]))
    refused(1, "earlier quote", "another key's", *options(then, after=VECTORS / f"{AZURE}.msg"))
    refused(1, "earlier quote", "not made by this", *options(then, after=VECTORS / first[0], after_signature=VECTORS / then[1]))


@pytest.mark.parametrize("args,words", [
    ([], "--quote FILE is missing"), (["--extra", "zz"], "expected at most 64 bytes in hex"), (["--extra", "00", "--nonce", "a"], "two ways"),
    (["--bank", "md5"], "--bank: got 'md5'"), (["--scheme", "dsa"], "--scheme: got 'dsa'"), (["--pcr", "x"], "did you mean '--pcrs'"), (["word"], "got 'word'"),
    (["--eventlog", "x"], "--pcrs FILE is missing"), (["--after-signature", "x"], "--after FILE is missing"),
])
def test_usage(args, words):
    q = QUOTES[2]
    given = [] if not args else ["--quote", VECTORS / q[0], "--signature", VECTORS / q[1], "--key", VECTORS / q[2]]
    r = check(*given, *args)
    assert r.returncode == 2 and words in r.stderr, r.stderr


def test_help_and_unreadable_files(tmp_path):
    assert "example: aicert tpm check" in check("--help").stdout
    assert check(*options(QUOTES[2], quote=tmp_path / "absent")).returncode == 3
    assert check(*options(QUOTES[2], pcrs=VECTORS / "INDEX.tsv")).returncode == 3
    (tmp_path / "p").write_text('{"sha256": {"0": "00"}}')
    assert check(*options(QUOTES[2], pcrs=tmp_path / "p")).returncode == 3
