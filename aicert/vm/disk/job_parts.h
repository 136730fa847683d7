/*
 * job_parts.h -- what packing and unpacking of a job share: what a plan names, and what stands beside it.
 *
 * Depends on: base, model.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_JOB_PARTS_H
#define AI_VM_JOB_PARTS_H

#include <stdbool.h>

#include "base/json.h"

/* What is called with each thing that a plan names: Aicertfile, lock and rules; environments of its steps; sources. */
struct ai_plan_names {
	int (*blob)(void *ctx, const struct ai_digest *id, struct ai_err *err);
	int (*environment)(void *ctx, const struct ai_digest *id, struct ai_err *err);
	int (*source)(void *ctx, const char *name, const struct ai_digest *id, struct ai_err *err);
};
/* In that order; the plan must be of the shape that model/node.h checks. */
int ai_plan_each(const json_t *plan, const struct ai_plan_names *names, void *ctx, struct ai_err *err) AI_CHECKED;

/* borrowed; NULL: none */
struct ai_job_about { struct ai_digest plan; const char *nonce; json_t *certificates; bool shelved; struct ai_digest shelf; };
/* `about` of a job disk: foreign, pure, fuzzed. */
int ai_job_about_parse(const json_t *about, struct ai_job_about *out, struct ai_err *err) AI_CHECKED;

#endif
