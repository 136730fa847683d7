/* used.c -- see used.h: one path, as others see it.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe/used.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

/* Nobody's; the number does not matter, as long as no file of the machine is its own. */
#define OTHER 65534u

int
ai_guise_on(struct ai_guise *g, struct ai_err *err)
{
	*g = (struct ai_guise){ .on = false };
	if (geteuid() != 0)
		return 0;
	int n = getgroups(0, NULL);
	g->groups = ai_calloc(n > 0 ? (size_t)n : 1, sizeof *g->groups);
	if (!g->groups)
		return ai_nomem(err);
	/* The calls themselves, for libc's setgroups is for all threads. */
	if (n < 0 || (n > 0 && getgroups(n, g->groups) != n) || syscall(SYS_setgroups, 0, NULL) < 0) {
		free(g->groups);
		g->groups = NULL;
		return ai_fail_errno(err, AI_EENV, "cannot look at files as others do");
	}
	g->n = (size_t)n;
	g->gid = (gid_t)setfsgid(OTHER);
	g->uid = (uid_t)setfsuid(OTHER);
	g->on = true;
	return 0;
}

void
ai_guise_off(struct ai_guise *g)
{
	if (!g->on)
		return;
	setfsuid(g->uid);
	setfsgid(g->gid);
	(void)syscall(SYS_setgroups, g->n, g->groups);
	free(g->groups);
	*g = (struct ai_guise){ .on = false };
}

bool
ai_others_may(const char *path, int mode)
{
	struct ai_err ignored = { 0 };
	AI_GUISE g = { .on = false };
	if (ai_guise_on(&g, &ignored) < 0)
		return false;
	/* By the rights in effect, which libc's own faccessat would guess at from the uid. */
	return syscall(SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

int
ai_look_at(const char *path, ai_look *out, struct stat *st_out, char **target, struct ai_err *err)
{
	struct stat own, *st = st_out ? st_out : &own;
	*out = AI_LOOK_ABSENT;
	if (lstat(path, st) < 0)
		return errno == ENOMEM || errno == EIO ? ai_fail_errno(err, AI_EENV, "%s", path) : 0;
	if (S_ISDIR(st->st_mode))
		*out = AI_LOOK_DIR;
	/* Nearly every file may be read by all: no second call for those. */
	else if (S_ISREG(st->st_mode) && ((st->st_mode & 0444) == 0444 || ai_others_may(path, R_OK)))
		*out = st->st_mode & 0111 ? AI_LOOK_EXEC : AI_LOOK_FILE;
	if (!S_ISLNK(st->st_mode))
		return 0;
	if (target) {
		char text[4097];
		ssize_t n = readlink(path, text, sizeof text - 1);
		if (n < 0)
			return 0;
		text[n] = '\0';
		if (!(*target = ai_strdup(text)))
			return ai_nomem(err);
	}
	*out = AI_LOOK_LINK;
	return 0;
}

int
ai_look_into(const char *path, struct ai_buf *names, struct ai_err *err)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOMEM ? ai_nomem(err) : 0;
	for (const struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ai_buf_put(names, e->d_name, strlen(e->d_name) + 1);
	closedir(d);
	return ai_buf_ok(names, path, err) < 0 ? err->code : 1;
}

const char *
ai_look_word(ai_look look)
{
	static const char *const words[] = { [AI_LOOK_ABSENT] = "absent", [AI_LOOK_FILE] = "file", [AI_LOOK_EXEC] = "exec",
		[AI_LOOK_DIR] = "dir", [AI_LOOK_LINK] = "link" };
	return words[look];
}

void
ai_stamp_of(const struct stat *st, struct ai_stamp *out)
{
	*out = (struct ai_stamp){ .dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = st->st_mtim.tv_nsec };
}

bool
ai_stamp_eq(const struct ai_stamp *a, const struct ai_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns;
}
