/* authority.c -- the CA's key and root, and the certificates that it issues (authority.h).  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/authority.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/when.h"

enum { SERIAL_BYTES = 17, DAY = 24 * 60 * 60, MAX_CA_DAYS = 36500, MAX_DAYS = 3650, MAX_NAME = 64 };

static const char purpose[] = "2.23.133.8.3"; /* tcg-kp-AIKCertificate */

struct ai_authority {
	EVP_PKEY *key;         /* NULL: opened for its name alone */
	X509 *root;
	char *name;
};

/* --- the parts of a certificate ---------------------------------------------- */

/* 128 random bits behind a one, so that serials are positive and of one length. */
static bool
set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = 1;
	BIGNUM *bn = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool good = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
	BN_free(bn);
	return good;
}

static bool
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

static bool
set_name(X509_NAME *name, const char *cn)
{
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1;
}

static bool
set_times(X509 *x, int64_t from, int64_t to)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) && ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to);
}

/* SHA-384 goes with P-384, so that the hash is no weaker than the key. */
static bool
sign(X509 *x, EVP_PKEY *key)
{
	return X509_sign(x, key, EVP_PKEY_get_bits(key) > 256 ? EVP_sha384() : EVP_sha256()) > 0;
}

/* --- the CA itself ----------------------------------------------------------- */

static int
check_name(const char *name, struct ai_err *err)
{
	bool good = *name && strlen(name) <= MAX_NAME && ai_utf8_valid(name, strlen(name));
	for (const char *p = name; good && *p; p++)
		good = (unsigned char)*p >= 0x20 && *p != 0x7f;
	return good ? 0 : ai_fail(err, AI_EUSAGE, "attestation CA: name '%.100s': expected 1 to %d bytes of text without control characters", name, MAX_NAME);
}

static X509 *
make_root(const char *name, EVP_PKEY *key, int64_t from, int64_t to)
{
	X509 *x = X509_new();
	bool good = x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(X509_get_subject_name(x), name)
		&& set_name(X509_get_issuer_name(x), name) && set_times(x, from, to) && X509_set_pubkey(x, key) == 1
		&& add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
		&& add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign")
		&& add_extension(x, x, NID_subject_key_identifier, "hash") && sign(x, key);
	if (good)
		return x;
	X509_free(x);
	return NULL;
}

static bool
put_pem(BIO *bio, struct ai_buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	if (n > 0)
		ai_buf_put(out, p, (size_t)n);
	return n > 0 && out->state == AI_BUF_GOOD;
}

static bool
put_key(EVP_PKEY *key, const char *passphrase, struct ai_buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool good = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase ? EVP_aes_256_cbc() : NULL, passphrase,
		passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) == 1 && put_pem(bio, out);
	BIO_free(bio);
	return good;
}

static bool
put_certificate(X509 *x, struct ai_buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = bio && x && PEM_write_bio_X509(bio, x) == 1 && put_pem(bio, out);
	BIO_free(bio);
	return good;
}

int
ai_authority_make(const char *name, const char *curve, int days, int64_t now, const char *passphrase, struct ai_buf *key,
	struct ai_buf *root, struct ai_err *err)
{
	if (check_name(name, err) < 0)
		return err->code;
	if (strcmp(curve, "P-256") != 0 && strcmp(curve, "P-384") != 0)
		return ai_fail(err, AI_EUSAGE, "attestation CA: curve: got '%.100s', expected 'P-256' or 'P-384'", curve);
	if (days < 1 || days > MAX_CA_DAYS)
		return ai_fail(err, AI_EUSAGE, "attestation CA: days: got %d, expected 1 to %d", days, MAX_CA_DAYS);
	EVP_PKEY *k = EVP_EC_gen(curve);
	/* A day back, for verifiers whose clock is behind ours. */
	X509 *x = k ? make_root(name, k, now - DAY, now + (int64_t)days * DAY) : NULL;
	bool good = x && put_key(k, passphrase, key) && put_certificate(x, root);
	X509_free(x);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return good ? 0 : ai_fail(err, AI_EENV, "attestation CA: the cryptographic library refuses to make its key");
}

/* Without a callback of ours the library would ask at the terminal. */
static int
give_passphrase(char *buf, int size, int writing, void *passphrase)
{
	(void)writing;
	size_t n = passphrase ? strlen(passphrase) : 0;
	if (!passphrase || n > (size_t)size)
		return -1;
	memcpy(buf, passphrase, n);
	return (int)n;
}

