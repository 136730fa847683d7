/* http.c -- see http.h and http_transfer.h: attempts, and what came of them.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http_transfer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/path.h"
#include "base/talk.h"
#include "fetch/auth.h"
#include "fetch/fetch_impl.h"

/* Pauses of 0.5, 1, 2, 4, 8 s; a connection that never was gets the first two only. Attempts that brought bytes do not count. */
enum { ATTEMPTS = 6, ATTEMPTS_UNREACHED = 3, ATTEMPTS_IN_ALL = 50, PAUSE_MOST_MS = 60000 };

_Static_assert(sizeof ((struct ai_transfer *)0)->detail >= CURL_ERROR_SIZE, "libcurl writes that much");

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
forget_response(struct ai_transfer *t)
{
	free(t->etag);
	free(t->modified);
	t->etag = t->modified = NULL;
	t->retry_after_s = -1;
	t->range_from = UINT64_MAX;
	t->total = 0;
	t->body_began = false;
	if (t->answer) {
		bool elsewhere = t->answer->elsewhere;
		char *url = t->answer->url;
		t->answer->url = NULL;
		ai_http_answer_done(t->answer);
		*t->answer = (struct ai_http_answer){ .elsewhere = elsewhere, .url = url, .headers = AI_BUF(AI_MAX_HEADER) };
	}
	if (t->memory)
		*t->memory = AI_BUF(t->req->max);
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

/* The line with its name in lower case, unless it is none or does not fit. */
static void
keep_header(struct ai_buf *b, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	while (n > 0 && strchr(" \t\r\n", line[n - 1]))
		n--;
	if (!colon || n + 1 > b->max - b->len || memchr(line, '\0', n))
		return;
	for (const char *p = line; p < colon; p++)
		ai_buf_putc(b, (char)tolower((unsigned char)*p));
	ai_buf_put(b, colon, n - (size_t)(colon - line));
	ai_buf_putc(b, '\n');
}

/* What a call wants to know besides. */
static void
answer_header(struct ai_http_answer *a, const char *line, size_t n)
{
	char *v;
	keep_header(&a->headers, line, n);
	if ((v = header_value(line, n, "content-type"))) {
		free(a->type);
		a->type = v;
	} else if ((v = header_value(line, n, "docker-content-digest"))) {
		free(a->digest);
		a->digest = v;
	} else if ((v = header_value(line, n, "www-authenticate"))) {
		char *all = a->challenge ? ai_format("%s, %s", a->challenge, v) : ai_strdup(v);
		free(v);
		free(a->challenge);
		a->challenge = all;
	}
}

static size_t
on_header(char *line, size_t one, size_t n, void *ctx)
{
	struct ai_transfer *t = ctx;
	(void)one;
	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_response(t);
		return n;
	}
	if (t->answer)
		answer_header(t->answer, line, n);
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
check_size(struct ai_transfer *t, uint64_t size)
{
	if (t->req->max && size > t->req->max)
		return ai_fail(&t->said, AI_EINPUT, "'%s': too large: got %llu bytes or more, expected at most %zu", t->shown, (unsigned long long)size, t->req->max);
	if (t->req->size < 0 || size <= (uint64_t)t->req->size)
		return 0;
	return ai_fail(&t->said, AI_EINPUT, "'%s': size: got %llu bytes or more, expected %lld", t->shown, (unsigned long long)size, (long long)t->req->size);
}

/* The first bytes of a body that counts: where do they belong? */
static int
begin_body(struct ai_transfer *t, long status)
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
	/* A weak validator ("W/…") does not promise the same bytes, so it cannot guard a range; a call's bytes may come from several servers. */
	bool strong = t->etag && strncmp(t->etag, "W/", 2) != 0;
	AI_FREE char *validator = t->answer ? NULL : strong ? ai_format("etag %s", t->etag) : t->modified ? ai_format("modified %s", t->modified) : NULL;
	t->had = 0;
	t->fresh = false;
	return ai_partial_restart(&t->part, validator, &t->said);
}

/* A page that says what went wrong may be cut; what was asked for may not. */
static size_t
on_memory(struct ai_transfer *t, const char *bytes, size_t n, long status)
{
	size_t room = t->memory->max - t->memory->len;
	if (n > room && status == 200) {
		ai_fail(&t->said, AI_EINPUT, "'%s': the server sends more than %zu bytes", t->shown, t->memory->max);
		return 0;
	}
	ai_buf_put(t->memory, bytes, n > room ? room : n);
	return ai_buf_ok(t->memory, t->shown, &t->said) < 0 ? 0 : n;
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *ctx)
{
	struct ai_transfer *t = ctx;
	long status = 0;
	(void)one;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->memory)
		return on_memory(t, bytes, n, status);
	if (status != 200 && status != 206)
		return n; /* a page that says what went wrong */
	if (!t->body_began && begin_body(t, status) < 0)
		return 0;
	if (check_size(t, t->part.have + n) < 0 || ai_partial_append(&t->part, bytes, n, &t->said) < 0)
		return 0;
	return n;
}

