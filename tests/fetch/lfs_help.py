"""A Git LFS server on loopback, written from the specification of the batch API: upload and download by transfer `basic`."""
import hashlib
import http.server
import json
import threading

TYPE = "application/vnd.git-lfs+json"


def pointer(data):
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (hashlib.sha256(data).hexdigest().encode(), len(data))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        self.server.lfs.seen.append((self.command, self.path, dict(self.headers)))

    def do_POST(self):
        lfs, sent = self.server.lfs, self.body()
        self.note()
        if not self.path.endswith("/info/lfs/objects/batch"):
            return self.reply(404)  # no locking
        if self.headers.get("Accept", "").split(";")[0] != TYPE or self.headers.get("Content-Type", "").split(";")[0] != TYPE:
            return self.reply(406, b'{"message": "wrong type"}', Content_Type=TYPE)
        if lfs.echo and self.headers.get("Authorization"):
            return self.reply(403, json.dumps({"message": lfs.echo(self.headers)}).encode(), Content_Type=TYPE)
        if lfs.login and self.headers.get("Authorization") != lfs.login:
            return self.reply(401, b'{"message": "Credentials needed"}', Content_Type=TYPE, LFS_Authenticate='Basic realm="Git LFS"')
        if lfs.answer is not None:
            return self.reply(200, lfs.answer, Content_Type=TYPE)
        q = json.loads(sent)
        assert q.get("transfers", ["basic"]) and "basic" in q.get("transfers", ["basic"]) and q.get("hash_algo", "sha256") == "sha256"
        out = []
        for o in q["objects"]:
            there = o["oid"] in lfs.objects
            e = {"oid": o["oid"], "size": o["size"], "authenticated": True}
            where = {"href": f"{lfs.storage}/store/{o['oid']}?sig=s1gn3d", "header": {"X-Lfs-Key": "k3y"}, "expires_in": 3600}
            if q["operation"] == "upload" and not there:
                e["actions"] = {"upload": where}
            elif q["operation"] == "download" and there:
                e["actions"] = {"download": where}
                e["size"] = lfs.sizes.get(o["oid"], o["size"])
            elif q["operation"] == "download":
                e["error"] = {"code": 404, "message": "Object does not exist"}
            out.append(e)
        return self.reply(200, json.dumps({"transfer": "basic", "objects": out, "hash_algo": "sha256"}).encode(), Content_Type=TYPE)

    def stored(self):
        oid = self.path.split("?")[0].rsplit("/", 1)[1]
        if "sig=s1gn3d" not in self.path or self.headers.get("X-Lfs-Key") != "k3y":
            self.reply(403)
            return None
        return oid

    def do_PUT(self):
        data, oid = self.body(), self.stored()
        if oid:
            assert hashlib.sha256(data).hexdigest() == oid
            self.server.lfs.objects[oid] = data
            self.reply(200)

    def do_GET(self):
        self.note()
        if self.server.lfs.away:
            return self.reply(302, Location=self.server.lfs.away + self.path)
        oid, lfs = self.stored(), self.server.lfs
        if oid:
            data = lfs.spoil.get(oid, lfs.objects[oid])
            self.reply(200, data, ETag=f'"{oid}"')


class Lfs:
    """with Lfs(port) as lfs: lfs.put(data); a server of the batch API under any …/info/lfs. Contents come from another host name."""

    def __init__(self, port=0):
        self.objects, self.seen, self.spoil, self.sizes, self.login, self.answer, self.away, self.echo = {}, [], {}, {}, None, None, None, None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.lfs = self
        self.port = self.server.server_address[1]
        self.url, self.storage = f"http://127.0.0.1:{self.port}/x/info/lfs", f"http://127.0.0.1:{self.port}"

    def put(self, data):
        oid = hashlib.sha256(data).hexdigest()
        self.objects[oid] = data
        return pointer(data)

    def batches(self):
        return sum(m == "POST" for m, _, _ in self.seen)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
