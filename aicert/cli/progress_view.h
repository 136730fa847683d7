/*
 * progress_view.h -- what a person at a terminal sees of a run while it goes on, as text.
 *
 * Below what has been said stands a view of a few lines: how far the run is, what is fetched (bytes, rate, time left), and each running
 * step with its time and the last line that it printed:
 *
 *     12 of 40 steps, 3 reused, 2 running  1:23
 *       train-1   0:42  epoch 3 loss 0.21
 *       train-2   0:12  loading data
 *
 * A run of one step, or a verbose one, shows all that is printed above it; else the last lines of a step that failed. Steps that take
 * no time, or are many, end without a line of their own.
 *
 * No clock, no terminal: the caller says what time and how wide it is.
 *
 * Depends on: api, lines, print.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PROGRESS_VIEW_H
#define AI_PROGRESS_VIEW_H

#include <stdint.h>

#include "aicert.h"
#include "base/buf.h"
#include "cli/lines.h"

enum { AI_VIEW_TAIL = 10, AI_VIEW_TEXT = 240, AI_VIEW_FETCHES = 8 };

struct ai_view_text { char bytes[AI_VIEW_TEXT]; size_t n; };

struct ai_view_step {
	char *name;
	double began;
	struct ai_view_text tail[AI_VIEW_TAIL]; /* a ring of what it printed last */
	size_t n_lines;
};

struct ai_view_fetch {
	struct ai_view_text what;
	uint64_t done, total;
	double at, from_at; uint64_t from;  /* now; and a moment before, for the rate */
	double rate;
};

struct ai_view {
	bool verbose, coloured;
	double now, began;                  /* seconds of one clock, set by the caller before each call */
	struct ai_buf above;                /* what is to be printed above the view for good: the caller takes and clears it */
	size_t total, done, reused, failed, skipped;
	struct ai_view_step **running; size_t n_running, cap_running; /* in the order in which they began */
	struct ai_view_fetch fetches[AI_VIEW_FETCHES]; size_t n_fetches;
	struct ai_lines lines;
};

void ai_view_init(struct ai_view *v, bool verbose, bool coloured, double now);
void ai_view_done(struct ai_view *v);
void ai_view_say(struct ai_view *v, int kind, const char *text, uint64_t done, uint64_t total);
void ai_view_step(struct ai_view *v, const aicert_step_event *e);
/*
 * The view's lines, of at most width columns and as many as height, '\n' between them; columns[i] (height of them) is how many the i-th takes.
 * Returns how many lines there are: 0 when there is nothing to show.
 */
size_t ai_view_draw(struct ai_view *v, size_t width, size_t height, struct ai_buf *out, size_t *columns);

/* Text made harmless and cut to width columns; returns the columns that it takes. */
size_t ai_view_cut(struct ai_buf *out, const char *text, size_t n, size_t width);

#endif
