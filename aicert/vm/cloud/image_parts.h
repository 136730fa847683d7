/*
 * image_parts.h -- between image.c and the formats: a disk as the few pieces of it that are not zero.
 *
 * Depends on: base.  Threads: a disk belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_IMAGE_PARTS_H
#define AI_VM_IMAGE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"

enum { AI_SECTOR = 512, AI_MIB = 1 << 20, AI_GIB = 1 << 30, AI_DISK_PIECES = 8 };

/* In the order of `at`, at whole sectors, not overlapping. */
struct ai_piece { uint64_t at; const void *p; size_t n; void *owned; };
struct ai_pieces {
	uint64_t size;              /* of the disk */
	struct ai_digest seed;      /* SHA-256 of the UKI: what GUIDs are made from */
	struct ai_piece v[AI_DISK_PIECES];
	size_t n;
};
void ai_pieces_done(struct ai_pieces *d);
/* Zeroed bytes of the disk at `at`, that belong to it; NULL when memory is out. */
void *ai_pieces_add(struct ai_pieces *d, uint64_t at, size_t n);
/* Bytes of somebody else's. */
void ai_pieces_borrow(struct ai_pieces *d, uint64_t at, const void *p, size_t n);
/* The n bytes from `at`; false when all of them lie between pieces, and are zero. */
bool ai_pieces_read(const struct ai_pieces *d, uint64_t at, void *to, size_t n);

/* fat.c: an EFI system partition with this program from byte `at`; *size is how long it became. */
int ai_fat_lay(struct ai_pieces *d, uint64_t at, const void *efi, size_t n, uint64_t *size, struct ai_err *err) AI_CHECKED;
/* gpt.c: one partition [at, at + size) on a disk of d->size; the head comes before and the tail behind what is there already. */
int ai_gpt_lay(struct ai_pieces *d, uint64_t at, uint64_t size, struct ai_err *err) AI_CHECKED;
/* A GUID in the byte order of disks, from seed and word. */
void ai_guid(const struct ai_digest *seed, const char *word, uint8_t out[16]);
uint32_t ai_crc32(uint32_t crc, const void *p, size_t n);

int ai_vhd_write(int fd, const struct ai_pieces *d, struct ai_err *err) AI_CHECKED;
int ai_qcow2_write(int fd, const struct ai_pieces *d, struct ai_err *err) AI_CHECKED;
int ai_gcp_write(int fd, const struct ai_pieces *d, struct ai_err *err) AI_CHECKED;
/* n bytes at an offset of fd. */
int ai_put_at(int fd, uint64_t at, const void *p, size_t n, struct ai_err *err) AI_CHECKED;

static inline void ai_le(uint8_t *p, uint64_t v, int n) { for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i)); }
static inline void ai_be(uint8_t *p, uint64_t v, int n) { for (int i = 0; i < n; i++) p[n - 1 - i] = (uint8_t)(v >> (8 * i)); }

#endif
