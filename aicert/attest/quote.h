/*
 * quote.h -- TPM 2.0 structures as bytes, and the checks on them. No TPM, no TSS: pure functions.
 *
 * Algorithms are fixed by the key's public area and never tried in turn. Every
 * parse is bounded and refuses trailing bytes.
 *
 * Depends on: base, libcrypto.  Threads: pure.
 * Source: TPM 2.0 Library, Part 2: TPMT_PUBLIC, TPMS_ATTEST, TPMS_QUOTE_INFO, TPMT_SIGNATURE, TPMA_OBJECT.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_QUOTE_H
#define AI_QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* An attestation key's public area (TPMT_PUBLIC), judged. */
struct ai_ak {
	uint16_t type;          /* TPM2_ALG_ECC or TPM2_ALG_RSA */
	uint16_t scheme, hash;  /* fixed by the key: ECDSA, RSASSA or RSAPSS; SHA256 or SHA384 */
	uint16_t curve;         /* ECC */
	uint16_t bits;          /* RSA */
	uint32_t attributes;    /* TPMA_OBJECT */
	struct ai_digest fingerprint; /* SHA-256 of the TPMT_PUBLIC: what --key and claims.ak name */
	void *pkey;             /* EVP_PKEY; ai_ak_done */
};

/* Strict parse; refuses keys that are not restricted, fixedTPM, fixedParent, sensitiveDataOrigin signing keys, or that decrypt. */
int ai_ak_parse(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err) AI_CHECKED;
void ai_ak_done(struct ai_ak *ak);

struct ai_quote {
	uint8_t extra[64]; size_t extra_len;
	uint8_t signer[68]; size_t signer_len;     /* qualifiedSigner */
	uint64_t clock; uint32_t reset_count, restart_count; bool safe;
	uint64_t firmware;
	uint16_t bank;                             /* hash algorithm of the one selected PCR bank */
	uint32_t pcr_mask;                         /* bit i = PCR i */
	uint8_t pcr_digest[64]; size_t pcr_digest_len;
};

/* TPMS_ATTEST of type ATTEST_QUOTE with TPM_GENERATED_VALUE, one bank selected, nothing after it. */
int ai_quote_parse(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err) AI_CHECKED;

/* Did this key sign these TPMS_ATTEST bytes? sig is a TPMT_SIGNATURE whose scheme and hash must be the key's. AI_ENO if not. */
int ai_quote_signature(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len,
	struct ai_err *err) AI_CHECKED;

/* SHA-256 over the n presented PCR values (ascending index, those of mask) equals the quote's pcrDigest, and mask and bank its selection. AI_ENO if not. */
int ai_quote_pcrs(const struct ai_quote *q, const struct ai_digest *pcrs, uint32_t mask, struct ai_err *err) AI_CHECKED;

#endif
