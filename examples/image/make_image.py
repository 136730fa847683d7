#!/usr/bin/python3
"""An OCI image made of packages that this machine has installed: no network, no root, a few seconds.

    ./make_image.py DIR PACKAGE…      writes the OCI layout DIR with PACKAGEs and all that they depend on

For a first image without a registry, and for a training that shall run over the very packages of the host. Files are taken from disk as dpkg lists
them; each package that dpkg says was changed is refused. The same packages give the same digest on every machine.
SPDX-License-Identifier: Apache-2.0
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

BASE = ["base-files", "dash", "coreutils", "libc-bin"]
ESSENTIAL_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def query(*args):
    return subprocess.run(["dpkg-query", *args], check=True, capture_output=True, text=True).stdout


def installed():
    """name -> names it depends on (the first installed of alternatives), and what is provided by whom."""
    rows, provides = {}, {}
    fields = "${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    for line in query("-W", "-f", fields).splitlines():
        name, status, depends, provided = line.split("\t")
        if status != "installed":
            continue
        rows[name] = [[a.split()[0].split(":")[0] for a in group.split("|") if a.strip()] for group in depends.split(",") if group.strip()]
        for p in re.findall(r"[a-z0-9][a-z0-9+.-]+", re.sub(r"\([^)]*\)", "", provided)):
            provides.setdefault(p, name)
    return rows, provides


def closure(wanted):
    rows, provides = installed()
    todo, seen = list(wanted), set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        if name not in rows:
            sys.exit(f"make_image: package '{name}' is not installed\nhint: apt-get install {name}")
        seen.add(name)
        for group in rows[name]:
            real = next((provides.get(a, a) if a not in rows else a for a in group if a in rows or a in provides), None)
            if real is None:
                sys.exit(f"make_image: {name} needs one of {', '.join(group)}, and none is installed")
            todo.append(real)
    return sorted(seen)


def paths_of(packages):
    """Every path of the packages, with merged /usr: /bin/sh is /usr/bin/sh."""
    found = set()
    for name in packages:
        for line in query("-L", name).splitlines():
            path = line.strip("/")
            top = path.split("/", 1)[0]
            if not path or path == "." or line.startswith(("diverted", "package diverts")) or re.match(r"usr/share/(doc|man|info|locale|lintian)/", path + "/"):
                continue
            if top in ESSENTIAL_LINKS and os.path.islink("/" + top):
                path = ESSENTIAL_LINKS[top] + path[len(top):]
            found.add(path)
    # What the packages' scripts made: alternatives (libblas.so.3 → one of several), and the loader's cache is made by nobody: it finds its folders by itself.
    for link in sorted(os.listdir("/etc/alternatives")):
        target = os.readlink("/etc/alternatives/" + link) if os.path.islink("/etc/alternatives/" + link) else ""
        if target.strip("/") in found:
            found.add("etc/alternatives/" + link)
            for named in pathlib.Path("/var/lib/dpkg/alternatives").glob(link):
                found.add(named.read_text().splitlines()[1].strip("/"))
            for path in subprocess.run(["find", "/usr/lib", "/usr/bin", "-lname", "/etc/alternatives/" + link], capture_output=True, text=True).stdout.split():
                found.add(path.strip("/"))
    found |= {"usr/bin/sh", "etc/ld.so.conf", "etc/ld.so.conf.d"} | {"etc/ld.so.conf.d/" + n for n in os.listdir("/etc/ld.so.conf.d")}
    for path in list(found):
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            found.add(path)
    return sorted(p for p in found | set(ESSENTIAL_LINKS) if os.path.lexists("/" + p))


def check_unchanged(packages):
    """What is no longer what its package brought is not that package."""
    said = subprocess.run(["dpkg", "--verify", *packages], capture_output=True, text=True).stdout.splitlines()
    changed = [line for line in said if not re.search(r" /usr/share/(doc|man|info|locale|lintian)/", line)]
    if changed:
        sys.exit("make_image: changed since it was installed: " + "; ".join(line.split()[-1] for line in changed[:5]) + "\nhint: apt-get install --reinstall its package")


def layer(paths):
    """A tar with nothing in it that differs between machines: owners, times and order are fixed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            info = tar.gettarinfo("/" + path, arcname=path)
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            if info.islnk():
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.path.getsize("/" + path)
            info.mode = 0o755 if info.isdir() or info.mode & 0o111 else 0o644
            if info.isreg():
                with open("/" + path, "rb") as f:
                    tar.addfile(info, f)
            elif info.isdir() or info.issym():
                tar.addfile(info)
    return out.getvalue()


def write(folder, data, media):
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    folder = pathlib.Path(sys.argv[1])
    packages = closure(BASE + sys.argv[2:])
    check_unchanged(packages)
    tar = layer(paths_of(packages))
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    layers = [write(folder, gzip.compress(tar, 1, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")]
    config = {"architecture": architecture, "os": "linux", "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": write(folder, json.dumps(config, sort_keys=True).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
    entry = write(folder, json.dumps(manifest, sort_keys=True).encode(), manifest["mediaType"])
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    print(f"{entry['digest']}  {len(packages)} packages, {len(tar) >> 20} MiB")


main()
