/* test_manifest_param.c -- parameters, matrices and chosen steps of an Aicertfile, and their refusals.  SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/json.h"
#include "model/manifest.h"
#include "unit.h"

/* given: "a=1" texts up to NULL; NULL: none. */
static int
parse(const char *text, const char *const *given, const char *const *steps, struct ai_manifest **out, struct ai_err *err)
{
	size_t n = 0, k = 0;
	AI_JSON *parameters = NULL;
	while (given && given[n])
		n++;
	while (steps && steps[k])
		k++;
	if (ai_manifest_parameters(given, n, steps, k, &parameters, err) < 0)
		return err->code;
	return ai_manifest_parse(text, strlen(text), "Aicertfile", parameters, out, err);
}

#define GIVEN(...) (const char *const[]){ __VA_ARGS__, NULL }
#define bad_given(words, given, steps, text) do { struct ai_manifest *kept = (struct ai_manifest *)0xaa; \
	refused(AI_EUSAGE, words, parse(text, given, steps, &kept, &err)); assert_ptr_equal(kept, (struct ai_manifest *)0xaa); } while (0)
#define bad(words, text) bad_given(words, NULL, NULL, text)
#define FILE_OF(parameters, steps) "aicert: 1\nparameters: " parameters "\nsteps:\n" steps

static const char *
attr(const struct ai_manifest *m, size_t step, const char *key)
{
	return ai_yaml_get(m->steps[step].attrs, key)->text;
}

static void
filled_in(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\nenvironment: {image: 'python:${param.python}'}\n"
		"parameters: {python: 3.10, epochs: 3, host: e.org, who: 'a b', empty: '', given: }\n"
		"inputs:\n  d: {url: 'https://${param.host}/${param.epochs}.csv', to: 'data/${param.given}'}\n"
		"  h: {huggingface: 'me/${param.given}', files: ['*.${param.given}']}\n"
		"steps:\n  s: {use: shell, script: '${param.who}|$${param.who}|${param.empty}|${d}|$${x}${param.epochs}', limits: {time: '${param.epochs}h'},"
		" inputs: {a: d}, list: ['${param.given}', {k: '${param.given}'}], checkpoint: 'ck${param.epochs}/'}\n"
		"outputs: {m: 's.${param.given}'}\n";
	struct ai_manifest *m = NULL;
	ok(parse(text, GIVEN("given=g=1", "epochs=5"), NULL, &m, &err));
	assert_string_equal(m->images[0]->text, "docker.io/library/python:3.10");
	assert_string_equal(m->inputs[0].where, "https://e.org/5.csv");
	assert_string_equal(m->inputs[0].to, "data/g=1");
	assert_string_equal(m->inputs[1].where, "me/g=1");
	assert_string_equal(ai_yaml_get(m->inputs[1].attrs, "files")->items[0]->text, "*.g=1");
	assert_string_equal(attr(m, 0, "script"), "a b|$${param.who}||${d}|$${x}5");
	assert_true(m->steps[0].limits.time_s == 5 * 3600);
	assert_string_equal(ai_yaml_get(m->steps[0].attrs, "list")->items[1]->pairs[0].value->text, "g=1");
	assert_string_equal(m->steps[0].checkpoint, "ck5");
	assert_null(ai_yaml_get(m->steps[0].attrs, "checkpoint"));
	assert_string_equal(m->outputs[0].output, "g=1");
	/* The plan's list: all that are declared, in order, with what holds. */
	static const char *const want[] = { "empty", "", "epochs", "5", "given", "g=1", "host", "e.org", "python", "3.10", "who", "a b" };
	assert_int_equal(json_array_size(m->parameters), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_string_equal(ai_json_str(json_array_get(m->parameters, i), "name"), want[2 * i]);
		assert_string_equal(ai_json_str(json_array_get(m->parameters, i), "value"), want[2 * i + 1]);
	}
	/* What a plan says gives the same manifest. */
	struct ai_manifest *again = NULL;
	ok(ai_manifest_parse(text, strlen(text), "Aicertfile", m->parameters, &again, &err));
	assert_true(json_equal(again->parameters, m->parameters));
	assert_string_equal(again->inputs[0].where, m->inputs[0].where);
	ai_manifest_free(again);
	ai_manifest_free(m);
}

