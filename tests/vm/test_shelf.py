"""More content than the machine has memory: it stays on the job disk, and no byte of it is used that is not what the measured header binds.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from runner import runner  # noqa: E402,F401
from vm_ground import BLOCK, aligned, hostile  # noqa: E402
from images import busybox  # noqa: E402

MIB = 1 << 20
MEMORY, FILES, SIZE = 640, 7, 100  # MiB, how many, MiB each
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
      tail -c 5 "$IN_DATA/part3" >> "$OUT_SUM"
    outputs: { sum: sum.txt }
    limits: { time: 30m }
outputs: { model: sum.sum }
"""


def layout(path):
    """Objects of a disk as (type, at, size), none of them read."""
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


@pytest.fixture(scope="module")
def large(runner, tmp_path_factory):  # noqa: F811
    """A project, its run outside, and one inside with its job disk."""
    from conftest import Aicert
    folder = tmp_path_factory.mktemp("large")
    for name in ("home", "project", "project/data"):
        (folder / name).mkdir()
    aicert = Aicert(folder / "home", folder / "project")
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE)
    (aicert.cwd / "word.txt").write_text("word\n")
    (aicert.cwd / "data/small").write_text("small\n")
    for i in range(FILES):
        chunk = random.Random(i).randbytes(MIB)
        with open(aicert.cwd / f"data/part{i}", "wb") as f:
            for k in range(SIZE):
                f.write(k.to_bytes(4, "big") + chunk[4:])
            f.write(b"end\n"[:i])  # not all end where a block does
    aicert("run", "--output-bom", "outside.json", "--output-dir", "out", timeout=600)
    run = Large(aicert, folder, runner)
    run.good = run({"keep": str(folder / "kept")})
    return run


class Large:
    def __init__(self, aicert, folder, uki):
        self.aicert, self.folder, self.uki = aicert, folder, uki

    def __call__(self, how, code=0):
        return self.aicert("run", "--in", "vm", "--vm-image", self.uki, "--vm-memory", f"{MEMORY}M", "--output-bom", "inside.json", "--force", "--output-dir", "out",
                           code=code, env=hostile(self.folder, how), timeout=1800)

    def refused(self, how):
        proof = self.aicert.cwd / "inside.json"
        proof.unlink(missing_ok=True)
        r = self(how, None)
        assert r.returncode == 5, r.stderr
        assert not proof.exists()
        return r.stderr


@pytest.mark.long
def test_more_than_memory(large):
    outside, inside = (json.loads((large.aicert.cwd / f"{name}.json").read_text()) for name in ("outside", "inside"))
    assert inside["root"] == outside["root"]
    assert re.search(r"shelf   700 MiB stay on the job disk", large.good.stderr), large.good.stderr
    index, objects = layout(large.folder / "kept/job")
    kinds = [t for t, _, _ in objects]
    at = kinds.index("shelf")
    assert kinds[at:] == ["shelf", *["blob"] * FILES, "verity"] and len(index["about"]["shelf"]) == 64
    assert sum(size for _, _, size in objects[at + 1:-1]) > MEMORY * MIB


ATTACKS = {
    # what, and the object of the shelf that it lies in: written when the line is on the console
    "content, before it was read": ("aicert: shelf", 3),
    "content, after it was read": ("aicert: plan", 1),
    "the file system": ("aicert: job", 0),
    "the hashes": ("aicert: job", FILES + 1),
}


@pytest.mark.long
@pytest.mark.parametrize("what", ATTACKS)
def test_the_shelf_changes(large, what):
    """Whoever holds the disk writes to it while the machine runs: the machine ends there, and there is no proof."""
    when, which = ATTACKS[what]
    _, objects = layout(large.folder / "kept/job")
    first = [t for t, _, _ in objects].index("shelf")
    _, at, size = objects[first + which]
    said = large.refused({"when": when, "poke": {"at": at + 1024, "hex": "5a", "every": BLOCK, "times": max(1, aligned(size) // BLOCK)}})
    assert "dm-verity device corrupted" in said or "data block" in said or "metadata block" in said, said
