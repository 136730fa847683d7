/* print.c -- see print.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aicert.h"
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

void
ai_print_settle(struct ai_printer *p)
{
	if (p->progress_shown)
		fputs("\r\033[K", stderr);
	p->progress_shown = false;
	if (!p->at_line_start)
		fputc('\n', stderr);
	p->at_line_start = true;
}

/* A step's own output: control characters are made harmless, a carriage return (progress bars) becomes a line end. */
static void
put_log(struct ai_printer *p, const char *bytes, size_t n)
{
	if (p->progress_shown)
		ai_print_settle(p);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		bool line_end = c == '\n' || (c == '\r' && !(i + 1 < n && bytes[i + 1] == '\n'));
		if (line_end)
			fputc('\n', stderr);
		else if (c != '\r')
			fputc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, stderr);
		if (c != '\r' || line_end)
			p->at_line_start = line_end;
	}
	fflush(stderr);
}

static void
put_progress(struct ai_printer *p, const char *what, unsigned long long done, unsigned long long total)
{
	if (!isatty(STDERR_FILENO) || p->quiet)
		return;
	if (!p->at_line_start)
		ai_print_settle(p);
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
	fprintf(stderr, "%s%s\n", kind == AI_TALK_NOTE ? "note: " : "", text);
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
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

int
ai_print_end(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fputs("aicert: standard output: cannot write\n", stderr);
	return code ? code : 5;
}
