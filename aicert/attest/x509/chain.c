/* chain.c -- see chain.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/chain.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "attest/x509/chain_parts.h"
#include "base/buf.h"
#include "base/when.h"

enum {
	MIN_SECURITY_BITS = 100, /* SHA-256 has 128, RSA-2048 112; SHA-1 has 63 */
};

/* --- from text to certificates ------------------------------------------------- */

static void
free_certs(struct ai_certs *certs)
{
	for (size_t i = 0; certs && i < certs->n; i++)
		ai_cert_done(&certs->c[i]);
	free(certs);
	/* What failed to parse or verify is already said in our words. */
	ERR_clear_error();
}

static int
parse_one(const json_t *text, struct ai_chain_memo *memo, struct ai_certs *certs, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_cert *c = &certs->c[certs->n];
	struct ai_digest key;
	if (!json_is_string(text))
		return ai_fail(err, AI_EINPUT, "not base64 text");
	ai_sha256(json_string_value(text), json_string_length(text), &key);
	if (!ai_memo_cert(memo, &key, c)) {
		if (ai_b64_get(json_string_value(text), json_string_length(text), &der, err) < 0 || ai_cert_read(der.data, der.len, c, err) < 0)
			return err->code;
		c->text = key;
		ai_memo_put_cert(memo, c);
	}
	certs->n++;
	return 0;
}

/* --- do they hold together ---------------------------------------------------------- */

/* May it stand here? What names itself would not count for a path length (RFC 5280, 4.2.1.9), but can only be the last. */
static int
check_place(const struct ai_certs *certs, size_t i, struct ai_err *err)
{
	const struct ai_cert *c = &certs->c[i];
	if (c->malformed)
		return ai_fail(err, AI_ENO, "%s", c->malformed);
	if (i == 0 && X509_check_ca(c->x) != 0)
		return ai_fail(err, AI_ENO, "is a CA, which the certificate of a TPM's key is not");
	/* 1: basicConstraints says CA, and keyUsage allows signing certificates. The other "yes" answers are guesses at old ones. */
	if (i > 0 && X509_check_ca(c->x) != 1)
		return ai_fail(err, AI_ENO, "is not a CA, and signs the one before it");
	long room = X509_get_pathlen(c->x);
	if (i > 0 && room >= 0 && (size_t)room < i - 1)
		return ai_fail(err, AI_ENO, "allows %ld CAs below it: got %zu", room, i - 1);
	return 0;
}

/* The key of an issuer, which the memo is to know as well. */
static int
need_key(struct ai_cert *c, struct ai_chain_memo *memo, struct ai_err *err)
{
	if (c->key)
		return 0;
	if (!ai_cert_key(c))
		return ai_fail(err, AI_EINPUT, "the public key that is to have signed it cannot be read");
	ai_memo_put_cert(memo, c);
	return 0;
}

/* Is c signed by issuer, by name and by signature, with algorithms that still bind? */
static int
check_link(const struct ai_cert *c, struct ai_cert *issuer, struct ai_chain_memo *memo, struct ai_err *err)
{
	int bits = 0;
	if (ai_memo_link(memo, &c->der, &issuer->der))
		return 0;
	if (X509_NAME_cmp(X509_get_issuer_name(c->x), X509_get_subject_name(issuer->x)) != 0)
		return ai_fail(err, AI_ENO, "its issuer is not the subject of the next");
	if (need_key(issuer, memo, err) < 0)
		return err->code;
	if (X509_get_signature_info(c->x, NULL, NULL, &bits, NULL) != 1 || bits < MIN_SECURITY_BITS
		|| EVP_PKEY_get_security_bits(issuer->key) < MIN_SECURITY_BITS)
		return ai_fail(err, AI_ENO, "its signature algorithm is too weak");
	if (!ai_cert_signed_by(c, issuer))
		return ai_fail(err, AI_ENO, "its signature is not by the key of the next");
	ai_memo_put_link(memo, &c->der, &issuer->der);
	return 0;
}

static bool
is_exact_anchor(const struct ai_cert *c, const struct ai_roots *roots)
{
	const struct ai_anchor *a = roots ? ai_roots_find(roots, &c->spki, &c->der, ~0u) : NULL;
	return a && a->exact;
}

