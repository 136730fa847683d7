/*
 * objects.h -- raw git objects and image blobs of a job's sources, brought beside the store for the job disk.
 *
 * The store keeps content, not what it was derived from; a measured run wants the latter, to derive it again. Folder: git/<sha1> (raw object with its
 * header "commit 123\0"), oci/<hex> (manifest, config, layers). What is there is not fetched again.
 *
 * Depends on: fetch, model, run/job, disk (aside).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_OBJECTS_H
#define AI_VM_OBJECTS_H

#include "run/job.h"

/* For every git and image source of a fetched job, by its pin. */
int ai_job_objects(struct ai_job *job, const char *folder, struct ai_err *err) AI_CHECKED;

#endif
