/*
 * reproduce.h -- `aicert reproduce`: a proof's steps run again from its own inputs, and every result compared.
 *
 * The proof must be consistent first. What is run is what it carries: its Aicertfile, lock and rules, its inputs by their pins
 * and contents, its environment. Nothing is reused, attested, or written but to the cache and the folder that was asked for.
 *
 * The proof may be a stranger's, and so are its steps: they run in the same sandbox as any, and no path that the proof names
 * outside the project folder is read unless the user gives it.
 *
 * Depends on: job, repeat, proof.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REPRODUCE_H
#define AI_REPRODUCE_H

#include "base/json.h"
#include "base/talk.h"
#include "proof/verify.h"

struct ai_reproduce_options {
	const char *proof;                         /* path */
	const char *project;                       /* where path inputs are looked for; NULL: the proof's folder */
	const char *step;                          /* NULL: every step */
	const char *keep;                          /* a folder, absent or empty, that gets STEP/OUTPUT; NULL: nothing is kept */
	const char *home;                          /* NULL = as environment says */
	const struct ai_named_ref *inputs; size_t n_inputs;
	/* See ai_verify_options. */
	int (*replan)(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err);
	const struct ai_talk *talk;
};

/*
 * ai_reproduce -- *report (new reference):
 *   {"proof", "root", "same": bool, "notes": [text], "inputs": [{"name", "from"}],
 *    "steps": [{"step", …as ai_compare_outputs, the proof's side first…, "notes": [text]}]}
 * 0 all the same; AI_ENO with a report: something differs; AI_ENO without: the proof does not hold; AI_EINPUT: an input is not there,
 * or not the proof's (err shows both); AI_ESTEP, AI_EENV, AI_EUSAGE as ever.
 */
int ai_reproduce(const struct ai_reproduce_options *options, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
