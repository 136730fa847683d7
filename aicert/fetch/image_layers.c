/*
 * image_layers.c -- ai_layers_ of oci_parts.h: tar files of layers into one merged tree.
 *
 * libarchive reads the tar format (ustar, pax, GNU; sparse files), image_unpack what it is packed in, archive_walk and image_tree
 * merge. What a tree does not have is lost here: owners, times, modes but the owner's x, extended attributes (so also file
 * capabilities and whatever an overlay wrote into user.overlay.*), devices, FIFOs and sockets.
 *
 * A layer must hash to its diff_id with everything in its stream, also what stands behind the end of the archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/talk.h"
#include "fetch/archive_walk.h"
#include "fetch/image_unpack.h"
#include "fetch/oci_parts.h"

/*
 * Sixteen GiB, and a thousand times what the layers have packed, about as much as gzip can say: a small image is none that fills a disk. Holes cost their
 * maker nothing at all. The same bound holds for the bytes of the tar files, with what is no file in them.
 */
static const struct ai_archive_rules rules = { .what = "the image", .entries = AI_OCI_MAX_ENTRIES, .free = (uint64_t)1 << 34, .ratio = 1000,
	.holes = (uint64_t)1 << 34, .devices = true };

struct ai_layers {
	const struct ai_talk *talk;
	struct ai_archive_walk walk;
	uint64_t unpacked;
	bool broken;                  /* a layer was applied in part */
};

/* One layer being read. */
struct layer {
	struct ai_layers *all;
	struct ai_unpack *unpack;
	struct ai_sha sha;
	uint64_t n;                   /* of its unpacked bytes so far */
	bool ended;                   /* there are no more of them */
	struct ai_err *err;           /* set when reading failed below libarchive */
};

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
place(void *ctx, const struct ai_image_path *at, struct ai_err *err)
{
	struct ai_layers *l = ctx;
	int what = marker(at, err);
	return what == 2 ? ai_image_whiteout(&l->walk.tree, at, err) : what < 0 ? what : what == 0;
}

struct ai_layers *
ai_layers_new(const struct ai_sink *sink, const struct ai_talk *talk)
{
	struct ai_err ignored = { 0 };
	struct ai_layers *l = ai_calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->talk = talk;
	if (ai_archive_walk_init(&l->walk, &rules, sink, &ignored) < 0) {
		free(l);
		return NULL;
	}
	l->walk.place = place;
	l->walk.ctx = l;
	return l;
}

void
ai_layers_free(struct ai_layers *l)
{
	if (!l)
		return;
	ai_archive_walk_done(&l->walk);
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
	if (y->all->unpacked > y->all->walk.room)
		return ai_fail(y->err, AI_EINPUT, "the image unpacks to more than %llu bytes", (unsigned long long)y->all->walk.room);
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

/* --- a layer ---------------------------------------------------------------------------- */

static int
open_tar(void *ctx, struct archive *tar)
{
	if (archive_read_support_format_tar(tar) != ARCHIVE_OK || archive_read_support_format_empty(tar) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	return archive_read_open(tar, ctx, NULL, read_block, NULL);
}

/* The tar file, then what stands behind its end, which is hashed as well. */
static int
apply(struct layer *y, const struct ai_digest *diff_id)
{
	const void *bytes;
	size_t n;
	struct ai_digest got;
	char is[AI_HEX], wanted[AI_HEX];
	int r = ai_archive_walk(&y->all->walk, open_tar, y, y->err);
	if (r < 0)
		return r;
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

int
ai_layers_apply(struct ai_layers *l, int fd, ai_oci_packing packing, const struct ai_digest *diff_id, struct ai_err *err)
{
	struct layer y = { .all = l, .err = err };
	struct stat st;
	if (l->broken)
		return ai_fail(err, AI_EINPUT, "image: a layer before failed");
	l->broken = true;
	l->walk.tree.layer++;
	if (fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot look at the layer");
	ai_archive_walk_size(&l->walk, (uint64_t)st.st_size);
	if (ai_sha_init(&y.sha, err) < 0)
		return err->code;
	l->walk.ended = &y.ended;
	int r = ai_unpack_new(fd, packing, &y.unpack, err);
	if (r == 0)
		r = apply(&y, diff_id);
	ai_unpack_free(y.unpack);
	ai_sha_done(&y.sha);
	l->walk.ended = NULL;
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
		int r = ai_image_work_folder(&l->walk.tree, &at, err);
		ai_image_path_done(&at);
		if (r < 0)
			return ai_in(err, "working folder '%s'", workdir);
	}
	if (ai_image_seal(&l->walk.tree, l->walk.sink, tree_out, &left_out, err) < 0)
		return ai_in(err, "image");
	if (left_out > 0)
		ai_say(l->talk, AI_TALK_NOTE, "image: devices, FIFOs and sockets left out: %zu", left_out);
	return 0;
}
