/* shelf_find.c -- the shelf that a disk's index lists (shelf.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/disk/disk.h"
#include "vm/disk/shelf.h"

int
ai_shelf_expected(const struct ai_disk *d, const struct ai_shelf *s, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE struct ai_shelf_file *files = ai_calloc(s->n, sizeof *files);
	if (!files)
		return ai_nomem(err);
	for (size_t i = 0; i < s->n; i++) {
		const struct ai_disk_object *o = ai_disk_object(d, s->first + i);
		files[i] = (struct ai_shelf_file){ o->sha256, o->size };
	}
	return ai_shelf_image(files, s->n, out, err);
}

/* Metadata, blobs, tree, one behind the other. */
static int
find_objects(const struct ai_disk *d, struct ai_shelf *s, size_t *tree, struct ai_err *err)
{
	size_t image;
	if (!ai_disk_find(d, "shelf", "", &image) || !ai_disk_find(d, "verity", "", tree))
		return ai_fail(err, AI_EINPUT, "shelf: expected an object 'shelf' and an object 'verity'");
	s->first = image + 1;
	for (size_t i = s->first; i < *tree; i++)
		if (strcmp(ai_disk_object(d, i)->type, "blob") != 0)
			return ai_fail(err, AI_EINPUT, "shelf: object %zu: got '%s', expected a blob", i, ai_disk_object(d, i)->type);
	if (*tree <= s->first)
		return ai_fail(err, AI_EINPUT, "shelf: nothing stands on it");
	s->n = *tree - s->first;
	s->at = ai_disk_at(d, image);
	s->tree = ai_disk_at(d, *tree);
	return 0;
}

int
ai_shelf_find(const struct ai_disk *d, const struct ai_digest *root, struct ai_shelf *out, struct ai_err *err)
{
	struct ai_shelf s = { .root = *root };
	struct ai_digest sha256;
	size_t tree;
	AI_BUF_AUTO image = AI_BUF(AI_SHELF_MAX_IMAGE);
	if (find_objects(d, &s, &tree, err) < 0 || ai_shelf_expected(d, &s, &image, err) < 0)
		return err->code;
	const struct ai_disk_object *listed = ai_disk_object(d, s.first - 1);
	ai_sha256(image.data, image.len, &sha256);
	if (listed->size != image.len || !ai_digest_eq(&listed->sha256, &sha256))
		return ai_fail(err, AI_EINPUT, "shelf: its file system is not the one that its objects give");
	const uint64_t blocks = (s.tree - s.at) / AI_DISK_BLOCK, size = ai_disk_object(d, tree)->size;
	if (size != ai_verity_size(blocks))
		return ai_fail(err, AI_EINPUT, "shelf: hashes of %llu bytes, expected %llu", (unsigned long long)size, (unsigned long long)ai_verity_size(blocks));
	*out = s;
	return 0;
}