/* The last: somebody absent might have signed it, and then it could say anything, for nobody would check. */
static int
check_last(struct ai_cert *c, const struct ai_roots *roots, struct ai_chain_memo *memo, struct ai_err *err)
{
	if (is_exact_anchor(c, roots) || ai_memo_link(memo, &c->der, &c->der))
		return 0;
	if (!c->names_itself) {
		AI_FREE char *issuer = ai_x509_name(X509_get_issuer_name(c->x));
		return ai_fail(err, AI_ENO, "is the last and not self-signed: its issuer's certificate is missing: '%.300s'", issuer ? issuer : "");
	}
	/* Its strength is of no matter: it makes the bytes whole, and whether the key is believed is asked elsewhere. */
	if (need_key(c, memo, err) < 0)
		return err->code;
	if (!ai_cert_signed_by(c, c))
		return ai_fail(err, AI_ENO, "says it is self-signed, and its signature is not its own");
	ai_memo_put_link(memo, &c->der, &c->der);
	return 0;
}

static int
check_order(struct ai_certs *certs, const struct ai_roots *roots, struct ai_chain_memo *memo, struct ai_err *err)
{
	for (size_t i = 0; i < certs->n; i++) {
		struct ai_cert *c = &certs->c[i];
		bool last = i + 1 == certs->n;
		if (check_place(certs, i, err) < 0)
			return ai_in(err, "certificate %zu", i);
		if (!last && c->names_itself)
			return ai_fail(err, AI_ENO, "certificate %zu: is self-signed, and certificates are left over after it", i);
		if (!last && is_exact_anchor(c, roots))
			return ai_fail(err, AI_ENO, "certificate %zu: is an anchor itself, and certificates are left over after it", i);
		if ((last ? check_last(c, roots, memo, err) : check_link(c, c + 1, memo, err)) < 0)
			return ai_in(err, "certificate %zu", i);
	}
	return 0;
}

static int
describe(struct ai_certs *certs, struct ai_chain *out, struct ai_err *err)
{
	const struct ai_cert *last = &certs->c[certs->n - 1];
	struct ai_chain d = { .n = certs->n, .self_signed = last->names_itself, .root_spki = last->spki, .not_before = INT64_MIN, .not_after = INT64_MAX };
	for (size_t i = 0; i < certs->n; i++) {
		d.not_before = certs->c[i].not_before > d.not_before ? certs->c[i].not_before : d.not_before;
		d.not_after = certs->c[i].not_after < d.not_after ? certs->c[i].not_after : d.not_after;
	}
	d.subject = ai_x509_name(X509_get_subject_name(certs->c[0].x));
	d.issuer = ai_x509_name(X509_get_subject_name(last->x));
	if (!d.subject || !d.issuer) {
		ai_chain_done(&d);
		return ai_nomem(err);
	}
	d.software = strstr(d.subject, "software TPM") || strstr(d.issuer, "software TPM");
	d.certs = certs;
	*out = d;
	return 0;
}

static int
check_chain(const json_t *certificates, const EVP_PKEY *pkey, const char *what, const struct ai_roots *roots, struct ai_chain_memo *memo,
	struct ai_certs *certs, struct ai_err *err)
{
	size_t n = json_array_size(certificates);
	if (!json_is_array(certificates) || n > AI_MAX_CHAIN)
		return ai_fail(err, AI_EINPUT, "not a list of at most %d", AI_MAX_CHAIN);
	if (n == 0)
		return ai_fail(err, AI_ENO, "there are none");
	for (size_t i = 0; i < n; i++)
		if (parse_one(json_array_get(certificates, i), memo, certs, err) < 0)
			return ai_in(err, "certificate %zu", i);
	if (pkey && !ai_cert_names(&certs->c[0], pkey))
		return ai_fail(err, AI_ENO, "certificate 0: its public key is not the %s", what);
	return check_order(certs, roots, memo, err);
}

static int
check(const json_t *certificates, const EVP_PKEY *pkey, const char *what, const struct ai_roots *roots, struct ai_chain_memo *memo, struct ai_chain *out,
	struct ai_err *err)
{
	struct ai_certs *certs = ai_calloc(1, sizeof *certs);
	if (!certs)
		return ai_nomem(err);
	int r = check_chain(certificates, pkey, what, roots, memo, certs, err);
	if (r == 0)
		r = describe(certs, out, err);
	if (r < 0)
		free_certs(certs);
	return r < 0 ? ai_in(err, "certificates") : 0;
}

int
ai_chain_check(const json_t *certificates, const struct ai_ak *ak, const struct ai_roots *roots, struct ai_chain *out, struct ai_err *err)
{
	return check(certificates, ak->pkey, "attestation key", roots, NULL, out, err);
}

int
ai_chain_check_memo(const json_t *certificates, const struct ai_ak *ak, const struct ai_roots *roots, struct ai_chain_memo *memo, struct ai_chain *out,
	struct ai_err *err)
{
	return check(certificates, ak->pkey, "attestation key", roots, memo, out, err);
}

