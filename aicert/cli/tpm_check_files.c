/* tpm_check_files.c -- the files of `aicert tpm check`: their wrappings and forms; see tpm_check.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "attest/eventlog/eventlog.h"
#include "base/fs.h"
#include "cli/tpm_check.h"

static const uint8_t *bytes(const struct ai_buf *b) { return (const uint8_t *)(b->data ? b->data : ""); }

static unsigned big16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static unsigned little16(const uint8_t *p) { return (unsigned)p[1] << 8 | p[0]; }
static unsigned long little32(const uint8_t *p) { return (unsigned long)little16(p + 2) << 16 | little16(p); }

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* --- wrappings ------------------------------------------------------------------ */

/*
 * A TPM2B is its content behind a size that is exactly the rest of the file. No TPMS_ATTEST or TPMT_PUBLIC looks like one:
 * they begin with ff54 and with 0001 or 0023, and are neither 64 KiB nor 35 bytes.
 */
static bool
unwrap(struct ai_buf *b)
{
	if (b->len < 2 || big16(bytes(b)) != b->len - 2)
		return false;
	memmove(b->data, b->data + 2, b->len - 1);
	b->len -= 2;
	return true;
}

static int
read_into(struct ai_buf *b, const char *path, size_t max, struct ai_err *err)
{
	*b = AI_BUF(max);
	return path ? ai_read_file(AT_FDCWD, path, b, err) : 0;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Hex of either case, with or without 0x, as people and tools write it; at most max bytes. How many, or -1. */
static int
read_hex(const char *s, uint8_t *out, size_t max)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	size_t n = strlen(s);
	if (n % 2 || n / 2 > max)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		int a = hex_digit(s[i]), b = hex_digit(s[i + 1]);
		if (a < 0 || b < 0)
			return -1;
		out[i / 2] = (uint8_t)(a << 4 | b);
	}
	return (int)(n / 2);
}

static int
read_extra(struct ai_tpm_check *c, struct ai_err *err)
{
	uint8_t raw[64];
	int n = 0;
	if (c->extra && (n = read_hex(c->extra, raw, sizeof raw)) < 0)
		return ai_fail(err, AI_EUSAGE, "usage: --extra: got '%s', expected at most 64 bytes in hex", c->extra);
	c->f.has_extra = c->extra || c->nonce;
	c->f.extra = AI_BUF(AI_MAX_TEXT);
	ai_buf_put(&c->f.extra, c->nonce ? (const void *)c->nonce : raw, c->nonce ? strlen(c->nonce) : (size_t)n);
	return ai_buf_ok(&c->f.extra, "--nonce", err);
}

static int
read_scheme(struct ai_tpm_check *c, struct ai_err *err)
{
	static const struct { const char *word; uint16_t scheme, hash; } words[] = { /* TPM_ALG_ID */
		{ "rsassa-sha256", 0x14, 0x0b }, { "rsapss-sha256", 0x16, 0x0b }, { "ecdsa-sha256", 0x18, 0x0b }, { "rsassa-sha384", 0x14, 0x0c },
		{ "rsapss-sha384", 0x16, 0x0c }, { "ecdsa-sha384", 0x18, 0x0c }, { "rsassa-sha1", 0x14, 0x04 }, { "rsapss-sha1", 0x16, 0x04 },
		{ "ecdsa-sha1", 0x18, 0x04 }, { "rsassa", 0x14, 0x0b }, { "rsapss", 0x16, 0x0b }, { "ecdsa", 0x18, 0x0b },
	};
	for (size_t i = 0; c->scheme && i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i].word, c->scheme) == 0) {
			c->told_scheme = words[i].scheme;
			c->told_hash = words[i].hash;
			return 0;
		}
	return c->scheme ? ai_fail(err, AI_EUSAGE, "usage: --scheme: got '%s', expected rsassa-sha256, rsapss-sha256, ecdsa-sha256 or with sha384",
		c->scheme) : 0;
}

/* --- certificates --------------------------------------------------------------- */

