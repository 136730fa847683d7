/*
 * sink.h -- fills in the sink of a store; for cache/store.c.
 *
 * Depends on: fetch (sink).  Threads: as the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_STORE_SINK_H
#define AI_STORE_SINK_H

struct ai_sink;
struct ai_store;

void ai_sink_of_store(struct ai_store *s, struct ai_sink *out);

#endif
