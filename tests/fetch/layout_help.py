"""Images made by hand, and what other people's tools make of them.  SPDX-License-Identifier: Apache-2.0"""
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile

import pytest

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            pytest.skip(f"{p} is not installed")


def sha(data):
    return hashlib.sha256(data).hexdigest()


# --- entries of a layer -----------------------------------------------------------------
def entry(name, type, data=b"", mode=0o644, link="", **fields):
    t = tarfile.TarInfo(name)
    t.type, t.size, t.mode, t.linkname = type, len(data), mode, link
    for key, value in fields.items():
        setattr(t, key, value)
    return t, data


def f(name, data=b"x", mode=0o644, **fields):
    return entry(name, tarfile.REGTYPE, data.encode() if isinstance(data, str) else data, mode, **fields)


def d(name, mode=0o755):
    return entry(name, tarfile.DIRTYPE, mode=mode)


def s(name, target):
    return entry(name, tarfile.SYMTYPE, link=target, mode=0o777)


def h(name, target):
    return entry(name, tarfile.LNKTYPE, link=target)


def w(name):
    folder, slash, base = name.rpartition("/")
    return f(f"{folder}{slash}.wh.{base}", b"")


def opq(folder):
    return f(f"{folder}/.wh..wh..opq" if folder else ".wh..wh..opq", b"")


def tar(entries, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pack(data, packing):
    if packing == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if packing == "zstd":
        return subprocess.run(["zstd", "-q", "-c", "-1"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


# --- a layout ---------------------------------------------------------------------------
class Layout:
    def __init__(self, path):
        self.path, self.manifests = path, []
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, type, **more):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        (self.path / "blobs/sha256" / sha(data)).write_bytes(data)
        return {"mediaType": type, "digest": "sha256:" + sha(data), "size": len(data), **more}

    def image(self, tars, packing="plain", platform=("linux", "amd64"), config=None):
        """The descriptor of a manifest over these layers."""
        config = {"os": platform[0], "architecture": platform[1], "config": config or {},
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(t) for t in tars]}}
        suffix = {"plain": "", "gzip": "+gzip", "zstd": "+zstd"}[packing]
        return self.blob({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(config, CONFIG),
                          "layers": [self.blob(pack(t, packing), LAYER + suffix) for t in tars]}, MANIFEST,
                         platform={"os": platform[0], "architecture": platform[1]})

    def name(self, descriptor, name=None):
        if name:
            descriptor = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}
        self.manifests.append(descriptor)
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.manifests}))
        return descriptor["digest"]


def folder(root):
    """{path: (type, hash or target)} of a folder of the disk, as a tree node would say it."""
    out, root = {}, os.fsencode(root)
    for where, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(where, name)
            st = os.lstat(path)
            key = os.fsdecode(os.path.relpath(path, root))
            if stat.S_ISLNK(st.st_mode):
                out[key] = ("link", os.fsdecode(os.readlink(path)))
            elif stat.S_ISDIR(st.st_mode):
                out[key] = ("dir", "")
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as file:
                    out[key] = ("exec" if st.st_mode & 0o100 else "file", sha(file.read()))
            else:
                out[key] = ("special", "")
    return out


def umoci(layout, tag, bundle):
    """What umoci unpacks, or None with its words when it refuses."""
    r = subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{layout}:{tag}", str(bundle)], capture_output=True, text=True)
    return (folder(bundle / "rootfs"), "") if r.returncode == 0 else (None, r.stderr)
