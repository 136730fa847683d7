/*
 * rule.h -- step types as Lua data and one pure function each, run in a closed state.
 *
 * A rule file returns rule{ name, doc, attrs, outputs, plan }. attrs is data and
 * is checked before any rule code runs; plan(a, out) turns checked attributes
 * into a list of actions and can do nothing else: no globals but the vocabulary,
 * no I/O, clock, pairs, pcall, coroutines; a memory quota and an instruction limit.
 * An artifact is a value: placing it in an action makes it an input.
 *
 * Depends on: base, model, Lua.  Threads: each keeps its own states (ready.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RULE_H
#define AI_RULE_H

#include <stddef.h>

#include "base/json.h"
#include "model/manifest.h"
#include "model/ref.h"

struct ai_buf;

/* The text of one rule file. */
struct ai_rule_text {
	char *name;      /* file name without .lua */
	char *text;
	size_t len;
};

/* What an artifact's name stands for when a rule runs. */
struct ai_artifact {
	const char *name;       /* input name, or "step.output" */
	const char *base;       /* file name to use under resources/: last part of URL or path; for folders the input's name */
	const char *to;         /* where the Aicertfile wants it (path in the workspace), or NULL */
	struct ai_ref ref;      /* content, when it is an input */
	const char *step, *output; /* set instead of ref when it is a step's output */
	bool is_dir;
	const struct ai_step_spec *all; size_t n_all; /* set instead of all but output: the output of each of these steps, those of a matrix */
};

/* Finds name among inputs and steps; 1 found, 0 not (then out->name may be the nearest known name, for the error that rule/ words). */
typedef int ai_find_artifact(void *ctx, const char *name, struct ai_artifact *out);

/* The built-in rule of that name, embedded in the program; NULL when there is none. Borrowed. */
const struct ai_rule_text *ai_rule_builtin(const char *name);
/* All built-in names, sorted; for help and near-name hints. */
const char *const *ai_rule_builtin_names(size_t *n_out);

typedef enum ai_rule_sort { AI_RULE_STEP = 1, AI_RULE_SOURCE = 2 } ai_rule_sort;

/* Is it a type of steps or of inputs (rule/source.h)? AI_EUSAGE when the file is broken. */
int ai_rule_kind(const struct ai_rule_text *rule, struct ai_err *err) AI_CHECKED;

/*
 * ai_rule_about -- what a file says of itself, new reference to {"name", "kind": "rule" or "source", "doc", "example", "attrs": [{"name", "type",
 * "doc"?, "default"?, "alias"?, "optional"?: true}], "outputs": [{"name", "type"}]}, attrs and outputs sorted by name. doc and example may be empty.
 */
int ai_rule_about(const struct ai_rule_text *rule, json_t **about, struct ai_err *err) AI_CHECKED;

/* What a step runs in. */
struct ai_rule_environment {
	const json_t *node;         /* the environment node */
	/*
	 * What its image says of itself, as the lock has it: {"env": [{"name","value"}], "workdir"?, "entrypoint"?, "cmd"?}; NULL: none. Its variables go
	 * over the fixed ones and under the step's own.
	 */
	const json_t *image;
};

/*
 * ai_rule_recipe -- the recipe of one step: checks attrs against the rule's declaration, runs plan, and builds the step node
 * (design, section 4) whose inputs are {path, blob|tree} or {path, step, output}.
 *   rule         its text (built-in, the project's own, or carried in a proof)
 * *recipe is a new reference; the entries of `env` in it may be shared by many recipes, and are not to be changed. AI_EUSAGE with `file:line:column: step 'x': …` for attributes, `rules/x.lua:line: …` for rule code.
 */
int ai_rule_recipe(const struct ai_rule_text *rule, const char *file, const struct ai_step_spec *step,
	const struct ai_rule_environment *environment, ai_find_artifact *find, void *ctx, json_t **recipe, struct ai_err *err) AI_CHECKED;

/* Does the rule declare an attribute of this name? 1, 0, or AI_EUSAGE when the rule itself is broken. */
int ai_rule_takes(const struct ai_rule_text *rule, const char *attribute, struct ai_err *err) AI_CHECKED;

/* The step names that this step's attributes refer to ("step.output" artifacts), for ordering; each is given once, in order. A negative return of need() is memory. */
int ai_rule_needs(const struct ai_rule_text *rule, const char *file, const struct ai_step_spec *step,
	ai_find_artifact *find, void *find_ctx,
	int (*need)(void *ctx, const char *step_name), void *ctx, struct ai_err *err) AI_CHECKED;

#endif
