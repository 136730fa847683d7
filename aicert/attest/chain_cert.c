/* chain_cert.c -- what one certificate says. See chain_parts.h and chain.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "attest/chain_parts.h"
#include "base/buf.h"

enum { MAX_EXTENSIONS = 40, MAX_URLS = 16, MAX_URL = 2000 };

/* Critical extensions that are judged, or (certificatePolicies) that any policy satisfies: makers mark it so. */
static bool
is_understood(int nid)
{
	return nid == NID_basic_constraints || nid == NID_key_usage || nid == NID_ext_key_usage || nid == NID_subject_alt_name
		|| nid == NID_certificate_policies;
}

static bool
comes_again(X509 *x, int at)
{
	return X509_get_ext_by_OBJ(x, X509_EXTENSION_get_object(X509_get_ext(x, at)), at) >= 0;
}

/* NULL: nothing is wrong. */
static const char *
extensions_malformed(X509 *x)
{
	int n = X509_get_ext_count(x);
	/* OpenSSL keeps what it found; it hashes the certificate for that, once. */
	if (X509_get_extension_flags(x) & EXFLAG_INVALID)
		return "its extensions are malformed";
	if (n > MAX_EXTENSIONS)
		return "has more extensions than anybody needs";
	for (int i = 0; i < n; i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
		if (comes_again(x, i))
			return "has an extension twice";
		/* No TPM maker or cloud uses them; to ignore them would let a CA vouch for what it may not. */
		if (nid == NID_name_constraints)
			return "has name constraints, which nobody here judges";
		if (X509_EXTENSION_get_critical(e) && !is_understood(nid))
			return "has a critical extension that nobody here understands";
	}
	return NULL;
}

static bool
seconds_of(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;
	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

int
ai_cert_describe(struct ai_cert *c, struct ai_err *err)
{
	unsigned char *der = NULL, *spki = NULL;
	int n_der = i2d_X509(c->x, &der), n_spki = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &spki);
	if (n_der > 0 && n_spki > 0) {
		ai_sha256(der, (size_t)n_der, &c->der);
		ai_sha256(spki, (size_t)n_spki, &c->spki);
	}
	OPENSSL_free(der);
	OPENSSL_free(spki);
	if (n_der <= 0 || n_spki <= 0)
		return ai_fail(err, AI_EINPUT, "cannot be written again");
	if (!seconds_of(X509_get0_notBefore(c->x), &c->not_before) || !seconds_of(X509_get0_notAfter(c->x), &c->not_after))
		return ai_fail(err, AI_EINPUT, "its validity is no time");
	c->names_itself = X509_NAME_cmp(X509_get_issuer_name(c->x), X509_get_subject_name(c->x)) == 0;
	c->malformed = extensions_malformed(c->x);
	return 0;
}

char *
ai_x509_name(const X509_NAME *name)
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

/* --- where its issuer's certificate is ------------------------------------------- */

/* A URL that may be asked: http or https, plain ASCII, not too long. */
static bool
is_web(const ASN1_STRING *s)
{
	const char *p = (const char *)ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);
	if (n > MAX_URL || !((n > 7 && strncmp(p, "http://", 7) == 0) || (n > 8 && strncmp(p, "https://", 8) == 0)))
		return false;
	for (int i = 0; i < n; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f)
			return false;
	return true;
}

int
ai_chain_issuer_urls(const void *der, size_t n, json_t **out, struct ai_err *err)
{
	const unsigned char *p = der;
	X509 *x = n > 0 && n <= AI_MAX_CERT ? d2i_X509(NULL, &p, (long)n) : NULL;
	AUTHORITY_INFO_ACCESS *access = x ? X509_get_ext_d2i(x, NID_info_access, NULL, NULL) : NULL;
	bool parsed = x;
	AI_JSON *urls = json_array();
	bool kept = urls;
	for (int i = 0; kept && i < sk_ACCESS_DESCRIPTION_num(access) && json_array_size(urls) < MAX_URLS; i++) {
		const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(access, i);
		if (OBJ_obj2nid(d->method) != NID_ad_ca_issuers || d->location->type != GEN_URI || !is_web(d->location->d.ia5))
			continue;
		const ASN1_STRING *url = d->location->d.ia5;
		kept = json_array_append_new(urls, json_stringn((const char *)ASN1_STRING_get0_data(url), (size_t)ASN1_STRING_length(url))) == 0;
	}
	AUTHORITY_INFO_ACCESS_free(access);
	X509_free(x);
	ERR_clear_error();
	if (!parsed)
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate");
	if (!kept)
		return ai_nomem(err);
	*out = json_incref(urls);
	return 0;
}
