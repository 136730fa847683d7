/*
 * fake_cert.h -- a CA of a test's own, and certificates by it: of attestation keys, of other CAs, of whatever a forger wants.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_CERT_H
#define FAKE_CERT_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "unit.h"

/* What a certificate says; NULL leaves an extension out. */
struct fake_cert {
	const char *subject, *issuer;            /* CN */
	EVP_PKEY *key, *signer;
	const char *constraints, *usage, *extended, *alternative; /* as openssl.cnf writes them */
	int64_t not_before, not_after;           /* 0: from a year ago to a year ahead */
	long serial;
	const char *access;                      /* "caIssuers;URI:http://…" */
};

static inline void
fake_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	if (!value)
		return;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static inline void
fake_name(X509_NAME *name, const char *cn)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0), 1);
}

/* DER, appended. */
static inline void
fake_cert_der(const struct fake_cert *c, struct ai_buf *out)
{
	X509 *x = X509_new();
	unsigned char *der = NULL;
	time_t now = time(NULL), year = 365 * 24 * 3600;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), c->serial ? c->serial : 4711);
	fake_name(X509_get_subject_name(x), c->subject);
	fake_name(X509_get_issuer_name(x), c->issuer);
	ASN1_TIME_set(X509_getm_notBefore(x), c->not_before ? (time_t)c->not_before : now - year);
	ASN1_TIME_set(X509_getm_notAfter(x), c->not_after ? (time_t)c->not_after : now + year);
	assert_int_equal(X509_set_pubkey(x, c->key), 1);
	fake_extension(x, NID_basic_constraints, c->constraints);
	fake_extension(x, NID_key_usage, c->usage);
	fake_extension(x, NID_ext_key_usage, c->extended);
	fake_extension(x, NID_subject_alt_name, c->alternative);
	fake_extension(x, NID_info_access, c->access);
	assert_true(X509_sign(x, c->signer, EVP_sha256()) > 0);
	int n = i2d_X509(x, &der);
	assert_true(n > 0);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	X509_free(x);
}

/* The same in the proof's writing; new reference. */
static inline json_t *
fake_cert_text(const struct fake_cert *c)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT), text = AI_BUF(AI_MAX_TEXT);
	fake_cert_der(c, &der);
	ai_b64_put(&text, der.data, der.len);
	return json_stringn(text.data, text.len);
}

#endif
