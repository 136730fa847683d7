"""What a hostile step leaves behind or uses up: outputs that are no files, daemons, floods, hogs. Each ends in good time, in plain words, and leaves nothing.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import pty
import shutil
import subprocess
import threading
import time

import pytest
from attack.ground import CONTEXTS, ROOT_ONLY, SECRET, Builder

pytestmark = ROOT_ONLY


@pytest.fixture(scope="session")
def builders(ground):
    made = {}

    def get(context):
        if context not in made:
            uid, environment = CONTEXTS[context]
            made[context] = Builder(ground, f"deeds-{context}", uid, environment)
            (made[context].folder / "secret").write_text(SECRET + "\n")
        return made[context]
    return get


# Both users and both environments in the short run; all four combinations in the long one.
SOME = ["host-root", "image-user", *(pytest.param(c, marks=pytest.mark.long) for c in ("host-user", "image-root"))]


@pytest.fixture(params=SOME)
def builder(builders, request):
    b = builders(request.param)
    for old in ("proof.json", "outputs"):
        shutil.rmtree(b.project / old) if (b.project / old).is_dir() else (b.project / old).unlink(missing_ok=True)
    yield b
    b.nothing_left()


def processes(name):
    """Those of that name, wherever they are."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (p / "comm").read_text().strip() == name:
                found.append(p.name)
        except OSError:
            pass
    return found


def timed(builder, seconds, script, **how):
    start = time.monotonic()
    r = builder.run(script, **how)
    took = time.monotonic() - start
    print(f"exit {r.returncode} in {took:.2f} s: {(r.stderr or '').strip().splitlines()[-1:]}")
    assert took < seconds
    return r


def outputs(builder):
    return builder.project / "outputs"


# --- outputs that are no plain content --------------------------------------------------------------

