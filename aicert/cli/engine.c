/* engine.c -- see engine.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void
ai_engine_options(struct ai_engine_cli *e, struct ai_option *table)
{
	const struct ai_option rows[AI_ENGINE_OPTIONS] = {
		{ "file", 'f', AI_OPTION_TEXT, (void *)&e->run.file, "FILE", "the Aicertfile (default: Aicertfile or aicert.yaml here)" },
		{ "define", 'D', AI_OPTION_LIST, &e->define, "NAME=VALUE", "the value of a parameter of the Aicertfile (may be repeated)" },
		{ "locked", 0, AI_OPTION_FLAG, &e->run.locked, NULL, "add no pin to aicert.lock: fail when one is missing" },
		{ "json", 0, AI_OPTION_FLAG, &e->printer.json, NULL, "print the result as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &e->printer.quiet, NULL, "say nothing but errors" },
		{ "verbose", 'v', AI_OPTION_FLAG, &e->printer.verbose, NULL, "say more" },
		{ "help", 'h', AI_OPTION_FLAG, &e->help, NULL, "show this" },
	};
	memcpy(table, rows, sizeof rows);
}

static void
on_signal(int sig)
{
	(void)sig;
	aicert_interrupt();
}

void
ai_engine_listen(struct ai_engine_cli *e)
{
	e->run.size = sizeof e->run;
	e->run.say = ai_print_talk;
	e->run.ctx = &e->printer;
	e->run.define = e->define.items;
	e->run.n_define = e->define.n;
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

void
ai_engine_done(struct ai_engine_cli *e)
{
	ai_text_list_done(&e->define);
}

bool
ai_engine_step_command(struct ai_engine_cli *e, int argc, char **argv, const char *name, const char *about, const char **step, int *code)
{
	struct ai_option table[AI_ENGINE_OPTIONS];
	ai_engine_options(e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, AI_ENGINE_OPTIONS, argc, argv, &words, &err);
	*step = words.n ? words.items[0] : NULL;
	if (r == 0 && words.n > 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert %s [STEP]: got '%s' too", name, words.items[1]);
	ai_text_list_done(&words);
	if (r < 0 || e->help)
		ai_engine_done(e);
	if (r < 0) {
		*code = ai_print_err(&err);
		return false;
	}
	if (e->help) {
		printf("usage: aicert %s [STEP] [OPTION…]\n\n%s\n", name, about);
		ai_options_help(table, AI_ENGINE_OPTIONS);
		printf("\nexample: aicert %s python\n", name);
		*code = 0;
		return false;
	}
	ai_engine_listen(e);
	return true;
}
