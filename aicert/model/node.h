/*
 * node.h -- the kinds of node, their exact shape, and the edges between them.
 *
 * A node is a JSON object with a "kind" (design, section 4). Shape checks are
 * exact: an unknown field, a missing one, an unsorted path array or a wrong type
 * is refused, so two programs cannot read one node in two ways.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_NODE_H
#define AI_NODE_H

#include "base/hash.h"
#include "base/json.h"

/* One list for the enum, the words and the checks. ORDER KIND */
#define AI_KINDS(X) \
	X(TREE, "tree") X(SOURCE, "source") X(ENVIRONMENT, "environment") X(STEP, "step") X(RESULT, "result") \
	X(USED, "used") X(PLAN, "plan") X(RUN, "run") X(CLAIMS, "claims") X(WITHHELD, "withheld")

typedef enum ai_kind {
	AI_KIND_NONE = 0,
#define X(name, word) AI_KIND_##name,
	AI_KINDS(X)
#undef X
	AI_KIND_BLOB, /* not a node: raw bytes, as the target of an edge */
} ai_kind;

const char *ai_kind_word(ai_kind kind);
/* The kind a node says it is; AI_KIND_NONE for anything else. Looks at nothing but "kind". */
ai_kind ai_node_kind(const json_t *node);

/* Is the node of exactly the shape that its kind asks for? AI_EINPUT names the field. */
int ai_node_check(const json_t *node, struct ai_err *err) AI_CHECKED;

/*
 * ai_node_edges -- calls edge() for each reference that the node holds, in the order of its canonical bytes.
 * kind is what the target must be (AI_KIND_BLOB for blobs); where is like "inputs[3].tree". Stops at the first
 * negative return and returns it. The node must have passed ai_node_check.
 */
int ai_node_edges(const json_t *node,
	int (*edge)(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err),
	void *ctx, struct ai_err *err) AI_CHECKED;

#endif
