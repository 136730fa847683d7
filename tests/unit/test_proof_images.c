/*
 * test_proof_images.c -- proofs of a builder who lies, with a good key, about what his steps ran in.
 *
 * What the lies are held against are the checks on the DAG and, where they need Aicertfile and lock, the plan made again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_images.h"

#include "model/lock_wheels.h"

static json_t *
judge(json_t *proof, bool planner, bool allow_withheld, int want)
{
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .replan = planner ? ai_replan : NULL, .allow_withheld = allow_withheld };
	struct ai_err err = { 0 };
	json_t *report = NULL;
	int r = fake_verify(&f, proof, &o, &report, &err);
	if (r != want)
		fail_msg("got %d '%s', expected %d", r, err.text, want);
	json_decref(proof);
	return report;
}

static void
expect_said(json_t *report, const char *check, const char *status, const char *words)
{
	const json_t *c = fake_check_named(report, check);
	if (strcmp(ai_json_str(c, "status"), status) != 0 || !strstr(ai_json_str(c, "compared"), words))
		fail_msg("check '%s' is %s: '%s', which lacks '%s'", check, ai_json_str(c, "status"), ai_json_str(c, "compared"), words);
	json_decref(report);
}

/* Refused by a check of the DAG, with and without a planner. */
static void
refused_by_all(const char *check, const char *words)
{
	json_t *proof = make();
	expect_said(judge(json_incref(proof), false, false, AI_ENO), check, "failed", words);
	expect_said(judge(proof, true, false, AI_ENO), check, "failed", words);
}

/* Refused by the plan made again; without a planner the report says that this was not looked at. */
static void
refused_by_plan(const char *words)
{
	json_t *proof = make();
	expect_said(judge(json_incref(proof), true, false, AI_ENO), "planned again", "failed", words);
	expect_said(judge(proof, false, false, 0), "planned again", "skipped", "no planner");
}

static void
as_it_is(void **state)
{
	(void)state;
	json_t *report = judge(make(), true, false, 0);
	assert_string_equal(ai_json_str(report, "level"), "software");
	assert_string_equal(ai_json_str(json_array_get(json_object_get(report, "inputs"), 0), "hash"), DIGEST);
	expect_said(report, "planned again", "passed", "made again");
}

#define LIE(name, hook, by, ...) static void name(void **state) { (void)state; hook = lie_##name; by(__VA_ARGS__); }

/* --- another image than the plan's source ---------------------------------------------------------------------- */

static void
lie_other_manifest(struct fake *x, json_t *plan)
{
	json_t *env = environment_of(x, plan, IMAGE);
	json_object_set_new(json_object_get(env, "image"), "manifest", json_string(OTHER));
	run_in(x, plan, IMAGE, env);
}
LIE(other_manifest, on_plan, refused_by_all, "plan", "which is no source of the plan")

static void
lie_other_content(struct fake *x, json_t *plan)
{
	json_t *env = environment_of(x, plan, IMAGE);
	json_object_set_new(json_object_get(env, "image"), "content", json_string(nowhere));
	run_in(x, plan, IMAGE, env);
}
LIE(other_content, on_plan, refused_by_all, "plan", "which is no source of the plan")

static void lie_image_without_source(struct fake *x, json_t *plan) { (void)x; json_object_set_new(plan, "sources", json_array()); }
static void
image_without_source(void **state)
{
	(void)state;
	on_plan = lie_image_without_source;
	on_claims = lie_nothing_verified;
	refused_by_all("plan", "which is no source of the plan");
}

/* The summary would show an image that no step ran in. */
static void
lie_source_without_use(struct fake *x, json_t *plan)
{
	char id[AI_HEX];
	fake_put(x, image_source("docker.io/library/pytorch:2.1", OTHER), id);
	json_array_append_new(json_object_get(plan, "sources"), json_pack("{s:s,s:s}", "name", "docker.io/library/pytorch:2.1", "id", id));
}
LIE(source_without_use, on_plan, refused_by_all, "plan", "no step ran in it")

/* All ran in the host, and the image stays for show. */
static void
lie_image_for_show(struct fake *x, json_t *plan)
{
	for (int i = IMAGE; i < N_STEPS; i++)
		run_in(x, plan, i, environment_of(x, plan, HERE));
}
LIE(image_for_show, on_plan, refused_by_all, "plan", "no step ran in it")

