"""Git LFS: batches, contents held to their oids, where the server is, logins, and other people's git-lfs on the same repositories."""
import base64
import hashlib
import json
import os
import random
import subprocess

import pytest

from fetch.conftest import ROOT, need
from fetch.lfs_help import Lfs, pointer

BIG, OTHER = bytes(range(256)) * 3000, b"other" * 100
LINE = b"*.bin filter=lfs diff=lfs merge=lfs -text\n"
TRACKED = {".gitattributes": LINE}


def sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def lfs(web):
    with Lfs(web.lfs_port) as server:
        yield server


@pytest.fixture
def repo(web, web_repo, lfs):
    """A repository on the web server whose LFS server is at the usual place."""
    web_repo.commit({**TRACKED, "a.bin": lfs.put(BIG), "d/b.bin": lfs.put(OTHER), "c.txt": b"c",
                     "twin.bin": pointer(BIG)})
    web_repo.push()
    web_repo.url = f"{web.plain}/git/{web_repo.name}"
    return web_repo


TREE = {**TRACKED, "a.bin": BIG, "d/b.bin": OTHER, "c.txt": b"c", "twin.bin": BIG}


def test_contents_come(fetch, repo, lfs):
    r = fetch("both", "git", repo.url)
    assert fetch.tree(r.json["ref"]["tree"]) == TREE and r.json["how"] == "git"
    # One batch, each content once, and nothing of how it was to be had in any text.
    assert lfs.batches() == 1 and len([1 for m, _, _ in lfs.seen if m == "GET"]) == 2
    assert "s1gn3d" not in r.said and "k3y" not in r.said
    fetch("both", "git", repo.url)
    assert lfs.batches() == 1


def test_without_git_in_the_url(fetch, web, repo, lfs):
    bare = repo.bare
    os.rename(bare, str(bare)[:-4])
    r = fetch("both", "git", repo.url[:-4])
    assert fetch.tree(r.json["ref"]["tree"]) == TREE
    assert lfs.seen[0][1] == f"/git/{repo.name}/info/lfs/objects/batch"


def test_pointers_if_asked_for(fetch, repo, lfs):
    r = fetch("both", "git", repo.url, "--no-lfs")
    assert fetch.tree(r.json["ref"]["tree"]) == {**TREE, "a.bin": pointer(BIG), "twin.bin": pointer(BIG), "d/b.bin": pointer(OTHER)}
    assert lfs.seen == []


def test_other_peoples_git_lfs_gives_the_same(fetch, web, web_repo, lfs, tmp_path):
    """git-lfs pushes what it tracks to this server, and its clone is our tree."""
    need("git-lfs")
    for args in (("lfs", "install", "--local"), ("lfs", "track", "*.bin"), ("remote", "add", "origin", str(web_repo.bare)),
                 ("config", "lfs.url", f"{web.plain}/git/{web_repo.name}/info/lfs"), ("config", "lfs.locksverify", "false")):
        web_repo(*args)
    web_repo.commit({"model.bin": BIG, "sub/x.bin": OTHER, "plain": b"p"})
    web_repo("push", "-q", "origin", "main")
    assert set(lfs.objects) == {sha(BIG), sha(OTHER)}
    clone = tmp_path / "clone"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true",
                    "clone", "-q", f"{web.plain}/git/{web_repo.name}", str(clone)], check=True, env=env, capture_output=True)
    theirs = {str(p.relative_to(clone)): p.read_bytes() for p in clone.rglob("*") if p.is_file() and ".git/" not in str(p)}
    r = fetch("both", "git", f"{web.plain}/git/{web_repo.name}")
    assert fetch.tree(r.json["ref"]["tree"]) == theirs and theirs["model.bin"] == BIG
    # The clone on this disk has them too: nobody is asked.
    before = len(lfs.seen)
    other = fetch("both", "git", clone)
    assert other.json["ref"] == r.json["ref"] and len(lfs.seen) == before
    assert fetch("commit-tree", "git", clone, "--ref", r.json["pin"]["revision"]).json["ref"] == r.json["ref"]


