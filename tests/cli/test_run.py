"""From an Aicertfile to a verified proof: the guide's flow, reuse, and every way in which a run must fail."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from conftest import BUILD, git

MAIN = """\
import os
print("training")
os.makedirs("outputs", exist_ok=True)
open("outputs/finetuned.pth", "w").write("weights " + open("workspace/src/data.txt").read())
"""

NESTED = """\
kind: python
source:
  type: git
  gitRepo: "{repo}"
  pythonEntryPoint: "src/main.py"
"""
BESIDE = """\
kind: python
source:
  type: git
  gitRepo: "{repo}"
pythonEntryPoint: "src/main.py"
"""
# As the published guide prints it: the indentation lost, tabs behind the values.
LOST = 'kind: python\t\nsource:\t\ntype: git\t\ngitRepo: "{repo}"\t\npythonEntryPoint: "src/main.py"\t\n'

SHELL = """\
aicert: 1
name: small
inputs:
  words: {{ path: words.txt }}
steps:
  sort:
    use: shell
    inputs: {{ raw: words }}
    script: |
      {script}
    outputs: {{ sorted: sorted.txt }}
"""


@pytest.fixture
def guide(aicert, git_repo):
    repo, commit = git_repo({"src/main.py": MAIN, "data.txt": "données\n"})

    def write(shape=NESTED):
        (aicert.cwd / "Aicertfile").write_text(shape.format(repo=f"file://{repo}"))
        return repo, commit
    return write


@pytest.fixture
def shell(aicert):
    def write(script='sort "$IN_RAW" > "$OUT_SORTED"', words="b\na\n", extra=""):
        (aicert.cwd / "words.txt").write_text(words)
        (aicert.cwd / "Aicertfile").write_text(SHELL.format(script=script) + extra)
    return write


def proof(aicert, name="proof.json"):
    return json.loads((aicert.cwd / name).read_text())


def test_the_guide_as_printed(aicert, guide):
    repo, commit = guide()
    aicert("--output-bom", "falcon-finetuned-proof.json")
    p = proof(aicert, "falcon-finetuned-proof.json")
    assert p["version"] == "v1"
    assert p["inputs"] == [{"type": "git", "name": p["inputs"][0]["name"], "download_url": p["inputs"][0]["download_url"], "hash": commit}]
    assert (aicert.cwd / "outputs" / "finetuned.pth").read_text() == "weights données\n"
    r = aicert("verify", "falcon-finetuned-proof.json", "--require", "software")
    assert "VERIFIED" in r.stdout


def test_default_verify_asks_for_more_than_software(aicert, guide):
    guide()
    aicert()
    r = aicert("verify", "proof.json", code=1)
    assert "NOT VERIFIED" in r.stdout and "software" in r.stdout and "--require software" in r.stdout


@pytest.mark.parametrize("shape", [BESIDE, LOST], ids=["beside", "indentation-lost"])
def test_the_other_shapes_give_the_same_step(aicert, guide, shape):
    guide(NESTED)
    aicert("-o", "a.json")
    guide(shape)
    assert aicert.json("-o", "b.json")["executed"] == 0
    a, b = proof(aicert, "a.json"), proof(aicert, "b.json")
    steps = [{k for k, n in p["nodes"].items() if n["kind"] == "step"} for p in (a, b)]
    assert steps[0] == steps[1]


def test_both_forms_give_the_same_step(aicert, guide):
    repo, _ = guide(NESTED)
    aicert("-o", "short.json")
    (aicert.cwd / "Aicertfile").write_text(
        f"aicert: 1\ninputs:\n  source: {{ git: 'file://{repo}' }}\nsteps:\n  train: {{ use: python, source: source, entry: src/main.py }}\n")
    assert aicert.json("-o", "long.json")["executed"] == 0


def test_aicert_yaml_and_file_option(aicert, guide):
    guide()
    (aicert.cwd / "Aicertfile").rename(aicert.cwd / "aicert.yaml")
    aicert()
    (aicert.cwd / "aicert.yaml").rename(aicert.cwd / "other")
    assert "Aicertfile" in aicert(code=2).stderr
    aicert("-f", "other", "--force")


def test_second_run_fetches_and_executes_nothing(aicert, guide):
    repo, _ = guide()
    first = aicert.json()
    assert (first["fetched"], first["executed"]) == (1, 1)
    repo.rename(repo.with_name("gone"))
    second = aicert.json()
    assert (second["fetched"], second["executed"], second["reused"]) == (0, 0, 1)
    assert second["root"] == first["root"]
    aicert("verify", "proof.json", "--require", "software")
    assert proof(aicert)["attestations"]


def test_two_homes_one_root(aicert, aicert_in, guide, tmp_path):
    guide()
    roots = set()
    for who in ("one", "two"):
        home, cwd = tmp_path / who, tmp_path / f"{who}-project"
        home.mkdir()
        cwd.mkdir()
        (cwd / "Aicertfile").write_text((aicert.cwd / "Aicertfile").read_text())
        roots.add(aicert_in(home, cwd).json()["root"])
    assert len(roots) == 1


def test_root_and_user_get_the_same_root(aicert, shell, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    shell()
    root = aicert.json()["root"]
    home, cwd = tmp_path / "nobody", tmp_path / "nobody-project"
    for d in (home, cwd):
        d.mkdir()
    for f in ("Aicertfile", "words.txt"):
        (cwd / f).write_bytes((aicert.cwd / f).read_bytes())
    # A copy of the program: the checkout may lie in root's own home.
    programs = tmp_path / "bin"
    programs.mkdir()
    for p in ("aicert", "aicert-engine"):
        shutil.copy(BUILD / p, programs)
    for d in (home, cwd, programs, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(d, 0o755)
    for d in (home, cwd):
        os.chown(d, 65534, 65534)
    r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(programs / "aicert"), "--json"], cwd=cwd,
                       env={"PATH": os.environ["PATH"], "HOME": str(home)}, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stderr
    assert json.loads(r.stdout.splitlines()[-1])["root"] == root


def test_root_by_jq_and_sha256sum_alone(aicert, guide):
    guide()
    aicert()
    script = r"""
      set -eu
      for id in $(jq -r '.nodes | keys[]' proof.json); do
        got=$(jq -cjS --arg i "$id" '.nodes[$i]' proof.json | sha256sum | cut -c1-64)
        [ "$got" = "$id" ] || { echo "$id is $got"; exit 1; }
      done
      jq -r .root proof.json
    """
    r = subprocess.run(["sh", "-c", script], cwd=aicert.cwd, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stdout.strip() == proof(aicert)["root"]


def test_path_input_change_reruns_and_why_names_it(aicert, shell):
    shell()
    aicert()
    shell(words="c\nb\na\n")
    r = aicert("why")
    assert "would run" in r.stdout and "words.txt" in r.stdout
    assert aicert.json()["executed"] == 1
    assert (aicert.cwd / "outputs" / "sorted.txt").read_text() == "a\nb\nc\n"


def test_several_steps_feed_each_other(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\nb\n")
    (aicert.cwd / "Aicertfile").write_text("""\
