/*
 * ca_dir.h -- the folder of an attestation CA, and the two things that are done there: a challenge is made, a certificate is issued.
 *
 *   DIR/ca.key         its key, PEM, 0600, perhaps encrypted
 *   DIR/ca.pem         its root certificate: what verifiers trust
 *   DIR/pending/ID.json  challenges that were not answered yet (attest/enrolment.h); one is gone once it was
 *   DIR/issued.jsonl   one line of JSON for each certificate: serial, ak, ek, issued, not_after, sha256, certificate
 *   DIR/denied         by hand, if wanted: fingerprints of EKs or AKs that get nothing, one a line, `#` begins a comment
 *   DIR/lock           one command at a time
 *
 * The folder is its owner's alone (0700). A key that others could read is refused: it could have been copied.
 *
 * Depends on: authority, base.  Threads: one; processes take DIR/lock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CA_DIR_H
#define AI_CA_DIR_H

#include <stdbool.h>

#include "attest/enrol/authority.h"
#include "base/json.h"

struct ai_ca_dir {
	const char *path;
	int lock;
};

/* Opens and locks a CA's folder. AI_EENV when it is none, or others may write there. */
int ai_ca_open(const char *path, struct ai_ca_dir *out, struct ai_err *err) AI_CHECKED;
void ai_ca_close(struct ai_ca_dir *d);

/* The passphrase in a file: its first line; fresh, to be cleansed by ai_ca_forget. NULL path gives NULL. */
int ai_ca_passphrase(const char *path, char **out, struct ai_err *err) AI_CHECKED;
void ai_ca_forget(char *secret);

/* The CA itself; its key only if that is needed. */
int ai_ca_authority(const struct ai_ca_dir *d, bool with_key, const char *passphrase, struct ai_authority **out, struct ai_err *err) AI_CHECKED;

/* Is one of these keys on the deny list? AI_ENO names it; AI_EINPUT when the list has a line that is no fingerprint. */
int ai_ca_check_denied(const struct ai_ca_dir *d, const struct ai_digest *ek, const struct ai_digest *ak, struct ai_err *err) AI_CHECKED;

/* Pending entries. put writes durably and throws away what expired long ago; get: AI_ENO when there is none; take: AI_ENO when another had it first. */
int ai_ca_pending_put(const struct ai_ca_dir *d, const struct ai_buf *text, int64_t now, struct ai_err *err) AI_CHECKED;
int ai_ca_pending_get(const struct ai_ca_dir *d, const struct ai_digest *id, json_t **out, struct ai_err *err) AI_CHECKED;
int ai_ca_pending_take(const struct ai_ca_dir *d, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;

/* Every record of issued.jsonl, as an array (new reference); a last line that a crash cut is none. */
int ai_ca_issued(const struct ai_ca_dir *d, json_t **out, struct ai_err *err) AI_CHECKED;
int ai_ca_issued_add(const struct ai_ca_dir *d, const json_t *record, struct ai_err *err) AI_CHECKED;

/*
 * A TPM's AK is the same on every run, so the same AK is enrolled again whenever its certificate ends, and another one under the same EK is worth a
 * question: the TPM was cleared, or two parties use it. AI_ENO when another AK has a certificate now.
 */
int ai_ca_check_again(const struct ai_ca_dir *d, const struct ai_digest *ek, const struct ai_digest *ak, int64_t now, struct ai_err *err) AI_CHECKED;

/*
 * ai_ca_challenge_make -- a challenge for a candidate that was judged good, unless it is denied, or another key of its TPM has a certificate (which
 * candidate->another allows); what the answer will be compared with is kept. challenge: text of the file, appended.
 */
int ai_ca_challenge_make(const struct ai_ca_dir *d, const struct ai_candidate *c, int64_t now, struct ai_buf *challenge, struct ai_err *err) AI_CHECKED;

/*
 * ai_ca_answer_certify -- the certificate for an answer (parsed) that opens its challenge, which is used up by it; noted before it is given out.
 *   a            with its key
 *   certificate  text of the file for the builder, appended
 *   record       (out) as ai_authority_issue's: new reference
 */
int ai_ca_answer_certify(const struct ai_ca_dir *d, const struct ai_authority *a, const json_t *answer, int days, int64_t now, struct ai_buf *certificate,
	json_t **record, struct ai_err *err) AI_CHECKED;

#endif
