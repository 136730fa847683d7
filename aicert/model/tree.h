/*
 * tree.h -- the node of one directory: {"kind":"tree","entries":[…]}.
 *
 * Entries are sorted by the bytes of their name. An entry is a file or exec
 * (id: blob), a dir (id: tree) or a link (target). Modes are reduced to exec or not.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TREE_H
#define AI_TREE_H

#include <stddef.h>

#include "base/hash.h"
#include "base/json.h"

struct ai_buf;

typedef enum ai_entry_type { AI_ENTRY_FILE, AI_ENTRY_EXEC, AI_ENTRY_DIR, AI_ENTRY_LINK } ai_entry_type;

struct ai_entry {
	char *name;            /* a name as base/path.h has it */
	ai_entry_type type;
	struct ai_digest id;   /* FILE, EXEC: blob; DIR: tree */
	char *target;          /* LINK only, else NULL */
};

/* "file", "exec", "dir" or "link". */
const char *ai_entry_word(ai_entry_type type);

/*
 * ai_tree_bytes -- canonical bytes of the tree of n entries, appended to out.
 * Sorts entries in place; refuses bad and double names (AI_EINPUT). The id of the tree is the SHA-256 of these bytes.
 */
int ai_tree_bytes(struct ai_entry *entries, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* The entries of canonical tree bytes: strict (order, names, fields). *out is fresh; free with ai_entries_free. */
int ai_tree_parse(const char *bytes, size_t len, struct ai_entry **out, size_t *n_out, struct ai_err *err) AI_CHECKED;
void ai_entries_free(struct ai_entry *entries, size_t n);

#endif
