/* disk_write.c -- a disk written: objects, then the index, then the header (disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/talk.h"
#include "vm/disk/disk_parts.h"
#include "vm/disk/shelf.h"

enum { CHUNK = 1 << 20 };

struct ai_disk_writer {
	int fd;
	char kind[AI_DISK_KIND + 1];
	uint64_t limit, at;             /* at: where the next object begins */
	json_t *objects;
	struct ai_idset names;
	char *chunk;
};

static int
put_at(struct ai_disk_writer *w, uint64_t at, const void *p, size_t n, struct ai_err *err)
{
	const char *from = p;
	if (at > w->limit || n > w->limit - at)
		return ai_fail(err, AI_EENV, "%s disk: is full: it holds %llu bytes", w->kind, (unsigned long long)w->limit);
	while (n > 0) {
		ssize_t done = pwrite(w->fd, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return ai_fail_errno(err, AI_EENV, "%s disk: cannot write", w->kind);
		from += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

/* Zeros up to the next block: what was on the disk before is no part of it. */
static int
pad(struct ai_disk_writer *w, uint64_t at, struct ai_err *err)
{
	static const char zeros[AI_DISK_BLOCK];
	return put_at(w, at, zeros, (size_t)(ai_disk_aligned(at) - at), err);
}

static int
settle(const struct ai_disk_writer *w, struct ai_err *err)
{
	return fsync(w->fd) < 0 ? ai_fail_errno(err, AI_EENV, "%s disk: cannot sync", w->kind) : 0;
}

int
ai_disk_begin(int fd, const char *kind, uint64_t limit, struct ai_disk_writer **out, struct ai_err *err)
{
	static const char zeros[AI_DISK_BLOCK];
	struct ai_disk_writer *w = ai_calloc(1, sizeof *w);
	if (!w)
		return ai_nomem(err);
	w->fd = fd;
	w->limit = limit;
	w->at = AI_DISK_BLOCK;
	memcpy(w->kind, kind, strnlen(kind, AI_DISK_KIND));
	w->objects = json_array();
	w->chunk = malloc(CHUNK);
	int r = w->objects && w->chunk ? 0 : ai_nomem(err);
	/* A header that an earlier run left would stand for what is being overwritten. */
	if (r == 0)
		r = put_at(w, 0, zeros, sizeof zeros, err);
	if (r == 0)
		r = settle(w, err);
	if (r < 0)
		ai_disk_abort(w);
	else
		*out = w;
	return r;
}

void
ai_disk_abort(struct ai_disk_writer *w)
{
	if (!w)
		return;
	json_decref(w->objects);
	ai_idset_done(&w->names);
	free(w->chunk);
	free(w);
}

int
ai_disk_added(const struct ai_disk_writer *w, const char *type, const char *name)
{
	struct ai_digest key;
	ai_disk_key(type, name, &key);
	return ai_idset_get(&w->names, &key, NULL);
}

/* What stands from w->at on, n bytes, becomes an object. */
static int
list_object(struct ai_disk_writer *w, const char *type, const char *name, uint64_t n, const struct ai_digest *sha256, struct ai_err *err)
{
	struct ai_digest key;
	if (ai_disk_name_check(type, name, sha256, err) < 0)
		return ai_in(err, "%s disk", w->kind);
	if (json_array_size(w->objects) >= AI_DISK_MAX_OBJECTS)
		return ai_fail(err, AI_EENV, "%s disk: more than %d objects", w->kind, AI_DISK_MAX_OBJECTS);
	if (pad(w, w->at + n, err) < 0)
		return err->code;
	json_t *o = json_pack("{s:s, s:s, s:I, s:o}", "type", type, "name", name, "size", (json_int_t)n, "sha256", ai_json_hex(sha256));
	if (!o || json_array_append_new(w->objects, o) < 0)
		return ai_nomem(err);
	ai_disk_key(type, name, &key);
	if (ai_idset_put(&w->names, &key, 1, err) < 0)
		return err->code;
	w->at = ai_disk_aligned(w->at + n);
	return 0;
}

int
ai_disk_add(struct ai_disk_writer *w, const char *type, const char *name, const void *p, size_t n, struct ai_err *err)
{
	struct ai_digest sha256;
	if (ai_disk_added(w, type, name))
		return 0;
	ai_sha256(p, n, &sha256);
	return put_at(w, w->at, p, n, err) < 0 ? err->code : list_object(w, type, name, n, &sha256, err);
}

int
ai_disk_add_fd(struct ai_disk_writer *w, const char *type, const char *name, int from, struct ai_err *err)
{
	struct ai_sha sha;
	struct ai_digest sha256;
	uint64_t n = 0;
	if (ai_disk_added(w, type, name))
		return 0;
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	for (;;) {
		ssize_t got = ai_check_interrupt(err) < 0 ? 0 : read(from, w->chunk, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ai_fail_errno(err, AI_EINPUT, "%s disk: %s '%s': cannot read", w->kind, type, name);
		if (got <= 0 || put_at(w, w->at + n, w->chunk, (size_t)got, err) < 0)
			break;
		ai_sha_add(&sha, w->chunk, (size_t)got);
		n += (uint64_t)got;
	}
	if (err->code) {
		ai_sha_done(&sha);
		return err->code;
	}
	ai_sha_end(&sha, &sha256);
	return list_object(w, type, name, n, &sha256, err);
}

uint64_t
ai_disk_next(const struct ai_disk_writer *w)
{
	return w->at;
}

/* The tree is made in its place, and then listed as what was read from there. */
int
ai_disk_add_tree(struct ai_disk_writer *w, uint64_t from, struct ai_digest *root, struct ai_err *err)
{
	const uint64_t blocks = (w->at - from) / AI_DISK_BLOCK, size = ai_verity_size(blocks);
	struct ai_digest sha256, top;
	struct ai_sha sha;
	if (w->at > w->limit || size > w->limit - w->at)
		return ai_fail(err, AI_EENV, "%s disk: is full: it holds %llu bytes", w->kind, (unsigned long long)w->limit);
	if (ai_verity_build(w->fd, from, blocks, w->at, &top, err) < 0 || ai_sha_init(&sha, err) < 0)
		return err->code;
	for (uint64_t done = 0; done < size; done += AI_DISK_BLOCK) {
		if (pread(w->fd, w->chunk, AI_DISK_BLOCK, (off_t)(w->at + done)) != AI_DISK_BLOCK) {
			ai_sha_done(&sha);
			return ai_fail_errno(err, AI_EENV, "%s disk: cannot read what was written", w->kind);
		}
		ai_sha_add(&sha, w->chunk, AI_DISK_BLOCK);
	}
	ai_sha_end(&sha, &sha256);
	if (list_object(w, "verity", "", size, &sha256, err) < 0)
		return err->code;
	*root = top;
	return 0;
}

static int
finish(struct ai_disk_writer *w, const json_t *about, struct ai_digest *header, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_DISK_MAX_INDEX);
	struct ai_disk_header h = { .at = w->at };
	unsigned char block[AI_DISK_BLOCK];
	AI_JSON *index = json_pack("{s:s, s:O, s:O}", "kind", "aicert-disk", "about", about, "objects", w->objects);
	if (!index)
		return ai_nomem(err);
	if (ai_canon(index, &b, err) < 0 || ai_buf_ok(&b, "index", err) < 0)
		return ai_in(err, "%s disk", w->kind);
	if (put_at(w, w->at, b.data, b.len, err) < 0 || pad(w, w->at + b.len, err) < 0 || settle(w, err) < 0)
		return err->code;
	memcpy(h.kind, w->kind, sizeof h.kind);
	h.length = b.len;
	ai_sha256(b.data, b.len, &h.sha256);
	ai_disk_header_format(&h, block);
	if (put_at(w, 0, block, sizeof block, err) < 0 || settle(w, err) < 0)
		return err->code;
	if (header)
		ai_sha256(block, sizeof block, header);
	return 0;
}

int
ai_disk_finish(struct ai_disk_writer *w, const json_t *about, struct ai_digest *header, struct ai_err *err)
{
	int r = finish(w, about, header, err);
	ai_disk_abort(w);
	return r;
}
