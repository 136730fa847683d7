/*
 * tpm_parts.h -- what the files of the TPM tell each other. Nobody else includes it.
 *
 * tss2's headers stay in tpm*.c, so its types are named here without them: an
 * ESYS_TR is a uint32_t, a TSS2_RC too.
 *
 * Depends on: base, runlog.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_PARTS_H
#define AI_TPM_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/runlog.h"
#include "base/hash.h"

struct ai_buf;
struct ESYS_CONTEXT;
struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB;

/* --- tpm_link.c: a connection, and the commands that need no key ----------- */

struct ai_tpm_link {
	struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti;
	struct ESYS_CONTEXT *esys;
	bool loaded;   /* the tcti came from the loader, not from tpm_embedded.c */
};

/* AI_EENV with the decoded text of a TSS2_RC. */
int ai_tpm_rc(struct ai_err *err, uint32_t rc, const char *what);
/* Connects to the TPM that the TCTI names, and starts it if nobody has. */
int ai_link_open(const char *tcti, struct ai_tpm_link *out, struct ai_err *err) AI_CHECKED;
/* As ai_link_open over a TCTI that is ours; owns it from the call on, also on failure. */
int ai_link_wrap(struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti, struct ai_tpm_link *out, struct ai_err *err) AI_CHECKED;
void ai_link_close(struct ai_tpm_link *link);
/* Extends digest into the SHA-256 bank of PCR 15. */
int ai_link_extend(struct ai_tpm_link *link, const struct ai_digest *digest, struct ai_err *err) AI_CHECKED;
/* Reads the PCRs of mask (bits 0-15) into out[their index]. */
int ai_link_pcrs(struct ai_tpm_link *link, uint32_t mask, struct ai_digest out[AI_N_PCRS], struct ai_err *err) AI_CHECKED;

/* --- tpm_ak.c: the attestation key ----------------------------------------- */

/* Makes the key (always the same one) and leaves it loaded; its TPMT_PUBLIC is appended to out. */
int ai_tpm_ak_load(struct ai_tpm_link *link, bool rsa, uint32_t *handle, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
void ai_tpm_ak_flush(struct ai_tpm_link *link, uint32_t handle);
/* Quotes SHA-256 PCRs 0-15: TPMS_ATTEST and TPMT_SIGNATURE appended. */
int ai_tpm_ak_quote(struct ai_tpm_link *link, uint32_t handle, const struct ai_digest *extra, struct ai_buf *attest,
	struct ai_buf *signature, struct ai_err *err) AI_CHECKED;

/* --- tpm_embedded.c: libtpms in this process ------------------------------- */

/* Takes the lock of the folder's state, waiting for it. Close the descriptor to let go. */
int ai_embedded_lock(const char *dir, int *fd, struct ai_err *err) AI_CHECKED;
/* A fresh instance over the state in dir, which is made if there never was one. One per process at a time. */
int ai_embedded_open(const char *dir, struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB **out, struct ai_err *err) AI_CHECKED;

/* --- tpm_log.c: what PCR 15 was extended with ------------------------------ */

struct ai_pcr_log {
	struct ai_digest *d;
	size_t n, cap;
	int fd;        /* locked file; -1: only in memory */
};

/* Waits for the lock of an open file, unless the user interrupts. */
int ai_tpm_flock(int fd, const char *path, struct ai_err *err) AI_CHECKED;
/* The value of a PCR that started at zero and was extended with the first n digests. */
void ai_pcr_log_replay(const struct ai_pcr_log *log, size_t n, struct ai_digest *out);
/* Opens and locks the log that dir keeps of the TPM of that name. */
int ai_pcr_log_lock(const char *dir, const char *tpm, struct ai_pcr_log *log, struct ai_err *err) AI_CHECKED;
/* Reads it and makes it agree with the PCR's value; AI_EENV when it cannot. */
int ai_pcr_log_load(struct ai_pcr_log *log, const struct ai_digest *pcr, struct ai_err *err) AI_CHECKED;
/* Adds a digest that is about to be extended. */
int ai_pcr_log_append(struct ai_pcr_log *log, const struct ai_digest *digest, struct ai_err *err) AI_CHECKED;
void ai_pcr_log_unlock(struct ai_pcr_log *log);

#endif
