/* vm_enroll.c -- `aicert vm enroll`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/home.h"
#include "base/talk.h"
#include "cli/engine.h"
#include "cli/vm.h"
#include "vm/host/vtpm.h"

static void
talk(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	ai_print_talk(ctx, (int)kind, text, done, total);
}

static int
enroll(struct ai_engine_cli *e, const char *ca, const char *passphrase_file, struct ai_err *err)
{
	const struct ai_talk t = { .say = talk, .ctx = &e->printer };
	struct ai_home home = { 0 };
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	ai_engine_listen(e);
	int r = ai_home_make(&home, err);
	r = r < 0 ? r : ai_vtpm_enroll(&home, ca, passphrase_file, &t, err);
	ai_print_settle(&e->printer);
	ai_home_done(&home);
	return r;
}

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert vm enroll --ca DIR [OPTION…]\n"
	     "\n"
	     "Certifies the key that machines of this host attest with: the vTPM (made now, if there is none) shows the attestation CA in\n"
	     "DIR that it holds the key, by real credential activation, and gets a certificate for a year; later proofs carry it.\n"
	     "\n"
	     "A certificate says who operates the vTPM, no more: whoever has this host's files can use the key. So a verifier should name the\n"
	     "CA as an authority only if its operator is not the one who runs the jobs.\n");
	ai_options_help(table, n);
	puts("\n"
	     "example: aicert ca init ~/attestation-ca --name \"Example operator\"\n"
	     "         aicert vm enroll --ca ~/attestation-ca");
}

int
ai_vm_enroll_main(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	const char *ca = NULL, *passphrase_file = NULL;
	const struct ai_option table[] = {
		{ "ca", 0, AI_OPTION_TEXT, (void *)&ca, "DIR", "the folder of `aicert ca init`" },
		{ "passphrase-file", 0, AI_OPTION_TEXT, (void *)&passphrase_file, "FILE", "the first line of FILE decrypts the CA's key" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	enum { N_OPTIONS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, N_OPTIONS, argc, argv, &words, &err);
	if (r == 0 && e.help)
		help(table, N_OPTIONS);
	else if (r == 0 && words.n)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm enroll takes no argument: got '%s'", words.items[0]);
	else if (r == 0 && !ca)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm enroll --ca DIR: no CA was named");
	else if (r == 0)
		r = enroll(&e, ca, passphrase_file, &err);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
