/* rules_show.c -- `aicert rules NAME`: a rule's help, from what its file says of itself.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rules.h"

static int
is_needed(const json_t *a)
{
	return !json_object_get(a, "default") && !json_object_get(a, "optional") && strcmp(ai_json_str(a, "type"), "outputs") != 0;
}

/* The type of an attribute as somebody says it who has not read how rules are written. */
static const char *
said(const char *type)
{
	static const char *const words[][2] = { { "artifact", "input or step.output" }, { "folder", "folder: input or step.output" },
		{ "file", "file: input or step.output" }, { "list of artifact", "list of inputs and step.outputs" },
		{ "list of folder", "list of folders: inputs and step.outputs" }, { "list of file", "list of files: inputs and step.outputs" },
		{ "map of artifact", "NAME: input or step.output" }, { "template", "text with ${…}" }, { "list of template", "list of texts with ${…}" },
		{ "list of text", "list of texts" }, { "lines", "text, or list of lines" }, { "env", "NAME: value" }, { "outputs", "NAME: path" } };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i][0], type) == 0)
			return words[i][1];
	return type;
}

static void
put_attribute(const json_t *a)
{
	const char *doc = ai_json_str(a, "doc"), *given = ai_json_str(a, "default"), *alias = ai_json_str(a, "alias");
	printf("  %s", ai_bold());
	ai_put_safe(ai_json_str(a, "name"));
	printf("%s  %s", ai_plain(), ai_dim());
	ai_put_safe(said(ai_json_str(a, "type")));
	if (given) {
		printf(", default ");
		ai_put_safe(*given ? given : "empty");
	} else {
		printf(", %s", is_needed(a) ? "needed" : json_object_get(a, "optional") ? "optional" : "all of outputs/ if left out");
	}
	if (alias) {
		printf("; also written ");
		ai_put_safe(alias);
	}
	printf("%s\n", ai_plain());
	if (doc && *doc) {
		printf("      ");
		ai_put_prose(doc, 6);
		putchar('\n');
	}
}

/* The lines of an example, indented. Foreign text: a rule of the project may hold anything. */
static void
put_lines(const char *text)
{
	AI_FREE char *copy = ai_strdup(text);
	for (char *line = copy, *end; line && *line; line = end) {
		end = line + strcspn(line, "\n");
		end += *end ? 1 : 0;
		char *last = end > line && end[-1] == '\n' ? end - 1 : end;
		char kept = *last;
		*last = '\0';
		printf("  ");
		ai_put_safe(line);
		putchar('\n');
		*last = kept;
	}
}

static void
put_about(const json_t *about, bool own)
{
	const json_t *a, *list = ai_json_arr(about, "attrs"), *outs = ai_json_arr(about, "outputs");
	bool source = strcmp(ai_json_str(about, "kind"), "source") == 0;
	const char *example = ai_json_str(about, "example");
	size_t i;
	printf("%s", ai_bold());
	ai_put_safe(ai_json_str(about, "name"));
	printf("%s, a type of %s %s\n\n", ai_plain(), source ? "inputs" : "steps", own ? "of this project" : "of aicert's own");
	if (*ai_json_str(about, "doc")) {
		ai_put_prose(ai_json_str(about, "doc"), 0);
		puts("\n");
	}
	for (int needed = 1; needed >= 0; needed--)
		json_array_foreach(list, i, a)
			if (is_needed(a) == needed)
				put_attribute(a);
	if (json_array_size(outs))
		puts("\noutputs");
	json_array_foreach(outs, i, a) {
		printf("  ");
		ai_put_safe(ai_json_str(a, "name"));
		printf("  %s\n", strcmp(ai_json_str(a, "type"), "dir") == 0 ? "a folder" : "a file");
	}
	puts(source ? "\nLike every input it also takes: to, its place below /workspace." : "\nLike every step it also takes: environment, limits, matrix, checkpoint.");
	if (*example) {
		puts("\nexample");
		put_lines(example + strspn(example, "\n"));
	}
}

int
ai_rules_show(int argc, char **argv)
{
	int json = 0, help = 0;
	const char *project = ".";
	const struct ai_option table[] = {
		{ "project", 'p', AI_OPTION_TEXT, (void *)&project, "DIR", "whose rules/ to look in (default: here)" },
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print {\"name\", \"kind\", \"doc\", \"example\", \"attrs\", \"outputs\"}" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	struct ai_rule_file f = { 0 };
	AI_JSON *about = NULL;
	int r = ai_options_parse(table, 3, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert rules [show] NAME|FILE [OPTION…]\n"
		     "\n"
		     "Explains a type of steps or inputs: its attributes, and an example.\n");
		ai_options_help(table, 3);
		puts("\nexample: aicert rules show shell");
	} else if (r == 0 && words.n != 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert rules show NAME: got %zu names", words.n);
	} else if (r == 0) {
		r = ai_rules_find(project, words.items[0], &f, &err);
		if (r < 0)
			about = ai_rules_input(words.items[0]);
		r = about ? 0 : r;
	}
	if (r == 0 && !help && !about)
		r = ai_rule_about(&f.rule, &about, &err);
	if (about && json) {
		char *text = json_dumps(about, JSON_INDENT(2));
		puts(text ? text : "{}");
		free(text);
	} else if (about) {
		put_about(about, f.own);
	}
	ai_rules_done(&f);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(0);
}
