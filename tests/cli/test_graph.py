"""`aicert graph`: the same graph in three languages; names stay text; the picture's boxes stand apart and its edges lead from one to the other."""
import json
import re
import resource
import xml.etree.ElementTree as ET

import pytest

PIPELINE = """\
aicert: 1
name: 'a & "b" <script>'
environment: host
inputs:
  code: { git: "https://192.0.2.1/code", ref: main }
  data: { url: "https://192.0.2.1/data.csv" }
  words: { path: words.txt }
steps:
  tokens: { use: shell, inputs: { s: code, d: data }, script: "echo > $OUT_O", outputs: { o: tokens.bin } }
  check: { use: shell, inputs: { w: words }, script: "echo > $OUT_O", outputs: { o: check.txt } }
  train: { use: shell, matrix: { seed: [1, 2, 3] }, inputs: { s: code, t: tokens.o }, script: "echo ${matrix.seed} > $OUT_O", outputs: { o: "m${matrix.seed}" } }
  pick: { use: shell, inputs: { a: train-1.o, b: train-2.o, c: train-3.o, d: check.o, e: words }, script: "echo > $OUT_O", outputs: { o: best } }
outputs: { best: pick.o, report: check.o }
"""
NS = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def project(aicert):
    (aicert.cwd / "Aicertfile").write_text(PIPELINE)
    (aicert.cwd / "words.txt").write_text("a\n")


def named(graph):
    n = [f"{x['kind']} {x['name']}" for x in graph["nodes"]]
    return n, {(n[e["from"]], n[e["to"]]) for e in graph["edges"]}


def test_what_takes_what(aicert, project):
    nodes, edges = named(aicert.json("graph"))
    assert set(nodes) == {"input code", "input data", "input words", "step tokens", "step check", "step train-1", "step train-2", "step train-3",
                          "step pick", "output best", "output report"}
    assert edges == {("input code", "step tokens"), ("input data", "step tokens"), ("input words", "step check"), ("step check", "step pick"),
                     ("input words", "step pick"), ("step pick", "output best"), ("step check", "output report")} | \
        {e for i in "123" for e in (("input code", f"step train-{i}"), ("step tokens", f"step train-{i}"), (f"step train-{i}", "step pick"))}
    # Chosen steps and what they need. Nothing was written anywhere.
    assert [n for n in named(aicert.json("graph", "check"))[0] if not n.startswith("output")] == ["input words", "step check"]
    assert not (aicert.home / "aicert").exists() and not (aicert.cwd / "aicert.lock").exists()


def test_equal_content_is_told_apart(aicert):
    for n in "ab":
        (aicert.cwd / n).write_text("same\n")
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\ninputs: { x: { path: a }, y: { path: b } }\nsteps:\n"
        "  one: { use: shell, inputs: { i: x }, script: 'echo 1 > $OUT_O', outputs: { o: o1 } }\n"
        "  two: { use: shell, inputs: { i: y }, script: 'echo 2 > $OUT_O', outputs: { o: o2 } }\n")
    assert {("input x", "step one"), ("input y", "step two")} <= named(aicert.json("graph"))[1]
    assert ("input x", "step two") not in named(aicert.json("graph"))[1]


def test_states_of_the_last_run(aicert):
    def write(bad):
        (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nsteps:\n  good: { use: shell, script: 'echo > $OUT_O', outputs: { o: o1 } }\n"
            f"  bad: {{ use: shell, script: '{bad}', outputs: {{ o: o2 }} }}\n  after: {{ use: shell, inputs: {{ i: bad.o }}, script: 'echo > $OUT_O', outputs: {{ o: o3 }} }}\n")

    def states():
        return {n["name"]: n.get("state") for n in aicert.json("graph")["nodes"] if n["kind"] == "step"}
    write("exit 1")
    assert states() == {"good": None, "bad": None, "after": None}
    aicert("run", "-k", code=4)
    assert states() == {"good": "executed", "bad": "failed", "after": "waiting"}
    write("echo 1 > $OUT_O")
    aicert("run")
    assert states() == {"good": "reused", "bad": "executed", "after": "executed"}
    assert "#d7f5dd" in aicert("graph", "--dot").stdout and "class n" in aicert("graph", "--mermaid").stdout
    svg = aicert("graph", "--svg").stdout
    assert "<title>step good: reused</title>" in svg and "<title>step bad: executed</title>" in svg


