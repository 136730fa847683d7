/* recipe.c -- see recipe.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/recipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

typedef int output_of_fn(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err);

/* One input as the step has it: itself, or {path, reference} in place of {path, step, output}. New reference. */
static int
resolve(json_t *input, output_of_fn *output_of, void *ctx, json_t **out, struct ai_err *err)
{
	const char *path = ai_json_str(input, "path");
	const char *step = ai_json_str(input, "step"), *output = ai_json_str(input, "output");
	if (!path)
		return ai_fail(err, AI_EINPUT, "recipe: an input has no path");
	if (!step && !output) {
		*out = json_incref(input);
		return 0;
	}
	if (!step || !output)
		return ai_fail(err, AI_EINPUT, "recipe: input '%s' names a step or an output without the other", path);
	struct ai_ref ref;
	if (output_of(ctx, step, output, &ref, err) < 0)
		return err->code;
	AI_JSON *made = json_pack("{s:s}", "path", path);
	if (!made)
		return ai_nomem(err);
	if (ai_ref_set(made, &ref, err) < 0)
		return err->code;
	*out = json_incref(made);
	return 0;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "path"), ai_json_str(*(json_t *const *)b, "path"));
}

static int
resolve_all(const json_t *inputs, json_t **items, output_of_fn *output_of, void *ctx, struct ai_err *err)
{
	size_t n = json_array_size(inputs);
	for (size_t i = 0; i < n; i++)
		if (resolve(json_array_get(inputs, i), output_of, ctx, &items[i], err) < 0)
			return err->code;
	if (n > 1)
		qsort(items, n, sizeof *items, by_path);
	for (size_t i = 1; i < n; i++)
		if (by_path(&items[i - 1], &items[i]) == 0)
			return ai_fail(err, AI_EINPUT, "recipe: two inputs are at '%s'", ai_json_str(items[i], "path"));
	return 0;
}

int
ai_recipe_step(const json_t *recipe, output_of_fn *output_of, void *ctx, json_t **step, struct ai_err *err)
{
	const json_t *inputs = ai_json_arr(recipe, "inputs");
	if (!inputs)
		return ai_fail(err, AI_EINPUT, "recipe: 'inputs' is missing or no array");
	size_t n = json_array_size(inputs);
	AI_FREE json_t **items = ai_calloc(n ? n : 1, sizeof *items);
	AI_JSON *list = json_array();
	AI_JSON *made = json_copy((json_t *)recipe);
	if (!items || !list || !made)
		return ai_nomem(err);
	int r = resolve_all(inputs, items, output_of, ctx, err);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && json_array_append(list, items[i]) < 0)
			r = ai_nomem(err);
		json_decref(items[i]);
	}
	if (r < 0)
		return r;
	if (json_object_set(made, "inputs", list) < 0)
		return ai_nomem(err);
	*step = json_incref(made);
	return 0;
}
