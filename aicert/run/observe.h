/*
 * observe.h -- what a step in the host environment looked at outside its workspace.
 *
 * A seccomp user notification for every system call that takes a path tells the
 * supervisor, which lets it go on: opens, failed look-ups, listings, executed files,
 * links on the way. It serves an honest builder: it keeps the cache right and the record
 * whole; a hostile step can race it, and a hostile builder could run anything. The same
 * for root and user.
 *
 * Depends on: base, model.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_H
#define AI_OBSERVE_H

#include "base/json.h"

struct ai_observer;

struct ai_observer *ai_observer_new(void);
void ai_observer_free(struct ai_observer *o);

/*
 * Used by the sandbox. A path of the machine that is mounted inside at its own place: it and what is under it is recorded;
 * what is elsewhere (workspace, /proc, made-up files) is not. root_fd is the sandbox's root, borrowed, for links that
 * lead out of the workspace.
 */
int ai_observer_host(struct ai_observer *o, const char *path, struct ai_err *err) AI_CHECKED;
void ai_observer_root(struct ai_observer *o, int root_fd);
/* Answers one call that waits on the notification descriptor (poll said readable). AI_EENV when a bound is hit. */
int ai_observer_serve(struct ai_observer *o, int notify_fd, struct ai_err *err) AI_CHECKED;

/*
 * ai_observer_used -- the `used` node of what was seen. Paths are looked at on the host once more, files hashed by hash_file.
 *   put_names   stores the canonical JSON array of names of a listed folder as a blob and gives its id
 */
struct ai_used_io {
	int (*hash_file)(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err);
	int (*put_names)(void *ctx, const char *bytes, size_t n, struct ai_digest *out, struct ai_err *err);
	void *ctx;
};
int ai_observer_used(struct ai_observer *o, const struct ai_used_io *io, json_t **used, struct ai_err *err) AI_CHECKED;

/*
 * ai_used_holds -- would a step that saw `used` see the same now? 1 yes; 0 no, and *what (fresh text) names the first path
 * that differs and how ("/usr/lib/python3/dist-packages/numpy/__init__.py: content differs").
 */
int ai_used_holds(const json_t *used, const struct ai_used_io *io, char **what, struct ai_err *err) AI_CHECKED;

#endif
