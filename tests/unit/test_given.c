/* test_given.c -- a plan made for a project is made again from what it names, without the project.  SPDX-License-Identifier: Apache-2.0 */
#include "plan_help.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "model/lock_wheels.h"
#include "run/given.h"

#define DIGEST "sha256:f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"
#define IMAGE "docker.io/library/python:3.11"
#define IMAGES(env) ",\"images\":{\"" IMAGE "\":{\"type\":\"image\",\"uri\":\"" IMAGE "\",\"digest\":\"" DIGEST "\",\"revision\":\"" DIGEST "\"," \
	"\"platform\":\"linux/amd64\",\"config\":{\"env\":[" env "]}}}"
#define GIT "\"code\":{\"type\":\"git\",\"uri\":\"https://example.org/r\",\"ref\":\"main\",\"revision\":\"" COMMIT "\"}"
#define WHEELS(more) ",\"wheels\":{\"t\":{\"requirements\":\"" TREE_ID "\",\"files\":[{\"name\":\"a-1-py3-none-any.whl\",\"sha256\":\"%s\"," \
	"\"size\":5,\"uri\":\"https://example.org/a\"}]" more "}}"

static char *place;              /* this program's folder */
static struct ai_home home;
static char *home_path;

/* A project as a run outside has it: texts, sources with content in the store, the plan. */
struct project {
	struct ai_store *store;
	struct ai_plan_source sources[8];
	size_t n;
	json_t *parameters;  /* NULL: none */
	json_t *plan;
	struct ai_digest plan_id;
};

static void
begin(struct project *p)
{
	*p = (struct project){ 0 };
	ok(ai_store_open(&home, &p->store, &err));
}

/* A file of five bytes, or a folder with it. */
static struct ai_ref
content(struct project *p, bool folder)
{
	struct ai_ref ref = { AI_REF_BLOB, { { 0 } } };
	ok(ai_store_put_bytes(p->store, "bytes", 5, &ref.id, &err));
	if (!folder)
		return ref;
	const struct ai_sink *sink = ai_store_sink(p->store);
	struct ai_entry e = { .name = (char *)"a.txt", .type = AI_ENTRY_FILE, .id = ref.id };
	ref.type = AI_REF_TREE;
	ok(sink->tree(sink->ctx, &e, 1, &ref.id, &err));
	return ref;
}

static void
source(struct project *p, const char *name, const char *type, const char *uri, const char *ref, const char *revision, bool folder)
{
	struct ai_ref c = content(p, folder);
	json_t *node = json_pack("{s:s,s:s,s:s,s:{}}", "kind", "source", "type", type, "uri", uri, "content");
	ok(ai_ref_set(json_object_get(node, "content"), &c, &err));
	if (ref)
		json_object_set_new(node, "ref", json_string(ref));
	if (revision)
		json_object_set_new(node, "revision", json_string(revision));
	p->sources[p->n++] = (struct ai_plan_source){ name, node };
}

/* Plans; every node and text that the plan names goes into the store but for the project's folder. rules NULL: the built-in one of that name. */
static void
plan_it(struct project *p, const char *text, const char *lock, const struct ai_rule_text *rules, size_t n_rules)
{
	struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = strlen(text), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock), .rules = rules,
		.n_rules = n_rules, .parameters = p->parameters, .sources = p->sources, .n_sources = p->n, .platform = "linux/amd64" };
	struct ai_digest id;
	ok(ai_plan_make(&in, &p->plan, NULL, &err));
	ok(ai_json_id(p->plan, &p->plan_id, &err));
	ok(ai_store_put_bytes(p->store, text, strlen(text), &id, &err));
	ok(ai_store_put_bytes(p->store, lock, strlen(lock), &id, &err));
	for (size_t i = 0; i < n_rules; i++)
		ok(ai_store_put_bytes(p->store, rules[i].text, rules[i].len, &id, &err));
	ai_store_close(p->store);
	p->store = NULL;
}

/* The sources in the order of the plan. */
static size_t
given_of(const struct project *p, struct ai_given_source out[8])
{
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(p->plan, "sources"), i, s)
		for (size_t k = 0; k < p->n; k++)
			if (strcmp(p->sources[k].name, ai_json_str(s, "name")) == 0)
				out[i] = (struct ai_given_source){ p->sources[k].name, p->sources[k].node, "sha256" };
	return p->n;
}