static int
open_key(const char *pem, size_t n, const char *passphrase, EVP_PKEY **out, struct ai_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)(uintptr_t)passphrase) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (key) {
		*out = key;
		return 0;
	}
	static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
	if (n < sizeof encrypted - 1 || memcmp(pem, encrypted, sizeof encrypted - 1) != 0)
		return ai_fail(err, AI_EINPUT, "attestation CA: its key is no private key in PEM");
	(void)ai_fail(err, AI_EINPUT, "attestation CA: its key is encrypted, and %s", passphrase ? "not with this passphrase" : "there is no passphrase");
	return passphrase ? err->code : ai_hint(err, "--passphrase-file FILE");
}

static char *
common_name(X509 *x)
{
	X509_NAME *name = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;
	int n = at >= 0 ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))) : -1;
	char *out = ai_strndup(n > 0 ? (char *)text : "", n > 0 ? (size_t)n : 0);
	OPENSSL_free(text);
	return out;
}

static int
open_root(const char *pem, size_t n, struct ai_authority *a, struct ai_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	a->root = bio ? PEM_read_bio_X509(bio, NULL, give_passphrase, NULL) : NULL;
	BIO_free(bio);
	/* 1: basicConstraints says CA, and keyUsage allows signing certificates. */
	bool good = a->root && X509_check_ca(a->root) == 1 && X509_self_signed(a->root, 1) == 1;
	ERR_clear_error();
	if (!good)
		return ai_fail(err, AI_EINPUT, "attestation CA: its root is no self-signed CA certificate in PEM");
	a->name = common_name(a->root);
	return a->name ? 0 : ai_nomem(err);
}

int
ai_authority_open(const char *key, size_t key_len, const char *passphrase, const char *root, size_t root_len, struct ai_authority **out,
	struct ai_err *err)
{
	struct ai_authority *a = ai_calloc(1, sizeof *a);
	if (!a)
		return ai_nomem(err);
	int r = open_root(root, root_len, a, err);
	if (r == 0 && key)
		r = open_key(key, key_len, passphrase, &a->key, err);
	if (r == 0 && key && X509_check_private_key(a->root, a->key) != 1)
		r = ai_fail(err, AI_EINPUT, "attestation CA: its key is not that of its root certificate");
	ERR_clear_error();
	if (r < 0)
		ai_authority_free(a);
	else
		*out = a;
	return r;
}

void
ai_authority_free(struct ai_authority *a)
{
	if (!a)
		return;
	EVP_PKEY_free(a->key);
	X509_free(a->root);
	free(a->name);
	free(a);
}

const char *
ai_authority_name(const struct ai_authority *a)
{
	return a->name;
}

int
ai_authority_fingerprint(const struct ai_authority *a, struct ai_digest *out, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(a->root), &der);
	if (n > 0)
		ai_sha256(der, (size_t)n, out);
	OPENSSL_free(der);
	return n > 0 ? 0 : ai_nomem(err);
}

/* --- issuing ----------------------------------------------------------------- */

static bool
add_tpm_word(X509_NAME *name, const json_t *tpm, const char *key, const char *oid)
{
	const char *text = ai_json_str(tpm, key);
	if (!text)
		return true;
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	bool good = o && X509_NAME_add_entry_by_OBJ(name, o, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1;
	ASN1_OBJECT_free(o);
	return good;
}

/* Which TPM it was, in the words of its EK's certificate. Critical, as the TCG wants it. */
static bool
add_tpm(X509 *x, const json_t *tpm)
{
	if (json_object_size(tpm) == 0)
		return true;
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *g = GENERAL_NAME_new();
	X509_NAME *name = X509_NAME_new();
	bool good = names && g && name && add_tpm_word(name, tpm, "manufacturer", "2.23.133.2.1") && add_tpm_word(name, tpm, "model", "2.23.133.2.2")
		&& add_tpm_word(name, tpm, "version", "2.23.133.2.3");
	if (good) {
		GENERAL_NAME_set0_value(g, GEN_DIRNAME, name);
		name = NULL;
		good = sk_GENERAL_NAME_push(names, g) > 0;
		if (good)
			g = NULL;
		good = good && X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) == 1;
	}
	X509_NAME_free(name);
	GENERAL_NAME_free(g);
	GENERAL_NAMES_free(names);
	return good;
}

