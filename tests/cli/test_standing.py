"""Nothing to do: the third run of a project that lies still looks at it and leaves the proof; whatever changes, it runs as before."""
import os
import pathlib
import re
import subprocess

import pytest
from conftest import BUILD

FILE = """\
aicert: 1
parameters: { word: x }
inputs:
  in: { path: in }
steps:
  one: { use: own, from: in, path: a, outputs: { o: o.txt } }
  two: { use: copy, from: one.o, outputs: { o: o.txt } }
"""
STANDS = "nothing to do"


@pytest.fixture
def project(aicert, request):
    """A project that stands: its first run executed, its second found everything."""
    d = aicert.cwd
    (d / "rules").mkdir()
    copy = (pathlib.Path(__file__).resolve().parents[2] / "rules/copy.lua").read_text()
    (d / "rules/own.lua").write_text(copy.replace('name = "copy"', 'name = "own"').replace("use: copy", "use: own"))
    (d / "in/deep").mkdir(parents=True)
    (d / "in/a").write_text("a\n")
    (d / "in/deep/b").write_text("b\n")
    (d / "Aicertfile").write_text(FILE)
    for _ in range(2):
        assert STANDS not in aicert().stderr
    return aicert


def stands(aicert, *args, **kw):
    return STANDS in aicert(*args, **kw).stderr


def note(aicert):
    (one,) = (aicert.home / "aicert/data/standing").iterdir()
    return one


def same_size(path, was, now):
    """An edit that keeps size and mtime."""
    st = path.stat()
    path.write_text(path.read_text().replace(was, now))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def test_the_third_run_leaves_everything_as_it_is(project):
    kept = [project.cwd / "proof.json", *(p for p in (project.home / "aicert").rglob("*") if p.is_file())]
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in kept}
    again = project.json("run", "-q")
    assert (again["executed"], again["reused"], again["fetched"]) == (0, 2, 0)
    assert stands(project)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in kept} == before
    project("verify", "proof.json", "--require", "software")
    (project.cwd / "proof.json").unlink()
    anew = project.json("run", "-q")
    assert {k: again[k] for k in ("root", "proof", "outputs", "reused")} == {k: anew[k] for k in ("root", "proof", "outputs", "reused")}


def test_what_changes_is_seen(project):
    """Each of these ends what stood; one further run makes it stand again."""
    d, cache = project.cwd, project.home / "aicert/cache"
    changes = {
        "an input edited, its times put back": lambda: same_size(d / "in/a", "a", "c"),
        "a file deep in an input": lambda: same_size(d / "in/deep/b", "b", "c"),
        "one more": lambda: (d / "in/deep/c").write_text("c"),
        "one less": lambda: (d / "in/deep/c").unlink(),
        "its mode": lambda: (d / "in/deep/b").chmod(0o755),
        "the Aicertfile": lambda: (d / "Aicertfile").write_text(FILE + "# said again\n"),
        "a rule": lambda: (d / "rules/own.lua").write_text((d / "rules/own.lua").read_text() + "-- said again\n"),
        "a rule of the project's own in the place of ours": lambda: (d / "rules/copy.lua").write_text((d / "rules/own.lua").read_text().replace('"own"', '"copy"')),
        "a lock": lambda: (d / "aicert.lock").write_text('{"format": 1, "inputs": {}}'),
        "an output is gone": lambda: (d / "outputs/two-o").unlink() if (d / "outputs/two-o").exists() else next(p for p in (d / "outputs").rglob("*") if p.is_file()).unlink(),
        "the proof is gone": lambda: (d / "proof.json").unlink(),
        "the note cut short": lambda: note(project).write_bytes(note(project).read_bytes()[:-7]),
        "a note of nothing": lambda: note(project).write_bytes(b""),
        "another state": lambda: note(project).write_bytes(re.sub(rb" 1 [0-9a-f]{8}", b" 1 00000000", note(project).read_bytes())),
        "fewer paths in it": lambda: note(project).write_bytes(note(project).read_bytes().rsplit(b"\0", 2)[0] + b"\0"),
        "the cache is another": lambda: (cache / "store.db").rename(cache / "was.db"),
    }
    for what, change in changes.items():
        change()
        assert not stands(project), what
        for _ in range(2):
            if stands(project):
                break
        else:
            assert stands(project), what


