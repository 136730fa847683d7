"""Real servers on loopback for the fetchers: nginx with git http-backend, sshd, and one that misbehaves on purpose."""
import getpass
import hashlib
import http.server
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("AICERT_BUILD", ROOT / "build"))


def need(*programs):
    for p in programs:
        if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip(f"{p} is not installed")


def which(p):
    return shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process):
    for _ in range(200):
        assert process.poll() is None, f"{process.args[0]} ended: {process.returncode}"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def fetch_tool(tmp_path_factory):
    lib = BUILD / "libaicert.a"
    if not lib.exists():
        pytest.skip(f"{lib} is not built")
    out = tmp_path_factory.mktemp("tool") / "fetch_tool"
    san = [f"-fsanitize={BUILD.name[6:].replace('-', ',')}"] if BUILD.name.startswith("build-") else []
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-g", *san, f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", out, ROOT / "tests/fetch/fetch_tool.c", lib,
                    "-lcrypto", "-ljansson", "-lyaml", "-lgit2", "-lcurl", "-larchive", "-lpthread"], check=True)
    return out


class Outcome:
    def __init__(self, process):
        self.code, self.talk = process.returncode, process.stderr
        self.said = process.stdout + process.stderr
        assert "Sanitizer" not in process.stderr and "runtime error" not in process.stderr, process.stderr
        self.json = json.loads(process.stdout)
        self.error, self.hint = self.json.get("error", ""), self.json.get("hint", "")


