/* engine.c -- see engine.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/talk.h"

void
ai_engine_options(struct ai_engine_cli *e, struct ai_option *table)
{
	const struct ai_option rows[AI_ENGINE_OPTIONS] = {
		{ "file", 'f', AI_OPTION_TEXT, (void *)&e->run.file, "FILE", "the Aicertfile (default: Aicertfile or aicert.yaml here)" },
		{ "define", 'D', AI_OPTION_LIST, &e->define, "NAME=VALUE", "the value of a parameter of the Aicertfile (may be repeated)" },
		{ "locked", 0, AI_OPTION_FLAG, &e->run.locked, NULL, "add no pin to aicert.lock: fail when one is missing" },
		{ "policy", 0, AI_OPTION_TEXT, (void *)&e->run.policy, "FILE", "judge the proofs of inputs by this policy (aicert policy --help)" },
		{ "json", 0, AI_OPTION_FLAG, &e->printer.json, NULL, "print the result as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &e->printer.quiet, NULL, "say nothing but errors" },
		{ "verbose", 'v', AI_OPTION_FLAG, &e->printer.verbose, NULL, "say more" },
		{ "help", 'h', AI_OPTION_FLAG, &e->help, NULL, "show this" },
	};
	memcpy(table, rows, sizeof rows);
}

static void
on_signal(int sig)
{
	(void)sig;
	aicert_interrupt();
}

void
ai_engine_listen(struct ai_engine_cli *e)
{
	e->run.size = sizeof e->run;
	e->run.say = ai_print_talk;
	e->run.ctx = &e->printer;
	e->run.define = e->define.items;
	e->run.n_define = e->define.n;
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

void
ai_engine_done(struct ai_engine_cli *e)
{
	ai_text_list_done(&e->define);
}

/* --- what happens, as it suits who reads --------------------------------------------- */

/* Steps that are so few are told one by one when nothing is done for them. */
#define FEW_STEPS 50

/* A line of one of several steps. */
static void
put_line(void *ctx, const char *step, const char *text, size_t n, bool over)
{
	struct ai_engine_cli *e = ctx;
	struct ai_log_view view = { 0 };
	(void)over;
	ai_print_settle(&e->printer);
	ai_put_safe_to(stderr, step);
	fputs(": ", stderr);
	ai_log_view_put(&view, stderr, text, n);
	ai_log_view_end(&view, stderr);
	if (n == 0)
		fputc('\n', stderr);
}

static void
put_state(struct ai_engine_cli *e, const char *word, const aicert_step_event *event)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	ai_buf_printf(&b, "%-8s%s", word, event->step);
	if (event->why)
		ai_buf_printf(&b, "  (%s)", event->why);
	if (event->kind == AICERT_STEP_IS_DONE)
		ai_buf_printf(&b, "  (%.1f s)", event->seconds);
	if (b.state == AI_BUF_GOOD)
		ai_print_talk(&e->printer, AI_TALK_STAGE, b.data, 0, 0);
}

/* Lines, for a pipe: as in a log file, in which nothing is written over. */
static void
plain_step(struct ai_engine_cli *e, const aicert_step_event *event)
{
	bool one = event->total <= 1, told = event->total <= FEW_STEPS || e->printer.verbose;
	e->lines.line = put_line;
	e->lines.ctx = e;
	if (e->printer.quiet)
		return;
	if (event->kind == AICERT_STEP_LOGS && one)
		ai_print_talk(&e->printer, AI_TALK_LOG, event->bytes, event->n, event->n);
	else if (event->kind == AICERT_STEP_LOGS)
		ai_lines_put(&e->lines, event->step, event->bytes, event->n);
	else
		ai_lines_end(&e->lines, event->step);
	if (event->kind == AICERT_STEP_BEGINS)
		put_state(e, "run", event);
	else if (event->kind == AICERT_STEP_IS_REUSED && told)
		put_state(e, "reuse", &(aicert_step_event){ .kind = event->kind, .step = event->step });
	else if (event->kind == AICERT_STEP_IS_DONE && (!one || e->printer.verbose))
		put_state(e, "done", event);
	else if (event->kind == AICERT_STEP_FAILS)
		put_state(e, "failed", event);
	else if (event->kind == AICERT_STEP_IS_SKIPPED && told)
		put_state(e, "skipped", event);
}

static void
on_step(void *ctx, const aicert_step_event *event)
{
	struct ai_engine_cli *e = ctx;
	e->n_steps = event->total;
	e->n_told += event->kind == AICERT_STEP_BEGINS || event->kind == AICERT_STEP_IS_REUSED || event->kind == AICERT_STEP_IS_SKIPPED;
	if (e->live)
		ai_live_step(e->live, event);
	if (e->events)
		ai_events_step(e->events, event);
	if (!e->live && !e->events)
		plain_step(e, event);
}

static void
on_say(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total)
{
	struct ai_engine_cli *e = ctx;
	if (e->live)
		ai_live_say(e->live, kind, text, done, total);
	if (e->events)
		ai_events_say(e->events, kind, text, done, total);
	if (!e->live && !e->events)
		ai_print_talk(&e->printer, kind, text, done, total);
}

void
ai_engine_watch(struct ai_engine_cli *e, struct ai_events *events)
{
	ai_engine_listen(e);
	e->run.say = on_say;
	e->run.step = on_step;
	e->run.ctx = e;
	e->events = events;
	/* Events and a view on one screen would be neither. */
	if (!e->printer.quiet && ai_live_possible() && !(events && isatty(STDOUT_FILENO)))
		e->live = ai_live_start(e->printer.verbose);
}

void
ai_engine_settle(struct ai_engine_cli *e)
{
	ai_live_stop(e->live);
	e->live = NULL;
	ai_lines_end(&e->lines, NULL);
	ai_print_settle(&e->printer);
}

/* --- `aicert NAME [STEP]` ------------------------------------------------------------- */

bool
ai_engine_step_command(struct ai_engine_cli *e, int argc, char **argv, const char *name, const char *about, const char **step, int *code)
{
	struct ai_option table[AI_ENGINE_OPTIONS];
	ai_engine_options(e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, AI_ENGINE_OPTIONS, argc, argv, &words, &err);
	*step = words.n ? words.items[0] : NULL;
	if (r == 0 && words.n > 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert %s [STEP]: got '%s' too", name, words.items[1]);
	ai_text_list_done(&words);
	if (r < 0 || e->help)
		ai_engine_done(e);
	if (r < 0) {
		*code = ai_print_err(&err);
		return false;
	}
	if (e->help) {
		printf("usage: aicert %s [STEP] [OPTION…]\n\n%s\n", name, about);
		ai_options_help(table, AI_ENGINE_OPTIONS);
		printf("\nexample: aicert %s python\n", name);
		*code = 0;
		return false;
	}
	ai_engine_watch(e, NULL);
	return true;
}
