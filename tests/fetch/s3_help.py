"""An S3 server on loopback that checks Signature Version 4, written from Amazon's documentation: GetObject and ListObjectsV2, versions, regions."""
import datetime
import hashlib
import hmac
import http.server
import threading
import urllib.parse
from xml.sax.saxutils import escape


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, path, query, headers, signed, stamp, region, method="GET"):
    """headers: lower-case names; query: as it stands in the request line."""
    pairs = sorted((urllib.parse.quote(urllib.parse.unquote(k), safe="-_.~"), urllib.parse.quote(urllib.parse.unquote(v), safe="-_.~"))
                   for k, _, v in (p.partition("=") for p in query.split("&") if p))
    path = urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~")
    request = "\n".join([method, path, "&".join(f"{k}={v}" for k, v in pairs), *(f"{h}:{' '.join(headers[h].split())}" for h in signed), "", ";".join(signed),
                         headers["x-amz-content-sha256"]])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = sign(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


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
        self.wfile.write(body)

    def error(self, status, code, **headers):
        self.reply(status, f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'.encode(), Content_Type="application/xml", **headers)

    def who(self, path, query):
        """The access key's id when the signature is right, None when there is none, False when it is wrong."""
        s3, auth = self.server.s3, self.headers.get("Authorization")
        if not auth:
            return None
        kind, _, rest = auth.partition(" ")
        fields = dict(p.strip().split("=", 1) for p in rest.split(","))
        id, date, region, service, end = fields["Credential"].split("/")
        headers = {k.lower(): v for k, v in self.headers.items()}
        signed, stamp = fields["SignedHeaders"].split(";"), headers["x-amz-date"]
        now = datetime.datetime.now(datetime.timezone.utc)
        late = abs(now - datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)) > datetime.timedelta(minutes=15)
        assert kind == "AWS4-HMAC-SHA256" and (service, end) == ("s3", "aws4_request") and signed == sorted(signed) and "host" in signed
        assert all(h in signed for h in headers if h.startswith("x-amz-"))
        if id not in s3.keys or late or stamp[:8] != date or headers.get("x-amz-security-token") != s3.session:
            return False
        if region != s3.region:
            return False
        good = signature(s3.keys[id], path, query, headers, signed, stamp, region)
        return id if hmac.compare_digest(good, fields["Signature"]) else False

    def do_GET(self):
        s3 = self.server.s3
        path, _, query = self.path.partition("?")
        s3.seen.append((self.path, dict(self.headers)))
        if s3.away and "list-type" not in query:
            return self.reply(307, Location=s3.away + self.path)
        who = self.who(path, query)
        if who is False:
            return self.error(403, "SignatureDoesNotMatch")
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if bucket not in s3.buckets:
            return self.error(404, "NoSuchBucket")
        if who is None and bucket not in s3.public:
            return self.error(403, "AccessDenied")
        if not key:
            return self.list(bucket, params) if bucket not in s3.unlisted else self.error(403, "AccessDenied")
        return self.get(bucket, key, params)

    def list(self, bucket, params):
        s3 = self.server.s3
        assert params["list-type"] == "2"
        keys = sorted((k for k in s3.buckets[bucket] if k.startswith(params.get("prefix", "")) and k.encode() > params.get("start-after", "").encode()),
                      key=lambda k: k.encode())
        page = keys[:s3.page]
        items = "".join(f"<Contents><Key>{escape(k)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{hashlib.md5(s3.last(bucket, k)).hexdigest()}&quot;"
                        f"</ETag><Size>{len(s3.last(bucket, k))}</Size><StorageClass>STANDARD</StorageClass></Contents>" for k in page)
        xml = (f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
               f'<Prefix>{escape(params.get("prefix", ""))}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>1000</MaxKeys><Delimiter/>'
               f'<IsTruncated>{"true" if len(keys) > len(page) else "false"}</IsTruncated>{items}</ListBucketResult>')
        if isinstance(s3.xml, list):
            s3.xml = s3.xml[1:] + s3.xml[:1]
            return self.reply(200, s3.xml[-1], Content_Type="application/xml")
        return self.reply(200, xml.encode() if s3.xml is None else s3.xml, Content_Type="application/xml")

    def get(self, bucket, key, params):
        s3 = self.server.s3
        versions = s3.buckets[bucket].get(key)
        if not versions:
            return self.error(404, "NoSuchKey")
        at = int(params.get("versionId", f"v{len(versions) - 1}")[1:])
        data, headers = versions[at], {"x_amz_version_id": f"v{at}"} if bucket in s3.versioned else {}
        headers["ETag"] = f'"{hashlib.md5(data).hexdigest()}"'
        if self.headers.get("Range") == "bytes=0-0" and data:
            return self.reply(206, data[:1], Content_Range=f"bytes 0-0/{len(data)}", **headers)
        return self.reply(200, data, **headers)


class S3:
    """with S3() as s3: s3.put(bucket, key, data). keys: {id: secret}."""

    def __init__(self, region="us-east-1", page=3):
        self.buckets, self.public, self.unlisted, self.versioned, self.seen = {}, set(), set(), set(), []
        self.keys, self.session, self.region, self.page, self.xml = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, None, region, page, None
        self.away = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.s3 = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def put(self, bucket, key, data):
        self.buckets.setdefault(bucket, {}).setdefault(key, []).append(data)

    def last(self, bucket, key):
        return self.buckets[bucket][key][-1]

    def env(self):
        ((id, secret),) = self.keys.items()
        return {"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret}

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
