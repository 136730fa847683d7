"""TPMs made to look like a cloud's or a maker's, a CA for their certificates, and the server that its addresses lead to."""
import http.server
import os
import socket
import subprocess
import threading
import time

AK = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"


def free_ports():
    """Two neighbours, for swtpm's commands and its control."""
    for _ in range(100):
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")


class Tpm:
    """A swtpm over a folder; `tool` is tpm2-tools on it."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        folder.mkdir(exist_ok=True)

    def start(self):
        self.port = free_ports()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1", "--ctrl",
             f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear", "--tpmstate", f"dir={self.folder}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port + 1)) == 0:
                    return self
            time.sleep(0.01)
        raise AssertionError("swtpm does not answer")

    def stop(self, kill=False):
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait()
        self.process = None

    def tool(self, name, *args):
        r = subprocess.run([name, *map(str, args)], env={**os.environ, "TPM2TOOLS_TCTI": self.tcti}, cwd=self.folder, capture_output=True)
        assert r.returncode == 0, f"{name} {args}: {r.stderr.decode()}"
        return r.stdout

    def nv_put(self, index, data, size=None, attributes="ownerread|ownerwrite|authread"):
        """The area is filled up with zeros to its size, as clouds do."""
        (self.folder / "nv").write_bytes(data.ljust(size or len(data), b"\0"))
        self.tool("tpm2_nvdefine", "-C", "o", "-s", size or len(data), "-a", attributes, hex(index))
        self.tool("tpm2_nvwrite", "-C", "o", "-i", "nv", hex(index))

    def primary(self, kind, attributes=AK):
        """A primary key of the endorsement hierarchy: (public key as PEM, its template)."""
        self.tool("tpm2_createprimary", "-C", "e", "-g", "sha256", "-G", kind, "-a", attributes, "-c", "key.ctx", "-f", "pem", "-o", "key.pem",
                  "--template-data", "template")
        return (self.folder / "key.pem").read_bytes(), (self.folder / "template").read_bytes()

    def azure(self, attributes=AK):
        """The key that Azure's vTPMs have at 0x81000003, in which it is restricted, and RSA."""
        pem, _ = self.primary("rsa2048:rsassa-sha256:null", attributes)
        self.tool("tpm2_evictcontrol", "-C", "o", "-c", "key.ctx", "0x81000003")
        self.tool("tpm2_flushcontext", "-t")
        return pem

    def gce(self, kind, index):
        """The template that GCE's have in NV."""
        pem, template = self.primary(kind)
        self.tool("tpm2_flushcontext", "-t")
        assert template[:2] in (b"\x00\x23", b"\x00\x01"), template[:4]
        self.nv_put(index, template)
        return pem


class Ca:
    """A root, an issuing CA under it, and certificates that name where their issuers' are."""

    def __init__(self, folder, address="http://127.0.0.1:1"):
        self.folder, self.address = folder, address
        folder.mkdir(exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=A cloud's root", "-days", "900",
                     "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "issuing.key")
        self.openssl("pkey", "-in", "issuing.key", "-pubout", "-out", "issuing.pub")
        self.sign("issuing", "issuing.pub", "root", "A cloud's issuing CA", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n", "root")
        self.root, self.issuing = (self.der(n) for n in ("root", "issuing"))

    def openssl(self, *args, input=None):
        r = subprocess.run(["openssl", *args], cwd=self.folder, input=input, capture_output=True)
        assert r.returncode == 0, r.stderr.decode()
        return r.stdout

    def sign(self, name, pub, signer, subject, extensions, issuer_path):
        ext = extensions + (f"authorityInfoAccess=caIssuers;URI:{self.address}/{issuer_path}\n" if issuer_path else "")
        (self.folder / "ext").write_text(ext)
        self.openssl("x509", "-new", "-force_pubkey", pub, "-subj", f"/CN={subject}", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-days", "300",
                     "-extfile", "ext", "-out", f"{name}.pem")

    def der(self, name):
        return self.openssl("x509", "-in", f"{name}.pem", "-outform", "DER")

    def leaf(self, pem, subject="vTPM AK"):
        (self.folder / "leaf.pub").write_bytes(pem)
        self.sign("leaf", "leaf.pub", "issuing", subject, "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n", "issuing")
        return self.der("leaf")

    def pkcs7(self, *names):
        args = [a for n in names for a in ("-certfile", f"{n}.pem")]
        return self.openssl("crl2pkcs7", "-nocrl", *args, "-outform", "DER")


class Server:
    """What `pages` says of a path: bytes, or a function of the request."""

    def __init__(self):
        self.pages, self.asked, self.over = {}, [], threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                page = outer.pages.get(self.path)
                if callable(page):
                    return page(self, outer.over)
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that had enough went away

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self):
        self.over.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
