/* timestamp.c -- `aicert timestamp`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine.h"
#include "run/stamp.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert timestamp PROOF [OPTION…]\n"
	     "\n"
	     "Asks a time-stamping authority (RFC 3161) for its word that a proof's quote existed before now, and puts it into the proof.\n"
	     "The authority sees a hash, nothing of the run. A verifier who believes it judges certificates as of that time, so that\n"
	     "the proof outlives them. It says 'existed before', never 'fresh': that is what a nonce is for.\n");
	ai_options_help(table, n);
	puts("\n"
	     "No service is built in. Without a network: --request writes what to ask (Content-Type: application/timestamp-query), and\n"
	     "--response takes what came back.\n"
	     "exit codes: 0 stamped; 1 the authority gives none, or one that does not hold; 2 usage; 3 proof or answer malformed; 5 unreachable\n"
	     "example: aicert timestamp proof.json --url https://freetsa.org/tsr\n"
	     "         aicert timestamp proof.json --request ask.tsq && aicert timestamp proof.json --response answer.tsr");
}

static void
talk(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	ai_print_talk(ctx, (int)kind, text, done, total);
}

static void
line(const char *title, const json_t *report, const char *key)
{
	const char *s = ai_json_str(report, key);
	if (!s)
		return;
	printf("%-10s ", title);
	ai_put_safe(s);
	putchar('\n');
}

static int
print_report(const struct ai_engine_cli *e, const json_t *report, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (e->printer.json) {
		if (ai_json_pretty(report, &text, err) < 0)
			return err->code;
		fputs(text.data, stdout);
	} else if (!e->printer.quiet) {
		line("request", report, "request");
		line("imprint", report, "imprint");
		line("proof", report, "proof");
		line("before", report, "timestamp");
		line("authority", report, "authority");
	}
	return 0;
}

/* The URL when nothing else was said: a user's own setting, for nobody is asked unasked. */
static int
choose(struct ai_stamp_options *o, const struct ai_text_list *words, struct ai_err *err)
{
	if (words->n != 1)
		return ai_fail(err, AI_EUSAGE, "usage: aicert timestamp PROOF: got %zu arguments, expected one proof", words->n);
	o->proof = words->items[0];
	if ((o->request != NULL) + (o->response != NULL) + (o->url != NULL) > 1)
		return ai_fail(err, AI_EUSAGE, "usage: --url, --request and --response exclude each other");
	if (o->request && o->out)
		return ai_fail(err, AI_EUSAGE, "usage: --request writes no proof: got --out too");
	if (o->request || o->response || o->url)
		return 0;
	o->url = getenv("AICERT_TIMESTAMP_URL");
	if (o->url && *o->url)
		return 0;
	ai_fail(err, AI_EUSAGE, "usage: aicert timestamp: no authority: expected --url URL or $AICERT_TIMESTAMP_URL");
	return ai_hint(err, "none is built in; any RFC 3161 service will do, and whoever verifies must believe it");
}

int
ai_cmd_timestamp(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct ai_talk listener = { .say = talk, .ctx = &e.printer };
	struct ai_stamp_options o = { .talk = &listener };
	int force = 0;
	const struct ai_option table[] = {
		{ "url", 0, AI_OPTION_TEXT, (void *)&o.url, "URL", "the authority to ask (default: $AICERT_TIMESTAMP_URL)" },
		{ "out", 'o', AI_OPTION_TEXT, (void *)&o.out, "FILE", "where the stamped proof goes (default: PROOF itself)" },
		{ "request", 0, AI_OPTION_TEXT, (void *)&o.request, "FILE", "write the request there and ask nobody" },
		{ "response", 0, AI_OPTION_TEXT, (void *)&o.response, "FILE", "take the authority's answer from there" },
		{ "force", 0, AI_OPTION_FLAG, &force, NULL, "replace a timestamp, or a file that is there" },
		{ "json", 0, AI_OPTION_FLAG, &e.printer.json, NULL, "print the result as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &e.printer.quiet, NULL, "say nothing but errors" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	int r = ai_options_parse(table, n, argc, argv, &words, &err);
	if (r == 0 && e.help) {
		help(table, n);
	} else if (r == 0) {
		r = choose(&o, &words, &err);
		o.force = force != 0;
		ai_engine_listen(&e);
		if (r == 0)
			r = ai_stamp_file(&o, &report, &err);
		ai_print_settle(&e.printer);
		if (r == 0)
			r = print_report(&e, report, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
