/* test_plan_select.c -- plans with parameters and matrices, of chosen steps, and of files whose steps stand in any order.  SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "plan_help.h"

#define GIVEN(...) (const char *const[]){ __VA_ARGS__, NULL }

/* define and steps: up to NULL; NULL: none. */
static int
plan_of(const char *text, const char *const *define, const char *const *steps, json_t **out, struct ai_err *err)
{
	size_t n = 0, k = 0;
	AI_JSON *parameters = NULL;
	while (define && define[n])
		n++;
	while (steps && steps[k])
		k++;
	if (ai_manifest_parameters(define, n, steps, k, &parameters, err) < 0)
		return err->code;
	return plan_given(text, parameters, NULL, 0, out, err);
}

#define refuse(words, define, steps, text) do { json_t *kept = (json_t *)0xaa; \
	refused(AI_EUSAGE, words, plan_of(text, define, steps, &kept, &err)); assert_ptr_equal(kept, (json_t *)0xaa); } while (0)

/* The names of an array's objects, joined by ' '. */
static const char *
names_of(const json_t *plan, const char *key)
{
	static char text[1000];
	const json_t *list = json_object_get(plan, key);
	size_t n = 0;
	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(list); i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", ai_json_str(json_array_get(list, i), "name"));
	return text;
}

