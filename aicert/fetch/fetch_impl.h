/*
 * fetch_impl.h -- the fetchers behind fetch.c, one function each, private to fetch/.
 *
 * Depends on: base, model, sink.  Threads: one fetch per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FETCH_IMPL_H
#define AI_FETCH_IMPL_H

#include "fetch/fetch.h"
#include "fetch/git_text.h"

/* Sets libgit2 and libcurl up, once per process. */
int ai_git_setup(struct ai_err *err) AI_CHECKED;
int ai_http_setup(struct ai_err *err) AI_CHECKED;

/* The commit (40 hex) that the input's ref means now. */
int ai_git_resolve(const struct ai_fetch *f, const struct ai_input *in, char commit_out[AI_GIT_HEX], struct ai_err *err) AI_CHECKED;
/* The content of a commit, submodules and all, every object's hash recomputed. */
int ai_git_content(const struct ai_fetch *f, const struct ai_input *in, const char *commit, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;
/* Shows each raw object that the content of a commit is made of (type: "commit", "tree" or "blob"), its hash recomputed; *tree_out is its tree. Keeps nothing. */
typedef int ai_git_each(void *ctx, const struct ai_git_id *id, const char *type, const char *bytes, size_t n, struct ai_err *err);
int ai_git_each_object(const struct ai_fetch *f, const struct ai_input *in, const char *commit, ai_git_each *each, void *ctx, struct ai_digest *tree_out,
	struct ai_err *err) AI_CHECKED;

#endif
