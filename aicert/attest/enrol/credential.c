/* credential.c -- see credential.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/credential.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/enrol/credential_parts.h"
#include "attest/quote/quote.h"
#include "attest/quote/quote_bytes.h"
#include "base/buf.h"

/* Beside those of quote_bytes.h. */
enum { ALG_AES = 0x0006, ALG_CFB = 0x0043, MAX_DIGEST = 64, MAX_KEY = 32, MAX_SECRET = 32 };
static const uint32_t default_exponent = 65537;

/* TPMA_OBJECT. */
static const uint32_t fixed_tpm = 1u << 1, fixed_parent = 1u << 4, sensitive_data_origin = 1u << 5, restricted_key = 1u << 16,
	decrypt_key = 1u << 17, sign_key = 1u << 18, x509_sign = 1u << 19, reserved_bits = 0xfff0f009;

/* --- reading a public area --------------------------------------------------- */

/* NULL for an algorithm that names nothing here: SHA-1 is one of those. */
static const EVP_MD *
digest_of(uint16_t alg)
{
	switch (alg) {
	case ALG_SHA256: return EVP_sha256();
	case ALG_SHA384: return EVP_sha384();
	case ALG_SHA512: return EVP_sha512();
	default: return NULL;
	}
}


static int
check_attributes(uint32_t attributes, struct ai_err *err)
{
	static const struct { const uint32_t *bit; const char *name; bool must; } rules[] = {
		{ &restricted_key, "restricted", true }, { &decrypt_key, "decrypt", true }, { &fixed_tpm, "fixedTPM", true },
		{ &fixed_parent, "fixedParent", true }, { &sensitive_data_origin, "sensitiveDataOrigin", true },
		{ &sign_key, "sign", false }, { &x509_sign, "x509sign", false },
	};
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (!!(attributes & *rules[i].bit) != rules[i].must)
			return ai_fail(err, AI_ENO, "endorsement key: attribute %s is %s, expected %s", rules[i].name,
				rules[i].must ? "clear" : "set", rules[i].must ? "set" : "clear");
	if (attributes & reserved_bits)
		return ai_fail(err, AI_ENO, "endorsement key: reserved attribute bits are set: got %08x", (unsigned)attributes);
	return 0;
}

/* Up to the parts that differ between RSA and ECC. */
static int
parse_head(struct reader *f, struct ai_ek *ek, struct ai_err *err)
{
	size_t policy_len;
	ek->type = get16(f);
	ek->name_alg = get16(f);
	uint32_t attributes = get32(f);
	(void)get_2b(f, MAX_DIGEST, &policy_len);
	if (f->bad)
		return reader_end(f, "endorsement key", err);
	if (ek->type != ALG_ECC && ek->type != ALG_RSA)
		return ai_fail(err, AI_EINPUT, "endorsement key: type: got %04x, expected ECC or RSA", ek->type);
	if (!digest_of(ek->name_alg))
		return ai_fail(err, AI_EINPUT, "endorsement key: name algorithm: got %04x, expected SHA-256, SHA-384 or SHA-512", ek->name_alg);
	if (policy_len != 0 && policy_len != digest_size(ek->name_alg))
		return ai_fail(err, AI_EINPUT, "endorsement key: policy of %zu bytes, expected 0 or %zu", policy_len, digest_size(ek->name_alg));
	if (check_attributes(attributes, err) < 0)
		return err->code;
	uint16_t symmetric = get16(f);
	if (!f->bad && symmetric != ALG_AES)
		return ai_fail(err, AI_EINPUT, "endorsement key: symmetric algorithm: got %04x, expected AES", symmetric);
	ek->symmetric_bits = get16(f);
	uint16_t mode = get16(f), scheme = get16(f);
	if (f->bad)
		return reader_end(f, "endorsement key", err);
	if (ek->symmetric_bits != 128 && ek->symmetric_bits != 256)
		return ai_fail(err, AI_EINPUT, "endorsement key: AES of %u bits, expected 128 or 256", ek->symmetric_bits);
	if (mode != ALG_CFB)
		return ai_fail(err, AI_EINPUT, "endorsement key: AES mode: got %04x, expected CFB", mode);
	if (scheme != ALG_NULL)
		return ai_fail(err, AI_EINPUT, "endorsement key: scheme: got %04x, expected none", scheme);
	return 0;
}

