/* roots.c -- see roots.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/roots.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/chain_parts.h"
#include "attest/x509/roots_parts.h"
#include "base/buf.h"

struct ai_roots {
	struct ai_anchor *anchors;
	size_t n, cap;
	struct ai_digest *revoked;
	size_t n_revoked, cap_revoked;
};

/* --- the set ---------------------------------------------------------------- */

static void
free_anchor(struct ai_anchor *a)
{
	free(a->name);
	free(a->authority);
	free(a->copy);
}

/* A copy of a, with its texts and certificate, at the end. */
static int
append(struct ai_roots *r, const struct ai_anchor *a, struct ai_err *err)
{
	if (ai_grow(&r->anchors, &r->cap, r->n, sizeof *r->anchors, err) < 0)
		return err->code;
	struct ai_anchor *to = &r->anchors[r->n];
	*to = *a;
	to->name = ai_strdup(a->name);
	to->authority = ai_strdup(a->authority);
	to->copy = a->copy ? ai_calloc(1, a->copy_len + 1) : NULL;
	if (!to->name || !to->authority || !to->copy != !a->copy) {
		free_anchor(to);
		return ai_nomem(err);
	}
	if (a->copy)
		memcpy(to->copy, a->copy, a->copy_len);
	r->n++;
	return 0;
}

static int
append_fact(struct ai_roots *r, const struct ai_root_fact *f, struct ai_err *err)
{
	struct ai_anchor a = { .name = (char *)f->name, .authority = (char *)f->authority, .roles = f->roles, .profile = f->profile, .exact = f->der, .builtin = true,
		.not_before = f->not_before, .not_after = f->not_after };
	if (!ai_unhex(f->spki, &a.spki) || (f->der && !ai_unhex(f->der, &a.der)))
		return ai_fail(err, AI_EENV, "internal: built-in root '%s': no fingerprint", f->name);
	return append(r, &a, err);
}

int
ai_roots_new(bool builtin, struct ai_roots **out, struct ai_err *err)
{
	struct ai_roots *r = ai_calloc(1, sizeof *r);
	if (!r)
		return ai_nomem(err);
	for (size_t i = 0; builtin && i < ai_n_root_facts; i++)
		if (append_fact(r, &ai_root_facts[i], err) < 0) {
			ai_roots_free(r);
			return err->code;
		}
	*out = r;
	return 0;
}

int
ai_roots_copy(const struct ai_roots *from, struct ai_roots **out, struct ai_err *err)
{
	struct ai_roots *r = NULL;
	if (ai_roots_new(false, &r, err) < 0)
		return err->code;
	int result = 0;
	for (size_t i = 0; result == 0 && i < from->n; i++)
		result = append(r, &from->anchors[i], err);
	for (size_t i = 0; result == 0 && i < from->n_revoked; i++)
		result = ai_roots_revoke(r, &from->revoked[i], err);
	if (result < 0)
		ai_roots_free(r);
	else
		*out = r;
	return result;
}

void
ai_roots_free(struct ai_roots *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free_anchor(&r->anchors[i]);
	free(r->anchors);
	free(r->revoked);
	free(r);
}

size_t
ai_roots_n(const struct ai_roots *r)
{
	return r->n;
}

const struct ai_anchor *
ai_roots_at(const struct ai_roots *r, size_t i)
{
	return &r->anchors[i];
}

const struct ai_anchor *
ai_roots_find(const struct ai_roots *r, const struct ai_digest *spki, const struct ai_digest *der, unsigned roles)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct ai_anchor *a = &r->anchors[i];
		if ((a->roles & roles) && ai_digest_eq(&a->spki, spki) && (!a->exact || ai_digest_eq(&a->der, der)))
			return a;
	}
	return NULL;
}

/* --- narrowing ---------------------------------------------------------------- */

static bool
fits(const struct ai_anchor *a, const char *word)
{
	return strcmp(a->name, word) == 0 || strcmp(a->authority, word) == 0;
}

/* Keeps the anchors that fit one of the words, or (keep false) those that fit none. */
static void
filter(struct ai_roots *r, const char *const *words, size_t n, bool keep)
{
	size_t to = 0;
	for (size_t i = 0; i < r->n; i++) {
		bool named = false;
		for (size_t k = 0; k < n && !named; k++)
			named = fits(&r->anchors[i], words[k]);
		if (named == keep)
			r->anchors[to++] = r->anchors[i];
		else
			free_anchor(&r->anchors[i]);
	}
	r->n = to;
}

