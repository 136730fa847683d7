/* test_plan.c -- from an Aicertfile to the plan node.  SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"
#include "model/recipe.h"
#include "plan_help.h"

#define SHORT "kind: python\nsource: {type: git, gitRepo: 'https://e.org/r'}\n"

static void
recipe_hex(const char *text, char hex[AI_HEX])
{
	json_t *p = NULL;
	struct ai_digest id;
	ok(plan(text, &p, &err));
	ok(ai_node_check(p, &err));
	ok(ai_json_id(recipe_of(p, 0), &id, &err));
	ai_hex(&id, hex);
	json_decref(p);
}

/* One meaning, one key: the three shapes of the short form, and the long form, with its other words. */
static void
all_forms_give_one_recipe(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://e.org/r\"\n  pythonEntryPoint: \"src/main.py\"\n",
		"kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://e.org/r\"\npythonEntryPoint: \"src/main.py\"\n",
		"kind: python\t\npythonVersion: 11\t\nsource:\t\t\ntype: git\t\ngitRepo: \"https://e.org/r\"\t\npythonEntryPoint: \"src/main.py\"\t\n",
		"kind: python\nenvironment: host\npythonVersion: 3.11\nsource: {git: 'https://e.org/r', pythonEntryPoint: ./src/main.py}\noutputs: /workspace/outputs\n",
		"aicert: 1\ninputs: {code: {git: 'https://e.org/r'}}\nsteps: {train: {use: python, source: code, entry: src/main.py, version: 3.11}}\n",
		"aicert: 1\nname: other\ninputs: {c: {git: 'https://e.org/r'}}\n"
			"steps: {t: {use: python, source: c, entry: src/main.py, version: '11', limits: {time: 1h}, outputs: {outputs: .}, resources: [], args: []}}\n",
	};
	char first[AI_HEX], hex[AI_HEX];
	recipe_hex(forms[0], first);
	for (size_t i = 1; i < sizeof forms / sizeof *forms; i++) {
		recipe_hex(forms[i], hex);
		assert_string_equal(first, hex);
	}
	recipe_hex("kind: python\npythonVersion: 12\nsource: {git: 'https://e.org/r', pythonEntryPoint: src/main.py}\n", hex);
	assert_string_not_equal(first, hex);
	/* And with resources: a list of them in the short form is names in the long one. */
	recipe_hex(SHORT "inputs: [{name: alpaca, url: 'https://e.org/a.csv'}]\noutputs: {model: finetuned.pth}\nenv: {A: b}\n", first);
	recipe_hex("aicert: 1\ninputs: {c: {git: 'https://e.org/r'}, data: {url: 'https://e.org/a.csv'}}\n"
		"steps: {t: {use: python, source: c, resources: [data], env: {A: b}, outputs: {model: {path: finetuned.pth, type: file}}}}\n", hex);
	assert_string_equal(first, hex);
	recipe_hex("kind: shell\ncommands: [a, b]\nresources: [{name: alpaca, url: 'https://e.org/a.csv'}]\n", first);
	recipe_hex("aicert: 1\ninputs: {alpaca: {url: 'https://e.org/a.csv'}}\nsteps: {t: {use: shell, script: \"a\\nb\", inputs: {alpaca: alpaca}}}\n", hex);
	assert_string_equal(first, hex);
}

static void
shape_of_golden(void **state)
{
	(void)state;
	if (!shared_dir())
		skip();
	char *path = ai_format("%s/golden/golden.json", shared_dir());
	json_t *golden = json_load_file(path, 0, NULL), *p = NULL;
	free(path);
	const json_t *want = json_object_get(json_object_get(json_object_get(golden, "nodes"), "plan"), "node");
	assert_non_null(want);
	ok(plan("kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://example.org/r\"\n  ref: main\n  pythonEntryPoint: \"src/main.py\"\n"
		"inputs: [{name: alpaca, url: 'https://example.org/alpaca-fr.csv'}]\noutputs: {model: finetuned.pth}\n", &p, &err));
	static const char *const same[] = { "sources", "outputs", "parameters" };
	for (size_t i = 0; i < 3; i++)
		assert_true(json_equal(json_object_get(p, same[i]), json_object_get(want, same[i])));
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)want, key, v)
		assert_non_null(json_object_get(p, key));
	assert_int_equal(json_object_size(p), json_object_size(want));
	const json_t *r = recipe_of(p, 0), *g = recipe_of(want, 0);
	assert_true(json_equal(json_object_get(r, "inputs"), json_object_get(g, "inputs")));
	assert_true(json_equal(json_object_get(r, "outputs"), json_object_get(g, "outputs")));
	assert_string_equal(ai_json_str(r, "environment"), ai_json_str(g, "environment"));
	const json_t *a = json_array_get(json_object_get(r, "actions"), 0), *argv = json_object_get(a, "argv");
	assert_string_equal(json_string_value(json_array_get(argv, 0)), "python3.11");
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "src/src/main.py");
	assert_string_equal(ai_json_str(a, "cwd"), "/workspace");
	json_decref(p);
	json_decref(golden);
}

