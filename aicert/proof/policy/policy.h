/*
 * policy.h -- what a verifier asks of a proof, beyond that it holds: a file of the verifier's own.
 *
 * YAML; every key is optional but `aicert-policy: 1`; unknown keys are errors. The schema is documented in the README and by `aicert
 * policy --help`. Reference values, roots and authorities come from here or from the verifier, never from the proof. A rule that had
 * nothing to look at fails.
 *
 * Depends on: base, model (YAML), attest (its pure half).  Threads: pure; a policy belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_POLICY_H
#define AI_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "attest/x509/roots.h"
#include "base/json.h"
#include "proof/verify.h"

struct ai_policy;

/* Pure. Certificates stand in it as PEM, or as `file:` paths that are read through `read` (relative to the policy's folder; NULL = refused). */
int ai_policy_parse(const char *text, size_t len, const char *file,
	int (*read)(void *ctx, const char *path, struct ai_buf *out, struct ai_err *err), void *ctx, struct ai_policy **out, struct ai_err *err) AI_CHECKED;
/* Reads the file and those that it names. */
int ai_policy_load(const char *path, struct ai_policy **out, struct ai_err *err) AI_CHECKED;
void ai_policy_free(struct ai_policy *p);
/* What it asks for, as data (`aicert policy check --json`): every key that was written, in normal form. Borrowed. */
const json_t *ai_policy_json(const struct ai_policy *p);

/* The level it asks for: true when it does. */
bool ai_policy_require(const struct ai_policy *p, ai_level *out);
/* The verifier's roots (base) with what the policy adds, narrows and revokes. New. */
int ai_policy_roots(const struct ai_policy *p, const struct ai_roots *base, struct ai_roots **out, struct ai_err *err) AI_CHECKED;

/*
 * An AK's fingerprint, or the SHA-256 of its SubjectPublicKeyInfo (hex): 1 accepted, -1 denied, 0 not spoken of. Acceptance goes by the fingerprint alone.
 * A denial does not hold by it alone: who has a certificate for his key can give it another fingerprint, and not another SPKI.
 */
int ai_policy_key(const struct ai_policy *p, const char *fingerprint);
/* Is an authority one that the policy names as operating vTPM and hypervisor? A proof by any other is never measured-platform. */
bool ai_policy_authority(const struct ai_policy *p, const char *authority);
/* NULL when it asks for none. */
const char *ai_policy_nonce(const struct ai_policy *p);
bool ai_policy_wants_timestamp(const struct ai_policy *p);
/* May this node be withheld? kind: source, environment, used, tree; name: the source's, or NULL. */
bool ai_policy_may_withhold(const struct ai_policy *p, const char *kind, const char *name);
/* Of how many authorities each result must have been executed by: 1 unless said. */
unsigned ai_policy_threshold(const struct ai_policy *p);

/*
 * `aicert policy init PROOF` -- the text of a policy that accepts just this proof, to be loosened by hand: its level, key, authority, PCR values
 * and event rules, inputs, outputs, rules, images, steps. report: as ai_verify gave it; boot: ai_eventlog_facts (may be NULL).
 */
int ai_policy_init(const json_t *proof, const json_t *report, const json_t *boot, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
