/*
 * fetch.h -- bring one input into the store: resolve a name to a pin, fetch what is pinned.
 *
 * Every fetcher has the same two steps. resolve asks the network what a name
 * means now and gives a pin (the lock's entry); fetch brings exactly what the
 * pin says, or fails showing both. Secrets (user info, tokens, signed queries)
 * are used on the wire and appear in no pin, error or talk.
 *
 * Depends on: base, model.  Threads: one fetch per thread; libraries are set up once by ai_fetch_init.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FETCH_H
#define AI_FETCH_H

#include "base/json.h"
#include "fetch/sink.h"
#include "model/manifest.h"

struct ai_talk;

struct ai_fetch {
	const struct ai_sink *sink;
	const struct ai_talk *talk;      /* may be NULL */
	const char *project;             /* folder of the Aicertfile: relative paths start there */
	const char *cache;               /* folder for what makes the next fetch cheaper (bare repositories, partial downloads) */
	const char *const *leave_out;    /* path inputs: absolute paths never taken in (output folder, proof, lock) */
	size_t n_leave_out;
};

/*
 * ai_fetch_resolve -- what does this input's name mean now?
 * git: *pin = {"type":"git","uri","ref"?,"revision"}. url: *pin = {"type":"url","uri","sha256","size"}; resolving a
 * url downloads it, so its content is in the store afterwards; of several, and of an archive, the pin is as in model/lock_files.h. path: nothing
 * to pin, *pin = NULL. Inputs of source rules are resolved by their rule, then settled.
 * AI_EENV when it cannot be reached, AI_EINPUT when it is gone, AI_EINPUT when sha256 or size differ.
 */
int ai_fetch_resolve(const struct ai_fetch *f, const struct ai_input *input, json_t **pin, struct ai_err *err) AI_CHECKED;

/*
 * ai_fetch_settle -- the pin of an input that a source rule resolved to answer (model/pin.h): model/lock_files.h. What the rule does not know
 * of a file is learnt by downloading it.
 */
int ai_fetch_settle(const struct ai_fetch *f, const struct ai_input *input, const json_t *answer, json_t **pin, struct ai_err *err) AI_CHECKED;

/*
 * ai_fetch_content -- the content that the pin names (pin NULL for path inputs) into the store.
 * how_out says how revision and content were tied: "git" (recomputed from the objects), "sha256", or "none".
 */
int ai_fetch_content(const struct ai_fetch *f, const struct ai_input *input, const json_t *pin, struct ai_ref *out,
	const char **how_out, struct ai_err *err) AI_CHECKED;

/* The tree id of a commit of a local clone, computed without writing anything. For `aicert verify --input`. */
int ai_git_commit_tree(const char *clone, const char *revision, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

/*
 * ai_path_import -- a file or folder of this disk into a sink (also outputs of steps and `aicert hash`).
 *   exclude    globs over paths relative to the folder; leave_out: absolute paths
 *   follow     links are replaced by what they point to (loops refused)
 * Refuses devices, sockets, FIFOs, bad names, links that leave the tree (unless inside it), each by name. AI_EINPUT.
 */
struct ai_path_options {
	const char *const *exclude; size_t n_exclude;
	const char *const *leave_out; size_t n_leave_out;
	bool follow;
	bool skip_git;                   /* leave `.git` out, at every depth */
	const struct ai_talk *talk;
};
int ai_path_import(const struct ai_sink *sink, const char *path, const struct ai_path_options *options, struct ai_ref *out,
	struct ai_err *err) AI_CHECKED;

int ai_fetch_init(struct ai_err *err) AI_CHECKED;

#endif
