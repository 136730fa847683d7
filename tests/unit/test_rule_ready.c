/* test_rule_ready.c -- a rule file is read once and asked often: many files, many threads, large files, large steps.  SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <time.h>

#include "rule/rule.h"
#include "unit.h"

/* Every name is a step's folder output; base is what stands before the dot. */
static int
find(void *ctx, const char *name, struct ai_artifact *out)
{
	char *base = ctx;
	*out = (struct ai_artifact){ .name = name, .base = base, .step = base, .output = "o" };
	snprintf(base, 100, "%.*s", (int)strcspn(name, "."), name);
	return 1;
}

/* The argv of a rule's only action, joined by spaces; fresh. */
static int
argv_of(const char *name, const char *text, const char *attrs, char **out, struct ai_err *err)
{
	const struct ai_rule_text rule = { (char *)(uintptr_t)name, (char *)(uintptr_t)text, strlen(text) };
	struct ai_yaml *y = NULL;
	char base[100];
	json_t *recipe = NULL, *node = json_pack("{s:s,s:b,s:s}", "kind", "environment", "host", 1, "platform", "linux/amd64"), *word;
	int rc = ai_yaml_parse(attrs, strlen(attrs), "Aicertfile", &y, err);
	const struct ai_step_spec step = { .name = (char *)(uintptr_t)"s", .use = (char *)(uintptr_t)name, .attrs = y, .line = 1, .column = 1 };
	const struct ai_rule_environment environment = { .node = node };
	if (rc == 0)
		rc = ai_rule_recipe(&rule, "Aicertfile", &step, &environment, find, base, &recipe, err);
	AI_BUF_AUTO b = AI_BUF(1u << 26);
	size_t i;
	json_array_foreach(json_object_get(json_array_get(json_object_get(recipe, "actions"), 0), "argv"), i, word)
		ai_buf_printf(&b, "%s%s", i ? " " : "", json_string_value(word));
	json_decref(recipe);
	json_decref(node);
	ai_yaml_free(y);
	if (rc == 0)
		*out = ai_buf_take(&b);
	return rc;
}

static void
numbered(char *name, char *text, size_t size, unsigned i)
{
	snprintf(name, 20, "r%u", i);
	snprintf(text, size, "local n = 0 return rule { name = 'r%u', attrs = { x = attr.text {} }, outputs = { o = 'file' },\n"
		"plan = function(a, out) n = n + 1 return action.run { argv = { 'r%u', a.x, ('%%d'):format(n) } } end }", i, i);
}

/* More files than are kept, over and over: each is itself, and always new. */
static void
many_files(void **state)
{
	(void)state;
	char name[20], text[300], attrs[40], want[60];
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 50; i++) {
			char *got = NULL;
			numbered(name, text, sizeof text, i);
			snprintf(attrs, sizeof attrs, "{x: v%u}", round);
			snprintf(want, sizeof want, "r%u v%u 1", i, round);
			ok(argv_of(name, text, attrs, &got, &err));
			assert_string_equal(got, want);
			free(got);
		}
	/* One name, another text. */
	char *got = NULL;
	ok(argv_of("r1", "return rule { name = 'r1', attrs = {}, outputs = { o = 'file' }, plan = function() return action.run { argv = { 'other' } } end }", "{}", &got, &err));
	assert_string_equal(got, "other");
	free(got);
}

static void *
ask_many(void *p)
{
	char name[20], text[300];
	for (unsigned i = 0; i < 400; i++) {
		struct ai_err err = { 0 };
		char *got = NULL;
		numbered(name, text, sizeof text, i % 7);
		int rc = argv_of(name, text, "{x: y}", &got, &err);
		bool good = rc == 0 && strncmp(got, name, strlen(name)) == 0 && strcmp(got + strlen(name), " y 1") == 0;
		free(got);
		if (!good)
			return p;
	}
	return NULL;
}

static void
many_threads(void **state)
{
	(void)state;
	pthread_t threads[6];
	char mine[6];
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &mine[i]), 0);
	for (size_t i = 0; i < 6; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

/* A file that makes ten megabytes of tables is read anew each time, and is right each time. */
static void
a_large_file(void **state)
{
	(void)state;
	static const char text[] = "local t = {} for i = 1, 100000 do t[i] = { i } end local n = 0\n"
		"return rule { name = 'large', attrs = {}, outputs = { o = 'file' }, plan = function() n = n + 1 return action.run { argv = { ('%d %d'):format(#t, n) } } end }";
	for (int i = 0; i < 3; i++) {
		char *got = NULL;
		ok(argv_of("large", text, "{}", &got, &err));
		assert_string_equal(got, "100000 1");
		free(got);
	}
}

static const char takes_all[] = "return rule { name = 'all', attrs = { l = attr.list(attr.artifact) { default = {} }, m = attr.map(attr.artifact) { default = {} }, e = attr.env { default = {} } },\n"
	"outputs = { o = 'file' }, plan = function(a, out) return action.run { argv = { 'x', a.l }, inputs = { a.m }, env = a.e } end }";

/* Seconds of the processor for a step with n artifacts. */
static double
seconds_for(unsigned n, const char *begin, const char *item, const char *end)
{
	AI_BUF_AUTO b = AI_BUF(1u << 26);
	char *got = NULL;
	ai_buf_puts(&b, begin);
	for (unsigned i = 0; i < n; i++) {
		ai_buf_puts(&b, i ? ", " : "");
		for (const char *c = item; *c; c++)
			*c == '#' ? ai_buf_printf(&b, "%u", i) : ai_buf_putc(&b, *c);
	}
	ai_buf_puts(&b, end);
	clock_t t0 = clock();
	ok(argv_of("all", takes_all, b.data, &got, &err));
	free(got);
	return (double)(clock() - t0) / CLOCKS_PER_SEC;
}

/* Five times as many artifacts cost about five times as much. */
static void
large_steps(void **state)
{
	(void)state;
	static const char *const shapes[][3] = { { "{l: [", "s#.o", "]}" }, { "{m: {", "a#: s#.o", "}}" }, { "{e: {", "A#: 'x ${s#.o}'", "}}" } };
	for (size_t i = 0; i < 3; i++) {
		double small = seconds_for(4000, shapes[i][0], shapes[i][1], shapes[i][2]), large = seconds_for(20000, shapes[i][0], shapes[i][1], shapes[i][2]);
		if (large > 15 * small + 0.5)
			fail_msg("%s: 4000 took %.2f s, 20000 took %.2f s", shapes[i][0], small, large);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_files), cmocka_unit_test(many_threads), cmocka_unit_test(a_large_file), cmocka_unit_test(large_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
