/* chain.c -- see chain.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/chain.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"

enum {
	MAX_CERTIFICATES = 8,
	MIN_SECURITY_BITS = 100, /* SHA-256 has 128, RSA-2048 112; SHA-1 has 63 */
};

/* The parsed chain, leaf first. */
struct certs {
	X509 *x[MAX_CERTIFICATES];
	size_t n;
};

static void
free_certs(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->x[i]);
	/* What failed to parse or verify is already said in our words. */
	ERR_clear_error();
}

/* Do these DER bytes, parsed and written again, with nothing cached, give themselves? */
static bool
reencodes(X509 *x, const struct ai_buf *der)
{
	unsigned char *again = NULL;
	/* i2d alone repeats the to-be-signed bytes as they came; i2d_re_X509_tbs makes it encode them. */
	int n = i2d_re_X509_tbs(x, &again);
	OPENSSL_free(again);
	again = NULL;
	if (n > 0)
		n = i2d_X509(x, &again);
	bool same = n > 0 && (size_t)n == der->len && memcmp(again, der->data, der->len) == 0;
	OPENSSL_free(again);
	return same;
}

static int
parse_one(const json_t *text, struct certs *c, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	if (!json_is_string(text))
		return ai_fail(err, AI_EINPUT, "not base64 text");
	if (ai_b64_get(json_string_value(text), json_string_length(text), &der, err) < 0)
		return err->code;
	const unsigned char *p = (const unsigned char *)der.data;
	X509 *x = der.len ? d2i_X509(NULL, &p, (long)der.len) : NULL;
	if (!x)
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate");
	c->x[c->n++] = x;
	if (p != (const unsigned char *)der.data + der.len)
		return ai_fail(err, AI_EINPUT, "bytes follow its end");
	if (!reencodes(x, &der))
		return ai_fail(err, AI_EINPUT, "not DER: its encoding is not the only one of its content");
	if (!X509_get0_pubkey(x))
		return ai_fail(err, AI_EINPUT, "its public key cannot be read");
	return 0;
}

static int
check_extensions(X509 *x, size_t i, struct ai_err *err)
{
	uint32_t flags = X509_get_extension_flags(x);
	if (flags & EXFLAG_INVALID)
		return ai_fail(err, AI_ENO, "its extensions are malformed");
	if (flags & EXFLAG_CRITICAL)
		return ai_fail(err, AI_ENO, "has a critical extension that nobody here understands");
	if (i == 0 && X509_check_ca(x) != 0)
		return ai_fail(err, AI_ENO, "is a CA, which the certificate of an attestation key is not");
	/* 1: basicConstraints says CA, and keyUsage allows signing certificates. The other "yes" answers are guesses at old ones. */
	if (i > 0 && X509_check_ca(x) != 1)
		return ai_fail(err, AI_ENO, "is not a CA, and signs the one before it");
	long room = X509_get_pathlen(x);
	if (i > 0 && room >= 0 && (size_t)room < i - 1)
		return ai_fail(err, AI_ENO, "allows %ld CAs below it: got %zu", room, i - 1);
	return 0;
}

/* Is x signed by issuer, by name and by signature, with algorithms that still bind? */
static int
check_link(X509 *x, X509 *issuer, struct ai_err *err)
{
	int bits = 0;
	if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) != 0)
		return ai_fail(err, AI_ENO, "its issuer is not the subject of the next");
	if (X509_verify(x, X509_get0_pubkey(issuer)) != 1)
		return ai_fail(err, AI_ENO, "its signature is not by the key of the next");
	if (X509_get_signature_info(x, NULL, NULL, &bits, NULL) != 1 || bits < MIN_SECURITY_BITS
		|| EVP_PKEY_get_security_bits(X509_get0_pubkey(issuer)) < MIN_SECURITY_BITS)
		return ai_fail(err, AI_ENO, "its signature algorithm is too weak");
	return 0;
}

static bool
names_itself(X509 *x)
{
	return X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(x)) == 0;
}

static int
check_order(const struct certs *c, struct ai_err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		bool last = i + 1 == c->n;
		if (check_extensions(c->x[i], i, err) < 0)
			return ai_in(err, "certificate %zu", i);
		if (!last && names_itself(c->x[i]))
			return ai_fail(err, AI_ENO, "certificate %zu: is self-signed, and certificates are left over after it", i);
		if (!last && check_link(c->x[i], c->x[i + 1], err) < 0)
			return ai_in(err, "certificate %zu", i);
		/* A last one signed by somebody absent could say anything: nobody would check its signature. */
		if (last && !names_itself(c->x[i]))
			return ai_fail(err, AI_ENO, "certificate %zu: is the last and not self-signed: its issuer's certificate is missing", i);
		if (last && X509_verify(c->x[i], X509_get0_pubkey(c->x[i])) != 1)
			return ai_fail(err, AI_ENO, "certificate %zu: says it is self-signed, and its signature is not its own", i);
	}
	return 0;
}

/* One line of printable ASCII; fresh memory, NULL when there is none. */
static char *
name_text(X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *p;
	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE) >= 0) {
		long n = BIO_get_mem_data(bio, &p);
		text = ai_strndup(n > 0 ? p : "", n > 0 ? (size_t)n : 0);
	}
	BIO_free(bio);
	return text;
}

static int
describe(const struct certs *c, struct ai_chain *out, struct ai_err *err)
{
	X509 *last = c->x[c->n - 1];
	struct ai_chain d = { .self_signed = true /* check_order saw to it */ };
	unsigned char *spki = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(last), &spki);
	if (n > 0)
		ai_sha256(spki, (size_t)n, &d.root_spki);
	OPENSSL_free(spki);
	d.subject = name_text(X509_get_subject_name(c->x[0]));
	d.issuer = name_text(X509_get_subject_name(last));
	if (n <= 0 || !d.subject || !d.issuer) {
		ai_chain_done(&d);
		return ai_nomem(err);
	}
	d.software = strstr(d.subject, "software TPM") || strstr(d.issuer, "software TPM");
	*out = d;
	return 0;
}

static int
check_chain(const json_t *certificates, const struct ai_ak *ak, struct certs *c, struct ai_chain *out, struct ai_err *err)
{
	size_t n = json_array_size(certificates);
	if (!json_is_array(certificates) || n > MAX_CERTIFICATES)
		return ai_fail(err, AI_EINPUT, "not a list of at most %d", MAX_CERTIFICATES);
	if (n == 0)
		return ai_fail(err, AI_ENO, "there are none");
	for (size_t i = 0; i < n; i++)
		if (parse_one(json_array_get(certificates, i), c, err) < 0)
			return ai_in(err, "certificate %zu", i);
	if (EVP_PKEY_eq(X509_get0_pubkey(c->x[0]), ak->pkey) != 1)
		return ai_fail(err, AI_ENO, "certificate 0: its public key is not the attestation key");
	if (check_order(c, err) < 0)
		return err->code;
	return describe(c, out, err);
}

int
ai_chain_check(const json_t *certificates, const struct ai_ak *ak, struct ai_chain *out, struct ai_err *err)
{
	struct certs c = { .n = 0 };
	int r = check_chain(certificates, ak, &c, out, err);
	free_certs(&c);
	return r < 0 ? ai_in(err, "certificates") : 0;
}

void
ai_chain_done(struct ai_chain *c)
{
	free(c->subject);
	free(c->issuer);
	c->subject = c->issuer = NULL;
}
