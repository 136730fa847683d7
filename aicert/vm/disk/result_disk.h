/*
 * result_disk.h -- what a measured run gives back: results, their content, logs, the attestation; or why there is none.
 *
 * Of the container (disk.h), kind "result". about: {"plan"?: id (absent when it failed before it had planned), "root"?: id (absent when the run failed),
 * "steps": [{"name","state","step"?: id,"result"?: id,"failure"?}], "error"?: {"code","text","hint"?}}; either root or error. Objects: one
 * "attestation" (unless there was no TPM to make it), result (and used) nodes, of a run that did not fail the outputs' trees and blobs, and
 * logs. Step and run nodes follow from these.
 * Taken in outside, where nothing of it is believed: each object is hashed as it is read, results must be of the plan's steps, outputs
 * must be whole, the root is computed again, the attestation must hold and list these results; the proof made of it is judged like anybody's.
 *
 * Depends on: disk, base, model, cache, run, proof.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_RESULT_DISK_H
#define AI_VM_RESULT_DISK_H

#include "run/job.h"
#include "vm/disk/disk.h"

/*
 * Inside: of a job that ran, or failed, perhaps before it had a plan or a store. attestation NULL: there is none. error: NULL, or why the run failed
 * (its code, text and hint). Logs larger than 16 MiB lose their middle.
 */
int ai_result_pack(struct ai_job *job, const json_t *attestation, const struct ai_err *error, int fd, uint64_t limit, struct ai_err *err) AI_CHECKED;

/*
 * Outside: into job's store, and steps[] of job (state, ids, result nodes, log, failure), run_node and root_id.
 *   attestation  new reference, also beside an error that the machine reports; NULL when the disk has none, untouched when the disk itself is refused.
 *                It is in the store by then.
 * 0; AI_ESTEP, AI_EENV…: the error that the machine reports, as "in the machine: …" (what it attested and its logs are kept); AI_EENV: it wrote
 * nothing; AI_EINPUT: the disk is not one, or says what cannot be (a result of another step, content that is missing): then nothing of it counts.
 */
int ai_result_take(int fd, uint64_t size, struct ai_job *job, json_t **attestation, struct ai_err *err) AI_CHECKED;

#endif
