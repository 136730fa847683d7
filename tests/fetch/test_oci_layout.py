"""Images: layers merged as umoci merges them, layouts and archives read, hostile ones refused.  SPDX-License-Identifier: Apache-2.0"""
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import tarfile

import pytest

from fetch.layout_help import INDEX, Layout, d, entry, f, folder, h, need, opq, pack, s, sha, tar, umoci, w

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build"))


class Tool:
    def __init__(self, path, tmp):
        self.path, self.tmp = path, tmp
        self.env = {"PATH": os.environ["PATH"], "HOME": str(tmp), **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        self.env["LSAN_OPTIONS"] = f"suppressions={ROOT}/tests/fetch/lsan.supp:print_suppressions=0"

    def __call__(self, *args, code=0, timeout=120):
        p = subprocess.run([str(self.path), *map(str, args)], env=self.env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert "Sanitizer" not in p.stderr and "runtime error" not in p.stderr, p.stderr
        if code is not None:
            assert p.returncode == code, f"exit {p.returncode}, expected {code}\n{p.stdout[-3000:]}\n{p.stderr}"
        out = json.loads(p.stdout)
        out["code"] = p.returncode
        if "entries" in out:
            out["tree"], out["entries"] = out["tree"], {path: (type, what) for path, type, what in out["entries"]}
        return out

    def apply(self, *layers, packing="plain", code=0, more=(), diff_ids=None):
        """Layers as bytes of tar files, or as lists of entries."""
        args = []
        for i, layer in enumerate(layers):
            data = layer if isinstance(layer, bytes) else tar(layer)
            file = self.tmp / f"layer{i}"
            file.write_bytes(pack(data, packing))
            args += [file, packing, diff_ids[i] if diff_ids else sha(data)]
        return self("apply", *args, *more, code=code)

    def raw(self, data, packing, diff_id, code=0):
        file = self.tmp / "raw"
        file.write_bytes(data)
        return self("apply", file, packing, diff_id, code=code)

    def image(self, ref, *more, code=0):
        return self("image", ref, "--project", self.tmp, "--cache", self.tmp / "cache", *more, code=code)


@pytest.fixture(scope="session")
def layers_tool(tmp_path_factory):
    lib = BUILD / "libaicert.a"
    if not lib.exists():
        pytest.skip(f"{lib} is not built")
    out = tmp_path_factory.mktemp("tool") / "layers_tool"
    san = [f"-fsanitize={BUILD.name[6:].replace('-', ',')}"] if BUILD.name.startswith("build-") else []
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-g", *san, f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", out, ROOT / "tests/fetch/layers_tool.c", lib,
                    "-lcrypto", "-ljansson", "-lyaml", "-lgit2", "-lcurl", "-larchive", "-lsqlite3", "-lpthread"], check=True)
    return out


@pytest.fixture
def tool(layers_tool, tmp_path):
    return Tool(layers_tool, tmp_path)


# --- merged as umoci merges -----------------------------------------------------------------
BASE = [d("a"), f("a/one", "1"), f("a/two", "2", 0o755), d("a/sub"), f("a/sub/deep", "deep"), s("link", "a"), f("file", "file"), d("empty")]

