/*
 * fake_tsa.h -- a time-stamping authority of a test's own, and tokens by it: good ones, and such as no authority would make.
 *
 * A root, an intermediate CA and a signer, and every part of a token that a forger might want otherwise.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_TSA_H
#define FAKE_TSA_H

#include <openssl/cms.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>

#include "attest/x509/timestamp.h"
#include "fake_cert.h"

struct fake_tsa {
	EVP_PKEY *root_key, *ca_key, *key;
	struct fake_cert root, ca, leaf;      /* change these, then make tokens */
	/* The token; 0 and NULL: as it should be. */
	const char *time;                     /* GeneralizedTime; default "20260101120000Z" */
	const char *said_by;                  /* CN in the field tsa */
	int imprint_nid;                      /* SHA-256 */
	const EVP_MD *md;                     /* SHA-256 */
	const uint8_t *nonce;                 /* 8 bytes */
	long accuracy_s, accuracy_ms;
	bool two_signers, no_attributes, no_ess, other_ess, ess_v1, no_certificates, no_root, critical_extension, version_2, pss;
	const struct fake_cert *further;      /* a certificate that goes along */
};

/* RSA, for its signatures are the same each time: an anchor that is pinned by its DER must be the one in the token. One for all tests. */
static inline EVP_PKEY *
fake_tsa_root_key(void)
{
	static EVP_PKEY *key;
	if (!key)
		key = EVP_RSA_gen(2048);
	assert_int_equal(EVP_PKEY_up_ref(key), 1);
	return key;
}

static inline void
fake_tsa_init(struct fake_tsa *t)
{
	*t = (struct fake_tsa){ .root_key = fake_tsa_root_key(), .ca_key = EVP_EC_gen("P-256"), .key = EVP_EC_gen("P-256") };
	int64_t from = 1735689600 /* 2025-01-01 */, to = 1924992000 /* 2031-01-01 */;
	t->root = (struct fake_cert){ .subject = "TSA root", .issuer = "TSA root", .key = t->root_key, .signer = t->root_key,
		.constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign,cRLSign", .not_before = from, .not_after = to, .serial = 1 };
	t->ca = (struct fake_cert){ .subject = "TSA issuing CA", .issuer = "TSA root", .key = t->ca_key, .signer = t->root_key,
		.constraints = "critical,CA:TRUE,pathlen:0", .usage = "critical,keyCertSign", .not_before = from, .not_after = to, .serial = 2 };
	t->leaf = (struct fake_cert){ .subject = "TSA signer", .issuer = "TSA issuing CA", .key = t->key, .signer = t->ca_key,
		.constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature", .extended = "critical,timeStamping",
		.not_before = from, .not_after = to, .serial = 3 };
}

static inline void
fake_tsa_done(struct fake_tsa *t)
{
	EVP_PKEY_free(t->root_key);
	EVP_PKEY_free(t->ca_key);
	EVP_PKEY_free(t->key);
}

static inline X509 *
fake_x509(const struct fake_cert *c)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	fake_cert_der(c, &der);
	const unsigned char *p = (const unsigned char *)der.data;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	assert_non_null(x);
	return x;
}

static inline void
fake_tst_name(TS_TST_INFO *info, const char *cn)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	name->type = GEN_DIRNAME;
	name->d.directoryName = X509_NAME_new();
	fake_name(name->d.directoryName, cn);
	assert_int_equal(TS_TST_INFO_set_tsa(info, name), 1);
	GENERAL_NAME_free(name);
}

static inline void
fake_tst_accuracy(TS_TST_INFO *info, long s, long ms)
{
	TS_ACCURACY *a = TS_ACCURACY_new();
	ASN1_INTEGER *v = ASN1_INTEGER_new();
	ASN1_INTEGER_set(v, s);
	assert_true(s == 0 || TS_ACCURACY_set_seconds(a, v) == 1);
	ASN1_INTEGER_set(v, ms);
	assert_true(ms == 0 || TS_ACCURACY_set_millis(a, v) == 1);
	assert_int_equal(TS_TST_INFO_set_accuracy(info, a), 1);
	ASN1_INTEGER_free(v);
	TS_ACCURACY_free(a);
}

