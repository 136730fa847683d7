/*
 * fake_tpm.h -- an attestation key and quotes without a TPM: OpenSSL signs what a TPM would have written.
 *
 * A P-256 key in software and the TPM's structures marshalled by hand, so that a
 * test can also make what no TPM would: another selection, another extraData, a key with
 * wrong attributes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_TPM_H
#define FAKE_TPM_H

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "attest/runlog.h"
#include "base/hash.h"
#include "base/json.h"
#include "fake_boot.h"
#include "unit.h"

/* fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign */
enum { FAKE_ATTRIBUTES = 0x00050072, FAKE_DECRYPT = 0x00020000 };

struct fake_tpm {
	EVP_PKEY *key;
	uint32_t attributes;
	uint8_t select[3];      /* quoted PCRs, as a TPM writes them */
	bool other_extra;       /* sign another extraData than asked */
	uint16_t after_quote;   /* bytes that follow the TPMS_ATTEST */
	json_t *certificates;   /* of its key; NULL: none */
	const struct fake_boot *boot; /* what booted; NULL: PCRs of no meaning, no log */
	const struct fake_boot *told; /* the log that goes with the quote; NULL: boot's */
	uint32_t resets;
};

static inline void
fake_tpm_init(struct fake_tpm *t)
{
	*t = (struct fake_tpm){ .key = EVP_EC_gen("P-256"), .attributes = FAKE_ATTRIBUTES, .select = { 0xff, 0xff, 0 } };
	assert_non_null(t->key);
}

static inline void
fake_tpm_done(struct fake_tpm *t)
{
	EVP_PKEY_free(t->key);
	json_decref(t->certificates);
}

static inline void
fake_number(struct ai_buf *b, uint64_t v, int n)
{
	while (n-- > 0)
		ai_buf_putc(b, (char)(v >> (8 * n)));
}

static inline void
fake_2b(struct ai_buf *b, const void *p, size_t n)
{
	fake_number(b, n, 2);
	ai_buf_put(b, p, n);
}

static inline void
fake_coordinate(struct ai_buf *b, EVP_PKEY *key, const char *name)
{
	BIGNUM *v = NULL;
	uint8_t bytes[32];
	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &v), 1);
	assert_int_equal(BN_bn2binpad(v, bytes, 32), 32);
	BN_free(v);
	fake_2b(b, bytes, 32);
}

/* TPMT_PUBLIC */
static inline void
fake_public(const struct fake_tpm *t, struct ai_buf *b)
{
	fake_number(b, 0x0023000b, 4);          /* ECC, name by SHA-256 */
	fake_number(b, t->attributes, 4);
	fake_number(b, 0, 2);                   /* no policy */
	fake_number(b, 0x00100018, 4);          /* no symmetric, ECDSA */
	fake_number(b, 0x000b0003, 4);          /* SHA-256, P-256 */
	fake_number(b, 0x0010, 2);              /* no KDF */
	fake_coordinate(b, t->key, OSSL_PKEY_PARAM_EC_PUB_X);
	fake_coordinate(b, t->key, OSSL_PKEY_PARAM_EC_PUB_Y);
}

/* TPMS_ATTEST of a quote over all 16 values, whatever the selection says. */
static inline void
fake_attest(const struct fake_tpm *t, const struct ai_digest pcrs[AI_N_PCRS], const struct ai_digest *extra, struct ai_buf *b)
{
	static const uint8_t name[34] = { 0, 0x0b };
	struct ai_digest said = *extra, digest;
	said.b[31] = (uint8_t)(said.b[31] ^ t->other_extra);
	ai_sha256(pcrs, sizeof *pcrs * AI_N_PCRS, &digest);
	fake_number(b, 0xff544347, 4);
	fake_number(b, 0x8018, 2);
	fake_2b(b, name, sizeof name);
	fake_2b(b, said.b, sizeof said.b);
	fake_number(b, 12345, 8);               /* clock */
	fake_number(b, 1 + t->resets, 4);
	fake_number(b, 0, 4);
	fake_number(b, 1, 1);                   /* safe */
	fake_number(b, 0x20240101, 8);          /* firmware */
	fake_number(b, 1, 4);                   /* one bank */
	fake_number(b, 0x000b, 2);
	fake_number(b, 3, 1);
	ai_buf_put(b, t->select, 3);
	fake_2b(b, digest.b, sizeof digest.b);
	fake_number(b, 0, t->after_quote);
}