static int
add_der(json_t *list, const void *der, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(4 * AI_MAX_CERT);
	ai_b64_put(&text, der, n);
	if (ai_buf_ok(&text, "certificate", err) < 0)
		return err->code;
	return json_array_append_new(list, json_stringn(text.data, text.len)) == 0 ? 0 : ai_nomem(err);
}

/* Every CERTIFICATE block of a PEM text, in order; what stands between them is for people. */
static int
add_pem(json_t *list, const char *path, const struct ai_buf *text, struct ai_err *err)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
	size_t n = 0;
	for (const char *at = text->data; (at = strstr(at, begin)); n++) {
		AI_BUF_AUTO body = AI_BUF(4 * AI_MAX_CERT);
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		const char *stop = strstr(at += strlen(begin), end);
		if (!stop)
			return ai_fail(err, AI_EINPUT, "%s: a certificate has no END line", path);
		for (; at < stop; at++)
			if (!is_blank(*at))
				ai_buf_putc(&body, *at);
		if (ai_buf_ok(&body, path, err) < 0 || ai_b64_get(body.data ? body.data : "", body.len, &der, err) < 0)
			return ai_in(err, "%s: certificate %zu", path, n + 1);
		if (add_der(list, der.data ? der.data : "", der.len, err) < 0)
			return err->code;
	}
	return n ? 0 : ai_fail(err, AI_EINPUT, "%s: holds no certificate", path);
}

static int
read_certificates(struct ai_tpm_check *c, struct ai_err *err)
{
	if (c->certificates.n == 0)
		return 0;
	if (!(c->f.certificates = json_array()))
		return ai_nomem(err);
	for (size_t i = 0; i < c->certificates.n; i++) {
		const char *path = c->certificates.items[i];
		AI_BUF_AUTO b = AI_BUF(16 * AI_MAX_CERT);
		if (ai_read_file(AT_FDCWD, path, &b, err) < 0)
			return err->code;
		bool der = b.len && bytes(&b)[0] == 0x30;
		if ((der ? add_der(c->f.certificates, b.data, b.len, err) : b.len ? add_pem(c->f.certificates, path, &b, err)
			: ai_fail(err, AI_EINPUT, "%s: is empty", path)) < 0)
			return err->code;
	}
	return 0;
}

/* --- PCR values ------------------------------------------------------------------ */

static int
present(struct ai_presented *p, uint16_t bank, unsigned pcr, const void *value, struct ai_err *err)
{
	size_t i = 0;
	while (i < p->n && p->banks[i].bank != bank)
		i++;
	if (i == AI_MAX_SELECTIONS)
		return ai_fail(err, AI_EINPUT, "PCR values: of more than %d banks", AI_MAX_SELECTIONS);
	if (p->banks[i].mask >> pcr & 1)
		return ai_fail(err, AI_EINPUT, "PCR values: PCR %u of %s comes twice", pcr, ai_bank_word(bank));
	p->n = i == p->n ? i + 1 : p->n;
	p->banks[i].bank = bank;
	p->banks[i].mask |= 1u << pcr;
	memcpy(p->banks[i].values[pcr], value, ai_bank_size(bank));
	return 0;
}

/* {"0": hex, …} of one bank. */
static int
read_json_bank(struct ai_presented *p, uint16_t bank, const json_t *values, struct ai_err *err)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)values, key, v) {
		uint8_t raw[64];
		char *end = NULL;
		unsigned long pcr = strtoull(key, &end, 10);
		bool number = *key >= '0' && *key <= '9' && *end == 0 && (*key != '0' || !key[1]) && pcr < AI_CHECK_PCRS;
		if (!number)
			return ai_fail(err, AI_EINPUT, "PCR values: got '%s', expected a PCR's number", key);
		int n = json_is_string(v) ? read_hex(json_string_value(v), raw, sizeof raw) : -1;
		if (n < 0 || (size_t)n != ai_bank_size(bank))
			return ai_fail(err, AI_EINPUT, "PCR values: PCR %lu: expected the %zu bytes of %s in hex", pcr, ai_bank_size(bank), ai_bank_word(bank));
		if (present(p, bank, (unsigned)pcr, raw, err) < 0)
			return err->code;
	}
	return 0;
}

