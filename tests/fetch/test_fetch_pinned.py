"""Lists of URLs, archives, and what source rules of a project's own resolve to."""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import subprocess
import tarfile
import zipfile
import zlib

import pytest

from fetch.conftest import ROOT
from fetch.hub_help import git_blob


def sha(data):
    return hashlib.sha256(data).hexdigest()


# --- lists of URLs ------------------------------------------------------------------------


def test_a_list_is_a_folder(fetch, web):
    for name in "abc":
        (web.files / f"{name}.csv").write_bytes(name.encode() * 1000)
    r = fetch("both", "url", web.plain + "/files/b.csv", "--url", web.plain + "/files/a.csv?rev=1", "--url", "file://" + str(web.files / "c.csv"))
    p = r.json["pin"]
    assert [(f["path"], f["uri"], f["size"]) for f in p["files"]] == [
        ("a.csv", web.plain + "/files/a.csv?rev=1", 1000), ("b.csv", web.plain + "/files/b.csv", 1000), ("c.csv", "local", 1000)]
    assert fetch.tree(r.json["ref"]["tree"]) == {f"{n}.csv": n.encode() * 1000 for n in "abc"} and r.json["how"] == "sha256"
    assert list((fetch.cache / "partial").iterdir()) == []


def test_what_is_there_is_not_asked_for_again(fetch, web, odd):
    r = fetch("both", "url", odd.url + "/file/a", "--url", odd.url + "/file/b")
    before = len(odd.seen)
    again = fetch("content", "url", odd.url + "/file/a", "--url", odd.url + "/file/b", "--pin", json.dumps(r.json["pin"]))
    assert again.json["ref"] == r.json["ref"] and len(odd.seen) == before == 2


def test_a_list_is_held_to_its_pin(fetch, web):
    (web.files / "a").write_bytes(b"0")
    (web.files / "b").write_bytes(b"1")
    urls = ("url", web.plain + "/files/a", "--url", web.plain + "/files/b")
    p = fetch("resolve", *urls).json["pin"]
    for id in fetch.store.iterdir():
        id.unlink()
    (web.files / "b").write_bytes(b"2")
    r = fetch("content", *urls, "--pin", json.dumps(p), code=3)
    assert f"'b': '{web.plain}/files/b': sha256: got {sha(b'2')}, expected {sha(b'1')}" in r.error
    (web.files / "b").unlink()
    assert "is gone" in fetch("content", *urls, "--pin", json.dumps(p), code=3).error


def test_logins_of_a_list_stay_on_the_wire(fetch, web):
    (web.files / "a").write_bytes(b"a")
    (web.files / "b").write_bytes(b"b")
    private = web.plain.replace("http://", f"http://{web.user}:{web.password}@") + "/private/files/a"
    assert "is there twice" in fetch("both", "url", private, "--url", web.plain + "/files/a?x=1", code=3).error
    r = fetch("both", "url", private, "--url", web.plain + "/files/b")
    assert r.json["pin"]["files"][0]["uri"] == web.plain + "/private/files/a"
    assert web.password not in r.said


def test_many_files_at_once(fetch, odd):
    urls = [f"{odd.url}/slowish/{i}" for i in range(8)]
    args = [a for u in urls[1:] for a in ("--url", u)]
    r = fetch("both", "url", urls[0], *args)
    assert len(r.json["pin"]["files"]) == 8 and odd.most > 1


# --- archives --------------------------------------------------------------------------------


