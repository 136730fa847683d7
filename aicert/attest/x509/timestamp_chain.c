/*
 * timestamp_chain.c -- from the certificate that signed a token to an anchor of role tsa (timestamp_parts.h).
 *
 * A token's certificates are a set, and unsigned: what the way to the anchor does not need is passed over. An anchor is a key, so the
 * certificate that brings it is believed for nothing else, and is as long valid as the verifier's own copy was.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/x509/chain_parts.h"
#include "attest/x509/timestamp_parts.h"
#include "base/buf.h"
#include "base/when.h"

enum { MAX_CERTIFICATES = 16, MAX_DEPTH = 8 };

/* What was reached from the signer, nearest first: each certificate once, so that no set of them makes this long. */
struct search {
	const STACK_OF(X509) *all;
	const struct ai_roots *roots;
	int64_t at;
	X509 *x[MAX_CERTIFICATES];
	size_t depth[MAX_CERTIFICATES], n;
	const struct ai_anchor *anchor;
	char *why;               /* the first thing in the way */
};

char *
ai_tsa_name(X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *p;
	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_ONELINE) >= 0) {
		long n = BIO_get_mem_data(bio, &p);
		text = ai_strndup(n > 0 ? p : "", n > 0 ? (size_t)n : 0);
	}
	BIO_free(bio);
	return text;
}

static bool
seconds_of(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

/* What is in the way at one certificate; what: after its name. The first one counts: it is the nearest to the signer. */
static void
in_the_way(struct search *s, X509 *x, const char *what)
{
	AI_FREE char *name = s->why ? NULL : ai_tsa_name(x);
	if (!s->why)
		s->why = ai_format("the certificate of '%s' %s", name ? name : "", what);
}

static bool
valid_from_to(struct search *s, X509 *x, int64_t from, int64_t to)
{
	char at[AI_WHEN_TEXT], start[AI_WHEN_TEXT], end[AI_WHEN_TEXT];
	if (s->at >= from && s->at <= to)
		return true;
	ai_when_text(s->at, at);
	ai_when_text(from, start);
	ai_when_text(to, end);
	AI_FREE char *what = ai_format("is valid from %s to %s, and the stamped time is %s", start, end, at);
	in_the_way(s, x, what ? what : "is not valid at the stamped time");
	return false;
}

static bool
valid_then(struct search *s, X509 *x)
{
	int64_t from, to;
	if (!seconds_of(X509_get0_notBefore(x), &from) || !seconds_of(X509_get0_notAfter(x), &to)) {
		in_the_way(s, x, "has no readable validity");
		return false;
	}
	return valid_from_to(s, x, from, to);
}

/* May a CA at this depth vouch for a time-stamping authority below it? */
static bool
may_vouch(struct search *s, X509 *x, size_t depth)
{
	const char *what = NULL;
	NAME_CONSTRAINTS *names = X509_get_ext_d2i(x, NID_name_constraints, NULL, NULL);
	long room = X509_get_pathlen(x);
	uint32_t flags = X509_get_extension_flags(x), purposes = X509_get_extended_key_usage(x);
	if (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		what = "has extensions that are malformed, or critical and not understood";
	else if (X509_check_ca(x) != 1)
		what = "is not a CA's, and signs another";
	else if (room >= 0 && (size_t)room < depth - 1)
		what = "allows fewer CAs below it";
	else if (!(purposes & (XKU_TIMESTAMP | XKU_ANYEKU)))
		what = "is for purposes of which time stamping is none";
	else if (names && NAME_CONSTRAINTS_check(s->x[0], names) != X509_V_OK)
		what = "does not allow the name of the authority";
	NAME_CONSTRAINTS_free(names);
	if (what)
		in_the_way(s, x, what);
	return !what;
}

static bool
signed_by(struct search *s, X509 *x, X509 *issuer)
{
	int bits = 0;
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) != 0 || !key || X509_verify(x, key) != 1)
		return false;
	if (X509_get_signature_info(x, NULL, NULL, &bits, NULL) == 1 && bits >= AI_TSA_MIN_SECURITY_BITS
		&& EVP_PKEY_get_security_bits(key) >= AI_TSA_MIN_SECURITY_BITS)
		return true;
	in_the_way(s, x, "is signed with an algorithm that is too weak");
	return false;
}

static bool
reached(const struct search *s, const X509 *x)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->x[i] == x)
			return true;
	return false;
}

/* By its bytes in the other form that an ECDSA signature has; the plain forms were looked at before. */
static bool
revoked_twin(const struct search *s, const X509 *x, X509 *issuer)
{
	struct ai_digest twin;
	return ai_roots_any_revoked(s->roots) && ai_x509_twin(x, X509_get0_pubkey(issuer), &twin) && ai_roots_revoked(s->roots, &twin);
}

static void
reach_issuers(struct search *s, size_t i)
{
	for (int k = 0; k < sk_X509_num(s->all) && s->n < MAX_CERTIFICATES && s->depth[i] < MAX_DEPTH; k++) {
		X509 *issuer = sk_X509_value(s->all, k);
		if (reached(s, issuer) || !signed_by(s, s->x[i], issuer))
			continue;
		if (revoked_twin(s, s->x[i], issuer)) {
			in_the_way(s, s->x[i], "was revoked by this verifier");
			return;
		}
		s->x[s->n] = issuer;
		s->depth[s->n++] = s->depth[i] + 1;
	}
}

