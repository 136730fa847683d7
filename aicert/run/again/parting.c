/* parting.c -- see parting.h: the first byte that differs, its line, and the view that a cause is looked for in.  SPDX-License-Identifier: Apache-2.0 */
#include "run/again/parting.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

enum { CHUNK = 1 << 20, WHOLE = 1 << 20 };

/* Up to n bytes from an offset on; fewer only at the file's end. Negative: cannot read. */
static ssize_t
read_at(int fd, void *to, size_t n, uint64_t offset)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static uint64_t
count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;
	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

/* Fills in offset and the line's number. */
static int
find_offset(const int fd[2], struct ai_parting *out, struct ai_err *err)
{
	AI_FREE char *a = malloc(CHUNK);
	AI_FREE char *b = malloc(CHUNK);
	if (!a || !b)
		return ai_nomem(err);
	out->line = 1;
	for (;;) {
		ssize_t n = read_at(fd[0], a, CHUNK, out->offset), m = read_at(fd[1], b, CHUNK, out->offset);
		if (n < 0 || m < 0)
			return ai_fail_errno(err, AI_EINPUT, "cannot read");
		if (ai_check_interrupt(err) < 0)
			return err->code;
		size_t both = (size_t)(n < m ? n : m), same = 0;
		if (memcmp(a, b, both) == 0)
			same = both;
		while (same < both && a[same] == b[same])
			same++;
		out->line += count_lines(a, same);
		out->offset += same;
		if (same < both || n != m)
			return 0;
		if (n == 0)
			return ai_fail(err, AI_EINPUT, "two files that should differ are the same");
	}
}

/* Printable UTF-8 with tabs, n bytes of it? */
static bool
is_text(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return false;
	return ai_utf8_valid(s, n);
}

static bool
inside_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The line around the place, cut to what fits on a screen; false when it is no text. */
static bool
cut_line(const struct ai_parting_view *v, int side, char out[AI_PARTING_LINE])
{
	enum { LEAD = 60, SHOWN = 150 };
	const char *s = (const char *)v->bytes[side];
	size_t from = v->at, to = v->at;
	while (from > 0 && s[from - 1] != '\n' && v->at - from < LEAD)
		from--;
	bool cut_before = from > 0 && s[from - 1] != '\n';
	while (cut_before && from < v->at && inside_character(s[from]))
		from++;
	while (to < v->n[side] && s[to] != '\n' && to - from < SHOWN)
		to++;
	bool cut_behind = to < v->n[side] && s[to] != '\n';
	while (cut_behind && to > from && inside_character(s[to]))
		to--;
	if (!cut_behind && to > from && s[to - 1] == '\r')
		to--;
	if (!is_text(s + from, to - from))
		return false;
	struct ai_buf b = AI_BUF(AI_PARTING_LINE);
	ai_buf_puts(&b, cut_before ? "…" : "");
	ai_buf_put(&b, s + from, to - from);
	ai_buf_puts(&b, cut_behind ? "…" : "");
	bool fits = b.state == AI_BUF_GOOD && b.len < AI_PARTING_LINE;
	if (fits && b.data)
		memcpy(out, b.data, b.len + 1);
	ai_buf_done(&b);
	return fits;
}

/* 1 when the two are the same words in another order: small texts only. */
static int
reordered(const int fd[2], const struct ai_parting *p, struct ai_err *err)
{
	if (!p->line || p->sizes[0] != p->sizes[1] || p->sizes[0] > WHOLE)
		return 0;
	size_t n = (size_t)p->sizes[0];
	AI_FREE char *a = malloc(n + 1);
	AI_FREE char *b = malloc(n + 1);
	if (!a || !b)
		return ai_nomem(err);
	if (read_at(fd[0], a, n, 0) != (ssize_t)n || read_at(fd[1], b, n, 0) != (ssize_t)n || memchr(a, 0, n) || memchr(b, 0, n))
		return 0;
	return ai_parting_reordered(a, n, b, n, err);
}

int
ai_parting_find(int first, int second, struct ai_parting *out, struct ai_err *err)
{
	const int fd[2] = { first, second };
	struct ai_parting p = { 0 };
	unsigned char view[2][AI_PARTING_BEFORE + AI_PARTING_AFTER];
	struct stat st[2];
	if (fstat(first, &st[0]) < 0 || fstat(second, &st[1]) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot look at a file");
	p.sizes[0] = (uint64_t)st[0].st_size;
	p.sizes[1] = (uint64_t)st[1].st_size;
	if (find_offset(fd, &p, err) < 0)
		return err->code;
	struct ai_parting_view v = { .offset = p.offset, .at = p.offset < AI_PARTING_BEFORE ? (size_t)p.offset : AI_PARTING_BEFORE };
	for (int k = 0; k < 2; k++) {
		ssize_t n = read_at(fd[k], view[k], sizeof view[k], p.offset - v.at);
		if (n < (ssize_t)v.at)
			return ai_fail(err, AI_EINPUT, "a file changed while it was compared");
		v.bytes[k] = view[k];
		v.n[k] = (size_t)n;
	}
	if (!cut_line(&v, 0, p.lines[0]) || !cut_line(&v, 1, p.lines[1]))
		p.line = 0;
	p.hint = ai_parting_cause(&v);
	int r = p.hint ? 0 : reordered(fd, &p, err);
	if (r < 0)
		return r;
	if (r == 1)
		p.hint = "the same words in another order: a set or a listing that was not sorted, threads, or a shuffle without a seed";
	*out = p;
	return 0;
}
