"""Steps beside each other: order, failures, floods, and every way in which they, their workers or aicert itself may be killed."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from conftest import BUILD

HEAD = "aicert: 1\nname: many\nenvironment: host\n"


def step(name, script, inputs="{}", extra="", out="o: {name}.txt"):
    return f"  {name}: {{ use: shell, inputs: {inputs}, script: {json.dumps(script)}, outputs: {{ {out.format(name=name)} }}{extra} }}\n"


@pytest.fixture
def write(aicert):
    def put(*steps, outputs, inputs=""):
        (aicert.cwd / "Aicertfile").write_text(HEAD + (f"inputs:\n{inputs}" if inputs else "") + "steps:\n" + "".join(steps) + f"outputs: {{ {outputs} }}\n")
    return put


def start(aicert, *args):
    # A shell's background jobs ignore SIGINT, and the tests may be one: a program that does not listen yet would never hear of it.
    return subprocess.Popen([str(BUILD / "aicert"), *args], cwd=aicert.cwd, env=aicert.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def processes(text):
    """Pids of those whose command line or environment has this text."""
    found = []
    for p in pathlib.Path("/proc").iterdir():
        if not p.name.isdigit() or int(p.name) == os.getpid():
            continue
        try:
            if text.encode() in (p / "cmdline").read_bytes() or text.encode() in (p / "environ").read_bytes():
                found.append(int(p.name))
        except OSError:
            pass
    return found


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came of it in time")


def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers(pid):
    """Of a running aicert: what its nursery has forked."""
    return [w for n in children(pid) for w in children(n)]


def logs(aicert):
    return {p.stem: p.read_bytes() for p in (aicert.home / "aicert/cache/logs").glob("*.log")}


def nothing_left(aicert):
    wait_for(lambda: not processes(str(aicert.home)), 20)


def proof(aicert):
    return json.loads((aicert.cwd / "proof.json").read_text())


def results(aicert):
    return [n for n in proof(aicert)["nodes"].values() if n["kind"] == "result"]


def verified(aicert):
    return aicert("verify", "--require", "software", "proof.json")


STAMPS = 'date +%s.%N > "$OUT_O"; sleep 1; date +%s.%N >> "$OUT_O"'


def times(aicert, name):
    return [float(t) for t in (aicert.cwd / "outputs" / name).read_text().split()]


def at_once():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: one step at a time")


# --- order ---------------------------------------------------------------------

def test_steps_run_beside_each_other(aicert, write):
    at_once()
    write(step("a", STAMPS), step("b", STAMPS), step("c", STAMPS, "{ a: a.o, b: b.o }"), outputs="a: a.o, b: b.o, c: c.o")
    aicert()
    a, b, c = (times(aicert, n) for n in "abc")
    assert a[0] < b[1] and b[0] < a[1], "one after the other"
    assert c[0] > max(a[1], b[1]), "before what it needs"
    verified(aicert)
    assert "3 reused" in aicert().stdout


def test_one_at_a_time_in_the_plan_s_order(aicert, write):
    write(*(step(f"s{i}", 'cat /dev/null > "$OUT_O"') for i in range(6)), outputs="o: s5.o")
    r = aicert("-j", "1")
    assert [line.split()[1] for line in r.stderr.splitlines() if line.startswith("run ")] == [f"s{i}" for i in range(6)]
    root = proof(aicert)["root"]
    aicert("-j", "8", "--fresh")
    assert proof(aicert)["root"] == root, "another root with eight at once"


def test_more_jobs_than_steps(aicert, write):
    write(step("a", STAMPS), step("b", STAMPS), step("c", STAMPS), outputs="a: a.o, b: b.o, c: c.o")
    aicert("-j", "64")
    a, b, c = (times(aicert, n) for n in "abc")
    assert max(a[0], b[0], c[0]) < min(a[1], b[1], c[1]), "not all three at once"
    verified(aicert)


def test_folders_go_from_worker_to_worker(aicert, write):
    made = 'mkdir -p "$OUT_O/x"; for i in 1 2 3 4 5 6 7 8 9; do echo {0} $i > "$OUT_O/x/$i"; done'
    steps = [step("s0", made.format(0), out="o: {{ path: {name}, type: dir }}")]
    for i in range(1, 6):
        steps.append(step(f"s{i}", f'cp -r "$IN_P" copy; {made.format(i)}; cat copy/x/3 > "$OUT_O/before"', f"{{ p: s{i - 1}.o }}", out="o: {{ path: {name}, type: dir }}"))
    write(*steps, outputs="o: s5.o, p: s4.o")
    aicert()
    assert (aicert.cwd / "outputs/o/before").read_text() == "4 3\n"
    verified(aicert)


def test_one_step_takes_many_files(aicert, write):
    """More than a few hundred are laid as one folder: read-only, with a folder among them."""
    n = 260
    (aicert.cwd / "in").mkdir()
    for i in range(n):
        (aicert.cwd / f"in/out{i}").write_text(f"{i}\n")
    inputs = "{ " + ", ".join(f"i{i}: i{i}" for i in range(n)) + ", dir: folder.o }"
    write(step("folder", 'mkdir "$OUT_O"; echo inside > "$OUT_O/f"', out="o: {{ path: {name}, type: dir }}"),
          step("all", 'cat resources/out* | sort -n > "$OUT_O"; cat "$IN_DIR/f" >> "$OUT_O"; '
               'if echo x > resources/out3 || touch resources/new || chmod 600 resources/out3; then exit 9; fi 2>/dev/null; stat -c %Y "$IN_I3" >> "$OUT_O"', inputs),
          outputs="o: all.o", inputs="".join(f"  i{i}: {{ path: in/out{i} }}\n" for i in range(n)))
    aicert()
    assert (aicert.cwd / "outputs/o").read_text().split() == [str(i) for i in range(n)] + ["inside", "315532800"]
    verified(aicert)


def test_steps_of_one_key_run_once(aicert, write):
    script = 'date +%s.%N > "$OUT_O"'
    same = [f"  {n}: {{ use: shell, script: {json.dumps(script)}, outputs: {{ o: o.txt }} }}\n" for n in "abcdef"]
    write(*same, outputs="a: a.o, f: f.o")
    r = aicert()
    assert len(results(aicert)) == 1, r.stderr
    assert sum(line.startswith("run ") for line in r.stderr.splitlines()) == 1
    verified(aicert)


def test_the_same_content_written_at_once(aicert, write):
    """Every step puts the same three objects; a second aicert does so too, at the same time."""
    at_once()
    script = 'mkdir "$OUT_O"; head -c 3000000 /dev/zero > "$OUT_O/a"; echo x > "$OUT_O/b"; : > "$OUT_O/c"; echo {0} > "$OUT_O/own"'
    write(*(step(f"s{i}", script.format(i), out="o: {{ path: {name}, type: dir }}") for i in range(16)), outputs="o: s0.o, p: s15.o")
    other = start(aicert, "--fresh", "--output-bom", "other.json", "--output-dir", "other")
    aicert("--fresh")
    out, err = other.communicate(timeout=200)
    assert other.returncode == 0, err
    assert proof(aicert)["root"] == json.loads((aicert.cwd / "other.json").read_text())["root"]
    verified(aicert)
    assert "16 reused" in aicert().stdout
    objects = aicert.home / "aicert/cache/objects"
    for p in objects.glob("??/*"):
        assert subprocess.run(["sha256sum", p], capture_output=True, text=True).stdout.split()[0] == p.parent.name + p.name


# --- failures --------------------------------------------------------------------

def test_a_failure_stops_what_needs_it_and_lets_the_others_end(aicert, write):
    at_once()
    write(step("slow", 'sleep 2; echo slow > "$OUT_O"'), step("bad", "sleep 0.5; exit 3"), step("needs", 'cat "$IN_B" > "$OUT_O"', "{ b: bad.o }"),
          step("later", 'echo later > "$OUT_O"', "{ n: needs.o }"), step("other", 'echo other > "$OUT_O"', "{ s: slow.o }"), outputs="o: other.o")
    r = aicert("-v", code=4)
    assert "step 'bad': failed: exit 3" in r.stderr
    assert "skipped needs" in r.stderr and "skipped later" in r.stderr
    assert "done    slow" in r.stderr
    assert "run     other" not in r.stderr, "started after a failure"
    # What had ended is kept, and attested.
    text = (aicert.cwd / "Aicertfile").read_text()
    (aicert.cwd / "Aicertfile").write_text(text.replace("sleep 0.5; exit 3", "echo good > o; cp o $OUT_O"))
    assert "1 reused" in aicert().stdout
    verified(aicert)


def test_keep_going(aicert, write):
    write(step("bad", "exit 3"), step("worse", "kill -9 $$"), step("needs", 'cat "$IN_B" > "$OUT_O"', "{ b: bad.o }"),
          *(step(f"s{i}", f'echo {i} > "$OUT_O"') for i in range(5)), outputs="o: s0.o")
    r = aicert("-k", code=4)
    assert "2 steps failed: 'bad': exit 3; 'worse': signal 9" in r.stderr
    assert "skipped needs" in r.stderr
    assert sum(line.startswith("run ") for line in r.stderr.splitlines()) == 7
    assert not (aicert.cwd / "proof.json").exists(), "a failure certified"


def test_limits_of_several_at_once(aicert, write):
    """Each has its own group: what one takes is not the other's."""
    take = """python3 -c 'b = bytearray({0} << 20); import time; time.sleep(1); open("outputs/{1}.txt", "w").write(str(len(b)))'"""
    write(step("much", take.format(400, "much"), extra=", limits: { memory: 200M }"), step("fits", take.format(100, "fits"), extra=", limits: { memory: 200M }"),
          step("too", take.format(100, "too"), extra=", limits: { memory: 200M, pids: 32 }"), outputs="o: fits.o")
    r = aicert("-k", "-v", code=4)
    assert "step 'much': failed: memory limit (200M)" in r.stderr
    assert "done    fits" in r.stderr and "done    too" in r.stderr
    for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        assert not [d for d in pathlib.Path(root).glob("**/aicert-*") if not pathlib.Path(f"/proc/{d.name.split('-')[1]}").exists()]


