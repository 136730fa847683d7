/*
 * sink.h -- where fetched content goes: the store, seen from below.
 *
 * Content is hashed as it enters the store. fetch/ may not know the store, so
 * it is handed this table; cache/ implements it.
 *
 * Depends on: base, model.  Threads: as the sink's maker says.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SINK_H
#define AI_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "model/ref.h"
#include "model/tree.h"

struct ai_sink {
	void *ctx;
	/* A new object: begin, write…, then commit (hash known, durable) or abort. *obj is the sink's. */
	int (*begin)(void *ctx, void **obj, struct ai_err *err);
	int (*write)(void *obj, const void *p, size_t n, struct ai_err *err);
	int (*commit)(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err);
	void (*abort)(void *obj);
	/* A file of the disk, copied in and hashed as it is read; unchanged files (by stat) that are in the store are not read. */
	int (*file)(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err);
	/* A tree node of n entries (sorted in place). */
	int (*tree)(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err);
	/* Is there an object of this id, so that it need not be fetched? 1, 0. NULL: nobody knows. */
	int (*has)(void *ctx, const struct ai_digest *id, struct ai_err *err);
};

#endif
