/*
 * authority.h -- an attestation CA: it says of a key that it lives in a genuine TPM, after that TPM has shown it.
 *
 * Three steps, each a function of bytes: judge a request (the EK's certificates end at a root of role ek; the AK is one that
 * only its TPM can use); make a challenge that only the TPM with that EK can open, and only while it holds that AK; issue the
 * AK's certificate to whoever brings the secret back. What is remembered between two steps is a pending entry, the caller's to keep.
 *
 * What an enrolled AK must be beside ai_ak_parse's rules: without a policy and without adminWithPolicy. A TPM refuses to activate a
 * credential for a key of which it holds the public part alone, since nothing there can be authorized; with a policy that would
 * rest on how its maker reads one sentence of the specification.
 *
 * Depends on: base, chain, credential, enrolment, quote, roots, libcrypto.  Threads: pure but for random numbers.
 * Source: TCG Credential Profiles for TPM Family 2.0 (tcg-kp-AIKCertificate, subject alternative name).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_AUTHORITY_H
#define AI_AUTHORITY_H

#include <stddef.h>
#include <stdint.h>

#include "attest/x509/chain.h"
#include "attest/enrol/credential.h"
#include "attest/enrol/enrolment.h"
#include "base/buf.h"

struct ai_authority;

enum { AI_CHALLENGE_SECONDS = 3600 }; /* how long a challenge can be answered */

/*
 * ai_authority_make -- a new CA's key and self-signed root (CA, no CA below it, keyCertSign and cRLSign).
 *   name        its CN; 1..64 bytes of UTF-8 without control characters
 *   curve       "P-256" or "P-384"
 *   days        how long its certificate is valid; 1..36500
 *   passphrase  encrypts the key (PKCS#8, AES-256); NULL: not
 *   key         (appended) PEM
 *   root        (appended) the certificate as PEM
 */
int ai_authority_make(const char *name, const char *curve, int days, int64_t now, const char *passphrase, struct ai_buf *key,
	struct ai_buf *root, struct ai_err *err) AI_CHECKED;

/* Key (NULL: only its name is wanted) and root of a CA. AI_EINPUT when they are none, do not fit each other, or the passphrase is not the key's. */
int ai_authority_open(const char *key, size_t key_len, const char *passphrase, const char *root, size_t root_len, struct ai_authority **out,
	struct ai_err *err) AI_CHECKED;
void ai_authority_free(struct ai_authority *a);
/* CN of the root. */
const char *ai_authority_name(const struct ai_authority *a);
/* SHA-256 of the root's SubjectPublicKeyInfo: what a verifier pins. */
int ai_authority_fingerprint(const struct ai_authority *a, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* A request that was judged and found good. */
struct ai_candidate {
	struct ai_ek ek;
	struct ai_ak ak;
	struct ai_digest ek_key;      /* SHA-256 of the EK's SubjectPublicKeyInfo: what a deny list names */
	struct ai_buf ak_public;
	char *anchor;                 /* name of the root that its EK's certificates end at */
	bool another;                 /* the caller's: enrolled even if another AK of this EK is */
	json_t *tpm;                  /* {"manufacturer", "model", "version"} as far as that certificate says them */
};

/*
 * ai_candidate_judge -- may the AK of this request be enrolled?
 *   request   parsed (enrolment.h)
 *   issuers   array of base64 DER: certificates that may stand between the request's and a root; may be NULL
 *   roots     the anchors; those of role ek count
 * AI_ENO with the reason; AI_EINPUT when a key or certificate in it is malformed.
 */
int ai_candidate_judge(const json_t *request, const json_t *issuers, const struct ai_roots *roots, int64_t now, struct ai_candidate *out,
	struct ai_err *err) AI_CHECKED;
void ai_candidate_done(struct ai_candidate *c);

/* The certificates of a file (PEM blocks, or one DER) appended to a list as base64 DER. AI_EINPUT when there is none, or one is malformed. */
int ai_certificates_add(json_t *list, const void *p, size_t n, struct ai_err *err) AI_CHECKED;
/* Is this certificate (base64 DER) of this EVP_PKEY? AI_ENO; AI_EINPUT. */
int ai_certificate_names(const json_t *certificate, const void *pkey, struct ai_err *err) AI_CHECKED;
/* As far as these certificates go beyond the list, they are appended to it (issuer after issuer), until an anchor of role ek or a self-signed one ends it. */
int ai_certificates_complete(json_t *certificates, const json_t *issuers, const struct ai_roots *roots, struct ai_err *err) AI_CHECKED;

/* A challenge for the candidate, with a fresh secret and id, and the entry to keep: texts of both files, appended. */
int ai_authority_challenge(const struct ai_authority *a, const struct ai_candidate *c, int64_t now, struct ai_buf *challenge, struct ai_buf *pending,
	struct ai_err *err) AI_CHECKED;

/* Does this answer (parsed) open this pending entry (parsed), in time? AI_ENO with the reason. Secrets are compared in constant time. */
int ai_authority_answered(const json_t *pending, const json_t *answer, int64_t now, struct ai_err *err) AI_CHECKED;

/*
 * ai_authority_issue -- the certificate of a pending entry's AK; the caller has seen to it that it was answered, and once only.
 *   days         how long it is valid; 1..3650, and no longer than the CA's own
 *   certificate  (appended) text of the file for the builder
 *   record       (out) {"serial", "ak", "ek", "issued", "not_after", "sha256", "certificate"}: new reference
 */
int ai_authority_issue(const struct ai_authority *a, const json_t *pending, int days, int64_t now, struct ai_buf *certificate, json_t **record,
	struct ai_err *err) AI_CHECKED;

/*
 * ai_enrolled_check -- is this certificate file (parsed) for this AK, by a CA that a verifier could take as ak-ca, and valid now?
 *   authority    (out) its subject, for people; caller frees
 * AI_ENO with the reason.
 */
int ai_enrolled_check(const json_t *file, const void *ak_public, size_t n, int64_t now, char **authority, struct ai_err *err) AI_CHECKED;

#endif
