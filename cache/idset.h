/*
 * idset.h -- a map in memory from 32-byte keys to a number.
 *
 * For what one process has already seen (verified objects, what waits to be
 * synced). Keys are only added, or all forgotten at once.
 *
 * Depends on: base.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IDSET_H
#define AI_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct ai_idset {
	struct ai_idset_slot *slots;   /* n_slots is a power of two, at most half are used */
	size_t n_slots, n;
};

/* Adds or replaces. */
int ai_idset_put(struct ai_idset *m, const struct ai_digest *key, uint64_t value, struct ai_err *err) AI_CHECKED;
/* value_out may be NULL. */
bool ai_idset_get(const struct ai_idset *m, const struct ai_digest *key, uint64_t *value_out);
/* Sets further bits of a key's number (0 for a new key); has a key all of these bits? */
int ai_idset_mark(struct ai_idset *m, const struct ai_digest *key, uint64_t bits, struct ai_err *err) AI_CHECKED;
bool ai_idset_has(const struct ai_idset *m, const struct ai_digest *key, uint64_t bits);
/* Forgets all; frees the memory. */
void ai_idset_done(struct ai_idset *m);

#endif
