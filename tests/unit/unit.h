/*
 * unit.h -- what every unit test starts with: cmocka, and an error that is checked.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_UNIT_H
#define AI_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"

/* The call must succeed; its error text is shown when it does not. */
#define ok(call) do { struct ai_err err = { 0 }; if ((call) < 0) fail_msg("%s: %s", #call, err.text); } while (0)

/* The call must fail with this code and a text that holds the words. */
#define refused(want, words, call) do { struct ai_err err = { 0 }; int got = (call); \
	if (got != (want)) fail_msg("%s: got %d '%s', expected %d", #call, got, err.text, (want)); \
	if (!strstr(err.text, (words))) fail_msg("%s: text '%s' lacks '%s'", #call, err.text, (words)); } while (0)

/* Where ../shared is, or NULL (then the test calls skip()). */
static inline const char *
shared_dir(void)
{
	const char *s = getenv("AICERT_SHARED");
	return s && *s ? s : NULL;
}

#endif
