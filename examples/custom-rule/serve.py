#!/usr/bin/env python3
"""A registry of models with one model, on 127.0.0.1. Ends with its terminal."""
import hashlib
import http.server
import json
import sys

WEIGHTS = json.dumps([0.5, -1.25, 0.031, 2.0, -0.75]).encode()
FILES = {
    "/tiny.json": json.dumps({"latest": "1.2", "versions": {"1.2": [
        {"path": "weights.json", "sha256": hashlib.sha256(WEIGHTS).hexdigest(), "size": len(WEIGHTS)}]}}).encode(),
    "/tiny/1.2/weights.json": WEIGHTS,
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = FILES.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