static OSSL_PARAM *
parse_ecc(struct reader *f, struct ai_ek *ek, struct ai_err *err)
{
	uint8_t point[1 + 2 * MAX_COORDINATE] = { 4 /* uncompressed */ };
	size_t x_len, y_len;
	ek->curve = get16(f);
	uint16_t kdf = get16(f);
	const uint8_t *x = get_2b(f, MAX_COORDINATE, &x_len), *y = get_2b(f, MAX_COORDINATE, &y_len);
	if (reader_end(f, "endorsement key", err) < 0)
		return NULL;
	size_t size = curve_size(ek->curve);
	if (ek->curve != CURVE_P256 && ek->curve != CURVE_P384)
		return ai_fail(err, AI_EINPUT, "endorsement key: curve: got %04x, expected P-256 or P-384", ek->curve), NULL;
	if (kdf != ALG_NULL)
		return ai_fail(err, AI_EINPUT, "endorsement key: key derivation scheme: got %04x, expected none", kdf), NULL;
	if (x_len == 0 || y_len == 0 || x_len > size || y_len > size)
		return ai_fail(err, AI_EINPUT, "endorsement key: point of %zu and %zu bytes does not fit its curve", x_len, y_len), NULL;
	memcpy(point + 1 + size - x_len, x, x_len);
	memcpy(point + 1 + 2 * size - y_len, y, y_len);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, ek->curve == CURVE_P384 ? "P-384" : "P-256", 0) == 1
		&& OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	OSSL_PARAM_BLD_free(bld);
	if (!params)
		ai_nomem(err);
	return params;
}

static OSSL_PARAM *
parse_rsa(struct reader *f, struct ai_err *err)
{
	size_t n_len;
	unsigned bits = get16(f);
	uint32_t exponent = get32(f);
	const uint8_t *n = get_2b(f, MAX_MODULUS, &n_len);
	if (reader_end(f, "endorsement key", err) < 0)
		return NULL;
	if (exponent != 0 && exponent != default_exponent)
		return ai_fail(err, AI_EINPUT, "endorsement key: RSA exponent: got %u, expected 65537", (unsigned)exponent), NULL;
	if (bits < 2048 || bits > 4096 || bits % 8 || n_len != bits / 8u || !(n[0] & 0x80))
		return ai_fail(err, AI_EINPUT, "endorsement key: RSA key of %u bits with a modulus of %zu bytes, expected 2048 to 4096 bits", bits, n_len), NULL;
	BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	if (modulus && bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, modulus) == 1
		&& OSSL_PARAM_BLD_push_ulong(bld, OSSL_PKEY_PARAM_RSA_E, default_exponent) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(modulus);
	if (!params)
		ai_nomem(err);
	return params;
}

