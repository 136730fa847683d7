/* test_plan_images.c -- what steps run in: images of the lock, each step's own, GPUs of the machine.  SPDX-License-Identifier: Apache-2.0 */
#include "plan_help.h"

#define DIGEST "sha256:f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"
#define OTHER "sha256:d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"
#define NAME "docker.io/library/python:3.11"
#define PIN(digest, env) "{\"format\":1,\"inputs\":{},\"images\":{\"" NAME "\":{\"type\":\"image\",\"uri\":\"" NAME "\",\"digest\":\"" OTHER "\"," \
	"\"revision\":\"" digest "\",\"platform\":\"linux/amd64\",\"config\":{\"env\":[" env "]}}}}"

static const char text[] = "aicert: 1\nenvironment: {image: 'python:3.11'}\nsteps:\n"
	"  a: {use: shell, script: x, outputs: {o: o}, env: {LANG: fr}}\n"
	"  b: {use: shell, script: y, outputs: {p: p}, environment: host}\n"
	"  c: {use: shell, script: z, outputs: {q: q}, limits: {gpus: 1}}\n";

static json_t *
source(const char *revision)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:{s:s}}", "kind", "source", "type", "image", "uri", NAME, "revision", revision, "content", "tree", TREE_ID);
}

static int
make(const char *lock, json_t *node, const char *gpus, json_t **out, json_t **environments, struct ai_err *err)
{
	struct ai_plan_source s = { NAME, node };
	json_t *g = gpus ? json_loads(gpus, 0, NULL) : NULL;
	struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = strlen(text), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock),
		.rules = ai_rule_builtin("shell"), .n_rules = 1, .sources = &s, .n_sources = node ? 1 : 0, .platform = "linux/amd64", .gpus = g };
	int rc = ai_plan_make(&in, out, environments, err);
	json_decref(g);
	json_decref(node);
	return rc;
}

#define GPU "[{\"model\":\"NVIDIA A\",\"driver\":\"535\"},{\"model\":\"NVIDIA B\",\"driver\":\"535\"}]"

static const char *
variable(const json_t *plan, size_t step, const char *name)
{
	const json_t *recipe = json_object_get(json_array_get(json_object_get(plan, "steps"), step), "recipe");
	const json_t *env = json_object_get(json_array_get(json_object_get(recipe, "actions"), 0), "env");
	for (size_t i = 0; i < json_array_size(env); i++)
		if (strcmp(ai_json_str(json_array_get(env, i), "name"), name) == 0)
			return ai_json_str(json_array_get(env, i), "value");
	return NULL;
}

static void
each_step_its_own(void **state)
{
	(void)state;
	json_t *plan = NULL, *envs = NULL;
	ok(make(PIN(DIGEST, "{\"name\":\"HOME\",\"value\":\"/root\"},{\"name\":\"LANG\",\"value\":\"de\"},{\"name\":\"PATH\",\"value\":\"/opt/conda/bin\"}"),
		source(DIGEST), GPU, &plan, &envs, &err));
	assert_int_equal(json_array_size(envs), 3);
	const json_t *a = json_array_get(envs, 0), *b = json_array_get(envs, 1), *c = json_array_get(envs, 2);
	assert_string_equal(ai_json_str(ai_json_obj(a, "image"), "manifest"), DIGEST);
	assert_string_equal(ai_json_str(ai_json_obj(a, "image"), "content"), TREE_ID);
	assert_null(json_object_get(a, "host"));
	assert_true(json_is_true(json_object_get(b, "host")));
	assert_int_equal(json_array_size(json_object_get(c, "gpus")), 1);
	assert_string_equal(ai_json_str(json_array_get(json_object_get(c, "gpus"), 0), "model"), "NVIDIA A");
	/* The image's variables over ours, the step's over the image's; where the step may write is never the image's to say. */
	assert_string_equal(variable(plan, 0, "PATH"), "/opt/conda/bin");
	assert_string_equal(variable(plan, 0, "LANG"), "fr");
	assert_string_equal(variable(plan, 2, "LANG"), "de");
	assert_string_equal(variable(plan, 0, "HOME"), "/home/aicert");
	assert_string_equal(variable(plan, 1, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	assert_int_equal(json_array_size(json_object_get(plan, "sources")), 1);
	json_decref(plan);
	json_decref(envs);
}

static void
refusals(void **state)
{
	(void)state;
	json_t *plan = NULL;
	refused(AI_EINPUT, "has no source", make(PIN(DIGEST, ""), NULL, GPU, &plan, NULL, &err));
	refused(AI_EINPUT, "revision: got " DIGEST ", expected " OTHER, make(PIN(OTHER, ""), source(DIGEST), GPU, &plan, NULL, &err));
	refused(AI_EINPUT, "aicert.lock has no pin", make("{\"format\":1,\"inputs\":{}}", source(DIGEST), GPU, &plan, NULL, &err));
	refused(AI_EINPUT, "'images' is not an object", make("{\"format\":1,\"inputs\":{},\"images\":[]}", source(DIGEST), GPU, &plan, NULL, &err));
	refused(AI_EINPUT, "'env': expected names and values, sorted", make(PIN(DIGEST, "{\"name\":\"B\",\"value\":\"\"},{\"name\":\"A\",\"value\":\"\"}"),
		source(DIGEST), GPU, &plan, NULL, &err));
	refused(AI_EENV, "limits: gpus: got 1, expected at most 0", make(PIN(DIGEST, ""), source(DIGEST), NULL, &plan, NULL, &err));
	json_t *url = json_pack("{s:s,s:s,s:s,s:{s:s}}", "kind", "source", "type", "url", "uri", NAME, "content", "tree", TREE_ID);
	refused(AI_EINPUT, "type: got url, expected image", make(PIN(DIGEST, ""), url, GPU, &plan, NULL, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_step_its_own), cmocka_unit_test(refusals) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
