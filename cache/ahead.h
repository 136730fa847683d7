/*
 * ahead.h -- the files of a folder, hashed by further threads before they are asked for.
 *
 * Whoever walks a folder asks for one hash at a time, usually in the order of
 * names. The helpers start from the other end, so the work meets in the middle
 * and nobody waits. What they hash for nothing (files that are left out) costs an otherwise idle
 * processor; large files are left to the caller, so a helper never holds one up for long.
 *
 * Depends on: base, filekey.  Threads: called from one; starts its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_AHEAD_H
#define AI_AHEAD_H

#include <stdint.h>

#include "base/hash.h"

struct ai_ahead;

int ai_ahead_new(struct ai_ahead **out, struct ai_err *err) AI_CHECKED;
void ai_ahead_free(struct ai_ahead *a);

/* 1 and the hash of the plain file name in dirfd, as its stat is now; 0: not known, hash it yourself. */
int ai_ahead_get(struct ai_ahead *a, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;

#endif
