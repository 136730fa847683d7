#!/usr/bin/python3
"""Runs the built tests and counts them: unit programs and fuzz replays (TAP), then pytest.

    tests/run.py --build build                       what `make test` runs
    tests/run.py --build build --long --san DIR      what `make test-long` adds: tests marked long, and all but the long ones again,
                                                     with longer replays, over the sanitized build in DIR

Ends with one line `N passed, N failed, N skipped`, writes the same to --counts as JSON, and exits 1 when anything failed or nothing ran.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import collections
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM_SECONDS, REPLAY_SECONDS, PYTEST_SECONDS = 600, 300, 3600
TAP = re.compile(r"^(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")


# Set when the run is given up: whatever runs beside it ends then.
STOP = threading.Event()

# Unit programs that do more when AICERT_LONG is set: more kills, more bits of each byte.
LONGER = ("test_real_proof", "test_store_many")


class Tally:
    """What was counted: passed, and the names and reasons of what failed or was skipped."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"passed": self.passed, "failed": len(self.failed), "skipped": len(self.skipped)}) + "\n")


def run(argv, seconds, env, out):
    """Exit code of a program in a process group of its own, ended as a whole when the time is over; None when it was."""
    with subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=ROOT, start_new_session=True) as p:
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not STOP.is_set():
                try:
                    return p.wait(min(1, seconds))
                except subprocess.TimeoutExpired:
                    pass
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return None
        except BaseException:
            os.killpg(p.pid, signal.SIGKILL)
            raise


def read_tap(text, name, code, tally):
    """Adds one program's TAP to the tally; True when all of it is well. A program that dies, or stops early, has failed."""
    before, seen, planned = len(tally.failed), 0, None
    for line in text.splitlines():
        if m := PLAN.match(line):
            planned = int(m[1])
        if not (m := TAP.match(line)):
            continue
        seen += 1
        title, skipped, skip = m[2].partition("# SKIP")
        where = f"{name}: {(title or skip).strip()}"
        if skipped:
            # cmocka writes a skipped test as `not ok 3 # SKIP name`.
            tally.skipped.append((where, skip.strip() if title.strip() else ""))
        elif m[1]:
            tally.failed.append((where, ""))
        else:
            tally.passed += 1
    if code is None:
        tally.failed.append((name, "did not end in time"))
    elif code < 0:
        tally.failed.append((name, f"killed by signal {-code}"))
    elif planned is not None and seen < planned:
        tally.failed.append((name, f"{seen} of {planned} tests reported"))
    elif seen == 0:
        tally.failed.append((name, "reported no test"))
    elif code != 0 and len(tally.failed) == before:
        tally.failed.append((name, f"exit {code}"))
    return len(tally.failed) == before


def programs(folder, seconds, env, label, tally, args=(), pattern="*"):
    """Every executable of a folder whose name fits, one after the other."""
    for program in sorted(p for p in folder.glob(pattern) if p.is_file() and os.access(p, os.X_OK) and not p.suffix):
        start, name = time.monotonic(), label + program.name
        was = tally.passed
        with tempfile.TemporaryFile() as out:
            code = run([str(program), *args], seconds, env, out)
            out.seek(0)
            text = out.read().decode("utf-8", "replace")
        good = read_tap(text, name, code, tally)
        print(f"{'ok  ' if good else 'FAIL'} {name}: {tally.passed - was} passed, {time.monotonic() - start:.1f} s", flush=True)
        if not good:
            print("\n".join("     " + l for l in text.splitlines()), flush=True)


def forward(pipe):
    """Whole lines to the terminal: two runs of pytest that write half lines at once cannot be read."""
    with os.fdopen(pipe, "rb") as lines:
        for line in lines:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()


