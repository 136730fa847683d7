/* env.c -- `aicert env`: finds the command of the family.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/env.h"

#include <stdio.h>

#include "cli/family.h"

static const struct ai_command commands[] = {
	{ "freeze", ai_env_freeze, "make an image of this machine's own files: what the last run used, or named folders" },
	{ 0 },
};

static void
help(void)
{
	puts("usage: aicert env COMMAND [OPTION…]\n"
	     "\n"
	     "Environments that steps run in. In an image everybody who has it gets the same root; the measured runner\n"
	     "(aicert run --in vm) has nothing else.\n");
	ai_family_list(commands);
	puts("\n"
	     "`aicert env COMMAND --help` explains one.\n"
	     "example: aicert env freeze --out frozen");
}

int
ai_cmd_env(int argc, char **argv)
{
	return ai_family_run("env", commands, help, argc, argv);
}
