"""The attacker, built once, where everybody may run it.

SPDX-License-Identifier: Apache-2.0
"""
import shutil
import subprocess

import pytest
from attack.ground import BUILD, HERE


@pytest.fixture(scope="session")
def ground(tmp_path_factory):
    """A folder that everybody may enter, with the programs: the checkout may lie in root's own home."""
    d = tmp_path_factory.mktemp("attack")
    for up in (d, d.parent, d.parent.parent):
        up.chmod(0o755)
    for p in ("aicert", "aicert-engine", "aicert-worker"):
        shutil.copy(BUILD / p, d)
    subprocess.run(["cc", "-static", "-O1", "-std=gnu11", "-o", d / "attacker", *sorted(HERE.glob("*.c"))], check=True)
    return d
