/* why.c -- `aicert why`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine.h"

static void
print_lines(const char *text)
{
	struct ai_err err = { 0 };
	AI_JSON *lines = NULL;
	size_t i;
	json_t *l;
	if (ai_json_parse(text, strlen(text), "report", &lines, &err) < 0)
		return;
	json_array_foreach(lines, i, l) {
		printf("%s%s%s  would %s: ", ai_bold(), ai_json_str(l, "step"), ai_plain(), ai_json_str(l, "would"));
		ai_put_safe(ai_json_str(l, "why"));
		putchar('\n');
	}
}

int
ai_cmd_why(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	const char *step;
	int r = 0;
	if (!ai_engine_step_command(&e, argc, argv, "why", "Says for each step whether it would run now, and the first thing that differs from the last run:\n"
		"an input, a variable, an argument, or a file of the host that it used. Runs nothing.\n", &step, &r))
		return r;
	aicert_error error;
	char *report = NULL;
	r = aicert_why(&e.run, step, &report, &error);
	ai_engine_done(&e);
	ai_engine_settle(&e);
	if (r < 0)
		return ai_print_error(&error);
	if (e.printer.json)
		fputs(report, stdout);
	else
		print_lines(report);
	aicert_free(report);
	return 0;
}
