"""Images from registries: names, digests, logins, tokens, mirrors, and registries that lie.  SPDX-License-Identifier: Apache-2.0"""
import json
import os
import signal
import stat
import subprocess
import time

import pytest

from fetch.conftest import make_certificate
from fetch.registry_help import *

USER, PASSWORD = "ada", "hunter2-s3cret"


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    """A plain one, one that wants a login, one with TLS."""
    folder = tmp_path_factory.mktemp("registries")
    need("openssl")
    make_certificate(folder)
    made = {"ca": folder / "ca.pem", "certificates": folder}
    try:
        made["plain"] = Registry(folder, "plain")
        made["login"] = Registry(folder, "login", login=(USER, PASSWORD))
        made["tls"] = Registry(folder, "tls", tls=folder)
        layout, _ = simple(folder / "layout")
        for name in ("plain", "login", "tls"):
            made[name].push(layout, "v1", "a/b:v1")
        yield made
    finally:
        for name in ("plain", "login", "tls"):
            if name in made:
                made[name].close()


@pytest.fixture
def fake():
    s = Fake()
    yield s
    s.close()


@pytest.fixture
def other():
    s = Fake()
    yield s
    s.close()


@pytest.fixture
def image(tmp_path):
    return simple(tmp_path / "layout")


def arrived(fetch, r, text="top\n", config=PINNED):
    assert fetch.tree(r.json["ref"]["tree"]) == what_arrives(text)
    assert r.json["pin"]["config"] == config
    assert [p.name for p in (fetch.cache / "partial").iterdir()] == []


def says_nothing_secret(r, *secrets):
    for secret in (PASSWORD, basic(USER, PASSWORD), *secrets):
        assert secret not in r.said and secret not in json.dumps(r.json)


def docker_config(folder, config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


# --- a real registry ------------------------------------------------------------------------
def test_tag_to_digest_to_tree(fetch, registries):
    r = fetch("both", "image", f"{registries['plain'].host}/a/b:v1")
    arrived(fetch, r)
    digest = registries["plain"].digest("a/b:v1")
    assert r.json["pin"] == {"type": "image", "uri": f"{registries['plain'].host}/a/b:v1", "digest": digest, "revision": digest, "platform": "linux/amd64",
                             "config": PINNED}
    assert f"{registries['plain'].host}/a/b:v1: layer 2 of 2 " in r.talk


@pytest.mark.parametrize("options", [["--dest-compress-format", "zstd"], ["--format", "v2s2"], ["--dest-decompress"], []], ids=["zstd", "v2s2", "decompress", "gzip"])
def test_what_skopeo_pushes(fetch, registries, tmp_path, options):
    layout = Layout(tmp_path / "l")
    layout.name(layout.image([base_layer(), top_layer()], "zstd" if "zstd" in options else "gzip", config=CONFIG), "v1")
    name = registries["plain"].push(layout, "v1", f"c/{'x'.join(o.strip('-') for o in options) or 'gzip'}:1", *options)
    r = fetch("both", "image", name)
    arrived(fetch, r)
    assert r.json["pin"]["digest"] == registries["plain"].digest(name.split("/", 1)[1])


def test_docker_media_types_and_a_layer_as_it_is(fetch, fake, tmp_path):
    layout = Layout(tmp_path / "l")
    arrived(fetch, fetch("both", "image", fake.put(layout, docker_form(layout, [base_layer(), top_layer()]), "v1")))


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_packings(fetch, fake, tmp_path, packing):
    layout = Layout(tmp_path / "l")
    arrived(fetch, fetch("both", "image", fake.put(layout, layout.image([base_layer(), top_layer()], packing, config=CONFIG), "v1")))


@pytest.mark.parametrize("options", [["--all"], ["--all", "--format", "v2s2"]], ids=["index", "manifest-list"])
def test_index(fetch, registries, tmp_path, options):
    layout, descriptor, entries = two_platforms(tmp_path / "l")
    name = registries["plain"].push(layout, "v1", f"d/{len(options)}:v1", *options)
    r = fetch("both", "image", name)
    arrived(fetch, r)
    assert r.json["pin"]["digest"] == registries["plain"].digest(name.split("/", 1)[1]) != r.json["pin"]["revision"]
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    assert raw["mediaType"] == (INDEX if len(options) == 1 else MANIFEST_LIST)
    assert r.json["pin"]["revision"] == [m["digest"] for m in raw["manifests"] if m["platform"]["architecture"] == "amd64"][0]
    arm = fetch("resolve", "image", name, "--platform", "linux/arm64")
    assert arm.json["pin"]["revision"] == [m["digest"] for m in raw["manifests"] if m["platform"]["architecture"] == "arm64"][0]
    r = fetch("resolve", "image", name, "--platform", "linux/s390x", code=3)
    assert "not for linux/s390x: it is for linux/amd64, linux/arm64" in r.error


def test_index_within_an_index(fetch, fake, tmp_path):
    layout, inner, entries = two_platforms(tmp_path / "l")
    outer = layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}, INDEX)
    r = fetch("both", "image", fake.put(layout, outer, "v1"))
    arrived(fetch, r)
    assert r.json["pin"]["digest"] == outer["digest"] and r.json["pin"]["revision"] == entries[0]["digest"]
    for _ in range(4):
        outer = layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": [outer]}, INDEX)
    assert "more than 4 times" in fetch("resolve", "image", fake.put(layout, outer, "v1"), code=3).error


