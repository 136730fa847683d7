/* chain_cert.c -- what one certificate says. See chain_parts.h and chain.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "attest/x509/chain_parts.h"
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
	if (X509_get_version(x) != X509_VERSION_3)
		return "is no certificate of version 3";
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

static int
describe(struct ai_cert *c, struct ai_err *err)
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

/* A library context in which nothing can be decoded; made once, never freed. NULL (the default one) does as well, slower. */
static OSSL_LIB_CTX *nothing;
static CRYPTO_ONCE nothing_once = CRYPTO_ONCE_STATIC_INIT;

static void
make_nothing(void)
{
	OSSL_LIB_CTX *c = OSSL_LIB_CTX_new();
	if (c && OSSL_PROVIDER_load(c, "null"))
		nothing = c;
	else
		OSSL_LIB_CTX_free(c);
}

int
ai_cert_read(const void *der, size_t n, struct ai_cert *out, struct ai_err *err)
{
	const unsigned char *p = der;
	struct ai_digest whole;
	struct ai_cert c = { .x = NULL };
	ai_sha256(der, n, &whole);
	(void)CRYPTO_THREAD_run_once(&nothing_once, make_nothing);
	X509 *x = X509_new_ex(nothing, NULL);
	/* Frees x and makes it NULL when it fails. */
	c.x = x && n > 0 && n <= AI_MAX_CERT ? d2i_X509(&x, &p, (long)n) : NULL;
	if (!c.x) {
		X509_free(x);
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate");
	}
	int r = p != (const unsigned char *)der + n ? ai_fail(err, AI_EINPUT, "bytes follow its end") : describe(&c, err);
	/* The signed part is written again as it came, all around it anew: where that gives other bytes, somebody could have put them there. */
	if (r == 0 && !ai_digest_eq(&c.der, &whole))
		r = ai_fail(err, AI_EINPUT, "not DER: its encoding is not the only one of its content");
	if (r < 0)
		ai_cert_done(&c);
	else
		*out = c;
	return r;
}

void
ai_cert_done(struct ai_cert *c)
{
	X509_free(c->x);
	EVP_PKEY_free(c->key);
	c->x = NULL;
	c->key = NULL;
}

/* --- its key, and who signed it ---------------------------------------------------- */

EVP_PKEY *
ai_cert_key(struct ai_cert *c)
{
	unsigned char *spki = NULL;
	int n = c->key ? 0 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &spki);
	const unsigned char *p = spki;
	if (n > 0)
		c->key = d2i_PUBKEY(NULL, &p, n);
	OPENSSL_free(spki);
	return c->key;
}

/* The curve by name and the point as its certificate has it: compared as bytes, nothing is decoded. */
static bool
is_same_point(X509 *x, const EVP_PKEY *pkey)
{
	const unsigned char *point;
	unsigned char mine[200];
	char curve[80], named[80];
	int n = 0, type = 0;
	size_t n_mine = 0, n_curve = 0;
	const void *value;
	X509_ALGOR *alg;
	const ASN1_OBJECT *oid;
	if (X509_PUBKEY_get0_param(NULL, &point, &n, &alg, X509_get_X509_PUBKEY(x)) != 1)
		return false;
	X509_ALGOR_get0(&oid, &type, &value, alg);
	if (OBJ_obj2nid(oid) != NID_X9_62_id_ecPublicKey || type != V_ASN1_OBJECT || OBJ_obj2txt(named, sizeof named, value, 0) <= 0
		|| EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, &n_curve) != 1
		|| EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, mine, sizeof mine, &n_mine) != 1)
		return false;
	return OBJ_txt2nid(curve) != NID_undef && OBJ_txt2nid(curve) == OBJ_obj2nid(value) && n > 0 && n_mine == (size_t)n && memcmp(mine, point, n_mine) == 0;
}

bool
ai_cert_names(struct ai_cert *c, const EVP_PKEY *pkey)
{
	return (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC && is_same_point(c->x, pkey)) || (ai_cert_key(c) && EVP_PKEY_eq(c->key, pkey) == 1);
}

/* The digest of a signature algorithm that a key of this kind makes, and that has no parameters; NULL: another kind. */
static const EVP_MD *
plain_digest(const X509_ALGOR *alg, const EVP_PKEY *key)
{
	int md = NID_undef, kind = NID_undef;
	if (OBJ_find_sigid_algs(OBJ_obj2nid(alg->algorithm), &md, &kind) != 1 || md == NID_undef || kind != EVP_PKEY_get_base_id(key))
		return NULL;
	return EVP_get_digestbynid(md);
}

