/* archive_deb.c -- see archive_deb.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/archive_deb.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/archive_walk.h"

enum { CHUNK = 1 << 16, HEADER = 60, MAX_MEMBERS = 16 };

/* dpkg's tar files have no holes. */
static const struct ai_archive_rules rules = { .what = "the packages", .entries = 1000000, .free = (uint64_t)16 << 30, .keeps_links = true };

struct ai_debs {
	const char *const *leave_out;
	struct ai_archive_walk walk;
	bool broken;
};

/* One package being read: the part of the file that data.tar is. */
struct deb {
	struct ai_debs *all;
	int fd;
	off_t at, end;
	const char *packing;          /* what its name has behind "data.tar" */
	struct ai_err *err;
	char chunk[CHUNK];
};

static const char *const folders[] = { "usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64" };
static const char *const links[][2] = { { "bin", "usr/bin" }, { "sbin", "usr/sbin" }, { "lib", "usr/lib" }, { "lib64", "usr/lib64" } };

static int
put_at(struct ai_image_tree *t, const char *path, ai_image_kind_of kind, const char *target, struct ai_err *err)
{
	struct ai_image_path at;
	if (ai_image_path_split(path, &at, err) < 0)
		return err->code;
	int r = ai_image_put(t, &at, kind, NULL, target, err);
	ai_image_path_done(&at);
	return r;
}

/* The path without "./" and a final '/', matched as a whole. */
static int
not_left_out(void *ctx, const struct ai_image_path *at, struct ai_err *err)
{
	const struct ai_debs *d = ctx;
	AI_BUF_AUTO b = AI_BUF(AI_IMAGE_PATH + 1);
	for (size_t i = 0; i < at->n; i++)
		ai_buf_printf(&b, "%s%s", i ? "/" : "", at->part[i]);
	if (ai_buf_ok(&b, "name", err) < 0)
		return err->code;
	for (size_t i = 0; b.data && d->leave_out && d->leave_out[i]; i++)
		if (ai_glob(d->leave_out[i], b.data))
			return 0;
	return 1;
}

