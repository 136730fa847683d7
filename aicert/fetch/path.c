/* path.c -- files and folders of this disk: ai_path_import of fetch.h.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/fetch.h"

enum { MAX_DEPTH = 256 };

struct import {
	const struct ai_sink *sink;
	const struct ai_path_options *o;
	const char *shown;         /* the root as the user named it, for errors */
	char *root;                /* its real path */
	char **leave_out;          /* real paths */
	uint64_t bytes;            /* taken in so far */
};

/* A folder on the way from the root, to see a loop of followed links. */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
	int depth;
	const char *path;          /* relative to the root: "" or "a/b" */
};

static int import_dir(struct import *im, int dirfd, const struct level *at, struct ai_digest *out, struct ai_err *err);

/* The real path of what may not exist yet: its folder's real path and its name. */
static char *
real(const char *path)
{
	char *whole = realpath(path, NULL);
	if (whole)
		return whole;
	AI_FREE char *abs = ai_abspath(path);
	AI_FREE char *dir = abs ? ai_strndup(abs, (size_t)(ai_basename(abs) - abs)) : NULL;
	AI_FREE char *real_dir = dir ? realpath(dir, NULL) : NULL;
	return real_dir ? ai_join(real_dir, ai_basename(abs)) : abs ? ai_strdup(abs) : NULL;
}

static bool
left_out(const struct import *im, const char *path, const char *name)
{
	if (im->o->skip_git && strcmp(name, ".git") == 0)
		return true;
	for (size_t i = 0; i < im->o->n_exclude; i++)
		if (ai_glob(im->o->exclude[i], path))
			return true;
	size_t n = strlen(im->root);
	if (n == 1)
		n = 0;
	for (size_t i = 0; i < im->o->n_leave_out; i++)
		if (strncmp(im->leave_out[i], im->root, n) == 0 && im->leave_out[i][n] == '/' && strcmp(im->leave_out[i] + n + 1, path) == 0)
			return true;
	return false;
}

static const char *
kind_of(mode_t mode)
{
	return S_ISFIFO(mode) ? "FIFO" : S_ISSOCK(mode) ? "socket" : S_ISBLK(mode) ? "block device" : S_ISCHR(mode) ? "character device" : "special file";
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && S_ISREG(a->st_mode) && S_ISREG(b->st_mode);
}

/* One plain file; st is of before it was read. */
static int
import_file(struct import *im, int dirfd, const char *name, const char *shown, const struct stat *st, struct ai_digest *out, struct ai_err *err)
{
	struct stat after;
	uint64_t size = 0;
	if (im->sink->file(im->sink->ctx, dirfd, name, out, &size, err) < 0)
		return ai_in(err, "'%s'", shown);
	if (fstatat(dirfd, name, &after, AT_SYMLINK_NOFOLLOW) < 0 || !same_file(st, &after) || size != (uint64_t)after.st_size) {
		ai_fail(err, AI_EINPUT, "'%s': changed while it was read", shown);
		return ai_hint(err, "run again when nothing writes to it");
	}
	uint64_t before = im->bytes;
	im->bytes += size;
	if (before >> 20 != im->bytes >> 20)
		ai_say_progress(im->o->talk, im->shown, im->bytes, 0);
	return 0;
}

/*
 * The folder and name of what a link finally points to, so that it can be read by a name that is no link.
 * *dir_out is an open folder, *name_out fresh.
 */
static int
follow_link(int dirfd, const char *name, const char *shown, int *dir_out, char **name_out, struct stat *st, struct ai_err *err)
{
	AI_FD fd = openat(dirfd, name, O_PATH | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return ai_fail(err, AI_EINPUT, "'%s': link that leads to itself", shown);
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': link that leads nowhere", shown);
	AI_FREE char *self = ai_format("/proc/self/fd/%d", fd);
	AI_FREE char *path = self ? realpath(self, NULL) : NULL;
	AI_FREE char *dir = path ? ai_strndup(path, (size_t)(ai_basename(path) - path)) : NULL;
	if (fstat(fd, st) < 0 || !dir)
		return ai_fail_errno(err, AI_EINPUT, "'%s': link cannot be followed", shown);
	AI_FREE char *base = ai_strdup(path[1] ? ai_basename(path) : ".");
	AI_FD parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || !base)
		return ai_fail_errno(err, AI_EINPUT, "'%s': link cannot be followed", shown);
	*dir_out = parent;
	*name_out = base;
	parent = -1;
	base = NULL;
	return 0;
}

