/*
 * options.h -- command-line options from one table, which is also their help.
 *
 * Depends on: base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OPTIONS_H
#define AI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef enum ai_option_kind { AI_OPTION_FLAG, AI_OPTION_TEXT, AI_OPTION_LIST, AI_OPTION_MAYBE_EMPTY } ai_option_kind;

struct ai_text_list { const char **items; size_t n, cap; };

struct ai_option {
	const char *name;        /* "output-bom": written --output-bom VALUE or --output-bom=VALUE */
	char letter;             /* -f, or 0 */
	ai_option_kind kind;
	void *to;                /* FLAG: int *; TEXT and MAYBE_EMPTY (which takes an empty text): const char **; LIST: struct ai_text_list * */
	const char *value;       /* name of the value in help ("FILE"); NULL for flags */
	const char *help;
};

/*
 * ai_options_parse -- fills in what the table names; *words get what is no option ("--" ends options).
 * AI_EUSAGE on an unknown option (with the nearest known one), a missing value, or a value for a flag.
 */
int ai_options_parse(const struct ai_option *table, size_t n, int argc, char **argv, struct ai_text_list *words, struct ai_err *err) AI_CHECKED;
void ai_text_list_done(struct ai_text_list *l);

/* The table as help lines on standard output. */
void ai_options_help(const struct ai_option *table, size_t n);

#endif
