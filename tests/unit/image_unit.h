/*
 * image_unit.h -- a store of its own, and trees of images written down as lists, for the tests of what runs in an image.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_UNIT_H
#define AI_IMAGE_UNIT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/fs.h"
#include "base/path.h"
#include "cache/store.h"
#include "run/box/image_root.h"

/* One entry of an image: every folder is listed. */
struct in_image {
	const char *path;
	enum { DIR_, TEXT_, LINK_, PROGRAM_ /* text is a path of the machine; so too for */, LIBRARY_ } type;
	const char *text;
};

static struct ai_store *image_store;

static inline void
image_store_open(const char *folder)
{
	struct ai_home home;
	char *root = ai_join(folder, "home");
	ok(ai_home_find(root, &home, &err));
	ok(ai_store_open(&home, &image_store, &err));
	ai_home_done(&home);
	free(root);
}

static inline void
image_store_close(void)
{
	ai_store_close(image_store);
	image_store = NULL;
}

/* A file of the machine, links followed. */
static inline void
image_file(const char *path, struct ai_digest *out)
{
	const struct ai_sink *sink = ai_store_sink(image_store);
	uint64_t size;
	char *real = realpath(path, NULL);
	assert_non_null(real);
	ok(sink->file(sink->ctx, AT_FDCWD, real, out, &size, &err));
	free(real);
}

/* The tree of what the list has below a folder ("" is the root). */
static inline struct ai_digest
image_tree(const struct in_image *list, size_t n, const char *below)
{
	const struct ai_sink *sink = ai_store_sink(image_store);
	struct ai_entry entries[64];
	struct ai_digest out;
	size_t count = 0, len = strlen(below);
	for (size_t i = 0; i < n; i++) {
		const struct in_image *e = &list[i];
		const char *name = e->path + len + 1;
		if (strncmp(e->path, below, len) != 0 || e->path[len] != '/' || strchr(name, '/'))
			continue;
		assert_true(count < 64);
		struct ai_entry *at = &entries[count++];
		*at = (struct ai_entry){ .name = (char *)name };
		switch (e->type) {
		case DIR_: at->type = AI_ENTRY_DIR; at->id = image_tree(list, n, e->path); break;
		case TEXT_: at->type = AI_ENTRY_FILE; ok(ai_store_put_bytes(image_store, e->text, strlen(e->text), &at->id, &err)); break;
		case LINK_: at->type = AI_ENTRY_LINK; at->target = (char *)e->text; break;
		case PROGRAM_: at->type = AI_ENTRY_EXEC; image_file(e->text, &at->id); break;
		case LIBRARY_: at->type = AI_ENTRY_FILE; image_file(e->text, &at->id); break;
		}
	}
	ok(sink->tree(sink->ctx, entries, count, &out, &err));
	return out;
}

#define IMAGE(list) image_tree(list, sizeof (list) / sizeof *(list), "")

#endif
