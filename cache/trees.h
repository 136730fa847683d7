/*
 * trees.h -- a tree of the store as folders and files, and back: is it the same?
 *
 * A checkout is read-only by nature: plain files are hard links to objects (0444),
 * executables copies (0555), links as they were, folders 0755, every mtime
 * AI_OBJECT_MTIME. An export is the user's own: 0644 and 0755, times of now, each
 * file re-hashed as it is copied.
 *
 * Depends on: base, model, objects, nodes.  Threads: as the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TREES_H
#define AI_TREES_H

#include <stdbool.h>

#include "base/hash.h"
#include "model/ref.h"

struct ai_store;

enum { AI_TREE_DEPTH = 256 };

struct ai_laying {
	struct ai_store *s;
	bool own;        /* an export */
	bool copied;     /* out: something was copied, so there is content to sync */
	bool soon;       /* an export that the caller syncs, with others */
};

/* Content id as name in dirfd (a plain file, or an executable one). */
int ai_lay_file(struct ai_laying *l, const struct ai_digest *id, bool exec, int dirfd, const char *name, struct ai_err *err) AI_CHECKED;
/* A tree's entries into the folder that dirfd is, which is empty. */
int ai_lay_tree(struct ai_laying *l, const struct ai_digest *tree, int dirfd, int depth, struct ai_err *err) AI_CHECKED;

/*
 * ai_laid_same -- does the folder name in dirfd still look like a checkout of tree? 1 or 0.
 * Looks at names, types, modes, sizes, mtimes and, for hard links, at the very inode; reads no content.
 */
int ai_laid_same(struct ai_store *s, const struct ai_digest *tree, int dirfd, const char *name, int depth, struct ai_err *err) AI_CHECKED;

#endif
