"""git: local, http(s) and ssh repositories; refs, pins, submodules, logins, host keys, and what a hostile repository tries."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

FILES = {"a.txt": b"alpha\n", "src/main.py": b"print('hi')\n", "src/deep/er/b": b"\0\1\2", "ünï.txt": b""}


def pin(commit, **more):
    return json.dumps({"type": "git", "revision": commit, **more})


def content(fetch, r):
    assert r.json["how"] == "git"
    return fetch.tree(r.json["ref"]["tree"])


def test_local(fetch, git):
    g = git()
    g.path.joinpath("run.sh").write_bytes(b"#!/bin/sh\n")
    g.path.joinpath("run.sh").chmod(0o755)
    g.path.joinpath("link").symlink_to("src/main.py")
    commit = g.commit(FILES)
    want = {**FILES, "run.sh": ("exec", b"#!/bin/sh\n"), "link": ("link", "src/main.py")}
    for where in (g.path, g.path.as_uri(), os.path.relpath(g.path, fetch.project), f"{g.path}/.git"):
        r = fetch("both", "git", where)
        assert content(fetch, r) == want and r.json["pin"]["revision"] == commit
    # The same bytes as a plain folder give the same tree.
    assert fetch("import", "path", g.path).json["ref"] == r.json["ref"]
    assert fetch("commit-tree", "git", g.path, "--ref", commit).json["ref"] == r.json["ref"]
    bare = g.path.parent / "bare.git"
    g("clone", "-q", "--bare", g.path, bare)
    assert fetch("commit-tree", "git", bare, "--ref", commit).json["ref"] == r.json["ref"]
    shallow = g.path.parent / "shallow"
    g.commit({"later": b""})
    g("clone", "-q", "--depth", "1", g.path.as_uri(), shallow)
    fetch("both", "git", shallow)


def refs(g):
    """main, a branch, a light and an annotated tag, and one name that is branch and tag."""
    c = {"first": g.commit(FILES, "1")}
    g("tag", "light")
    c["second"] = g.commit({"a.txt": b"2"}, "2")
    g("tag", "-a", "-m", "x", "heavy")
    g("branch", "both", c["first"])
    g("tag", "both")
    g("checkout", "-q", "-b", "topic/x")
    c["third"] = g.commit({"a.txt": b"3"}, "3")
    g("checkout", "-q", "main")
    return c


def check_refs(fetch, url, c, env=None):
    def now(ref=None, code=0):
        return fetch("resolve", "git", url, *(["--ref", ref] if ref else []), env=env, code=code)
    assert now().json["pin"]["revision"] == c["second"] and "ref" not in now().json["pin"]
    assert now("light").json["pin"]["revision"] == c["first"]
    assert now("heavy").json["pin"]["revision"] == c["second"]
    assert now("refs/tags/heavy").json["pin"]["revision"] == c["second"]
    assert now("topic/x").json["pin"] == {**now("topic/x").json["pin"], "ref": "topic/x", "revision": c["third"]}
    assert now(c["first"]).json["pin"]["revision"] == c["first"]
    assert "branch and a tag" in now("both", 3).error
    assert now("refs/heads/both").json["pin"]["revision"] == c["first"]
    short = now(c["first"][:8], 3)
    assert "expected 40" in short.error and short.hint
    assert "expected 40" in now(c["first"].upper(), 3).error
    assert "no branch or tag 'nope-x'" in now("nope-x", 3).error
    for name in ("light", "heavy", "topic/x"):
        assert fetch("both", "git", url, "--ref", name, env=env).json["how"] == "git"


def test_refs_local(fetch, git):
    g = git()
    check_refs(fetch, g.path.as_uri(), refs(g))


def test_refs_http(fetch, web, web_repo):
    c = refs(web_repo)
    web_repo.push()
    check_refs(fetch, f"{web.plain}/git/{web_repo.name}", c)


def test_http_fetch_takes_no_more_than_it_must(fetch, web, web_repo):
    c = refs(web_repo)
    web_repo.push()
    url = f"{web.plain}/git/{web_repo.name}"
    r = fetch("content", "git", url, "--pin", pin(c["first"]))  # a tag points to it
    assert content(fetch, r) == FILES
    (copy,) = [d for d in (fetch.cache / "git").iterdir() if d.is_dir()]
    has = lambda commit: subprocess.run(["git", "--git-dir", copy, "cat-file", "-e", commit], stderr=subprocess.DEVNULL).returncode == 0
    assert has(c["first"]) and not has(c["third"])
    # Once here, nothing is asked: the server may be gone.
    shutil.move(web_repo.bare, str(web_repo.bare) + ".away")
    assert content(fetch, fetch("content", "git", url, "--pin", pin(c["first"]))) == FILES
    r = fetch("content", "git", url, "--pin", pin(c["third"]), code=3)
    assert "is gone" in r.error and web_repo.name in r.error


def test_http_old_commit(fetch, web, web_repo):
    """A commit that no ref points to, from a server that gives out refs only, and one that gives out any."""
    first = web_repo.commit(FILES, "1")
    web_repo.commit({"a.txt": b"2"}, "2")
    web_repo.push()
    url = f"{web.plain}/git/{web_repo.name}"
    assert content(fetch, fetch("content", "git", url, "--ref", "main", "--pin", pin(first))) == FILES
    shutil.rmtree(fetch.cache / "git")
    subprocess.run(["git", "--git-dir", web_repo.bare, "config", "uploadpack.allowReachableSHA1InWant", "true"], check=True)
    assert content(fetch, fetch("content", "git", url, "--pin", pin(first))) == FILES


def test_moved_pin(fetch, web, web_repo):
    old = web_repo.commit({"a": b"1"})
    web_repo("commit", "-q", "--amend", "-m", "other")
    new = web_repo("rev-parse", "HEAD")
    web_repo.push()
    r = fetch("content", "git", f"{web.plain}/git/{web_repo.name}", "--ref", "main", "--pin", pin(old), code=3)
    assert "pinned commit is gone" in r.error and old in r.error and new in r.error and "--update" in r.hint
    r = fetch("content", "git", f"{web.plain}/git/{web_repo.name}", "--ref", old, "--pin", pin(old), code=3)
    assert old in r.error and "not there" in r.error


def test_gone_and_unreachable(fetch, web, git):
    assert "is gone" in fetch("resolve", "git", f"{web.plain}/git/none.git", code=3).error
    fetch("resolve", "git", "http://127.0.0.1:1/x.git", code=5)
    fetch("resolve", "git", "https://no-such-host.invalid/x.git", code=5)
    assert "no such folder" in fetch("resolve", "git", "nowhere", code=3).error
    assert "not a git repository" in fetch("resolve", "git", fetch.project, code=3).error
    g = git("empty")
    assert "no HEAD" in fetch("resolve", "git", g.path, code=3).error
    for bad in ("git://127.0.0.1/x", "ext::sh -c id", "ftp://x/y", "-oProxyCommand=id", "https://", "ssh://-x/y"):
        assert "git URL" in fetch("resolve", "git", bad, code=3).error


def test_https(fetch, web, web_repo):
    web_repo.commit(FILES)
    web_repo.push()
    url = f"{web.tls}/git/{web_repo.name}"
    r = fetch("both", "git", url, code=5)
    assert "certificate" in r.error and "SSL_CERT_FILE" in r.hint
    assert content(fetch, fetch("both", "git", url, env={"SSL_CERT_FILE": str(web.ca)})) == FILES


# --- logins ---------------------------------------------------------------------------------------

def test_private_http(fetch, web, web_repo):
    web_repo.commit(FILES)
    web_repo.push()
    url, tls = (f"{base}/private/git/{web_repo.name}" for base in (web.plain, web.tls))
    ca = {"SSL_CERT_FILE": str(web.ca)}
    r = fetch("both", "git", url, code=3)
    assert "login" in r.error and "credential helper" in r.hint
    # user info
    login = f"{web.user}:{web.password}@"
    assert content(fetch, fetch("both", "git", url.replace("://", "://" + login))) == FILES
    assert "is refused" in fetch("resolve", "git", url.replace("://", f"://{web.user}:wrong@"), code=3).error
    # netrc
    (fetch.home / ".netrc").write_text(f"machine localhost\n  login {web.user}\n  password {web.password}\n")
    fetch("resolve", "git", url)
    (fetch.home / ".netrc").unlink()
    # credential helper
    (fetch.home / ".gitconfig").write_text('[credential "%s"]\n  helper = "!f() { echo username=%s; echo password=%s; }; f"\n' % (web.plain, web.user, web.password))
    fetch("resolve", "git", url)
    (fetch.home / ".gitconfig").write_text('[credential]\n  helper = "!f() { sleep 0.1; }; f"\n')
    fetch("resolve", "git", url, code=3)
    (fetch.home / ".gitconfig").unlink()
    # a token, for the host that it is for, over TLS only; nginx takes it as the password of its user
    token = {"AICERT_GIT_TOKEN": web.password, "AICERT_GIT_TOKEN_HOST": "localhost"}
    mine = tls.replace("://", f"://{web.user}@")
    fetch("resolve", "git", mine, env={**ca, **token})
    fetch("resolve", "git", mine, env={**ca, **token, "AICERT_GIT_TOKEN_HOST": "other"}, code=3)
    fetch("resolve", "git", url.replace("://", f"://{web.user}@"), env=token, code=3)


def test_login_does_not_follow_to_another_host(fetch, web, web_repo):
    web_repo.commit(FILES)
    web_repo.push()
    away = f"http://{web.user}:{web.password}@127.0.0.1:{web.port}/away/git/{web_repo.name}"
    assert "redirect" in fetch("resolve", "git", away, code=5).error


def test_secrets_are_not_said_or_kept(fetch, web, web_repo):
    web_repo.commit(FILES)
    web_repo.push()
    fetch.suppress("lsan-ssh.supp")
    secret = [web.password, "SIGNED-QUERY", "T0KEN-VALUE"]
    env = {"SSL_CERT_FILE": str(web.ca), "AICERT_GIT_TOKEN": "T0KEN-VALUE", "AICERT_GIT_TOKEN_HOST": "localhost", "GITHUB_TOKEN": "T0KEN-VALUE"}
    login = f"{web.user}:{web.password}@"
    good = f"{web.tls}/private/git/{web_repo.name}".replace("://", "://" + login)
    said = fetch("both", "git", good, env=env).said
    bad = [good.replace(web_repo.name, "none.git"), good + "?token=SIGNED-QUERY", f"https://{login}127.0.0.1:1/x.git?sig=SIGNED-QUERY",
           f"{web.tls}/private/git/{web_repo.name}", f"https://{login}no-such.invalid/x?sig=SIGNED-QUERY", f"gopher://{login}host/x?sig=SIGNED-QUERY",
           f"https://{login}localhost:99999999/x", f"ssh://{login}127.0.0.1:1/x"]
    for url in bad:
        r = subprocess.run(fetch.command("both", "git", url), env={**fetch.env, **env}, capture_output=True, text=True)
        assert r.returncode in (0, 3, 5), url
        said += r.stdout + r.stderr
    kept = b"".join(f.read_bytes() for d in (fetch.cache, fetch.store) for f in d.rglob("*") if f.is_file())
    names = "".join(str(f) for f in fetch.cache.rglob("*"))
    assert (fetch.cache / "git").exists()
    for s in secret:
        assert s not in said and s.encode() not in kept and s not in names


# --- ssh ------------------------------------------------------------------------------------------

@pytest.fixture
def ssh_repo(fetch, sshd, git):
    fetch.suppress("lsan-ssh.supp")
    g = git("ssh")
    g.commit(FILES)
    (fetch.home / ".ssh").mkdir(mode=0o700)
    g.url = sshd.url(g.path)
    g.known = fetch.home / ".ssh/known_hosts"
    return g


def test_ssh_by_agent(fetch, sshd, ssh_repo):
    ssh_repo.known.write_text(f"# mine\n[localhost]:{sshd.port} {sshd.key('host_ed25519')}\n")
    r = fetch("both", "git", ssh_repo.url, env=sshd.agent)
    assert content(fetch, r) == FILES and r.json["pin"]["uri"] == ssh_repo.url
    c = refs(ssh_repo)
    for name in ("heavy", "topic/x"):
        r = fetch("both", "git", ssh_repo.url, "--ref", name, env=sshd.agent)
        assert r.json["pin"]["revision"] == c[{"heavy": "second", "topic/x": "third"}[name]]


def test_ssh_hashed_name_and_key_file(fetch, sshd, ssh_repo):
    ssh_repo.known.write_text(f"[localhost]:{sshd.port} {sshd.key('host_ecdsa')}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", ssh_repo.known], check=True, capture_output=True)
    assert "localhost" not in ssh_repo.known.read_text()
    assert "login" in fetch("resolve", "git", ssh_repo.url, code=3).error
    shutil.copy(sshd.dir / "client", fetch.home / ".ssh/id_ed25519")
    assert content(fetch, fetch("both", "git", ssh_repo.url)) == FILES


def test_ssh_unknown_host(fetch, sshd, ssh_repo):
    for text in (None, "", f"localhost {sshd.key('host_ed25519')}\n", f"@cert-authority * {sshd.key('host_ed25519')}\n"):
        if text is not None:
            ssh_repo.known.write_text(text)
        r = fetch("resolve", "git", ssh_repo.url, env=sshd.agent, code=3)
        assert "is not in ~/.ssh/known_hosts" in r.error and "SHA256:" in r.error and f"ssh-keyscan -p {sshd.port} localhost" in r.hint
    ssh_repo.known.write_text("garbage\n")
    assert "known_hosts" in fetch("resolve", "git", ssh_repo.url, env=sshd.agent, code=5).hint


def test_ssh_wrong_host_key(fetch, sshd, ssh_repo):
    ssh_repo.known.write_text(f"[localhost]:{sshd.port} {sshd.key('stranger')}\n")
    r = fetch("resolve", "git", ssh_repo.url, env=sshd.agent, code=3)
    assert "is not the one in known_hosts" in r.error and not r.hint
    good = f"[localhost]:{sshd.port} {sshd.key('host_ed25519')}\n[localhost]:{sshd.port} {sshd.key('host_ecdsa')}\n"
    ssh_repo.known.write_text(good + "".join(f"@revoked * {sshd.key(k)}\n" for k in ("host_ed25519", "host_ecdsa")))
    assert "is revoked" in fetch("resolve", "git", ssh_repo.url, env=sshd.agent, code=3).error


def test_ssh_refusals(fetch, sshd, ssh_repo):
    ssh_repo.known.write_text(f"[localhost]:{sshd.port} {sshd.key('host_ed25519')}\n")
    shutil.copy(sshd.dir / "stranger", fetch.home / ".ssh/id_ed25519")
    assert "refused" in fetch("resolve", "git", ssh_repo.url, code=3).error
    assert "is gone" in fetch("resolve", "git", sshd.url("/nowhere.git"), env=sshd.agent, code=3).error
    fetch("resolve", "git", f"ssh://{sshd.user}@localhost:1/x", env=sshd.agent, code=5)


# --- submodules -----------------------------------------------------------------------------------

def superproject(g, name, url, path="lib/sub", inner=None):
    """Adds a submodule entry by hand: the commit that the superproject names, whatever a branch says."""
    old = g.path / ".gitmodules"
    text = (old.read_text() if old.exists() else "") + f'[submodule "{name}"]\n\tpath = {path}\n\turl = {url}\n'
    (g.path / ".gitmodules").write_text(text)
    g("add", ".gitmodules")
    g("update-index", "--add", "--cacheinfo", f"160000,{inner},{path}")
    g("commit", "-q", "-m", f"submodule {name}")
    return g("rev-parse", "HEAD")


def test_submodules_local(fetch, git):
    leaf, mid, top = git("leaf"), git("mid"), git("top")
    at = leaf.commit({"leaf": b"1"})
    leaf.commit({"leaf": b"2"})
    mid.commit({"mid": b"m"})
    mid_at = superproject(mid, "leaf", "../leaf", "l", at)
    top.commit({"top": b"t"})
    commit = superproject(top, "mid", "../mid", "lib/sub", mid_at)
    r = fetch("both", "git", top.path)
    got = content(fetch, r)
    got.pop(".gitmodules"), got.pop("lib/sub/.gitmodules")
    assert got == {"top": b"t", "lib/sub/mid": b"m", "lib/sub/l/leaf": b"1"}
    assert content(fetch, fetch("both", "git", top.path, "--no-submodules")) == {
        "top": b"t", ".gitmodules": (top.path / ".gitmodules").read_bytes(), "lib/sub/": None}
    # A clone of the verifier's, with its submodules checked out, gives the same tree.
    clone = top.path.parent / "clone"
    top("-c", "protocol.file.allow=always", "clone", "-q", "--recurse-submodules", top.path, clone)
    assert fetch("commit-tree", "git", clone, "--ref", commit).json["ref"] == r.json["ref"]


def test_submodules_http(fetch, web, web_repo, git):
    sub = git("sub")
    sub_at = sub.commit({"s": b"old"})
    sub.commit({"s": b"new"})
    bare = web.git / ("sub-" + web_repo.name)
    subprocess.run(["git", "clone", "-q", "--bare", sub.path, bare], check=True)
    web_repo.commit({"top": b"t"})
    superproject(web_repo, "s", "../sub-" + web_repo.name, "lib/sub", sub_at)
    web_repo.push()
    # Private, relative: the login of the outer repository goes along to the same host.
    url = f"http://{web.user}:{web.password}@localhost:{web.port}/private/git/{web_repo.name}"
    got = content(fetch, fetch("both", "git", url))
    assert got["lib/sub/s"] == b"old"
    # A commit that the submodule's repository does not have
    bad = superproject(web_repo, "t", "../sub-" + web_repo.name, "gone", "1" * 40)
    web_repo.push()
    r = fetch("both", "git", url, code=3)
    assert "submodule 'gone'" in r.error and "1" * 40 in r.error and web.password not in r.said
    assert bad


def test_hostile_submodules(fetch, web, web_repo, git):
    secret = git("secret")
    at = secret.commit({"secret": b"s"})
    web_repo.commit({"top": b"t"})
    base = web_repo("rev-parse", "HEAD")
    url = f"{web.plain}/git/{web_repo.name}"
    for bad, words in ((secret.path.as_uri(), "path of this machine"), (str(secret.path), "path of this machine"), ("../" * 9 + "x", "leads out"),
                       ("ext::sh -c id", "git URL"), ("-u./payload", "git URL")):
        web_repo("reset", "-q", "--hard", base)
        superproject(web_repo, "s", bad, "lib/sub", at)
        web_repo.push()
        assert words in fetch("both", "git", url, code=3).error
    web_repo("reset", "-q", "--hard", base)
    web_repo("update-index", "--add", "--cacheinfo", f"160000,{at},orphan")
    web_repo("commit", "-q", "-m", "no url")
    web_repo.push()
    assert "submodule 'orphan': .gitmodules has no url" in fetch("both", "git", url, code=3).error


# --- hostile objects ------------------------------------------------------------------------------

def tree_with(g, *entries):
    """A commit of a tree written by hand: (mode, name bytes, object id)."""
    raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    tree = g("hash-object", "-t", "tree", "-w", "--literally", "--stdin", input=raw)
    return g("commit-tree", tree, "-m", "x")


def test_hostile_trees(fetch, git):
    g = git()
    g.commit({"a": b"x"})
    blob = g("rev-parse", "HEAD:a")
    link = lambda t: g("hash-object", "-w", "--stdin", input=t)
    lfs = g("hash-object", "-w", "--stdin", input=b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n")
    tracked = g("hash-object", "-w", "--stdin", input=b"*.bin filter=lfs\n")
    tree = g("rev-parse", "HEAD^{tree}")
    for entries, words in (
        ([("100644", b".gitattributes", tracked), ("100644", b"model.bin", lfs)], "'model.bin': the content of this Git LFS file is not in the repository"),
        ([("100644", b".git", blob)], "'.git'"),
        ([("040000", b".GIT", tree)], "'.GIT'"),
        ([("100644", b"..", blob)], "'..'"),
        ([("100644", b"a/b", blob)], "holds '/'"),
        ([("100644", b"bad\x1bname", blob)], "control character"),
        ([("100644", b"bad\xffname", blob)], "not UTF-8"),
        ([("100644", b"a", blob), ("100644", b"a", blob)], "two entries"),
        ([("120000", b"l", link(b"/etc/passwd"))], "'l': link to '/etc/passwd' leaves"),
        ([("120000", b"l", link(b"../x"))], "leaves"),
        ([("120000", b"l", link(b"a\0b"))], "malformed target"),
        ([("010644", b"f", blob)], "mode"),
        ([("100644", b"f", tree)], "got a tree, expected a blob"),
        ([("040000", b"d", blob)], "got a blob, expected a tree"),
        ([("100644", b"f", "2" * 40)], "is missing"),
    ):
        r = fetch("content", "git", g.path, "--pin", pin(tree_with(g, *entries)), code=3)
        assert words in r.error, r.error
    for raw in (b"100644 a\0short", b"100644a\0" + b"0" * 20, b"99 x\0" + b"0" * 20, b"100644 \0" + b"0" * 20):
        bad = g("hash-object", "-t", "tree", "-w", "--literally", "--stdin", input=raw)
        commit = g("commit-tree", bad, "-m", "x")
        assert "git tree" in fetch("content", "git", g.path, "--pin", pin(commit), code=3).error
    assert "expected a commit" in fetch("content", "git", g.path, "--pin", pin(tree), code=3).error


def test_altered_object(fetch, git):
    """An object whose bytes are not what its id says: another object's file under its name."""
    g = git()
    commit = g.commit({"a": b"the real bytes", "b": b"other bytes"})
    a, b = g("rev-parse", "HEAD:a"), g("rev-parse", "HEAD:b")
    file = lambda oid: g.path / ".git/objects" / oid[:2] / oid[2:]
    file(a).chmod(0o644)
    shutil.copyfile(file(b), file(a))
    r = fetch("content", "git", g.path, "--pin", pin(commit), code=3)
    assert a in r.error and "'a'" in r.error
    fetch("commit-tree", "git", g.path, "--ref", commit, code=3)