def test_by_digest(fetch, registries):
    digest = registries["plain"].digest("a/b:v1")
    host = registries["plain"].host
    arrived(fetch, fetch("both", "image", f"{host}/a/b@{digest}"))
    r = fetch("resolve", "image", f"{host}/a/b:no-such-tag@{digest}")
    assert r.json["pin"]["uri"] == f"{host}/a/b:no-such-tag@{digest}" and r.json["pin"]["digest"] == digest
    r = fetch("resolve", "image", f"{host}/a/b@sha256:{'0' * 64}", code=3)
    assert f"'a/b' has no manifest sha256:{'0' * 64}" in r.error and not r.hint


def test_not_there(fetch, registries):
    host = registries["plain"].host
    r = fetch("resolve", "image", f"{host}/a/b:v2", code=3)
    assert r.error == f"registry '{host}': 'a/b' has no tag 'v2'" and r.hint == "the tags there are: v1"
    r = fetch("resolve", "image", f"{host}/no/such:v2", code=3)
    assert "'no/such'" in r.error
    r = fetch("resolve", "image", "127.0.0.1:1/a/b:v1", code=5)
    assert "cannot be reached" in r.error
    assert "cannot be reached" in fetch("resolve", "image", "no-such-host.invalid/a/b:v1", code=5).error


# --- TLS --------------------------------------------------------------------------------------
def test_tls_by_an_own_authority(fetch, registries):
    name = f"{registries['tls'].host}/a/b:v1"
    arrived(fetch, fetch("both", "image", name, env={"SSL_CERT_FILE": str(registries["ca"])}))
    r = fetch("resolve", "image", name, code=5)
    assert "SSL_CERT_FILE" in r.hint


def test_no_http_but_to_this_machine(fetch):
    assert "http is for localhost only" in fetch("resolve", "image", "x", env={"AICERT_REGISTRY_MIRRORS": "docker.io=http://10.0.0.1:5000"}, code=2).error


# --- logins -------------------------------------------------------------------------------------
def test_a_login_is_wanted(fetch, registries):
    r = fetch("resolve", "image", f"{registries['login'].host}/a/b:v1", code=3)
    assert "shows it to nobody without a login (401)" in r.error and f"docker login {registries['login'].host}" in r.hint


@pytest.mark.parametrize("where", ["docker", "docker-config", "auth-file", "runtime", "config-home", "userpass", "scheme", "namespace", "crowd"])
def test_logins(fetch, registries, where, tmp_path):
    host, auth, env = registries["login"].host, {"auth": basic(USER, PASSWORD)}, {}
    auths = {"userpass": {host: {"username": USER, "password": PASSWORD}}, "scheme": {f"http://{host}/v2/": auth},
             "namespace": {f"{host}/a": auth, host: {"auth": basic("x", "wrong")}, f"{host}/a/bc": {"auth": basic("x", "wrong")}},
             "crowd": {"127.0.0.1": {"auth": basic("x", "wrong")}, host: auth, f"x{host}": {}}}.get(where, {host: auth})
    file = {"auths": auths}
    if where == "docker-config":
        env["DOCKER_CONFIG"] = str(tmp_path / "dc")
        docker_config(tmp_path / "dc", file)
    elif where in ("auth-file", "runtime", "config-home"):
        path = {"auth-file": tmp_path / "f.json", "runtime": tmp_path / "containers/auth.json", "config-home": fetch.home / ".config/containers/auth.json"}[where]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(file))
        env.update({"auth-file": {"REGISTRY_AUTH_FILE": str(path)}, "runtime": {"XDG_RUNTIME_DIR": str(tmp_path)}}.get(where, {}))
    else:
        docker_config(fetch.home / ".docker", file)
    r = fetch("both", "image", f"{host}/a/b:v1", env=env)
    arrived(fetch, r)
    says_nothing_secret(r)


def test_skopeo_wrote_the_login(fetch, registries, tmp_path):
    file = tmp_path / "auth.json"
    subprocess.run(["skopeo", "login", "--authfile", file, "--tls-verify=false", "-u", USER, "-p", PASSWORD, registries["login"].host], check=True, capture_output=True)
    arrived(fetch, fetch("both", "image", f"{registries['login'].host}/a/b:v1", env={"REGISTRY_AUTH_FILE": str(file)}))


