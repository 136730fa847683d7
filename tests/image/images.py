"""OCI layouts for tests, written by hand: files in, layout out."""
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "ls", "cat", "echo", "id", "env", "wc", "mkdir", "cp", "head", "sort", "test", "printf", "true", "readlink", "sleep", "find", "date")


def tar_of(files):
    """files: path -> bytes (0644), ("exec", bytes), ("link", target) or None (a folder)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, what in files.items():
            info = tarfile.TarInfo(path)
            data = b""
            if what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(what, tuple) and what[0] == "link":
                info.type, info.linkname = tarfile.SYMTYPE, what[1]
            else:
                info.mode, data = (0o755, what[1]) if isinstance(what, tuple) else (0o644, what)
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layout(folder, layers, env=(), architecture="amd64", tag="latest", run=None):
    """Writes an OCI layout of uncompressed layer tars; the digest of its manifest. run: more of its config, such as Entrypoint."""
    folder = pathlib.Path(folder)
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    config = {"architecture": architecture, "os": "linux", "config": {"Env": list(env), **(run or {})},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [blob(gzip.compress(t, 1, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip") for t in layers]}
    entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return entry["digest"]


def busybox(folder, files=None, env=(), **kw):
    """A small image: busybox and its applets, and what else is given."""
    base = {"bin": None, "bin/busybox": ("exec", pathlib.Path(BUSYBOX).read_bytes()), "etc": None, "tmp": None}
    base.update({f"bin/{a}": ("link", "busybox") for a in APPLETS})
    return layout(folder, [tar_of({**base, **(files or {})})], env=env, **kw)
