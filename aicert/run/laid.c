/* laid.c -- see laid.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/laid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cache/objects.h"
#include "cache/session.h"

enum { FEW = 256 };

static const char place[] = "/workspace/resources";

/* What is left of a path below place; NULL when it is elsewhere. */
static const char *
below(const char *path)
{
	size_t n = sizeof place - 1;
	return strncmp(path, place, n) == 0 && path[n] == '/' && path[n + 1] ? path + n + 1 : NULL;
}

static bool
is_file(const struct ai_mount *m)
{
	struct stat st;
	return m->how == AI_MOUNT_READ_ONLY && stat(m->from, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_worth_it(const json_t *outputs, const struct ai_mount *mounts, size_t n)
{
	size_t i, files = 0;
	json_t *o;
	for (i = 0; i < n && files <= FEW; i++)
		files += below(mounts[i].to) && is_file(&mounts[i]);
	json_array_foreach(outputs, i, o)
		if (below(ai_json_str(o, "path")))
			return false;
	return files > FEW;
}

/* Objects of another file system, or with as many links as one can have, are copied. */
static int
link_or_copy(const char *from, const char *to, struct ai_err *err)
{
	if (link(from, to) == 0)
		return 0;
	if (errno != EXDEV && errno != EMLINK && errno != EPERM && errno != EACCES && errno != EOPNOTSUPP)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot link", to);
	AI_FD in = open(from, O_RDONLY | O_CLOEXEC);
	AI_FD out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (out < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot copy", to);
	if (ai_copy_fd(in, out, to, err) < 0)
		return err->code;
	return futimens(out, ai_object_times) < 0 ? ai_fail_errno(err, AI_EENV, "'%s': cannot copy", to) : 0;
}

/* A file as a link, or a folder to mount on. */
static int
lay(const char *base, const struct ai_mount *m, bool file, struct ai_err *err)
{
	const char *rel = below(m->to);
	AI_FREE char *to = ai_join(base, rel);
	if (!to)
		return ai_nomem(err);
	char *slash = strrchr(to, '/');
	if (strchr(rel, '/')) {
		*slash = '\0';
		if (ai_mkdirs(to, 0755, err) < 0)
			return err->code;
		*slash = '/';
	}
	return file ? link_or_copy(m->from, to, err) : ai_mkdirs(to, 0755, err);
}

int
ai_lay_files(const char *cache, const json_t *outputs, struct ai_mount *mounts, size_t *n, struct ai_laid *out, struct ai_err *err)
{
	*out = (struct ai_laid){ .lock = -1 };
	if (!is_worth_it(outputs, mounts, *n))
		return 0;
	if (ai_scratch_make(cache, "laid", &out->folder, &out->lock, err) < 0)
		return err->code;
	AI_FREE char *base = ai_strdup(out->folder);
	if (!base)
		return ai_nomem(err);
	if (chmod(base, 0755) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", base);
	/* The first that goes leaves its place to the one that stands for all: the others move up behind it. */
	size_t kept = 0;
	bool placed = false;
	for (size_t i = 0; i < *n; i++) {
		struct ai_mount m = mounts[i];
		bool inside = below(m.to) != NULL, file = inside && is_file(&m);
		if (inside && m.how == AI_MOUNT_READ_ONLY && lay(base, &m, file, err) < 0)
			return err->code;
		if (!file) {
			mounts[i] = (struct ai_mount){ 0 };
			mounts[kept++] = m;
			continue;
		}
		free((char *)m.from);
		mounts[i] = (struct ai_mount){ 0 };
		if (placed)
			continue;
		memmove(mounts + 1, mounts, kept * sizeof *mounts);
		mounts[0] = (struct ai_mount){ .to = place, .how = AI_MOUNT_READ_ONLY };
		placed = true;
		kept++;
	}
	*n = kept;
	(void)utimensat(AT_FDCWD, base, ai_object_times, 0);
	mounts[0].from = base;
	base = NULL;
	return 0;
}

void
ai_laid_done(struct ai_laid *l)
{
	if (l->folder)
		ai_discard_tree(l->folder);
	ai_close_fd(&l->lock);
	free(l->folder);
	*l = (struct ai_laid){ .lock = -1 };
}