static void
end(struct project *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->sources[i].node);
	json_decref(p->plan);
	json_decref(p->parameters);
}

/* Opened, planned again: the same id. */
static void
same_again(struct project *p)
{
	struct ai_given_source given[8];
	struct ai_job job;
	const struct ai_run_options o = { .home = home_path, .locked = true };
	ok(ai_job_open_given(&o, p->plan, given, given_of(p, given), &job, &err));
	ok(ai_job_plan(&job, &err));
	assert_true(ai_digest_eq(&job.plan_id, &p->plan_id));
	assert_int_equal(job.n_sources, p->n);
	assert_int_equal(json_array_size(job.accepted), 0);
	for (size_t i = 0; i < job.n_steps; i++)
		assert_non_null(job.steps[i].spec);
	ai_job_done(&job);
}

static void
git_url_and_path(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\nname: long\ninputs:\n  code: {git: 'https://example.org/r', ref: main}\n  data: {url: 'https://example.org/d.csv'}\n"
		"  here: {path: sub}\nsteps:\n  t: {use: shell, inputs: {src: code, data: data, here: here}, script: x, outputs: {o: o}, environment: host}\n"
		"  u: {use: shell, inputs: {more: t.o}, script: y, outputs: {p: p}, environment: host}\noutputs: {all: u.p}\n";
	char lock[1024], hex[AI_HEX];
	struct project p;
	begin(&p);
	struct ai_ref blob = content(&p, false);
	ai_hex(&blob.id, hex);
	snprintf(lock, sizeof lock, "{\"format\":1,\"inputs\":{" GIT ",\"data\":{\"type\":\"url\",\"uri\":\"https://example.org/d.csv\",\"sha256\":\"%s\",\"size\":5}}}",
		hex);
	source(&p, "code", "git", "https://example.org/r", "main", COMMIT, true);
	source(&p, "data", "url", "https://example.org/d.csv", NULL, NULL, false);
	source(&p, "here", "path", "sub", NULL, NULL, true);
	plan_it(&p, text, lock, ai_rule_builtin("shell"), 1);
	same_again(&p);
	end(&p);
}

/* Chosen steps with parameters: what the others take in is not there, and not missed. */
static void
chosen_steps(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\nname: long\nenvironment: host\nparameters: {word: hello}\ninputs:\n  code: {git: 'https://example.org/r', ref: main}\n"
		"  here: {path: sub}\nsteps:\n  t: {use: shell, matrix: {a: [1, 2]}, inputs: {h: here}, script: '${param.word} ${matrix.a}', outputs: {o: o}}\n"
		"  u: {use: shell, inputs: [t.o], script: y, outputs: {p: p}}\n  v: {use: shell, inputs: {c: code}, script: z}\noutputs: {all: u.p}\n";
	static const char *const define[] = { "word=bye" }, *const steps[] = { "u" };
	struct project p;
	begin(&p);
	ok(ai_manifest_parameters(define, 1, steps, 1, &p.parameters, &err));
	source(&p, "here", "path", "sub", NULL, NULL, true);
	plan_it(&p, text, "{\"format\":1,\"inputs\":{}}", ai_rule_builtin("shell"), 1);
	assert_int_equal(json_array_size(ai_json_arr(p.plan, "steps")), 3);
	assert_int_equal(json_array_size(ai_json_arr(p.plan, "parameters")), 2);
	same_again(&p);
	end(&p);
}

static void
an_image_and_its_variables(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\nenvironment: {image: 'python:3.11'}\nsteps:\n  a: {use: shell, script: x, outputs: {o: o}}\n";
	static const char lock[] = "{\"format\":1,\"inputs\":{}" IMAGES("{\"name\":\"PATH\",\"value\":\"/opt/bin\"}") "}";
	struct project p;
	begin(&p);
	source(&p, IMAGE, "image", IMAGE, NULL, DIGEST, true);
	plan_it(&p, text, lock, ai_rule_builtin("shell"), 1);
	same_again(&p);
	end(&p);
}

