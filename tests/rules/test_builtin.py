"""Rule files are documentation: each says what it is, and each attribute what it is for. Their texts keep to the rules' language."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = sorted((ROOT / "rules").glob("*.lua"))
WORDS = set("rule attr action sorted copy upper ipairs error type".split())


@pytest.mark.parametrize("path", RULES, ids=lambda p: p.stem)
def test_documented(path):
    text = path.read_text()
    assert text.startswith(f"-- {path.stem}: "), "the first line says what the rule does"
    assert re.search(r'^  doc = "[A-Z].*\."', text, re.M)
    assert f'name = "{path.stem}"' in text
    attrs = re.findall(r"^    (\w+)\s*= attr\.", text, re.M)
    docs = re.findall(r"^    \w+\s*= attr\..*doc = \"[^\"]+\"", text, re.M)
    assert attrs and len(attrs) == len(docs)


@pytest.mark.parametrize("path", sorted((ROOT / "lua").glob("*.lua")) + RULES, ids=lambda p: p.name)
def test_text_only(path):
    text = path.read_text()
    assert "_ENV" not in text and max(map(len, text.splitlines())) <= 150
