/*
 * tpm.h -- a TPM 2.0 that attests: ours to open, extend PCR 15 of, and quote.
 *
 * Found in this order: the TCTI given, $AICERT_TPM, /dev/tpmrm0, the embedded
 * software TPM (libtpms in this process). One that is present but unusable is an
 * error, never a fall-back. The attestation key (AK) is a restricted signing key, the same
 * one on every run: a cloud's own, where its vTPM brings one with a certificate that names it
 * (Azure: 0x81000003; GCE: made from the template in NV), else ours, ECC P-256 (default) or
 * RSA-2048, a primary key of the endorsement hierarchy.
 *
 * The embedded TPM is a fresh instance per open, so its PCRs start at zero. On any
 * other, data/tpm/… keeps a locked log of what was extended into PCR 15 since boot.
 *
 * Depends on: base, runlog, tpm2-tss.  Threads: one ai_tpm per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_H
#define AI_TPM_H

#include <stdbool.h>

#include "attest/runlog.h"
#include "base/json.h"

struct ai_buf;
struct ai_tpm;

struct ai_tpm_options {
	const char *tcti;      /* "--tpm": a TCTI as tss2 writes it ("swtpm:host=127.0.0.1,port=2321", "device:/dev/tpmrm0"), "embedded", or NULL */
	const char *state;     /* data folder: state and AK live in <state>/tpm (0700) */
	const char *ak;        /* "ecc" (default) or "rsa"; a cloud's own key is taken as it is */
	/* Asks an address of a certificate for the issuer's (DER or PEM, appended), to complete chains; NULL = not asked. */
	int (*issuer)(void *ctx, const char *url, struct ai_buf *out, struct ai_err *err);
	void *ctx;
	/* For people who debug: opens also where no claim could be made (PCR 15 extended by others, no SHA-256 bank, no key). Nothing can be extended. */
	bool look;
};

/* AI_EENV when a TPM is there and cannot be used, or none can be had. */
int ai_tpm_open(const struct ai_tpm_options *options, struct ai_tpm **out, struct ai_err *err) AI_CHECKED;
void ai_tpm_close(struct ai_tpm *t);

/* "embedded", or the TCTI. */
const char *ai_tpm_name(const struct ai_tpm *t);
/* TPMT_PUBLIC of the AK; borrowed. */
const void *ai_tpm_ak_public(const struct ai_tpm *t, size_t *n_out);
/* The same key as PEM (SubjectPublicKeyInfo), for other people's tools; appended. */
int ai_tpm_ak_pem(const struct ai_tpm *t, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* Its certificates, leaf first, as an array of base64 DER; may be empty; borrowed. */
const json_t *ai_tpm_certificates(const struct ai_tpm *t);
/* What the AK is: "own" (made here under the endorsement or owner hierarchy), "azure", "gce", "enrolled". */
const char *ai_tpm_ak_kind(const struct ai_tpm *t);
/* Why its certificates are fewer than they could be ("no address answered for the issuer of …"); "" when nothing is amiss. */
const char *ai_tpm_certificates_note(const struct ai_tpm *t);
/* Why the boot log is not there ("… cannot be read by this user"); "" when it is, and for the embedded TPM, which booted nothing. */
const char *ai_tpm_boot_log_note(const struct ai_tpm *t);
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

/*
 * ai_tpm_ek -- the endorsement key that the AK is enrolled under, and its certificates.
 *   public        TPMT_PUBLIC (appended)
 *   certificates  base64 DER, leaf first, as far as the TPM and options.issuer have them (new reference)
 */
int ai_tpm_ek(struct ai_tpm *t, struct ai_buf *public, json_t **certificates, struct ai_err *err) AI_CHECKED;
/* TPM2_ActivateCredential with that EK and the AK: the secret of a credential (TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET), appended. */
int ai_tpm_activate(struct ai_tpm *t, const void *id_object, size_t id_len, const void *seed, size_t seed_len, struct ai_buf *secret,
	struct ai_err *err) AI_CHECKED;
/* Keeps the certificates (leaf first, base64 DER) that an attestation CA issued for the AK; later opens give them. */
int ai_tpm_keep_certificates(struct ai_tpm *t, const json_t *certificates, struct ai_err *err) AI_CHECKED;
/* Its two halves: are they the AK's, and which chain do they make (a new reference; nothing is written); and what was judged, kept unread. */
int ai_tpm_judge_certificates(const struct ai_tpm *t, const json_t *certificates, json_t **chain, struct ai_err *err) AI_CHECKED;
int ai_tpm_take_certificates(struct ai_tpm *t, const json_t *chain, struct ai_err *err) AI_CHECKED;

/*
 * ai_tpm_status -- what is there, for people who debug: a JSON object (new reference), never secret:
 *   tpm, maker, firmware, banks: [{bank, pcrs}], ek: [{nv, type, subject, issuer, not_after}], ak: [{kind, where, certificate}],
 *   pcr15: {value, extended_since_boot}, clock: {clock, reset_count, restart_count, safe}, boot_log: {path, bytes} or why not
 */
int ai_tpm_status(struct ai_tpm *t, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * ai_tpm_quote_raw -- a quote for people who debug: any bank, PCRs and extraData, nothing extended.
 *   pcrs   (out) values of the PCRs in mask, {index: hex}
 */
int ai_tpm_quote_raw(struct ai_tpm *t, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len, struct ai_buf *attest,
	struct ai_buf *signature, json_t **pcrs, struct ai_err *err) AI_CHECKED;

#endif
