/*
 * observe.h -- what a step in the host environment looked at outside its workspace.
 *
 * A seccomp user notification for every system call that takes a path tells the
 * supervisor, which notes it and lets it go on: opens, failed look-ups, listings,
 * executed files and their interpreters, links on the way. It serves an honest builder:
 * it keeps the cache right and the record whole; a hostile step can race it, and a
 * hostile builder could run anything. The same for root and user.
 *
 * Depends on: base, model.  Threads: one, and one of the observer's own between start and stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_H
#define AI_OBSERVE_H

#include "base/json.h"

struct ai_observer;
struct stat;
struct timespec;

struct ai_observer *ai_observer_new(void);
void ai_observer_free(struct ai_observer *o);

/*
 * Used by the sandbox. A path of the machine that is mounted inside at its own place: it and what is under it is recorded;
 * what is elsewhere (workspace, /proc, made-up files) is not. root_fd is the sandbox's root, borrowed, for links that
 * lead out of the workspace.
 */
int ai_observer_host(struct ai_observer *o, const char *path, struct ai_err *err) AI_CHECKED;
void ai_observer_root(struct ai_observer *o, int root_fd);
/* A thread answers the calls that wait at the listener, which it takes over. AI_EENV when there is no thread to be had. */
int ai_observer_start(struct ai_observer *o, int listener, struct ai_err *err) AI_CHECKED;
/* Readable once the thread has given up, so that the step cannot go on; -1 when there is none. */
int ai_observer_trouble(const struct ai_observer *o);
/* Ends the thread, once all processes of the step have ended or the thread has given up: 0, or why it did. */
int ai_observer_stop(struct ai_observer *o, struct ai_err *err) AI_CHECKED;

/*
 * ai_observer_used -- the `used` node of what was seen, as it was when it was first seen. A file's bytes are hashed now, by
 * hash_file; one that is no longer the one that was seen is AI_EINPUT.
 *   put_names   stores the canonical JSON array of names of a listed folder as a blob and gives its id
 *   known       1 and the hash that is remembered of a file or folder that looks just like this, 0 none; may be NULL
 *   learn       offers the hash of a folder's names to be remembered; st is from before they were listed, began from before
 *               that; may be NULL
 */
struct ai_used_io {
	int (*hash_file)(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err);
	int (*put_names)(void *ctx, const char *bytes, size_t n, struct ai_digest *out, struct ai_err *err);
	void *ctx;
	int (*known)(void *ctx, const struct stat *st, struct ai_digest *out, struct ai_err *err);
	int (*learn)(void *ctx, const char *path, const struct stat *st, const struct timespec *began, const struct ai_digest *names, struct ai_err *err);
};
int ai_observer_used(struct ai_observer *o, const struct ai_used_io *io, json_t **used, struct ai_err *err) AI_CHECKED;

/*
 * ai_used_holds -- would a step that saw `used` see the same now? 1 yes; 0 no, and *what (fresh text) names the first path
 * that differs and how ("/usr/lib/python3/dist-packages/numpy/__init__.py: content differs").
 */
int ai_used_holds(const json_t *used, const struct ai_used_io *io, char **what, struct ai_err *err) AI_CHECKED;

#endif
