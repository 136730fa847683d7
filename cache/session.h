/*
 * session.h -- a folder of the store for what one open store is still writing.
 *
 * <cache>/tmp/XXXXXX with a file `lock` that its owner keeps flock()ed, so that
 * whoever opens the store later can tell a dead session (kill -9, power cut)
 * from a living one and sweeps it. Sessions are made under a shared lock of
 * <cache>/lock and swept under the exclusive one: no sweep sees a session that
 * is not yet locked.
 *
 * Depends on: base.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SESSION_H
#define AI_SESSION_H

#include "base/err.h"

struct ai_session {
	int guard_fd;        /* <cache>/lock */
	int root_fd;         /* <cache>/tmp */
	int dir_fd;          /* the session's folder, -1 until something is written */
	int lock_fd;
	char name[16];
	unsigned long next;
};

#define AI_SESSION_NAME 24

/* Sweeps what the dead left. cache_fd: the cache folder. Makes no session folder yet. */
int ai_session_open(struct ai_session *se, int cache_fd, struct ai_err *err) AI_CHECKED;
/* The session's folder, made at the first call; -1 with err on failure. */
int ai_session_dir(struct ai_session *se, struct ai_err *err) AI_CHECKED;
/* A name that this session has not used. */
void ai_session_name(struct ai_session *se, char out[AI_SESSION_NAME]);
/* Removes the folder with all that is left in it. */
void ai_session_close(struct ai_session *se);

/*
 * ai_scratch_make -- a fresh folder <cache>/tmp/PREFIX.XXXXXX that is nobody else's to sweep as long as *lock is open (or a child has it): for what is
 * larger than one open store, as a step's root. The caller removes it, then closes the lock.
 */
int ai_scratch_make(const char *cache, const char *prefix, char **path, int *lock, struct ai_err *err) AI_CHECKED;

#endif
