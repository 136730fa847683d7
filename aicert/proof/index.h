/*
 * index.h -- a list's objects by one of their fields, so that nothing scans a list once per member.
 *
 * jansson seeds its hash per process, so a proof cannot be made to collide.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INDEX_H
#define AI_INDEX_H

#include "base/json.h"

/* {item[key]: item} over an array of objects; items without that string are left out, the first of two stays. */
int ai_index_by(const json_t *list, const char *key, json_t **out, struct ai_err *err) AI_CHECKED;
/* {string: true} over an array of strings. AI_ENO when one stands twice. */
int ai_index_set(const json_t *list, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
