/*
 * carried.h -- outputs whose bytes the proof carries: a step's declared output with "carried" (metrics, and what else a verifier is to read).
 *
 * The step's node says so, so it is part of the plan; the result names the blob; the proof holds its bytes, at most AI_MAX_CARRIED of them.
 * That a proof carries them makes them nobody's origin: they become one as every output does, after their step.
 *
 * Depends on: base, model.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CARRIED_H
#define AI_CARRIED_H

#include "base/hash.h"
#include "base/json.h"

/* A node by its id, or NULL. Borrowed. */
typedef const json_t *ai_node_by_id(void *ctx, const struct ai_digest *id);
typedef int ai_carried_fn(void *ctx, const char *step, const char *output, const struct ai_digest *blob, struct ai_err *err);

/*
 * ai_carried_each -- calls each() for every output of the run's results that its step declares as carried, in the order of the run's results.
 *   run   a run node; what a result or step is not there for is passed over, which others find. 0, or what each() returned; AI_ENO when a result has
 *         no such file.
 */
int ai_carried_each(const json_t *run, ai_node_by_id *node, void *node_ctx, ai_carried_fn *each, void *ctx, struct ai_err *err) AI_CHECKED;

#endif
