"""What the README shows is what the program takes: its whole Aicertfiles, and the rule with its tests."""
import pathlib
import re

import pytest

README = (pathlib.Path(__file__).resolve().parent.parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
FILES = [text for language, text in BLOCKS if language == "yaml" and text.startswith(("aicert: 1", "kind:"))]


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_aicertfiles(aicert, text):
    (aicert.cwd / "Aicertfile").write_text(text)
    for folder in ("src", "prompts"):
        (aicert.cwd / folder).mkdir()
    given = [f"-D{name}=https://example.org/x" for name in re.findall(r"[{,] (\w+): [,}]", text)]
    # An hash that is shortened for the eye is no fault of the form.
    (aicert.cwd / "Aicertfile").write_text(text.replace("1f0c…", "1f0c" * 16))
    graph = aicert.json("graph", *given)
    assert [n for n in graph["nodes"] if n["kind"] == "step"]


def test_there_are_some():
    assert len(FILES) == 3


def test_the_rule_and_its_tests(aicert):
    (aicert.cwd / "rules").mkdir()
    for text in (text for language, text in BLOCKS if language == "lua"):
        (aicert.cwd / re.match(r"-- (\S+?\.lua)", text).group(1)).write_text(text)
    assert "2 tests, 0 failed" in aicert("rules", "test", "rules/count.lua").stdout
    assert "what is counted" in aicert("rules", "count").stdout


def test_every_type_is_named(aicert):
    """The tables of inputs and steps leave none out but the planner's own."""
    for rule in aicert.json("rules"):
        assert f"`{rule['name']}`" in README or f"| `{rule['name']}:`" in README or rule["name"] == "wheels", rule["name"]
    for command in re.findall(r"^  (\w+) +\S", aicert("--help").stdout.split("COMMAND [OPTION")[1], re.M):
        assert f"`{command}" in README or f"aicert {command}" in README, command
