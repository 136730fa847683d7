/*
 * image_layers.c -- ai_layers_ of oci_parts.h: tar files of layers into one merged tree.
 *
 * libarchive reads the tar format (ustar, pax, GNU; sparse files), image_unpack what it is packed in, image_tree
 * merges. What a tree does not have is lost here: owners, times, modes but the owner's x, extended attributes (so also file
 * capabilities and whatever an overlay wrote into user.overlay.*), devices, FIFOs and sockets.
 *
 * A layer must hash to its diff_id with everything in its stream, also what stands behind the end of the archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/talk.h"
#include "fetch/image_tree.h"
#include "fetch/image_unpack.h"
#include "fetch/oci_parts.h"

/* What an image may unpack to, in bytes of its tar files and of its files; and how much of that may be holes, which cost its maker nothing. */
static const uint64_t max_unpacked = (uint64_t)1 << 40, max_holes = (uint64_t)1 << 34;

struct ai_layers {
	const struct ai_sink *sink;
	const struct ai_talk *talk;
	struct ai_image_tree tree;
	uint64_t unpacked, stored, holes;
	size_t entries;
	bool broken;                  /* a layer was applied in part */
};

/* One layer being read. */
struct layer {
	struct ai_layers *all;
	struct ai_unpack *unpack;
	struct archive *tar;
	struct ai_sha sha;
	uint64_t n;                   /* of its unpacked bytes so far */
	bool ended;                   /* there are no more of them */
	bool unpadded;                /* its last file has no padding after it */
	struct ai_err *err;           /* set when reading failed below libarchive */
};

