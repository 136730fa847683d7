/*
 * chain_parts.h -- a parsed certificate, for chain*.c and roots.c only.
 *
 * Depends on: roots, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHAIN_PARTS_H
#define AI_CHAIN_PARTS_H

#include "attest/chain.h"

enum { AI_MAX_CHAIN = 8 };

struct X509_name_st;
struct x509_st;

struct ai_cert {
	struct x509_st *x;             /* X509 */
	struct ai_digest der, spki;
	bool names_itself;             /* issuer and subject are one */
	int64_t not_before, not_after;
	const char *malformed;         /* what is wrong with its extensions, wherever it stands; NULL: nothing */
};

struct ai_certs {
	struct ai_cert c[AI_MAX_CHAIN];
	size_t n;
};

/* Fills everything else of a certificate whose x is set. */
int ai_cert_describe(struct ai_cert *c, struct ai_err *err) AI_CHECKED;

/* One line of printable ASCII; fresh memory, NULL when there is none. */
char *ai_x509_name(const struct X509_name_st *name);

/* chain_leaf.c: does the leaf, and do the CAs above it, look as this profile asks? AI_ENO with the reason. */
int ai_chain_leaf(const struct ai_certs *certs, ai_profile profile, struct ai_err *err) AI_CHECKED;

/* chain_memo.c. A memo may be NULL: then nothing is remembered or known. */
/* The certificate that was read from this text before: its X509 has one more owner. False: none. */
bool ai_memo_cert(const struct ai_chain_memo *m, const struct ai_digest *text, struct ai_cert *out);
void ai_memo_put_cert(struct ai_chain_memo *m, const struct ai_digest *text, const struct ai_cert *c);
/* Is it known that the certificate with DER digest a is signed by the key of the one with b? */
bool ai_memo_link(const struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b);
void ai_memo_put_link(struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b);

#endif
