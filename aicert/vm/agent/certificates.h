/*
 * certificates.h -- what a CA says of this machine's key, as it came with a job.
 *
 * It is public, and whoever packed the job may have written it: OpenSSL reads it in a confined child (run/plan/confined.h), which says whether it is the key's
 * and what chain it makes. That is kept unread. A child that was taken over can only have a wrong chain kept, which a verifier judges himself.
 *
 * Depends on: attest (tpm), run/plan/confined.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_AGENT_CERTIFICATES_H
#define AI_VM_AGENT_CERTIFICATES_H

#include "attest/tpm/tpm.h"

/* As ai_tpm_keep_certificates. */
int ai_agent_certificates(struct ai_tpm *tpm, const json_t *certificates, struct ai_err *err) AI_CHECKED;

#endif