def tar(members, fmt=tarfile.PAX_FORMAT):
    """members: (name, bytes | ("link", target) | ("hard", target) | ("dir",) | ("fifo",) | ("exec", bytes))."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as t:
        for name, what in members:
            i = tarfile.TarInfo(name)
            data = what if isinstance(what, bytes) else b""
            if isinstance(what, tuple):
                i.type = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "dir": tarfile.DIRTYPE, "fifo": tarfile.FIFOTYPE, "exec": tarfile.REGTYPE}[what[0]]
                if what[0] == "exec":
                    data, i.mode = what[1], 0o755
                elif len(what) > 1:
                    i.linkname = what[1]
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def zipped(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, what in members:
            i = zipfile.ZipInfo(name)
            i.compress_type, i.external_attr = method, (0o755 if isinstance(what, tuple) else 0o644) << 16 | (0o100000 << 16)
            z.writestr(i, what[1] if isinstance(what, tuple) else what)
    return out.getvalue()


PLAIN = [("top/a.txt", b"a"), ("top/sub/b.sh", ("exec", b"b")), ("top/ünïcode", b"u")]
# The second is spelt with a combining mark.
NAMES = [("\u00fc", b"1"), ("u\u0308x", b"2")]
TREE = {"top/a.txt": b"a", "top/sub/b.sh": ("exec", b"b"), "top/ünïcode": b"u"}


def zstd(data):
    return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("pack", [lambda m: tar(m), lambda m: tar(m, tarfile.GNU_FORMAT), lambda m: gzip.compress(tar(m)), lambda m: bz2.compress(tar(m)),
                                  lambda m: lzma.compress(tar(m)), lambda m: zstd(tar(m)), zipped, lambda m: zipped(m, zipfile.ZIP_STORED)],
                         ids=["tar", "gnu", "gz", "bz2", "xz", "zst", "zip", "stored"])
def test_archives(fetch, web, pack):
    data = pack(PLAIN)
    (web.files / "x").write_bytes(data)
    r = fetch("both", "url", web.plain + "/files/x", "--unpack")
    assert fetch.tree(r.json["ref"]["tree"]) == TREE
    p = r.json["pin"]
    assert (p["unpack"], p["sha256"], p["size"], p["tree"]) == (True, sha(data), len(data), r.json["ref"]["tree"])
    local = web.files / "x"
    assert fetch("both", "url", "file://" + str(local), "--unpack", "--strip", "1").json["pin"]["strip"] == 1


def test_names_stay_the_bytes_that_they_are(fetch, tmp_path):
    assert unpack(fetch, tmp_path, tar(NAMES)) == dict(NAMES)
    assert unpack(fetch, tmp_path, zipped(NAMES)) == {"\u00fc": b"1", "\u00fcx": b"2"}  # composed


def unpack(fetch, tmp_path, data, *args, code=0):
    (tmp_path / "x").write_bytes(data)
    r = fetch("both", "url", "file://" + str(tmp_path / "x"), "--unpack", *args, code=code)
    return r if code else fetch.tree(r.json["ref"]["tree"])


def test_strip(fetch, tmp_path):
    assert unpack(fetch, tmp_path, tar(PLAIN), "--strip", "1") == {"a.txt": b"a", "sub/b.sh": ("exec", b"b"), "ünïcode": b"u"}
    assert unpack(fetch, tmp_path, tar(PLAIN), "--strip", "2") == {"b.sh": ("exec", b"b")}
    assert "nothing is left" in unpack(fetch, tmp_path, tar(PLAIN), "--strip", "3", code=3).error


def test_links_inside(fetch, tmp_path):
    got = unpack(fetch, tmp_path, tar([("d/f", b"f"), ("l", ("link", "d/f")), ("h", ("hard", "d/f")), ("e", ("dir",))]))
    assert got == {"d/f": b"f", "l": ("link", "d/f"), "h": b"f", "e/": None}


def test_later_members_win(fetch, tmp_path):
    assert unpack(fetch, tmp_path, tar([("a", b"1"), ("a", b"2")])) == {"a": b"2"}


ESCAPES = {
    "up": [("../evil", b"x")], "inside": [("a/../../evil", b"x")], "absolute": [("/etc/evil", b"x")], "link up": [("l", ("link", "../x"))],
    "link absolute": [("l", ("link", "/etc/passwd"))], "link deep": [("a/l", ("link", "../../x"))], "hard up": [("h", ("hard", "../../etc/passwd"))],
    "hard absent": [("h", ("hard", "nothing"))], "fifo": [("f", ("fifo",))], "newline": [("a\nb", b"x")],
    "through a link": [("d", ("link", "/etc")), ("d/passwd", b"x")], "file as folder": [("a/b", b"1"), ("a/b/c", b"2")],
    "folder with bytes": [("d/", b"x")], "long name": [("n/" * 2100, b"x")], "deep": [("d/" * 300 + "x", b"x")],
    # Each link is inside where its name says that it is, and out where it comes to lie.
    "link below a link": [("lie", ("link", "x")), ("x/y", ("link", "..")), ("x/y/lie", ("link", "../../t"))],
    "hard link of a link": [("h", b""), ("a/b/l", ("link", "../../t")), ("h", ("hard", "a/b/l"))],
}


@pytest.mark.parametrize("how", ESCAPES)
def test_what_leads_out_is_refused_by_name(fetch, tmp_path, how):
    r = unpack(fetch, tmp_path, tar(ESCAPES[how]), code=3)
    name = ESCAPES[how][0][0].replace("\n", "\\")[:3]
    assert name.split("\\")[0] in r.error, r.error


def test_zip_slip(fetch, tmp_path):
    for name in ("../evil", "/evil", "a/../../evil"):
        assert "evil" in unpack(fetch, tmp_path, zipped([(name, b"x")]), code=3).error


def test_names_that_differ_in_case_are_two(fetch, tmp_path):
    assert unpack(fetch, tmp_path, zipped([("A", b"1"), ("a", b"2")])) == {"A": b"1", "a": b"2"}


def test_what_follows_an_archives_end_changes_nothing(fetch, tmp_path):
    for data in (tar(PLAIN), gzip.compress(tar(PLAIN)), zipped(PLAIN)):
        assert unpack(fetch, tmp_path, data + b"\0" * 7 + b"garbage") == TREE


@pytest.mark.parametrize("at,value,words", [
    (6, b"\x01\x00", ""), (22, b"\xff\xff\xff\x7f", ""), (18, b"\xff\xff\xff\xff", ""), (22, b"\xff\xff\xff\xff", ""), (14, b"abcd", ""),
], ids=["encrypted", "large", "zip64 packed", "zip64", "sum"])
def test_a_zip_that_lies(fetch, tmp_path, at, value, words):
    """The same lie in the member's own header and in the directory."""
    data = bytearray(zipped([("file", b"content" * 100)]))
    for start, shift in ((0, 0), (data.index(b"PK\x01\x02"), 2)):
        data[start + at + shift:start + at + shift + len(value)] = value
    r = unpack(fetch, tmp_path, bytes(data), code=3)
    assert "'file'" in r.error or "archive" in r.error, r.error


