"""What a stranger meets on the first day: odd files, odd places, odd terminals, and what the program says then."""
import json
import os
import pty
import select
import subprocess
import time

import pytest
from conftest import BUILD

BOM = b"\xef\xbb\xbf"
ONE = """\
aicert: 1
steps:
  s: {{ use: shell, script: "{script}", outputs: {outputs} }}
"""


@pytest.fixture
def step(aicert):
    def write(script="echo hi > $OUT_O", outputs="{ o: o.txt }", more=""):
        (aicert.cwd / "Aicertfile").write_text(ONE.format(script=script, outputs=outputs) + more)
    return write


@pytest.fixture
def proof(aicert, step):
    step()
    aicert("-q")
    return aicert.cwd / "proof.json"


def everything_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- files as editors and mishaps leave them -------------------------------------------------------------------------

def test_an_aicertfile_from_windows(aicert, step):
    step()
    plain = (aicert.cwd / "Aicertfile").read_bytes()
    (aicert.cwd / "Aicertfile").write_bytes(BOM + plain.replace(b"\n", b"\r\n"))
    aicert()
    assert aicert("verify", "proof.json", "--require", "software")


@pytest.mark.parametrize("text", [b"{", b"", b"<<<<<<< HEAD\n{}\n", BOM + b'{"format":1,"inputs":{}}', b'{"format":1}', b'{"format":2,"inputs":{}}'],
                         ids=["cut", "empty", "conflict", "bom", "no-inputs", "newer"])
def test_a_bad_lock_is_named_once(aicert, step, text):
    step()
    (aicert.cwd / "aicert.lock").write_bytes(text)
    said = aicert(code=3).stderr
    assert said.startswith("aicert: aicert.lock:") and said.count("aicert.lock:") == 1 and "hint:" in said
    assert (aicert.cwd / "aicert.lock").read_bytes() == text


def test_a_proof_with_a_byte_order_mark(aicert, proof):
    proof.write_bytes(BOM + proof.read_bytes())
    for command in ("verify", "show"):
        assert "byte order mark" in aicert(command, "proof.json", code=3).stderr


