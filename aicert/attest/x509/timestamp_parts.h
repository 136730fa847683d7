/*
 * timestamp_parts.h -- private to timestamp*.c: whose word a token is.
 *
 * Depends on: timestamp, roots, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TIMESTAMP_PARTS_H
#define AI_TIMESTAMP_PARTS_H

#include "attest/x509/timestamp.h"

struct stack_st_X509;
struct x509_st;

enum { AI_TSA_MIN_SECURITY_BITS = 100 /* SHA-256 has 128, RSA-2048 112; SHA-1 has 63 */ };

/*
 * ai_tsa_profile -- does a certificate look like a time-stamping authority's, and nothing else (RFC 3161, 2.3)? AI_ENO if not.
 */
int ai_tsa_profile(struct x509_st *x, struct ai_err *err) AI_CHECKED;

/*
 * ai_tsa_trust -- do these certificates lead from signer, which is one of them, to an anchor of role tsa, all of them valid at `at`?
 * Sets anchor, or why_not. Negative only for want of memory.
 *
 * They are judged at the stamped time, not at the verifier's: it is the verifier who chose the authority, and with it believes that its
 * clock was right while its certificate was valid. A key that was stolen later is what revoking is for.
 */
int ai_tsa_trust(const struct stack_st_X509 *certificates, struct x509_st *signer, const struct ai_roots *roots, int64_t at, struct ai_stamp *out,
	struct ai_err *err) AI_CHECKED;

/* The subject on one line of printable ASCII; fresh memory, NULL when there is none. */
char *ai_tsa_name(struct x509_st *x);

#endif
