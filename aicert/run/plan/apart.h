/*
 * apart.h -- Aicertfile and rules that a stranger wrote, read and planned in a confined child (confined.h).
 *
 * For the measured machine's agent, which holds the TPM: libyaml and Lua see these bytes in a process that has nothing. What the child answers is
 * believed to be what it says, and no more: it is canonical JSON, read here as strictly as any foreign bytes, by code of ours.
 *
 * What that buys: bytes that take libyaml or Lua over reach neither TPM nor disks nor the agent's memory, before or after the measurement. What
 * it does not: a child that was taken over can give a plan that its Aicertfile does not give. That is a lie about this one job, and a verifier plans
 * again for himself; the plan's sources, environments and results are ids, which nothing said in here can change.
 *
 * Depends on: confined, plan, model.  Threads: any.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_APART_H
#define AI_PLAN_APART_H

#include "run/plan/plan.h"

/*
 * As ai_manifest_parse, ai_plan_select and ai_plan_make. AI_EINPUT where the child was killed, or said what cannot be; AI_EENV where this machine cannot confine.
 */
int ai_manifest_apart(const char *text, size_t len, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err) AI_CHECKED;
int ai_plan_select_apart(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_err *err) AI_CHECKED;
int ai_plan_apart(const struct ai_plan_in *in, json_t **plan, json_t **environments, struct ai_err *err) AI_CHECKED;

/* What such a child answers, read: pure, fuzzed. environments may be NULL. */
int ai_plan_answer_parse(const char *bytes, size_t n, json_t **plan, json_t **environments, struct ai_err *err) AI_CHECKED;

#endif
