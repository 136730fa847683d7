/* archive_walk.c -- see archive_walk.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/archive_walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

int
ai_archive_walk_init(struct ai_archive_walk *w, const struct ai_archive_rules *rules, const struct ai_sink *sink, struct ai_err *err)
{
	*w = (struct ai_archive_walk){ .rules = rules, .sink = sink, .room = rules->free };
	return ai_image_tree_init(&w->tree, err);
}

void
ai_archive_walk_done(struct ai_archive_walk *w)
{
	ai_image_tree_done(&w->tree);
}

void
ai_archive_walk_size(struct ai_archive_walk *w, uint64_t packed)
{
	uint64_t left = AI_ARCHIVE_TOTAL - w->room;
	w->room += w->rules->ratio > 0 && packed > left / w->rules->ratio ? left : packed * w->rules->ratio;
}

/* What libarchive has to say, unless we know better. */
static int
fault(struct ai_archive_walk *w)
{
	const char *why = archive_error_string(w->a);
	return w->err->code ? w->err->code : ai_fail(w->err, AI_EINPUT, "%s", why ? why : "damaged archive");
}

/* --- content ----------------------------------------------------------------------------- */

/* Is there room for n more bytes of files? */
static int
has_room(const struct ai_archive_walk *w, uint64_t n)
{
	if (n <= w->room - w->stored)
		return 0;
	ai_fail(w->err, AI_EINPUT, "%s unpacks to more than %llu bytes", w->rules->what, (unsigned long long)w->room);
	if (w->rules->ratio == 0)
		return w->err->code;
	return ai_hint(w->err, "allowed are %llu bytes, and %llu times its own size", (unsigned long long)w->rules->free, (unsigned long long)w->rules->ratio);
}

static int
take_room(struct ai_archive_walk *w, uint64_t n)
{
	if (has_room(w, n) < 0)
		return w->err->code;
	uint64_t before = w->stored;
	w->stored += n;
	if (before >> 24 != w->stored >> 24)
		ai_say_progress(w->talk, "unpacking", w->stored, 0);
	return ai_check_interrupt(w->err);
}

static int
write_zeros(struct ai_archive_walk *w, void *obj, uint64_t n)
{
	static const char zeros[1 << 16];
	if (n > 0 && w->rules->holes == 0)
		return ai_fail(w->err, AI_EINPUT, "sparse file");
	if (n > w->rules->holes - w->holes)
		return ai_fail(w->err, AI_EINPUT, "sparse files of %s have more than %llu bytes of holes", w->rules->what, (unsigned long long)w->rules->holes);
	w->holes += n;
	for (uint64_t part; n > 0; n -= part) {
		part = n < sizeof zeros ? n : sizeof zeros;
		if (take_room(w, part) < 0 || w->sink->write(obj, zeros, (size_t)part, w->err) < 0)
			return w->err->code;
	}
	return 0;
}

