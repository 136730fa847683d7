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
	int listen;       /* the control socket until swtpm has it; -1 */
	char *control;    /* its path: QEMU's tpmdev talks to it */
	char *tcti;       /* "swtpm:path=…"; NULL when it is for a machine */
	char *errors;     /* file with what it says */
};

#define AI_SWTPM_NONE ((struct ai_swtpm){ .lock = -1, .listen = -1 })

/* Locks a folder of state, waiting for whoever has it. AI_EINTR. The descriptor is the caller's to close. */
int ai_swtpm_lock(const char *state, const struct ai_talk *talk, int *fd, struct ai_err *err) AI_CHECKED;
/* For our own commands: takes them by its tcti, started up. state: its folder; scratch: one for the sockets. ai_swtpm_stop ends it, also after an error. */
int ai_swtpm_start(const char *state, const char *scratch, const struct ai_talk *talk, struct ai_swtpm *out, struct ai_err *err) AI_CHECKED;
/*
 * For a machine, in two steps: the state is locked and the control socket listens, so that whoever connects is answered as soon as swtpm runs; then
 * it is started by a command line that names the socket's descriptor. ai_swtpm_stop as above.
 */
int ai_swtpm_listen(const char *state, const char *scratch, const struct ai_talk *talk, struct ai_swtpm *out, struct ai_err *err) AI_CHECKED;
int ai_swtpm_launch(struct ai_swtpm *s, const struct ai_argv *argv, const char *package, struct ai_err *err) AI_CHECKED;
void ai_swtpm_stop(struct ai_swtpm *s);

#endif