def test_a_wrong_login(fetch, registries):
    docker_config(fetch.home / ".docker", {"auths": {registries["login"].host: {"auth": basic(USER, "wr0ng-pw")}}})
    r = fetch("resolve", "image", f"{registries['login'].host}/a/b:v1", code=3)
    assert "the login gives no right" in r.error
    says_nothing_secret(r, "wr0ng-pw", basic(USER, "wr0ng-pw"))


def test_a_spoilt_login_file_is_said_and_not_shown(fetch, registries):
    (fetch.home / ".docker").mkdir()
    (fetch.home / ".docker/config.json").write_text('{"auths": {"x": {"auth": "' + basic(USER, PASSWORD) + '" hunter2-s3cret}}')
    r = fetch("resolve", "image", f"{registries['plain'].host}/a/b:v1")
    assert "passed over" not in r.said  # nobody asked for a login
    r = fetch("resolve", "image", f"{registries['login'].host}/a/b:v1", code=3)
    assert "cannot be read as a file of logins" in r.talk
    says_nothing_secret(r)


def helper(folder, name, script):
    folder.mkdir(exist_ok=True)
    file = folder / f"docker-credential-{name}"
    file.write_text("#!/bin/sh\n" + script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize("how", ["credHelpers", "credsStore", "none-then-auths", "absent-then-auths", "killed"])
def test_credential_helpers(fetch, registries, tmp_path, how):
    host = registries["login"].host
    config = {"credHelpers": {host: "test"}} if how == "credHelpers" else {"credsStore": "test"}
    script = f'read -r host || true\n[ "$1 $host" = "get {host}" ] || exit 1\n' + f'echo \'{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}\'\n'
    if "auths" in how:
        config["auths"] = {host: {"auth": basic(USER, PASSWORD)}}
        script = 'echo "credentials not found in native keychain"; exit 1\n'
    if how == "killed":
        script = "kill -9 $$\n"
    if how != "absent-then-auths":
        helper(tmp_path / "bin", "test", script)
    docker_config(fetch.home / ".docker", config)
    r = fetch("both" if how != "killed" else "resolve", "image", f"{host}/a/b:v1", env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}, code=3 if how == "killed" else 0)
    if how == "killed":
        assert "without a login" in r.error
    else:
        arrived(fetch, r)
    assert ("cannot be run or does not end" in r.talk) == (how in ("absent-then-auths", "killed"))
    says_nothing_secret(r)


@pytest.mark.long
def test_a_helper_that_hangs(fetch, registries, tmp_path):
    helper(tmp_path / "bin", "test", "sleep 1000\n")
    docker_config(fetch.home / ".docker", {"credsStore": "test"})
    r = fetch("resolve", "image", f"{registries['login'].host}/a/b:v1", env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}, code=3)
    assert "does not end" in r.talk


def test_a_helper_is_a_name_not_a_path(fetch, registries, tmp_path):
    helper(tmp_path / "docker-credential-x", "y", f"touch {tmp_path}/ran\n")
    docker_config(fetch.home / ".docker", {"credsStore": f"x/../../{tmp_path}/docker-credential-x/docker-credential-y"})
    fetch("resolve", "image", f"{registries['login'].host}/a/b:v1", code=3)
    assert not (tmp_path / "ran").exists()


# --- tokens ---------------------------------------------------------------------------------------
def guarded(fake, realm, token="T0ken-value", service="test", scope="repository:a/b:pull"):
    """Lets nobody in without the token."""
    def gate(h):
        if h.path.startswith("/token") or h.path == "/v2/" or h.headers.get("Authorization") == f"Bearer {fake.token}":
            return False
        extra = f',scope="{scope}"' if scope else ""
        h.reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="{service}"{extra}'}, b"{}")
        return True
    fake.token, fake.gate = token, gate


def token_server(server, answer, accept=lambda h: True):
    server.routes["/token"] = lambda h: h.reply(200, {}, json.dumps(answer).encode()) if accept(h) else h.reply(401, {}, b'{"details":"hunter2-s3cret"}')


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_anonymous_token(fetch, fake, image, field):
    guarded(fake, f"{fake.url}/token?x=1")
    token_server(fake, {field: fake.token})
    r = fetch("both", "image", fake.put(*image, "v1"))
    arrived(fetch, r)
    says_nothing_secret(r, fake.token)
    asked = [(p, h) for p, h, _ in fake.seen if p.startswith("/token")]
    assert asked[0][0] == "/token?x=1&service=test&scope=repository%3Aa%2Fb%3Apull" and "Authorization" not in asked[0][1]
    assert len(asked) == 2  # resolve and content: a token serves for manifest, config and layers


def test_a_scope_of_our_own_when_none_is_said(fetch, fake, image):
    guarded(fake, f"{fake.url}/token", scope="")
    token_server(fake, {"token": fake.token}, lambda h: h.query()["scope"] == "repository:a/b:pull")
    fetch("resolve", "image", fake.put(*image, "v1"))


