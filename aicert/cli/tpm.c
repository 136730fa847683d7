/* tpm.c -- `aicert tpm`: finds the command of the family; see tpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/tpm.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "cli/print.h"

static const struct ai_command *
find(const char *word)
{
	for (const struct ai_command *c = ai_tpm_commands; c->name; c++)
		if (strcmp(c->name, word) == 0)
			return c;
	return NULL;
}

bool
ai_tpm_wants_engine(const char *word)
{
	const struct ai_command *c = find(word);
	return c && !c->main;
}

static void
help(void)
{
	puts("usage: aicert tpm COMMAND [OPTION…]\n"
	     "\n"
	     "For people who look at attestation itself: TPMs, quotes and event logs, as raw files.\n");
	for (const struct ai_command *c = ai_tpm_commands; c->name; c++)
		printf("  %-9s %s\n", c->name, c->line);
	puts("\n"
	     "`aicert tpm COMMAND --help` explains one.\n"
	     "example: aicert tpm check --quote quote.msg --signature quote.sig --key ak.pub --pcrs pcrs.json --nonce hello");
}

static int
unknown(const char *word)
{
	const char *names[8];
	size_t n = 0;
	for (const struct ai_command *c = ai_tpm_commands; c->name; c++)
		names[n++] = c->name;
	const char *near = ai_near(word, names, n);
	struct ai_err err = { 0 };
	ai_fail(&err, AI_EUSAGE, "usage: aicert tpm: no command '%s'%s%s%s", word, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	ai_hint(&err, "aicert tpm --help lists them");
	return ai_print_err(&err);
}

int
ai_cmd_tpm(int argc, char **argv)
{
	const char *word = argc > 0 ? argv[0] : "";
	const struct ai_command *c = find(word);
	if (c)
		return c->main(argc - 1, argv + 1);
	if (*word && strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0 && strcmp(word, "help") != 0)
		return unknown(word);
	help();
	return *word ? 0 : -AI_EUSAGE;
}
