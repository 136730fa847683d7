"""`aicert run --in vm --provider azure|gcp` from end to end, with a stand-in for the clouds' tools and the agent in the machine's place: what comes back is
taken, and nothing is left behind wherever it fails or is stopped. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pathlib
import shutil
import signal
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from runner import Started, project  # noqa: E402
from test_machine import RUNNER  # noqa: E402
from vm_ground import agent_run  # noqa: E402,F401

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = {"azure": ["location=westeurope", "poll=1"], "gcp": ["project=p", "region=europe-west1", "zone=europe-west1-b", "poll=1"]}
LONG = pytest.mark.long
STAGES = ["create", "upload", "start", "wait", "collect"]
# What the tools say when all goes well.
WELL = {
    "azure": [{"match": ["az group create"], "say": "/subscriptions/0/resourceGroups/x"}, {"match": ["get-instance-view"], "say": "PowerState/stopped"},
              {"match": ["grant-access"], "say": "https://md-1.z2.blob.storage.azure.net/c/b?sv=1&sig=SECRETSECRETSECRET"},
              {"match": ["az group exists"], "say": "false"}],
    "gcp": [{"match": ["instances describe"], "say": "TERMINATED"}],
}


class Cloud:
    """A project, a stand-in for the tools of one cloud, and what it was told."""

    def __init__(self, aicert, tmp, name):
        self.aicert, self.tmp, self.name = aicert, tmp, name
        self.uki = tmp / "runner.efi"
        shutil.copy(RUNNER, self.uki)
        project(aicert)

    def env(self):
        return {"PATH": f"{HERE / 'stand_in'}:{os.environ['PATH']}", "STAND_IN": str(self.tmp)}

    def answers(self, *first):
        (self.tmp / "answers.json").write_text(json.dumps([*first, *WELL[self.name]]))

    def args(self):
        return ["run", "--in", "vm", "--provider", self.name, *[w for s in SETTINGS[self.name] for w in ("--set", s)], "--vm-image", self.uki]

    def calls(self):
        path = self.tmp / "calls"
        return [" ".join(json.loads(line)["argv"]) for line in path.read_text().splitlines()] if path.exists() else []

    def plan(self):
        return self.aicert.json("vm", "provider", self.name, "--dry-run", "--machine", "aicert-test", *self.args()[5:-2])

    def ends_destroyed(self):
        """Destroy ran whole, after everything else; nothing is recorded, and no file of the machine stays."""
        last = [c["argv"] for c in self.plan()["destroy"]]
        calls = self.calls()[-len(last):]
        assert [c.split()[:3] for c in calls] == [a[:3] for a in last]
        assert "machine aicert-" not in self.aicert("vm", "provider").stdout
        tmp = self.aicert.home / "aicert/cache/tmp"
        assert not tmp.exists() or not [p for p in tmp.iterdir() if p.name.startswith("vm")]


@pytest.fixture(params=["azure", "gcp"])
def cloud(request, aicert, tmp_path):
    return Cloud(aicert, tmp_path, request.param)


def machine(cloud, agent):
    """What a cloud does with the disks, and its machine in between."""
    tmp = cloud.tmp
    job, result, home = tmp / "given/disk.raw", tmp / "disk.raw", tmp / "agent-home"
    job.parent.mkdir()
    runs = [["truncate", "-s", "64M", str(result)], [str(agent), str(job), str(result), str(home), "embedded"]]
    if cloud.name == "azure":
        return [{"match": ["blob upload", "job.vhd"], "run": [["cp", "{--file}", str(job)]]},
                {"match": ["blob download"], "run": [*runs, ["cp", str(result), "{--file}"]]}]
    return [{"match": ["storage cp", "/job.tar.gz gs://"], "run": [["tar", "-xzf", "{3}", "-C", str(job.parent)]]},
            {"match": ["storage cp gs://", "/result.tar.gz"], "run": [*runs, ["tar", "-czSf", "{4}", "-C", str(tmp), "disk.raw"]]}]


def test_whole(cloud, agent_run, aicert_in, tmp_path):  # noqa: F811
    """The result is taken, the proof emitted: with the root of a run outside."""
    cloud.answers(*machine(cloud, agent_run))
    r = cloud.aicert(*cloud.args(), "--nonce", "of a verifier", env=cloud.env())
    assert "1 executed" in r.stdout and "SECRET" not in r.stdout + r.stderr
    proof = json.loads((cloud.aicert.cwd / "proof.json").read_text())
    assert [e["event"] for e in proof["evidence"]["run_log"]] == ["job", "plan", "results", "claims"]
    assert proof["claims"]["nonce"] == "of a verifier"
    assert [p.read_text() for p in (cloud.aicert.cwd / "outputs").rglob("*") if p.is_file()] == ["a\nb\n"]
    cloud.ends_destroyed()
    done = [c.split()[:3] for c in cloud.calls()]
    for stage in STAGES:
        for call in cloud.plan()[stage]:
            assert call["argv"][0] in ("tar", "mv") or call["argv"][:3] in done
    outside = aicert_in(tmp_path / "other", tmp_path / "outside")
    shutil.copytree(cloud.aicert.cwd, outside.cwd, ignore=shutil.ignore_patterns("proof.json", "outputs"))
    outside.home.mkdir()
    outside("run")
    assert json.loads((outside.cwd / "proof.json").read_text())["root"] == proof["root"]


@LONG
def test_another_jobs_result(cloud, agent_run):  # noqa: F811
    """A cloud that gives back what it computed from another job: refused, and destroyed all the same."""
    first = machine(cloud, agent_run)
    cloud.answers(*first)
    cloud.aicert(*cloud.args(), env=cloud.env())
    (cloud.aicert.cwd / "proof.json").unlink()
    shutil.rmtree(cloud.aicert.cwd / "outputs")
    # The same result once more; this run's job has another nonce.
    again = first[1]["run"][-1:]
    cloud.answers(first[0], {**first[1], "run": again})
    r = cloud.aicert(*cloud.args(), "--nonce", "another", env=cloud.env(), code=3)
    assert "result disk" in r.stderr
    assert not (cloud.aicert.cwd / "proof.json").exists()
    cloud.ends_destroyed()


def words_of(plan, stage):
    """What begins a command that must succeed, the stage's last of those that no earlier one begins with."""
    seen = {}
    for s in STAGES:
        for call in plan[s]:
            argv = call["argv"]
            end = next((i for i, w in enumerate(argv) if w.startswith("-") or "aicert" in w or w.isupper()), len(argv))
            if argv[0] not in ("tar", "mv") and "maybe" not in call:
                seen.setdefault(" ".join(argv[:end]), s)
    return [w for w, s in seen.items() if s == stage][-1]


