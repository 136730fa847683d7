/*
 * disk_parts.h -- header and index of a disk as bytes: what its writer and its reader share.
 *
 * The parsers are pure, bounded and fuzzed (tests/fuzz/fuzz_vm_disk.c): a disk comes from whoever holds the machine.
 *
 * Depends on: base, cache (idset).  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DISK_PARTS_H
#define AI_DISK_PARTS_H

#include <stdbool.h>

#include "cache/idset.h"
#include "vm/disk/disk.h"

struct ai_disk_header { char kind[AI_DISK_KIND + 1]; uint64_t at, length; struct ai_digest sha256; };

/* What a buffer of AI_DISK_BLOCK bytes becomes. */
void ai_disk_header_format(const struct ai_disk_header *h, unsigned char out[AI_DISK_BLOCK]);
/* size: of the whole disk. AI_ENO: nothing but zeros; AI_EINPUT: no header of this kind, or it points where nothing of it can be. */
int ai_disk_header_parse(const unsigned char bytes[AI_DISK_BLOCK], const char *kind, uint64_t size, struct ai_disk_header *out,
	struct ai_err *err) AI_CHECKED;

struct ai_disk_entry { struct ai_disk_object object; uint64_t at; bool read; };

struct ai_disk_index {
	json_t *json;                   /* owns what the entries borrow */
	struct ai_disk_entry *entries; size_t n;
	struct ai_idset names;          /* ai_disk_key -> index */
};
/* end: where the index lies, which is where the objects must end. Types, names, order, sizes: all as disk.h says, or AI_EINPUT. */
int ai_disk_index_parse(const char *text, size_t n, uint64_t end, struct ai_disk_index *out, struct ai_err *err) AI_CHECKED;
void ai_disk_index_done(struct ai_disk_index *i);

/* What a type and name are known by. */
void ai_disk_key(const char *type, const char *name, struct ai_digest *out);
/* Is it a type, and the name one of its? The sha256 of what has its hash for a name must be that name. */
int ai_disk_name_check(const char *type, const char *name, const struct ai_digest *sha256, struct ai_err *err) AI_CHECKED;
/* The next multiple of AI_DISK_BLOCK. */
static inline uint64_t
ai_disk_aligned(uint64_t at)
{
	return (at + AI_DISK_BLOCK - 1) / AI_DISK_BLOCK * AI_DISK_BLOCK;
}

#endif