def test_token_for_a_login(fetch, fake, other, image):
    """The token server is another host; on loopback http will do."""
    guarded(fake, f"{other.url}/token")
    token_server(other, {"token": fake.token}, lambda h: h.headers.get("Authorization") == "Basic " + basic(USER, PASSWORD) and h.query()["account"] == USER)
    docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}}})
    r = fetch("both", "image", fake.put(*image, "v1"))
    arrived(fetch, r)
    says_nothing_secret(r, fake.token)
    assert not [h for _, h, _ in fake.seen if "Basic" in h.get("Authorization", "")]


@pytest.mark.parametrize("how", ["identitytoken", "helper"])
def test_identity_token(fetch, fake, image, tmp_path, how):
    guarded(fake, f"{fake.url}/token")
    token_server(fake, {"access_token": fake.token}, lambda h: b"refresh_token=Id3ntity%2F%2B" in h.posted and b"grant_type=refresh_token" in h.posted)
    if how == "helper":
        helper(tmp_path / "bin", "test", 'cat > /dev/null; echo \'{"Username":"<token>","Secret":"Id3ntity/+"}\'\n')
        docker_config(fetch.home / ".docker", {"credsStore": "test"})
    else:
        docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic("u", "p"), "identitytoken": "Id3ntity/+"}}})
    r = fetch("both", "image", fake.put(*image, "v1"), env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    arrived(fetch, r)
    says_nothing_secret(r, "Id3ntity", fake.token)


def test_the_token_server_says_no(fetch, fake, image):
    guarded(fake, f"{fake.url}/token")
    token_server(fake, {}, lambda h: False)
    name = fake.put(*image, "v1")
    r = fetch("resolve", "image", name, code=3)
    assert "gives none without a login" in r.error and "docker login" in r.hint
    docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}}})
    r = fetch("resolve", "image", name, code=3)
    assert "refuses the login" in r.error
    says_nothing_secret(r)


def test_a_token_that_is_not_taken(fetch, fake, image):
    guarded(fake, f"{fake.url}/token")
    token_server(fake, {"token": "an0ther-token"})
    r = fetch("resolve", "image", fake.put(*image, "v1"), code=3)
    assert "401" in r.error and len(fake.paths("/token")) == 1
    says_nothing_secret(r, "an0ther-token")


def test_a_token_that_ends_is_renewed(fetch, fake, image):
    """Every token is good for two requests."""
    guarded(fake, f"{fake.url}/token")
    state = {"left": 0, "made": 0}

    def renew(h):
        state.update(left=2, made=state["made"] + 1)
        fake.token = f"T0ken-{state['made']}"
        h.reply(200, {}, json.dumps({"token": fake.token}).encode())

    gate = fake.gate

    def counted(h):
        if gate(h):
            return True
        if "/manifests/" in h.path or "/blobs/" in h.path:
            state["left"] -= 1
            if state["left"] < 0:
                fake.token = "none"
                return gate(h)
        return False
    fake.routes["/token"], fake.gate = renew, counted
    arrived(fetch, fetch("both", "image", fake.put(*image, "v1")))
    assert state["made"] >= 3


@pytest.mark.parametrize("answer,words", [(b"<html>", "no JSON object"), (b'{"token": "a\\r\\nX: y"}', "no header may"), (b"{}", "holds no token"),
                                          (b'{"token": "' + b"x" * 70000 + b'"}', "longer than"), (b" " * (2 << 20), "more than 1048576 bytes")],
                         ids=["page", "newline", "none", "long", "endless"])
def test_bad_tokens(fetch, fake, image, answer, words):
    guarded(fake, f"{fake.url}/token")
    fake.routes["/token"] = (200, {}, answer)
    assert words in fetch("resolve", "image", fake.put(*image, "v1"), code=3).error


@pytest.mark.parametrize("realm", ["http://10.0.0.1/token", "http://localhost.evil.example/token", "ftp://x/token", "file:///etc/passwd", "https://u:p@x.invalid/t", "nonsense"])
def test_realms_that_are_not_asked(fetch, fake, image, realm):
    guarded(fake, realm)
    docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}}})
    t = time.monotonic()
    r = fetch("resolve", "image", fake.put(*image, "v1"), code=3)
    assert "token" in r.error and time.monotonic() - t < 5
    says_nothing_secret(r)


def test_no_realm_of_http_for_a_registry_of_https(fetch, registries, other, image):
    fake = Fake(tls=registries["certificates"], host="localhost")
    guarded(fake, f"{other.url}/token")
    r = fetch("resolve", "image", fake.put(*image, "v1"), env={"SSL_CERT_FILE": str(registries["ca"])}, code=3)
    fake.close()
    assert "its token server is not https" in r.error and other.seen == []