#define PIPE "aicert: 1\ninputs: {code: {path: code}}\nsteps:\n" \
	"  train: {use: python, source: code, resources: [tokens.ids, prep], outputs: {model: m.pth, logs: logs/}}\n" \
	"  eval: {use: shell, script: x, inputs: {m: train.model}, outputs: {report: r.txt}}\n" \
	"  tokens: {use: shell, script: x, outputs: {ids: ids.bin, rest: rest/}}\n"

static void
steps_in_order(void **state)
{
	(void)state;
	json_t *p = NULL;
	refused(AI_EUSAGE, "there is no input or step output 'prep'", plan(PIPE, &p, &err));
	ok(plan("aicert: 1\ninputs: {code: {path: code}}\nsteps:\n"
		"  train: {use: python, source: code, resources: [tokens.ids, tokens.rest], outputs: {model: m.pth, logs: logs/}}\n"
		"  eval: {use: shell, script: x, inputs: {m: train.model}, env: {L: '${train.logs}/a'}, outputs: {report: r.txt}}\n"
		"  b: {use: shell, script: y, outputs: {report: r.txt}}\n  tokens: {use: shell, script: x, outputs: {ids: ids.bin, rest: rest/}}\n", &p, &err));
	static const char *const order[] = { "b", "tokens", "train", "eval" };
	const json_t *steps = json_object_get(p, "steps");
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(ai_json_str(json_array_get(steps, i), "name"), order[i]);
	const json_t *in = json_object_get(recipe_of(p, 2), "inputs");
	assert_string_equal(ai_json_str(json_array_get(in, 0), "path"), "/workspace/resources/ids.bin");
	assert_string_equal(ai_json_str(json_array_get(in, 0), "step"), "tokens");
	assert_string_equal(ai_json_str(json_array_get(in, 0), "output"), "ids");
	assert_string_equal(ai_json_str(json_array_get(in, 1), "path"), "/workspace/resources/rest");
	/* Outputs that no step takes, two of the same name told by their steps. */
	const json_t *outs = json_object_get(p, "outputs");
	assert_int_equal(json_array_size(outs), 2);
	assert_string_equal(ai_json_str(json_array_get(outs, 0), "name"), "b.report");
	assert_string_equal(ai_json_str(json_array_get(outs, 1), "name"), "eval.report");
	assert_int_equal(json_array_size(json_object_get(p, "rules")), 2);
	json_decref(p);
}

#define refuse(words, text) do { json_t *kept = (json_t *)0xaa; refused(AI_EUSAGE, words, plan(text, &kept, &err)); \
	assert_ptr_equal(kept, (json_t *)0xaa); } while (0)
#define STEPS(steps) "aicert: 1\ninputs: {f: {path: a/x.csv}, g: {path: b/x.csv}, d: {path: d}, t: {path: y.csv, to: resources/x.csv}, u: {path: z, to: src/deep}," \
	" o: {path: q, to: outputs/q}, w: {path: q, to: workspace/q}}\nsteps:\n" steps