def test_a_flood_in_the_log(aicert, write):
    """One prints without end; it ends, so does the other, and the log is cut."""
    write(step("flood", 'yes "a line that is longer than it need be" | head -c 80000000; echo done > "$OUT_O"'),
          step("quiet", 'for i in 1 2 3 4 5; do echo here $i; sleep 0.1; done; echo quiet > "$OUT_O"'), outputs="f: flood.o, q: quiet.o")
    with open(aicert.cwd / "err", "w") as err:
        r = subprocess.run([str(BUILD / "aicert"), "-q"], cwd=aicert.cwd, env=aicert.env, stdout=subprocess.DEVNULL, stderr=err, timeout=200)
    assert r.returncode == 0
    sizes = sorted(len(b) for b in logs(aicert).values())
    assert sizes[0] == len("here 1\n") * 5
    assert 64 << 20 <= sizes[1] < 65 << 20
    verified(aicert)


# --- killed ------------------------------------------------------------------------

def sleepers(aicert, write, seconds):
    """Two steps that sleep; returns the running aicert and their pids as seen from outside."""
    at_once()
    # A number of seconds that nobody else sleeps.
    word = f"{seconds}.{os.getpid()}"
    write(step("a", f'sleep {word}; echo a > "$OUT_O"'), step("b", f'sleep {word}; echo b > "$OUT_O"'), step("c", 'cat "$IN_A" "$IN_B" > "$OUT_O"', "{ a: a.o, b: b.o }"),
          outputs="o: c.o")
    p = start(aicert)
    pids = wait_for(lambda: len(f := processes(f"sleep\0{word}\0")) == 2 and f)
    return p, pids


