"""`aicert verify` plans again from foreign bytes in a confined child: what they do there never reaches the verdict.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import json
import os
import subprocess
import time

import pytest
from conftest import BUILD

AICERTFILE = """\
aicert: 1
name: small
inputs: { words: { path: words.txt } }
steps:
  sort: { use: mine, input: words, outputs: { sorted: sorted.txt } }
outputs: { sorted: sort.sorted }
"""
RULE = """\
return rule {
  name = "mine",
  doc = "Sort a file.",
  attrs = {
    input = attr.artifact { doc = "what to sort" },
    outputs = attr.outputs { doc = "where to" },
  },
  plan = function(a, out)
    return action.run { argv = { "sort", "-o", out.sorted, a.input } }
  end,
}
"""

# What libyaml does after somebody has taken it over.
TAKEN_OVER = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int yaml_parser_initialize(void *parser)
{
	static const unsigned lie[] = { 1, 2 };
	const char *how = getenv("TAKEN_OVER");
	(void)parser;
	if (write(1, "VERIFIED\n", 9) > 0 || write(2, "VERIFIED\n", 9) > 0)
		_exit(0);
	if (strcmp(how, "file") == 0)
		close(open(getenv("TAKEN_OVER_FILE"), O_CREAT | O_WRONLY, 0600));
	if (strcmp(how, "exec") == 0)
		execl("/bin/sh", "sh", "-c", "echo VERIFIED", (char *)0);
	if (strcmp(how, "lie") == 0 && write(3, lie, sizeof lie) > 0)
		(void)!write(3, "{}", 2);
	if (strcmp(how, "garbage") == 0 && write(3, lie, sizeof lie) > 0)
		(void)!write(3, "{,", 2);
	_exit(0);
}
"""
ENDS = {"file": "the planner died: it asked the kernel", "exec": "the planner died: it asked the kernel", "lie": "expected", "garbage": "what the planner gave",
        "silence": "the planner died before it answered"}


def is_sanitized():
    return b"libasan" in subprocess.run(["ldd", str(BUILD / "aicert")], capture_output=True).stdout


@pytest.fixture
def proof(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "rules").mkdir()
    (aicert.cwd / "rules" / "mine.lua").write_text(RULE)
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE)
    aicert()
    return json.loads((aicert.cwd / "proof.json").read_text())


def verdict(aicert, code, file="proof.json", **kw):
    r = aicert("verify", file, "--require", "software", "--json", code=code, **kw)
    return {c["name"]: c for c in json.loads(r.stdout)["checks"]}


def test_an_honest_plan_passes(aicert, proof):
    for lang in ("C", "C.UTF-8", "fr_FR.ISO-8859-1"):
        assert verdict(aicert, 0, env={"LANG": lang})["planned again"]["status"] == "passed"


@pytest.mark.parametrize("how", ENDS)
def test_a_library_that_was_taken_over(aicert, proof, tmp_path, how):
    if is_sanitized():
        pytest.skip("the sanitizer's own library must be loaded first")
    (tmp_path / "yaml.c").write_text(TAKEN_OVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "yaml.so", tmp_path / "yaml.c"], check=True)
    env = {"LD_PRELOAD": str(tmp_path / "yaml.so"), "TAKEN_OVER": how, "TAKEN_OVER_FILE": str(tmp_path / "owned")}
    checks = verdict(aicert, 1, env=env)
    assert checks["planned again"]["status"] == "failed" and ENDS[how] in checks["planned again"]["compared"], checks["planned again"]
    assert [name for name, c in checks.items() if c["status"] == "failed"] == ["planned again", "level"]
    assert not (tmp_path / "owned").exists()
    r = aicert("verify", "proof.json", "--require", "software", code=1, env=env)
    assert r.stdout.startswith("NOT VERIFIED") and r.stdout.count("VERIFIED") == 1 and "VERIFIED" not in r.stderr


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def with_rule(proof, text):
    """The proof as a builder would forge it who wrote this rule: all ids follow, only the signature does not."""
    nodes, blobs = proof["nodes"], proof["blobs"]
    run = nodes.pop(proof["root"])
    plan = nodes.pop(run["plan"])
    rule = next(r for r in plan["rules"] if r["name"] == "mine")
    del blobs[rule["blob"]]
    rule["blob"] = hashlib.sha256(text.encode()).hexdigest()
    blobs[rule["blob"]] = base64.b64encode(text.encode()).decode()
    run["plan"] = hashlib.sha256(canonical(plan)).hexdigest()
    proof["root"] = hashlib.sha256(canonical(run)).hexdigest()
    nodes[run["plan"]], nodes[proof["root"]] = plan, run
    return proof


HOSTILE = {
    "loop": (RULE.replace("    return", "    while true do end\n    return"), "takes too long"),
    "memory": (RULE.replace("    return", '    local s = "x"\n    while true do s = s .. s end\n    return'), "too much memory"),
    "loop at load": ("while true do end\n" + RULE, "takes too long"),
    "bytecode": ("\x1bLua" + RULE, "mine"),
    "other": (RULE.replace('"sort"', '"tac"'), "expected"),
    "unchanged": (RULE + "\n", None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_rule(aicert, proof, name):
    text, words = HOSTILE[name]
    (aicert.cwd / "forged.json").write_text(json.dumps(with_rule(proof, text)))
    start = time.monotonic()
    check = verdict(aicert, 1, "forged.json")["planned again"]
    assert time.monotonic() - start < 20
    if words:
        assert check["status"] == "failed" and words in check["compared"], check
    else:
        assert check["status"] == "passed", check


def test_no_process_is_left(aicert, proof):
    (aicert.cwd / "forged.json").write_text(json.dumps(with_rule(proof, HOSTILE["loop"][0])))
    with subprocess.Popen([str(BUILD / "aicert"), "verify", "forged.json"], cwd=aicert.cwd, env=aicert.env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as p:
        p.wait(60)
        group = p.pid
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
