/*
 * merge.h -- proofs of one root by different attestations become one proof.
 *
 * Merging proves nothing new and hides nothing: whoever takes the merged proof apart
 * finds each attestation as it was signed. It lets a verifier ask for more than one party's word (policy: threshold).
 *
 * Depends on: base, proof.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_MERGE_H
#define AI_MERGE_H

#include "proof/rewrite.h"

/*
 * ai_proof_merge -- n >= 2 proofs over the same root as one.
 * The first's attestation stays the proof's own; the others' own, and all that were cosigned, stand in "cosigned" in the order of their ids, each
 * once (of two copies, the one with a timestamp, else the earlier file's). Attestations of reused results, nodes and blobs are united: first the first
 * file's, in its order, then what the others add, by id; a node withheld in one and shown in another is shown.
 *   out   the file's bytes, appended; untouched on failure
 * AI_ENO when one does not hold together by itself, or the roots differ (err says in what).
 */
int ai_proof_merge(const struct ai_rewrite *how, const struct ai_proof_text *in, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
