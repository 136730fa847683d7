/* tpm.c -- `aicert tpm`: finds the command of the family; see tpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/tpm.h"

#include <stdio.h>

#include "cli/family.h"

bool
ai_tpm_wants_engine(const char *word)
{
	const struct ai_command *c = ai_family_find(ai_tpm_commands, word);
	return c && !c->main;
}

static void
help(void)
{
	puts("usage: aicert tpm COMMAND [OPTION…]\n"
	     "\n"
	     "For people who look at attestation itself: TPMs, quotes and event logs, as raw files.\n");
	ai_family_list(ai_tpm_commands);
	puts("\n"
	     "`aicert tpm COMMAND --help` explains one.\n"
	     "example: aicert tpm check --quote quote.msg --signature quote.sig --key ak.pub --pcrs pcrs.json --nonce hello");
}

int
ai_cmd_tpm(int argc, char **argv)
{
	return ai_family_run("tpm", ai_tpm_commands, help, argc, argv);
}
