/* ca.c -- `aicert ca`: finds the command of the family.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/ca.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/family.h"

int
ai_ca_days(const char *text, int *out, struct ai_err *err)
{
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || end == text || *end || v < 1 || v > 36500)
		return ai_fail(err, AI_EUSAGE, "usage: --days '%.100s': expected a number of days from 1 to 36500", text);
	*out = (int)v;
	return 0;
}

static const struct ai_command commands[] = {
	{ "init", ai_ca_init, "make an attestation CA in a folder" },
	{ "challenge", ai_ca_challenge, "judge a request, and make a challenge that only its TPM can answer" },
	{ "issue", ai_ca_issue, "check the answer, and issue the attestation key's certificate" },
	{ "list", ai_ca_list, "list the certificates that were issued" },
	{ 0 },
};

static void
help(void)
{
	puts("usage: aicert ca COMMAND DIR [OPTION…]\n"
	     "\n"
	     "An attestation CA: it says of a key that it lives in a genuine TPM, after that TPM has shown it. The other side is\n"
	     "`aicert enroll`, and between the two files go by mail, chat or whatever there is.\n");
	ai_family_list(commands);
	puts("\n"
	     "`aicert ca COMMAND --help` explains one.\n"
	     "example: aicert ca init ~/attestation-ca --name \"Example attestation CA\"");
}

int
ai_cmd_ca(int argc, char **argv)
{
	return ai_family_run("ca", commands, help, argc, argv);
}
