"""What every test of the program has: the built commands, a home of its own, ../shared, real servers on loopback."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build")).resolve()
SHARED = ROOT.parent / "shared"


def pytest_configure(config):
    config.addinivalue_line("markers", "long: runs in `make test-long` only")


def pytest_collection_modifyitems(config, items):
    long_run = os.environ.get("AICERT_LONG") == "1"
    items[:] = [i for i in items if (i.get_closest_marker("long") is not None) == long_run]


class Aicert:
    """Runs the built `aicert` with a home of its own; every result keeps code, out and err."""

    def __init__(self, home, cwd):
        self.home, self.cwd = home, cwd
        self.env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        self.env.update(HOME=str(home), AICERT_HOME=str(home / "aicert"), NO_COLOR="1", GIT_CONFIG_NOSYSTEM="1")

    def __call__(self, *args, code=0, cwd=None, env=None, input=None, timeout=300):
        r = subprocess.run([str(BUILD / "aicert"), *map(str, args)], cwd=cwd or self.cwd, env={**self.env, **(env or {})},
                           capture_output=True, text=True, input=input, timeout=timeout, stdin=None if input is not None else subprocess.DEVNULL)
        if code is not None:
            assert r.returncode == code, f"aicert {' '.join(map(str, args))}: exit {r.returncode}, expected {code}\n{r.stdout}\n{r.stderr}"
        return r

    def json(self, *args, **kw):
        out = self(*args, "--json", **kw).stdout
        # A run prints an object for each thing that happens; the last is its report.
        runs = not args or args[0] == "run" or str(args[0]).startswith("-")
        return json.loads(out.splitlines()[-1] if runs else out)


@pytest.fixture
def aicert(tmp_path):
    home, cwd = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    cwd.mkdir()
    return Aicert(home, cwd)


@pytest.fixture
def aicert_in():
    """Makes further Aicerts: aicert_in(home, cwd)."""
    return Aicert


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    return SHARED


def git(cwd, *args, env=None):
    e = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
         "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
         "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z", **(env or {})}
    r = subprocess.run(["git", *args], cwd=cwd, env=e, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.strip()


@pytest.fixture
def git_repo(tmp_path):
    """git_repo({"src/main.py": "…"}, name="repo") -> (path, commit)."""
    def make(files, name="repo"):
        d = tmp_path / name
        d.mkdir()
        git(d, "init", "-q", "-b", "main")
        for path, text in files.items():
            (d / path).parent.mkdir(parents=True, exist_ok=True)
            (d / path).write_bytes(text if isinstance(text, bytes) else text.encode())
        git(d, "add", "-A")
        git(d, "commit", "-q", "-m", "first")
        return d, git(d, "rev-parse", "HEAD")
    return make
