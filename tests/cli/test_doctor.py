"""`aicert doctor`: what it says of this machine, and of one from which something was taken."""
import http.server
import json
import os
import subprocess
import threading

import pytest
from conftest import BUILD


def checks(r):
    return {c["check"]: c for c in json.loads(r.stdout)["checks"]}


def test_this_machine(aicert):
    r = aicert("doctor", "--offline", "--json")
    c = checks(r)
    assert json.loads(r.stdout)["ok"] and {"kernel", "memory", "clock", "cache", "data", "disk", "namespaces", "sandbox", "landlock", "limits", "tpm", "vm"} <= set(c)
    assert all(x["state"] in ("ok", "note", "warn") for x in c.values()) and c["sandbox"]["state"] == "ok" and "registry" not in c
    # Nothing is left: not even a home.
    assert list(aicert.home.iterdir()) == [] and list(aicert.cwd.iterdir()) == []
    text = aicert("doctor", "--offline").stdout
    assert "can run aicert" in text and "\x1b" not in text


def test_no_namespaces(aicert):
    """A user namespace in which no further one may be made, as a hardened machine or a container has it."""
    script = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {BUILD}/aicert doctor --offline --json"
    r = subprocess.run(["unshare", "-Ur", "sh", "-c", script], cwd=aicert.cwd, env=aicert.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "unshare" in r.stderr:
        pytest.skip("no user namespace here: " + r.stderr.strip())
    c = checks(r)
    assert r.returncode == 5 and not json.loads(r.stdout)["ok"]
    assert c["sandbox"]["state"] == "fail" and c["sandbox"]["found"]
    assert c["namespaces"]["state"] in ("warn", "fail") and "user" in c["namespaces"]["found"] and "max_user_namespaces" in c["namespaces"]["todo"]


def test_a_home_that_cannot_be(aicert):
    r = aicert("doctor", "--offline", env={"AICERT_HOME": "/proc/aicert"}, code=5)
    assert "fail" in r.stdout and "AICERT_HOME" in r.stdout and "nothing runs" in r.stdout


def test_a_full_disk(aicert):
    """A file system of one page less than nothing."""
    script = f"mount -t tmpfs -o size=8k none {aicert.home} && exec {BUILD}/aicert doctor --offline --json"
    r = subprocess.run(["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c", script], cwd=aicert.cwd, env=aicert.env, capture_output=True, text=True,
                       stdin=subprocess.DEVNULL)
    if "unshare" in r.stderr or "mount:" in r.stderr:
        pytest.skip("no mount namespace here: " + r.stderr.strip())
    assert r.returncode == 5 and checks(r)["disk"]["state"] == "fail" and "make room" in checks(r)["disk"]["todo"]


def test_the_network_is_asked(aicert):
    """Any answer of the hub that is set counts, a refusal too; and what stands in its address as a secret is not shown."""
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        env = {"HF_ENDPOINT": f"http://me:hidden@127.0.0.1:{server.server_port}", "https_proxy": "http://127.0.0.1:9"}
        r = aicert("doctor", "--json", env=env)
        c = checks(r)
        assert c["hub"]["state"] == "ok" and c["registry"]["state"] == "warn" and "hidden" not in r.stdout + r.stderr
    finally:
        server.shutdown()
        server.server_close()


def test_usage(aicert):
    assert "example:" in aicert("doctor", "--help").stdout
    assert "did you mean '--offline'" in aicert("doctor", "--ofline", code=2).stderr
    assert aicert("doctor", "x", code=2).stdout == ""