static X509 *
make_leaf(const struct ai_authority *a, const struct ai_ak *ak, const json_t *tpm, int64_t from, int64_t to)
{
	char hex[AI_HEX], cn[32];
	ai_hex(&ak->fingerprint, hex);
	snprintf(cn, sizeof cn, "AK %.16s", hex);
	X509 *x = X509_new();
	bool good = x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(X509_get_subject_name(x), cn)
		&& X509_set_issuer_name(x, X509_get_subject_name(a->root)) == 1 && set_times(x, from, to) && X509_set_pubkey(x, ak->pkey) == 1
		&& add_extension(x, a->root, NID_basic_constraints, "critical,CA:FALSE")
		&& add_extension(x, a->root, NID_key_usage, "critical,digitalSignature") && add_extension(x, a->root, NID_ext_key_usage, purpose)
		&& add_tpm(x, tpm) && add_extension(x, a->root, NID_subject_key_identifier, "hash")
		&& add_extension(x, a->root, NID_authority_key_identifier, "keyid:always") && sign(x, a->key);
	if (good)
		return x;
	X509_free(x);
	return NULL;
}

static int
put_der(X509 *x, struct ai_buf *out, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	if (n > 0)
		ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	return n > 0 ? ai_buf_ok(out, "certificate", err) : ai_nomem(err);
}

static int64_t
seconds_of(const ASN1_TIME *t)
{
	struct tm tm;
	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int
describe(X509 *leaf, const struct ai_buf *der, const struct ai_ak *ak, const json_t *pending, int64_t now, json_t **record, struct ai_err *err)
{
	char serial[2 * SERIAL_BYTES + 1], issued[AI_WHEN_TEXT], not_after[AI_WHEN_TEXT];
	const ASN1_INTEGER *s = X509_get0_serialNumber(leaf);
	struct ai_digest d;
	ai_hex_bytes(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), serial);
	ai_when_text(now, issued);
	ai_when_text(seconds_of(X509_get0_notAfter(leaf)), not_after);
	ai_sha256(der->data, der->len, &d);
	json_t *j = json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o}", "serial", serial, "ak", ai_json_hex(&ak->fingerprint), "ek", ai_json_str(pending, "ek"),
		"issued", issued, "not_after", not_after, "sha256", ai_json_hex(&d), "certificate", ai_enrolment_text(der->data, der->len));
	if (!j)
		return ai_nomem(err);
	*record = j;
	return 0;
}

static int
format_certificate(const struct ai_authority *a, const struct ai_ak *ak, const struct ai_buf *leaf, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	if (put_der(a->root, &root, err) < 0)
		return err->code;
	AI_JSON *fields = json_pack("{s:o, s:[o, o]}", "ak", ai_json_hex(&ak->fingerprint), "certificates", ai_enrolment_text(leaf->data, leaf->len),
		ai_enrolment_text(root.data, root.len));
	return fields ? ai_enrolment_format(AI_ENROLMENT_CERTIFICATE, fields, out, err) : ai_nomem(err);
}

static int
issue(const struct ai_authority *a, const struct ai_ak *ak, const json_t *pending, int days, int64_t now, struct ai_buf *certificate,
	json_t **record, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	int64_t end = seconds_of(X509_get0_notAfter(a->root)), start = seconds_of(X509_get0_notBefore(a->root));
	char text[AI_WHEN_TEXT];
	ai_when_text(end, text);
	if (now >= end)
		return ai_fail(err, AI_EENV, "attestation CA: its root expired at %s", text);
	int64_t to = now + (int64_t)days * DAY < end ? now + (int64_t)days * DAY : end, from = now - DAY > start ? now - DAY : start;
	X509 *leaf = make_leaf(a, ak, ai_json_obj(pending, "tpm"), from, to);
	int r = leaf ? put_der(leaf, &der, err) : ai_fail(err, AI_EENV, "attestation CA: the cryptographic library refuses to make the certificate");
	r = r < 0 ? r : format_certificate(a, ak, &der, certificate, err);
	r = r < 0 ? r : describe(leaf, &der, ak, pending, now, record, err);
	X509_free(leaf);
	ERR_clear_error();
	return r;
}

int
ai_authority_issue(const struct ai_authority *a, const json_t *pending, int days, int64_t now, struct ai_buf *certificate, json_t **record,
	struct ai_err *err)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	struct ai_ak ak;
	if (!a->key)
		return ai_fail(err, AI_EENV, "internal: attestation CA: opened without its key");
	if (days < 1 || days > MAX_DAYS)
		return ai_fail(err, AI_EUSAGE, "days: got %d, expected 1 to %d", days, MAX_DAYS);
	if (ai_enrolment_bytes(pending, "ak_public", &public, err) < 0 || ai_ak_parse((const uint8_t *)public.data, public.len, &ak, err) < 0)
		return err->code;
	int r = issue(a, &ak, pending, days, now, certificate, record, err);
	ai_ak_done(&ak);
	return r;
}
