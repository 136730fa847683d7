/* secrets.c -- texts that commands print and nobody is to see (provider_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/cloud/provider_parts.h"

enum { WORD = 12 }; /* what is shorter is a word, and would hide half of every message */

void
ai_secrets_done(struct ai_secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		explicit_bzero(s->v[i], strlen(s->v[i]));
		free(s->v[i]);
	}
	free(s->v);
	*s = (struct ai_secrets){ 0 };
}

static int
add(struct ai_secrets *s, const char *text, size_t n, struct ai_err *err)
{
	if (n == 0)
		return 0;
	char *copy = ai_strndup(text, n);
	if (!copy)
		return ai_nomem(err);
	if (ai_grow(&s->v, &s->cap, s->n, sizeof *s->v, err) < 0) {
		free(copy);
		return err->code;
	}
	size_t i = s->n++;
	for (; i > 0 && strlen(s->v[i - 1]) < n; i--)
		s->v[i] = s->v[i - 1];
	s->v[i] = copy;
	return 0;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
add_decoded(struct ai_secrets *s, const char *text, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_HEADER);
	if (!memchr(text, '%', n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		bool coded = text[i] == '%' && i + 2 < n && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
		ai_buf_putc(&b, coded ? (char)(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i]);
		i += coded ? 2 : 0;
	}
	if (ai_buf_ok(&b, "secret", err) < 0)
		return err->code;
	int r = add(s, b.data, b.len, err);
	explicit_bzero(b.data, b.len);
	return r;
}

int
ai_secrets_add(struct ai_secrets *s, const char *text, struct ai_err *err)
{
	size_t n = strlen(text);
	if (add(s, text, n, err) < 0)
		return err->code;
	const char *query = strstr(text, "://") ? strchr(text, '?') : NULL;
	if (!query)
		return add_decoded(s, text, n, err);
	if (add(s, query + 1, strlen(query + 1), err) < 0)
		return err->code;
	for (const char *p = query + 1; *p;) {
		size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
		const char *value = name < len ? p + name + 1 : p + len;
		size_t k = (size_t)(p + len - value);
		if (k >= WORD && (add(s, value, k, err) < 0 || add_decoded(s, value, k, err) < 0))
			return err->code;
		p += len + (p[len] == '&');
	}
	return 0;
}

bool
ai_secrets_in(const struct ai_secrets *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strstr(text, s->v[i]))
			return true;
	return false;
}

char *
ai_secrets_hide(const struct ai_secrets *s, const char *text, size_t n)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	for (size_t at = 0; at < n;) {
		size_t hit = 0;
		for (size_t i = 0; i < s->n && !hit; i++) {
			size_t len = strlen(s->v[i]);
			hit = len <= n - at && memcmp(text + at, s->v[i], len) == 0 ? len : 0;
		}
		if (hit)
			ai_buf_puts(&b, "***");
		else
			ai_buf_putc(&b, text[at]);
		at += hit ? hit : 1;
	}
	ai_buf_put(&b, "", 0);
	return b.state == AI_BUF_GOOD ? ai_buf_take(&b) : NULL;
}
