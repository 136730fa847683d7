/*
 * git_lfs.h -- the large files of a git repository (Git LFS): their contents from the repository's LFS server, each checked against its oid.
 *
 * Files are Git LFS's where the commit's .gitattributes say so (git_attr.h) and a pointer stands in them. A pointer names SHA-256 and size, so a
 * tree is known without the contents. They come by the batch API with transfer `basic`, from where git-lfs looks: `lfs.url` of .lfsconfig, else
 * <remote>.git/info/lfs; of an ssh remote, where `git-lfs-authenticate` says over ssh; of a repository of this disk, its own lfs/objects. Logins as
 * auth.h finds them, those of the remote's URL for its own server only.
 *
 * Depends on: base, model, sink, http, files.  Threads: as fetch.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_LFS_H
#define AI_GIT_LFS_H

#include "base/json.h"
#include "fetch/fetch.h"
#include "fetch/git_text.h"

struct ai_lfs_object {
	char *path;                  /* of a file that it is, for errors */
	struct ai_digest oid;
	uint64_t size;
};

/* What a repository's commit asks of its LFS server. */
struct ai_lfs {
	struct ai_lfs_object *objects;
	size_t n, cap;
	char *url;                   /* of .lfsconfig; NULL: none */
};
void ai_lfs_done(struct ai_lfs *l);
int ai_lfs_add(struct ai_lfs *l, const char *path, const struct ai_digest *oid, uint64_t size, struct ai_err *err) AI_CHECKED;

/* All of them into the sink. storage: folder lfs/objects of a repository of this disk, NULL for others. */
int ai_lfs_bring(const struct ai_fetch *f, const struct ai_git_url *url, const char *storage, struct ai_lfs *l, struct ai_err *err) AI_CHECKED;

/* Pure: a server's answer to a batch. actions[i] is how objects[i] is to be had, borrowed from answer. AI_EINPUT names the file that is not to be had. */
struct ai_lfs_action { const char *href; const json_t *header; };
int ai_lfs_answer(const json_t *answer, const struct ai_lfs_object *objects, size_t n, struct ai_lfs_action *actions, struct ai_err *err) AI_CHECKED;

#endif
