/*
 * proofs.h -- what the commands that make one file out of proofs share: reading, the user's roots, writing.
 *
 * Depends on: proof, options, print.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PROOFS_H
#define AI_PROOFS_H

#include "base/buf.h"
#include "proof/rewrite.h"

/* The bytes of a proof; text lives in b. */
int ai_proofs_read(const char *path, struct ai_buf *b, struct ai_proof_text *out, struct ai_err *err) AI_CHECKED;
/* The roots that this user's verifier knows, and the present time; *roots is what to free. */
int ai_proofs_how(struct ai_rewrite *how, struct ai_roots **roots, struct ai_err *err) AI_CHECKED;
/* To standard output, or to the file that --out names; what lies there and differs is replaced only with --force. */
int ai_proofs_write(const char *out, const struct ai_buf *text, int force, struct ai_err *err) AI_CHECKED;

#endif
