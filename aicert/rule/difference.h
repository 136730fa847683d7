/*
 * difference.h -- the first place where one JSON value is not as another, in words.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DIFFERENCE_H
#define AI_DIFFERENCE_H

#include <stdbool.h>

#include "base/json.h"

struct ai_buf;

/*
 * ai_difference -- is got what was wanted? false: text says where not, "actions[1].argv[2]: got 'a', expected 'b'". what is where it begins.
 * Lists count from 1, as Lua's do; an empty list and an empty object are the same. Long values are cut.
 */
bool ai_difference(const json_t *got, const json_t *wanted, const char *what, struct ai_buf *text);

#endif
