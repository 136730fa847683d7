/*
 * used.h -- one path of the machine, looked at as a step in the sandbox would see it.
 *
 * The same answer for root and user: what the step may not read is not there for
 * it, so `absent` means "not there, or not to be read". Root judges by the rights
 * of others, for that is what the step's uid is to every file.
 *
 * Depends on: base.  Threads: pure but for the disk.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_USED_H
#define AI_USED_H

#include "base/err.h"
#include "base/json.h"

typedef enum ai_look { AI_LOOK_ABSENT, AI_LOOK_FILE, AI_LOOK_EXEC, AI_LOOK_DIR, AI_LOOK_LINK } ai_look;

/* Devices, sockets and FIFOs are absent too. target (fresh, of a link) may be NULL when not wanted. */
int ai_look_at(const char *path, ai_look *out, char **target, struct ai_err *err) AI_CHECKED;
/* The sorted names in a folder as a new canonical array; one that is not UTF-8 or has control characters is refused by name. */
int ai_list_names(const char *path, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
