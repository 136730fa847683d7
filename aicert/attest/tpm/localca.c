/* localca.c -- see localca.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/localca.h"

#include <fcntl.h>
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

#include "attest/x509/chain.h"
#include "base/buf.h"
#include "base/fs.h"

enum { SERIAL_BYTES = 16, DAY = 24 * 60 * 60, DAYS_VALID = 20 * 365 + 5 };

/* What one certificate says. */
struct wanted {
	const char *name;
	EVP_PKEY *key;         /* whose it is */
	const char *constraints, *usage, *purpose; /* purpose may be NULL */
};

bool
ai_localca_exists(const char *dir)
{
	static const char *const files[] = { "ca.key", "ca.der", "ak-ecc.der", "ak-rsa.der" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		AI_FREE char *path = ai_format("%s/%s", dir, files[i]);
		if (path && ai_exists(path))
			return true;
	}
	return false;
}

static bool
set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, and always of one length */
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
	X509_EXTENSION *e = value ? X509V3_EXT_conf_nid(NULL, &ctx, nid, value) : NULL;
	bool good = !value || (e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
	return good;
}

/* ca NULL: self-signed. */
static X509 *
make_certificate(const struct wanted *w, X509 *ca, EVP_PKEY *ca_key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	X509 *issuer = ca ? ca : x;
	bool good = x && name && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x)
		&& X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w->name, -1, -1, 0) == 1
		&& X509_set_subject_name(x, name) == 1
		&& X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1
		/* A day back, for verifiers whose clock is behind ours. */
		&& X509_gmtime_adj(X509_getm_notBefore(x), -DAY)
		&& X509_time_adj_ex(X509_getm_notAfter(x), DAYS_VALID, 0, NULL)
		&& X509_set_pubkey(x, w->key) == 1
		&& add_extension(x, issuer, NID_basic_constraints, w->constraints)
		&& add_extension(x, issuer, NID_key_usage, w->usage)
		&& add_extension(x, issuer, NID_ext_key_usage, w->purpose)
		&& add_extension(x, issuer, NID_subject_key_identifier, "hash")
		&& add_extension(x, issuer, NID_authority_key_identifier, ca ? "keyid:always" : NULL)
		&& X509_sign(x, ca_key, EVP_sha256()) > 0;
	X509_NAME_free(name);
	if (good)
		return x;
	X509_free(x);
	return NULL;
}

static int
write_certificate(const char *path, X509 *x, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = x ? i2d_X509(x, &der) : -1;
	if (n <= 0)
		return ai_fail(err, AI_EENV, "%s: cannot make the certificate: %s", path, ERR_error_string(ERR_get_error(), NULL));
	int r = ai_write_file(AT_FDCWD, path, der, (size_t)n, 0600, err);
	OPENSSL_free(der);
	return r;
}

static int
read_certificate(const char *path, X509 **out, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	if (ai_read_file(AT_FDCWD, path, &der, err) < 0)
		return err->code = AI_EENV;
	const unsigned char *p = (const unsigned char *)der.data;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	if (!x)
		return ai_fail(err, AI_EENV, "%s: is damaged: not an X.509 certificate", path);
	*out = x;
	return 0;
}

static int
write_key(const char *path, EVP_PKEY *key, struct ai_err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem;
	long n = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 ? BIO_get_mem_data(bio, &pem) : 0;
	int r = n > 0 ? ai_write_file(AT_FDCWD, path, pem, (size_t)n, 0600, err) : ai_nomem(err);
	BIO_free(bio);
	return r;
}

static int
read_key(const char *path, EVP_PKEY **out, struct ai_err *err)
{
	AI_BUF_AUTO pem = AI_BUF(AI_MAX_CERT);
	if (ai_read_file(AT_FDCWD, path, &pem, err) < 0)
		return err->code = AI_EENV;
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	*out = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(pem.data, pem.len);
	return *out ? 0 : ai_fail(err, AI_EENV, "%s: is damaged: not a private key", path);
}

/* The CA's key and certificate, made if they are not there. The key is written first: a certificate without it would be of no use. */
static int
get_ca(const char *key_path, const char *cert_path, EVP_PKEY **key, X509 **cert, struct ai_err *err)
{
	if (ai_exists(key_path) || ai_exists(cert_path)) {
		if (read_key(key_path, key, err) < 0)
			return err->code;
	} else {
		*key = EVP_EC_gen("P-256");
		if (!*key)
			return ai_nomem(err);
		if (write_key(key_path, *key, err) < 0)
			return err->code;
	}
	if (!ai_exists(cert_path)) {
		struct wanted w = { "aicert local CA (software TPM)", *key, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL };
		*cert = make_certificate(&w, NULL, *key);
		return write_certificate(cert_path, *cert, err);
	}
	if (read_certificate(cert_path, cert, err) < 0)
		return err->code;
	if (X509_check_private_key(*cert, *key) != 1)
		return ai_fail(err, AI_EENV, "%s: is not the certificate of %s", cert_path, key_path);
	return 0;
}

static int
make_leaf(const char *dir, const char *leaf_path, const char *ca_path, const struct ai_ak *ak, struct ai_err *err)
{
	AI_FREE char *key_path = ai_format("%s/ca.key", dir);
	EVP_PKEY *key = NULL;
	X509 *ca = NULL, *leaf = NULL;
	if (!key_path)
		return ai_nomem(err);
	int r = get_ca(key_path, ca_path, &key, &ca, err);
	if (r == 0) {
		/* The purpose is TCG's tcg-kp-AIKCertificate. */
		struct wanted w = { "aicert AK (software TPM)", ak->pkey, "critical,CA:FALSE", "critical,digitalSignature", "2.23.133.8.3" };
		leaf = make_certificate(&w, ca, key);
		r = write_certificate(leaf_path, leaf, err);
	}
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

static int
append_file(json_t *list, const char *path, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_CERT);
	if (ai_read_file(AT_FDCWD, path, &der, err) < 0)
		return err->code = AI_EENV;
	ai_b64_put(&text, der.data, der.len);
	if (ai_buf_ok(&text, path, err) < 0)
		return err->code;
	return json_array_append_new(list, json_stringn(text.data, text.len)) < 0 ? ai_nomem(err) : 0;
}

int
ai_localca_certificates(const char *dir, const char *kind, const struct ai_ak *ak, json_t **out, struct ai_err *err)
{
	AI_FREE char *leaf_path = ai_format("%s/ak-%s.der", dir, kind);
	AI_FREE char *ca_path = ai_format("%s/ca.der", dir);
	AI_JSON *list = json_array();
	struct ai_chain chain;
	if (!leaf_path || !ca_path || !list)
		return ai_nomem(err);
	if (!ai_exists(leaf_path) && make_leaf(dir, leaf_path, ca_path, ak, err) < 0)
		return err->code;
	if (append_file(list, leaf_path, err) < 0 || append_file(list, ca_path, err) < 0)
		return err->code;
	if (ai_chain_check(list, ak, NULL, &chain, err) < 0) {
		err->code = AI_EENV;
		return ai_in(err, "%s and ca.der", leaf_path);
	}
	ai_chain_done(&chain);
	*out = json_incref(list);
	return 0;
}
