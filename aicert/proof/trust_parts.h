/*
 * trust_parts.h -- the file trust.json as trust*.c share it.
 *
 * Depends on: base.  Threads: as trust.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TRUST_PARTS_H
#define AI_TRUST_PARTS_H

#include "base/json.h"

/* The whole file, checked, with all four arrays; all empty when there is none. New reference. */
int ai_trust_file(const char *data, json_t **out, struct ai_err *err) AI_CHECKED;
/* Held from before the file is read until it is written, so that no change is lost to another at the same time: a file descriptor, or negative. */
int ai_trust_lock(const char *data, struct ai_err *err) AI_CHECKED;
int ai_trust_write(const char *data, const json_t *whole, struct ai_err *err) AI_CHECKED;
/* Now, as "2026-01-01T00:00:00Z". */
int ai_trust_now(char out[21], struct ai_err *err) AI_CHECKED;
/* 1 to 200 bytes of text without control characters; what names the thing in the error. */
int ai_trust_text(const char *what, const char *text, struct ai_err *err) AI_CHECKED;
/* Is word this name, or a prefix (>= 8 digits) of this hex? */
bool ai_trust_fits(const char *word, const char *name, const char *hex);

#endif