/* TSTInfo, DER, appended. */
static inline void
fake_tst_info(const struct fake_tsa *t, const struct ai_digest *imprint, struct ai_buf *out)
{
	TS_TST_INFO *info = TS_TST_INFO_new();
	TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	X509_ALGOR *a = X509_ALGOR_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	ASN1_GENERALIZEDTIME *when = ASN1_GENERALIZEDTIME_new();
	struct ai_digest copy = *imprint;
	unsigned char *der = NULL;
	int nid = t->imprint_nid ? t->imprint_nid : NID_sha256;
	X509_ALGOR_set0(a, OBJ_nid2obj(nid), V_ASN1_NULL, NULL);
	TS_MSG_IMPRINT_set_algo(m, a);
	TS_MSG_IMPRINT_set_msg(m, copy.b, nid == NID_sha1 ? 20 : 32);
	ASN1_INTEGER_set(serial, 99);
	ASN1_STRING_set(when, t->time ? t->time : "20260101120000Z", -1);
	TS_TST_INFO_set_version(info, t->version_2 ? 2 : 1);
	ASN1_OBJECT *policy = OBJ_txt2obj("1.2.3.4", 1);
	TS_TST_INFO_set_policy_id(info, policy);
	ASN1_OBJECT_free(policy);
	TS_TST_INFO_set_msg_imprint(info, m);
	TS_TST_INFO_set_serial(info, serial);
	TS_TST_INFO_set_time(info, when);
	if (t->accuracy_s || t->accuracy_ms)
		fake_tst_accuracy(info, t->accuracy_s, t->accuracy_ms);
	if (t->nonce) {
		BIGNUM *bn = BN_bin2bn(t->nonce, 8, NULL);
		ASN1_INTEGER *n = BN_to_ASN1_INTEGER(bn, NULL);
		TS_TST_INFO_set_nonce(info, n);
		ASN1_INTEGER_free(n);
		BN_free(bn);
	}
	if (t->said_by)
		fake_tst_name(info, t->said_by);
	if (t->critical_extension) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:FALSE");
		TS_TST_INFO_add_ext(info, e, -1);
		X509_EXTENSION_free(e);
	}
	int n = i2d_TS_TST_INFO(info, &der);
	assert_true(n > 0);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	ASN1_GENERALIZEDTIME_free(when);
	ASN1_INTEGER_free(serial);
	X509_ALGOR_free(a);
	TS_MSG_IMPRINT_free(m);
	TS_TST_INFO_free(info);
}

/* The signing-certificate attribute: SEQUENCE { SEQUENCE { SEQUENCE { OCTET STRING hash } } } */
static inline void
fake_ess(const struct fake_tsa *t, CMS_SignerInfo *si, X509 *x)
{
	unsigned char hash[EVP_MAX_MD_SIZE], der[64] = { 0 };
	unsigned n;
	X509_digest(x, t->ess_v1 ? EVP_sha1() : EVP_sha256(), hash, &n);
	hash[0] ^= t->other_ess;
	const unsigned char head[] = { 0x30, (unsigned char)(n + 6), 0x30, (unsigned char)(n + 4), 0x30, (unsigned char)(n + 2), 0x04, (unsigned char)n };
	memcpy(der, head, sizeof head);
	memcpy(der + sizeof head, hash, n);
	assert_int_equal(CMS_signed_add1_attr_by_NID(si, t->ess_v1 ? NID_id_smime_aa_signingCertificate : NID_id_smime_aa_signingCertificateV2,
		V_ASN1_SEQUENCE, der, (int)(sizeof head + n)), 1);
}

/* A token over an imprint: DER of ContentInfo, appended. */
static inline void
fake_token(const struct fake_tsa *t, const struct ai_digest *imprint, struct ai_buf *out)
{
	AI_BUF_AUTO info = AI_BUF(AI_MAX_CERT);
	const struct fake_cert *along[] = { &t->leaf, &t->ca, t->no_root ? NULL : &t->root, t->further };
	unsigned char *der = NULL;
	unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP | CMS_NOCERTS | (t->no_attributes ? CMS_NOATTR : 0);
	X509 *signer = NULL;
	fake_tst_info(t, imprint, &info);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	assert_non_null(cms);
	CMS_set1_eContentType(cms, OBJ_nid2obj(NID_id_smime_ct_TSTInfo));
	for (size_t i = 0; i < 4 && !t->no_certificates; i++) {
		X509 *x = along[i] ? fake_x509(along[i]) : NULL;
		if (x)
			assert_int_equal(CMS_add1_cert(cms, x), 1);
		if (i == 0)
			signer = x;
		else
			X509_free(x);
	}
	if (!signer)
		signer = fake_x509(&t->leaf);
	for (int i = 0; i < (t->two_signers ? 2 : 1); i++) {
		CMS_SignerInfo *si = CMS_add1_signer(cms, signer, t->key, t->md ? t->md : EVP_sha256(), flags | (t->pss ? CMS_KEY_PARAM : 0));
		assert_non_null(si);
		if (t->pss)
			assert_true(EVP_PKEY_CTX_set_rsa_padding(CMS_SignerInfo_get0_pkey_ctx(si), RSA_PKCS1_PSS_PADDING) > 0);
		if (!t->no_ess && !t->no_attributes)
			fake_ess(t, si, signer);
	}
	BIO *bio = BIO_new_mem_buf(info.data, (int)info.len);
	assert_int_equal(CMS_final(cms, bio, NULL, CMS_BINARY), 1);
	int n = i2d_CMS_ContentInfo(cms, &der);
	assert_true(n > 0);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	BIO_free(bio);
	X509_free(signer);
	CMS_ContentInfo_free(cms);
}

/* The same token with an outer length of indefinite form. */
static inline void
fake_ber(const struct ai_buf *der, struct ai_buf *out)
{
	/* SEQUENCE, 82 xx xx */
	assert_int_equal((unsigned char)der->data[1], 0x82);
	ai_buf_put(out, "\x30\x80", 2);
	ai_buf_put(out, der->data + 4, der->len - 4);
	ai_buf_put(out, "\0\0", 2);
}

/* Roots of a verifier that believes one CA for time stamps; new. */
static inline struct ai_roots *
fake_tsa_roots(const struct fake_cert *anchor)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_roots *r = NULL;
	fake_cert_der(anchor, &der);
	ok(ai_roots_new(false, &r, &err));
	ok(ai_roots_add(r, der.data, der.len, NULL, AI_ROLE_TSA, "", &err));
	return r;
}

#endif
