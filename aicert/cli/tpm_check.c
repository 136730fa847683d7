/* tpm_check.c -- `aicert tpm check`: options, the list of checks, the report.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/tpm_check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/eventlog/eventlog.h"
#include "base/when.h"
#include "cli/print.h"
#include "cli/tpm.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert tpm check --quote FILE --signature FILE --key FILE [OPTION…]\n"
	     "\n"
	     "Judges a TPM 2.0 quote from files, as tpm2_quote, go-tpm and others leave them, and says check by check what was\n"
	     "compared with what. What is not given is not checked, and said to be skipped: without --extra or --nonce a quote\n"
	     "may be an old one, without --pcrs it says nothing that people can read.\n");
	ai_options_help(table, n);
	puts("\nFiles: the quote is a TPMS_ATTEST or TPM2B_ATTEST; the signature a TPMT_SIGNATURE, or with --scheme a bare one; the key a\n"
	     "TPMT_PUBLIC, TPM2B_PUBLIC or PEM (of which nobody knows whether it is a TPM's); PCRs are {\"0\": hex} or {\"sha256\": {\"0\": hex}},\n"
	     "tpm2-tools' PCR file, or the values one after the other. Algorithms are the key's; none is tried.\n"
	     "Exit codes: 0 every check passed or was skipped; 1 one failed; 2 usage; 3 a file is unreadable or malformed.\n"
	     "\n"
	     "example: aicert tpm check --quote quote.msg --signature quote.sig --key ak.pub --pcrs pcrs.json --nonce hello");
}

static const struct { const char *name; ai_tpm_check_fn *fn; } checks[] = {
	{ "quote", ai_tpm_check_form }, { "key", ai_tpm_check_key }, { "attributes", ai_tpm_check_attributes },
	{ "signature", ai_tpm_check_signature }, { "bank", ai_tpm_check_bank }, { "extra data", ai_tpm_check_extra }, { "pcrs", ai_tpm_check_pcrs }, { "event log", ai_tpm_check_event_log }, { "signer", ai_tpm_check_signer },
	{ "certificates", ai_tpm_check_certificates }, { "earlier quote", ai_tpm_check_after },
};

/* Each check in turn, whatever the others said. Negative: the worst of them, a malformed file before a plain no. */
static int
run_checks(struct ai_tpm_check *c, json_t *list, struct ai_err *err)
{
	int worst = 0;
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
		struct ai_err e = { 0 };
		int r = checks[i].fn(c, &said, &e);
		if (r == AI_EENV || ai_buf_ok(&said, "check", &e) < 0) {
			*err = e;
			return e.code;
		}
		if (r == AI_EINPUT || (r < 0 && worst == 0))
			worst = r;
		const char *text = r < 0 ? e.text : said.data ? said.data : "";
		json_t *row = json_pack("{s:s, s:s, s:s}", "name", checks[i].name, "status", r < 0 ? "failed" : r ? "passed" : "skipped", "compared", text);
		if (row && r < 0 && e.hint[0])
			json_object_set_new(row, "hint", json_string(e.hint));
		if (!row || json_array_append_new(list, row) < 0)
			return ai_nomem(err);
	}
	return worst;
}

static json_t *
hex_json(const void *p, size_t n)
{
	char text[2 * 68 + 1];
	ai_hex_bytes(p, n, text);
	return json_string(text);
}

/* What the quote says of itself, whether or not it is to be believed. */
static json_t *
describe_quote(const struct ai_quote *q)
{
	json_t *banks = json_array();
	for (size_t i = 0; i < q->n_banks; i++) {
		json_t *pcrs = json_array();
		for (unsigned k = 0; k < AI_CHECK_PCRS; k++)
			if (q->banks[i].mask >> k & 1)
				json_array_append_new(pcrs, json_integer(k));
		json_array_append_new(banks, json_pack("{s:s, s:o}", "bank", ai_bank_word(q->banks[i].bank), "pcrs", pcrs));
	}
	/* A 64-bit count may be beyond what JSON's readers keep whole. */
	char clock[24], firmware[24];
	snprintf(clock, sizeof clock, "%llu", (unsigned long long)q->clock);
	snprintf(firmware, sizeof firmware, "%016llx", (unsigned long long)q->firmware);
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:b, s:s, s:o, s:o}", "extra", hex_json(q->extra, q->extra_len), "signer", hex_json(q->signer, q->signer_len),
		"clock", clock, "reset_count", (json_int_t)q->reset_count, "restart_count", (json_int_t)q->restart_count, "safe", (int)q->safe,
		"firmware", firmware, "banks", banks, "pcr_digest", hex_json(q->pcr_digest, q->pcr_digest_len));
}

