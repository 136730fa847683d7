/*
 * err.h -- one way to say that something went wrong.
 *
 * A fallible function returns 0 or a negative ai_code that also stands in
 * err->code. The codes are the documented exit codes with their sign turned, so
 * main() has nothing to translate. The error belongs to the caller, has a fixed
 * size, is never NULL, and needs no allocation: running out of memory can be
 * reported like anything else.
 *
 * Texts read `where: what is wrong: got X, expected Y`, users' strings in single
 * quotes, with at most one hint that names what to do.
 *
 * Depends on: nothing.  Threads: an ai_err belongs to one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ERR_H
#define AI_ERR_H

#include <stdarg.h>

typedef enum ai_code {
	AI_OK = 0,
	AI_ENO = -1,       /* the answer is no: not verified, altered, differs */
	AI_EUSAGE = -2,    /* usage, Aicertfile or rule error: the user's to mend */
	AI_EINPUT = -3,    /* an input is unreadable, malformed, or not what was pinned */
	AI_ESTEP = -4,     /* a step failed */
	AI_EENV = -5,      /* the machine: unreachable, no space, no memory, no TPM */
	AI_EINTR = -130,   /* interrupted by the user */
} ai_code;

struct ai_err {
	int code;          /* 0 or an ai_code */
	char text[1024];   /* never empty when code != 0 */
	char hint[512];    /* "" or one line */
};

#define AI_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define AI_CHECKED __attribute__((warn_unused_result))

/* Sets code and text, clears the hint, and returns code. Control characters in the text become '?'. */
int ai_fail(struct ai_err *err, int code, const char *fmt, ...) AI_PRINTF(3, 4);

/* As ai_fail, with ": " and the text of the saved errno appended; no-space and quota errors become AI_EENV. */
int ai_fail_errno(struct ai_err *err, int code, const char *fmt, ...) AI_PRINTF(3, 4);

/* Puts "context: " before the text of an error that is already set; returns its code. */
int ai_in(struct ai_err *err, const char *fmt, ...) AI_PRINTF(2, 3);

/* Sets the hint of an error that is already set (the first hint wins); returns its code. */
int ai_hint(struct ai_err *err, const char *fmt, ...) AI_PRINTF(2, 3);

/* The error for an allocation that failed. */
int ai_nomem(struct ai_err *err);

#endif