/* A value is a value: what looks like a reference in it is not looked at again. */
static void
values_stay_values(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	ok(parse(FILE_OF("{max_tokens: 7, tokenizer: '${x'}", "  s: {use: shell, script: '${x ${param.max_tokens} ${param.tokenizer}}'}\n"), NULL, NULL, &m, &err));
	assert_string_equal(attr(m, 0, "script"), "${x 7 ${x}");
	ai_manifest_free(m);
	ok(parse(FILE_OF("{a: '${param.b}', b: x}", "  s: {use: shell, script: '${param.a} ${param.b}'}\n"), NULL, NULL, &m, &err));
	assert_string_equal(attr(m, 0, "script"), "${param.b} x");
	ai_manifest_free(m);
	/* No parameters, and nothing that looks like one: texts are as they were written. */
	ok(parse("kind: shell\nscript: 'echo ${HOME} ${x.y} $${param.a}'\n", NULL, NULL, &m, &err));
	assert_string_equal(attr(m, 0, "script"), "echo ${HOME} ${x.y} $${param.a}");
	assert_int_equal(json_array_size(m->parameters), 0);
	ai_manifest_free(m);
}

#define STEP "  s: {use: shell, script: x}\n"

static void
parameters_refused(void **state)
{
	(void)state;
	bad("Aicertfile:4:27: there is no parameter 'epoch' (did you mean 'epochs'?)", FILE_OF("{epochs: 3}", "  s: {use: shell, script: '${param.epoch}'}\n"));
	bad("'${param.epochs and n…': expected '}' behind the name", FILE_OF("{epochs: 3}", "  s: {use: shell, script: '${param.epochs and no more'}\n"));
	bad("there is no parameter 'x'", "aicert: 1\nsteps: {s: {use: shell, script: '${param.x}'}}\n");
	bad("there is no parameter 'aicert.steps'", FILE_OF("{a: 1}", "  s: {use: shell, script: '${param.aicert.steps}'}\n"));
	bad("there is no parameter 'x'", "aicert: 1\ninputs: {d: {path: '${param.x}'}}\nsteps: {s: {use: shell}}\n");
	bad("there is no parameter 'x'", "aicert: 1\nenvironment: {image: '${param.x}'}\nsteps: {s: {use: shell}}\n");
	bad("Aicertfile:2:14: parameter 'n' has no default: it must be given", FILE_OF("{n: }", STEP));
	bad("'HF_TOKEN' is the name of a secret", FILE_OF("{HF_TOKEN: x}", STEP));
	bad("a URL that holds a secret", FILE_OF("{u: 'https://me:pw@e.org/x'}", STEP));
	bad_given("a URL that holds a secret", GIVEN("u=https://e.org/x?X-Amz-Signature=abc"), NULL, FILE_OF("{u: ''}", STEP));
	bad("parameters: expected a map", FILE_OF("[a]", STEP));
	bad("parameter 'a.b': expected letters", FILE_OF("{a.b: 1}", STEP));
	bad("parameter 'a': got a list", FILE_OF("{a: [1]}", STEP));
	bad_given("there is no parameter 'epoch' (did you mean 'epochs'?)", GIVEN("epoch=1"), NULL, FILE_OF("{epochs: 3}", STEP));
	bad_given("there is no parameter 'x'", GIVEN("x=1"), NULL, "kind: shell\nscript: x\n");
	bad_given("parameter 'a' is given twice", GIVEN("a=1", "a=2"), NULL, FILE_OF("{a: 3}", STEP));
	bad_given("expected NAME=VALUE", GIVEN("a"), NULL, FILE_OF("{a: 3}", STEP));
	bad_given("expected NAME=VALUE", GIVEN("=a"), NULL, FILE_OF("{a: 3}", STEP));
	bad_given("a parameter's name has no '.'", GIVEN("aicert.steps=s"), NULL, FILE_OF("{a: 3}", STEP));
	bad_given("a control character", GIVEN("a=x\033[2Jy"), NULL, FILE_OF("{a: 3}", STEP));
	bad_given("not UTF-8", GIVEN("a=\xff"), NULL, FILE_OF("{a: 3}", STEP));
	bad("'${matrix.seed}' is for a step with 'matrix:'", "aicert: 1\nsteps: {s: {use: shell, script: '${matrix.seed}'}}\n");
	bad("'${matrix.seed}' is for a step with 'matrix:'", "aicert: 1\ninputs: {d: {path: '${matrix.seed}'}}\nsteps: {s: {use: shell}}\n");
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&b, "a=");
	for (int i = 0; i < (64 << 10) + 1; i++)
		ai_buf_putc(&b, 'x');
	bad_given("got 65537 bytes, expected at most 65536", GIVEN(b.data), NULL, FILE_OF("{a: 3}", STEP));
	/* 64 KiB, ten thousand times: what a text of a stranger's may not grow to. */
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	b.data[b.len - 1] = '\0';
	ai_buf_puts(&text, "aicert: 1\nparameters: {a: 3}\nsteps:\n  s:\n    use: shell\n    script:\n");
	for (int i = 0; i < 10000; i++)
		ai_buf_puts(&text, "    - ${param.a}\n");
	bad_given("grows too large", GIVEN(b.data), NULL, text.data);
}

