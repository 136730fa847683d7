/*
 * credential.h -- MakeCredential in software: a secret that only the TPM with a given endorsement key can read, and only
 * while it holds a given attestation key.
 *
 * Depends on: base, libcrypto.  Threads: pure but for random numbers.
 * Source: TPM 2.0 Library, Part 1, 24 (Credential Protection), 11.4.10 (KDFa, KDFe), annex B.10.4, C.6; Part 3, TPM2_MakeCredential.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CREDENTIAL_H
#define AI_CREDENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct ai_buf;

/* An endorsement key's public area (TPMT_PUBLIC), judged: restricted, decrypt, fixedTPM, fixedParent; RSA-2048+ or P-256/P-384; AES-CFB. */
struct ai_ek {
	uint16_t type, name_alg;
	uint16_t symmetric_bits;      /* of AES */
	uint16_t curve;               /* ECC */
	struct ai_digest fingerprint; /* SHA-256 of the TPMT_PUBLIC */
	void *pkey;                   /* EVP_PKEY; ai_ek_done */
};

/* AI_EINPUT when it is no such key; AI_ENO when its attributes are not an endorsement key's. */
int ai_ek_parse(const void *tpmt_public, size_t n, struct ai_ek *out, struct ai_err *err) AI_CHECKED;
void ai_ek_done(struct ai_ek *ek);

/* The Name of an object: nameAlg and the digest of its TPMT_PUBLIC (34, 50 or 66 bytes). */
int ai_credential_name(const void *tpmt_public, size_t n, uint8_t out[66], size_t *n_out, struct ai_err *err) AI_CHECKED;

/*
 * ai_credential_make -- a credential for the object of that name under this EK.
 *   secret           1..32 bytes
 *   id_object        (out, appended) TPM2B_ID_OBJECT
 *   encrypted_seed   (out, appended) TPM2B_ENCRYPTED_SECRET
 */
int ai_credential_make(const struct ai_ek *ek, const uint8_t *name, size_t name_len, const void *secret, size_t secret_len,
	struct ai_buf *id_object, struct ai_buf *encrypted_seed, struct ai_err *err) AI_CHECKED;

#endif
