/*
 * swtpm.h -- a running software TPM over a folder of state: for a machine, or for our own commands.
 *
 * One at a time per folder, over all processes: who comes second waits and says so.
 *
 * Depends on: child, base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_SWTPM_H
#define AI_VM_SWTPM_H

#include "base/talk.h"
#include "vm/host/child.h"

struct ai_swtpm {
	pid_t pid;
	int lock;         /* of the state; -1: not held */
	char *control;    /* socket that QEMU's tpmdev talks to */
	char *tcti;       /* "swtpm:path=…"; NULL when it is for a machine */
	char *errors;     /* file with what it says */
};

#define AI_SWTPM_NONE ((struct ai_swtpm){ .lock = -1 })

/* A fresh folder, ours alone, whose path is short enough for sockets; the caller frees and removes. */
int ai_swtpm_scratch(char **out, struct ai_err *err) AI_CHECKED;
/* Locks a folder of state, waiting for whoever has it. AI_EINTR. The descriptor is the caller's to close. */
int ai_swtpm_lock(const char *state, const struct ai_talk *talk, int *fd, struct ai_err *err) AI_CHECKED;
/*
 * state: its folder; scratch: a folder for the sockets, whose path is short; commands: takes TPM commands by its tcti, started up (else: QEMU's to
 * start). It answers when it returns. ai_swtpm_stop ends it, also after an error.
 */
int ai_swtpm_start(const char *state, const char *scratch, bool commands, const struct ai_talk *talk, struct ai_swtpm *out, struct ai_err *err) AI_CHECKED;
void ai_swtpm_stop(struct ai_swtpm *s);

#endif
