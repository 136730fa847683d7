/* lay.c -- see trees.h.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"
#include "cache/inside.h"
#include "cache/nodes.h"
#include "cache/objects.h"
#include "cache/pump.h"
#include "cache/trees.h"

/* The entries of a tree that must be there, at a depth that must not be too great. */
static int
entries_of(struct ai_store *s, const struct ai_digest *tree, int depth, struct ai_entry **out, size_t *n, struct ai_err *err)
{
	char text[AI_SHORT];
	if (depth > AI_TREE_DEPTH)
		return ai_fail(err, AI_EINPUT, "cache: tree: folders nested deeper than %d", AI_TREE_DEPTH);
	int r = ai_node_entries(s, tree, out, n, err);
	if (r != 0)
		return r < 0 ? r : 0;
	ai_short_id(tree, text);
	ai_fail(err, AI_EINPUT, "cache: tree %s: not in the store", text);
	return ai_hint(err, "run the same command again: what is missing is then fetched or made anew");
}

/* --- files ------------------------------------------------------------------- */

/* Copies the object and, since it is read anyway, checks its content. */
static int
copy_checked(struct ai_laying *l, const struct ai_digest *id, int to, const char *name, struct ai_err *err)
{
	struct stat st;
	struct ai_digest got;
	AI_FD from = ai_object_open(l->s, id, &st, err);
	if (from < 0)
		return err->code;
	if (ai_pump(from, to, name, &got, NULL, err) < 0)
		return err->code;
	return ai_digest_eq(id, &got) ? 0 : ai_object_damaged(l->s, id, &got, &st, err);
}

static int
lay_copy(struct ai_laying *l, const struct ai_digest *id, bool exec, int dirfd, const char *name, struct ai_err *err)
{
	mode_t mode = l->own ? (exec ? 0755 : 0644) : (exec ? 0555 : 0444);
	AI_FD to = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot create", name);
	l->copied = true;
	if (copy_checked(l, id, to, name, err) < 0)
		return err->code;
	if (fchmod(to, mode) < 0 || (!l->own && futimens(to, ai_object_times) < 0))
		return ai_fail_errno(err, AI_EENV, "'%s': cannot finish", name);
	return 0;
}

int
ai_lay_file(struct ai_laying *l, const struct ai_digest *id, bool exec, int dirfd, const char *name, struct ai_err *err)
{
	char object[AI_OBJECT_NAME];
	if (l->own || exec)
		return lay_copy(l, id, exec, dirfd, name, err);
	if (ai_object_need(l->s, id, NULL, err) < 0)
		return err->code;
	ai_object_name(id, object);
	if (linkat(l->s->objects_fd, object, dirfd, name, 0) == 0)
		return 0;
	/* Another file system, too many links (ext4: 65000, and every empty file is one object), or a kernel that guards links. */
	if (errno == EXDEV || errno == EMLINK || errno == EPERM || errno == EOPNOTSUPP || errno == EACCES)
		return lay_copy(l, id, exec, dirfd, name, err);
	return ai_fail_errno(err, AI_EENV, "'%s': cannot link", name);
}

/* --- trees ------------------------------------------------------------------- */

static int
lay_link(const struct ai_laying *l, const char *target, int dirfd, const char *name, struct ai_err *err)
{
	if (symlinkat(target, dirfd, name) < 0 || (!l->own && utimensat(dirfd, name, ai_object_times, AT_SYMLINK_NOFOLLOW) < 0))
		return ai_fail_errno(err, AI_EENV, "'%s': cannot make link", name);
	return 0;
}

