"""A real index (PEP 503) on loopback: a folder tree served by http.server, wheels and source distributions written by hand."""
import base64
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile


def wheel(name, version, files=None, requires=(), python=None, tag="py3-none-any", extras=None, scripts=None):
    """(file name, bytes) of a wheel; files: {path: text}."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n", **(files or {})}
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if python:
        meta += f"Requires-Python: {python}\n"
    for extra in extras or {}:
        meta += f"Provides-Extra: {extra}\n"
    for r in requires:
        meta += f"Requires-Dist: {r}\n"
    for extra, needs in (extras or {}).items():
        for r in needs:
            meta += f"Requires-Dist: {r}; extra == '{extra}'\n"
    files[f"{stem}.dist-info/METADATA"] = meta
    files[f"{stem}.dist-info/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if scripts:
        files[f"{stem}.dist-info/entry_points.txt"] = "[console_scripts]\n" + "".join(f"{k} = {v}\n" for k, v in scripts.items())
    record = ""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for path, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\n"
            z.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
        z.writestr(zipfile.ZipInfo(f"{stem}.dist-info/RECORD", (2020, 1, 1, 0, 0, 0)), record + f"{stem}.dist-info/RECORD,,\n")
    return f"{stem}-{tag}.whl", out.getvalue()


def sdist(name, version, files):
    """(file name, bytes) of a source distribution; files: {path below its folder: text}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as t:
        for path, text in {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text.encode())
            t.addfile(info, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", out.getvalue()


class Index:
    """A package index: pages and files are bytes that a test may change at any time; asked holds the paths that were asked for."""

    def __init__(self, login=None):
        self.paths, self.links, self.asked, self.login, self.heads = {}, {}, [], login, []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                index.asked.append(self.path)
                index.heads.append(dict(self.headers))
                if index.login:
                    want = "Basic " + base64.b64encode(index.login.encode()).decode()
                    if self.headers.get("Authorization") != want:
                        return self.answer(401, b"", {"WWW-Authenticate": "Basic"})
                body = index.paths.get(self.path)
                if callable(body):
                    return body(self)
                if body is None:
                    return self.answer(404, b"not here")
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                return self.answer(200, body, {"Content-Type": kind})

            def answer(self, status, body, headers=()):
                self.send_response(status)
                for k, v in dict(headers).items():
                    self.send_header(k, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = self.base + "/simple/"

    def add(self, made, project=None, hashed=True, href=None, **attributes):
        """Puts a file into the index and its project's page; attributes: requires_python=…, yanked=…."""
        name, data = made
        project = project or name.split("-")[0].replace("_", "-").lower()
        self.paths[f"/files/{name}"] = data
        fragment = "#sha256=" + hashlib.sha256(data).hexdigest() if hashed is True else f"#sha256={hashed}" if hashed else ""
        extra = "".join(f' data-{k.replace("_", "-")}="{v.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}"' for k, v in attributes.items())
        self.links.setdefault(project, []).append(f'<a href="{href or "../../files/" + name}{fragment}"{extra}>{name}</a><br>')
        self.page(project, "\n".join(self.links[project]))
        return hashlib.sha256(data).hexdigest()

    def page(self, project, html):
        self.paths[f"/simple/{project}/"] = f"<!DOCTYPE html><html><head><title>x</title></head><body>\n{html}\n</body></html>".encode()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


PROGRAM = """
import importlib, os, sys
out = []
for name in sys.argv[1:]:
    try:
        out.append(name + " " + importlib.import_module(name).VERSION)
    except ImportError:
        out.append(name + " none")
os.makedirs("outputs", exist_ok=True)
open("outputs/seen.txt", "w").write("\\n".join(out) + "\\n")
"""


class Project:
    """A project of one Python step over the path input `code`."""

    def __init__(self, aicert, index):
        self.aicert, self.dir = aicert, aicert.cwd
        (self.dir / "code").mkdir()
        (self.dir / "code" / "main.py").write_text(PROGRAM)
        self.env = {"PIP_INDEX_URL": index.url, "AICERT_RETRY_BASE_MS": "1", "PIP_CONFIG_FILE": "/dev/null"}

    def asks(self, text, args=(), more=None, step=""):
        for path, body in {"requirements.txt": text, **(more or {})}.items():
            (self.dir / "code" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / "code" / path).write_text(body)
        words = ", ".join(args)
        (self.dir / "Aicertfile").write_text(
            f"aicert: 1\nname: wheels\ninputs:\n  code: {{ path: code }}\nsteps:\n  train:\n    use: python\n    source: code\n"
            f"    args: [{words}]\n    outputs: {{ seen: seen.txt }}\n{step}")

    def run(self, *args, code=0, env=None):
        return self.aicert("run", "--force", *args, code=code, env={**self.env, **(env or {})})

    def lock(self, *args, code=0, env=None):
        return self.aicert("lock", *args, code=code, env={**self.env, **(env or {})})

    def pins(self, step="train"):
        import json
        return json.loads((self.dir / "aicert.lock").read_text())["wheels"][step]

    def names(self):
        return [f["name"] for f in self.pins()["files"]]

    def seen(self):
        return (self.dir / "outputs" / "seen").read_text().split("\n")[:-1] if (self.dir / "outputs" / "seen").is_file() \
            else next((self.dir / "outputs").rglob("seen*")).read_text().split("\n")[:-1]
