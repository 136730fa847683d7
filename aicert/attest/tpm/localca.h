/*
 * localca.h -- certificates for the embedded TPM's attestation keys, from a CA made on this machine.
 *
 * They say "software TPM" of themselves: they let every tool that expects a chain
 * find one, and no verifier may take them for more. In <state>/tpm: ca.key (PEM,
 * 0600), ca.der, ak-ecc.der, ak-rsa.der; each made once and kept.
 *
 * Depends on: base, chain, libcrypto.  Threads: files under the caller's lock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LOCALCA_H
#define AI_LOCALCA_H

#include <stdbool.h>

#include "attest/quote/quote.h"
#include "base/json.h"

/* Is there anything in dir that was made for a TPM state? */
bool ai_localca_exists(const char *dir);

/*
 * ai_localca_certificates -- [leaf, CA] for this key as base64 DER (new reference), checked with ai_chain_check.
 *   kind   "ecc" or "rsa"
 * Makes what is missing, so it is called with the lock of tpm_embedded.h held. AI_EENV when what is there is damaged or names
 * another key: nothing is ever made again over it.
 */
int ai_localca_certificates(const char *dir, const char *kind, const struct ai_ak *ak, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