A = '"$IN_TOOLS/attacker"'
REFUSED = {
    "a link to a host file": ('mkdir "$OUT_OUT"; ln -s {secret} "$OUT_OUT/x"', "leaves"),
    "a link to .. and on": ('mkdir "$OUT_OUT"; ln -s ../../../../../../etc/passwd "$OUT_OUT/x"', "leaves"),
    "a link to an input": ('mkdir "$OUT_OUT"; ln -s "$IN_GIVEN/data" "$OUT_OUT/x"', "leaves"),
    "a link by /proc/self/root": ('mkdir "$OUT_OUT"; ln -s /proc/self/root{secret} "$OUT_OUT/x"', "leaves"),
    "a link in a folder": ('mkdir -p "$OUT_OUT/a"; ln -s ../../x "$OUT_OUT/a/x"', "leaves"),
    "an output that is a link": ('ln -s {folder} "$OUT_OUT"', "symbolic link"),
    "an output folder that is a link": ('rm -rf /workspace/outputs; ln -s {folder} /workspace/outputs', "symbolic link"),
    "an output that is a link to an input": ('ln -s "$IN_GIVEN" "$OUT_OUT"', "symbolic link"),
    "a FIFO": ('mkdir "$OUT_OUT"; mkfifo "$OUT_OUT/x"', "FIFO"),
    "a socket": ('mkdir "$OUT_OUT"; cd "$OUT_OUT"; ' + A + ' do socket x', "socket"),
    "an output that is a FIFO": ('mkfifo "$OUT_OUT"', "not"),
    "a name with a newline": ('mkdir "$OUT_OUT"; ' + A + ' do name "$OUT_OUT" 610a62', "control"),
    "a name with an escape": ('mkdir "$OUT_OUT"; ' + A + ' do name "$OUT_OUT" 1b5b324a', "control"),
    "a name of invalid UTF-8": ('mkdir "$OUT_OUT"; ' + A + ' do name "$OUT_OUT" fffe', "UTF-8"),
    "a name with an overlong slash": ('mkdir "$OUT_OUT"; ' + A + ' do name "$OUT_OUT" c0af', "UTF-8"),
    "folders 400 deep": ('mkdir "$OUT_OUT"; ' + A + ' do deep "$OUT_OUT" 400', "deeper than"),
    "a sparse file of 8 TiB": ('mkdir "$OUT_OUT"; ' + A + ' do sparse "$OUT_OUT/x" 8', "free"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_output_is_refused(builder, what):
    script, words = REFUSED[what]
    secret = builder.folder / "secret"
    r = timed(builder, 20, script.format(secret=secret, folder=builder.folder))
    assert r.returncode in (3, 4, 5), r.stderr
    assert words in r.stderr, r.stderr
    assert "\x1b" not in r.stderr and "\ufffd" not in r.stderr and SECRET not in r.stderr + r.stdout
    assert not outputs(builder).exists() and not (builder.project / "proof.json").exists()


HARMLESS = {
    "a set-user-id program": 'mkdir "$OUT_OUT"; cp ' + A + ' "$OUT_OUT/x"; chmod 6777 "$OUT_OUT/x"; chmod 1777 "$OUT_OUT"',
    "names of 255 bytes": 'mkdir "$OUT_OUT"; ' + A + ' do name "$OUT_OUT" ' + "61" * 255,
    "names that look alike": 'mkdir "$OUT_OUT"; cd "$OUT_OUT"; for n in 61 41 c3a9 65cc81 d0b0 efbd81 2e2e2e 2d7266 20; do ' + A + ' do name . $n; done',
    "hard links of one file": 'mkdir "$OUT_OUT"; echo x > "$OUT_OUT/a"; ln "$OUT_OUT/a" "$OUT_OUT/b"; ln "$OUT_OUT/a" /workspace/c',
    "files nobody may read": 'mkdir -p "$OUT_OUT" /workspace/x/y /tmp/x/y "$HOME/x"; echo x > "$OUT_OUT/a"; echo > /workspace/x/y/z; chmod 0 /workspace/x/y /workspace/x /tmp/x "$HOME/x"',
    "folders 1200 deep beside the outputs": 'mkdir -p "$OUT_OUT"; echo x > "$OUT_OUT/a"; ' + A + ' do deep /tmp 1200; mkdir "$HOME/x"; ' + A + ' do deep "$HOME/x" 300',
}


@pytest.mark.parametrize("what", HARMLESS)
def test_output_is_harmless(builder, what):
    r = timed(builder, 30, HARMLESS[what], code=0)
    assert "\x1b" not in r.stderr
    for p in outputs(builder).rglob("*"):
        s = p.stat()
        assert s.st_mode & 0o7022 == 0 and s.st_uid == builder.uid and (p.is_dir() or s.st_nlink == 1), f"{p}: mode {s.st_mode:o}, {s.st_nlink} links"
    if what == "names that look alike":
        assert len(list(outputs(builder).rglob("*"))) >= 9
    builder.store_is_sound()


def test_many_files(builder):
    timed(builder, 60, f'mkdir "$OUT_OUT"; {A} do many "$OUT_OUT" 800', code=0)


@pytest.mark.long
def test_very_many_files(builders):
    """No number is too high: time and disk grow with it, and no faster."""
    b = builders("host-root")
    timed(b, 1200, f'mkdir "$OUT_OUT"; {A} do many "$OUT_OUT" 100000', code=0, timeout=1500)
    b.nothing_left()


# --- what stays behind -------------------------------------------------------------------------------

def test_a_daemon_is_dead_before_outputs_are_collected(builder):
    """It ignores signals, keeps the log open, and swaps an output for a link to a host file as fast as it can."""
    name = f"aic-daemon-{os.getpid() % 1000}"
    secret = builder.folder / "secret"
    for _ in range(3):
        r = timed(builder, 15, f'mkdir "$OUT_OUT"; echo plain > "$OUT_OUT/x"; {A} do daemon {name} "$OUT_OUT/x" {secret}; sleep 0.1; echo run $$')
        assert not processes(name)
        assert r.returncode in (0, 3, 4) and SECRET not in r.stderr
        if r.returncode:
            assert "leaves" in r.stderr
        for p in outputs(builder).rglob("*"):
            assert not p.is_symlink() and p.is_dir() or p.read_text() == "plain\n"
        shutil.rmtree(outputs(builder), ignore_errors=True)
    builder.store_is_sound()


def test_killed_in_the_middle_of_a_look_up(builder):
    """Those that outlive the step's command die while the observer reads what they ask for: that is no failure of the step."""
    for turn in range(12):
        look = "while :; do test -e /usr/lib/none-$i || : < /etc/passwd; done"
        timed(builder, 15, f'mkdir "$OUT_OUT"; echo {turn} > "$OUT_OUT/x"; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ({look}) & done; sleep 0.0{turn}', code=0)
        shutil.rmtree(outputs(builder))


@pytest.mark.parametrize("script", ["kill -9 -1", "kill -9 1; kill -TERM 1; sleep 5", "kill -STOP -1", "kill -9 $PPID; kill -9 $$"])
def test_a_step_that_kills_everything_it_can_kills_itself(builder, script):
    r = timed(builder, 15, f'mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"; {script}; sleep 5', limits="    limits: { time: 3s }\n")
    assert r.returncode in (0, 4), r.stderr


def test_a_step_that_ignores_all_signals_ends_at_its_time(builder):
    name = f"aic-hang-{os.getpid() % 1000}"
    r = timed(builder, 15, f"{A} do hang {name}", limits="    limits: { time: 1s }\n")
    assert r.returncode == 4 and "time limit" in r.stderr
    assert not processes(name)


# --- what is used up ----------------------------------------------------------------------------------

@pytest.mark.parametrize("limits", [pytest.param("    limits: { time: 5s }\n", marks=pytest.mark.long), "    limits: { pids: 64, time: 5s }\n"], ids=["unlimited", "limited"])
def test_a_fork_bomb_ends(builder, limits):
    name = f"aic-bomb-{os.getpid() % 1000}"
    r = timed(builder, 60, f'{A} do bomb {name}; mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"', limits=limits)
    assert r.returncode in (0, 4)
    assert not processes(name)


@pytest.mark.parametrize("deed", ["memory 4000", "file /dev/shm/x 4000"])
def test_a_memory_hog_is_stopped(builder, deed):
    r = timed(builder, 20, f'{A} do {deed}; mkdir "$OUT_OUT"', limits="    limits: { memory: 64M }\n")
    assert r.returncode == 4, r.stderr
    if deed.startswith("memory") and builder.uid == 0:
        assert "memory limit" in r.stderr


def test_a_log_flood_is_cut(builder):
    r = timed(builder, 40, f'{A} do flood 80; mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"; echo the last words', code=0, stderr=subprocess.DEVNULL)
    log = max((builder.home / "aicert/cache/logs").glob("*.log"), key=lambda p: p.stat().st_mtime)
    assert r.returncode == 0 and log.stat().st_size < 65 << 20
    assert b"cut" in log.read_bytes()[-300:]
    log.unlink()


@pytest.fixture
def small_disk(ground, builders, request):
    """A home on a disk of 400 MB."""
    folder = ground / "small"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=0755", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("context", SOME)
@pytest.mark.parametrize("where", ["/tmp", "/workspace", "/workspace/outputs"])
def test_a_full_disk_is_the_steps_end_and_not_the_machines(small_disk, context, where):
    uid, environment = CONTEXTS[context]
    b = Builder.__new__(Builder)
    shutil.copy(small_disk.parent / "attacker", small_disk)
    for p in ("aicert", "aicert-engine"):
        shutil.copy(small_disk.parent / p, small_disk)
    Builder.__init__(b, small_disk, "builder", uid, environment)
    stop, least = threading.Event(), []

    def watch():
        while not stop.wait(0.02):
            s = os.statvfs(small_disk)
            least.append(s.f_bavail * s.f_frsize)
    watcher = threading.Thread(target=watch)
    watcher.start()
    r = timed(b, 30, f'{A} do file {where}/x 1000 || true; sleep 3; mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"')
    stop.set()
    watcher.join()
    print(f"least free: {min(least) >> 20} MiB")
    # A writer that outruns the look at the disk is met by the disk itself, where the step's log goes: the same end.
    assert r.returncode == 5 and ("used up the disk" in r.stderr or "log: cannot write: No space left" in r.stderr), r.stderr
    b.nothing_left()
    b.store_is_sound()
    b.run('mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"', code=0)


# --- what is read elsewhere ---------------------------------------------------------------------------

def test_an_input_that_changes_after_it_was_hashed(builder):
    """The step sees the store's bytes, not the file that somebody edits while it runs."""
    given = builder.project / "given/data"
    before = given.read_text()
    builder.write('mkdir "$OUT_OUT"; echo begun; sleep 1.5; cat "$IN_GIVEN/data" > "$OUT_OUT/x"')
    p = subprocess.Popen([builder.program, "--force"], cwd=builder.project, user=builder.uid, group=builder.uid, extra_groups=[], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": os.environ["PATH"], "HOME": str(builder.home),
                                                                                           "AICERT_HOME": str(builder.home / "aicert")})
    seen = ""
    while "begun" not in seen:
        line = p.stdout.readline()
        assert line, seen
        seen += line
    with given.open("r+") as f:
        f.write("evil")
    (builder.project / "given/sub/more").write_text("evil")
    rest = p.communicate(timeout=60)[0]
    assert p.returncode == 0, seen + rest
    assert (outputs(builder) / "out/x" if (outputs(builder) / "out").is_dir() else outputs(builder) / "x").read_text() == before
    builder.store_is_sound()
    given.write_text(before)
    (builder.project / "given/sub/more").write_text("more\n")


def test_the_log_drives_no_terminal(builder):
    """What a step prints is shown on the builder's terminal: none of it may be an order to the terminal."""
    builder.write("""mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"; printf 'a\\033]0;title\\007b\\033[2Jc\\233d\\033P+q\\033\\\\e\\r\\nf\\010\\010\\016g\\n'; printf '\\302\\233\\342\\200\\256h\\n' """)
    master, slave = pty.openpty()
    env = {"PATH": os.environ["PATH"], "HOME": str(builder.home), "AICERT_HOME": str(builder.home / "aicert"), "TERM": "xterm", "NO_COLOR": "1"}
    p = subprocess.Popen([builder.program, "-v", "--force"], cwd=builder.project, user=builder.uid, group=builder.uid, extra_groups=[], stdin=slave, stdout=slave,
                         stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert p.wait(60) == 0, shown
    for order in (b"\x1b]", b"\x1bP", b"\x1b[2J", b"\x9bd", b"\xc2\x9b", b"\x07", b"\x08", b"\x0e", "\u202e".encode()):
        assert order not in shown, (order, shown)


def test_a_step_that_looks_at_very_much(builder):
    """The observer's memory is bounded, and names that no record can hold end nothing badly."""
    r = timed(builder, 40, f'{A} do look 3000; mkdir "$OUT_OUT"; echo x > "$OUT_OUT/x"')
    assert r.returncode in (0, 4, 5), r.stderr
    assert "\x1b" not in r.stderr and r.returncode == 0 or "observer" in r.stderr or "name" in r.stderr, r.stderr


def test_a_home_that_every_step_could_read_is_refused(ground):
    """/opt belongs to the machine's folders: with a home in it, a step would see the store. In a mount namespace of its own, over an empty /opt."""
    b = Builder(ground, "opt", 0, "")
    b.write('cat /opt/aicert/cache/objects/*/* > "$OUT_OUT"', outputs="{ out: out }")
    r = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /opt && exec " + str(b.program)], cwd=b.project, capture_output=True, text=True,
                       env={"PATH": os.environ["PATH"], "HOME": str(b.home), "AICERT_HOME": "/opt/aicert"}, stdin=subprocess.DEVNULL)
    assert r.returncode == 5 and "'/opt'" in r.stderr and "AICERT_HOME" in r.stderr, r.stderr
    assert not (b.project / "outputs").exists()
