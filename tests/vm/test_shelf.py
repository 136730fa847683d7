"""More content than the machine has memory: it stays on the job disk, and no byte of it is used that is not what the measured header binds.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import hashlib
import json
import os
import random
import shutil
import sys

import pytest
from conftest import Aicert

sys.path.insert(0, os.path.dirname(__file__))
from runner import runner  # noqa: E402,F401
from vm_ground import BLOCK, aligned, canonical, hostile  # noqa: E402
from images import busybox  # noqa: E402

MIB = 1 << 20
# What is asked for, rounded up to what is known of firmware; of content beside it, 64 MiB are more than fit into what was asked for.
MEMORY, MACHINE = 640, 1024
AICERTFILE = """\
aicert: 1
name: large
environment: { image: 'oci:image' }
inputs:
  data: { path: data }
  word: { path: word.txt }
steps:
  sum:
    use: shell
    inputs: { data: data, word: word }
    script: |
      cat "$IN_DATA"/part* | md5sum > "$OUT_SUM"
      cat "$IN_WORD" "$IN_DATA/small" >> "$OUT_SUM"
      touch "$IN_DATA/part0" 2>/dev/null && exit 1
      tail -c 5 "$IN_DATA/part1" >> "$OUT_SUM"
    outputs: { sum: sum.txt }
    limits: { time: 30m }
outputs: { model: sum.sum }
"""


def layout(path):
    """Index and, of each object, (type, at, size); none is read."""
    with open(path, "rb") as f:
        header = f.read(BLOCK)
        at, n = (int.from_bytes(header[i:i + 8], "little") for i in (32, 40))
        f.seek(at)
        index = json.loads(f.read(n))
    out, at = [], BLOCK
    for o in index["objects"]:
        out.append((o["type"], at, o["size"]))
        at += aligned(o["size"])
    return index, out


def shelf_of(path):
    """The objects of the shelf: file system, files, hashes."""
    objects = layout(path)[1]
    first = [t for t, _, _ in objects].index("shelf")
    assert {t for t, _, _ in objects[first + 1:-1]} == {"blob"} and objects[-1][0] == "verity"
    return objects[first:]


class Project:
    """Files of so many MiB each, and a machine of little memory."""

    def __init__(self, folder, uki, files, size, aicertfile=AICERTFILE):
        self.folder, self.uki, self.kept = folder, uki, folder / "kept/job"
        for name in ("home", "project", "project/data"):
            (folder / name).mkdir()
        self.aicert = aicert = Aicert(folder / "home", folder / "project")
        busybox(aicert.cwd / "image", env=["PATH=/bin"])
        (aicert.cwd / "Aicertfile").write_text(aicertfile)
        (aicert.cwd / "word.txt").write_text("word\n")
        (aicert.cwd / "data/small").write_text("small\n")
        for i in range(files):
            chunk = random.Random(i).randbytes(MIB)
            with open(aicert.cwd / f"data/part{i}", "wb") as f:
                for k in range(size):
                    f.write(k.to_bytes(4, "big") + chunk[4:])
                f.write(b"end\n"[:i])  # not all end where a block does

    def __call__(self, how, code=0):
        return self.aicert("run", "--in", "vm", "--vm-image", self.uki, "--vm-memory", f"{MEMORY}M", "--output-bom", "inside.json", "--force", "--output-dir", "out",
                           code=code, env=hostile(self.folder, how), timeout=1800)

    def refused(self, how, words):
        """No proof, and the console or the result disk say why."""
        proof = self.aicert.cwd / "inside.json"
        proof.unlink(missing_ok=True)
        r = self(how, None)
        assert r.returncode in (3, 5), r.stderr
        assert not proof.exists()
        log, = glob.glob(str(self.aicert.home / "aicert/cache/logs/machine-*.log"))
        with open(log, encoding="utf-8", errors="replace") as f:
            console = f.read()
        assert words in r.stderr + console, r.stderr + console
        return console


@pytest.fixture(scope="module")
def large(runner, tmp_path_factory):  # noqa: F811
    """More than the machine's memory: run outside, then inside."""
    p = Project(tmp_path_factory.mktemp("large"), runner, 11, 100)
    p.aicert("run", "--output-bom", "outside.json", "--output-dir", "out", timeout=600)
    p.good = p({"keep": str(p.kept.parent)})
    return p


@pytest.fixture(scope="module")
def few(runner, tmp_path_factory):  # noqa: F811
    """Little, of which one of three files stays on the disk: its job disk, made for a machine that is none."""
    p = Project(tmp_path_factory.mktemp("few"), runner, 3, 30)
    p({"instead": os.devnull, "console": os.devnull, "keep": str(p.kept.parent)}, None)
    return p


@pytest.mark.long
def test_more_than_memory(large):
    outside, inside = (json.loads((large.aicert.cwd / f"{name}.json").read_text()) for name in ("outside", "inside"))
    assert inside["root"] == outside["root"]
    assert "shelf   1100 MiB stay on the job disk" in large.good.stderr and f"{MACHINE} MiB)" in large.good.stderr
    assert sum(size for _, _, size in shelf_of(large.kept)[1:-1]) > MACHINE * MIB


# --- somebody writes to the disk while the machine runs ------------------------------------------------------------------