static void
the_short_form(void **state)
{
	(void)state;
	static const char text[] = "kind: python\npythonVersion: 11\nsource:\n  type: git\n  gitRepo: \"https://example.org/r\"\n  ref: main\n  pythonEntryPoint: \"src/main.py\"\n";
	struct ai_manifest *m = NULL;
	struct project p;
	char own[512];
	begin(&p);
	ok(ai_manifest_parse(text, strlen(text), "Aicertfile", NULL, &m, &err));
	/* The name that the short form gives its source. */
	snprintf(own, sizeof own, "%s", m->inputs[0].name);
	ai_manifest_free(m);
	AI_FREE char *lock = ai_format("{\"format\":1,\"inputs\":{\"%s\":{\"type\":\"git\",\"uri\":\"https://example.org/r\",\"ref\":\"main\","
		"\"revision\":\"" COMMIT "\"}}}", own);
	source(&p, own, "git", "https://example.org/r", "main", COMMIT, true);
	plan_it(&p, text, lock, ai_rule_builtin("python"), 1);
	same_again(&p);
	end(&p);
}

/* A rule of the project's own under the name of one of ours: the text that the plan names is the one that counts. */
static void
a_rule_of_its_own(void **state)
{
	(void)state;
	static const char lock[] = "{\"format\":1,\"inputs\":{}}";
	const struct ai_rule_text *ours = ai_rule_builtin("shell");
	AI_FREE char *changed = ai_format("-- the project's own\n%.*s", (int)ours->len, ours->text);
	const struct ai_rule_text own = { .name = (char *)"shell", .text = changed, .len = strlen(changed) };
	static const char text[] = "aicert: 1\nsteps:\n  t: {use: shell, script: x, outputs: {o: o}, environment: host}\n";
	struct project p;
	begin(&p);
	plan_it(&p, text, lock, &own, 1);
	struct ai_job job;
	const struct ai_run_options o = { .home = home_path };
	ok(ai_job_open_given(&o, p.plan, NULL, 0, &job, &err));
	assert_int_equal(job.n_rules, 1);
	assert_int_equal(job.rules[0].len, strlen(changed));
	ai_job_done(&job);
	same_again(&p);
	end(&p);
}

static void
wheels_and_what_is_built(void **state)
{
	(void)state;
	static const char text[] = "aicert: 1\nname: guide\ninputs: {code: {git: 'https://example.org/r', ref: main}}\nenvironment: {image: 'python:3.11'}\nsteps:\n"
		"  t: {use: python, source: code, outputs: {m: {path: m, type: file}}}\n";
	static const char sdists[] = ",\"sdists\":[{\"name\":\"b-1.tar.gz\",\"sha256\":\"%s\",\"size\":5,\"uri\":\"https://example.org/b\"}],"
		"\"build\":[{\"name\":\"flit_core-1-py3-none-any.whl\",\"sha256\":\"%s\",\"size\":5,\"uri\":\"https://example.org/f\"}]";
	struct ai_rule_text rules[] = { *ai_rule_builtin("python"), *ai_rule_builtin("wheels") };
	for (int built = 0; built < 2; built++) {
		char lock[4096], pins[2048], hex[AI_HEX];
		struct project p;
		begin(&p);
		struct ai_ref blob = content(&p, false);
		ai_hex(&blob.id, hex);
		AI_FREE char *more = built ? ai_format(sdists, hex, hex) : ai_strdup("");
		snprintf(pins, sizeof pins, WHEELS(""), hex);
		if (built)
			snprintf(pins + strlen(pins) - 2, sizeof pins - strlen(pins) + 2, "%s}}", more);
		snprintf(lock, sizeof lock, "{\"format\":1,\"inputs\":{" GIT "}" IMAGES("") "%s}", pins);
		source(&p, "code", "git", "https://example.org/r", "main", COMMIT, true);
		source(&p, IMAGE, "image", IMAGE, NULL, DIGEST, true);
		json_t *l = NULL;
		const struct ai_sink *sink = ai_store_sink(p.store);
		ok(ai_lock_parse(lock, strlen(lock), &l, &err));
		for (int part = 0; part <= built; part++) {
			struct ai_ref made;
			json_t *node = NULL;
			ok(ai_wheels_trees(ai_lock_wheels(l, "t"), part ? AI_SDISTS : AI_WHEELS, sink->tree, sink->ctx, &made, &err));
			ok(ai_wheels_source(ai_lock_wheels(l, "t"), part ? AI_SDISTS : AI_WHEELS, &node, &err));
			p.sources[p.n++] = (struct ai_plan_source){ part ? "t/sdists" : "t/wheels", node };
		}
		json_decref(l);
		plan_it(&p, text, lock, rules, built ? 2 : 1);
		same_again(&p);
		end(&p);
	}
}

