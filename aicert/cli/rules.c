/* rules.c -- `aicert rules`: the types of steps and inputs; show and test are the family's commands.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

/* A list is short. The line's own reference goes. */
static int
append(json_t *list, json_t *line, struct ai_err *err)
{
	json_object_del(line, "attrs");
	json_object_del(line, "outputs");
	json_object_del(line, "example");
	return json_array_append_new(list, line) < 0 ? ai_nomem(err) : 0;
}

/* What a list says of one rule: {"name", "kind", "doc", "from"}, or {"name", "from", "error"} when its file is broken. */
static int
add(json_t *list, const char *project, const char *name, bool own, struct ai_err *err)
{
	struct ai_rule_file f = { 0 };
	struct ai_err broken = { 0 };
	AI_JSON *about = NULL;
	json_t *line = json_pack("{s:s,s:s}", "name", name, "from", own ? "project" : "aicert");
	AI_FREE char *path = own ? ai_format("%s/rules/%s.lua", project, name) : NULL;
	int r = ai_rules_find(project, path ? path : name, &f, &broken);
	if (r == 0)
		r = ai_rule_about(&f.rule, &about, &broken);
	if (r < 0)
		json_object_set_new(line, "error", json_string(broken.text));
	else
		json_object_update_missing(line, about);
	ai_rules_done(&f);
	return append(list, line, err);
}

/* Those that no file describes. */
static int
add_inputs(json_t *list, char **own, size_t n_own, struct ai_err *err)
{
	const char *name;
	for (size_t i = 0; (name = ai_rules_input_name(i)); i++) {
		json_t *line = ai_rules_input(name);
		bool replaced = false;
		for (size_t k = 0; k < n_own; k++)
			replaced = replaced || strcmp(own[k], name) == 0;
		if (line && replaced)
			json_decref(line);
		else if (!line || json_object_set_new(line, "from", json_string("aicert")) < 0 || append(list, line, err) < 0)
			return ai_nomem(err);
	}
	return 0;
}

static int
make_list(const char *project, json_t *list, struct ai_err *err)
{
	char **own = NULL;
	size_t n_own = 0, n;
	const char *const *builtin = ai_rule_builtin_names(&n);
	if (ai_rules_own(project, &own, &n_own, err) < 0)
		return err->code;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n_own; i++)
		rc = add(list, project, own[i], true, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool replaced = false;
		for (size_t k = 0; k < n_own; k++)
			replaced = replaced || strcmp(own[k], builtin[i]) == 0;
		if (!replaced)
			rc = add(list, project, builtin[i], false, err);
	}
	if (rc == 0)
		rc = add_inputs(list, own, n_own, err);
	ai_rules_own_done(own, n_own);
	return rc;
}

/* The first sentence of a text, whose "\n" and ". " end it. Fresh. */
static char *
first_sentence(const char *doc)
{
	const char *dot = strstr(doc, ". ");
	size_t n = strcspn(doc, "\n");
	return ai_strndup(doc, dot && (size_t)(dot - doc) < n ? (size_t)(dot - doc) + 1 : n);
}

static int
print_list(const json_t *list)
{
	static const char *const headings[][3] = {
		{ "project", "rule", "steps, of this project" }, { "project", "source", "inputs, of this project" },
		{ "aicert", "rule", "steps" }, { "aicert", "source", "inputs" } };
	size_t width = 0, i;
	int code = 0;
	const json_t *line;
	json_array_foreach(list, i, line)
		width = ai_columns(ai_json_str(line, "name")) > width ? ai_columns(ai_json_str(line, "name")) : width;
	for (size_t h = 0; h < 4; h++) {
		bool said = false;
		json_array_foreach(list, i, line) {
			const char *kind = ai_json_str(line, "kind"), *name = ai_json_str(line, "name");
			if (!kind || strcmp(ai_json_str(line, "from"), headings[h][0]) != 0 || strcmp(kind, headings[h][1]) != 0)
				continue;
			if (!said)
				printf("%s%s%s\n", ai_bold(), headings[h][2], ai_plain());
			said = true;
			printf("  ");
			ai_put_safe(name);
			printf("%*s", (int)(width - ai_columns(name)) + 2, "");
			AI_FREE char *doc = first_sentence(ai_json_str(line, "doc"));
			ai_put_prose(doc ? doc : "", width + 4);
			putchar('\n');
		}
	}
	json_array_foreach(list, i, line)
		if (ai_json_str(line, "error")) {
			struct ai_err err = { 0 };
			ai_fail(&err, AI_EUSAGE, "%s", ai_json_str(line, "error"));
			code = ai_print_err(&err);
		}
	return code;
}

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert rules [OPTION…]                  lists the types of steps and inputs\n"
	     "       aicert rules [show] NAME|FILE [OPTION…]   explains one\n"
	     "       aicert rules test FILE… [OPTION…]         runs a rule's tests\n"
	     "\n"
	     "A rule is a Lua file: what it takes, and one pure function from that to the actions of a step (or, for a type of inputs, to the\n"
	     "pin of an input). Files NAME.lua in the folder rules/ beside the Aicertfile are the project's own, and go before those built in.\n");
	ai_options_help(table, n);
	puts("\n`aicert rules show --help` and `aicert rules test --help` explain the others.\n"
	     "example: aicert rules python");
}

int
ai_cmd_rules(int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "test") == 0)
		return ai_rules_test(argc - 1, argv + 1);
	if (argc > 0 && strcmp(argv[0], "show") == 0)
		return ai_rules_show(argc - 1, argv + 1);
	int json = 0, want_help = 0, code = 0;
	const char *project = ".";
	const struct ai_option table[] = {
		{ "project", 'p', AI_OPTION_TEXT, (void *)&project, "DIR", "whose rules/ to look in (default: here)" },
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print [{\"name\", \"kind\": rule or source, \"doc\", \"from\": aicert or project}]" },
		{ "help", 'h', AI_OPTION_FLAG, &want_help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 3, argc, argv, &words, &err);
	size_t n = words.n;
	ai_text_list_done(&words);
	if (r == 0 && !want_help && n > 0)
		return ai_rules_show(argc, argv);
	if (r == 0 && want_help) {
		help(table, 3);
		return 0;
	}
	AI_JSON *list = json_array();
	if (r == 0)
		r = list ? make_list(project, list, &err) : ai_nomem(&err);
	if (r < 0)
		return ai_print_err(&err);
	if (json) {
		char *text = json_dumps(list, JSON_INDENT(2));
		puts(text ? text : "[]");
		free(text);
	} else {
		code = print_list(list);
	}
	return ai_print_end(code);
}