def changed(disk, which, when):
    """Each block of one of the shelf's objects, when this is on the console."""
    _, at, size = shelf_of(disk)[which]
    return {"when": when, "poke": {"at": at + 1100, "hex": "5a", "every": BLOCK, "times": aligned(size) // BLOCK}}


@pytest.mark.long
@pytest.mark.parametrize("which, when", [(-2, "aicert: shelf"), (0, "aicert: job"), (-1, "aicert: job")], ids=["content", "file system", "hashes"])
def test_the_shelf_changes(few, which, when):
    few.refused(changed(few.kept, which, when), "dm-verity device corrupted")


@pytest.mark.long
def test_content_changes_after_it_was_read_once(large):
    """The machine has no room to remember it all: what it reads again is compared again."""
    large.refused(changed(large.kept, 1, "aicert: plan"), "dm-verity device corrupted")


# --- a disk that lies from the start: its header is measured, its hashes are right -----------------------------------------


def write_index(f, index):
    """In its place: it is as long as it was."""
    f.seek(0)
    header = bytearray(f.read(BLOCK))
    text = canonical(index)
    assert len(text) == int.from_bytes(header[40:48], "little")
    f.seek(int.from_bytes(header[32:40], "little"))
    f.write(text)
    header[48:80] = hashlib.sha256(text).digest()
    f.seek(0)
    f.write(header)


def tree_of(data):
    """dm-verity's: root, and the levels as they lie on a disk."""
    levels = []
    while len(data) > BLOCK:
        hashes = b"".join(hashlib.sha256(data[i:i + BLOCK]).digest() for i in range(0, len(data), BLOCK))
        data = hashes.ljust(aligned(len(hashes)), b"\0")
        levels.insert(0, data)
    return hashlib.sha256(data).hexdigest(), b"".join(levels)


def forged(few, change):
    """The disk with other bytes on its shelf, under the hashes that these have."""
    path = few.folder / "given"
    shutil.copyfile(few.kept, path)
    index, _ = layout(path)
    shelf = shelf_of(path)
    start, end = shelf[0][1], shelf[-1][1]
    with open(path, "r+b") as f:
        f.seek(start)
        data = bytearray(f.read(end - start))
        # Another's tree of the same bytes is ours.
        root, tree = tree_of(data)
        f.seek(end)
        assert root == index["about"]["shelf"] and tree == f.read(shelf[-1][2])
        change(data, [at - start for _, at, _ in shelf], [size for _, _, size in shelf])
        index["about"]["shelf"], tree = tree_of(data)
        f.seek(start)
        f.write(data + tree)
        write_index(f, index)
    return {"given": str(path)}


def other_root(few):
    path = few.folder / "given"
    shutil.copyfile(few.kept, path)
    index, _ = layout(path)
    index["about"]["shelf"] = "0" * 64
    with open(path, "r+b") as f:
        write_index(f, index)
    return {"given": str(path)}


def of_another_mode(data, at, size):
    data[1152 + 4] ^= 2  # the root folder's


def behind_the_end(data, at, size):
    which = next(i for i in range(1, len(at) - 1) if size[i] % BLOCK)
    data[at[which] + size[which]] = 0x5a


def other_content(data, at, size):
    data[at[1] + 12345] ^= 1


LIES = {
    "another root": (other_root, "dm-verity device corrupted"),
    "another file system": (lambda few: forged(few, of_another_mode), "shelf: its file system is not the one that its objects give"),
    "more behind a file": (lambda few: forged(few, behind_the_end), "something stands behind its end"),
    "other content": (lambda few: forged(few, other_content), "content hashes to"),
}


@pytest.mark.long
@pytest.mark.parametrize("lie", LIES)
def test_the_shelf_lies(few, lie):
    make, words = LIES[lie]
    few.refused(make(few), words)


# --- a disk that fails -----------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_read_is_refused(few):
    """An error is no content either: whoever reads could take it for the end of a file."""
    _, at, _ = shelf_of(few.kept)[-2]
    few.refused({"fails": (at + 3 * MIB) // 512}, "vda cannot be read: the machine ends")


# Past what memory remembers, until it cannot be read; and that is no failure of the step's.
UNTIL_IT_ENDS = """\
aicert: 1
name: until
environment: { image: 'oci:image' }
inputs:
  data: { path: data }
steps:
  read:
    use: shell
    inputs: { data: data }
    script: |
      for i in $(seq 300); do
        dd if="$IN_DATA/part2" of=/dev/null bs=64k count=16 iflag=direct 2> why || break
        echo "read $i"
        sleep 1
      done
      cat why
      echo "it ended" > "$OUT_END"
    outputs: { end: end.txt }
    limits: { time: 10m }
outputs: { model: read.end }
"""


@pytest.mark.long
def test_the_disk_is_pulled_out(runner, tmp_path):  # noqa: F811
    """Where the step is content with what it got, the agent must not get as far as its TPM while the machine goes down."""
    p = Project(tmp_path, runner, 3, 30, UNTIL_IT_ENDS)
    console = p.refused({"pulls": str(tmp_path / "qmp"), "when": "read 2"}, "cannot be read: the machine ends")
    assert "tcti" not in console, console
