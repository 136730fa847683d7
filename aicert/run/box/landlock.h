/*
 * landlock.h -- writing is confined to a few folders, whatever the mounts say.
 *
 * A second wall behind read-only mounts: a mistake in one of them alone lets
 * nothing through. Uses what the kernel's Landlock has (ABI 1 to 6): writes,
 * renames across folders (2), truncation (3), and signals and abstract unix sockets
 * that leave the step (6).
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LANDLOCK_H
#define AI_LANDLOCK_H

#include "base/err.h"

/*
 * Confines the calling process and all that it becomes; no_new_privs must be set. writable: NULL-terminated paths of
 * folders and files; an absent one is passed over. A kernel without Landlock is no error: 0.
 */
int ai_landlock_confine(const char *const *writable, struct ai_err *err) AI_CHECKED;

#endif