CASES = {
    "plain": [BASE],
    "whiteout of a file": [BASE, [w("a/one")]],
    "whiteout of a folder": [BASE, [w("a")]],
    "whiteout of nothing": [BASE, [w("none"), w("none/deeper"), w("file/under")]],
    "whiteout and a new file of that name": [BASE, [w("a/one"), f("a/one", "new")]],
    "whiteout behind the new file": [BASE, [f("a/one", "new"), w("a/one")]],
    "whiteout of a folder with a new file in it": [BASE, [f("a/three", "3"), w("a")]],
    "whiteout before the folder with a new file": [BASE, [w("a"), d("a"), f("a/three", "3")]],
    "whiteout of a link": [BASE, [w("link")]],
    "whiteout through a link": [BASE, [w("link/one")]],
    "opaque first": [BASE, [d("a"), opq("a"), f("a/three", "3")]],
    "opaque last": [BASE, [d("a"), f("a/three", "3"), opq("a")]],
    "opaque between, with a folder below": [BASE, [f("a/three", "3"), opq("a"), f("a/sub/new", "n")]],
    "opaque behind a folder below": [BASE, [f("a/sub/new", "n"), opq("a")]],
    "opaque of the root": [BASE, [f("new", "n"), opq("")]],
    "opaque of what is not there": [BASE, [opq("none")]],
    "opaque twice": [BASE, [opq("a"), f("a/x", "x"), opq("a")], [opq("a"), f("a/y", "y")]],
    "opaque through a link": [BASE, [opq("link")]],
    "a file replaces a folder": [BASE, [f("a", "file now")]],
    "a folder replaces a file": [BASE, [d("file"), f("file/x", "x")]],
    "a folder replaces a link": [BASE, [d("link"), f("link/x", "x")]],
    "a link replaces a folder": [BASE, [s("a", "empty"), f("a/x", "x")]],
    "a link replaces a file": [BASE, [s("file", "/a/one")]],
    "a file replaces a link": [BASE, [f("link", "no link")]],
    "folders are merged": [BASE, [d("a", 0o700), f("a/three", "3"), d("a/sub"), f("a/sub/x", "x")]],
    "the last of two counts": [[f("x", "1"), f("x", "22"), d("y"), f("y", "file"), f("z", "f"), d("z"), f("z/in", "i")]],
    "child before parent": [[f("p/q/r", "r"), d("p/q", 0o750), d("p")]],
    "parents that no entry has": [[f("p/q/r/s", "s"), d("u/v/w"), s("l/m", "../p")]],
    "prefixes": [[d("./"), f("./a", "a"), d("/b/"), f("/b/c", "c"), f(".//d//./e", "e"), w("./none")], [w("./b/c"), w("/a")]],
    "hard links": [BASE, [f("x", "x", 0o755), h("y", "x"), h("z/deep", "y"), h("low", "a/one"), h("slash", "/a/two"), h("dot", "./a/sub/deep")]],
    "hard link to a file replaced later": [[f("x", "old"), h("y", "x"), f("x", "new", 0o755)]],
    "hard link to a file removed later": [[f("x", "old"), h("y", "x")], [w("x")]],
    "hard link replaces": [BASE, [h("file", "a/one"), h("empty", "a/two"), h("link", "a/one")]],
    "hard link to a link": [BASE, [h("also", "link")]],
    "hard link through links": [BASE, [h("one", "link/one"), h("link/four", "link/two")]],
    "through a link": [BASE, [f("link/new", "n"), d("link/sub"), f("link/sub/x", "x")]],
    "through a link to the root's outside": [[s("up", "../../../../etc"), f("up/passwd", "p"), s("abs", "/var/x"), f("abs/deep/y", "y")]],
    "through links of links": [[d("t"), s("t/l1", "l2"), s("t/l2", "../u"), s("u", "/v/w"), f("t/l1/x", "x"), s("v/back", ".."), f("v/back/root", "r")]],
    "through a link that leads nowhere": [[s("l", "none/here"), f("l/x", "x")]],
    "through a link with dots behind what is not there": [[s("l", "no/../yes/./"), f("l/x", "x")]],
    "through a link of a lower layer": [[s("lib", "usr/lib"), d("usr/lib")], [f("lib/a.so", "so"), w("lib/none")], [w("lib/a.so"), f("lib/b.so", "b")]],
    "a folder's link replaced by itself": [[d("usr/lib"), s("lib", "usr/lib"), d("lib"), f("lib/x", "x")]],
    "modes": [[f("a", mode=0o644), f("b", mode=0o755), f("c", mode=0o100), f("e", mode=0o4755), f("g", mode=0o2644), d("h", 0o1777)]],
    "only others may execute": [[f("a", mode=0o655), f("b", mode=0o601), f("c", mode=0o711)]],
    "names": [[f("ä/ö", "1"), f("e\u0301", "decomposed"), f("\u00e9", "composed"), f("日本/" + "n" * 200, "2"), f("d/" * 60 + "x", "3"), s("l\u0301", "ä\u0301")]],
    "long links": [[f("t" * 120 + "/" + "u" * 120, "x"), h("hard", "t" * 120 + "/" + "u" * 120), s("soft", "v" * 300)]],
    "odd names": [[f("a b", "1"), f("-x", "2"), f("'\"\\", "3"), f("a.wh.b", "4"), f(".whx", "5"), f("*", "6"), f(" ", "7"), f("...", "8")]],
    "an empty layer": [BASE, [], [f("after", "x")]],
    "a file that looks like a marker's target": [[f("wh", "x"), f("opq", "y")], [w("wh"), w("opq")]],
    "sizes": [[f(f"n{n}", bytes(range(256)) * (n // 256 + 1)) for n in (0, 1, 511, 512, 513, 70000, 1 << 20, (1 << 20) + 1)]],
}


@pytest.mark.parametrize("case", CASES)
def test_as_umoci(tool, tmp_path, case):
    need("umoci")
    for name, format in (("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
        layout = Layout(tmp_path / name)
        tars = [tar(entries, format) for entries in CASES[case]]
        layout.name(layout.image(tars, "gzip"), "x")
        wanted, said = umoci(layout.path, "x", tmp_path / f"bundle-{name}")
        assert wanted is not None, said
        got = tool.image(f"oci:{name}:x")
        assert got["entries"] == wanted
        assert tool.apply(*tars)["tree"] == got["tree"]


REFUSED_BY_BOTH = {
    "hard link to nothing": [[h("x", "none")]],
    "hard link to itself": [[f("x"), h("x", "x")]],
    "hard link to what comes later": [[h("y", "x"), f("x")]],
    "hard link to what was removed": [[f("x")], [w("x"), h("y", "x")]],
    "hard link to a folder": [[d("x"), h("y", "x")]],
    "hard link takes the place of its target's folder": [[f("x/y"), h("x", "x/y")]],
    "parent is a file": [[f("x")], [f("x/y")]],
    "parent is a link to a file": [[f("x"), s("l", "x"), f("l/y")]],
    "links in a circle": [[s("a", "b"), s("b", "a"), f("a/x")]],
    "the root is a link": [[s("./", "/etc")]],
    "a name too long": [[f("n" * 256)]],
}


@pytest.mark.parametrize("case", REFUSED_BY_BOTH)
def test_refused_as_umoci_does(tool, tmp_path, case):
    need("umoci")
    layout = Layout(tmp_path / "lay")
    layout.name(layout.image([tar(entries) for entries in REFUSED_BY_BOTH[case]]), "x")
    assert umoci(layout.path, "x", tmp_path / "bundle")[0] is None
    assert tool.image("oci:lay:x", code=3)["error"].startswith("'")


@pytest.mark.parametrize("end, whole", [(2053, True), (2153, True), (2559, True), (2560, True), (2052, False), (1536 + 512, False), (1000, False)])
def test_a_layer_without_the_padding_of_its_last_file(tool, tmp_path, end, whole):
    """What `umoci insert` writes; a file that lacks one byte is another matter."""
    need("umoci")
    data = tar([f("a", "x" * 700), f("b", "hello")])[:end]
    layout = Layout(tmp_path / "lay")
    layout.name(layout.image([data], "gzip"), "x")
    wanted, _ = umoci(layout.path, "x", tmp_path / "bundle")
    assert (wanted is not None) == whole
    got = tool.image("oci:lay:x", code=0 if whole else 3)
    assert not whole or got["entries"] == wanted


def some_layer(rng):
    names = ["a", "b", "l", "m"]

    def path(depth=3):
        return "/".join(rng.choice(names) for _ in range(rng.randint(1, depth)))

    def up():
        return rng.choice(["", "/", "../", "../../../", "./"]) + path(2)

    kinds = [lambda: f(path(), rng.choice("xyz"), rng.choice((0o644, 0o755))), lambda: d(path()), lambda: s(path(), up()), lambda: h(path(), path()),
             lambda: w(path()), lambda: opq(path(2)), lambda: f(path(), "f"), lambda: d(path(2))]
    return [rng.choice(kinds)() for _ in range(rng.randint(1, 7))]


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 1000), marks=pytest.mark.long)], ids=["100", "900"])
def test_as_umoci_at_random(tool, tmp_path, seeds):
    """Small layers over few names, so that everything meets everything; where umoci refuses, so do we."""
    need("umoci")
    merged = refused = 0
    for seed in seeds:
        rng = random.Random(seed)
        tars = [tar(some_layer(rng)) for _ in range(rng.randint(1, 4))]
        layout = Layout(tmp_path / "lay")
        layout.name(layout.image(tars), "x")
        wanted, said = umoci(layout.path, "x", tmp_path / "bundle")
        got = tool.image("oci:lay:x", code=None)
        if wanted is None:
            assert got["code"] == 3, (seed, said, got)
        else:
            assert got.get("entries") == wanted, (seed, got.get("error"))
        merged += wanted is not None
        refused += wanted is None
        shutil.rmtree(layout.path)
        shutil.rmtree(tmp_path / "bundle", ignore_errors=True)
    assert merged >= len(seeds) // 4 and refused >= len(seeds) // 10, (merged, refused)


# --- what else a tree does not have ------------------------------------------------------------
def test_left_out(tool):
    r = tool.apply([f("x", "low"), f("dev/null", "low"), f("keep")],
                   [entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3), entry("dev/sda", tarfile.BLKTYPE), entry("pipe", tarfile.FIFOTYPE),
                    h("dev/zero", "dev/null"), entry("x", tarfile.CHRTYPE), f("keep", "now")])
    assert r["entries"] == {"dev": ("dir", ""), "keep": ("file", sha(b"now"))}
    assert r["said"] == ["image: devices, FIFOs and sockets left out: 5"]
    assert tool.apply([f("x")])["said"] == []


def test_attributes_change_nothing(tool):
    """Owners, times, extended attributes, among them an overlay's own marks, and access lists with names that nobody has."""
    def dressed(more):
        return tar([(i, data) for i, data in [f("a/x", "x", 0o755, pax_headers=more), f("a/.y", "y", pax_headers=more)]])
    plain = tool.apply(dressed({}))
    for more in ({"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.overlay.whiteout": "y", "SCHILY.xattr.security.capability": "\1\2"},
                 {"LIBARCHIVE.xattr.user.x": "eA", "mtime": "1.5", "uid": "77", "uname": "jürgen", "gname": "\u65e5"},
                 {"SCHILY.acl.access": "user:nobody:rwx,nonsense", "SCHILY.fflags": "uchg", "comment": "c", "vendor.key": "v"}):
        assert tool.apply([f("a/z"), d("b")], dressed(more))["entries"] == tool.apply([f("a/z"), d("b")], dressed({}))["entries"]
        assert tool.apply(dressed(more))["tree"] == plain["tree"]


def sparse_gnu(tmp_path, *options):
    (tmp_path / "hole").write_bytes(b"")
    with open(tmp_path / "hole", "r+b") as file:
        file.write(b"begin")
        file.seek(3 << 20)
        file.write(b"middle")
        file.truncate(5 << 20)
    subprocess.run(["tar", "-C", tmp_path, "-S", *options, "-cf", tmp_path / "s.tar", "hole"], check=True)
    return (tmp_path / "s.tar").read_bytes(), sha((tmp_path / "hole").read_bytes())


@pytest.mark.parametrize("options", [["--format=gnu"], ["--format=posix"], ["--format=posix", "--sparse-version=0.0"], ["--format=posix", "--sparse-version=0.1"]])
def test_sparse(tool, tmp_path, options):
    data, want = sparse_gnu(tmp_path, *options)
    assert len(data) < 1 << 20
    assert tool.apply(data)["entries"] == {"hole": ("file", want)}


def test_workdir(tool):
    base = [d("a"), s("l", "a"), f("file")]
    assert "a/w/x" in tool.apply(base, more=("--workdir", "/a/w/x"))["entries"]
    assert tool.apply(base, more=("--workdir", "/a/"))["tree"] == tool.apply(base)["tree"] == tool.apply(base, more=("--workdir", "/"))["tree"]
    assert tool.apply(base, more=("--workdir", "l"))["tree"] == tool.apply(base)["tree"]
    assert "a/sub" in tool.apply(base, more=("--workdir", "/l/sub"))["entries"]
    assert "not a folder" in tool.apply(base, more=("--workdir", "/file/x"), code=3)["error"]
    assert "'..'" in tool.apply(base, more=("--workdir", "/a/../../x"), code=3)["error"]


# --- hostile layers -------------------------------------------------------------------------------
HOSTILE = {
    "dots": ([f("../x")], "'../x': a part of its name is '..'"),
    "dots inside": ([f("a/../../etc/x")], "'a/../../etc/x': a part of its name is '..'"),
    "dots behind a slash": ([f("/../x")], "'/../x'"),
    "dots that lead back": ([f("a/../b")], "'..'"),
    "whiteout with dots": ([f("../.wh.x")], "'..'"),
    "whiteout of the parent": ([f("a/.wh...", b"")], "'..'"),
    "whiteout of the folder": ([f("a/.wh..", b"")], "'.'"),
    "whiteout of no name": ([f("a/.wh.", b"")], "is empty"),
    "inside a whiteout": ([f(".wh.a/x")], "'.wh.a', which is a whiteout"),
    "hard link with dots": ([f("x"), h("y", "../../etc/passwd")], "hard link to: '../../etc/passwd': a part of its name is '..'"),
    "not UTF-8": ([f("a/\udcff\udcfe")], r"'a/\xff\xfe'"),
    "newline": ([f("a/b\nc")], r"'a/b\x0ac'"),
    "escape": ([f("a\x1b[2J")], r"'a\x1b[2J'"),
    "delete": ([f("a\x7f")], "holds a control character"),
    "link to a control character": ([s("l", "a\nb")], "'l': link"),
    "link to what is not UTF-8": ([s("l", "\udcff")], "'l': link"),
    "a folder with content": ([f("x/", "content")], "a folder with bytes in it"),
    "the root with content": ([f("/", "content")], "a folder with bytes in it"),
    "too deep": ([f("d/" * 256 + "x")], "more than 256 parts"),
    "too deep through links": ([d("d/" * 200), s("l", "d/" * 200), f("l/" + "e/" * 100 + "x")], "more than 256 parts"),
    "a long way": ([f("/".join(["n" * 200] * 21))], "more than 4095 bytes"),
    "a long way through links": ([d("/".join(["n" * 200] * 15)), s("l", "/".join(["n" * 200] * 15)), f("l/" + "/".join(["m" * 200] * 8))], "4095 bytes"),
    "a link makes a name too long": ([s("l", "n" * 300), f("l/x")], "longer than 255 bytes"),
    "many links": ([s(f"l{i}", f"l{i + 1}") for i in range(60)] + [f("l0/x")], "more than 40 links"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_hostile(tool, case, format):
    entries, words = HOSTILE[case]
    r = tool.apply([f("below")], tar(entries, format), code=3)
    assert words in r["error"], r["error"]
    assert r["error"].isprintable()


def test_aufs_leftovers_are_skipped(tool):
    assert tool.apply([f("x")], [d(".wh..wh.plnk"), f(".wh..wh.plnk/1.2", "n"), f(".wh..wh.aufs", "")])["tree"] == tool.apply([f("x")])["tree"]


def test_unpacked_hash(tool):
    good = tar([f("x", "1")])
    r = tool.apply(good, diff_ids=["0" * 64], code=3)
    assert f"sha256:{sha(good)}" in r["error"] and "sha256:" + "0" * 64 in r["error"]
    # What stands behind the end of the archive counts, as it does everywhere else.
    for more in (bytes(100), bytes(1 << 20), b"anything" * 1000):
        assert tool.apply(good + more)["entries"] == {"x": ("file", sha(b"1"))}
        assert tool.apply(good + more, diff_ids=[sha(good)], code=3)
    assert tool.apply(b"")["entries"] == tool.apply(bytes(1024))["entries"] == {}


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_packings(tool, packing):
    if packing == "zstd":
        need("zstd")
    entries = [f("big", bytes(range(256)) * 20000), f("x", "1", 0o755), s("l", "x")]
    assert tool.apply(entries, packing=packing)["tree"] == tool.apply(entries)["tree"]
    data = tar(entries)
    packed = pack(data, packing)
    for cut in (1, 10, len(packed) // 2, len(packed) - 700, len(packed) - 1):
        assert tool.raw(packed[:cut], packing, sha(data), code=3)
    if packing != "plain":
        r = tool.raw(packed + b"garbage", packing, sha(data), code=3)
        assert "follows its end" in r["error"] or "stream" in r["error"]
        assert tool.raw(packed + bytes(512), packing, sha(data), code=3)
        assert "stream" in tool.raw(pack(packed, packing), packing, sha(data), code=3)["error"]
        assert "stream" in tool.raw(data, packing, sha(data), code=3)["error"]
    for other in {"plain", "gzip", "zstd"} - {packing}:
        assert tool.raw(packed, other, sha(data), code=3)
    # Several members, as pigz and stargz write them, are one stream.
    half = len(data) // 2
    assert tool.raw(pack(data[:half], packing) + pack(data[half:], packing), packing, sha(data))["tree"] == tool.apply(entries)["tree"]
    assert tool.raw(pack(b"", packing), packing, sha(b""))["entries"] == {}


def test_what_chunked_layers_add(tool):
    """zstd:chunked puts its table into skippable frames, eStargz into the extra field of an empty member: both are part of the stream."""
    need("zstd")
    data = tar([f("x", "1")])
    skippable = bytes.fromhex("502a4d18") + (8).to_bytes(4, "little") + b"\0" * 8
    assert names(tool.raw(pack(data, "zstd") + skippable, "zstd", sha(data))) == ["x"]
    footer = bytearray(gzip.compress(b"", 9, mtime=0))
    footer[3:10] = b"\x04" + footer[4:10]
    footer[10:10] = (4).to_bytes(2, "little") + b"SG\0\0"
    assert names(tool.raw(pack(data, "gzip") + bytes(footer), "gzip", sha(data))) == ["x"]


def test_global_header(tool):
    """git archive writes one, with the commit as its comment."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "c0ffee"}) as t:
        t.addfile(f("x", "1")[0], io.BytesIO(b"1"))
    assert tool.apply(out.getvalue())["tree"] == tool.apply([f("x", "1")])["tree"]


def test_damage_in_every_part(tool):
    """A bit of a header turned: refused, or (where the header's sum does not look) the hash tells."""
    data = tar([f("x", "1" * 700), f("y", "2")])
    for at in range(0, len(data), 331):
        bad = bytearray(data)
        bad[at] ^= 0x10
        assert tool.apply(bytes(bad), diff_ids=[sha(data)], code=3)
    for cut in range(1, 2048, 500):
        assert tool.apply(data[:cut], diff_ids=[sha(data)], code=3)


def test_bombs(tool, tmp_path):
    # A file that says to be larger than an image may be; a sparse one that would be zeros for hours.
    info, _ = f("huge")
    info.size = 1 << 41
    r = tool.apply(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), code=3)
    assert "'huge'" in r["error"] and "the image unpacks to more than 171" in r["error"]
    (tmp_path / "data").write_bytes(os.urandom(32 << 20))
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(40 << 30)
    subprocess.run(["tar", "-C", tmp_path, "-S", "-cf", tmp_path / "s.tar", "data", "hole"], check=True)
    r = tool.apply((tmp_path / "s.tar").read_bytes(), code=3)
    assert "'hole'" in r["error"] and "holes" in r["error"]
    # Names that would be slow in a list or a plain hash table, and whiteouts that would look through all of them each time.
    many = [f(f"d/{i:06}", b"") for i in range(20000)]
    assert len(tool.apply(many + [opq("d")] * 20000)["entries"]) == 20001


# --- layouts -----------------------------------------------------------------------------------------
ONE, TWO = [[f("one", "1")]], [[f("two", "2")]]


def tars(layers):
    return [tar(entries) for entries in layers]


def names(r):
    return sorted(r["entries"])


def test_layout_names(tool, tmp_path):
    lay = Layout(tmp_path / "lay")
    one = lay.name(lay.image(tars(ONE)), "v1")
    assert names(tool.image("oci:lay")) == names(tool.image("oci:lay:v1")) == ["one"]
    assert tool.image("oci:lay")["digest"] == one[7:]
    lay.name(lay.image(tars(TWO), "gzip"), "v2")
    assert names(tool.image("oci:lay:v2")) == ["two"] == names(tool.image(f"oci:{tmp_path}/lay:v2"))
    r = tool.image("oci:lay", code=3)
    assert r["error"] == "'lay': has several images: v1, v2" and "':NAME'" in r["hint"]
    assert tool.image("oci:lay:v3", code=3)["error"] == "'lay': has no image named 'v3': it has: v1, v2"
    assert names(tool.image("oci:lay:v2", "--digest", one)) == ["one"]


def test_layout_of_platforms(tool, tmp_path):
    # A nested index, as buildx writes it; and manifests side by side.
    for nested in (True, False):
        lay = Layout(tmp_path / f"lay{nested}")
        both = [lay.image(tars(TWO), platform=("linux", "arm64")), lay.image(tars(ONE))]
        for image in [lay.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": both}, INDEX)] if nested else both:
            lay.name(image, "x")
        for ref in (f"oci:lay{nested}:x", f"oci:lay{nested}"):
            r = tool.image(ref)
            assert names(r) == ["one"] and r["manifest"] == both[1]["digest"][7:] != r["digest"]


def test_layout_damage(tool, tmp_path):
    lay = Layout(tmp_path / "lay")
    layer = tar(ONE[0])
    digest = lay.name(lay.image([layer]), "x")
    blobs = tmp_path / "lay/blobs/sha256"
    manifest = json.loads((blobs / digest[7:]).read_text())
    for name in (digest[7:], manifest["config"]["digest"][7:], sha(layer)):
        file, data = blobs / name, (blobs / name).read_bytes()
        for bad in (bytes([data[0] ^ 1]) + data[1:], data + b"\n", data[:-1], b""):
            file.write_bytes(bad)
            assert name in tool.image("oci:lay:x", code=3)["error"]
        file.unlink()
        assert "is not there" in tool.image("oci:lay:x", code=3)["error"]
        file.mkdir()
        assert tool.image("oci:lay:x", code=3)
        file.rmdir()
        os.mkfifo(file)
        assert "not a plain file" in tool.image("oci:lay:x", code=3)["error"]
        file.unlink()
        # A link that leads out, even to the very bytes; and one that stays inside.
        (tmp_path / "outside").write_bytes(data)
        for target in ("../../../outside", str(tmp_path / "outside")):
            file.symlink_to(target)
            assert "leads out of the layout" in tool.image("oci:lay:x", code=3)["error"]
            file.unlink()
        (tmp_path / "lay/inside").write_bytes(data)
        file.symlink_to("../../inside")
        assert names(tool.image("oci:lay:x")) == ["one"]
        file.unlink()
        file.write_bytes(data)
    (tmp_path / "lay/index.json").write_text('{"schemaVersion":2,"manifests":[{"digest":"sha512:00"}]}')
    assert "sha256" in tool.image("oci:lay", code=3)["error"]
    (tmp_path / "lay/index.json").write_text("[")
    assert "index.json:1:" in tool.image("oci:lay", code=3)["error"]
    (tmp_path / "lay/index.json").unlink()
    assert "no index.json" in tool.image("oci:lay", code=3)["error"]
    assert "cannot open" in tool.image("oci:none", code=3)["error"]
    (tmp_path / "file").write_text("")
    assert "is no folder" in tool.image("oci:file", code=3)["error"]
    assert "is no plain file" in tool.image("oci-archive:lay", code=3)["error"]
    assert "tar file" in tool.image("oci-archive:file", code=3)["error"]


# --- archives -----------------------------------------------------------------------------------------
@pytest.fixture
def made(tool, tmp_path):
    """A layout of a small image and what a step would see of it."""
    lay = Layout(tmp_path / "lay")
    lay.name(lay.image([tar(CASES["hard links"][0]), tar(CASES["hard links"][1]), tar(CASES["opaque last"][1])], "gzip"), "v1")
    return tool.image("oci:lay:v1")


def skopeo(*args):
    need("skopeo")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", *map(str, args)], check=True, capture_output=True)


def test_oci_archive(tool, tmp_path, made):
    skopeo(f"oci:{tmp_path}/lay:v1", f"oci-archive:{tmp_path}/a.tar:v1")
    for ref in ("oci-archive:a.tar", "oci-archive:a.tar:v1", f"oci-archive:{tmp_path}/a.tar:v1"):
        r = tool.image(ref)
        assert r["tree"] == made["tree"] and r["digest"] == made["digest"]
    assert "has no image named 'v2'" in tool.image("oci-archive:a.tar:v2", code=3)["error"]
    assert not list((tmp_path / "cache/tmp-images").iterdir())


def test_docker_archive(tool, tmp_path, made):
    skopeo(f"oci:{tmp_path}/lay:v1", f"docker-archive:{tmp_path}/d.tar:docker.io/library/mine:v1")
    first = tool.image("docker-archive:d.tar")
    assert first["entries"] == made["entries"]
    for ref in ("mine:v1", "docker.io/library/mine:v1"):
        assert tool.image(f"docker-archive:d.tar:{ref}") == first
    # Packed as a whole; packed anew in another order, with the layers as links: the same image.
    (tmp_path / "d.tar.gz").write_bytes(gzip.compress((tmp_path / "d.tar").read_bytes()))
    assert tool.image("docker-archive:d.tar.gz:mine:v1") == first
    with tarfile.open(tmp_path / "d.tar") as t:
        members = {m.name: t.extractfile(m).read() for m in t.getmembers() if m.isreg()}
    manifest = json.loads(members.pop("manifest.json"))
    entries = []
    for i, layer in enumerate(manifest[0]["Layers"]):
        entries += [f(f"x/{i}/real.tar", members.pop(layer)), s(f"{i}/layer.tar", f"../x/{i}/real.tar")]
        manifest[0]["Layers"][i] = f"{i}/layer.tar"
    entries = [*reversed(entries), f("manifest.json", json.dumps([{**manifest[0], "RepoTags": None}])), *[f(n, data) for n, data in members.items()]]
    (tmp_path / "e.tar").write_bytes(tar(entries))
    assert tool.image("docker-archive:e.tar") == first
    r = tool.image("docker-archive:d.tar:other:v1", code=3)
    assert "has no image named 'other:v1': it has: " in r["error"] and "mine:v1" in r["error"]
    assert tool.image("docker-archive:d.tar", "--digest", "sha256:" + first["digest"]) == first
    assert first["digest"] in tool.image("docker-archive:d.tar", "--digest", "sha256:" + "0" * 64, code=3)["error"]


def test_docker_archive_with_a_layout_inside(tool, tmp_path, made):
    """What docker writes since 25: a layout, and manifest.json over its blobs; and the same without manifest.json."""
    lay = tmp_path / "lay"
    index = json.loads((lay / "index.json").read_text())
    manifest = json.loads((lay / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_text())
    listed = [{"Config": "blobs/sha256/" + manifest["config"]["digest"][7:], "RepoTags": ["mine:v1"],
               "Layers": ["blobs/sha256/" + l["digest"][7:] for l in manifest["layers"]]}]
    files = [f(str(p.relative_to(lay)), p.read_bytes()) for p in sorted(lay.rglob("*")) if p.is_file()]
    (tmp_path / "n.tar").write_bytes(tar([*files, f("manifest.json", json.dumps(listed))]))
    assert tool.image("docker-archive:n.tar:mine:v1")["tree"] == made["tree"]
    (tmp_path / "m.tar").write_bytes(tar(files))
    r = tool.image("docker-archive:m.tar:mine:v1")
    assert r["tree"] == made["tree"] and r["digest"] == made["digest"]


def test_archive_attacks(tool, tmp_path, made):
    def archive(*entries):
        (tmp_path / "x.tar").write_bytes(tar([*entries]))
        return tool.image("docker-archive:x.tar", code=3)["error"]

    def listed(**image):
        return f("manifest.json", json.dumps([{"Config": "c", "RepoTags": [], "Layers": [], **image}]))
    (tmp_path / "secret").write_text("{}")
    assert "'c': is not in the archive" in archive(listed())
    assert "is not in the archive" in archive(listed(Config="../secret"))
    assert "is not in the archive" in archive(listed(Config=f"{tmp_path}/secret"))
    assert "is not in the archive" in archive(listed(), s("c", f"{tmp_path}/secret"))
    assert "is not in the archive" in archive(listed(), s("c", "../secret"))
    assert "is not in the archive" in archive(listed(), s("c", "d"), s("d", "c"))
    assert "is not in the archive" in archive(listed(), d("c"))
    assert "a layer without a name" in archive(listed(Layers=[None]), f("c", "{}"))
    assert "more than 512 layers" in archive(listed(Layers=["c"] * 513), f("c", "{}"))
    assert "not a list" in archive(f("manifest.json", "{}"))
    assert "not a list" in archive(f("manifest.json", '[], "more": []'))
    assert "manifest.json:" in archive(f("manifest.json", "[" * 5000))
    assert "has 0 images" in archive(f("manifest.json", "[]"))
    assert "without Config" in archive(f("manifest.json", "[{}]"))
    assert "at most" in archive(f("manifest.json", b" " * (5 << 20)))
    assert "no index.json" in archive(f("other"))
    data = tar([listed(), f("c", "{}")])
    (tmp_path / "x.tar").write_bytes(data[:700])
    assert "tar file" in tool.image("docker-archive:x.tar", code=3)["error"]
    (tmp_path / "x.tar").write_bytes(gzip.compress(data)[:-9])
    assert "gzip" in tool.image("docker-archive:x.tar", code=3)["error"]


# --- real ones -------------------------------------------------------------------------------------------
def test_a_real_one(tool, tmp_path):
    """The host's Python library and busybox in two layers: as umoci has it, into a real store and out again."""
    need("umoci", "busybox")
    source = next(p for p in (pathlib.Path("/usr/lib/python3.11"), pathlib.Path("/usr/lib/python3")) if p.is_dir())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        t.add(source, "usr/lib/python")
    busybox = [f("bin/busybox", pathlib.Path(shutil.which("busybox")).read_bytes(), 0o755), *[h(f"bin/{n}", "bin/busybox") for n in ("sh", "ls", "cat")],
               w("usr/lib/python/json"), s("lib", "usr/lib"), f("lib/python/new.py", "pass")]
    lay = Layout(tmp_path / "lay")
    lay.name(lay.image([out.getvalue(), tar(busybox)], "gzip"), "x")
    wanted, said = umoci(lay.path, "x", tmp_path / "bundle")
    assert wanted and len(wanted) > 500, said
    got = tool.image("oci:lay:x")
    assert got["entries"] == wanted
    stored = tool.image("oci:lay:x", "--home", tmp_path / "home")
    assert stored["tree"] == got["tree"]
    assert folder(stored["path"]) == wanted


@pytest.mark.long
def test_a_distribution(tool, tmp_path):
    """A debootstrapped Debian with a Python, as umoci has it."""
    need("umoci", "debootstrap")
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    r = subprocess.run(["debootstrap", "--variant=minbase", "--include=python3-minimal", "bookworm", tmp_path / "root", "http://deb.debian.org/debian"], capture_output=True, text=True)
    if r.returncode != 0:
        pytest.skip("debootstrap: " + r.stdout[-300:])
    subprocess.run(["tar", "-C", tmp_path / "root", "--exclude=./dev/*", "-cf", tmp_path / "root.tar", "."], check=True)
    lay = Layout(tmp_path / "lay")
    lay.name(lay.image([(tmp_path / "root.tar").read_bytes()], "gzip"), "x")
    wanted, said = umoci(lay.path, "x", tmp_path / "bundle")
    assert wanted and len(wanted) > 5000, said
    assert tool.image("oci:lay:x")["entries"] == wanted
