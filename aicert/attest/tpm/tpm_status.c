/* tpm_status.c -- what is there, and quotes of whatever is asked for: for people who debug; see tpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_esys.h>

#include "attest/eventlog/eventlog.h"
#include "attest/tpm/tpm_parts.h"

enum { QUOTE_TRIES = 5 };

static int
set(json_t *obj, const char *key, json_t *value, struct ai_err *err)
{
	return json_object_set_new(obj, key, value) < 0 ? ai_nomem(err) : 0;
}

/* "sha256", or "0x…" for a hash that nobody here knows. */
static const char *
bank_name(uint16_t bank, char buf[8])
{
	const char *word = ai_bank_word(bank);
	snprintf(buf, 8, "0x%04x", bank);
	return word ? word : buf;
}

/* --- the status ---------------------------------------------------------------- */

/* Four bytes of text in a number, each printable or nothing. */
static void
put_text(struct ai_buf *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		char c = (char)(v >> shift & 0xff);
		if (c >= 0x20 && c <= 0x7e)
			ai_buf_putc(b, c);
	}
}

/* {"id": "INTC", "model": "Intel"}, and the firmware's version as its makers write it. */
static int
put_maker(struct ai_tpm_link *link, json_t *status, struct ai_err *err)
{
	AI_BUF_AUTO maker = AI_BUF(64);
	AI_BUF_AUTO model = AI_BUF(64);
	uint32_t v[2];
	if (ai_link_property(link, TPM2_PT_MANUFACTURER, &v[0], err) < 0)
		return err->code;
	put_text(&maker, v[0]);
	for (uint32_t i = 0; i < 4; i++) {
		if (ai_link_property(link, TPM2_PT_VENDOR_STRING_1 + i, &v[0], err) < 0)
			return err->code;
		put_text(&model, v[0]);
	}
	if (ai_link_property(link, TPM2_PT_FIRMWARE_VERSION_1, &v[0], err) < 0 || ai_link_property(link, TPM2_PT_FIRMWARE_VERSION_2, &v[1], err) < 0)
		return err->code;
	AI_FREE char *firmware = ai_format("%u.%u.%u.%u", v[0] >> 16, v[0] & 0xffff, v[1] >> 16, v[1] & 0xffff);
	if (!firmware || ai_buf_ok(&maker, "maker", err) < 0 || ai_buf_ok(&model, "model", err) < 0)
		return ai_nomem(err);
	if (set(status, "maker", json_string(maker.len ? maker.data : ""), err) < 0 || set(status, "model", json_string(model.len ? model.data : ""), err) < 0)
		return err->code;
	return set(status, "firmware", json_string(firmware), err);
}

static int
put_banks(struct ai_tpm_link *link, json_t *status, struct ai_err *err)
{
	struct ai_tpm_bank banks[16];
	size_t n;
	AI_JSON *list = json_array();
	if (ai_link_banks(link, banks, &n, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		char buf[8];
		json_t *pcrs = json_array();
		for (int pcr = 0; pcr < AI_TPM_PCRS; pcr++)
			if (banks[i].mask & 1u << pcr)
				json_array_append_new(pcrs, json_integer(pcr));
		if (json_array_append_new(list, json_pack("{s:s, s:o}", "bank", bank_name(banks[i].bank, buf), "pcrs", pcrs)) < 0)
			return ai_nomem(err);
	}
	return set(status, "banks", json_incref(list), err);
}

static int
put_eks(struct ai_tpm_link *link, json_t *status, struct ai_err *err)
{
	AI_JSON *list = json_array();
	const struct ai_ek_slot *s;
	for (size_t i = 0; (s = ai_ek_slot(i)); i++) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		struct ai_err why = { 0 };
		char nv[16];
		json_t *one = NULL;
		int r = ai_nv_certificate(link, s->certificate, &der, &why);
		if (r == 0)
			continue;
		if (r == 1)
			r = ai_tpm_cert_about(der.data, der.len, &one, &why);
		if (r < 0)
			one = json_pack("{s:s}", "trouble", why.text);
		snprintf(nv, sizeof nv, "%08x", (unsigned)s->certificate);
		if (!one || set(one, "nv", json_string(nv), err) < 0 || set(one, "type", json_string(s->type), err) < 0
			|| json_array_append(list, one) < 0) {
			json_decref(one);
			return ai_nomem(err);
		}
		json_decref(one);
	}
	return set(status, "ek", json_incref(list), err);
}

