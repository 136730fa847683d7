/*
 * run.h -- load, lock, fetch, plan, execute, seal, attest, emit.
 *
 * Depends on: all below.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RUN_H
#define AI_RUN_H

#include <stdbool.h>

#include "base/json.h"
#include "base/talk.h"

struct ai_dag;

struct ai_run_options {
	const char *file;          /* Aicertfile; NULL = Aicertfile or aicert.yaml in the present folder */
	const char *proof;         /* --output-bom; NULL = "proof.json" */
	const char *output_dir;    /* NULL = "outputs" */
	const char *tpm, *ak;      /* see attest/tpm.h */
	const char *nonce;
	const char *home;          /* NULL = as environment says */
	const char *scratch;       /* folder that steps work in, where the cache cannot have overlays in it; NULL = in the cache */
	bool locked, force, with_trees;
	bool fresh;                /* run every step, whatever results are known */
	const char *const *define; size_t n_define; /* "name=value": parameters of the Aicertfile */
	const char *const *steps; size_t n_steps;   /* run these and what they need; n_steps 0: all */
	const json_t *parameters;  /* as a plan has them, instead of define and steps; NULL: those */
	const char *policy;        /* what proofs of inputs are judged by: a file; NULL = none */
	/* Plans again what such a proof carries (proof/verify.h); NULL = not rechecked. */
	int (*replan)(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err);
	unsigned jobs;             /* how many steps run at once; 0 = as many as there are processors for us */
	bool keep_going;           /* a failed step stops only what needs it */
	bool look;                 /* nothing is written: no lock, nothing in the store (run/foresee.h) */
	const char *const *check; size_t n_check; /* --check: steps to run again and compare; "all" is every step */
	const char *timestamp;     /* URL of a time-stamping authority that is asked before the proof is written; NULL: none */
	const struct ai_talk *talk;
};

struct ai_run_report {
	char *proof, *output_dir;  /* absolute paths */
	char root[65];
	unsigned executed, reused, fetched;
	json_t *checks;            /* --check: an array (run/again/repeat.h); NULL when nothing was checked */
};

/*
 * *report (may be NULL) is filled in on success; AI_ENO when --check found a difference: then no proof is written and only
 * `checks` is filled in. AI_EENV with a report whose `proof` is set: all is done and written, and only the timestamp is missing.
 * ai_run_report_done frees.
 */
int ai_run(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err) AI_CHECKED;
void ai_run_report_done(struct ai_run_report *r);

/* `aicert lock`: pins what is missing; update: resolves name (NULL = everything) again. Fetches, runs nothing. */
int ai_lock(const struct ai_run_options *options, const char *name, bool update, struct ai_err *err) AI_CHECKED;

/* Path of the log that the last execution of a step left (step NULL: the last step's); caller frees. AI_EUSAGE when there is none. */
int ai_last_log(const struct ai_run_options *options, const char *step, char **path, struct ai_err *err) AI_CHECKED;

#endif