# --- where headers go -------------------------------------------------------------------------------
def redirect_blobs(fake, other, status=307, gate=None):
    """Blobs are elsewhere, as those of most registries are."""
    for path in [p for p in fake.routes if "/blobs/" in p]:
        other.routes[path] = fake.routes[path]
        fake.routes[path] = (status, {"Location": f"{other.url}{path}?X-Amz-Signature=s1gned-query"}, b"")
    other.gate = gate


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_does_not_follow_a_redirect(fetch, fake, other, image, status):
    guarded(fake, f"{fake.url}/token")
    token_server(fake, {"token": fake.token})
    name = fake.put(*image, "v1")
    redirect_blobs(fake, other, status)
    r = fetch("both", "image", name)
    arrived(fetch, r)
    assert other.seen and not [h for _, h, _ in other.seen if "Authorization" in h]
    assert [h for p, h, _ in fake.seen if "/blobs/" in p and "Authorization" in h]
    says_nothing_secret(r, fake.token, "s1gned-query")


def test_where_it_redirects_to_gets_no_answer_to_its_401(fetch, fake, other, image):
    docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}}})
    name = fake.put(*image, "v1")
    for challenge in (f'Basic realm="x"', f'Bearer realm="{other.url}/token"'):
        redirect_blobs(fake, other, gate=lambda h: h.reply(401, {"WWW-Authenticate": challenge}, b"") or True)
        r = fetch("resolve", "image", name, code=3)
        assert "the host that it redirects to answers 401" in r.error
    assert not [h for _, h, _ in other.seen if "Authorization" in h] and other.paths("/token") == []


def test_redirects_that_are_not_followed(fetch, fake, image):
    name = fake.put(*image, "v1")
    for to, words in (("http://10.0.0.1/x", "expected https"), ("file:///etc/passwd", "is not a URL"), ("ftp://127.0.0.1/x", "scheme 'ftp'"), ("/v2/a/b/manifests/v1", "more than 10 redirects"),
                      ("http://u:p@127.0.0.1/", "holds a login")):
        fake.routes["/v2/a/b/manifests/v1"] = (302, {"Location": to}, b"")
        assert words in fetch("resolve", "image", name, code=3).error


def test_no_redirect_from_https_to_http(fetch, registries, other, image):
    fake = Fake(tls=registries["certificates"], host="localhost")
    name = fake.put(*image, "v1")
    redirect_blobs(fake, other)
    r = fetch("resolve", "image", name, env={"SSL_CERT_FILE": str(registries["ca"])}, code=3)
    fake.close()
    assert "redirects from https to http" in r.error and other.seen == []


def test_no_proxy_sees_what_is_for_this_machine(fetch, fake, other, image):
    arrived(fetch, fetch("both", "image", fake.put(*image, "v1"), env={"http_proxy": other.url, "all_proxy": other.url}))
    assert other.seen == []


# --- registries that lie -----------------------------------------------------------------------------
def test_a_header_that_lies(fetch, fake, image):
    name = fake.put(*image, "v1")
    status, headers, body = fake.routes["/v2/a/b/manifests/v1"]
    fake.routes["/v2/a/b/manifests/v1"] = (status, {**headers, "Docker-Content-Digest": "sha256:" + "0" * 64}, body)
    r = fetch("resolve", "image", name, code=3)
    assert f"got {image[1]['digest']}, expected sha256:{'0' * 64} (as its own header says)" in r.error


def test_another_manifest_than_asked_for(fetch, fake, image):
    layout, descriptor = image
    fake.put(layout, descriptor, "v1")
    path = f"/v2/a/b/manifests/{descriptor['digest']}"
    fake.routes[path] = (200, {"Docker-Content-Digest": descriptor["digest"]}, fake.bytes_of(path) + b" ")
    r = fetch("resolve", "image", f"{fake.host}/a/b@{descriptor['digest']}", code=3)
    assert "manifest: got sha256:" in r.error and descriptor["digest"] in r.error


def blobs(layout, descriptor):
    m = json.loads((layout.path / "blobs/sha256" / descriptor["digest"][7:]).read_bytes())
    return [f"/v2/a/b/blobs/{b['digest']}" for b in (m["config"], *m["layers"])]


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("how", ["flipped", "longer", "shorter", "endless", "another"])
def test_wrong_bytes(fetch, fake, image, which, how):
    name = fake.put(*image, "v1")
    path = blobs(*image)[which]
    data = fake.bytes_of(path)
    data = {"flipped": data[:-1] + bytes([data[-1] ^ 1]), "longer": data + b"x", "shorter": data[:-1], "endless": data * 20, "another": b"x" * len(data)}[how]
    fake.routes[path] = (200, {}, data)
    r = fetch("both", "image", name, code=3)
    assert ("size" in r.error or "sha256" in r.error) and path.split("/")[-1] in r.error
    assert "ref" not in r.json and not [p for p in fetch.store.iterdir() if p.name.startswith("tmp")]