/* The source itself: its revision is what the claims' 'oci' publishes as its hash, so it must be a digest; its content is a tree. */
static void
replace_source(struct fake *x, json_t *plan, json_t *node)
{
	char id[AI_HEX];
	fake_put(x, node, id);
	json_object_set_new(json_array_get(json_object_get(plan, "sources"), 0), "id", json_string(id));
}
static void lie_revision_of_words(struct fake *x, json_t *plan) { replace_source(x, plan, image_source(NAME, "the official image")); }
static void
lie_no_revision(struct fake *x, json_t *plan)
{
	json_t *node = image_source(NAME, DIGEST);
	json_object_del(node, "revision");
	replace_source(x, plan, node);
}
static void
lie_image_of_a_file(struct fake *x, json_t *plan)
{
	char csv[AI_HEX];
	fake_blob(x, "csv", csv);
	replace_source(x, plan, fake_json("{'kind':'source','type':'image','uri':'" NAME "','revision':'" DIGEST "','content':{'blob':'%s'}}", csv));
}

static void
sources_that_are_no_images(void **state)
{
	static fake_hook *const lies[] = { lie_revision_of_words, lie_no_revision, lie_image_of_a_file };
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct ai_err err = { 0 };
		json_t *plan = json_object(), *sources = json_pack("[{s:s}]", "name", NAME);
		json_object_set_new(plan, "sources", sources);
		lies[i](&f, plan);
		const json_t *node = json_object_get(f.nodes, ai_json_str(json_array_get(sources, 0), "id"));
		assert_int_equal(ai_node_check(node, &err), AI_EINPUT);
		json_decref(plan);
		(void)state;
	}
}

/* --- what a verifier can know only by planning again ------------------------------------------------------------------ */

static void
lie_other_platform(struct fake *x, json_t *plan)
{
	json_t *env = environment_of(x, plan, TWO);
	json_object_set_new(env, "platform", json_string("linux/arm64"));
	run_in(x, plan, TWO, env);
}
LIE(other_platform, on_plan, refused_by_plan, "expected")

static void
lie_all_of_another_platform(struct fake *x, json_t *plan)
{
	for (int i = 0; i < N_STEPS; i++) {
		json_t *env = environment_of(x, plan, i);
		json_object_set_new(env, "platform", json_string("linux/arm64"));
		run_in(x, plan, i, env);
	}
}
LIE(all_of_another_platform, on_plan, refused_by_plan, "no pin for it")

static void
with_gpus(struct fake *x, json_t *plan, int step, const char *gpus)
{
	json_t *env = environment_of(x, plan, step);
	json_object_del(env, "gpus");
	if (gpus)
		json_object_set_new(env, "gpus", fake_json("%s", gpus));
	run_in(x, plan, step, env);
}
#define A "{'model':'A','driver':'535'}"
#define B "{'model':'B','driver':'535'}"
static void lie_gpus_not_asked_for(struct fake *x, json_t *plan) { with_gpus(x, plan, IMAGE, "[" A "]"); }
LIE(gpus_not_asked_for, on_plan, refused_by_plan, "expected")
static void lie_more_gpus(struct fake *x, json_t *plan) { with_gpus(x, plan, TWO, "[" A "," B "," A "]"); }
LIE(more_gpus, on_plan, refused_by_plan, "expected")
static void lie_gpus_turned(struct fake *x, json_t *plan) { with_gpus(x, plan, TWO, "[" B "," A "]"); }
LIE(gpus_turned, on_plan, refused_by_plan, "expected")
static void lie_other_first_gpu(struct fake *x, json_t *plan) { with_gpus(x, plan, ONE, "[" B "]"); }
LIE(other_first_gpu, on_plan, refused_by_plan, "expected")
/* That the machine had none is the proof's fault, not a lack of the verifier's machine. */
static void lie_fewer_gpus(struct fake *x, json_t *plan) { with_gpus(x, plan, TWO, "[" A "]"); }
LIE(fewer_gpus, on_plan, refused_by_plan, "gpus")
static void lie_no_gpus(struct fake *x, json_t *plan) { with_gpus(x, plan, ONE, NULL); with_gpus(x, plan, TWO, NULL); }
LIE(no_gpus, on_plan, refused_by_plan, "gpus")

