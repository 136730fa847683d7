"""What `make install` gives: a command that finds its other half, libraries that pkg-config finds, and no symbol that is not promised."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT, Aicert, git

HEADER = (ROOT / "aicert" / "aicert.h").read_text()
CLIENT = pathlib.Path(__file__).resolve().parent / "client.c"
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
INSTALLED = """\
bin/aicert
include/aicert.h
lib/libaicert-verify.a
lib/libaicert-verify.so
lib/libaicert-verify.so.0
lib/libaicert.a
lib/libaicert.so
lib/libaicert.so.0
lib/pkgconfig/aicert-verify.pc
lib/pkgconfig/aicert.pc
libexec/aicert/aicert-engine
libexec/aicert/aicert-worker
""".split()
AICERTFILE = """\
kind: python
source:
  type: git
  gitRepo: "file://{repo}"
outputs: {{ model: model.bin }}
"""


def call(*argv, code=0, **kw):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)
    assert r.returncode == code, f"{argv}: exit {r.returncode}\n{r.stdout}{r.stderr}"
    return r.stdout


def needed(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", call("readelf", "-d", path))


SANITIZERS = {"libasan", "libubsan"} & {n.split(".")[0] for n in needed(BUILD / "libaicert.so")} if (BUILD / "libaicert.so").exists() else set()
SANITIZE = ["-fsanitize=address,undefined"] if SANITIZERS else []


def install(to, *more):
    """make install of the build under test, as it is: nothing is built for it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    call("make", "-C", ROOT, "-o", "all", "install", f"B={BUILD}", f"DESTDIR={to}", *more, env=env)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    to = tmp_path_factory.mktemp("stage")
    install(to, "PREFIX=/usr/local")
    return to


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that was run for real: its Aicert, the repository, the commit."""
    place = tmp_path_factory.mktemp("project")
    for name in ("home", "work", "repo"):
        (place / name).mkdir()
    repo = place / "repo"
    git(repo, "init", "-q", "-b", "main")
    (repo / "main.py").write_text("open('outputs/model.bin', 'w').write('weights')\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    aicert = Aicert(place / "home", place / "work")
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE.format(repo=repo))
    aicert()
    return aicert, repo, git(repo, "rev-parse", "HEAD")


def pkg_config(stage, *args):
    env = {"PATH": os.environ["PATH"], "PKG_CONFIG_SYSROOT_DIR": str(stage), "PKG_CONFIG_PATH": str(stage / "usr/local/lib/pkgconfig")}
    return call("pkg-config", *args, env=env).split()


def compile_client(out, flags, *more, compiler="cc"):
    return call(compiler, "-Wall", "-Wextra", "-Werror", "-g", *SANITIZE, f'-DVERSION="{VERSION}"', *more, "-o", out, CLIENT, *flags)


# --- what lies where -------------------------------------------------------

def test_install_gives_these_files(stage):
    top = stage / "usr/local"
    assert sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if not p.is_dir()) == INSTALLED
    assert [p.name for p in stage.iterdir()] == ["usr"]
    for lib in ("libaicert-verify", "libaicert"):
        assert os.readlink(top / f"lib/{lib}.so") == f"{lib}.so.0"
        assert f"soname: [{lib}.so.0]" in call("readelf", "-d", top / f"lib/{lib}.so")
        assert (top / f"lib/pkgconfig/{lib[3:]}.pc").read_text().count("@") == 0
    install(stage, "PREFIX=/usr/local")  # again, over itself


def test_install_elsewhere(tmp_path):
    install(tmp_path, "PREFIX=/opt/aicert", "LIBDIR=/opt/lib64")
    assert (tmp_path / "opt/lib64/libaicert.so.0").is_file() and (tmp_path / "opt/aicert/libexec/aicert/aicert-engine").is_file()
    pc = (tmp_path / "opt/lib64/pkgconfig/aicert.pc").read_text()
    assert "prefix=/opt/aicert\nlibdir=/opt/lib64\n" in pc


def test_the_installed_command_finds_its_engine_wherever_it_is(stage, project, tmp_path):
    """aicert-engine is found beside bin/, not only where the prefix said it would be."""
    aicert = project[0]
    shutil.copytree(stage / "usr/local", tmp_path / "moved", symlinks=True)
    env = {**aicert.env, "HOME": str(tmp_path), "AICERT_HOME": str(tmp_path / "aicert")}
    for top in (stage / "usr/local", tmp_path / "moved"):
        call(top / "bin/aicert", "--output-bom", tmp_path / "p.json", "--output-dir", tmp_path / "outputs", env=env, cwd=aicert.cwd)
        call(top / "bin/aicert", "verify", tmp_path / "p.json", "--require", "software", env=env)


# --- symbols and dependencies ----------------------------------------------

def declared(text):
    return set(re.findall(r"AICERT_API [^;]*?\b(aicert_\w+)\(", text))


def test_only_what_is_promised_is_exported(stage):
    verifying = declared(HEADER[:HEADER.index("--- running")])
    assert {"aicert_verify", "aicert_free", "aicert_trust_add"} <= verifying < declared(HEADER)
    for lib, promised in (("libaicert-verify", verifying), ("libaicert", declared(HEADER))):
        symbols = {line.split()[-1] for line in call("nm", "-D", "--defined-only", stage / f"usr/local/lib/{lib}.so").splitlines()}
        if SANITIZERS:
            symbols = {s for s in symbols if s.startswith("aicert_")}
        assert symbols == promised
        names = {line.split()[-1] for line in call("nm", "-g", "--defined-only", stage / f"usr/local/lib/{lib}.a").splitlines() if len(line.split()) == 3}
        assert {n for n in names if not n.startswith(("aicert_", "ai_"))} == set() or SANITIZERS


def test_the_verifying_half_needs_three_libraries(stage):
    def names(path):
        return {n.split(".so")[0] for n in needed(path)} - {"libasan", "libubsan", "libm", "ld-linux-x86-64"}
    assert names(stage / "usr/local/lib/libaicert-verify.so") == {"libc", "libcrypto", "libjansson", "libyaml-0"}
    assert names(stage / "usr/local/bin/aicert") == {"libc", "libcrypto", "libjansson", "liblua5.4", "libyaml-0"}


# --- clients ---------------------------------------------------------------

def static_only(stage, to):
    """The same installation without shared libraries, so that -laicert can only mean the archive."""
    shutil.copytree(stage, to, symlinks=True)
    for so in (to / "usr/local/lib").glob("*.so*"):
        so.unlink()
    return to


# What the engine leans on comes shared only, so libaicert has no wholly static client.
@pytest.mark.parametrize("package,kind", [
    ("aicert-verify", "shared"), ("aicert-verify", "static"), ("aicert-verify", "wholly-static"), ("aicert", "shared"), ("aicert", "static")])
def test_a_client_verifies(stage, project, tmp_path, package, kind):
    if kind == "wholly-static" and SANITIZERS:
        pytest.skip("the sanitizers' runtime is shared")
    aicert = project[0]
    where = stage if kind == "shared" else static_only(stage, tmp_path / "static")
    flags = pkg_config(where, "--cflags", "--libs", *([] if kind == "shared" else ["--static"]), package)
    compile_client(tmp_path / "client", flags, *(["-static"] if kind == "wholly-static" else []))
    env = {**aicert.env, "LD_LIBRARY_PATH": str(stage / "usr/local/lib")}
    linked = needed(tmp_path / "client")
    assert (f"lib{package}.so.0" in linked) == (kind == "shared") and (linked == []) == (kind == "wholly-static")

    code, text, hint, report = call(tmp_path / "client", "verify", "proof.json", "software", env=env, cwd=aicert.cwd).split("\n", 3)
    report = json.loads(report)
    assert (code, text, hint) == ("0", "", "") and report["verified"] is True and report["level"] == "software"
    replanned = next(c["status"] for c in report["checks"] if c["name"] == "planned again")
    assert replanned == ("passed" if package == "aicert" else "skipped")

    code, text, hint, report = call(tmp_path / "client", "verify", "proof.json", "measured-platform", env=env, cwd=aicert.cwd).split("\n", 3)
    assert code == "-1" and "measured-platform" in text and hint and json.loads(report)["verified"] is False
    assert call(tmp_path / "client", "edges", "proof.json", env=env, cwd=aicert.cwd) == "good\n"


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_client_runs(stage, project, tmp_path, kind):
    """The command is a client like any other: all that it does a stranger's program can do."""
    aicert, repo, commit = project
    where = stage if kind == "shared" else static_only(stage, tmp_path / "static")
    compile_client(tmp_path / "client", pkg_config(where, "--cflags", "--libs", *([] if kind == "shared" else ["--static"]), "aicert"), "-DFULL")
    (tmp_path / "work").mkdir()
    shutil.copy(aicert.cwd / "Aicertfile", tmp_path / "work")
    env = {**aicert.env, "LD_LIBRARY_PATH": str(stage / "usr/local/lib"), "AICERT_HOME": str(tmp_path / "home")}
    code, text, hint, report = call(tmp_path / "client", "run", repo, commit, env=env, cwd=tmp_path / "work").split("\n", 3)
    assert (code, text, hint) == ("0", "", ""), (code, text, hint)
    said, other = json.loads(report), json.loads((aicert.cwd / "proof.json").read_text())
    assert said["verified"] is True and said["inputs"][0]["hash"] == commit
    assert (tmp_path / "work" / "outputs" / "model.bin").read_text() == "weights" and other["output_model_hash"] == said["output_model_hash"]


def test_the_header_in_other_languages(stage, tmp_path):
    include = f"-I{stage / 'usr/local/include'}"
    (tmp_path / "a.c").write_text("#include <aicert.h>\n#include <aicert.h>\nint main(void) { return aicert_version() == 0; }\n")
    call("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wstrict-prototypes", "-Werror", include, "-fsyntax-only", tmp_path / "a.c")
    if not shutil.which("g++"):
        pytest.skip("there is no C++ compiler")
    call("g++", "-x", "c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", *SANITIZE, include, tmp_path / "a.c", "-o", tmp_path / "a",
         *pkg_config(stage, "--libs", "aicert-verify"))
    call(tmp_path / "a", env={"LD_LIBRARY_PATH": str(stage / "usr/local/lib")})