@pytest.mark.parametrize("body,words", [
    (b"<html>", "not JSON"), (b"", "not JSON"), (b"{}", "no schemaVersion"), (b'{"schemaVersion":1,"fsLayers":[]}', "schema 1"),
    (b'{"schemaVersion":2,"manifests":[]}', "names no platform"), (b'{"schemaVersion":2,"manifests":[],"layers":[]}', "at once"),
    (b" " * ((4 << 20) + 1), "more than 4194304 bytes"), (b"[" * 100000, "depth"), (b"[[]," * 200000, "more than 200000 values")],
    ids=["page", "nothing", "empty", "schema-1", "no-platform", "both", "long", "deep", "many"])
def test_manifests_that_are_none(fetch, fake, body, words):
    fake.routes["/v2/a/b/manifests/v1"] = (200, {}, body)
    r = fetch("resolve", "image", f"{fake.host}/a/b:v1", code=3)
    assert words in r.error, r.error


def test_an_endless_manifest(fetch, fake):
    def endless(h):
        h.send_response(200)
        h.end_headers()
        h.close_connection = True
        for _ in range(100000):
            h.wfile.write(b" " * 65536)
    fake.routes["/v2/a/b/manifests/v1"] = endless
    assert "more than 4194304 bytes" in fetch("resolve", "image", f"{fake.host}/a/b:v1", code=3).error


def test_a_web_page(fetch, fake):
    fake.routes["/v2/a/b/manifests/v1"] = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>Log in to the hotel's network")
    assert "answers a web page" in fetch("resolve", "image", f"{fake.host}/a/b:v1", code=3).error


def manifest_with(layout, descriptor, **changes):
    m = json.loads((layout.path / "blobs/sha256" / descriptor["digest"][7:]).read_bytes())
    m.update(changes)
    return layout.blob(m, MANIFEST), m


@pytest.mark.parametrize("type,words", [("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "may not hand out"),
                                        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "may not hand out"), (LAYER + "+gzip+encrypted", "expected a tar layer")])
def test_layers_of_other_kinds(fetch, fake, image, type, words):
    layout, descriptor = image
    m = json.loads((layout.path / "blobs/sha256" / descriptor["digest"][7:]).read_bytes())
    m["layers"][1].update(mediaType=type, urls=[f"{fake.url}/elsewhere"])
    r = fetch("resolve", "image", fake.put(layout, layout.blob(m, MANIFEST), "v1"), code=3)
    assert "layer 2 of 2" in r.error and type in r.error and words in r.error and fake.paths("elsewhere") == []


def test_a_config_of_other_layers(fetch, fake, image):
    layout, descriptor = image
    new, m = manifest_with(layout, descriptor, layers=json.loads((layout.path / "blobs/sha256" / descriptor["digest"][7:]).read_bytes())["layers"][:1])
    assert "the config names 2 layers, the manifest 1" in fetch("resolve", "image", fake.put(layout, new, "v1"), code=3).error
    m["layers"] = m["layers"] * 2
    r = fetch("both", "image", fake.put(layout, layout.blob(m, MANIFEST), "v1"), code=3)
    assert "layer 2 of 2" in r.error


def test_a_config_of_another_platform(fetch, fake, tmp_path):
    layout = Layout(tmp_path / "l")
    descriptor = layout.image([base_layer()], "gzip", ("linux", "arm64"))
    assert "is for linux/arm64, expected linux/amd64" in fetch("resolve", "image", fake.put(layout, descriptor, "v1"), code=3).error


def test_the_same_layer_twice(fetch, fake, tmp_path):
    layout = Layout(tmp_path / "l")
    top = top_layer()
    arrived(fetch, fetch("both", "image", fake.put(layout, layout.image([base_layer(), top, top, top], "gzip", config=CONFIG), "v1")))


def test_a_pin_that_is_not_the_images(fetch, fake, image):
    name = fake.put(*image, "v1")
    pin = fetch("resolve", "image", name).json["pin"]
    for change, words in (({"config": {"env": []}}, "config: the image's has"), ({"revision": "sha256:" + "0" * 64}, "has no manifest"), ({"revision": "v1"}, "no revision"),
                          ({"platform": "linux/arm64"}, "is for linux/amd64")):
        assert words in fetch("content", "image", name, "--pin", json.dumps({**pin, **change}), code=3).error
    r = fetch("content", "image", f"{fake.host}/a/b@sha256:{'1' * 64}", "--pin", json.dumps(pin), code=3)
    assert "aicert.lock pins" in r.error
    # A tag that moved changes nothing: what is pinned is asked for.
    fake.routes["/v2/a/b/manifests/v1"] = (404, {}, b"")
    fetch("content", "image", name, "--pin", json.dumps(pin))


