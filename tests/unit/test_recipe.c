/* test_recipe.c -- recipes with results put in place of names.  SPDX-License-Identifier: Apache-2.0 */
#include "model/recipe.h"
#include "unit.h"

#define ID "1111111111111111111111111111111111111111111111111111111111111111"

static int
output_of(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err)
{
	++*(int *)ctx;
	if (strcmp(step, "a") != 0 || strcmp(output, "m") != 0)
		return ai_fail(err, AI_ENO, "no output %s.%s", step, output);
	*out = (struct ai_ref){ .type = AI_REF_TREE };
	memset(out->id.b, 0x22, sizeof out->id.b);
	return 0;
}

static json_t *
recipe(const char *inputs)
{
	AI_FREE char *text = ai_format("{\"kind\":\"step\",\"inputs\":%s,\"environment\":\"" ID "\"}", inputs);
	json_t *j = NULL;
	ok(ai_json_parse(text, strlen(text), "test", &j, &err));
	return j;
}

static void
substitutes(void **state)
{
	int calls = 0;
	AI_JSON *r = recipe("[{\"path\":\"/b\",\"step\":\"a\",\"output\":\"m\"},{\"path\":\"/a\",\"blob\":\"" ID "\"}]"), *step = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	(void)state;
	ok(ai_recipe_step(r, output_of, &calls, &step, &err));
	ok(ai_canon(step, &b, &err));
	assert_string_equal(b.data, "{\"environment\":\"" ID "\",\"inputs\":[{\"blob\":\"" ID "\",\"path\":\"/a\"},"
		"{\"path\":\"/b\",\"tree\":\"2222222222222222222222222222222222222222222222222222222222222222\"}],\"kind\":\"step\"}");
	assert_int_equal(calls, 1);
	/* The recipe is as it was. */
	assert_string_equal(ai_json_str(json_array_get(json_object_get(r, "inputs"), 0), "step"), "a");
}

static void
no_inputs(void **state)
{
	int calls = 0;
	AI_JSON *r = recipe("[]"), *step = NULL;
	(void)state;
	ok(ai_recipe_step(r, output_of, &calls, &step, &err));
	assert_true(json_equal(r, step));
}

static void
refusals(void **state)
{
	static const struct { int code; const char *inputs, *words; } v[] = {
		{ AI_ENO, "[{\"path\":\"/b\",\"step\":\"x\",\"output\":\"m\"}]", "no output x.m" },
		{ AI_EINPUT, "[{\"path\":\"/b\",\"step\":\"a\"}]", "without the other" },
		{ AI_EINPUT, "[{\"step\":\"a\",\"output\":\"m\"}]", "no path" },
		{ AI_EINPUT, "[{\"path\":\"/b\",\"blob\":\"" ID "\"},{\"path\":\"/b\",\"tree\":\"" ID "\"}]", "two inputs are at '/b'" },
		{ AI_EINPUT, "{}", "no array" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		int calls = 0;
		json_t *step = NULL;
		AI_JSON *r = recipe(v[i].inputs);
		refused(v[i].code, v[i].words, ai_recipe_step(r, output_of, &calls, &step, &err));
		assert_null(step);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(substitutes), cmocka_unit_test(no_inputs), cmocka_unit_test(refusals) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