/* An EVP_PKEY that passed OpenSSL's own check (the point is on the curve, the modulus is no prime), or NULL. */
static EVP_PKEY *
checked_key(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
	EVP_PKEY *key = NULL;
	bool good = make && EVP_PKEY_fromdata_init(make) == 1 && EVP_PKEY_fromdata(make, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
		&& (check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) && EVP_PKEY_public_check(check) == 1;
	if (!good) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(make);
	ERR_clear_error();
	return key;
}

int
ai_ek_parse(const void *tpmt_public, size_t n, struct ai_ek *out, struct ai_err *err)
{
	struct reader f = { tpmt_public, n, false };
	struct ai_ek ek = { 0 };
	if (parse_head(&f, &ek, err) < 0)
		return err->code;
	OSSL_PARAM *params = ek.type == ALG_ECC ? parse_ecc(&f, &ek, err) : parse_rsa(&f, err);
	if (!params)
		return err->code;
	ek.pkey = checked_key(ek.type == ALG_ECC ? "EC" : "RSA", params);
	OSSL_PARAM_free(params);
	if (!ek.pkey)
		return ai_fail(err, AI_EINPUT, "endorsement key: %s", ek.type == ALG_ECC ? "the point is not on the curve" : "the modulus is not one of an RSA key");
	ai_sha256(tpmt_public, n, &ek.fingerprint);
	*out = ek;
	return 0;
}

void
ai_ek_done(struct ai_ek *ek)
{
	EVP_PKEY_free(ek->pkey);
	ek->pkey = NULL;
}

int
ai_credential_name(const void *tpmt_public, size_t n, uint8_t out[66], size_t *n_out, struct ai_err *err)
{
	struct ai_name name;
	if (ai_name_of(tpmt_public, n, &name, err) < 0)
		return err->code;
	if (name.n < 2 + 32)
		return ai_fail(err, AI_EINPUT, "object: its name is by SHA-1, expected SHA-256, SHA-384 or SHA-512");
	memcpy(out, name.b, name.n);
	*n_out = name.n;
	return 0;
}

/* --- the credential ---------------------------------------------------------- */

static void
put_number(struct ai_buf *b, uint32_t v, int n)
{
	while (n-- > 0)
		ai_buf_putc(b, (char)(v >> (8 * n)));
}

static void
put_sized(struct ai_buf *b, const void *p, size_t n)
{
	put_number(b, (uint32_t)n, 2);
	ai_buf_put(b, p, n);
}

/* Part 1, 11.4.10.2: one block suffices, since no key here is longer than its digest. Labels count their NUL. */
static bool
kdfa(const EVP_MD *md, const uint8_t *key, size_t key_len, const char *label, const void *context, size_t context_len, size_t bits,
	uint8_t *out)
{
	AI_BUF_AUTO text = AI_BUF(512);
	uint8_t block[MAX_DIGEST];
	unsigned n = 0;
	put_number(&text, 1, 4);
	ai_buf_put(&text, label, strlen(label) + 1);
	ai_buf_put(&text, context, context_len);
	put_number(&text, (uint32_t)bits, 4);
	bool good = text.state == AI_BUF_GOOD && HMAC(md, key, (int)key_len, (const uint8_t *)text.data, text.len, block, &n) && bits / 8 <= n;
	if (good)
		memcpy(out, block, bits / 8);
	OPENSSL_cleanse(block, sizeof block);
	return good;
}

/* Part 1, 11.4.10.3, for "IDENTITY" and as many bits as the digest has. */
static bool
kdfe(const EVP_MD *md, const uint8_t *z, const uint8_t *u, const uint8_t *v, size_t size, uint8_t *out)
{
	static const char label[] = "IDENTITY";
	AI_BUF_AUTO text = AI_BUF(512);
	put_number(&text, 1, 4);
	ai_buf_put(&text, z, size);
	ai_buf_put(&text, label, sizeof label);
	ai_buf_put(&text, u, size);
	ai_buf_put(&text, v, size);
	bool good = text.state == AI_BUF_GOOD && EVP_Digest(text.data, text.len, out, NULL, md, NULL) == 1;
	if (text.data)
		OPENSSL_cleanse(text.data, text.len);
	return good;
}

static bool
coordinate(EVP_PKEY *key, const char *which, uint8_t *out, size_t size)
{
	BIGNUM *v = NULL;
	bool good = EVP_PKEY_get_bn_param(key, which, &v) == 1 && BN_bn2binpad(v, out, (int)size) == (int)size;
	BN_free(v);
	return good;
}

/* Annex C.6.4: the seed comes from the shared point; what is sent is the ephemeral key's point. */
static bool
share_ecc(const struct ai_ek *ek, EVP_PKEY *ephemeral, uint8_t *seed, struct ai_buf *sent)
{
	uint8_t z[MAX_COORDINATE], u[MAX_COORDINATE], y[MAX_COORDINATE], v[MAX_COORDINATE];
	size_t size = curve_size(ek->curve), z_len = size;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ephemeral, NULL);
	bool good = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, ek->pkey) == 1
		&& EVP_PKEY_derive(ctx, z, &z_len) == 1 && z_len == size
		&& coordinate(ephemeral, OSSL_PKEY_PARAM_EC_PUB_X, u, size) && coordinate(ephemeral, OSSL_PKEY_PARAM_EC_PUB_Y, y, size)
		&& coordinate(ek->pkey, OSSL_PKEY_PARAM_EC_PUB_X, v, size) && kdfe(digest_of(ek->name_alg), z, u, v, size, seed);
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_cleanse(z, sizeof z);
	if (!good)
		return false;
	put_sized(sent, u, size);
	put_sized(sent, y, size);
	return sent->state == AI_BUF_GOOD;
}

/* Annex B.10.4: RSA-OAEP with the name algorithm, and a label that counts its NUL. */
static bool
share_rsa(const struct ai_ek *ek, const uint8_t *seed, struct ai_buf *sent)
{
	static const char label[] = "IDENTITY";
	const EVP_MD *md = digest_of(ek->name_alg);
	uint8_t cipher[MAX_MODULUS];
	size_t n = sizeof cipher;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ek->pkey, NULL);
	char *owned = OPENSSL_memdup(label, sizeof label); /* the context's, once it took it */
	bool good = ctx && owned && EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1
		&& EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1;
	if (good && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, owned, (int)sizeof label) == 1)
		owned = NULL;
	good = good && !owned && EVP_PKEY_encrypt(ctx, cipher, &n, seed, digest_size(ek->name_alg)) == 1;
	OPENSSL_free(owned);
	EVP_PKEY_CTX_free(ctx);
	if (good)
		ai_buf_put(sent, cipher, n);
	return good && sent->state == AI_BUF_GOOD;
}