static inline void
fake_signature_part(struct ai_buf *b, const BIGNUM *v)
{
	uint8_t bytes[32];
	assert_int_equal(BN_bn2binpad(v, bytes, 32), 32);
	fake_2b(b, bytes, 32);
}

/* TPMT_SIGNATURE */
static inline void
fake_sign(const struct fake_tpm *t, const struct ai_buf *attest, struct ai_buf *b)
{
	uint8_t der[128];
	size_t n = sizeof der;
	const uint8_t *p = der;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, t->key), 1);
	assert_int_equal(EVP_DigestSign(md, der, &n, (const uint8_t *)attest->data, attest->len), 1);
	EVP_MD_CTX_free(md);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	assert_non_null(sig);
	fake_number(b, 0x0018000b, 4);
	fake_signature_part(b, ECDSA_SIG_get0_r(sig));
	fake_signature_part(b, ECDSA_SIG_get0_s(sig));
	ECDSA_SIG_free(sig);
}

static inline json_t *
fake_base64(struct ai_buf *bytes)
{
	AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_BOOT_LOG);
	ai_b64_put(&text, bytes->data, bytes->len);
	json_t *s = json_stringn(text.data ? text.data : "", text.len);
	ai_buf_done(bytes);
	return s;
}

/* The fingerprint that --key names. */
static inline void
fake_fingerprint(const struct fake_tpm *t, char out[AI_HEX])
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	struct ai_digest d;
	fake_public(t, &public);
	ai_sha256(public.data, public.len, &d);
	ai_hex(&d, out);
}

static inline void
fake_boot_log(const struct fake_tpm *t, struct ai_buf *out)
{
	const struct fake_boot *told = t->told ? t->told : t->boot;
	if (told)
		ai_buf_put(out, told->log.data, told->log.len);
}

/* {"claims", "signature", "low_level_quote", "evidence"}: claims quoted after the log was extended. New reference. */
static inline json_t *
fake_attestation(const struct fake_tpm *t, json_t *claims, json_t *log)
{
	struct ai_digest pcrs[AI_N_PCRS] = { 0 }, id, d;
	struct ai_buf public = AI_BUF(AI_MAX_QUOTE), attest = AI_BUF(AI_MAX_QUOTE), sig = AI_BUF(AI_MAX_QUOTE);
	json_t *values = json_object(), *event;
	size_t i;
	ok(ai_json_id(claims, &id, &err));
	for (i = 0; i < AI_PCR_RUN; i++)
		if (t->boot)
			pcrs[i] = t->boot->pcrs[i];
		else
			pcrs[i].b[0] = (uint8_t)(i * 7);
	json_array_foreach(log, i, event) {
		ok(ai_event_digest(event, &d, &err));
		ai_sha256_pair(&pcrs[AI_PCR_RUN], &d, &pcrs[AI_PCR_RUN]);
	}
	for (i = 0; i < AI_N_PCRS; i++) {
		char key[12];
		snprintf(key, sizeof key, "%u", (unsigned)i);
		json_object_set_new(values, key, ai_json_hex(&pcrs[i]));
	}
	fake_public(t, &public);
	fake_attest(t, pcrs, &id, &attest);
	fake_sign(t, &attest, &sig);
	json_t *quote = fake_base64(&attest);
	struct ai_buf boot_log = AI_BUF(AI_MAX_BOOT_LOG);
	fake_boot_log(t, &boot_log);
	json_t *evidence = json_pack("{s:s, s:o, s:o, s:o, s:o, s:O}", "type", "tpm2", "ak_public", fake_base64(&public), "ak_certificates",
		t->certificates ? json_deep_copy(t->certificates) : json_array(), "pcrs", values, "boot_log", fake_base64(&boot_log), "run_log", log);
	return json_pack("{s:O, s:o, s:o, s:o}", "claims", claims, "signature", fake_base64(&sig), "low_level_quote", quote, "evidence", evidence);
}

#endif
