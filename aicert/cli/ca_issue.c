/* ca_issue.c -- `aicert ca issue`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "cli/ca.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"

struct wishes { const char *dir, *answer, *out, *days, *passphrase_file; int force; };

static int
issue(const struct wishes *w, const struct ai_ca_dir *d, const struct ai_authority *a, const json_t *answer, struct ai_err *err)
{
	AI_JSON *record = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	int days = 0;
	if (ai_ca_days(w->days, &days, err) < 0 || ai_exchange_room(w->out, w->force, err) < 0)
		return err->code;
	if (ai_ca_answer_certify(d, a, answer, days, ai_exchange_now(), &text, &record, err) < 0)
		return err->code;
	if (ai_exchange_write(w->out, &text, err) < 0)
		return ai_hint(err, "it was issued: aicert ca list %s --json shows it", w->dir);
	fprintf(stderr, "aicert: certificate %s for AK %s until %s\n", ai_json_str(record, "serial"), ai_json_str(record, "ak"), ai_json_str(record, "not_after"));
	return 0;
}

static int
work(const struct wishes *w, struct ai_err *err)
{
	struct ai_ca_dir d = { .lock = -1 };
	struct ai_authority *a = NULL;
	AI_JSON *answer = NULL;
	char *passphrase = NULL;
	if (ai_ca_open(w->dir, &d, err) < 0)
		return err->code;
	int r = ai_ca_passphrase(w->passphrase_file, &passphrase, err);
	r = r < 0 ? r : ai_ca_authority(&d, true, passphrase, &a, err);
	r = r < 0 ? r : ai_exchange_read(AI_ENROLMENT_ANSWER, w->answer, &answer, err);
	r = r < 0 ? r : issue(w, &d, a, answer, err);
	ai_authority_free(a);
	ai_ca_forget(passphrase);
	ai_ca_close(&d);
	return r;
}

int
ai_ca_issue(int argc, char **argv)
{
	struct wishes w = { .days = "365" };
	int help = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&w.out, "FILE", "write the certificate there (default: standard output)" },
		{ "days", 0, AI_OPTION_TEXT, (void *)&w.days, "N", "how long it is valid (default: 365; no longer than the CA's own)" },
		{ "passphrase-file", 0, AI_OPTION_TEXT, (void *)&w.passphrase_file, "FILE", "the first line of FILE decrypts the CA's key" },
		{ "force", 0, AI_OPTION_FLAG, &w.force, NULL, "overwrite FILE" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 5, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert ca issue DIR ANSWER [OPTION…]\n"
		     "\n"
		     "Checks the answer of `aicert enroll answer` against its challenge, which is used up by it, and issues the attestation\n"
		     "key's certificate. It is noted in DIR/issued.jsonl.\n");
		ai_options_help(table, 5);
		puts("\nexample: aicert ca issue ~/attestation-ca answer.json --out certificate.json");
	} else if (r == 0 && words.n != 2) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert ca issue DIR ANSWER: got %zu arguments", words.n);
	} else if (r == 0) {
		w.dir = words.items[0];
		w.answer = words.items[1];
		r = work(&w, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