/* AES-CFB with a zero IV, as everywhere in credential protection. */
static bool
encrypt(const struct ai_ek *ek, const uint8_t *key, const struct ai_buf *plain, uint8_t *out)
{
	static const uint8_t iv[16];
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = ek->symmetric_bits == 256 ? EVP_aes_256_cfb128() : EVP_aes_128_cfb128();
	bool good = ctx && EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) == 1
		&& EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)plain->data, (int)plain->len) == 1 && (size_t)n == plain->len;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

/* Part 1, 24.4 and 24.5: the secret encrypted under STORAGE and the name, then that and the name under INTEGRITY. */
static bool
protect(const struct ai_ek *ek, const uint8_t *seed, const uint8_t *name, size_t name_len, const void *secret, size_t secret_len,
	struct ai_buf *out)
{
	const EVP_MD *md = digest_of(ek->name_alg);
	size_t size = digest_size(ek->name_alg);
	uint8_t key[MAX_KEY], hmac_key[MAX_DIGEST], hmac[MAX_DIGEST], cipher[2 + MAX_SECRET];
	unsigned n = 0;
	AI_BUF_AUTO plain = AI_BUF(sizeof cipher);
	AI_BUF_AUTO text = AI_BUF(512);
	put_sized(&plain, secret, secret_len);
	bool good = plain.state == AI_BUF_GOOD && kdfa(md, seed, size, "STORAGE", name, name_len, ek->symmetric_bits, key)
		&& encrypt(ek, key, &plain, cipher) && kdfa(md, seed, size, "INTEGRITY", "", 0, size * 8, hmac_key);
	if (good) {
		ai_buf_put(&text, cipher, plain.len);
		ai_buf_put(&text, name, name_len);
		good = text.state == AI_BUF_GOOD && HMAC(md, hmac_key, (int)size, (const uint8_t *)text.data, text.len, hmac, &n) && n == size;
	}
	if (good) {
		put_number(out, (uint32_t)(2 + size + plain.len), 2);
		put_sized(out, hmac, size);
		ai_buf_put(out, cipher, plain.len);
	}
	OPENSSL_cleanse(key, sizeof key);
	OPENSSL_cleanse(hmac_key, sizeof hmac_key);
	if (plain.data)
		OPENSSL_cleanse(plain.data, plain.len);
	return good && out->state == AI_BUF_GOOD;
}

int
ai_credential_make_with(const struct ai_ek *ek, const uint8_t *name, size_t name_len, const void *secret, size_t secret_len,
	const struct ai_credential_chance *chance, struct ai_buf *id_object, struct ai_buf *encrypted_seed, struct ai_err *err)
{
	AI_BUF_AUTO object = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO sent = AI_BUF(AI_MAX_QUOTE);
	uint8_t seed[MAX_DIGEST];
	if (secret_len < 1 || secret_len > MAX_SECRET)
		return ai_fail(err, AI_EUSAGE, "credential: secret of %zu bytes, expected 1 to %d", secret_len, MAX_SECRET);
	if (name_len < 2 + 32 || name_len > 2 + MAX_DIGEST)
		return ai_fail(err, AI_EUSAGE, "credential: name of %zu bytes, expected 34 to 66", name_len);
	memcpy(seed, chance->seed, sizeof seed);
	bool good = ek->type == ALG_ECC ? share_ecc(ek, chance->ephemeral, seed, &sent) : share_rsa(ek, seed, &sent);
	good = good && protect(ek, seed, name, name_len, secret, secret_len, &object);
	OPENSSL_cleanse(seed, sizeof seed);
	if (!good) {
		ERR_clear_error();
		return ai_fail(err, AI_EENV, "credential: the cryptographic library refuses to make it");
	}
	ai_buf_put(id_object, object.data, object.len);
	put_sized(encrypted_seed, sent.data, sent.len);
	return ai_buf_ok(id_object, "credential", err) < 0 || ai_buf_ok(encrypted_seed, "credential", err) < 0 ? err->code : 0;
}

int
ai_credential_make(const struct ai_ek *ek, const uint8_t *name, size_t name_len, const void *secret, size_t secret_len,
	struct ai_buf *id_object, struct ai_buf *encrypted_seed, struct ai_err *err)
{
	struct ai_credential_chance chance = { .ephemeral = NULL };
	if (RAND_priv_bytes(chance.seed, sizeof chance.seed) != 1)
		return ai_fail(err, AI_EENV, "credential: the machine gives no random numbers");
	if (ek->type == ALG_ECC && !(chance.ephemeral = EVP_EC_gen(ek->curve == CURVE_P384 ? "P-384" : "P-256")))
		return ai_nomem(err);
	int r = ai_credential_make_with(ek, name, name_len, secret, secret_len, &chance, id_object, encrypted_seed, err);
	EVP_PKEY_free(chance.ephemeral);
	OPENSSL_cleanse(chance.seed, sizeof chance.seed);
	return r;
}