struct ai_layers *
ai_layers_new(const struct ai_sink *sink, const struct ai_talk *talk)
{
	struct ai_err ignored = { 0 };
	struct ai_layers *l = ai_calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->sink = sink;
	l->talk = talk;
	if (ai_image_tree_init(&l->tree, &ignored) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

void
ai_layers_free(struct ai_layers *l)
{
	if (!l)
		return;
	ai_image_tree_done(&l->tree);
	free(l);
}

/* --- the stream ----------------------------------------------------------------- */

/* The next block of the tar file, hashed: 1, 0 at the end. */
static int
next_block(struct layer *y, const void **bytes, size_t *n)
{
	int r = ai_unpack_next(y->unpack, bytes, n, y->err);
	y->ended = y->ended || r == 0;
	if (r <= 0)
		return r;
	ai_sha_add(&y->sha, *bytes, *n);
	uint64_t before = y->n;
	y->n += *n;
	y->all->unpacked += *n;
	if (y->all->unpacked > max_unpacked)
		return ai_fail(y->err, AI_EINPUT, "the image unpacks to more than %llu bytes", (unsigned long long)max_unpacked);
	if (before >> 24 != y->n >> 24)
		ai_say_progress(y->all->talk, "unpacking image", y->all->unpacked, 0);
	return 1;
}

static la_ssize_t
read_block(struct archive *a, void *ctx, const void **bytes)
{
	struct layer *y = ctx;
	size_t n = 0;
	if (y->err->code)
		return ARCHIVE_FATAL;
	int r = next_block(y, bytes, &n);
	if (r < 0)
		archive_set_error(a, EIO, "cannot read");
	return r < 0 ? ARCHIVE_FATAL : r == 0 ? 0 : (la_ssize_t)n;
}

/* What libarchive has to say, unless we know better. */
static int
tar_fault(struct layer *y)
{
	if (y->err->code)
		return y->err->code;
	const char *why = archive_error_string(y->tar);
	return ai_fail(y->err, AI_EINPUT, "%s", why ? why : "damaged tar file");
}

/* --- content ---------------------------------------------------------------------- */

static int
write_zeros(struct layer *y, void *obj, uint64_t n)
{
	static const char zeros[1 << 16];
	struct ai_layers *l = y->all;
	l->holes += n;
	if (l->holes > max_holes)
		return ai_fail(y->err, AI_EINPUT, "sparse files of the image have more than %llu bytes of holes", (unsigned long long)max_holes);
	for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
		if (l->sink->write(obj, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros, y->err) < 0 || ai_check_interrupt(y->err) < 0)
			return y->err->code;
	return 0;
}

/* The bytes of an entry to the object, holes as zeros. */
static int
copy_content(struct layer *y, void *obj, uint64_t size)
{
	uint64_t at = 0;
	for (;;) {
		const void *bytes;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(y->tar, &bytes, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && at == size && y->ended && !y->err->code) {
			/* Every byte of the file is there and the stream ends: only its padding is missing, which umoci's insert leaves out and Go's reader forgives. */
			y->unpadded = true;
			break;
		}
		if (r != ARCHIVE_OK)
			return tar_fault(y);
		if (offset < 0 || (uint64_t)offset < at || (uint64_t)offset > size || n > size - (uint64_t)offset)
			return ai_fail(y->err, AI_EINPUT, "sparse file with parts out of place");
		if ((uint64_t)offset > at && write_zeros(y, obj, (uint64_t)offset - at) < 0)
			return y->err->code;
		if (n > 0 && y->all->sink->write(obj, bytes, n, y->err) < 0)
			return y->err->code;
		at = (uint64_t)offset + n;
	}
	return at < size ? write_zeros(y, obj, size - at) : 0;
}

static int
store_content(struct layer *y, uint64_t size, struct ai_digest *id)
{
	const struct ai_sink *sink = y->all->sink;
	void *obj;
	y->all->stored += size;
	if (size > max_unpacked || y->all->stored > max_unpacked)
		return ai_fail(y->err, AI_EINPUT, "the image's files have more than %llu bytes", (unsigned long long)max_unpacked);
	if (sink->begin(sink->ctx, &obj, y->err) < 0)
		return y->err->code;
	if (copy_content(y, obj, size) < 0 || sink->commit(obj, id, NULL, y->err) < 0) {
		sink->abort(obj);
		return y->err->code;
	}
	return 0;
}

/* --- entries ------------------------------------------------------------------------ */

static int
put_file(struct layer *y, struct archive_entry *e, const struct ai_image_path *at)
{
	struct ai_digest id;
	if (archive_entry_size(e) < 0)
		return ai_fail(y->err, AI_EINPUT, "has no size");
	if (store_content(y, (uint64_t)archive_entry_size(e), &id) < 0)
		return y->err->code;
	/* As fetch/path.c: what the owner may execute is executable. (Of an access list, libarchive takes the owner's line for the mode.) */
	return ai_image_put(&y->all->tree, at, archive_entry_perm(e) & 0100 ? AI_IMAGE_EXEC : AI_IMAGE_FILE, &id, NULL, y->err);
}

static int
put_hard_link(struct layer *y, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
		return ai_fail(y->err, AI_EINPUT, "hard link with content of its own");
	return ai_image_put_hard_link(&y->all->tree, at, archive_entry_hardlink(e), y->err);
}

static int
put_entry(struct layer *y, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_hardlink(e))
		return put_hard_link(y, e, at);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(y, e, at);
	case AE_IFDIR:
		/* libarchive takes a plain file for a folder when its name ends in '/'. */
		if (archive_entry_size(e) > 0)
			return ai_fail(y->err, AI_EINPUT, "a folder with bytes in it");
		return ai_image_put(&y->all->tree, at, AI_IMAGE_FOLDER, NULL, NULL, y->err);
	case AE_IFLNK:
		return ai_image_put_link(&y->all->tree, at, archive_entry_symlink(e), y->err);
	default:
		return ai_image_put(&y->all->tree, at, AI_IMAGE_SPECIAL, NULL, NULL, y->err);
	}
}

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* 1 the path is a marker of aufs, which docker of old left in and everybody skips; 2 a whiteout; 0 neither. */
static int
marker(const struct ai_image_path *at, struct ai_err *err)
{
	for (size_t i = 0; i < at->n; i++) {
		bool last = i + 1 == at->n;
		if (!begins(at->part[i], ".wh."))
			continue;
		if (last && strcmp(at->part[i], ".wh..wh..opq") == 0)
			return 2;
		if (begins(at->part[i], ".wh..wh."))
			return 1;
		return last ? 2 : ai_fail(err, AI_EINPUT, "something in '%s', which is a whiteout", at->part[i]);
	}
	return 0;
}

static int
apply_entry(struct layer *y, struct archive_entry *e)
{
	struct ai_image_path at;
	char shown[AI_IMAGE_SHOWN];
	const char *name = archive_entry_pathname(e);
	if (++y->all->entries > AI_OCI_MAX_ENTRIES)
		return ai_fail(y->err, AI_EINPUT, "the image has more than %d entries", AI_OCI_MAX_ENTRIES);
	if (ai_image_path_split(name ? name : "", &at, y->err) < 0)
		return y->err->code;
	int what = marker(&at, y->err), r = what;
	if (what == 2)
		r = ai_image_whiteout(&y->all->tree, &at, y->err);
	else if (what == 0)
		r = put_entry(y, e, &at);
	if (r < 0) {
		ai_image_shown(name, shown);
		r = ai_in(y->err, "'%s'", shown);
	}
	ai_image_path_done(&at);
	return r < 0 ? r : 0;
}