def bomb(n):
    """A gzipped tar of one file of n zeros, made without holding it."""
    c, out = zlib.compressobj(9, zlib.DEFLATED, 31), []
    head = tarfile.TarInfo("zeros")
    head.size = n
    out.append(c.compress(head.tobuf(tarfile.GNU_FORMAT)))
    for _ in range(n >> 24):
        out.append(c.compress(bytes(1 << 24)))
    out.append(c.compress(bytes(1024)))
    out.append(c.flush())
    return b"".join(out)


@pytest.mark.long
def test_a_bomb_is_stopped(fetch, tmp_path):
    r = unpack(fetch, tmp_path, bomb(2 << 30), code=3)
    assert "the archive unpacks to more than" in r.error and "200 times its own size" in r.hint


def test_a_sparse_bomb_is_stopped(fetch, tmp_path):
    """GNU sparse: one block of data, the rest holes: no bytes to inflate, so it costs its maker nothing."""
    h = tarfile.TarInfo("holes")
    h.size = 512
    b = bytearray(h.tobuf(tarfile.GNU_FORMAT))
    b[156:157] = b"S"
    real = 1 << 40
    b[386:398], b[398:410] = b"%011o\0" % (real - 512), b"%011o\0" % 512
    b[483:495] = struct.pack(">BxxxQ", 0x80, real)
    b[386:398] = struct.pack(">BxxxQ", 0x80, real - 512)
    b[148:156] = b"        "
    b[148:156] = b"%06o\0 " % sum(b)
    r = unpack(fetch, tmp_path, bytes(b) + bytes(512 + 1024), code=3)
    assert "the archive unpacks to more than" in r.error


