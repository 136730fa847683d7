/*
 * print.h -- what reaches the terminal: errors, progress, colours, escaped foreign text.
 *
 * Data goes to standard output, talk to standard error. Progress and colour are for
 * terminals only; NO_COLOR is honoured. No byte that came from outside (logs, names)
 * reaches a terminal as a control sequence.
 *
 * Depends on: base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PRINT_H
#define AI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct aicert_error;

/*
 * The next character of n bytes: how many bytes it has, and whether a terminal only draws it. Not so are C0 and C1 controls (an escape
 * sequence may begin with U+009B as well as with ESC), what reorders the text around it, and what is not UTF-8. 0: the rest is yet to come.
 */
size_t ai_next_character(const unsigned char *p, size_t n, bool *draws);

/* A step's log on its way to a reader, chunk by chunk; zero to begin with. */
struct ai_log_view {
	unsigned char held[4];   /* the start of a character whose rest is yet to come, or a '\r' that may begin "\r\n" */
	size_t n_held;
	bool mid_line;
};
/* Control sequences and what is not UTF-8 are made harmless, a carriage return (progress bars) becomes a line end. */
void ai_log_view_put(struct ai_log_view *v, FILE *to, const char *bytes, size_t n);
/* What is held comes out, and a line that was begun ends. */
void ai_log_view_end(struct ai_log_view *v, FILE *to);

struct ai_printer {
	int quiet, verbose, json;
	bool progress_shown;
	struct ai_log_view log;
};

/* The listener of aicert_run_options: ctx is a struct ai_printer. */
void ai_print_talk(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total);
/* Clears a progress line that is still there. */
void ai_print_settle(struct ai_printer *p);

/* `aicert: text` and `hint: …` on standard error; returns the exit code. */
int ai_print_error(const struct aicert_error *e);
int ai_print_err(const struct ai_err *e);

/* Escape sequences when standard output is a terminal that wants colour, else "". */
const char *ai_bold(void);
const char *ai_green(void);
const char *ai_red(void);
const char *ai_dim(void);
const char *ai_plain(void);

/* Text to standard output (or a file) with controls, and what is not UTF-8, made visible. NULL is no text. */
void ai_put_safe(const char *s);
void ai_put_safe_to(FILE *to, const char *s);

/*
 * A sentence from column `indent` on, foreign text and all: the ids in it cut to 12 digits (where the whole id matters it stands in a
 * column of its own, and in --json), and lines broken at the width of the terminal, when it is one.
 */
void ai_put_prose(const char *s, size_t indent);
/* How many columns s takes. */
size_t ai_columns(const char *s);

/* Flushes standard output; 5 when it could not be written (a full disk), else code. A reader who left is no failure. */
int ai_print_end(int code);

#endif
