/*
 * fake_images.h -- a proof of a real plan (image, host, and two steps with GPUs), and the places where a builder with a good key could lie of it.
 *
 * Each lie changes a part before what is built on it is made and signed, so that all ids and signatures hold.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_IMAGES_H
#define FAKE_IMAGES_H

#include "proof_cases.h"

#include "api_hooks.h"
#include "model/recipe.h"
#include "run/plan/plan.h"

#define DIGEST "sha256:f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"
#define OTHER "sha256:d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"
#define TREE "d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"
#define NAME "docker.io/library/python:3.11"
#define PATH_OF_IMAGE "{\"name\":\"PATH\",\"value\":\"/opt/conda/bin\"}"
#define LOCK(name, digest, platform, env) "{\"format\":1,\"inputs\":{},\"images\":{\"" name "\":{\"type\":\"image\",\"uri\":\"" name "\",\"digest\":\"" digest "\"," \
	"\"revision\":\"" DIGEST "\",\"platform\":\"" platform "\",\"config\":{\"env\":[" env "]}}}}"
#define STEP(name, more) "  " name ": {use: shell, script: 'echo " name "', outputs: {" name "-out: {path: " name ", type: file}}" more "}\n"

static const char aicertfile[] = "aicert: 1\nname: guide\nenvironment: {image: 'python:3.11'}\nsteps:\n"
	STEP("here", ", environment: host") STEP("image", "") STEP("one", ", limits: {gpus: 1}") STEP("two", ", limits: {gpus: 2}");
static const char lock[] = LOCK(NAME, OTHER, "linux/amd64", PATH_OF_IMAGE);
enum { HERE, IMAGE, ONE, TWO, N_STEPS };

/* Where to lie; NULL: as it should be. */
static fake_hook *on_plan, *on_result[N_STEPS], *on_claims;
static const char *withhold_kind;
static inline json_t *plan_images(struct fake *x);
static json_t *(*plan_it)(struct fake *x);

static inline int
set_up(void **state)
{
	on_plan = on_claims = NULL;
	memset(on_result, 0, sizeof on_result);
	withhold_kind = NULL;
	plan_it = plan_images;
	return setup(state);
}

static inline json_t *
image_source(const char *uri, const char *revision)
{
	return fake_json("{'kind':'source','type':'image','uri':'%s','revision':'%s','content':{'tree':'" TREE "'}}", uri, revision);
}

static inline json_t *
recipe(json_t *plan, int step)
{
	return json_object_get(json_array_get(json_object_get(plan, "steps"), (size_t)step), "recipe");
}

/* Lets a step run in another environment. */
static inline void
run_in(struct fake *x, json_t *plan, int step, json_t *environment)
{
	char id[AI_HEX];
	fake_put(x, environment, id);
	json_object_set_new(recipe(plan, step), "environment", json_string(id));
}

static inline json_t *
environment_of(struct fake *x, json_t *plan, int step)
{
	return json_deep_copy(json_object_get(x->nodes, ai_json_str(recipe(plan, step), "environment")));
}

static inline int
no_output(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err)
{
	(void)ctx, (void)out;
	return ai_fail(err, AI_EINPUT, "%s.%s", step, output);
}

static inline json_t *
plan_images(struct fake *x)
{
	json_t *source = image_source(NAME, DIGEST), *gpus = fake_json("[{'model':'A','driver':'535'},{'model':'B','driver':'535'}]"), *plan = NULL, *environments = NULL, *e;
	struct ai_plan_source s = { NAME, source };
	const struct ai_rule_text *rule = ai_rule_builtin("shell");
	struct ai_plan_in in = { .aicertfile = aicertfile, .aicertfile_len = strlen(aicertfile), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock),
		.rules = rule, .n_rules = 1, .sources = &s, .n_sources = 1, .platform = "linux/amd64", .gpus = gpus };
	char id[AI_HEX];
	size_t i;
	ok(ai_plan_make(&in, &plan, &environments, &err));
	json_array_foreach(environments, i, e)
		fake_put(x, json_incref(e), id);
	fake_put(x, source, id);
	fake_blob(x, aicertfile, id);
	fake_blob(x, lock, id);
	fake_blob(x, rule->text, id);
	json_decref(environments);
	json_decref(gpus);
	/* A recipe's `env` is shared with every later plan of this thread (rule.h): a lie in it would be told by the planner that judges it, too. */
	json_t *own = json_deep_copy(plan);
	json_decref(plan);
	return own;
}

