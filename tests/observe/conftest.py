"""Builds observe_tool against the library that is tested."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="session")
def observe_tool(tmp_path_factory):
    lib = BUILD / "libaicert.a"
    if not lib.exists():
        pytest.skip(f"{lib} is not built")
    out = tmp_path_factory.mktemp("tool") / "observe_tool"
    san = [f"-fsanitize={BUILD.name[6:].replace('-', ',')}"] if BUILD.name.startswith("build-") else []
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-g", *san, f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", out, ROOT / "tests/observe/observe_tool.c", lib,
                    "-lcrypto", "-ljansson", "-lsqlite3", "-lpthread"], check=True)
    return out
