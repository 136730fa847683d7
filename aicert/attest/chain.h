/*
 * chain.h -- X.509 certificates that speak for an attestation key.
 *
 * Depends on: base, quote, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHAIN_H
#define AI_CHAIN_H

#include "attest/quote.h"
#include "base/json.h"

struct ai_chain {
	char *subject;                 /* of the leaf, for people */
	char *issuer;                  /* subject of the last certificate */
	struct ai_digest root_spki;    /* SHA-256 of the last certificate's SubjectPublicKeyInfo */
	bool self_signed;              /* the last certificate is self-signed (and its signature is good): always, or the check fails */
	bool software;                 /* the chain says "software TPM" of itself */
};

/*
 * ai_chain_check -- do these certificates (canonical base64 DER, leaf first) name this key, each signed by the next, with no
 * certificate left over, and the last one by itself? Each must re-encode to the same DER. Whether the last one is trusted is not decided here. AI_ENO if not.
 */
int ai_chain_check(const json_t *certificates, const struct ai_ak *ak, struct ai_chain *out, struct ai_err *err) AI_CHECKED;
void ai_chain_done(struct ai_chain *c);

#endif
