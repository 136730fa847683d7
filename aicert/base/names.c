/* names.c -- see names.h: an open table whose size is a power of two, at most half full.  SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <string.h>
#include <sys/auxv.h>

#include "base/buf.h"

static uint64_t
left(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void
mix(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = left(v[1], 13) ^ v[0];
	v[3] = left(v[3], 16) ^ v[2];
	v[0] = left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = left(v[1], 17) ^ v[2];
	v[3] = left(v[3], 21) ^ v[0];
	v[2] = left(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein, 2012). The key is the kernel's gift to every process: no call, so also where none is allowed. */
static uint64_t
hash_of(const char *p, size_t n)
{
	uint64_t key[2] = { 0, 0 }, word;
	const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	if (random)
		memcpy(key, random, sizeof key);
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	size_t whole = n / 8 * 8;
	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&word, p + i, 8);
		v[3] ^= word;
		mix(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, p + whole, n - whole);
	word |= (uint64_t)n << 56;
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds the name, or the free one where it would stand. */
static struct ai_names_slot *
slot_of(const struct ai_names *t, const char *name, size_t n, uint64_t hash)
{
	size_t i = hash & (t->cap - 1);
	while (t->slots[i].name && (t->slots[i].hash != hash || t->slots[i].len != n || memcmp(t->slots[i].name, name, n) != 0))
		i = (i + 1) & (t->cap - 1);
	return &t->slots[i];
}

static int
grow(struct ai_names *t, struct ai_err *err)
{
	struct ai_names wider = { .n = t->n, .cap = t->cap ? t->cap * 2 : 16 };
	wider.slots = ai_calloc(wider.cap, sizeof *wider.slots);
	if (!wider.slots)
		return ai_nomem(err);
	for (size_t i = 0; i < t->cap; i++)
		if (t->slots[i].name)
			*slot_of(&wider, t->slots[i].name, t->slots[i].len, t->slots[i].hash) = t->slots[i];
	free(t->slots);
	*t = wider;
	return 0;
}

int
ai_names_put(struct ai_names *t, const char *name, size_t n, size_t value, struct ai_err *err)
{
	if (2 * (t->n + 1) > t->cap && grow(t, err) < 0)
		return err->code;
	uint64_t hash = hash_of(name, n);
	struct ai_names_slot *s = slot_of(t, name, n, hash);
	if (s->name)
		return 0;
	*s = (struct ai_names_slot){ name, n, value, hash };
	t->n++;
	return 1;
}

bool
ai_names_find(const struct ai_names *t, const char *name, size_t n, size_t *value)
{
	const struct ai_names_slot *s = t->n ? slot_of(t, name, n, hash_of(name, n)) : NULL;
	if (!s || !s->name)
		return false;
	if (value)
		*value = s->value;
	return true;
}

void
ai_names_done(struct ai_names *t)
{
	free(t->slots);
	*t = (struct ai_names){ 0 };
}
