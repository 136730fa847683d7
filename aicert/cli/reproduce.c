/* reproduce.c -- `aicert reproduce`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/differences.h"
#include "cli/engine.h"

struct reproduce_cli {
	aicert_reproduce_options o;
	struct ai_engine_cli e;
	struct ai_text_list inputs, words;
};

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert reproduce PROOF [OPTION…]\n"
	     "\n"
	     "Checks that the proof is consistent, fetches its inputs by their pins, runs its steps as the proof's own Aicertfile and\n"
	     "rules have them, and compares every result with the proof's. Reuses nothing, writes no proof and no lock.\n"
	     "Inputs that are paths are taken from --input, from the cache (by their ids), or from the project's folder; what does\n"
	     "not hash to what the proof has is refused. Exit code 0: all the same; 1: something differs, or the proof does not hold;\n"
	     "3: an input is not there, or not the proof's; 4: a step failed here.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert reproduce proof.json --input prompts=data/prompts --keep /tmp/again");
}

static void
print_notes(const json_t *notes, const char *title)
{
	size_t i;
	json_t *n;
	json_array_foreach(notes, i, n) {
		fputs(title, stdout);
		ai_put_safe(json_string_value(n));
		putchar('\n');
	}
}

static void
print_report(const char *text)
{
	struct ai_err err = { 0 };
	AI_JSON *j = NULL;
	size_t i;
	json_t *v;
	if (ai_json_parse(text, strlen(text), "report", &j, &err) < 0) {
		fputs(text, stdout);
		return;
	}
	json_array_foreach(ai_json_arr(j, "inputs"), i, v) {
		printf("input    ");
		ai_put_safe(ai_json_str(v, "name"));
		printf("  from ");
		ai_put_safe(ai_json_str(v, "from"));
		putchar('\n');
	}
	json_array_foreach(ai_json_arr(j, "steps"), i, v) {
		ai_print_compared("step", v, "the proof's", "proof", "here");
		print_notes(ai_json_arr(v, "notes"), "    note: ");
	}
	print_notes(ai_json_arr(j, "notes"), "note     ");
	bool same = json_is_true(json_object_get(j, "same"));
	printf("%s%s%s\n", same ? ai_green() : ai_red(), same ? "REPRODUCED" : "NOT REPRODUCED", ai_plain());
}

/* NAME=PATH pairs; the strings are cut in place. */
static int
take_inputs(struct reproduce_cli *c, aicert_named_path *pairs, struct ai_err *err)
{
	for (size_t i = 0; i < c->inputs.n; i++) {
		char *eq = strchr(c->inputs.items[i], '=');
		if (!eq || eq == c->inputs.items[i] || !eq[1])
			return ai_fail(err, AI_EUSAGE, "usage: --input: got '%s', expected NAME=PATH", c->inputs.items[i]);
		*eq = '\0';
		pairs[i] = (aicert_named_path){ c->inputs.items[i], eq + 1 };
	}
	c->o.inputs = pairs;
	c->o.n_inputs = c->inputs.n;
	return 0;
}

static int
work(struct reproduce_cli *c, struct ai_err *err)
{
	AI_FREE aicert_named_path *pairs = ai_calloc(c->inputs.n + 1, sizeof *pairs);
	if (!pairs)
		ai_nomem(err);
	else if (c->words.n != 1)
		ai_fail(err, AI_EUSAGE, "usage: aicert reproduce PROOF: got %zu arguments, expected one proof", c->words.n);
	else
		take_inputs(c, pairs, err);
	if (err->code)
		return ai_print_err(err);
	ai_engine_listen(&c->e);
	c->o.say = ai_print_talk;
	c->o.ctx = &c->e.printer;
	char *report = NULL;
	aicert_error error;
	int r = aicert_reproduce(c->words.items[0], &c->o, &report, &error);
	ai_print_settle(&c->e.printer);
	if (report && c->e.printer.json)
		fputs(report, stdout);
	else if (report && !c->e.printer.quiet)
		print_report(report);
	fflush(stdout);
	if (r < 0 && (!report || c->e.printer.quiet))
		ai_print_error(&error);
	aicert_free(report);
	return -r;
}

int
ai_cmd_reproduce(int argc, char **argv)
{
	struct reproduce_cli c = { .o.size = sizeof c.o };
	const struct ai_option table[] = {
		{ "input", 0, AI_OPTION_LIST, &c.inputs, "NAME=PATH", "take an input from here: a file, a folder, or a clone of a git input" },
		{ "project", 0, AI_OPTION_TEXT, (void *)&c.o.project, "DIR", "look for path inputs there (default: the proof's folder)" },
		{ "step", 0, AI_OPTION_TEXT, (void *)&c.o.step, "NAME", "this step only, and those that it needs and whose results are not in the cache" },
		{ "keep", 0, AI_OPTION_TEXT, (void *)&c.o.keep, "DIR", "keep what the steps produced, in DIR/STEP/OUTPUT (DIR absent or empty)" },
		{ "json", 0, AI_OPTION_FLAG, &c.e.printer.json, NULL, "print the report as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &c.e.printer.quiet, NULL, "say nothing but errors" },
		{ "verbose", 'v', AI_OPTION_FLAG, &c.e.printer.verbose, NULL, "say more" },
		{ "help", 'h', AI_OPTION_FLAG, &c.e.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_err err = { 0 };
	int code = 0;
	if (ai_options_parse(table, n, argc, argv, &c.words, &err) < 0)
		code = ai_print_err(&err);
	else if (c.e.help)
		help(table, n);
	else
		code = work(&c, &err);
	ai_text_list_done(&c.inputs);
	ai_text_list_done(&c.words);
	return code;
}
