/* enroll.c -- `aicert enroll`: the builder's side of attest/enrolment.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "attest/enrol/authority.h"
#include "attest/tpm/tpm.h"
#include "base/buf.h"
#include "base/home.h"
#include "cli/commands.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"
#include "run/issuers.h"

struct wishes {
	const char *file, *out, *tpm;
	struct ai_text_list certificates;
	int force;
};

static int
open_tpm(const struct wishes *w, struct ai_tpm **out, struct ai_err *err)
{
	struct ai_home home = { 0 };
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	struct ai_tpm_options o = { .tcti = w->tpm, .state = home.data, .issuer = ai_issuer_ask };
	int r = ai_home_make(&home, err);
	r = r < 0 ? r : ai_tpm_open(&o, out, err);
	ai_home_done(&home);
	return r;
}

/* --- request ----------------------------------------------------------------- */

/* What the CA would refuse for sure is told here, where something can be done about it. */
static int
check_request(const struct ai_buf *ek, const json_t *certificates, const void *ak, size_t ak_len, struct ai_err *err)
{
	struct ai_ak a;
	struct ai_ek e;
	if (json_array_size(certificates) == 0) {
		(void)ai_fail(err, AI_EENV, "tpm: holds no certificate of its endorsement key, so no CA can know it for genuine");
		return ai_hint(err, "some makers keep them on a server: --certificate FILE adds one");
	}
	if (ai_ak_parse(ak, ak_len, &a, err) < 0)
		return err->code;
	ai_ak_done(&a);
	if (ai_ek_parse(ek->data, ek->len, &e, err) < 0)
		return err->code;
	int r = ai_certificate_names(json_array_get(certificates, 0), e.pkey, err);
	ai_ek_done(&e);
	return r < 0 ? ai_in(err, "endorsement key") : 0;
}

static int
request(const struct wishes *w, struct ai_err *err)
{
	struct ai_tpm *t = NULL;
	AI_BUF_AUTO ek = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	AI_JSON *certificates = NULL;
	AI_JSON *given = json_array();
	size_t ak_len = 0;
	if (!given)
		return ai_nomem(err);
	if (ai_exchange_room(w->out, w->force, err) < 0 || ai_exchange_certificates(w->certificates.items, w->certificates.n, given, err) < 0)
		return err->code;
	if (open_tpm(w, &t, err) < 0)
		return err->code;
	const void *ak = ai_tpm_ak_public(t, &ak_len);
	int r = ai_tpm_ek(t, &ek, &certificates, err);
	/* A TPM without a certificate takes the whole chain from the files; else they complete what it has. */
	if (r == 0 && json_array_size(certificates) == 0 && json_array_size(given) > 0)
		r = json_array_append(certificates, json_array_get(given, 0)) < 0 ? ai_nomem(err) : 0;
	r = r < 0 ? r : ai_certificates_complete(certificates, given, NULL, err);
	r = r < 0 ? r : check_request(&ek, certificates, ak, ak_len, err);
	if (r == 0) {
		AI_JSON *fields = json_pack("{s:o, s:O, s:o}", "ek_public", ai_enrolment_text(ek.data, ek.len), "ek_certificates", certificates, "ak_public",
			ai_enrolment_text(ak, ak_len));
		r = fields ? ai_enrolment_format(AI_ENROLMENT_REQUEST, fields, &text, err) : ai_nomem(err);
	}
	ai_tpm_close(t);
	r = r < 0 ? r : ai_exchange_write(w->out, &text, err);
	if (r == 0)
		fprintf(stderr, "aicert: hand this request to the attestation CA; it answers with a challenge for `aicert enroll answer`\n");
	return r;
}

/* --- answer ------------------------------------------------------------------ */

static int
answer(const struct wishes *w, struct ai_err *err)
{
	struct ai_tpm *t = NULL;
	AI_JSON *challenge = NULL;
	AI_BUF_AUTO credential = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO seed = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO secret = AI_BUF(64);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	struct ai_digest named, ours;
	size_t ak_len = 0;
	if (ai_exchange_room(w->out, w->force, err) < 0 || ai_exchange_read(AI_ENROLMENT_CHALLENGE, w->file, &challenge, err) < 0)
		return err->code;
	if (ai_enrolment_bytes(challenge, "credential", &credential, err) < 0 || ai_enrolment_bytes(challenge, "seed", &seed, err) < 0)
		return err->code;
	if (open_tpm(w, &t, err) < 0)
		return err->code;
	const void *ak = ai_tpm_ak_public(t, &ak_len);
	ai_sha256(ak, ak_len, &ours);
	int r = 0;
	if (!ai_json_digest(challenge, "ak", &named) || !ai_digest_eq(&named, &ours))
		r = ai_fail(err, AI_ENO, "%s: is for another attestation key than this TPM's", w->file);
	r = r < 0 ? r : ai_tpm_activate(t, credential.data, credential.len, seed.data, seed.len, &secret, err);
	if (r == 0) {
		AI_JSON *fields = json_pack("{s:s, s:s, s:o}", "challenge", ai_json_str(challenge, "id"), "ak", ai_json_str(challenge, "ak"), "secret",
			ai_enrolment_text(secret.data, secret.len));
		r = fields ? ai_enrolment_format(AI_ENROLMENT_ANSWER, fields, &text, err) : ai_nomem(err);
	}
	ai_tpm_close(t);
	return r < 0 ? r : ai_exchange_write(w->out, &text, err);
}

