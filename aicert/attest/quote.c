/* quote.c -- see quote.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/quote.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/buf.h"

/* TPM 2.0 Part 2, table "TPM_ALG_ID", "TPM_ECC_CURVE", "TPM_ST" and "TPMA_OBJECT". */
enum {
	ALG_RSA = 0x0001, ALG_SHA1 = 0x0004, ALG_SHA256 = 0x000b, ALG_SHA384 = 0x000c, ALG_SHA512 = 0x000d, ALG_NULL = 0x0010,
	ALG_RSASSA = 0x0014, ALG_RSAPSS = 0x0016, ALG_ECDSA = 0x0018, ALG_ECC = 0x0023,
	CURVE_P256 = 0x0003, CURVE_P384 = 0x0004,
	ST_ATTEST_QUOTE = 0x8018,
	MAX_COORDINATE = 48, MAX_MODULUS = 512,
};
static const uint32_t generated_value = 0xff544347; /* TPM_GENERATED_VALUE: what a restricted key signs nothing foreign with */
static const uint32_t default_exponent = 65537;

/* TPMA_OBJECT. */
static const uint32_t fixed_tpm = 1u << 1, fixed_parent = 1u << 4, sensitive_data_origin = 1u << 5, restricted_key = 1u << 16,
	decrypt_key = 1u << 17, sign_key = 1u << 18, x509_sign = 1u << 19, reserved_bits = 0xfff0f009;

/* Big-endian fields, read within bounds; once one is short, all are, and what was read is zeros. */
struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *
take(struct reader *r, size_t n)
{
	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->p;
	r->p += n;
	r->left -= n;
	return p;
}