static const json_t *
step_of(const json_t *plan, const char *name)
{
	const json_t *steps = json_object_get(plan, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		if (strcmp(ai_json_str(json_array_get(steps, i), "name"), name) == 0)
			return json_object_get(json_array_get(steps, i), "recipe");
	fail_msg("no step %s", name);
	return NULL;
}

static const char pipeline[] =
	"aicert: 1\nparameters: {epochs: 3}\ninputs: {raw: {path: raw.txt}, base: {path: base.bin}, other: {path: o.txt}}\n"
	"steps:\n"
	"  pick: {use: python, source: code.d, resources: [eval.score, train.model]}\n"
	"  train: {use: shell, matrix: {seed: [1, 2]}, script: 'x ${matrix.seed} ${param.epochs}', inputs: {t: tokens.t, b: base}, outputs: {model: m.bin}}\n"
	"  eval: {use: shell, matrix: {seed: [1, 2]}, script: x, inputs: {m: 'train-${matrix.seed}.model'}, outputs: {score: s.txt, log: l.txt}}\n"
	"  tokens: {use: shell, script: x, inputs: {r: raw}, outputs: {t: tokens.txt}}\n"
	"  code: {use: shell, script: x, outputs: {d: {type: dir}}}\n"
	"  more: {use: shell, script: x, inputs: {o: other}, outputs: {x: x}}\n"
	"outputs: {best: pick.outputs, model: train.model, x: more.x}\n";

static void
whole(void **state)
{
	(void)state;
	AI_JSON *p = NULL;
	ok(plan_of(pipeline, GIVEN("epochs=5"), NULL, &p, &err));
	assert_string_equal(names_of(p, "steps"), "code more tokens train-1 eval-1 train-2 eval-2 pick");
	assert_string_equal(names_of(p, "outputs"), "best model-1 model-2 x");
	assert_string_equal(names_of(p, "parameters"), "epochs");
	assert_string_equal(ai_json_str(json_array_get(json_object_get(p, "parameters"), 0), "value"), "5");
	/* Each stands below its step's name, for the base names are the same. */
	const json_t *inputs = json_object_get(step_of(p, "pick"), "inputs");
	static const char *const paths[] = { "/workspace/resources/eval-1/s.txt", "/workspace/resources/eval-2/s.txt", "/workspace/resources/train-1/m.bin",
		"/workspace/resources/train-2/m.bin", "/workspace/src" };
	assert_int_equal(json_array_size(inputs), 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(ai_json_str(json_array_get(inputs, i), "path"), paths[i]);
	assert_string_equal(ai_json_str(json_array_get(inputs, 3), "step"), "train-2");
	/* What is built from one value is not what is built from another. */
	AI_JSON *other = NULL;
	ok(plan_of(pipeline, NULL, NULL, &other, &err));
	assert_false(json_equal(step_of(p, "train-1"), step_of(other, "train-1")));
	assert_true(json_equal(step_of(p, "tokens"), step_of(other, "tokens")));
}

static void
chosen(void **state)
{
	(void)state;
	AI_JSON *one = NULL, *all = NULL;
	ok(plan_of(pipeline, NULL, NULL, &all, &err));
	static const struct { const char *steps[3], *named, *sources, *outputs, *ran; } cases[] = {
		{ { "tokens" }, "tokens", "raw", "t", "tokens" },
		{ { "train" }, "train", "base raw", "model-1 model-2", "tokens train-1 train-2" },
		{ { "train-2" }, "train-2", "base raw", "model-2", "tokens train-2" },
		{ { "more", "eval-1" }, "eval-1,more", "base other raw", "log score x", "more tokens train-1 eval-1" },
		{ { "eval" }, "eval", "base raw", "eval-1.log eval-1.score eval-2.log eval-2.score", "tokens train-1 eval-1 train-2 eval-2" },
		{ { "pick" }, "pick", "base raw", "best", "code tokens train-1 eval-1 train-2 eval-2 pick" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ok(plan_of(pipeline, NULL, cases[i].steps, &one, &err));
		assert_string_equal(names_of(one, "steps"), cases[i].ran);
		assert_string_equal(names_of(one, "sources"), cases[i].sources);
		assert_string_equal(names_of(one, "outputs"), cases[i].outputs);
		assert_string_equal(names_of(one, "parameters"), "aicert.steps epochs");
		assert_string_equal(ai_json_str(json_array_get(json_object_get(one, "parameters"), 0), "value"), cases[i].named);
		/* The keys of steps do not depend on what else runs. */
		const json_t *steps = json_object_get(one, "steps");
		for (size_t k = 0; k < json_array_size(steps); k++) {
			const char *name = ai_json_str(json_array_get(steps, k), "name");
			assert_true(json_equal(step_of(one, name), step_of(all, name)));
		}
		json_decref(one);
		one = NULL;
	}
	/* An image in which none of them runs is no source of theirs. */
	ok(plan_of("aicert: 1\nsteps:\n  a: {use: shell, script: x, environment: {image: python}}\n  b: {use: shell, script: x}\n", NULL, GIVEN("b"), &one, &err));
	assert_string_equal(names_of(one, "sources"), "");
	refuse("there is no step 'trian' (did you mean 'train'?)", NULL, GIVEN("trian"), pipeline);
}

static void
refusals(void **state)
{
	(void)state;
#define TWO "aicert: 1\nsteps:\n  t: {use: shell, matrix: {a: [1, 2, 3, 4, 5]}, script: x, outputs: {o: o}}\n  s: "
	refuse("'t.o' is an output of every step of a matrix, expected one: t-1.o, t-2.o, t-3.o, t-4.o, …", NULL, NULL, TWO "{use: python, source: t.o}\n");
	refuse("expected one: t-1.o", NULL, NULL, TWO "{use: shell, script: x, inputs: {a: t.o}}\n");
	refuse("expected one: t-1.o", NULL, NULL, TWO "{use: python, args: ['${t.o}'], source: t-1.o}\n");
	refuse("there is no input or step output 't-9.o' (did you mean 't-1.o'?)", NULL, NULL, TWO "{use: shell, script: x, inputs: {a: t-9.o}}\n");
	refuse("there is no input or step output 't-1.q'", NULL, NULL, TWO "{use: shell, script: x, inputs: [t.q]}\n");
	refuse("output 'm-1': step 't-1' has no output 'q'", NULL, NULL, TWO "{use: shell, script: x}\noutputs: {m: t.q}\n");
	refuse("steps need each other: 't-1' needs 't-2' needs 't-1'", NULL, NULL,
		"aicert: 1\nsteps:\n  s: {use: shell, script: x, inputs: {a: t-1.o}}\n"
		"  t-1: {use: shell, script: x, inputs: {a: t-2.o}, outputs: {o: o}}\n  t-2: {use: shell, script: x, inputs: {a: t-1.o}, outputs: {o: o}}\n");
	refuse("steps need each other: 'a' needs 'a'", NULL, NULL, "aicert: 1\nsteps: {a: {use: shell, script: x, inputs: {i: a.o}, outputs: {o: o}}}\n");
	/* Of steps that nobody chose only their form is looked at. */
	AI_JSON *p = NULL;
	ok(plan_of("aicert: 1\nsteps:\n  a: {use: shell, script: x}\n  b: {use: nothing, foo: bar}\n", NULL, GIVEN("a"), &p, &err));
	refuse("there is no rule 'nothing'", NULL, NULL, "aicert: 1\nsteps:\n  a: {use: shell, script: x}\n  b: {use: nothing, foo: bar}\n");
}

/* Whatever the order in the file, the plan is the same, and what a shape decides is decided by the shape. */
static void
any_order(void **state)
{
	(void)state;
	static const char *const steps[] = {
		"  a: {use: shell, script: x, outputs: {d: {type: dir}, f: f.txt}}\n",
		"  b: {use: python, source: a.d, resources: [a.f, c.g]}\n",
		"  c: {use: shell, script: x, inputs: {d: a.d}, outputs: {g: {path: deep/, type: dir}}}\n",
		"  d: {use: shell, script: 'cat ${b.outputs}', inputs: [c.g, b.outputs]}\n",
	};
	AI_JSON *first = NULL;
	for (int i = 0; i < 24; i++) {
		int order[4] = { 0, 1, 2, 3 }, left = i;
		for (int k = 0; k < 4; k++) {
			int with = k + left % (4 - k), was = order[k];
			left /= 4 - k;
			order[k] = order[with];
			order[with] = was;
		}
		char text[1000];
		snprintf(text, sizeof text, "aicert: 1\nsteps:\n%s%s%s%s", steps[order[0]], steps[order[1]], steps[order[2]], steps[order[3]]);
		AI_JSON *p = NULL;
		ok(plan_of(text, NULL, NULL, &p, &err));
		json_object_del(p, "aicertfile");
		if (!first)
			first = json_incref(p);
		assert_true(json_equal(p, first));
		assert_string_equal(names_of(p, "steps"), "a c b d");
	}
}

/* A file whose steps stand from the last to the first, and one step that takes the outputs of all. */
static void
many(void **state)
{
	(void)state;
	enum { N = 3000 };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n  all: {use: shell, script: x, outputs: {o: o}, inputs: [");
	for (int i = 0; i < N; i++)
		ai_buf_printf(&b, "%ss%d.o%d", i ? ", " : "", i, i);
	ai_buf_puts(&b, "]}\n");
	for (int i = N - 1; i >= 0; i--) {
		ai_buf_printf(&b, "  s%d: {use: shell, script: x, outputs: {o%d: f%d}", i, i, i);
		if (i)
			ai_buf_printf(&b, ", inputs: {p: s%d.o%d}", i - 1, i - 1);
		ai_buf_puts(&b, "}\n");
	}
	AI_JSON *p = NULL;
	ok(plan_of(b.data, NULL, NULL, &p, &err));
	const json_t *list = json_object_get(p, "steps");
	assert_int_equal(json_array_size(list), N + 1);
	for (size_t i = 0; i < N; i++) {
		char want[16];
		snprintf(want, sizeof want, "s%zu", i);
		assert_string_equal(ai_json_str(json_array_get(list, i), "name"), want);
	}
	assert_int_equal(json_array_size(json_object_get(step_of(p, "all"), "inputs")), N);
	assert_string_equal(names_of(p, "outputs"), "o");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole), cmocka_unit_test(chosen), cmocka_unit_test(refusals), cmocka_unit_test(any_order), cmocka_unit_test(many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
