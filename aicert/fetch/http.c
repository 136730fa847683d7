/* http.c -- see http.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/auth.h"
#include "fetch/fetch_impl.h"
#include "fetch/partial.h"

/* Pauses of 0.5, 1, 2, 4, 8 s; a connection that never was gets the first two only. Attempts that brought bytes do not count. */
enum { ATTEMPTS = 6, ATTEMPTS_UNREACHED = 3, ATTEMPTS_IN_ALL = 50, PAUSE_MOST_MS = 60000 };

struct transfer {
	const struct ai_http_request *req;
	struct ai_partial part;
	char *shown;               /* what may be said of the URL */
	CURL *curl;
	char *host;
	bool https, token_used;
	bool fresh;                /* what was there is not to be trusted: begin at the first byte */
	/* of one attempt, from the headers of its last response: */
	char *etag, *modified;
	long retry_after_s;        /* -1 = not said */
	uint64_t range_from;       /* of a 206 */
	uint64_t total;            /* 0 = not said */
	bool body_began;
	uint64_t had;              /* bytes there before this attempt */
	uint64_t told;             /* bytes when progress was last said */
	struct ai_err said;        /* why a callback of ours refused */
	char detail[CURL_ERROR_SIZE];
};

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static CURLcode setup_result;

static void
setup(void)
{
	setup_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int
ai_http_setup(struct ai_err *err)
{
	pthread_once(&setup_once, setup);
	return setup_result == CURLE_OK ? 0 : ai_fail(err, AI_EENV, "http: cannot set libcurl up: %s", curl_easy_strerror(setup_result));
}

/* --- callbacks of libcurl ------------------------------------------------------------ */

/* The value when the line is this header, without white space around it; fresh, or NULL. */
static char *
header_value(const char *line, size_t n, const char *name)
{
	size_t k = strlen(name);
	if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
		return NULL;
	const char *p = line + k + 1, *end = line + n;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && strchr(" \t\r\n", end[-1]))
		end--;
	return ai_strndup(p, (size_t)(end - p));
}

static void
forget_response(struct transfer *t)
{
	free(t->etag);
	free(t->modified);
	t->etag = t->modified = NULL;
	t->retry_after_s = -1;
	t->range_from = UINT64_MAX;
	t->total = 0;
	t->body_began = false;
}

/* Decimal digits at p; false when there are none or too many. */
static bool
decimal(const char *p, uint64_t *out, const char **end)
{
	uint64_t v = 0;
	const char *from = p;
	for (; *p >= '0' && *p <= '9' && p - from < 18; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*out = v;
	if (end)
		*end = p;
	return p > from;
}

/* Seconds, or a date (RFC 9110, 10.2.3). */
static long
parse_retry_after(const char *value)
{
	uint64_t s;
	if (decimal(value, &s, NULL))
		return s > 3600 ? 3600 : (long)s;
	time_t at = curl_getdate(value, NULL), now = time(NULL);
	return at < 0 ? -1 : at <= now ? 0 : at - now > 3600 ? 3600 : (long)(at - now);
}

static size_t
on_header(char *line, size_t one, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	(void)one;
	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_response(t);
		return n;
	}
	char *v;
	if ((v = header_value(line, n, "etag"))) {
		free(t->etag);
		t->etag = v;
	} else if ((v = header_value(line, n, "last-modified"))) {
		free(t->modified);
		t->modified = v;
	} else if ((v = header_value(line, n, "retry-after"))) {
		t->retry_after_s = parse_retry_after(v);
		free(v);
	} else if ((v = header_value(line, n, "content-length"))) {
		(void)decimal(v, &t->total, NULL);
		free(v);
	} else if ((v = header_value(line, n, "content-range"))) {
		const char *end;
		if (strncasecmp(v, "bytes ", 6) == 0 && decimal(v + 6, &t->range_from, &end) && *end == '-')
			(void)0;
		else
			t->range_from = UINT64_MAX;
		free(v);
	}
	return n;
}

/* More, or another amount, than must arrive: no need to wait for the rest of it. */
static int
check_size(struct transfer *t, uint64_t size)
{
	if (t->req->size < 0 || size <= (uint64_t)t->req->size)
		return 0;
	return ai_fail(&t->said, AI_EINPUT, "'%s': size: got %llu bytes or more, expected %lld", t->shown, (unsigned long long)size, (long long)t->req->size);
}

