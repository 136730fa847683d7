/* buf.c -- see buf.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

void
ai_buf_done(struct ai_buf *b)
{
	free(b->data);
	*b = (struct ai_buf){ .max = b->max };
}

/* Makes room for n more bytes and the NUL; false once the buffer has failed. */
static bool
reserve(struct ai_buf *b, size_t n)
{
	if (b->state != AI_BUF_GOOD)
		return false;
	if (n > b->max || b->len > b->max - n) {
		b->state = AI_BUF_FULL;
		return false;
	}
	size_t need = b->len + n + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	char *p = realloc(b->data, cap);
	if (!p) {
		b->state = AI_BUF_NOMEM;
		return false;
	}
	b->data = p;
	b->cap = cap;
	return true;
}

void
ai_buf_put(struct ai_buf *b, const void *p, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
ai_buf_puts(struct ai_buf *b, const char *s)
{
	ai_buf_put(b, s, strlen(s));
}

void
ai_buf_putc(struct ai_buf *b, char c)
{
	ai_buf_put(b, &c, 1);
}

void
ai_buf_printf(struct ai_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		/* Longer than an int can say: over any ceiling that printf is used under. */
		if (b->state == AI_BUF_GOOD)
			b->state = AI_BUF_FULL;
	} else if (reserve(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void
ai_buf_clear(struct ai_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

int
ai_buf_ok(const struct ai_buf *b, const char *what, struct ai_err *err)
{
	if (b->state == AI_BUF_GOOD)
		return 0;
	if (b->state == AI_BUF_NOMEM)
		return ai_nomem(err);
	return ai_fail(err, AI_EINPUT, "%s: too large: got more than %zu bytes", what, b->max);
}

char *
ai_buf_take(struct ai_buf *b)
{
	if (b->state != AI_BUF_GOOD)
		return NULL;
	ai_buf_put(b, "", 0);
	char *p = b->data;
	*b = (struct ai_buf){ .max = b->max };
	return p;
}

void *
ai_calloc(size_t n, size_t size)
{
	return calloc(n ? n : 1, size ? size : 1);
}

int
ai_grow(void *p, size_t *cap, size_t n, size_t size, struct ai_err *err)
{
	if (n < *cap)
		return 0;
	size_t want = *cap ? *cap : 8;
	while (want <= n) {
		if (want > SIZE_MAX / 2)
			return ai_nomem(err);
		want *= 2;
	}
	if (size && want > SIZE_MAX / size)
		return ai_nomem(err);
	void *q = realloc(*(void **)p, want * size);
	if (!q)
		return ai_nomem(err);
	*(void **)p = q;
	*cap = want;
	return 0;
}

char *
ai_strndup(const char *s, size_t n)
{
	char *p = malloc(n + 1);
	if (!p)
		return NULL;
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
ai_strdup(const char *s)
{
	return ai_strndup(s, strlen(s));
}

char *
ai_format(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}