static bool
digests_of(X509 *x, struct ai_digest *spki, struct ai_digest *der)
{
	unsigned char *p = NULL, *whole = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &p), m = i2d_X509(x, &whole);
	if (n > 0 && m > 0) {
		ai_sha256(p, (size_t)n, spki);
		ai_sha256(whole, (size_t)m, der);
	}
	OPENSSL_free(p);
	OPENSSL_free(whole);
	return n > 0 && m > 0;
}

/* Looks at one that was reached: an anchor ends the search, a CA leads on. */
static int
look_at(struct search *s, size_t i, struct ai_err *err)
{
	struct ai_digest spki, der;
	X509 *x = s->x[i];
	if (!digests_of(x, &spki, &der))
		return ai_nomem(err);
	if (ai_roots_revoked(s->roots, &spki) || ai_roots_revoked(s->roots, &der)) {
		in_the_way(s, x, "was revoked by this verifier");
		return 0;
	}
	if (i > 0 && !may_vouch(s, x, s->depth[i]))
		return 0;
	const struct ai_anchor *a = i > 0 ? ai_roots_find(s->roots, &spki, &der, AI_ROLE_TSA) : NULL;
	/* The bytes that bring an anchor are anybody's: what is revoked by its bytes is the verifier's own copy. */
	if (a && ai_roots_revoked(s->roots, &a->der)) {
		in_the_way(s, x, "was revoked by this verifier");
		return 0;
	}
	if (a) {
		if (valid_from_to(s, x, a->not_before, a->not_after))
			s->anchor = a;
		return 0;
	}
	if (valid_then(s, x))
		reach_issuers(s, i);
	return 0;
}

/* Nothing was wrong on the way; it only led nowhere. */
static char *
led_nowhere(const struct search *s)
{
	X509 *last = s->x[s->n - 1];
	AI_FREE char *name = ai_tsa_name(last);
	bool own = X509_NAME_cmp(X509_get_issuer_name(last), X509_get_subject_name(last)) == 0;
	return ai_format("its certificates end at '%s'%s, which this verifier does not believe for time stamps", name ? name : "",
		own ? "" : ", whose issuer is not among them (trust its root, or the last of them: aicert trust add --root FILE --role tsa)");
}

/* The token's certificates, and those that this verifier gave for authorities: most tokens leave out the root. Each holds a reference. */
static STACK_OF(X509) *
with_own(const STACK_OF(X509) *certificates, const struct ai_roots *roots)
{
	STACK_OF(X509) *all = X509_chain_up_ref((STACK_OF(X509) *)certificates);
	for (size_t i = 0; all && roots && i < ai_roots_n(roots); i++) {
		const struct ai_anchor *a = ai_roots_at(roots, i);
		const unsigned char *p = a->copy;
		X509 *x = p && (a->roles & AI_ROLE_TSA) ? d2i_X509(NULL, &p, (long)a->copy_len) : NULL;
		if (x && sk_X509_push(all, x) <= 0)
			X509_free(x);
	}
	return all;
}

int
ai_tsa_trust(const STACK_OF(X509) *certificates, X509 *signer, const struct ai_roots *roots, int64_t at, struct ai_stamp *out, struct ai_err *err)
{
	STACK_OF(X509) *all = with_own(certificates, roots);
	struct search s = { .all = all, .roots = roots, .at = at, .x = { signer }, .n = 1 };
	int r = all ? 0 : ai_nomem(err);
	for (size_t i = 0; i < s.n && !s.anchor && r == 0 && roots; i++)
		r = look_at(&s, i, err);
	out->anchor = s.anchor;
	if (!s.anchor && r == 0)
		out->why_not = s.why ? ai_strdup(s.why) : led_nowhere(&s);
	free(s.why);
	sk_X509_pop_free(all, X509_free);
	return r < 0 || s.anchor || out->why_not ? r : ai_nomem(err);
}

/* --- the signer itself ------------------------------------------------------ */

static bool
only_time_stamping(X509 *x)
{
	int critical = 0;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, &critical, NULL);
	bool only = eku && critical > 0 && sk_ASN1_OBJECT_num(eku) == 1 && OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, 0)) == NID_time_stamp;
	EXTENDED_KEY_USAGE_free(eku);
	return only;
}

int
ai_tsa_profile(X509 *x, struct ai_err *err)
{
	uint32_t flags = X509_get_extension_flags(x);
	if (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		return ai_fail(err, AI_ENO, "the signer's certificate has extensions that are malformed, or critical and not understood");
	if (!only_time_stamping(x))
		return ai_fail(err, AI_ENO, "the signer's certificate is not for time stamping only: expected one extended key usage, timeStamping, critical");
	if (X509_check_ca(x) != 0)
		return ai_fail(err, AI_ENO, "the signer's certificate is a CA's");
	if ((flags & EXFLAG_KUSAGE) && (X509_get_key_usage(x) & ~(uint32_t)(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return ai_fail(err, AI_ENO, "the signer's certificate allows its key more than signing");
	EVP_PKEY *key = X509_get0_pubkey(x);
	if (!key || EVP_PKEY_get_security_bits(key) < AI_TSA_MIN_SECURITY_BITS)
		return ai_fail(err, AI_ENO, "the signer's key is too weak, or cannot be read");
	return 0;
}
