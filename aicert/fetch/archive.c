/* archive.c -- see archive.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/image_tree.h"

enum { BLOCK = 1 << 16 };

struct unpacking {
	const struct ai_sink *sink;
	const struct ai_talk *talk;
	struct archive *a;
	struct ai_image_tree tree;
	unsigned strip;
	uint64_t room, stored;        /* bytes that files may have, and have so far */
	size_t entries, kept;
	struct ai_err *err;
};

/* What libarchive has to say, unless we know better. */
static int
fault(struct unpacking *u)
{
	const char *why = archive_error_string(u->a);
	return u->err->code ? u->err->code : ai_fail(u->err, AI_EINPUT, "%s", why ? why : "damaged archive");
}

/* --- content ----------------------------------------------------------------------------- */

/* n more bytes of files. */
static int
take_room(struct unpacking *u, uint64_t n)
{
	if (n > u->room - u->stored)
		return ai_fail(u->err, AI_EINPUT, "the archive unpacks to more than %llu bytes: expected at most 1 GiB and %d times its own size",
			(unsigned long long)u->room, AI_ARCHIVE_RATIO);
	uint64_t before = u->stored;
	u->stored += n;
	if (before >> 24 != u->stored >> 24)
		ai_say_progress(u->talk, "unpacking", u->stored, 0);
	return ai_check_interrupt(u->err);
}

static int
write_zeros(struct unpacking *u, void *obj, uint64_t n)
{
	static const char zeros[BLOCK];
	for (uint64_t part; n > 0; n -= part) {
		part = n < sizeof zeros ? n : sizeof zeros;
		if (take_room(u, part) < 0 || u->sink->write(obj, zeros, (size_t)part, u->err) < 0)
			return u->err->code;
	}
	return 0;
}

/* The bytes of a member to the object, holes as zeros. A zip may not say its size before its end. */
static int
copy_content(struct unpacking *u, struct archive_entry *e, void *obj)
{
	uint64_t at = 0, size = archive_entry_size_is_set(e) && archive_entry_size(e) >= 0 ? (uint64_t)archive_entry_size(e) : UINT64_MAX;
	for (;;) {
		const void *bytes;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(u->a, &bytes, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return fault(u);
		if (offset < 0 || (uint64_t)offset < at || (uint64_t)offset > size || n > size - (uint64_t)offset)
			return ai_fail(u->err, AI_EINPUT, "sparse file with parts out of place");
		if (write_zeros(u, obj, (uint64_t)offset - at) < 0 || take_room(u, n) < 0 || (n > 0 && u->sink->write(obj, bytes, n, u->err) < 0))
			return u->err->code;
		at = (uint64_t)offset + n;
	}
	return size != UINT64_MAX && at < size ? write_zeros(u, obj, size - at) : 0;
}

static int
put_file(struct unpacking *u, struct archive_entry *e, const struct ai_image_path *at)
{
	struct ai_digest id;
	void *obj;
	if (archive_entry_is_encrypted(e))
		return ai_fail(u->err, AI_EINPUT, "is encrypted");
	if (u->sink->begin(u->sink->ctx, &obj, u->err) < 0)
		return u->err->code;
	if (copy_content(u, e, obj) < 0 || u->sink->commit(obj, &id, NULL, u->err) < 0) {
		u->sink->abort(obj);
		return u->err->code;
	}
	return ai_image_put(&u->tree, at, archive_entry_perm(e) & 0100 ? AI_IMAGE_EXEC : AI_IMAGE_FILE, &id, NULL, u->err);
}

/* --- members -------------------------------------------------------------------------------- */

/* The path with "/" between its parts; fresh. */
static char *
joined(const struct ai_image_path *p)
{
	struct ai_buf b = AI_BUF(AI_IMAGE_PATH + 1);
	for (size_t i = 0; i < p->n; i++)
		ai_buf_printf(&b, "%s%s", i ? "/" : "", p->part[i]);
	if (b.state != AI_BUF_GOOD || b.len == 0) {
		ai_buf_done(&b);
		return NULL;
	}
	return ai_buf_take(&b);
}

static int
put_link(struct unpacking *u, struct archive_entry *e, const struct ai_image_path *at)
{
	const char *target = archive_entry_symlink(e);
	AI_FREE char *path = joined(at);
	AI_FREE char *tidy = target ? ai_strdup(target) : NULL;
	if (!path || !tidy)
		return target ? ai_nomem(u->err) : ai_fail(u->err, AI_EINPUT, "link without a target");
	if (!ai_link_inside(path, tidy))
		return ai_fail(u->err, AI_EINPUT, "link to '%s' leaves the archive", tidy);
	/* One entry of a tree node has the same rule: asked here, the fault is told with the member. */
	struct ai_entry probe = { .name = (char *)"link", .type = AI_ENTRY_LINK, .target = tidy };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_HEADER);
	if (ai_tree_bytes(&probe, 1, &b, u->err) < 0)
		return u->err->code;
	return ai_image_put(&u->tree, at, AI_IMAGE_LINK, NULL, tidy, u->err);
}

