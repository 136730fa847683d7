/*
 * credential_parts.h -- MakeCredential with its random part given, so that known answers can be compared. For credential.c and its test.
 *
 * Depends on: credential.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CREDENTIAL_PARTS_H
#define AI_CREDENTIAL_PARTS_H

#include "attest/enrol/credential.h"

/* What a credential is made with beside its inputs. */
struct ai_credential_chance {
	uint8_t seed[64];     /* RSA: the seed that is encrypted; as many bytes as the EK's name algorithm gives */
	void *ephemeral;      /* ECC: the EVP_PKEY on the EK's curve, private part and all; borrowed */
};

/* As ai_credential_make; chance is used once, or it is no secret any more. */
int ai_credential_make_with(const struct ai_ek *ek, const uint8_t *name, size_t name_len, const void *secret, size_t secret_len,
	const struct ai_credential_chance *chance, struct ai_buf *id_object, struct ai_buf *encrypted_seed, struct ai_err *err) AI_CHECKED;

#endif