#define MATRIX "{seed: [1, 2], lr: [1e-3, a b]}"

static void
expanded(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	ok(parse(FILE_OF("{n: 2}", "  first: {use: shell, script: x}\n"
		"  train: {use: shell, matrix: {seed: [1, '${param.n}'], lr: [1e-3, a b]}, limits: {cpus: '${matrix.seed}'}, checkpoint: 'c${matrix.seed}',"
		" script: '${matrix.seed} ${matrix.lr} ${param.n} $${matrix.lr}', inputs: {a: first.o}}\n"
		"  eval: {use: shell, matrix: {seed: [1, 2]}, inputs: {m: 'train-${matrix.seed}-a_b.model'}}\n"
		"  pick: {use: shell, list: [train.model, eval.score], one: train-1-a_b.model}\n"
		"outputs: {best: pick.o, model: train.model}\n"), NULL, NULL, &m, &err));
	static const char *const names[] = { "first", "train-1-1e-3", "train-1-a_b", "train-2-1e-3", "train-2-a_b", "eval-1", "eval-2", "pick" };
	static const char *const scripts[] = { "1 1e-3 2 $${matrix.lr}", "1 a b 2 $${matrix.lr}", "2 1e-3 2 $${matrix.lr}", "2 a b 2 $${matrix.lr}" };
	assert_int_equal(m->n_steps, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_string_equal(m->steps[i].name, names[i]);
		assert_ptr_equal(ai_manifest_step(m, names[i], strlen(names[i])), &m->steps[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(attr(m, 1 + i, "script"), scripts[i]);
		assert_int_equal(m->steps[1 + i].limits.cpus, 1 + i / 2);
		assert_string_equal(m->steps[1 + i].checkpoint, i < 2 ? "c1" : "c2");
		assert_string_equal(m->steps[1 + i].matrix, "train");
		assert_null(ai_yaml_get(m->steps[1 + i].attrs, "matrix"));
	}
	assert_string_equal(ai_yaml_get(m->steps[6].attrs, "inputs")->pairs[0].value->text, "train-2-a_b.model");
	const struct ai_matrix *x = ai_manifest_matrix(m, "train", 5);
	assert_true(x && x->first == 1 && x->n == 4);
	assert_null(ai_manifest_step(m, "train", 5));
	assert_int_equal(m->steps[7].stands_for, 6);
	assert_null(m->steps[7].matrix);
	static const char *const outs[] = { "best", "model-1-1e-3", "model-1-a_b", "model-2-1e-3", "model-2-a_b" };
	assert_int_equal(m->n_outputs, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(m->outputs[i].name, outs[i]);
	assert_string_equal(m->outputs[2].step, "train-1-a_b");
	ai_manifest_free(m);
}

#define IN_MATRIX(text) "aicert: 1\nsteps:\n  t: {use: shell, matrix: " text "}\n"

static void
matrices_refused(void **state)
{
	(void)state;
	bad("matrix: expected a map", IN_MATRIX("[1]"));
	bad("matrix: expected a map", IN_MATRIX("{}"));
	bad("'a': expected a list of values", IN_MATRIX("{a: 1}"));
	bad("'a': expected a list of values", IN_MATRIX("{a: []}"));
	bad("'a': expected a text, and not an empty one", IN_MATRIX("{a: [[1]]}"));
	bad("'a': expected a text, and not an empty one", IN_MATRIX("{a: ['']}"));
	bad("matrix 'a.b': expected letters", IN_MATRIX("{a.b: [1]}"));
	bad("Aicertfile:3:3: two steps are called 't-1_2'", IN_MATRIX("{a: [1.2, 1_2]}"));
	bad("two steps are called 't-1'", IN_MATRIX("{a: [1]}") "  t-1: {use: shell}\n");
	bad("a step of a matrix is called 't-1', as another step", IN_MATRIX("{a: [1]}") "  t-1: {use: shell, matrix: {b: [2]}}\n");
	bad("expected at most 100 letters", IN_MATRIX("{a: [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]}"));
	bad("the matrix has no 'sed' (did you mean 'seed'?)", "aicert: 1\nsteps:\n  t: {use: shell, matrix: {seed: [1]}, script: '${matrix.sed}'}\n");
	bad("'matrix' is for the long form", "kind: shell\nscript: x\nmatrix: {a: [1]}\n");
	bad("checkpoint: 'outputs/x' is not the step's own", "aicert: 1\nsteps:\n  t: {use: shell, checkpoint: outputs/x}\n");
	bad("checkpoint", "aicert: 1\nsteps:\n  t: {use: shell, checkpoint: /tmp/x}\n");
	bad("checkpoint", "aicert: 1\nsteps:\n  t: {use: shell, checkpoint: ../x}\n");
	bad("two outputs are called 'm-1'", IN_MATRIX("{a: [1]}") "outputs: {m-1: t-1.o, m: t.o}\n");
	bad("there is no step 'tt'", IN_MATRIX("{a: [1]}") "outputs: {m: tt.o}\n");
}

/* What is given on the command line is a text as the file could have it; and what is published is not how a secret gets into a URL. */
static void
values_refused(void **state)
{
	(void)state;
	static const char *const texts[] = { "a=x\x1b[31m", "a=\r", "a=\x7f", "a=\xc2\x9b", "a=\xe2\x80\xa8", "a=\x01" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		bad_given("parameter 'a': its value holds a control character", GIVEN(texts[i]), NULL, FILE_OF("{a: 1}", "  s: {use: shell}\n"));
	bad_given("not UTF-8", GIVEN("a=\xff"), NULL, FILE_OF("{a: 1}", "  s: {use: shell}\n"));
	bad_given("not UTF-8", GIVEN("\xff=a"), NULL, FILE_OF("{a: 1}", "  s: {use: shell}\n"));
	bad_given("expected NAME=VALUE", GIVEN("=a"), NULL, FILE_OF("{a: 1}", "  s: {use: shell}\n"));
	bad_given("'a' is given twice", GIVEN("a=1", "a=2"), NULL, FILE_OF("{a: 1}", "  s: {use: shell}\n"));
#define URL_OF(url) "aicert: 1\nparameters: {p: ''}\ninputs: {d: {url: '" url "'}}\nsteps: {s: {use: shell}}\n"
	static const char *const urls[] = { URL_OF("https://e.org/x?sig=${param.p}"), URL_OF("https://me:${param.p}@e.org/x"), URL_OF("https://e.org/x?a=1&x-amz-signature=${param.p}"),
		URL_OF("https://${param.p}/x") };
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
		bad_given("this is a URL that holds a secret, and parameters are published", GIVEN(i < 3 ? "p=hunter2" : "p=me:pw%40@e.org"), NULL, urls[i]);
	bad_given("this is a URL that holds a secret", GIVEN("p=tok"), NULL, "aicert: 1\nparameters: {p: ''}\nsteps: {s: {use: shell, script: 'https://me:${param.p}@e.org/x'}}\n");
}

/* A step called as a word of templates is would be two things. */
static void
names_refused(void **state)
{
	(void)state;
	bad("Aicertfile:3:3: no step can be called 'out'", "aicert: 1\nsteps:\n  out: {use: shell}\n");
	bad("no step can be called 'param'", "aicert: 1\nsteps:\n  param: {use: shell}\n");
	bad("no step can be called 'matrix'", "aicert: 1\nsteps:\n  matrix: {use: shell}\n");
	bad("no step can be called 'out'", "aicert: 1\nsteps:\n  out: {use: shell, matrix: {a: [1]}}\n");
	/* An input has no dot, and is no other thing. */
	struct ai_manifest *m = NULL;
	ok(parse("aicert: 1\ninputs: {out: {path: x}}\nsteps:\n  outs: {use: shell}\n", NULL, NULL, &m, &err));
	ai_manifest_free(m);
}

/* Few words that mean more than memory holds. */
static void
bombs(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n  t:\n    use: shell\n    matrix:\n");
	for (int axis = 0; axis < 8; axis++)
		ai_buf_printf(&b, "      a%d: [0,1,2,3,4,5,6,7,8,9]\n", axis);
	bad("it means more than 200000 steps", b.data);
	ai_buf_clear(&b);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n");
	for (int step = 0; step < 3; step++) {
		ai_buf_printf(&b, "  t%d:\n    use: shell\n    matrix:\n", step);
		for (int axis = 0; axis < 5; axis++)
			ai_buf_printf(&b, "      a%d: [0,1,2,3,4,5,6,7,8,9]\n", axis);
	}
	bad("with it there are more than 200000 steps", b.data);
	ai_buf_clear(&b);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n  t:\n    use: shell\n    matrix: {a: [0,1,2,3,4,5,6,7,8,9], b: [0,1,2,3,4,5,6,7,8,9], c: [0,1,2,3,4,5,6,7,8,9]}\n    script:\n");
	for (int i = 0; i < 20000; i++)
		ai_buf_puts(&b, "    - a line of a script that is long\n");
	bad("take too much memory", b.data);
	ai_buf_clear(&b);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n  t: {use: shell, matrix: {a: [0,1,2,3,4,5,6,7,8,9], b: [0,1,2,3,4,5,6,7,8,9]}}\n  u:\n    use: shell\n    inputs:\n");
	for (int i = 0; i < 20001; i++)
		ai_buf_puts(&b, "    - t.o\n");
	bad("steps take more than 2000000 outputs", b.data);
}

static void
chosen(void **state)
{
	(void)state;
	static const char text[] = FILE_OF("{a: 1}", "  s: {use: shell}\n  t: {use: shell, matrix: {a: [1, 2]}}\n  u: {use: shell}\n");
	struct ai_manifest *m = NULL;
	ok(parse(text, NULL, GIVEN("u", "t", "u"), &m, &err));
	assert_string_equal(ai_json_str(json_array_get(m->parameters, 1), "name"), AI_PARAM_STEPS);
	assert_string_equal(ai_json_str(json_array_get(m->parameters, 1), "value"), "t,u");
	assert_false(ai_manifest_is_selected(m, &m->steps[0]));
	assert_true(ai_manifest_is_selected(m, &m->steps[1]) && ai_manifest_is_selected(m, &m->steps[2]) && ai_manifest_is_selected(m, &m->steps[3]));
	ai_manifest_free(m);
	ok(parse(text, NULL, GIVEN("t-2"), &m, &err));
	assert_true(ai_manifest_is_selected(m, &m->steps[2]) && !ai_manifest_is_selected(m, &m->steps[1]));
	ai_manifest_free(m);
	bad_given("there is no step 'tt'", NULL, GIVEN("tt"), text);
	bad_given("there is no step 'shel' (did you mean 'shell'?)", NULL, GIVEN("shel"), "kind: shell\nscript: x\n");
	bad_given("'a,b' is not the name of a step", NULL, GIVEN("a,b"), text);
	bad_given("'' is not the name of a step", NULL, GIVEN(""), text);
	/* What a proof may say. */
	static const char *const odd[] = { "", ",s", "s,", "s,,u", "s,s", "u,s", "t-2,t-1", "t,s" };
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		AI_JSON *p = json_pack("[{s:s,s:s}]", "name", AI_PARAM_STEPS, "value", odd[i]);
		refused(AI_EUSAGE, "expected names in order, joined by ','", ai_manifest_parse(text, strlen(text), "Aicertfile", p, &m, &err));
	}
	AI_JSON *no_value = json_pack("[{s:s}]", "name", "a");
	refused(AI_EUSAGE, "not {name, value}", ai_manifest_parse(text, strlen(text), "Aicertfile", no_value, &m, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filled_in), cmocka_unit_test(values_stay_values), cmocka_unit_test(parameters_refused), cmocka_unit_test(expanded),
		cmocka_unit_test(matrices_refused), cmocka_unit_test(values_refused), cmocka_unit_test(names_refused), cmocka_unit_test(bombs), cmocka_unit_test(chosen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
