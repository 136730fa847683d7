/*
 * plan_cache.h -- by what a plan is known, so that it need not be made again.
 *
 * A plan is a pure function of struct ai_plan_in and of this program. The key is a hash of all of it, each part with its name and length;
 * of sources their nodes' ids, of the program the build id that its linker gave it.
 *
 * Who keeps plans by it (run/prepare.c) keeps the plan's id under the key in the data folder, beside the keys and attestations that reused results
 * rest on, and the plan among the nodes of the cache, which are hashed as they are read: who can write the cache alone can make a plan
 * be made again, and nothing else. The measured runner and verifiers know no such record, and plan.
 *
 * Depends on: base, rule (plan.h).  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_CACHE_H
#define AI_PLAN_CACHE_H

#include "run/plan/plan.h"

/* The build id of the program or library that this function is in, as hex; false where its linker gave it none. */
bool ai_build_id(char out[AI_HEX]);

/* 1 and the key; 0: plans of this build are not known by any. */
int ai_plan_key(const struct ai_plan_in *in, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* Is this a plan of these texts and sources? For one that was found by its key: what it says of itself must agree. */
bool ai_plan_is_of(const json_t *plan, const struct ai_plan_in *in);

#endif
