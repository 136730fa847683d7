"""The build backend of the Python package (PEP 517 and 660): packs src/aicert and libaicert-verify.so into a wheel.

Where the library comes from: the folder $AICERT_BUILD if set, else `make build/libaicert-verify.so` in the checkout that this folder
lies in (or in `checkout/` beside it, as in an sdist), else one that was built there before. Equal files give an equal wheel: names are sorted and
times fixed. Needs nothing but Python 3.9.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import gzip
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = "libaicert-verify.so"
TARGET = "build/" + LIBRARY
# What of the checkout an sdist needs to build the library.
C_SOURCES = ("Makefile", "aicert/**/*.c", "aicert/**/*.h", "cache/*.c", "cache/*.h", "LICENSE")


class BuildError(Exception):
    """Says in one message what is missing and what to do."""


def checkout():
    """The folder with aicert's Makefile."""
    for folder in (HERE.parent.parent, HERE / "checkout"):
        if (folder / "Makefile").is_file() and (folder / "aicert" / "aicert.h").is_file():
            return folder
    raise BuildError(f"{HERE}: not in a checkout of aicert: expected its Makefile two folders up "
                     "(pip before 21.3 copies this folder away from it: upgrade pip)")


def version():
    makefile = checkout() / "Makefile"
    found = re.search(r"^VERSION := (\S+)$", makefile.read_text(encoding="utf-8"), re.M)
    if not found:
        raise BuildError(f"{makefile}: no line 'VERSION := …'")
    return found[1]


def library():
    """The file to pack, brought up to date where it can be."""
    if folder := os.environ.get("AICERT_BUILD"):
        built = pathlib.Path(folder).absolute() / LIBRARY
        if not built.is_file():
            raise BuildError(f"AICERT_BUILD: {built}: no such file")
        return built
    top = checkout()
    built = top / TARGET
    if shutil.which("make"):
        # Not a part of whatever make this was started from.
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
        ran = subprocess.run(["make", "-C", str(top), TARGET], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        sys.stdout.write(ran.stdout.decode("utf-8", "replace"))
        if ran.returncode != 0:
            raise BuildError(f"{top}: 'make {TARGET}' failed (above): it takes a C compiler and the headers of OpenSSL and jansson "
                             "('make deps' installs them), or a library built elsewhere, named by AICERT_BUILD=FOLDER")
    elif not built.is_file():
        raise BuildError(f"{built}: not built, and there is no make: build it, or name the folder of a built one by AICERT_BUILD")
    return built


def sources():
    """The package's files, {path in the wheel: bytes}."""
    folder = HERE / "src"
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "aicert").iterdir()) if p.suffix in (".py", ".json") or p.name == "py.typed"}


# --- metadata --------------------------------------------------------------

def tag():
    return "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())


def metadata():
    return ("Metadata-Version: 2.1\n"
            "Name: aicert\n"
            f"Version: {version()}\n"
            "Summary: Judges proofs of what a model was made of\n"
            "License: Apache-2.0\n"
            "Requires-Python: >=3.9\n"
            "Classifier: Operating System :: POSIX :: Linux\n"
            "Classifier: Typing :: Typed\n"
            "Description-Content-Type: text/markdown\n"
            "\n" + (HERE / "README.md").read_text(encoding="utf-8")).encode()


def dist_info():
    """{path in the wheel: bytes} of the folder beside the package, but for RECORD."""
    folder = f"aicert-{version()}.dist-info/"
    return {folder + "METADATA": metadata(),
            folder + "WHEEL": f"Wheel-Version: 1.0\nGenerator: aicert_build\nRoot-Is-Purelib: false\nTag: {tag()}\n".encode(),
            folder + "top_level.txt": b"aicert\n"}


def record(files):
    rows = []
    for name, data in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join(rows)


def write_wheel(wheel_directory, files):
    files = {**files, **dist_info()}
    name = f"aicert-{version()}.dist-info/RECORD"
    files[name] = (record(files) + f"{name},,\n").encode()
    wheel = f"aicert-{version()}-{tag()}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as z:
        # The package first, .dist-info last, as the wheel format recommends.
        for path in sorted(files, key=lambda p: (".dist-info/" in p, p)):
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100755 if path.endswith(".so") else 0o100644) << 16
            z.writestr(entry, files[path])
    return wheel


# --- the hooks -------------------------------------------------------------

def get_requires_for_build_wheel(config_settings=None):
    return []


def get_requires_for_build_sdist(config_settings=None):
    return []


def get_requires_for_build_editable(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    for path, data in dist_info().items():
        target = pathlib.Path(metadata_directory) / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    return f"aicert-{version()}.dist-info"


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, {**sources(), "aicert/" + LIBRARY: library().read_bytes()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The package stays here; the library is linked to beside it, where the package looks first."""
    link, built = HERE / "src" / "aicert" / LIBRARY, library()
    link.unlink(missing_ok=True)
    link.symlink_to(built)
    return write_wheel(wheel_directory, {"__editable__.aicert.pth": f"{HERE / 'src'}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    """This folder, and below checkout/ what of the C sources makes the library."""
    top, base = checkout(), f"aicert-{version()}"
    files = {p.relative_to(HERE).as_posix(): p for name in ("pyproject.toml", "README.md", "backend/*.py", "src/aicert/*.py", "src/aicert/*.json", "src/aicert/py.typed")
             for p in HERE.glob(name)}
    files.update({"checkout/" + p.relative_to(top).as_posix(): p for pattern in C_SOURCES for p in top.glob(pattern) if HERE not in p.parents})
    contents = {name: p.read_bytes() for name, p in files.items()}
    contents["PKG-INFO"] = metadata()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name in sorted(contents):
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size, entry.mode, entry.mtime = len(contents[name]), 0o644, 315532800
            t.addfile(entry, io.BytesIO(contents[name]))
    with open(os.path.join(sdist_directory, base + ".tar.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(tar.getvalue())
    return base + ".tar.gz"
