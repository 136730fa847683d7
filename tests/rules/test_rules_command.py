"""`aicert rules`: the list, a rule's help, and the tests that a rule's author writes."""
import os

import pytest

COUNT = """
return rule {
  name = "count",
  doc = "Counts lines. And no more.",
  attrs = {
    data  = attr.artifact { doc = "what is counted" },
    words = attr.flag { default = false, alias = "byWord", doc = "count words" },
    rate  = attr.number { default = "0.5", doc = "kept as it is written" },
  },
  outputs = { count = "file" },
  example = "inputs:\\n  corpus: { path: corpus.txt }\\nsteps:\\n  lines: { use: count, data: corpus }\\n",
  plan = function(a, out)
    if a.words then fail("words: cannot be counted", "leave it out") end
    local list = temporary "list"
    return { action.run { argv = { "count", a.data, list }, env = { RATE = a.rate } }, action.copy { from = list, to = out.count } }
  end,
}
"""

HUB = """
return source {
  name = "hub",
  doc = "Models of our own hub.",
  attrs = { hub = attr.text { doc = "name of the model" }, ref = attr.text { default = "main", doc = "branch" } },
  resolve = function(a, net)
    local info = net.json("https://hub.test/" .. a.hub .. "?ref=" .. a.ref, { headers = { Accept = "application/json" } })
    local files = {}
    for i, f in ipairs(info.files) do files[i] = { path = f.name, url = "https://hub.test/get/" .. url_escape(f.name), size = f.size } end
    return pin.files { uri = a.hub, ref = a.ref, revision = info.commit, files = files }
  end,
}
"""


@pytest.fixture
def project(aicert):
    rules = aicert.cwd / "rules"
    rules.mkdir()
    (rules / "count.lua").write_text(COUNT)
    (rules / "hub.lua").write_text(HUB)
    return rules


def run_tests(aicert, project, name, tests, code):
    (project / f"{name}_test.lua").write_text(f"return expect.tests {{\n{tests}\n}}\n")
    return aicert("rules", "test", f"rules/{name}.lua", code=code)


def test_list(aicert, project):
    found = {r["name"]: r for r in aicert.json("rules")}
    assert found["count"] == {"name": "count", "kind": "rule", "doc": "Counts lines. And no more.", "from": "project"}
    assert found["hub"]["kind"] == "source" and found["shell"]["from"] == "aicert"
    (project / "count_test.lua").write_text("return expect.tests {}")
    assert "count_test" not in aicert("rules").stdout
    shown = aicert("rules").stdout
    assert "count  " in shown and "Counts lines.\n" in shown and "And no more" not in shown
    # One of ours that the project has its own of is listed once, as the project's.
    (project / "shell.lua").write_text(COUNT.replace('"count"', '"shell"', 1))
    assert [r["from"] for r in aicert.json("rules") if r["name"] == "shell"] == ["project"]
    (project / "bad.lua").write_text("return rule {")
    r = aicert("rules", code=2)
    assert "rules/bad.lua:1:" in r.stderr and "count" in r.stdout


def test_what_is_no_rule(aicert, project):
    os.mkfifo(project / "pipe.lua")
    (project / "folder.lua").mkdir()
    (project / "gone.lua").symlink_to("nowhere")
    (project / "large.lua").write_bytes(b" " * (1 << 20) + b"x")
    (project / "bytes.lua").write_bytes(b"\x1bLua\x54")
    r = aicert("rules", code=2, timeout=30)
    for words in ("pipe.lua: is not a file", "folder.lua: is not a file", "gone.lua: there is no such file", "large.lua", "bytes.lua: attempt to load a binary chunk"):
        assert words in r.stderr, words
    assert "count  " in r.stdout and "python  " in r.stdout
    (aicert.cwd / "none").mkdir()
    assert "this project" not in aicert("rules", "-p", "none").stdout


def test_show(aicert, project):
    shown = aicert("rules", "count").stdout
    assert "count, a type of steps of this project" in shown and "input or step.output, needed" in shown and "default 0.5" in shown
    assert "also written byWord" in shown and "lines: { use: count, data: corpus }" in shown
    about = aicert.json("rules", "show", "rules/count.lua")
    assert [a["name"] for a in about["attrs"]] == ["data", "rate", "words"] and about["outputs"] == [{"name": "count", "type": "file"}]
    assert "did you mean 'count'?" in aicert("rules", "cuont", code=2).stderr
    assert "no rule '../count'" in aicert("rules", "../count", code=2).stderr
    assert "there is no such file" in aicert("rules", "rules/none.lua", code=2).stderr
    for args in (["--help"], ["show", "--help"], ["test", "--help"]):
        assert "example: aicert rules" in aicert("rules", *args).stdout


