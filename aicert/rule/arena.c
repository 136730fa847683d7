/* arena.c -- see arena.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"

enum {
	GRAIN = 16,
	SMALL = 64,           /* classes of one grain more each: up to SMALL_MAX bytes */
	SMALL_MAX = SMALL * GRAIN,
	STEPS = 4,            /* classes to a doubling above that */
	CLASSES = SMALL + STEPS * 40,
	SLACK = 1 << 18,      /* what stays mapped behind a mark */
};

/* At the mapping's beginning, so that it goes back too. */
struct head {
	size_t used;
	void *free[CLASSES]; /* each block's first word is the next */
};

struct ai_arena {
	struct head *head;
	size_t size;
	void *kept;
	size_t n_kept;
};

/* The class of a size, and in *size what a block of that class holds. */
static size_t
class_of(size_t *size)
{
	if (*size <= SMALL_MAX) {
		size_t i = (*size + GRAIN - 1) / GRAIN;
		*size = i * GRAIN;
		return i - 1;
	}
	/* Between SMALL_MAX << k and twice that, in STEPS steps. */
	size_t k = 0;
	while (*size > (size_t)SMALL_MAX << (k + 1))
		k++;
	size_t low = (size_t)SMALL_MAX << k, step = low / STEPS;
	size_t i = (*size - low + step - 1) / step;
	*size = low + i * step;
	return SMALL + k * STEPS + i - 1;
}

struct ai_arena *
ai_arena_new(size_t size)
{
	struct ai_arena *a = ai_calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->size = size;
	a->head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->head == MAP_FAILED) {
		free(a);
		return NULL;
	}
	a->head->used = (sizeof *a->head + GRAIN - 1) / GRAIN * GRAIN;
	return a;
}

void
ai_arena_free(struct ai_arena *a)
{
	if (!a)
		return;
	munmap(a->head, a->size);
	free(a->kept);
	free(a);
}

static void *
take(struct ai_arena *a, size_t size)
{
	struct head *h = a->head;
	if (size > a->size)
		return NULL;
	size_t i = class_of(&size);
	void *p = h->free[i];
	if (p) {
		memcpy(&h->free[i], p, sizeof p);
		return p;
	}
	if (size > a->size - h->used)
		return NULL;
	p = (char *)h + h->used;
	h->used += size;
	return p;
}

static void
give(struct ai_arena *a, void *p, size_t size)
{
	size_t i = class_of(&size);
	memcpy(p, &a->head->free[i], sizeof p);
	a->head->free[i] = p;
}

void *
ai_arena_resize(struct ai_arena *a, void *p, size_t old, size_t size)
{
	size_t have = old, want = size;
	if (p && size && class_of(&have) == class_of(&want))
		return p;
	void *q = size ? take(a, size) : NULL;
	if (size && !q)
		return p && size <= old ? p : NULL;
	if (p && q)
		memcpy(q, p, old < size ? old : size);
	if (p)
		give(a, p, old);
	return q;
}

bool
ai_arena_mark(struct ai_arena *a, size_t max)
{
	size_t n = a->head->used;
	if (n > max || !(a->kept = malloc(n)))
		return false;
	memcpy(a->kept, a->head, n);
	a->n_kept = n;
	return true;
}

void
ai_arena_back(struct ai_arena *a)
{
	size_t used = a->head->used;
	memcpy(a->head, a->kept, a->n_kept);
	/* What one evaluation needed, the next seldom does. */
	size_t from = (a->n_kept + SLACK + 4095) & ~(size_t)4095;
	if (used > from)
		(void)madvise((char *)a->head + from, used - from, MADV_DONTNEED);
}