/* --- refusals -------------------------------------------------------------------- */

static void
make_image_project(struct project *p)
{
	static const char text[] = "aicert: 1\ninputs: {here: {path: sub}}\nsteps:\n  a: {use: shell, inputs: {d: here}, script: x, outputs: {o: o}, environment: host}\n";
	begin(p);
	source(p, "here", "path", "sub", NULL, NULL, true);
	plan_it(p, text, "{\"format\":1,\"inputs\":{}}", ai_rule_builtin("shell"), 1);
}

#define refuses(words, plan, given, n) do { struct ai_job job; const struct ai_run_options o = { .home = home_path }; \
	refused(AI_EINPUT, words, ai_job_open_given(&o, plan, given, n, &job, &err)); ai_job_done(&job); } while (0)

static void
what_is_not_what_the_plan_names(void **state)
{
	(void)state;
	static const char absent[] = "1111111111111111111111111111111111111111111111111111111111111111";
	struct project p;
	struct ai_given_source given[8];
	make_image_project(&p);
	size_t n = given_of(&p, given);
	refuses("got 0 sources, expected 1", p.plan, given, 0);
	struct ai_given_source other = given[0];
	other.name = "there";
	refuses("got 'there' in its place", p.plan, &other, n);
	json_t *node = json_deep_copy(given[0].node);
	json_object_set_new(node, "uri", json_string("elsewhere"));
	other = (struct ai_given_source){ "here", node, "git" };
	refuses("is not the one that the plan names", p.plan, &other, n);
	json_object_set_new(node, "kind", json_string("tree"));
	refuses("is not a source node", p.plan, &other, n);
	json_decref(node);
	refuses("is not a plan node", given[0].node, given, n);
	static const char *const texts[] = { "aicertfile", "lock" };
	for (size_t i = 0; i < 2; i++) {
		json_t *plan = json_deep_copy(p.plan);
		json_object_set_new(plan, texts[i], json_string(absent));
		refuses("is not in the store", plan, given, n);
		json_decref(plan);
	}
	json_t *plan = json_deep_copy(p.plan);
	json_object_set_new(json_array_get(json_object_get(plan, "rules"), 0), "blob", json_string(absent));
	refuses("rule 'shell': its blob is not in the store", plan, given, n);
	json_decref(plan);
	end(&p);
}

/* A plan that says another thing than its own Aicertfile gives: opened, but the plan made here has another id. */
static void
a_plan_that_does_not_follow(void **state)
{
	(void)state;
	struct project p;
	struct ai_given_source given[8];
	struct ai_job job;
	struct ai_digest id;
	const struct ai_run_options o = { .home = home_path };
	make_image_project(&p);
	size_t n = given_of(&p, given);
	json_t *plan = json_deep_copy(p.plan);
	json_t *argv = json_object_get(json_array_get(json_object_get(recipe_of(plan, 0), "actions"), 0), "argv");
	json_array_set_new(argv, json_array_size(argv) - 1, json_string("evil"));
	ok(ai_json_id(plan, &id, &err));
	ok(ai_job_open_given(&o, plan, given, n, &job, &err));
	ok(ai_job_plan(&job, &err));
	assert_false(ai_digest_eq(&id, &job.plan_id));
	assert_true(ai_digest_eq(&p.plan_id, &job.plan_id));
	ai_job_done(&job);
	json_decref(plan);
	end(&p);
}

static int
setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	char *prefix = ai_format("%s/aicert-given", tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &place, &err));
	free(prefix);
	home_path = ai_join(place, "home");
	ok(ai_home_find(home_path, &home, &err));
	ok(ai_home_make(&home, &err));
	/* Nothing of a project is where we are. */
	return chdir("/");
}

static int
teardown(void **state)
{
	(void)state;
	ai_home_done(&home);
	ai_discard_tree(place);
	free(home_path);
	free(place);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(git_url_and_path), cmocka_unit_test(chosen_steps), cmocka_unit_test(an_image_and_its_variables), cmocka_unit_test(the_short_form),
		cmocka_unit_test(a_rule_of_its_own), cmocka_unit_test(wheels_and_what_is_built), cmocka_unit_test(what_is_not_what_the_plan_names),
		cmocka_unit_test(a_plan_that_does_not_follow),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