/* Every word must be somebody's: one that is misspelt would silently narrow to less, or remove nothing. */
static int
check_words(const struct ai_roots *r, const char *const *words, size_t n, struct ai_err *err)
{
	for (size_t k = 0; k < n; k++) {
		bool somebody = false;
		for (size_t i = 0; i < r->n && !somebody; i++)
			somebody = fits(&r->anchors[i], words[k]);
		if (!somebody) {
			(void)ai_fail(err, AI_EUSAGE, "root '%.200s': no anchor has this name or authority", words[k]);
			return ai_hint(err, "aicert trust list shows them");
		}
	}
	return 0;
}

int
ai_roots_only(struct ai_roots *r, const char *const *words, size_t n, struct ai_err *err)
{
	if (check_words(r, words, n, err) < 0)
		return err->code;
	filter(r, words, n, true);
	return 0;
}

int
ai_roots_drop(struct ai_roots *r, const char *const *words, size_t n, struct ai_err *err)
{
	if (check_words(r, words, n, err) < 0)
		return err->code;
	filter(r, words, n, false);
	return 0;
}

int
ai_roots_revoke(struct ai_roots *r, const struct ai_digest *spki_or_der, struct ai_err *err)
{
	if (ai_roots_revoked(r, spki_or_der))
		return 0;
	if (ai_grow(&r->revoked, &r->cap_revoked, r->n_revoked, sizeof *r->revoked, err) < 0)
		return err->code;
	r->revoked[r->n_revoked++] = *spki_or_der;
	return 0;
}

bool
ai_roots_any_revoked(const struct ai_roots *r)
{
	return r->n_revoked > 0;
}

bool
ai_roots_revoked(const struct ai_roots *r, const struct ai_digest *spki_or_der)
{
	for (size_t i = 0; i < r->n_revoked; i++)
		if (ai_digest_eq(&r->revoked[i], spki_or_der))
			return true;
	return false;
}

/* --- another anchor -------------------------------------------------------------- */

/* A block that says it is encrypted must not make OpenSSL ask a terminal. */
static int
no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return -1;
}

/* DER of the one PEM block; to be freed with OPENSSL_free. NULL: none, or (more) several. */
static unsigned char *
pem_to_der(const void *pem, size_t n, size_t *n_out, bool *more)
{
	unsigned char *der = NULL;
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	X509 *second = x ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	int size = x && !second ? i2d_X509(x, &der) : 0;
	*more = second;
	*n_out = size > 0 ? (size_t)size : 0;
	X509_free(second);
	X509_free(x);
	BIO_free(bio);
	return der;
}

/* One certificate, DER or one PEM block, and nothing after it but white space. */
static int
read_certificate(const void *bytes, size_t n, struct ai_cert *out, struct ai_err *err)
{
	bool more = false;
	if (n == 0 || n > AI_MAX_CERT)
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate (DER, or one PEM block)");
	if (*(const unsigned char *)bytes == 0x30)
		return ai_cert_read(bytes, n, out, err);
	size_t n_der = 0;
	unsigned char *der = pem_to_der(bytes, n, &n_der, &more);
	int r = der ? ai_cert_read(der, n_der, out, err)
		: ai_fail(err, AI_EINPUT, more ? "more follows the certificate: expected exactly one" : "not an X.509 certificate (DER, or one PEM block)");
	OPENSSL_free(der);
	return r;
}

int
ai_roots_der(const void *certificate, size_t n, struct ai_buf *out, struct ai_err *err)
{
	struct ai_cert c = { .x = NULL };
	unsigned char *der = NULL;
	if (read_certificate(certificate, n, &c, err) < 0)
		return err->code;
	int size = i2d_X509(c.x, &der);
	if (size > 0)
		ai_buf_put(out, der, (size_t)size);
	OPENSSL_free(der);
	ai_cert_done(&c);
	return size > 0 ? ai_buf_ok(out, "certificate", err) : ai_nomem(err);
}

