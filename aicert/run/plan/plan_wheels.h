/*
 * plan_wheels.h -- what the lock's pins of wheels add to a manifest: attributes of steps, and the sources that these name.
 *
 * A step whose wheels the lock pins gets the attribute `wheels: <step>/wheels`, as if the Aicertfile said so, unless it says something itself.
 * Source distributions are built by a step "<step>-wheels" (rules/wheels.lua), whose output is the attribute `built` of the step.
 *
 * A plan follows from Aicertfile and lock, so planner and verifier do this alike.
 *
 * Depends on: base, model.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_WHEELS_H
#define AI_PLAN_WHEELS_H

#include "base/json.h"
#include "model/manifest.h"

/* To be called once for a manifest. AI_EINPUT when the pins cannot be those of this file. */
int ai_manifest_add_wheels(struct ai_manifest *m, const json_t *lock, struct ai_err *err) AI_CHECKED;

/* Calls each() with the name ("train/wheels") of every source that wheels add to the plan, and the node that must stand under it. */
int ai_wheels_each(const struct ai_manifest *m, const json_t *lock, int (*each)(void *ctx, const char *name, const json_t *node, struct ai_err *err),
	void *ctx, struct ai_err *err) AI_CHECKED;

#endif