static void
graphs_refused(void **state)
{
	(void)state;
	refuse("Aicertfile:4:3: steps need each other: 'a' needs 'b' needs 'a'",
		"aicert: 1\nsteps:\n  c: {use: shell, script: x, inputs: [a.outputs]}\n  a: {use: shell, script: x, inputs: [b.o]}\n  b: {use: shell, script: x, inputs: [a.o]}\n");
	refuse("'a' needs 'a'", "aicert: 1\nsteps: {a: {use: shell, script: x, inputs: [a.o]}}\n");
	refuse("there is no rule 'pyhton' (did you mean 'python'?)", "kind: pyhton\n");
	refuse("there is no input or step output 'a.modl' (did you mean 'a.model'?)",
		"aicert: 1\nsteps:\n  a: {use: shell, script: x, outputs: {model: m}}\n  b: {use: shell, script: x, inputs: [a.modl]}\n");
	refuse("(did you mean 'tokens.o'?)", "aicert: 1\nsteps:\n  tokens: {use: shell, script: x, outputs: {o: m}}\n  b: {use: shell, script: x, inputs: [tokns.o]}\n");
	refuse("step 'a' has no output 'modl' (did you mean 'a.model'?)", "aicert: 1\nsteps: {a: {use: shell, script: x, outputs: {model: m}}}\noutputs: {m: a.modl}\n");
	refuse("'shell' needs the attribute 'script'", "kind: shell\n");
	refuse("'python' takes no attribute 'pythonVersoin' (did you mean 'pythonVersion'?)", SHORT "pythonVersoin: 11\n");
	refuse("'python' takes no attribute 'limts' (did you mean 'limits'?)", SHORT "limts: {}\n");
	refuse("'python' takes no attribute 'type'", SHORT "type: git\n");
	refuse("'shell' takes no attribute 'image' (an image is written 'environment: { image: NAME }')",
		"aicert: 1\nsteps: {a: {use: shell, script: x, image: 'python:3.11'}}\n");
	refuse("its URL holds a secret", "kind: python\nsource: {type: git, gitRepo: r}\nresources: [{url: 'https://u:p@e.org/r'}]\n");
}

/* A verifier plans what a stranger wrote. */
static void
too_many(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&b, "aicert: 1\nsteps:\n");
	for (int i = 0; i < AI_MAX_STEPS + 1; i++)
		ai_buf_printf(&b, "  s%d: {use: shell, script: x}\n", i);
	AI_BUF_AUTO inputs = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_puts(&inputs, "aicert: 1\nsteps: {s: {use: shell, script: x}}\ninputs:\n");
	for (int i = 0; i < AI_MAX_INPUTS + 1; i++)
		ai_buf_printf(&inputs, "  i%d: {path: x}\n", i);
	refuse("more than 200000 inputs", inputs.data);
	refuse("steps: got 200001, expected 1 to 200000", b.data);
}

static void
places_refused(void **state)
{
	(void)state;
	refuse("come to the same place 'resources/x.csv'", STEPS("  s: {use: shell, script: x, inputs: {a: f, b: g}}\n"));
	refuse("come to the same place 'resources/x.csv'", STEPS("  s: {use: shell, script: x, inputs: {a: f, b: t}}\n"));
	refuse("come to the same place 'src/deep'", STEPS("  s: {use: shell, script: x, source: d, inputs: {b: u}}\n"));
	refuse("'outputs/q' is where results are collected", STEPS("  s: {use: shell, script: x, inputs: {b: o}}\n"));
	refuse("'workspace' is a link to the workspace itself", STEPS("  s: {use: shell, script: x, inputs: {b: w}}\n"));
	refuse("source: 'f' is a file, expected a folder", STEPS("  s: {use: python, source: f}\n"));
	refuse("always stands at 'src'", STEPS("  s: {use: shell, script: x, source: u}\n"));
	refuse("'..'", STEPS("  s: {use: shell, script: x, outputs: {m: ../m}}\n"));
	refuse("lies outside the workspace", STEPS("  s: {use: shell, script: x, outputs: {m: /etc/m}}\n"));
	refuse("lies outside the workspace", STEPS("  s: {use: shell, script: x, outputs: /workspace}\n"));
	refuse("are the same path", STEPS("  s: {use: shell, script: x, outputs: {m: a, n: a}}\n"));
	refuse("come to the same place", STEPS("  s: {use: shell, script: x, source: d, outputs: /workspace/src/out}\n"));
	refuse("type: expected file or dir, got 'fil'", STEPS("  s: {use: shell, script: x, outputs: {m: {type: fil}}}\n"));
	refuse("expected a path", STEPS("  s: {use: shell, script: x, outputs: {m: file}}\n"));
	refuse("is a folder, expected a file", STEPS("  s: {use: shell, script: x, outputs: {m: {path: a/, type: file}}}\n"));
	refuse("'exclude' is for folders", STEPS("  s: {use: shell, script: x, outputs: {m: {path: a, exclude: [b]}}}\n"));
	refuse("has no key 'pth' (did you mean 'path'?)", STEPS("  s: {use: shell, script: x, outputs: {m: {pth: a}}}\n"));
	refuse("two things would be called $IN_A_B", STEPS("  s: {use: shell, script: x, inputs: {a-b: d, a_b: f}}\n"));
	refuse("env: 'HF_TOKEN' is the name of a secret", SHORT "env: {HF_TOKEN: x}\n");
	refuse("pythonEntryPoint: path '../x.py'", SHORT "pythonEntryPoint: ../x.py\n");
}

