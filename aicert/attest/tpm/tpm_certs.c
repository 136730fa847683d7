/*
 * tpm_certs.c -- certificates on their way from a TPM, and from the addresses in them, into a proof; see tpm_parts.h.
 *
 * Nothing here is believed: what is taken as an issuer's certificate has signed the one below it, and the chain is judged by the
 * verifier. SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "attest/x509/chain.h"
#include "attest/x509/roots.h"
#include "attest/tpm/tpm_parts.h"
#include "base/fs.h"
#include "base/when.h"

enum {
	MAX_CHAIN = 5,          /* certificates, the leaf among them */
	MAX_ADDRESSES = 4,      /* that one certificate may name */
	MAX_ANSWER = 16,        /* certificates in one answer */
	ASK_SECONDS = 30,       /* after which no further address is asked */
};

static void free_x509(X509 **x) { X509_free(*x); ERR_clear_error(); }
#define X509_AUTO __attribute__((cleanup(free_x509))) X509

size_t
ai_der_length(const uint8_t *p, size_t n)
{
	if (n < 2 || p[0] != 0x30)
		return 0;
	size_t head = 2, len = p[1];
	if (len & 0x80) {
		size_t bytes = len & 0x7f;
		if (bytes < 1 || bytes > 3 || n < 2 + bytes)
			return 0;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | p[2 + i];
		head += bytes;
	}
	return len > 0 && len <= n - head ? head + len : 0;
}

/* NULL when it is none; OpenSSL's own words for that are not kept. */
static X509 *
parse(const void *der, size_t n)
{
	const unsigned char *p = der;
	X509 *x = n && n <= AI_MAX_CERT ? d2i_X509(NULL, &p, (long)n) : NULL;
	ERR_clear_error();
	if (x && p == (const unsigned char *)der + n && X509_get0_pubkey(x))
		return x;
	X509_free(x);
	return NULL;
}

/* The i-th of a list of base64 DER, negative from the end. */
static X509 *
at(const json_t *list, long i, struct ai_buf *der)
{
	struct ai_err ignored = { 0 };
	size_t n = json_array_size(list);
	const json_t *text = json_array_get(list, i < 0 ? n - (size_t)-i : (size_t)i);
	ai_buf_clear(der);
	if (!json_is_string(text) || ai_b64_get(json_string_value(text), json_string_length(text), der, &ignored) < 0)
		return NULL;
	return parse(der->data, der->len);
}

int
ai_tpm_certs_push(json_t *list, const void *der, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_CERT);
	ai_b64_put(&text, der, n);
	if (ai_buf_ok(&text, "certificate", err) < 0)
		return err->code;
	return json_array_append_new(list, json_stringn(text.data ? text.data : "", text.len)) < 0 ? ai_nomem(err) : 0;
}

int
ai_tpm_cert_names(const void *der, size_t n, const void *pkey, struct ai_err *err)
{
	X509_AUTO *x = parse(der, n);
	if (!x)
		return ai_fail(err, AI_ENO, "is no X.509 certificate");
	return EVP_PKEY_eq(X509_get0_pubkey(x), pkey) == 1 ? 0 : ai_fail(err, AI_ENO, "the certificate is of another key");
}

/* One line of printable ASCII; fresh. */
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

int
ai_tpm_cert_about(const void *der, size_t n, json_t **out, struct ai_err *err)
{
	X509_AUTO *x = parse(der, n);
	struct tm tm;
	char until[AI_WHEN_TEXT] = "";
	if (!x)
		return ai_fail(err, AI_EINPUT, "is no X.509 certificate");
	AI_FREE char *subject = name_text(X509_get_subject_name(x));
	AI_FREE char *issuer = name_text(X509_get_issuer_name(x));
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1)
		ai_when_text(timegm(&tm), until);
	*out = json_pack("{s:s, s:s, s:s}", "subject", subject ? subject : "", "issuer", issuer ? issuer : "", "not_after", until);
	return *out ? 0 : ai_nomem(err);
}

int
ai_tpm_ak_pem(const struct ai_tpm *t, struct ai_buf *out, struct ai_err *err)
{
	struct ai_ak ak;
	char *p = NULL;
	if (t->trouble)
		return ai_fail(err, AI_EENV, "tpm: %s: %s", t->name, t->trouble);
	if (ai_ak_parse((const uint8_t *)t->public.data, t->public.len, &ak, err) < 0)
		return err->code;
	BIO *bio = BIO_new(BIO_s_mem());
	long n = bio && PEM_write_bio_PUBKEY(bio, ak.pkey) == 1 ? BIO_get_mem_data(bio, &p) : 0;
	ai_buf_put(out, n > 0 ? p : "", n > 0 ? (size_t)n : 0);
	BIO_free(bio);
	ai_ak_done(&ak);
	return n > 0 ? ai_buf_ok(out, "public key", err) : ai_nomem(err);
}

