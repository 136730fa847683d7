/*
 * ownkeys.h -- the attestation keys that this machine made for itself.
 *
 * data/tpm/own-keys.json: {"keys":[{"fingerprint","tpm","made"}]}, written by
 * tpm.c when it makes an AK, read by the verifier, which counts the machine's own
 * key as accepted. Needs no TPM and no TSS, so that verify starts fast.
 *
 * Depends on: base.  Threads: pure but for the file.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OWNKEYS_H
#define AI_OWNKEYS_H

#include "base/json.h"

/* An array of hex fingerprints (SHA-256 of TPMT_PUBLIC); empty when there is no file. */
int ai_ownkeys_read(const char *data, json_t **out, struct ai_err *err) AI_CHECKED;
/* Adds one if it is not there. */
int ai_ownkeys_add(const char *data, const struct ai_digest *fingerprint, const char *tpm, struct ai_err *err) AI_CHECKED;

#endif
