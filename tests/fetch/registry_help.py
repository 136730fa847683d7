"""Registries for tests: the distribution's docker-registry, and one in Python that does as it is told, lies included.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import functools
import http.server
import json
import os
import ssl
import subprocess
import threading
import urllib.parse

from fetch.conftest import end, free_port, need, wait_port
from fetch.layout_help import INDEX, LAYER, MANIFEST, Layout, d, f, pack, s, sha, tar

BUSYBOX = "/bin/busybox"
V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@functools.lru_cache
def base_layer():
    with open(BUSYBOX, "rb") as file:
        return tar([d("bin"), f("bin/busybox", file.read(), 0o755), s("bin/sh", "busybox"), d("etc"), f("etc/motd", "hello\n")])


def top_layer(text="top\n"):
    return tar([d("srv"), f("srv/app", text), f("etc/.wh.motd", b"")])


def what_arrives(text="top\n"):
    with open(BUSYBOX, "rb") as file:
        return {"bin/busybox": ("exec", file.read()), "bin/sh": ("link", "busybox"), "etc/": None, "srv/app": text.encode()}


CONFIG = {"Env": ["PATH=/bin", "LANG=C"], "WorkingDir": "/srv", "Entrypoint": None}
PINNED = {"env": [{"name": "LANG", "value": "C"}, {"name": "PATH", "value": "/bin"}], "workdir": "/srv"}


def skopeo(*args):
    r = subprocess.run(["skopeo", "--insecure-policy", *map(str, args)], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


class Registry:
    """docker-registry on loopback; push() takes what a layout has."""

    def __init__(self, folder, name, tls=None, login=None):
        need("docker-registry", "skopeo")
        self.port, self.login = free_port(), login
        self.host = f"localhost:{self.port}" if tls else f"127.0.0.1:{self.port}"
        config = {"version": 0.1, "log": {"level": "warn"}, "storage": {"filesystem": {"rootdirectory": str(folder / name)}, "delete": {"enabled": True}},
                  "http": {"addr": f"127.0.0.1:{self.port}", "secret": "s"}}
        if tls:
            config["http"]["tls"] = {"certificate": str(tls / "server.pem"), "key": str(tls / "server.key")}
        if login:
            need("htpasswd")
            lines = subprocess.run(["htpasswd", "-nbB", *login], capture_output=True, text=True, check=True).stdout
            (folder / f"{name}.htpasswd").write_text(lines)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / f"{name}.htpasswd")}}
        file = folder / f"{name}.yml"
        file.write_text(json.dumps(config))
        env = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self.process = subprocess.Popen(["docker-registry", "serve", str(file)], stdout=open(folder / f"{name}.log", "wb"), stderr=subprocess.STDOUT, env=env)
        wait_port(self.port, self.process)

    def push(self, layout, tag, name, *options):
        login = ["--dest-creds", ":".join(self.login)] if self.login else []
        skopeo("copy", "-q", "--dest-tls-verify=false", *login, *options, f"oci:{layout.path}:{tag}", f"docker://{self.host}/{name}")
        return f"{self.host}/{name}"

    def digest(self, name):
        login = ["--creds", ":".join(self.login)] if self.login else []
        return "sha256:" + sha(skopeo("inspect", "--raw", "--tls-verify=false", *login, f"docker://{self.host}/{name}").encode())

    def close(self):
        end(self.process)


class Fake(http.server.ThreadingHTTPServer):
    """Answers from .routes: path -> (status, headers, body) or a function of the handler; .seen lists (path with query, headers, body)."""
    daemon_threads = True

    def __init__(self, tls=None, host="127.0.0.1"):
        super().__init__(("127.0.0.1", 0), FakeHandler)
        self.seen, self.routes, self.gate = [], {"/v2/": (200, {}, b"{}")}, None
        self.host = f"{host}:{self.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "server.pem", tls / "server.key")
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()

    def paths(self, part=""):
        return [p for p, _, _ in self.seen if part in p]

    def put(self, layout, descriptor, tag, repository="a/b"):
        """All blobs of the layout, and the descriptor's manifest under its tag."""
        for file in (layout.path / "blobs/sha256").iterdir():
            data = file.read_bytes()
            for what in ("blobs", "manifests"):
                self.routes[f"/v2/{repository}/{what}/sha256:{file.name}"] = (200, {"Content-Type": MANIFEST}, data)
        data = (layout.path / "blobs/sha256" / descriptor["digest"][7:]).read_bytes()
        self.routes[f"/v2/{repository}/manifests/{tag}"] = (200, {"Content-Type": descriptor["mediaType"], "Docker-Content-Digest": descriptor["digest"]}, data)
        return f"{self.host}/{repository}:{tag}"

    def bytes_of(self, path):
        return self.routes[path][2]


class FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def reply(self, status, headers, body, cut=None, length=None):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if cut is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])

    def ranged(self, headers, body, cut=None):
        """200, or the rest that was asked for."""
        at = self.headers.get("Range")
        if at:
            at = int(at[6:-1])
            return self.reply(206, {**headers, "Content-Range": f"bytes {at}-{len(body) - 1}/{len(body)}"}, body[at:], cut)
        return self.reply(200, headers, body, cut)

    def answer(self, body=b""):
        path = self.path.split("?")[0]
        self.server.seen.append((self.path, dict(self.headers), body))
        self.posted = body
        if self.server.gate and self.server.gate(self):
            return
        route = self.server.routes.get(path, (404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
        if callable(route):
            return route(self)
        if route[0] == 200:
            return self.ranged(route[1], route[2])
        return self.reply(*route)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def query(self):
        return {k: v[0] for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).items()}


def basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def simple(path, **config):
    """A layout with one image of two gzip layers, and its descriptor."""
    layout = Layout(path)
    descriptor = layout.image([base_layer(), top_layer()], "gzip", config={**CONFIG, **config})
    layout.name(descriptor, "v1")
    return layout, descriptor


def two_platforms(path, type=INDEX):
    layout = Layout(path)
    entries = [layout.image([base_layer(), top_layer()], "gzip", ("linux", "amd64"), CONFIG), layout.image([base_layer()], "gzip", ("linux", "arm64"), CONFIG)]
    descriptor = layout.blob({"schemaVersion": 2, "mediaType": type, "manifests": entries}, type)
    layout.name(descriptor, "v1")
    return layout, descriptor, entries


def docker_form(layout, tars):
    """The same image with Docker's media types; its last layer uncompressed."""
    config = layout.blob({"os": "linux", "architecture": "amd64", "config": CONFIG,
                          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(t) for t in tars]}}, "application/vnd.docker.container.image.v1+json")
    layers = [layout.blob(pack(t, "gzip"), "application/vnd.docker.image.rootfs.diff.tar.gzip") for t in tars[:-1]]
    layers.append(layout.blob(tars[-1], "application/vnd.docker.image.rootfs.diff.tar"))
    return layout.blob({"schemaVersion": 2, "mediaType": V2S2, "config": config, "layers": layers}, V2S2)


__all__ = [n for n in globals() if not n.startswith("_")]
