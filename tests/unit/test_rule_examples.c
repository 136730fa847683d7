/* test_rule_examples.c -- every built-in rule explains itself, its example is an Aicertfile, and gives the same steps in every process.  SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/fs.h"
#include "plan_help.h"
#include "rule/source.h"

/*
 * The example behind the line that every Aicertfile begins with; one of an input alone gets a step. Without images, whose sources
 * no test here has, and without GPUs. Fresh.
 */
static char *
example_of(const struct ai_rule_text *rule, json_t **about)
{
	ok(ai_rule_about(rule, about, &err));
	const char *example = ai_json_str(*about, "example");
	char *text = ai_format("aicert: 1\n%s%s", example, strstr(example, "steps:") ? "" : "steps: {look: {use: shell, script: ls}}\n");
	static const char *const out[] = { "    environment:", "    limits:" };
	for (size_t i = 0; i < 2; i++)
		for (char *at; (at = strstr(text, out[i]));)
			memmove(at, at + strcspn(at, "\n") + 1, strlen(at + strcspn(at, "\n") + 1) + 1);
	return text;
}

static void
rules_explain_themselves(void **state)
{
	(void)state;
	size_t n, i;
	const char *const *names = ai_rule_builtin_names(&n);
	assert_true(n >= 4);
	for (size_t k = 0; k < n; k++) {
		json_t *about = NULL, *a;
		ok(ai_rule_about(ai_rule_builtin(names[k]), &about, &err));
		const char *doc = ai_json_str(about, "doc");
		assert_string_equal(ai_json_str(about, "name"), names[k]);
		if (!isupper((unsigned char)*doc) || doc[strlen(doc) - 1] != '.')
			fail_msg("%s: doc: expected sentences, got '%s'", names[k], doc);
		json_array_foreach(ai_json_arr(about, "attrs"), i, a)
			if (!ai_json_str(a, "doc") || !*ai_json_str(a, "doc"))
				fail_msg("%s: attribute '%s' has no doc", names[k], ai_json_str(a, "name"));
		json_decref(about);
	}
}

/* The inputs that the rule makes fit its declaration, and the example shows it at work. */
static void
check_uses(const struct ai_rule_text *rule, const char *text)
{
	struct ai_manifest *m = NULL;
	size_t uses = 0;
	ok(ai_manifest_parse(text, strlen(text), "Aicertfile", NULL, &m, &err));
	for (size_t i = 0; i < m->n_steps; i++)
		uses += strcmp(m->steps[i].use, rule->name) == 0;
	for (size_t i = 0; i < m->n_inputs; i++)
		if (m->inputs[i].type == AI_INPUT_RULE && strcmp(m->inputs[i].use, rule->name) == 0) {
			uses++;
			ok(ai_source_check(rule, "Aicertfile", &m->inputs[i], &err));
		}
	if (!uses)
		fail_msg("%s: the example does not use it", rule->name);
	ai_manifest_free(m);
}

/* Whoever has no example is a rule that the planner uses by itself. */
static void
examples_are_aicertfiles(void **state)
{
	(void)state;
	size_t n;
	const char *const *names = ai_rule_builtin_names(&n);
	for (size_t k = 0; k < n; k++) {
		const struct ai_rule_text *rule = ai_rule_builtin(names[k]);
		json_t *about = NULL;
		char *text = example_of(rule, &about);
		if (*ai_json_str(about, "example"))
			check_uses(rule, text);
		else
			assert_string_equal(names[k], "wheels");
		free(text);
		json_decref(about);
	}
}

