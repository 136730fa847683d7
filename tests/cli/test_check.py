"""`aicert run --check`: two executions of a step compared file by file, and what is said when they differ."""
import json
import time

import pytest

TWO = """\
aicert: 1
environment: host
steps:
  good: {{ use: shell, script: 'echo hi > "$OUT_O"', outputs: {{ o: o.txt }} }}
  other:
    use: shell
    inputs: {{ g: good.o }}
    script: |
      mkdir -p "$OUT_D"
      cp "$IN_G" "$OUT_D/same"
      {script}
    outputs: {{ d: d/ }}
"""


@pytest.fixture
def write(aicert):
    def write(script):
        (aicert.cwd / "Aicertfile").write_text(TWO.format(script=script.replace("\n", "\n      ")))
    return write


def python(text):
    return "cat > /tmp/p.py <<'END'\nimport os, sys, struct, random, zipfile, time\nd = os.environ['OUT_D']\n" + text + "\nEND\npython3 /tmp/p.py"


def checks(aicert, *words, code):
    r = aicert("run", *words, "--json", code=code)
    return {c["step"]: c for c in json.loads(r.stdout.splitlines()[-1])["checks"]}


def test_a_deterministic_step_passes_and_is_proven(aicert, write):
    write("true")
    c = checks(aicert, "--check", "all", code=0)
    assert set(c) == {"good", "other"} and all(x["same"] and x["total"] == 0 and x["against"] == "a second run" for x in c.values())
    aicert("verify", "proof.json", "--require", "software")
    # The results are known now: one run each is held against them.
    r = aicert("run", "--check", "other")
    assert "other: same" in r.stdout and "the known result" in r.stdout and "good: same" not in r.stdout
    assert "0 executed, 2 reused" in r.stdout


def test_nothing_is_checked_unasked(aicert, write):
    write("true")
    assert "checks" not in aicert.json("run")


def test_what_differs_is_shown_and_no_proof_is_written(aicert, write):
    write('cat /proc/sys/kernel/random/uuid > "$OUT_D/id"')
    r = aicert("run", "--check", "all", code=1)
    assert "good: same" in r.stdout and "other: DIFFERS in 1 place" in r.stdout and "d/id: other content" in r.stdout and "UUID" in r.stdout
    assert "'other'" in r.stderr and "no proof was written" in r.stderr
    assert not (aicert.cwd / "proof.json").exists() and not (aicert.cwd / "outputs").exists()
    # What ran is not lost: without --check the first result is reused and proven.
    assert aicert.json("run")["executed"] == 0
    # The known result differs as well, and the proof of it stays what it was.
    before = (aicert.cwd / "proof.json").read_bytes()
    assert not checks(aicert, "--check", "other", code=1)["other"]["same"]
    assert (aicert.cwd / "proof.json").read_bytes() == before
    aicert("verify", "proof.json", "--require", "software")


def test_every_kind_of_difference(aicert, write):
    write(python("""
import pathlib
random.seed(time.time_ns())
once = random.randrange(10**9)
p = pathlib.Path(d)
(p / f"only{once}").write_text("x")
(p / "link").symlink_to(f"same{once}")
(p / "same2").write_text("x")
(p / "number").write_text(f"same line\\nvalue: {once}\\n")
(p / "bytes").write_bytes(b"\\0abc" + once.to_bytes(8, "big"))
"""))
    c = checks(aicert, "--check", "other", code=1)["other"]
    by = {}
    for x in c["differences"]:
        by.setdefault(x["kind"], []).append(x)
    assert {len(by["missing"]), len(by["link"]), len(by["content"])} == {2, 1}
    assert sorted(("first" in x, "second" in x) for x in by["missing"]) == [(False, True), (True, False)]
    assert by["link"][0]["first"]["target"] != by["link"][0]["second"]["target"]
    number = next(x for x in by["content"] if x["path"] == "number")
    assert number["line"]["number"] == 2 and number["line"]["first"].startswith("value: ") and number["offset"] >= 17
    raw = next(x for x in by["content"] if x["path"] == "bytes")
    assert "line" not in raw and raw["first"]["size"] == raw["second"]["size"] == 12 and 4 <= raw["offset"] < 12
    assert c["total"] == len(c["differences"]) == 5 and not c["by_id_only"]


