/*
 * schedule.h -- which step may start next.
 *
 * Steps are numbers, in the plan's order. A step is ready when all that it needs is
 * done; among the ready ones the first in the plan comes first, so what starts depends
 * on nothing but what has ended. Who needs a failed step, through however many others,
 * is skipped. All of it in time linear in steps and needs, but for the heap of ready ones.
 *
 * Depends on: base.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SCHEDULE_H
#define AI_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ai_schedule;

#define AI_NO_STEP SIZE_MAX

int ai_schedule_new(size_t n, struct ai_schedule **out, struct ai_err *err) AI_CHECKED;
void ai_schedule_free(struct ai_schedule *s);
/* Before the first ai_schedule_next: step takes something from the other. Said twice is fine. */
int ai_schedule_need(struct ai_schedule *s, size_t step, size_t needs, struct ai_err *err) AI_CHECKED;

/* The first ready step, which is then begun; AI_NO_STEP when none is ready. */
size_t ai_schedule_next(struct ai_schedule *s);
/* A begun step cannot start now after all: it is ready again, once ai_schedule_next has been asked for the others (ai_schedule_again). */
void ai_schedule_hold(struct ai_schedule *s, size_t step);
void ai_schedule_again(struct ai_schedule *s);
/* A begun step has ended well: what waited for it alone is ready. */
void ai_schedule_done(struct ai_schedule *s, size_t step);
/* A begun step has failed: skipped is called once for each step that needs it, in the plan's order. */
int ai_schedule_failed(struct ai_schedule *s, size_t step, void (*skipped)(void *ctx, size_t step), void *ctx, struct ai_err *err) AI_CHECKED;
/* Steps that are neither done, failed nor skipped; 0: all is over, or what is left needs each other in a circle. */
size_t ai_schedule_left(const struct ai_schedule *s);

#endif
