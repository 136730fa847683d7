/*
 * observe_seen.h -- the paths that a step looked at, as a bounded hash table, and the walk that finds them.
 *
 * A path is followed component by component as the kernel does in the sandbox, so
 * that each link on the way is seen. What is the machine's (and so the same outside)
 * is looked at there once and remembered; what is the step's own is only followed,
 * through the sandbox's root, for links that lead out of it.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_SEEN_H
#define AI_OBSERVE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How a path was used; as bits, also what has been done for a path as the step wrote it. */
typedef enum ai_use { AI_USE_FOLLOW = 1, AI_USE_NOFOLLOW = 2, AI_USE_EXEC = 4, AI_USE_LIST = 8 } ai_use;

struct ai_seen_path {
	char *path;
	uint64_t hash;
	bool known;         /* kind and target are: it was looked at */
	unsigned char kind; /* ai_look */
	bool looked, listed;
	unsigned done;      /* ai_use bits of walks that began with just this text */
	char *target;       /* of a link */
};

struct ai_observer {
	struct ai_seen_path **table; /* open addressing, a power of two */
	size_t cap, n;
	char **host;                 /* what is the machine's in the sandbox */
	size_t n_host, cap_host;
	int root;                    /* the sandbox's root, borrowed; -1 */
	int sync_fd;                 /* the listener that was last asked to wake us on its own processor */
};

/* An absolute path as the step used it. AI_EENV when the table is full. */
int ai_seen_walk(struct ai_observer *o, const char *path, ai_use use, struct ai_err *err) AI_CHECKED;

#endif
