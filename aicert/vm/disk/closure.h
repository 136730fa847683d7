/*
 * closure.h -- everything that content consists of: the nodes and blobs under a reference, each once.
 *
 * Depends on: base, model, cache.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_CLOSURE_H
#define AI_VM_CLOSURE_H

#include "cache/idset.h"
#include "cache/store.h"

struct ai_closure {
	struct ai_store *store;
	/* type: "node" (then node is it) or "blob". */
	int (*need)(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err);
	void *ctx;
	struct ai_idset seen;
};
void ai_closure_done(struct ai_closure *c);

/* A node of the store, and nothing under it. *out: new reference. AI_EINPUT when it is not there, or of another kind word. */
int ai_closure_node(struct ai_closure *c, const char *kind, const struct ai_digest *id, json_t **out, struct ai_err *err) AI_CHECKED;
int ai_closure_blob(struct ai_closure *c, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* A blob, or a tree with everything under it. */
int ai_closure_content(struct ai_closure *c, const struct ai_ref *ref, struct ai_err *err) AI_CHECKED;

#endif
