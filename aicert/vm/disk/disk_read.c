/* disk_read.c -- a disk read, each byte once (disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/talk.h"
#include "vm/disk/disk_parts.h"

enum { CHUNK = 1 << 20 };

struct ai_disk {
	int fd;
	char kind[AI_DISK_KIND + 1];
	struct ai_disk_index index;
	char *chunk;
};

/* n bytes from at: the only place that reads a disk. */
static int
get_at(int fd, const char *kind, uint64_t at, void *out, size_t n, struct ai_err *err)
{
	for (char *to = out; n > 0;) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ai_fail_errno(err, AI_EINPUT, "%s disk: cannot read", kind);
		if (got == 0)
			return ai_fail(err, AI_EINPUT, "%s disk: ends at byte %llu, %zu bytes early", kind, (unsigned long long)at, n);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
read_index(struct ai_disk *d, const struct ai_disk_header *h, struct ai_err *err)
{
	struct ai_digest got;
	char is[AI_HEX], want[AI_HEX];
	AI_FREE char *text = malloc((size_t)h->length);
	if (!text)
		return ai_nomem(err);
	if (get_at(d->fd, d->kind, h->at, text, (size_t)h->length, err) < 0)
		return err->code;
	ai_sha256(text, (size_t)h->length, &got);
	if (!ai_digest_eq(&got, &h->sha256)) {
		ai_hex(&got, is);
		ai_hex(&h->sha256, want);
		return ai_fail(err, AI_EINPUT, "%s disk: index: hashes to %s, the header says %s", d->kind, is, want);
	}
	return ai_disk_index_parse(text, (size_t)h->length, h->at, &d->index, err) < 0 ? ai_in(err, "%s disk", d->kind) : 0;
}

int
ai_disk_open(int fd, uint64_t size, const char *kind, int (*measured)(void *ctx, const struct ai_digest *header, struct ai_err *err), void *ctx,
	struct ai_disk **out, struct ai_err *err)
{
	unsigned char block[AI_DISK_BLOCK];
	struct ai_digest id;
	struct ai_disk_header h;
	if (size < AI_DISK_BLOCK)
		return ai_fail(err, AI_EINPUT, "%s disk: %llu bytes, expected at least %d", kind, (unsigned long long)size, AI_DISK_BLOCK);
	if (get_at(fd, kind, 0, block, sizeof block, err) < 0)
		return err->code;
	ai_sha256(block, sizeof block, &id);
	if (measured && measured(ctx, &id, err) < 0)
		return err->code;
	if (ai_disk_header_parse(block, kind, size, &h, err) < 0)
		return err->code;
	struct ai_disk *d = ai_calloc(1, sizeof *d);
	if (!d)
		return ai_nomem(err);
	d->fd = fd;
	memcpy(d->kind, h.kind, sizeof d->kind);
	d->chunk = malloc(CHUNK);
	int r = d->chunk ? read_index(d, &h, err) : ai_nomem(err);
	if (r < 0)
		ai_disk_close(d);
	else
		*out = d;
	return r;
}

void
ai_disk_close(struct ai_disk *d)
{
	if (!d)
		return;
	ai_disk_index_done(&d->index);
	free(d->chunk);
	free(d);
}

const json_t *
ai_disk_about(const struct ai_disk *d)
{
	return ai_json_obj(d->index.json, "about");
}

size_t
ai_disk_count(const struct ai_disk *d)
{
	return d->index.n;
}

const struct ai_disk_object *
ai_disk_object(const struct ai_disk *d, size_t i)
{
	return &d->index.entries[i].object;
}

uint64_t
ai_disk_at(const struct ai_disk *d, size_t i)
{
	return d->index.entries[i].at;
}

int
ai_disk_find(const struct ai_disk *d, const char *type, const char *name, size_t *i)
{
	struct ai_digest key;
	uint64_t at;
	ai_disk_key(type, name, &key);
	if (!ai_idset_get(&d->index.names, &key, &at))
		return 0;
	*i = (size_t)at;
	return 1;
}

static int
pass_on(struct ai_disk *d, const struct ai_disk_entry *e, struct ai_sha *sha, int (*take)(void *, const void *, size_t, struct ai_err *), void *ctx,
	struct ai_err *err)
{
	for (uint64_t done = 0; done < e->object.size;) {
		uint64_t left = e->object.size - done;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;
		if (ai_check_interrupt(err) < 0 || get_at(d->fd, d->kind, e->at + done, d->chunk, n, err) < 0)
			return err->code;
		ai_sha_add(sha, d->chunk, n);
		if (take(ctx, d->chunk, n, err) < 0)
			return err->code;
		done += n;
	}
	return 0;
}

int
ai_disk_read(struct ai_disk *d, size_t i, int (*take)(void *ctx, const void *p, size_t n, struct ai_err *err), void *ctx, struct ai_err *err)
{
	struct ai_disk_entry *e = &d->index.entries[i];
	struct ai_sha sha;
	struct ai_digest got;
	if (e->read)
		return ai_fail(err, AI_EUSAGE, "internal: %s disk: %s '%s' is read a second time", d->kind, e->object.type, e->object.name);
	e->read = true;
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	if (pass_on(d, e, &sha, take, ctx, err) < 0) {
		ai_sha_done(&sha);
		return err->code;
	}
	ai_sha_end(&sha, &got);
	if (ai_digest_eq(&got, &e->object.sha256))
		return 0;
	char is[AI_HEX], want[AI_HEX];
	ai_hex(&got, is);
	ai_hex(&e->object.sha256, want);
	return ai_fail(err, AI_EINPUT, "%s disk: %s '%s': hashes to %s, expected %s", d->kind, e->object.type, e->object.name, is, want);
}
