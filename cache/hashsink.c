/* hashsink.c -- see hashsink.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/hashsink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/ahead.h"
#include "cache/pump.h"

struct ai_hashsink {
	struct ai_sink sink;
	struct ai_ahead *ahead;
};

struct running { struct ai_sha sha; uint64_t size; };

static int
hash_begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	struct running *r = ai_calloc(1, sizeof *r);
	if (!r)
		return ai_nomem(err);
	if (ai_sha_init(&r->sha, err) < 0) {
		free(r);
		return err->code;
	}
	*obj = r;
	return 0;
}

static int
hash_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)err;
	struct running *r = obj;
	ai_sha_add(&r->sha, p, n);
	r->size += n;
	return 0;
}

static int
hash_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	(void)err;
	struct running *r = obj;
	ai_sha_end(&r->sha, out);
	if (size_out)
		*size_out = r->size;
	free(r);
	return 0;
}

static void
hash_abort(void *obj)
{
	struct running *r = obj;
	ai_sha_done(&r->sha);
	free(r);
}

static int
hash_file(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct ai_hashsink *h = ctx;
	struct stat st;
	struct ai_digest id;
	uint64_t size = 0;
	int known = ai_ahead_get(h->ahead, dirfd, name, &id, &size, err);
	if (known < 0)
		return known;
	if (known == 0) {
		/* As in the store: the caller names the file in errors, and has followed the links that it means to follow. */
		AI_FD fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
		if (fd < 0 || fstat(fd, &st) < 0)
			return ai_fail_errno(err, AI_EINPUT, "cannot open");
		if (!S_ISREG(st.st_mode))
			return ai_fail(err, AI_EINPUT, "not a plain file");
		if (ai_pump(fd, -1, "content", &id, &size, err) < 0)
			return err->code;
	}
	*out = id;
	if (size_out)
		*size_out = size;
	return 0;
}

static int
hash_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0 || ai_buf_ok(&b, "tree", err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	return 0;
}

int
ai_hashsink_new(struct ai_hashsink **out, struct ai_err *err)
{
	struct ai_hashsink *h = ai_calloc(1, sizeof *h);
	if (!h)
		return ai_nomem(err);
	if (ai_ahead_new(&h->ahead, err) < 0) {
		free(h);
		return err->code;
	}
	h->sink = (struct ai_sink){ h, hash_begin, hash_write, hash_commit, hash_abort, hash_file, hash_tree, NULL };
	*out = h;
	return 0;
}

const struct ai_sink *
ai_hashsink_sink(struct ai_hashsink *h)
{
	return &h->sink;
}

void
ai_hashsink_free(struct ai_hashsink *h)
{
	if (!h)
		return;
	ai_ahead_free(h->ahead);
	free(h);
}
