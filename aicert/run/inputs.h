/*
 * inputs.h -- of the fetch stage, what who only looks needs too (run/foresee.h).
 *
 * Depends on: all below.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INPUTS_H
#define AI_INPUTS_H

#include "run/job.h"

/* A path that is written as one of the project's does not lead elsewhere. AI_EINPUT. */
int ai_job_stays_inside(const struct ai_job *job, const struct ai_input *in, struct ai_err *err) AI_CHECKED;
/* Is the content of a pin in the store, so that a run would not fetch it? 1, 0. */
int ai_job_input_there(struct ai_job *job, const struct ai_input *in, const json_t *pin, struct ai_ref *out, struct ai_err *err) AI_CHECKED;
/* The source node of an input whose content is in s. */
int ai_job_source_node(struct ai_job *job, struct ai_job_source *s, const json_t *pin, struct ai_err *err) AI_CHECKED;

#endif
