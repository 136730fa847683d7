/*
 * fat.c -- a FAT32 file system with one file, EFI/BOOT/BOOTX64.EFI.
 *
 * Reserved sectors (boot sector, FSInfo, their copies at 6), two FATs, then clusters: 2 the root, 3 EFI, 4 BOOT, from 5 on the program in one run.
 * FAT32 is what has at least 65525 clusters, so a small program gets small clusters. Times are the first that FAT has, 1980-01-01.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "vm/cloud/image_parts.h"

enum { RESERVED = 32, FATS = 2, MIN_CLUSTERS = 65525 + 16, FIRST_FILE = 5, FIRST_DAY = 0x0021 };
static const char LABEL[] = "AICERT     ";

struct shape {
	uint32_t sectors;       /* of the partition */
	uint32_t per_cluster, fat, clusters;
	uint32_t used;          /* clusters of the file */
};

/* The specification's own formula for the sectors of a FAT: at times one too many, never too few. */
static void
measure(struct shape *s)
{
	uint32_t per = (256 * s->per_cluster + FATS) / 2;
	s->fat = (s->sectors - RESERVED + per - 1) / per;
	s->clusters = (s->sectors - RESERVED - FATS * s->fat) / s->per_cluster;
}

/* The largest clusters with which the program, and an eighth more, is FAT32 without being blown up. */
static struct shape
choose(size_t n)
{
	const uint64_t wanted = n + n / 8 + 2 * AI_MIB;
	struct shape s = { .per_cluster = 8 };
	for (;; s.per_cluster /= 2) {
		s.sectors = (uint32_t)((wanted + AI_MIB - 1) / AI_MIB * (AI_MIB / AI_SECTOR));
		measure(&s);
		if (s.clusters >= MIN_CLUSTERS || s.per_cluster == 1)
			break;
	}
	for (; s.clusters < MIN_CLUSTERS; measure(&s))
		s.sectors += AI_MIB / AI_SECTOR;
	s.used = (uint32_t)((n + s.per_cluster * AI_SECTOR - 1) / (s.per_cluster * AI_SECTOR));
	return s;
}

static void
put_boot(uint8_t *b, const struct shape *s, uint64_t at, const struct ai_digest *seed)
{
	static const uint8_t jump[] = { 0xeb, 0x58, 0x90 };
	memcpy(b, jump, 3);
	memcpy(b + 3, "AICERT  ", 8);
	ai_le(b + 11, AI_SECTOR, 2);
	b[13] = (uint8_t)s->per_cluster;
	ai_le(b + 14, RESERVED, 2);
	b[16] = FATS;
	b[21] = 0xf8;
	ai_le(b + 24, 63, 2);  /* a geometry that nobody uses */
	ai_le(b + 26, 255, 2);
	ai_le(b + 28, at / AI_SECTOR, 4);
	ai_le(b + 32, s->sectors, 4);
	ai_le(b + 36, s->fat, 4);
	ai_le(b + 44, 2, 4);
	ai_le(b + 48, 1, 2);
	ai_le(b + 50, 6, 2);
	b[64] = 0x80;
	b[66] = 0x29;
	memcpy(b + 67, seed->b, 4);
	memcpy(b + 71, LABEL, 11);
	memcpy(b + 82, "FAT32   ", 8);
	b[510] = 0x55;
	b[511] = 0xaa;
}

static void
put_info(uint8_t *b, const struct shape *s)
{
	uint32_t taken = FIRST_FILE - 2 + s->used;
	ai_le(b, 0x41615252, 4);
	ai_le(b + 484, 0x61417272, 4);
	ai_le(b + 488, s->clusters - taken, 4);
	ai_le(b + 492, 2 + taken, 4);
	ai_le(b + 508, 0xaa550000, 4);
}

static void
put_fat(uint8_t *f, const struct shape *s)
{
	static const uint32_t end = 0x0fffffff;
	ai_le(f, 0x0ffffff8, 4);
	for (uint32_t i = 1; i < FIRST_FILE; i++)
		ai_le(f + 4 * i, end, 4);
	for (uint32_t i = 0; i < s->used; i++)
		ai_le(f + 4 * (FIRST_FILE + i), i + 1 < s->used ? FIRST_FILE + i + 1 : end, 4);
}

/* name: eleven characters, blanks and all. */
static void
put_entry(uint8_t *e, const char *name, uint8_t attributes, uint32_t cluster, size_t size)
{
	memcpy(e, name, 11);
	e[11] = attributes;
	ai_le(e + 16, FIRST_DAY, 2);
	ai_le(e + 18, FIRST_DAY, 2);
	ai_le(e + 20, cluster >> 16, 2);
	ai_le(e + 24, FIRST_DAY, 2);
	ai_le(e + 26, cluster & 0xffff, 2);
	ai_le(e + 28, size, 4);
}

static void
put_folders(uint8_t *root, size_t cluster, size_t n)
{
	enum { FOLDER = 0x10, VOLUME = 0x08, PROGRAM = 0x20 };
	uint8_t *efi = root + cluster, *boot = efi + cluster;
	put_entry(root, LABEL, VOLUME, 0, 0);
	put_entry(root + 32, "EFI        ", FOLDER, 3, 0);
	put_entry(efi, ".          ", FOLDER, 3, 0);
	put_entry(efi + 32, "..         ", FOLDER, 0, 0); /* 0 is how the root is named */
	put_entry(efi + 64, "BOOT       ", FOLDER, 4, 0);
	put_entry(boot, ".          ", FOLDER, 4, 0);
	put_entry(boot + 32, "..         ", FOLDER, 3, 0);
	put_entry(boot + 64, "BOOTX64 EFI", PROGRAM, FIRST_FILE, n);
}

int
ai_fat_lay(struct ai_pieces *d, uint64_t at, const void *efi, size_t n, uint64_t *size, struct ai_err *err)
{
	const struct shape s = choose(n);
	const size_t cluster = (size_t)s.per_cluster * AI_SECTOR, fat = (size_t)s.fat * AI_SECTOR;
	/* Of each FAT only what is not zero, so that the image stays sparse. */
	const size_t fat_used = ((size_t)(FIRST_FILE + s.used) * 4 + AI_SECTOR - 1) / AI_SECTOR * AI_SECTOR;
	const uint64_t fats = at + RESERVED * AI_SECTOR, data = fats + FATS * fat;
	uint8_t *head = ai_pieces_add(d, at, 8 * AI_SECTOR);
	uint8_t *table = ai_pieces_add(d, fats, fat_used);
	uint8_t *folders = ai_pieces_add(d, data, 3 * cluster);
	if (!head || !table || !folders)
		return ai_nomem(err);
	put_boot(head, &s, at, &d->seed);
	put_info(head + AI_SECTOR, &s);
	memcpy(head + 6 * AI_SECTOR, head, 2 * AI_SECTOR);
	put_fat(table, &s);
	ai_pieces_borrow(d, fats + fat, table, fat_used);
	put_folders(folders, cluster, n);
	ai_pieces_borrow(d, data + 3 * cluster, efi, n);
	*size = (uint64_t)s.sectors * AI_SECTOR;
	return 0;
}