def test_many_differences_are_counted(aicert, write):
    write('for i in $(seq 50); do cat /proc/sys/kernel/random/uuid > "$OUT_D/f$i"; done')
    c = checks(aicert, "--check", "other", code=1)["other"]
    assert c["total"] == 50 and len(c["differences"]) == 20
    assert "and 30 more" in aicert("run", "--check", "other", code=1).stdout


# What a script leaves in $OUT_D, and a word of the cause that must be named for it.
CAUSES = [
    ("a.zip", python('z = zipfile.ZipFile(d + "/a.zip", "w"); open("/tmp/q", "w").write("q"); z.write("/tmp/q"); z.close()'), "zip"),
    ("x.gz", 'touch /tmp/q; gzip -c /tmp/q > "$OUT_D/x.gz"', "gzip"),
    ("x.tar", 'touch /tmp/q; tar -cf "$OUT_D/x.tar" /tmp/q', "tar"),
    ("stamp", 'date -u +"built %Y-%m-%d %H:%M:%S" > "$OUT_D/stamp"', "time of day"),
    ("epoch", 'date +%s > "$OUT_D/epoch"', "seconds since 1970"),
    ("repr", python('open(d + "/repr", "w").write(repr(object()))'), "address"),
    ("tmp", 'mktemp > "$OUT_D/tmp"', "temporary file"),
    ("words", python('w = [f"w{i}" for i in range(40)]; random.shuffle(w); open(d + "/words", "w").write(" ".join(w))'), "another order"),
    ("loss", python('open(d + "/loss", "w").write(f"loss {0.1234 * (1 + 1e-6 * random.random())!r}")'), "last digits"),
    ("w.pt", python('open(d + "/w.pt", "wb").write(b"head" + b"".join(struct.pack("<f", (i + 1) * .37 * (1 + 1e-5 * random.random())) for i in range(500)))'), "floats"),
    ("random", 'head -c 5000 /dev/urandom > "$OUT_D/random"', None),
]


def test_a_cause_is_named_where_the_bytes_show_it(aicert, write):
    write("\n".join(script for _, script, _ in CAUSES))
    c = checks(aicert, "--check", "other", code=1)["other"]
    said = {d["path"]: d.get("hint") for d in c["differences"]}
    assert set(said) == {name for name, _, _ in CAUSES}
    for name, _, words in CAUSES:
        assert said[name] is None if words is None else words in (said[name] or ""), (name, said[name])


def test_a_clock_of_two_seconds_is_not_hidden_by_two_quick_runs(aicert, write):
    # Both runs take some milliseconds; the time they write moves every two seconds only.
    write('echo $(( $(date +%s) / 2 )) > "$OUT_D/t"')
    assert not checks(aicert, "--check", "other", code=1)["other"]["same"]


def test_hostile_text_in_a_difference_drives_no_terminal(aicert, write):
    write('printf "\\033]0;owned\\007 %s\\n" "$(cat /proc/sys/kernel/random/uuid)" > "$OUT_D/x"')
    r = aicert("run", "--check", "other", code=1)
    assert "\033" not in r.stdout and "\033" not in r.stderr
    assert "line" not in checks(aicert, "--check", "other", code=1)["other"]["differences"][0]


def test_an_unknown_step_is_a_usage_error_before_anything_runs(aicert, write):
    write("true")
    r = aicert("run", "--check", "othre", code=2)
    assert "did you mean 'other'?" in r.stderr and "'othre'" in r.stderr
    assert not (aicert.cwd / "aicert.lock").exists() and not (aicert.cwd / "proof.json").exists()


def test_a_second_run_that_fails_is_a_failed_step(aicert, write):
    # Known once; then the sandbox is the same and only the clock is not.
    write(f"test $(date +%s) -lt {int(time.time()) + 4}")
    aicert("run", "-q")
    time.sleep(4.2)
    r = aicert("run", "--check", "other", code=4)
    assert "--check: step 'other': failed: exit 1" in r.stderr


def test_the_log_of_the_run_that_counts_stays(aicert, write):
    write('cat /proc/sys/kernel/random/uuid')
    aicert("run", "-q")
    first = aicert("log", "other").stdout
    aicert("run", "-q", "--check", "other")
    assert aicert("log", "other").stdout == first
