/*
 * talk.h -- what the engine tells the person at the terminal while it works.
 *
 * Library code never prints: it calls the ai_talk that its caller gave it, and
 * the caller (cli/) decides what a terminal, a pipe or --json sees.
 *
 * Depends on: nothing.  Threads: a talk is called from one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TALK_H
#define AI_TALK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum ai_talk_kind {
	AI_TALK_STAGE,     /* a stage or step begins or ends: one line */
	AI_TALK_NOTE,      /* worth knowing once */
	AI_TALK_DETAIL,    /* for -v */
	AI_TALK_PROGRESS,  /* done of total (0 = unknown) bytes for what text names; may be dropped */
	AI_TALK_LOG,       /* bytes that a step printed, as they came: text, not NUL-terminated, n bytes in done */
} ai_talk_kind;

/* What happens to the steps of a run, for who shows several at once. */
typedef enum ai_step_event_kind {
	AI_STEP_BEGINS,    /* why: why it runs */
	AI_STEP_IS_REUSED, /* its result was known */
	AI_STEP_LOGS,      /* it printed bytes: text, not NUL-terminated, n of them */
	AI_STEP_IS_DONE,   /* after seconds */
	AI_STEP_FAILS,     /* why: how ("exit 3"); after seconds, 0 when it did not come to run */
	AI_STEP_IS_SKIPPED,/* why: what it waits for in vain ("step 'a' failed", "interrupted") */
} ai_step_event_kind;

struct ai_step_event {
	ai_step_event_kind kind;
	const char *step;      /* its name */
	const char *why;       /* NULL where the kind says nothing of it */
	size_t index, total;   /* place in the plan, from 0; steps in it */
	double seconds;
	const char *bytes;
	size_t n;
};

struct ai_talk {
	void (*say)(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total);
	void *ctx;
	/* May be NULL: then say hears of steps as lines (AI_TALK_STAGE) and bytes (AI_TALK_LOG). Pointers live as long as the call. */
	void (*step)(void *ctx, const struct ai_step_event *event);
};

/* Formats and says; talk may be NULL (nobody listens). */
void ai_say(const struct ai_talk *talk, ai_talk_kind kind, const char *fmt, ...) AI_PRINTF(3, 4);
void ai_say_progress(const struct ai_talk *talk, const char *what, uint64_t done, uint64_t total);
void ai_say_log(const struct ai_talk *talk, const char *bytes, size_t n);
void ai_say_step(const struct ai_talk *talk, const struct ai_step_event *event);

/* Set by the signal handler of cli/: long work looks at it and returns AI_EINTR. */
extern volatile int ai_interrupted;
/* 0, or AI_EINTR with its text when the user asked to stop. */
int ai_check_interrupt(struct ai_err *err) AI_CHECKED;

#endif
