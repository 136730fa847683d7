/* trees.c -- see store.h: has, checkout, export.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/trees.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "cache/inside.h"
#include "cache/nodes.h"
#include "cache/objects.h"

/* --- has ------------------------------------------------------------------------ */

static int has_tree(struct ai_store *s, const struct ai_digest *id, int depth, struct ai_err *err);

static int
has_blob(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	return ai_object_is_here(s, id, err);
}

static int
has_entries(struct ai_store *s, const struct ai_entry *e, size_t n, int depth, struct ai_err *err)
{
	int r = 1;
	for (size_t i = 0; i < n && r == 1; i++) {
		if (e[i].type == AI_ENTRY_DIR)
			r = has_tree(s, &e[i].id, depth + 1, err);
		else if (e[i].type != AI_ENTRY_LINK)
			r = has_blob(s, &e[i].id, err);
	}
	return r;
}

static int
has_tree(struct ai_store *s, const struct ai_digest *id, int depth, struct ai_err *err)
{
	struct ai_entry *entries;
	struct ai_err damage = { 0 };
	size_t n;
	if (ai_idset_has(&s->sound, id, AI_AS_NODE))
		return 1;
	if (depth > AI_TREE_DEPTH)
		return ai_fail(err, AI_EINPUT, "cache: tree: folders nested deeper than %d", AI_TREE_DEPTH);
	int r = ai_node_entries(s, id, &entries, &n, &damage);
	/* A damaged node has been removed: it is absent. */
	if (r == AI_EINPUT || r == 0)
		return 0;
	if (r < 0) {
		*err = damage;
		return r;
	}
	r = has_entries(s, entries, n, depth, err);
	ai_entries_free(entries, n);
	if (r == 1 && ai_idset_mark(&s->sound, id, AI_AS_NODE, err) < 0)
		return err->code;
	return r;
}

int
ai_store_has(struct ai_store *s, const struct ai_ref *ref, struct ai_err *err)
{
	/* Of an object that waits it is known; a tree is looked up by its row. */
	if ((ref->type == AI_REF_TREE ? ai_batch_need(s, &ref->id, AI_AS_NODE, err) : ai_batch_keep(s, err)) < 0)
		return err->code;
	return ref->type == AI_REF_TREE ? has_tree(s, &ref->id, 0, err) : has_blob(s, &ref->id, err);
}

/* --- laying aside, then a name ------------------------------------------------------ */