/* Neither interrupted by the user nor called off by another thread? */
static int
check_wanted(const struct ai_transfer *t, struct ai_err *err)
{
	if (t->req->stop && atomic_load(t->req->stop))
		return ai_fail(err, AI_EINTR, "'%s': no longer wanted", t->shown);
	return ai_check_interrupt(err);
}

static int
on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct ai_transfer *t = ctx;
	(void)up_total;
	(void)up_now;
	if (check_wanted(t, &t->said) < 0)
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
set_range(struct ai_transfer *t, struct curl_slist **headers)
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
set_headers(struct ai_transfer *t, struct curl_slist **headers)
{
	bool good = append(headers, "Accept-Encoding: identity");
	for (size_t i = 0; i < t->req->n_headers && !t->elsewhere; i++)
		good = good && append(headers, t->req->headers[i]);
	if (t->token && !t->elsewhere) {
		AI_FREE char *auth = ai_format("Authorization: Bearer %s", t->token);
		good = good && append(headers, auth);
	}
	return good && set_range(t, headers);
}

/* The redirects that we follow ourselves, not curl: it would show all headers but two to whatever host they lead to. */
static bool
own_hops(const struct ai_transfer *t)
{
	return t->answer || t->req->n_headers > 0;
}

/* The URL is set for each attempt. Of a call: only this machine is spoken to without TLS, and that is nobody's proxy to hear. */
static bool
set_place(struct ai_transfer *t)
{
	const char *url = t->next ? t->next : t->req->url;
	t->elsewhere = t->next && !ai_http_same_origin(url, t->req->url);
	if (!t->answer)
		return !own_hops(t) || curl_easy_setopt(t->curl, CURLOPT_URL, url) == CURLE_OK;
	t->answer->elsewhere = t->elsewhere;
	free(t->answer->url);
	t->answer->url = ai_strdup(url);
	bool near = strncasecmp(url, "http:", 5) == 0 && (!t->req->plain || ai_http_is_loopback(t->host));
	return curl_easy_setopt(t->curl, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(t->curl, CURLOPT_NOPROXY, near ? "*" : NULL) == CURLE_OK;
}

static CURLcode
attempt(struct ai_transfer *t)
{
	struct curl_slist *headers = NULL;
	CURLcode c = CURLE_OUT_OF_MEMORY;
	forget_response(t);
	t->said.code = 0;
	t->detail[0] = '\0';
	t->had = t->told = t->part.have;
	if (set_place(t) && set_headers(t, &headers) && curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
		c = curl_easy_perform(t->curl);
	(void)curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return c;
}

static long
stall_s(void)
{
	const char *s = getenv("AICERT_STALL_S");
	uint64_t v;
	return s && decimal(s, &v, NULL) && v > 0 && v <= 3600 ? (long)v : 60;
}

static int
set_options(struct ai_transfer *t, struct ai_err *err)
{
	CURL *c = t->curl;
	const char *ca = t->req->ca ? t->req->ca : getenv("SSL_CERT_FILE"), *netrc = getenv("NETRC");
	CURLcode r = CURLE_OK;
#define SET(option, value) (r = r ? r : curl_easy_setopt(c, option, value))
	SET(CURLOPT_URL, t->req->url);
	SET(CURLOPT_USERAGENT, "aicert/" AICERT_VERSION);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, t->https ? "https" : "http,https");
	if (t->answer) {
		if (t->req->post)
			SET(CURLOPT_POSTFIELDS, t->req->post);
		if (t->req->post_size)
			SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->req->post_size);
		if (t->memory)
			SET(CURLOPT_TIMEOUT, 300L);
	} else {
		SET(CURLOPT_FOLLOWLOCATION, own_hops(t) ? 0L : 1L);
		SET(CURLOPT_MAXREDIRS, 10L);
		SET(CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		if (netrc && *netrc)
			SET(CURLOPT_NETRC_FILE, netrc);
	}
	if (ca && *ca)
		SET(CURLOPT_CAINFO, ca);
	SET(CURLOPT_CONNECTTIMEOUT, 30L);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, stall_s());
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

typedef enum outcome { ARRIVED, AGAIN, BAD_MOMENT, AGAIN_AT_ONCE, REDIRECTED, ANSWERED, OVER } outcome;

/* What is neither what was asked for nor a bad moment. */
static outcome
judge_answer(struct ai_transfer *t, long status, struct ai_err *err)
{
	char *to = NULL;
	(void)curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &to);
	if (to && (status == 301 || status == 302 || status == 303 || status == 307 || status == 308))
		return ai_http_redirect(t, err) < 0 ? OVER : REDIRECTED;
	return ANSWERED;
}

/* A token that was not shown yet, for a server that may have it: 1 t->token is set, 0 none, negative. */
static int
find_token(struct ai_transfer *t, struct ai_err *err)
{
	struct ai_login login = { NULL, NULL };
	if (t->token || !(t->https || ai_http_is_loopback(t->host)))
		return 0;
	int r = ai_auth_token(t->host, &login, err);
	t->token = login.password;
	login.password = NULL;
	ai_login_done(&login);
	return r;
}

