/*
 * trust.h -- the keys that this verifier accepts: data/trust.json.
 *
 *   {"keys": [{"fingerprint": "<hex>", "name": "…", "added": "2026-01-01T00:00:00Z"}]}
 *
 * Depends on: base.  Threads: pure but for the file, which is replaced whole.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TRUST_H
#define AI_TRUST_H

#include "base/json.h"

/* The array "keys"; empty when there is no file. New reference. */
int ai_trust_read(const char *data, json_t **out, struct ai_err *err) AI_CHECKED;
/* AI_EUSAGE when it is there already. */
int ai_trust_add(const char *data, const char *fingerprint, const char *name, struct ai_err *err) AI_CHECKED;
/* word is a name or a prefix (>= 8 digits) of a fingerprint that fits exactly one. */
int ai_trust_remove(const char *data, const char *word, struct ai_err *err) AI_CHECKED;

#endif