aicert: 1
inputs: { words: { path: words.txt } }
steps:
  count: { use: shell, inputs: { rows: sort.sorted }, script: 'wc -l < "$IN_ROWS" > "$OUT_N"', outputs: { n: n.txt } }
  sort: { use: shell, inputs: { raw: words }, script: 'sort -u "$IN_RAW" > "$OUT_SORTED"', outputs: { sorted: sorted.txt } }
outputs: { n: count.n }
""")
    assert aicert.json()["executed"] == 2
    assert (aicert.cwd / "outputs" / "n").read_text().strip() == "2"
    aicert("verify", "proof.json", "--require", "software")
    # Early cutoff: another spelling of the same rows runs sort and nothing behind it.
    (aicert.cwd / "words.txt").write_text("a\nb\na\n")
    again = aicert.json()
    assert (again["executed"], again["reused"]) == (1, 1)
    aicert("verify", "proof.json", "--require", "software")


@pytest.mark.parametrize("script,words", [
    ("exit 3", "exit 3"),
    ("kill -9 $$", "signal 9"),
    ("true", "sorted"),
    ("mkdir outputs/sorted.txt && touch outputs/sorted.txt/x", "not a file"),
    ('ln -s /etc/passwd "$OUT_SORTED"', "symbolic link"),
    ('mkfifo "$OUT_SORTED"', "not a file"),
], ids=["exit", "killed", "missing-output", "folder-for-file", "link-for-file", "fifo-for-file"])
def test_a_failure_never_certifies(aicert, shell, script, words):
    shell(script)
    r = aicert(code=4)
    assert words in r.stderr and ".log" in r.stderr and "hint:" in r.stderr
    assert not (aicert.cwd / "proof.json").exists() and not (aicert.cwd / "outputs").exists()
    shell()
    aicert()
    aicert("verify", "proof.json", "--require", "software")


def test_empty_output_folder_fails(aicert, git_repo):
    repo, _ = git_repo({"main.py": "print('nothing')\n"})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    assert "empty" in aicert(code=4).stderr
    assert not (aicert.cwd / "proof.json").exists()


def test_outputs_folder_swapped_for_a_link_is_not_followed(aicert, shell):
    shell('rmdir outputs && ln -s /etc outputs')
    assert aicert(code=4).stderr
    assert not (aicert.cwd / "outputs").exists()


def test_log_is_shown_and_kept(aicert, shell):
    shell('echo hello from the step; printf "\\033[2J"; sort "$IN_RAW" > "$OUT_SORTED"')
    r = aicert()
    assert "hello from the step" in r.stderr and "\033" not in r.stderr
    assert "hello from the step" in aicert("log", "sort").stdout


def test_control_c_is_clean(aicert, shell, tmp_path):
    shell('echo started; sleep 60; echo > "$OUT_SORTED"')
    p = subprocess.Popen([str(BUILD / "aicert")], cwd=aicert.cwd, env=aicert.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "started" in line:
            break
    p.send_signal(signal.SIGINT)
    t = time.time()
    err = p.stderr.read()
    assert p.wait(20) == 130 and time.time() - t < 15
    assert "interrupted" in err and not (aicert.cwd / "proof.json").exists()
    assert not list((aicert.home / "aicert" / "cache" / "tmp").iterdir())
    shell()
    aicert()


def test_unsatisfied_requirements_are_exit_5(aicert, git_repo):
    repo, _ = git_repo({"main.py": MAIN, "data.txt": "x", "requirements.txt": "surely-not-installed==9.9\n# a comment\n"})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    r = aicert(code=5, env={"PIP_NO_INDEX": "1"})
    assert "surely-not-installed" in r.stderr and "hint:" in r.stderr
    assert not (aicert.cwd / "proof.json").exists()


def test_satisfied_requirements_run(aicert, git_repo):
    numpy = subprocess.run(["/usr/bin/python3", "-c", "import numpy; print(numpy.__version__)"], capture_output=True, text=True)
    if numpy.returncode:
        pytest.skip("the host's python3 has no numpy")
    repo, _ = git_repo({"main.py": MAIN.replace("import os", "import os, numpy"), "data.txt": "x", "requirements.txt": "numpy>=1.0\n"})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    aicert()
    used = [n for n in proof(aicert)["nodes"].values() if n["kind"] == "used"]
    assert any(f["path"].endswith("numpy/__init__.py") for f in used[0]["files"])


def test_two_aicertfiles_of_a_folder_each_replace_their_own(aicert):
    text = "kind: shell\nenvironment: host\ncommands: echo {} > outputs/x\n"
    for turn in "ab":
        (aicert.cwd / "Aicertfile").write_text(text.format(turn))
        (aicert.cwd / "other.yaml").write_text(text.format(turn + turn))
        aicert()
        aicert("run", "-f", "other.yaml", "--output-bom", "other.json", "--output-dir", "other")
        assert [(aicert.cwd / d / "x").read_text() for d in ("outputs", "other")] == [turn + "\n", turn + turn + "\n"]
    (aicert.cwd / "outputs" / "x").write_text("mine\n")
    assert "not as the last run left it" in aicert(code=None).stderr


def test_a_step_that_keeps_nothing_is_told_where_outputs_go(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\ncommands: echo hi\n")
    r = aicert(code=4)
    assert "the folder '/workspace/outputs' is empty" in r.stderr and "hint: what is to be kept is written to 'outputs'" in r.stderr


def test_missing_python_is_exit_5(aicert, git_repo):
    repo, _ = git_repo({"main.py": MAIN})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\npythonVersion: 99\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    r = aicert(code=5)
    assert "python3.99" in r.stderr and "hint: run it in an image that has it ('image: python:3.99')" in r.stderr


def test_locked_adds_no_pin(aicert, guide):
    guide()
    r = aicert("--locked", code=3)
    assert "source" in r.stderr and not (aicert.cwd / "aicert.lock").exists()
    aicert("lock")
    aicert("--locked")


def test_lock_holds_when_the_branch_moves(aicert, guide):
    repo, commit = guide()
    aicert()
    (repo / "data.txt").write_text("other\n")
    git(repo, "commit", "-qam", "second")
    assert aicert.json()["reused"] == 1
    assert proof(aicert)["inputs"][0]["hash"] == commit
    head = git(repo, "rev-parse", "HEAD")
    assert f"moved   source: was {commit}, is {head}\n" in aicert("lock", "--update").stderr
    assert f"same    source: {head}\n" in aicert("lock", "--update", "source").stderr
    assert "give one of them" in aicert("lock", "--update", "--locked", code=2).stderr
    assert aicert.json()["executed"] == 1
    assert proof(aicert)["inputs"][0]["hash"] == head


def test_moved_pin_shows_both(aicert, guide, tmp_path):
    repo, commit = guide()
    aicert("lock")
    (repo / "data.txt").write_text("rewritten\n")
    git(repo, "commit", "-qa", "--amend", "-m", "rewritten")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    fresh = {"AICERT_HOME": str(tmp_path / "fresh")}
    r = aicert(code=3, env=fresh)
    assert commit[:12] in r.stderr and git(repo, "rev-parse", "HEAD")[:12] in r.stderr


def test_nothing_that_differs_is_overwritten(aicert, shell):
    shell()
    (aicert.cwd / "outputs").mkdir()
    (aicert.cwd / "outputs" / "sorted.txt").write_text("mine\n")
    r = aicert(code=2)
    assert "sorted.txt" in r.stderr and "--force" in r.stderr
    assert (aicert.cwd / "outputs" / "sorted.txt").read_text() == "mine\n"
    aicert("--force")
    (aicert.cwd / "proof.json").write_text("mine\n")
    assert "proof.json" in aicert(code=2).stderr
    assert (aicert.cwd / "proof.json").read_text() == "mine\n"


def test_nonce_goes_into_the_claims(aicert, shell):
    shell()
    aicert("--nonce", "n-123")
    aicert("verify", "proof.json", "--require", "software", "--nonce", "n-123")
    aicert("verify", "proof.json", "--require", "software", "--nonce", "n-124", code=1)


def test_inputs_and_outputs_are_compared(aicert, guide):
    repo, _ = guide()
    aicert()
    base = ("verify", "proof.json", "--require", "software")
    aicert(*base, "--input", f"source={repo}", "--output", "outputs=outputs")
    (aicert.cwd / "outputs" / "finetuned.pth").write_text("other")
    assert "FAILED" in aicert(*base, "--output", "outputs=outputs", code=1).stdout
    other = aicert.cwd / "clone"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    assert aicert(*base, "--input", f"source={other}", code=None).returncode in (1, 3)
    assert "nosuch" in aicert(*base, "--input", "nosuch=.", code=2).stderr


def test_another_verifier_needs_the_key(aicert, shell, tmp_path):
    shell()
    aicert()
    stranger = {"AICERT_HOME": str(tmp_path / "stranger")}
    r = aicert("verify", "proof.json", "--require", "software", code=1, env=stranger)
    assert "unsigned" in r.stdout
    key = proof(aicert)["claims"]["ak"]
    aicert("verify", "proof.json", "--require", "software", "--key", key, env=stranger)
    aicert("trust", "add", key, "--name", "builder", env=stranger)
    assert "builder" in aicert("trust", env=stranger).stdout
    aicert("verify", "proof.json", "--require", "software", env=stranger)
    aicert("trust", "remove", "builder", env=stranger)
    aicert("verify", "proof.json", "--require", "software", code=1, env=stranger)


TWO_STEPS = """\
aicert: 1
inputs: {{ words: {{ path: words.txt }} }}
steps:
  first: {{ use: shell, inputs: {{ raw: words }}, script: 'sort "$IN_RAW" > "$OUT_S"', outputs: {{ s: s.txt }} }}
  second: {{ use: shell, inputs: {{ rows: first.s }}, script: '{second}', outputs: {{ n: n.txt }} }}
