"""`aicert run --in vm --provider`: a project through a cloud and back; and a cloud that fails. SPDX-License-Identifier: Apache-2.0

The cloud of the long tests is this machine (stand_in/local_cloud): it boots the image that was uploaded, by its firmware, from its disk.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.dirname(__file__))
from runner import Started, descendants, project, runner  # noqa: E402,F401

HERE = pathlib.Path(__file__).resolve().parent
LOCAL = HERE / "stand_in/local_cloud.lua"


@pytest.fixture
def cloud(tmp_path):
    """The folder of a cloud's machines: short, for sockets are in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lc", dir="/tmp"))
    yield folder, {"PATH": f"{HERE / 'stand_in'}:{os.environ['PATH']}", "LOCAL_CLOUD": str(folder), "STAND_IN": str(tmp_path)}
    assert list(folder.iterdir()) == [], "a machine was left behind"
    folder.rmdir()


@pytest.fixture
def uki(tmp_path):
    path = tmp_path / "runner.efi"
    shutil.copy(ROOT / "tests/fuzz/corpus/vm_pe/uki", path)
    return path


def is_tidy(aicert):
    tmp = aicert.home / "aicert/cache/tmp"
    assert not tmp.exists() or not [p for p in tmp.iterdir() if p.name.startswith("vm")]


@pytest.mark.parametrize("argv, said", [
    (["--in", "vm", "--set", "location=x"], "expected '--provider' too"),
    (["--provider", "azure"], "'--provider' is for the measured machine"),
    (["--in", "vm", "--provider", "azure"], "needs the setting 'location'"),
    (["--in", "vm", "--provider", "azur"], "did you mean 'azure'"),
    (["--in", "vm", "--provider", "azure", "--set", "location"], "expected NAME=VALUE"),
    (["--in", "vm", "--provider", "azure", "--set", "location=x", "--vm-memory", "4G"], "do not go with --provider"),
])
def test_usage(aicert, uki, argv, said):
    project(aicert)
    more = ["--vm-image", uki] if "--in" in argv else []
    assert said in aicert("run", *argv, *more, code=2).stderr


def test_no_tool(aicert, uki):
    """Said before anything was made."""
    project(aicert)
    tools = aicert.home / "bin"
    tools.mkdir()
    r = aicert("run", "--in", "vm", "--provider", "azure", "--set", "location=x", "--vm-image", uki, code=5, env={"PATH": str(tools)})
    assert "cannot start 'az'" in r.stderr and "log in with it" in r.stderr and "may still be there" not in r.stderr
    is_tidy(aicert)


def test_a_cloud_that_refuses(aicert, uki, cloud, tmp_path):
    project(aicert)
    (tmp_path / "answers.json").write_text(json.dumps([
        {"match": ["az group create"], "say": "/subscriptions/0/resourceGroups/x"}, {"match": ["az vm create"], "code": 1, "err": "(QuotaExceeded) no more cores\n"},
        {"match": ["az group exists"], "say": "false"}]))
    r = aicert("run", "--in", "vm", "--provider", "azure", "--set", "location=westeurope", "--vm-image", uki, code=5, env=cloud[1])
    assert "azure: start: az vm create" in r.stderr and "(QuotaExceeded) no more cores" in r.stderr
    calls = [json.loads(line)["argv"] for line in (tmp_path / "calls").read_text().splitlines()]
    assert calls[-2][:3] == ["az", "group", "delete"] and calls[-1][:3] == ["az", "group", "exists"]
    assert not (aicert.cwd / "proof.json").exists()
    is_tidy(aicert)


def test_killed(aicert, uki, cloud, tmp_path):
    """SIGKILL, while the machine is made: it is known afterwards, and what is shown to be typed destroys it."""
    project(aicert)
    (tmp_path / "answers.json").write_text(json.dumps([{"match": ["az group create"], "sleep": 60}, {"match": ["az group exists"], "say": "false"}]))
    with Started(aicert, "run", "--in", "vm", "--provider", "azure", "--set", "location=westeurope", "--vm-image", uki, env=cloud[1]) as p:
        p.until("azure: create")
        while not (tmp_path / "calls").exists():
            time.sleep(0.05)
        assert re.search(r"machine aicert-\w+: a run goes on with it", aicert("vm", "provider").stdout)
        below = descendants(p.p.pid)
        p.p.kill()
        p.p.wait()
        for pid in below:
            os.kill(pid, signal.SIGKILL)
    shown = aicert("vm", "provider").stdout
    name = re.search(r"machine (aicert-\w+): may have been left behind: type\n", shown)[1]
    line = shown.splitlines()[-1].split()
    assert line == ["aicert", "vm", "provider", "azure", "--destroy", name, "--set", "location=westeurope"]
    # Who starts another one is told.
    (tmp_path / "answers.json").write_text(json.dumps([{"match": ["az group create"], "code": 1}, {"match": ["az group exists"], "say": "false"}]))
    r = aicert("run", "--in", "vm", "--provider", "azure", "--set", "location=westeurope", "--vm-image", uki, env=cloud[1], code=5)
    assert r.stderr.count(f"machine {name} of an earlier run may have been left behind") == 1
    is_tidy(aicert)
    aicert(*line[1:], env=cloud[1])
    assert [json.loads(c)["argv"] for c in (tmp_path / "calls").read_text().splitlines()][-2] == ["az", "group", "delete", "--name", name, "--yes"]
    assert "machine aicert-" not in aicert("vm", "provider").stdout


@pytest.mark.long
def test_there_and_back(aicert, aicert_in, runner, cloud, tmp_path):  # noqa: F811
    """The same root as outside; what booted, from the disk, is what the UKI's bytes say it must be."""
    project(aicert)
    r = aicert("run", "--in", "vm", "--provider", LOCAL, "--vm-image", runner, env=cloud[1], timeout=900)
    proof = json.loads((aicert.cwd / "proof.json").read_text())
    assert proof["evidence"]["boot_log"]
    assert [e["event"] for e in proof["evidence"]["run_log"]] == ["job", "plan", "results", "claims"]
    expected = aicert.json("vm", "reference", runner)["pcrs"]
    assert sorted(expected, key=int) == ["4", "9", "11"]
    assert {n: proof["evidence"]["pcrs"][n] for n in expected} == expected
    report = aicert.json("verify", "proof.json", "--require", "unsigned", code=None)
    assert report["root"] == proof["root"]
    outside = aicert_in(tmp_path / "other", tmp_path / "outside")
    shutil.copytree(aicert.cwd, outside.cwd, ignore=shutil.ignore_patterns("proof.json", "outputs"))
    outside.home.mkdir()
    outside("run")
    assert json.loads((outside.cwd / "proof.json").read_text())["root"] == proof["root"]
    is_tidy(aicert)
    assert "local: destroy" in r.stderr


@pytest.mark.long
def test_interrupted(aicert, runner, cloud):  # noqa: F811
    """Ctrl-C while the machine runs: it is gone when the command is."""
    project(aicert, script="sleep 600", limits="time: 20m")
    with Started(aicert, "run", "--in", "vm", "--provider", LOCAL, "--vm-image", runner, env=cloud[1]) as p:
        p.until("local: wait")
        p.p.send_signal(signal.SIGINT)
        assert p.p.wait(60) == 130
    assert not (aicert.cwd / "proof.json").exists()
    is_tidy(aicert)
