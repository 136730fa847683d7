"""What the observer recorded against what strace saw the same processes do: nothing may be missing."""
import json
import os
import re
import shutil
import subprocess

import pytest

PYTHON = "/usr/bin/python3"
# The machine's, as the sandbox binds it. All else in a step's tree is the sandbox's own and the same on every machine.
HOST = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
        "/etc/alternatives", "/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/perl", "/etc/python3", "/etc/python3.11", "/etc/mime.types", "/etc/magic",
        "/etc/debian_version", "/etc/os-release", "/etc/inputrc", "/etc/terminfo", "/etc/locale.alias")
# Which argument is the folder, which the path; and whether the last link is followed.
CALLS = {"open": (None, 0), "openat": (0, 1), "stat": (None, 0), "lstat": (None, 0), "newfstatat": (0, 1), "statx": (0, 1), "access": (None, 0),
         "faccessat": (0, 1), "faccessat2": (0, 1), "readlink": (None, 0), "readlinkat": (0, 1), "execve": (None, 0), "chdir": (None, 0),
         "statfs": (None, 0), "getxattr": (None, 0), "lgetxattr": (None, 0), "mkdir": (None, 0), "unlink": (None, 0), "rmdir": (None, 0)}
NOFOLLOW = ("lstat", "readlink", "readlinkat", "lgetxattr", "mkdir", "unlink", "rmdir")
ARGUMENT = re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<]+|,')


def under(path, roots):
    return any(path == r or path.startswith(r + "/") for r in roots)


def unquote(text):
    return text[1:-1].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def arguments(text):
    """The first arguments of a call as strace prints them; a descriptor becomes the path in its <>."""
    args, now = [], ""
    for m in ARGUMENT.finditer(text):
        if m[0] == ",":
            args.append(now.strip())
            now = ""
        else:
            now += m[0]
    return args + [now.strip()]


def step_lines(trace, argv0):
    """(call, arguments, result) of the command and of all that it started, in strace's order."""
    ours, unfinished = set(), {}
    for line in trace.splitlines():
        m = re.match(r"(\d+) +(.*)", line)
        pid, rest = m[1], m[2]
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest[:-len("<unfinished ...>")]
            continue
        if r := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = unfinished.pop(pid, "") + r[1]
        m = re.match(r"(\w+)\((.*)\) += (-?\d+|\?)", rest)
        if not m:
            continue
        if m[1] == "execve" and m[2].startswith(f'"{argv0}"') and m[3] == "0" and not ours:
            ours.add(pid)
        if pid not in ours:
            continue
        if m[1] in ("clone", "fork", "vfork", "clone3") and int(m[3]) > 0:
            ours.add(m[3])
        yield m[1], arguments(m[2]), m[3]


def looked_at(lines):
    """(path, follow) of every look-up, and the folders that were listed."""
    cwd = "/workspace"
    for call, args, result in lines:
        if call == "getdents64":
            yield re.search(r"<(.*)>", args[0])[1], True, True
            continue
        if call not in CALLS:
            continue
        folder, at = CALLS[call]
        if len(args) <= at or not args[at].startswith('"'):
            continue
        path = unquote(args[at])
        if not path:
            continue
        if not path.startswith("/"):
            base = re.search(r"<(.*)>", args[folder]) if folder is not None else None
            path = (base[1] if base else cwd) + "/" + path
        yield path, call not in NOFOLLOW and not any("NOFOLLOW" in a for a in args), False
        if call == "chdir" and result == "0":
            cwd = path


def end_of(path, follow, links):
    """Where a look-up ends, by the links of the record; None when a step's own link is on the way."""
    done, rest = [], [p for p in path.split("/") if p]
    for _ in range(400):
        if not rest:
            return "/" + "/".join(done)
        name = rest.pop(0)
        if name == ".":
            continue
        if name == "..":
            done = done[:-1]
            continue
        here = "/" + "/".join([*done, name])
        if here in links and (rest or follow):
            rest = [p for p in links[here].split("/") if p] + rest
            if links[here].startswith("/"):
                done = []
            continue
        done.append(name)
    raise AssertionError(path)


def missing(used, lines):
    links = {f["path"]: f["target"] for f in used["files"] if f["type"] == "link"}
    types = {f["path"]: f["type"] for f in used["files"]}
    listed = {entry["path"] for entry in used["listed"]}
    absent = set(used["absent"])
    ends = absent | {p for p, t in types.items() if t in ("file", "exec")}
    faults, n = [], 0
    for path, follow, listing in looked_at(lines):
        end = end_of(path, follow, links)
        if not under(end, HOST):
            continue
        n += 1
        above = ["/".join(end.split("/")[:i]) for i in range(2, end.count("/") + 1)]
        if end not in types and end not in absent and end not in listed and not any(a in ends for a in above):
            faults.append(path)
        if listing and end not in listed:
            faults.append("listing of " + path)
    return faults, n