/* A source that is not what Aicertfile and lock ask for must not get into a plan. */
static void
sources_must_fit(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\ninputs: {c: {git: 'https://e.org/r', ref: main}, f: {url: 'https://e.org/f', sha256: " BLOB_ID "}}\n"
		"steps: {s: {use: shell, script: x, source: c}}\n";
	static const char lock[] = "{\"format\":1,\"inputs\":{\"c\":{\"type\":\"git\",\"uri\":\"https://e.org/r\",\"ref\":\"main\",\"revision\":\"" COMMIT "\"},"
		"\"f\":{\"type\":\"url\",\"uri\":\"https://e.org/f\",\"sha256\":\"" BLOB_ID "\",\"size\":1}}}";
	static const struct { const char *in, *field, *value, *words; } wrong[] = {
		{ "c", "revision", "136f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2", "revision: got 136f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2, expected " COMMIT },
		{ "c", "ref", "dev", "ref: got dev, expected main" }, { "c", "uri", "https://e.org/other", "uri: got https://e.org/other" },
		{ "c", "type", "other", "type: got other, expected git" }, { "f", NULL, TREE_ID, "content: got " TREE_ID ", expected " BLOB_ID },
		{ NULL, NULL, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct ai_manifest *m = NULL;
		ok(ai_manifest_parse(text, strlen(text), "Aicertfile", NULL, &m, &err));
		struct ai_plan_source sources[2];
		for (size_t k = 0; k < 2; k++) {
			sources[k] = (struct ai_plan_source){ m->inputs[k].name, made_up_source(&m->inputs[k]) };
			if (wrong[i].in && strcmp(wrong[i].in, m->inputs[k].name) == 0)
				json_object_set_new(wrong[i].field ? sources[k].node : json_object_get(sources[k].node, "content"), wrong[i].field ? wrong[i].field : "blob",
					json_string(wrong[i].value));
		}
		struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = strlen(text), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock),
			.rules = ai_rule_builtin("shell"), .n_rules = 1, .sources = sources, .n_sources = 2, .platform = "linux/amd64" };
		json_t *p = NULL, *env = NULL;
		if (wrong[i].words) {
			refused(AI_EINPUT, wrong[i].words, ai_plan_make(&in, &p, NULL, &err));
			in.n_sources = 1;
			refused(AI_EINPUT, wrong[i].in[0] == 'c' ? ": got" : "has no source", ai_plan_make(&in, &p, NULL, &err));
		} else {
			ok(ai_plan_make(&in, &p, &env, &err));
			assert_true(json_is_true(json_object_get(json_array_get(env, 0), "host")));
			/* The run's name is the Aicertfile's to give. */
			json_t *named = NULL;
			in.name = "what the builder wishes";
			refused(AI_EUSAGE, "expected 'what the builder wishes'", ai_plan_make(&in, &named, NULL, &err));
			in.name = m->name;
			ok(ai_plan_make(&in, &named, NULL, &err));
			json_decref(named);
			in.name = NULL;
			/* A lock that pins nothing, or something else under that name, lets any commit through. */
			static const char other[] = "{\"format\":1,\"inputs\":{\"c\":{\"type\":\"git\",\"uri\":\"https://e.org/r\",\"revision\":\"" COMMIT "\"}}}";
			json_t *none = NULL;
			in.lock = "{\"format\":1,\"inputs\":{}}";
			in.lock_len = strlen(in.lock);
			refused(AI_EINPUT, "input 'c': aicert.lock has no pin", ai_plan_make(&in, &none, NULL, &err));
			in.lock = other;
			in.lock_len = strlen(in.lock);
			refused(AI_EINPUT, "input 'c': aicert.lock has no pin", ai_plan_make(&in, &none, NULL, &err));
		}
		json_decref(p);
		json_decref(env);
		for (size_t k = 0; k < 2; k++)
			json_decref(sources[k].node);
		ai_manifest_free(m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_give_one_recipe), cmocka_unit_test(shape_of_golden), cmocka_unit_test(steps_in_order),
		cmocka_unit_test(graphs_refused), cmocka_unit_test(places_refused), cmocka_unit_test(too_many), cmocka_unit_test(sources_must_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