/* Files of examples/, from the project's folder, where unit programs run. */
static char *
text_of_file(const char *path)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	struct ai_err err = { 0 };
	if (ai_read_file(AT_FDCWD, path, &b, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return ai_buf_take(&b);
}

/* What is not made up here, the pins of a rule's input and of a proof, is a file or folder of its own name: the steps take the same. */
static const struct project {
	const char *file, *rule, *from, *to, *parameters;
} projects[] = {
	{ .file = "examples/hello/Aicertfile" },
	{ .file = "examples/pipeline/Aicertfile", .parameters = "[{\"name\":\"corpus\",\"value\":\"http://localhost/corpus.txt\"}]" },
	{ .file = "examples/custom-rule/Aicertfile", .rule = "examples/custom-rule/rules/quantize.lua",
		.from = "registry: tiny, version: latest, server: \"${param.server}\"", .to = "path: weights" },
	{ .file = "examples/lineage/base/Aicertfile" },
	{ .file = "examples/lineage/tune/Aicertfile", .from = "proof: ../base/proof.json, output: model, level: software", .to = "path: base.json" },
	{ .file = "examples/finetune/Aicertfile" },
	{ .file = "examples/image/host.yaml" },
	{ .file = "examples/vm/host.yaml" },
};

static int
print_project(const struct project *p)
{
	struct ai_err err = { 0 };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	struct ai_rule_text rules[65];
	size_t n = 0;
	const char *const *names = ai_rule_builtin_names(&n);
	for (size_t i = 0; i < n; i++)
		rules[i] = *ai_rule_builtin(names[i]);
	char *own = p->rule ? text_of_file(p->rule) : NULL, name[] = "quantize";
	if (own)
		rules[n++] = (struct ai_rule_text){ name, own, strlen(own) };
	char *text = text_of_file(p->file), *at = p->from ? strstr(text, p->from) : NULL;
	char *other = at ? ai_format("%.*s%s%s", (int)(at - text), text, p->to, at + strlen(p->from)) : NULL;
	json_t *parameters = p->parameters ? json_loads(p->parameters, 0, NULL) : NULL, *plan = NULL;
	int r = plan_given(other ? other : text, parameters, rules, n, &plan, &err);
	if (r == 0)
		r = ai_json_pretty(plan, &b, &err);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", p->file, err.text);
	printf("%s\n%s", p->file, b.data ? b.data : "");
	json_decref(plan);
	json_decref(parameters);
	free(other);
	free(text);
	free(own);
	return r;
}

#define IMAGE "docker.io/library/trainer:1"
#define DIGEST "sha256:" BLOB_ID

/* What a container runs, its image says, and that is in the lock. */
static int
print_container(void)
{
	static const char text[] = "aicert: 1\nenvironment: { image: 'trainer:1' }\nsteps:\n"
		"  a: { use: container, args: [--to, '${out.model}', --log, '${out.log}'], env: { B: x, A: y }, outputs: { model: m.bin, log: l.txt } }\n"
		"  b: { use: container, inputs: { model: a.model, log: a.log }, outputs: { o: o } }\n";
	static const char lock[] = "{\"format\":1,\"inputs\":{},\"images\":{\"" IMAGE "\":{\"type\":\"image\",\"uri\":\"" IMAGE "\",\"digest\":\"" DIGEST "\",\"revision\":\""
		DIGEST "\",\"platform\":\"linux/amd64\",\"config\":{\"env\":[{\"name\":\"C\",\"value\":\"z\"}],\"entrypoint\":[\"/train\"],\"cmd\":[\"--all\"],\"workdir\":\"/srv\"}}}}";
	struct ai_err err = { 0 };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	json_t *plan = NULL, *node = json_pack("{s:s,s:s,s:s,s:s,s:{s:s}}", "kind", "source", "type", "image", "uri", IMAGE, "revision", DIGEST, "content", "tree", TREE_ID);
	struct ai_plan_source s = { IMAGE, node };
	struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = sizeof text - 1, .file = "Aicertfile", .lock = lock, .lock_len = sizeof lock - 1,
		.rules = ai_rule_builtin("container"), .n_rules = 1, .sources = &s, .n_sources = 1, .platform = "linux/amd64" };
	int r = ai_plan_make(&in, &plan, NULL, &err);
	if (r == 0)
		r = ai_json_pretty(plan, &b, &err);
	if (r < 0)
		fprintf(stderr, "container: %s\n", err.text);
	printf("container\n%s", b.data ? b.data : "");
	json_decref(plan);
	json_decref(node);
	return r;
}

/* The plans of all examples of steps, as a process of its own makes them: with its own seed of Lua's hashes. */
static int
print_plans(void)
{
	size_t n;
	const char *const *names = ai_rule_builtin_names(&n);
	for (size_t k = 0; k < n; k++) {
		struct ai_err err = { 0 };
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		json_t *about = NULL, *p = NULL;
		char *text = example_of(ai_rule_builtin(names[k]), &about);
		bool of_steps = strcmp(ai_json_str(about, "kind"), "rule") == 0 && *ai_json_str(about, "example") && strcmp(names[k], "container") != 0;
		if (of_steps && (plan(text, &p, &err) < 0 || ai_json_pretty(p, &b, &err) < 0)) {
			fprintf(stderr, "%s: %s\n", names[k], err.text);
			return 1;
		}
		printf("%s\n%s", names[k], b.data ? b.data : "");
		free(text);
		json_decref(p);
		json_decref(about);
	}
	for (size_t k = 0; k < sizeof projects / sizeof *projects; k++)
		if (print_project(&projects[k]) < 0)
			return 1;
	return print_container() == 0 && fflush(stdout) == 0 ? 0 : 1;
}

static char *
plans_of_a_process(void)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	char piece[4096];
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execl("/proc/self/exe", "test_rule_examples", "--plans", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	for (ssize_t r; (r = read(fds[0], piece, sizeof piece)) > 0;)
		ai_buf_put(&b, piece, (size_t)r);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return ai_buf_take(&b);
}

static void
same_bytes_in_every_process(void **state)
{
	(void)state;
	char *first = plans_of_a_process();
	assert_non_null(strstr(first, "\"argv\""));
	/* Each is there with its steps: a rule's own, a matrix's, an image's entry point. */
	static const char *const holds[] = { "tmp.quantize.py", "train-3", "/workspace/resources/base.json", "\"/train\"", "alpaca-fr-small.csv" };
	for (size_t i = 0; i < sizeof holds / sizeof *holds; i++)
		if (!strstr(first, holds[i]))
			fail_msg("no plan has %s", holds[i]);
	for (int i = 0; i < 3; i++) {
		char *again = plans_of_a_process();
		assert_string_equal(first, again);
		free(again);
	}
	free(first);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--plans") == 0)
		return print_plans();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_explain_themselves), cmocka_unit_test(examples_are_aicertfiles), cmocka_unit_test(same_bytes_in_every_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
