/*
 * used.h -- one path of the machine, looked at as a step in the sandbox would see it.
 *
 * The same answer for root and user: what the step may not read is not there for
 * it, so `absent` means "not there, or not to be read". Root judges by the rights
 * of others, for that is what the step's uid is to every file.
 *
 * Depends on: base.  Threads: pure but for the disk; a guise is the calling thread's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_USED_H
#define AI_USED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"

struct ai_buf;

typedef enum ai_look { AI_LOOK_ABSENT, AI_LOOK_FILE, AI_LOOK_EXEC, AI_LOOK_DIR, AI_LOOK_LINK } ai_look;

/* What changes when a file is replaced or rewritten, and does not when somebody links to it. */
struct ai_stamp { uint64_t dev, ino; int64_t size, mtime_s, mtime_ns; };

/*
 * Until ai_guise_off, root's calling thread has the rights to files that others have; nothing changes for a user.
 * May be nested. AI_EENV when the kernel refuses.
 */
struct ai_guise { bool on; uid_t uid; gid_t gid; gid_t *groups; size_t n; };
int ai_guise_on(struct ai_guise *g, struct ai_err *err) AI_CHECKED;
void ai_guise_off(struct ai_guise *g);
#define AI_GUISE __attribute__((cleanup(ai_guise_off))) struct ai_guise

/* May others (a user: may we) do this with the path: R_OK, X_OK? */
bool ai_others_may(const char *path, int mode);

/*
 * Devices, sockets and FIFOs are absent too. target (fresh, of a link) may be NULL when not wanted, st too.
 * Who is root and asks for a path that the step might not reach wears a guise.
 */
int ai_look_at(const char *path, ai_look *out, struct stat *st, char **target, struct ai_err *err) AI_CHECKED;
/* The names in a folder as they come, each ended by NUL: 1; 0 when it cannot be listed. */
int ai_look_into(const char *path, struct ai_buf *names, struct ai_err *err) AI_CHECKED;
/* The canonical JSON array of such names, in the order of their bytes; one that no node may hold is AI_EINPUT. */
int ai_names_bytes(const char *path, const char *names, size_t len, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
const char *ai_look_word(ai_look look);
void ai_stamp_of(const struct stat *st, struct ai_stamp *out);
bool ai_stamp_eq(const struct ai_stamp *a, const struct ai_stamp *b);

#endif
