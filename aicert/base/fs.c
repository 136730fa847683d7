/* fs.c -- see fs.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"

int
ai_read_fd(int fd, const char *what, struct ai_buf *b, struct ai_err *err)
{
	char chunk[1 << 16];
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ai_fail_errno(err, AI_EINPUT, "%s: cannot read", what);
		if (n == 0)
			break;
		ai_buf_put(b, chunk, (size_t)n);
		if (b->state != AI_BUF_GOOD)
			break;
	}
	ai_buf_put(b, "", 0);
	return ai_buf_ok(b, what, err);
}

int
ai_read_file_if(int dirfd, const char *path, struct ai_buf *b, struct ai_err *err)
{
	AI_FD fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot open", path);
	return ai_read_fd(fd, path, b, err) < 0 ? err->code : 1;
}

int
ai_read_file(int dirfd, const char *path, struct ai_buf *b, struct ai_err *err)
{
	int r = ai_read_file_if(dirfd, path, b, err);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "%s: no such file", path);
	return r < 0 ? r : 0;
}

int
ai_write_all(int fd, const void *p, size_t n, const char *what, struct ai_err *err)
{
	const char *c = p;
	while (n > 0) {
		ssize_t w = write(fd, c, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot write", what);
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

int
ai_fsync_dir(int dirfd, const char *path, struct ai_err *err)
{
	AI_FD fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot sync folder", path);
	return 0;
}

static int
sync_parent(int dirfd, const char *path, struct ai_err *err)
{
	const char *slash = strrchr(path, '/');
	AI_FREE char *dir = slash == path ? ai_strdup("/") : slash ? ai_strndup(path, (size_t)(slash - path)) : ai_strdup(".");
	return dir ? ai_fsync_dir(dirfd, dir, err) : ai_nomem(err);
}

int
ai_write_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode, struct ai_err *err)
{
	static _Atomic unsigned counter;
	AI_FREE char *tmp = ai_format("%s.%ld.%u.tmp", path, (long)getpid(), counter++);
	if (!tmp)
		return ai_nomem(err);
	(void)unlinkat(dirfd, tmp, 0);
	AI_FD fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot create", path);
	if (ai_write_all(fd, p, n, path, err) < 0)
		goto fail;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, path) < 0) {
		ai_fail_errno(err, AI_EENV, "%s: cannot write", path);
		goto fail;
	}
	return sync_parent(dirfd, path, err);
fail:
	(void)unlinkat(dirfd, tmp, 0);
	return err->code;
}

int
ai_mkdirs(const char *path, mode_t mode, struct ai_err *err)
{
	struct stat st;
	if (!*path)
		return ai_fail(err, AI_EENV, "'': an empty path is no folder");
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	AI_FREE char *p = ai_strdup(path);
	if (!p)
		return ai_nomem(err);
	for (char *s = p + 1;; s++) {
		if (*s != '/' && *s != '\0')
			continue;
		char c = *s;
		*s = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make folder", p);
		*s = c;
		if (c == '\0')
			break;
	}
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EENV, "%s: is there and not a folder", path);
	return 0;
}

/*
 * Removal. What is removed may have been made by somebody who wants it not to be (a step): folders without rights, and folders
 * so deep that neither descriptors nor the stack would reach down. So at DEEP levels a folder is moved up to the top, which is
 * emptied until nothing was moved to it any more. No link is followed.
 */
#define DEEP 64

struct removal {
	int top;               /* the outermost folder */
	unsigned long moved;   /* names given away there */
};

static int remove_at(struct removal *rm, int dirfd, const char *name, int depth, struct ai_err *err);
static int remove_folder(struct removal *rm, int dirfd, const char *name, int depth, int why, struct ai_err *err);

