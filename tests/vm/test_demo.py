"""What `make demo-vm` runs, from an empty folder to a proof that reaches measured-platform."""
import os
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path.insert(0, os.path.dirname(__file__))
from runner import need_machine  # noqa: E402

pytestmark = pytest.mark.long


def test_the_demo_reaches_measured_platform(tmp_path):
    need_machine()
    if not (BUILD / "aicert-agent").exists() or BUILD.name.startswith("build-"):
        pytest.skip("needs a build without sanitizers")
    home = tmp_path / "home"
    home.mkdir()
    r = subprocess.run([ROOT / "examples/demo-vm.sh", BUILD, tmp_path / "demo"], env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1"},
                       capture_output=True, text=True, timeout=1500, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "VERIFIED  level reached: measured-platform" in r.stdout and "NOT VERIFIED  level reached: unsigned" in r.stdout
    assert "outputs/model is, bit for bit, what the host gave" in r.stdout
    project = tmp_path / "demo/project"
    assert (project / "host/model").read_bytes() == (project / "outputs/model").read_bytes()