/* --- what an address answered ------------------------------------------------- */

static int
push_x509(json_t *list, X509 *x, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = x && json_array_size(list) < MAX_ANSWER ? i2d_X509(x, &der) : 0;
	int r = n > 0 && n <= (int)AI_MAX_CERT ? ai_tpm_certs_push(list, der, (size_t)n, err) : 0;
	OPENSSL_free(der);
	return r;
}

/* The certificates of a PKCS#7 of the "signed data" sort, whose signatures, if there are any, nobody asks for. */
static int
push_pkcs7(json_t *list, PKCS7 *p7, struct ai_err *err)
{
	STACK_OF(X509) *all = PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->cert : NULL;
	for (int i = 0; i < sk_X509_num(all); i++)
		if (push_x509(list, sk_X509_value(all, i), err) < 0)
			return err->code;
	return 0;
}

static int
push_pem(json_t *list, const void *p, size_t n, struct ai_err *err)
{
	BIO *bio = BIO_new_mem_buf(p, (int)n);
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	int r = bio ? 0 : ai_nomem(err);
	for (int i = 0; r == 0 && i < MAX_ANSWER && PEM_read_bio(bio, &name, &header, &data, &len) == 1; i++) {
		const unsigned char *q = data;
		if (strcmp(name, PEM_STRING_PKCS7) == 0) {
			PKCS7 *p7 = d2i_PKCS7(NULL, &q, len);
			r = p7 ? push_pkcs7(list, p7, err) : 0;
			PKCS7_free(p7);
		} else if (strcmp(name, PEM_STRING_X509) == 0) {
			X509_AUTO *x = parse(data, (size_t)len);
			r = push_x509(list, x, err);
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	BIO_free(bio);
	return r;
}

int
ai_tpm_certs_in_answer(const void *p, size_t n, json_t **out, struct ai_err *err)
{
	AI_JSON *list = json_array();
	if (!list)
		return ai_nomem(err);
	int r = 0;
	if (n > 0 && n <= AI_MAX_CERT) {
		const unsigned char *q = p;
		X509_AUTO *x = parse(p, n);
		PKCS7 *p7 = x ? NULL : d2i_PKCS7(NULL, &q, (long)n);
		r = x ? push_x509(list, x, err) : p7 ? push_pkcs7(list, p7, err) : push_pem(list, p, n, err);
		PKCS7_free(p7);
		ERR_clear_error();
	}
	if (r < 0)
		return r;
	*out = json_incref(list);
	return 0;
}

/* --- the chain ---------------------------------------------------------------- */

static bool
signed_by(X509 *x, X509 *issuer)
{
	bool good = X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) == 0 && X509_verify(x, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return good;
}

static bool
is_anchor(const struct ai_roots *roots, X509 *x, const struct ai_buf *der)
{
	struct ai_digest spki, hash;
	unsigned char *bytes = NULL;
	int n = roots ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &bytes) : 0;
	if (n <= 0)
		return false;
	ai_sha256(bytes, (size_t)n, &spki);
	ai_sha256(der->data, der->len, &hash);
	OPENSSL_free(bytes);
	const struct ai_anchor *a = ai_roots_find(roots, &spki, &hash, AI_ROLE_EK | AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA);
	return a && a->exact;
}

/* Is it in the list already? A chain that comes back to where it was never ends. */
static bool
has(const json_t *list, const json_t *text)
{
	size_t i;
	json_t *t;
	json_array_foreach((json_t *)list, i, t)
		if (json_equal(t, text))
			return true;
	return false;
}

/* The first of `some` that signed the last of the list is appended: 1; 0 none did. */
static int
take_issuer(json_t *list, const json_t *some, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO other = AI_BUF(AI_MAX_CERT);
	X509_AUTO *last = at(list, -1, &der);
	size_t i;
	json_t *text;
	json_array_foreach((json_t *)some, i, text) {
		X509_AUTO *x = at(some, (long)i, &other);
		if (!last || !x || !signed_by(last, x) || has(list, text))
			continue;
		return json_array_append(list, text) < 0 ? ai_nomem(err) : 1;
	}
	return 0;
}

static char *
kept_path(const char *dir, const struct ai_buf *der)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(der->data, der->len, &d);
	ai_hex(&d, hex);
	return ai_format("%s/issuer-%.32s.der", dir, hex);
}