static void lie_host_for_image(struct fake *x, json_t *plan) { run_in(x, plan, IMAGE, environment_of(x, plan, HERE)); }
LIE(host_for_image, on_plan, refused_by_plan, "expected")
static void lie_image_for_host(struct fake *x, json_t *plan) { run_in(x, plan, HERE, environment_of(x, plan, IMAGE)); }
LIE(image_for_host, on_plan, refused_by_plan, "expected")

static void
set_variable(json_t *plan, const char *name, const char *value)
{
	json_t *env = json_object_get(json_array_get(json_object_get(recipe(plan, IMAGE), "actions"), 0), "env");
	size_t i = 0;
	while (i < json_array_size(env) && strcmp(ai_json_str(json_array_get(env, i), "name"), name) < 0)
		i++;
	if (i < json_array_size(env) && strcmp(ai_json_str(json_array_get(env, i), "name"), name) == 0)
		json_array_remove(env, i);
	json_array_insert_new(env, i, json_pack("{s:s,s:s}", "name", name, "value", value));
}
static void lie_variable_of_nobody(struct fake *x, json_t *plan) { (void)x; set_variable(plan, "LD_PRELOAD", "/opt/evil.so"); }
LIE(variable_of_nobody, on_plan, refused_by_plan, "expected")
static void lie_other_value(struct fake *x, json_t *plan) { (void)x; set_variable(plan, "PATH", "/evil"); }
LIE(other_value, on_plan, refused_by_plan, "expected")

/* --- another lock, or another Aicertfile, than the plan was made from ------------------------------------------------------ */

static void
replace_text(struct fake *x, json_t *plan, const char *field, const char *text)
{
	char id[AI_HEX];
	fake_blob(x, text, id);
	json_object_set_new(plan, field, json_string(id));
}
#define LOCKED(name, words, ...) \
	static void lie_##name(struct fake *x, json_t *plan) { replace_text(x, plan, "lock", __VA_ARGS__); } \
	LIE(name, on_plan, refused_by_plan, words)
LOCKED(lock_of_other_variables, "expected", LOCK(NAME, OTHER, "linux/amd64", ""))
LOCKED(lock_with_a_secret, "secret", LOCK(NAME, OTHER, "linux/amd64", "{\"name\":\"API_TOKEN\",\"value\":\"x\"}"))
LOCKED(lock_with_no_variable, "variable", LOCK(NAME, OTHER, "linux/amd64", "{\"name\":\"A-B\",\"value\":\"x\"}"))
LOCKED(lock_with_a_variable_twice, "sorted", LOCK(NAME, OTHER, "linux/amd64", PATH_OF_IMAGE "," PATH_OF_IMAGE))
LOCKED(lock_of_another_platform, "no pin", LOCK(NAME, OTHER, "linux/arm64", PATH_OF_IMAGE))
LOCKED(lock_of_another_image, "no pin", LOCK("docker.io/library/python:3.12", OTHER, "linux/amd64", PATH_OF_IMAGE))
LOCKED(no_lock, "no pin", "{\"format\":1,\"inputs\":{}}")
/* A name that means the same image is another key, and pins nothing. */
LOCKED(lock_of_a_like_name, "no pin", "{\"format\":1,\"inputs\":{},\"images\":{\"python:3.11\":{\"type\":\"image\",\"uri\":\"" NAME "\",\"digest\":\"" OTHER "\","
	"\"revision\":\"" DIGEST "\",\"platform\":\"linux/amd64\",\"config\":{\"env\":[" PATH_OF_IMAGE "]}}}}")

/* The Aicertfile names the image by a digest that the lock's pin is not of. */
#define BY_DIGEST "docker.io/library/python@" DIGEST
static void
lie_digest_that_is_not_pinned(struct fake *x, json_t *plan)
{
	char id[AI_HEX];
	replace_text(x, plan, "aicertfile", "aicert: 1\nname: guide\nenvironment: {image: 'python@" DIGEST "'}\nsteps:\n"
		STEP("here", ", environment: host") STEP("image", "") STEP("one", ", limits: {gpus: 1}") STEP("two", ", limits: {gpus: 2}"));
	replace_text(x, plan, "lock", LOCK(BY_DIGEST, OTHER, "linux/amd64", PATH_OF_IMAGE));
	fake_put(x, image_source(BY_DIGEST, DIGEST), id);
	json_object_set_new(plan, "sources", json_pack("[{s:s,s:s}]", "name", BY_DIGEST, "id", id));
}
static void
digest_that_is_not_pinned(void **state)
{
	(void)state;
	on_plan = lie_digest_that_is_not_pinned;
	on_claims = lie_nothing_verified;
	refused_by_plan("no pin");
}

