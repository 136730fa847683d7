/*
 * result_logs.h -- logs of steps that ran in a machine, and whether its attestation speaks of what it gave back; for result_take.c.
 *
 * Logs go where run/step.c puts those of a run outside. They wait beside that place until all of the disk is known to be good.
 *
 * Depends on: disk, base, run, proof.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_RESULT_LOGS_H
#define AI_VM_RESULT_LOGS_H

#include "run/job.h"
#include "vm/disk/disk.h"

struct ai_result_log { size_t step; char *waiting, *path; };
struct ai_result_logs { struct ai_result_log *list; size_t n; };

/* Every log of the disk; the steps' ids must be known. Marks them in used. */
int ai_result_logs_read(struct ai_result_logs *l, struct ai_disk *d, const struct ai_job *job, bool *used, struct ai_err *err) AI_CHECKED;
/* To their places, and into the steps. */
int ai_result_logs_keep(struct ai_result_logs *l, struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* Removes what still waits. */
void ai_result_logs_done(struct ai_result_logs *l);

/*
 * ai_result_claims_fit -- does the attestation (NULL: none, which only a failed run may lack) hold by itself, and claim exactly this run: plan, root,
 * nonce, and the results as executed?
 */
int ai_result_claims_fit(const json_t *attestation, const struct ai_job *job, bool done, struct ai_err *err) AI_CHECKED;

#endif
