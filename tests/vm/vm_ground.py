"""What attacks on a measured run need: a small project, job and result disks in Python, a hostile QEMU on PATH, the agent without a machine."""
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests/image"))
from images import BUSYBOX, busybox  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
QEMU, FIRMWARE = pathlib.Path("/usr/bin/qemu-system-x86_64"), pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
BLOCK, MAGIC = 4096, b"aicert disk v1\n\0"
AICERTFILE = """\
aicert: 1
name: measured
environment: {{ image: 'oci:image' }}
inputs:
  code: {{ git: 'file://{repo}', ref: main }}
  words: {{ path: words.txt }}
steps:
  sort:
    use: shell
    inputs: {{ raw: words, src: code }}
    script: |
      {script}
    outputs: {{ sorted: sorted.txt }}
outputs: {{ model: sort.sorted }}
"""
SCRIPT = 'sort "$IN_RAW" > "$OUT_SORTED" && cat "$IN_SRC/tail.txt" >> "$OUT_SORTED"'


def need_machine():
    for what, why in ((QEMU, "qemu-system-x86"), (FIRMWARE, "ovmf"), (pathlib.Path("/usr/bin/swtpm"), "swtpm"), (pathlib.Path(BUSYBOX), "busybox-static")):
        if not what.exists():
            pytest.skip(f"{what} is absent ({why})")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def aligned(n):
    return -(-n // BLOCK) * BLOCK


class Disk:
    """Objects and about of a disk (aicert/vm/disk/disk.h), to be changed and written again."""

    def __init__(self, kind, about, objects):
        self.kind, self.about, self.objects = kind, about, objects

    @classmethod
    def read(cls, path):
        with open(path, "rb") as f:
            header = f.read(BLOCK)
            assert header[:16] == MAGIC, header[:32]
            at, n = (int.from_bytes(header[i:i + 8], "little") for i in (32, 40))
            f.seek(at)
            index = json.loads(f.read(n))
            objects, at = [], BLOCK
            for o in index["objects"]:
                f.seek(at)
                objects.append([o["type"], o["name"], f.read(o["size"])])
                at += aligned(o["size"])
        return cls(header[16:32].rstrip(b"\0").decode(), index["about"], objects)

    def bytes(self, say=lambda listed: listed):
        """say: changes the index's list of objects, so that it lies."""
        body, listed = b"", []
        for kind, name, data in self.objects:
            listed.append({"type": kind, "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
            body += data.ljust(aligned(len(data)), b"\0")
        index = canonical({"kind": "aicert-disk", "about": self.about, "objects": say(listed)})
        header = MAGIC + self.kind.encode().ljust(16, b"\0") + (BLOCK + len(body)).to_bytes(8, "little") + len(index).to_bytes(8, "little")
        header += hashlib.sha256(index).digest()
        return header.ljust(BLOCK, b"\0") + body + index.ljust(aligned(len(index)), b"\0")

    def header(self):
        return hashlib.sha256(self.bytes()[:BLOCK]).hexdigest()

    def of(self, kind, holds=b""):
        """Index of the first object of this type whose bytes hold these."""
        return next(i for i, o in enumerate(self.objects) if o[0] == kind and holds in o[2])

    def node(self, kind):
        """Index and value of the node of this kind."""
        return next((i, json.loads(o[2])) for i, o in enumerate(self.objects) if o[0] == "node" and json.loads(o[2])["kind"] == kind)


def project(folder, git_repo, script=SCRIPT):
    busybox(folder / "image", env=["PATH=/bin"])
    repo, commit = git_repo({"tail.txt": "the tail\n", "src/main.txt": "main\n"}, name="origin")
    (folder / "words.txt").write_text("b\na\n")
    (folder / "Aicertfile").write_text(AICERTFILE.format(repo=repo, script=script))
    return repo, commit


def hostile(folder, how):
    """The environment in which QEMU is not what it seems."""
    bin_ = folder / "hostile-bin"
    bin_.mkdir(exist_ok=True)
    qemu = bin_ / "qemu-system-x86_64"
    if not qemu.exists():
        shutil.copy(HERE / "deviant_qemu.py", qemu)
        qemu.chmod(qemu.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{bin_}:{os.environ['PATH']}", "AICERT_TEST_DEVIATION": json.dumps(how)}


@pytest.fixture(scope="session")
def agent_run(tmp_path_factory):
    """The agent on two files instead of a machine's disks."""
    lib = BUILD / "libaicert.a"
    if not lib.exists():
        pytest.skip(f"{lib} is not built")
    out = tmp_path_factory.mktemp("agent") / "agent_run"
    san = [f"-fsanitize={BUILD.name[6:].replace('-', ',')}"] if BUILD.name.startswith("build-") else []
    libs = "-lcrypto -ljansson -lyaml -llua5.4 -lm -lgit2 -lcurl -larchive -lsqlite3 -ltss2-esys -ltss2-mu -ltss2-tctildr -ltss2-rc -ltpms -lpthread"
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-g", *san, f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", out, HERE / "agent_run.c", lib, *libs.split()], check=True)
    return out
