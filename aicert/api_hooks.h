/*
 * api_hooks.h -- what a verifier can do beyond libcrypto and jansson depends on what it is linked with.
 *
 * Exactly one api_hooks_*.c is linked: verify (nothing more), plan (Lua and libyaml:
 * plans again), full (libgit2 too: reads a clone's commit). A NULL hook makes the
 * check that needs it say "skipped", never "passed".
 *
 * Depends on: proof.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_API_HOOKS_H
#define AI_API_HOOKS_H

#include "base/json.h"
#include "proof/dag.h"

struct ai_api_hooks {
	/* The plan node made again from the Aicertfile, lock, rules and sources that the proof carries. */
	int (*replan)(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err);
	/* Tree of a commit of a clone. */
	int (*commit_tree)(const char *clone, const char *revision, struct ai_digest *out, struct ai_err *err);
};

extern const struct ai_api_hooks ai_api_hooks;

/* api_replan.c */
int ai_replan(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err);

/* Copies to the public error (which may be NULL); returns code. */
struct aicert_error;
int ai_api_error(const struct ai_err *err, int code, struct aicert_error *out);
/* Pretty JSON text of j, given out. */
int ai_api_text(const json_t *j, char **out, struct ai_err *err);

#endif