/* --- results and claims ------------------------------------------------------------------------------------------------------ */

static void lie_used_in_image(struct fake *x, json_t *result) { json_object_set_new(result, "used", json_string(x->used)); }
LIE(used_in_image, on_result[IMAGE], refused_by_all, "plan", "its environment is an image")
static void lie_host_without_used(struct fake *x, json_t *result) { (void)x; json_object_del(result, "used"); }
LIE(host_without_used, on_result[HERE], refused_by_all, "plan", "does not say what it used")

static void
set_how(json_t *claims, const char *how)
{
	json_object_set_new(json_array_get(json_object_get(claims, "verified"), 0), "how", json_string(how));
}
static void lie_image_by_git(struct fake *x, json_t *claims) { (void)x; set_how(claims, "git"); }
LIE(image_by_git, on_claims, refused_by_all, "claims", "is not how a source of type 'image'")
static void lie_image_by_sha256(struct fake *x, json_t *claims) { (void)x; set_how(claims, "sha256"); }
LIE(image_by_sha256, on_claims, refused_by_all, "claims", "is not how a source of type 'image'")

/* Nobody tied manifest and content: then what is published is the content's id, which was seen. */
static void how_none(struct fake *x, json_t *claims) { (void)x; set_how(claims, "none"); }
static void
not_verified_shows_the_content(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		on_claims = i ? how_none : lie_nothing_verified;
		json_t *report = judge(make(), true, false, 0);
		assert_string_equal(ai_json_str(json_array_get(json_object_get(report, "inputs"), 0), "hash"), TREE);
		json_decref(report);
	}
}

/* --- wheels --------------------------------------------------------------------------------------------------------------------- */

#define WHEELS(sha256) "{\"format\":1,\"inputs\":{},\"wheels\":{\"t\":{\"requirements\":\"" TREE "\",\"files\":[{\"name\":\"a-1-py3-none-any.whl\",\"sha256\":\"" \
	sha256 "\",\"size\":1,\"uri\":\"https://example.org/a-1-py3-none-any.whl\"}]}}}"
static const char with_wheels[] = "aicert: 1\nname: guide\ninputs: {code: {path: src}}\nsteps:\n  t: {use: python, source: code, outputs: {m: {path: m, type: file}}}\n";
static const char wheels_lock[] = WHEELS(TREE);

static json_t *
wheels_source(const char *text)
{
	json_t *l = json_loads(text, 0, NULL), *node = NULL;
	ok(ai_wheels_source(ai_lock_wheels(l, "t"), AI_WHEELS, &node, &err));
	json_decref(l);
	return node;
}

static json_t *
plan_wheels(struct fake *x)
{
	json_t *wheels = wheels_source(wheels_lock), *plan = NULL, *environments = NULL;
	json_t *code = fake_json("{'kind':'source','type':'path','uri':'src','content':{'tree':'" TREE "'}}");
	struct ai_plan_source s[] = { { "code", code }, { "t/wheels", wheels } };
	const struct ai_rule_text *rule = ai_rule_builtin("python");
	struct ai_plan_in in = { .aicertfile = with_wheels, .aicertfile_len = strlen(with_wheels), .file = "Aicertfile", .lock = wheels_lock,
		.lock_len = strlen(wheels_lock), .rules = rule, .n_rules = 1, .sources = s, .n_sources = 2, .platform = "linux/amd64" };
	char id[AI_HEX];
	ok(ai_plan_make(&in, &plan, &environments, &err));
	fake_put(x, json_incref(json_array_get(environments, 0)), id);
	fake_put(x, code, id);
	fake_put(x, wheels, id);
	fake_blob(x, with_wheels, id);
	fake_blob(x, wheels_lock, id);
	fake_blob(x, rule->text, id);
	json_decref(environments);
	return plan;
}

