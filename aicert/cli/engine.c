/* engine.c -- see engine.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine.h"

#include <signal.h>
#include <string.h>

void
ai_engine_options(struct ai_engine_cli *e, struct ai_option *table)
{
	const struct ai_option rows[AI_ENGINE_OPTIONS] = {
		{ "file", 'f', AI_OPTION_TEXT, (void *)&e->run.file, "FILE", "the Aicertfile (default: Aicertfile or aicert.yaml here)" },
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
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}
