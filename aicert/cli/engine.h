/*
 * engine.h -- what the commands that run the engine share: its options, signals, and what it says.
 *
 * Depends on: api, options, print.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ENGINE_H
#define AI_ENGINE_H

#include "aicert.h"
#include "cli/events.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/progress.h"

struct ai_engine_cli {
	aicert_run_options run;
	struct ai_printer printer;
	struct ai_text_list define; /* -D; ai_engine_done gives it back */
	int help;
	/* After ai_engine_watch: one of the three hears what happens. */
	struct ai_live *live;       /* a terminal; NULL: none */
	struct ai_events *events;   /* --json; NULL: not asked for */
	struct ai_lines lines;      /* a pipe: the lines of steps that run beside each other */
	size_t n_steps, n_told;     /* of this run; how many of them were begun, reused or skipped */
};

enum { AI_ENGINE_OPTIONS = 8 };

/* Puts -f, -D, --locked, --policy, --json, -q, -v and --help into the first AI_ENGINE_OPTIONS rows of a table. */
void ai_engine_options(struct ai_engine_cli *e, struct ai_option *table);
/* Connects printer and Ctrl-C, and hands on what -D collected. */
void ai_engine_listen(struct ai_engine_cli *e);
void ai_engine_done(struct ai_engine_cli *e);
/*
 * ai_engine_watch -- as ai_engine_listen, with all that happens shown as it suits: a live view on a terminal, lines elsewhere, objects on
 * standard output for events (NULL: none are asked for). Nothing else may be printed until ai_engine_settle.
 */
void ai_engine_watch(struct ai_engine_cli *e, struct ai_events *events);
void ai_engine_settle(struct ai_engine_cli *e);

/*
 * ai_engine_step_command -- a command of the form `aicert NAME [STEP] [OPTION…]`, up to where it does its work.
 *   about   what help says between usage and options
 * true: *step is NULL or the word given, and it is watched: ai_engine_settle, and ai_engine_done in the end. false: the command is done, with *code.
 */
bool ai_engine_step_command(struct ai_engine_cli *e, int argc, char **argv, const char *name, const char *about, const char **step,
	int *code);

#endif
