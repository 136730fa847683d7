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

int
ai_check_interrupt(struct ai_err *err)
{
	return ai_interrupted ? ai_fail(err, AI_EINTR, "interrupted") : 0;
}
