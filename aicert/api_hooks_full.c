/* api_hooks_full.c -- everything: see api_hooks.h.  SPDX-License-Identifier: Apache-2.0 */
#include "api_hooks.h"
#include "fetch/fetch.h"

const struct ai_api_hooks ai_api_hooks = { .replan = ai_replan, .commit_tree = ai_git_commit_tree };
