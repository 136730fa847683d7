/*
 * gcp.c -- what Google Compute Engine makes an image of: disk.raw, a whole number of GiB, in a gzipped tar of GNU's old format.
 *
 * The member is sparse, so that a small disk is a small archive: its header says where the (at most four) runs of data stand, and only
 * they follow. gzip stores and does not squeeze: the program is packed already, and the same bytes come out whatever zlib is around.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "vm/cloud/image.h"
#include "vm/cloud/image_parts.h"

enum { STORED = 65535 };

struct gzip {
	int fd;
	uint32_t crc;
	uint64_t total;
	size_t n;
	uint8_t block[5 + STORED];  /* its header, then what is stored */
};

static int
flush(struct gzip *z, bool last, struct ai_err *err)
{
	z->block[0] = last;
	ai_le(z->block + 1, z->n, 2);
	ai_le(z->block + 3, ~z->n & 0xffff, 2);
	if (ai_write_all(z->fd, z->block, 5 + z->n, "archive", err) < 0)
		return err->code;
	z->n = 0;
	return 0;
}

static int
gzip_put(struct gzip *z, const void *p, size_t n, struct ai_err *err)
{
	z->crc = ai_crc32(z->crc, p, n);
	z->total += n;
	for (const char *c = p; n > 0;) {
		size_t k = n < STORED - z->n ? n : STORED - z->n;
		memcpy(z->block + 5 + z->n, c, k);
		z->n += k;
		c += k;
		n -= k;
		if (z->n == STORED && flush(z, false, err) < 0)
			return err->code;
	}
	return 0;
}

static int
gzip_end(struct gzip *z, struct ai_err *err)
{
	uint8_t end[8];
	if (flush(z, true, err) < 0)
		return err->code;
	ai_le(end, z->crc, 4);
	ai_le(end + 4, z->total & UINT32_MAX, 4);
	return ai_write_all(z->fd, end, sizeof end, "archive", err);
}

/* Octal as tar has it; what is too large for that, base 256 with the first bit set. */
static void
put_number(uint8_t *at, uint64_t v)
{
	if (v >> 33) {
		ai_be(at + 4, v, 8);
		at[0] = 0x80;
		return;
	}
	for (int i = 10; i >= 0; i--, v >>= 3)
		at[i] = (uint8_t)('0' + (v & 7));
}

struct run { uint64_t at, n; };

static void
put_tar(uint8_t h[AI_SECTOR], uint64_t size, const struct run *runs, size_t n_runs)
{
	uint64_t stored = 0;
	uint32_t sum = 0;
	memcpy(h, "disk.raw", 8);
	memcpy(h + 100, "0000644", 7);
	memcpy(h + 108, "0000000", 7);
	memcpy(h + 116, "0000000", 7);
	put_number(h + 136, 0);
	memset(h + 148, ' ', 8);
	h[156] = 'S';
	memcpy(h + 257, "ustar  ", 8);
	for (size_t i = 0; i < n_runs; i++) {
		put_number(h + 386 + 24 * i, runs[i].at);
		put_number(h + 398 + 24 * i, runs[i].n);
		stored += runs[i].n;
	}
	put_number(h + 124, stored);
	put_number(h + 483, size);
	for (size_t i = 0; i < AI_SECTOR; i++)
		sum += h[i];
	for (int i = 5; i >= 0; i--, sum >>= 3)
		h[148 + i] = (uint8_t)('0' + (sum & 7));
	h[154] = '\0';
}

static const uint8_t GZIP[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };

/* read gives the n bytes from `at`, zeros where there are none. */
static int
write_archive(int fd, uint64_t size, const struct run *runs, size_t n_runs, int (*read_at)(void *, uint64_t, void *, size_t, struct ai_err *),
	void *ctx, struct ai_err *err)
{
	AI_FREE struct gzip *z = ai_calloc(1, sizeof *z);
	AI_FREE char *chunk = ai_calloc(1, AI_MIB);
	uint8_t h[AI_SECTOR] = { 0 };
	if (!z || !chunk)
		return ai_nomem(err);
	z->fd = fd;
	put_tar(h, size, runs, n_runs);
	if (ai_write_all(fd, GZIP, sizeof GZIP, "archive", err) < 0 || gzip_put(z, h, sizeof h, err) < 0)
		return err->code;
	for (size_t i = 0; i < n_runs; i++) {
		for (uint64_t done = 0; done < runs[i].n;) {
			size_t k = runs[i].n - done < AI_MIB ? (size_t)(runs[i].n - done) : AI_MIB;
			if (read_at(ctx, runs[i].at + done, chunk, k, err) < 0 || gzip_put(z, chunk, k, err) < 0)
				return err->code;
			done += k;
		}
	}
	memset(chunk, 0, 2 * AI_SECTOR);
	return gzip_put(z, chunk, 2 * AI_SECTOR, err) < 0 ? err->code : gzip_end(z, err);
}

static int
read_pieces(void *ctx, uint64_t at, void *to, size_t n, struct ai_err *err)
{
	(void)err;
	(void)ai_pieces_read(ctx, at, to, n);
	return 0;
}

int
ai_gcp_write(int fd, const struct ai_pieces *d, struct ai_err *err)
{
	/* What lies before the tail of the GPT is one run: it has holes, but small ones. */
	const struct ai_piece *tail = &d->v[d->n - 1], *last = tail - 1;
	const uint64_t end = (last->at + last->n + AI_SECTOR - 1) / AI_SECTOR * AI_SECTOR;
	const struct run runs[] = { { 0, end }, { tail->at, tail->n } };
	return write_archive(fd, d->size, runs, 2, read_pieces, (void *)(uintptr_t)d, err);
}

static int
read_file(void *ctx, uint64_t at, void *to, size_t n, struct ai_err *err)
{
	memset(to, 0, n);
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(*(int *)ctx, (char *)to + done, n - done, (off_t)(at + done));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ai_fail_errno(err, AI_EINPUT, "disk");
		if (k == 0)
			return 0;
		done += (size_t)k;
	}
	return 0;
}

int
ai_vm_disk_gcp(int in, int out, struct ai_err *err)
{
	struct stat st;
	if (fstat(in, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "disk");
	const uint64_t n = ((uint64_t)st.st_size + AI_SECTOR - 1) / AI_SECTOR * AI_SECTOR, size = (n + AI_GIB - 1) / AI_GIB * AI_GIB;
	/* An empty run at the end is how tar says that a file ends in a hole. */
	const struct run runs[] = { { 0, n }, { size, 0 } };
	return write_archive(out, size, runs, n < size ? 2 : 1, read_file, &in, err);
}
