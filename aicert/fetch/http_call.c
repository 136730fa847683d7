/* http_call.c -- see http.h: calls, the blobs of a registry, and where a call may go.  SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "fetch/http_transfer.h"

enum { MAX_HOPS = 10 };

/* --- sessions and answers -------------------------------------------------------------- */

struct ai_http_session { CURL *curl; };

struct ai_http_session *
ai_http_session_new(void)
{
	return ai_calloc(1, sizeof(struct ai_http_session));
}

void *
ai_http_session_curl(struct ai_http_session *s)
{
	if (!s->curl)
		s->curl = curl_easy_init();
	else
		curl_easy_reset(s->curl);
	return s->curl;
}

void
ai_http_session_free(struct ai_http_session *s)
{
	if (s)
		curl_easy_cleanup(s->curl);
	free(s);
}

void
ai_http_answer_done(struct ai_http_answer *a)
{
	free(a->type);
	free(a->challenge);
	free(a->digest);
	free(a->url);
	ai_buf_done(&a->headers);
	ai_buf_done(&a->body);
	*a = (struct ai_http_answer){ .status = 0 };
}

/* --- where a call may go ------------------------------------------------------------------ */

bool
ai_http_is_loopback(const char *host)
{
	struct in_addr four;
	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

/* A part of a URL, fresh; NULL when it has none. */
static char *
part_of(CURLU *u, CURLUPart part, unsigned flags)
{
	char *s = NULL;
	char *copy = curl_url_get(u, part, &s, flags) == CURLUE_OK ? ai_strdup(s) : NULL;
	curl_free(s);
	return copy;
}

bool
ai_http_same_origin(const char *a, const char *b)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *ua = curl_url(), *ub = curl_url();
	bool same = ua && ub && curl_url_set(ua, CURLUPART_URL, a, 0) == CURLUE_OK && curl_url_set(ub, CURLUPART_URL, b, 0) == CURLUE_OK;
	for (size_t i = 0; same && i < sizeof parts / sizeof *parts; i++) {
		AI_FREE char *pa = part_of(ua, parts[i], CURLU_DEFAULT_PORT);
		AI_FREE char *pb = part_of(ub, parts[i], CURLU_DEFAULT_PORT);
		same = pa && pb && strcasecmp(pa, pb) == 0;
	}
	curl_url_cleanup(ua);
	curl_url_cleanup(ub);
	return same;
}

char *
ai_http_host(const char *url, bool *https)
{
	CURLU *u = curl_url();
	bool good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
	char *host = good ? part_of(u, CURLUPART_HOST, 0) : NULL;
	AI_FREE char *scheme = good ? part_of(u, CURLUPART_SCHEME, 0) : NULL;
	*https = scheme && strcmp(scheme, "https") == 0;
	curl_url_cleanup(u);
	return host;
}

int
ai_http_check_url(const char *url, const char *shown, bool from_https, bool plain, struct ai_err *err)
{
	CURLU *u = curl_url();
	bool good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
	AI_FREE char *scheme = good ? part_of(u, CURLUPART_SCHEME, 0) : NULL;
	AI_FREE char *host = good ? part_of(u, CURLUPART_HOST, 0) : NULL;
	AI_FREE char *user = good ? part_of(u, CURLUPART_USER, 0) : NULL;
	curl_url_cleanup(u);
	if (!scheme || !host)
		return ai_fail(err, AI_EINPUT, "'%s': is not a URL", shown);
	if (user)
		return ai_fail(err, AI_EINPUT, "'%s': holds a login: expected a URL without", shown);
	if (strcmp(scheme, "https") == 0)
		return 0;
	if (strcmp(scheme, "http") != 0)
		return ai_fail(err, AI_EINPUT, "'%s': scheme '%s': expected https", shown, scheme);
	if (from_https)
		return ai_fail(err, AI_EINPUT, "'%s': redirects from https to http", shown);
	if (!plain && !ai_http_is_loopback(host))
		return ai_fail(err, AI_EINPUT, "'%s': http to host '%s': expected https (http is for localhost only)", shown, host);
	return 0;
}

