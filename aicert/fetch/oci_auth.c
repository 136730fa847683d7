/* oci_auth.c -- see oci_registry.h: tokens and basic logins (docs.docker.com/registry/spec/auth).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/oci_registry.h"
#include "fetch/oci_text.h"

enum { MAX_ANSWER = 1 << 20, MAX_URL = 16 << 10 };

/* name=value with all but unreserved characters escaped (RFC 3986, 2.3). */
static void
put_pair(struct ai_buf *b, const char *name, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	ai_buf_printf(b, "%s%s=", b->len > 0 ? "&" : "", name);
	for (const char *p = value; *p; p++)
		if (strchr(plain, *p))
			ai_buf_putc(b, *p);
		else
			ai_buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
}

static char *
basic_header(const struct ai_oci_login *l)
{
	AI_BUF_AUTO plain = AI_BUF(AI_MAX_HEADER);
	AI_BUF_AUTO header = AI_BUF(2 * AI_MAX_HEADER);
	ai_buf_printf(&plain, "%s:%s", l->user, l->password);
	ai_buf_puts(&header, "Authorization: Basic ");
	ai_b64_put(&header, plain.data, plain.len);
	if (plain.data)
		explicit_bzero(plain.data, plain.len);
	return plain.state == AI_BUF_GOOD && header.state == AI_BUF_GOOD ? ai_buf_take(&header) : NULL;
}

static void
set_authorization(struct ai_oci_origin *o, char *header)
{
	if (o->authorization)
		explicit_bzero(o->authorization, strlen(o->authorization));
	free(o->authorization);
	o->authorization = header;
}

/* The login, looked for once. */
static int
find_login(struct ai_oci_origin *o, const struct ai_talk *talk, struct ai_err *err)
{
	if (!o->looked)
		o->has_login = ai_oci_login(o->host, o->repository, talk, &o->login, err);
	o->looked = true;
	return o->has_login;
}

/* service and scope; the scope is ours unless the registry names another for what we asked. */
static void
put_what_for(struct ai_buf *b, const struct ai_oci_origin *o, const struct ai_oci_challenge *c)
{
	AI_FREE char *scope = c->scope && *c->scope ? NULL : ai_format("repository:%s:pull", o->repository);
	if (c->service && *c->service)
		put_pair(b, "service", c->service);
	put_pair(b, "scope", scope ? scope : c->scope ? c->scope : "");
}

static int
token_answer(struct ai_oci_origin *o, const struct ai_http_answer *a, struct ai_err *err)
{
	AI_FREE char *token = NULL;
	if (a->status == 400 || a->status == 401 || a->status == 403) {
		ai_fail(err, AI_EINPUT, o->has_login ? "registry '%s': its token server refuses the login that it was shown (%ld)" :
			"registry '%s': its token server gives none without a login (%ld)", o->host, a->status);
		return ai_hint(err, "run 'docker login %s' (or podman, skopeo)", o->host);
	}
	if (a->status != 200)
		return ai_fail(err, AI_EENV, "registry '%s': its token server answers %ld, expected 200", o->host, a->status);
	if (ai_oci_token_parse(a->body.data ? a->body.data : "", a->body.len, &token, err) < 0)
		return ai_in(err, "registry '%s'", o->host);
	char *header = ai_format("Authorization: Bearer %s", token);
	explicit_bzero(token, strlen(token));
	if (!header)
		return ai_nomem(err);
	set_authorization(o, header);
	return 1;
}

/* With a login as basic authentication, with an identity token as OAuth 2 has it, else as nobody. */
static int
get_token(struct ai_oci_origin *o, const struct ai_oci_challenge *c, struct ai_http_session *session, const struct ai_talk *talk, struct ai_err *err)
{
	AI_BUF_AUTO query = AI_BUF(MAX_URL);
	AI_FREE char *url = NULL;
	AI_FREE char *basic = NULL;
	struct ai_http_answer a = { .status = 0 };
	struct ai_http_request req = { .size = -1, .talk = talk, .session = session, .max = MAX_ANSWER, .tries = o->mirror ? 2 : 0 };
	put_what_for(&query, o, c);
	if (o->has_login && o->login.identity) {
		put_pair(&query, "grant_type", "refresh_token");
		put_pair(&query, "client_id", "aicert");
		put_pair(&query, "refresh_token", o->login.identity);
		req.post = query.data;
		url = ai_strdup(c->realm);
	} else {
		if (o->has_login)
			put_pair(&query, "account", o->login.user);
		url = ai_format("%s%s%s", c->realm, strchr(c->realm, '?') ? "&" : "?", query.data);
		basic = o->has_login ? basic_header(&o->login) : NULL;
		req.headers = (const char *const *)&basic;
		req.n_headers = basic != NULL;
	}
	if (ai_buf_ok(&query, "token request", err) < 0)
		return err->code;
	if (!url || (o->has_login && !o->login.identity && !basic))
		return ai_nomem(err);
	req.url = url;
	int r = ai_http_call(&req, &a, err) < 0 ? ai_in(err, "registry '%s': token", o->host) : token_answer(o, &a, err);
	ai_http_answer_done(&a);
	if (basic)
		explicit_bzero(basic, strlen(basic));
	explicit_bzero(query.data, query.len);
	return r;
}

int
ai_oci_authorize(struct ai_oci_origin *o, const char *challenge, struct ai_http_session *session, const struct ai_talk *talk, struct ai_err *err)
{
	struct ai_oci_challenge c;
	if (ai_oci_challenge_parse(challenge, &c, err) < 0)
		return ai_in(err, "registry '%s'", o->host);
	int r = find_login(o, talk, err) < 0 ? err->code : 0;
	/* Nor may a registry elsewhere send us, and the login, to a service of this machine. */
	if (r == 0 && c.realm && strncasecmp(o->base, "https:", 6) == 0 && strncasecmp(c.realm, "https:", 6) != 0)
		r = ai_fail(err, AI_EINPUT, "registry '%s': its token server is not https", o->host);
	if (r == 0 && c.bearer && c.realm && *c.realm) {
		r = get_token(o, &c, session, talk, err);
	} else if (r == 0 && c.basic && o->has_login && o->login.user) {
		set_authorization(o, basic_header(&o->login));
		r = o->authorization ? 1 : ai_nomem(err);
	}
	ai_oci_challenge_done(&c);
	return r;
}