class Fetch:
    """Runs the tool with a home, cache and store of its own."""

    def __init__(self, tool, base):
        self.tool, self.base, self.prefix = tool, base, []
        self.home, self.cache, self.store, self.project = (base / n for n in ("home", "cache", "store", "project"))
        for d in (self.home, self.cache, self.store, self.project):
            d.mkdir(parents=True, exist_ok=True)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "AICERT_RETRY_BASE_MS": "10"}
        self.env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        self.suppress("lsan.supp")

    def suppress(self, name):
        """Leaks of the distribution's libraries that a sanitized build would report as ours."""
        self.env["LSAN_OPTIONS"] = f"suppressions={ROOT}/tests/fetch/{name}:print_suppressions=0"

    def command(self, *args):
        return [*self.prefix, str(self.tool), *map(str, args), "--cache", str(self.cache), "--store", str(self.store), "--project", str(self.project)]

    def start(self, *args, env=None):
        return subprocess.Popen(self.command(*args), env={**self.env, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *args, code=0, env=None):
        p = subprocess.run(self.command(*args), env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert p.returncode == code, f"exit {p.returncode}, expected {code}\n{p.stdout}\n{p.stderr}"
        return Outcome(p)

    def blob(self, id):
        data = (self.store / id).read_bytes()
        assert hashlib.sha256(data).hexdigest() == id
        return data

    def tree(self, id, prefix=""):
        """{path: content, ("exec", content), or ("link", target)} of a tree; empty folders as path/: None."""
        out = {}
        entries = json.loads(self.blob(id))["entries"]
        if not entries and prefix:
            out[prefix] = None
        for e in entries:
            path = prefix + e["name"]
            if e["type"] == "dir":
                out.update(self.tree(e["id"], path + "/"))
            elif e["type"] == "link":
                out[path] = ("link", e["target"])
            else:
                data = self.blob(e["id"])
                out[path] = data if e["type"] == "file" else ("exec", data)
        return out


@pytest.fixture
def fetch(fetch_tool, tmp_path):
    return Fetch(fetch_tool, tmp_path / "user")


@pytest.fixture
def fetch_in(fetch_tool):
    return lambda base: Fetch(fetch_tool, base)


class Git:
    """A repository with fixed author and dates; git("commit", …)."""

    def __init__(self, path, *init):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if init is not None and not (path / ".git").exists():
            self("init", "-q", "-b", "main", *init)

    def __call__(self, *args, input=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
               "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z", "GIT_ALLOW_PROTOCOL": "file:http:https:ssh"}
        r = subprocess.run(["git", *map(str, args)], cwd=self.path, env=env, capture_output=True, input=input)
        assert r.returncode == 0, r.stderr.decode()
        return r.stdout.decode().strip()

    def commit(self, files, message="change"):
        for name, data in files.items():
            p = self.path / name
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(data)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(tmp_path):
    need("git")
    return lambda name="repo": Git(tmp_path / name)


class Web:
    """nginx: /files/ and /private/ (login ada, pw) on two ports, plain and TLS; …/git/ is git http-backend over www/git;
    …/info/lfs/ is for an LFS server on lfs_port, which a test starts."""
    user, password = "ada", "s3cr3t-pw"


NGINX = """
daemon off; master_process off; pid {d}/nginx.pid; error_log {d}/error.log info;
events {{ worker_connections 64; }}
http {{
  access_log {d}/access.log; default_type application/octet-stream; client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3;
  uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl; ssl_certificate {d}/server.pem; ssl_certificate_key {d}/server.key;
    location /files/ {{ alias {d}/www/files/; }}
    location /gone/ {{ return 410; }}
    location /moved/ {{ return 302 /files/$arg_to; }}
    location /down/ {{ rewrite ^/down/(.*)$ http://localhost:{port}/files/$1 redirect; }}
    location /away/git/ {{ return 301 http://localhost:{port}/private$request_uri; }}
    location /private/files/ {{ auth_basic p; auth_basic_user_file {d}/htpasswd; alias {d}/www/files/; }}
    location ~ ^/private/.*/info/lfs/ {{ auth_basic p; auth_basic_user_file {d}/htpasswd; proxy_pass http://127.0.0.1:{lfs}; proxy_set_header Host $http_host; }}
    location ~ /info/lfs/ {{ proxy_pass http://127.0.0.1:{lfs}; proxy_set_header Host $http_host; client_max_body_size 100m; }}
    location ~ ^/private(/git/.*)$ {{ auth_basic p; auth_basic_user_file {d}/htpasswd; {cgi} fastcgi_param PATH_INFO $1; }}
    location ~ ^(/git/.*)$ {{ {cgi} fastcgi_param PATH_INFO $1; }}
  }}
}}
"""


def make_certificate(d):
    def openssl(*a):
        subprocess.run(["openssl", *a], cwd=d, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "3650")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (d / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "3650", "-extfile", "ext")


@pytest.fixture(scope="session")
def web(tmp_path_factory):
    need("nginx", "fcgiwrap", "openssl", "git")
    d = tmp_path_factory.mktemp("web")
    w = Web()
    w.dir, w.files, w.git = d, d / "www/files", d / "www/git"
    w.files.mkdir(parents=True)
    w.git.mkdir()
    make_certificate(d)
    w.ca = d / "ca.pem"
    (d / "htpasswd").write_text(f"{w.user}:{{PLAIN}}{w.password}\n")
    backend = pathlib.Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()) / "git-http-backend"
    cgi = (f"fastcgi_pass unix:{d}/cgi.sock; include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME {backend}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;"
           f" fastcgi_param GIT_PROJECT_ROOT {d}/www; fastcgi_param REMOTE_USER $remote_user; fastcgi_param HOME {d};")
    w.port, w.tls_port, w.lfs_port = free_port(), free_port(), free_port()
    (d / "nginx.conf").write_text(NGINX.format(d=d, port=w.port, tls=w.tls_port, lfs=w.lfs_port, cgi=cgi))
    w.plain, w.tls = f"http://localhost:{w.port}", f"https://localhost:{w.tls_port}"
    wrap = subprocess.Popen([which("fcgiwrap"), "-s", f"unix:{d}/cgi.sock"], env={"PATH": os.environ["PATH"], "HOME": str(d)}, stderr=subprocess.DEVNULL)
    nginx = subprocess.Popen([which("nginx"), "-c", str(d / "nginx.conf"), "-p", str(d), "-e", str(d / "error.log")], stderr=subprocess.DEVNULL)
    try:
        wait_port(w.port, nginx)
        yield w
    finally:
        end(nginx)
        end(wrap)


@pytest.fixture
def web_repo(web, tmp_path):
    """A working repository and the name under which the server has it; push() publishes all refs."""
    name = f"{tmp_path.name}.git"
    bare = web.git / name
    g = Git(tmp_path / "work")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    g.name, g.bare = name, bare
    g.push = lambda: g("push", "-q", "--mirror", "--force", bare)
    return g


class Ssh:
    pass


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    need("sshd", "ssh-keygen", "ssh-agent", "ssh-add", "git", "unshare")
    if os.path.basename(pwd.getpwuid(os.geteuid()).pw_shell) in ("nologin", "false"):
        pytest.skip("this user may not log in, so not by ssh either")
    d = tmp_path_factory.mktemp("sshd")
    s = Ssh()
    s.dir, s.port, s.user = d, free_port(), getpass.getuser()
    for name, kind in (("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"), ("client", "ed25519"), ("stranger", "ed25519")):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", d / name], check=True)
    (d / "authorized_keys").write_bytes((d / "client.pub").read_bytes())
    (d / "config").write_text(f"""Port {s.port}
ListenAddress 127.0.0.1
HostKey {d}/host_ed25519
HostKey {d}/host_ecdsa
AuthorizedKeysFile {d}/authorized_keys
PidFile {d}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={d}/bin:/usr/bin:/bin
""")
    command = [which("sshd"), "-D", "-e", "-f", str(d / "config")]
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        # sshd wants this folder, and a test makes none outside its own: a mount namespace has it.
        command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"', "sh", *command]
    daemon = subprocess.Popen(command, stderr=open(d / "log", "wb"))
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(d / "agent")], stdout=subprocess.DEVNULL)
    try:
        wait_port(s.port, daemon)
        while not (d / "agent").exists():
            time.sleep(0.02)
        subprocess.run(["ssh-add", "-q", d / "client"], env={**os.environ, "SSH_AUTH_SOCK": str(d / "agent")}, check=True, stderr=subprocess.DEVNULL)
        s.bin = d / "bin"
        s.bin.mkdir()
        s.agent = {"SSH_AUTH_SOCK": str(d / "agent")}
        s.key = lambda name: " ".join((d / f"{name}.pub").read_text().split()[:2])
        s.url = lambda path: f"ssh://{s.user}@localhost:{s.port}{path}"
        yield s
    finally:
        end(agent)
        end(daemon)


