/*
 * trust.h -- what this verifier believes by its user's choice: data/trust.json.
 *
 *   {"keys":    [{"fingerprint": "<hex>", "name": "…", "added": "2026-01-01T00:00:00Z"}],
 *    "roots":   [{"name": "…", "role": "ak-ca", "authority": "…", "certificate": "<base64 DER>", "added": "…"}],
 *    "removed": [{"name": "…", "spki": "<hex>", "added": "…"}],      built-in roots that are not believed
 *    "revoked": [{"id": "<hex>", "added": "…", "why": "…"}]}         certificates, by SHA-256 of their SPKI or DER
 *
 * Only "keys" was there first, and the others may be absent. A name belongs to one key or root.
 *
 * Depends on: base, attest.  Threads: pure but for the file, which is replaced whole.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TRUST_H
#define AI_TRUST_H

#include "attest/x509/roots.h"
#include "base/json.h"

/* The array "keys"; empty when there is no file. New reference. */
int ai_trust_read(const char *data, json_t **out, struct ai_err *err) AI_CHECKED;
/* AI_EUSAGE when it is there already. */
int ai_trust_add(const char *data, const char *fingerprint, const char *name, struct ai_err *err) AI_CHECKED;
/*
 * word is the name, or a prefix (>= 8 digits) of the fingerprint or SPKI, of exactly one key or root. A built-in root is not forgotten but no more
 * believed, until ai_trust_restore.
 */
int ai_trust_remove(const char *data, const char *word, struct ai_err *err) AI_CHECKED;

/* The anchors: those built in that were not removed, those that were added; and what was revoked. New. */
int ai_trust_roots(const char *data, struct ai_roots **out, struct ai_err *err) AI_CHECKED;
/* A CA certificate (DER or PEM); name NULL: its subject's CN; authority NULL: nobody's. AI_EUSAGE when it, or the name, is there already. */
int ai_trust_add_root(const char *data, const void *certificate, size_t n, const char *name, ai_role role, const char *authority,
	struct ai_err *err) AI_CHECKED;
/* A built-in root that was removed is believed again; word as for ai_trust_remove. */
int ai_trust_restore(const char *data, const char *word, struct ai_err *err) AI_CHECKED;
/* why may be NULL. AI_EUSAGE when it is revoked already; ai_trust_unrevoke: when it is not. */
int ai_trust_revoke(const char *data, const struct ai_digest *spki_or_der, const char *why, struct ai_err *err) AI_CHECKED;
int ai_trust_unrevoke(const char *data, const struct ai_digest *spki_or_der, struct ai_err *err) AI_CHECKED;

/*
 * All of it for people and machines, new reference:
 *   {"keys": as in the file,
 *    "roots": [{"name", "roles": ["ek"], "authority", "spki", "der" (exact ones), "not_before", "not_after", "builtin", "removed", "revoked"}],
 *    "revoked": as in the file}
 */
int ai_trust_list(const char *data, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
