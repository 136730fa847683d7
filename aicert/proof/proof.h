/*
 * proof.h -- the proof file: its fields, and writing it.
 *
 * The fields above "root" are derived from the DAG and the evidence by
 * ai_proof_summary, which the writer uses to write and the verifier to compare.
 *
 * Depends on: base, model.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PROOF_H
#define AI_PROOF_H

#include "base/hash.h"
#include "base/json.h"

struct ai_buf;

/* Where the writer takes nodes and blobs from (the store, through the caller). 0 or negative. */
struct ai_proof_source {
	int (*node)(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err);
	int (*blob)(void *ctx, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err);
	int (*attestation)(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err); /* of reused results */
	void *ctx;
	bool with_trees;
	/* The proof of an input, by its root, with those of its own inputs in its "proofs". NULL: there are none. */
	int (*proof)(void *ctx, const struct ai_digest *root, json_t **out, struct ai_err *err);
};

/*
 * ai_proof_make -- the proof of an attested run: every node that is reachable from the root (trees only if with_trees), the
 * blobs that the plan and used nodes carry (Aicertfile, lock, rules, listed names), attestations of reused results, proofs of the inputs in its
 * lineage (lineage.h). New reference.
 */
int ai_proof_make(const struct ai_digest *root, const json_t *attestation, const struct ai_proof_source *src, json_t **proof,
	struct ai_err *err) AI_CHECKED;

/* The derived fields: an object with version, inputs, output_model_hash, platform_hash, signature, low_level_quote. New reference. */
struct ai_dag;
int ai_proof_summary(const struct ai_dag *dag, const struct ai_digest *root, const json_t *attestation, json_t **out,
	struct ai_err *err) AI_CHECKED;

#endif
