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

struct ai_talk {
	void (*say)(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total);
	void *ctx;
};

/* Formats and says; talk may be NULL (nobody listens). */
void ai_say(const struct ai_talk *talk, ai_talk_kind kind, const char *fmt, ...) AI_PRINTF(3, 4);
void ai_say_progress(const struct ai_talk *talk, const char *what, uint64_t done, uint64_t total);
void ai_say_log(const struct ai_talk *talk, const char *bytes, size_t n);

/* Set by the signal handler of cli/: long work looks at it and returns AI_EINTR. */
extern volatile int ai_interrupted;
/* 0, or AI_EINTR with its text when the user asked to stop. */
int ai_check_interrupt(struct ai_err *err) AI_CHECKED;

#endif