@pytest.mark.parametrize("data", [b"", b"just some text\n" * 100, b"PK\x03\x04" + b"\0" * 50, gzip.compress(b"text")], ids=["empty", "text", "zip", "gz"])
def test_what_is_no_archive(fetch, tmp_path, data):
    assert unpack(fetch, tmp_path, data, code=3).error


def test_a_cut_archive(fetch, tmp_path):
    whole = gzip.compress(tar([("a", os.urandom(100000)), ("b", os.urandom(100000))]))
    for n in (len(whole) // 2, len(whole) - 5):
        assert unpack(fetch, tmp_path, whole[:n], code=3).error
    z = zipped([("a", os.urandom(1000)), ("b", b"b")])
    assert unpack(fetch, tmp_path, z[:-30], code=3).error


def test_an_archive_is_held_to_its_pin(fetch, web):
    (web.files / "x").write_bytes(tar(PLAIN))
    args = ("url", web.plain + "/files/x", "--unpack")
    p = fetch("resolve", *args).json["pin"]
    other = dict(p, tree="0" * 64)
    r = fetch("content", *args, "--pin", json.dumps(other), code=3)
    assert f"unpacks to tree {p['tree']}, aicert.lock pins {'0' * 64}" in r.error
    (web.files / "x").write_bytes(tar([("a", b"1")]))
    assert "expected" in fetch("content", *args, "--pin", json.dumps(p), code=3).error
    assert "sha256: got" in fetch("resolve", *args, "--sha256", p["sha256"], code=3).error


# --- source rules of a project's own ----------------------------------------------------------

RULE = """
return source {
  name = "mirror",
  doc = "Files of our mirror.",
  attrs = { mirror = attr.url { doc = "its index" }, only = attr.list(attr.text) { default = {} } },
  resolve = function(a, net)
    local index, files = net.json(a.mirror .. "/index.json"), {}
    for _, f in ipairs(index.files) do
      if #a.only == 0 or glob(a.only[1], f.name) then
        files[#files + 1] = { path = f.name, url = a.mirror .. "/" .. f.name, sha256 = f.sha256, size = f.size, git_sha1 = f.blob, exec = f.name:ends(".sh") }
      end
    end
    files[#files + 1] = { path = "VERSION", text = index.version }
    return pin.files { uri = a.mirror, ref = "latest", revision = index.version, files = files }
  end,
}
"""


@pytest.fixture
def mirror(aicert, web):
    """A project whose rules/mirror.lua asks the server; mirror.put(files, version) sets what that has."""
    class Mirror:
        data = {"a.bin": b"a" * 100, "b.bin": b"b" * 200, "run.sh": b"#!/bin/sh\n"}

        def put(self, version="1", **changed):
            entries = []
            for name, data in {**self.data, **changed}.items():
                (web.files / name).write_bytes(data)
                e = {"name": name}
                if name == "a.bin":
                    e.update(sha256=sha(data), size=len(data))
                if name == "b.bin":
                    e.update(blob=git_blob(data), size=len(data))
                entries.append(e)
            (web.files / "index.json").write_text(json.dumps({"version": version, "files": entries, "score": 1.5, "none": None}))

        def write(self, more="", rule=RULE):
            (aicert.cwd / "rules").mkdir(exist_ok=True)
            (aicert.cwd / "rules/mirror.lua").write_text(rule)
            (aicert.cwd / "Aicertfile").write_text(
                "aicert: 1\nenvironment: host\ninputs:\n  m: { mirror: '%s/files'%s }\nsteps:\n  look:\n    use: shell\n    inputs: {m: m}\n"
                "    script: 'cd $IN_M; sha256sum * > $OUT_LIST; test -x run.sh'\n    outputs: {list: list.txt}\n" % (web.plain, more))
            return aicert

    m = Mirror()
    m.aicert = aicert
    m.put()
    aicert.env["AICERT_RETRY_BASE_MS"] = "10"
    return m


def locked(aicert):
    return json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["m"]


def test_a_rule_of_ones_own(mirror, web):
    aicert = mirror.write()
    root = aicert.json()["root"]
    p = locked(aicert)
    assert (p["type"], p["uri"], p["ref"], p["revision"]) == ("mirror", web.plain + "/files", "latest", "1")
    assert {f["path"]: f.get("sha256") or sha(f["text"].encode()) for f in p["files"]} == {
        **{k: sha(v) for k, v in mirror.data.items()}, "VERSION": sha(b"1")}
    names = sorted([*mirror.data, "VERSION"])
    assert (aicert.cwd / "outputs/list.txt").read_text() == "".join(f"{sha(mirror.data.get(n, b'1'))}  {n}\n" for n in names)
    report = aicert.json("verify", "proof.json", "--require", "software")
    assert next(c for c in report["checks"] if c["name"] == "planned again")["status"] == "passed"
    assert report["inputs"][0]["type"] == "mirror"
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    plan = next(n for n in proof["nodes"].values() if n["kind"] == "plan")
    assert [r["name"] for r in plan["rules"]] == ["mirror", "shell"]
    # The mirror moves on; the pin does not.
    mirror.put("2", **{"a.bin": b"A" * 100})
    assert aicert.json("run", "--locked")["root"] == root


def test_the_pin_follows_the_attributes(mirror):
    aicert = mirror.write()
    aicert("lock")
    aicert = mirror.write(more=", only: ['*.sh']")
    assert "--locked adds none" in aicert("run", "--locked", code=3).stderr
    aicert("lock")
    assert [f["path"] for f in locked(aicert)["files"]] == ["VERSION", "run.sh"]


def test_what_arrives_is_what_was_pinned(mirror, aicert_in, tmp_path):
    aicert = mirror.write()
    aicert("lock")
    mirror.put("1", **{"b.bin": b"B" * 200})
    other = aicert_in(tmp_path / "other", aicert.cwd)
    r = other(code=3)
    assert f"'b.bin'" in r.stderr and f"sha256: got {sha(b'B' * 200)}, expected {sha(b'b' * 200)}" in r.stderr


def test_a_lie_about_a_blob_is_refused(mirror, web):
    aicert = mirror.write()
    (web.files / "b.bin").write_bytes(b"X" * 200)
    assert f"'b.bin': git blob: got {git_blob(b'X' * 200)}, expected" in aicert("lock", code=3).stderr


def test_another_rule_text_is_another_plan_and_the_same_pin(mirror):
    aicert = mirror.write()
    root = aicert.json()["root"]
    before = locked(aicert)
    aicert = mirror.write(rule=RULE.replace("Files of our mirror.", "Files."))
    assert aicert.json("run", "--force")["root"] != root and locked(aicert) == before


@pytest.mark.parametrize("body,words", [
    ("return pin.files { uri = 'x', files = { { path = '../evil', text = 'x' } } }", "expected a relative path"),
    ("return pin.files { uri = 'x', files = { { path = 'a', url = 'file:///etc/passwd' } } }", "expected a URL"),
    ("return pin.files { uri = 'x', files = { { path = 'a', target = '/etc/passwd' } } }", "leaves the folder"),
    ("return pin.git { url = '/etc/repo' }", "expected the URL of a git repository"),
    ("return pin.git { url = '../repo' }", "expected the URL of a git repository"),
    ("return net.get('file:///etc/passwd')", "file:///etc/passwd"),
    ("return net.get('ftp://127.0.0.1/x')", "scheme 'ftp'"),
    ("while true do end", "instructions"),
    ("return pin.files { uri = 'x', files = { { path = 'a', url = a.mirror .. '/gone.bin' } } }", "is gone"),
])
def test_what_a_rule_may_not(mirror, body, words):
    rule = RULE[:RULE.index("    local index")] + body + "\n  end,\n}\n"
    r = mirror.write(rule=rule)("lock", code=None)
    assert r.returncode in (2, 3) and words in r.stderr, r.stderr


@pytest.mark.parametrize("name", ["git", "image", "proof", "wheels"])
def test_names_that_are_ours(mirror, name):
    aicert = mirror.write(rule=RULE)
    (aicert.cwd / f"rules/{name}.lua").write_text(RULE.replace('"mirror"', f'"{name}"'))
    text = (aicert.cwd / "Aicertfile").read_text().replace("m: { mirror:", f"m: {{ use: {name}, mirror:")
    (aicert.cwd / "Aicertfile").write_text(text)
    assert f"no source rule can be called '{name}'" in aicert("lock", code=2).stderr


def test_one_file_is_a_file(mirror, web):
    rule = RULE[:RULE.index("    local index")] + "    return pin.url { url = a.mirror .. '/a.bin' }\n  end,\n}\n"
    aicert = mirror.write(rule=rule)
    text = (aicert.cwd / "Aicertfile").read_text().replace("cd $IN_M; sha256sum * > $OUT_LIST; test -x run.sh", "sha256sum < resources/a.bin > $OUT_LIST")
    (aicert.cwd / "Aicertfile").write_text(text)
    aicert()
    assert (aicert.cwd / "outputs/list.txt").read_text().split()[0] == sha(mirror.data["a.bin"]) and locked(aicert)["single"] is True


def test_an_archive_of_a_rule(mirror, web):
    (web.files / "x.tar.gz").write_bytes(gzip.compress(tar([("top/run.sh", ("exec", b"#!/bin/sh\n"))])))
    rule = RULE[:RULE.index("    local index")] + "    return pin.url { url = a.mirror .. '/x.tar.gz', unpack = true, strip = 1 }\n  end,\n}\n"
    aicert = mirror.write(rule=rule)
    aicert()
    assert locked(aicert)["unpack"] is True and "run.sh" in (aicert.cwd / "outputs/list.txt").read_text()
    aicert("verify", "proof.json", "--require", "software")


def test_a_repository_of_a_rule(mirror, web, web_repo):
    mirror.aicert.env.setdefault("LSAN_OPTIONS", f"suppressions={ROOT}/tests/fetch/lsan.supp:print_suppressions=0")
    web_repo.commit({"run.sh": b"#!/bin/sh\n"})
    os.chmod(web_repo.path / "run.sh", 0o755)
    commit = web_repo.commit({})
    web_repo.push()
    bare = f"{web.plain}/git/{web_repo.name}"
    rule = RULE[:RULE.index("    local index")] + f"    return pin.git {{ url = '{bare}', ref = 'main' }}\n  end,\n}}\n"
    aicert = mirror.write(rule=rule)
    aicert()
    p = locked(aicert)
    assert p["git"] is True and p["revision"] == commit and p["ref"] == "main" and p["uri"] == bare
    aicert("verify", "proof.json", "--require", "software")


def test_urls_and_archives_end_to_end(aicert, web):
    for n in "ab":
        (web.files / f"{n}.csv").write_bytes(n.encode())
    (web.files / "x.zip").write_bytes(zipped([("top/in.txt", b"in")]))
    (aicert.cwd / "Aicertfile").write_text(f"""
aicert: 1
environment: host
inputs:
  data: {{ url: ["{web.plain}/files/a.csv", "{web.plain}/files/b.csv"], sha256: {{ a.csv: {sha(b"a")} }} }}
  more: {{ url: "{web.plain}/files/x.zip", unpack: true, strip: 1, sha256: {sha((web.files / "x.zip").read_bytes())} }}
steps:
  look: {{ use: shell, inputs: {{ data: data, more: more }}, script: 'cat $IN_DATA/a.csv $IN_DATA/b.csv $IN_MORE/in.txt > $OUT_O', outputs: {{ o: o.txt }} }}
""")
    aicert()
    assert (aicert.cwd / "outputs/o.txt").read_text() == "abin"
    aicert("verify", "proof.json", "--require", "software")
    lock = json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]
    assert [f["path"] for f in lock["data"]["files"]] == ["a.csv", "b.csv"] and lock["more"]["strip"] == 1
    text = (aicert.cwd / "Aicertfile").read_text()
    (aicert.cwd / "Aicertfile").write_text(text.replace(sha(b"a"), sha(b"z")))
    assert f"got {sha(b'a')}, expected {sha(b'z')}" in aicert(code=3).stderr
