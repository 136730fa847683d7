/* test_manifest.c -- both forms of the Aicertfile, and every refusal with its place.  SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/buf.h"
#include "model/manifest.h"
#include "unit.h"

#define SHA "f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"

static int
parse(const char *text, struct ai_manifest **out, struct ai_err *err)
{
	return ai_manifest_parse(text, strlen(text), "Aicertfile", NULL, out, err);
}

#define bad_as(code, words, text) do { struct ai_manifest *kept = (struct ai_manifest *)0xaa; \
	refused(code, words, parse(text, &kept, &err)); assert_ptr_equal(kept, (struct ai_manifest *)0xaa); } while (0)
#define bad(words, text) bad_as(AI_EUSAGE, words, text)
#define LONG "aicert: 1\nsteps: {s: {use: shell}}\n"
#define SHORT "kind: python\nsource: {type: git, gitRepo: 'https://e.org/r'}\n"

static void
long_form(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	ok(parse("aicert: 1\nname: falcon-fr\nenvironment: host\ninputs:\n"
		"  code: {git: 'https://e.org/r', ref: main, submodules: false}\n"
		"  alpaca: {url: 'https://e.org/a.csv', sha256: " SHA ", size: 12, to: /workspace/data/a.csv}\n"
		"  weights: {path: ../models, exclude: ['*.bin', .cache], follow: true}\n"
		"steps:\n  tokens: {use: shell, script: x, inputs: {a: alpaca}}\n"
		"  train: {use: python, source: code, limits: {memory: 32G, time: 12h, cpus: 4, pids: 100}, environment: host}\n"
		"outputs: {model: train.model}\n", &m, &err));
	assert_string_equal(m->name, "falcon-fr");
	assert_true(m->host_said);
	assert_int_equal(m->n_inputs, 3);
	assert_string_equal(ai_manifest_input(m, "code")->ref, "main");
	assert_false(ai_manifest_input(m, "code")->submodules);
	assert_string_equal(ai_manifest_input(m, "alpaca")->to, "data/a.csv");
	assert_int_equal(ai_manifest_input(m, "alpaca")->size, 12);
	assert_string_equal(ai_manifest_input(m, "weights")->exclude[1], ".cache");
	assert_true(ai_manifest_input(m, "weights")->follow);
	assert_int_equal(ai_manifest_input(m, "weights")->type, AI_INPUT_PATH);
	assert_null(ai_manifest_input(m, "nothing"));
	const struct ai_step_spec *train = &m->steps[1];
	assert_string_equal(train->use, "python");
	assert_true(train->limits.memory == 32ull << 30 && train->limits.time_s == 43200 && train->limits.cpus == 4 && train->limits.pids == 100);
	assert_int_equal(train->attrs->n, 1); /* use, limits and environment are not the rule's */
	assert_string_equal(m->outputs[0].step, "train");
	assert_string_equal(m->outputs[0].output, "model");
	ai_manifest_free(m);
}

/* The shapes in which the short form is met; all say the same. */
static const char *const shapes[] = {
	"kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://e.org/r\"\n  pythonEntryPoint: \"src/main.py\"\n",
	"kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://e.org/r\"\npythonEntryPoint: \"src/main.py\"\n",
	"kind: python\t\npythonVersion: 11\t\nsource:\t\t\ntype: git\t\ngitRepo: \"https://e.org/r\"\t\npythonEntryPoint: \"src/main.py\"\t\n",
	"kind: python\npythonVersion: 11\nsource:\ntype: git\ngitRepo: https://e.org/r\npythonEntryPoint: src/main.py\n",
};

static void
short_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct ai_manifest *m = NULL;
		ok(parse(shapes[i], &m, &err));
		assert_int_equal(m->n_steps, 1);
		assert_string_equal(m->steps[0].name, "python");
		assert_string_equal(m->steps[0].use, "python");
		assert_string_equal(m->name, "aicert");
		const struct ai_yaml *a = m->steps[0].attrs;
		assert_int_equal(a->n, 3);
		assert_string_equal(ai_yaml_get(a, "source")->text, "source");
		assert_string_equal(ai_yaml_get(a, "pythonEntryPoint")->text, "src/main.py");
		assert_string_equal(ai_yaml_get(a, "pythonVersion")->text, "11");
		assert_int_equal(m->n_inputs, 1);
		assert_string_equal(m->inputs[0].where, "https://e.org/r");
		assert_int_equal(m->inputs[0].type, AI_INPUT_GIT);
		ai_manifest_free(m);
	}
}

