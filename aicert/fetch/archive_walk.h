/*
 * archive_walk.h -- the members of an archive, as libarchive reads it, into an image tree: of image layers, packages and archives alike.
 *
 * Bounded, by the rules that are given: entries, bytes of files (as many as are free, and so many for each byte of the archive), bytes of holes; by
 * image_tree.h: length, depth and characters of names, links on the way to a member. Refused of every archive: parts "..", encrypted members, hard links with
 * content or to what is not there, folders with content, parts of sparse files out of place, warnings of libarchive but those about names and access lists.
 * Names are the bytes that they are. Of two members with one name the later counts.
 *
 * Depends on: base, sink, image_tree; libarchive.  Threads: a walk belongs to one; the locale is the thread's own while it lasts.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ARCHIVE_WALK_H
#define AI_ARCHIVE_WALK_H

#include <stdbool.h>

#include "fetch/image_tree.h"

struct archive;
struct ai_talk;

#define AI_ARCHIVE_TOTAL ((uint64_t)1 << 40) /* no archive unpacks to more */

struct ai_archive_rules {
	const char *what;              /* "the image", "the packages": of which limits speak */
	size_t entries;
	uint64_t free;                 /* bytes that its files may have at no cost */
	uint64_t ratio;                /* and further ones for each byte of the archive */
	uint64_t holes;                /* of these, how many may be holes; 0: a sparse file is refused */
	bool relative;                 /* absolute names are refused; else they are taken from the root */
	bool inside;                   /* links that lead out by their text are refused */
	bool devices;                  /* devices and the like have a place (AI_IMAGE_SPECIAL); else they are refused */
	bool keeps_links;              /* a folder does not take the place of a link that leads to one, as dpkg has it */
	bool utf8;                     /* the locale is UTF-8: a zip's names that say that they are */
};

struct ai_archive_walk {
	const struct ai_archive_rules *rules;
	const struct ai_sink *sink;
	const struct ai_talk *talk;    /* of progress; may be NULL */
	/* Where a member belongs: 1; 0: it was dealt with, or stays out; negative. NULL: where it says. */
	int (*place)(void *ctx, const struct ai_image_path *at, struct ai_err *err);
	void *ctx;
	unsigned strip;                /* leading parts of names that are left out */
	struct ai_image_tree tree;
	uint64_t room, stored, holes;
	size_t members, kept;          /* all, and those that are left after strip */
	/* Of the archive being read: whether its stream is at its end. A last file without padding is then whole. May be NULL. */
	const bool *ended;
	struct archive *a;
	struct ai_err *err;
};

int ai_archive_walk_init(struct ai_archive_walk *w, const struct ai_archive_rules *rules, const struct ai_sink *sink, struct ai_err *err) AI_CHECKED;
void ai_archive_walk_done(struct ai_archive_walk *w);
/* An archive of so many bytes comes: gives its files room. */
void ai_archive_walk_size(struct ai_archive_walk *w, uint64_t packed);
/*
 * One more archive into the tree, over what is there. open makes it ready to be read: ARCHIVE_OK or what libarchive said; or it, or a callback of its,
 * leaves the fault in *err. AI_EINPUT names the member.
 */
int ai_archive_walk(struct ai_archive_walk *w, int (*open)(void *ctx, struct archive *a), void *ctx, struct ai_err *err) AI_CHECKED;

#endif
