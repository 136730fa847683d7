/*
 * doctor.h -- `aicert doctor`: what this machine can do, found out by doing it, and what to do about what it cannot.
 *
 * Depends on: all.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_DOCTOR_H
#define AI_CLI_DOCTOR_H

#include <stdbool.h>

#include "base/home.h"
#include "base/json.h"

/* NOTE: not there, and needed for one thing only; WARN: runs, with less; FAIL: no run without it. */
typedef enum ai_finding { AI_FINDING_OK, AI_FINDING_NOTE, AI_FINDING_WARN, AI_FINDING_FAIL } ai_finding;

struct ai_checkup {
	json_t *checks;        /* [{"check","state": "ok"|"note"|"warn"|"fail","found","todo"?}] */
	bool failed;
	struct ai_home home;   /* where this user's would be; found before the others are called */
};

/* todo: what to do about it; NULL or "": nothing. found is printf's. */
void ai_checkup_add(struct ai_checkup *c, const char *check, ai_finding state, const char *todo, const char *found, ...) AI_PRINTF(5, 6);
/* An error's text and hint. */
void ai_checkup_error(struct ai_checkup *c, const char *check, ai_finding state, const struct ai_err *err);
/* The folder, or the nearest above it that is there: fresh. */
char *ai_checkup_there(const char *folder);

/* doctor_machine.c: program, kernel, memory, clock, home, disk, certificates. */
void ai_doctor_machine(struct ai_checkup *c);
/* doctor_box.c: namespaces, the sandbox itself, Landlock, control groups, GPUs. */
void ai_doctor_box(struct ai_checkup *c);
/* doctor_trust.c: the TPM, what the measured machine needs, and the network. */
void ai_doctor_tpm(struct ai_checkup *c);
void ai_doctor_vm(struct ai_checkup *c);
void ai_doctor_network(struct ai_checkup *c);

#endif
