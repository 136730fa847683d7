/* api_hooks_plan.c -- the verifier with Lua and libyaml: see api_hooks.h.  SPDX-License-Identifier: Apache-2.0 */
#include "api_hooks.h"

const struct ai_api_hooks ai_api_hooks = { .replan = ai_replan, .commit_tree = NULL };