def test_what_is_asked_is_seen(project):
    for args in (["-Dword=y"], ["--nonce", "n"], ["--fresh"], ["--with-trees"], ["--locked"], ["run", "one"], ["--check", "one"]):
        assert not stands(project, *args, "-o", "other.json", "--force", "--output-dir", "other"), args
    assert stands(project), "none of them wrote to the same places"
    assert not stands(project, "--ak", "rsa")
    project("trust", "add", "ab" * 32, "--name", "somebody")
    assert not stands(project), "whose attestations count is another question"


def test_an_edited_proof_or_output_is_told_as_ever(project):
    for name in ("proof.json", "outputs"):
        p = project.cwd / name
        p = p if p.is_file() else next(f for f in p.rglob("*") if f.is_file())
        kept = p.read_bytes()
        p.write_bytes(kept + b" ")
        assert "not as the last run left it" in project(code=2).stderr
        p.write_bytes(kept)
        assert not stands(project, "--force")


def test_a_failing_or_executing_run_leaves_no_note(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nenvironment: host\nscript: exit 3\n")
    for _ in range(2):
        aicert(code=4)
    assert not (aicert.home / "aicert/data/standing").exists()


def test_what_a_host_step_saw_is_looked_at(aicert):
    """A tmpfs in a mount namespace of the test's own stands over a system folder: an edit, a new file and a new name in it are seen."""
    place = "/usr/local/lib"
    if not pathlib.Path(place).is_dir():
        pytest.skip(f"{place} is absent")
    (aicert.cwd / "Aicertfile").write_text(f"kind: shell\nenvironment: host\nscript: |\n  cat {place}/there > outputs/o; cat {place}/absent >> outputs/o || true\n"
                                           f"  ls {place}/listed >> outputs/o\n")
    run = f"{BUILD}/aicert --json"
    script = f"""
      set -e
      mount -t tmpfs none {place}
      mkdir {place}/listed
      echo 1 > {place}/there
      {run}; {run}; sleep 0.02; {run}
      echo 2 > {place}/there; {run}; {run}; {run}
      echo 3 > {place}/absent; {run}; {run}; {run}
      echo 4 > {place}/listed/name; {run}; {run}; {run}
      cat outputs/o
    """
    r = subprocess.run(["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c", script], cwd=aicert.cwd, env=aicert.env,
                       capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "unshare failed" in r.stderr or "mount:" in r.stderr:
        pytest.skip("no mount namespace here: " + r.stderr.strip())
    assert r.returncode == 0, r.stdout + r.stderr
    assert [re.search(r'"executed":(\d)', line)[1] for line in r.stdout.splitlines() if '"event":"report"' in line] == ["1", "0", "0"] * 4
    assert r.stdout.split()[-3:] == ["2", "3", "name"]
    assert r.stdout.count(STANDS) == 4


def test_a_kept_plan_is_believed_only_where_it_was_put(project):
    """Records of plans that are cut short, foreign or missing, and a plan node that was edited, all give the root that the texts give."""
    import sqlite3
    d, plans = project.cwd, project.home / "aicert/data/plans"

    def root():
        return project.json("run", "-q", "--nonce", "n")["root"]

    (first,) = plans.iterdir()
    kept, want = first.read_text(), root()
    (d / "in/a").write_text("other\n")
    other = root()
    (second,) = (p for p in plans.iterdir() if p != first)
    assert other != want and second.read_text() != kept
    for text in (kept, kept[:40], "", "0" * 64, kept.upper() + "\n", project.json("show", "proof.json")["root"]):
        second.write_text(text)
        assert root() == other, text
    with sqlite3.connect(project.home / "aicert/cache/store.db") as c:
        rows = c.execute("select rowid, bytes from nodes where cast(bytes as text) like '%\"kind\":\"plan\"%'").fetchall()
        assert rows
        for rowid, data in rows:
            c.execute("update nodes set bytes = ? where rowid = ?", (bytes(data).replace(b"outputs/o", b"outputs/x"), rowid))
    assert root() == other
    project("verify", "proof.json", "--require", "software", "--nonce", "n")