def picture(text):
    root = ET.fromstring(text)
    boxes = {}
    for g in root.iter(NS + "g"):
        r = g.find(NS + "rect")
        x, y, w, h = (float(r.get(k)) for k in ("x", "y", "width", "height"))
        boxes[g.find(NS + "title").text] = (x, y, x + w, y + h)
    paths = [[float(v) for v in re.findall(r"-?\d+\.?\d*", p.get("d"))] for p in root.findall(NS + "path")]
    return root, boxes, paths


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_the_picture(aicert, project):
    graph, text = aicert.json("graph"), aicert("graph", "--svg").stdout
    root, boxes, paths = picture(text)
    assert root.find(NS + "title").text == 'a & "b" <script>' and "<script" not in text
    assert len(boxes) == len(graph["nodes"]) and len(paths) == len(graph["edges"])
    left, top, width, height = map(float, root.get("viewBox").split())
    all_boxes = list(boxes.values())
    for i, b in enumerate(all_boxes):
        assert left <= b[0] and top <= b[1] and b[2] <= left + width and b[3] <= top + height
        assert all(apart(b, o) for o in all_boxes[i + 1:])
    order = [f"{n['kind']} {n['name']}" for n in graph["nodes"]]
    titles = {re.sub(r":.*", "", t): b for t, b in boxes.items()}
    for e, p in zip(graph["edges"], paths):
        a, b = (titles[order[e[k]]] for k in ("from", "to"))
        assert abs(p[0] - a[2]) < 1 and a[1] <= p[1] <= a[3] and 0 <= b[0] - p[-2] < 10 and b[1] <= p[-1] <= b[3] and a[2] < b[0]
        # A bend is inside no box.
        for x, y in zip(p[6:-2:6], p[7:-2:6]):
            assert not any(c[0] < x < c[2] and c[1] < y < c[3] for c in all_boxes)
    assert aicert("graph", "--svg").stdout == text


def test_names_stay_text(aicert):
    (aicert.cwd / "Aicertfile").write_text('aicert: 1\nname: "x\\"]; n0 -> n0 [label=\\"\\\\ <b> `a` \\u202e"\nenvironment: host\nsteps:\n'
        "  end: { use: shell, script: 'echo > $OUT_O', outputs: { o: 'o.txt' } }\noutputs: { graph: end.o }\n")
    dot = aicert("graph").stdout
    assert dot.startswith('digraph "x\\"]; n0 -> n0 [label=\\"\\\\ <b> `a` ?" {\n')
    # Outside of quotes there is nothing of it.
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', dot)
    assert bare.count("n0 ->") == 1 and "<b>" not in bare
    mermaid = aicert("graph", "--mermaid").stdout
    assert mermaid.startswith("flowchart LR\n") and all(re.fullmatch(r'  (n\d+(\(\[|\[|>)"[^"`]*"(\]\)|\])|class n\d+ \w+|n\d+ --> n\d+|classDef \w+ [\w:#,]+)', l)
                                                       for l in mermaid.splitlines()[1:])
    svg = aicert("graph", "--svg").stdout
    assert ET.fromstring(svg).find(NS + "title").text.startswith('x"]; n0 -> n0') and "\u202e" not in svg and "\u009b" not in svg


def test_large_graphs(aicert):
    n = 3000
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nsteps:\n  a:\n    use: shell\n    matrix: { n: [" + ", ".join(map(str, range(n))) + "] }\n"
        "    script: 'echo ${matrix.n} > $OUT_O'\n    outputs: { o: 'o${matrix.n}' }\n")
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    _, boxes, _ = picture(aicert("graph", "--svg").stdout)
    assert len(boxes) == 2 * n and resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 20


def test_one_language_at_a_time(aicert, project):
    assert "one of" in aicert("graph", "--svg", "--dot", code=2).stderr
    assert "example:" in aicert("graph", "--help").stdout
