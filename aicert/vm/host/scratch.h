/*
 * scratch.h -- a folder of a machine's own, for its sockets and what is gone with it.
 *
 * In $XDG_RUNTIME_DIR, else /tmp: a socket's path has 107 bytes at most. Whoever made it holds a lock on it (flock) as long as they live, so that the
 * folders of those that were killed are known, and the next one that is made removes them.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_SCRATCH_H
#define AI_VM_SCRATCH_H

#include "base/err.h"

struct ai_vm_scratch {
	char *path;   /* NULL: there is none */
	int lock;     /* the folder itself */
};

#define AI_VM_SCRATCH_NONE ((struct ai_vm_scratch){ .lock = -1 })

/* Fresh and empty, mode 0700. AI_EENV. */
int ai_vm_scratch_make(struct ai_vm_scratch *out, struct ai_err *err) AI_CHECKED;
/* Removes it; also one that was never made. */
void ai_vm_scratch_done(struct ai_vm_scratch *s);

#endif