static int
lay_dir(struct ai_laying *l, const struct ai_digest *tree, int dirfd, const char *name, int depth, struct ai_err *err)
{
	if (mkdirat(dirfd, name, 0700) < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot make folder", name);
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot open", name);
	return ai_lay_tree(l, tree, fd, depth, err);
}

static int
lay_entry(struct ai_laying *l, const struct ai_entry *e, int dirfd, int depth, struct ai_err *err)
{
	if (ai_check_interrupt(err) < 0)
		return err->code;
	switch (e->type) {
	case AI_ENTRY_FILE:
	case AI_ENTRY_EXEC:
		return ai_lay_file(l, &e->id, e->type == AI_ENTRY_EXEC, dirfd, e->name, err);
	case AI_ENTRY_DIR:
		return lay_dir(l, &e->id, dirfd, e->name, depth + 1, err);
	case AI_ENTRY_LINK:
		return lay_link(l, e->target, dirfd, e->name, err);
	}
	return ai_fail(err, AI_EENV, "internal: entry of unknown type");
}

int
ai_lay_tree(struct ai_laying *l, const struct ai_digest *tree, int dirfd, int depth, struct ai_err *err)
{
	struct ai_entry *entries;
	size_t n;
	if (entries_of(l->s, tree, depth, &entries, &n, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = lay_entry(l, &entries[i], dirfd, depth, err);
	ai_entries_free(entries, n);
	/* The folder's own mode and mtime come last: filling it would move the mtime. */
	if (r == 0 && (fchmod(dirfd, 0755) < 0 || (!l->own && futimens(dirfd, ai_object_times) < 0)))
		r = ai_fail_errno(err, AI_EENV, "cannot finish folder");
	return r;
}

/* --- is it still the same? ---------------------------------------------------- */

static bool
untouched(const struct stat *st)
{
	return st->st_mtim.tv_sec == AI_OBJECT_MTIME && st->st_mtim.tv_nsec == 0;
}

static int
same_file(struct ai_store *s, const struct ai_entry *e, const struct stat *st, struct ai_err *err)
{
	struct stat object;
	mode_t mode = e->type == AI_ENTRY_EXEC ? 0555 : 0444;
	if (!S_ISREG(st->st_mode) || (st->st_mode & 07777) != mode || !untouched(st))
		return 0;
	if (ai_object_need(s, &e->id, &object, err) < 0)
		return err->code;
	/* A hard link is the object or an older, replaced file of it: then only a fresh checkout can be trusted. */
	if (e->type == AI_ENTRY_FILE && st->st_nlink > 1 && (st->st_ino != object.st_ino || st->st_dev != object.st_dev))
		return 0;
	return st->st_size == object.st_size;
}

static int
same_link(const struct ai_entry *e, int dirfd, const struct stat *st)
{
	char target[4096];
	if (!S_ISLNK(st->st_mode))
		return 0;
	ssize_t n = readlinkat(dirfd, e->name, target, sizeof target);
	return n >= 0 && (size_t)n == strlen(e->target) && memcmp(target, e->target, (size_t)n) == 0;
}

static int
same_entry(struct ai_store *s, const struct ai_entry *e, int dirfd, int depth, struct ai_err *err)
{
	struct stat st;
	if (fstatat(dirfd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	switch (e->type) {
	case AI_ENTRY_FILE:
	case AI_ENTRY_EXEC:
		return same_file(s, e, &st, err);
	case AI_ENTRY_DIR:
		return ai_laid_same(s, &e->id, dirfd, e->name, depth + 1, err);
	case AI_ENTRY_LINK:
		return same_link(e, dirfd, &st);
	}
	return 0;
}

/* Names in the folder that fd is, which stays open for the caller; SIZE_MAX when it cannot be read. */
static size_t
count_names(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	size_t n = 0;
	if (!d) {
		ai_close_fd(&again);
		return SIZE_MAX;
	}
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

int
ai_laid_same(struct ai_store *s, const struct ai_digest *tree, int dirfd, const char *name, int depth, struct ai_err *err)
{
	struct ai_entry *entries;
	size_t n;
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (entries_of(s, tree, depth, &entries, &n, err) < 0)
		return err->code;
	int r = count_names(fd) == n;
	for (size_t i = 0; i < n && r == 1; i++)
		r = same_entry(s, &entries[i], fd, depth, err);
	ai_entries_free(entries, n);
	return r;
}
