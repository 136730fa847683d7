/*
 * nodes.h -- nodes by id: rows of canonical JSON, re-hashed whenever one is read.
 *
 * Depends on: base, model, db, batch.  Threads: as the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_NODES_H
#define AI_NODES_H

#include "base/hash.h"
#include "model/tree.h"

struct ai_store;
struct ai_buf;

/* 1 there (or waiting in the batch), 0 absent. Looks at no bytes. */
int ai_node_there(struct ai_store *s, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* 1 and the canonical bytes appended to out; 0 absent. Damage: the row is removed, AI_EINPUT. Settle first. */
int ai_node_bytes(struct ai_store *s, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* The entries of a tree: 1, 0 absent. Free with ai_entries_free. */
int ai_node_entries(struct ai_store *s, const struct ai_digest *id, struct ai_entry **out, size_t *n_out, struct ai_err *err) AI_CHECKED;

#endif
