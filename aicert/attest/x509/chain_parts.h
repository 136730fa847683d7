/*
 * chain_parts.h -- a parsed certificate, for chain*.c and roots.c, and a helper that timestamp_chain.c needs too.
 *
 * Depends on: roots, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHAIN_PARTS_H
#define AI_CHAIN_PARTS_H

#include "attest/x509/chain.h"

enum { AI_MAX_CHAIN = 8 };

struct X509_name_st;
struct evp_pkey_st;
struct x509_st;

struct ai_cert {
	struct x509_st *x;             /* X509, whose key OpenSSL has not decoded: see ai_cert_read */
	struct evp_pkey_st *key;       /* EVP_PKEY, once somebody asked for it */
	struct ai_digest text;         /* of the base64 that it was read from: the memo's key */
	struct ai_digest der, spki;
	bool names_itself;             /* issuer and subject are one */
	int64_t not_before, not_after;
	const char *malformed;         /* what is wrong with its extensions, wherever it stands; NULL: nothing */
};

struct ai_certs {
	struct ai_cert c[AI_MAX_CHAIN];
	size_t n;
};

/*
 * ai_cert_read -- one certificate, nothing after it; what is around its signed part must be DER. Its key is not decoded, which would take OpenSSL 3.0
 * longer than to verify a signature, and few keys of a chain are needed. On failure out is untouched.
 */
int ai_cert_read(const void *der, size_t n, struct ai_cert *out, struct ai_err *err) AI_CHECKED;
void ai_cert_done(struct ai_cert *c);
/* Its public key, decoded once; NULL when it cannot be. Borrowed. */
struct evp_pkey_st *ai_cert_key(struct ai_cert *c);
/* Is it this EVP_PKEY? */
bool ai_cert_names(struct ai_cert *c, const struct evp_pkey_st *pkey);
/* Did the issuer's key sign it? */
bool ai_cert_signed_by(const struct ai_cert *c, struct ai_cert *issuer);

/*
 * ECDSA: who has a signature (r, s) can write (r, n - s), which is as good, and nobody signs the signature: so a certificate has a twin of other
 * bytes. The SHA-256 of the twin's DER; false for other keys, which have none. What is revoked by its DER is revoked in both forms.
 */
bool ai_x509_twin(const struct x509_st *x, const struct evp_pkey_st *issuer_key, struct ai_digest *out);

/* One line of printable ASCII; fresh memory, NULL when there is none. */
char *ai_x509_name(const struct X509_name_st *name);

/* chain_leaf.c: does the leaf, and do the CAs above it, look as this profile asks? AI_ENO with the reason. */
int ai_chain_leaf(const struct ai_certs *certs, ai_profile profile, struct ai_err *err) AI_CHECKED;

/* chain_memo.c. A memo may be NULL: then nothing is remembered or known. */
/* The certificate that was read from this text before: a reference of its own. False: none. */
bool ai_memo_cert(const struct ai_chain_memo *m, const struct ai_digest *text, struct ai_cert *out);
void ai_memo_put_cert(struct ai_chain_memo *m, const struct ai_cert *c);
/* Is it known that the certificate with DER digest a is signed by the key of the one with b? */
bool ai_memo_link(const struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b);
void ai_memo_put_link(struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b);

#endif
