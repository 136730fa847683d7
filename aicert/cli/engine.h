/*
 * engine.h -- what the commands that run the engine share: its options, signals, and what it says.
 *
 * Depends on: api, options, print.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ENGINE_H
#define AI_ENGINE_H

#include "aicert.h"
#include "cli/options.h"
#include "cli/print.h"

struct ai_engine_cli {
	aicert_run_options run;
	struct ai_printer printer;
	int help;
};

enum { AI_ENGINE_OPTIONS = 6 };

/* Puts -f, --locked, --json, -q, -v and --help into the first AI_ENGINE_OPTIONS rows of a table. */
void ai_engine_options(struct ai_engine_cli *e, struct ai_option *table);
/* Connects printer and Ctrl-C. */
void ai_engine_listen(struct ai_engine_cli *e);

#endif
