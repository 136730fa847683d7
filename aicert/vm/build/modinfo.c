/* modinfo.c -- what a kernel module says of itself (build_parts.h); pure. Source: ELF-64; Linux include/linux/module.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/build/build_parts.h"

enum { EHDR = 64, SHDR = 64, MAX_SECTIONS = 4096 };

static uint64_t
number(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;
	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

struct sections { const unsigned char *p; size_t n; uint64_t at, count, names, names_size; };

/* A section's bytes, inside the file. */
static bool
section(const struct sections *s, uint64_t i, uint64_t *name, uint64_t *offset, uint64_t *size)
{
	const unsigned char *h = s->p + s->at + i * SHDR;
	*name = number(h, 4);
	*offset = number(h + 24, 8);
	*size = number(h + 32, 8);
	return *offset <= s->n && *size <= s->n - *offset;
}

static bool
open_sections(struct sections *s)
{
	static const unsigned char magic[7] = { 0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little end first */, 1 };
	uint64_t ignored;
	if (s->n < EHDR || memcmp(s->p, magic, sizeof magic) != 0 || number(s->p + 58, 2) != SHDR)
		return false;
	s->at = number(s->p + 40, 8);
	s->count = number(s->p + 60, 2);
	uint64_t names = number(s->p + 62, 2);
	return s->count > 0 && s->count <= MAX_SECTIONS && s->at <= s->n && s->count * SHDR <= s->n - s->at && names < s->count &&
		section(s, names, &ignored, &s->names, &s->names_size);
}

static bool
is_called(const struct sections *s, uint64_t name, const char *want)
{
	size_t n = strlen(want) + 1;
	return name <= s->names_size && n <= s->names_size - name && memcmp(s->p + s->names + name, want, n) == 0;
}

static int
each_name(const char *s, size_t n, int (*each)(void *ctx, const char *name, size_t len, struct ai_err *err), void *ctx, struct ai_err *err)
{
	for (size_t at = 0; at < n;) {
		const char *comma = memchr(s + at, ',', n - at);
		size_t len = comma ? (size_t)(comma - s) - at : n - at;
		if (len > 0 && each(ctx, s + at, len, err) < 0)
			return err->code;
		at += len + 1;
	}
	return 0;
}

int
ai_modinfo_depends(const void *bytes, size_t n, int (*each)(void *ctx, const char *name, size_t len, struct ai_err *err), void *ctx, struct ai_err *err)
{
	static const char key[] = "depends=";
	struct sections s = { .p = bytes, .n = n };
	uint64_t name, offset = 0, size = 0;
	bool found = false;
	if (!open_sections(&s))
		return ai_fail(err, AI_EINPUT, "is no module of a 64-bit kernel");
	for (uint64_t i = 0; i < s.count && !found; i++)
		found = section(&s, i, &name, &offset, &size) && is_called(&s, name, ".modinfo");
	if (!found)
		return ai_fail(err, AI_EINPUT, "is no module: it has no .modinfo");
	/* Texts "key=value", a NUL behind each. */
	for (const char *t = (const char *)s.p + offset, *end = t + size; t < end;) {
		const char *stop = memchr(t, '\0', (size_t)(end - t));
		size_t len = (size_t)((stop ? stop : end) - t);
		if (len >= sizeof key - 1 && memcmp(t, key, sizeof key - 1) == 0)
			return each_name(t + sizeof key - 1, len - (sizeof key - 1), each, ctx, err);
		t += len + 1;
	}
	return 0;
}
