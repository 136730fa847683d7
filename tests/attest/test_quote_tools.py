"""`aicert tpm check` over what tpm2-tools leave: every scheme, several banks, their PCR files, plain signatures, a reset in between.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
pytestmark = pytest.mark.skipif(not shutil.which("swtpm") or not shutil.which("tpm2_quote"), reason="swtpm or tpm2-tools is not installed")


def free_ports():
    """Two neighbours, for swtpm's commands and its control."""
    for _ in range(100):
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            try:
                b.bind(("127.0.0.1", a.getsockname()[1] + 1))
            except OSError:
                continue
            return a.getsockname()[1]
    raise AssertionError("no two free ports")


class Tpm:
    def __init__(self, folder):
        self.dir, self.port = folder, free_ports()
        (folder / "state").mkdir()
        self.words = {}
        self.env = {"PATH": os.environ["PATH"], "TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={self.port}"}

    def start(self):
        self.p = subprocess.Popen(["swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1,disconnect", "--ctrl",
                                   f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear",
                                   "--tpmstate", f"dir={self.dir / 'state'}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port + 1)) == 0:
                    break
            time.sleep(0.01)

    def stop(self):
        self("shutdown", "-c")
        self.p.terminate()
        self.p.wait()

    def __call__(self, tool, *args):
        r = subprocess.run([f"tpm2_{tool}", *map(str, args)], cwd=self.dir, env=self.env, capture_output=True, text=True)
        assert r.returncode == 0, (tool, args, r.stderr)
        return r.stdout

    def key(self, name, kind, hash_, scheme):
        """An attestation key below an endorsement key, in files."""
        if not (self.dir / "ek.ctx").exists():
            self("createek", "-G", "rsa", "-c", "ek.ctx", "-u", "ek.pub")
        self("createak", "-C", "ek.ctx", "-c", f"{name}.ctx", "-G", kind, "-g", hash_, "-s", scheme, "-u", f"{name}.pub", "-n", f"{name}.name")
        self.words[name] = ("-g", hash_, "--scheme", scheme)
        self("flushcontext", "-t")
        self("readpublic", "-c", f"{name}.ctx", "-f", "pem", "-o", f"{name}.pem")
        self("flushcontext", "-t")

    def quote(self, name, pcrs, *options, out="quote"):
        self("quote", "-c", f"{name}.ctx", "-l", pcrs, "-q", "c0ffee", "-m", f"{out}.msg", "-s", f"{out}.sig", "-o", f"{out}.pcrs", *self.words.get(name, ()), *options)
        self("flushcontext", "-t")

    def judge(self, key, *options, out="quote"):
        r = subprocess.run([BUILD / "aicert", "tpm", "check", "--quote", f"{out}.msg", "--signature", f"{out}.sig", "--key", key, "--extra", "c0ffee",
                            "--json", *map(str, options)], cwd=self.dir, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert r.stdout, r.stderr
        return r.returncode, {c["name"]: c for c in json.loads(r.stdout)["checks"]}


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    t = Tpm(tmp_path_factory.mktemp("tpm"))
    t.start()
    yield t
    t.p.terminate()
    t.p.wait()


@pytest.mark.parametrize("kind,hash_,scheme", [
    ("ecc256", "sha256", "ecdsa"), ("ecc384", "sha384", "ecdsa"), ("ecc256", "sha384", "ecdsa"), ("rsa2048", "sha256", "rsassa"),
    ("rsa2048", "sha256", "rsapss"), ("rsa2048", "sha384", "rsassa"),
])
def test_every_scheme_and_their_files(tpm, kind, hash_, scheme):
    name = f"{kind}-{hash_}-{scheme}"
    tpm.key(name, kind, hash_, scheme)
    tpm.quote(name, "sha256:0,7,16,23+sha384:1,2,3,4,5,6,8,9,10,11")
    for key in (f"{name}.pub", f"{name}.pem"):
        code, checks = tpm.judge(key, "--pcrs", "quote.pcrs")
        assert code == 0 and "tpm2-tools' PCR file" in checks["pcrs"]["compared"], checks
    code, checks = tpm.judge(f"{name}.pub", "--pcrs", "quote.pcrs", "--parent", "ek.pub")
    assert code == 0 and checks["signer"]["status"] == "passed" and (tpm.dir / f"{name}.name").read_bytes().hex() in checks["signer"]["compared"]
    tpm.quote(name, "sha384:0,1,2", "-F", "values", "-f", "plain")
    code, checks = tpm.judge(f"{name}.pub", "--pcrs", "quote.pcrs", "--scheme", f"{scheme}-{hash_}", "--bank", "sha384")
    assert code == 0 and "bare values" in checks["pcrs"]["compared"], checks
    assert tpm.judge(f"{name}.pem", "--scheme", f"{scheme}-{hash_}")[0] == 0
    assert tpm.judge(f"{name}.pub", "--scheme", f"{scheme}-{hash_}", "--bank", "sha256")[1]["bank"]["status"] == "failed"
    flipped = bytearray((tpm.dir / "quote.pcrs").read_bytes())
    flipped[5] ^= 1
    (tpm.dir / "flipped").write_bytes(flipped)
    code, checks = tpm.judge(f"{name}.pub", "--pcrs", "flipped", "--scheme", f"{scheme}-{hash_}")
    assert code == 1 and "not those quoted" in checks["pcrs"]["compared"]


def test_a_selection_that_is_relabelled_is_refused(tpm):
    tpm.key("relabel", "ecc256", "sha256", "ecdsa")
    tpm.quote("relabel", "sha256:0,1")
    b = bytearray((tpm.dir / "quote.pcrs").read_bytes())
    assert b[4:7] == b"\x0b\x00\x03" and b[7] == 3
    b[7] = 5
    (tpm.dir / "relabelled").write_bytes(b)
    code, checks = tpm.judge("relabel.pub", "--pcrs", "relabelled")
    assert code == 1 and "selection" in checks["pcrs"]["compared"]


@pytest.mark.parametrize("kind,scheme", [("ecc256", "ecdsa"), ("rsa2048", "rsassa")])
def test_sha1_signatures_only_when_allowed(tpm, kind, scheme):
    tpm.key(f"old-{kind}", kind, "sha1", scheme)
    tpm.quote(f"old-{kind}", "sha1:0,1")
    for key in (f"old-{kind}.pub", f"old-{kind}.pem"):
        code, checks = tpm.judge(key, "--pcrs", "quote.pcrs")
        assert code == 1 and "SHA-1" in checks["key"]["compared"]
        assert tpm.judge(key, "--pcrs", "quote.pcrs", "--allow-sha1")[0] == 0


def test_a_key_that_signs_anything_is_refused(tpm):
    """Unrestricted, it would sign a quote that the TPM never made."""
    tpm("createprimary", "-C", "o", "-G", "ecc256:ecdsa-sha256", "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-c", "free.ctx")
    tpm("readpublic", "-c", "free.ctx", "-o", "free.pub")
    tpm("flushcontext", "-t")
    tpm.quote("free", "sha256:0")
    code, checks = tpm.judge("free.pub")
    assert code == 1 and "restricted is clear" in checks["key"]["compared"]


def test_a_primary_key_of_the_owner_and_a_reset_in_between(tpm):
    tpm("createprimary", "-C", "o", "-G", "ecc256:ecdsa-sha256:null", "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign", "-c", "own.ctx")
    tpm("readpublic", "-c", "own.ctx", "-o", "own.pub")
    tpm("evictcontrol", "-c", "own.ctx", "0x81010002")
    tpm("flushcontext", "-t")
    tpm.quote("own", "sha256:0", out="first")
    time.sleep(0.01)
    tpm.quote("own", "sha256:0", out="second")
    after = ("--after", "first.msg", "--after-signature", "first.sig")
    code, checks = tpm.judge("own.pub", *after, out="second")
    assert code == 0 and "no reset in between" in checks["earlier quote"]["compared"] and "owner hierarchy" in checks["signer"]["compared"], checks
    code, checks = tpm.judge("own.pub", "--after", "second.msg", out="first")
    assert code == 1 and "not earlier" in checks["earlier quote"]["compared"]
    tpm.stop()
    tpm.start()
    tpm("quote", "-c", "0x81010002", "-l", "sha256:0", "-q", "c0ffee", "-m", "third.msg", "-s", "third.sig", "-o", "third.pcrs")
    code, checks = tpm.judge("own.pub", *after, out="third")
    assert code == 1 and "reset in between" in checks["earlier quote"]["compared"], checks
