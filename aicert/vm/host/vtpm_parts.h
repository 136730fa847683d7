/*
 * vtpm_parts.h -- the vTPM as our own commands use it, while no machine does. For vtpm*.c.
 *
 * Depends on: scratch, swtpm, attest/tpm.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VTPM_PARTS_H
#define AI_VTPM_PARTS_H

#include "attest/tpm/tpm.h"
#include "vm/host/scratch.h"
#include "vm/host/swtpm.h"
#include "vm/host/vtpm.h"

struct ai_vtpm {
	struct ai_vm_scratch scratch; /* sockets, and what opening a TPM leaves behind */
	struct ai_swtpm server;
	struct ai_tpm *tpm;
};

#define AI_VTPM_NONE ((struct ai_vtpm){ .scratch = AI_VM_SCRATCH_NONE, .server = AI_SWTPM_NONE })

/* Starts it and opens it; ai_vtpm_close also after an error. */
int ai_vtpm_open(const char *state, const struct ai_talk *talk, struct ai_vtpm *out, struct ai_err *err) AI_CHECKED;
void ai_vtpm_close(struct ai_vtpm *v);

/* Writes certificates.json: for the AK of an open vTPM, which is from now on among this machine's own keys. */
int ai_vtpm_remember(const struct ai_home *home, const struct ai_tpm *tpm, json_t *certificates, struct ai_err *err) AI_CHECKED;

/* The certificates of the EK's local CA, which a state folder holds: PEM texts, appended. */
int ai_vtpm_ek_ca(const char *state, struct ai_buf *root, struct ai_buf *issuer, struct ai_err *err) AI_CHECKED;

#endif
