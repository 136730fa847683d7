/* talk.c -- see talk.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/talk.h"

#include <stdio.h>

volatile int ai_interrupted;

void
ai_say(const struct ai_talk *talk, ai_talk_kind kind, const char *fmt, ...)
{
	if (!talk || !talk->say)
		return;
	char line[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	talk->say(talk->ctx, kind, line, 0, 0);
}

void
ai_say_progress(const struct ai_talk *talk, const char *what, uint64_t done, uint64_t total)
{
	if (talk && talk->say)
		talk->say(talk->ctx, AI_TALK_PROGRESS, what, done, total);
}

void
ai_say_log(const struct ai_talk *talk, const char *bytes, size_t n)
{
	if (talk && talk->say)
		talk->say(talk->ctx, AI_TALK_LOG, bytes, n, n);
}

/* The lines of a listener that knows nothing of steps. */
static void
say_step_as_text(const struct ai_talk *talk, const struct ai_step_event *e)
{
	switch (e->kind) {
	case AI_STEP_BEGINS:
		ai_say(talk, AI_TALK_STAGE, "run     %s%s%s%s", e->step, e->why ? "  (" : "", e->why ? e->why : "", e->why ? ")" : "");
		break;
	case AI_STEP_IS_REUSED:
		ai_say(talk, AI_TALK_STAGE, "reuse   %s", e->step);
		break;
	case AI_STEP_LOGS:
		ai_say_log(talk, e->bytes, e->n);
		break;
	case AI_STEP_IS_DONE:
		ai_say(talk, AI_TALK_DETAIL, "done    %s  (%.1f s)", e->step, e->seconds);
		break;
	case AI_STEP_FAILS:
		ai_say(talk, AI_TALK_STAGE, "failed  %s%s%s%s", e->step, e->why ? "  (" : "", e->why ? e->why : "", e->why ? ")" : "");
		break;
	case AI_STEP_IS_SKIPPED:
		ai_say(talk, AI_TALK_STAGE, "skipped %s%s%s%s", e->step, e->why ? "  (" : "", e->why ? e->why : "", e->why ? ")" : "");
		break;
	}
}

void
ai_say_step(const struct ai_talk *talk, const struct ai_step_event *event)
{
	if (talk && talk->step)
		talk->step(talk->ctx, event);
	else
		say_step_as_text(talk, event);
}

int
ai_check_interrupt(struct ai_err *err)
{
	return ai_interrupted ? ai_fail(err, AI_EINTR, "interrupted") : 0;
}