/* The bytes of a member to the object, holes as zeros. 1: they are whole, and the stream ends without the padding behind them. */
static int
copy_content(struct ai_archive_walk *w, struct archive_entry *e, void *obj)
{
	/* A zip may not say its size before its end. */
	uint64_t at = 0, size = archive_entry_size_is_set(e) ? (uint64_t)archive_entry_size(e) : UINT64_MAX;
	for (;;) {
		const void *bytes;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(w->a, &bytes, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		/* Only the padding is missing, which umoci's insert leaves out and Go's reader forgives. */
		if (r != ARCHIVE_OK && at == size && w->ended && *w->ended && !w->err->code)
			return 1;
		if (r != ARCHIVE_OK)
			return fault(w);
		if (offset < 0 || (uint64_t)offset < at || (uint64_t)offset > size || n > size - (uint64_t)offset)
			return ai_fail(w->err, AI_EINPUT, "sparse file with parts out of place");
		if (write_zeros(w, obj, (uint64_t)offset - at) < 0 || take_room(w, n) < 0 || (n > 0 && w->sink->write(obj, bytes, n, w->err) < 0))
			return w->err->code;
		at = (uint64_t)offset + n;
	}
	return size != UINT64_MAX && at < size ? write_zeros(w, obj, size - at) : 0;
}

/* 1: as copy_content. */
static int
put_file(struct ai_archive_walk *w, struct archive_entry *e, const struct ai_image_path *at)
{
	struct ai_digest id;
	void *obj;
	if (archive_entry_is_encrypted(e))
		return ai_fail(w->err, AI_EINPUT, "is encrypted");
	if (archive_entry_size_is_set(e) && archive_entry_size(e) < 0)
		return ai_fail(w->err, AI_EINPUT, "has no size");
	if ((archive_entry_size_is_set(e) && has_room(w, (uint64_t)archive_entry_size(e)) < 0) || w->sink->begin(w->sink->ctx, &obj, w->err) < 0)
		return w->err->code;
	int r = copy_content(w, e, obj);
	if (r < 0 || w->sink->commit(obj, &id, NULL, w->err) < 0) {
		w->sink->abort(obj);
		return w->err->code;
	}
	/* As fetch/path.c: what the owner may execute is executable. (Of an access list, libarchive takes the owner's line for the mode.) */
	return ai_image_put(&w->tree, at, archive_entry_perm(e) & 0100 ? AI_IMAGE_EXEC : AI_IMAGE_FILE, &id, NULL, w->err) < 0 ? w->err->code : r;
}

/* --- members -------------------------------------------------------------------------------- */

static bool
leads_out(const struct ai_image_path *at, const char *target)
{
	AI_BUF_AUTO b = AI_BUF(AI_IMAGE_PATH + 1);
	for (size_t i = 0; i < at->n; i++)
		ai_buf_printf(&b, "%s%s", i ? "/" : "", at->part[i]);
	AI_FREE char *tidy = ai_strdup(target);
	return b.state != AI_BUF_GOOD || !b.data || !tidy || !ai_link_inside(b.data, tidy);
}

static int
put_link(struct ai_archive_walk *w, const char *target, const struct ai_image_path *at)
{
	if (target && w->rules->inside && leads_out(at, target))
		return ai_fail(w->err, AI_EINPUT, "link to '%s' leads out of %s", target, w->rules->what);
	return ai_image_put_link(&w->tree, at, target, w->err);
}

/* What is left of a name after strip: 1, 0 nothing. */
static int
parts_of(const struct ai_archive_walk *w, const char *name, struct ai_image_path *out)
{
	if (w->rules->relative && name && name[0] == '/')
		return ai_fail(w->err, AI_EINPUT, "has an absolute path");
	if (ai_image_path_split(name ? name : "", out, w->err) < 0)
		return w->err->code;
	if (w->strip == 0)
		return 1;
	if (out->n <= w->strip) {
		ai_image_path_done(out);
		return 0;
	}
	out->n -= w->strip;
	memmove(out->part, out->part + w->strip, out->n * sizeof *out->part);
	return 1;
}

static int
put_hard_link(struct ai_archive_walk *w, struct archive_entry *e, const struct ai_image_path *at)
{
	const char *target = archive_entry_hardlink(e);
	struct ai_image_path to;
	char shown[AI_IMAGE_SHOWN];
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
		return ai_fail(w->err, AI_EINPUT, "hard link with content of its own");
	int r = parts_of(w, target, &to);
	if (r == 0)
		return ai_fail(w->err, AI_EINPUT, "hard link to what 'strip' leaves out");
	if (r < 0)
		return ai_in(w->err, "hard link to");
	r = ai_image_hard_link(&w->tree, at, &to, w->err);
	ai_image_path_done(&to);
	if (r == 0)
		return 0;
	ai_image_shown(target, shown);
	return ai_in(w->err, "hard link to '%s'", shown);
}

static int
put_folder(struct ai_archive_walk *w, struct archive_entry *e, const struct ai_image_path *at)
{
	/* libarchive takes a plain file for a folder when its name ends in '/'. */
	if (archive_entry_size(e) > 0)
		return ai_fail(w->err, AI_EINPUT, "a folder with bytes in it");
	return w->rules->keeps_links ? ai_image_work_folder(&w->tree, at, w->err) : ai_image_put(&w->tree, at, AI_IMAGE_FOLDER, NULL, NULL, w->err);
}

static int
put_member(struct ai_archive_walk *w, struct archive_entry *e, const struct ai_image_path *at)
{
	if (archive_entry_hardlink(e))
		return put_hard_link(w, e, at);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(w, e, at);
	case AE_IFDIR:
		return put_folder(w, e, at);
	case AE_IFLNK:
		return put_link(w, archive_entry_symlink(e), at);
	default:
		if (w->rules->devices)
			return ai_image_put(&w->tree, at, AI_IMAGE_SPECIAL, NULL, NULL, w->err);
		return ai_fail(w->err, AI_EINPUT, "is a device, FIFO or socket: expected a file, folder or link");
	}
}

/* 1: it was the last. */
static int
apply_member(struct ai_archive_walk *w, struct archive_entry *e)
{
	struct ai_image_path at;
	char shown[AI_IMAGE_SHOWN];
	const char *name = archive_entry_pathname(e);
	if (++w->members > w->rules->entries)
		return ai_fail(w->err, AI_EINPUT, "%s has more than %zu entries", w->rules->what, w->rules->entries);
	int r = parts_of(w, name, &at);
	if (r == 1) {
		w->kept++;
		r = w->place ? w->place(w->ctx, &at, w->err) : 1;
		r = r == 1 ? put_member(w, e, &at) : r;
		ai_image_path_done(&at);
	}
	if (r < 0 && r != AI_EINTR) {
		ai_image_shown(name ? name : "", shown);
		ai_in(w->err, "'%s'", shown);
	}
	return r;
}

/*
 * A warning about what we do not use is none: in our locale every pax name beyond ASCII gives one (and comes as the bytes that it is),
 * and so do access lists. Others mean that libarchive guessed.
 */
static bool
harmless(const char *warning)
{
	return warning && (strstr(warning, "can't be converted from") || strstr(warning, "cannot be converted from") || strcasestr(warning, "acl"));
}

static int
apply_members(struct ai_archive_walk *w)
{
	struct archive_entry *e;
	for (;;) {
		int r = archive_read_next_header(w->a, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (w->err->code || (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && harmless(archive_error_string(w->a)))))
			return fault(w);
		r = apply_member(w, e);
		if (r != 0)
			return r < 0 ? r : 0;
		if (ai_check_interrupt(w->err) < 0)
			return w->err->code;
	}
}

/*
 * libarchive converts names of pax headers to the locale's character set, and in UTF-8 composes them on the way (NFC): another name than the
 * one in the archive. In the C locale it cannot convert, says so, and gives the bytes.
 */
int
ai_archive_walk(struct ai_archive_walk *w, int (*open)(void *ctx, struct archive *a), void *ctx, struct ai_err *err)
{
	locale_t own = w->rules->utf8 ? newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0) : (locale_t)0;
	if (!own)
		own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!own)
		return ai_nomem(err);
	locale_t before = uselocale(own);
	w->err = err;
	w->a = archive_read_new();
	int r = !w->a ? ai_nomem(err) : open(ctx, w->a) != ARCHIVE_OK || err->code ? fault(w) : apply_members(w);
	archive_read_free(w->a);
	w->a = NULL;
	uselocale(before);
	freelocale(own);
	return r;
}