def then_it_runs(aicert, write):
    write(step("a", 'echo a > "$OUT_O"'), step("b", 'echo b > "$OUT_O"'), step("c", 'cat "$IN_A" "$IN_B" > "$OUT_O"', "{ a: a.o, b: b.o }"), outputs="o: c.o")
    aicert()
    assert (aicert.cwd / "outputs/o").read_text() == "a\nb\n"
    verified(aicert)
    left = [d.name for d in (aicert.home / "aicert/cache/tmp").iterdir()]
    assert not left, left


def test_aicert_killed_leaves_no_process(aicert, write):
    p, pids = sleepers(aicert, write, 300)
    assert len(workers(p.pid)) == 2
    p.kill()
    p.communicate()
    nothing_left(aicert)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 10)
    then_it_runs(aicert, write)


@pytest.mark.parametrize("to_all", [True, False])
def test_interrupted(aicert, write, to_all):
    """Ctrl-C goes to the whole group of the terminal; a SIGTERM from elsewhere to aicert alone."""
    p, _ = sleepers(aicert, write, 300)
    began = time.monotonic()
    if to_all:
        os.killpg(p.pid, signal.SIGINT)
    else:
        p.terminate()
    out, err = p.communicate(timeout=30)
    assert p.returncode == 130, err
    assert time.monotonic() - began < 20
    assert "interrupted" in err
    nothing_left(aicert)
    then_it_runs(aicert, write)


