/* quote_key.c -- attestation keys and the Names of objects; see quote.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "attest/quote/quote.h"
#include "attest/quote/quote_bytes.h"

static const uint32_t default_exponent = 65537;

/* TPMA_OBJECT. */
static const uint32_t fixed_tpm = 1u << 1, fixed_parent = 1u << 4, sensitive_data_origin = 1u << 5, restricted_key = 1u << 16,
	decrypt_key = 1u << 17, sign_key = 1u << 18, x509_sign = 1u << 19, reserved_bits = 0xfff0f009;

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
			return ai_fail(err, AI_ENO, "attestation key: attribute %s is %s, expected %s", rules[i].name,
				rules[i].must ? "clear" : "set", rules[i].must ? "set" : "clear");
	if (attributes & reserved_bits)
		return ai_fail(err, AI_ENO, "attestation key: reserved attribute bits are set: got %08x", (unsigned)attributes);
	return 0;
}

static int
check_scheme(const struct ai_ak *ak, bool allow_sha1, struct ai_err *err)
{
	bool fits = ak->type == ALG_ECC ? ak->scheme == ALG_ECDSA : ak->scheme == ALG_RSASSA || ak->scheme == ALG_RSAPSS;
	if (!fits)
		return ai_fail(err, AI_ENO, "attestation key: signature scheme: got %04x, expected %s", ak->scheme,
			ak->type == ALG_ECC ? "ECDSA" : "RSASSA or RSAPSS");
	if (ak->hash == ALG_SHA1 && !allow_sha1)
		return ai_fail(err, AI_ENO, "attestation key: it signs with SHA-1, expected SHA-256 or SHA-384");
	if (ak->hash != ALG_SHA256 && ak->hash != ALG_SHA384 && ak->hash != ALG_SHA1)
		return ai_fail(err, AI_ENO, "attestation key: signature hash: got %04x, expected SHA-256 or SHA-384", ak->hash);
	return 0;
}

/* The algorithm ids, which decide how the rest is read: what is not known is refused here. */
static int
parse_algorithms(struct reader *r, struct ai_ak *ak, bool allow_sha1, struct ai_err *err)
{
	if (get16(r) != ALG_NULL && !r->bad)
		return ai_fail(err, AI_ENO, "attestation key: has a symmetric algorithm, which a signing key has not");
	ak->scheme = get16(r);
	if (ak->scheme == ALG_NULL)
		return ai_fail(err, AI_ENO, "attestation key: its signature scheme is not fixed by the key");
	ak->hash = get16(r);
	if (r->bad)
		return reader_end(r, "attestation key", err);
	return check_scheme(ak, allow_sha1, err);
}

