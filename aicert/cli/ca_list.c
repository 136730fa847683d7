/* ca_list.c -- `aicert ca list`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "cli/ca.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"

static void
put_record(const json_t *r)
{
	static const char *const keys[] = { "serial", "issued", "not_after", "ak", "ek", "sha256" };
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		ai_put_safe(ai_json_str(r, keys[i]) ? ai_json_str(r, keys[i]) : "");
		putchar(i + 1 < sizeof keys / sizeof *keys ? ' ' : '\n');
	}
}

static int
work(const char *dir, int json, struct ai_err *err)
{
	struct ai_ca_dir d = { .lock = -1 };
	AI_JSON *issued = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	size_t i;
	json_t *record;
	if (ai_ca_open(dir, &d, err) < 0)
		return err->code;
	int r = ai_ca_issued(&d, &issued, err);
	ai_ca_close(&d);
	if (r < 0)
		return r;
	if (json)
		return ai_json_pretty(issued, &text, err) < 0 ? err->code : ai_exchange_write(NULL, &text, err);
	json_array_foreach(issued, i, record)
		put_record(record);
	return 0;
}

int
ai_ca_list(int argc, char **argv)
{
	int help = 0, json = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print an array of objects, with the certificates" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 2, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert ca list DIR [OPTION…]\n"
		     "\n"
		     "One line for each certificate that was issued: serial, when, until, AK, EK, and the SHA-256 of the certificate, which\n"
		     "is what a verifier revokes it by (aicert trust revoke).\n");
		ai_options_help(table, 2);
		puts("\nexample: aicert ca list ~/attestation-ca");
	} else if (r == 0 && words.n != 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert ca list DIR: got %zu arguments", words.n);
	} else if (r == 0) {
		r = work(words.items[0], json, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
