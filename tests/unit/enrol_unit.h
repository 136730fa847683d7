/*
 * enrol_unit.h -- a TPM in software for tests of enrolment: an endorsement key, its maker's certificates, an attestation key, and what
 * TPM2_ActivateCredential does.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ENROL_UNIT_H
#define AI_ENROL_UNIT_H

#include <openssl/hmac.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "attest/enrol/authority.h"
#include "tpm_bytes.h"

#define EK_EXTENSIONS "critical,keyEncipherment", "2.23.133.8.1"

struct maker { EVP_PKEY *key; X509 *root; };
struct soft_tpm { EVP_PKEY *ek, *ak; struct bytes ek_public, ak_public; json_t *certificates; };

static inline void
add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* Yet to be signed. usage and purpose as OpenSSL writes them; purpose may be NULL. issuer NULL: it names itself. */
static inline X509 *
make_cert(const char *cn, EVP_PKEY *key, X509 *issuer, bool ca, const char *usage, const char *purpose)
{
	static long serial = 1000;
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_time_adj_ex(X509_getm_notAfter(x), 1000, 0, NULL);
	X509_set_pubkey(x, key);
	add_ext(x, issuer ? issuer : x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_ext(x, issuer ? issuer : x, NID_key_usage, usage);
	if (purpose)
		add_ext(x, issuer ? issuer : x, NID_ext_key_usage, purpose);
	return x;
}

/* Which TPM it is, as makers say it. */
static inline void
add_tpm_name(X509 *x)
{
	static const char *const words[][2] = { { "2.23.133.2.1", "id:4558414D" }, { "2.23.133.2.2", "Example \xe2\x84\xa2" }, { "2.23.133.2.3", "id:00010002" } };
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *g = GENERAL_NAME_new();
	X509_NAME *name = X509_NAME_new();
	for (size_t i = 0; i < 3; i++) {
		ASN1_OBJECT *o = OBJ_txt2obj(words[i][0], 1);
		X509_NAME_add_entry_by_OBJ(name, o, MBSTRING_UTF8, (const uint8_t *)words[i][1], -1, -1, 0);
		ASN1_OBJECT_free(o);
	}
	GENERAL_NAME_set0_value(g, GEN_DIRNAME, name);
	sk_GENERAL_NAME_push(names, g);
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT), 1);
	GENERAL_NAMES_free(names);
}

static inline json_t *
base64_of(X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	assert_true(n > 0);
	json_t *text = ai_enrolment_text(der, (size_t)n);
	OPENSSL_free(der);
	return text;
}

static inline void
make_maker(struct maker *m, const char *name)
{
	m->key = EVP_EC_gen("P-256");
	m->root = make_cert(name, m->key, NULL, true, "critical,keyCertSign", NULL);
	assert_true(X509_sign(m->root, m->key, EVP_sha256()) > 0);
}

static inline void
done_maker(struct maker *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->root);
}

/* The certificate that this maker gives an endorsement key, with its root. */
static inline json_t *
ek_certificates(const struct maker *m, EVP_PKEY *ek, const char *usage, const char *purpose)
{
	X509 *x = make_cert("TPM", ek, m->root, false, usage, purpose);
	add_tpm_name(x);
	assert_true(X509_sign(x, m->key, EVP_sha256()) > 0);
	json_t *list = json_pack("[o, o]", base64_of(x), base64_of(m->root));
	X509_free(x);
	return list;
}

