/*
 * lineage.h -- inputs that are outputs of other runs: their proofs found, verified and kept.
 *
 * The lock pins the run's root and the output's content, not the file: a proof that was stamped or cosigned since is as good. Each run verifies
 * the proof as `aicert verify` would, to the level that the input asks for, else the policy, else 'measured-platform'. What was verified is kept
 * in the store under its root, because the run's own proof carries it.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RUN_LINEAGE_H
#define AI_RUN_LINEAGE_H

#include "fetch/fetch.h"
#include "run/job.h"

/* The lock's entry: {"type": "proof", "uri", "ref"? (the output, as written), "revision": root, "blob" or "tree": content}. */
int ai_lineage_resolve(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, json_t **pin, struct ai_err *err) AI_CHECKED;
/* Proof and content that the pin names, into the store. fetched: something was brought from elsewhere. */
int ai_lineage_bring(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, const json_t *pin, struct ai_ref *out, bool *fetched,
	struct ai_err *err) AI_CHECKED;
/* A kept proof; ctx is the job (proof/proof.h). */
int ai_lineage_proof(void *ctx, const struct ai_digest *root, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
