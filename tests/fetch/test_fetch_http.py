"""http: resume, retry, redirects, sizes and hashes, logins, and what must not be said."""
import hashlib
import json
import signal
import time

import pytest

BODY = bytes(range(256)) * 4096  # what the odd server sends
SHA = hashlib.sha256(BODY).hexdigest()
SIZE = len(BODY)


def arrived(fetch, r):
    assert r.json["pin"]["sha256"] == SHA and r.json["pin"]["size"] == SIZE
    assert fetch.blob(SHA) == BODY
    assert list((fetch.cache / "partial").iterdir()) == []


def ranges(odd):
    return [h.get("Range") for _, h in odd.seen]


def test_plain(fetch, odd):
    r = fetch("both", "url", odd.url + "/file/a?rev=1")
    arrived(fetch, r)
    assert r.json["how"] == "sha256" and r.json["ref"] == {"blob": SHA}
    assert r.json["pin"]["uri"] == odd.url + "/file/a?rev=1"
    assert odd.seen[0][1]["Accept-Encoding"] == "identity"


def test_empty_file(fetch, odd):
    r = fetch("resolve", "url", odd.url + "/empty/x")
    assert r.json["pin"]["size"] == 0 and r.json["pin"]["sha256"] == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("how", ["cut", "crumbs", "ignoresrange", "wrongrange", "unsatisfiable", "cutnovalidator", "busy", "changes", "redirect"])
def test_arrives_all_the_same(fetch, odd, how):
    arrived(fetch, fetch("resolve", "url", f"{odd.url}/{how}/x"))
    half = f"bytes={SIZE // 2}-"
    if how in ("cut", "ignoresrange"):
        assert ranges(odd) == [None, half] and odd.seen[1][1]["If-Range"] == '"one"'
    if how == "cutnovalidator":  # nothing says that the rest would be of the same file
        assert ranges(odd) == [None, None]
    if how == "crumbs":
        assert len(odd.seen) == 10


def test_no_validator_but_a_hash_is_enough(fetch, odd):
    fetch("content", "url", odd.url + "/cutnovalidator/x", "--pin", json.dumps({"sha256": SHA, "size": SIZE}))
    assert ranges(odd) == [None, f"bytes={SIZE // 2}-"]


def test_a_later_process_goes_on(fetch, odd):
    p = fetch.start("resolve", "url", odd.url + "/slow/x")
    part = fetch.cache / "partial"
    for _ in range(200):
        if part.exists() and any(f.stat().st_size == SIZE for f in part.iterdir()):
            break
        time.sleep(0.05)
    p.kill()
    p.communicate()
    (name,) = [f for f in part.iterdir() if f.suffix == ""]
    assert name.read_bytes() == BODY
    # All the bytes are there, the pin says so: nothing is asked again.
    before = len(odd.seen)
    fetch("content", "url", odd.url + "/slow/x", "--pin", json.dumps({"sha256": SHA, "size": SIZE}))
    assert len(odd.seen) == before


def test_a_spoilt_partial_is_begun_again(fetch, odd):
    part = fetch.cache / "partial"
    part.mkdir()
    (part / hashlib.sha256((odd.url + "/cut/x").encode()).hexdigest()).write_bytes(b"\0" * 1000)
    (part / (hashlib.sha256((odd.url + "/cut/x").encode()).hexdigest() + ".meta")).write_text('etag "one"')
    fetch("content", "url", odd.url + "/cut/x", "--pin", json.dumps({"sha256": SHA, "size": SIZE}))
    assert ranges(odd)[:2] == ["bytes=1000-", None]


def test_retry_after_is_waited_for(fetch, odd):
    t = time.monotonic()
    arrived(fetch, fetch("resolve", "url", odd.url + "/limit/x"))
    assert time.monotonic() - t >= 1


def test_gives_up(fetch, odd):
    r = fetch("resolve", "url", odd.url + "/broken/x", code=5)
    assert "the server answers 500" in r.error and len(odd.seen) == 6
    r = fetch("resolve", "url", odd.url + "/nothing/x", code=5)
    assert "cannot be reached" in r.error


def test_unreachable(fetch):
    r = fetch("resolve", "url", "http://127.0.0.1:1/x", code=5)
    assert "'http://127.0.0.1:1/x': cannot be reached" in r.error
    fetch("resolve", "url", "http://no-such-host.invalid/x", code=5)


@pytest.mark.parametrize("status,words", [(404, "is gone"), (410, "is gone"), (401, "answers 401"), (403, "answers 403"), (400, "answers 400")])
def test_no_is_not_asked_again(fetch, odd, status, words):
    r = fetch("resolve", "url", f"{odd.url}/status/{status}", code=3)
    assert words in r.error and len(odd.seen) == 1
    assert ("login" in r.hint) == (status in (401, 403))


def test_redirects_stay_on_http(fetch, odd):
    assert fetch("resolve", "url", odd.url + "/tofile/x", code=3).error
    assert "redirects" in fetch("resolve", "url", odd.url + "/loop/x", code=3).error
    assert fetch("resolve", "url", "ftp://127.0.0.1/x", code=3).error.endswith("expected http, https or file")


def test_no_downgrade(fetch, web):
    (web.files / "z").write_bytes(b"z")
    ca = {"SSL_CERT_FILE": str(web.ca)}
    fetch("resolve", "url", web.tls + "/moved/?to=z", env=ca)
    r = fetch("resolve", "url", web.tls + "/down/z", env=ca, code=3)
    assert '"http"' in r.error
    fetch("resolve", "url", web.plain + "/down/z")


def test_login_does_not_go_to_another_host(fetch, odd):
    fetch("resolve", "url", odd.url.replace("http://", "http://ada:s3cr3t@") + "/elsewhere/x")
    first, second = odd.seen
    assert "Authorization" in first[1] and "Authorization" not in second[1]


