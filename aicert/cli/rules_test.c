/* rules_test.c -- `aicert rules test`: the tests of a rule, as its author wrote them.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rules.h"
#include "rule/trial.h"

struct report {
	json_t *list;      /* NULL: for people */
	size_t n;
};

static void
each(void *ctx, const char *name, const char *fault)
{
	struct report *p = ctx;
	p->n++;
	if (p->list) {
		json_array_append_new(p->list, json_pack("{s:s,s:b,s:s*}", "name", name, "ok", fault == NULL, "fault", fault));
		return;
	}
	printf("%s%s%s  ", fault ? ai_red() : ai_green(), fault ? "FAIL" : "ok  ", ai_plain());
	ai_put_safe(name);
	putchar('\n');
	if (fault) {
		printf("      ");
		ai_put_safe(fault);
		putchar('\n');
	}
}

/* How much of rules/x.lua or rules/x_test.lua is rules/x; 0 when it is neither. */
static size_t
stem(const char *path)
{
	size_t n = strlen(path);
	return n > 9 && strcmp(path + n - 9, "_test.lua") == 0 ? n - 9 : n > 4 && strcmp(path + n - 4, ".lua") == 0 ? n - 4 : 0;
}

/* rules/x.lua and rules/x_test.lua are both the way to x: the file of its tests, and its own. */
static int
find_pair(const char *path, struct ai_rule_file *rule, struct ai_rule_file *tests, struct ai_err *err)
{
	size_t n = strlen(path), cut = stem(path);
	AI_FREE char *rule_path = ai_format("%.*s.lua", (int)cut, path), *tests_path = ai_format("%.*s_test.lua", (int)cut, path);
	if (!cut)
		return ai_fail(err, AI_EUSAGE, "%s: expected a file rules/NAME.lua or rules/NAME_test.lua", path);
	if (!rule_path || !tests_path)
		return ai_nomem(err);
	int r = ai_rules_read(tests_path, tests, err);
	if (r < 0)
		return r;
	if (r == 0) {
		ai_fail(err, AI_EUSAGE, "%s: there is no such file", tests_path);
		return ai_hint(err, "it returns expect.tests { { name = \"…\", attrs = \"…\", actions = { … } } }: aicert rules test --help");
	}
	r = ai_rules_read(rule_path, rule, err);
	if (r)
		return r < 0 ? r : 0;
	AI_FREE char *name = ai_strndup(ai_basename(path), strlen(ai_basename(path)) - (n - cut));
	const struct ai_rule_text *builtin = name ? ai_rule_builtin(name) : NULL;
	if (!builtin)
		return ai_fail(err, AI_EUSAGE, "%s: there is no such file, and no rule '%s' built in", rule_path, name ? name : "");
	rule->rule = *builtin;
	return 0;
}

/* rules/x.lua and rules/x_test.lua, as rules/x*.lua names them both, are one rule's tests, which run once. */
static bool
is_same_pair(const char *a, const char *b)
{
	size_t n = stem(a);
	return n && n == stem(b) && memcmp(a, b, n) == 0;
}

/* Returns how many tests failed. */
static int
run_file(const char *path, struct report *p, struct ai_err *err)
{
	struct ai_rule_file rule = { 0 }, tests = { 0 };
	int r = find_pair(path, &rule, &tests, err);
	if (r == 0)
		r = ai_rule_test(&rule.rule, &tests.rule, each, p, err);
	ai_rules_done(&rule);
	ai_rules_done(&tests);
	return r;
}

static void
put_help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert rules test FILE… [OPTION…]\n"
	     "\n"
	     "Runs the tests of rules: FILE is rules/NAME.lua or its tests' rules/NAME_test.lua, which returns\n"
	     "\n"
	     "  return expect.tests {\n"
	     "    { name = \"runs the script\",\n"
	     "      attrs = \"{script: 'wc -l', data: corpus}\",          -- as in an Aicertfile, or a table\n"
	     "      artifacts = { corpus = \"file\" },                    -- what the names in them stand for: file or dir\n"
	     "      actions = { action.run { argv = { \"wc\", \"-l\" } } },\n"
	     "      inputs = { [\"resources/corpus\"] = \"corpus\" } },\n"
	     "    { name = \"needs a script\", attrs = {}, error = \"needs the attribute 'script'\" },\n"
	     "  }\n"
	     "\n"
	     "and for a type of inputs: net = { [\"https://…\"] = \"body\" } with what it will be answered, and pin = pin.files { … }.\n"
	     "Nothing is run, fetched or written. Exit code 1: a test failed; its first difference is shown.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert rules test rules/*.lua");
}

int
ai_rules_test(int argc, char **argv)
{
	int json = 0, help = 0, failed = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print [{\"name\", \"ok\", \"fault\"}]" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 2, argc, argv, &words, &err);
	AI_JSON *list = json ? json_array() : NULL;
	struct report p = { list, 0 };
	if (r == 0 && help) {
		put_help(table, 2);
		ai_text_list_done(&words);
		return 0;
	}
	if (r == 0 && words.n == 0)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert rules test FILE…: got no file");
	for (size_t i = 0; r >= 0 && i < words.n; i++) {
		bool again = false;
		for (size_t k = 0; k < i; k++)
			again = again || is_same_pair(words.items[k], words.items[i]);
		if (again)
			continue;
		r = run_file(words.items[i], &p, &err);
		failed += r > 0 ? r : 0;
	}
	ai_text_list_done(&words);
	if (r < 0)
		return ai_print_err(&err);
	if (json) {
		char *text = json_dumps(list, JSON_INDENT(2));
		puts(text ? text : "[]");
		free(text);
	} else {
		printf("%zu test%s, %d failed\n", p.n, p.n == 1 ? "" : "s", failed);
	}
	return ai_print_end(failed ? -AI_ENO : 0);
}
