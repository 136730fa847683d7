/*
 * git.h -- private to git.c, git_remote.c and git_auth.c: what they share of libgit2.
 *
 * The only file that includes git2.h. Written for libgit2 1.5, which knows no shallow
 * fetch and no time-outs of its own.
 *
 * Depends on: base, model, sink.  Threads: a link belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_H
#define AI_GIT_H

#include <git2.h>
#include <stdbool.h>

#include "fetch/fetch.h"
#include "fetch/git_text.h"

/* One connection to a remote repository: the payload of libgit2's callbacks. */
struct ai_git_link {
	const struct ai_git_url *url;
	const struct ai_talk *talk;
	git_remote *remote;
	unsigned tried;        /* ways to log in that were offered and refused, as bits */
	struct ai_err said;    /* why a callback of ours refused; code 0 = it did not */
};

/* --- git.c ---------------------------------------------------------------- */
/* Turns libgit2's last error into ours: which side's fault, without what is secret in the URL. returned: libgit2's code. */
int ai_git_fail(const struct ai_git_url *url, int returned, const char *doing, struct ai_err *err);

/* --- git_auth.c: callbacks of libgit2 --------------------------------------- */
int ai_git_credentials(git_credential **out, const char *url, const char *user, unsigned allowed, void *link);
int ai_git_certificate(git_cert *cert, int valid, const char *host, void *link);

/* --- git_remote.c ----------------------------------------------------------- */
/* What does ref (NULL = HEAD) mean on the remote now? cache as in ai_fetch. */
int ai_git_remote_resolve(const struct ai_fetch *f, const struct ai_git_url *url, const char *ref, struct ai_git_id *out,
	struct ai_err *err) AI_CHECKED;
/*
 * ai_git_remote_fetch -- a bare repository of the cache that holds the commit and all it needs; *out is caller's to free.
 * Asks for no more than it must: the ref that points to the commit, the commit, the pin's ref, all branches and tags.
 * Returns 1 with *out; 0 when the remote has no such commit (any more).
 */
int ai_git_remote_fetch(const struct ai_fetch *f, const struct ai_git_url *url, const struct ai_git_id *commit, const char *ref,
	git_repository **out, struct ai_err *err) AI_CHECKED;
/* Removes the cache's copy, which was found damaged. */
int ai_git_cache_drop(const struct ai_fetch *f, const struct ai_git_url *url, struct ai_err *err) AI_CHECKED;

/*
 * ai_git_find_ref -- the rules by which a ref means a commit, wherever refs are kept: NULL is HEAD, refs/… itself,
 * else a branch or a tag; both, and different: refused. find: 1 found, 0 not, negative.
 */
int ai_git_find_ref(int (*find)(void *ctx, const char *name, struct ai_git_id *out, struct ai_err *err), void *ctx,
	const char *ref, struct ai_git_id *out, char **name_out, struct ai_err *err) AI_CHECKED;

#endif
