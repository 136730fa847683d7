/*
 * tpm_bytes.h -- TPM structures written by hand, for tests that need keys and quotes no TPM would make.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_BYTES_H
#define AI_TPM_BYTES_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/quote/quote.h"
#include "unit.h"

enum { RSASSA = 0x14, RSAPSS = 0x16, ECDSA = 0x18, S1 = 4, S256 = 0xb, S384 = 0xc, NONE = 0x10, ECC = 0x23, RSA_ = 1 };
#define GOOD_ATTRIBUTES 0x00050072u /* fixedTPM fixedParent sensitiveDataOrigin userWithAuth restricted sign */

struct bytes { uint8_t b[2048]; size_t n; };

static inline void put(struct bytes *o, uint64_t v, size_t n) { while (n--) o->b[o->n++] = (uint8_t)(v >> (8 * n)); }
static inline void put_raw(struct bytes *o, const void *p, size_t n) { if (n) memcpy(o->b + o->n, p, n); o->n += n; }
static inline void put_2b(struct bytes *o, const void *p, size_t n) { put(o, n, 2); put_raw(o, p, n); }

/* What a key's public area says; everything may be wrong. */
struct key_words {
	uint32_t attributes, exponent;
	unsigned scheme, hash, name_alg, symmetric, kdf;
};
#define ECC_WORDS { GOOD_ATTRIBUTES, 0, ECDSA, S256, S256, NONE, NONE }
#define RSA_WORDS { GOOD_ATTRIBUTES, 0, RSASSA, S256, S256, NONE, NONE }

static inline void
put_point(struct bytes *o, EVP_PKEY *key)
{
	BIGNUM *x = NULL, *y = NULL;
	uint8_t v[48];
	int size = EVP_PKEY_get_bits(key) / 8;
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y), 1);
	BN_bn2binpad(x, v, size);
	put_2b(o, v, (size_t)size);
	BN_bn2binpad(y, v, size);
	put_2b(o, v, (size_t)size);
	BN_free(x);
	BN_free(y);
}

static inline struct bytes
public_area(EVP_PKEY *key, const struct key_words *w)
{
	struct bytes o = { .n = 0 };
	bool ecc = EVP_PKEY_is_a(key, "EC");
	put(&o, ecc ? ECC : RSA_, 2);
	put(&o, w->name_alg, 2);
	put(&o, w->attributes, 4);
	put(&o, 0, 2);
	put(&o, w->symmetric, 2);
	put(&o, w->scheme, 2);
	if (w->scheme != NONE)
		put(&o, w->hash, 2);
	if (ecc) {
		put(&o, EVP_PKEY_get_bits(key) == 384 ? 4 : 3, 2);
		put(&o, w->kdf, 2);
		put_point(&o, key);
		return o;
	}
	BIGNUM *n = NULL;
	uint8_t v[512];
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	int len = BN_bn2bin(n, v);
	BN_free(n);
	put(&o, (uint64_t)EVP_PKEY_get_bits(key), 2);
	put(&o, w->exponent, 4);
	put_2b(&o, v, (size_t)len);
	return o;
}

/* A TPMT_SIGNATURE over p as a TPM with this key would make it. */
static inline struct bytes
sign_bytes(EVP_PKEY *key, const struct key_words *w, const void *p, size_t n, int salt)
{
	struct bytes o = { .n = 0 };
	uint8_t sig[600], v[48];
	size_t len = sizeof sig;
	EVP_PKEY_CTX *pctx = NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit_ex(md, &pctx, w->hash == S384 ? "SHA384" : "SHA256", NULL, NULL, key, NULL), 1);
	if (w->scheme == RSAPSS) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
	}
	assert_int_equal(EVP_DigestSign(md, sig, &len, p, n), 1);
	EVP_MD_CTX_free(md);
	put(&o, w->scheme, 2);
	put(&o, w->hash, 2);
	if (w->scheme != ECDSA) {
		put_2b(&o, sig, len);
		return o;
	}
	const unsigned char *d = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &d, (long)len);
	int size = EVP_PKEY_get_bits(key) / 8;
	BN_bn2binpad(ECDSA_SIG_get0_r(s), v, size);
	put_2b(&o, v, (size_t)size);
	BN_bn2binpad(ECDSA_SIG_get0_s(s), v, size);
	put_2b(&o, v, (size_t)size);
	ECDSA_SIG_free(s);
	return o;
}

#endif