/* The first bytes of a body that counts: where do they belong? */
static int
begin_body(struct transfer *t, long status)
{
	t->body_began = true;
	if (status == 206) {
		if (t->range_from != t->part.have) {
			t->fresh = true;
			return ai_fail(&t->said, AI_EENV, "'%s': the server sent another range than asked for", t->shown);
		}
		return t->total ? check_size(t, t->part.have + t->total) : 0;
	}
	if (t->total && check_size(t, t->total) < 0)
		return t->said.code;
	/* A weak validator ("W/…") does not promise the same bytes, so it cannot guard a range. */
	bool strong = t->etag && strncmp(t->etag, "W/", 2) != 0;
	AI_FREE char *validator = strong ? ai_format("etag %s", t->etag) : t->modified ? ai_format("modified %s", t->modified) : NULL;
	t->had = 0;
	t->fresh = false;
	return ai_partial_restart(&t->part, validator, &t->said);
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	long status = 0;
	(void)one;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && status != 206)
		return n; /* a page that says what went wrong */
	if (!t->body_began && begin_body(t, status) < 0)
		return 0;
	if (check_size(t, t->part.have + n) < 0 || ai_partial_append(&t->part, bytes, n, &t->said) < 0)
		return 0;
	return n;
}

static int
on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct transfer *t = ctx;
	(void)up_total;
	(void)up_now;
	if (ai_check_interrupt(&t->said) < 0)
		return 1;
	if (t->body_began && (t->part.have - t->told >= 1 << 18 || (now == total && t->part.have != t->told))) {
		t->told = t->part.have;
		ai_say_progress(t->req->talk, t->shown, t->part.have, total > 0 ? t->had + (uint64_t)total : 0);
	}
	return 0;
}

/* --- one attempt ------------------------------------------------------------------------ */

static bool
append(struct curl_slist **list, const char *header)
{
	struct curl_slist *more = header ? curl_slist_append(*list, header) : NULL;
	if (more)
		*list = more;
	return more != NULL;
}

/* Where to go on from, and how the server shall know that it still has the same file. */
static bool
set_range(struct transfer *t, struct curl_slist **headers)
{
	const char *v = t->part.validator;
	bool usable = t->part.have > 0 && !t->fresh && (v || t->req->sha256);
	if (!usable)
		return curl_easy_setopt(t->curl, CURLOPT_RANGE, NULL) == CURLE_OK;
	AI_FREE char *range = ai_format("%llu-", (unsigned long long)t->part.have);
	AI_FREE char *if_range = v && strchr(v, ' ') ? ai_format("If-Range: %s", strchr(v, ' ') + 1) : NULL;
	return range && curl_easy_setopt(t->curl, CURLOPT_RANGE, range) == CURLE_OK && (!if_range || append(headers, if_range));
}

static bool
set_headers(struct transfer *t, struct curl_slist **headers)
{
	const char *user, *token = t->token_used && t->https ? ai_auth_token(t->host, &user) : NULL;
	bool good = append(headers, "Accept-Encoding: identity");
	for (size_t i = 0; i < t->req->n_headers; i++)
		good = good && append(headers, t->req->headers[i]);
	if (token) {
		AI_FREE char *auth = ai_format("Authorization: Bearer %s", token);
		good = good && append(headers, auth);
	}
	return good && set_range(t, headers);
}

static CURLcode
attempt(struct transfer *t)
{
	struct curl_slist *headers = NULL;
	CURLcode c = CURLE_OUT_OF_MEMORY;
	forget_response(t);
	t->said.code = 0;
	t->detail[0] = '\0';
	t->had = t->told = t->part.have;
	if (set_headers(t, &headers) && curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
		c = curl_easy_perform(t->curl);
	(void)curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return c;
}

static int
set_options(struct transfer *t, struct ai_err *err)
{
	CURL *c = t->curl;
	const char *ca = getenv("SSL_CERT_FILE"), *netrc = getenv("NETRC");
	CURLcode r = CURLE_OK;
#define SET(option, value) (r = r ? r : curl_easy_setopt(c, option, value))
	SET(CURLOPT_URL, t->req->url);
	SET(CURLOPT_USERAGENT, "aicert/" AICERT_VERSION);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, t->https ? "https" : "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, 10L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	if (netrc && *netrc)
		SET(CURLOPT_NETRC_FILE, netrc);
	if (ca && *ca)
		SET(CURLOPT_CAINFO, ca);
	SET(CURLOPT_CONNECTTIMEOUT, 30L);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, 60L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, t->detail);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, t);
	SET(CURLOPT_NOPROGRESS, 0L);
