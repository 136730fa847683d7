/*
 * rewrite.h -- what merge, redact and disclose share: a proof that holds, taken apart and put together again.
 *
 * None of them makes evidence: they move what is signed about, and derive anew what is derived.
 *
 * Depends on: base, model, attest (its pure half), verify.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REWRITE_H
#define AI_REWRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct ai_buf;
struct ai_roots;

/* A proof file's bytes; and what chains without an own root are checked with (may be NULL), and when. */
struct ai_proof_text { const char *file, *text; size_t len; };
struct ai_rewrite { const struct ai_roots *roots; int64_t now; };

/* The proof as JSON, if it holds together by itself (level `unsigned`), nodes withheld or not. AI_ENO or AI_EINPUT if not. New reference. */
int ai_rewrite_open(const struct ai_rewrite *how, const struct ai_proof_text *in, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * ai_rewrite_close -- the file of a proof whose nodes, blobs or attestations were changed.
 *   proof   has every field of a proof; those above "root" are derived anew
 *   file    what errors call it
 *   out     the bytes, appended; written only when the new proof holds together by itself. AI_ENO if it does not.
 */
int ai_rewrite_close(const struct ai_rewrite *how, const json_t *proof, const char *file, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* What an object's keys point to, in the order of the keys, added to the end of another. */
int ai_rewrite_append_sorted(json_t *to, const json_t *from, struct ai_err *err) AI_CHECKED;

#endif
