/*
 * tpm.h -- a TPM 2.0 that attests: ours to open, extend PCR 15 of, and quote.
 *
 * Found in this order: the TCTI given, $AICERT_TPM, /dev/tpmrm0, the embedded
 * software TPM (libtpms in this process). One that is present but unusable is an
 * error, never a fall-back. The attestation key (AK) is a restricted signing key,
 * ECC P-256 (default) or RSA-2048, the same one on every run.
 *
 * The embedded TPM is a fresh instance per open, so its PCRs start at zero. On any
 * other, data/tpm/… keeps a locked log of what was extended into PCR 15 since boot.
 *
 * Depends on: base, runlog, tpm2-tss.  Threads: one ai_tpm per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_H
#define AI_TPM_H

#include "attest/runlog.h"
#include "base/json.h"

struct ai_buf;
struct ai_tpm;

struct ai_tpm_options {
	const char *tcti;      /* "--tpm": a TCTI as tss2 writes it ("swtpm:host=127.0.0.1,port=2321", "device:/dev/tpmrm0"), "embedded", or NULL */
	const char *state;     /* data folder: state and AK live in <state>/tpm (0700) */
	const char *ak;        /* "ecc" (default) or "rsa" */
};

/* AI_EENV when a TPM is there and cannot be used, or none can be had. */
int ai_tpm_open(const struct ai_tpm_options *options, struct ai_tpm **out, struct ai_err *err) AI_CHECKED;
void ai_tpm_close(struct ai_tpm *t);

/* "embedded", or the TCTI. */
const char *ai_tpm_name(const struct ai_tpm *t);
/* TPMT_PUBLIC of the AK; borrowed. */
const void *ai_tpm_ak_public(const struct ai_tpm *t, size_t *n_out);
/* Its certificates, leaf first, as an array of base64 DER; may be empty; borrowed. */
const json_t *ai_tpm_certificates(const struct ai_tpm *t);
/* The firmware's event log (binary_bios_measurements); empty for the embedded TPM and where there is none. */
int ai_tpm_boot_log(struct ai_tpm *t, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* Extends the event's digest into PCR 15 and remembers it as this run's. */
int ai_tpm_event(struct ai_tpm *t, json_t *event, struct ai_err *err) AI_CHECKED;

/*
 * ai_tpm_quote -- extends the last event (claims) and quotes SHA-256 PCRs 0-15 at once, with nothing in between.
 *   attest, signature   TPMS_ATTEST and TPMT_SIGNATURE as the TPM marshalled them (appended)
 *   pcrs                the 16 values quoted (read and compared with the quote's digest)
 *   run_log             new reference: this run's events, others' as opaque digests; replays to pcrs[15]
 */
int ai_tpm_quote(struct ai_tpm *t, json_t *claims_event, const struct ai_digest *extra, struct ai_buf *attest,
	struct ai_buf *signature, struct ai_digest pcrs[AI_N_PCRS], json_t **run_log, struct ai_err *err) AI_CHECKED;


#endif
