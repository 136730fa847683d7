/*
 * public_text.h -- the Aicertfile as a proof may carry it: without user info and signed queries.
 *
 * The plan names the Aicertfile's bytes and the proof carries them, so a secret in a
 * URL must leave the text before it is hashed. What is fetched still uses the URL as
 * written. Two builders with different tokens so get the same root.
 *
 * Depends on: base, model.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PUBLIC_TEXT_H
#define AI_PUBLIC_TEXT_H

#include "base/buf.h"
#include "model/manifest.h"

/*
 * ai_public_text -- rewrites text (what manifest was parsed from, with these parameters) in place: each input's URL that holds a secret becomes
 * its public form. AI_EUSAGE when one cannot be found in the text as it was read (written with escapes or over several lines).
 */
int ai_public_text(const struct ai_manifest *manifest, const char *file, const json_t *parameters, struct ai_buf *text, struct ai_err *err) AI_CHECKED;

#endif