def test_pinned_content_differs(fetch, odd):
    other = "0" * 64
    r = fetch("resolve", "url", odd.url + "/file/x", "--sha256", other, code=3)
    assert SHA in r.error and other in r.error and not (fetch.store / SHA).exists()
    r = fetch("content", "url", odd.url + "/file/x", "--pin", json.dumps({"sha256": other}), code=3)
    assert SHA in r.error and other in r.error
    r = fetch("content", "url", odd.url + "/file/x", "--sha256", SHA, "--pin", json.dumps({"sha256": other}), code=3)
    assert "aicert.lock pins" in r.error
    assert list(fetch.store.iterdir()) == [] and list((fetch.cache / "partial").iterdir()) == []


def test_pinned_size_differs(fetch, odd):
    r = fetch("resolve", "url", odd.url + "/file/x", "--size", SIZE - 1, code=3)
    assert f"{SIZE} bytes" in r.error and f"expected {SIZE - 1}" in r.error
    r = fetch("resolve", "url", odd.url + "/file/x", "--size", SIZE + 1, code=3)
    assert f"got {SIZE} bytes, expected {SIZE + 1}" in r.error
    t = time.monotonic()
    fetch("resolve", "url", odd.url + "/endless/x", "--size", 10, code=3)
    assert time.monotonic() - t < 5


def test_interrupt(fetch, odd):
    p = fetch.start("resolve", "url", odd.url + "/slow/x")
    while not odd.seen:
        time.sleep(0.02)
    time.sleep(0.2)
    p.send_signal(signal.SIGINT)
    t = time.monotonic()
    out, _ = p.communicate()
    assert p.returncode == 130 and "interrupted" in out and time.monotonic() - t < 3


def test_two_at_once(fetch, fetch_in, odd):
    ps = [fetch.start("resolve", "url", odd.url + "/crumbs/x") for _ in range(3)]
    for p in ps:
        out, err = p.communicate()
        assert p.returncode == 0, out + err
        assert json.loads(out)["pin"]["sha256"] == SHA
    assert list((fetch.cache / "partial").iterdir()) == []


def test_nginx_ranges(fetch, web):
    (web.files / "big").write_bytes(BODY)
    r = fetch("resolve", "url", web.plain + "/files/big")
    assert r.json["pin"]["sha256"] == SHA
    assert fetch("resolve", "url", web.plain + "/gone/x", code=3).error.endswith("is gone: the server answers 410")
    assert "is gone" in fetch("resolve", "url", web.plain + "/files/none", code=3).error


def test_https(fetch, web):
    (web.files / "big").write_bytes(BODY)
    r = fetch("resolve", "url", web.tls + "/files/big", code=5)
    assert "SSL_CERT_FILE" in r.hint
    r = fetch("resolve", "url", web.tls + "/files/big", env={"SSL_CERT_FILE": str(web.ca)})
    assert r.json["pin"]["sha256"] == SHA


def test_private(fetch, web):
    (web.files / "big").write_bytes(BODY)
    url = web.plain + "/private/files/big"
    assert "login" in fetch("resolve", "url", url, code=3).hint
    fetch("resolve", "url", url.replace("http://", f"http://{web.user}:{web.password}@"))
    (fetch.home / ".netrc").write_text(f"machine localhost login {web.user} password {web.password}\n")
    fetch("resolve", "url", url)
    (fetch.home / ".netrc").rename(fetch.home / "other")
    fetch("resolve", "url", url, env={"NETRC": str(fetch.home / "other")})


def test_secrets_are_not_said(fetch, odd, web):
    secrets = ["s3cr3t-pw", "SIGNED-QUERY", "NETRC-PW"]
    (fetch.home / ".netrc").write_text("machine localhost login ada password NETRC-PW\n")
    base = odd.url.replace("http://", "http://ada:s3cr3t-pw@")
    said = ""
    for path, code in (("/crumbs/x", 0), ("/status/404", 3), ("/status/401", 3), ("/broken/x", 5), ("/tofile/x", 3), ("/nothing/x", 5), ("/busy/y", 0)):
        said += fetch("resolve", "url", f"{base}{path}?X-Amz-Signature=SIGNED-QUERY", code=code).said
    said += fetch("resolve", "url", f"{base}/file/x?token=SIGNED-QUERY", "--sha256", "0" * 64, code=3).said
    said += fetch("resolve", "url", "http://ada:s3cr3t-pw@127.0.0.1:1/x?sig=SIGNED-QUERY", code=5).said
    said += fetch("resolve", "url", "htp://ada:s3cr3t-pw@host/x?sig=SIGNED-QUERY", code=3).said
    said += fetch("resolve", "url", web.plain + "/private/files/big", code=3).said
    kept = b"".join(f.read_bytes() for d in (fetch.cache, fetch.store) for f in d.rglob("*") if f.is_file())
    for s in secrets:
        assert s not in said and s.encode() not in kept


def test_file_url(fetch, tmp_path):
    f = tmp_path / "a file ü.bin"
    f.write_bytes(BODY)
    r = fetch("both", "url", f.as_uri())
    assert r.json["pin"] == {"type": "url", "uri": "local", "sha256": SHA, "size": SIZE} and r.json["how"] == "sha256"
    other = "1" * 64
    r = fetch("content", "url", f.as_uri(), "--pin", json.dumps({"sha256": other, "size": SIZE}), code=3)
    assert SHA in r.error and other in r.error
    assert "cannot open" in fetch("resolve", "url", f.as_uri() + "x", code=3).error
    assert "folder" in fetch("resolve", "url", tmp_path.as_uri(), code=3).error
    fetch("resolve", "url", "file://elsewhere.example.org/x", code=3)