/*
 * A warning about what we do not use is none: in our locale every pax name beyond ASCII gives one (and comes as the bytes that it is),
 * and so do access lists. Others mean that libarchive guessed.
 */
static bool
harmless(const char *warning)
{
	return warning && (strstr(warning, "can't be converted from") || strcasestr(warning, "acl"));
}

static int
apply_entries(struct layer *y)
{
	struct archive_entry *e;
	for (;;) {
		int r = archive_read_next_header(y->tar, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (y->err->code || (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && harmless(archive_error_string(y->tar)))))
			return tar_fault(y);
		if (apply_entry(y, e) < 0)
			return y->err->code;
		if (y->unpadded)
			return 0;
		if (ai_check_interrupt(y->err) < 0)
			return y->err->code;
	}
}

/* --- a layer ---------------------------------------------------------------------------- */

static int
read_tar(struct layer *y, const struct ai_digest *diff_id)
{
	const void *bytes;
	size_t n;
	int r;
	struct ai_digest got;
	char is[AI_HEX], wanted[AI_HEX];
	if (archive_read_support_format_tar(y->tar) != ARCHIVE_OK || archive_read_support_format_empty(y->tar) != ARCHIVE_OK ||
		archive_read_open(y->tar, y, NULL, read_block, NULL) != ARCHIVE_OK)
		return tar_fault(y);
	if (apply_entries(y) < 0)
		return y->err->code;
	while ((r = next_block(y, &bytes, &n)) == 1)
		;
	if (r < 0)
		return r;
	ai_sha_end(&y->sha, &got);
	if (ai_digest_eq(&got, diff_id))
		return 0;
	ai_hex(&got, is);
	ai_hex(diff_id, wanted);
	return ai_fail(y->err, AI_EINPUT, "unpacks to sha256:%s, expected the config's diff_id sha256:%s", is, wanted);
}

/*
 * libarchive converts names of pax headers to the locale's character set, and in UTF-8 composes them on the way (NFC): another name than the
 * one in the layer. In the C locale it cannot convert, says so, and gives the bytes. The locale is this thread's for as long as the layer lasts.
 */
static int
apply(struct layer *y, const struct ai_digest *diff_id)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return ai_nomem(y->err);
	locale_t before = uselocale(c);
	int r = (y->tar = archive_read_new()) ? read_tar(y, diff_id) : ai_nomem(y->err);
	archive_read_free(y->tar);
	uselocale(before);
	freelocale(c);
	return r;
}

int
ai_layers_apply(struct ai_layers *l, int fd, ai_oci_packing packing, const struct ai_digest *diff_id, struct ai_err *err)
{
	struct layer y = { .all = l, .err = err };
	if (l->broken)
		return ai_fail(err, AI_EINPUT, "image: a layer before failed");
	l->broken = true;
	l->tree.layer++;
	if (ai_sha_init(&y.sha, err) < 0)
		return err->code;
	int r = ai_unpack_new(fd, packing, &y.unpack, err);
	if (r == 0)
		r = apply(&y, diff_id);
	ai_unpack_free(y.unpack);
	ai_sha_done(&y.sha);
	l->broken = r < 0;
	return r;
}

int
ai_layers_tree(struct ai_layers *l, const char *workdir, struct ai_digest *tree_out, struct ai_err *err)
{
	struct ai_image_path at;
	size_t left_out;
	if (l->broken)
		return ai_fail(err, AI_EINPUT, "image: a layer before failed");
	if (workdir) {
		if (ai_image_path_split(workdir, &at, err) < 0)
			return ai_in(err, "working folder");
		int r = ai_image_work_folder(&l->tree, &at, err);
		ai_image_path_done(&at);
		if (r < 0)
			return ai_in(err, "working folder '%s'", workdir);
	}
	if (ai_image_seal(&l->tree, l->sink, tree_out, &left_out, err) < 0)
		return ai_in(err, "image");
	if (left_out > 0)
		ai_say(l->talk, AI_TALK_NOTE, "image: devices, FIFOs and sockets left out: %zu", left_out);
	return 0;
}