static uint64_t
number(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static uint16_t get16(struct reader *r) { return (uint16_t)number(r, 2); }
static uint32_t get32(struct reader *r) { return (uint32_t)number(r, 4); }

/* A TPM2B of at most max bytes. */
static const uint8_t *
get_2b(struct reader *r, size_t max, size_t *n_out)
{
	size_t n = get16(r);
	const uint8_t *p = n <= max ? take(r, n) : NULL;
	if (!p)
		r->bad = true;
	*n_out = p ? n : 0;
	return p;
}

static int
finish(const struct reader *r, const char *what, struct ai_err *err)
{
	if (r->bad)
		return ai_fail(err, AI_EINPUT, "%s: truncated, or a size in it is too large", what);
	if (r->left)
		return ai_fail(err, AI_EINPUT, "%s: %zu bytes follow its end", what, r->left);
	return 0;
}

static size_t
digest_size(uint16_t alg)
{
	switch (alg) {
	case ALG_SHA1: return 20;
	case ALG_SHA256: return 32;
	case ALG_SHA384: return 48;
	case ALG_SHA512: return 64;
	default: return 0;
	}
}

static const char *hash_name(uint16_t alg) { return alg == ALG_SHA384 ? "SHA384" : "SHA256"; }
static size_t curve_size(uint16_t curve) { return curve == CURVE_P384 ? 48 : 32; }

/* --- the key --------------------------------------------------------------- */

/* The parts of a TPMT_PUBLIC that make the key. */
struct public_key {
	const uint8_t *a, *b;      /* x and y, or the modulus */
	size_t a_len, b_len;
	uint32_t exponent;
};

static int
check_attributes(uint32_t attributes, struct ai_err *err)
{
	static const struct { const uint32_t *bit; const char *name; bool must; } rules[] = {
		{ &restricted_key, "restricted", true }, { &sign_key, "sign", true }, { &fixed_tpm, "fixedTPM", true },
		{ &fixed_parent, "fixedParent", true }, { &sensitive_data_origin, "sensitiveDataOrigin", true },
		{ &decrypt_key, "decrypt", false }, { &x509_sign, "x509sign", false },
	};
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (!!(attributes & *rules[i].bit) != rules[i].must)
			return ai_fail(err, AI_EINPUT, "attestation key: attribute %s is %s, expected %s", rules[i].name,
				rules[i].must ? "clear" : "set", rules[i].must ? "set" : "clear");
	if (attributes & reserved_bits)
		return ai_fail(err, AI_EINPUT, "attestation key: reserved attribute bits are set: got %08x", (unsigned)attributes);
	return 0;
}

/* The algorithm ids, which decide how the rest is read: what is not known is refused here. */
static int
parse_algorithms(struct reader *r, struct ai_ak *ak, struct ai_err *err)
{
	if (get16(r) != ALG_NULL && !r->bad)
		return ai_fail(err, AI_EINPUT, "attestation key: has a symmetric algorithm, which a signing key has not");
	ak->scheme = get16(r);
	if (ak->scheme == ALG_NULL)
		return ai_fail(err, AI_EINPUT, "attestation key: its signature scheme is not fixed by the key");
	ak->hash = get16(r);
	if (r->bad)
		return finish(r, "attestation key", err);
	bool fits = ak->type == ALG_ECC ? ak->scheme == ALG_ECDSA : ak->scheme == ALG_RSASSA || ak->scheme == ALG_RSAPSS;
	if (!fits)
		return ai_fail(err, AI_EINPUT, "attestation key: signature scheme: got %04x, expected ECDSA, RSASSA or RSAPSS", ak->scheme);
	if (ak->hash == ALG_SHA1)
		return ai_fail(err, AI_EINPUT, "attestation key: it signs with SHA-1, expected SHA-256 or SHA-384");
	if (ak->hash != ALG_SHA256 && ak->hash != ALG_SHA384)
		return ai_fail(err, AI_EINPUT, "attestation key: signature hash: got %04x, expected SHA-256 or SHA-384", ak->hash);
	return 0;
}

static int
parse_ecc(struct reader *r, struct ai_ak *ak, struct public_key *k, struct ai_err *err)
{
	ak->curve = get16(r);
	uint16_t kdf = get16(r);
	k->a = get_2b(r, MAX_COORDINATE, &k->a_len);
	k->b = get_2b(r, MAX_COORDINATE, &k->b_len);
	if (finish(r, "attestation key", err) < 0)
		return err->code;
	if (ak->curve != CURVE_P256 && ak->curve != CURVE_P384)
		return ai_fail(err, AI_EINPUT, "attestation key: curve: got %04x, expected P-256 or P-384", ak->curve);
	if (kdf != ALG_NULL)
		return ai_fail(err, AI_EINPUT, "attestation key: has a key derivation scheme, which a signing key has not");
	/* Older TPMs drop leading zeros of a coordinate, so shorter is allowed; the fingerprint is of the bytes as they are. */
	if (k->a_len == 0 || k->b_len == 0 || k->a_len > curve_size(ak->curve) || k->b_len > curve_size(ak->curve))
		return ai_fail(err, AI_EINPUT, "attestation key: point of %zu and %zu bytes does not fit its curve", k->a_len, k->b_len);
	return 0;
}

static int
parse_rsa(struct reader *r, struct ai_ak *ak, struct public_key *k, struct ai_err *err)
{
	ak->bits = get16(r);
	k->exponent = get32(r);
	k->a = get_2b(r, MAX_MODULUS, &k->a_len);
	if (finish(r, "attestation key", err) < 0)
		return err->code;
	if (k->exponent == 0)
		k->exponent = default_exponent;
	if (k->exponent != default_exponent)
		return ai_fail(err, AI_EINPUT, "attestation key: RSA exponent: got %u, expected 65537", (unsigned)k->exponent);
	if (ak->bits < 2048 || ak->bits > 4096 || ak->bits % 8)
		return ai_fail(err, AI_EINPUT, "attestation key: RSA key of %u bits, expected 2048 to 4096", ak->bits);
	if (k->a_len != ak->bits / 8u || !(k->a[0] & 0x80))
		return ai_fail(err, AI_EINPUT, "attestation key: modulus does not have the %u bits that the key says", ak->bits);
	return 0;
}

static OSSL_PARAM *
ecc_params(const struct ai_ak *ak, const struct public_key *k)
{
	uint8_t point[1 + 2 * MAX_COORDINATE] = { 4 /* uncompressed */ };
	size_t size = curve_size(ak->curve);
	memcpy(point + 1 + size - k->a_len, k->a, k->a_len);
	memcpy(point + 1 + 2 * size - k->b_len, k->b, k->b_len);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	const char *group = ak->curve == CURVE_P384 ? "P-384" : "P-256";
	if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1
		&& OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	OSSL_PARAM_BLD_free(bld);
	return params;
}

static OSSL_PARAM *
rsa_params(const struct public_key *k)
{
	BIGNUM *n = BN_bin2bn(k->a, (int)k->a_len, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	if (n && bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
		&& OSSL_PARAM_BLD_push_ulong(bld, OSSL_PKEY_PARAM_RSA_E, k->exponent) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	return params;
}

/* An EVP_PKEY that passed OpenSSL's own check (the point is on the curve, the modulus is no prime), or NULL. */
static EVP_PKEY *
make_pkey(const struct ai_ak *ak, const struct public_key *k)
{
	OSSL_PARAM *params = ak->type == ALG_ECC ? ecc_params(ak, k) : rsa_params(k);
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, ak->type == ALG_ECC ? "EC" : "RSA", NULL);
	EVP_PKEY_CTX *check = NULL;
	EVP_PKEY *key = NULL;
	bool good = params && make && EVP_PKEY_fromdata_init(make) == 1
		&& EVP_PKEY_fromdata(make, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
		&& (check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) && EVP_PKEY_public_check(check) == 1;
	if (!good) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(make);
	OSSL_PARAM_free(params);
	return key;
}

int
ai_ak_parse(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err)
{
	struct reader r = { p, n, false };
	struct ai_ak ak = { 0 };
	struct public_key k = { 0 };
	size_t policy_len;
	ak.type = get16(&r);
	uint16_t name_alg = get16(&r);
	ak.attributes = get32(&r);
	(void)get_2b(&r, 64, &policy_len);
	if (r.bad)
		return finish(&r, "attestation key", err);
	if (ak.type != ALG_ECC && ak.type != ALG_RSA)
		return ai_fail(err, AI_EINPUT, "attestation key: type: got %04x, expected ECC or RSA", ak.type);
	if (name_alg == ALG_SHA1 || digest_size(name_alg) == 0)
		return ai_fail(err, AI_EINPUT, "attestation key: name algorithm: got %04x, expected SHA-256, SHA-384 or SHA-512", name_alg);
	if (policy_len != 0 && policy_len != digest_size(name_alg))
		return ai_fail(err, AI_EINPUT, "attestation key: policy of %zu bytes, expected 0 or %zu", policy_len, digest_size(name_alg));
	if (check_attributes(ak.attributes, err) < 0 || parse_algorithms(&r, &ak, err) < 0)
		return err->code;
	if ((ak.type == ALG_ECC ? parse_ecc(&r, &ak, &k, err) : parse_rsa(&r, &ak, &k, err)) < 0)
		return err->code;
	ak.pkey = make_pkey(&ak, &k);
	if (!ak.pkey)
		return ai_fail(err, AI_EINPUT, "attestation key: %s", ak.type == ALG_ECC ? "the point is not on the curve" : "the modulus is not one of an RSA key");
	ai_sha256(p, n, &ak.fingerprint);
	*out = ak;
	return 0;
}

void
ai_ak_done(struct ai_ak *ak)
{
	EVP_PKEY_free(ak->pkey);
	ak->pkey = NULL;
}

/* --- the quote ------------------------------------------------------------- */

/* TPML_PCR_SELECTION with one bank. */
static int
parse_selection(struct reader *r, struct ai_quote *q, struct ai_err *err)
{
	uint32_t n_banks = get32(r);
	if (!r->bad && n_banks != 1)
		return ai_fail(err, AI_EINPUT, "quote: selects %u PCR banks, expected 1", (unsigned)n_banks);
	q->bank = get16(r);
	size_t n = (size_t)number(r, 1);
	const uint8_t *bits = n >= 1 && n <= 4 ? take(r, n) : NULL;
	if (!bits) {
		r->bad = true;
		return finish(r, "quote", err);
	}
	for (size_t i = 0; i < n; i++)
		q->pcr_mask |= (uint32_t)bits[i] << (8 * i);
	if (digest_size(q->bank) == 0)
		return ai_fail(err, AI_EINPUT, "quote: PCR bank of an unknown hash %04x", q->bank);
	if (q->pcr_mask == 0)
		return ai_fail(err, AI_EINPUT, "quote: selects no PCR");
	return 0;
}

static int
parse_header(struct reader *r, struct ai_err *err)
{
	uint32_t magic = get32(r);
	uint16_t type = get16(r);
	if (r->bad)
		return finish(r, "quote", err);
	if (magic != generated_value)
		return ai_fail(err, AI_EINPUT, "quote: magic: got %08x, expected ff544347: no TPM made this", (unsigned)magic);
	if (type != ST_ATTEST_QUOTE)
		return ai_fail(err, AI_EINPUT, "quote: type: got %04x, expected 8018 (a quote)", type);
	return 0;
}

int
ai_quote_parse(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err)
{
	struct reader r = { p, n, false };
	struct ai_quote q = { 0 };
	if (parse_header(&r, err) < 0)
		return err->code;
	const uint8_t *signer = get_2b(&r, sizeof q.signer, &q.signer_len);
	const uint8_t *extra = get_2b(&r, sizeof q.extra, &q.extra_len);
	q.clock = number(&r, 8);
	q.reset_count = get32(&r);
	q.restart_count = get32(&r);
	uint64_t safe = number(&r, 1);
	q.firmware = number(&r, 8);
	if (r.bad)
		return finish(&r, "quote", err);
	if (safe > 1)
		return ai_fail(err, AI_EINPUT, "quote: clock's 'safe' is %u, expected 0 or 1", (unsigned)safe);
	q.safe = safe;
	if (parse_selection(&r, &q, err) < 0)
		return err->code;
	const uint8_t *digest = get_2b(&r, sizeof q.pcr_digest, &q.pcr_digest_len);
	if (finish(&r, "quote", err) < 0)
		return err->code;
	memcpy(q.signer, signer, q.signer_len);
	memcpy(q.extra, extra, q.extra_len);
	memcpy(q.pcr_digest, digest, q.pcr_digest_len);
	*out = q;
	return 0;
}

/* --- the signature --------------------------------------------------------- */

/* Reads r and s and gives ECDSA's DER, as OpenSSL takes it; *der is OpenSSL's to free. Returns its length or negative. */
static int
ecdsa_der(struct reader *r, const struct ai_ak *ak, unsigned char **der, struct ai_err *err)
{
	size_t n[2];
	const uint8_t *v[2];
	for (size_t i = 0; i < 2; i++)
		v[i] = get_2b(r, curve_size(ak->curve), &n[i]);
	if (finish(r, "signature", err) < 0)
		return err->code;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *a = BN_bin2bn(v[0], (int)n[0], NULL), *b = BN_bin2bn(v[1], (int)n[1], NULL);
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
	bool ready = md && EVP_DigestVerifyInit_ex(md, &pctx, hash_name(ak->hash), NULL, NULL, ak->pkey, NULL) == 1;
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

int
ai_quote_signature(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len, struct ai_err *err)
{
	struct reader r = { sig, sig_len, false };
	uint16_t scheme = get16(&r), hash = get16(&r);
	if (r.bad)
		return finish(&r, "signature", err);
	if (scheme != ak->scheme || hash != ak->hash)
		return ai_fail(err, AI_ENO, "signature: scheme and hash: got %04x %04x, expected the key's %04x %04x", scheme, hash,
			ak->scheme, ak->hash);
	if (ak->type == ALG_RSA) {
		size_t len;
		const uint8_t *v = get_2b(&r, MAX_MODULUS, &len);
		if (finish(&r, "signature", err) < 0)
			return err->code;
		if (len != ak->bits / 8u)
			return ai_fail(err, AI_ENO, "signature: %zu bytes, expected %u", len, ak->bits / 8u);
		return verify(ak, attest, n, v, len, err);
	}
	unsigned char *der = NULL;
	int len = ecdsa_der(&r, ak, &der, err);
	int result = len < 0 ? len : verify(ak, attest, n, der, (size_t)len, err);
	OPENSSL_free(der);
	return result;
}

/* --- the PCRs -------------------------------------------------------------- */

int
ai_quote_pcrs(const struct ai_quote *q, const struct ai_digest *pcrs, uint32_t mask, struct ai_err *err)
{
	uint8_t got[64];
	unsigned got_len = 0;
	if (q->bank != ALG_SHA256)
		return ai_fail(err, AI_ENO, "quote: PCR bank: got %04x, expected 000b (SHA-256)", q->bank);
	if (q->pcr_mask != mask)
		return ai_fail(err, AI_ENO, "quote: selected PCRs: got %06x, expected %06x", (unsigned)q->pcr_mask, (unsigned)mask);
	/* The composite is made with the hash of the key's scheme; its length, signed with it, says which of the two that is. */
	const EVP_MD *md = q->pcr_digest_len == 32 ? EVP_sha256() : q->pcr_digest_len == 48 ? EVP_sha384() : NULL;
	if (!md)
		return ai_fail(err, AI_ENO, "quote: PCR digest of %zu bytes, expected 32 or 48", q->pcr_digest_len);
	size_t n = (size_t)__builtin_popcount(mask);
	if (EVP_Digest(pcrs, n * sizeof *pcrs, got, &got_len, md, NULL) != 1)
		return ai_nomem(err);
	if (got_len != q->pcr_digest_len || memcmp(got, q->pcr_digest, got_len) != 0)
		return ai_fail(err, AI_ENO, "quote: the PCR values presented are not those quoted");
	return 0;
}
