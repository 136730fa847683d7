/* session.c -- see session.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"

/* Did the owner of this session or scratch die? Only a lock that can be had proves it; a file system without locks proves nothing. */
static int
is_dead(int root_fd, const char *name)
{
	AI_FD dir = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOTDIR || errno == ELOOP;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return 0;
	AI_FD lock = openat(dir, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0)
		return errno == ENOENT;
	return flock(lock, LOCK_EX | LOCK_NB) == 0;
}

/* Best effort: what cannot be removed now is tried again at the next open. */
static void
sweep(struct ai_session *se)
{
	if (flock(se->guard_fd, LOCK_EX | LOCK_NB) < 0)
		return;
	int fd = openat(se->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct ai_err ignored = { 0 };
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && is_dead(se->root_fd, e->d_name))
			(void)(ai_remove_tree(se->root_fd, e->d_name, &ignored) < 0);
	}
	if (d)
		closedir(d);
	(void)flock(se->guard_fd, LOCK_UN);
}

int
ai_session_open(struct ai_session *se, int cache_fd, struct ai_err *err)
{
	*se = (struct ai_session){ -1, -1, -1, -1, "", 0 };
	if (mkdirat(cache_fd, "tmp", 0755) < 0 && errno != EEXIST)
		return ai_fail_errno(err, AI_EENV, "cache: tmp: cannot make folder");
	se->root_fd = openat(cache_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (se->root_fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: tmp: cannot open");
	se->guard_fd = openat(cache_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (se->guard_fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: lock: cannot open");
	sweep(se);
	return 0;
}

static int
make_dir(struct ai_session *se, struct ai_err *err)
{
	for (;;) {
		unsigned char r[6];
		if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
			return ai_fail_errno(err, AI_EENV, "cache: no random bytes");
		ai_hex_bytes(r, sizeof r, se->name);
		if (mkdirat(se->root_fd, se->name, 0700) == 0)
			break;
		if (errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "cache: tmp/%s: cannot make folder", se->name);
	}
	AI_FD dir = openat(se->root_fd, se->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AI_FD lock = dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (lock < 0) {
		ai_fail_errno(err, AI_EENV, "cache: tmp/%s: cannot lock", se->name);
		(void)unlinkat(se->root_fd, se->name, AT_REMOVEDIR);
		return err->code;
	}
	(void)flock(lock, LOCK_EX | LOCK_NB);
	se->dir_fd = dir;
	se->lock_fd = lock;
	dir = lock = -1;
	return 0;
}

int
ai_scratch_make(const char *cache, const char *prefix, char **path, int *lock, struct ai_err *err)
{
	AI_FREE char *tmp = ai_format("%s/tmp", cache);
	AI_FREE char *guard_path = ai_format("%s/lock", cache);
	AI_FREE char *named = ai_format("%s/tmp/%s", cache, prefix);
	AI_FREE char *made = NULL;
	if (!tmp || !guard_path || !named)
		return ai_nomem(err);
	/* What others may do there is said by each folder in it: a step's user passes through to the step's own. */
	if (ai_mkdirs(tmp, 0711, err) < 0)
		return err->code;
	AI_FD guard = open(guard_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (guard < 0)
		return ai_fail_errno(err, AI_EENV, "cache: lock: cannot open");
	while (flock(guard, LOCK_SH) < 0 && errno == EINTR)
		;
	if (ai_mkdtemp(named, &made, err) < 0)
		return err->code;
	AI_FD dir = open(made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		ai_fail_errno(err, AI_EENV, "%s", made);
		ai_discard_tree(made);
		return err->code;
	}
	/* Where there are no locks nothing is swept either. */
	(void)flock(dir, LOCK_EX | LOCK_NB);
	*lock = dir;
	*path = made;
	dir = -1;
	made = NULL;
	return 0;
}

int
ai_session_dir(struct ai_session *se, struct ai_err *err)
{
	if (se->dir_fd >= 0)
		return se->dir_fd;
	while (flock(se->guard_fd, LOCK_SH) < 0 && errno == EINTR)
		;
	int r = make_dir(se, err);
	(void)flock(se->guard_fd, LOCK_UN);
	return r < 0 ? -1 : se->dir_fd;
}

void
ai_session_name(struct ai_session *se, char out[AI_SESSION_NAME])
{
	snprintf(out, AI_SESSION_NAME, "%lu", se->next++);
}

void
ai_session_close(struct ai_session *se)
{
	struct ai_err ignored = { 0 };
	if (se->dir_fd >= 0)
		(void)(ai_remove_tree(se->root_fd, se->name, &ignored) < 0);
	int *fds[] = { &se->dir_fd, &se->lock_fd, &se->root_fd, &se->guard_fd };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		ai_close_fd(fds[i]);
		*fds[i] = -1;
	}
}