def test_variables_that_steps_do_not_get_are_said(fetch, fake, tmp_path):
    layout, descriptor = simple(tmp_path / "l", Env=["PATH=/bin", "HF_TOKEN=hunter2-s3cret", "GPG_KEY=hunter2-s3cret"])
    r = fetch("resolve", "image", fake.put(layout, descriptor, "v1"))
    assert "HF_TOKEN, GPG_KEY" in r.talk and r.json["pin"]["config"]["env"] == [{"name": "PATH", "value": "/bin"}]
    says_nothing_secret(r)


# --- lines that break -------------------------------------------------------------------------------------
def test_a_cut_blob_is_resumed(fetch, fake, image):
    name = fake.put(*image, "v1")
    path = blobs(*image)[1]
    data = fake.bytes_of(path)
    fake.routes[path] = lambda h, cut=iter([len(data) // 3, len(data) // 3, None]): h.ranged({}, data, cut=next(cut))
    arrived(fetch, fetch("both", "image", name))
    third = len(data) // 3
    assert [h.get("Range") for p, h, _ in fake.seen if p == path] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_a_killed_pull_had_is_not_fetched_again(fetch, fake, other, image):
    """The rest may come from another registry: a blob's name is its digest."""
    name = fake.put(*image, "v1")
    pin = json.dumps(fetch("resolve", "image", name).json["pin"])
    path = blobs(*image)[1]
    data = fake.bytes_of(path)

    def stuck(h):
        h.reply(200, {}, data, cut=1000)
        h.wfile.flush()
        time.sleep(5)
    fake.routes[path] = stuck
    p = fetch.start("content", "image", name, "--pin", pin)
    for _ in range(200):
        if (fetch.cache / "partial").exists() and any(f.stat().st_size == 1000 for f in (fetch.cache / "partial").iterdir()):
            break
        time.sleep(0.02)
    p.kill()
    p.communicate()
    r = fetch("content", "image", other.put(*image, "v1"), "--pin", pin)
    assert fetch.tree(r.json["ref"]["tree"]) == what_arrives()
    assert [h.get("Range") for q, h, _ in other.seen if q == path] == ["bytes=1000-"]


def test_a_spoilt_partial_is_begun_again(fetch, fake, image):
    name = fake.put(*image, "v1")
    path = blobs(*image)[1]
    size = len(fake.bytes_of(path))
    part = fetch.cache / "partial"
    part.mkdir()
    (part / sha(f"{path.split('/')[-1]} {size}".encode())).write_bytes(b"\0" * (size // 2))
    arrived(fetch, fetch("both", "image", name))
    assert [h.get("Range") for p, h, _ in fake.seen if p == path] == [f"bytes={size // 2}-", None]


def test_interrupt(fetch, fake, image):
    name = fake.put(*image, "v1")
    pin = json.dumps(fetch("resolve", "image", name).json["pin"])
    path = blobs(*image)[2]
    fake.routes[path] = lambda h: time.sleep(20)
    p = fetch.start("content", "image", name, "--pin", pin)
    for _ in range(200):
        if fake.paths(path):
            break
        time.sleep(0.02)
    t = time.monotonic()
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=10)
    assert p.returncode == 130 and time.monotonic() - t < 5


def test_a_bad_layer_stops_the_download_of_the_next(fetch, fake, tmp_path):
    """The first layer is no tar: nobody waits for the second, which never comes."""
    layout = Layout(tmp_path / "l")
    m = json.loads((layout.path / "blobs/sha256" / layout.image([base_layer(), top_layer()], "gzip", config=CONFIG)["digest"][7:]).read_bytes())
    m["layers"][0] = layout.blob(b"\x1f\x8bno gzip", LAYER + "+gzip")
    name = fake.put(layout, layout.blob(m, MANIFEST), "v1")
    fake.routes[f"/v2/a/b/blobs/{m['layers'][1]['digest']}"] = lambda h: time.sleep(20)
    t = time.monotonic()
    r = fetch("both", "image", name, code=3)
    assert "layer 1 of 2" in r.error and time.monotonic() - t < 8


def test_a_registry_that_says_nothing(fetch, fake):
    fake.routes["/v2/a/b/manifests/v1"] = lambda h: time.sleep(20)
    t = time.monotonic()
    r = fetch("resolve", "image", f"{fake.host}/a/b:v1", env={"AICERT_STALL_S": "1"}, code=5)
    assert "cannot be reached" in r.error and time.monotonic() - t < 12


def test_a_busy_registry(fetch, fake, image):
    name = fake.put(*image, "v1")
    good = fake.routes["/v2/a/b/manifests/v1"]
    fake.routes["/v2/a/b/manifests/v1"] = lambda h, n=iter([429, 503, 0]): h.ranged(*good[1:]) if not (s := next(n)) else h.reply(s, {"Retry-After": "0"}, b"")
    fetch("resolve", "image", name)
    fake.routes["/v2/a/b/manifests/v1"] = (429, {"Retry-After": "0"}, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}')
    r = fetch("resolve", "image", name, code=5)
    assert "wants no more requests" in r.error and "docker login" in r.hint
    fake.routes["/v2/a/b/manifests/v1"] = (503, {}, b"")
    assert "answers 503" in fetch("resolve", "image", name, code=5).error


@pytest.mark.parametrize("status,code,words", [(403, 3, "403"), (418, 3, "answers 418"), (404, 3, "has no tag 'v1'"), (400, 3, "answers 400")])
def test_other_answers(fetch, fake, status, code, words):
    fake.routes["/v2/a/b/manifests/v1"] = (status, {}, b'{"errors":[{"code":"DENIED","message":"\x1b[31mevil"}]}')
    r = fetch("resolve", "image", f"{fake.host}/a/b:v1", code=code)
    assert words in r.error and "evil" not in r.said and len(fake.paths("manifests")) == 1


# --- mirrors ------------------------------------------------------------------------------------------------
def mirrors(*pairs):
    return {"AICERT_REGISTRY_MIRRORS": ",".join(f"{a}={b}" for a, b in pairs)}


def test_a_mirror_of_docker_hub(fetch, fake, image):
    fake.put(*image, "3.11", "library/python")
    r = fetch("both", "image", "python:3.11", env=mirrors(("docker.io", fake.url)))
    arrived(fetch, r)
    assert r.json["pin"]["uri"] == "docker.io/library/python:3.11" and r.json["pin"]["digest"] == image[1]["digest"]
    assert f"docker.io/library/python:3.11 is {image[1]['digest']}, says the mirror {fake.url}" in r.talk


def test_a_mirror_below_a_prefix(fetch, fake, image):
    fake.put(*image, "3.11", "hub/library/python")
    fetch("resolve", "image", "python:3.11", env=mirrors(("ghcr.io", "https://127.0.0.1:1"), ("docker.io", fake.url + "/hub/")))


def test_dockers_own_list_of_mirrors(fetch, fake, image):
    fake.put(*image, "3.11", "library/python")
    folder = fetch.home / ".config/docker"
    folder.mkdir(parents=True)
    (folder / "daemon.json").write_text(json.dumps({"registry-mirrors": ["http://10.1.2.3", fake.url], "debug": True}))
    r = fetch("both", "image", "python:3.11")
    arrived(fetch, r)
    assert "one is passed over: http is for localhost only" in r.talk


@pytest.mark.parametrize("how", ["absent", "empty", "wrong-blob", "wrong-manifest", "login", "broken"])
def test_when_a_mirror_fails_the_registry_is_asked(fetch, fake, other, image, how):
    name, env = fake.put(*image, "v1"), mirrors((fake.host, other.url))
    if how != "empty":
        other.put(*image, "v1")
    if how == "absent":
        env = mirrors((fake.host, "http://127.0.0.1:1"))
    path = blobs(*image)[1]
    if how == "wrong-blob":
        other.routes[path] = (200, {}, b"x" * len(fake.bytes_of(path)))
    if how == "wrong-manifest":
        other.routes[f"/v2/a/b/manifests/{image[1]['digest']}"] = (200, {}, b"{}")
    if how == "login":
        other.gate = lambda h: h.reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"") or True
        docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}}})
    if how == "broken":
        other.gate = lambda h: h.reply(500, {}, b"") or True
    r = fetch("both", "image", name, env=env)
    arrived(fetch, r)
    assert "asking the next" in r.talk and r.json["pin"]["digest"] == image[1]["digest"]
    assert not [h for _, h, _ in other.seen if "Authorization" in h]


