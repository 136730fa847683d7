/* scratch.c -- see scratch.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"

enum { MAX_RUNTIME = 60, RANDOM = 6 };
static const char NAME[] = "aicert-machine.";

static const char *
place(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	bool good = runtime && *runtime == '/' && strlen(runtime) <= MAX_RUNTIME && !strchr(runtime, ',') && access(runtime, W_OK | X_OK) == 0;
	return good ? runtime : "/tmp";
}

/* Is this folder ours and its maker dead? Where there are no locks it cannot be known. Its name lies in a folder where nobody else can change what it names. */
static bool
is_dead(int parent, const char *name, int *lock)
{
	struct stat st;
	AI_FD fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	*lock = fd;
	fd = -1;
	return true;
}

/* What processes left that were killed. Whatever stops it: it is not why we were called. */
static void
sweep(const char *folder)
{
	struct ai_err ignored = { 0 };
	AI_FD parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = parent < 0 ? NULL : opendir(folder);
	for (struct dirent *e; d && (e = readdir(d)); ) {
		AI_FD lock = -1;
		if (strncmp(e->d_name, NAME, sizeof NAME - 1) == 0 && strlen(e->d_name) == sizeof NAME - 1 + RANDOM && is_dead(parent, e->d_name, &lock))
			(void)(ai_remove_tree(parent, e->d_name, &ignored) < 0);
	}
	if (d)
		closedir(d);
}

/* 1 it is ours, 0 somebody's sweep was faster than our lock, and it is gone. */
static int
hold(const char *path, int *lock, struct ai_err *err)
{
	struct stat held, named;
	AI_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EENV, "%s", path);
	/* Where there are no locks nothing is swept either. */
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	if (fstat(fd, &held) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	if (stat(path, &named) < 0 || named.st_dev != held.st_dev || named.st_ino != held.st_ino)
		return 0;
	*lock = fd;
	fd = -1;
	return 1;
}

int
ai_vm_scratch_make(struct ai_vm_scratch *out, struct ai_err *err)
{
	AI_FREE char *prefix = ai_format("%s/%.*s", place(), (int)sizeof NAME - 2, NAME);
	if (!prefix)
		return ai_nomem(err);
	sweep(place());
	for (;;) {
		AI_FREE char *path = NULL;
		AI_FD lock = -1;
		int r = ai_mkdtemp(prefix, &path, err);
		r = r < 0 ? r : hold(path, &lock, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		*out = (struct ai_vm_scratch){ path, lock };
		path = NULL;
		lock = -1;
		return 0;
	}
}

void
ai_vm_scratch_done(struct ai_vm_scratch *s)
{
	if (s->path)
		ai_discard_tree(s->path);
	if (s->lock >= 0)
		close(s->lock);
	free(s->path);
	*s = AI_VM_SCRATCH_NONE;
}
