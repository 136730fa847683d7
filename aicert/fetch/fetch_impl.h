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

/* fetch.c: a file URL's file into the sink, held to what is given. */
int ai_fetch_file_url(const struct ai_fetch *f, const char *url, const struct ai_digest *sha256, int64_t size, struct ai_digest *out, uint64_t *size_out,
	struct ai_err *err) AI_CHECKED;

/* pinned.c: an archive's content into the sink; resolve adds what a pin with "unpack" has (model/lock_files.h). sha256 NULL, size -1: not known. */
int ai_archive_resolve(const struct ai_fetch *f, const char *url, const char *sha256, int64_t size, unsigned strip, json_t *pin, struct ai_err *err) AI_CHECKED;
int ai_archive_content(const struct ai_fetch *f, const char *url, const json_t *pin, struct ai_ref *out, struct ai_err *err) AI_CHECKED;
/* pinned.c: a list of URLs. */
int ai_urls_resolve(const struct ai_fetch *f, const struct ai_input *in, const char *uri, json_t **pin, struct ai_err *err) AI_CHECKED;
/* pinned.c: what a source rule's pin names. */
int ai_rule_content(const struct ai_fetch *f, const struct ai_input *in, const json_t *pin, struct ai_ref *out, const char **how, struct ai_err *err) AI_CHECKED;

#endif