static outcome
judge_status(struct ai_transfer *t, long status, struct ai_err *err)
{
	ai_fail(err, AI_EENV, "'%s': the server answers %ld", t->shown, status);
	if (t->memory && status == 200)
		return ARRIVED;
	if (!t->memory && (status == 200 || status == 206)) {
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
	if (status != 408 && status != 429 && status < 500 && (t->answer || (own_hops(t) && status >= 300 && status < 400))) {
		outcome o = judge_answer(t, status, err);
		if (o != ANSWERED || t->answer)
			return o;
	}
	/* Only a server that says no is shown a token: most files need none, and a stale one spoils those. */
	int found = status == 401 || status == 403 || status == 404 ? find_token(t, err) : 0;
	if (found != 0)
		return found < 0 ? OVER : AGAIN_AT_ONCE;
	if (status == 408 || status == 429 || status >= 500)
		return BAD_MOMENT;
	if (status == 404 || status == 410)
		ai_fail(err, AI_EINPUT, "'%s': is gone: the server answers %ld", t->shown, status);
	else
		ai_fail(err, AI_EINPUT, "'%s': the server answers %ld, expected 200", t->shown, status);
	if (status == 401 || status == 403)
		ai_hint(err, "a private file needs a login: ~/.netrc, user info in the URL, or a token variable (HF_TOKEN, GITHUB_TOKEN, GITLAB_TOKEN)");
	return OVER;
}

static outcome
judge(struct ai_transfer *t, CURLcode c, struct ai_err *err)
{
	long status = 0;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->answer)
		t->answer->status = status;
	if (t->said.code) {
		*err = t->said;
		return t->fresh && t->said.code == AI_EENV && t->part.have > 0 ? AGAIN_AT_ONCE : OVER;
	}
	if (c == CURLE_OK)
		return judge_status(t, status, err);
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

/* Sleeps, waking when it is no longer wanted. */
static int
pause_ms(const struct ai_transfer *t, long ms, struct ai_err *err)
{
	for (; ms > 0; ms -= 50) {
		if (check_wanted(t, err) < 0)
			return err->code;
		(void)nanosleep(&(struct timespec){ .tv_nsec = (ms < 50 ? ms : 50) * 1000000L }, NULL);
	}
	return check_wanted(t, err);
}

static long
base_ms(void)
{
	const char *s = getenv("AICERT_RETRY_BASE_MS");
	uint64_t ms;
	return s && decimal(s, &ms, NULL) && ms <= PAUSE_MOST_MS ? (long)ms : 500;
}

int
ai_transfer_run(struct ai_transfer *t, struct ai_err *err)
{
	long pause = base_ms();
	bool reached = false;
	for (unsigned tries = 1, in_all = 1;; tries++, in_all++) {
		uint64_t before = t->part.have;
		outcome o = judge(t, attempt(t), err);
		if (o != REDIRECTED) {
			free(t->next);
			t->next = NULL;
			t->hops = 0;
		}
		if (o == ARRIVED || o == ANSWERED) {
			*err = (struct ai_err){ .code = 0 };
			return o == ANSWERED;
		}
		if (o == OVER || in_all >= ATTEMPTS_IN_ALL)
			return err->code;
		if (o == AGAIN_AT_ONCE || o == REDIRECTED) {
			tries -= o == REDIRECTED;
			continue;
		}
		long status = 0;
		(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		reached |= status != 0;
		if (t->part.have > before) {
			tries = 1;
			pause = base_ms();
		}
		if (tries >= (t->req->tries ? t->req->tries : reached ? ATTEMPTS : ATTEMPTS_UNREACHED))
			return o == BAD_MOMENT && t->answer ? 1 : err->code;
		long wait = t->retry_after_s >= 0 ? t->retry_after_s * 1000 : pause;
		wait = wait > PAUSE_MOST_MS ? PAUSE_MOST_MS : wait;
		ai_say(t->req->talk, AI_TALK_NOTE, "%s; again in %ld.%ld s", err->text, wait / 1000, wait % 1000 / 100);
		if (pause_ms(t, wait, err) < 0)
			return err->code;
		pause *= 2;
	}
}

bool
ai_transfer_whole(const struct ai_transfer *t)
{
	return t->req->size >= 0 && t->req->sha256 && t->part.have == (uint64_t)t->req->size && !t->fresh;
}

int
ai_transfer_init(struct ai_transfer *t, struct ai_err *err)
{
	t->part.fd = -1;
	t->shown = ai_url_public(t->req->url);
	if (!t->shown)
		return ai_nomem(err);
	if (ai_http_setup(err) < 0)
		return err->code;
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
		t->curl = t->req->session ? ai_http_session_curl(t->req->session) : curl_easy_init();
		if (!t->host || !t->curl)
			(void)ai_nomem(err);
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return err->code ? err->code : set_options(t, err);
}

void
ai_transfer_done(struct ai_transfer *t)
{
	free(t->etag);
	free(t->modified);
	free(t->next);
	if (t->token)
		explicit_bzero(t->token, strlen(t->token));
	free(t->token);
	if (!t->req->session)
		curl_easy_cleanup(t->curl);
	free(t->host);
	free(t->shown);
}
