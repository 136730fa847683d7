/*
 * names.h -- finds a number by a name, in constant time whatever the names are.
 *
 * What a stranger wrote is full of names, and looking each up in a list costs their
 * square. The hash is SipHash-1-3 under a key of this process, so that nobody can choose
 * names that meet; nothing comes out in the order of the hash.
 *
 * Depends on: err.  Threads: readers may share one that nobody changes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_NAMES_H
#define AI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ai_names {
	struct ai_names_slot { const char *name; size_t len, value; uint64_t hash; } *slots;
	size_t n, cap;
};

/* Keeps value under the n bytes of name, which are borrowed. 1 when it is new, 0 when the name is there (and keeps its value); AI_EENV. */
int ai_names_put(struct ai_names *t, const char *name, size_t n, size_t value, struct ai_err *err) AI_CHECKED;
/* *value (may be NULL) is written when the name is there. */
bool ai_names_find(const struct ai_names *t, const char *name, size_t n, size_t *value);
void ai_names_done(struct ai_names *t);

#endif
