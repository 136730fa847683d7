/*
 * lines.h -- what several steps print at once, as whole lines with their steps' names.
 *
 * A carriage return ends a line as well, over which the next one is written (progress bars); "\r\n" is a line's plain end. A line longer
 * than AI_LINE comes in parts.
 * Bytes are handed on as they came: who shows them makes them harmless.
 *
 * Depends on: base.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_LINES_H
#define AI_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define AI_LINE 4096

/* text is not NUL-terminated; over: the next line is to stand in its place. */
typedef void ai_line_fn(void *ctx, const char *step, const char *text, size_t n, bool over);

struct ai_lines {
	struct ai_open_line { char *step, *text; size_t n; bool cr; } *open; /* of the steps that run; cr: '\r' came, what it means comes next */
	size_t n, cap;
	ai_line_fn *line;
	void *ctx;
};

/* What a step printed. Without memory it is handed on as one line. */
void ai_lines_put(struct ai_lines *l, const char *step, const char *bytes, size_t n);
/* What a step has printed of a line that has not ended, or NULL. */
const struct ai_open_line *ai_lines_open(const struct ai_lines *l, const char *step);
/* The step has ended: a line that it began ends too. step NULL: all of them, and what they hold is freed. */
void ai_lines_end(struct ai_lines *l, const char *step);

#endif
