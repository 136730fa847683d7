/* api_hooks_verify.c -- libaicert-verify alone: see api_hooks.h.  SPDX-License-Identifier: Apache-2.0 */
#include "api_hooks.h"

const struct ai_api_hooks ai_api_hooks = { .replan = NULL, .commit_tree = NULL };