def test_a_worker_killed(aicert, write):
    """The other step is let to its end, nothing new starts, and it is an error of the machine."""
    p, pids = sleepers(aicert, write, 3)
    os.kill(workers(p.pid)[0], signal.SIGKILL)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 5, err
    assert "step 'a': its worker was killed" in err
    assert "skipped c" in err
    nothing_left(aicert)
    then_it_runs(aicert, write)


def test_a_step_does_not_reach_the_one_beside_it(aicert, write):
    """Both have one uid outside. What a step can see of the other, read of it or kill of it: nothing."""
    at_once()
    scratch = aicert.home / "aicert/cache/tmp"
    write(step("bad", f"""sleep 0.5; ls /proc | grep -c '^[0-9]' > "$OUT_O"; cat {scratch}/*/workspace/secret /proc/*/root/workspace/secret /workspace/secret >> "$OUT_O" 2>/dev/null || true
(kill -9 -1)"""),
          step("good", 'echo secret > secret; sleep 1.5; cp secret "$OUT_O"'), outputs="o: good.o")
    r = aicert("-k", "-v", code=4)
    assert "step 'bad': failed: signal 9" in r.stderr and "done    good" in r.stderr
    write(step("look", f"""ls -d /proc/[0-9]* | wc -l > "$OUT_O"; ls {scratch} {aicert.home} >> "$OUT_O" 2>&1 || true"""), step("good", 'sleep 1; echo x > "$OUT_O"'), outputs="o: look.o")
    aicert()
    seen = (aicert.cwd / "outputs/o").read_text()
    assert int(seen.split()[0]) <= 5 and seen.count("No such file") == 2, seen


NONSENSE = """#!/usr/bin/python3
import os, socket, struct
ask = socket.socket(fileno=3)
while ask.recv(1):
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ask.close()
        theirs.close()
        ours.recv(100000)
        ours.sendall({0})
        ours.recv(100000)
        os._exit(0)
    socket.send_fds(ask, [struct.pack("i", os.getpid())], [theirs.fileno()])
"""


@pytest.mark.parametrize("worker", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\nexec sleep 0.1\n", NONSENSE.format('b"GET / HTTP/1.0\\r\\n" * 100'),
                                    NONSENSE.format('struct.pack("II", 5, 3) + b"abc"'), NONSENSE.format('struct.pack("II", 5, 1200) + b"\\xff" * 1200')],
                         ids=["ends", "says nothing", "another language", "cut short", "wrong sizes"])