/* {"0": hex} of the bank that was quoted, or {"sha256": {"0": hex}}. */
static int
read_json(struct ai_tpm_check *c, struct ai_err *err)
{
	struct ai_presented *p = &c->f.presented;
	AI_JSON *j = NULL;
	const char *key;
	json_t *v;
	if (ai_json_parse(c->f.pcrs.data, c->f.pcrs.len, c->pcrs, &j, err) < 0)
		return err->code;
	if (!json_is_object(j))
		return ai_fail(err, AI_EINPUT, "PCR values: not a JSON object");
	bool nested = false;
	json_object_foreach(j, key, v)
		nested = nested || json_is_object(v);
	c->f.pcrs_form = "JSON";
	if (!nested && c->q.n_banks != 1)
		return ai_fail(err, AI_EINPUT, "PCR values: the quote is of %zu banks, so each needs its name: {\"sha256\": {\"0\": …}}", c->q.n_banks);
	if (!nested)
		return read_json_bank(p, c->q.bank, j, err);
	json_object_foreach(j, key, v) {
		uint16_t bank = ai_bank_parse(key);
		if (!bank || !json_is_object(v))
			return ai_fail(err, AI_EINPUT, "PCR values: got '%s', expected a bank (sha1, sha256, sha384, sha512) with its PCRs", key);
		if (read_json_bank(p, bank, v, err) < 0)
			return err->code;
	}
	return 0;
}

/* The values of the quote's selection, in its order, from whoever has them. */
static int
present_quoted(struct ai_tpm_check *c, const uint8_t *(*next)(void *ctx, size_t size), void *ctx, struct ai_err *err)
{
	for (size_t i = 0; i < c->q.n_banks; i++)
		for (unsigned k = 0; k < AI_CHECK_PCRS; k++) {
			if (!(c->q.banks[i].mask >> k & 1))
				continue;
			const uint8_t *value = next(ctx, ai_bank_size(c->q.banks[i].bank));
			if (!value)
				return ai_fail(err, AI_EINPUT, "PCR values: one is missing, or not as long as its bank's digest");
			if (present(&c->f.presented, c->q.banks[i].bank, k, value, err) < 0)
				return err->code;
		}
	return 0;
}

static const uint8_t *
next_bare(void *ctx, size_t size)
{
	const uint8_t **at = ctx, *value = *at;
	*at += size;
	return value;
}

/*
 * tpm2-tools' file: its memory as it lay in a little-endian machine. TPML_PCR_SELECTION of 16 entries {hash u16, size u8, 4 bytes, padding},
 * how many TPML_DIGEST follow (u32), and each of those: count (u32) and 8 entries of {size u16, 64 bytes}.
 */
enum { TOOLS_SELECTION = 4 + 16 * 8, TOOLS_ENTRY = 2 + 64, TOOLS_LIST = 4 + 8 * TOOLS_ENTRY };

struct tools_walk { const uint8_t *lists; size_t n_lists, list, entry; };

static const uint8_t *
next_of_tools(void *ctx, size_t size)
{
	struct tools_walk *w = ctx;
	while (w->list < w->n_lists && w->entry >= little32(w->lists + w->list * TOOLS_LIST)) {
		w->list++;
		w->entry = 0;
	}
	if (w->list == w->n_lists || w->entry >= 8)
		return NULL;
	const uint8_t *e = w->lists + w->list * TOOLS_LIST + 4 + w->entry++ * TOOLS_ENTRY;
	return little16(e) == size ? e + 2 : NULL;
}

static bool
is_tools_file(const struct ai_buf *b)
{
	if (b->len < TOOLS_SELECTION + 4)
		return false;
	size_t n_lists = little32(bytes(b) + TOOLS_SELECTION);
	return n_lists <= 64 && b->len == TOOLS_SELECTION + 4 + n_lists * TOOLS_LIST;
}