/* name, a folder, goes to the top under a name that nobody has there. */
static int
move_up(struct removal *rm, int dirfd, const char *name, struct ai_err *err)
{
	char aside[64];
	int r;
	do {
		snprintf(aside, sizeof aside, ".removed-%lu", rm->moved++);
		r = renameat(dirfd, name, rm->top, aside);
	} while (r < 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
	return r < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot remove", name) : 0;
}

/* Takes over fd, a folder's. */
static int
empty(struct removal *rm, int fd, int depth, struct ai_err *err)
{
	(void)fchmod(fd, 0700);
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return ai_nomem(err);
	}
	int r = 0;
	unsigned long before;
	do {
		before = rm->moved;
		rewinddir(d);
		for (struct dirent *e; r == 0 && (e = readdir(d));)
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				r = e->d_type != DT_DIR ? remove_at(rm, fd, e->d_name, depth + 1, err) :
					/* Many are empty: temporary folders that nobody used. */
					unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0 ? 0 : remove_folder(rm, fd, e->d_name, depth + 1, EISDIR, err);
	} while (r == 0 && depth == 0 && rm->moved != before);
	closedir(d);
	return r;
}

static int
remove_at(struct removal *rm, int dirfd, const char *name, int depth, struct ai_err *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return ai_fail_errno(err, AI_EENV, "%s: cannot remove", name);
	return remove_folder(rm, dirfd, name, depth, errno, err);
}

/* why: what unlink said of it. */
static int
remove_folder(struct removal *rm, int dirfd, const char *name, int depth, int why, struct ai_err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			errno = why;
		return ai_fail_errno(err, AI_EENV, "%s: cannot remove", name);
	}
	if (depth == 0)
		rm->top = fd;
	if (depth == DEEP) {
		(void)fchmod(fd, 0700); /* its ".." changes, for which it must be writable */
		close(fd);
		return move_up(rm, dirfd, name, err);
	}
	int r = empty(rm, fd, depth, err);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = ai_fail_errno(err, AI_EENV, "%s: cannot remove", name);
	return r;
}

int
ai_remove_tree(int dirfd, const char *path, struct ai_err *err)
{
	struct removal rm = { .top = -1 };
	return remove_at(&rm, dirfd, path, 0, err);
}

void
ai_discard_tree(const char *path)
{
	struct ai_err ignored = { 0 };
	if (ai_remove_tree(AT_FDCWD, path, &ignored) < 0)
		return;
}

int
ai_mkdtemp(const char *prefix, char **out, struct ai_err *err)
{
	char *t = ai_format("%s.XXXXXX", prefix);
	if (!t)
		return ai_nomem(err);
	if (!mkdtemp(t)) {
		ai_fail_errno(err, AI_EENV, "%s: cannot make a temporary folder", prefix);
		free(t);
		return err->code;
	}
	*out = t;
	return 0;
}

int
ai_copy_fd(int in, int out, const char *what, struct ai_err *err)
{
	/* A clone is of the whole file, so it serves only from start to start. */
	if (lseek(in, 0, SEEK_CUR) == 0 && lseek(out, 0, SEEK_CUR) == 0 && ioctl(out, FICLONE, in) == 0)
		return 0;
	bool in_kernel = true;
	char chunk[1 << 16];
	for (;;) {
		ssize_t n = in_kernel ? copy_file_range(in, NULL, out, NULL, 1 << 30, 0) : read(in, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		/* Some file systems refuse it, some (/proc) say 0 for files that have bytes: read() has the last word. */
		if (n <= 0 && in_kernel) {
			in_kernel = false;
			continue;
		}
		if (n < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", what);
		if (n == 0)
			return 0;
		if (!in_kernel && ai_write_all(out, chunk, (size_t)n, what, err) < 0)
			return err->code;
	}
}

/* Drops "." and resolves ".." in an absolute path, in place. */
static void
tidy(char *path)
{
	char *out = path;
	for (const char *p = path; *p;) {
		p += strspn(p, "/");
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

char *
ai_abspath(const char *path)
{
	char *abs = NULL;
	if (path[0] == '/') {
		abs = ai_strdup(path);
	} else {
		AI_FREE char *cwd = getcwd(NULL, 0);
		if (cwd)
			abs = ai_join(cwd, path);
	}
	if (abs)
		tidy(abs);
	return abs;
}

bool
ai_exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