outputs: {{ n: second.n }}
"""


def test_afresh_runs_what_is_known(aicert):
    (aicert.cwd / "Aicertfile").write_text("aicert: 1\nsteps:\n  a: { use: shell, script: 'echo > $OUT_P', outputs: { p: p } }\n")
    counts = []
    for words in ([], [], ["--fresh"]):
        aicert(*words)
        claims = json.loads((aicert.cwd / "proof.json").read_text())["claims"]
        counts.append((len(claims["executed"]), len(claims["reused"])))
    assert counts == [(1, 0), (0, 1), (1, 0)]


def test_what_ran_before_a_failure_is_attested_and_reused(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "Aicertfile").write_text(TWO_STEPS.format(second="exit 7"))
    assert "exit 7" in aicert(code=4).stderr
    (aicert.cwd / "Aicertfile").write_text(TWO_STEPS.format(second='wc -l < "$IN_ROWS" > "$OUT_N"'))
    r = aicert.json()
    assert (r["executed"], r["reused"]) == (1, 1)
    (attestation,) = proof(aicert)["attestations"].values()
    assert "root" not in attestation["claims"] and attestation["claims"]["failed"] == [{"step": "second", "how": "exit 7"}]
    aicert("verify", "proof.json", "--require", "software")


def test_what_ran_before_control_c_is_attested_and_reused(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "Aicertfile").write_text(TWO_STEPS.format(second="echo waiting; sleep 60"))
    p = subprocess.Popen([str(BUILD / "aicert")], cwd=aicert.cwd, env=aicert.env, stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "waiting" in line:
            break
    p.send_signal(signal.SIGINT)
    p.stderr.read()
    assert p.wait(20) == 130
    (aicert.cwd / "Aicertfile").write_text(TWO_STEPS.format(second='wc -l < "$IN_ROWS" > "$OUT_N"'))
    assert aicert.json()["reused"] == 1


def test_full_disk_is_exit_5_and_leaves_the_store_whole(aicert, shell):
    """A tmpfs of 3 MiB in a mount namespace of the test's own stands under the store."""
    shell()
    (aicert.cwd / "big").write_bytes(os.urandom(8 << 20))
    (aicert.home / "aicert").mkdir()
    script = f"""
      set -e
      mount -t tmpfs -o size=3m none {aicert.home}/aicert
      sed -i 's/path: words.txt/path: big/' Aicertfile
      set +e; {BUILD}/aicert; echo "code $?"; set -e
      test ! -e proof.json
      sed -i 's/path: big/path: words.txt/' Aicertfile
      {BUILD}/aicert
      {BUILD}/aicert verify proof.json --require software
    """
    r = subprocess.run(["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c", script], cwd=aicert.cwd, env=aicert.env,
                       capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "unshare failed" in r.stderr or "mount:" in r.stderr:
        pytest.skip("no mount namespace here: " + r.stderr.strip())
    assert r.returncode == 0, r.stdout + r.stderr
    assert "code 5" in r.stdout and "its disk has" in r.stderr and "hint:" in r.stderr


def test_a_store_of_a_newer_format_is_left_alone(aicert, shell):
    import sqlite3
    shell()
    aicert()
    db = aicert.home / "aicert" / "cache" / "store.db"
    with sqlite3.connect(db) as c:
        c.execute("pragma user_version = 999")
    before = db.read_bytes()
    r = aicert(code=5)
    assert "newer" in r.stderr and "999" in r.stderr
    assert db.read_bytes() == before


def test_a_damaged_object_is_found(aicert, shell):
    shell()
    aicert()
    (aicert.cwd / "proof.json").unlink()
    for o in (aicert.home / "aicert" / "cache" / "objects").rglob("*"):
        if o.is_file() and b"use: shell" in o.read_bytes():
            o.chmod(0o644)
            o.write_bytes(o.read_bytes().replace(b"shell", b"shelL"))
    r = aicert(code=None)
    if r.returncode:
        assert "cache: object" in r.stderr and "hint:" in r.stderr
        aicert()
    aicert("verify", "proof.json", "--require", "software")


def test_a_forged_cache_is_not_believed(aicert, shell, tmp_path):
    """The store's database is anybody's to edit: a result that no attestation lists as executed is run again."""
    import sqlite3
    shell()
    aicert()
    for db in (aicert.home / "aicert").rglob("*.db"):
        with sqlite3.connect(db) as c:
            tables = [t for (t,) in c.execute("select name from sqlite_master where type='table' and name like '%attest%'")]
            for t in tables:
                c.execute(f"delete from {t}")
    assert aicert.json()["executed"] == 1


def test_host_file_change_reruns_and_why_names_it(aicert, git_repo, tmp_path):
    """Upgrading a module that a step imported: a tmpfs in a mount namespace of the test's own stands over the system's folder."""
    place = "/usr/local/lib/python3.11/dist-packages"
    if not pathlib.Path(place).is_dir():
        pytest.skip(f"{place} is absent")
    repo, _ = git_repo({"main.py": "import lib\nopen('outputs/o', 'w').write(lib.V)\n"})
    (aicert.cwd / "Aicertfile").write_text(f"kind: python\npythonVersion: 11\nsource: {{ type: git, gitRepo: 'file://{repo}' }}\n")
    script = f"""
      set -e
      mount -t tmpfs none {place}
      echo "V = '1'" > {place}/lib.py
      {BUILD}/aicert -q --json
      {BUILD}/aicert -q --json
      echo "V = '22'" > {place}/lib.py
      {BUILD}/aicert why
      {BUILD}/aicert -q --json
      cat outputs/o
    """
    r = subprocess.run(["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c", script], cwd=aicert.cwd, env=aicert.env,
                       capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "unshare failed" in r.stderr or "mount:" in r.stderr:
        pytest.skip("no mount namespace here: " + r.stderr.strip())
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stdout.count('"executed":1') == 2 and r.stdout.count('"reused":1') == 1
    assert f"{place}/lib.py" in r.stdout
    assert r.stdout.rstrip().endswith("22")


def test_wrong_usage(aicert):
    assert "did you mean '--output-bom'" in aicert("--output-bomb", "x", code=2).stderr
    assert "did you mean 'verify'" in aicert("verfy", code=2).stderr
    assert "Aicertfile" in aicert(code=2).stderr
    assert "verify" in aicert("--help").stdout
    for c in ("run", "lock", "why", "log", "verify", "show", "hash", "trust"):
        assert "example:" in aicert(c, "--help").stdout


def test_hash_is_sha256sum(aicert):
    (aicert.cwd / "f").write_bytes(b"bytes\n")
    want = subprocess.run(["sha256sum", "f"], cwd=aicert.cwd, capture_output=True, text=True).stdout
    assert aicert("hash", "f").stdout == want
    (aicert.cwd / "l").symlink_to("f")
    assert aicert("hash", "l").stdout == want.replace("  f", "  l")
    (aicert.cwd / "d").mkdir()
    (aicert.cwd / "d" / "f").write_bytes(b"bytes\n")
    canonical = json.dumps({"kind": "tree", "entries": [{"name": "f", "type": "file", "id": want[:64]}]}, sort_keys=True, separators=(",", ":"))
    import hashlib
    assert aicert.json("hash", "d") == [{"tree": hashlib.sha256(canonical.encode()).hexdigest(), "path": "d"}]


def test_rsa_key(aicert, shell):
    shell()
    aicert("--ak", "rsa")
    aicert("verify", "proof.json", "--require", "software")


def test_a_tpm_that_is_not_there_is_exit_5(aicert, shell):
    shell()
    r = aicert("--tpm", "swtpm:host=127.0.0.1,port=9", code=5)
    assert "tpm" in r.stderr.lower() and not (aicert.cwd / "proof.json").exists()


def test_what_others_do_meanwhile_leaves_a_step_its_workspace(aicert, aicert_in, tmp_path):
    """Whoever opens a store sweeps what the dead left in it; a step that goes on is not dead, and one that was killed is."""
    here = aicert.home / "aicert/cache/tmp"
    (aicert.cwd / "Aicertfile").write_text(
        "aicert: 1\nenvironment: host\nsteps:\n  s: { use: shell, script: 'sleep 3; echo done > \"$OUT_O\"', outputs: { o: o } }\n")
    other = aicert_in(aicert.home, tmp_path / "other")
    other.cwd.mkdir()
    (other.cwd / "Aicertfile").write_text("aicert: 1\nenvironment: host\nsteps:\n  t: { use: shell, script: 'echo > \"$OUT_O\"', outputs: { o: o } }\n")
    argv = [str(BUILD / "aicert"), "run", "-q"]
    for sig in (None, signal.SIGKILL):
        with subprocess.Popen(argv, cwd=aicert.cwd, env=aicert.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as p:
            while not (here.exists() and list(here.glob("step.*"))):
                assert p.poll() is None, p.stderr.read()
                time.sleep(0.02)
            time.sleep(0.5)
            other("run", "-q", "--fresh")
            assert list(here.glob("step.*"))
            if sig is None:
                assert p.wait(60) == 0, p.stderr.read()
                assert (aicert.cwd / "outputs/o").read_text() == "done\n"
                (aicert.cwd / "Aicertfile").write_text((aicert.cwd / "Aicertfile").read_text().replace("echo done", "echo more"))
            else:
                p.send_signal(sig)
                p.wait(60)
    end = time.monotonic() + 20
    while list(here.glob("step.*")) and time.monotonic() < end:
        other("run", "-q", "--fresh")
    assert not list(here.glob("step.*"))
