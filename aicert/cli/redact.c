/* redact.c -- `aicert redact`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "attest/x509/roots.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/proofs.h"
#include "proof/redact.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert redact PROOF --node ID|NAME… [--kind KIND…] [--out FILE]\n"
	     "\n"
	     "Withholds nodes: only their ids stay, still bound by the root. Sources, environments, what steps used of the host, and\n"
	     "trees can be withheld, nothing else. NAME is a source's, or `environment:STEP`, or `used:STEP`. `aicert verify` refuses\n"
	     "such a proof unless its policy or --allow-withheld accepts it.\n"
	     "\n"
	     "This is no encryption: ids are unsalted, so a guess can be confirmed; the Aicertfile and the lock are carried whole and\n"
	     "still say what the inputs are. What shows all the same is printed on standard error.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert redact proof.json --node used:train --out public.json");
}

static void
say(FILE *to, const char *text)
{
	struct ai_log_view view = { 0 };
	ai_log_view_put(&view, to, text, strlen(text));
}

/* On standard error: what is gone, and what is not. */
static void
talk(const json_t *withheld, const json_t *notes)
{
	size_t i, k;
	json_t *v, *name;
	json_array_foreach(withheld, i, v) {
		fprintf(stderr, "withheld: %s %.12s", ai_json_str(v, "kind"), ai_json_str(v, "id"));
		json_array_foreach(ai_json_arr(v, "of"), k, name) {
			fputs(k ? ", " : " of ", stderr);
			say(stderr, json_string_value(name));
		}
		fputc('\n', stderr);
	}
	json_array_foreach(notes, i, v) {
		fputs("warning: ", stderr);
		say(stderr, json_string_value(v));
		fputc('\n', stderr);
	}
}

static int
redact(const char *file, const struct ai_redact *what, const char *to, int force, int quiet, struct ai_err *err)
{
	AI_BUF_AUTO text = { 0 };
	AI_BUF_AUTO out = AI_BUF(AI_MAX_PROOF);
	AI_JSON *withheld = NULL, *notes = NULL;
	struct ai_proof_text in;
	struct ai_rewrite how;
	struct ai_roots *roots = NULL;
	int r = ai_proofs_how(&how, &roots, err);
	if (r == 0)
		r = ai_proofs_read(file, &text, &in, err);
	if (r == 0)
		r = ai_proof_redact(&how, &in, what, &out, &withheld, &notes, err);
	if (r == 0)
		r = ai_proofs_write(to, &out, force, err);
	if (r == 0 && !quiet)
		talk(withheld, notes);
	ai_roots_free(roots);
	return r;
}

int
ai_cmd_redact(int argc, char **argv)
{
	const char *out = NULL;
	int force = 0, quiet = 0, wants_help = 0;
	struct ai_text_list words = { 0 }, nodes = { 0 }, kinds = { 0 };
	const struct ai_option table[] = {
		{ "node", 0, AI_OPTION_LIST, &nodes, "ID|NAME", "withhold this node (may be repeated)" },
		{ "kind", 0, AI_OPTION_LIST, &kinds, "KIND", "withhold every source, environment, used or tree (may be repeated)" },
		{ "out", 'o', AI_OPTION_TEXT, (void *)&out, "FILE", "where to write the proof (default: standard output)" },
		{ "force", 0, AI_OPTION_FLAG, &force, NULL, "replace FILE if it differs" },
		{ "quiet", 'q', AI_OPTION_FLAG, &quiet, NULL, "do not say what was withheld and what shows all the same" },
		{ "help", 'h', AI_OPTION_FLAG, &wants_help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &words, &err);
	const struct ai_redact what = { nodes.items, nodes.n, kinds.items, kinds.n };
	if (r == 0 && wants_help)
		help(table, n);
	else if (r == 0 && words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert redact PROOF --node ID|NAME…: got %zu arguments, expected one proof", words.n);
	else if (r == 0 && nodes.n + kinds.n == 0)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert redact PROOF --node ID|NAME…: got no --node and no --kind");
	else if (r == 0)
		r = redact(words.items[0], &what, out, force, quiet, &err);
	ai_text_list_done(&words);
	ai_text_list_done(&nodes);
	ai_text_list_done(&kinds);
	return r < 0 ? ai_print_err(&err) : 0;
}
