/*
 * resolve.h -- requirements.txt of steps: wheels chosen once, pinned by the lock, in the store, sources of the plan.
 *
 * Part of the fetch stage. A step asks for wheels when its rule declares an attribute `wheels` that the Aicertfile leaves to us, its first
 * command is a Python, and the source at src, known before anything runs, has a requirements.txt. What the host has already is not fetched; in an
 * image only what it lacks is. A pin holds while requirements, interpreter and environment are the same; else they are resolved again.
 *
 * Depends on: all of run.  Threads: one (the index serves from its own).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RESOLVE_H
#define AI_RESOLVE_H

#include "run/job.h"

/* How many sources ai_job_wheels may add to those of inputs and images: room that job->sources needs. 0: no rule takes wheels. */
size_t ai_wheels_sources(const struct ai_job *job);
/* Is there a step of this name that may have wheels? */
bool ai_wheels_step(const struct ai_job *job, const char *name);

/* Resolves what is not pinned, brings every pinned file into the store, adds sources to the job and pins to its lock. Inputs and images are there. */
int ai_job_wheels(struct ai_job *job, struct ai_err *err) AI_CHECKED;

/* What the lock pins now, as steps and attributes of the manifest; nothing is looked for. */
int ai_job_wheels_pinned(struct ai_job *job, struct ai_err *err) AI_CHECKED;

#endif
