/*
 * plan_parts.h -- what the files of the planner share; of no interest elsewhere.
 *
 * plan.c assembles the node; plan_find.c says what a name in a step's attributes stands for; plan_order.c evaluates the steps and orders them;
 * plan_outputs.c says what the run gives; plan_sources.c and plan_pinned.c hold inputs and images against Aicertfile and lock; plan_environment.c says what each
 * step runs in; plan_select.c leaves out what chosen steps do not need.
 *
 * Depends on: base, model, rule.  Threads: a plan belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_PARTS_H
#define AI_PLAN_PARTS_H

#include <time.h>

#include "base/names.h"
#include "run/plan/plan.h"

struct planned {
	const struct ai_step_spec *spec;
	const struct ai_rule_text *rule;
	size_t *needs, n_needs, cap_needs; /* indexes of the steps that its attributes name, once each */
	size_t missing;                /* of these, not yet planned */
	size_t seen;                   /* the evaluation that named this step last */
	struct { uintptr_t image, gpus; } place; /* what its environment follows from */
	json_t *environment;           /* borrowed from plan.environments */
	const json_t *image_config;    /* what its image says of itself; borrowed from the lock; NULL: none */
	json_t *recipe;                /* NULL until planned */
	struct ai_names outputs;       /* of the recipe; made when one is first looked for */
};

struct plan {
	const struct ai_plan_in *in;
	struct ai_manifest *m;
	json_t *lock;
	json_t *environments;          /* every environment node that a step has, once */
	struct planned *steps; size_t n_steps; /* as in the manifest when the plan was begun */
	size_t *order;                 /* indexes of steps, each after what it needs */
	struct ai_names rule_names, source_names; /* indexes of in->rules and in->sources */
	bool *rule_used;               /* as in->rules */
	bool *input_used;              /* as the manifest's inputs: those that a step was seen to name. NULL: nobody asks, and contents are known */
	struct planned *at;            /* the step that is evaluated */
	size_t evaluations;
	bool no_memory;                /* in find */
	char *name_buf;                /* holds what the last ai_artifact points to */
	time_t cpu_end;
	struct ai_err *err;
};

/* The steps, not yet looked at, and the indexes. */
int ai_plan_begin(struct plan *p) AI_CHECKED;
void ai_plan_end(struct plan *p);
/* The planner's ceiling of processor time. */
int ai_plan_check_time(const struct plan *p) AI_CHECKED;
/* The array sorted by its objects' names: new reference, NULL when memory is out. */
json_t *ai_plan_sorted(json_t *array);

/* --- plan_find.c ------------------------------------------------------------- */
/* As ai_find_artifact; ctx is a plan, and p->at the step that asks: what it needs is noted. */
int ai_plan_find(void *ctx, const char *name, struct ai_artifact *out);
/* The output of that name in a planned step, or NULL (and p->no_memory). */
const json_t *ai_plan_output(struct plan *p, struct planned *s, const char *name);
/* The nearest of all inputs and step outputs, or NULL; held by the plan until the next call. */
const char *ai_plan_nearest(struct plan *p, const char *name);
struct planned *ai_plan_step(const struct plan *p, const char *name, size_t n);

/* --- plan_order.c ------------------------------------------------------------- */
/* The rule of a step, or AI_EUSAGE. */
int ai_plan_rule(struct plan *p, struct planned *s) AI_CHECKED;
/* Gives every step its recipe, and the order. */
int ai_plan_steps(struct plan *p) AI_CHECKED;

/* --- plan_outputs.c ------------------------------------------------------------ */
/* [{"name","step","output"}], sorted; NULL with p->err or when memory is out. */
json_t *ai_plan_outputs_part(struct plan *p);

/* --- plan_sources.c --------------------------------------------------------- */
/* The node of an input or image, or NULL. */
const json_t *ai_plan_source(const struct plan *p, const char *name);
/* Each input and image has a source that is what was asked for and pinned, and no other source is there. */
int ai_plan_check_sources(const struct plan *p) AI_CHECKED;
/* [{"name","id"}], sorted; NULL with p->err or when memory is out. */
json_t *ai_plan_sources_part(const struct plan *p);

/* --- plan_pinned.c ------------------------------------------------------------ */
/* A source that a rule resolved is what the pin says (NULL: not known), and its rule is a rule of the plan. */
int ai_plan_check_resolved(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin) AI_CHECKED;
/* So is one of URLs: a file, a list, or an archive. */
int ai_plan_check_urls(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin) AI_CHECKED;

/* --- plan_environment.c ------------------------------------------------------ */
/* Gives every step its environment; sources have been checked. */
int ai_plan_environments(struct plan *p) AI_CHECKED;

#endif
