/*
 * roots.h -- the certificates that a verifier starts from, each with a role.
 *
 * An anchor is a CA's key, pinned by the SHA-256 of its SubjectPublicKeyInfo, with what it
 * may vouch for: a TPM maker's for endorsement keys (which matters at enrolment only), a cloud's
 * for attestation keys with that cloud's leaf profile, a team's own attestation CA, a time-stamping
 * authority. Nothing general-purpose is built in. Certificates travel in the proofs; here are facts.
 *
 * A set starts as the built-in one; `aicert trust`, files and a policy add to it or narrow it.
 *
 * Depends on: base, libcrypto.  Threads: a set belongs to one; the built-in table is constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ROOTS_H
#define AI_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/json.h"

/* What an anchor may vouch for; a set of bits. */
typedef enum ai_role {
	AI_ROLE_EK = 1,        /* endorsement keys, at enrolment */
	AI_ROLE_AK_CLOUD = 2,  /* attestation keys of a cloud's vTPMs */
	AI_ROLE_AK_CA = 4,     /* attestation keys that a team's attestation CA enrolled; only by the verifier's choice */
	AI_ROLE_TSA = 8,       /* time stamps (RFC 3161); only by the verifier's choice */
} ai_role;

/* What a leaf must look like beyond what every leaf must. */
typedef enum ai_profile { AI_PROFILE_PLAIN, AI_PROFILE_AZURE, AI_PROFILE_GCE_UCA, AI_PROFILE_GCE_CAS, AI_PROFILE_AIK, AI_PROFILE_EK, AI_PROFILE_TSA } ai_profile;

struct ai_anchor {
	char *name;                /* for people */
	struct ai_digest spki;     /* SHA-256 of SubjectPublicKeyInfo */
	bool exact;                /* not self-signed: only the certificate whose DER hashes to `der` */
	struct ai_digest der;
	unsigned roles;            /* bits of ai_role */
	ai_profile profile;
	char *authority;           /* who operates what it vouches for: "azure", "gcp", a maker, or the verifier's own word; "" if nobody */
	int64_t not_before, not_after; /* seconds since 1970, as in the certificate that was pinned */
	bool builtin;
	unsigned char *copy; size_t copy_len; /* the certificate as the verifier gave it, DER; NULL: built in */
};

struct ai_buf;
struct ai_roots;

/* The built-in anchors, or none of them. New. */
int ai_roots_new(bool builtin, struct ai_roots **out, struct ai_err *err) AI_CHECKED;
int ai_roots_copy(const struct ai_roots *from, struct ai_roots **out, struct ai_err *err) AI_CHECKED;
void ai_roots_free(struct ai_roots *r);
size_t ai_roots_n(const struct ai_roots *r);
const struct ai_anchor *ai_roots_at(const struct ai_roots *r, size_t i);

/*
 * ai_roots_add -- another anchor, from a CA certificate (DER, or one PEM block). Its name (NULL: its subject's CN), role and authority
 * are the verifier's to say. AI_EINPUT when it is no CA certificate; AI_EUSAGE when it is there with that role already.
 */
int ai_roots_add(struct ai_roots *r, const void *certificate, size_t n, const char *name, ai_role role, const char *authority,
	struct ai_err *err) AI_CHECKED;
/* The DER of what ai_roots_add takes (appended), and the SHA-256 of the SPKI of any certificate (a leaf's too). AI_EINPUT when it is no certificate. */
int ai_roots_der(const void *certificate, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
int ai_roots_spki(const void *certificate, size_t n, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/* Keeps only the anchors of these authorities or names (case-sensitive); AI_EUSAGE names a word that fits none. */
int ai_roots_only(struct ai_roots *r, const char *const *words, size_t n, struct ai_err *err) AI_CHECKED;
/* Takes the anchors of these authorities or names out; AI_EUSAGE as above. */
int ai_roots_drop(struct ai_roots *r, const char *const *words, size_t n, struct ai_err *err) AI_CHECKED;
/* A certificate that vouches for nothing any more: by the SHA-256 of its SPKI or of its DER (one list for both: no two of them meet). */
int ai_roots_revoke(struct ai_roots *r, const struct ai_digest *spki_or_der, struct ai_err *err) AI_CHECKED;
bool ai_roots_any_revoked(const struct ai_roots *r);
bool ai_roots_revoked(const struct ai_roots *r, const struct ai_digest *spki_or_der);

/* The anchor with this key and any of these roles (and, if it is exact, this DER); NULL. */
const struct ai_anchor *ai_roots_find(const struct ai_roots *r, const struct ai_digest *spki, const struct ai_digest *der, unsigned roles);

/* "ek", "ak-cloud", "ak-ca", "tsa". */
const char *ai_role_word(ai_role role);
int ai_role_parse(const char *word, ai_role *out, struct ai_err *err) AI_CHECKED;

#endif