/* Other packages than the lock's: source and recipe agree, the lock does not. */
static void
lie_other_wheels(struct fake *x, json_t *plan)
{
	json_t *node = wheels_source(WHEELS("1111111111111111111111111111111111111111111111111111111111111111"));
	json_t *inputs = json_object_get(recipe(plan, 0), "inputs"), *in;
	const char *tree = ai_json_str(json_object_get(node, "content"), "tree");
	char id[AI_HEX];
	size_t i;
	json_array_foreach(inputs, i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/wheels") == 0)
			json_object_set_new(in, "tree", json_string(tree));
	fake_put(x, node, id);
	json_object_set_new(json_array_get(json_object_get(plan, "sources"), 1), "id", json_string(id));
}

/* Packages that nothing pins, and packages pinned that the step did not get. */
static void lie_wheels_without_pins(struct fake *x, json_t *plan) { replace_text(x, plan, "lock", "{\"format\":1,\"inputs\":{}}"); }
static void
lie_pins_without_wheels(struct fake *x, json_t *plan)
{
	(void)x;
	json_array_remove(json_object_get(plan, "sources"), 1);
	json_array_remove(json_object_get(recipe(plan, 0), "inputs"), 1);
}
static void lie_pins_of_others(struct fake *x, json_t *plan) { replace_text(x, plan, "lock", WHEELS("2222222222222222222222222222222222222222222222222222222222222222")); }

static void
wheels_that_the_lock_does_not_pin(void **state)
{
	static const struct { fake_hook *lie; const char *words; } lies[] = {
		{ lie_other_wheels, "is not what aicert.lock pins" }, { lie_wheels_without_pins, "is no input of" },
		{ lie_pins_without_wheels, "has no source" }, { lie_pins_of_others, "is not what aicert.lock pins" },
	};
	(void)state;
	plan_it = plan_wheels;
	on_claims = lie_nothing_verified;
	expect_said(judge(make(), true, false, 0), "planned again", "passed", "made again");
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		on_plan = lies[i].lie;
		refused_by_plan(lies[i].words);
	}
}

/* --- withheld -------------------------------------------------------------------------------------------------------------------- */

/* Allowed, it is a verdict with holes that are named; not allowed, none. Whatever was not looked at has not passed. */
static void
withheld_kinds(void **state)
{
	(void)state;
	static const char *const kinds[] = { "environment", "source" };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		withhold_kind = kinds[i];
		json_t *proof = make();
		/* What the summary says of a withheld source is its id. */
		json_t *input = json_array_get(json_object_get(proof, "inputs"), 0);
		if (i == 1)
			json_object_set_new(proof, "inputs", json_pack("[{s:s,s:s,s:s,s:O}]", "type", "withheld", "name", NAME, "download_url", "", "hash",
				json_object_get(json_array_get(json_object_get(json_object_get(json_object_get(proof, "nodes"), f.plan), "sources"), 0), "id")));
		assert_non_null(input);
		expect_said(judge(json_incref(proof), true, false, AI_ENO), "withheld", "failed", "withheld");
		expect_said(judge(json_incref(proof), true, true, 0), "planned again", "skipped", "withheld");
		expect_said(judge(proof, true, true, 0), "plan", "passed", "of a withheld");
	}
}

int
main(void)
{
#define I(name) cmocka_unit_test_setup_teardown(name, set_up, teardown)
	static const struct CMUnitTest tests[] = {
		I(as_it_is), I(other_manifest), I(other_content), I(image_without_source), I(source_without_use), I(image_for_show), I(sources_that_are_no_images),
		I(other_platform), I(all_of_another_platform), I(gpus_not_asked_for), I(more_gpus), I(gpus_turned), I(other_first_gpu), I(fewer_gpus), I(no_gpus),
		I(host_for_image), I(image_for_host), I(variable_of_nobody), I(other_value), I(lock_of_other_variables), I(lock_with_a_secret),
		I(lock_with_no_variable), I(lock_with_a_variable_twice), I(lock_of_another_platform), I(lock_of_another_image), I(no_lock), I(lock_of_a_like_name),
		I(digest_that_is_not_pinned), I(used_in_image), I(host_without_used), I(image_by_git), I(image_by_sha256), I(not_verified_shows_the_content),
		I(wheels_that_the_lock_does_not_pin), I(withheld_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
