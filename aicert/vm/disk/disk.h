/*
 * disk.h -- the disks of a measured run, in and out: one container, written once and read once.
 *
 *   header   4096 bytes: "aicert disk v1\n" and NUL (16), kind (16, NUL-padded: "job" or "result"), offset and length of the index
 *            (u64 LE each), SHA-256 of the index (32), zeros
 *   objects  one after another from byte 4096, each beginning at a multiple of 4096, zeros between
 *   index    canonical JSON: {"kind":"aicert-disk","about":{…},"objects":[{"type","name","size","sha256"}]}, in the order of the objects
 *
 * So the SHA-256 of the header binds every byte that is used. The reader's other end may change the disk at any time: each region is
 * read once, hashed as it is read, and nothing is believed before its hash was compared. What lies between and behind is never looked at. What is
 * too large to be read into memory lies on the disk's shelf (shelf.h), each block of which is hashed whenever it is read.
 * The index begins where the objects end, so nothing can lie over another; a node's, blob's and image's name must be its sha256.
 *
 * Types of object: "node" (canonical JSON of a node; name = its id), "blob" (name = its id), "git" (a raw object with its header; name = its
 * SHA-1), "oci" (manifest, config or layer; name = "sha256:…"), "log" (name = a step's), "attestation" (name ""), "shelf" and "verity" (name "").
 *
 * Depends on: base, cache (idset).  Threads: a writer or reader belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_DISK_H
#define AI_VM_DISK_H

#include <stdint.h>

#include "base/json.h"

enum { AI_DISK_BLOCK = 4096, AI_DISK_MAX_INDEX = 256 << 20, AI_DISK_MAX_OBJECTS = 4 << 20, AI_DISK_KIND = 16 };

struct ai_disk_writer;
struct ai_disk;

/* fd: a file or block device, written from its start and kept open by the caller until finish or abort. limit: bytes it may hold; AI_EENV beyond. */
int ai_disk_begin(int fd, const char *kind, uint64_t limit, struct ai_disk_writer **out, struct ai_err *err) AI_CHECKED;
/* An object whose bytes are at hand. A second one of the same type and name is passed over. */
int ai_disk_add(struct ai_disk_writer *w, const char *type, const char *name, const void *p, size_t n, struct ai_err *err) AI_CHECKED;
/* One that is read from a file, from its present offset to its end. */
int ai_disk_add_fd(struct ai_disk_writer *w, const char *type, const char *name, int from, struct ai_err *err) AI_CHECKED;
/* The object "verity": the hash tree (shelf.h) over what was written from byte from, a multiple of 4096, on. fd must be readable. */
int ai_disk_add_tree(struct ai_disk_writer *w, uint64_t from, struct ai_digest *root, struct ai_err *err) AI_CHECKED;
/* The byte that the next object will begin at. */
uint64_t ai_disk_next(const struct ai_disk_writer *w);
/* 1 when an object of this type and name was added. */
int ai_disk_added(const struct ai_disk_writer *w, const char *type, const char *name);
/* Index, then (synced between) the header: before it is there the disk holds nothing. Frees the writer whatever it returns. header may be NULL. */
int ai_disk_finish(struct ai_disk_writer *w, const json_t *about, struct ai_digest *header, struct ai_err *err) AI_CHECKED;
void ai_disk_abort(struct ai_disk_writer *w);

struct ai_disk_object { const char *type, *name; uint64_t size; struct ai_digest sha256; };

/*
 * ai_disk_open -- header and index of a disk of this kind; size: of file or device in bytes.
 *   measured   called with the SHA-256 of the header's bytes before anything in them is looked at; may be NULL
 * AI_EINPUT when it is none (what, and where); nothing was written yet: AI_ENO.
 */
int ai_disk_open(int fd, uint64_t size, const char *kind, int (*measured)(void *ctx, const struct ai_digest *header, struct ai_err *err),
	void *ctx, struct ai_disk **out, struct ai_err *err) AI_CHECKED;
void ai_disk_close(struct ai_disk *d);
const json_t *ai_disk_about(const struct ai_disk *d);
size_t ai_disk_count(const struct ai_disk *d);
/* Borrowed until close. */
const struct ai_disk_object *ai_disk_object(const struct ai_disk *d, size_t i);
/* The byte that object i begins at. */
uint64_t ai_disk_at(const struct ai_disk *d, size_t i);
/* 1 and the object's index, 0 there is none of this type and name. */
int ai_disk_find(const struct ai_disk *d, const char *type, const char *name, size_t *i);
/*
 * The bytes of object i, in order, to take; each object can be read once. AI_EINPUT when they are not what the index says: what take was
 * given is then to be thrown away.
 */
int ai_disk_read(struct ai_disk *d, size_t i, int (*take)(void *ctx, const void *p, size_t n, struct ai_err *err), void *ctx,
	struct ai_err *err) AI_CHECKED;

#endif