def test_a_clone_without_them(fetch, repo, tmp_path):
    subprocess.run(["git", "clone", "-q", str(repo.bare), str(tmp_path / "c")], check=True, env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"})
    r = fetch("both", "git", tmp_path / "c", code=3)
    assert "'a.bin': the content of this Git LFS file is not in the repository" in r.error and "git lfs fetch" in r.hint
    objects = tmp_path / "c/.git/lfs/objects" / sha(BIG)[:2] / sha(BIG)[2:4]
    objects.mkdir(parents=True, exist_ok=True)
    (objects / sha(BIG)).write_bytes(OTHER)
    assert "damaged" in fetch("both", "git", tmp_path / "c", code=3).error


def test_lfsconfig_names_another_server(fetch, web, web_repo, lfs):
    with Lfs() as other:
        web_repo.commit({**TRACKED, ".lfsconfig": f"[core]\n\tx = 1\n[lfs]\n\turl = {other.url}/\n".encode(), "a.bin": other.put(BIG)})
        web_repo.push()
        r = fetch("both", "git", f"{web.plain}/git/{web_repo.name}")
        assert fetch.tree(r.json["ref"]["tree"])["a.bin"] == BIG and lfs.seen == [] and other.batches() == 1


@pytest.mark.parametrize("url", ["file:///etc", "ssh://localhost/x", "https://u:p@localhost/x", "http://example.org/lfs"])
def test_lfsconfig_leads_nowhere_odd(fetch, web, web_repo, lfs, url):
    web_repo.commit({**TRACKED, ".lfsconfig": f"[lfs]\nurl = {url}\n".encode(), "a.bin": lfs.put(BIG)})
    web_repo.push()
    remote = f"{web.tls}/git/{web_repo.name}"
    r = fetch("both", "git", remote, code=3, env={"SSL_CERT_FILE": str(web.ca)})
    assert "lfs.url" in r.error or "expected https" in r.error


def test_submodules_have_servers_of_their_own(fetch, web, repo, web_repo, lfs, tmp_path, git):
    outer = git("outer")
    outer("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repo.bare), "sub")
    (outer.path / ".gitmodules").write_text(f'[submodule "sub"]\n\tpath = sub\n\turl = {repo.url}\n')
    with Lfs() as other:
        outer.commit({**TRACKED, ".lfsconfig": f"[lfs]\nurl = {other.url}\n".encode(), "o.bin": other.put(b"outer")})
        bare = web.git / f"{tmp_path.name}-outer.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(outer.path), str(bare)], check=True)
        r = fetch("both", "git", f"{web.plain}/git/{bare.name}")
        tree = fetch.tree(r.json["ref"]["tree"])
        assert tree["o.bin"] == b"outer" and tree["sub/a.bin"] == BIG and (lfs.batches(), other.batches()) == (1, 1)


def test_more_than_one_batch(fetch, web, web_repo, lfs):
    files = {f"{i}.bin": lfs.put(b"%d" % i) for i in range(130)}
    web_repo.commit({**TRACKED, **files})
    web_repo.push()
    r = fetch("both", "git", f"{web.plain}/git/{web_repo.name}")
    assert fetch.tree(r.json["ref"]["tree"]) == {**TRACKED, **{f"{i}.bin": b"%d" % i for i in range(130)}} and lfs.batches() == 2


# --- which files are Git LFS's -------------------------------------------------------------------


def stored(g, data):
    """The pointer, and the content where git-lfs keeps it in a repository of this disk."""
    name = sha(data)
    at = g.path / ".git/lfs/objects" / name[:2] / name[2:4]
    at.mkdir(parents=True, exist_ok=True)
    (at / name).write_bytes(data)
    return pointer(data)


def as_git_has_it(g, clone, home):
    """What git and git-lfs check out."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    lfs = [a for c in ("filter.lfs.smudge=git-lfs smudge -- %f", "filter.lfs.process=git-lfs filter-process", "filter.lfs.required=true",
                       f"lfs.storage={g.path}/.git/lfs") for a in ("-c", c)]
    subprocess.run(["git", "clone", "-q", "-n", g.path, clone], check=True, env=env)
    subprocess.run(["git", *lfs, "checkout", "-q", "main"], cwd=clone, check=True, env=env, capture_output=True)
    return {str(p.relative_to(clone)): p.read_bytes() for p in clone.rglob("*") if p.is_file() and ".git" not in p.relative_to(clone).parts}


def same_as_git(fetch, g, tmp_path):
    theirs = as_git_has_it(g, tmp_path / "clone", tmp_path)
    r = fetch("both", "git", g.path)
    ours = fetch.tree(r.json["ref"]["tree"])
    assert {k: v for k, v in ours.items() if v != theirs.get(k)} == {} and ours.keys() == theirs.keys()
    return ours


ATTRIBUTES = {
    "": b"# a comment\n*.bin filter=lfs -text\n/top.dat filter=lfs\nno.bin -filter\nunsaid.bin !filter\nother.bin filter=other\n[attr]large filter=lfs\n*.big large\n"
        b"small.big -large\nset.bin filter\nin/** filter=lfs\nfolder/ filter=lfs\n\"with space.x\" filter=lfs\n\"\\303\\274.x\" filter=lfs\n!neg.x filter=lfs\n"
        b"bad.bin filter=lfs -=x\n[attr]twice filter=lfs\nt.y twice\n[attr]twice -diff\n**/deep/d.z filter=lfs\nq?.z filter=lfs\n[a-c]r.z filter=lfs\n"
        + b"long.x filter=lfs " + b"x" * 2100 + b"\n",
    "sub/": b"*.bin -filter\n*.txt filter=lfs\n[attr]large filter=no\n/here.dat filter=lfs\na/b.dat filter=lfs\n", "sub/again/": b"*.bin filter=lfs\nb.txt !filter",
    "crlf/": b"*.dat filter=lfs\r\n*.x filter=lfs diff=lfs merge=lfs -text\r\n",
}
PATHS = ["a.bin", "d/a.bin", "top.dat", "d/top.dat", "no.bin", "d/no.bin", "unsaid.bin", "other.bin", "m.big", "small.big", "set.bin", "in/x", "in/y/z", "folder/x",
         "with space.x", "\u00fc.x", "neg.x", "!neg.x", "bad.bin", "t.y", "deep/d.z", "x/y/deep/d.z", "qa.z", "q/.z", "ar.z", "dr.z", "long.x", "sub/a.bin", "sub/a.txt",
         "sub/m.big", "sub/here.dat", "sub/d/here.dat", "sub/a/b.dat", "sub/again/a.bin", "sub/again/b.txt", "sub/again/c.txt", "crlf/a.dat", "crlf/b.x", "plain"]


def test_attributes_decide_as_in_git(fetch, git, tmp_path):
    """A pointer is a file of Git LFS where .gitattributes say so, and the file that it is elsewhere."""
    need("git-lfs")
    g = git()
    g.commit({**{d + ".gitattributes": text for d, text in ATTRIBUTES.items()}, **{p: stored(g, b"of " + p.encode()) for p in PATHS}, "text.bin": b"no pointer"})
    ours = same_as_git(fetch, g, tmp_path)
    content = {p for p in PATHS if ours[p] == b"of " + p.encode()}
    assert {"a.bin", "in/y/z", "m.big", "sub/again/a.bin", "crlf/b.x"} <= content and not {"no.bin", "plain", "sub/a.bin", "small.big", "folder/x"} & content


@pytest.mark.parametrize("seed", [1, 2])
def test_attributes_at_random(fetch, git, tmp_path, seed):
    need("git-lfs")
    g, rng = git(), random.Random(seed)
    parts = ["a", "b", "ab", "ba", "a.b", "b-a", "aab", "[a]"]
    paths = sorted({"/".join(rng.choice(parts) for _ in range(rng.randint(1, 4))) + rng.choice([".x", ".y", ""]) for _ in range(250)})
    paths = [p for p in paths if not any(q.startswith(p + "/") for q in paths)]
    bits = ["a", "b", "*", "**", "?", "/", "/", "/**/", "**/", "/**", "[ab]", "[!a]", "[^b-z]", "[]a]", "[a", "\\a", "\\*", ".", "[[:alpha:]]", "[a-]", ".x"]
    # (Of an unknown class, as in [[:x:]], their client dies.)
    says = ["filter=lfs"] * 4 + ["-filter", "!filter", "filter", "filter=x", "m", "m", "-m", "m=1", "n", "!n", "filter=lfs -filter", "-filter filter=lfs", "n m"]
    def lines(root):
        made = ["".join(rng.choice(bits) for _ in range(rng.randint(1, 5))) + " " + rng.choice(says) for _ in range(rng.randint(10, 40))]
        if root:
            made += ["[attr]m filter=lfs", "[attr]n " + rng.choice(["m", "-filter", "filter=lfs -m"])]
            rng.shuffle(made)
        return "\n".join(made).encode()
    folders = sorted({p.rsplit("/", 1)[0] + "/" for p in paths if "/" in p})
    g.commit({**{d + ".gitattributes": lines(not d) for d in ["", *rng.sample(folders, 12)]}, **{p: stored(g, p.encode()) for p in paths}})
    ours = same_as_git(fetch, g, tmp_path)
    content = sum(ours[p] == p.encode() for p in paths)
    assert 5 < content < len(paths) - 5


def test_hostile_attributes(fetch, git, tmp_path):
    """What would take an exponential time, or a stack without end; a link of that name; a folder."""
    g = git()
    stars = b"*a" * 900 + b"*b filter=lfs\n"
    g.commit({".gitattributes": stars * 50 + b"[attr]m0 filter=lfs\n" + b"".join(b"[attr]m%d m%d\n" % (i, i - 1) for i in range(1, 900)) + b"a* m899\n[attr]x y\n[attr]y x\n*z x\n",
              "a" * 255: stored(g, b"long"), "z": stored(g, b"z")})
    tree = fetch.tree(fetch("both", "git", g.path).json["ref"]["tree"])
    assert tree["a" * 255] == b"long" and tree["z"] == pointer(b"z")
    g.commit({".gitattributes": b"".join(b"[attr]m%d -text\n" % i for i in range(1001))})
    assert "more than 1000 macros" in fetch("both", "git", g.path, code=3).error
    (g.path / ".gitattributes").unlink()
    os.symlink("rules", g.path / ".gitattributes")
    g.commit({"rules": b"* filter=lfs\n"})
    assert fetch.tree(fetch("both", "git", g.path).json["ref"]["tree"])["z"] == pointer(b"z")


@pytest.mark.parametrize("version", ["https://hawser.github.com/spec/v1", "http://git-media.io/v/2"])
def test_pointers_of_old(fetch, git, tmp_path, version):
    need("git-lfs")
    g = git()
    g.commit({**TRACKED, "a.bin": stored(g, b"old").replace(b"https://git-lfs.github.com/spec/v1", version.encode())})
    assert same_as_git(fetch, g, tmp_path)["a.bin"] == b"old"


# --- what goes wrong --------------------------------------------------------------------------


def test_what_arrives_is_held_to_the_oid(fetch, repo, lfs):
    lfs.spoil[sha(BIG)] = bad = BIG[:-1] + b"x"
    r = fetch("both", "git", repo.url, code=3)
    assert "'a.bin'" in r.error and f"sha256: got {sha(bad)}, expected {sha(BIG)}" in r.error and "s1gn3d" not in r.said
    lfs.spoil[sha(BIG)] = BIG + b"x"
    assert f"expected {len(BIG)}" in fetch("both", "git", repo.url, code=3).error


def test_what_is_not_there(fetch, repo, lfs):
    del lfs.objects[sha(OTHER)]
    r = fetch("both", "git", repo.url, code=3)
    assert "'d/b.bin': the Git LFS server does not give it: Object does not exist" in r.error and "lfs: false" in r.hint


def test_another_size(fetch, repo, lfs):
    lfs.sizes[sha(BIG)] = 1
    assert "another size" in fetch("both", "git", repo.url, code=3).error


@pytest.mark.parametrize("answer,words", [
    (b"", "not JSON"), (b"[]", "no objects"), (b"{}", "no objects"), (b'{"objects": []}', "does not give it"), (b'{"transfer": "tus", "objects": []}', "transfer 'tus'"),
    (b'{"objects": {"a": 1}}', "no objects"), (b'{"objects": [null, 1, "x", {"oid": 7}]}', "does not give it"), (b"[" * 5000, "not JSON"),
])
def test_answers_that_are_none(fetch, repo, lfs, answer, words):
    lfs.answer = answer
    assert words in fetch("both", "git", repo.url, code=3).error


@pytest.mark.parametrize("download,words", [
    ({"href": "file:///etc/passwd"}, "no http or https"), ({"href": "ftp://localhost/x"}, "no http or https"),
    ({"href": "http://127.0.0.1:1/x", "header": {"A": "x\r\nB: y"}}, "a header that is none"), ({"href": "http://127.0.0.1:1/x", "header": {"A:b": "x"}}, "a header that is none"),
    ({"href": "http://127.0.0.1:1/x", "header": {str(i): "x" for i in range(40)}}, "a header that is none"),
])
def test_actions_that_are_none(fetch, repo, lfs, download, words):
    lfs.answer = json.dumps({"objects": [{"oid": sha(d), "size": len(d), "actions": {"download": download}} for d in (BIG, OTHER)]}).encode()
    assert words in fetch("both", "git", repo.url, code=3).error


def test_no_server_there(fetch, web, web_repo):
    web_repo.commit({**TRACKED, "a.bin": pointer(BIG)})
    web_repo.push()
    r = fetch("both", "git", f"{web.plain}/git/{web_repo.name}", code=5)
    assert "the server answers 502" in r.error


@pytest.mark.parametrize("tail,words", [
    (b"oid sha256:" + b"0" * 64 + b"\nsize 1\nmore 1\n", "the end"), (b"oid sha256:XY\nsize 1\n", "oid"), (b"oid md5:" + b"0" * 64 + b"\nsize 1\n", "oid"),
    (b"oid sha256:" + b"0" * 64 + b"\nsize -1\n", "number"), (b"oid sha256:" + b"0" * 64 + b"\n", "size"), (b"oid sha256:" + b"0" * 64 + b"\nsize 01\n", "number"),
    (b"ext-0-foo sha256:" + b"0" * 64 + b"\noid sha256:" + b"0" * 64 + b"\nsize 1\n", "extension"), (b"", "oid"),
])
def test_malformed_pointers(fetch, git, tail, words):
    g = git()
    g.commit({**TRACKED, "x.bin": b"version https://git-lfs.github.com/spec/v1\n" + tail})
    r = fetch("both", "git", g.path, code=3)
    assert "'x.bin': malformed Git LFS pointer" in r.error and words in r.error and "lfs: false" in r.hint
    fetch("both", "git", g.path, "--no-lfs")


# --- logins --------------------------------------------------------------------------------


def test_a_login_is_shown_to_its_server_only(fetch, web, repo, lfs):
    basic = "Basic " + base64.b64encode(f"{web.user}:{web.password}".encode()).decode()
    private = f"{web.plain}/private/git/{repo.name}"
    r = fetch("both", "git", private.replace("http://", f"http://{web.user}:{web.password}@"))
    assert fetch.tree(r.json["ref"]["tree"]) == TREE
    sent = [(m, h.get("Authorization")) for m, _, h in lfs.seen]
    assert ("POST", basic) in sent and all(a is None for m, a in sent if m == "GET")
    assert web.password not in r.said


def test_what_a_redirect_leads_to_sees_no_headers(fetch, repo, lfs):
    """The store sends on: to a path of its own with what it asked for, to another host with nothing."""
    with Lfs() as other:
        other.objects = lfs.objects
        lfs.away = other.url.partition("/x/")[0].replace("127.0.0.1", "localhost")
        fetch("both", "git", repo.url, code=3)
        assert {h.get("X-Lfs-Key") for m, _, h in lfs.seen if m == "GET"} == {"k3y"}
        assert other.seen and {h.get("X-Lfs-Key") for _, _, h in other.seen} == {None}
        assert {h.get("Authorization") for _, _, h in other.seen} == {None}


@pytest.mark.parametrize("echo", [lambda h: "no, " + h["Authorization"], lambda h: base64.b64decode(h["Authorization"].split()[1]).decode()])
def test_a_server_that_echoes_a_login(fetch, web, repo, lfs, echo):
    lfs.echo = echo
    r = fetch("both", "git", f"{web.plain}/private/git/{repo.name}".replace("http://", f"http://{web.user}:{web.password}@"), code=3)
    basic = base64.b64encode(f"{web.user}:{web.password}".encode()).decode()
    assert "answers 403" in r.error and web.password not in r.said and basic not in r.said


def test_a_login_of_netrc(fetch, web, repo, lfs):
    (fetch.home / ".netrc").write_text(f"machine localhost login {web.user} password {web.password}\n")
    r = fetch("both", "git", f"{web.plain}/private/git/{repo.name}")
    assert fetch.tree(r.json["ref"]["tree"]) == TREE


def test_no_login(fetch, web, repo, lfs):
    lfs.login = "Basic nobody"
    r = fetch("both", "git", repo.url, code=3)
    assert "the server answers 401: Credentials needed" in r.error and "login" in r.hint


def test_over_ssh(fetch, sshd, git, lfs):
    fetch.suppress("lsan-ssh.supp")
    (fetch.home / ".ssh").mkdir(mode=0o700)
    (fetch.home / ".ssh/known_hosts").write_text(f"[localhost]:{sshd.port} {sshd.key('host_ed25519')}\n")
    g = git("it's-ssh")
    g.commit({**TRACKED, "a.bin": lfs.put(BIG)})
    lfs.login = "RemoteAuth t0k3n"
    script = sshd.bin / "git-lfs-authenticate"
    script.write_text(f"#!/bin/sh\necho \"$1 $2\" > {sshd.dir}/asked\n"
                      f"echo '{{\"href\": \"{lfs.url}\", \"header\": {{\"Authorization\": \"RemoteAuth t0k3n\"}}, \"expires_in\": 60}}'\n")
    script.chmod(0o755)
    r = fetch("both", "git", sshd.url(g.path), env=sshd.agent)
    assert fetch.tree(r.json["ref"]["tree"]) == {**TRACKED, "a.bin": BIG} and "t0k3n" not in r.said
    assert (sshd.dir / "asked").read_text() == f"{g.path} download\n"
    script.unlink()
    g.commit({"b.bin": lfs.put(OTHER)})
    r = fetch("both", "git", sshd.url(g.path), env=sshd.agent, code=3)
    assert "git-lfs-authenticate fails there" in r.error and "lfs.url" in r.hint


# --- a whole run -----------------------------------------------------------------------------


def test_a_run_and_its_proof(aicert, web, repo, lfs, tmp_path):
    aicert.env.setdefault("LSAN_OPTIONS", f"suppressions={ROOT}/tests/fetch/lsan.supp:print_suppressions=0")
    (aicert.cwd / "Aicertfile").write_text(f"""
aicert: 1
environment: host
inputs: {{ m: {{ git: "{repo.url}", ref: main }} }}
steps: {{ look: {{ use: shell, inputs: {{ m: m }}, script: 'sha256sum < $IN_M/a.bin > $OUT_O', outputs: {{ o: o.txt }} }} }}
""")
    aicert()
    assert (aicert.cwd / "outputs/o.txt").read_text().split()[0] == sha(BIG)
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    assert proof["claims"]["verified"][0]["how"] == "git"
    clone = tmp_path / "their-clone"
    subprocess.run(["git", "clone", "-q", "--bare", repo.url, str(clone)], check=True)
    aicert("verify", "proof.json", "--require", "software", "--input", f"m={clone}")
    before = len(lfs.seen)
    aicert()
    assert len(lfs.seen) == before
