/*
 * chain.h -- X.509 certificates that speak for a TPM's key.
 *
 * Two questions, kept apart: do these certificates hold together and name this key (a proof where they do
 * not was altered); and does this verifier believe the last of them, for this role, at this time.
 *
 * Depends on: base, quote, roots, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHAIN_H
#define AI_CHAIN_H

#include "attest/quote/quote.h"
#include "attest/x509/roots.h"
#include "base/json.h"

struct ai_certs;                       /* the parsed certificates, leaf first */
struct ai_chain_memo;

struct ai_chain {
	char *subject;                 /* of the leaf, for people */
	char *issuer;                  /* subject of the last certificate */
	struct ai_digest root_spki;    /* SHA-256 of the last certificate's SubjectPublicKeyInfo */
	size_t n;
	bool self_signed;              /* the last certificate is self-signed, and its signature is good */
	bool software;                 /* the chain says "software TPM" of itself */
	int64_t not_before, not_after; /* when all of them are valid: the latest start, the earliest end */
	struct ai_certs *certs;
};

/*
 * ai_chain_check -- do these certificates (canonical base64 DER, leaf first) name this key, each signed by the next, with no
 * certificate left over? What is signed is taken as it was signed (some makers' certificates are no strict DER); all around it, which nobody
 * signs, must be DER. Issuers must be CAs that may sign, within their path length.
 * The last is self-signed with a good signature, or the very certificate (by DER) of an exact anchor in roots (may be NULL):
 * else nobody could check its signature, and any byte of it could be another.
 * Time and trust are not judged here. AI_ENO if not; AI_EINPUT when one is no certificate.
 */
int ai_chain_check(const json_t *certificates, const struct ai_ak *ak, const struct ai_roots *roots, struct ai_chain *out, struct ai_err *err) AI_CHECKED;
/* The same for any public key (EVP_PKEY): an endorsement key's. NULL: whichever the leaf names, for people who look at certificates alone. */
int ai_chain_check_key(const json_t *certificates, const void *pkey, const struct ai_roots *roots, struct ai_chain *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_chain_trust -- does this verifier believe this chain?
 *   roots    the anchors and what was revoked
 *   roles    bits of ai_role that the last certificate must have as an anchor (any of them)
 *   at       seconds since 1970: when every certificate must be valid
 *   anchor   (out) borrowed from roots
 * 0; AI_ENO with the reason: ends elsewhere, anchor of another role, expired, not yet valid, revoked, or a leaf without the profile
 * (key usage, extended key usage, subject alternative name, extensions) of that anchor.
 */
int ai_chain_trust(const struct ai_chain *c, const struct ai_roots *roots, unsigned roles, int64_t at, const struct ai_anchor **anchor,
	struct ai_err *err) AI_CHECKED;

void ai_chain_done(struct ai_chain *c);

/*
 * What one verification knows already: certificates that were parsed, and which is signed by which. Attestations of one fleet share issuers, and these
 * need no second look. Pass one to every ai_chain_check_memo of a verification; it changes no answer.
 */
int ai_chain_memo_new(struct ai_chain_memo **out, struct ai_err *err) AI_CHECKED;
void ai_chain_memo_free(struct ai_chain_memo *m);
int ai_chain_check_memo(const json_t *certificates, const struct ai_ak *ak, const struct ai_roots *roots, struct ai_chain_memo *memo,
	struct ai_chain *out, struct ai_err *err) AI_CHECKED;

/* The URLs (http, https) where a certificate (DER) says that its issuer's is: AIA caIssuers. Array of strings; new reference. */
int ai_chain_issuer_urls(const void *der, size_t n, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