class Odd(http.server.ThreadingHTTPServer):
    """Serves body under every path, in the way the path's first part names; .seen lists (path, headers)."""
    daemon_threads = True
    body = bytes(range(256)) * 4096

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OddHandler)
        self.seen, self.now, self.most = [], 0, 0  # most: how many of slowish at once
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, address):
        pass


class OddHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def reply(self, code, body=b"", cut=None, length=None, **headers):
        self.send_response(code)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = True

    def do_GET(self):
        s, what = self.server, self.path.split("?")[0].split("/")[1]
        times = sum(p == self.path for p, _ in s.seen)
        s.seen.append((self.path, dict(self.headers)))
        getattr(self, "do_" + what)(s.body, times, self.headers.get("Range"))

    def rest(self, body, rng, **headers):
        at = int(rng[6:-1])
        self.reply(206, body[at:], Content_Range=f"bytes {at}-{len(body) - 1}/{len(body)}", **headers)

    def do_file(self, body, times, rng):
        self.reply(200, body)

    def do_cut(self, body, times, rng):
        if rng:
            return self.rest(body, rng, ETag='"one"')
        self.reply(200, body, cut=len(body) // 2, ETag='"one"')

    def do_crumbs(self, body, times, rng):
        at = int(rng[6:-1]) if rng else 0
        head = {"ETag": '"one"'}
        if rng:
            head["Content_Range"] = f"bytes {at}-{len(body) - 1}/{len(body)}"
        self.reply(206 if rng else 200, body[at:], cut=len(body) // 10 + 1, **head)

    def do_cutnovalidator(self, body, times, rng):
        self.reply(200, body, cut=len(body) // 2 if times == 0 else None)

    def do_ignoresrange(self, body, times, rng):
        self.reply(200, body, cut=len(body) // 2 if times == 0 else None, ETag='"one"')

    def do_wrongrange(self, body, times, rng):
        if rng:
            return self.reply(206, body[5:], Content_Range=f"bytes 5-{len(body) - 1}/{len(body)}")
        self.reply(200, body, cut=len(body) // 2 if times == 0 else None, ETag='"one"')

    def do_changes(self, body, times, rng):
        if times == 0:
            return self.reply(200, b"old" * len(body), cut=len(body) // 2, ETag='"old"')
        assert self.headers["If-Range"] == '"old"'
        self.reply(200, body, ETag='"new"')

    def do_unsatisfiable(self, body, times, rng):
        if rng:
            return self.reply(416)
        self.reply(200, body, cut=len(body) // 2 if times == 0 else None, ETag='"one"')

    def do_busy(self, body, times, rng):
        if times < 2:
            return self.reply(503, b"busy", Retry_After="0")
        self.reply(200, body)

    def do_limit(self, body, times, rng):
        if times == 0:
            return self.reply(429, b"slow down", Retry_After="1")
        self.reply(200, body)

    def do_broken(self, body, times, rng):
        self.reply(500, b"broken")

    def do_nothing(self, body, times, rng):
        self.close_connection = True

    def do_endless(self, body, times, rng):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        for _ in range(1000):
            self.wfile.write(body)

    def do_slow(self, body, times, rng):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        self.wfile.write(body)
        self.wfile.flush()
        time.sleep(20)

    def do_slowish(self, body, times, rng):
        self.server.now += 1
        self.server.most = max(self.server.most, self.server.now)
        time.sleep(0.2)
        self.server.now -= 1
        self.reply(200, body)

    def do_tofile(self, body, times, rng):
        self.reply(302, Location="file:///etc/passwd")

    def do_loop(self, body, times, rng):
        self.reply(302, Location=self.path)

    def do_redirect(self, body, times, rng):
        self.reply(302, Location="/file/x")

    def do_elsewhere(self, body, times, rng):
        self.reply(302, Location=f"http://localhost:{self.server.server_address[1]}/file/elsewhere")

    def do_empty(self, body, times, rng):
        self.reply(200, b"")

    def do_status(self, body, times, rng):
        self.reply(int(self.path.split("?")[0].split("/")[2]), b"no")


@pytest.fixture
def odd():
    s = Odd()
    threading.Thread(target=s.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    yield s
    s.shutdown()
    s.server_close()
