/*
 * progress.h -- the live view of a run on the terminal that standard error is.
 *
 * A process of its own draws, ten times a second at most: times go on while the engine waits, and the engine stays the one thread that
 * its sandboxes need. It is told what happens over a pipe and ends with whoever tells it: the view is cleared, whatever ended the
 * run. While it is there nobody else writes to the terminal.
 *
 * Frames on the pipe: a struct of this program's own memory, then the step's name and the text.
 *
 * Depends on: progress_view.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PROGRESS_H
#define AI_PROGRESS_H

#include <stdbool.h>

#include "aicert.h"

struct ai_live;

/* Is standard error a terminal that can show a view? */
bool ai_live_possible(void);
/* NULL when it cannot be started; then lines do. */
struct ai_live *ai_live_start(bool verbose);
void ai_live_say(struct ai_live *l, int kind, const char *text, unsigned long long done, unsigned long long total);
void ai_live_step(struct ai_live *l, const aicert_step_event *e);
/* All that was said is on the terminal, the view is not; NULL is fine. */
void ai_live_stop(struct ai_live *l);

#endif
