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

#include "attest/x509/chain.h"
#include "attest/quote/quote.h"
#include "attest/runlog.h"
#include "base/buf.h"
#include "proof/dag.h"
#include "proof/lineage.h"
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
	struct ai_quote q;                       /* after the quote was parsed */
	const char *job;                         /* after the run log: the job that a measured machine was given, hex; NULL: none */
	bool alone;                              /* and: the log holds this run's events and no other, the job first */
	struct ai_chain_memo *memo;              /* what is known of certificates already; the verification's, or NULL */
	struct ai_chain chain;                   /* after its certificates were checked; n is 0 without any */

	/* judge.c: what this verifier makes of it. */
	int64_t at;                              /* when its chain is judged */
	enum { AI_AT_NOW, AI_AT_AS_OF, AI_AT_STAMP } at_how;
	char *stamped_by;                        /* AI_AT_STAMP: whose stamp */
	bool accepted;                           /* its key is one that the verifier accepts */
	const struct ai_anchor *anchor;          /* what its chain ends at, believed; NULL: not a genuine TPM */
	char *why_no_tpm;                        /* when anchor is NULL */
	bool measured;                           /* every quoted PCR was judged and is good, and the authority is one the policy names */
	char *why_not_measured;                  /* when it is not */
	bool replayed;                           /* the boot log gives every value that was quoted, PCRs 0 to 14 */
	bool matches;                            /* and the policy judges all of them, and finds them good: whoever operates the platform */
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
	json_t *source_ids;                      /* and by id: once, since each of many attestations speaks of them */
	json_t *results;                         /* run's results by step name, {name, id} */
	bool sources_withheld;
	struct ai_evidence main;                 /* after "evidence" */
	struct ai_evidence *reused; size_t n_reused;     /* after "reused": each attestation of reused results */
	struct ai_evidence *cosigned; size_t n_cosigned; /* after "cosigned": further attestations of the same root */
	struct ai_evidence *lent; size_t n_lent;         /* after "cosigned": each attestation that only those reuse results of */
	struct ai_chain_memo *memo;              /* certificates that were looked at: attestations share issuers */
	const struct ai_roots *roots;            /* the verifier's, as the policy narrows and widens them */
	size_t n_in_images, n_in_host;           /* steps by their environment; after "provenance" */
	bool is_kin;                             /* the proof is one that another carries: lineage is the other's */
	struct ai_lineage own_lineage, *lineage; /* after "lineage" */
	json_t *summary;                         /* derived; after "summary" */
};

/* What has been found so far. */
struct ai_verdict {
	json_t *checks;
	struct ai_err first;     /* the first failure, "check: text" */
	bool broken;             /* a check failed that the level rests on */
	const char *ended;       /* the check after which nothing more is looked at */
	ai_level level;          /* once all is judged, those that it carries included */
};

/* report.c */
int ai_verify_report(const struct ai_verify *v, const struct ai_verdict *d, ai_level level, json_t **out, struct ai_err *err) AI_CHECKED;
/* Foreign text cut by the size of an error may end within a character, which JSON does not take. New reference. */
json_t *ai_safe_text(const char *s);

typedef int ai_check_fn(struct ai_verify *v, struct ai_buf *said, struct ai_err *err);

/* format.c: the file's fields, types and encodings; then ids, edges. */
ai_check_fn ai_check_format, ai_check_ids, ai_check_edges, ai_check_withheld;
/* lineage.c: do the proofs of inputs hold, and is each what its input says; and is each what the verifier asks for? */
ai_check_fn ai_check_lineage, ai_check_lineage_accepted;
/* verify.c: a carried proof judged as one of its own would be: report, level and first of it are set. Fails only when memory or the machine does. */
int ai_verify_kin(const struct ai_verify *v, struct ai_kin *kin, struct ai_err *err) AI_CHECKED;
/* provenance.c */
ai_check_fn ai_check_plan, ai_check_provenance, ai_check_replan;
/* carried.c: are the outputs there whose bytes the proof is to carry? What they are, for the report; and their ids, as keys. New references. */
ai_check_fn ai_check_carried;
int ai_carried_shown(const struct ai_verify *v, json_t **out, struct ai_err *err) AI_CHECKED;
int ai_carried_outputs(const struct ai_verify *v, json_t **out, struct ai_err *err) AI_CHECKED;
/* claims.c */
ai_check_fn ai_check_claims, ai_check_coverage, ai_check_nonce;
/* Do these claims, of the proof's own attestation or another, speak of this root and plan, and of nothing that failed? */
int ai_claims_fit(const struct ai_verify *v, const json_t *claims, struct ai_err *err) AI_CHECKED;
/* Are executed and reused together exactly the run's results, none in both? */
int ai_claims_cover(const struct ai_verify *v, const json_t *claims, struct ai_err *err) AI_CHECKED;
/* evidence.c */
ai_check_fn ai_check_evidence, ai_check_key_attributes, ai_check_quote, ai_check_pcrs, ai_check_boot_log, ai_check_run_log,
	ai_check_certificates, ai_check_reused;
