/* workspace.c -- see workspace.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

enum { MAX_DEPTH = 128, MAX_LINK = 4096 };

static int
open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		/* O_NONBLOCK: a step may have left a FIFO where an action reads or writes a file, and nobody at its other end. */
		.flags = (unsigned)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY | O_NONBLOCK)),
		.mode = flags & O_CREAT ? 0644 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int
ai_workspace_open(const char *scratch, const char *path, int flags, struct ai_err *err)
{
	AI_FD root = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", scratch);
	int fd = open_beneath(root, path + strspn(path, "/"), flags);
	if (fd >= 0)
		return fd;
	if (errno == ELOOP || errno == EXDEV)
		return ai_fail(err, AI_ESTEP, "'%s' leads through a symbolic link, which is not followed", path);
	if (errno == ENOENT || errno == ENOTDIR)
		return ai_fail(err, AI_ESTEP, "'%s' is not there", path);
	return ai_fail_errno(err, AI_ESTEP, "'%s': cannot open", path);
}

/* Makes the folders above path, each opened beneath the last. */
static int
make_parents(const char *scratch, const char *path, struct ai_err *err)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		AI_FREE char *dir = ai_strndup(path, (size_t)(slash - path));
		if (!dir)
			return ai_nomem(err);
		struct ai_err absent = { 0 };
		AI_FD there = ai_workspace_open(scratch, dir, O_PATH | O_DIRECTORY, &absent);
		if (there >= 0)
			continue;
		AI_FREE char *up = ai_strndup(dir, (size_t)(strrchr(dir, '/') - dir));
		if (!up)
			return ai_nomem(err);
		AI_FD parent = ai_workspace_open(scratch, *up ? up : "/.", O_PATH | O_DIRECTORY, err);
		if (parent < 0)
			return err->code;
		if (mkdirat(parent, ai_basename(dir), 0755) < 0)
			return ai_fail_errno(err, AI_ESTEP, "'%s': cannot make folder", dir);
	}
	return 0;
}

static int
create(const char *scratch, const char *path, struct ai_err *err)
{
	if (make_parents(scratch, path, err) < 0)
		return err->code;
	AI_FD fd = ai_workspace_open(scratch, path, O_WRONLY | O_CREAT, err);
	struct stat st;
	if (fd < 0)
		return err->code;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ai_fail(err, AI_ESTEP, "'%s' is there and not a file", path);
	if (ftruncate(fd, 0) < 0)
		return ai_fail_errno(err, AI_ESTEP, "'%s'", path);
	int out = fd;
	fd = -1;
	return out;
}

int
ai_workspace_write(const char *scratch, const json_t *action, struct ai_err *err)
{
	const char *path = ai_json_str(action, "path");
	const json_t *text = json_object_get(action, "text");
	AI_FD fd = create(scratch, path, err);
	if (fd < 0)
		return err->code;
	return ai_write_all(fd, json_string_value(text), json_string_length(text), path, err);
}

/* An input's file is outside the scratch folder: what lies under a mount is looked up beneath where it comes from. */
static int
open_source(const char *scratch, const struct ai_mount *mounts, size_t n, const char *path, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(mounts[i].to);
		if (strncmp(path, mounts[i].to, len) != 0 || (path[len] != '/' && path[len] != '\0'))
			continue;
		if (path[len] == '\0') {
			int fd = open(mounts[i].from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			return fd < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot open", path) : fd;
		}
		AI_FD root = open(mounts[i].from, O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = root < 0 ? -1 : open_beneath(root, path + len + 1, O_RDONLY);
		return fd < 0 ? ai_fail_errno(err, AI_ESTEP, "'%s': cannot open", path) : fd;
	}
	return ai_workspace_open(scratch, path, O_RDONLY, err);
}

/* Executable stays executable; nothing else of a mode means anything here. */
static int
copy_file(int in, const struct stat *st, int out, const char *to, struct ai_err *err)
{
	if (ai_copy_fd(in, out, to, err) < 0)
		return err->code;
	return st->st_mode & 0100 && fchmod(out, 0755) < 0 ? ai_fail_errno(err, AI_EENV, "'%s'", to) : 0;
}

static int copy_folder(int from, int to, const char *what, unsigned depth, struct ai_err *err);

/* A link is copied as the link that it is: what it leads to is looked at when the output is collected. */
static int
copy_link(int from, const char *name, int to, const char *what, struct ai_err *err)
{
	AI_FREE char *target = ai_calloc(1, MAX_LINK + 1);
	if (!target)
		return ai_nomem(err);
	ssize_t n = readlinkat(from, name, target, MAX_LINK);
	if (n <= 0 || n >= MAX_LINK || symlinkat(target, to, name) < 0)
		return ai_fail_errno(err, AI_ESTEP, "'%s/%s': cannot copy the link", what, name);
	return 0;
}

/* name of one folder into another; what is there already is in the way. */
static int
copy_entry(int from, const char *name, int to, const char *what, unsigned depth, struct ai_err *err)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ai_fail_errno(err, AI_ESTEP, "'%s/%s'", what, name);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, name, to, what, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return ai_fail(err, AI_ESTEP, "'%s/%s' is neither file, folder nor link", what, name);
	AI_FD in = open_beneath(from, name, O_RDONLY | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
	if (in < 0)
		return ai_fail_errno(err, AI_ESTEP, "'%s/%s': cannot open", what, name);
	if (S_ISDIR(st.st_mode) && mkdirat(to, name, 0755) < 0 && errno != EEXIST)
		return ai_fail_errno(err, AI_ESTEP, "'%s/%s': cannot make folder", what, name);
	AI_FD out = open_beneath(to, name, S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_WRONLY | O_CREAT | O_EXCL);
	if (out < 0)
		return ai_fail_errno(err, AI_ESTEP, "'%s/%s': cannot copy", what, name);
	return S_ISDIR(st.st_mode) ? copy_folder(in, out, what, depth + 1, err) : copy_file(in, &st, out, name, err);
}

static int
copy_folder(int from, int to, const char *what, unsigned depth, struct ai_err *err)
{
	int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		if (again >= 0)
			close(again);
		return ai_fail_errno(err, AI_EENV, "'%s': cannot list", what);
	}
	if (depth > MAX_DEPTH)
		r = ai_fail(err, AI_ESTEP, "'%s': folders nested deeper than %d", what, MAX_DEPTH);
	for (struct dirent *e; r == 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(from, e->d_name, to, what, depth, err);
	closedir(d);
	return r;
}

/* The folder at path, made if it is not there. */
static int
folder(const char *scratch, const char *path, struct ai_err *err)
{
	AI_FREE char *inside = ai_format("%s/.", path);
	if (!inside)
		return ai_nomem(err);
	return make_parents(scratch, inside, err) < 0 ? err->code : ai_workspace_open(scratch, path, O_RDONLY | O_DIRECTORY, err);
}

int
ai_workspace_copy(const char *scratch, const struct ai_mount *mounts, size_t n_mounts, const json_t *action, struct ai_err *err)
{
	const char *from = ai_json_str(action, "from"), *to = ai_json_str(action, "to");
	AI_FD in = open_source(scratch, mounts, n_mounts, from, err);
	struct stat st;
	if (in < 0)
		return err->code;
	if (fstat(in, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return ai_fail(err, AI_ESTEP, "'%s' is not a file or folder", from);
	AI_FD out = S_ISDIR(st.st_mode) ? folder(scratch, to, err) : create(scratch, to, err);
	if (out < 0)
		return err->code;
	return S_ISDIR(st.st_mode) ? copy_folder(in, out, from, 0, err) : copy_file(in, &st, out, to, err);
}
