/*
 * vtpm.h -- the software TPM of the machines that this host operates: made once, its key certified by the operator's CA.
 *
 * State in <data>/vm/tpm (swtpm's), with the local CA of its EK in ca/; the AK's fingerprint and certificates in <data>/vm/certificates.json
 * ({"ak","certificates"}). The AK's certificate comes by real credential activation from
 * a CA that the operator names (attest/enrol); without one the machine's proofs rest on the bare key, which counts as this machine's own.
 *
 * Depends on: attest/tpm, attest/enrol, base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_VTPM_H
#define AI_VM_VTPM_H

#include "base/home.h"
#include "base/json.h"
#include "base/talk.h"

/* The state folder, made with swtpm_setup (EK with a certificate of a local CA of the same folder) when there is none yet. Path is caller's. */
int ai_vtpm_state(const struct ai_home *home, const struct ai_talk *talk, char **path, struct ai_err *err) AI_CHECKED;
/*
 * Of a state that is there: the certificates of its AK (array of base64 DER, leaf first, empty when it was never enrolled; new reference), and the
 * AK's fingerprint.
 */
int ai_vtpm_certificates(const struct ai_home *home, json_t **certificates, struct ai_digest *ak, struct ai_err *err) AI_CHECKED;
/* Enrols the AK with the CA in ca (folder of `aicert ca init`): the TPM is started for it; request, challenge, activation, certificate. */
int ai_vtpm_enroll(const struct ai_home *home, const char *ca, const char *passphrase_file, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;

#endif