#undef SET
	return r == CURLE_OK ? 0 : ai_fail(err, AI_EENV, "http: cannot set libcurl up: %s", curl_easy_strerror(r));
}

/* --- what came of it ----------------------------------------------------------------------- */

typedef enum outcome { ARRIVED, AGAIN, AGAIN_AT_ONCE, OVER } outcome;

static outcome
judge_status(struct transfer *t, long status, struct ai_err *err)
{
	const char *user;
	ai_fail(err, AI_EENV, "'%s': the server answers %ld", t->shown, status);
	if (status == 200 || status == 206) {
		/* No body at all: an empty file. */
		if (!t->body_began && begin_body(t, status) < 0) {
			*err = t->said;
			return OVER;
		}
		return ARRIVED;
	}
	if (status == 416 && t->part.have > 0 && !t->fresh) {
		t->fresh = true;
		return AGAIN_AT_ONCE;
	}
	/* Only a server that says no is shown a token: most files need none, and a stale one spoils those. */
	if ((status == 401 || status == 403 || status == 404) && !t->token_used && t->https && ai_auth_token(t->host, &user)) {
		t->token_used = true;
		return AGAIN_AT_ONCE;
	}
	if (status == 408 || status == 429 || status >= 500)
		return AGAIN;
	if (status == 404 || status == 410)
		ai_fail(err, AI_EINPUT, "'%s': is gone: the server answers %ld", t->shown, status);
	else
		ai_fail(err, AI_EINPUT, "'%s': the server answers %ld, expected 200", t->shown, status);
	if (status == 401 || status == 403)
		ai_hint(err, "a private file needs a login: ~/.netrc, user info in the URL, or a token variable (HF_TOKEN, GITHUB_TOKEN, GITLAB_TOKEN)");
	return OVER;
}

