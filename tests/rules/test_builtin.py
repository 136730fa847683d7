"""Rule files are documentation, and text. What they say of themselves and their examples: tests/unit/test_rule_examples.c."""
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = sorted((ROOT / "rules").glob("*.lua"))


@pytest.mark.parametrize("path", RULES, ids=lambda p: p.stem)
def test_documented(path):
    text = path.read_text()
    assert text.startswith(f"-- {path.stem}: "), "the first line says what the rule does"
    assert f'name = "{path.stem}"' in text


@pytest.mark.parametrize("path", sorted((ROOT / "lua").glob("*.lua")) + RULES, ids=lambda p: p.name)
def test_text_only(path):
    text = path.read_text()
    assert "_ENV" not in text and max(map(len, text.splitlines())) <= (165 if path in RULES else 175)


# Tables in, actions out: what `aicert rules test` runs for a rule's author too.
@pytest.mark.parametrize("path", sorted(pathlib.Path(__file__).parent.glob("*_test.lua")), ids=lambda p: p.stem)
def test_actions(aicert, path):
    said = aicert("rules", "test", path).stdout
    assert said.rstrip().endswith(" 0 failed") and said.count("ok  ") >= 5, said