def test_inputs_that_are_no_files(aicert, project):
    assert {"git", "path", "proof", "url"} <= {r["name"] for r in aicert.json("rules") if (r["kind"], r["from"]) == ("source", "aicert")}
    for name in ("git", "path", "proof", "url"):
        shown = aicert("rules", name).stdout
        assert f"{name}, a type of inputs of aicert's own" in shown and "example\n  inputs:\n" in shown
        # What it says stands is taken: the example, and all the keys together.
        about = aicert.json("rules", name)
        values = {name: "https://example.org/x", "ref": "main", "submodules": "false", "lfs": "false", "exclude": "[x]", "follow": "true", "output": "m",
                  "level": "software", "content": "c", "size": "1", "unpack": "true", "strip": "1", "sha256": "0" * 64}
        keys = ", ".join(f"{a['name']}: {values[a['name']]}" for a in about["attrs"])
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\n" + about["example"] + f"  all: {{ {keys} }}\nsteps: {{ a: {{ use: shell, script: ls }} }}\n")
        assert "input all" in [f"{n['kind']} {n['name']}" for n in aicert.json("graph")["nodes"]]


def test_a_pair_of_files_is_one_rule_s_tests(aicert, project):
    r = run_tests(aicert, project, "count", GOOD, 0)
    assert aicert("rules", "test", "rules/count.lua", "rules/count_test.lua").stdout == r.stdout


def test_foreign_text_is_harmless(aicert, project):
    (project / "evil.lua").write_text(COUNT.replace('"count"', '"evil"', 1).replace("Counts lines.", "\\27[31mred\\27]0;title\\7.").replace("what is counted", "\\27[2J"))
    for args in (["rules"], ["rules", "evil"]):
        out = aicert(*args).stdout
        assert "\x1b" not in out and "\x07" not in out and "red" in aicert("rules").stdout


GOOD = """
  { name = "counts", attrs = "data: corpus", artifacts = { corpus = { type = "file", base = "c.txt" } },
    actions = { action.run { argv = { "count", "/workspace/resources/c.txt", "/workspace/tmp.list" }, env = { RATE = "0.5" } },
                action.copy { from = "tmp.list", to = "outputs/count" } },
    inputs = { ["resources/c.txt"] = "corpus" }, outputs = { count = "outputs/count" } },
  { name = "a table", attrs = { data = "s.out", words = false, rate = "1e-4" }, artifacts = { ["s.out"] = "dir" },
    inputs = { ["resources/out"] = "s.out" }, outputs = { count = { path = "outputs/count", type = "file" } } },
  { name = "words", attrs = { data = "c", byWord = true }, artifacts = { c = "file" }, error = "words: cannot be counted" },
  { name = "the hint counts too", attrs = { data = "c", words = true }, artifacts = { c = "file" }, error = "leave it out" },
  { name = "nothing", error = "needs the attribute 'data': what is counted" },
"""


def test_tests_of_a_rule(aicert, project):
    r = run_tests(aicert, project, "count", GOOD, 0)
    assert r.stdout.count("ok  ") == 5 and "5 tests, 0 failed" in r.stdout
    assert aicert("rules", "test", "rules/count_test.lua").stdout == r.stdout
    assert [t["ok"] for t in aicert.json("rules", "test", "rules/count.lua")] == [True] * 5


@pytest.mark.parametrize("test, fault", [
    ("inputs = { ['resources/d'] = 'c' }", "inputs.resources/c: got 'c', expected nothing"),
    ("inputs = {}", "inputs.resources/c: got 'c', expected nothing"),
    ("outputs = { count = 'outputs/x' }", "outputs.count: got 'outputs/count', expected 'outputs/x'"),
    ("outputs = { count = { path = 'outputs/count', type = 'dir' } }", "outputs.count.type: got 'file', expected 'dir'"),
    ("outputs = { total = 'outputs/total' }", "outputs.count: got"),
    ("actions = { action.run { argv = { 'count' } } }", "actions[1].argv[2]: got '/workspace/resources/c', expected nothing"),
    ("actions = { action.run { argv = { 'count', '/workspace/resources/c', '/workspace/tmp.list' } } }", "actions[1].env.RATE: got '0.5', expected nothing"),
    ("actions = { action.run { argv = { 'count', '/workspace/resources/c', '/workspace/tmp.list' }, env = { RATE = '0.5', LANG = 'C' } } }",
     "actions[1].env.LANG: got 'C.UTF-8', expected 'C'"),
    ("error = 'x'", "got no error, expected 'x'"),
])
def test_first_difference(aicert, project, test, fault):
    r = run_tests(aicert, project, "count", f"{{ name = 'one', attrs = {{ data = 'c' }}, artifacts = {{ c = 'file' }}, {test} }}", 1)
    assert f"FAIL  one\n      {fault}" in r.stdout and "1 test, 1 failed" in r.stdout