static json_t *
describe_key(const struct ai_tpm_check *c)
{
	const struct ai_ak *ak = &c->ak;
	json_t *o = json_pack("{s:s, s:i, s:s, s:s}", "type", ak->bits ? "RSA" : "ECC", "bits", ak->bits ? ak->bits : ak->curve == 4 ? 384 : 256,
		"scheme", ai_scheme_word(ak->scheme), "hash", ai_hash_word(ak->hash));
	struct ai_name name;
	struct ai_err err = { 0 };
	if (o && ak->name_alg && ai_name_of((const uint8_t *)c->f.key.data, c->f.key.len, &name, &err) == 0) {
		json_object_set_new(o, "name", hex_json(name.b, name.n));
		json_object_set_new(o, "fingerprint", ai_json_hex(&ak->fingerprint));
	}
	return o;
}

static void
print_report(const json_t *report, const struct ai_tpm_check *c)
{
	bool accepted = json_is_true(json_object_get(report, "accepted"));
	printf("%s%s%s\n", accepted ? ai_green() : ai_red(), accepted ? "quote accepted" : "QUOTE REFUSED", ai_plain());
	size_t i;
	json_t *row;
	const char *hint = NULL;
	json_array_foreach(json_object_get(report, "checks"), i, row) {
		const char *status = ai_json_str(row, "status");
		bool failed = strcmp(status, "failed") == 0, passed = strcmp(status, "passed") == 0;
		printf("  %s%-7s%s  %-13s  ", failed ? ai_red() : passed ? ai_green() : ai_dim(), failed ? "FAILED" : passed ? "ok" : status, ai_plain(),
			ai_json_str(row, "name"));
		ai_put_safe(ai_json_str(row, "compared"));
		putchar('\n');
		hint = hint ? hint : ai_json_str(row, "hint");
	}
	if (c->has_q) {
		AI_BUF_AUTO selection = AI_BUF(AI_MAX_TEXT);
		ai_tpm_selection_text(&c->q, &selection);
		printf("selects  %s\n", selection.data ? selection.data : "");
		printf("clock    %llu ms, %s; resetCount %u, restartCount %u; firmware %016llx\n", (unsigned long long)c->q.clock,
			c->q.safe ? "safe" : "not safe: it may have been set back at the last power loss", (unsigned)c->q.reset_count,
			(unsigned)c->q.restart_count, (unsigned long long)c->q.firmware);
	}
	if (hint) {
		printf("hint: ");
		ai_put_safe(hint);
		putchar('\n');
	}
}

static int
report(struct ai_tpm_check *c, struct ai_err *err)
{
	AI_JSON *list = json_array();
	int worst = list ? run_checks(c, list, err) : ai_nomem(err);
	if (err->code)
		return worst;
	AI_JSON *out = json_pack("{s:b, s:O}", "accepted", worst == 0, "checks", list);
	if (out && c->has_q)
		json_object_set_new(out, "quote", describe_quote(&c->q));
	if (out && c->has_ak)
		json_object_set_new(out, "key", describe_key(c));
	if (!out)
		return ai_nomem(err);
	if (c->json) {
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		if (ai_json_pretty(out, &text, err) < 0)
			return err->code;
		fwrite(text.data, 1, text.len, stdout);
	} else {
		print_report(out, c);
	}
	return worst;
}

