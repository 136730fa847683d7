"""Source distributions: refused by name unless the step allows them, then built offline in a step of their own.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

from requirements.packages import sdist, wheel

# A build backend (PEP 517) that a test can hold in its hand; it leaves word of whether it could reach anything.
BACKEND = """
import os, socket, zipfile

def reach():
    try:
        socket.create_connection(("127.0.0.1", 3141), 1).close()
        return "yes"
    except OSError:
        return "no"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "alpha-1.2-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as z:
        def put(path, text):
            z.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
        put("alpha.py", "VERSION = '1.2 built, index reached: %s'\\n" % reach())
        put("alpha-1.2.dist-info/METADATA", "Metadata-Version: 2.1\\nName: alpha\\nVersion: 1.2\\nRequires-Dist: beta\\n")
        put("alpha-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        put("alpha-1.2.dist-info/RECORD", "")
    return name

def build_sdist(folder, config_settings=None):
    raise NotImplementedError
"""
PYPROJECT = '[build-system]\nrequires = ["backend>=2"]\nbuild-backend = "backend"\n'


def fill(index, pyproject=PYPROJECT):
    index.add(sdist("alpha", "1.2", {"pyproject.toml": pyproject}))
    index.add(wheel("backend", "2.0", files={"backend.py": BACKEND}))
    index.add(wheel("beta", "1.0"))


def test_built_in_a_step_of_its_own(project, index):
    fill(index)
    project.asks("alpha\n", ["alpha", "beta"])
    assert "sdists: [alpha]" in project.run(code=3).stderr
    project.asks("alpha\n", ["alpha", "beta"], step="    sdists: [Alpha]\n")
    project.run()
    assert project.seen() == ["alpha 1.2 built, index reached: no", "beta 1.0"]
    pin = project.pins()
    assert [f["name"] for f in pin["files"]] == ["beta-1.0-py3-none-any.whl"]
    assert [f["name"] for f in pin["sdists"]] == ["alpha-1.2.tar.gz"] and [f["name"] for f in pin["build"]] == ["backend-2.0-py3-none-any.whl"]
    proof = json.loads((project.dir / "proof.json").read_text())
    run = proof["nodes"][proof["root"]]
    assert [r["name"] for r in run["results"]] == ["train-wheels", "train"]
    project.aicert("verify", "proof.json", "--require", "software")
    index.asked.clear()
    project.run("--locked")
    assert index.asked == [] and json.loads((project.dir / "proof.json").read_text())["root"] == proof["root"]


def test_the_short_form_builds_too_and_its_outputs_stay_where_they_lie(project, index):
    fill(index)
    project.asks("alpha\n")
    (project.dir / "Aicertfile").write_text("kind: python\nsource: { type: path, path: code }\nargs: [alpha, beta]\nsdists: alpha\n")
    project.run()
    assert [p.name for p in (project.dir / "outputs").iterdir()] == ["seen.txt"]
    assert "alpha 1.2 built" in (project.dir / "outputs" / "seen.txt").read_text()
    project.aicert("verify", "proof.json", "--require", "software")


def test_what_building_takes_is_held_to_the_same_rules(project, index):
    fill(index, PYPROJECT.replace('"backend>=2"', '"backend>=2", "evil @ file:///etc/passwd"'))
    project.asks("alpha\n", ["alpha"], step="    sdists: all\n")
    r = project.run(code=None)
    assert r.returncode in (2, 3) and not (project.dir / "aicert.lock").exists()


@pytest.mark.long
def test_a_name_taken_by_the_user(project, index):
    fill(index)
    project.asks("alpha\n", ["alpha"], step="    sdists: all\n  train-wheels:\n    use: shell\n    script: 'true > \"$OUT_X\"'\n    outputs: { x: x }\n")
    r = project.run(code=2)
    assert "train-wheels" in r.stderr and "another name" in r.stderr
