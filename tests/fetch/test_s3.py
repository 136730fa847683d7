"""s3: objects and prefixes, public and signed, pages, regions and versions, where keys come from and that they go nowhere else."""
import hashlib
import json
import subprocess

import pytest

from fetch.s3_help import S3

FILES = {"corpus/a.txt": b"a" * 1000, "corpus/b c+d&e.txt": b"b" * 10, "corpus/deep/ü.bin": bytes(range(256)), "corpus/deep/z.tmp": b"z", "corpus.txt": b"beside",
         "corpus/": b"", "tokenizer.json": b"{}"}


def sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def s3():
    with S3() as server:
        for key, data in FILES.items():
            server.put("my-bucket", key, data)
        yield server


@pytest.fixture
def project(aicert, s3):
    aicert.env.update(AWS_ENDPOINT_URL=s3.url, AICERT_RETRY_BASE_MS="10")

    def write(attrs, script='cd "$IN_M"; find . -type f | sort > "$OUT_LIST"'):
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs:\n  m: {%s}\nsteps:\n  look:\n    use: shell\n    inputs: {m: m}\n"
                                               "    script: |\n      %s\n    outputs: {list: list.txt}\n" % (attrs, script))
        return aicert

    return write


def pin(aicert):
    return json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["m"]


BELOW = {k[7:]: v for k, v in FILES.items() if k.startswith("corpus/") and k != "corpus/"}


def test_a_prefix_signed(project, s3, aicert):
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/corpus/"')()
    p = pin(aicert)
    assert (p["type"], p["uri"]) == ("s3", "s3://my-bucket/corpus/")
    assert {f["path"]: (f["sha256"], f["size"]) for f in p["files"]} == {k: (sha(v), len(v)) for k, v in BELOW.items()}
    assert {f["path"]: f["uri"] for f in p["files"]}["b c+d&e.txt"] == "s3://my-bucket/corpus/b%20c%2Bd%26e.txt"
    assert (aicert.cwd / "outputs/list.txt").read_text().splitlines() == sorted("./" + k for k in BELOW)
    aicert("verify", "proof.json", "--require", "software")
    # Every request was signed, and the secret key is nowhere.
    assert all("Authorization" in h for _, h in s3.seen)
    ((_, secret),) = s3.keys.items()
    assert subprocess.run(["grep", "-rlF", secret, str(aicert.home / "aicert"), str(aicert.cwd)], capture_output=True).stdout == b""


def test_a_public_bucket_needs_no_keys(project, s3):
    s3.public.add("my-bucket")
    aicert = project('s3: "s3://my-bucket/corpus/", files: ["*.txt"], exclude: ["b*"]')
    aicert()
    assert [f["path"] for f in pin(aicert)["files"]] == ["a.txt"]
    assert not any("Authorization" in h for _, h in s3.seen)


def test_one_object(project, s3, aicert):
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/corpus/deep/ü.bin"', script='sha256sum < "$IN_M" > "$OUT_LIST"; test "$IN_M" = /workspace/resources/ü.bin')()
    p = pin(aicert)
    assert p["single"] is True and p["files"][0]["path"] == "ü.bin" and p["files"][0]["sha256"] == sha(FILES["corpus/deep/ü.bin"])
    assert (aicert.cwd / "outputs/list.txt").read_text().split()[0] == sha(FILES["corpus/deep/ü.bin"])


def test_a_folder_without_its_slash(project, s3, aicert):
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/corpus"')("lock")
    assert {f["path"] for f in pin(aicert)["files"]} == set(BELOW)
    project('s3: "s3://my-bucket"')("lock")
    assert {f["path"] for f in pin(aicert)["files"]} == {k for k in FILES if not k.endswith("/")}


def test_a_server_of_ones_own(project, s3, aicert):
    del aicert.env["AWS_ENDPOINT_URL"]
    aicert.env.update(s3.env())
    project(f's3: "s3://my-bucket/tokenizer.json", endpoint: "{s3.url}/"')("lock")
    assert pin(aicert)["files"][0]["uri"] == f"s3+{s3.url}/my-bucket/tokenizer.json"


