/* git_objects.c -- the raw objects of a commit, and files of such a folder (keep.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "fetch/fetch_impl.h"
#include "fetch/keep.h"

int
ai_keep_open(const char *folder, const char *name, char **path, struct ai_err *err)
{
	AI_FREE char *made = ai_format("%s/%s.%ld.new", folder, name, (long)getpid());
	if (!made)
		return ai_nomem(err);
	/* What a process of this number left behind is no longer written to. */
	int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot create", made);
	*path = made;
	made = NULL;
	return fd;
}

int
ai_keep_close(const char *folder, const char *name, int fd, char *path, bool good, struct ai_err *err)
{
	AI_FREE char *from = path;
	AI_FREE char *to = ai_format("%s/%s", folder, name);
	int closed = close(fd);
	if (good && to && closed == 0 && rename(from, to) == 0)
		return 0;
	int r = !good ? err->code : to ? ai_fail_errno(err, AI_EENV, "%s: cannot keep", to) : ai_nomem(err);
	(void)unlink(from);
	return r;
}

static int
keep_object(void *ctx, const struct ai_git_id *id, const char *type, const char *bytes, size_t n, struct ai_err *err)
{
	const char *folder = ctx;
	char hex[AI_GIT_HEX], head[64], *path;
	ai_git_id_hex(id, hex);
	int len = snprintf(head, sizeof head, "%s %zu", type, n);
	int fd = ai_keep_open(folder, hex, &path, err);
	if (fd < 0)
		return err->code;
	bool good = ai_write_all(fd, head, (size_t)len + 1, path, err) == 0 && ai_write_all(fd, bytes, n, path, err) == 0;
	return ai_keep_close(folder, hex, fd, path, good, err);
}

int
ai_git_keep(const struct ai_fetch *f, const struct ai_input *in, const char *commit, const char *folder, struct ai_digest *tree_out, struct ai_err *err)
{
	return ai_git_each_object(f, in, commit, keep_object, (void *)(uintptr_t)folder, tree_out, err);
}
