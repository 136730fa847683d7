"""A Hugging Face hub on loopback, written from its documented API: revision, tree with pages, resolve with redirects and etags, tokens."""
import hashlib
import http.server
import json
import threading
import urllib.parse

PAGE = 3


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def pointer(data):
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (hashlib.sha256(data).hexdigest().encode(), len(data))


class Repo:
    """files: {path: bytes}; those in lfs lie in the large-file storage."""

    def __init__(self, files, lfs=(), refs=None, token=None):
        self.files, self.lfs, self.token = dict(files), set(lfs), token
        self.commit = hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()
        self.refs = refs or ["main"]

    def at(self, ref):
        return self.commit if ref == self.commit or ref in self.refs else None

    def entries(self):
        folders = sorted({p.rsplit("/", i)[0] for p in self.files for i in range(1, p.count("/") + 1)})
        out = [{"type": "directory", "oid": git_blob(f.encode()), "size": 0, "path": f} for f in folders]
        for path, data in sorted(self.files.items()):
            e = {"type": "file", "oid": git_blob(data), "size": len(data), "path": path}
            if path in self.lfs:
                p = pointer(data)
                e["oid"] = git_blob(p)
                e["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": len(p)}
                e["xetHash"] = None
            out.append(e)
        return sorted(out, key=lambda e: e["path"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value, status=200, **headers):
        self.reply(status, json.dumps(value).encode(), Content_Type="application/json; charset=utf-8", **headers)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.hub
        hub.seen.append((self.path, dict(self.headers)))
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            return self.cdn(parts[1], query)
        if parts[0] == "api":
            return self.api(parts[1], parts[2:], dict(urllib.parse.parse_qsl(query)))
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        at = parts.index("resolve")
        return self.resolve(kind, "/".join(parts[:at]), parts[at + 1], urllib.parse.unquote("/".join(parts[at + 2:])))

    def repo(self, kind, id):
        """The repository, or None after the answer that the hub gives to who may not see it."""
        repo = self.server.hub.repos.get((kind, id))
        if not repo or (repo.token and self.headers.get("Authorization") != "Bearer " + repo.token):
            self.json({"error": "Invalid username or password."}, 401, X_Error_Message="Invalid username or password.")
            return None
        return repo

    def api(self, kind, rest, query):
        what = "revision" if "revision" in rest else "tree"
        at = rest.index(what)
        repo = self.repo(kind, "/".join(rest[:at]))
        if not repo:
            return None
        commit = repo.at(urllib.parse.unquote(rest[at + 1]))
        if not commit or len(rest) > at + 2:
            return self.json({"error": "Invalid rev id: " + rest[at + 1]}, 404, X_Error_Code="RevisionNotFound")
        if what == "revision" and self.server.hub.away:
            return self.reply(302, b"", Location=self.server.hub.away + self.path)
        if what == "revision":
            return self.json({"_id": "621ffdc036468d709f17434d", "id": "/".join(rest[:at]), "sha": commit, "private": bool(repo.token), "gated": False,
                              "trendingScore": 1.25, "usedStorage": 17826, "library_name": None, "tags": ["pytorch", "text-generation"],
                              "siblings": [{"rfilename": p} for p in repo.files]})
        assert query.get("recursive") == "true"
        entries, first = repo.entries(), int(query.get("cursor", "0"))
        headers = {}
        if first + PAGE < len(entries):
            next_url = f"{self.server.hub.url}{self.path.partition('?')[0]}?recursive=true&limit={PAGE}&cursor={first + PAGE}"
            headers["Link"] = f'<{next_url}>; rel="next"'
        if self.server.hub.lie:
            return self.server.hub.lie(self, entries)
        return self.json(entries[first:first + PAGE], **headers)

    def resolve(self, kind, id, rev, path):
        hub, repo = self.server.hub, self.repo(kind, id)
        if not repo:
            return None
        commit = repo.at(rev)
        if not commit or path not in repo.files:
            return self.json({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
        data = repo.files[path]
        if path in repo.lfs:
            sha = hashlib.sha256(data).hexdigest()
            hub.blobs[sha] = data
            return self.reply(302, b"Found. Redirecting", Location=f"{hub.cdn}/cdn/{sha}?Expires=1&Signature=s1gn3d&Key-Pair-Id=k", X_Repo_Commit=commit,
                              X_Linked_Size=str(len(data)), X_Linked_ETag=f'"{sha}"')
        return self.reply(200, hub.spoil.get(path, data), ETag=f'"{git_blob(data)}"', X_Repo_Commit=commit)

    def cdn(self, sha, query):
        hub = self.server.hub
        if "Signature=s1gn3d" not in query:
            return self.reply(403)
        data, first = hub.spoil.get(sha, hub.blobs[sha]), 0
        if (self.headers.get("Range") or "").startswith("bytes="):
            first = int(self.headers["Range"][6:].rstrip("-"))
            return self.reply(206, data[first:], ETag=f'"{sha}"', Content_Range=f"bytes {first}-{len(data) - 1}/{len(data)}")
        if hub.cut.get(sha, 0) > 0:
            hub.cut[sha] -= 1
            self.send_response(200)
            self.send_header("ETag", f'"{sha}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
            return None
        return self.reply(200, data, ETag=f'"{sha}"')


class Hub:
    """with Hub() as hub: hub.repos["models", "o/n"] = Repo(…); HF_ENDPOINT=hub.url. Large files come from another host."""

    def __init__(self):
        self.repos, self.seen, self.blobs, self.spoil, self.cut = {}, [], {}, {}, {}
        self.lie = self.away = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.hub = self
        port = self.server.server_address[1]
        self.url, self.cdn = f"http://127.0.0.1:{port}", f"http://localhost:{port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def tokens(self, prefix="/"):
        return [h.get("Authorization") for p, h in self.seen if p.startswith(prefix)]
