/*
 * family.h -- commands that have commands of their own: `aicert tpm …`, `aicert ca …`, `aicert policy …`.
 *
 * Depends on: base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FAMILY_H
#define AI_FAMILY_H

#include "cli/commands.h"

/* The command of that name in a table that a NULL name ends, or NULL. */
const struct ai_command *ai_family_find(const struct ai_command *table, const char *word);
/* A line for each, for the family's help. */
void ai_family_list(const struct ai_command *table);
/* Runs the one that argv[0] names; help without one (exit code 2) or when asked (0); an error with the nearest name else. */
int ai_family_run(const char *family, const struct ai_command *table, void (*help)(void), int argc, char **argv);

#endif
