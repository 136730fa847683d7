/* archive_deb.c -- see archive_deb.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/archive_deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/image_tree.h"

enum { CHUNK = 1 << 16, HEADER = 60, MAX_MEMBERS = 16, MAX_ENTRIES = 1000000 };
static const uint64_t max_unpacked = (uint64_t)16 << 30;

struct ai_debs {
	const struct ai_sink *sink;
	const char *const *leave_out;
	struct ai_image_tree tree;
	uint64_t unpacked;
	size_t entries;
	bool broken;
};

/* One package being read: the part of the file that data.tar is. */
struct deb {
	struct ai_debs *all;
	int fd;
	off_t at, end;
	struct archive *tar;
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

int
ai_debs_new(const struct ai_sink *sink, const char *const *leave_out, struct ai_debs **out, struct ai_err *err)
{
	struct ai_debs *d = ai_calloc(1, sizeof *d);
	if (!d)
		return ai_nomem(err);
	d->sink = sink;
	d->leave_out = leave_out;
	int r = ai_image_tree_init(&d->tree, err);
	d->tree.layer = 1;
	for (size_t i = 0; r == 0 && i < sizeof folders / sizeof *folders; i++)
		r = put_at(&d->tree, folders[i], AI_IMAGE_FOLDER, NULL, err);
	for (size_t i = 0; r == 0 && i < sizeof links / sizeof *links; i++)
		r = put_at(&d->tree, links[i][0], AI_IMAGE_LINK, links[i][1], err);
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
	ai_image_tree_done(&d->tree);
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

static int
tar_fault(struct deb *y)
{
	const char *why = archive_error_string(y->tar);
	return ai_fail(y->err, AI_EINPUT, "%s", why ? why : "damaged tar file");
}

static int
copy_content(struct deb *y, void *obj, uint64_t size)
{
	uint64_t at = 0;
	for (;;) {
		const void *bytes;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(y->tar, &bytes, &n, &offset);
		if (r == ARCHIVE_EOF)
			return at == size ? 0 : ai_fail(y->err, AI_EINPUT, "sparse file");
		if (r != ARCHIVE_OK)
			return tar_fault(y);
		if (offset < 0 || (uint64_t)offset != at || n > size - at)
			return ai_fail(y->err, AI_EINPUT, "sparse file");
		if (n > 0 && y->all->sink->write(obj, bytes, n, y->err) < 0)
			return y->err->code;
		at += n;
	}
}

static int
put_file(struct deb *y, struct archive_entry *e, const struct ai_image_path *at)
{
	const struct ai_sink *sink = y->all->sink;
	struct ai_digest id;
	void *obj;
	int64_t size = archive_entry_size(e);
	if (size < 0 || (uint64_t)size > max_unpacked - y->all->unpacked)
		return ai_fail(y->err, AI_EINPUT, "the packages unpack to more than %llu bytes", (unsigned long long)max_unpacked);
	y->all->unpacked += (uint64_t)size;
	if (sink->begin(sink->ctx, &obj, y->err) < 0)
		return y->err->code;
	if (copy_content(y, obj, (uint64_t)size) < 0 || sink->commit(obj, &id, NULL, y->err) < 0) {
		sink->abort(obj);
		return y->err->code;
	}
	return ai_image_put(&y->all->tree, at, archive_entry_perm(e) & 0100 ? AI_IMAGE_EXEC : AI_IMAGE_FILE, &id, NULL, y->err);
}

static int
put_hard_link(struct deb *y, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
		return ai_fail(y->err, AI_EINPUT, "hard link with content of its own");
	return ai_image_put_hard_link(&y->all->tree, at, archive_entry_hardlink(e), y->err);
}

static int
put_entry(struct deb *y, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_hardlink(e))
		return put_hard_link(y, e, at);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(y, e, at);
	case AE_IFDIR:
		return archive_entry_size(e) > 0 ? ai_fail(y->err, AI_EINPUT, "a folder with bytes in it") : ai_image_work_folder(&y->all->tree, at, y->err);
	case AE_IFLNK:
		return ai_image_put_link(&y->all->tree, at, archive_entry_symlink(e), y->err);
	default:
		return ai_fail(y->err, AI_EINPUT, "a device, FIFO or socket");
	}
}

/* The path without "./" and a final '/', matched as a whole. */
static bool
left_out(const struct ai_debs *d, const struct ai_image_path *at)
{
	AI_BUF_AUTO b = AI_BUF(AI_IMAGE_PATH + 1);
	for (size_t i = 0; i < at->n; i++)
		ai_buf_printf(&b, "%s%s", i ? "/" : "", at->part[i]);
	for (size_t i = 0; b.data && d->leave_out && d->leave_out[i]; i++)
		if (ai_glob(d->leave_out[i], b.data))
			return true;
	return false;
}

static int
apply_entry(struct deb *y, struct archive_entry *e)
{
	struct ai_image_path at;
	char shown[AI_IMAGE_SHOWN];
	const char *name = archive_entry_pathname(e);
	if (++y->all->entries > MAX_ENTRIES)
		return ai_fail(y->err, AI_EINPUT, "the packages have more than %d entries", MAX_ENTRIES);
	if (ai_image_path_split(name ? name : "", &at, y->err) < 0)
		return y->err->code;
	int r = left_out(y->all, &at) ? 0 : put_entry(y, e, &at);
	ai_image_path_done(&at);
	if (r == 0)
		return 0;
	ai_image_shown(name, shown);
	return ai_in(y->err, "'%s'", shown);
}

static int
apply_entries(struct deb *y)
{
	struct archive_entry *e;
	int r;
	while ((r = archive_read_next_header(y->tar, &e)) != ARCHIVE_EOF) {
		if (r != ARCHIVE_OK)
			return tar_fault(y);
		if (apply_entry(y, e) < 0 || ai_check_interrupt(y->err) < 0)
			return y->err->code;
	}
	return 0;
}

/* Only the packing that the member's name says is tried. */
static int
support(struct deb *y, const char *packing)
{
	int r = archive_read_support_format_tar(y->tar);
	if (r == ARCHIVE_OK && strcmp(packing, ".gz") == 0)
		r = archive_read_support_filter_gzip(y->tar);
	else if (r == ARCHIVE_OK && strcmp(packing, ".xz") == 0)
		r = archive_read_support_filter_xz(y->tar);
	else if (r == ARCHIVE_OK && strcmp(packing, ".zst") == 0)
		r = archive_read_support_filter_zstd(y->tar);
	else if (r == ARCHIVE_OK && *packing)
		return ai_fail(y->err, AI_EINPUT, "'data.tar%s': expected gz, xz or zst", packing);
	return r == ARCHIVE_OK ? 0 : tar_fault(y);
}

static int
read_tar(struct deb *y, const struct member *m)
{
	if (support(y, m->name + strlen("data.tar")) < 0)
		return y->err->code;
	return archive_read_open(y->tar, y, NULL, read_some, NULL) == ARCHIVE_OK ? apply_entries(y) : tar_fault(y);
}

static int
apply(struct deb *y)
{
	struct member m;
	if (find_data(y, &m) < 0)
		return y->err->code;
	/* As image_layers.c: names as the bytes that they are. */
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return ai_nomem(y->err);
	locale_t before = uselocale(c);
	int r = (y->tar = archive_read_new()) ? read_tar(y, &m) : ai_nomem(y->err);
	archive_read_free(y->tar);
	uselocale(before);
	freelocale(c);
	return r;
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
	return ai_image_seal(&d->tree, d->sink, tree_out, &specials, err);
}
