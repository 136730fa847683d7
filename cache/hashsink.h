/*
 * hashsink.h -- a sink that only hashes: ids of files and folders, nothing kept, no store needed.
 *
 * Small files of a folder are hashed by several threads, large ones by the caller.
 *
 * Depends on: base, model, fetch (the sink it implements).
 * Threads: called from one; starts its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HASHSINK_H
#define AI_HASHSINK_H

#include "fetch/sink.h"

struct ai_hashsink;

int ai_hashsink_new(struct ai_hashsink **out, struct ai_err *err) AI_CHECKED;
/* Lives as long as the hashsink. */
const struct ai_sink *ai_hashsink_sink(struct ai_hashsink *h);
void ai_hashsink_free(struct ai_hashsink *h);

#endif