@pytest.mark.parametrize("cloud, stage", [(c, s) for s in STAGES for c in SETTINGS], indirect=["cloud"])
def test_a_stage_that_fails(cloud, stage):
    words = words_of(cloud.plan(), stage)
    cloud.answers({"match": [words], "code": 1, "err": "(QuotaExceeded) no more\n"})
    r = cloud.aicert(*cloud.args(), env=cloud.env(), code=5)
    assert f"{cloud.name}: {stage}: " in r.stderr and words in r.stderr and "(QuotaExceeded) no more" in r.stderr
    assert any(c.startswith(words) for c in cloud.calls())
    assert not (cloud.aicert.cwd / "proof.json").exists()
    cloud.ends_destroyed()


@pytest.mark.parametrize("cloud, stage, sig", [
    ("azure", "create", signal.SIGINT), ("azure", "start", signal.SIGHUP), ("gcp", "collect", signal.SIGTERM),
    pytest.param("azure", "upload", signal.SIGTERM, marks=LONG), pytest.param("azure", "collect", signal.SIGINT, marks=LONG),
    pytest.param("gcp", "create", signal.SIGHUP, marks=LONG), pytest.param("gcp", "upload", signal.SIGINT, marks=LONG),
    pytest.param("gcp", "start", signal.SIGTERM, marks=LONG)], indirect=["cloud"])
def test_a_stage_that_is_stopped(cloud, stage, sig):
    """The tool's command hangs; it is ended, and the machine is gone when the command is."""
    words = words_of(cloud.plan(), stage)
    cloud.answers({"match": [words], "sleep": 100})
    with Started(cloud.aicert, *cloud.args(), env=cloud.env()) as run:
        run.until(f"{cloud.name}: {stage}")
        until = time.monotonic() + 60
        while not any(c.startswith(words) for c in cloud.calls()):
            assert time.monotonic() < until
            time.sleep(0.05)
        code, said = run.end(sig, 60)
    assert code == 130 and "destroying the machine first" in said
    assert not (cloud.aicert.cwd / "proof.json").exists()
    cloud.ends_destroyed()
