/* archive.c -- see archive.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/archive.h"

#include <archive.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/archive_walk.h"

enum { BLOCK = 1 << 16 };

static const struct ai_archive_rules rules = { .what = "the archive", .entries = AI_ARCHIVE_ENTRIES, .free = AI_ARCHIVE_FREE, .ratio = AI_ARCHIVE_RATIO,
	.holes = AI_ARCHIVE_TOTAL, .relative = true, .inside = true };

static int
open_any(void *ctx, struct archive *a)
{
	const int *fd = ctx;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
		archive_read_support_filter_gzip(a) != ARCHIVE_OK || archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
		archive_read_support_filter_xz(a) != ARCHIVE_OK || archive_read_support_filter_zstd(a) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	if (archive_read_open_fd(a, *fd, BLOCK) == ARCHIVE_OK)
		return ARCHIVE_OK;
	archive_set_error(a, EINVAL, "no archive of a known kind (tar, tar.gz, tar.bz2, tar.xz, tar.zst, zip)");
	return ARCHIVE_FATAL;
}

static int
unpack(struct ai_archive_walk *w, int fd, struct ai_digest *out, struct ai_err *err)
{
	size_t left_out;
	if (ai_archive_walk(w, open_any, &fd, err) < 0)
		return err->code;
	if (w->members > 0 && w->kept == 0)
		return ai_fail(err, AI_EINPUT, "strip: %u: nothing is left of the archive's %zu members", w->strip, w->members);
	/* A link may lead out of where it came to lie: below another link, or as a hard link's copy. */
	if (ai_image_links_inside(&w->tree, err) < 0)
		return ai_in(err, "the archive");
	return ai_image_seal(&w->tree, w->sink, out, &left_out, err);
}

int
ai_archive_tree(int fd, unsigned strip, const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *out, struct ai_err *err)
{
	char magic[2] = "";
	struct stat st;
	struct ai_archive_walk w;
	struct ai_archive_rules own = rules;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EINPUT, "archive: cannot read");
	own.utf8 = pread(fd, magic, 2, 0) == 2 && memcmp(magic, "PK", 2) == 0;
	if (ai_archive_walk_init(&w, &own, sink, err) < 0)
		return err->code;
	w.talk = talk;
	w.strip = strip;
	w.tree.layer = 1;
	ai_archive_walk_size(&w, (uint64_t)st.st_size);
	int r = unpack(&w, fd, out, err);
	ai_archive_walk_done(&w);
	return r;
}
