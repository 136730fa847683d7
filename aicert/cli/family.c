/* family.c -- see family.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/family.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "cli/print.h"

enum { MAX_COMMANDS = 16 };

const struct ai_command *
ai_family_find(const struct ai_command *table, const char *word)
{
	for (const struct ai_command *c = table; c->name; c++)
		if (strcmp(c->name, word) == 0)
			return c;
	return NULL;
}

void
ai_family_list(const struct ai_command *table)
{
	for (const struct ai_command *c = table; c->name; c++)
		printf("  %-10s %s\n", c->name, c->line);
}

static int
unknown(const char *family, const struct ai_command *table, const char *word)
{
	const char *names[MAX_COMMANDS];
	size_t n = 0;
	for (const struct ai_command *c = table; c->name && n < MAX_COMMANDS; c++)
		names[n++] = c->name;
	const char *near = ai_near(word, names, n);
	struct ai_err err = { 0 };
	ai_fail(&err, AI_EUSAGE, "usage: aicert %s: no command '%s'%s%s%s", family, word, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	ai_hint(&err, "aicert %s --help lists them", family);
	return ai_print_err(&err);
}

int
ai_family_run(const char *family, const struct ai_command *table, void (*help)(void), int argc, char **argv)
{
	const char *word = argc > 0 ? argv[0] : "";
	const struct ai_command *c = ai_family_find(table, word);
	if (c)
		return c->main(argc - 1, argv + 1);
	if (*word && strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0 && strcmp(word, "help") != 0)
		return unknown(family, table, word);
	help();
	return *word ? 0 : -AI_EUSAGE;
}