/* The key that runs use, first; then what clouds have here. */
static int
put_aks(struct ai_tpm *t, json_t *status, struct ai_err *err)
{
	static const char *const where[] = { [AI_AK_OWN] = "a primary key of the endorsement hierarchy", [AI_AK_AZURE] = "made by the cloud", [AI_AK_GCE] = "made by the cloud" };
	AI_JSON *list = json_array();
	AI_JSON *about = NULL;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest d;
	struct ai_err ignored = { 0 };
	const json_t *leaf = json_array_get(t->certificates, 0);
	if (leaf && ai_b64_get(json_string_value(leaf), json_string_length(leaf), &der, &ignored) == 0
		&& ai_tpm_cert_about(der.data, der.len, &about, &ignored) < 0)
		about = NULL;
	ai_sha256(t->public.data, t->public.len, &d);
	json_t *used = t->trouble ? json_pack("{s:s, s:b, s:s}", "kind", ai_tpm_ak_kind(t), "used", 0, "trouble", t->trouble)
		: json_pack("{s:s, s:b, s:s, s:o, s:i, s:O*}", "kind", ai_tpm_ak_kind(t), "used", 1, "where", where[t->from.kind],
			"fingerprint", ai_json_hex(&d), "certificates", (int)json_array_size(t->certificates), "certificate", about);
	if (json_array_append_new(list, used) < 0)
		return ai_nomem(err);
	if (!t->embedded && ai_cloud_list(&t->link, list, err) < 0)
		return err->code;
	return set(status, "ak", json_incref(list), err);
}

static int
put_pcr15(struct ai_tpm *t, json_t *status, struct ai_err *err)
{
	struct ai_digest pcrs[AI_N_PCRS];
	struct ai_err why = { 0 };
	json_t *p;
	if (ai_link_pcrs(&t->link, 1u << AI_PCR_RUN, pcrs, &why) < 0)
		p = json_pack("{s:s}", "trouble", why.text);
	else if (!t->embedded && ai_pcr_log_load(&t->log, &pcrs[AI_PCR_RUN], &why) < 0)
		p = json_pack("{s:o, s:s}", "value", ai_json_hex(&pcrs[AI_PCR_RUN]), "trouble", why.text);
	else
		p = json_pack("{s:o, s:I}", "value", ai_json_hex(&pcrs[AI_PCR_RUN]), "extended_since_boot", (json_int_t)t->log.n);
	return set(status, "pcr15", p, err);
}

static int
put_clock(struct ai_tpm_link *link, json_t *status, struct ai_err *err)
{
	TPMS_TIME_INFO *now = NULL;
	TSS2_RC rc = Esys_ReadClock(link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &now);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_ReadClock");
	const TPMS_CLOCK_INFO *c = &now->clockInfo;
	json_t *clock = json_pack("{s:I, s:I, s:I, s:b}", "clock", (json_int_t)c->clock, "reset_count", (json_int_t)c->resetCount,
		"restart_count", (json_int_t)c->restartCount, "safe", c->safe == TPM2_YES);
	Esys_Free(now);
	return set(status, "clock", clock, err);
}

static int
put_boot_log(const struct ai_tpm *t, json_t *status, struct ai_err *err)
{
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	AI_FREE char *path = NULL;
	AI_FREE char *note = NULL;
	int r = ai_boot_log_read(AI_SECURITYFS, t->name, &log, &path, &note, err);
	if (r < 0)
		return r;
	const char *why = *note ? note : "the kernel of this machine has no boot log of this TPM";
	return set(status, "boot_log", r == 1 ? json_pack("{s:s, s:I}", "path", path, "bytes", (json_int_t)log.len)
		: json_pack("{s:s*, s:s}", "path", path, "trouble", why), err);
}

static int
put_all(struct ai_tpm *t, json_t *s, struct ai_err *err)
{
	struct ai_tpm_link *link = &t->link;
	if (set(s, "tpm", json_string(t->name), err) < 0 || put_maker(link, s, err) < 0 || put_banks(link, s, err) < 0
		|| put_eks(link, s, err) < 0 || put_aks(t, s, err) < 0 || put_pcr15(t, s, err) < 0 || put_clock(link, s, err) < 0)
		return err->code;
	if (put_boot_log(t, s, err) < 0)
		return err->code;
	return t->note.len ? set(s, "note", json_string(t->note.data), err) : 0;
}

int
ai_tpm_status(struct ai_tpm *t, json_t **out, struct ai_err *err)
{
	AI_JSON *status = json_object();
	if (!status)
		return ai_nomem(err);
	int r = ai_tpm_begin(t, err);
	if (r == 0)
		r = put_all(t, status, err);
	ai_tpm_end(t);
	if (r < 0)
		return ai_in(err, "tpm: %s", t->name);
	*out = json_incref(status);
	return 0;
}

/* --- a quote of whatever is asked for --------------------------------------------- */

struct raw {
	struct ai_buf attest, signature;
	struct ai_tpm_pcr pcrs[AI_TPM_PCRS];
};