def test_a_worker_that_is_none(aicert, write, tmp_path, worker):
    """It is an error of the machine, of which nothing comes and after which nothing is left."""
    at_once()
    for name in ("aicert", "aicert-engine"):
        shutil.copy(BUILD / name, tmp_path)
    (tmp_path / "aicert-worker").write_text(worker)
    (tmp_path / "aicert-worker").chmod(0o755)
    write(step("a", 'echo a > "$OUT_O"'), step("b", 'echo b > "$OUT_O"'), outputs="a: a.o, b: b.o")
    r = subprocess.run([tmp_path / "aicert"], cwd=aicert.cwd, env=aicert.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert r.returncode == 5, r.stderr
    assert "worker" in r.stderr and not (aicert.cwd / "proof.json").exists()
    nothing_left(aicert)


def test_interrupted_while_it_starts(aicert, write):
    write(step("a", 'sleep 60; echo a > "$OUT_O"'), step("b", 'sleep 60; echo b > "$OUT_O"'), outputs="a: a.o")
    for delay in (0, 0.02, 0.05, 0.1, 0.2):
        p = start(aicert)
        time.sleep(delay)
        os.killpg(p.pid, signal.SIGINT)
        _, err = p.communicate(timeout=100)
        # Before it can hear of it, it simply ends.
        assert p.returncode in (130, -signal.SIGINT), err
        nothing_left(aicert)


def test_killed_while_results_come_in(aicert, write):
    """Again and again in the middle of many short steps: what the store then has is whole."""
    steps = [step(f"s{i}", f'echo {i} > "$OUT_O"; head -c 100000 /dev/urandom >> "$OUT_O"') for i in range(24)]
    write(*steps, outputs="o: s0.o")
    for n in (3, 17):
        p = start(aicert, "--fresh")
        count = 0
        for line in p.stderr:
            count += line.startswith("run ")
            if count >= n:
                break
        p.kill()
        p.communicate()
        nothing_left(aicert)
    aicert()
    verified(aicert)
    assert "24 reused" in aicert().stdout


# --- checkpoints ---------------------------------------------------------------------

TRAIN = """\
mkdir -p ckpt
n=$(ls ckpt | wc -l)
began=$n
echo begins at $n
while [ $n -lt 8 ]; do
  n=$((n + 1)); echo state $n > ckpt/part; mv ckpt/part ckpt/$n; {0}
done
cat ckpt/[0-9]* > "$OUT_O"
"""


def checkpoints(aicert):
    folder = aicert.home / "aicert/cache/checkpoints"
    return sorted(p.name for d in folder.glob("*/data") for p in d.iterdir()) if folder.exists() else []


def test_a_checkpoint_outlives_kill_9(aicert, write):
    write(step("train", TRAIN.format("[ $n != 4 ] || [ $began != 0 ] || sleep 1000"), extra=", checkpoint: ckpt"), outputs="o: train.o")
    p = start(aicert)
    wait_for(lambda: len(checkpoints(aicert)) >= 4 and "part" not in checkpoints(aicert))
    p.kill()
    p.communicate()
    nothing_left(aicert)
    assert checkpoints(aicert) == ["1", "2", "3", "4"]
    r = aicert()
    assert "goes on from its checkpoint" in r.stderr
    assert "begins at 4" in r.stderr
    result, = results(aicert)
    tree, = result["resumed"]
    r = aicert.json("verify", "--require", "software", "proof.json")
    assert "went on 'train'" in next(c for c in r["checks"] if c["name"] == "plan")["compared"]
    assert checkpoints(aicert) == [], "kept after the step ended well"
    assert "1 reused" in aicert().stdout


def test_a_step_that_kills_itself_goes_on(aicert, write):
    write(step("train", TRAIN.format("[ $n != 5 ] || [ -e ckpt/died ] || { : > ckpt/died; kill -9 $$; }").replace("ls ckpt |", "ls ckpt | grep -v died |"),
               extra=", checkpoint: ckpt"), outputs="o: train.o")
    r = aicert(code=4)
    assert "signal 9" in r.stderr
    assert checkpoints(aicert) == ["1", "2", "3", "4", "5", "died"]
    # Of steps that are no more: one that nobody had for long is removed, unless somebody has it now.
    folder, month = aicert.home / "aicert/cache/checkpoints", time.time() - 31 * 86400
    for name, age in (("a" * 64, month), ("b" * 64, time.time()), ("c" * 64, month), ("other", month)):
        (folder / name / "data/x").mkdir(parents=True)
        os.utime(folder / name, (age, age))
    held = os.open(folder / ("c" * 64), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    r = aicert()
    os.close(held)
    assert sorted(p.name for p in folder.iterdir()) == ["b" * 64, "c" * 64, "other"]
    assert "begins at 5" in r.stderr
    assert len(results(aicert)[0]["resumed"]) == 1
    verified(aicert)


def test_a_checkpoint_that_cannot_be_taken_in_is_left(aicert, write):
    write(step("train", 'mkdir -p ckpt; ls ckpt; if [ -e ckpt/pipe ]; then echo again; fi; mkfifo ckpt/pipe || exit 9; kill -9 $$', extra=", checkpoint: ckpt"),
          outputs="o: train.o")
    assert "signal 9" in aicert(code=4).stderr
    assert checkpoints(aicert) == ["pipe"]
    r = aicert(code=4)
    assert "its checkpoint cannot be used, and it begins anew" in r.stderr
    assert "again" not in r.stderr.replace("begins anew", "")


def test_an_output_in_the_checkpoint_folder(aicert, write):
    """What is collected may lie there; a step that moves the folder away and puts a link in its place collects nothing of the machine's."""
    write(step("train", "mkdir -p ckpt; echo weights > ckpt/final", extra=", checkpoint: ckpt", out="o: /workspace/ckpt/final"), outputs="o: train.o")
    aicert()
    assert (aicert.cwd / "outputs/o").read_text() == "weights\n"
    assert all("resumed" not in n for n in results(aicert)), "without a crash nothing is said of one"
    write(step("train", "mkdir -p a/ckpt; echo x > a/ckpt/x; mv a b && ln -s /etc a", extra=", checkpoint: a/ckpt", out="o: /workspace/a/ckpt"), outputs="o: train.o")
    r = aicert(code=4)
    assert "symbolic link" in r.stderr or "not there" in r.stderr
    assert checkpoints(aicert) == ["x"]
