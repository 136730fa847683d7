/*
 * repeat.h -- `aicert run --check`: a step run once more in a fresh sandbox, and its outputs compared.
 *
 * What is compared are two executions. A step that has just been executed is run again; one whose result is known is run
 * once and compared with that. What the second run gives is thrown away but for its content in the cache.
 *
 * Two runs on one machine within minutes share more than two runs in real life: the processors and their number, the
 * kernel, the order in which a folder lists its files, the day. What depends on those shows in `aicert reproduce` on another
 * machine, not here. The clock they do not share: see wait_for_the_clock. Process ids begin anew in every sandbox, always.
 *
 * Depends on: job, compare.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REPEAT_H
#define AI_REPEAT_H

#include "run/again/compare.h"
#include "run/job.h"

/* Are the words of --check steps of the Aicertfile, or 'all'? AI_EUSAGE with the nearest name. */
int ai_check_names(const struct ai_job *job, struct ai_err *err) AI_CHECKED;
bool ai_check_asked(const struct ai_job *job, const char *step);

/*
 * ai_check_step -- runs s, whose result is there, again, and appends to job->checks what ai_compare_outputs reports with
 * {"step", "against": "a second run"|"the known result"}. That they differ is no error here. AI_ESTEP: the second run failed.
 */
int ai_check_step(struct ai_job *job, const struct ai_job_step *s, struct ai_err *err) AI_CHECKED;
/* AI_ENO when any check found a difference. */
int ai_check_verdict(const struct ai_job *job, struct ai_err *err) AI_CHECKED;

/* One more execution of s: its result node, a new reference; s stays as it is. Its log goes to the folder `logs` below the cache. */
int ai_execute_again(struct ai_job *job, const struct ai_job_step *s, const char *logs, json_t **result, struct ai_err *err) AI_CHECKED;

/* Contents as the job's store has them. */
struct ai_compare_io ai_job_compare_io(struct ai_job *job);

#endif
