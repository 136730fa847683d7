/*
 * seal.h -- claims and evidence put together: one attestation.
 *
 * An attestation is {"claims", "signature", "low_level_quote", "evidence"}; its id
 * is the id of its claims. The evidence of a failed run is the same without a root.
 *
 * Depends on: base, tpm.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SEAL_H
#define AI_SEAL_H

#include "attest/tpm/tpm.h"

/* What a run says of itself, all borrowed. */
struct ai_claims_in {
	struct ai_digest plan;
	const struct ai_digest *root;       /* NULL when the run failed */
	const char *nonce;                  /* NULL or 1..128 printable characters */
	const json_t *executed;             /* array of result ids, sorted */
	const json_t *reused;               /* array of {result, attestation}, sorted by result */
	const json_t *failed;               /* array of {step, how} */
	const json_t *verified;             /* array of {id, how}, sorted by id */
	const json_t *gpus;                 /* array of the uuids of the GPUs that steps were given, or NULL */
	const char *started, *finished;     /* "2026-01-01T00:00:00Z" */
	const char *program_version;
	struct ai_digest program;           /* SHA-256 of the running program's file */
};

/* Makes the claims node (adding machine, ak, boot_log), extends it, quotes, and gives the attestation: new reference. */
int ai_seal(struct ai_tpm *t, const struct ai_claims_in *in, json_t **attestation, struct ai_err *err) AI_CHECKED;

#endif
