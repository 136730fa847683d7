/*
 * images.h -- the images of a job: pinned, pulled, each a source of the plan.
 *
 * Depends on: base, model, fetch, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGES_H
#define AI_IMAGES_H

#include <stdbool.h>

#include "fetch/fetch.h"
#include "run/job.h"

/* Appends a source to the job for each image of the Aicertfile; what is pinned and in the store asks no network. */
int ai_job_fetch_images(struct ai_job *job, const struct ai_fetch *f, struct ai_err *err) AI_CHECKED;
/* Resolves again what name (as written or normalised; NULL: every image) gives now, into the lock. */
int ai_job_update_images(struct ai_job *job, const struct ai_fetch *f, const char *name, struct ai_err *err) AI_CHECKED;
/* Is there an image of that name, as written or normalised? */
bool ai_job_has_image(const struct ai_job *job, const char *name);

/* Is the content of a pin in the store? 1, 0. */
int ai_job_image_there(struct ai_job *job, const struct ai_image_ref *image, const json_t *pin, struct ai_ref *out, struct ai_err *err) AI_CHECKED;
/* Appends its source to the job. */
int ai_job_image_source(struct ai_job *job, const struct ai_image_ref *image, const json_t *pin, const struct ai_ref *content, struct ai_err *err) AI_CHECKED;

#endif
