/* oci_answer.c -- see oci_text.h: challenges, tokens, tags, error codes.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/oci_text.h"

enum { MAX_TOKEN = 64 << 10, MAX_TAGS_SHOWN = 20 };

/* --- WWW-Authenticate ------------------------------------------------------------------- */

static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t
token_length(const char *p)
{
	size_t n = 0;
	while (is_token_char(p[n]))
		n++;
	return n;
}

static const char *
skip(const char *p, const char *set)
{
	return p + strspn(p, set);
}

/* The value of a parameter at p, quoted or not, into fresh memory; NULL when it is malformed. *end is behind it. */
static char *
parameter_value(const char *p, const char **end)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_HEADER);
	if (*p != '"') {
		/* Some servers do not quote what they should: up to the next comma. */
		size_t n = strcspn(p, ", \t");
		*end = p + n;
		return ai_strndup(p, n);
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		ai_buf_putc(&b, *p);
	}
	if (*p != '"')
		return NULL;
	*end = p + 1;
	ai_buf_put(&b, "", 0);
	return b.len ? ai_buf_take(&b) : ai_strdup("");
}

/* The first bearer challenge counts; a parameter said twice keeps its first value. */
static void
keep(struct ai_oci_challenge *c, const char *name, size_t n, char **value)
{
	static const char *const names[] = { "realm", "service", "scope" };
	char **slots[] = { &c->realm, &c->service, &c->scope };
	for (size_t i = 0; i < 3; i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0 && !*slots[i]) {
			*slots[i] = *value;
			*value = NULL;
		}
}

/* What stands at p: a scheme, or name=value of the present one. The end, or NULL when it is neither. */
static const char *
challenge_item(const char *p, struct ai_oci_challenge *c, bool *ours)
{
	size_t n = token_length(p);
	const char *after = skip(p + n, " \t"), *end;
	if (n == 0)
		return NULL;
	if (*after != '=') {
		bool bearer = n == 6 && strncasecmp(p, "bearer", 6) == 0;
		c->basic |= n == 5 && strncasecmp(p, "basic", 5) == 0;
		*ours = bearer && !c->bearer;
		c->bearer |= bearer;
		return after;
	}
	AI_FREE char *value = parameter_value(skip(after + 1, " \t"), &end);
	if (!value)
		return NULL;
	if (*ours)
		keep(c, p, n, &value);
	return end;
}

int
ai_oci_challenge_parse(const char *value, struct ai_oci_challenge *out, struct ai_err *err)
{
	struct ai_oci_challenge c = { .realm = NULL };
	bool ours = false;
	for (const char *p = skip(value, ", \t"); *p; p = skip(p, ", \t")) {
		p = challenge_item(p, &c, &ours);
		if (!p) {
			ai_oci_challenge_done(&c);
			return ai_fail(err, AI_EINPUT, "WWW-Authenticate: cannot be read");
		}
	}
	*out = c;
	return 0;
}

void
ai_oci_challenge_done(struct ai_oci_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct ai_oci_challenge){ .realm = NULL };
}

/* --- answers ------------------------------------------------------------------------------ */

int
ai_oci_token_parse(const char *bytes, size_t n, char **token, struct ai_err *err)
{
	AI_JSON *j = NULL;
	struct ai_err unsaid;
	/* The text of a JSON error could hold a piece of the token. */
	if (ai_oci_json(bytes, n, "token", &j, &unsaid) < 0)
		return ai_fail(err, AI_EINPUT, "the token server's answer is no JSON object");
	const char *t = ai_json_str(j, "token");
	t = t && *t ? t : ai_json_str(j, "access_token");
	if (!t || !*t)
		return ai_fail(err, AI_EINPUT, "the token server's answer holds no token");
	if (strlen(t) > MAX_TOKEN)
		return ai_fail(err, AI_EINPUT, "the token server's token is longer than %d bytes", MAX_TOKEN);
	for (const char *p = t; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return ai_fail(err, AI_EINPUT, "the token server's token holds what no header may");
	*token = ai_strdup(t);
	return *token ? 0 : ai_nomem(err);
}

char *
ai_oci_tags_parse(const char *bytes, size_t n)
{
	AI_JSON *j = NULL;
	AI_BUF_AUTO b = AI_BUF(400);
	struct ai_err lost;
	if (ai_oci_json(bytes, n, "tags", &j, &lost) < 0)
		return NULL;
	const json_t *tags = ai_json_arr(j, "tags");
	size_t count = json_array_size(tags);
	if (count == 0 || count > MAX_TAGS_SHOWN)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *s = json_string_value(json_array_get(tags, i));
		ai_buf_printf(&b, "%s%s", i ? ", " : "", s ? s : "?");
	}
	return b.state == AI_BUF_GOOD ? ai_buf_take(&b) : NULL;
}

void
ai_oci_error_code(const char *bytes, size_t n, char out[40])
{
	AI_JSON *j = NULL;
	struct ai_err lost;
	out[0] = '\0';
	if (ai_oci_json(bytes, n, "error", &j, &lost) < 0)
		return;
	const char *code = ai_json_str(json_array_get(ai_json_arr(j, "errors"), 0), "code");
	size_t k = code ? strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") : 0;
	if (!code || code[k] || k >= 40)
		return;
	memcpy(out, code, k + 1);
}
