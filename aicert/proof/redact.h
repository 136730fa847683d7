/*
 * redact.h -- a proof with some of its nodes withheld.
 *
 * A withheld node is {"kind":"withheld"} under its id: the root still binds what it says, and nobody reads it from this
 * file. Only source, environment, used and tree nodes can be. What only a withheld node led to goes with it. The signed
 * claims, the plan with the names of inputs, and the Aicertfile, lock and rules stay: see the notes.
 *
 * Depends on: base, model, proof.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REDACT_H
#define AI_REDACT_H

#include "proof/rewrite.h"

struct ai_redact {
	/* An id, or at least 8 digits that begin one; a source's name, `source:NAME`, `environment:STEP` or `used:STEP`. */
	const char *const *nodes; size_t n_nodes;
	/* `source`, `environment`, `used`, `tree`: every node of that kind. */
	const char *const *kinds; size_t n_kinds;
};

/*
 * ai_proof_redact -- withholds what is named.
 *   out       the new file's bytes, appended; untouched on failure
 *   withheld  [{"id", "kind", "of": [names]}], in the order of the ids; new reference
 *   notes     [text]: what can be learnt from the file all the same; new reference
 * AI_EUSAGE when a word names nothing, a node of another kind, or one that is withheld already; AI_ENO when the proof does not hold, or would not
 * hold without a node (an input's only way to where it came from).
 */
int ai_proof_redact(const struct ai_rewrite *how, const struct ai_proof_text *in, const struct ai_redact *what, struct ai_buf *out,
	json_t **withheld, json_t **notes, struct ai_err *err) AI_CHECKED;

#endif
