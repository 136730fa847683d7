/* ca.c -- `aicert ca`: finds the command of the family.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/ca.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "cli/commands.h"
#include "cli/print.h"

static const struct ai_command commands[] = {
	{ "init", ai_ca_init, "make an attestation CA in a folder" },
	{ "challenge", ai_ca_challenge, "judge a request, and make a challenge that only its TPM can answer" },
	{ "issue", ai_ca_issue, "check the answer, and issue the attestation key's certificate" },
	{ "list", ai_ca_list, "list the certificates that were issued" },
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void
help(void)
{
	puts("usage: aicert ca COMMAND DIR [OPTION…]\n"
	     "\n"
	     "An attestation CA: it says of a key that it lives in a genuine TPM, after that TPM has shown it. The other side is\n"
	     "`aicert enroll`, and between the two files go by mail, chat or whatever there is.\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].line);
	puts("\n"
	     "`aicert ca COMMAND --help` explains one.\n"
	     "example: aicert ca init ~/attestation-ca --name \"Example attestation CA\"");
}

int
ai_cmd_ca(int argc, char **argv)
{
	const char *word = argc > 0 ? argv[0] : "", *names[N_COMMANDS];
	for (size_t i = 0; i < N_COMMANDS; i++) {
		names[i] = commands[i].name;
		if (strcmp(commands[i].name, word) == 0)
			return commands[i].main(argc - 1, argv + 1);
	}
	if (!*word || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		help();
		return *word ? 0 : -AI_EUSAGE;
	}
	const char *near = ai_near(word, names, N_COMMANDS);
	struct ai_err err = { 0 };
	ai_fail(&err, AI_EUSAGE, "usage: aicert ca: no command '%s'%s%s%s", word, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	ai_hint(&err, "aicert ca --help lists them");
	return ai_print_err(&err);
}
