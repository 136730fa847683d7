/*
 * workspace.h -- files put into a step's workspace by the engine itself.
 *
 * An earlier action of the step may have left links anywhere in the workspace, and
 * this runs outside the sandbox: every path is resolved beneath the workspace and
 * through no link (openat2), so a link is an error and never a way out.
 *
 * Depends on: base, sandbox.  Threads: one; no process of the step is alive.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_WORKSPACE_H
#define AI_WORKSPACE_H

#include "base/json.h"
#include "run/box/sandbox.h"

/* Opens path (absolute, inside: "/workspace/…") under scratch, following no link. Returns a descriptor or a negative code (AI_ESTEP). */
int ai_workspace_open(const char *scratch, const char *path, int flags, struct ai_err *err);

/* {"do":"write","path","text"} */
int ai_workspace_write(const char *scratch, const json_t *action, struct ai_err *err) AI_CHECKED;
/* {"do":"copy","from","to"}: a file or a folder with all that is in it, from an input or from what an earlier action left. */
int ai_workspace_copy(const char *scratch, const struct ai_mount *mounts, size_t n_mounts, const json_t *action,
	struct ai_err *err) AI_CHECKED;

#endif
