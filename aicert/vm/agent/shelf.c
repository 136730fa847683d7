/* shelf.c -- the job disk's shelf (vm/disk/shelf.h) as part of the store in memory (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/agent/agent_parts.h"
#include "vm/agent/mapper.h"
#include "vm/disk/disk.h"

static int
read_at(int fd, uint64_t at, void *out, size_t n, struct ai_err *err)
{
	for (char *to = out; n > 0;) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ai_fail_errno(err, AI_EINPUT, "shelf: cannot read at byte %llu", (unsigned long long)at);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* --- before a kernel looks at it as a file system ------------------------------------------------ */

static int
check_image(const struct ai_disk *d, const struct ai_shelf *s, int fd, struct ai_err *err)
{
	AI_BUF_AUTO want = AI_BUF(AI_SHELF_MAX_IMAGE);
	if (ai_shelf_expected(d, s, &want, err) < 0)
		return err->code;
	AI_FREE char *got = malloc(want.len);
	if (!got)
		return ai_nomem(err);
	if (read_at(fd, 0, got, want.len, err) < 0)
		return err->code;
	return memcmp(got, want.data, want.len) == 0 ? 0 : ai_fail(err, AI_EINPUT, "shelf: its file system is not the one that its objects give");
}

/* Who maps a file sees its last block whole: nothing may stand there that no name vouches for. */
static int
check_ends(const struct ai_disk *d, const struct ai_shelf *s, int fd, struct ai_err *err)
{
	static const char zeros[AI_DISK_BLOCK];
	char rest[AI_DISK_BLOCK];
	for (size_t i = s->first; i < s->first + s->n; i++) {
		const struct ai_disk_object *o = ai_disk_object(d, i);
		size_t n = (AI_DISK_BLOCK - o->size % AI_DISK_BLOCK) % AI_DISK_BLOCK;
		if (read_at(fd, ai_disk_at(d, i) - s->at + o->size, rest, n, err) < 0)
			return err->code;
		if (memcmp(rest, zeros, n) != 0)
			return ai_fail(err, AI_EINPUT, "shelf: blob %s: something stands behind its end", o->name);
	}
	return 0;
}

/* --- as one ---------------------------------------------------------------------------------------- */

/* The name that the kernel's log has for a disk. */
static int
name_of(dev_t disk, char out[64], struct ai_err *err)
{
	char link[64], target[1024];
	snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(disk), minor(disk));
	ssize_t n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return ai_fail_errno(err, AI_EENV, "%s", link);
	target[n] = '\0';
	snprintf(out, 64, "%.63s", ai_basename(target));
	return 0;
}

static int
map(const struct ai_disk *d, const struct ai_shelf *s, int job, const struct ai_talk *talk, char **device, struct ai_err *err)
{
	struct stat st;
	char name[64];
	dev_t stretch, checked;
	if (fstat(job, &st) < 0 || !S_ISBLK(st.st_mode))
		return ai_fail(err, AI_EENV, "shelf: the job disk is no block device");
	if (name_of(st.st_rdev, name, err) < 0 || ai_agent_watch(name, talk, err) < 0)
		return err->code;
	if (ai_mapper_linear("aicert-stretch", st.st_rdev, s->at, s->tree - s->at, &stretch, err) < 0 ||
		ai_mapper_verity("aicert-shelf", stretch, (s->tree - s->at) / AI_DISK_BLOCK, st.st_rdev, s->tree, &s->root, &checked, err) < 0)
		return err->code;
	*device = ai_format("/dev/dm-%u", minor(checked));
	if (!*device)
		return ai_nomem(err);
	AI_FD fd = open(*device, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", *device);
	return check_image(d, s, fd, err) < 0 ? err->code : check_ends(d, s, fd, err);
}

/*
 * metacopy, redirect_dir: a hard link to an object, as checkouts have them, takes its name and mode into memory and leaves its bytes where they are.
 */
static int
lay_over(const char *device, const char *folder, const char *cache, struct ai_err *err)
{
	static const char *const names[] = { "lower", "upper", "work" };
	char *paths[3] = { 0 };
	int r = 0;
	for (size_t i = 0; i < 3 && r == 0; i++)
		r = (paths[i] = ai_join(folder, names[i])) ? ai_mkdirs(paths[i], 0755, err) : ai_nomem(err);
	AI_FREE char *options = r == 0 ? ai_format("lowerdir=%s,upperdir=%s,workdir=%s,metacopy=on,redirect_dir=on", paths[0], paths[1], paths[2]) : NULL;
	if (r == 0 && !options)
		r = ai_nomem(err);
	if (r == 0 && mount(device, paths[0], "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		r = ai_fail_errno(err, AI_EENV, "shelf: cannot mount");
	if (r == 0 && mount("overlay", cache, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		r = ai_fail_errno(err, AI_EENV, "shelf: cannot lay the store over it");
	for (size_t i = 0; i < 3; i++)
		free(paths[i]);
	return r;
}

int
ai_agent_shelf(const struct ai_disk *d, const struct ai_shelf *s, int job, const char *folder, const char *cache, const struct ai_talk *talk,
	struct ai_err *err)
{
	AI_FREE char *device = NULL;
	return map(d, s, job, talk, &device, err) < 0 ? err->code : lay_over(device, folder, cache, err);
}

int
ai_agent_shelf_adopt(const struct ai_disk *d, const struct ai_shelf *s, struct ai_store *store, const struct ai_talk *talk, struct ai_err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		if (ai_store_adopt(store, &ai_disk_object(d, s->first + i)->sha256, err) < 0)
			return ai_in(err, "shelf");
		ai_say_progress(talk, "shelf", i + 1, s->n);
	}
	return 0;
}
