"""`aicert vm provider`: what a cloud would be told, compared with what was recorded; destroying by hand. SPDX-License-Identifier: Apache-2.0

Recorded: tests/vm/providers/NAME-CASE.json, {"settings": {…}, "plan": what --dry-run --json printed}. Whoever changes a provider's file reads the difference
and records it again: AICERT_RECORD=1 python3 -m pytest tests/vm/test_provider.py.
"""
import json
import os
import pathlib
import re

import pytest

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = sorted((HERE / "providers").glob("*.json"))
STAGES = ["create", "upload", "start", "wait", "collect", "destroy"]
HOST_STAGES = ["tpm", "machine"]
NEEDED = {"azure": ["location=westeurope"], "gcp": ["project=p", "region=europe-west1", "zone=europe-west1-b"]}


def settings(values):
    return [word for pair in (values.items() if isinstance(values, dict) else (v.split("=", 1) for v in values)) for word in ("--set", "=".join(pair))]


def plan(aicert, name, values, machine="aicert-test"):
    named = [] if name == "qemu" else ["--machine", machine]
    return aicert.json("vm", "provider", name, "--dry-run", *named, *settings(values))


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.stem)
def test_recorded(aicert, path):
    recorded = json.loads(path.read_text())
    now = plan(aicert, path.stem.split("-")[0], recorded["settings"])
    if os.environ.get("AICERT_RECORD"):
        path.write_text(json.dumps({"settings": recorded["settings"], "plan": now}, indent=1) + "\n")
        pytest.skip("recorded")
    assert list(now) == (HOST_STAGES if path.stem.startswith("qemu") else STAGES)
    for stage in now:
        assert [" ".join(c["argv"]) for c in now[stage]] == [" ".join(c["argv"]) for c in recorded["plan"][stage]], stage
    assert now == recorded["plan"]


def test_each_is_recorded():
    assert {p.stem.split("-")[0] for p in RECORDED} == {*NEEDED, "qemu"}


@pytest.mark.parametrize("name", NEEDED)
def test_what_holds_for_all(aicert, name):
    """No shell, no secret in a command line, everything called after the machine, nobody asked, and destroy ends with questions that must be answered."""
    p = plan(aicert, name, NEEDED[name])
    secrets = {c["keep"]: c["like"] for s in STAGES for c in p[s] if "secret" in c}
    for stage in STAGES:
        for call in p[stage]:
            assert call["argv"][0] in ("az", "gcloud", "tar", "mv")
            assert not any(re.search(r"sig=|EXAMPLEOFASECRET", word) for word in call["argv"])
            assert not any(word in ("sh", "bash", "-c", "") for word in call["argv"])
    for call in p["destroy"]:
        assert any("aicert-test" in word for word in call["argv"])
        assert ("maybe" in call) != ("expect" in call)
    assert "expect" in p["destroy"][-1]
    for value in secrets.values():
        token = value.split("?")[1]
        assert [c for c in p["collect"] if token in c.get("env", {}).values()]


def test_no_way_in(aicert):
    """What the machine is started with: a vTPM, no secure boot, no address, no identity, an end of its own."""
    azure = plan(aicert, "azure", NEEDED["azure"])
    (vm,) = [c["argv"] for c in azure["start"] if c["argv"][1:3] == ["vm", "create"]]
    line = " ".join(vm)
    for words in ("--security-type TrustedLaunch", "--enable-vtpm true", "--enable-secure-boot false", "--nics nic", "--specialized", "--attach-data-disks job result"):
        assert words in line
    assert "public-ip" not in line and "ssh" not in line and "--admin" not in line
    rules = [" ".join(c["argv"]) for c in azure["create"] if "rule" in c["argv"]]
    assert len(rules) == 2 and all("--access Deny" in r for r in rules) and {"Inbound", "Outbound"} == {re.search("--direction (\\w+)", r)[1] for r in rules}
    gcp = plan(aicert, "gcp", NEEDED["gcp"])
    (vm,) = [c["argv"] for c in gcp["start"]]
    for word in ("--shielded-vtpm", "--shielded-integrity-monitoring", "--no-shielded-secure-boot", "--no-address", "--no-service-account", "--no-scopes",
                 "--instance-termination-action=DELETE"):
        assert word in vm
    assert any(w.startswith("--max-run-duration=") for w in vm)


