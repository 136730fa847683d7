/* filekey.c -- see filekey.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/filekey.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

enum { COARSE_SECONDS = 10 };

/* Magic numbers that <linux/magic.h> of some distributions lacks: their own sources name them. */
#define XFS_MAGIC 0x58465342u
#define ZFS_MAGIC 0x2fc12fc1u
#define BCACHEFS_MAGIC 0xca451a4eu

/* Wraps for years that nobody means; equality is all that is asked of it. */
static int64_t
ns(const struct timespec *t)
{
	return (int64_t)((uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec);
}

void
ai_file_key(const struct stat *st, struct ai_file_key *out)
{
	*out = (struct ai_file_key){ (int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_size, ns(&st->st_mtim), ns(&st->st_ctim) };
}

bool
ai_file_key_eq(const struct ai_file_key *a, const struct ai_file_key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void
ai_file_slot(const struct ai_file_key *key, struct ai_digest *out)
{
	*out = (struct ai_digest){ { 0 } };
	memcpy(out->b, &key->dev, sizeof key->dev);
	memcpy(out->b + 8, &key->ino, sizeof key->ino);
}

struct timespec
ai_stamp_now(void)
{
	struct timespec t = { 0, 0 };
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return t;
}

static bool
before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

bool
ai_stamp_is_racy(const struct stat *st, const struct timespec *began, bool trusted)
{
	struct timespec limit = *began;
	/* Whole seconds in both stamps: more likely a file system with one-second stamps than chance. */
	if (!trusted || (st->st_mtim.tv_nsec == 0 && st->st_ctim.tv_nsec == 0))
		limit.tv_sec -= COARSE_SECONDS;
	return !before(&st->st_ctim, &limit) || !before(&st->st_mtim, &limit);
}

bool
ai_stamps_trusted(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned)fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case F2FS_SUPER_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
	case XFS_MAGIC:
	case ZFS_MAGIC:
	case BCACHEFS_MAGIC:
		return true;
	default:
		return false;
	}
}
