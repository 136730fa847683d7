/*
 * check.h -- is everything in the store what its name says?
 *
 * Depends on: store.  Threads: as the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_STORE_CHECK_H
#define AI_STORE_CHECK_H

#include <stddef.h>

#include "base/err.h"

struct ai_store;

struct ai_store_count { size_t objects, nodes; };

/*
 * ai_store_check -- reads the whole store: both databases sound, every row's object there and of its hash, every node of its hash.
 * Returns 0 and what was looked at; AI_EINPUT at the first that is damaged (it has been removed), AI_EENV for a damaged database.
 */
int ai_store_check(struct ai_store *s, struct ai_store_count *out, struct ai_err *err) AI_CHECKED;

#endif
