/*
 * trial.h -- a rule's own tests: tables in, actions out, in the closed state that it always runs in, and without network or workspace.
 *
 * Depends on: base, model, Lua.  Threads: a call belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TRIAL_H
#define AI_TRIAL_H

#include "rule/rule.h"

/*
 * ai_rule_test -- runs the tests of a file that returns expect.tests{…} (lua/expect.lua), in their order.
 *   rule    what they test, a type of steps or of inputs
 *   tests   their file; its name is shown in errors ("train_test")
 *   each    hears of every test: its name, and the first thing that is not as expected, or NULL
 * Returns how many were not as expected; AI_EUSAGE when the file of the tests is wrong itself.
 */
int ai_rule_test(const struct ai_rule_text *rule, const struct ai_rule_text *tests, void (*each)(void *ctx, const char *name, const char *fault), void *ctx,
	struct ai_err *err) AI_CHECKED;

#endif
