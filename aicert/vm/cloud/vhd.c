/*
 * vhd.c -- a fixed VHD: the disk as it is, and a footer of one sector behind it.
 *
 * Azure wants the size to be a whole number of MiB. "win " as the maker tells readers to take the size from its field, not from
 * cylinders, heads and sectors, which cannot say it exactly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/cloud/image.h"
#include "vm/cloud/image_parts.h"

/* As the specification's appendix computes it. */
static void
geometry(uint64_t size, uint8_t out[4])
{
	const uint64_t most = 65535ull * 16 * 255;
	uint64_t total = size / AI_SECTOR < most ? size / AI_SECTOR : most, per_track = 255, heads = 16, by;
	if (total < 65535ull * 16 * 63) {
		per_track = 17;
		by = total / per_track;
		heads = (by + 1023) / 1024 < 4 ? 4 : (by + 1023) / 1024;
		if (by >= heads * 1024 || heads > 16) {
			per_track = 31;
			heads = 16;
			by = total / per_track;
		}
		if (by >= heads * 1024)
			per_track = 63;
	}
	ai_be(out, total / per_track / heads, 2);
	out[2] = (uint8_t)heads;
	out[3] = (uint8_t)per_track;
}

static int
put_footer(int fd, uint64_t size, const struct ai_digest *seed, struct ai_err *err)
{
	uint8_t f[AI_SECTOR] = { 0 };
	uint32_t sum = 0;
	memcpy(f, "conectix", 8);
	ai_be(f + 8, 2, 4);
	ai_be(f + 12, 0x00010000, 4);
	memset(f + 16, 0xff, 8);
	memcpy(f + 28, "win ", 4);
	ai_be(f + 32, 0x000a0000, 4);
	memcpy(f + 36, "Wi2k", 4);
	ai_be(f + 40, size, 8);
	ai_be(f + 48, size, 8);
	geometry(size, f + 56);
	ai_be(f + 60, 2, 4);
	ai_guid(seed, "vhd", f + 68);
	for (size_t i = 0; i < sizeof f; i++)
		sum += f[i];
	ai_be(f + 64, ~sum, 4);
	return ai_put_at(fd, size, f, sizeof f, err);
}

int
ai_vhd_write(int fd, const struct ai_pieces *d, struct ai_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		if (ai_put_at(fd, d->v[i].at, d->v[i].p, d->v[i].n, err) < 0)
			return err->code;
	return put_footer(fd, d->size, &d->seed, err);
}

int
ai_vm_disk_vhd(int fd, struct ai_err *err)
{
	struct stat st;
	char first[4096] = { 0 };
	struct ai_digest seed;
	if (fstat(fd, &st) < 0 || pread(fd, first, sizeof first, 0) < 0)
		return ai_fail_errno(err, AI_EINPUT, "disk");
	ai_sha256(first, sizeof first, &seed);
	uint64_t size = ((uint64_t)st.st_size + AI_MIB - 1) / AI_MIB * AI_MIB;
	return put_footer(fd, size, &seed, err);
}