/* The parts of a name that are left after strip. 1, 0 none are left. */
static int
parts_of(struct unpacking *u, const char *name, struct ai_image_path *out)
{
	if (!name || name[0] == '/')
		return ai_fail(u->err, AI_EINPUT, "has no name, or an absolute path");
	if (ai_image_path_split(name, out, u->err) < 0)
		return u->err->code;
	if (out->n <= u->strip) {
		ai_image_path_done(out);
		return 0;
	}
	out->n -= u->strip;
	memmove(out->part, out->part + u->strip, out->n * sizeof *out->part);
	return 1;
}

static int
put_hard_link(struct unpacking *u, struct archive_entry *e, const struct ai_image_path *at)
{
	struct ai_image_path target;
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
		return ai_fail(u->err, AI_EINPUT, "hard link with content of its own");
	int r = parts_of(u, archive_entry_hardlink(e), &target);
	if (r == 0)
		r = ai_fail(u->err, AI_EINPUT, "hard link to what 'strip' leaves out");
	if (r < 0)
		return r;
	r = ai_image_hard_link(&u->tree, at, &target, u->err);
	ai_image_path_done(&target);
	return r;
}

static int
put_member(struct unpacking *u, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_hardlink(e))
		return put_hard_link(u, e, at);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(u, e, at);
	case AE_IFDIR:
		return ai_image_put(&u->tree, at, AI_IMAGE_FOLDER, NULL, NULL, u->err);
	case AE_IFLNK:
		return put_link(u, e, at);
	default:
		return ai_fail(u->err, AI_EINPUT, "is a device, FIFO or socket: expected a file, folder or link");
	}
}

static int
apply_member(struct unpacking *u, struct archive_entry *e)
{
	struct ai_image_path at;
	char shown[AI_IMAGE_SHOWN];
	const char *name = archive_entry_pathname(e);
	if (++u->entries > AI_ARCHIVE_ENTRIES)
		return ai_fail(u->err, AI_EINPUT, "the archive has more than %d entries", AI_ARCHIVE_ENTRIES);
	int r = parts_of(u, name, &at);
	if (r == 1) {
		r = put_member(u, e, &at);
		u->kept++;
		ai_image_path_done(&at);
	}
	if (r < 0 && r != AI_EINTR) {
		ai_image_shown(name ? name : "", shown);
		ai_in(u->err, "'%s'", shown);
	}
	return r;
}

/* As of image layers: in our locale every name beyond ASCII gives a warning, and comes as the bytes that it is. */
static bool
harmless(const char *warning)
{
	return warning && (strstr(warning, "can't be converted from") || strstr(warning, "cannot be converted from") || strcasestr(warning, "acl"));
}

static int
apply_members(struct unpacking *u)
{
	struct archive_entry *e;
	for (;;) {
		int r = archive_read_next_header(u->a, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (u->err->code || (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && harmless(archive_error_string(u->a)))))
			return fault(u);
		if (apply_member(u, e) < 0 || ai_check_interrupt(u->err) < 0)
			return u->err->code;
	}
}

static int
read_archive(struct unpacking *u, int fd)
{
	struct archive *a = u->a;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
		archive_read_support_filter_gzip(a) != ARCHIVE_OK || archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
		archive_read_support_filter_xz(a) != ARCHIVE_OK || archive_read_support_filter_zstd(a) != ARCHIVE_OK)
		return fault(u);
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK) {
		(void)fault(u);
		return ai_in(u->err, "no archive of a known kind (tar, tar.gz, tar.bz2, tar.xz, tar.zst, zip)");
	}
	return apply_members(u);
}

/* Names are the bytes that they are: see image_layers.c. But a zip's, where it says that they are UTF-8, come in such a locale only. */
static locale_t
locale_for(int fd)
{
	char magic[2] = "";
	locale_t utf8 = pread(fd, magic, 2, 0) == 2 && memcmp(magic, "PK", 2) == 0 ? newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0) : (locale_t)0;
	return utf8 ? utf8 : newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static int
unpack(struct unpacking *u, int fd, struct ai_digest *out)
{
	size_t left_out;
	locale_t c = locale_for(fd);
	if (!c)
		return ai_nomem(u->err);
	locale_t before = uselocale(c);
	int r = (u->a = archive_read_new()) ? read_archive(u, fd) : ai_nomem(u->err);
	archive_read_free(u->a);
	uselocale(before);
	freelocale(c);
	if (r == 0 && u->entries > 0 && u->kept == 0)
		r = ai_fail(u->err, AI_EINPUT, "strip: %u: nothing is left of the archive's %zu members", u->strip, u->entries);
	return r < 0 ? r : ai_image_seal(&u->tree, u->sink, out, &left_out, u->err);
}

int
ai_archive_tree(int fd, unsigned strip, const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *out, struct ai_err *err)
{
	static const uint64_t most = (uint64_t)1 << 40;
	struct unpacking u = { .sink = sink, .talk = talk, .strip = strip, .err = err };
	struct stat st;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EINPUT, "archive: cannot read");
	uint64_t size = (uint64_t)st.st_size;
	u.room = size > (most - AI_ARCHIVE_FREE) / AI_ARCHIVE_RATIO ? most : AI_ARCHIVE_FREE + size * AI_ARCHIVE_RATIO;
	if (ai_image_tree_init(&u.tree, err) < 0)
		return err->code;
	u.tree.layer = 1;
	int r = unpack(&u, fd, out);
	ai_image_tree_done(&u.tree);
	return r;
}