def test_what_is_made_is_destroyed(aicert):
    """Google has no group to delete: each thing that is created has its own end."""
    p = plan(aicert, "gcp", NEEDED["gcp"])
    made = {(c["argv"][2], c["argv"][c["argv"].index("create") + 1]) for s in STAGES for c in p[s] if "create" in c["argv"]}
    gone = {(c["argv"][2], c["argv"][c["argv"].index("delete") + 1]) for c in p["destroy"] if "delete" in c["argv"]}
    buckets = {m for m in made if m[0] == "buckets"}
    assert made - buckets == gone
    assert [c for c in p["destroy"] if c["argv"][1:4] == ["storage", "rm", "--recursive"] and c["argv"][4] == next(iter(buckets))[1]]


def test_shown(aicert):
    assert [line.split()[0] for line in aicert("vm", "provider").stdout.splitlines()] == ["azure", "gcp", "qemu"]
    shown = aicert("vm", "provider", "azure").stdout
    assert re.search(r"location .*\(needed\)", shown) and re.search(r"size .*\(default: Standard_D4s_v5\)", shown)
    assert {s["name"] for s in aicert.json("vm", "provider", "gcp")["settings"]} >= {"project", "region", "zone"}
    dry = aicert("vm", "provider", "azure", "--dry-run", *settings(NEEDED["azure"])).stdout
    assert "EXAMPLEOFASECRET" not in dry and "AZURE_STORAGE_SAS_TOKEN=… " in dry


@pytest.mark.parametrize("argv, said", [
    (["azur"], "did you mean 'azure'"),
    (["azure", "--dry-run"], "needs the setting 'location'"),
    (["azure", "--dry-run", "--set", "location"], "expected NAME=VALUE"),
    (["azure", "--dry-run", "--set", "location=a", "--set", "location=b"], "set twice"),
    (["azure", "--dry-run", "--set", "location=a;b"], "expected characters of"),
    (["azure", "--dry-run", "--set", "location=a", "--machine", "x y"], "machine: got 'x y'"),
    (["azure", "--destroy", "-rf", "--set", "location=a"], "machine: got"),
    (["--dry-run"], "which provider"),
    (["azure", "gcp"], "got 'gcp' too"),
])
def test_refusals(aicert, argv, said):
    assert said in aicert("vm", "provider", *argv, code=2).stderr


def stand_in(tmp_path, answers):
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    return {"PATH": f"{HERE / 'stand_in'}:{os.environ['PATH']}", "STAND_IN": str(tmp_path)}


def calls(tmp_path):
    return [" ".join(json.loads(line)["argv"]) for line in (tmp_path / "calls").read_text().splitlines()]


def test_destroy_by_hand(aicert, tmp_path):
    env = stand_in(tmp_path, [{"match": ["group exists"], "say": "false\n"}])
    aicert("vm", "provider", "azure", "--destroy", "aicert-x1", *settings(NEEDED["azure"]), env=env)
    assert calls(tmp_path) == ["az group delete --name aicert-x1 --yes", "az group exists --name aicert-x1 --output json --only-show-errors"]


def test_destroy_says_what_is_left(aicert, tmp_path):
    env = stand_in(tmp_path, [{"match": ["group delete"], "err": "ERROR: the scope is locked\n", "code": 1}, {"match": ["group exists"], "say": "true\n"}])
    r = aicert("vm", "provider", "azure", "--destroy", "aicert-x1", *settings([*NEEDED["azure"], "poll=1"]), env=env, code=5)
    assert "the machine 'aicert-x1' may still be there" in r.stderr and "hint: type: az group delete --name aicert-x1 --yes" in r.stderr
    assert len(calls(tmp_path)) == 8


def test_own_file(aicert, tmp_path):
    """A cloud of the user's own: the built-in file under another name, with another word."""
    text = (HERE.parent.parent / "rules" / "providers" / "azure.lua").read_text()
    mine = tmp_path / "mine.lua"
    mine.write_text(text.replace('"made-by=aicert"', '"made-by=us"'))
    p = plan(aicert, str(mine), NEEDED["azure"])
    assert "made-by=us" in p["create"][0]["argv"]
    mine.write_text(text.replace("return provider", "io.open('/etc/passwd') return provider"))
    assert "a provider does not know 'io'" in aicert("vm", "provider", mine, code=2).stderr
