/* print.c -- see print.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "aicert.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

static bool
coloured(void)
{
	static int known = -1;
	if (known < 0) {
		const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
		known = isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
	}
	return known == 1;
}

const char *ai_bold(void) { return coloured() ? "\033[1m" : ""; }
const char *ai_green(void) { return coloured() ? "\033[32m" : ""; }
const char *ai_red(void) { return coloured() ? "\033[31m" : ""; }
const char *ai_dim(void) { return coloured() ? "\033[2m" : ""; }
const char *ai_plain(void) { return coloured() ? "\033[0m" : ""; }

size_t
ai_next_character(const unsigned char *p, size_t n, bool *draws)
{
	size_t len = *p >= 0xc2 && *p <= 0xdf ? 2 : *p >= 0xe0 && *p <= 0xef ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 1;
	*draws = false;
	for (size_t i = 1; i < len && i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 1;
	if (len > n)
		return 0;
	if (!ai_utf8_valid((const char *)p, len))
		return 1;
	bool c1 = len == 2 && *p == 0xc2 && p[1] < 0xa0;
	bool reorders = len == 3 && *p == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
	*draws = !(len == 1 && (*p < 0x20 || *p == 0x7f)) && !c1 && !reorders;
	return len;
}

/* Many small pieces become few writes: standard error has no buffer of its own. */
struct pieces {
	FILE *to;
	size_t n;
	char bytes[1 << 12];
};

static void
put_piece(struct pieces *out, const void *p, size_t n)
{
	if (out->n + n > sizeof out->bytes) {
		fwrite(out->bytes, 1, out->n, out->to);
		out->n = 0;
	}
	memcpy(out->bytes + out->n, p, n);
	out->n += n;
}

/* One character of a log, or the '\r' that ends a line unless '\n' follows; 0 when that cannot be told yet. */
static size_t
put_log_character(struct ai_log_view *v, struct pieces *out, const unsigned char *p, size_t n)
{
	bool draws;
	if (*p == '\r' && n < 2)
		return 0;
	if (*p == '\r' && p[1] == '\n')
		return 1;
	size_t len = ai_next_character(p, n, &draws);
	bool line_end = *p == '\n' || *p == '\r';
	if (line_end)
		put_piece(out, "\n", 1);
	else if (len)
		put_piece(out, draws || *p == '\t' ? (const void *)p : "?", draws ? len : 1);
	if (len)
		v->mid_line = !line_end;
	return len;
}

void
ai_log_view_put(struct ai_log_view *v, FILE *to, const char *bytes, size_t n)
{
	struct pieces out = { .to = to };
	const unsigned char *p = (const unsigned char *)bytes;
	for (size_t len; v->n_held || n;) {
		len = v->n_held ? put_log_character(v, &out, v->held, v->n_held) : put_log_character(v, &out, p, n);
		if (len && v->n_held) {
			v->n_held -= len;
			memmove(v->held, v->held + len, v->n_held);
		} else if (len) {
			p += len;
			n -= len;
		} else if (n == 0) {
			break;
		} else {
			v->held[v->n_held++] = *p++;
			n--;
		}
	}
	fwrite(out.bytes, 1, out.n, to);
	fflush(to);
}

void
ai_log_view_end(struct ai_log_view *v, FILE *to)
{
	if (v->n_held && v->held[0] != '\r') {
		fputc('?', to);
		v->mid_line = true;
	}
	if (v->mid_line || v->n_held)
		fputc('\n', to);
	*v = (struct ai_log_view){ 0 };
}

void
ai_print_settle(struct ai_printer *p)
{
	if (p->progress_shown)
		fputs("\r\033[K", stderr);
	p->progress_shown = false;
	ai_log_view_end(&p->log, stderr);
}

static void
put_log(struct ai_printer *p, const char *bytes, size_t n)
{
	if (p->progress_shown)
		ai_print_settle(p);
	ai_log_view_put(&p->log, stderr, bytes, n);
}

void
ai_put_safe_to(FILE *to, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t n = s ? strlen(s) : 0, len; n; p += len, n -= len) {
		bool draws;
		len = ai_next_character(p, n, &draws);
		if (len == 0)
			len = n;
		for (size_t i = 0; i < len; i++)
			fprintf(to, draws ? "%c" : "\\x%02x", p[i]);
	}
}

static void
put_progress(struct ai_printer *p, const char *what, unsigned long long done, unsigned long long total)
{
	/* A few blocks are there before anybody could read the line. */
	if (!isatty(STDERR_FILENO) || p->quiet || (total && total < 64 << 10))
		return;
	ai_log_view_end(&p->log, stderr);
	fprintf(stderr, "\r\033[K  %.60s  %llu", what, done >> 10);
	if (total)
		fprintf(stderr, " of %llu KiB (%llu %%)", total >> 10, done * 100 / total);
	else
		fputs(" KiB", stderr);
	fflush(stderr);
	p->progress_shown = true;
}

void
ai_print_talk(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total)
{
	struct ai_printer *p = ctx;
	if (kind == AI_TALK_PROGRESS) {
		put_progress(p, text, done, total);
		return;
	}
	if (p->quiet || (kind == AI_TALK_DETAIL && !p->verbose))
		return;
	if (kind == AI_TALK_LOG) {
		put_log(p, text, done);
		return;
	}
	ai_print_settle(p);
	fputs(kind == AI_TALK_NOTE ? "note: " : "", stderr);
	ai_put_safe_to(stderr, text);
	fputc('\n', stderr);
}

static int
put_error(int code, const char *text, const char *hint)
{
	fprintf(stderr, "aicert: %s\n", text);
	if (hint[0])
		fprintf(stderr, "hint: %s\n", hint);
	return -code;
}

int
ai_print_error(const aicert_error *e)
{
	return put_error(e->code, e->text, e->hint);
}

int
ai_print_err(const struct ai_err *e)
{
	return put_error(e->code, e->text, e->hint);
}

void
ai_put_safe(const char *s)
{
	ai_put_safe_to(stdout, s);
}

size_t
ai_columns(const char *s)
{
	size_t n = 0;
	for (; s && *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* A copy of n bytes in which every id (64 digits, nothing of the kind beside them) is its first 12; NULL when memory is out. */
static char *
with_short_ids(const char *s, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	enum { ID = 64, SHOWN = 12 };
	char *copy = ai_strndup(s, n), *to = copy;
	for (const char *p = copy; p && *p;) {
		size_t run = strspn(p, digits), keep = run == ID ? SHOWN : run ? run : 1;
		memmove(to, p, keep);
		to += keep;
		p += run ? run : 1;
	}
	if (copy)
		*to = '\0';
	return copy;
}

static size_t
terminal_width(void)
{
	struct winsize size;
	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : SIZE_MAX;
}

void
ai_put_prose(const char *s, size_t indent)
{
	size_t width = terminal_width(), at = indent;
	if (width < indent + 30)
		width = SIZE_MAX;
	for (bool first = true; s && *s; first = false) {
		size_t n = strcspn(s, " ");
		AI_FREE char *word = with_short_ids(s, n);
		size_t columns = ai_columns(word);
		if (!first && at + 1 + columns > width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			putchar(' ');
			at++;
		}
		ai_put_safe(word);
		at += columns;
		s += n + (s[n] == ' ');
	}
}

/* Whoever read a pipe has left: `aicert show proof.json | head` got what it wanted. */
static bool
reader_left(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

int
ai_print_end(int code)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || reader_left())
		return code;
	fputs("aicert: standard output: cannot write\n", stderr);
	return code ? code : 5;
}
