/*
 * enrolment.h -- the files that a builder and an attestation CA hand each other, and what the CA keeps between two of them.
 *
 *   request      builder: ek_public, ek_certificates, ak_public
 *   challenge    CA: id, authority, ak, credential, seed, expires
 *   answer       builder: challenge, ak, secret
 *   certificate  CA: ak, certificates
 *   pending      CA's own: id, ak_public, ek, another, secret (its SHA-256), anchor, tpm, made, expires
 *
 * Each is one JSON object with "kind" ("enrolment-request", …), "format": 1, exactly the fields of its kind, and "check": the id of the
 * rest. The check is against damage on the way; what nobody may alter is bound by the TPM (credential) and by the CA's own pending entry.
 * Bytes are canonical base64, digests 64 hex digits, instants "2026-01-01T00:00:00Z". ak is the SHA-256 of the AK's TPMT_PUBLIC;
 * ek that of the EK's SubjectPublicKeyInfo, since nothing but its key is vouched for by its certificate.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ENROLMENT_H
#define AI_ENROLMENT_H

#include <stddef.h>

#include "base/json.h"

struct ai_buf;

typedef enum ai_enrolment { AI_ENROLMENT_REQUEST, AI_ENROLMENT_CHALLENGE, AI_ENROLMENT_ANSWER, AI_ENROLMENT_CERTIFICATE, AI_ENROLMENT_PENDING } ai_enrolment;

enum { AI_MAX_ENROLMENT = 512 << 10 }; /* bytes of such a file; a maker's certificates have some 2 KiB each */

/* AI_EINPUT when it is not this file, whole and well-formed. what names it in errors. *out is a new reference. */
int ai_enrolment_parse(ai_enrolment kind, const char *text, size_t n, const char *what, json_t **out, struct ai_err *err) AI_CHECKED;

/* The text of a file with these fields ("kind", "format" and "check" are added to a copy), appended. AI_EINPUT when it would not parse. */
int ai_enrolment_format(ai_enrolment kind, const json_t *fields, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* The bytes of a base64 field of a file that was parsed, appended. */
int ai_enrolment_bytes(const json_t *file, const char *key, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* Bytes as a base64 JSON string: new reference, NULL when memory is out. */
json_t *ai_enrolment_text(const void *p, size_t n);

#endif
