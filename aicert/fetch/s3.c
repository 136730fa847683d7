/* s3.c -- see s3.h: URIs, credentials, signatures.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/s3.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

/* The SHA-256 of no bytes: every request is a GET. */
static const char no_body[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

/* --- signatures ------------------------------------------------------------------------------ */

static void
hmac(const void *key, size_t n, const char *text, struct ai_digest *out)
{
	unsigned char inner[64] = { 0 }, outer[64];
	struct ai_digest d;
	if (n > sizeof inner) {
		ai_sha256(key, n, &d);
		memcpy(inner, d.b, sizeof d.b);
	} else {
		memcpy(inner, key, n);
	}
	for (size_t i = 0; i < sizeof inner; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	struct ai_buf b = AI_BUF(1 << 16);
	ai_buf_put(&b, inner, sizeof inner);
	ai_buf_puts(&b, text);
	ai_sha256(b.data, b.len, &d);
	ai_buf_clear(&b);
	ai_buf_put(&b, outer, sizeof outer);
	ai_buf_put(&b, d.b, sizeof d.b);
	ai_sha256(b.data, b.len, out);
	explicit_bzero(inner, sizeof inner);
	explicit_bzero(outer, sizeof outer);
	ai_buf_done(&b);
}

static void
stamps(time_t at, char date[9], char stamp[17])
{
	struct tm tm;
	gmtime_r(&at, &tm);
	strftime(date, 9, "%Y%m%d", &tm);
	strftime(stamp, 17, "%Y%m%dT%H%M%SZ", &tm);
}

/* The key of one day, region and service: no more than that is lost with it. */
static void
signing_key(const struct ai_s3_keys *keys, const char *date, const char *region, struct ai_digest *out)
{
	struct ai_buf first = AI_BUF(4096);
	ai_buf_printf(&first, "AWS4%s", keys->secret);
	hmac(first.data ? first.data : "", first.len, date, out);
	if (first.data)
		explicit_bzero(first.data, first.len);
	ai_buf_done(&first);
	hmac(out->b, sizeof out->b, region, out);
	hmac(out->b, sizeof out->b, "s3", out);
	hmac(out->b, sizeof out->b, "aws4_request", out);
}

int
ai_s3_sign(const struct ai_s3_get *get, const struct ai_s3_keys *keys, char out[AI_S3_AUTHORIZATION], struct ai_err *err)
{
	char date[9], stamp[17], hex[AI_HEX];
	const char *names = keys->session ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" : "host;x-amz-content-sha256;x-amz-date";
	struct ai_digest d, key;
	AI_BUF_AUTO request = AI_BUF(1 << 15);
	AI_BUF_AUTO text = AI_BUF(4096);
	stamps(get->at, date, stamp);
	ai_buf_printf(&request, "GET\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n", get->path, get->query, get->host, no_body, stamp);
	if (keys->session)
		ai_buf_printf(&request, "x-amz-security-token:%s\n", keys->session);
	ai_buf_printf(&request, "\n%s\n%s", names, no_body);
	if (ai_buf_ok(&request, "S3 request", err) < 0)
		return err->code;
	ai_sha256(request.data, request.len, &d);
	ai_hex(&d, hex);
	ai_buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", stamp, date, get->region, hex);
	if (ai_buf_ok(&text, "S3 request", err) < 0 || strlen(keys->secret) > 1000)
		return ai_fail(err, AI_EINPUT, "S3: a region or key is too long");
	signing_key(keys, date, get->region, &key);
	hmac(key.b, sizeof key.b, text.data, &d);
	ai_hex(&d, hex);
	int n = snprintf(out, AI_S3_AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request,SignedHeaders=%s,Signature=%s", keys->id, date, get->region,
		names, hex);
	return n < AI_S3_AUTHORIZATION ? 0 : ai_fail(err, AI_EINPUT, "S3: the access key's id is too long");
}

/* --- credentials ----------------------------------------------------------------------------------- */

void
ai_s3_keys_done(struct ai_s3_keys *k)
{
	if (k->secret)
		explicit_bzero(k->secret, strlen(k->secret));
	if (k->session)
		explicit_bzero(k->session, strlen(k->session));
	free(k->id);
	free(k->secret);
	free(k->session);
	*k = (struct ai_s3_keys){ NULL, NULL, NULL };
}

/* s[0..n) without white space around it. */
static char *
trimmed(const char *s, size_t n)
{
	while (n > 0 && strchr(" \t\r", *s)) {
		s++;
		n--;
	}
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		n--;
	return ai_strndup(s, n);
}

static bool
is_header_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

int
ai_s3_keys_read(const char *text, size_t n, const char *profile, struct ai_s3_keys *out, struct ai_err *err)
{
	struct ai_s3_keys k = { NULL, NULL, NULL };
	const struct { const char *name; char **to; } fields[] = { { "aws_access_key_id", &k.id }, { "aws_secret_access_key", &k.secret }, { "aws_session_token", &k.session } };
	bool ours = false;
	for (const char *p = text, *end = text + n; p < end;) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((stop ? stop : end) - p);
		const char *eq = memchr(p, '=', len), *line_end = p + len;
		AI_FREE char *line = trimmed(p, len), *name = eq ? trimmed(p, (size_t)(eq - p)) : NULL;
		p += len + (stop != NULL);
		if (!line || (eq && !name)) {
			ai_s3_keys_done(&k);
			return ai_nomem(err);
		}
		size_t m = strlen(line);
		if (m > 1 && line[0] == '[' && line[m - 1] == ']') {
			line[m - 1] = '\0';
			ours = strcmp(line + 1, profile) == 0;
		}
		for (size_t i = 0; ours && name && i < sizeof fields / sizeof *fields; i++)
			if (strcmp(name, fields[i].name) == 0) {
				free(*fields[i].to);
				*fields[i].to = trimmed(eq + 1, (size_t)(line_end - eq - 1));
			}
		explicit_bzero(line, m);
	}
	if (k.session && !*k.session) {
		free(k.session);
		k.session = NULL;
	}
	if (!k.id || !*k.id || !k.secret || !*k.secret || !is_header_text(k.id) || (k.session && !is_header_text(k.session))) {
		ai_s3_keys_done(&k);
		return 0;
	}
	*out = k;
	return 1;
}

static const char *
variable(const char *a, const char *b)
{
	const char *v = getenv(a);
	if (!v || !*v)
		v = b ? getenv(b) : NULL;
	return v && *v ? v : NULL;
}

static int
find_keys(struct ai_s3_keys *out, struct ai_err *err)
{
	const char *id = variable("AWS_ACCESS_KEY_ID", NULL), *secret = variable("AWS_SECRET_ACCESS_KEY", NULL), *session = variable("AWS_SESSION_TOKEN", NULL);
	const char *file = variable("AWS_SHARED_CREDENTIALS_FILE", NULL), *home = variable("HOME", NULL), *profile = variable("AWS_PROFILE", NULL);
	*out = (struct ai_s3_keys){ NULL, NULL, NULL };
	if (id && secret) {
		*out = (struct ai_s3_keys){ ai_strdup(id), ai_strdup(secret), session ? ai_strdup(session) : NULL };
		if (!is_header_text(id) || (session && !is_header_text(session)))
			return ai_fail(err, AI_EINPUT, "S3: AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN holds what no header can");
		return out->id && out->secret && (!session || out->session) ? 1 : ai_nomem(err);
	}
	AI_FREE char *path = file ? ai_strdup(file) : home ? ai_join(home, ".aws/credentials") : NULL;
	AI_BUF_AUTO text = AI_BUF(1 << 20);
	struct ai_err unread = { 0 };
	if (!path || ai_read_file_if(AT_FDCWD, path, &text, &unread) != 1 || text.len == 0)
		return 0;
	int r = ai_s3_keys_read(text.data, text.len, profile ? profile : "default", out, err);
	explicit_bzero(text.data, text.len);
	return r;
}

/* --- URIs -------------------------------------------------------------------------------------------- */

bool
ai_s3_is(const char *uri)
{
	return strncmp(uri, "s3://", 5) == 0 || strncmp(uri, "s3+https://", 11) == 0 || strncmp(uri, "s3+http://", 10) == 0;
}

/* The value of a parameter of the query, still encoded; its length in *n. NULL: it is not there. */
static const char *
parameter(const char *uri, const char *name, size_t *n)
{
	const char *q = strchr(uri, '?');
	size_t k = strlen(name);
	while (q && *q) {
		q++;
		size_t len = strcspn(q, "&");
		if (len >= k && strncmp(q, name, k) == 0 && (len == k || q[k] == '=')) {
			*n = len > k ? len - k - 1 : 0;
			return len > k ? q + k + 1 : q + k;
		}
		q += len;
	}
	return NULL;
}

bool
ai_s3_is_listing(const char *uri)
{
	size_t n;
	return ai_s3_is(uri) && parameter(uri, "list", &n) != NULL;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* n bytes decoded and encoded again as S3 does it, with '/' as it is or encoded too: one spelling for the wire and for the signature. */
static void
put_canonical(struct ai_buf *b, const char *s, size_t n, bool keep_slash)
{
	for (size_t i = 0; i < n; i++) {
		int hi = s[i] == '%' && i + 2 < n ? digit(s[i + 1]) : -1, lo = hi >= 0 ? digit(s[i + 2]) : -1;
		unsigned char c = lo >= 0 ? (unsigned char)(hi * 16 + lo) : (unsigned char)s[i];
		i += lo >= 0 ? 2 : 0;
		if ((c && strchr(unreserved, c)) || (keep_slash && c == '/'))
			ai_buf_putc(b, (char)c);
		else
			ai_buf_printf(b, "%%%02X", c);
	}
}

/* The parts of a URI. host: "" is AWS. */
struct parts { const char *scheme, *host; size_t n_host; const char *bucket; size_t n_bucket; const char *key; size_t n_key; };

static int
split(const char *uri, struct parts *p, struct ai_err *err)
{
	bool aws = strncmp(uri, "s3://", 5) == 0;
	const char *rest = strstr(uri, "://") + 3;
	size_t end = strcspn(rest, "?#");
	*p = (struct parts){ .scheme = strncmp(uri, "s3+http:", 8) == 0 ? "http" : "https", .host = rest };
	if (!aws) {
		p->n_host = strcspn(rest, "/?#");
		rest += p->n_host + (rest[p->n_host] == '/');
		end = strcspn(rest, "?#");
	}
	p->bucket = rest;
	p->n_bucket = strcspn(rest, "/?#");
	p->key = rest + p->n_bucket + (rest[p->n_bucket] == '/');
	p->n_key = p->key > rest + end ? 0 : (size_t)(rest + end - p->key);
	size_t good = strspn(p->bucket, aws ? "abcdefghijklmnopqrstuvwxyz0123456789.-" : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");
	if (p->n_bucket < (aws ? 3 : 1) || p->n_bucket > 255 || good < p->n_bucket || p->bucket[0] == '.' || p->bucket[0] == '-' || (!aws && p->n_host == 0))
		return ai_fail(err, AI_EINPUT, "'%s': expected s3://BUCKET/KEY, or s3+https://HOST/BUCKET/KEY", uri);
	if (memmem(p->bucket, p->n_bucket, "..", 2) || (!aws && strspn(p->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") < p->n_host))
		return ai_fail(err, AI_EINPUT, "'%s': a bucket's name has no '..', and a host letters, digits, '.', '-' and its port", uri);
	/* libcurl would resolve them, and the signature be of another path. */
	for (const char *s = p->key; s < p->key + p->n_key; s += strcspn(s, "/?#") + 1) {
		size_t n = strcspn(s, "/?#");
		if ((n == 1 && *s == '.') || (n == 2 && memcmp(s, "..", 2) == 0))
			return ai_fail(err, AI_EINPUT, "'%s': a key with a part '.' or '..'", uri);
	}
	return 0;
}

static int
region_of(const char *uri, char out[64], struct ai_err *err)
{
	size_t n;
	const char *said = parameter(uri, "region", &n), *env = variable("AWS_REGION", "AWS_DEFAULT_REGION");
	if (!said) {
		said = env ? env : "us-east-1";
		n = strlen(said);
	}
	if (n == 0 || n > 63 || strspn(said, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") < n)
		return ai_fail(err, AI_EINPUT, "'%s': region: expected letters, digits and '-'", uri);
	memcpy(out, said, n);
	out[n] = '\0';
	return 0;
}

/* Host and path of the request: a bucket of AWS is a host of its own, unless its dots would fit no certificate. */
static int
put_place(const struct parts *p, const char *region, struct ai_buf *base, struct ai_buf *host, struct ai_buf *path, struct ai_err *err)
{
	const char *endpoint = p->n_host ? NULL : variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), *scheme = p->scheme;
	bool own_host = !p->n_host && !endpoint && !memchr(p->bucket, '.', p->n_bucket);
	if (endpoint) {
		const char *rest = strstr(endpoint, "://");
		if (!rest || ai_url_has_secret(endpoint) || (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0))
			return ai_fail(err, AI_EINPUT, "AWS_ENDPOINT_URL: expected a URL with http or https, and without a login");
		scheme = endpoint[4] == 's' ? "https" : "http";
		ai_buf_put(host, rest + 3, strcspn(rest + 3, "/?#"));
	} else if (p->n_host) {
		ai_buf_put(host, p->host, p->n_host);
	} else {
		ai_buf_printf(host, "%.*s%ss3.%s.amazonaws.com", own_host ? (int)p->n_bucket : 0, p->bucket, own_host ? "." : "", region);
	}
	ai_buf_puts(path, "/");
	if (!own_host)
		ai_buf_printf(path, "%.*s/", (int)p->n_bucket, p->bucket);
	put_canonical(path, p->key, p->n_key, true);
	if (ai_buf_ok(host, "host", err) < 0 || ai_buf_ok(path, "key", err) < 0)
		return err->code;
	/* As libcurl writes the Host header: without the scheme's own port. */
	bool https = strcmp(scheme, "https") == 0;
	const char *port = https ? ":443" : ":80";
	size_t n = strlen(port);
	if (host->len > n && strcmp(host->data + host->len - n, port) == 0) {
		host->len -= n;
		host->data[host->len] = '\0';
	}
	ai_buf_printf(base, "%s://%s%s", scheme, host->data, path->data);
	return ai_buf_ok(base, "URL", err);
}

/* The query, its parameters in the order of their names. */
static void
put_query(const char *uri, struct ai_buf *out)
{
	static const struct { const char *ours, *theirs; } of_listing[] = { { "prefix", "prefix" }, { "after", "start-after" } };
	size_t n;
	const char *v;
	if (ai_s3_is_listing(uri)) {
		ai_buf_puts(out, "list-type=2&max-keys=1000");
		for (size_t i = 0; i < sizeof of_listing / sizeof *of_listing; i++)
			if ((v = parameter(uri, of_listing[i].ours, &n)) && n > 0) {
				ai_buf_printf(out, "&%s=", of_listing[i].theirs);
				put_canonical(out, v, n, false);
			}
	} else if ((v = parameter(uri, "versionId", &n))) {
		ai_buf_puts(out, "versionId=");
		put_canonical(out, v, n, false);
	}
}

static int
add_header(struct ai_place *out, char *line, struct ai_err *err)
{
	if (!line)
		return ai_nomem(err);
	out->headers[out->n_headers++] = line;
	return 0;
}

static int
sign(const struct ai_s3_get *get, const struct ai_s3_keys *keys, struct ai_place *out, struct ai_err *err)
{
	char authorization[AI_S3_AUTHORIZATION], date[9], stamp[17];
	stamps(get->at, date, stamp);
	if (ai_s3_sign(get, keys, authorization, err) < 0 || add_header(out, ai_format("Authorization: %s", authorization), err) < 0 ||
		add_header(out, ai_format("x-amz-date: %s", stamp), err) < 0 || add_header(out, ai_format("x-amz-content-sha256: %s", no_body), err) < 0)
		return err->code;
	return keys->session ? add_header(out, ai_format("x-amz-security-token: %s", keys->session), err) : 0;
}

int
ai_s3_place(const char *uri, struct ai_place *out, struct ai_err *err)
{
	struct parts p;
	struct ai_place made = { NULL };
	struct ai_s3_keys keys;
	char region[64];
	AI_BUF_AUTO base = AI_BUF(16384);
	AI_BUF_AUTO host = AI_BUF(512);
	AI_BUF_AUTO path = AI_BUF(8192);
	AI_BUF_AUTO query = AI_BUF(8192);
	if (split(uri, &p, err) < 0 || region_of(uri, region, err) < 0 || put_place(&p, region, &base, &host, &path, err) < 0)
		return err->code;
	put_query(uri, &query);
	if (ai_buf_ok(&query, "query", err) < 0)
		return err->code;
	const struct ai_s3_get get = { host.data, path.data, query.data ? query.data : "", region, time(NULL) };
	int r = find_keys(&keys, err);
	if (r == 1)
		r = sign(&get, &keys, &made, err);
	ai_s3_keys_done(&keys);
	made.url = ai_format("%s%s%s", base.data, query.len ? "?" : "", get.query);
	if (r >= 0 && !made.url)
		r = ai_nomem(err);
	if (r < 0)
		ai_place_done(&made);
	else
		*out = made;
	return r < 0 ? r : 0;
}