static outcome
judge(struct transfer *t, CURLcode c, struct ai_err *err)
{
	long status = 0;
	if (t->said.code) {
		*err = t->said;
		return t->fresh && t->said.code == AI_EENV && t->part.have > 0 ? AGAIN_AT_ONCE : OVER;
	}
	if (c == CURLE_OK) {
		(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		return judge_status(t, status, err);
	}
	ai_fail(err, AI_EENV, "'%s': cannot be reached: %s", t->shown, t->detail[0] ? t->detail : curl_easy_strerror(c));
	switch (c) {
	case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_CONNECT: case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING: case CURLE_RECV_ERROR: case CURLE_SEND_ERROR: case CURLE_PARTIAL_FILE: case CURLE_SSL_CONNECT_ERROR:
	case CURLE_HTTP2: case CURLE_HTTP2_STREAM:
		return AGAIN;
	case CURLE_PEER_FAILED_VERIFICATION:
		ai_hint(err, "set SSL_CERT_FILE to a bundle that holds the authority's certificate");
		return OVER;
	case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_URL_MALFORMAT: case CURLE_TOO_MANY_REDIRECTS:
		ai_fail(err, AI_EINPUT, "'%s': %s", t->shown, t->detail[0] ? t->detail : curl_easy_strerror(c));
		return OVER;
	default:
		return OVER;
	}
}

/* Sleeps, waking for an interrupt. */
static int
pause_ms(long ms, struct ai_err *err)
{
	for (; ms > 0; ms -= 50) {
		if (ai_check_interrupt(err) < 0)
			return err->code;
		(void)nanosleep(&(struct timespec){ .tv_nsec = (ms < 50 ? ms : 50) * 1000000L }, NULL);
	}
	return ai_check_interrupt(err);
}

static long
base_ms(void)
{
	const char *s = getenv("AICERT_RETRY_BASE_MS");
	uint64_t ms;
	return s && decimal(s, &ms, NULL) && ms <= PAUSE_MOST_MS ? (long)ms : 500;
}

/* Attempts until all of it is in the partial file. */
static int
download(struct transfer *t, struct ai_err *err)
{
	long pause = base_ms();
	bool reached = false;
	for (int tries = 1, in_all = 1;; tries++, in_all++) {
		uint64_t before = t->part.have;
		outcome o = judge(t, attempt(t), err);
		if (o == ARRIVED)
			return 0;
		if (o == OVER || in_all >= ATTEMPTS_IN_ALL)
			return err->code;
		if (o == AGAIN_AT_ONCE)
			continue;
		long status = 0;
		(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		reached |= status != 0;
		if (t->part.have > before) {
			tries = 1;
			pause = base_ms();
		}
		if (tries >= (reached ? ATTEMPTS : ATTEMPTS_UNREACHED))
			return err->code;
		long wait = t->retry_after_s >= 0 ? t->retry_after_s * 1000 : pause;
		wait = wait > PAUSE_MOST_MS ? PAUSE_MOST_MS : wait;
		ai_say(t->req->talk, AI_TALK_NOTE, "%s; again in %ld.%ld s", err->text, wait / 1000, wait % 1000 / 100);
		if (pause_ms(wait, err) < 0)
			return err->code;
		pause *= 2;
	}
}

/* Downloads, and puts what arrived into the sink: 1 done, 0 it is not what must arrive (err says what), negative. */
static int
fetch_once(struct transfer *t, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	char got[AI_HEX], want[AI_HEX];
	bool whole = t->req->size >= 0 && t->req->sha256 && t->part.have == (uint64_t)t->req->size && !t->fresh;
	if (!whole && download(t, err) < 0)
		return err->code;
	if (t->req->size >= 0 && t->part.have != (uint64_t)t->req->size) {
		ai_fail(err, AI_EINPUT, "'%s': size: got %llu bytes, expected %lld", t->shown, (unsigned long long)t->part.have, (long long)t->req->size);
		return 0;
	}
	int r = ai_partial_into(&t->part, sink, t->req->sha256, out, err);
	if (r == 0) {
		ai_hex(out, got);
		ai_hex(t->req->sha256, want);
		ai_fail(err, AI_EINPUT, "'%s': sha256: got %s, expected %s", t->shown, got, want);
	}
	if (r == 1)
		*size_out = t->part.have;
	return r;
}

static int
transfer_init(struct transfer *t, struct ai_err *err)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL;
	if (!u || curl_url_set(u, CURLUPART_URL, t->req->url, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		ai_fail(err, AI_EINPUT, "'%s': is not a URL", t->shown);
	} else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
		ai_fail(err, AI_EINPUT, "'%s': scheme '%s': expected http, https or file", t->shown, scheme);
	} else {
		err->code = 0;
		t->https = strcmp(scheme, "https") == 0;
		t->host = ai_strdup(host);
		t->curl = curl_easy_init();
		if (!t->host || !t->curl)
			(void)ai_nomem(err);
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return err->code ? err->code : set_options(t, err);
}

int
ai_http_get(const struct ai_http_request *req, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct transfer t = { .req = req, .part = { .fd = -1 }, .shown = ai_url_public(req->url) };
	struct ai_digest got;
	int r = t.shown ? ai_http_setup(err) : ai_nomem(err);
	if (r == 0)
		r = transfer_init(&t, err);
	if (r == 0)
		r = ai_partial_open(req->partial, t.shown, &t.part, err);
	if (r == 0) {
		bool resumed = t.part.have > 0;
		r = fetch_once(&t, sink, &got, size_out, err);
		/* Bytes of an earlier attempt may be of another file: what is wrong may be ours. */
		if (r == 0 && resumed) {
			t.fresh = true;
			r = fetch_once(&t, sink, &got, size_out, err);
		}
		/* What is complete, right or wrong, is no partial download. */
		ai_partial_close(&t.part, r >= 0);
	}
	if (r == 1)
		*out = got;
	forget_response(&t);
	curl_easy_cleanup(t.curl);
	free(t.host);
	free(t.shown);
	return r == 1 ? 0 : err->code;
}

int
ai_http_file_path(const char *url, char **path_out, struct ai_err *err)
{
	CURLU *u = curl_url();
	char *path = NULL;
	/* libcurl takes no host but localhost and 127.0.0.1 in a file URL. */
	bool good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK && path[0] == '/';
	char *copy = good ? ai_strdup(path) : NULL;
	curl_free(path);
	curl_url_cleanup(u);
	if (!good)
		return ai_fail(err, AI_EINPUT, "file URL: expected 'file:///absolute/path'");
	if (!copy)
		return ai_nomem(err);
	*path_out = copy;
	return 0;
}