int
ai_debs_new(const struct ai_sink *sink, const char *const *leave_out, struct ai_debs **out, struct ai_err *err)
{
	struct ai_debs *d = ai_calloc(1, sizeof *d);
	if (!d)
		return ai_nomem(err);
	d->leave_out = leave_out;
	int r = ai_archive_walk_init(&d->walk, &rules, sink, err);
	d->walk.place = not_left_out;
	d->walk.ctx = d;
	d->walk.tree.layer = 1;
	for (size_t i = 0; r == 0 && i < sizeof folders / sizeof *folders; i++)
		r = put_at(&d->walk.tree, folders[i], AI_IMAGE_FOLDER, NULL, err);
	for (size_t i = 0; r == 0 && i < sizeof links / sizeof *links; i++)
		r = put_at(&d->walk.tree, links[i][0], AI_IMAGE_LINK, links[i][1], err);
	if (r < 0) {
		ai_debs_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void
ai_debs_free(struct ai_debs *d)
{
	if (!d)
		return;
	ai_archive_walk_done(&d->walk);
	free(d);
}

/* --- the container --------------------------------------------------------------- */

static int
read_at(int fd, off_t at, void *p, size_t n, struct ai_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(fd, (char *)p + done, n - done, at + (off_t)done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ai_fail_errno(err, AI_EINPUT, "cannot read");
		if (k == 0)
			return ai_fail(err, AI_EINPUT, "ends in the middle of its container");
		done += (size_t)k;
	}
	return 0;
}

/* ar_hdr: name 16, date 12, uid 6, gid 6, mode 8, size 10, "`\n"; texts padded by blanks. GNU's ends names with '/'. */
struct member { char name[17]; off_t size; };

static int
read_member(int fd, off_t at, struct member *m, struct ai_err *err)
{
	char h[HEADER];
	if (read_at(fd, at, h, sizeof h, err) < 0)
		return err->code;
	memcpy(m->name, h, 16);
	m->name[16] = '\0';
	for (size_t n = 16; n > 0 && (m->name[n - 1] == ' ' || m->name[n - 1] == '/'); n--)
		m->name[n - 1] = '\0';
	m->size = 0;
	bool digits = h[48] >= '0' && h[48] <= '9';
	size_t i = 48;
	for (; i < 58 && h[i] >= '0' && h[i] <= '9'; i++)
		m->size = m->size * 10 + (h[i] - '0');
	for (; i < 58; i++)
		digits &= h[i] == ' ';
	return digits && h[58] == '`' && h[59] == '\n' ? 0 : ai_fail(err, AI_EINPUT, "a member of its container has a damaged header");
}

static int
check_format(struct deb *y, off_t at, const struct member *m)
{
	char text[4] = "";
	if (strcmp(m->name, "debian-binary") != 0 || m->size < 4)
		return ai_fail(y->err, AI_EINPUT, "is no package of Debian: expected 'debian-binary' first");
	if (read_at(y->fd, at, text, sizeof text, y->err) < 0)
		return y->err->code;
	return memcmp(text, "2.", 2) == 0 ? 0 : ai_fail(y->err, AI_EINPUT, "is a package of another format: expected 2.0");
}

/* Where data.tar is; its name in m. */
static int
find_data(struct deb *y, struct member *m)
{
	struct stat st;
	char magic[8];
	off_t at = sizeof magic;
	if (fstat(y->fd, &st) < 0)
		return ai_fail_errno(y->err, AI_EINPUT, "cannot look at it");
	if (read_at(y->fd, 0, magic, sizeof magic, y->err) < 0)
		return y->err->code;
	if (memcmp(magic, "!<arch>\n", sizeof magic) != 0)
		return ai_fail(y->err, AI_EINPUT, "is no package of Debian: no ar container");
	for (int i = 0; i < MAX_MEMBERS && at < st.st_size; i++) {
		if (read_member(y->fd, at, m, y->err) < 0)
			return y->err->code;
		at += HEADER;
		if (m->size > st.st_size - at)
			return ai_fail(y->err, AI_EINPUT, "'%s' goes beyond the end of its container", m->name);
		if (i == 0 && check_format(y, at, m) < 0)
			return y->err->code;
		if (strncmp(m->name, "data.tar", 8) == 0) {
			y->at = at;
			y->end = at + m->size;
			return 0;
		}
		at += m->size + (m->size & 1);
	}
	return ai_fail(y->err, AI_EINPUT, "has no 'data.tar'");
}

/* --- its files ---------------------------------------------------------------------- */

static la_ssize_t
read_some(struct archive *tar, void *ctx, const void **bytes)
{
	struct deb *y = ctx;
	size_t want = y->end - y->at < CHUNK ? (size_t)(y->end - y->at) : CHUNK;
	ssize_t n;
	do
		n = pread(y->fd, y->chunk, want, y->at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(tar, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	y->at += n;
	*bytes = y->chunk;
	return n;
}

/* Only the packing that the member's name says is tried. */
static int
open_tar(void *ctx, struct archive *tar)
{
	struct deb *y = ctx;
	int r = archive_read_support_format_tar(tar);
	if (r == ARCHIVE_OK && strcmp(y->packing, ".gz") == 0)
		r = archive_read_support_filter_gzip(tar);
	else if (r == ARCHIVE_OK && strcmp(y->packing, ".xz") == 0)
		r = archive_read_support_filter_xz(tar);
	else if (r == ARCHIVE_OK && strcmp(y->packing, ".zst") == 0)
		r = archive_read_support_filter_zstd(tar);
	else if (r == ARCHIVE_OK && *y->packing)
		return ai_fail(y->err, AI_EINPUT, "'data.tar%s': expected gz, xz or zst", y->packing);
	return r == ARCHIVE_OK ? archive_read_open(tar, y, NULL, read_some, NULL) : r;
}

static int
apply(struct deb *y)
{
	struct member m;
	if (find_data(y, &m) < 0)
		return y->err->code;
	y->packing = m.name + strlen("data.tar");
	return ai_archive_walk(&y->all->walk, open_tar, y, y->err);
}

int
ai_debs_apply(struct ai_debs *d, int fd, struct ai_err *err)
{
	if (d->broken)
		return ai_fail(err, AI_EINPUT, "a package before failed");
	struct deb *y = ai_calloc(1, sizeof *y);
	if (!y)
		return ai_nomem(err);
	y->all = d;
	y->fd = fd;
	y->err = err;
	d->broken = true;
	int r = apply(y);
	d->broken = r < 0;
	free(y);
	return r;
}

int
ai_debs_tree(struct ai_debs *d, struct ai_digest *tree_out, struct ai_err *err)
{
	size_t specials;
	if (d->broken)
		return ai_fail(err, AI_EINPUT, "a package before failed");
	return ai_image_seal(&d->walk.tree, d->walk.sink, tree_out, &specials, err);
}