/* stamp.c: do the timestamps hold; and, once everything is judged, is there one that the policy asks for? */
ai_check_fn ai_check_timestamp, ai_check_policy_timestamp;
/* judge.c: every attestation is judged by ai_check_judged; the others say what the weakest of them reaches. */
ai_check_fn ai_check_judged, ai_check_key, ai_check_tpm, ai_check_platform;
/* cosigned.c */
ai_check_fn ai_check_cosigned, ai_check_threshold;
/* policy_checks.c: each skipped when the policy does not speak of it, or there is none. */
ai_check_fn ai_check_policy_inputs, ai_check_policy_outputs, ai_check_policy_rules, ai_check_policy_images, ai_check_policy_steps,
	ai_check_policy_environments, ai_check_policy_denied, ai_check_policy_withheld, ai_check_policy_boot, ai_check_policy_root,
	ai_check_policy_job;
/* local.c */
ai_check_fn ai_check_summary;
int ai_check_input(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err) AI_CHECKED;
int ai_check_output(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

/*
 * policy_boot.c: is every quoted PCR of this evidence judged by the policy, and good? 0; AI_ENO with the first that is not, and why. PCR 15 is the
 * run log's. The boot log must replay to the quoted values; said: what was compared.
 */
int ai_policy_judge_boot(const struct ai_policy *p, const struct ai_evidence *e, struct ai_buf *said, struct ai_err *err) AI_CHECKED;
/* The same of what the policy says of the boot, whatever the level: PCRs of which it says nothing are not asked for. */
int ai_policy_boot_holds(const struct ai_policy *p, const struct ai_evidence *e, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

/*
 * stamp.c: the time at which an attestation's chain is judged: of its timestamp, if it carries one that this verifier believes; else as_of; else
 * now. Sets at, at_how, stamped_by. AI_ENO when it carries one that does not hold.
 */
int ai_evidence_time(const struct ai_verify *v, const json_t *attestation, struct ai_evidence *e, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

/* evidence.c: all that evidence shows without the DAG that it speaks of. n_opaque: events of its run log that only their digest is known of. */
int ai_evidence_holds(struct ai_evidence *e, const struct ai_roots *roots, size_t *n_opaque, struct ai_err *err) AI_CHECKED;
/* judge.c: what this verifier makes of evidence that holds: accepted, anchor, measured, and why not. Fails only when memory or the policy does. */
int ai_evidence_judge(const struct ai_verify *v, const json_t *attestation, struct ai_evidence *e, struct ai_err *err) AI_CHECKED;
/* policy_checks.c: does the policy deny its key, by fingerprint or by the SHA-256 of its SubjectPublicKeyInfo? 1, 0 or negative. */
int ai_evidence_denied(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err) AI_CHECKED;
/* evidence.c: sets job and alone, of a run log that was found in order. */
void ai_evidence_note_job(struct ai_evidence *e);
/* evidence.c: does its boot log give every value that was quoted, PCRs 0 to 14? An empty one does not. */
bool ai_evidence_replays(const struct ai_evidence *e);
/* policy_checks.c: is the run log that of a measured machine, which does one job and begins with it? AI_ENO says why not. */
int ai_evidence_job(const struct ai_evidence *e, struct ai_err *err) AI_CHECKED;
/* judge.c: the level that one attestation reaches by itself; and of the proof's own and those of reused results, the one that reaches least. */
ai_level ai_evidence_level(const struct ai_evidence *e);
const struct ai_evidence *ai_weakest(const struct ai_verify *v);

/* Exactly these fields; AI_ENO names the unknown or the missing one. A key that ends in '?' is optional. */
int ai_exact_fields(const json_t *object, const char *const *keys, size_t n, struct ai_err *err) AI_CHECKED;
/* Takes an attestation (or a proof, which has the same fields) apart: fields, base64, PCRs, shape and id of the claims. */
int ai_evidence_open(const json_t *attestation, struct ai_evidence *out, struct ai_err *err) AI_CHECKED;
void ai_evidence_done(struct ai_evidence *e);

#endif
