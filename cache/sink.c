/*
 * sink.c -- the store as fetch/ sees it.
 *
 * What an id given here promises, and when it is kept, stands in batch.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "cache/nodes.h"
#include "cache/objects.h"
#include "cache/pump.h"
#include "cache/sink.h"

static int
sink_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct ai_new_object *o;
	if (ai_object_begin(ctx, &o, err) < 0)
		return err->code;
	*obj = o;
	return 0;
}

static int
sink_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	return ai_object_write(obj, p, n, err);
}

static int
sink_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	return ai_object_commit(obj, out, size_out, err);
}

static void
sink_abort(void *obj)
{
	ai_object_abort(obj);
}

/* A file being hashed, and what was known of it before. */
struct reading {
	int fd;
	struct stat st;
	struct ai_file_key key;
	struct timespec began;
};

/* The clock is read first: whatever is changed after it has a younger stamp. */
static int
start_reading(struct reading *r, int dirfd, const char *name, int flags, struct ai_err *err)
{
	r->began = ai_stamp_now();
	/* O_NONBLOCK: a FIFO must not stop us before it is refused. */
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
	if (fd < 0 || fstat(fd, &r->st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot open");
	if (!S_ISREG(r->st.st_mode))
		return ai_fail(err, AI_EINPUT, "not a plain file");
	ai_file_key(&r->st, &r->key);
	r->fd = fd;
	fd = -1;
	return 0;
}

static int
known_hash(struct ai_store *s, const struct reading *r, struct ai_digest *out, struct ai_err *err)
{
	return ai_batch_hash_of(s, &r->key, out) ? 1 : ai_filehash_get(s->db, &r->key, out, err);
}

/* After the last byte: did the file stand still, and may its hash be remembered? size is what was read. */
static int
end_reading(struct ai_store *s, const struct reading *r, uint64_t size, const struct ai_digest *id, struct ai_err *err)
{
	struct stat st;
	struct ai_file_key now;
	if (fstat(r->fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot look at it");
	ai_file_key(&st, &now);
	/* The change of a link count alone moves ctime but no byte: a hard link made meanwhile is no reason to fail. */
	if (now.mtime_ns != r->key.mtime_ns || now.size != r->key.size)
		return ai_fail(err, AI_EINPUT, "changed while it was read");
	/* Files of /proc and /sys have sizes that are not their content's, and stamps that say nothing. */
	if (!ai_file_key_eq(&now, &r->key) || size != (uint64_t)st.st_size || ai_stamp_is_racy(&st, &r->began, ai_stamps_trusted(r->fd)))
		return 0;
	return ai_batch_hash(s, &now, id, err);
}

static int
sink_file(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct ai_store *s = ctx;
	struct reading r;
	struct ai_digest id;
	uint64_t size = 0;
	/* The caller names the file in errors, and has followed the links that it means to follow. */
	if (start_reading(&r, dirfd, name, O_NOFOLLOW, err) < 0)
		return err->code;
	AI_FD fd = r.fd;
	int known = known_hash(s, &r, &id, err);
	if (known == 1)
		known = ai_object_is_here(s, &id, err);
	if (known < 0)
		return known;
	if (known == 1) {
		size = (uint64_t)r.st.st_size;
	} else {
		if (ai_object_take_file(s, fd, &r.st, "content", &id, &size, err) < 0)
			return err->code;
		if (end_reading(s, &r, size, &id, err) < 0)
			return err->code;
	}
	*out = id;
	if (size_out)
		*size_out = size;
	return 0;
}

int
ai_store_hash_file(struct ai_store *s, int dirfd, const char *path, struct ai_digest *out, struct ai_err *err)
{
	struct reading r;
	struct ai_digest id;
	uint64_t size;
	if (start_reading(&r, dirfd, path, 0, err) < 0)
		return ai_in(err, "'%s'", path);
	AI_FD fd = r.fd;
	int known = known_hash(s, &r, &id, err);
	if (known < 0)
		return known;
	if (known == 0) {
		if (ai_pump(fd, -1, "content", &id, &size, err) < 0 || end_reading(s, &r, size, &id, err) < 0)
			return ai_in(err, "'%s'", path);
	}
	*out = id;
	return 0;
}

static int
sink_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_store *s = ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	struct ai_digest id;
	if (ai_tree_bytes(entries, n, &b, err) < 0 || ai_buf_ok(&b, "tree", err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, &id);
	int there = ai_node_there(s, &id, err);
	if (there < 0)
		return there;
	if (there == 0 && ai_batch_node(s, &id, b.data, b.len, NULL, err) < 0)
		return err->code;
	*out = id;
	return 0;
}

static int
sink_has(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	return ai_object_is_here(ctx, id, err);
}

void
ai_sink_of_store(struct ai_store *s, struct ai_sink *out)
{
	*out = (struct ai_sink){ s, sink_begin, sink_write, sink_commit, sink_abort, sink_file, sink_tree, sink_has };
}

const struct ai_sink *
ai_store_sink(struct ai_store *s)
{
	return &s->sink;
}
