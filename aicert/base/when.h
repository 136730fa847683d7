/*
 * when.h -- instants as text: "2026-01-01T00:00:00Z", always UTC.
 *
 * Depends on: err.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_WHEN_H
#define AI_WHEN_H

#include <stdint.h>

#include "base/err.h"

enum { AI_WHEN_TEXT = 24 };

/* "2026-01-01T00:00:00Z", or a date alone (the end of that day) to seconds since 1970. AI_EUSAGE when it is neither, or no such day. */
int ai_when_parse(const char *text, int64_t *out, struct ai_err *err) AI_CHECKED;
void ai_when_text(int64_t seconds, char out[AI_WHEN_TEXT]);

#endif
