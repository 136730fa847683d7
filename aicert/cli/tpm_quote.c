/* tpm_quote.c -- `aicert tpm quote`.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/eventlog/eventlog.h"
#include "attest/tpm/tpm.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "base/json.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/tpm.h"
#include "run/issuers.h"

enum { MAX_EXTRA = 64, N_PCRS = 24, PEM_LINE = 64 };

struct asked {
	const char *tcti, *ak, *bank, *pcrs, *extra, *nonce, *out;
	int json, force, help;
	uint16_t alg;
	uint32_t mask;
	uint8_t bytes[MAX_EXTRA];
	size_t n_bytes;
};

/* What is written: each file's name, bytes and field in --json. */
struct made {
	struct ai_buf attest, signature, pem, boot_log;
	const void *public;
	size_t public_len;
	json_t *pcrs, *certificates;
};

/* --- what is asked for ----------------------------------------------------------- */

static const char *
number(const char *p, uint32_t *out)
{
	char *end = NULL;
	unsigned long long v = *p >= '0' && *p <= '9' ? strtoull(p, &end, 10) : N_PCRS;
	*out = (uint32_t)(v < N_PCRS ? v : N_PCRS);
	return v < N_PCRS ? end : NULL;
}

/* "0-7,15" */
static int
parse_pcrs(const char *text, uint32_t *out, struct ai_err *err)
{
	uint32_t mask = 0, first, last;
	const char *p = text;
	do {
		p = number(p, &first);
		last = first;
		if (p && *p == '-')
			p = number(p + 1, &last);
		for (uint32_t i = first; p && i <= last; i++)
			mask |= 1u << i;
	} while (p && last >= first && *p == ',' && *++p);
	if (!p || *p || last < first || p[-1] == ',')
		return ai_fail(err, AI_EUSAGE, "--pcrs: got '%s', expected numbers from 0 to 23, as in '0-7,15'", text);
	*out = mask;
	return 0;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
parse_extra(struct asked *a, struct ai_err *err)
{
	if (a->extra && a->nonce)
		return ai_fail(err, AI_EUSAGE, "--extra and --nonce: expected one of them");
	size_t n = a->nonce ? strlen(a->nonce) : a->extra ? strlen(a->extra) / 2 : 0;
	if (n > MAX_EXTRA)
		return ai_fail(err, AI_EUSAGE, "--%s: got %zu bytes, expected at most %d", a->nonce ? "nonce" : "extra", n, MAX_EXTRA);
	a->n_bytes = n;
	if (a->nonce)
		memcpy(a->bytes, a->nonce, n);
	for (size_t i = 0; a->extra && i < n; i++) {
		int high = digit(a->extra[2 * i]), low = digit(a->extra[2 * i + 1]);
		if (high < 0 || low < 0)
			return ai_fail(err, AI_EUSAGE, "--extra: got '%s', expected hex", a->extra);
		a->bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (a->extra && strlen(a->extra) % 2)
		return ai_fail(err, AI_EUSAGE, "--extra: got an odd number of hex digits");
	return 0;
}

static int
parse(struct asked *a, struct ai_err *err)
{
	a->alg = ai_bank_parse(a->bank ? a->bank : "sha256");
	if (a->alg == 0)
		return ai_fail(err, AI_EUSAGE, "--bank: got '%s', expected sha1, sha256, sha384 or sha512", a->bank);
	if (!a->out && !a->json)
		return ai_fail(err, AI_EUSAGE, "usage: aicert tpm quote --out DIR, or --json");
	if (a->out && a->json)
		return ai_fail(err, AI_EUSAGE, "--out and --json: expected one of them");
	return parse_pcrs(a->pcrs ? a->pcrs : "0-15", &a->mask, err) < 0 ? err->code : parse_extra(a, err);
}

/* --- making it ------------------------------------------------------------------- */

static int
make(const struct asked *a, struct ai_tpm *t, struct made *m, struct ai_err *err)
{
	AI_JSON *values = NULL;
	if (ai_tpm_quote_raw(t, a->alg, a->mask, a->bytes, a->n_bytes, &m->attest, &m->signature, &values, err) < 0
		|| ai_tpm_ak_pem(t, &m->pem, err) < 0 || ai_tpm_boot_log(t, &m->boot_log, err) < 0)
		return err->code;
	m->public = ai_tpm_ak_public(t, &m->public_len);
	m->pcrs = json_pack("{s:O}", ai_bank_word(a->alg), values);
	m->certificates = json_deep_copy(ai_tpm_certificates(t));
	return m->pcrs && m->certificates ? 0 : ai_nomem(err);
}

static json_t *
b64(const void *p, size_t n)
{
	AI_BUF_AUTO text = AI_BUF(2u * AI_MAX_BOOT_LOG);
	ai_b64_put(&text, p, n);
	return text.state == AI_BUF_GOOD ? json_stringn(text.len ? text.data : "", text.len) : NULL;
}

static int
print_json(const struct made *m, const struct ai_tpm *t, struct ai_err *err)
{
	AI_JSON *o = json_pack("{s:o, s:o, s:o, s:s, s:s, s:O, s:O}", "quote", b64(m->attest.data, m->attest.len),
		"signature", b64(m->signature.data, m->signature.len), "ak_public", b64(m->public, m->public_len), "ak_pem", m->pem.data,
		"ak_kind", ai_tpm_ak_kind(t), "pcrs", m->pcrs, "ak_certificates", m->certificates);
	if (!o || (m->boot_log.len && json_object_set_new(o, "event_log", b64(m->boot_log.data, m->boot_log.len)) < 0))
		return ai_nomem(err);
	char *text = json_dumps(o, JSON_INDENT(2));
	puts(text ? text : "{}");
	free(text);
	return 0;
}

/* PEM: the base64 that is there already, in lines. */
static void
put_pem(struct ai_buf *out, const char *text)
{
	ai_buf_puts(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t n = strlen(text), at = 0; at < n; at += PEM_LINE) {
		ai_buf_put(out, text + at, n - at < PEM_LINE ? n - at : PEM_LINE);
		ai_buf_putc(out, '\n');
	}
	ai_buf_puts(out, "-----END CERTIFICATE-----\n");
}

struct file { const char *name; const void *p; size_t n; };

static int
write_files(const struct asked *a, const struct made *m, struct ai_err *err)
{
	AI_BUF_AUTO pcrs = AI_BUF(AI_MAX_HEADER);
	AI_BUF_AUTO certificates = AI_BUF(16 * AI_MAX_CERT);
	size_t i;
	json_t *c;
	if (ai_json_pretty(m->pcrs, &pcrs, err) < 0)
		return err->code;
	json_array_foreach(m->certificates, i, c)
		put_pem(&certificates, json_string_value(c));
	if (ai_buf_ok(&certificates, "certificates.pem", err) < 0 || ai_mkdirs(a->out, 0777, err) < 0)
		return err->code;
	const struct file files[] = {
		{ "quote.msg", m->attest.data, m->attest.len }, { "quote.sig", m->signature.data, m->signature.len },
		{ "ak.pub", m->public, m->public_len }, { "ak.pem", m->pem.data, m->pem.len }, { "pcrs.json", pcrs.data, pcrs.len },
		{ "eventlog.bin", m->boot_log.data, m->boot_log.len }, { "certificates.pem", certificates.data, certificates.len },
	};
	enum { N = sizeof files / sizeof *files };
	for (i = 0; i < N; i++) {
		AI_FREE char *path = ai_format("%s/%s", a->out, files[i].name);
		if (path && ai_exists(path) && !a->force)
			return ai_fail(err, AI_EUSAGE, "'%s' is there already: --force overwrites it", path);
	}
	for (i = 0; i < N; i++) {
		AI_FREE char *path = ai_format("%s/%s", a->out, files[i].name);
		if (!path)
			return ai_nomem(err);
		/* Of an earlier quote nothing may stay behind that looks like a part of this one. */
		if (files[i].n == 0)
			(void)unlink(path);
		else if (ai_write_file(AT_FDCWD, path, files[i].p, files[i].n, 0644, err) < 0)
			return err->code;
	}
	return 0;
}

static void
say_notes(const struct ai_tpm *t)
{
	const char *const notes[] = { ai_tpm_certificates_note(t), ai_tpm_boot_log_note(t) };
	for (size_t i = 0; i < 2; i++)
		if (*notes[i])
			fprintf(stderr, "aicert: tpm: %s\n", notes[i]);
}

static int
quote(const struct asked *a, struct ai_err *err)
{
	struct ai_home home = { 0 };
	struct ai_tpm *t = NULL;
	struct made m = { .attest = AI_BUF(AI_MAX_QUOTE), .signature = AI_BUF(AI_MAX_QUOTE), .pem = AI_BUF(AI_MAX_QUOTE), .boot_log = AI_BUF(AI_MAX_BOOT_LOG) };
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	struct ai_tpm_options o = { .tcti = a->tcti, .state = home.data, .ak = a->ak, .issuer = ai_issuer_ask, .look = true };
	int r = ai_home_make(&home, err);
	if (r == 0)
		r = ai_tpm_open(&o, &t, err);
	if (r == 0)
		r = make(a, t, &m, err);
	if (r == 0)
		say_notes(t);
	if (r == 0)
		r = a->json ? print_json(&m, t, err) : write_files(a, &m, err);
	ai_tpm_close(t);
	ai_home_done(&home);
	json_decref(m.pcrs);
	json_decref(m.certificates);
	struct ai_buf *bufs[] = { &m.attest, &m.signature, &m.pem, &m.boot_log };
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		ai_buf_done(bufs[i]);
	return r;
}

int
ai_cmd_tpm_quote(int argc, char **argv)
{
	struct asked a = { 0 };
	const struct ai_option table[] = {
		{ "tpm", 0, AI_OPTION_TEXT, (void *)&a.tcti, "TCTI", "which TPM: embedded, device:/dev/tpmrm0, swtpm:… (default: $AICERT_TPM, /dev/tpmrm0, embedded)" },
		{ "ak", 0, AI_OPTION_TEXT, (void *)&a.ak, "KIND", "own attestation key: ecc (default) or rsa" },
		{ "bank", 0, AI_OPTION_TEXT, (void *)&a.bank, "HASH", "PCR bank (default sha256)" },
		{ "pcrs", 0, AI_OPTION_TEXT, (void *)&a.pcrs, "LIST", "PCRs (default 0-15)" },
		{ "extra", 0, AI_OPTION_TEXT, (void *)&a.extra, "HEX", "extraData: at most 64 bytes" },
		{ "nonce", 0, AI_OPTION_TEXT, (void *)&a.nonce, "TEXT", "extraData as text" },
		{ "out", 'o', AI_OPTION_TEXT, (void *)&a.out, "DIR", "folder for the files" },
		{ "json", 0, AI_OPTION_FLAG, &a.json, NULL, "print one JSON object instead, bytes in base64" },
		{ "force", 0, AI_OPTION_FLAG, &a.force, NULL, "overwrite files of DIR" },
		{ "help", 'h', AI_OPTION_FLAG, &a.help, NULL, "show this" },
	};
	enum { N = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, N, argc, argv, &words, &err);
	if (r == 0 && words.n > 0)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert tpm quote [OPTION…]: got '%s'", words.items[0]);
	if (r == 0 && a.help) {
		puts("usage: aicert tpm quote --out DIR [OPTION…]\n"
		     "\n"
		     "Quotes PCRs of any bank, and extends nothing. Written: quote.msg (TPMS_ATTEST), quote.sig (TPMT_SIGNATURE), ak.pub\n"
		     "(TPMT_PUBLIC), ak.pem, pcrs.json, and where there are such, eventlog.bin and certificates.pem.\n");
		ai_options_help(table, N);
		puts("\nexample: aicert tpm quote --pcrs 0-7 --nonce hello --out quote");
	} else if (r == 0) {
		r = parse(&a, &err);
		if (r == 0)
			r = quote(&a, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(0);
}
