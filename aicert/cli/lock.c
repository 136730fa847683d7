/* lock.c -- `aicert lock`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/engine.h"

int
ai_cmd_lock(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	int update = 0;
	struct ai_option table[AI_ENGINE_OPTIONS + 1] = {
		[AI_ENGINE_OPTIONS] = { "update", 0, AI_OPTION_FLAG, &update, NULL, "move pins to what the names mean now" },
	};
	ai_engine_options(&e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, AI_ENGINE_OPTIONS + 1, argc, argv, &words, &err);
	const char *name = words.n ? words.items[0] : NULL;
	if (r == 0 && words.n > 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert lock [--update [NAME]]: got '%s' too", words.items[1]);
	if (r == 0 && name && !update)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert lock '%s': a single name can only be moved, with --update", name);
	if (r == 0 && update && e.run.locked)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert lock: '--update' moves pins, and '--locked' lets none be written: give one of them");
	ai_text_list_done(&words);
	if (r < 0 || e.help)
		ai_engine_done(&e);
	if (r < 0)
		return ai_print_err(&err);
	if (e.help) {
		puts("usage: aicert lock [--update [NAME]] [OPTION…]\n"
		     "\n"
		     "Pins in aicert.lock what a name could change: a git ref to its commit, a URL to its SHA-256 and size, an image to\n"
		     "its manifest's digest, a step's requirements.txt to wheels. Pins that are there stay; --update resolves again: all,\n"
		     "or the input, the image, or the step (its wheels) that is named.\n");
		ai_options_help(table, AI_ENGINE_OPTIONS + 1);
		puts("\nexample: aicert lock --update source\n         aicert lock --update python:3.11");
		return 0;
	}
	ai_engine_watch(&e, NULL);
	aicert_error error;
	r = aicert_lock(&e.run, name, update, &error);
	ai_engine_done(&e);
	ai_engine_settle(&e);
	return r < 0 ? ai_print_error(&error) : 0;
}