COMMANDS = {
    "numpy": [PYTHON, "-c", "import numpy; numpy.linalg.inv(numpy.eye(3))"],
    "imports": [PYTHON, "-c", "import json, ssl, sqlite3, email, http.client, ctypes.util, multiprocessing, importlib.metadata as m; ssl.create_default_context(); "
                              "list(m.distributions()); ctypes.util.find_library('c')"],
    "shell": ["/bin/sh", "-c", "ls /usr/lib | head -n 3; cat /etc/ld.so.conf /etc/ld.so.conf.d/*.conf | sort | uniq -c | wc -l; cd /usr/share/doc && ls -l . >/dev/null; "
                               "for f in /usr/bin/z*; do test -x $f; test -L ../$f; done; command -v nothing-such; find /usr/lib/locale -name 'x*'; "
                               "(cd ../../lib && readlink -f os-release); mkdir /usr/share/doc /usr/new; rm -f /usr/bin/none; env -i /usr/bin/env true; true"],
    "perl": ["/usr/bin/perl", "-MFile::Find", "-MPOSIX", "-e", "opendir(D, '/usr/share/perl'); readdir(D); eval 'require Nothing::Such'; chdir '/usr/bin'; -e 'perl'; -l '../bin/no'"],
    "at": [PYTHON, "-S", "-c", "import os; f = os.open('/usr/share', os.O_RDONLY | os.O_DIRECTORY); os.stat('doc', dir_fd=f); os.access('../lib/os-release', 0, dir_fd=f)\n"
                               "try: os.open('nothing', 0, dir_fd=f)\nexcept OSError: pass\nos.fchdir(f); os.path.exists('perl/none'); os.listdir('.')"],
}


def traced(tmp_path):
    """The environment of a program under strace, where the leak sanitizer, itself a tracer, cannot work."""
    return {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "ASAN_OPTIONS": "detect_leaks=0"}


@pytest.fixture(scope="session")
def strace():
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if os.geteuid() != 0:
        pytest.skip("strace follows a sandbox only for root")


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_missing(name, observe_tool, strace, tmp_path):
    argv = COMMANDS[name]
    if name == "numpy" and not os.path.exists("/usr/lib/python3/dist-packages/numpy/__init__.py"):
        pytest.skip("python3-numpy is not installed")
    trace = tmp_path / "trace"
    r = subprocess.run(["strace", "-f", "-y", "-s", "4096", "-e", "signal=none", "-e", "trace=%file,%process,getdents64,fchdir", "-o", trace, observe_tool, "used", *argv],
                       capture_output=True, text=True, timeout=120, env=traced(tmp_path))
    assert r.returncode == 0, r.stderr
    lines = list(step_lines(trace.read_text(errors="surrogateescape"), argv[0]))
    faults, n = missing(json.loads(r.stdout), lines)
    print(f"{name}: {len(lines)} calls traced, {n} look-ups on the machine, {len(faults)} missing")
    assert n > 20
    assert not faults, sorted(set(faults))[:20]


def test_the_comparison_finds_what_is_missing(observe_tool, strace, tmp_path):
    """The check itself: a record with one entry taken out is found wanting."""
    argv, trace = COMMANDS["at"], tmp_path / "trace"
    r = subprocess.run(["strace", "-f", "-y", "-s", "4096", "-e", "signal=none", "-e", "trace=%file,%process,getdents64,fchdir", "-o", trace, observe_tool, "used", *argv],
                       capture_output=True, text=True, timeout=120, env=traced(tmp_path))
    used, lines = json.loads(r.stdout), list(step_lines(trace.read_text(), argv[0]))
    assert not missing(used, lines)[0]
    for key in ("files", "absent", "listed"):
        assert any(missing({**used, key: used[key][:i] + used[key][i + 1:]}, lines)[0] for i in range(len(used[key]))), key


def test_a_second_look_costs_one_stat_a_path(observe_tool, strace, tmp_path):
    """A record is checked again without opening a file or listing a folder."""
    trace = tmp_path / "trace"
    r = subprocess.run(["strace", "-o", trace, observe_tool, "holds", "1", PYTHON, "-c", "import json, ssl, email"], capture_output=True, text=True,
                       timeout=120, env=traced(tmp_path))
    assert r.returncode == 0, r.stderr
    paths, calls = json.loads(r.stdout)["paths"], {}
    for line in trace.read_text().split("/the-last-check")[1].splitlines()[1:]:
        # SQLite's own looks at its files and locks aside.
        if (m := re.match(r"(\w+)\(", line)) and "AT_EMPTY_PATH" not in line and m[1] != "fcntl":
            calls[m[1]] = calls.get(m[1], 0) + 1
    print(f"{paths} paths: {calls}")
    assert calls["newfstatat"] <= paths
    assert "openat" not in calls and "getdents64" not in calls