static int
read_tools_file(struct ai_tpm_check *c, struct ai_err *err)
{
	const uint8_t *p = bytes(&c->f.pcrs);
	size_t n = little32(p), k = 0;
	c->f.pcrs_form = "tpm2-tools' PCR file";
	for (size_t i = 0; i < n && i < 16; i++) {
		const uint8_t *s = p + 4 + 8 * i;
		uint32_t mask = (uint32_t)little32(s + 3) & (s[2] < 4 ? (1u << (8 * s[2])) - 1 : UINT32_MAX);
		if (mask == 0)
			continue;
		while (k < c->q.n_banks && c->q.banks[k].mask == 0)
			k++;
		if (k == c->q.n_banks || c->q.banks[k].bank != little16(s) || c->q.banks[k].mask != mask)
			return ai_fail(err, AI_ENO, "PCR values: their file's selection (bank %04x, PCRs %08x) is not the quote's", little16(s), (unsigned)mask);
		k++;
	}
	while (k < c->q.n_banks && c->q.banks[k].mask == 0)
		k++;
	if (k != c->q.n_banks)
		return ai_fail(err, AI_ENO, "PCR values: their file's selection lacks a bank of the quote");
	struct tools_walk w = { p + TOOLS_SELECTION + 4, little32(p + TOOLS_SELECTION), 0, 0 };
	if (present_quoted(c, next_of_tools, &w, err) < 0)
		return err->code;
	size_t left = 0;
	for (size_t i = w.list; i < w.n_lists; i++)
		left += little32(w.lists + i * TOOLS_LIST);
	return left == w.entry || w.list == w.n_lists ? 0 : ai_fail(err, AI_EINPUT, "PCR values: more than were quoted");
}

int
ai_tpm_files_pcrs(struct ai_tpm_check *c, struct ai_err *err)
{
	const struct ai_buf *b = &c->f.pcrs;
	const uint8_t *at = bytes(b);
	/* By length, which says all: hex is twice as long as its bytes, and no count of digests is as long as tpm2-tools' file. */
	if (b->len == ai_quote_values_size(&c->q)) {
		c->f.pcrs_form = "bare values";
		return present_quoted(c, next_bare, &at, err);
	}
	if (is_tools_file(b))
		return read_tools_file(c, err);
	if (b->len && (*at == '{' || is_blank((char)*at)))
		return read_json(c, err);
	return ai_fail(err, AI_EINPUT, "PCR values: %zu bytes are neither JSON, nor tpm2-tools' PCR file, nor the %zu bytes of the values quoted", b->len,
		ai_quote_values_size(&c->q));
}

/* --- all of them ------------------------------------------------------------------ */

int
ai_tpm_files_read(struct ai_tpm_check *c, struct ai_err *err)
{
	struct ai_tpm_files *f = &c->f;
	if (read_scheme(c, err) < 0 || read_extra(c, err) < 0
		|| read_into(&f->quote, c->quote, AI_MAX_QUOTE, err) < 0 || read_into(&f->signature, c->signature, AI_MAX_QUOTE, err) < 0
		|| read_into(&f->key, c->key, AI_MAX_CERT, err) < 0 || read_into(&f->pcrs, c->pcrs, AI_MAX_CERT, err) < 0
		|| read_into(&f->event_log, c->event_log, AI_MAX_BOOT_LOG, err) < 0 || read_into(&f->parent, c->parent, AI_MAX_CERT, err) < 0
		|| read_into(&f->earlier, c->after, AI_MAX_QUOTE, err) < 0
		|| read_into(&f->earlier_signature, c->after_signature, AI_MAX_QUOTE, err) < 0 || read_certificates(c, err) < 0)
		return err->code;
	f->wrapped = unwrap(&f->quote);
	f->pem = f->key.len && (f->key.data[0] == '-' || is_blank(f->key.data[0]));
	if (!f->pem)
		unwrap(&f->key);
	unwrap(&f->parent);
	unwrap(&f->earlier);
	return 0;
}

void
ai_tpm_files_done(struct ai_tpm_files *f)
{
	struct ai_buf *all[] = { &f->quote, &f->signature, &f->key, &f->extra, &f->pcrs, &f->event_log, &f->parent, &f->earlier, &f->earlier_signature };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		ai_buf_done(all[i]);
	json_decref(f->certificates);
}
