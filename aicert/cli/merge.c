/* merge.c -- `aicert merge`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/x509/roots.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/proofs.h"
#include "proof/merge.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert merge PROOF PROOF… [--out FILE]\n"
	     "\n"
	     "Puts proofs of one root by different attestations into one proof: the first's attestation stays the proof's own, the\n"
	     "others are carried beside it (`cosigned`), each once. What is withheld in one and shown in another is shown. Each must\n"
	     "hold together by itself. A verifier whose policy says `threshold: 2` then asks that two parties executed each result.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert merge mine.json theirs.json --out proof.json");
}

static int
merge(const struct ai_text_list *files, const char *to, int force, struct ai_err *err)
{
	AI_FREE struct ai_proof_text *in = ai_calloc(files->n, sizeof *in);
	struct ai_buf *texts = ai_calloc(files->n, sizeof *texts);
	AI_BUF_AUTO out = AI_BUF(AI_MAX_PROOF);
	struct ai_rewrite how;
	struct ai_roots *roots = NULL;
	int r = in && texts ? ai_proofs_how(&how, &roots, err) : ai_nomem(err);
	for (size_t i = 0; r == 0 && i < files->n; i++)
		r = ai_proofs_read(files->items[i], &texts[i], &in[i], err);
	if (r == 0)
		r = ai_proof_merge(&how, in, files->n, &out, err);
	if (r == 0)
		r = ai_proofs_write(to, &out, force, err);
	for (size_t i = 0; texts && i < files->n; i++)
		ai_buf_done(&texts[i]);
	free(texts);
	ai_roots_free(roots);
	return r;
}

int
ai_cmd_merge(int argc, char **argv)
{
	const char *out = NULL;
	int force = 0, wants_help = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&out, "FILE", "where to write the merged proof (default: standard output)" },
		{ "force", 0, AI_OPTION_FLAG, &force, NULL, "replace FILE if it differs" },
		{ "help", 'h', AI_OPTION_FLAG, &wants_help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 3, argc, argv, &words, &err);
	if (r == 0 && wants_help)
		help(table, 3);
	else if (r == 0 && words.n < 2)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert merge PROOF PROOF…: got %zu proofs, expected at least two", words.n);
	else if (r == 0)
		r = merge(&words, out, force, &err);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
