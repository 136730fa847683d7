/*
 * rules.h -- `aicert rules …`: one file per command, and where rules are found: the project's own go before those built in.
 *
 * Depends on: rule.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_RULES_H
#define AI_CLI_RULES_H

#include <stdbool.h>

#include "rule/rule.h"

/* argv without "rules", and without the command's name. */
int ai_rules_show(int argc, char **argv);
int ai_rules_test(int argc, char **argv);

struct ai_rule_file {
	struct ai_rule_text rule;
	bool own;      /* a file of the project */
};

/* NAME of the project (its folder rules/) or built in; or a path that ends in .lua. AI_EUSAGE with the nearest name when there is none. */
int ai_rules_find(const char *project, const char *name, struct ai_rule_file *out, struct ai_err *err) AI_CHECKED;
/* The file at path, its name without .lua. 1 read, 0 it is not there. */
int ai_rules_read(const char *path, struct ai_rule_file *out, struct ai_err *err) AI_CHECKED;
void ai_rules_done(struct ai_rule_file *f);

/* The types of inputs that are no files: their names by number (NULL after the last), and what ai_rule_about would say; NULL: none, or no memory. */
const char *ai_rules_input_name(size_t i);
json_t *ai_rules_input(const char *name);

/* The names of the project's own, sorted; files of tests (NAME_test.lua) are none. The list and its members are the caller's. */
int ai_rules_own(const char *project, char ***names, size_t *n, struct ai_err *err) AI_CHECKED;
void ai_rules_own_done(char **names, size_t n);

#endif