static int
parse_ecc(struct reader *r, struct ai_ak *ak, struct public_key *k, struct ai_err *err)
{
	ak->curve = get16(r);
	uint16_t kdf = get16(r);
	k->a = get_2b(r, MAX_COORDINATE, &k->a_len);
	k->b = get_2b(r, MAX_COORDINATE, &k->b_len);
	if (reader_end(r, "attestation key", err) < 0)
		return err->code;
	if (ak->curve != CURVE_P256 && ak->curve != CURVE_P384)
		return ai_fail(err, AI_ENO, "attestation key: curve: got %04x, expected P-256 or P-384", ak->curve);
	if (kdf != ALG_NULL)
		return ai_fail(err, AI_ENO, "attestation key: has a key derivation scheme, which a signing key has not");
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
	if (reader_end(r, "attestation key", err) < 0)
		return err->code;
	if (k->exponent == 0)
		k->exponent = default_exponent;
	if (k->exponent != default_exponent)
		return ai_fail(err, AI_ENO, "attestation key: RSA exponent: got %u, expected 65537", (unsigned)k->exponent);
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

/*
 * OpenSSL's own check of a public key. The quick one of a curve leaves out the multiplication by its order: both of ours have a prime
 * order and no cofactor, so that every point on them but the one at infinity is good.
 */
static bool
passes_check(uint16_t type, EVP_PKEY *key)
{
	EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool good = check && (type == ALG_ECC ? EVP_PKEY_public_check_quick(check) : EVP_PKEY_public_check(check)) == 1;
	EVP_PKEY_CTX_free(check);
	return good;
}

/* An EVP_PKEY that passed OpenSSL's own check (the point is on the curve, the modulus is no prime), or NULL. */
static EVP_PKEY *
make_pkey(const struct ai_ak *ak, const struct public_key *k)
{
	OSSL_PARAM *params = ak->type == ALG_ECC ? ecc_params(ak, k) : rsa_params(k);
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, ak->type == ALG_ECC ? "EC" : "RSA", NULL);
	EVP_PKEY *key = NULL;
	bool good = params && make && EVP_PKEY_fromdata_init(make) == 1
		&& EVP_PKEY_fromdata(make, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
		&& passes_check(ak->type, key);
	if (!good) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(make);
	OSSL_PARAM_free(params);
	return key;
}

static int
parse(const uint8_t *p, size_t n, bool allow_sha1, struct ai_ak *out, struct ai_err *err)
{
	struct reader r = { p, n, false };
	struct ai_ak ak = { 0 };
	struct public_key k = { 0 };
	size_t policy_len;
	ak.type = get16(&r);
	ak.name_alg = get16(&r);
	ak.attributes = get32(&r);
	(void)get_2b(&r, 64, &policy_len);
	if (r.bad)
		return reader_end(&r, "attestation key", err);
	if (ak.type != ALG_ECC && ak.type != ALG_RSA)
		return ai_fail(err, AI_ENO, "attestation key: type: got %04x, expected ECC or RSA", ak.type);
	size_t name_size = digest_size(ak.name_alg);
	if (name_size == 0 || (ak.name_alg == ALG_SHA1 && !allow_sha1))
		return ai_fail(err, AI_ENO, "attestation key: name algorithm: got %04x, expected SHA-256, SHA-384 or SHA-512", ak.name_alg);
	if (policy_len != 0 && policy_len != name_size)
		return ai_fail(err, AI_EINPUT, "attestation key: policy of %zu bytes, expected 0 or %zu", policy_len, name_size);
	if (check_attributes(ak.attributes, err) < 0 || parse_algorithms(&r, &ak, allow_sha1, err) < 0)
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

int
ai_ak_parse(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err)
{
	return parse(p, n, false, out, err);
}

int
ai_ak_parse_sha1(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err)
{
	return parse(p, n, true, out, err);
}

int
ai_ak_spki(const struct ai_ak *ak, struct ai_digest *out, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(ak->pkey, &der);
	if (n <= 0)
		return ai_nomem(err);
	ai_sha256(der, (size_t)n, out);
	OPENSSL_free(der);
	return 0;
}

void
ai_ak_done(struct ai_ak *ak)
{
	EVP_PKEY_free(ak->pkey);
	ak->pkey = NULL;
}


/* --- a key without a TPM's words about it ------------------------------------ */

/* How many bytes of white space a text begins with. */
static size_t
blanks(const char *text, size_t n)
{
	size_t i = 0;
	while (i < n && memchr(" \t\r\n", text[i], 4))
		i++;
	return i;
}

/* The one PUBLIC KEY block of a text that holds nothing else; its DER is the only one of that key. NULL if it is not so. */
static EVP_PKEY *
read_pem(const char *text, size_t n)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL, *again = NULL;
	long len = 0;
	EVP_PKEY *key = NULL;
	BIO *bio = n <= INT32_MAX ? BIO_new_mem_buf(text, (int)n) : NULL;
	size_t lead = blanks(text, n);
	if (bio && lead < n && text[lead] == '-' && PEM_read_bio(bio, &name, &header, &der, &len) == 1
		&& strcmp(name, "PUBLIC KEY") == 0 && *header == 0) {
		const unsigned char *p = der;
		char *rest = NULL;
		long n_rest = BIO_get_mem_data(bio, &rest);
		key = d2i_PUBKEY(NULL, &p, len);
		bool whole = key && p == der + len && i2d_PUBKEY(key, &again) == len && memcmp(again, der, (size_t)len) == 0;
		if (!whole || blanks(rest, (size_t)n_rest) != (size_t)n_rest) {
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	OPENSSL_free(again);
	OPENSSL_free(der);
	OPENSSL_free(header);
	OPENSSL_free(name);
	BIO_free(bio);
	return key;
}

/* Type, curve and size of an EVP_PKEY; what a public area's key would not be is refused. */
static int
describe_key(EVP_PKEY *key, struct ai_ak *ak, struct ai_err *err)
{
	char group[32] = "";
	if (EVP_PKEY_is_a(key, "RSA")) {
		BIGNUM *e = NULL;
		int bits = EVP_PKEY_get_bits(key);
		bool usual = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_word(e, default_exponent);
		BN_free(e);
		if (!usual)
			return ai_fail(err, AI_ENO, "attestation key: RSA exponent is not 65537");
		if (bits < 2048 || bits > 4096 || bits % 8)
			return ai_fail(err, AI_ENO, "attestation key: RSA key of %d bits, expected 2048 to 4096", bits);
		ak->type = ALG_RSA;
		ak->bits = (uint16_t)bits;
		return 0;
	}
	if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) != 1)
		return ai_fail(err, AI_ENO, "attestation key: it is neither RSA nor of a named curve");
	ak->type = ALG_ECC;
	ak->curve = strcmp(group, "prime256v1") == 0 ? CURVE_P256 : strcmp(group, "secp384r1") == 0 ? CURVE_P384 : 0;
	return ak->curve ? 0 : ai_fail(err, AI_ENO, "attestation key: curve: got '%s', expected P-256 or P-384", group);
}

int
ai_ak_from_pem(const char *text, size_t n, uint16_t scheme, uint16_t hash, bool allow_sha1, struct ai_ak *out, struct ai_err *err)
{
	struct ai_ak ak = { .scheme = scheme, .hash = hash };
	EVP_PKEY *key = read_pem(text, n);
	if (!key)
		return ai_fail(err, AI_EINPUT, "attestation key: not one PEM block 'PUBLIC KEY' of a key in its only encoding, and nothing else");
	if (describe_key(key, &ak, err) < 0 || check_scheme(&ak, allow_sha1, err) < 0) {
		EVP_PKEY_free(key);
		return err->code;
	}
	if (!passes_check(ak.type, key)) {
		EVP_PKEY_free(key);
		return ai_fail(err, AI_EINPUT, "attestation key: its numbers are not those of a key");
	}
	ak.pkey = key;
	*out = ak;
	return 0;
}

/* --- names ------------------------------------------------------------------- */

/* alg, then the hash by it of a followed by b. */
static bool
make_name(uint16_t alg, const void *a, size_t a_len, const void *b, size_t b_len, struct ai_name *out)
{
	const EVP_MD *md = alg == ALG_SHA1 ? EVP_sha1() : alg == ALG_SHA256 ? EVP_sha256() : alg == ALG_SHA384 ? EVP_sha384() : EVP_sha512();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct ai_name name = { .b = { (uint8_t)(alg >> 8), (uint8_t)alg } };
	unsigned n = 0;
	bool good = ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a, a_len) == 1
		&& EVP_DigestUpdate(ctx, b, b_len) == 1 && EVP_DigestFinal_ex(ctx, name.b + 2, &n) == 1;
	EVP_MD_CTX_free(ctx);
	name.n = 2 + n;
	if (good)
		*out = name;
	return good;
}

