/*
 * agent.h -- what runs in the measured machine: /init, and nothing beside it.
 *
 * mounts -> modules -> disks (by serial: "aicert-job", "aicert-result") -> TPM -> header measured -> content copied and hashed, or read through
 * dm-verity where it does not fit, sources re-derived -> planned again -> plan measured -> steps in the sandbox -> results measured -> quote -> result disk -> power off.
 *
 * The serial console carries lines for people, "aicert: <stage> …", and what a step prints as "| …"; nobody believes them.
 *
 * Depends on: disk, run, all below.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_AGENT_H
#define AI_VM_AGENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/talk.h"

#define AI_AGENT_JOB_SERIAL "aicert-job"
#define AI_AGENT_RESULT_SERIAL "aicert-result"

/* What differs between a machine and a test. */
struct ai_agent {
	int job, result;              /* open disks */
	uint64_t job_size, result_size;
	const char *home;             /* folder in memory for store, keys and scratch */
	const char *tpm;              /* TCTI */
	const struct ai_talk *talk;
};
/*
 * ai_agent_job -- one job, from its disk to the result disk. 0, or the error that the result disk reports (AI_ESTEP and the like); an error that
 * could not be written there either is returned all the same.
 */
int ai_agent_job(const struct ai_agent *a, struct ai_err *err) AI_CHECKED;

/* /init: never returns but to power off. */
int ai_agent_init(void);

#endif
