/*
 * policy_init.h -- inside of `aicert policy init`: what its two files share.
 *
 * Depends on: base, attest (its pure half).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_POLICY_INIT_H
#define AI_POLICY_INIT_H

#include "base/buf.h"
#include "proof/check.h"

/* The attestations that a proof rests on: its own first, then those of reused results. */
struct ai_boots { struct ai_evidence *evidence; size_t n; };

/* policy_init_boot.c: `pcrs:` and `boot:`, or a comment that says why not. facts: of the first. */
void ai_init_boot(const struct ai_boots *boots, const json_t *facts, struct ai_buf *out);
/* A text in double quotes; what YAML cannot hold fails the buffer. */
void ai_init_text(struct ai_buf *out, const char *text);

#endif
