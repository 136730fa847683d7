/* look.c -- a store in which nothing is kept: ai_store_look of store.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "cache/inside.h"
#include "cache/store.h"

static const struct ai_sink *
hashes(void *ctx)
{
	const struct ai_store *s = ctx;
	return ai_hashsink_sink(s->hashes);
}

static int
look_begin(void *ctx, void **obj, struct ai_err *err)
{
	return hashes(ctx)->begin(hashes(ctx)->ctx, obj, err);
}

static int
look_file(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct stat st;
	int known = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? ai_store_known_hash(ctx, &st, out, err) : 0;
	if (known == 1 && size_out)
		*size_out = (uint64_t)st.st_size;
	return known == 0 ? hashes(ctx)->file(hashes(ctx)->ctx, dirfd, name, out, size_out, err) : known < 0 ? known : 0;
}

static int
look_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	return hashes(ctx)->tree(hashes(ctx)->ctx, entries, n, out, err);
}

int
ai_store_look(struct ai_store *s, struct ai_err *err)
{
	if (ai_hashsink_new(&s->hashes, err) < 0)
		return err->code;
	const struct ai_sink *h = ai_hashsink_sink(s->hashes);
	s->looks = true;
	s->sink.begin = look_begin;
	s->sink.write = h->write;
	s->sink.commit = h->commit;
	s->sink.abort = h->abort;
	s->sink.file = look_file;
	s->sink.tree = look_tree;
	return 0;
}
