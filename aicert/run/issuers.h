/*
 * issuers.h -- asks the addresses in certificates for their issuers' (ai_tpm_options.issuer).
 *
 * Plain http is what these addresses are; every certificate that comes is checked by its signature (attest/tpm/tpm_certs.c), so
 * a liar on the way can keep a chain from being completed, and nothing else.
 *
 * Tests set AICERT_ISSUER_S: how many seconds one address has to answer (else 10).
 *
 * Depends on: fetch.  Threads: one request per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ISSUERS_H
#define AI_ISSUERS_H

#include "base/buf.h"

/* What the address answers, appended: at most 64 KiB. ctx is not used. */
int ai_issuer_ask(void *ctx, const char *url, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