/* 1 the name was free and is now ours, 0 it was taken. */
static int
rename_if_free(int from_fd, const char *from, int to_fd, const char *to, struct ai_err *err)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 1;
	if (errno == EINVAL || errno == ENOSYS) {
		/* A file system without RENAME_NOREPLACE: a folder cannot replace a filled one, a file is looked for first. */
		if (faccessat(to_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return 0;
		if (renameat(from_fd, from, to_fd, to) == 0)
			return 1;
	}
	if (errno == EEXIST || errno == ENOTEMPTY)
		return 0;
	return ai_fail_errno(err, AI_EENV, "'%s': cannot put in place", to);
}

/* The content as `name` in a folder of ours; removed again when it does not come out whole. */
static int
lay_at(struct ai_laying *l, const struct ai_ref *ref, int dirfd, const char *name, struct ai_err *err)
{
	int r;
	if (ref->type == AI_REF_BLOB) {
		r = ai_lay_file(l, &ref->id, false, dirfd, name, err);
	} else {
		r = mkdirat(dirfd, name, 0700) < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot make folder", name) : 0;
		AI_FD fd = r < 0 ? -1 : openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (r == 0)
			r = fd < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot open", name) : ai_lay_tree(l, &ref->id, fd, 0, err);
	}
	if (r < 0) {
		struct ai_err ignored = { 0 };
		(void)(ai_remove_tree(dirfd, name, &ignored) < 0);
	}
	return r;
}

/* The folder that dest is in, opened, and dest's own name there (fresh). */
static int
open_parent(const char *dest, int *fd_out, char **name_out, struct ai_err *err)
{
	AI_FREE char *abs = ai_abspath(dest);
	char *slash = abs ? strrchr(abs, '/') : NULL;
	if (!slash)
		return ai_nomem(err);
	if (slash[1] == '\0')
		return ai_fail(err, AI_EINPUT, "'%s': is already there", dest);
	AI_FREE char *name = ai_strdup(slash + 1);
	if (!name)
		return ai_nomem(err);
	slash[slash == abs] = '\0';
	int fd = open(abs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot open folder", abs);
	*fd_out = fd;
	*name_out = name;
	name = NULL;
	return 0;
}

/* One file by itself; a folder with all that the file system has to write. */
static int
sync_laid(const struct ai_ref *ref, int dirfd, const char *aside, const char *name, struct ai_err *err)
{
	AI_FD fd = ref->type == AI_REF_BLOB ? openat(dirfd, aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	int r = ref->type == AI_REF_BLOB ? (fd < 0 ? -1 : fsync(fd)) : syncfs(dirfd);
	return r < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot sync", name) : 0;
}

/* Lays beside dest under a name that nobody else uses, syncs if it is to last, and renames: 1 done, 0 dest was taken. */
static int
lay_beside(struct ai_laying *l, const struct ai_ref *ref, int dirfd, const char *name, struct ai_err *err)
{
	unsigned char r6[6];
	char aside[32] = ".aicert-tmp-";
	struct ai_err ignored = { 0 };
	/* A random name: the folder may be shared with machines and containers that count processes for themselves. */
	if (getrandom(r6, sizeof r6, 0) != (ssize_t)sizeof r6)
		return ai_fail_errno(err, AI_EENV, "no random bytes");
	ai_hex_bytes(r6, sizeof r6, aside + strlen(aside));
	if (lay_at(l, ref, dirfd, aside, err) < 0)
		return err->code;
	int r = l->own && !l->soon ? sync_laid(ref, dirfd, aside, name, err) : 0;
	if (r == 0)
		r = rename_if_free(dirfd, aside, dirfd, name, err);
	if (r != 1)
		(void)(ai_remove_tree(dirfd, aside, &ignored) < 0);
	return r;
}

/* --- checkout ------------------------------------------------------------------------ */

/* Is what stands at name what a checkout of ref would have put there? */
static int
same_checkout(struct ai_store *s, const struct ai_ref *ref, int dirfd, const char *name, struct ai_err *err)
{
	struct stat st, object;
	if (ref->type == AI_REF_TREE)
		return ai_laid_same(s, &ref->id, dirfd, name, 0, err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (ai_object_need(s, &ref->id, &object, err) < 0)
		return err->code;
	return S_ISREG(st.st_mode) && st.st_size == object.st_size && st.st_mtim.tv_sec == AI_OBJECT_MTIME && (st.st_mode & 07777) == 0444;
}

int
ai_store_checkout(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err)
{
	struct ai_laying l = { .s = s };
	AI_FREE char *name = NULL;
	AI_FD dirfd = -1;
	if (ai_batch_settle(s, err) < 0 || open_parent(dest, &dirfd, &name, err) < 0)
		return err->code;
	int r = 0;
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = lay_beside(&l, ref, dirfd, name, err);
	/* Somebody was first: fine if it was with the same. */
	if (r == 0)
		r = same_checkout(s, ref, dirfd, name, err);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "'%s': is already there, and is something else", dest);
	return r < 0 ? ai_in(err, "checkout") : 0;
}

/* A kept checkout that is not what it should be goes where nobody finds it; running steps keep what they have bound. */
static int
discard_kept(struct ai_store *s, int trees_fd, const char *hex, struct ai_err *err)
{
	char aside[AI_SESSION_NAME];
	int dir = ai_session_dir(&s->session, err);
	if (dir < 0)
		return err->code;
	ai_session_name(&s->session, aside);
	if (renameat(trees_fd, hex, dir, aside) < 0 && errno != ENOENT)
		return ai_fail_errno(err, AI_EENV, "cache: trees/%s: cannot move away", hex);
	return 0;
}

/* Made in the session's folder, which is swept if we die. 1 ours stands, 0 another was first. */
static int
make_kept(struct ai_store *s, const struct ai_digest *tree, int trees_fd, const char *hex, struct ai_err *err)
{
	struct ai_laying l = { .s = s };
	struct ai_ref ref = { AI_REF_TREE, *tree };
	char aside[AI_SESSION_NAME];
	int dir = ai_session_dir(&s->session, err);
	if (dir < 0)
		return err->code;
	ai_session_name(&s->session, aside);
	if (lay_at(&l, &ref, dir, aside, err) < 0)
		return err->code;
	/* Hard links have content that is on disk; copies would be reused after a power cut with the right size and no bytes. */
	if (l.copied && syncfs(dir) < 0)
		return ai_fail_errno(err, AI_EENV, "cache: trees/%s: cannot sync", hex);
	return rename_if_free(dir, aside, trees_fd, hex, err);
}

static int
ensure_kept(struct ai_store *s, const struct ai_digest *tree, int trees_fd, const char *hex, struct ai_err *err)
{
	if (ai_idset_has(&s->laid, tree, AI_AS_NODE) && faccessat(trees_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* Each turn ends well, or somebody else made or removed it meanwhile. */
	for (int turn = 0; turn < 16; turn++) {
		int r = faccessat(trees_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? make_kept(s, tree, trees_fd, hex, err) : 0;
		if (r == 0)
			r = ai_laid_same(s, tree, trees_fd, hex, 0, err);
		if (r == 1)
			return ai_idset_mark(&s->laid, tree, AI_AS_NODE, err);
		if (r < 0 || discard_kept(s, trees_fd, hex, err) < 0)
			return err->code;
	}
	return ai_fail(err, AI_EENV, "cache: trees/%s: something keeps changing it", hex);
}

int
ai_store_checked_out(struct ai_store *s, const struct ai_digest *tree, char **path_out, struct ai_err *err)
{
	char hex[AI_HEX];
	if (ai_batch_need(s, tree, AI_AS_NODE, err) < 0)
		return err->code;
	AI_FD fd = openat(s->cache_fd, "trees", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: trees: cannot open");
	ai_hex(tree, hex);
	if (ensure_kept(s, tree, fd, hex, err) < 0)
		return err->code;
	char *path = ai_format("%s/trees/%s", s->cache, hex);
	if (!path)
		return ai_nomem(err);
	*path_out = path;
	return 0;
}

/* --- export --------------------------------------------------------------------------- */

static int
export(struct ai_laying *l, const struct ai_ref *ref, const char *dest, struct ai_err *err)
{
	AI_FREE char *name = NULL;
	AI_FD dirfd = -1;
	if (ai_batch_settle(l->s, err) < 0 || open_parent(dest, &dirfd, &name, err) < 0)
		return err->code;
	int r = 0;
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = lay_beside(l, ref, dirfd, name, err);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "'%s': is already there", dest);
	if (r < 0)
		return ai_in(err, "export");
	return !l->soon && fsync(dirfd) < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot sync folder", dest) : 0;
}

int
ai_store_export(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err)
{
	return export(&(struct ai_laying){ .s = s, .own = true }, ref, dest, err);
}

int
ai_store_export_soon(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err)
{
	return export(&(struct ai_laying){ .s = s, .own = true, .soon = true }, ref, dest, err);
}

int
ai_store_sync_at(const char *folder, uint64_t *last, struct ai_err *err)
{
	struct stat st;
	AI_FD fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot open folder", folder);
	if (*last == st.st_dev)
		return 0;
	*last = st.st_dev;
	return syncfs(fd) < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot sync", folder) : 0;
}
