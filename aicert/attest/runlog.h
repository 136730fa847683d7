/*
 * runlog.h -- the run log: what was extended into PCR 15, in order.
 *
 *   [{"event":"plan","id"}, {"event":"results","ids":[…]}…, {"event":"claims","id"}]
 *
 * Each event extends the SHA-256 of its canonical bytes; nothing follows claims.
 * On a TPM whose PCR 15 was used since boot, others' extends stand among them as
 * {"event":"opaque","digest"}, and extend that digest itself. In a measured machine {"event":"job","id"} stands before
 * the plan: the SHA-256 of the job disk's header, extended before anything on that disk was looked at.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RUNLOG_H
#define AI_RUNLOG_H

#include "base/json.h"

enum { AI_PCR_RUN = 15, AI_N_PCRS = 16 };

/* New references. */
json_t *ai_event_job(const struct ai_digest *header);
json_t *ai_event_plan(const struct ai_digest *plan);
json_t *ai_event_results(const struct ai_digest *ids, size_t n);
json_t *ai_event_claims(const struct ai_digest *claims);

/* The digest that an event extends. AI_EINPUT when it is not an event. */
int ai_event_digest(const json_t *event, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_runlog_check -- at most one job, exactly one plan, then results, exactly one claims last (opaque ones anywhere), and the PCR it gives.
 *   results   (out) every id listed as executed, new reference to an array of hex strings
 *   n_opaque  how many events are somebody else's
 */
int ai_runlog_check(const json_t *log, const struct ai_digest *plan, const struct ai_digest *claims,
	struct ai_digest *pcr15, json_t **results, size_t *n_opaque, struct ai_err *err) AI_CHECKED;

#endif