def python_tests(build, env, label, what, tally):
    """pytest; its own words go to the terminal, its counts come from the XML that it writes."""
    with tempfile.TemporaryDirectory(prefix="aicert-tests.") as tmp:
        report = pathlib.Path(tmp) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-v", "--tb=short", f"--basetemp={tmp}/t", f"--junitxml={report}", *what]
        pipe, into = os.pipe()
        reader = threading.Thread(target=forward, args=(pipe,))
        reader.start()
        try:
            code = run(argv, PYTEST_SECONDS, {**env, "AICERT_BUILD": str(build)}, into)
        finally:
            os.close(into)
            reader.join()
        if code == 5:
            return
        if not report.exists():
            tally.failed.append((label + "pytest", "did not end in time" if code is None else f"exit {code} without a report"))
            return
        before = len(tally.failed)
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name = f"{label}{case.get('classname')}::{case.get('name')}"
            if (bad := case.find("failure")) is not None or (bad := case.find("error")) is not None:
                tally.failed.append((name, (bad.get("message") or "").splitlines()[0] if bad.get("message") else ""))
            elif (skip := case.find("skipped")) is not None:
                tally.skipped.append((name, skip.get("message") or ""))
            else:
                tally.passed += 1
        if code != 0 and len(tally.failed) == before:
            tally.failed.append((label + "pytest", f"exit {code}"))


# The measured machine's tests boot machines, which keep one processor busy: they run apart from the others.
MACHINES, OTHERS = ["tests/vm"], ["--ignore=tests/vm"]


class Beside:
    """The second lane: what it found is its own until it has ended."""

    def __init__(self, work):
        self.tally, self.wrong, self.work = Tally(), None, work
        self.thread = threading.Thread(target=self.go)

    def go(self):
        try:
            self.work(self.tally)
        except BaseException as e:  # told by the main thread, which ends the run
            self.wrong = e

    def __enter__(self):
        self.thread.start()

    def __exit__(self, kind, *_):
        if kind:
            STOP.set()
        self.thread.join()
        if self.wrong and not kind:
            raise self.wrong


def environment(build, long_run):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AICERT_", "PYTEST_", "MAKE", "MFLAGS"))}
    env.update(AICERT_BUILD=str(build), CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    if (ROOT.parent / "shared").is_dir():
        env["AICERT_SHARED"] = str(ROOT.parent / "shared")
    if long_run:
        env["AICERT_LONG"] = "1"
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return env


def parts(args, build):
    """What runs: (build folder, environment, label, its unit programs and replays)."""
    env = environment(build, args.long)
    if not args.long:
        def work(tally):
            programs(build / "unit", PROGRAM_SECONDS, env, "unit/", tally)
            programs(build / "fuzz", REPLAY_SECONDS, env, "fuzz/", tally)
        yield build, env, "", work
        return

    def longer(tally):
        for name in LONGER:
            programs(build / "unit", 2 * PROGRAM_SECONDS, env, "long/unit/", tally, pattern=name)
    yield build, env, "", longer
    if args.san:
        san = args.san.resolve()
        san_env = environment(san, False)

        def sanitized(tally):
            programs(san / "unit", 2 * PROGRAM_SECONDS, san_env, "sanitized/unit/", tally)
            programs(san / "fuzz", REPLAY_SECONDS, san_env, "sanitized/fuzz/", tally, ["--mutations=100000", "--seconds=25"])
        yield san, san_env, "sanitized/", sanitized


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    ap.add_argument("--long", action="store_true", help="the tests marked long instead of the others")
    ap.add_argument("--san", type=pathlib.Path, help="a sanitized build to run everything but the long tests over")
    ap.add_argument("--counts", type=pathlib.Path, help="default: test-counts.json in the build folder")
    args = ap.parse_args()
    build, start, tally = args.build.resolve(), time.monotonic(), Tally()
    counts = args.counts or build / "test-counts.json"
    counts.unlink(missing_ok=True)
    # What takes longest first, so that both lanes end together: machines that boot, other long tests, the same under sanitizers.
    jobs = collections.deque()
    for folder, env, label, work in parts(args, build):
        jobs.append(functools.partial(python_tests, folder, env, label, MACHINES))
        jobs.append(functools.partial(python_tests, folder, env, label, OTHERS))
        jobs.append(work)
    if not args.long:
        jobs.rotate(-1)

    def lane(mine):
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                return
            job(mine)

    beside = Beside(lane)
    with beside:
        lane(tally)
    tally.add(beside.tally)
    for title, what in (("Skipped", tally.skipped), ("Failed", tally.failed)):
        if what:
            print(f"\n{title}:")
            print("\n".join(f"  {name}" + (f": {why}" if why else "") for name, why in what))
    print(f"\nin {time.monotonic() - start:.0f} s")
    print(tally.line(), flush=True)
    tally.write(counts)
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
