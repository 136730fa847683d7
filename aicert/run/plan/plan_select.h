/*
 * plan_select.h -- what chosen steps need, and nothing else of the Aicertfile (manifest.h, AI_PARAM_STEPS).
 *
 * A run of some steps neither pins nor fetches what the others take in, and its plan says that they were chosen. Which inputs and steps a step
 * needs its rule says, so this comes after the rules are read and before inputs are fetched; a verifier does the same.
 *
 * Depends on: base, model, rule.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_SELECT_H
#define AI_PLAN_SELECT_H

#include "base/buf.h"
#include "model/manifest.h"
#include "rule/rule.h"

/*
 * ai_plan_choose -- who is needed, appended to marks: '1' or '0' for each step of the manifest, then for each input. Evaluates rules.
 * ai_plan_keep -- takes out of the manifest what marks do not name. Pure; AI_EINPUT for marks that ai_plan_choose cannot have made.
 */
int ai_plan_choose(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_buf *marks, struct ai_err *err) AI_CHECKED;
int ai_plan_keep(struct ai_manifest *m, const char *marks, size_t n, struct ai_err *err) AI_CHECKED;

/*
 * ai_plan_select -- both: takes out of the manifest the steps, inputs, images and outputs that m->selected does not need: outputs stay those of the
 * chosen steps themselves. Nothing when no steps are chosen. AI_EUSAGE for what the rules refuse.
 */
int ai_plan_select(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_err *err) AI_CHECKED;

#endif
