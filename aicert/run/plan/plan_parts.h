/*
 * plan_parts.h -- what the files of the planner share; of no interest elsewhere.
 *
 * plan.c orders the steps and assembles the node; plan_sources.c holds inputs and images against Aicertfile and lock;
 * plan_environment.c says what each step runs in.
 *
 * Depends on: base, model, rule.  Threads: a plan belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_PARTS_H
#define AI_PLAN_PARTS_H

#include <time.h>

#include "run/plan/plan.h"

struct planned {
	const struct ai_step_spec *spec;
	const struct ai_rule_text *rule;
	struct planned **needs;
	size_t n_needs, cap_needs;
	bool ordered;                  /* has its place in the order */
	json_t *environment;           /* borrowed from plan.environments */
	const json_t *image_env;       /* variables of its image; borrowed from the lock; NULL: none */
	json_t *recipe;                /* NULL until planned */
};

struct plan {
	const struct ai_plan_in *in;
	struct ai_manifest *m;
	json_t *lock;
	json_t *environments;          /* every environment node that a step has, once */
	struct planned *steps;         /* as in the manifest */
	size_t *order;                 /* indexes of steps, each after what it needs */
	size_t n_ordered;
	bool shapes_known;             /* false while only the needs are asked for */
	char *name_buf;                /* holds what the last ai_artifact points to */
	time_t cpu_end;
	struct ai_err *err;
};

/* The array sorted by its objects' names: new reference, NULL when memory is out. */
json_t *ai_plan_sorted(json_t *array);

/* --- plan_sources.c --------------------------------------------------------- */
/* The node of an input or image, or NULL. */
const json_t *ai_plan_source(const struct plan *p, const char *name);
/* Each input and image has a source that is what was asked for and pinned, and no other source is there. */
int ai_plan_check_sources(const struct plan *p) AI_CHECKED;
/* [{"name","id"}], sorted; NULL with p->err or when memory is out. */
json_t *ai_plan_sources_part(const struct plan *p);

/* --- plan_environment.c ------------------------------------------------------ */
/* Gives every step its environment; sources have been checked. */
int ai_plan_environments(struct plan *p) AI_CHECKED;

#endif
