"""s3 with other people's server: Ceph's gateway, one monitor and one store in memory, all on loopback."""
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.parse

import pytest

from fetch.conftest import free_port, need
from fetch.s3_help import signature

CLUSTER, STORE = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
ID, SECRET = "AKIDEXAMPLE", "secretsecretsecret"
CONF = """[global]
fsid = {cluster}
mon host = v1:127.0.0.1:{mon}
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
osd objectstore = memstore
memstore device bytes = 256M
mon allow pool size one = true
public addr = 127.0.0.1
run dir = {d}
admin socket = {d}/$name.asok
log file = {d}/$name.log
pid file = {d}/$name.pid
mon data = {d}/mon
osd data = {d}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
"""


class Gateway:
    def __init__(self, d):
        self.dir, self.port = d, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(d), "CEPH_CONF": str(d / "ceph.conf")}

    def start(self):
        d, mon = self.dir, free_port()
        (d / "ceph.conf").write_text(CONF.format(cluster=CLUSTER, mon=mon, d=d, rgw=self.port))
        for sub in ("mon", "osd"):
            (d / sub).mkdir()
        self.run("monmaptool", "--create", "--clobber", "--fsid", CLUSTER, "--addv", "a", f"[v1:127.0.0.1:{mon}]", d / "monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", d / "monmap")
        self.run("ceph-mon", "-i", "a")
        self.run("ceph", "osd", "new", STORE, "0")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", STORE)
        self.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=x")
        self.run("ceph-osd", "-i", "0")
        self.run("radosgw", "-n", "client.rgw")
        self.run("radosgw-admin", "user", "create", "--uid=u", "--display-name=u", f"--access-key={ID}", f"--secret-key={SECRET}")
        for _ in range(300):
            try:
                http.client.HTTPConnection("127.0.0.1", self.port).connect()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the gateway does not listen")

    def run(self, *args):
        # On a busy machine the monitor is out of its quorum of one for moments, and says EPERM to whoever asks for its commands.
        for left in range(30 if args[0] == "ceph" else 1, 0, -1):
            r = subprocess.run([str(a) for a in args], env=self.env, capture_output=True, text=True, timeout=90)
            if r.returncode == 0 or left == 1:
                break
            time.sleep(1)
        assert r.returncode == 0, f"{args}\n{r.stdout}\n{r.stderr}"

    def end(self):
        for name in ("client.rgw", "osd.0", "mon.a"):
            pid = self.dir / f"{name}.pid"
            if pid.exists():
                os.kill(int(pid.read_text()), signal.SIGKILL)
                self.wait_for_end(int(pid.read_text()))

    @staticmethod
    def wait_for_end(pid):
        """Daemons are not our children: they are gone when the system says so, or has only their exit left to tell."""
        for _ in range(1000):
            try:
                if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except (FileNotFoundError, ProcessLookupError):
                return
            time.sleep(0.05)
        raise AssertionError(f"process {pid} does not end")

    def put(self, key, data):
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = "/my-bucket" + ("/" + urllib.parse.quote(key, safe="/-_.~") if key else "")
        h = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": hashlib.sha256(data).hexdigest(), "x-amz-date": stamp}
        h["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={ID}/{stamp[:8]}/us-east-1/s3/aws4_request, SignedHeaders={';'.join(sorted(h))}, "
                              f"Signature={signature(SECRET, path, '', h, sorted(h), stamp, 'us-east-1', method='PUT')}")
        c = http.client.HTTPConnection("127.0.0.1", self.port)
        c.request("PUT", path, data, h)
        r = c.getresponse()
        assert r.status == 200, r.read()


@pytest.fixture(scope="module")
def ceph(tmp_path_factory):
    need("ceph-mon", "ceph-osd", "radosgw", "ceph", "monmaptool", "radosgw-admin")
    # Sockets have short names.
    d = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/ceph.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    g = Gateway(d)
    try:
        g.start()
        yield g
    finally:
        g.end()
        subprocess.run(["rm", "-rf", str(d)], check=True)


@pytest.mark.long
def test_a_bucket_of_ceph(aicert, ceph):
    files = {"big.bin": os.urandom(300000), "b c+d&e <x>.txt": b"odd", "ü.bin": b"u", **{f"many/{i:05}": b"%d" % i for i in range(1050)}}
    ceph.put("", b"")
    ceph.put("corpus/", b"")
    for key, data in files.items():
        ceph.put("corpus/" + key, data)
    (aicert.cwd / "Aicertfile").write_text('aicert: 1\nenvironment: host\ninputs: { m: { s3: "s3://my-bucket/corpus/" } }\n'
                                           'steps: { look: { use: shell, inputs: { m: m }, script: "find $IN_M -type f | wc -l > $OUT_O", outputs: { o: o.txt } } }\n')
    aicert.env.update(AWS_ENDPOINT_URL=ceph.url, AWS_ACCESS_KEY_ID=ID, AWS_SECRET_ACCESS_KEY=SECRET)
    aicert()
    assert (aicert.cwd / "outputs/o.txt").read_text().strip() == str(len(files))
    pin = json.loads((aicert.cwd / "aicert.lock").read_text())["inputs"]["m"]
    assert {f["path"]: f["sha256"] for f in pin["files"]} == {k: hashlib.sha256(v).hexdigest() for k, v in files.items()}
    aicert("verify", "proof.json", "--require", "software")
    aicert.env["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "answers 403" in aicert("lock", "--update", code=2).stderr
    aicert.env.pop("AWS_SECRET_ACCESS_KEY")
    assert "answers 403" in aicert("lock", "--update", code=2).stderr