/* --- install ----------------------------------------------------------------- */

static int
install(const struct wishes *w, struct ai_err *err)
{
	struct ai_tpm *t = NULL;
	AI_JSON *file = NULL;
	char *authority = NULL;
	size_t ak_len = 0;
	if (ai_exchange_read(AI_ENROLMENT_CERTIFICATE, w->file, &file, err) < 0 || open_tpm(w, &t, err) < 0)
		return err->code;
	const void *ak = ai_tpm_ak_public(t, &ak_len);
	int r = ai_enrolled_check(file, ak, ak_len, ai_exchange_now(), &authority, err);
	if (r < 0)
		(void)ai_in(err, "%s", w->file);
	r = r < 0 ? r : ai_tpm_keep_certificates(t, ai_json_arr(file, "certificates"), err);
	if (r == 0) {
		struct ai_log_view view = { .n_held = 0 };
		fputs("aicert: from now on proofs carry the certificate by ", stderr);
		ai_log_view_put(&view, stderr, authority, strlen(authority));
		fputc('\n', stderr);
	}
	free(authority);
	ai_tpm_close(t);
	return r;
}

/* --- the command ------------------------------------------------------------- */

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert enroll request [--out request.json]\n"
	     "       aicert enroll answer challenge.json [--out answer.json]\n"
	     "       aicert enroll install certificate.json\n"
	     "\n"
	     "For a TPM that comes without a certificate for its attestation key: an attestation CA (`aicert ca`) that a team runs\n"
	     "gives one, after this TPM has shown that it holds the key. Two files go there, two come back:\n"
	     "  request      the endorsement key with its maker's certificates, and the attestation key; goes to the CA\n"
	     "  answer       opens the CA's challenge, which only this TPM can; goes to the CA\n"
	     "  install      checks the certificate that came back, and keeps it: later proofs carry it\n");
	ai_options_help(table, n);
	puts("\nexample: aicert enroll request --out request.json");
}

static int
find(const char *verb, const struct ai_text_list *words, struct wishes *w, int (**out)(const struct wishes *, struct ai_err *), struct ai_err *err)
{
	static const struct { const char *name; size_t n; int (*fn)(const struct wishes *, struct ai_err *); } verbs[] = {
		{ "request", 1, request }, { "answer", 2, answer }, { "install", 2, install },
	};
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, verb) != 0 || words->n != verbs[i].n)
			continue;
		w->file = words->n > 1 ? words->items[1] : NULL;
		*out = verbs[i].fn;
		return 0;
	}
	(void)ai_fail(err, AI_EUSAGE, "usage: aicert enroll request | answer FILE | install FILE: got '%s' with %zu arguments", verb, words->n ? words->n - 1 : 0);
	return ai_hint(err, "aicert enroll --help explains them");
}

int
ai_cmd_enroll(int argc, char **argv)
{
	struct wishes w = { 0 };
	int wants_help = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&w.out, "FILE", "request, answer: write it there (default: standard output)" },
		{ "tpm", 0, AI_OPTION_TEXT, (void *)&w.tpm, "TCTI", "the TPM to use (default: $AICERT_TPM, else the machine's)" },
		{ "certificate", 0, AI_OPTION_LIST, &w.certificates, "FILE", "request: certificates of the endorsement key, or of issuers, that the TPM does not hold" },
		{ "force", 0, AI_OPTION_FLAG, &w.force, NULL, "overwrite FILE" },
		{ "help", 'h', AI_OPTION_FLAG, &wants_help, NULL, "show this" },
	};
	enum { N_OPTIONS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int (*verb)(const struct wishes *, struct ai_err *) = NULL;
	int r = ai_options_parse(table, N_OPTIONS, argc, argv, &words, &err);
	if (r == 0 && wants_help)
		help(table, N_OPTIONS);
	else if (r == 0 && (r = find(words.n ? words.items[0] : "", &words, &w, &verb, &err)) == 0)
		r = verb(&w, &err);
	ai_text_list_done(&w.certificates);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