int
ai_http_redirect(struct ai_transfer *t, struct ai_err *err)
{
	char *to = NULL;
	const char *from = t->next ? t->next : t->req->url;
	(void)curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &to);
	if (t->req->post)
		return ai_fail(err, AI_EINPUT, "'%s': redirects what was posted to it", t->shown);
	if (++t->hops > MAX_HOPS)
		return ai_fail(err, AI_EINPUT, "'%s': more than %d redirects", t->shown, MAX_HOPS);
	AI_FREE char *shown = ai_url_public(to);
	if (!shown)
		return ai_nomem(err);
	if (ai_http_check_url(to, shown, strncasecmp(from, "https:", 6) == 0, t->req->plain || !t->answer, err) < 0)
		return ai_in(err, "'%s'", t->shown);
	char *next = ai_strdup(to);
	if (!next)
		return ai_nomem(err);
	free(t->next);
	t->next = next;
	return 0;
}

/* --- calls ---------------------------------------------------------------------------------- */

static int
begin(struct ai_transfer *t, struct ai_err *err)
{
	AI_FREE char *shown = ai_url_public(t->req->url);
	t->part.fd = -1;
	if (!shown)
		return ai_nomem(err);
	return ai_http_check_url(t->req->url, shown, false, t->req->plain, err) < 0 ? err->code : ai_transfer_init(t, err);
}

int
ai_http_call(const struct ai_http_request *req, struct ai_http_answer *out, struct ai_err *err)
{
	struct ai_transfer t = { .req = req, .answer = out, .memory = &out->body };
	int r = begin(&t, err);
	if (r == 0)
		r = ai_transfer_run(&t, err);
	ai_transfer_done(&t);
	return r < 0 ? r : 0;
}

/* --- blobs ------------------------------------------------------------------------------------ */

/* A name that no server has a part in, so that one may finish what another began. */
static char *
blob_name(const struct ai_digest *sha256, int64_t size)
{
	char hex[AI_HEX];
	ai_hex(sha256, hex);
	return ai_format("sha256:%s %lld", hex, (long long)size);
}

/*
 * The bytes of the partial file when they are the right ones: 1 and *fd; 0 when they are not (err says so). Opened anew by the descriptor,
 * as the name may be gone: whoever else had this blob may have dropped it.
 */
static int
open_checked(struct ai_transfer *t, int *fd_out, struct ai_err *err)
{
	const struct ai_http_request *req = t->req;
	char got[AI_HEX], want[AI_HEX], path[64];
	struct ai_digest d;
	if (t->part.have != (uint64_t)req->size) {
		ai_fail(err, AI_EINPUT, "'%s': size: got %llu bytes, expected %lld", t->shown, (unsigned long long)t->part.have, (long long)req->size);
		return 0;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", t->part.fd);
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", t->part.path);
	if (ai_sha256_fd(fd, &d, NULL, err) < 0)
		return err->code;
	if (!ai_digest_eq(&d, req->sha256)) {
		ai_hex(&d, got);
		ai_hex(req->sha256, want);
		ai_fail(err, AI_EINPUT, "'%s': sha256: got %s, expected %s", t->shown, got, want);
		return 0;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot read", t->part.path);
	*fd_out = fd;
	fd = -1;
	return 1;
}

/* 1 *fd, 0 the server says something else, negative; *wrong: what is there is complete and not what must be. */
static int
blob_once(struct ai_transfer *t, int *fd, bool *wrong, struct ai_err *err)
{
	*wrong = false;
	int r = ai_transfer_whole(t) ? 0 : ai_transfer_run(t, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = open_checked(t, fd, err);
	*wrong = r == 0;
	return r == 0 ? err->code : r;
}

int
ai_http_blob(const struct ai_http_request *req, int *fd, struct ai_http_answer *out, struct ai_err *err)
{
	struct ai_transfer t = { .req = req, .answer = out };
	AI_FREE char *name = blob_name(req->sha256, req->size);
	bool wrong = false;
	int r = name ? begin(&t, err) : ai_nomem(err);
	if (r == 0)
		r = ai_partial_open(req->partial, name, &t.part, err);
	if (r == 0) {
		bool resumed = t.part.have > 0;
		r = blob_once(&t, fd, &wrong, err);
		/* Bytes of an earlier attempt may be spoilt, or another server's lie. */
		if (wrong && resumed) {
			t.fresh = true;
			r = blob_once(&t, fd, &wrong, err);
		}
		ai_partial_close(&t.part, wrong);
	}
	ai_transfer_done(&t);
	return r;
}

void
ai_http_blob_drop(const char *partial, const struct ai_digest *sha256, int64_t size)
{
	AI_FREE char *name = blob_name(sha256, size);
	if (name)
		ai_partial_remove(partial, name);
}
