/*
 * differences.h -- two results of a step, as people read how they differ.
 *
 * Depends on: base, print.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DIFFERENCES_H
#define AI_DIFFERENCES_H

#include "base/json.h"

/*
 * ai_print_compared -- one entry of a report ("step", "same", "outputs", "differences", "total", "by_id_only") on standard output.
 *   title          what stands at the margin
 *   against        what the step was compared with
 *   first, second  short words for the two sides
 */
void ai_print_compared(const char *title, const json_t *entry, const char *against, const char *first, const char *second);

#endif
