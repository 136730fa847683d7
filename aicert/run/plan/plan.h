/*
 * plan.h -- the plan node: a pure function of Aicertfile, lock, rules, parameters and sources.
 *
 * `aicert run` plans before anything executes; `aicert verify` plans again from
 * what the proof carries and compares ids. So nothing here may look at the
 * machine, the clock or the store.
 *
 * Depends on: base, model, rule.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_H
#define AI_PLAN_H

#include "base/json.h"
#include "model/manifest.h"
#include "rule/rule.h"

struct ai_plan_source {
	const char *name;
	json_t *node;          /* the source node; borrowed */
};

struct ai_plan_in {
	const char *aicertfile; size_t aicertfile_len;
	const char *file;                 /* its name in errors */
	const char *lock; size_t lock_len; /* pins every git and url input; NULL: sources are taken as they are (tests) */
	const struct ai_rule_text *rules; size_t n_rules; /* the texts to use; those the Aicertfile needs must be here */
	const struct ai_plan_source *sources; size_t n_sources;
	const json_t *parameters;         /* [{"name","value"}], as the plan node has them; NULL: none */
	const char *platform;             /* "linux/amd64" */
	const json_t *gpus;               /* [{"model","driver"}] of the machine that runs; a step with gpus: N gets the first N. NULL: none */
	size_t n_steps;                   /* as many the plan must have: a verifier's work is bounded by the proof that it reads. 0: any */
	const char *name;                 /* the run's, which the Aicertfile must give; NULL: whatever it gives */
};

/*
 * ai_plan_make -- *plan is a new reference, a node that ai_node_check accepts; steps are listed in an order in which each
 * comes after what it needs, ties by name. *environments (may be NULL) is a new array of the environment nodes that the recipes name.
 * AI_EENV when a step wants more GPUs than there are.
 */
int ai_plan_make(const struct ai_plan_in *in, json_t **plan, json_t **environments, struct ai_err *err) AI_CHECKED;

#endif
