"""requirements.txt of a step in an image: pip is the image's, and what the image has is not fetched.

SPDX-License-Identifier: Apache-2.0
"""
import io
import json
import os
import pathlib
import subprocess
import tarfile

import pytest
from image.images import layout

from requirements.packages import wheel

PYTHON = os.path.realpath("/usr/bin/python3")
STDLIB = pathlib.Path("/usr/lib") / os.path.basename(PYTHON)
PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")


def libraries():
    """Every library of the interpreter and of what it loads, as the loader finds them."""
    found = set()
    for p in [PYTHON, *STDLIB.glob("lib-dynload/*.so")]:
        for word in subprocess.run(["ldd", p], capture_output=True, text=True).stdout.split():
            if word.startswith("/"):
                found.add(word)
    return found


@pytest.fixture(scope="session")
def python_layer():
    """This machine's Python as a layer, with a package `installed`; with_pip as a second layer."""
    def tar(paths, more=()):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
            for p in paths:
                info = t.gettarinfo(os.path.realpath(p), arcname=str(p).lstrip("/"))
                with open(p, "rb") as f:
                    t.addfile(info, f)
            for name, text in more:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                t.addfile(info, io.BytesIO(text.encode()))
        return out.getvalue()
    if not (PACKAGES / "pip").is_dir():
        pytest.skip("python3-pip is not installed")
    files = [p for p in STDLIB.rglob("*") if p.is_file() and "__pycache__" not in p.parts and "test" not in p.parts]
    here = str(PACKAGES).lstrip("/")
    python = tar(["/usr/bin/python3", *sorted(libraries()), *files], [
        (f"{here}/installed.py", "VERSION = '3.0 of the image'\n"),
        (f"{here}/installed-3.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: installed\nVersion: 3.0\n"),
        (f"{here}/installed-3.0.dist-info/RECORD", "")])
    pip = tar([p for pattern in ("pip/**/*", "pip-*/*", "setuptools/**/*", "setuptools-*/*", "pkg_resources/**/*", "wheel/**/*")
               for p in PACKAGES.glob(pattern) if p.is_file() and "__pycache__" not in p.parts])
    return python, pip


def in_image(project):
    path = project.dir / "Aicertfile"
    path.write_text(path.read_text() + "environment: { image: 'oci:image' }\n")


def test_only_what_the_image_lacks(project, index, python_layer):
    layout(project.dir / "image", list(python_layer))
    index.add(wheel("alpha", "1.2", requires=["installed>=2"]))
    index.add(wheel("installed", "9.0"))
    project.asks("alpha\ninstalled\n", ["alpha", "installed"])
    in_image(project)
    project.run()
    assert project.seen() == ["alpha 1.2", "installed 3.0 of the image"] and project.names() == ["alpha-1.2-py3-none-any.whl"]
    project.aicert("verify", "proof.json", "--require", "software")
    index.asked.clear()
    project.asks("installed\n", ["installed"])
    in_image(project)
    project.run()
    assert index.asked == [] and project.pins()["files"] == [], "the lock says that the image has it all"
    assert json.loads((project.dir / "proof.json").read_text())["root"]
    project.run("--locked")


def test_an_image_without_pip(project, index, python_layer):
    layout(project.dir / "image", [python_layer[0]])
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    in_image(project)
    r = project.run(code=5)
    assert "no pip" in r.stderr and "hint:" in r.stderr
    project.asks("installed >= 2\n", ["installed"])
    in_image(project)
    project.run()
    assert project.seen() == ["installed 3.0 of the image"] and project.pins()["files"] == []


MADE = """aicert: 1
name: made
environment: {{ {environment} }}
steps:
  code:
    use: python
    source: maker
    outputs: {{ tree: {{ path: tree, type: dir }} }}
  train:
    use: python
    source: code.tree
    outputs: {{ seen: seen.txt }}
inputs: {{ maker: {{ path: maker }} }}
"""


@pytest.mark.long
@pytest.mark.parametrize("environment, words", [("image: 'oci:image'", "the image does not satisfy it"), ("host: true", "the host does not satisfy it")])
def test_a_source_that_a_step_makes(project, index, python_layer, environment, words):
    layout(project.dir / "image", list(python_layer))
    index.add(wheel("alpha", "1.2"))
    text = MADE.format(environment=environment) if "image" in environment else MADE.format(environment="x").replace("environment: { x }\n", "")
    (project.dir / "Aicertfile").write_text(text)
    (project.dir / "maker").mkdir()
    maker = "import os\nos.makedirs('outputs/tree')\nopen('outputs/tree/requirements.txt', 'w').write({!r})\nopen('outputs/tree/main.py', 'w').write(\"open('outputs/seen.txt', 'w').write('x')\")\n"
    (project.dir / "maker" / "main.py").write_text(maker.format("alpha\n"))
    r = project.run(code=5)
    assert words in r.stderr and "hint:" in r.stderr
    (project.dir / "maker" / "main.py").write_text(maker.format("# nothing\n"))
    project.run()
