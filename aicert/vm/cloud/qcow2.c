/*
 * qcow2.c -- a disk as qcow2, version 3: header, refcounts, L1, L2, and the clusters that are not zero.
 *
 *   cluster 0   header (104 bytes) and the end of its extensions
 *   1           refcount table, one block for each 32768 clusters
 *   then        refcount blocks (16 bits for each cluster), L1 table, L2 tables, data in the order of the disk
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "vm/cloud/image_parts.h"

enum { BITS = 16, CLUSTER = 1 << BITS, PER_BLOCK = CLUSTER / 2, PER_L2 = CLUSTER / 8 };
static const uint64_t COPIED = 1ull << 63;

struct plan {
	uint64_t clusters;          /* of the disk */
	uint64_t data;              /* of them not zero */
	uint64_t blocks, l1, l2;    /* clusters of metadata; L1 is one, for it reaches 4 TiB */
	uint64_t total;
};

static void
make_plan(const struct ai_pieces *d, uint8_t *cluster, struct plan *p)
{
	*p = (struct plan){ .clusters = (d->size + CLUSTER - 1) / CLUSTER, .blocks = 1, .l1 = 1 };
	for (uint64_t i = 0; i < p->clusters; i++)
		p->data += ai_pieces_read(d, i * CLUSTER, cluster, CLUSTER);
	p->l2 = (p->clusters + PER_L2 - 1) / PER_L2;
	for (;; p->blocks++) {
		p->total = 2 + p->blocks + p->l1 + p->l2 + p->data;
		if (p->total <= p->blocks * PER_BLOCK)
			return;
	}
}

static int
put_header(int fd, uint64_t size, const struct plan *p, struct ai_err *err)
{
	uint8_t h[112] = { 'Q', 'F', 'I', 0xfb };
	ai_be(h + 4, 3, 4);
	ai_be(h + 20, BITS, 4);
	ai_be(h + 24, size, 8);
	ai_be(h + 36, p->l2, 4);
	ai_be(h + 40, (2 + p->blocks) * CLUSTER, 8);
	ai_be(h + 48, CLUSTER, 8);
	ai_be(h + 56, 1, 4);
	ai_be(h + 96, 4, 4);        /* a refcount is 1 << 4 bits */
	ai_be(h + 100, 104, 4);
	return ai_put_at(fd, 0, h, sizeof h, err);
}

static int
put_refcounts(int fd, const struct plan *p, struct ai_err *err)
{
	for (uint64_t i = 0; i < p->blocks; i++) {
		uint8_t e[8];
		ai_be(e, (2 + i) * CLUSTER, 8);
		if (ai_put_at(fd, CLUSTER + i * 8, e, 8, err) < 0)
			return err->code;
	}
	for (uint64_t i = 0; i < p->total; i++) {
		static const uint8_t one[2] = { 0, 1 };
		if (ai_put_at(fd, 2 * CLUSTER + i * 2, one, 2, err) < 0)
			return err->code;
	}
	return 0;
}

/* L1, L2 and data in one pass over the disk. */
static int
put_clusters(int fd, const struct ai_pieces *d, const struct plan *p, uint8_t *cluster, struct ai_err *err)
{
	const uint64_t l1 = 2 + p->blocks, l2 = l1 + p->l1;
	uint64_t next = l2 + p->l2;
	uint8_t e[8];
	for (uint64_t i = 0; i < p->l2; i++) {
		ai_be(e, (l2 + i) * CLUSTER | COPIED, 8);
		if (ai_put_at(fd, l1 * CLUSTER + i * 8, e, 8, err) < 0)
			return err->code;
	}
	for (uint64_t i = 0; i < p->clusters; i++) {
		if (!ai_pieces_read(d, i * CLUSTER, cluster, CLUSTER))
			continue;
		ai_be(e, next * CLUSTER | COPIED, 8);
		if (ai_put_at(fd, l2 * CLUSTER + i * 8, e, 8, err) < 0 || ai_put_at(fd, next * CLUSTER, cluster, CLUSTER, err) < 0)
			return err->code;
		next++;
	}
	return 0;
}

int
ai_qcow2_write(int fd, const struct ai_pieces *d, struct ai_err *err)
{
	struct plan p;
	AI_FREE uint8_t *cluster = ai_calloc(1, CLUSTER);
	if (!cluster)
		return ai_nomem(err);
	make_plan(d, cluster, &p);
	if (put_header(fd, d->size, &p, err) < 0 || put_refcounts(fd, &p, err) < 0)
		return err->code;
	return put_clusters(fd, d, &p, cluster, err);
}