/* Does the quote's digest cover these values? The hash is the key's scheme's, and its length says which. */
static bool
covers(const struct ai_quote *q, const struct raw *raw, uint32_t mask)
{
	uint8_t all[AI_TPM_PCRS * AI_BANK_BYTES], got[EVP_MAX_MD_SIZE];
	size_t n = 0;
	unsigned len = 0;
	const EVP_MD *md = q->pcr_digest_len == 32 ? EVP_sha256() : q->pcr_digest_len == 48 ? EVP_sha384() : NULL;
	for (size_t i = 0; i < AI_TPM_PCRS; i++) {
		if (!(mask & 1u << i))
			continue;
		memcpy(all + n, raw->pcrs[i].b, raw->pcrs[i].n);
		n += raw->pcrs[i].n;
	}
	return md && EVP_Digest(all, n, got, &len, md, NULL) == 1 && len == q->pcr_digest_len && memcmp(got, q->pcr_digest, len) == 0;
}

static int
raw_once(struct ai_tpm *t, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len, struct raw *raw, struct ai_err *err)
{
	struct ai_quote q;
	struct ai_ak ak;
	ai_buf_clear(&raw->attest);
	ai_buf_clear(&raw->signature);
	if (ai_link_bank(&t->link, bank, mask, raw->pcrs, err) < 0
		|| ai_tpm_ak_quote(&t->link, t->key, bank, mask, extra, extra_len, &raw->attest, &raw->signature, err) < 0)
		return err->code;
	const uint8_t *attest = (const uint8_t *)raw->attest.data;
	if (ai_quote_parse(attest, raw->attest.len, &q, err) < 0 || ai_ak_parse((const uint8_t *)t->public.data, t->public.len, &ak, err) < 0)
		return err->code;
	int r = ai_quote_signature(&ak, attest, raw->attest.len, (const uint8_t *)raw->signature.data, raw->signature.len, err);
	ai_ak_done(&ak);
	if (r < 0)
		return err->code = AI_EENV;
	return covers(&q, raw, mask) ? 0 : ai_fail(err, AI_ENO, "quote: the PCRs moved while they were read");
}

/* Within begin and end. */
static int
raw_quote(struct ai_tpm *t, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len, struct raw *raw, struct ai_err *err)
{
	if (t->trouble)
		return ai_fail(err, AI_EENV, "%s", t->trouble);
	if (ai_tpm_load_key(t, err) < 0)
		return err->code;
	int r = AI_ENO;
	for (int i = 0; i < QUOTE_TRIES && r == AI_ENO; i++)
		r = raw_once(t, bank, mask, extra, extra_len, raw, err);
	return r == AI_ENO ? err->code = AI_EENV : r;
}

static json_t *
pcr_values(const struct raw *raw, uint32_t mask)
{
	AI_JSON *o = json_object();
	for (int i = 0; i < AI_TPM_PCRS; i++) {
		char key[12], hex[2 * AI_BANK_BYTES + 1];
		if (!(mask & 1u << i))
			continue;
		snprintf(key, sizeof key, "%d", i);
		ai_hex_bytes(raw->pcrs[i].b, raw->pcrs[i].n, hex);
		if (json_object_set_new(o, key, json_string(hex)) < 0)
			return NULL;
	}
	return json_incref(o);
}

int
ai_tpm_quote_raw(struct ai_tpm *t, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len, struct ai_buf *attest,
	struct ai_buf *signature, json_t **pcrs, struct ai_err *err)
{
	struct raw raw = { .attest = AI_BUF(AI_MAX_QUOTE), .signature = AI_BUF(AI_MAX_QUOTE) };
	if (mask == 0 || mask >> AI_TPM_PCRS || extra_len > 64)
		return ai_fail(err, AI_EUSAGE, "quote: got PCRs %08x and %zu bytes of extraData, expected some of PCRs 0-23 and at most 64", (unsigned)mask, extra_len);
	int r = ai_tpm_begin(t, err);
	if (r == 0)
		r = raw_quote(t, bank, mask, extra, extra_len, &raw, err);
	ai_tpm_end(t);
	json_t *values = r == 0 ? pcr_values(&raw, mask) : NULL;
	if (r == 0 && !values)
		r = ai_nomem(err);
	if (r == 0) {
		ai_buf_put(attest, raw.attest.data, raw.attest.len);
		ai_buf_put(signature, raw.signature.data, raw.signature.len);
		r = ai_buf_ok(attest, "quote", err) < 0 ? err->code : ai_buf_ok(signature, "signature", err);
	}
	ai_buf_done(&raw.attest);
	ai_buf_done(&raw.signature);
	if (r < 0) {
		json_decref(values);
		return ai_in(err, "tpm: %s", t->name);
	}
	*pcrs = values;
	return 0;
}
