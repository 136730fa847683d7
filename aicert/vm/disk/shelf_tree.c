/* shelf_tree.c -- dm-verity's hash tree (shelf.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/talk.h"
#include "vm/disk/shelf.h"

enum { BLOCK = 4096, DIGEST = 32, FANOUT = BLOCK / DIGEST, MAX_LEVELS = 10 };

/* Blocks of each level from the lowest up; how many levels. The last has one. */
static unsigned
levels(uint64_t blocks, uint64_t out[MAX_LEVELS])
{
	unsigned n = 0;
	do {
		blocks = blocks / FANOUT + (blocks % FANOUT != 0);
		out[n++] = blocks;
	} while (blocks > 1);
	return n;
}

uint64_t
ai_verity_size(uint64_t blocks)
{
	uint64_t each[MAX_LEVELS], sum = 0;
	for (unsigned n = levels(blocks, each); n > 0; n--)
		sum += each[n - 1];
	return sum * BLOCK;
}

static int
move(int fd, uint64_t at, void *p, size_t n, int write, struct ai_err *err)
{
	for (char *to = p; n > 0;) {
		ssize_t done = write ? pwrite(fd, to, n, (off_t)at) : pread(fd, to, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return ai_fail_errno(err, AI_EENV, "shelf: cannot %s its hashes", write ? "write" : "read what is to have");
		if (done == 0)
			return ai_fail(err, AI_EENV, "shelf: the disk ends at byte %llu, %zu bytes early", (unsigned long long)at, n);
		to += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

/* The level over so many blocks at byte from goes to byte to; top is the digest of the last block that was written. */
static int
build_level(int fd, uint64_t from, uint64_t blocks, uint64_t to, unsigned char *chunk, struct ai_digest *top, struct ai_err *err)
{
	unsigned char hashes[BLOCK];
	for (uint64_t done = 0; done < blocks; done += FANOUT, to += BLOCK) {
		size_t n = blocks - done < FANOUT ? (size_t)(blocks - done) : FANOUT;
		if (ai_check_interrupt(err) < 0 || move(fd, from + done * BLOCK, chunk, n * BLOCK, 0, err) < 0)
			return err->code;
		memset(hashes, 0, sizeof hashes);
		for (size_t i = 0; i < n; i++) {
			struct ai_digest d;
			ai_sha256(chunk + i * BLOCK, BLOCK, &d);
			memcpy(hashes + i * DIGEST, d.b, DIGEST);
		}
		if (move(fd, to, hashes, BLOCK, 1, err) < 0)
			return err->code;
		ai_sha256(hashes, BLOCK, top);
	}
	return 0;
}

int
ai_verity_build(int fd, uint64_t at, uint64_t blocks, uint64_t to, struct ai_digest *root, struct ai_err *err)
{
	uint64_t each[MAX_LEVELS];
	struct ai_digest top;
	unsigned n = levels(blocks, each);
	AI_FREE unsigned char *chunk = malloc(FANOUT * BLOCK);
	if (!chunk)
		return ai_nomem(err);
	/* Levels lie from the top down: the lowest, which is made first, comes last. */
	to += ai_verity_size(blocks);
	for (unsigned i = 0; i < n; i++) {
		to -= each[i] * BLOCK;
		if (build_level(fd, at, blocks, to, chunk, &top, err) < 0)
			return err->code;
		at = to;
		blocks = each[i];
	}
	*root = top;
	return 0;
}
