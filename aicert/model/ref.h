/*
 * ref.h -- typed references: to raw bytes (blob) or to a folder (tree).
 *
 * In JSON a reference is {"blob": id} or {"tree": id}, so bytes that look like
 * a node cannot be taken for one (design: canonical bytes and ids).
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REF_H
#define AI_REF_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/json.h"

typedef enum ai_ref_type { AI_REF_BLOB = 1, AI_REF_TREE = 2 } ai_ref_type;

struct ai_ref {
	ai_ref_type type;
	struct ai_digest id;
};

bool ai_ref_eq(const struct ai_ref *a, const struct ai_ref *b);
/* "blob" or "tree". */
const char *ai_ref_word(ai_ref_type type);
/* Exactly one of "blob" and "tree" in obj, a valid id; other fields of obj are not looked at. */
int ai_ref_get(const json_t *obj, struct ai_ref *out, struct ai_err *err) AI_CHECKED;
/* Adds the reference's field to obj. */
int ai_ref_set(json_t *obj, const struct ai_ref *ref, struct ai_err *err) AI_CHECKED;

#endif