def test_a_misspelt_entry_point_names_the_right_one(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: python\nsource:\n  type: git\n  gitRepo: ./repo\n  pythonEntrypoint: main.py\n")
    assert "Aicertfile:5:3: source has no key 'pythonEntrypoint' (did you mean 'pythonEntryPoint'?)" in aicert(code=2).stderr


# --- where things go -------------------------------------------------------------------------------------------------

def test_the_folder_above_each_output_is_there(aicert, step):
    step("echo 1 > $OUT_DEEP; echo 2 > $OUT_BESIDE; mkdir $OUT_DIR; echo 3 > $OUT_DIR/x",
         "{ deep: a/b/c.txt, beside: /workspace/made/d.txt, dir: { path: q/r, type: dir } }")
    aicert()
    assert (aicert.cwd / "outputs/a/b/c.txt").read_text() == "1\n"


def test_a_place_that_cannot_be_written_is_found_before_anything_runs(aicert, step):
    step("touch ran; echo hi > $OUT_O")
    (aicert.cwd / "file").write_text("precious")
    (aicert.cwd / "folder").mkdir()
    for words in (["--output-dir", "file"], ["--output-dir", "file", "--force"], ["-o", "file/proof.json"], ["-o", "folder"], ["-o", "folder", "--force"],
                  ["-o", "new/"], ["-o", "outputs/o.txt"], ["-o", ""], ["--output-dir", ""], ["-o", "Aicertfile", "--force"]):
        said = aicert(*words, code=2).stderr
        assert "run     s" not in said, words
    assert (aicert.cwd / "file").read_text() == "precious" and (aicert.cwd / "folder").is_dir()
    assert not (aicert.cwd / "outputs").exists()


def test_no_output_takes_the_project_away(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: echo x > outputs/x\n")
    (aicert.cwd / "mine").write_text("precious")
    before = everything_in(aicert.cwd)
    for place in (".", "..", "/", str(aicert.cwd), str(aicert.home)):
        assert "would be replaced" in (said := aicert("--output-dir", place, "--force", code=2).stderr) or "not to be replaced" in said
    sub = aicert.cwd / "sub"
    sub.mkdir()
    aicert("-f", "../Aicertfile", "--output-dir", ".", "--force", cwd=sub, code=2)
    assert everything_in(aicert.cwd) == before


def test_the_proof_does_not_go_into_a_folder_that_is_replaced_whole(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: echo x > outputs/x\n")
    assert "would lie in the output" in aicert("-o", "outputs/proof.json", code=2).stderr


def test_an_empty_output_folder_of_the_users_outlives_a_failure(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: exit 3\n")
    (aicert.cwd / "outputs").mkdir()
    aicert(code=4)
    assert (aicert.cwd / "outputs").is_dir()


def test_two_runs_of_one_project_at_once_both_end_well(aicert, step):
    step("sleep 1; echo x > $OUT_O")
    runs = [subprocess.Popen([BUILD / "aicert"], cwd=aicert.cwd, env=aicert.env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [r.communicate(timeout=60)[1] for r in runs]
    assert [r.returncode for r in runs] == [0, 0], said
    aicert("verify", "proof.json", "--require", "software")


def test_homes_that_are_none(aicert, proof):
    assert "AICERT_HOME" in aicert(code=5, env={"AICERT_HOME": "/proc/none"}).stderr
    aicert("verify", "proof.json", "--require", "unsigned", env={"AICERT_HOME": "", "HOME": "/nonexistent"})


# --- what a step prints ----------------------------------------------------------------------------------------------

def test_no_byte_of_a_log_drives_a_terminal(aicert):
    (aicert.cwd / "Aicertfile").write_text("""\
kind: shell
script: |
  printf '\\033[31mred \\302\\2331m \\342\\200\\256rtl caf\\351 \\302'
  for i in 1 2; do printf 'h\\303'; sleep 0.1; printf '\\251\\r'; sleep 0.1; done
  printf '\\nlast \\360\\237\\230'
  echo x > outputs/x
""")
    shown = aicert().stderr
    kept = aicert("log").stdout
    assert kept == "?[31mred ?1m ?rtl caf? ?hé\nhé\nlast ?\n"
    assert kept in shown


def test_a_long_log_costs_little_and_is_kept_whole(aicert):
    (aicert.cwd / "Aicertfile").write_text("kind: shell\nscript: seq 1 600000; echo x > outputs/x\n")
    t = time.monotonic()
    aicert(timeout=60)
    assert time.monotonic() - t < 20
    assert aicert("log").stdout.splitlines()[-1] == "600000"


def test_the_log_of_a_reused_result_is_that_of_the_run_that_made_it(aicert, aicert_in, step, tmp_path):
    step("echo said; echo hi > $OUT_O")
    aicert()
    other = tmp_path / "other"
    other.mkdir()
    (other / "Aicertfile").write_text((aicert.cwd / "Aicertfile").read_text())
    again = aicert_in(aicert.home, other)
    assert again.json()["executed"] == 0
    assert again("log").stdout == "said\n"
    step("echo hi > $OUT_O")
    aicert("-q")
    assert aicert("log").stderr == "note: it printed nothing\n" and aicert("log", "-q").stderr == ""


# --- what the program prints -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, code", [(["show", "proof.json"], 0), (["verify", "proof.json", "--require", "software"], 0), (["verify", "proof.json"], 1),
                                         (["log", "-q"], 0), (["--help"], 0)], ids=["show", "verified", "not-verified", "log", "help"])
def test_a_reader_who_leaves_changes_no_answer(aicert, proof, words, code):
    read, write = os.pipe()
    os.close(read)
    r = subprocess.run([BUILD / "aicert", *words], cwd=aicert.cwd, env=aicert.env, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (r.returncode, r.stderr) == (code, "")


def test_a_full_disk_under_standard_output_is_told(aicert, proof):
    with open("/dev/full", "w") as full:
        r = subprocess.run([BUILD / "aicert", "show", "proof.json"], cwd=aicert.cwd, env=aicert.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 5 and "standard output" in r.stderr


def test_verify_is_in_columns_and_its_sentences_hold_short_ids(aicert, proof):
    report, text = aicert.json("verify", "proof.json", code=1), aicert("verify", "-v", "proof.json", code=1).stdout
    checks = text[text.index("checks"):text.index("not more because")].splitlines()[1:]
    assert len(checks) == len(report["checks"])
    names = {c["name"] for c in report["checks"]}
    wide = max(map(len, names))
    for line in checks:
        assert line[11:11 + wide].rstrip() in names and line[11 + wide:13 + wide] == "  " and line[13 + wide] != " ", line
        assert not any(len(w.strip(";,:'")) == 64 for w in line.split()), line
    assert f"root     {report['root']}\n" in text and f"key      {report['key']}\n" in text


def test_a_broken_proof_has_no_empty_lines_of_what_it_lacks(aicert, proof):
    proof.write_text(proof.read_text().replace('"kind": "run"', '"kind": "runn"'))
    text = aicert("verify", "proof.json", "--require", "unsigned", code=1).stdout
    assert "root" not in text.split("checks")[0] and "key" not in text.split("checks")[0]


def test_show_draws_no_foreign_control(aicert, proof):
    p = json.loads(proof.read_text())
    root = p["nodes"][p["root"]]
    root["name"] = "evil\u001b[2J\u009b1m\u202e"
    root["results"][0]["name"] = "\u001b]0;x\u0007"
    proof.write_text(json.dumps(p))
    out = aicert("show", "proof.json").stdout
    assert not any(ord(c) < 32 and c != "\n" or c in "\u009b\u202e\u007f" for c in out)


def test_show_says_where_each_input_comes_from_and_keeps_a_scripts_lines(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "Aicertfile").write_text("""\
aicert: 1
inputs: { words: { path: words.txt } }
steps:
  sort:
    use: shell
    inputs: [words]
    script: |
      echo sorting
      sort resources/words.txt > "$OUT_SORTED"
    outputs: { sorted: sorted.txt }
  count: { use: shell, inputs: [sort.sorted], script: "wc -l < resources/sorted.txt > $OUT_N", outputs: { n: n.txt } }
""")
    r = aicert(code=None)
    assert r.returncode == 0, r.stderr
    out = aicert("show", "proof.json").stdout
    assert "\n    echo sorting\n    sort resources/words.txt" in out
    assert "/workspace/resources/words.txt  input words  blob " in out and "  step sort's sorted  blob " in out


def test_colours_and_wrapped_lines_are_for_terminals(aicert, proof):
    def on_terminal(env):
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(aicert.cwd)
            os.execve(BUILD / "aicert", ["aicert", "verify", "proof.json"], env)
        out = b""
        while select.select([fd], [], [], 30)[0]:
            try:
                chunk = os.read(fd, 65536)
            except OSError:
                break
            if not chunk:
                break
            out += chunk
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out
    plain = {**aicert.env, "TERM": "xterm"}
    coloured = {k: v for k, v in plain.items() if k != "NO_COLOR"}
    code, out = on_terminal(coloured)
    assert code == 1 and b"\033[31mNOT VERIFIED\033[0m" in out
    assert b"\033" not in on_terminal(plain)[1] and b"\033" not in on_terminal({**coloured, "TERM": "dumb"})[1]


def test_trust_takes_a_key_without_a_name(aicert):
    keys = ["ab" * 32, "cd" * 32]
    for key in keys:
        aicert("trust", "add", key)
    assert [k["name"] for k in aicert.json("trust")["keys"]] == [k[:12] for k in keys]
    aicert("trust", "remove", keys[0][:12])
    assert [k["fingerprint"] for k in aicert.json("trust")["keys"]] == keys[1:]
    aicert("trust", "add", "xyz", code=2)


# --- limits, and what changed ----------------------------------------------------------------------------------------

def test_limits_are_kept_and_named(aicert):
    def run(script, limits, code):
        (aicert.cwd / "Aicertfile").write_text(f"kind: shell\nscript: {script}\nlimits: {{ {limits} }}\n")
        return aicert(code=code)
    run("nproc > outputs/n", "cpus: 1", 0)
    assert (aicert.cwd / "outputs/n").read_text() == "1\n"
    assert "failed: time limit" in run("sleep 60", "time: 1s", 4).stderr
    assert "failed: memory limit" in run("/usr/bin/python3 -c 'bytearray(400 << 20)' && echo x > outputs/n", "memory: 100M", 4).stderr
    assert "aicert: Aicertfile:3:17: limits: cpus: got 'x'" in run("true", "cpus: x", 2).stderr


def test_a_changed_script_is_told_by_its_line(aicert):
    def write(word):
        (aicert.cwd / "Aicertfile").write_text(f"kind: shell\nscript: |\n  echo same\n  echo '{word}'\n  echo x > outputs/x\n")
    write("one")
    aicert()
    write("two \u202e")
    assert "turns the direction of text" in aicert("why", code=2).stderr
    write("two \u200b")
    assert "command: line 2 was 'echo 'one'', is 'echo 'two " in aicert("why").stdout
    shown = aicert().stderr.splitlines()[0]
    assert "line 2 was" in shown


SEVERAL = """\
aicert: 1
environment: host
parameters: { word: }
steps:
  first: { use: shell, matrix: { n: [1, 2, 3] }, script: 'echo "${param.word} ${matrix.n}"; test ${matrix.n} != BAD; echo > "$OUT_O"', outputs: { o: o } }
  last: { use: shell, inputs: [first.o], script: 'echo last; echo "${param.word}" > "$OUT_O"', outputs: { o: o } }
"""


def test_what_was_needs_no_parameters(aicert):
    """Logs are of what ran: the Aicertfile's parameters, or a fault in it, do not stand before them."""
    f = aicert.cwd / "Aicertfile"
    f.write_text(SEVERAL)
    assert "nothing ran here yet" in aicert("log", code=2).stderr
    aicert("-q", "-D", "word=one")
    assert aicert("log", "first-2").stdout == "one 2\n" and aicert("log").stdout == "last\n"
    assert "'first' is several steps: 'first-1', 'first-2', 'first-3'" in aicert("log", "first", code=2).stderr
    assert "no step 'lasst' (did you mean 'last'?)" in aicert("log", "lasst", code=2).stderr
    # A run of a chosen step leaves the others' pasts alone.
    aicert("run", "-q", "first-2", "-D", "word=one")
    assert aicert("log", "last").stdout == "last\n"
    why = {l["step"]: l["why"] for l in aicert.json("why", "-D", "word=two")}
    assert why["first-1"] == "command: argument was 'echo \"one 1\"; test 1 != BAD; echo > \"$OUT_O\"', is 'echo \"two 1\"; test 1 != BAD; echo > \"$OUT_O\"'"
    assert [l["step"] for l in aicert.json("why", "first", "-D", "word=one")] == ["first-1", "first-2", "first-3"]
    assert "no step 'lasst' (did you mean 'last'?)" in aicert("why", "lasst", "-D", "word=one", code=2).stderr
    f.write_text("no: [")
    assert aicert("log", "first-2").stdout == "one 2\n"
    for log in (aicert.home / "aicert" / "cache" / "logs").iterdir():
        log.unlink()
    assert "no log is kept for step 'last'" in aicert("log", "last", code=2).stderr and "of the last run" in aicert("log", code=2).stderr
    f.unlink()
    assert "'aicert init'" in aicert("log", code=2).stderr


def test_a_failure_says_what_was_not_started(aicert):
    (aicert.cwd / "Aicertfile").write_text(SEVERAL.replace("BAD", "1"))
    r = aicert("-j1", "-D", "word=x", code=4)
    assert "failed: exit 1" in r.stderr and "; 2 other steps were not started: -k starts what does not need it" in r.stderr
    assert "the last run did not come to step 'first-3'" in aicert("log", "first-3", code=2).stderr
    r = aicert("-k", "-D", "word=x", code=4)
    assert "not started" not in r.stderr and "skipped last" in r.stderr


def test_a_command_behind_its_options(aicert):
    (aicert.cwd / "Aicertfile").write_text(SEVERAL)
    assert "hint: a command comes first: aicert plan …" in aicert("-D", "word=x", "plan", code=2).stderr
    assert "number from 1" in aicert("-j0", code=2).stderr