/* The bytes that are signed: the first element of the outer sequence. */
static const unsigned char *
signed_part(const unsigned char *der, size_t n, size_t *len)
{
	const unsigned char *p = der, *from;
	long size = 0;
	int tag, class;
	if (ASN1_get_object(&p, &size, &tag, &class, (long)n) & 0x80)
		return NULL;
	from = p;
	if (ASN1_get_object(&p, &size, &tag, &class, (long)n - (p - der)) & 0x80)
		return NULL;
	*len = (size_t)(p - from + size);
	return from;
}

/* What X509_verify does, with algorithms of the default context: the certificate's own has none. */
static bool
verify(const X509 *x, const unsigned char *der, size_t n, EVP_PKEY *key)
{
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *alg;
	X509_get0_signature(&signature, &alg, x);
	/* The count of unused bits is outside of what is signed, too. */
	if (signature->flags & 7)
		return false;
	const EVP_MD *md = plain_digest(alg, key);
	if (!md) {
		const unsigned char *p = der;
		X509 *again = d2i_X509(NULL, &p, (long)n);
		bool good = again && X509_verify(again, key) == 1;
		X509_free(again);
		return good;
	}
	size_t len = 0;
	const unsigned char *tbs = signed_part(der, n, &len);
	if (!tbs || X509_ALGOR_cmp(alg, X509_get0_tbs_sigalg(x)) != 0)
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1
		&& EVP_DigestVerify(ctx, ASN1_STRING_get0_data(signature), (size_t)ASN1_STRING_length(signature), tbs, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

bool
ai_cert_signed_by(const struct ai_cert *c, struct ai_cert *issuer)
{
	unsigned char *der = NULL;
	int n = ai_cert_key(issuer) ? i2d_X509(c->x, &der) : 0;
	bool good = n > 0 && verify(c->x, der, (size_t)n, issuer->key);
	OPENSSL_free(der);
	return good;
}

/* --- the twin of an ECDSA signature ------------------------------------------------ */

/* (r, s) becomes (r, order - s); both in DER. False when it is no such signature. */
static bool
turn(const BIGNUM *order, const ASN1_BIT_STRING *from, ASN1_STRING *to)
{
	const unsigned char *p = ASN1_STRING_get0_data(from);
	unsigned char *der = NULL;
	ECDSA_SIG *was = d2i_ECDSA_SIG(NULL, &p, ASN1_STRING_length(from)), *now = ECDSA_SIG_new();
	BIGNUM *r = was ? BN_dup(ECDSA_SIG_get0_r(was)) : NULL, *s = BN_new();
	bool good = r && s && now && BN_sub(s, order, ECDSA_SIG_get0_s(was)) == 1 && ECDSA_SIG_set0(now, r, s) == 1;
	if (good)
		r = s = NULL; /* now's */
	int n = good ? i2d_ECDSA_SIG(now, &der) : 0;
	good = n > 0 && ASN1_STRING_set(to, der, n) == 1;
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(was);
	ECDSA_SIG_free(now);
	return good;
}

bool
ai_x509_twin(const X509 *x, const EVP_PKEY *issuer_key, struct ai_digest *out)
{
	const ASN1_BIT_STRING *from, *to;
	BIGNUM *order = NULL;
	unsigned char *der = NULL;
	if (EVP_PKEY_get_base_id(issuer_key) != EVP_PKEY_EC || EVP_PKEY_get_bn_param(issuer_key, OSSL_PKEY_PARAM_EC_ORDER, &order) != 1)
		return false;
	X509 *twin = X509_dup(x);
	X509_get0_signature(&from, NULL, x);
	if (twin)
		X509_get0_signature(&to, NULL, twin);
	/* Its signed part is written again as it was read. */
	int n = twin && turn(order, from, (ASN1_STRING *)(uintptr_t)to) ? i2d_X509(twin, &der) : 0;
	if (n > 0)
		ai_sha256(der, (size_t)n, out);
	OPENSSL_free(der);
	X509_free(twin);
	BN_free(order);
	return n > 0;
}

/* --- for people ---------------------------------------------------------------------- */

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
