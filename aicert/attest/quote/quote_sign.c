/* quote_sign.c -- signatures over quotes; see quote.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/quote/quote.h"
#include "attest/quote/quote_bytes.h"

static const char *openssl_hash(uint16_t alg) { return alg == ALG_SHA1 ? "SHA1" : alg == ALG_SHA384 ? "SHA384" : "SHA256"; }

/* ECDSA's DER of r and s, as OpenSSL takes it; *der is OpenSSL's to free. Returns its length or negative. */
static int
ecdsa_der(const uint8_t *r, size_t r_len, const uint8_t *s, size_t s_len, unsigned char **der, struct ai_err *err)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *a = BN_bin2bn(r, (int)r_len, NULL), *b = BN_bin2bn(s, (int)s_len, NULL);
	int len = -1;
	if (sig && a && b && ECDSA_SIG_set0(sig, a, b) == 1) {
		a = b = NULL; /* the signature's now */
		len = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(a);
	BN_free(b);
	ECDSA_SIG_free(sig);
	return len > 0 ? len : ai_nomem(err);
}

static int
verify(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len, struct ai_err *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool ready = md && EVP_DigestVerifyInit_ex(md, &pctx, openssl_hash(ak->hash), NULL, NULL, ak->pkey, NULL) == 1;
	if (ready && ak->type == ALG_RSA) {
		/*
		 * TPM 2.0 Part 1, annex B.7: the salt is as long as fits, but FIPS firmware makes it as long as the
		 * digest. Its length is part of what is signed and carries no trust, so it is read from the signature.
		 */
		int padding = ak->scheme == ALG_RSAPSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
		ready = EVP_PKEY_CTX_set_rsa_padding(pctx, padding) == 1
			&& (ak->scheme != ALG_RSAPSS || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) == 1);
	}
	int good = ready ? EVP_DigestVerify(md, sig, sig_len, attest, n) : -1;
	EVP_MD_CTX_free(md);
	if (!ready)
		return ai_nomem(err);
	/* OpenSSL says 0 or a negative number for bad signatures: only 1 is success. */
	return good == 1 ? 0 : ai_fail(err, AI_ENO, "signature: not made by this attestation key over this quote");
}

static int
verify_rsa(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *v, size_t len, struct ai_err *err)
{
	if (len != ak->bits / 8u)
		return ai_fail(err, AI_ENO, "signature: %zu bytes, expected %u", len, ak->bits / 8u);
	return verify(ak, attest, n, v, len, err);
}

static int
verify_ecdsa(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *r, size_t r_len, const uint8_t *s, size_t s_len,
	struct ai_err *err)
{
	unsigned char *der = NULL;
	int len = ecdsa_der(r, r_len, s, s_len, &der, err);
	int result = len < 0 ? len : verify(ak, attest, n, der, (size_t)len, err);
	OPENSSL_free(der);
	return result;
}

int
ai_quote_signature_words(const uint8_t *sig, size_t sig_len, uint16_t *scheme, uint16_t *hash, struct ai_err *err)
{
	struct reader r = { sig, sig_len, false };
	uint16_t a = get16(&r), b = get16(&r);
	if (r.bad)
		return ai_fail(err, AI_EINPUT, "signature: truncated");
	*scheme = a;
	*hash = b;
	return 0;
}

int
ai_quote_signature(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len, struct ai_err *err)
{
	struct reader r = { sig, sig_len, false };
	size_t len[2] = { 0 };
	uint16_t scheme = get16(&r), hash = get16(&r);
	if (!r.bad && (scheme != ak->scheme || hash != ak->hash))
		return ai_fail(err, AI_ENO, "signature: scheme and hash: got %04x %04x, expected the key's %04x %04x", scheme, hash,
			ak->scheme, ak->hash);
	bool rsa = ak->type == ALG_RSA;
	const uint8_t *a = get_2b(&r, rsa ? MAX_MODULUS : curve_size(ak->curve), &len[0]);
	const uint8_t *b = rsa ? NULL : get_2b(&r, curve_size(ak->curve), &len[1]);
	if (reader_end(&r, "signature", err) < 0)
		return err->code;
	return rsa ? verify_rsa(ak, attest, n, a, len[0], err) : verify_ecdsa(ak, attest, n, a, len[0], b, len[1], err);
}

int
ai_quote_signature_bare(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len, struct ai_err *err)
{
	size_t size = curve_size(ak->curve);
	if (ak->type == ALG_RSA)
		return verify_rsa(ak, attest, n, sig, sig_len, err);
	/* DER of the full size of two numbers would need two that begin with 24 zero bits: nobody has seen one. */
	if (sig_len == 2 * size)
		return verify_ecdsa(ak, attest, n, sig, size, sig + size, size, err);
	return verify(ak, attest, n, sig, sig_len, err);
}
