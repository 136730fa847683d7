/*
 * check.h -- inside of verify: what the checks share. Nothing outside proof/ includes this.
 *
 * A check is a function that says in words what it compared to what and returns
 * CHECK_PASSED, CHECK_SKIPPED (it had nothing to look at) or a negative code with the
 * error set (it failed; AI_EENV and AI_EINTR end the whole verification instead).
 * Checks run in the order of the table in verify.c; a structural one that fails ends the
 * list, so that later ones may rely on what earlier ones established.
 *
 * Depends on: base, model, attest (its pure half).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHECK_H
#define AI_CHECK_H

#include "attest/quote.h"
#include "attest/runlog.h"
#include "base/buf.h"
#include "proof/dag.h"
#include "proof/verify.h"

enum { CHECK_SKIPPED = 0, CHECK_PASSED = 1 };

/* One attestation, taken apart by ai_evidence_open; json borrowed from the proof. */
struct ai_evidence {
	const json_t *claims, *certificates, *run_log;
	struct ai_digest id;                     /* of the claims: the attestation's id */
	struct ai_digest pcrs[AI_N_PCRS];
	struct ai_buf ak_public, boot_log, quote, signature;
	struct ai_ak ak;                         /* after ai_evidence_key */
	char key[AI_HEX];                        /* its fingerprint; "" before */
};

struct ai_verify {
	const struct ai_verify_options *options;
	const char *file;
	const json_t *proof;
	struct ai_dag *dag;                      /* after "ids" */
	struct ai_dag_counts counts;             /* after "edges" */
	struct ai_digest root;
	const json_t *run, *plan;                /* after "edges" */
	json_t *sources;                         /* plan's sources by name, {name, id} */
	json_t *results;                         /* run's results by step name, {name, id} */
	bool sources_withheld;
	struct ai_evidence main;                 /* after "evidence" */
	bool key_accepted, others_accepted;      /* the main key; every key of reused results */
	char *why_no_tpm;                        /* what the certificates lack; after "certificates" */
	json_t *summary;                         /* derived; after "summary" */
};

typedef int ai_check_fn(struct ai_verify *v, struct ai_buf *said, struct ai_err *err);

/* format.c: the file's fields, types and encodings; then ids, edges. */
ai_check_fn ai_check_format, ai_check_ids, ai_check_edges, ai_check_withheld, ai_check_timestamp;
/* provenance.c */
ai_check_fn ai_check_plan, ai_check_provenance, ai_check_replan;
/* claims.c */
ai_check_fn ai_check_claims, ai_check_coverage, ai_check_nonce;
/* evidence.c */
ai_check_fn ai_check_evidence, ai_check_key_attributes, ai_check_quote, ai_check_pcrs, ai_check_boot_log, ai_check_run_log,
	ai_check_certificates, ai_check_reused, ai_check_key;
/* local.c */
ai_check_fn ai_check_summary;
int ai_check_input(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err) AI_CHECKED;
int ai_check_output(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

/* Exactly these fields; AI_ENO names the unknown or the missing one. A key that ends in '?' is optional. */
int ai_exact_fields(const json_t *object, const char *const *keys, size_t n, struct ai_err *err) AI_CHECKED;
/* Takes an attestation (or a proof, which has the same fields) apart: fields, base64, PCRs, shape and id of the claims. */
int ai_evidence_open(const json_t *attestation, struct ai_evidence *out, struct ai_err *err) AI_CHECKED;
void ai_evidence_done(struct ai_evidence *e);
bool ai_key_accepted(const struct ai_verify_options *o, const char *fingerprint);

#endif
