/*
 * events.h -- a run as JSON on standard output, one object a line (`aicert run --json`).
 *
 *   {"event":"stage","text"}  {"event":"note","text"}  {"event":"detail","text"} (with -v)
 *   {"event":"progress","what","done","total"}   bytes; total 0: not known; a few a second
 *   {"event":"step","step","state","index","steps","why"?,"seconds"?}   state: begins, reused, done, failed, skipped
 *   {"event":"log","step"?,"text"}               a line that a step printed; what is not UTF-8 is U+FFFD
 *   {"event":"report", …} or {"event":"error","code","text","hint"}   the last line
 *
 * Depends on: api, lines.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_EVENTS_H
#define AI_CLI_EVENTS_H

#include <stdint.h>

#include "aicert.h"
#include "base/json.h"
#include "cli/lines.h"

struct ai_events {
	bool quiet, verbose;   /* quiet: the last line alone */
	struct ai_lines lines;
	uint64_t hash;         /* of what the last progress was of, and when it was told */
	double told;
};

void ai_events_say(struct ai_events *e, int kind, const char *text, unsigned long long done, unsigned long long total);
void ai_events_step(struct ai_events *e, const aicert_step_event *event);
/* The last line, from a report (JSON text) or an error. */
void ai_events_report(struct ai_events *e, const char *report);
void ai_events_error(struct ai_events *e, const aicert_error *error);

#endif