static int
import_link(const struct import *im, int dirfd, const char *name, const char *path, const char *shown, struct ai_entry *e, struct ai_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof target);
	if (n < 0 || n == (ssize_t)sizeof target)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot read link", shown);
	target[n] = '\0';
	if (!ai_link_inside(path, target)) {
		ai_fail(err, AI_EINPUT, "'%s': link to '%s' leaves '%s'", shown, target, im->shown);
		return ai_hint(err, "exclude it, or write 'follow: true' to take in what it points to");
	}
	e->type = AI_ENTRY_LINK;
	e->target = ai_strdup(target);
	return e->target ? 0 : ai_nomem(err);
}

static int
import_subdir(struct import *im, int dirfd, const char *name, const char *path, const char *shown, const struct level *at, struct ai_entry *e, struct ai_err *err)
{
	struct stat st;
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open folder", shown);
	struct level here = { at, st.st_dev, st.st_ino, at->depth + 1, path };
	if (here.depth > MAX_DEPTH)
		return ai_fail(err, AI_EINPUT, "'%s': folders nested deeper than %d", shown, MAX_DEPTH);
	for (const struct level *l = at; l; l = l->up)
		if (l->dev == st.st_dev && l->ino == st.st_ino)
			return ai_fail(err, AI_EINPUT, "'%s': link that leads back to '%s'", shown, l->path[0] ? l->path : im->shown);
	e->type = AI_ENTRY_DIR;
	return import_dir(im, fd, &here, &e->id, err);
}