int
ai_roots_spki(const void *certificate, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_cert c = { .x = NULL };
	if (read_certificate(certificate, n, &c, err) < 0)
		return err->code;
	*out = c.spki;
	ai_cert_done(&c);
	ERR_clear_error();
	return 0;
}

static ai_profile
profile_of(ai_role role)
{
	switch (role) {
	case AI_ROLE_EK:
		return AI_PROFILE_EK;
	case AI_ROLE_AK_CA:
		return AI_PROFILE_AIK;
	case AI_ROLE_TSA:
		return AI_PROFILE_TSA;
	case AI_ROLE_AK_CLOUD:
		break;
	}
	return AI_PROFILE_PLAIN;
}

/* The CN of the subject, or all of it when it has none; fresh memory. */
static char *
common_name(X509 *x)
{
	X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return ai_x509_name(subject);
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	char *text = n > 0 ? ai_strndup((const char *)utf8, (size_t)n) : NULL;
	OPENSSL_free(utf8);
	return text ? text : ai_x509_name(subject);
}

static int
add_certificate(struct ai_roots *r, struct ai_cert *c, const char *name, ai_role role, const char *authority, struct ai_err *err)
{
	struct ai_anchor a = { .roles = role, .profile = profile_of(role), .authority = (char *)(authority ? authority : "") };
	if (c->malformed)
		return ai_fail(err, AI_EINPUT, "%s", c->malformed);
	if (X509_check_ca(c->x) != 1)
		return ai_fail(err, AI_EINPUT, "not a CA certificate: it may sign no other");
	if (c->names_itself && !ai_cert_signed_by(c, c))
		return ai_fail(err, AI_EINPUT, "says it is self-signed, and its signature is not its own");
	a.spki = c->spki;
	a.der = c->der;
	a.exact = !c->names_itself;
	a.not_before = c->not_before;
	a.not_after = c->not_after;
	if (ai_roots_find(r, &a.spki, &a.der, role))
		return ai_fail(err, AI_EUSAGE, "is an anchor already, as '%s'", ai_roots_find(r, &a.spki, &a.der, role)->name);
	AI_FREE char *cn = common_name(c->x);
	a.name = name ? (char *)name : cn;
	if (!a.name)
		return ai_nomem(err);
	/* A profile goes with the key: the same cloud's root given once more keeps its cloud's leaves. */
	for (size_t i = 0; i < ai_n_root_facts && role == AI_ROLE_AK_CLOUD; i++) {
		struct ai_digest known;
		if (ai_unhex(ai_root_facts[i].spki, &known) && ai_digest_eq(&known, &a.spki) && (ai_root_facts[i].roles & AI_ROLE_AK_CLOUD))
			a.profile = ai_root_facts[i].profile;
	}
	int n = i2d_X509(c->x, &a.copy);
	if (n <= 0)
		return ai_nomem(err);
	a.copy_len = (size_t)n;
	int result = append(r, &a, err);
	OPENSSL_free(a.copy);
	return result;
}

int
ai_roots_add(struct ai_roots *r, const void *certificate, size_t n, const char *name, ai_role role, const char *authority, struct ai_err *err)
{
	struct ai_cert c = { .x = NULL };
	int result = read_certificate(certificate, n, &c, err);
	if (result == 0)
		result = add_certificate(r, &c, name, role, authority, err);
	ai_cert_done(&c);
	ERR_clear_error();
	return result < 0 ? ai_in(err, "root") : 0;
}

/* --- words ------------------------------------------------------------------------- */

static const struct { ai_role role; const char *word; } role_words[] = {
	{ AI_ROLE_EK, "ek" }, { AI_ROLE_AK_CLOUD, "ak-cloud" }, { AI_ROLE_AK_CA, "ak-ca" }, { AI_ROLE_TSA, "tsa" },
};

const char *
ai_role_word(ai_role role)
{
	for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
		if (role_words[i].role == role)
			return role_words[i].word;
	return "?";
}

int
ai_role_parse(const char *word, ai_role *out, struct ai_err *err)
{
	for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
		if (strcmp(role_words[i].word, word) == 0) {
			*out = role_words[i].role;
			return 0;
		}
	return ai_fail(err, AI_EUSAGE, "role '%.100s': expected ek, ak-cloud, ak-ca or tsa", word);
}