def test_keys_of_a_profile(project, s3, aicert):
    ((id, secret),) = s3.keys.items()
    (aicert.home / ".aws").mkdir()
    (aicert.home / ".aws/credentials").write_text(f"[default]\naws_access_key_id = X\naws_secret_access_key = Y\n[work]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    assert "answers 403" in project('s3: "s3://my-bucket/corpus/"')("lock", code=2).stderr
    aicert.env["AWS_PROFILE"] = "work"
    project('s3: "s3://my-bucket/corpus/"')("lock")


def test_a_session_token(project, s3, aicert):
    s3.session = "sessi0n/token="
    aicert.env.update(s3.env(), AWS_SESSION_TOKEN="sessi0n/token=")
    project('s3: "s3://my-bucket/corpus/"')()
    assert subprocess.run(["grep", "-rlF", "sessi0n", str(aicert.home / "aicert"), str(aicert.cwd)], capture_output=True).stdout == b""


def test_a_session_token_goes_to_its_server_only(project, s3, aicert):
    s3.session = "sessi0n/token="
    aicert.env.update(s3.env(), AWS_SESSION_TOKEN="sessi0n/token=")
    with S3() as other:
        s3.away = other.url.replace("127.0.0.1", "localhost")
        r = project('s3: "s3://my-bucket/corpus/"')("lock", code=None)
        assert r.returncode != 0 and other.seen
        assert {(h.get("x-amz-security-token"), h.get("Authorization")) for _, h in other.seen} == {(None, None)}


def test_a_region(project, s3, aicert):
    s3.region = "eu-west-3"
    aicert.env.update(s3.env())
    assert "answers 403" in project('s3: "s3://my-bucket/corpus/"')("lock", code=2).stderr
    project('s3: "s3://my-bucket/corpus/", region: eu-west-3')()
    assert all(f["uri"].endswith("?region=eu-west-3") for f in pin(aicert)["files"])
    aicert.env["AWS_REGION"] = "eu-west-3"
    project('s3: "s3://my-bucket/corpus/"')("lock", "--update")


def test_versions(project, s3, aicert, aicert_in, tmp_path):
    s3.versioned.add("my-bucket")
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/corpus/", versions: true')("lock")
    assert all(f["uri"].endswith("?versionId=v0") for f in pin(aicert)["files"])
    s3.put("my-bucket", "corpus/a.txt", b"overwritten")
    other = aicert_in(tmp_path / "other", aicert.cwd)
    other.env.update(aicert.env, HOME=str(tmp_path / "other"), AICERT_HOME=str(tmp_path / "other/aicert"))
    other("run", "--locked")


def test_what_was_overwritten_is_refused(project, s3, aicert, aicert_in, tmp_path):
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/corpus/"')("lock")
    s3.put("my-bucket", "corpus/a.txt", b"A" * 1000)
    other = aicert_in(tmp_path / "other", aicert.cwd)
    other.env.update(aicert.env, HOME=str(tmp_path / "other"), AICERT_HOME=str(tmp_path / "other/aicert"))
    r = other(code=3)
    assert f"sha256: got {sha(b'A' * 1000)}, expected {sha(b'a' * 1000)}" in r.stderr


def test_who_may_not_list_may_get(project, s3, aicert):
    s3.unlisted.add("my-bucket")
    aicert.env.update(s3.env())
    project('s3: "s3://my-bucket/tokenizer.json"')("lock")
    assert pin(aicert)["files"][0]["sha256"] == sha(b"{}")
    assert "shows no listing" in project('s3: "s3://my-bucket/corpus/"')("lock", code=2).stderr


@pytest.mark.parametrize("attrs,words", [
    ('s3: "s3://other-bucket/x"', "shows no bucket 'other-bucket': it answers 404"), ('s3: "s3://my-bucket/none/"', "nothing that is asked for"),
    ('s3: "https://my-bucket/x"', "expected s3://BUCKET/KEY"), ('s3: "s3:///x"', "expected s3://BUCKET/KEY"), ('s3: "s3://my-bucket/../x"', "nothing that is asked for"),
    ('s3: "s3://my-bucket/x?versionId=1"', "expected s3://BUCKET/KEY"), ('s3: "s3://my-bucket/x", endpoint: "ftp://h"', "endpoint"),
    ('s3: "s3://my-bucket/x", endpoint: "https://h/path"', "without a path"), ('s3: "s3://my-bucket/x", endpoint: "https://u:p@h"', "secret"),
])
def test_what_is_none(project, s3, aicert, attrs, words):
    aicert.env.update(s3.env())
    r = project(attrs)("lock", code=None)
    assert r.returncode in (2, 3) and words in r.stderr, r.stderr


KEYS = "<ListBucketResult>%s</ListBucketResult>"


def keyed(*keys):
    return (KEYS % "".join(f"<Contents><Key>{k}</Key><Size>1</Size></Contents>" for k in keys)).encode()


@pytest.mark.parametrize("xml", [
    b"", b"<html>", keyed("../../x"), b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><ListBucketResult/>', b"\0" * 100,
    b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ListBucketResult><Contents><Key>&b;</Key><Size>1</Size></Contents></ListBucketResult>',
    keyed("&#1;"), keyed("a\x1b[2J"), keyed("a//b"), keyed("/etc/x"), keyed("a/./b"), keyed("a", "a"), keyed("a", "a/b"), keyed("&#x202e;a", "n" * 300), keyed("<![CDATA[a]]>"),
    b"<ListBucketResult>" + b"<a>" * 1000, b"<ListBucketResult><Contents><Key>" + b"k" * (1 << 20), b"<ListBucketResult a='" + b"x" * (1 << 20),
    b"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a</Key><Key>b</Key><Size>1</Size></Contents></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>\xff</Key><Size>1</Size></Contents></ListBucketResult>",
])
def test_listings_that_lie(project, s3, aicert, xml):
    s3.xml = xml
    aicert.env.update(s3.env())
    r = project('s3: "s3://my-bucket"')("lock", code=None)
    assert r.returncode in (2, 3) and "passwd" not in r.stderr
    assert not (aicert.cwd / "aicert.lock").exists()
    assert "\x1b" not in r.stderr


@pytest.mark.parametrize("pages", [1, 2])
def test_a_listing_that_repeats_itself(project, s3, aicert, pages):
    """The server always says that there is more: the same again, or two pages in turn."""
    s3.xml = [keyed(f"a{i}", f"b{i}").replace(b"<ListBucketResult>", b"<ListBucketResult><IsTruncated>true</IsTruncated>") for i in range(pages)]
    aicert.env.update(s3.env())
    r = project('s3: "s3://my-bucket"')("lock", code=None)
    assert r.returncode in (2, 3) and "repeats" in r.stderr and len(s3.seen) < 10, r.stderr


def test_odd_keys_come_as_they_are(project, s3, aicert):
    odd = {"100%.txt": b"1", "a%2Fb": b"2", "a+b c": b"3", "\u00fc/\u65e5\u672c": b"4", "~'()!*": b"5", "#frag?q=1&x": b"6"}
    for key, data in odd.items():
        s3.put("odd", key, data)
    aicert.env.update(s3.env())
    project('s3: "s3://odd"')("lock")
    assert {f["path"]: f["sha256"] for f in pin(aicert)["files"]} == {k: sha(v) for k, v in odd.items()}
