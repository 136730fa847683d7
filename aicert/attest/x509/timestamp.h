/*
 * timestamp.h -- RFC 3161: somebody else's word that a quote existed before a time.
 *
 * The imprint is the SHA-256 of the canonical {quote, signature, ak_public, ak_certificates} of an attestation:
 * a signature alone binds nothing, for any ECDSA signature and message a fitting key can be computed.
 * A stamp says "existed before", never "fresh".
 *
 * Depends on: base, roots, libcrypto.  Threads: pure.
 * Source: RFC 3161, RFC 5816 (ESSCertIDv2).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TIMESTAMP_H
#define AI_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/x509/roots.h"
#include "base/hash.h"
#include "base/json.h"

struct ai_buf;

/* The imprint of an attestation (or of a proof, which has the same fields). */
int ai_timestamp_imprint(const json_t *attestation, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* A TimeStampReq (DER, appended) for an imprint, with a nonce of 8 bytes, that asks for the authority's certificate. */
int ai_timestamp_request(const struct ai_digest *imprint, const uint8_t nonce[8], struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_timestamp_answer -- the token (DER of ContentInfo, appended) of a TimeStampResp that grants this request: status, imprint, nonce, and a
 * signature by the certificate inside. AI_ENO when it does not; AI_EINPUT when it is no TimeStampResp. The token is written as DER, however the
 * authority wrote it. nonce NULL: not compared, for an answer that was got by other means; an old answer over this imprint is no worse a stamp.
 */
int ai_timestamp_answer(const void *answer, size_t n, const struct ai_digest *imprint, const uint8_t *nonce, struct ai_buf *token,
	struct ai_err *err) AI_CHECKED;

struct ai_stamp {
	int64_t time;                  /* genTime, seconds since 1970, rounded up; plus the stated accuracy */
	char *authority;               /* subject of the signer, for people */
	const struct ai_anchor *anchor; /* borrowed from roots; NULL: nobody here trusts that authority */
	char *why_not;                 /* when anchor is NULL */
};

/*
 * ai_timestamp_check -- is this token a good stamp over this imprint?
 * Its signature, signing-certificate attribute, signer's profile and imprint must hold (AI_ENO else: the proof was altered, or this is the
 * stamp of another signature). Whether its certificates end, at the stamped time, at an anchor of role tsa is said in *out.
 */
int ai_timestamp_check(const void *token, size_t n, const struct ai_digest *imprint, const struct ai_roots *roots, struct ai_stamp *out,
	struct ai_err *err) AI_CHECKED;
void ai_stamp_done(struct ai_stamp *s);

#endif