int
ai_name_of(const uint8_t *public, size_t n, struct ai_name *out, struct ai_err *err)
{
	struct reader r = { public, n, false };
	uint16_t type = get16(&r), alg = get16(&r);
	if (r.bad || digest_size(alg) == 0 || (type != ALG_RSA && type != ALG_ECC))
		return ai_fail(err, AI_EINPUT, "public area: does not begin with a type (RSA, ECC) and a name algorithm");
	return make_name(alg, public, n, "", 0, out) ? 0 : ai_nomem(err);
}

bool
ai_name_qualify(const void *parent, size_t n, const struct ai_name *name, struct ai_name *out)
{
	struct reader r = { name->b, name->n, false };
	uint16_t alg = get16(&r);
	return !r.bad && digest_size(alg) != 0 && r.left == digest_size(alg) && make_name(alg, parent, n, name->b, name->n, out);
}

/* --- words ------------------------------------------------------------------- */

const char *
ai_scheme_word(uint16_t scheme)
{
	return scheme == ALG_RSASSA ? "RSASSA" : scheme == ALG_RSAPSS ? "RSAPSS" : scheme == ALG_ECDSA ? "ECDSA" : NULL;
}

const char *
ai_hash_word(uint16_t hash)
{
	return hash == ALG_SHA1 ? "SHA-1" : hash == ALG_SHA256 ? "SHA-256" : hash == ALG_SHA384 ? "SHA-384" : hash == ALG_SHA512 ? "SHA-512" : NULL;
}