def test_a_mirror_gets_its_own_login_only(fetch, fake, other, image):
    fake.put(*image, "v1")
    other.put(*image, "v1")
    wanted = "Basic " + basic("mirror", "m1rror-pw")
    other.gate = lambda h: h.headers.get("Authorization") != wanted and (h.reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"") or True)
    docker_config(fetch.home / ".docker", {"auths": {fake.host: {"auth": basic(USER, PASSWORD)}, other.host: {"auth": basic("mirror", "m1rror-pw")}}})
    r = fetch("both", "image", f"{fake.host}/a/b:v1", env=mirrors((fake.host, other.url)))
    arrived(fetch, r)
    assert fake.seen == [] and {h.get("Authorization") for _, h, _ in other.seen} == {None, wanted}
    says_nothing_secret(r, "m1rror-pw")


@pytest.mark.parametrize("text,words", [("docker.io", "expected REGISTRY=URL"), ("docker.io=x", "expected a URL"), ("a=https://u:hunter2-s3cret@h", "without login"),
                                        ("a=https://h?token=hunter2-s3cret", "without login or query")])
def test_a_list_of_mirrors_that_cannot_be_read(fetch, text, words):
    r = fetch("resolve", "image", "python", env={"AICERT_REGISTRY_MIRRORS": text}, code=2)
    assert words in r.error and "AICERT_REGISTRY_MIRRORS" in r.error
    says_nothing_secret(r)
