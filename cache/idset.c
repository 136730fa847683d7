/* idset.c -- see idset.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/idset.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct ai_idset_slot {
	struct ai_digest key;
	uint64_t value;
	bool used;
};

/* Keys need not be digests (a device and inode padded with zeros), so all bytes are mixed. */
static size_t
mix(const struct ai_digest *key)
{
	uint64_t h = 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < sizeof key->b; i += 8) {
		uint64_t w;
		memcpy(&w, key->b + i, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return (size_t)h;
}

/* The slot that holds key, or the free one where it belongs. */
static struct ai_idset_slot *
slot_of(struct ai_idset_slot *slots, size_t n_slots, const struct ai_digest *key)
{
	size_t i = mix(key) & (n_slots - 1);
	while (slots[i].used && memcmp(slots[i].key.b, key->b, sizeof key->b) != 0)
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static int
grow(struct ai_idset *m, struct ai_err *err)
{
	size_t n = m->n_slots ? m->n_slots * 2 : 64;
	struct ai_idset_slot *slots = ai_calloc(n, sizeof *slots);
	if (!slots)
		return ai_nomem(err);
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].used)
			*slot_of(slots, n, &m->slots[i].key) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->n_slots = n;
	return 0;
}

int
ai_idset_put(struct ai_idset *m, const struct ai_digest *key, uint64_t value, struct ai_err *err)
{
	if (m->n * 2 >= m->n_slots && grow(m, err) < 0)
		return err->code;
	struct ai_idset_slot *s = slot_of(m->slots, m->n_slots, key);
	m->n += !s->used;
	*s = (struct ai_idset_slot){ *key, value, true };
	return 0;
}

bool
ai_idset_get(const struct ai_idset *m, const struct ai_digest *key, uint64_t *value_out)
{
	if (m->n_slots == 0)
		return false;
	const struct ai_idset_slot *s = slot_of(m->slots, m->n_slots, key);
	if (s->used && value_out)
		*value_out = s->value;
	return s->used;
}

int
ai_idset_mark(struct ai_idset *m, const struct ai_digest *key, uint64_t bits, struct ai_err *err)
{
	uint64_t old = 0;
	(void)ai_idset_get(m, key, &old);
	return ai_idset_put(m, key, old | bits, err);
}

bool
ai_idset_has(const struct ai_idset *m, const struct ai_digest *key, uint64_t bits)
{
	uint64_t v = 0;
	return ai_idset_get(m, key, &v) && (v & bits) == bits;
}

void
ai_idset_done(struct ai_idset *m)
{
	free(m->slots);
	*m = (struct ai_idset){ NULL, 0, 0 };
}
