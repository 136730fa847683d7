/*
 * shelf.h -- what does not fit into a measured machine's memory, as bytes: a file system of objects and the tree of hashes over it.
 *
 * A job disk (disk.h) may have a shelf, one stretch of it that stays in place:
 *
 *   object "shelf"    metadata of an erofs file system: superblock at byte 1024, inodes of 64 bytes from byte 1152 (root, objects/, its folders, files),
 *                     then a block or more for each folder
 *   objects "blob"    at least one, none empty, in ascending order of their ids; the files' content, in the same order
 *   object "verity"   dm-verity's hash tree over all that: version 1, SHA-256, no salt, blocks of 4096, top level first
 *
 * and about.shelf is the tree's root. The file system is objects/ab/<62 digits>, as a store lays out its own: mode 0444, mtime
 * AI_OBJECT_MTIME, root's. It is a function of the files' ids and sizes alone. So whoever mounts one makes the bytes anew and compares: no
 * file system that somebody else thought out reaches a kernel.
 *
 * Depends on: disk, base, cache (AI_OBJECT_MTIME).  Threads: pure but for ai_verity_build, which reads and writes the file it is given.
 * Source: Linux, fs/erofs/erofs_fs.h; Documentation/admin-guide/device-mapper/verity.rst.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_SHELF_H
#define AI_VM_SHELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"

struct ai_disk;

/* A million files: a shelf is for the few that are large. An erofs counts its blocks of 4096 in 32 bits, and those of the metadata too. */
enum { AI_SHELF_MAX_FILES = 1 << 20, AI_SHELF_MAX_IMAGE = 256 << 20 };
#define AI_SHELF_MAX_BYTES ((1ull << 44) - (1ull << 30))

struct ai_shelf_file { struct ai_digest id; uint64_t size; };

/* The metadata of a file system of n files, whose content follows it block-aligned and in their order. AI_EINPUT: not as the format asks. */
int ai_shelf_image(const struct ai_shelf_file *files, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* The shelf of an open disk: its content is n objects from first on; its file system lies from byte at to the tree at byte tree. */
struct ai_shelf { size_t first, n; uint64_t at, tree; struct ai_digest root; };
/* root: what about.shelf says. AI_EINPUT: the index does not list one, whole and in order, or lists another file system than is made of its names. */
int ai_shelf_find(const struct ai_disk *d, const struct ai_digest *root, struct ai_shelf *out, struct ai_err *err) AI_CHECKED;
/* The metadata that the shelf's names and sizes give. */
int ai_shelf_expected(const struct ai_disk *d, const struct ai_shelf *s, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* The size of the tree over so many blocks, 2 or more; a multiple of 4096. */
uint64_t ai_verity_size(uint64_t blocks);
/* Reads so many blocks of fd from byte at, writes their tree at byte to. */
int ai_verity_build(int fd, uint64_t at, uint64_t blocks, uint64_t to, struct ai_digest *root, struct ai_err *err) AI_CHECKED;

#endif