/* From an earlier run, so that a machine without a network makes the same proofs. */
static int
take_kept(json_t *list, const char *path, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	AI_JSON *some = NULL;
	struct ai_err ignored = { 0 };
	if (ai_read_file_if(AT_FDCWD, path, &bytes, &ignored) != 1)
		return 0; /* asked for again */
	return ai_tpm_certs_in_answer(bytes.data, bytes.len, &some, err) < 0 ? err->code : take_issuer(list, some, err);
}

static int
keep(const json_t *list, const char *path)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_err ignored = { 0 };
	X509_AUTO *x = at(list, -1, &der);
	/* Only a convenience: what cannot be kept is asked for again. */
	return x ? ai_write_file(AT_FDCWD, path, der.data, der.len, 0600, &ignored) : 0;
}

static int64_t
seconds_now(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Asks the addresses that the last certificate names: 1 one of them had the issuer's, 0 none; why says what went wrong. */
static int
take_asked(json_t *list, const struct ai_buf *der, const struct ai_certs_from *from, int64_t deadline, struct ai_err *why, struct ai_err *err)
{
	AI_JSON *urls = NULL;
	if (ai_chain_issuer_urls(der->data, der->len, &urls, why) < 0)
		return 0;
	if (json_array_size(urls) == 0) {
		ai_fail(why, AI_ENO, "the certificate names no address for it");
		return 0;
	}
	if (!from->issuer) {
		ai_fail(why, AI_ENO, "its address was not asked");
		return 0;
	}
	for (size_t i = 0; i < json_array_size(urls) && i < MAX_ADDRESSES; i++) {
		AI_BUF_AUTO answer = AI_BUF(AI_MAX_CERT);
		AI_JSON *some = NULL;
		const char *url = json_string_value(json_array_get(urls, i));
		if (seconds_now() >= deadline) {
			ai_fail(why, AI_EENV, "no answer in %d s", ASK_SECONDS);
			return 0;
		}
		if (from->issuer(from->ctx, url, &answer, why) < 0) {
			if (why->code != AI_EINTR)
				continue;
			*err = *why;
			return err->code;
		}
		int r = ai_buf_ok(&answer, "answer", why) < 0 ? 0 : ai_tpm_certs_in_answer(answer.data, answer.len, &some, err);
		if (r == 0 && some)
			r = take_issuer(list, some, err);
		if (r != 0)
			return r;
		ai_fail(why, AI_ENO, "'%s': what it answers did not sign the certificate", url);
	}
	return 0;
}

/* 1 the last is complete, 0 it is not. */
static int
complete(const json_t *list, const struct ai_certs_from *from, struct ai_buf *der, char **issuer)
{
	X509_AUTO *last = at(list, -1, der);
	if (!last || signed_by(last, last) || is_anchor(from->roots, last, der))
		return 1;
	*issuer = name_text(X509_get_issuer_name(last));
	return 0;
}

int
ai_tpm_certs_complete(json_t *list, const struct ai_certs_from *from, struct ai_buf *note, struct ai_err *err)
{
	int64_t deadline = seconds_now() + ASK_SECONDS;
	while (json_array_size(list) > 0) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		AI_FREE char *issuer = NULL;
		struct ai_err why = { 0 };
		if (complete(list, from, &der, &issuer))
			return 0;
		if (json_array_size(list) >= MAX_CHAIN) {
			ai_tpm_say(note, "the certificates do not end after %d: at '%s'", MAX_CHAIN, issuer ? issuer : "");
			return 0;
		}
		AI_FREE char *path = kept_path(from->dir, &der);
		if (!path)
			return ai_nomem(err);
		int r = take_issuer(list, from->pool, err);
		if (r == 0)
			r = take_kept(list, path, err);
		if (r == 0) {
			r = take_asked(list, &der, from, deadline, &why, err);
			if (r == 1)
				(void)keep(list, path);
		}
		if (r < 0)
			return r;
		if (r == 0) {
			ai_tpm_say(note, "the certificate of the issuer '%s' is not to be had: %s", issuer ? issuer : "", why.text);
			return 0;
		}
	}
	return 0;
}
