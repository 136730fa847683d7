/*
 * gpt.c -- a protective MBR and a GUID partition table of one partition, and their copy at the disk's end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "vm/cloud/image_parts.h"

enum { ENTRIES = 128, ENTRY = 128, ENTRY_SECTORS = ENTRIES * ENTRY / AI_SECTOR, HEADER = 92 };

uint32_t
ai_crc32(uint32_t crc, const void *p, size_t n)
{
	/* Made anew in each call: cheap beside a chunk of bytes, and nothing that threads share. */
	uint32_t table[256];
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		table[i] = c;
	}
	const uint8_t *b = p;
	crc = ~crc;
	for (size_t i = 0; i < n; i++)
		crc = table[(crc ^ b[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}

void
ai_guid(const struct ai_digest *seed, const char *word, uint8_t out[16])
{
	struct ai_digest w, d;
	ai_sha256(word, strlen(word), &w);
	ai_sha256_pair(seed, &w, &d);
	memcpy(out, d.b, 16);
	out[7] = (uint8_t)((out[7] & 0x0f) | 0x40); /* version 4; the third field is little-endian on disk */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static void
put_mbr(uint8_t *s, uint64_t sectors)
{
	uint8_t *e = s + 446;
	e[2] = 2;              /* CHS 0/0/2 */
	e[4] = 0xee;
	memset(e + 5, 0xff, 3);
	ai_le(e + 8, 1, 4);
	ai_le(e + 12, sectors - 1 < UINT32_MAX ? sectors - 1 : UINT32_MAX, 4);
	s[510] = 0x55;
	s[511] = 0xaa;
}

static void
put_entries(uint8_t *e, const struct ai_pieces *d, uint64_t first, uint64_t last)
{
	/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B: an EFI system partition. */
	static const uint8_t esp[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
	static const char name[] = "aicert";
	memcpy(e, esp, 16);
	ai_guid(&d->seed, "partition", e + 16);
	ai_le(e + 32, first, 8);
	ai_le(e + 40, last, 8);
	for (size_t i = 0; i < sizeof name - 1; i++)
		e[56 + 2 * i] = (uint8_t)name[i];
}

static void
put_header(uint8_t *h, const struct ai_pieces *d, uint64_t mine, uint64_t other, uint64_t entries, const uint8_t *table)
{
	const uint64_t sectors = d->size / AI_SECTOR;
	memcpy(h, "EFI PART", 8);
	ai_le(h + 8, 0x00010000, 4);
	ai_le(h + 12, HEADER, 4);
	ai_le(h + 24, mine, 8);
	ai_le(h + 32, other, 8);
	ai_le(h + 40, 2 + ENTRY_SECTORS, 8);
	ai_le(h + 48, sectors - 2 - ENTRY_SECTORS, 8);
	ai_guid(&d->seed, "disk", h + 56);
	ai_le(h + 72, entries, 8);
	ai_le(h + 80, ENTRIES, 4);
	ai_le(h + 84, ENTRY, 4);
	ai_le(h + 88, ai_crc32(0, table, ENTRIES * ENTRY), 4);
	ai_le(h + 16, ai_crc32(0, h, HEADER), 4);
}

int
ai_gpt_lay(struct ai_pieces *d, uint64_t at, uint64_t size, struct ai_err *err)
{
	const uint64_t sectors = d->size / AI_SECTOR, tail_at = sectors - 1 - ENTRY_SECTORS;
	uint8_t *head = ai_pieces_add(d, 0, (2 + ENTRY_SECTORS) * AI_SECTOR);
	uint8_t *tail = ai_pieces_add(d, tail_at * AI_SECTOR, (1 + ENTRY_SECTORS) * AI_SECTOR);
	if (!head || !tail)
		return ai_nomem(err);
	uint8_t *table = head + 2 * AI_SECTOR;
	put_mbr(head, sectors);
	put_entries(table, d, at / AI_SECTOR, (at + size) / AI_SECTOR - 1);
	put_header(head + AI_SECTOR, d, 1, sectors - 1, 2, table);
	memcpy(tail, table, ENTRIES * ENTRY);
	put_header(tail + ENTRIES * ENTRY, d, sectors - 1, 1, tail_at, table);
	return 0;
}
