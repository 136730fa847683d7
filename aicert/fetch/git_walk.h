/*
 * git_walk.h -- from a commit to a tree of ours, believing nothing but hashes.
 *
 * The reader hands over raw objects whose SHA-1 it recomputed from their bytes and
 * compared with the id that was asked for; the walk follows commit -> tree -> blobs
 * by those ids alone. So what lands in the sink is what the commit names.
 *
 * Depends on: base, model, sink.  Threads: one walk per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_WALK_H
#define AI_GIT_WALK_H

#include <stdbool.h>

#include "fetch/git_attr.h"
#include "fetch/git_text.h"
#include "fetch/sink.h"

struct ai_talk;

typedef enum ai_git_kind { AI_GIT_COMMIT, AI_GIT_TREE, AI_GIT_BLOB } ai_git_kind;

struct ai_git_object {
	const char *bytes;     /* borrowed until release */
	size_t n;
	void *hold;
};

struct ai_git_walk {
	void *ctx;
	/* The object of this kind and id, its hash recomputed. */
	int (*read)(void *ctx, const struct ai_git_id *id, ai_git_kind kind, struct ai_git_object *out, struct ai_err *err);
	void (*release)(struct ai_git_object *o);
	/* The content of a submodule, at exactly this commit, as a tree; path is from the outermost repository's root. NULL: submodules become empty folders. */
	int (*submodule)(void *ctx, const struct ai_submodule *s, const struct ai_git_id *commit, const char *path,
		struct ai_digest *tree_out, struct ai_err *err);
	/*
	 * The file at path is one of Git LFS, by .gitattributes and by what is in it, as git and git-lfs have it: its entry is oid, and whoever walks brings
	 * its content. NULL: pointers stay what they are.
	 */
	int (*lfs)(void *ctx, const char *path, const struct ai_digest *oid, uint64_t size, struct ai_err *err);
	/* What .lfsconfig of the root says, before the walk; with lfs only, and only if it has a url. NULL: nobody asks. */
	int (*lfs_url)(void *ctx, const char *url, struct ai_err *err);
	const struct ai_sink *sink;
	const struct ai_talk *talk;
	const char *prefix;    /* path of this repository in the outermost one: "" or "lib/" */
	uint64_t bytes;        /* taken in so far, for progress */
	unsigned long long entries;
	struct ai_submodule *modules; size_t n_modules; /* of this commit; the walk's own, as is: */
	struct ai_git_attrs attrs;
};

/* AI_EINPUT names the path of what is refused: malformed LFS pointers, bad names, links that leave the tree, unknown modes. */
int ai_git_walk(struct ai_git_walk *w, const struct ai_git_id *commit, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

#endif