@pytest.mark.parametrize("test, words", [
    ("{ name = 'x', atrs = {} }", "test 'x': there is no 'atrs' (did you mean 'attrs'?)"),
    ("{ attrs = {} }", "test 1: name: expected a text"),
    ("{ name = 'x', attrs = {} }", "test 'x': expected actions, inputs, outputs or error"),
    ("{ name = 'x', pin = pin.git { url = 'https://e.org' } }", "test 'x': 'pin' is for types of inputs"),
    ("{ name = 'x', attrs = { n = 0.5 }, error = 'x' }", "attrs.n: expected a whole number"),
    ("{ name = 'x', attrs = error, error = 'x' }", "attrs: got a function"),
    ("", "expect.tests: there are none"),
])
def test_tests_that_are_wrong(aicert, project, test, words):
    assert words in run_tests(aicert, project, "count", test, 2).stderr


def test_what_the_code_asks_for_was_declared(aicert, project):
    """A misspelt attribute or output in a rule's code is no nil that goes unseen; one that was not given is."""
    for word, fault in (("a.dta", "declares no attribute 'dta' (did you mean 'data'?)"), ("out.cuont", "no output 'cuont' (did you mean 'count'?)")):
        (project / "count.lua").write_text(COUNT.replace('"count", a.data, list', f'"count", {word}, list'))
        assert fault in run_tests(aicert, project, "count", GOOD, 1).stdout
    (project / "count.lua").write_text(COUNT.replace("attrs = {", "attrs = { more = attr.text { optional = true },", 1).replace('a.data, list', "a.data, a.more or list"))
    run_tests(aicert, project, "count", GOOD, 0)


def test_a_file_without_tests(aicert, project):
    assert "rules/count_test.lua: there is no such file" in aicert("rules", "test", "rules/count.lua", code=2).stderr
    assert "got no file" in aicert("rules", "test", code=2).stderr
    (project / "none_test.lua").write_text("return 1")
    assert "no rule 'none' built in" in aicert("rules", "test", "rules/none_test.lua", code=2).stderr
    (project / "count_test.lua").write_text("return 1")
    assert "rules/count_test.lua: expected 'return expect.tests" in aicert("rules", "test", "rules/count.lua", code=2).stderr
    # A test that loops ends as a rule does.
    (project / "count_test.lua").write_text("while true do end")
    assert "takes too long" in aicert("rules", "test", "rules/count.lua", code=2).stderr


def test_tests_of_a_built_in_rule(aicert, project):
    r = run_tests(aicert, project, "shell", """{ name = "ours", attrs = "{script: x, inputs: {a: b}}", artifacts = { b = "file" },
        actions = { action.run { argv = { "sh", "-eu", "-c", "x" }, env = { IN_A = "/workspace/resources/b", OUT_OUTPUTS = "/workspace/outputs" } } } }""", 0)
    assert "1 test, 0 failed" in r.stdout


def test_tests_of_a_source(aicert, project):
    page = '["https://hub.test/m?ref=main"]'
    info = '{ json = { commit = "abc", files = { { name = "b c.bin", size = 3 }, { name = "a.json", size = 2 } } } }'
    r = run_tests(aicert, project, "hub", f"""
      {{ name = "files", attrs = "hub: m", net = {{ {page} = {info} }}, pin = pin.files {{ uri = "m", ref = "main", revision = "abc", files = {{
          {{ path = "a.json", url = "https://hub.test/get/a.json", size = 2 }}, {{ path = "b c.bin", url = "https://hub.test/get/b%20c.bin", size = 3 }} }} }} }},
      {{ name = "text", attrs = {{ hub = "m" }}, net = {{ {page} = '{{"commit":"abc","files":[{{"name":"a","size":1}}]}}' }},
        pin = pin.files {{ uri = "m", ref = "main", revision = "abc", files = {{ {{ path = "a", url = "https://hub.test/get/a", size = 1 }} }} }} }},
      {{ name = "gone", attrs = "hub: m", net = {{ {page} = {{ status = 404 }} }}, error = "got status 404, expected 200" }},
      {{ name = "other", attrs = "{{hub: m, ref: dev}}", net = {{ {page} = {info} }}, error = "https://hub.test/m?ref=dev: the test's net has no answer for it" }},
      {{ name = "bad", attrs = "hub: m", net = {{ {page} = {{ body = "<html>" }} }}, error = "is not JSON" }},
      {{ name = "not a file", attrs = "hub: m", net = {{ {page} = {{ json = {{ files = {{ {{ name = "../x", size = 1 }} }} }} }} }}, error = "expected a relative path" }}""", 0)
    assert "6 tests, 0 failed" in r.stdout
    r = run_tests(aicert, project, "hub", f"""{{ name = "differs", attrs = "hub: m", net = {{ {page} = {info} }},
        pin = pin.files {{ uri = "m", ref = "main", revision = "abd", files = {{ {{ path = "a.json", url = "https://hub.test/get/a.json", size = 2 }} }} }} }}""", 1)
    assert "pin.files[2]: got " in r.stdout and "expected nothing" in r.stdout
