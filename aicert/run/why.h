/*
 * why.h -- why a step runs, or would not: the first difference, in the user's words.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_WHY_H
#define AI_WHY_H

#include "run/job.h"

/*
 * ai_why_step -- why s must run: the first field of its step node that differs from the one of this project's last run, or,
 * where the key is the same, what ai_job_find_result put into s->why. *out is fresh text.
 */
int ai_why_step(struct ai_job *job, const struct ai_job_step *s, char **out, struct ai_err *err) AI_CHECKED;

/*
 * The first difference of two step nodes as text ("input /workspace/src: …"), and of their environment nodes, where both are
 * known (else NULL); NULL when they are the same or memory is out.
 */
char *ai_why_differs(const json_t *before, const json_t *now, const json_t *env_before, const json_t *env_now);

/*
 * ai_why -- `aicert why [STEP]`: plans (network only for pins that are missing) and says for each step whether it would run and
 * why. step NULL = all. *report: [{"step","would": "run"|"reuse"|"wait","why"}]. Runs nothing, writes no lock under --locked.
 */
int ai_why(const struct ai_run_options *options, const char *step, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
