/*
 * recipe.h -- from a plan's recipe to the step node that is run.
 *
 * A recipe is a step node whose inputs may also be {"path", "step", "output"}. Run
 * and verify both substitute results into it here, and must get the same step.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RECIPE_H
#define AI_RECIPE_H

#include "base/json.h"
#include "model/ref.h"

/*
 * ai_recipe_step -- *step is a new reference to the step node, inputs sorted by path.
 *   output_of   the content of an earlier step's output: 0, or negative when there is none
 */
int ai_recipe_step(const json_t *recipe,
	int (*output_of)(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err),
	void *ctx, json_t **step, struct ai_err *err) AI_CHECKED;

#endif
