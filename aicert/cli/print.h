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

#include "base/err.h"

struct aicert_error;

struct ai_printer {
	int quiet, verbose, json;
	bool at_line_start, progress_shown;
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

/* Text to standard output with control characters made visible. */
void ai_put_safe(const char *s);

/* Flushes standard output; 5 when it could not be written (a full disk, a closed pipe), else code. */
int ai_print_end(int code);

#endif