def test_damaged_copy_is_fetched_again(fetch, web, web_repo):
    commit = web_repo.commit(FILES)
    web_repo.push()
    url = f"{web.plain}/git/{web_repo.name}"
    fetch("content", "git", url, "--pin", pin(commit))
    (pack,) = (fetch.cache / "git").rglob("*.pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    for i in range(20, len(data) - 20):
        data[i] ^= 0xff
    pack.write_bytes(data)
    assert content(fetch, fetch("content", "git", url, "--pin", pin(commit))) == FILES


def test_processes_share_a_copy(fetch, web, web_repo):
    commits = [web_repo.commit({"n": b"%d" % i, **FILES}) for i in range(4)]
    web_repo.push()
    url = f"{web.plain}/git/{web_repo.name}"
    ps = [fetch.start("content", "git", url, "--ref", "main", "--pin", pin(c)) for c in commits * 2]
    for p in ps:
        out, err = p.communicate()
        assert p.returncode == 0, out + err
    assert len([d for d in (fetch.cache / "git").iterdir() if d.is_dir()]) == 1


def test_user_configuration_changes_nothing(fetch, web, web_repo, git):
    web_repo.commit(FILES)
    web_repo.push()
    evil = git("evil")
    evil.commit({"evil": b"e"})
    (fetch.home / ".gitconfig").write_text(f'[url "{evil.path.as_uri()}"]\n\tinsteadOf = {web.plain}/git/{web_repo.name}\n[http]\n\tsslVerify = false\n')
    assert content(fetch, fetch("both", "git", f"{web.plain}/git/{web_repo.name}")) == FILES
    assert "certificate" in fetch("resolve", "git", f"{web.tls}/git/{web_repo.name}", code=5).error


def test_interrupt_while_waiting_for_the_copy(fetch, web, web_repo):
    import fcntl
    import hashlib
    commit = web_repo.commit(FILES)
    web_repo.push()
    url = f"{web.plain}/git/{web_repo.name}"
    (fetch.cache / "git").mkdir()
    with open(fetch.cache / "git" / (hashlib.sha256(url.encode()).hexdigest() + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        p = fetch.start("content", "git", url, "--pin", pin(commit))
        time.sleep(0.5)
        assert p.poll() is None
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=5)
    assert p.returncode == 130 and "interrupted" in out
