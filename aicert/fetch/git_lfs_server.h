/*
 * git_lfs_server.h -- the LFS server of a repository, and who we are there; private to git_lfs*.c.
 *
 * Depends on: base, http.  Threads: a server belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_LFS_SERVER_H
#define AI_GIT_LFS_SERVER_H

#include <stdbool.h>

#include "base/json.h"
#include "fetch/fetch.h"
#include "fetch/git_text.h"

struct ai_lfs_server {
	const struct ai_fetch *f;
	const struct ai_git_url *remote;
	char *url;              /* without '/' at its end; secret if it has a query */
	char *shown;
	char *login;            /* "Authorization: …" that the server took, or may take; NULL: none yet */
	json_t *header;         /* what git-lfs-authenticate said to send; NULL: nothing */
	unsigned tried;         /* ways to log in, as bits */
	bool plain;             /* http to any host: the remote itself is one */
};

/* configured: lfs.url of .lfsconfig, or NULL. */
int ai_lfs_server_open(const struct ai_fetch *f, const struct ai_git_url *remote, const char *configured, struct ai_lfs_server *out, struct ai_err *err) AI_CHECKED;
void ai_lfs_server_close(struct ai_lfs_server *s);
/* Is this URL on the same server, by scheme, host and port? */
bool ai_lfs_server_is(const struct ai_lfs_server *s, const char *url);
/* A server's own words may repeat what it was shown: in the fault, stars take the place of login and headers. */
void ai_lfs_server_hide(const struct ai_lfs_server *s, struct ai_err *err);
/* What it answers to a batch request. AI_EINPUT: no LFS server there, no right to it; AI_EENV: cannot be reached. */
int ai_lfs_ask(struct ai_lfs_server *s, const json_t *request, json_t **answer, struct ai_err *err) AI_CHECKED;

#endif
