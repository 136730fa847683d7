/* ask.c -- see ask.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "fetch/auth.h"
#include "fetch/fetch.h"
#include "fetch/http.h"
#include "fetch/place.h"
#include "fetch/s3.h"

enum { MAX_HEADERS = 32 };

/* The headers of one request: those of the place, the rule's, and a login. */
struct request_headers { const char *all[MAX_HEADERS + 8]; char *own[MAX_HEADERS + 1]; size_t n, n_own; };

static void
headers_done(struct request_headers *h)
{
	for (size_t i = 0; i < h->n_own; i++) {
		explicit_bzero(h->own[i], strlen(h->own[i]));
		free(h->own[i]);
	}
}

static int
add_header(struct request_headers *h, char *line, struct ai_err *err)
{
	if (!line)
		return ai_nomem(err);
	h->all[h->n++] = h->own[h->n_own++] = line;
	return 0;
}

static bool
is_header(const char *name, const json_t *value)
{
	const char *v = json_string_value(value);
	if (!v || !*name || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name))
		return false;
	for (; *v; v++)
		if ((unsigned char)*v < 0x20 || *v == 0x7f)
			return false;
	return true;
}

static int
rule_headers(struct request_headers *h, const json_t *headers, struct ai_err *err)
{
	const char *name;
	json_t *value;
	if (json_object_size(headers) > MAX_HEADERS)
		return ai_fail(err, AI_EINPUT, "more than %d headers", MAX_HEADERS);
	json_object_foreach((json_t *)(uintptr_t)headers, name, value) {
		if (!is_header(name, value))
			return ai_fail(err, AI_EINPUT, "header '%s': expected a name and one line of text", name);
		if (add_header(h, ai_format("%s: %s", name, json_string_value(value)), err) < 0)
			return err->code;
	}
	return 0;
}

/* {"status","url","headers"}; the body goes its own way. */
static int
shape(const struct ai_http_answer *a, json_t **out, struct ai_err *err)
{
	AI_FREE char *url = ai_url_public(a->url ? a->url : "");
	AI_JSON *headers = json_object();
	if (!url || !headers)
		return ai_nomem(err);
	for (const char *p = a->headers.data; p && *p;) {
		size_t n = strcspn(p, "\n"), k = strcspn(p, ":");
		AI_FREE char *name = ai_strndup(p, k < n ? k : n);
		const char *v = k < n ? p + k + 1 : p + n;
		v += strspn(v, " \t");
		size_t len = v < p + n ? (size_t)(p + n - v) : 0;
		const char *before = name ? ai_json_str(headers, name) : NULL;
		AI_FREE char *value = before ? ai_format("%s, %.*s", before, (int)len, v) : ai_strndup(v, len);
		/* What is no UTF-8 is nothing that a rule could use. */
		if (name && value && ai_utf8_valid(name, strlen(name)) && ai_utf8_valid(value, strlen(value)))
			(void)json_object_set_new(headers, name, json_string(value));
		p += n + (p[n] == '\n');
	}
	*out = json_pack("{s:i, s:s, s:O}", "status", (int)a->status, "url", url, "headers", headers);
	return *out ? 0 : ai_fail(err, AI_EINPUT, "'%s': is not UTF-8", url);
}

/* One call, with a login or without. */
static int
call(struct ai_asking *a, const struct ai_place *place, const json_t *headers, const struct ai_login *login, size_t max,
	struct ai_http_answer *answer, struct ai_err *err)
{
	struct request_headers h = { .n = 0 };
	for (size_t i = 0; i < place->n_headers; i++)
		h.all[h.n++] = place->headers[i];
	int r = rule_headers(&h, headers, err);
	if (r == 0 && login->password)
		r = add_header(&h, ai_format("Authorization: Bearer %s", login->password), err);
	struct ai_http_request req = { .url = place->url, .headers = h.all, .n_headers = h.n, .size = -1, .talk = a->f->talk, .max = max,
		.session = a->session, .plain = true };
	if (r == 0)
		r = ai_http_call(&req, answer, err);
	headers_done(&h);
	return r;
}

/* A token for the server of this URL, which goes over TLS or to this machine only: 1, 0 none. */
static int
token_for(const char *url, struct ai_login *out, struct ai_err *err)
{
	bool https;
	AI_FREE char *host = ai_http_host(url, &https);
	return host && (https || ai_http_is_loopback(host)) ? ai_auth_token(host, out, err) : 0;
}

static int
ask(struct ai_asking *a, const char *url, const json_t *headers, size_t max, struct ai_http_answer *answer, struct ai_err *err)
{
	struct ai_place place;
	struct ai_login login = { NULL, NULL };
	if (ai_place_of(url, &place, err) < 0)
		return err->code;
	int r = call(a, &place, headers, &login, max, answer, err);
	bool no = r == 0 && !answer->elsewhere && (answer->status == 401 || answer->status == 403 || answer->status == 404);
	if (no)
		r = token_for(place.url, &login, err);
	if (no && r == 1) {
		ai_http_answer_done(answer);
		r = call(a, &place, headers, &login, max, answer, err);
	}
	ai_login_done(&login);
	ai_place_done(&place);
	return r;
}

/* A rule has no reader of XML. */
static int
put_listing(const struct ai_http_answer *said, struct ai_buf *body, struct ai_err *err)
{
	AI_JSON *listing = NULL;
	if (ai_s3_listing(said->body.data ? said->body.data : "", said->body.len, &listing, err) < 0)
		return err->code;
	return ai_canon(listing, body, err);
}

int
ai_ask(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err)
{
	struct ai_asking *a = ctx;
	struct ai_http_answer said = { .status = 0 };
	if (!a->session && !(a->session = ai_http_session_new()))
		return ai_nomem(err);
	int r = ask(a, url, headers, max, &said, err);
	if (r == 0 && said.status == 200 && ai_s3_is_listing(url))
		r = put_listing(&said, body, err);
	else if (r == 0)
		ai_buf_put(body, said.body.data, said.body.len);
	if (r == 0)
		r = ai_buf_ok(body, "answer", err) < 0 ? err->code : shape(&said, answer, err);
	ai_http_answer_done(&said);
	return r;
}

void
ai_asking_done(struct ai_asking *a)
{
	ai_http_session_free(a->session);
	a->session = NULL;
}
