/*
 * image_root.h -- an image's tree laid out once as the root folder of steps.
 *
 * A kept checkout of the tree beside which nothing of the machine is needed: the
 * places on which the sandbox mounts (/proc, /dev, /tmp, /workspace, HOME…) are made,
 * and the files that are the same in every step (/etc/passwd, /etc/hosts…) take the
 * place of the image's. Bound read-only, so one layout serves every step and run.
 *
 * Depends on: base, cache.  Threads: as the store; safe between processes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_ROOT_H
#define AI_IMAGE_ROOT_H

#include "cache/store.h"

/* *path_out (caller frees) is what `struct ai_sandbox`.root takes. AI_EINPUT when the tree cannot be a root (names the path). */
int ai_image_root(struct ai_store *store, const struct ai_digest *tree, char **path_out, struct ai_err *err) AI_CHECKED;

#endif