/* TPMT_PUBLIC of an RSA endorsement key by the TCG's template L-1. */
static inline struct bytes
ek_public(EVP_PKEY *ek)
{
	static const uint8_t policy[32] = { 0x83, 0x71 };
	struct bytes o = { .n = 0 };
	BIGNUM *n = NULL;
	uint8_t v[512];
	put(&o, 0x0001000b, 4);
	put(&o, 0x000300b2, 4);
	put_2b(&o, policy, sizeof policy);
	put(&o, 0x00060080, 4);
	put(&o, 0x00430010, 4);
	put(&o, 2048, 2);
	put(&o, 0, 4);
	assert_int_equal(EVP_PKEY_get_bn_param(ek, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	int len = BN_bn2bin(n, v);
	BN_free(n);
	put_2b(&o, v, (size_t)len);
	return o;
}

static inline void
make_tpm(struct soft_tpm *t, const struct maker *m)
{
	struct key_words w = ECC_WORDS;
	t->ek = EVP_RSA_gen(2048);
	t->ak = EVP_EC_gen("P-256");
	t->ek_public = ek_public(t->ek);
	t->ak_public = public_area(t->ak, &w);
	t->certificates = ek_certificates(m, t->ek, EK_EXTENSIONS);
}

static inline void
done_tpm(struct soft_tpm *t)
{
	EVP_PKEY_free(t->ek);
	EVP_PKEY_free(t->ak);
	json_decref(t->certificates);
}

static inline json_t *
parse_text(ai_enrolment kind, const struct ai_buf *text)
{
	json_t *file = NULL;
	ok(ai_enrolment_parse(kind, text->data, text->len, "file", &file, &err));
	return file;
}

/* Fields become a file, and the file is read again, as the other side would. */
static inline json_t *
through_text(ai_enrolment kind, json_t *fields)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	ok(ai_enrolment_format(kind, fields, &text, &err));
	json_decref(fields);
	return parse_text(kind, &text);
}

static inline json_t *
request_of(const struct bytes *ek, const json_t *certificates, const struct bytes *ak)
{
	return through_text(AI_ENROLMENT_REQUEST, json_pack("{s:o, s:O, s:o}", "ek_public", ai_enrolment_text(ek->b, ek->n), "ek_certificates", certificates,
		"ak_public", ai_enrolment_text(ak->b, ak->n)));
}

/* KDFa for one block, written down again from the specification. */
static inline void
soft_kdfa(const uint8_t *seed, const char *label, const uint8_t *context, size_t n, uint32_t bits, uint8_t out[32])
{
	struct bytes t = { .n = 0 };
	unsigned len = 32;
	put(&t, 1, 4);
	put_raw(&t, label, strlen(label) + 1);
	put_raw(&t, context, n);
	put(&t, bits, 4);
	assert_non_null(HMAC(EVP_sha256(), seed, 32, t.b, t.n, out, &len));
}

/* What the TPM does: the secret of a challenge; its length, or 0 when it is not for this TPM and this AK. */
static inline size_t
soft_activate(const struct soft_tpm *t, const json_t *challenge, uint8_t out[32])
{
	static const uint8_t iv[16];
	AI_BUF_AUTO object = AI_BUF(1024);
	AI_BUF_AUTO sent = AI_BUF(1024);
	uint8_t seed[512], key[32], hmac_key[32], hmac[32], name[34] = { 0, 0xb }, plain[64];
	size_t n = sizeof seed;
	unsigned len;
	int plain_len = 0;
	ok(ai_enrolment_bytes(challenge, "credential", &object, &err));
	ok(ai_enrolment_bytes(challenge, "seed", &sent, &err));
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, t->ek, NULL);
	EVP_PKEY_decrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
	EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256());
	EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256());
	EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_memdup("IDENTITY", 9), 9);
	int good = EVP_PKEY_decrypt(ctx, seed, &n, (const uint8_t *)sent.data + 2, sent.len - 2) == 1 && n == 32;
	EVP_PKEY_CTX_free(ctx);
	if (!good)
		return 0;
	ai_sha256(t->ak_public.b, t->ak_public.n, (struct ai_digest *)(void *)(name + 2));
	soft_kdfa(seed, "STORAGE", name, sizeof name, 128, key);
	soft_kdfa(seed, "INTEGRITY", NULL, 0, 256, hmac_key);
	struct bytes text = { .n = 0 };
	const uint8_t *cipher = (const uint8_t *)object.data + 2 + 2 + 32;
	size_t cipher_len = object.len - (2 + 2 + 32);
	put_raw(&text, cipher, cipher_len);
	put_raw(&text, name, sizeof name);
	HMAC(EVP_sha256(), hmac_key, 32, text.b, text.n, hmac, &len);
	if (memcmp(hmac, object.data + 4, 32) != 0)
		return 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	EVP_DecryptInit_ex(c, EVP_aes_128_cfb128(), NULL, key, iv);
	EVP_DecryptUpdate(c, plain, &plain_len, cipher, (int)cipher_len);
	EVP_CIPHER_CTX_free(c);
	assert_int_equal(plain_len, 34);
	memcpy(out, plain + 2, 32);
	return 32;
}

#endif