static void
short_inputs(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	ok(parse(SHORT "name: demo\nenvironment: host\nlimits: {time: 1h30m}\nresources:\n"
		"- {name: alpaca, url: https://e.org/x.csv, to: data/a.csv}\n- {url: 'https://e.org/d/alpaca-fr.tar.gz?rev=1'}\n"
		"- {path: ./models/base.safetensors}\n- {git: git@e.org:me/tools.git, tag: v1}\n", &m, &err));
	static const char *const names[] = { "source", "alpaca", "alpaca-fr", "base", "tools" };
	assert_int_equal(m->n_inputs, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(m->inputs[i].name, names[i]);
	assert_string_equal(m->inputs[4].ref, "v1");
	assert_string_equal(m->name, "demo");
	assert_true(m->steps[0].limits.time_s == 5400);
	const struct ai_yaml *list = ai_yaml_get(m->steps[0].attrs, "resources");
	assert_int_equal(list->n, 4);
	assert_string_equal(list->items[1]->text, "alpaca-fr");
	assert_null(ai_yaml_get(m->steps[0].attrs, "name"));
	ai_manifest_free(m);
}

static void
forms_refused(void **state)
{
	(void)state;
	bad("expected a map", "- a\n");
	bad("neither 'kind:'", "a: 1\n");
	bad("Aicertfile:1:1: an Aicertfile has no key 'knd' (did you mean 'kind'?)", "knd: python\n");
	bad("short and the long form", "kind: python\naicert: 1\n");
	bad("kind: got a list", "kind: [python]\n");
	bad("'aicert: 1' is missing", "steps: {s: {use: shell}}\n");
	bad("aicert: got '2', expected 1", "aicert: 2\nsteps: {s: {use: shell}}\n");
	bad("'steps' is missing", "aicert: 1\n");
	bad("steps: got 0, expected 1 to 200000", "aicert: 1\nsteps: {}\n");
	bad("steps: expected a map", "aicert: 1\nsteps: [a]\n");
	bad("Aicertfile:3:1: an Aicertfile has no key 'ouputs' (did you mean 'outputs'?)", LONG "ouputs: {}\n");
	bad("'use' is missing", "aicert: 1\nsteps: {s: {script: x}}\n");
	bad("expected a map with 'use'", "aicert: 1\nsteps: {s: shell}\n");
	bad("step 's.t': expected letters", "aicert: 1\nsteps: {s.t: {use: shell}}\n");
	bad("key 'steps' is given twice", LONG "steps: {}\n");
	bad("name is empty", LONG "name: ''\n");
	bad("source: is empty", "kind: python\nsource:\n");
	bad("source: expected a map", "kind: python\nsource: https://e.org/r\n");
	bad("given both inside 'source' and beside", "kind: python\nsource: {type: git, gitRepo: r, pythonEntryPoint: a}\npythonEntryPoint: b\n");
	bad("takes no 'commands'", SHORT "commands: [ls]\n");
	bad("say the same", SHORT "inputs: []\nresources: []\n");
	bad("inputs: expected a list", SHORT "inputs: {a: {url: x}}\n");
	bad("expected a map with", SHORT "inputs: [x]\n");
	bad("two inputs are called 'a'", SHORT "inputs:\n- {name: a, path: x}\n- {name: a, path: y}\n");
	bad("input 'a.csv': expected letters", SHORT "inputs: [{name: a.csv, path: x}]\n");
}

static void
inputs_refused(void **state)
{
	(void)state;
#define IN(text) LONG "inputs: {x: " text "}\n"
	bad("expected a map with one of", IN("7"));
	bad("expected one of git, url, path", IN("{ref: main}"));
	bad("Aicertfile:3:14: an input has no key 'comit' (did you mean 'commit'?)", IN("{comit: x, git: y}"));
	bad("second place", IN("{git: a, url: b}"));
	bad("type: got 'svn'", IN("{type: svn, url: b}"));
	bad("type 'path' takes no 'gitRepo'", IN("{type: path, gitRepo: b}"));
	bad("'gitRepo' is missing", IN("{type: git}"));
	bad("'branch' beside 'ref'", IN("{git: a, ref: b, branch: c}"));
	bad("type 'url' takes no 'ref'", IN("{url: a, ref: b}"));
	bad("type 'git' takes no 'sha256'", IN("{git: a, sha256: " SHA "}"));
	bad("type 'git' takes no 'exclude'", IN("{git: a, exclude: b}"));
	bad("expected 64 lower-case hex digits, got 'main'", IN("{url: a, sha256: main}"));
	bad("size: got 'big'", IN("{url: a, size: big}"));
	bad("size: got '-1'", IN("{url: a, size: -1}"));
	bad("size: got", IN("{url: a, size: 99999999999999999}"));
	bad("follow: got 'yes', expected true or false", IN("{path: a, follow: yes}"));
	bad("the place of an input is empty", IN("{path: ''}"));
	bad("the place of an input: got a list", IN("{path: [a]}"));
	bad("lies outside the workspace", IN("{path: a, to: /etc/passwd}"));
	bad("'..'", IN("{path: a, to: ../x}"));
	bad("'..'", IN("{path: a, to: /workspace/../etc}"));
	bad("'..'", IN("{path: a, to: x/../../y}"));
	bad("exclude", IN("{path: a, exclude: {b: c}}"));
	bad("exclude is empty", IN("{path: a, exclude: ['']}"));
}

static void
outputs_and_limits_refused(void **state)
{
	(void)state;
	bad("Aicertfile:3:14: output 'm': there is no step 't'", LONG "outputs: {m: t.model}\n");
	bad("(did you mean 'train'?)", "aicert: 1\nsteps: {train: {use: shell}}\noutputs: {m: trian.model}\n");
	bad("expected step.output", LONG "outputs: {m: model}\n");
	bad("expected step.output", LONG "outputs: {m: s.}\n");
	bad("expected step.output", LONG "outputs: {m: s.a.b}\n");
	bad("output: got a map", LONG "outputs: {m: {a: b}}\n");
#define LIMIT(text) "aicert: 1\nsteps: {s: {use: shell, limits: " text "}}\n"
	bad("limits: expected a map", LIMIT("4G"));
	bad("limits has no key 'memroy' (did you mean 'memory'?)", LIMIT("{memroy: 4G}"));
	bad("memory: got '4X'", LIMIT("{memory: 4X}"));
	bad("memory: got '0'", LIMIT("{memory: 0}"));
	bad("memory: got '-4G'", LIMIT("{memory: -4G}"));
	bad("memory: got '999999999999T'", LIMIT("{memory: 999999999999T}"));
	bad("memory: got '4Gx'", LIMIT("{memory: 4Gx}"));
	bad("time: got '12x'", LIMIT("{time: 12x}"));
	bad("time: got '0'", LIMIT("{time: 0}"));
	bad("time: got '1h30'", LIMIT("{time: 1h30}"));
	bad("time: got ''", LIMIT("{time: ''}"));
	bad("cpus: got 'many'", LIMIT("{cpus: many}"));
	bad("limits: cpus: got 0, expected at least 1", LIMIT("{cpus: 0}"));
	bad("limits: pids: got 0, expected at least 1", LIMIT("{pids: 0, gpus: 0}"));
	bad("pids: got 99999999, expected at most", LIMIT("{pids: 99999999}"));
	bad("environment: got 'debian'", LONG "environment: debian\n");
	bad("environment: got a map without 'image'", LONG "environment: {}\n");
}

/* Each step has the file's image, its own, or the host; one image under two spellings is one. */
static void
images(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	ok(parse("aicert: 1\nenvironment: {image: python:3.11}\nsteps:\n  a: {use: shell}\n"
		"  b: {use: shell, environment: {image: 'oci:images/base:v1'}}\n  c: {use: shell, environment: host}\n"
		"  d: {use: shell, environment: {image: docker.io/library/python:3.11}, limits: {gpus: 2}}\n", &m, &err));
	assert_int_equal(m->n_images, 2);
	assert_string_equal(m->steps[0].image->text, "docker.io/library/python:3.11");
	assert_string_equal(m->steps[1].image->text, "oci:images/base:v1");
	assert_null(m->steps[2].image);
	assert_ptr_equal(m->steps[3].image, m->steps[0].image);
	assert_int_equal(m->steps[3].limits.gpus, 2);
	assert_true(m->host_said);
	ai_manifest_free(m);
	ok(parse(SHORT "image: localhost:5000/a/b@sha256:" SHA "\n", &m, &err));
	assert_string_equal(m->steps[0].image->digest, "sha256:" SHA);
	assert_null(ai_yaml_get(m->steps[0].attrs, "image"));
	ai_manifest_free(m);
	bad("Aicertfile:3:8: ", SHORT "image: a/UPPER\n");
	bad("'image' and 'environment' say the same", SHORT "image: a\nenvironment: host\n");
	bad("environment has no key 'imag'", LONG "environment: {image: a, imag: b}\n");
	bad("image: ", LONG "environment: {image: [a]}\n");
}

static void
not_in_this_version(void **state)
{
	(void)state;
	bad_as(AI_EENV, "container images as inputs", IN("{image: a, path: b}"));
}

/* Ten thousand hashes by name of ten thousand long URLs: each is looked up, none is searched for. */
static void
many_hashes(void **state)
{
	(void)state;
	enum { N = AI_MAX_URLS };
	static char pad[4001];
	memset(pad, 'x', sizeof pad - 1);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&b, "aicert: 1\nsteps: {s: {use: shell}}\ninputs:\n  d:\n    url:\n");
	for (int i = 0; i < N; i++)
		ai_buf_printf(&b, "      - https://e.org/%s/f%d\n", pad, i);
	ai_buf_puts(&b, "    sha256:\n");
	for (int i = 0; i < N; i++)
		ai_buf_printf(&b, "      f%d: " SHA "\n", N - 1 - i);
	struct ai_manifest *m = NULL;
	ok(ai_manifest_parse(b.data, b.len, "Aicertfile", NULL, &m, &err));
	for (int i = 0; i < N; i++)
		assert_string_equal(m->inputs[0].sha256s[i], SHA);
	ai_manifest_free(m);
	bad("sha256: no URL here ends in 'c'", IN("{url: ['https://e.org/a', 'https://e.org/b?x#c'], sha256: {c: " SHA "}}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_form), cmocka_unit_test(short_shapes), cmocka_unit_test(short_inputs), cmocka_unit_test(forms_refused),
		cmocka_unit_test(inputs_refused), cmocka_unit_test(outputs_and_limits_refused), cmocka_unit_test(images), cmocka_unit_test(not_in_this_version), cmocka_unit_test(many_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