/* What of the options does not go together, or is no word that is known. */
static int
check_options(struct ai_tpm_check *c, const struct ai_text_list *words, struct ai_err *err)
{
	if (words->n)
		return ai_fail(err, AI_EUSAGE, "usage: aicert tpm check: got '%s', expected options only", words->items[0]);
	const char *missing = !c->quote ? "quote" : !c->signature ? "signature" : !c->key ? "key" : NULL;
	if (missing) {
		ai_fail(err, AI_EUSAGE, "usage: aicert tpm check: --%s FILE is missing", missing);
		return ai_hint(err, "aicert tpm check --help shows the files");
	}
	if (c->extra && c->nonce)
		return ai_fail(err, AI_EUSAGE, "usage: --extra and --nonce are two ways to say one thing: got both");
	if (c->event_log && !c->pcrs)
		return ai_fail(err, AI_EUSAGE, "usage: --eventlog is compared with PCR values: --pcrs FILE is missing");
	if (c->after_signature && !c->after)
		return ai_fail(err, AI_EUSAGE, "usage: --after-signature is of an earlier quote: --after FILE is missing");
	if (c->bank && !ai_bank_parse(c->bank))
		return ai_fail(err, AI_EUSAGE, "usage: --bank: got '%s', expected sha1, sha256, sha384 or sha512", c->bank);
	c->at = time(NULL);
	return c->as_of ? ai_when_parse(c->as_of, &c->at, err) : 0;
}

int
ai_cmd_tpm_check(int argc, char **argv)
{
	struct ai_tpm_check c = { 0 };
	const struct ai_option table[] = {
		{ "quote", 0, AI_OPTION_TEXT, (void *)&c.quote, "FILE", "the quote (TPMS_ATTEST)" },
		{ "signature", 0, AI_OPTION_TEXT, (void *)&c.signature, "FILE", "its signature" },
		{ "key", 0, AI_OPTION_TEXT, (void *)&c.key, "FILE", "the attestation key" },
		{ "pcrs", 0, AI_OPTION_TEXT, (void *)&c.pcrs, "FILE", "the PCR values that were quoted: these, all of them, and no others" },
		{ "extra", 0, AI_OPTION_MAYBE_EMPTY, (void *)&c.extra, "HEX", "what extraData must be (\"\" for none)" },
		{ "nonce", 0, AI_OPTION_MAYBE_EMPTY, (void *)&c.nonce, "TEXT", "the same, as text" },
		{ "bank", 0, AI_OPTION_TEXT, (void *)&c.bank, "BANK", "the PCR bank that must be quoted, alone: sha256…" },
		{ "eventlog", 0, AI_OPTION_TEXT, (void *)&c.event_log, "FILE", "a boot log that must replay to the quoted PCRs" },
		{ "certificates", 0, AI_OPTION_LIST, &c.certificates, "FILE", "certificates of the key, leaf first, PEM or DER; may be repeated" },
		{ "as-of", 0, AI_OPTION_TEXT, (void *)&c.as_of, "WHEN", "judge certificates as of then (2026-01-01T00:00:00Z), not now" },
		{ "parent", 0, AI_OPTION_TEXT, (void *)&c.parent, "FILE", "public area of the key's parent: then qualifiedSigner is checked through it" },
		{ "after", 0, AI_OPTION_TEXT, (void *)&c.after, "FILE", "an earlier quote of this TPM, without a reset in between" },
		{ "after-signature", 0, AI_OPTION_TEXT, (void *)&c.after_signature, "FILE", "the earlier quote's signature, by the same key" },
		{ "scheme", 0, AI_OPTION_TEXT, (void *)&c.scheme, "SCHEME", "the signature is a bare one: rsassa, rsapss or ecdsa, -sha256 or -sha384" },
		{ "allow-sha1", 0, AI_OPTION_FLAG, &c.allow_sha1, NULL, "take SHA-1: a signature, a PCR bank or a boot log of it proves little" },
		{ "json", 0, AI_OPTION_FLAG, &c.json, NULL, "print {accepted, checks: [{name, status, compared}], quote, key}" },
		{ "help", 'h', AI_OPTION_FLAG, &c.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &words, &err), code = 0;
	if (r == 0 && c.help) {
		help(table, n);
	} else if (r == 0) {
		r = check_options(&c, &words, &err);
		if (r == 0)
			r = ai_tpm_files_read(&c, &err);
		if (r == 0)
			code = -report(&c, &err);
	}
	ai_text_list_done(&words);
	ai_text_list_done(&c.certificates);
	ai_tpm_files_done(&c.f);
	ai_ak_done(&c.ak);
	return err.code ? ai_print_err(&err) : code;
}
