/* ca_challenge.c -- `aicert ca challenge`.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "cli/ca.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"
#include "proof/trust.h"

struct wishes {
	const char *dir, *request, *out;
	struct ai_text_list roots, issuers;
	int another, force;
};

/* The verifier's own anchors, and those given for this call, whose certificates may also complete a chain. */
static int
get_roots(const struct wishes *w, struct ai_roots **roots, json_t *issuers, struct ai_err *err)
{
	struct ai_home home = { 0 };
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	int r = ai_trust_roots(home.data, roots, err);
	ai_home_done(&home);
	for (size_t i = 0; r == 0 && i < w->roots.n; i++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
		r = ai_read_file(AT_FDCWD, w->roots.items[i], &bytes, err);
		if (r == 0 && ai_roots_add(*roots, bytes.data, bytes.len, NULL, AI_ROLE_EK, "", err) < 0)
			r = ai_in(err, "%s", w->roots.items[i]);
	}
	if (r == 0)
		r = ai_exchange_certificates(w->roots.items, w->roots.n, issuers, err);
	return r < 0 ? r : ai_exchange_certificates(w->issuers.items, w->issuers.n, issuers, err);
}

/* Foreign text, made harmless, among our talk. */
static void
say(const char *text)
{
	struct ai_log_view view = { .n_held = 0 };
	ai_log_view_put(&view, stderr, text, strlen(text));
}

static void
tell(const struct ai_candidate *c)
{
	char ek[AI_HEX], ak[AI_HEX];
	const char *maker = ai_json_str(c->tpm, "manufacturer"), *model = ai_json_str(c->tpm, "model");
	ai_hex(&c->ek_key, ek);
	ai_hex(&c->ak.fingerprint, ak);
	fprintf(stderr, "aicert: AK %s\n        EK %s\n        TPM ", ak, ek);
	say(maker ? maker : "of an unnamed maker");
	fputs(model ? ", " : "", stderr);
	say(model ? model : "");
	fputs("; its certificate ends at ", stderr);
	say(c->anchor);
	fputc('\n', stderr);
}

static int
challenge(const struct wishes *w, const struct ai_ca_dir *d, const struct ai_candidate *c, int64_t now, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	if (ai_exchange_room(w->out, w->force, err) < 0 || ai_ca_challenge_make(d, c, now, &text, err) < 0)
		return err->code;
	return ai_exchange_write(w->out, &text, err);
}

static int
work(const struct wishes *w, struct ai_err *err)
{
	struct ai_ca_dir d = { .lock = -1 };
	struct ai_candidate c;
	struct ai_roots *roots = NULL;
	AI_JSON *request = NULL;
	AI_JSON *issuers = json_array();
	int64_t now = ai_exchange_now();
	if (!issuers)
		return ai_nomem(err);
	if (ai_ca_open(w->dir, &d, err) < 0)
		return err->code;
	int r = ai_exchange_read(AI_ENROLMENT_REQUEST, w->request, &request, err);
	r = r < 0 ? r : get_roots(w, &roots, issuers, err);
	if (r == 0 && ai_candidate_judge(request, issuers, roots, now, &c, err) < 0)
		r = ai_in(err, "%s", w->request);
	else if (r == 0) {
		c.another = w->another;
		r = challenge(w, &d, &c, now, err);
		if (r == 0)
			tell(&c);
		ai_candidate_done(&c);
	}
	ai_roots_free(roots);
	ai_ca_close(&d);
	return r;
}

int
ai_ca_challenge(int argc, char **argv)
{
	struct wishes w = { 0 };
	int help = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&w.out, "FILE", "write the challenge there (default: standard output)" },
		{ "root", 0, AI_OPTION_LIST, &w.roots, "FILE", "for this call, believe this CA certificate for endorsement keys too (a software TPM's, in tests)" },
		{ "issuer", 0, AI_OPTION_LIST, &w.issuers, "FILE", "certificates that may stand between the request's and a root" },
		{ "another", 0, AI_OPTION_FLAG, &w.another, NULL, "also if another key of the same TPM has a certificate" },
		{ "force", 0, AI_OPTION_FLAG, &w.force, NULL, "overwrite FILE" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 6, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert ca challenge DIR REQUEST [OPTION…]\n"
		     "\n"
		     "Judges a request of `aicert enroll request`: the endorsement key's certificate must end at a root of role ek (built in,\n"
		     "`aicert trust`, or --root), the attestation key must be one that only its TPM can use, and neither may be in DIR/denied.\n"
		     "Then makes a challenge that can be answered within an hour, once, and by that TPM alone.\n");
		ai_options_help(table, 6);
		puts("\nexample: aicert ca challenge ~/attestation-ca request.json --out challenge.json");
	} else if (r == 0 && words.n != 2) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert ca challenge DIR REQUEST: got %zu arguments", words.n);
	} else if (r == 0) {
		w.dir = words.items[0];
		w.request = words.items[1];
		r = work(&w, &err);
	}
	ai_text_list_done(&w.roots);
	ai_text_list_done(&w.issuers);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