int
ai_chain_check_key(const json_t *certificates, const void *pkey, const struct ai_roots *roots, struct ai_chain *out, struct ai_err *err)
{
	return check(certificates, pkey, "key that it is to speak for", roots, NULL, out, err);
}

void
ai_chain_done(struct ai_chain *c)
{
	free(c->subject);
	free(c->issuer);
	free_certs(c->certs);
	c->subject = c->issuer = NULL;
	c->certs = NULL;
}

/* --- does this verifier believe it ------------------------------------------------------ */

static const char *
role_for(ai_role role)
{
	switch (role) {
	case AI_ROLE_EK:
		return "endorsement keys";
	case AI_ROLE_AK_CLOUD:
		return "the attestation keys of a cloud";
	case AI_ROLE_AK_CA:
		return "the attestation keys that a CA enrolled";
	case AI_ROLE_TSA:
		return "time stamps";
	}
	return "?";
}

/* The last certificate is no anchor for any of these roles: is it one for another? */
static int
fail_anchor(const struct ai_chain *c, const struct ai_cert *last, const struct ai_roots *roots, struct ai_err *err)
{
	AI_BUF_AUTO others = AI_BUF(AI_MAX_QUOTE);
	for (unsigned role = 1; role <= AI_ROLE_TSA; role <<= 1)
		if (ai_roots_find(roots, &last->spki, &last->der, role))
			ai_buf_printf(&others, "%s%s", others.len ? " and " : "", role_for((ai_role)role));
	if (ai_buf_ok(&others, "roots", err) < 0)
		return err->code;
	if (others.len)
		return ai_fail(err, AI_ENO, "end at '%.300s', which is an anchor for %s only", c->issuer, others.data);
	return ai_fail(err, AI_ENO, "end at '%.300s', which is not an anchor of this verifier", c->issuer);
}

/* By its key, or by its bytes, also by those that somebody made of them who turned the signature. */
static bool
is_revoked(struct ai_certs *certs, size_t i, const struct ai_roots *roots)
{
	struct ai_cert *c = &certs->c[i], *issuer = i + 1 < certs->n ? c + 1 : c;
	struct ai_digest twin;
	if (ai_roots_revoked(roots, &c->spki) || ai_roots_revoked(roots, &c->der))
		return true;
	return ai_roots_any_revoked(roots) && ai_cert_key(issuer) && ai_x509_twin(c->x, issuer->key, &twin) && ai_roots_revoked(roots, &twin);
}

static int
check_revoked(struct ai_certs *certs, const struct ai_roots *roots, struct ai_err *err)
{
	for (size_t i = 0; i < certs->n; i++)
		if (is_revoked(certs, i, roots)) {
			AI_FREE char *name = ai_x509_name(X509_get_subject_name(certs->c[i].x));
			return ai_fail(err, AI_ENO, "certificate %zu '%.300s': was revoked by this verifier", i, name ? name : "");
		}
	return 0;
}

static int
check_time(const struct ai_certs *certs, int64_t at, struct ai_err *err)
{
	for (size_t i = 0; i < certs->n; i++) {
		const struct ai_cert *c = &certs->c[i];
		char limit[AI_WHEN_TEXT], judged[AI_WHEN_TEXT];
		if (at >= c->not_before && at <= c->not_after)
			continue;
		ai_when_text(at, judged);
		ai_when_text(at < c->not_before ? c->not_before : c->not_after, limit);
		AI_FREE char *name = ai_x509_name(X509_get_subject_name(c->x));
		if (at < c->not_before)
			return ai_fail(err, AI_ENO, "certificate %zu '%.300s': not yet valid at %s: it begins at %s", i, name ? name : "", judged, limit);
		return ai_fail(err, AI_ENO, "certificate %zu '%.300s': expired at %s: judged at %s", i, name ? name : "", limit, judged);
	}
	return 0;
}

int
ai_chain_trust(const struct ai_chain *c, const struct ai_roots *roots, unsigned roles, int64_t at, const struct ai_anchor **anchor, struct ai_err *err)
{
	const struct ai_cert *last = &c->certs->c[c->n - 1];
	const struct ai_anchor *a = ai_roots_find(roots, &last->spki, &last->der, roles);
	int r = a ? 0 : fail_anchor(c, last, roots, err);
	if (r == 0)
		r = check_revoked(c->certs, roots, err);
	if (r == 0)
		r = check_time(c->certs, at, err);
	/* A cloud's root that vouches for endorsement keys as well: what was asked for says which of the two the leaf must be. */
	if (r == 0)
		r = ai_chain_leaf(c->certs, (a->roles & roles) == AI_ROLE_EK ? AI_PROFILE_EK : a->profile, err);
	if (r < 0)
		return ai_in(err, "certificates");
	*anchor = a;
	return 0;
}