/* The entry of name, whatever it is; st is lstat's. */
static int
import_entry(struct import *im, int dirfd, const char *name, const char *path, const struct level *at, struct ai_entry *e, struct ai_err *err)
{
	struct stat st;
	AI_FREE char *shown = ai_join(im->shown, path);
	AI_FREE char *real_name = NULL;
	AI_FD other = -1;
	if (!shown)
		return ai_nomem(err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot stat", shown);
	if (S_ISLNK(st.st_mode) && im->o->follow) {
		if (follow_link(dirfd, name, shown, &other, &real_name, &st, err) < 0)
			return err->code;
		dirfd = other;
		name = real_name;
	}
	if (S_ISLNK(st.st_mode))
		return import_link(im, dirfd, name, path, shown, e, err);
	if (S_ISDIR(st.st_mode))
		return import_subdir(im, dirfd, name, path, shown, at, e, err);
	if (!S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "'%s': is a %s: expected a file, folder or link", shown, kind_of(st.st_mode));
	e->type = st.st_mode & 0100 ? AI_ENTRY_EXEC : AI_ENTRY_FILE;
	return import_file(im, dirfd, name, shown, &st, &e->id, err);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* The names in a folder, sorted, so that two runs fail at the same file. */
static int
list_dir(int dirfd, const char *shown, char ***names_out, size_t *n_out, struct ai_err *err)
{
	int fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	size_t n = 0, cap = 0;
	if (!d) {
		ai_fail_errno(err, AI_EINPUT, "'%s': cannot list", shown);
		if (fd >= 0)
			close(fd);
		return err->code;
	}
	int r = 0;
	errno = 0;
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = ai_grow(&names, &cap, n, sizeof *names, err);
		if (r == 0 && !(names[n] = ai_strdup(e->d_name)))
			r = ai_nomem(err);
		n += r == 0;
		errno = 0;
	}
	if (r == 0 && errno)
		r = ai_fail_errno(err, AI_EINPUT, "'%s': cannot list", shown);
	closedir(d);
	if (r < 0) {
		free_names(names, n);
		return r;
	}
	if (n > 1)
		qsort(names, n, sizeof *names, by_name);
	*names_out = names;
	*n_out = n;
	return 0;
}

static int
import_named(struct import *im, int dirfd, const char *name, const struct level *at, struct ai_entry *list, size_t *n, struct ai_err *err)
{
	AI_FREE char *path = at->path[0] ? ai_join(at->path, name) : ai_strdup(name);
	if (!path)
		return ai_nomem(err);
	if (ai_check_interrupt(err) < 0)
		return err->code;
	if (left_out(im, path, name))
		return 0;
	if (ai_name_check(name, err) < 0)
		return ai_in(err, "'%s/%s'", im->shown, at->path);
	struct ai_entry *e = &list[*n];
	*e = (struct ai_entry){ .name = ai_strdup(name) };
	if (!e->name)
		return ai_nomem(err);
	++*n;
	return import_entry(im, dirfd, name, path, at, e, err);
}

static int
import_dir(struct import *im, int dirfd, const struct level *at, struct ai_digest *out, struct ai_err *err)
{
	AI_FREE char *shown = at->path[0] ? ai_join(im->shown, at->path) : ai_strdup(im->shown);
	char **names = NULL;
	size_t n_names = 0, n = 0;
	if (!shown)
		return ai_nomem(err);
	if (list_dir(dirfd, shown, &names, &n_names, err) < 0)
		return err->code;
	struct ai_entry *list = ai_calloc(n_names ? n_names : 1, sizeof *list);
	int r = list ? 0 : ai_nomem(err);
	for (size_t i = 0; r == 0 && i < n_names; i++)
		r = import_named(im, dirfd, names[i], at, list, &n, err);
	if (r == 0 && im->sink->tree(im->sink->ctx, list, n, out, err) < 0)
		r = ai_in(err, "'%s'", shown);
	ai_entries_free(list, n);
	free_names(names, n_names);
	return r;
}

static int
import_root(struct import *im, int dirfd, const char *name, const struct stat *st, struct ai_ref *out, struct ai_err *err)
{
	if (S_ISREG(st->st_mode)) {
		out->type = AI_REF_BLOB;
		return import_file(im, dirfd, name, im->shown, st, &out->id, err);
	}
	if (!S_ISDIR(st->st_mode))
		return ai_fail(err, AI_EINPUT, "'%s': is a %s: expected a file or folder", im->shown, S_ISLNK(st->st_mode) ? "link" : kind_of(st->st_mode));
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open folder", im->shown);
	struct level root = { NULL, st->st_dev, st->st_ino, 0, "" };
	out->type = AI_REF_TREE;
	return import_dir(im, fd, &root, &out->id, err);
}

/* Opens what holds the root and finds its real path and the real paths of what is left out. */
static int
find_root(struct import *im, const char *path, int *dir_out, char **name_out, struct stat *st, struct ai_err *err)
{
	AI_FREE char *abs = ai_abspath(path);
	AI_FREE char *dir = abs ? ai_strndup(abs, (size_t)(ai_basename(abs) - abs)) : NULL;
	AI_FREE char *name = abs ? ai_strdup(abs[1] ? ai_basename(abs) : ".") : NULL;
	im->leave_out = ai_calloc(im->o->n_leave_out, sizeof *im->leave_out);
	if (!dir || !name || (im->o->n_leave_out && !im->leave_out))
		return ai_nomem(err);
	AI_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", path);
	if (S_ISLNK(st->st_mode) && im->o->follow) {
		int link_dir = fd;
		char *link_name = NULL;
		if (follow_link(link_dir, name, path, dir_out, &link_name, st, err) < 0)
			return err->code;
		*name_out = link_name;
	} else {
		*dir_out = fd;
		*name_out = name;
		fd = -1;
		name = NULL;
	}
	im->root = real(path);
	for (size_t i = 0; im->root && i < im->o->n_leave_out; i++)
		if (!(im->leave_out[i] = real(im->o->leave_out[i])))
			return ai_nomem(err);
	return im->root ? 0 : ai_nomem(err);
}

int
ai_path_import(const struct ai_sink *sink, const char *path, const struct ai_path_options *options, struct ai_ref *out, struct ai_err *err)
{
	struct import im = { .sink = sink, .o = options, .shown = path };
	struct stat st;
	struct ai_ref got = { .type = AI_REF_BLOB };
	AI_FD dirfd = -1;
	AI_FREE char *name = NULL;
	int r = find_root(&im, path, &dirfd, &name, &st, err);
	if (r == 0)
		r = import_root(&im, dirfd, name, &st, &got, err);
	if (r == 0)
		*out = got;
	for (size_t i = 0; im.leave_out && i < options->n_leave_out; i++)
		free(im.leave_out[i]);
	free(im.leave_out);
	free(im.root);
	return r;
}