/* The result of a step, and its output among the run's. */
static inline void
result_of(struct fake *x, json_t *plan, int i, json_t *results, json_t *executed, json_t *outputs)
{
	json_t *step = NULL, *r = recipe(plan, i), *env = json_object_get(x->nodes, ai_json_str(r, "environment"));
	const char *name = ai_json_str(json_array_get(json_object_get(plan, "steps"), (size_t)i), "name");
	const char *output = ai_json_str(json_array_get(json_object_get(r, "outputs"), 0), "name");
	char id[AI_HEX], weights[AI_HEX];
	ok(ai_recipe_step(r, no_output, NULL, &step, &err));
	fake_put(x, step, id);
	fake_blob(x, name, weights);
	json_t *result = fake_json("{'kind':'result','step':'%s','outputs':[{'blob':'%s','name':'%s'}]}", id, weights, output);
	if (json_object_get(env, "host"))
		json_object_set_new(result, "used", json_string(x->used));
	fake_call(on_result[i], x, result);
	fake_put(x, result, id);
	json_array_append_new(results, json_pack("{s:s,s:s}", "name", name, "id", id));
	json_array_append_new(executed, json_string(id));
	json_array_append_new(outputs, json_pack("{s:s,s:s}", "name", output, "blob", weights));
}

static inline void
withhold(json_t *proof)
{
	const char *id;
	json_t *node, *nodes = json_object_get(proof, "nodes");
	void *next;
	json_object_foreach_safe(nodes, next, id, node)
		if (withhold_kind && strcmp(ai_json_str(node, "kind"), withhold_kind) == 0)
			json_object_set_new(nodes, id, fake_json("{'kind':'withheld'}"));
}

/* NULL when what was changed lets no proof be made. */
static inline json_t *
try_make(void)
{
	struct ai_digest d;
	struct ai_err made = { 0 };
	char source[AI_HEX], claims_id[AI_HEX];
	json_t *results = json_array(), *executed = json_array(), *outputs = json_array(), *proof = NULL, *plan = plan_it(&f);
	const int n_steps = (int)json_array_size(json_object_get(plan, "steps"));
	fake_put(&f, fake_json("{'kind':'used','files':[],'absent':[],'listed':[]}"), f.used);
	fake_put(&f, image_source(NAME, DIGEST), source);
	fake_call(on_plan, &f, plan);
	for (int i = 0; i < n_steps; i++)
		result_of(&f, plan, i, results, executed, outputs);
	fake_put(&f, plan, f.plan);
	fake_put(&f, json_pack("{s:s,s:i,s:s,s:s,s:o,s:o,s:[]}", "kind", "run", "format", 1, "name", "guide", "plan", f.plan, "results", results, "outputs", outputs,
		"lineage"), f.root);
	fake_fingerprint(&f.tpm, f.key);
	json_t *claims = fake_json("{'kind':'claims','plan':'%s','root':'%s','reused':[],'failed':[],'verified':[{'id':'%s','how':'oci'}],"
		"'started':'2026-01-02T00:00:00Z','finished':'2026-01-02T00:00:05Z','machine':{},'program':{'version':'0.1.0','sha256':'%s'},'ak':'%s',"
		"'boot_log':'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}", f.plan, f.root, source, f.root, f.key);
	json_object_set(claims, "executed", executed);
	fake_call(on_claims, &f, claims);
	ok(ai_json_id(claims, &d, &err));
	ai_hex(&d, claims_id);
	json_t *log = fake_json("[{'event':'plan','id':'%s'},{'event':'results','ids':[]},{'event':'claims','id':'%s'}]", f.plan, claims_id);
	json_object_set_new(json_array_get(log, 1), "ids", executed);
	json_t *attestation = fake_attestation(&f.tpm, claims, log);
	struct ai_proof_source src = { fake_get_node, fake_get_blob, fake_get_attestation, &f, false, NULL };
	ai_unhex(f.root, &d);
	int r = ai_proof_make(&d, attestation, &src, &proof, &made);
	json_decref(claims);
	json_decref(log);
	json_decref(attestation);
	if (r == 0)
		withhold(proof);
	return r == 0 ? proof : NULL;
}

static inline json_t *
make(void)
{
	json_t *proof = try_make();
	assert_non_null(proof);
	return proof;
}

/* For lies in sources: the claims say nothing of the one that was replaced. */
static inline void
lie_nothing_verified(struct fake *x, json_t *claims)
{
	(void)x;
	json_object_set_new(claims, "verified", json_array());
}

#endif
