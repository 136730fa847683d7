/* handover.c -- see store.h and batch.h: promises that are kept later, and by whom.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "model/node.h"

enum {
	MAX_BYTES = 4 << 20,     /* of nodes that are handed over: larger ones are settled where they are */
	MAX_HANDED = 64 << 20,   /* of all */
};

/* What the bytes begin with; objects, nodes and hashes follow. */
struct head { uint64_t n_objects, n_nodes, n_hashes; };
struct object { struct ai_digest id; uint64_t size; };
struct node { struct ai_digest id; uint64_t n, is_tree; };

void
ai_store_defer(struct ai_store *s)
{
	s->batch.defer = true;
}

int
ai_store_flush(struct ai_store *s, struct ai_err *err)
{
	return ai_batch_settle(s, err);
}

bool
ai_store_waits(const struct ai_store *s)
{
	return s->batch.n_objects + s->batch.n_nodes + s->batch.n_results > 0;
}

bool
ai_store_tree_waits(const struct ai_store *s, const struct ai_digest *tree)
{
	return ai_batch_has(s, tree, AI_AS_NODE);
}

/* Does every object have its name, and is it not too much to be sent? */
static bool
can_hand_over(const struct ai_batch *b)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < b->n_objects; i++)
		if (*b->objects[i].tmp)
			return false;
	for (size_t i = 0; i < b->n_nodes; i++)
		bytes += b->nodes[i].n;
	return b->n_results == 0 && bytes <= MAX_BYTES;
}

int
ai_store_hand_over(struct ai_store *s, struct ai_buf *out, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	AI_BUF_AUTO all = AI_BUF(MAX_HANDED);
	if (b->lost.code != 0 || !can_hand_over(b))
		return ai_batch_settle(s, err);
	const struct head head = { b->n_objects, b->n_nodes, b->n_hashes };
	ai_buf_put(&all, &head, sizeof head);
	for (size_t i = 0; i < b->n_objects; i++) {
		const struct object o = { b->objects[i].id, b->objects[i].size };
		ai_buf_put(&all, &o, sizeof o);
		/* Whoever has it now makes it durable; here it is known to be there. */
		if (ai_idset_mark(&s->sound, &o.id, AI_AS_BLOB, err) < 0)
			return err->code;
	}
	for (size_t i = 0; i < b->n_nodes; i++) {
		const struct node n = { b->nodes[i].id, b->nodes[i].n, !b->nodes[i].json };
		ai_buf_put(&all, &n, sizeof n);
		ai_buf_put(&all, b->nodes[i].bytes, b->nodes[i].n);
	}
	ai_buf_put(&all, b->hashes, b->n_hashes * sizeof *b->hashes);
	if (ai_buf_ok(&all, "cache: batch", err) < 0)
		return err->code;
	ai_buf_put(out, all.data, all.len);
	if (ai_buf_ok(out, "cache: batch", err) < 0)
		return err->code;
	ai_batch_forget(s);
	return 0;
}

static bool
take(const char **p, const char *end, void *to, size_t n)
{
	if ((size_t)(end - *p) < n)
		return false;
	memcpy(to, *p, n);
	*p += n;
	return true;
}

static int
cut_short(struct ai_err *err)
{
	return ai_fail(err, AI_EENV, "internal: cache: a batch that was handed over is cut short");
}

static int
take_node(struct ai_store *s, const char **p, const char *end, struct ai_err *err)
{
	struct node n;
	AI_JSON *json = NULL;
	if (!take(p, end, &n, sizeof n) || (uint64_t)(end - *p) < n.n)
		return cut_short(err);
	const char *bytes = *p;
	*p += n.n;
	if (ai_batch_has(s, &n.id, AI_AS_NODE))
		return 0;
	if (!n.is_tree && ai_json_parse(bytes, (size_t)n.n, "cache: node", &json, err) < 0)
		return err->code;
	return ai_batch_node(s, &n.id, bytes, (size_t)n.n, json, err);
}

int
ai_store_take_over(struct ai_store *s, const void *bytes, size_t size, struct ai_err *err)
{
	const char *p = bytes, *end = p + size;
	struct head head;
	if (size == 0)
		return 0;
	if (!take(&p, end, &head, sizeof head))
		return cut_short(err);
	for (uint64_t i = 0; i < head.n_objects; i++) {
		struct object o;
		if (!take(&p, end, &o, sizeof o))
			return cut_short(err);
		if (!ai_batch_has(s, &o.id, AI_AS_BLOB) && ai_batch_object(s, &o.id, o.size, "", err) < 0)
			return err->code;
	}
	for (uint64_t i = 0; i < head.n_nodes; i++)
		if (take_node(s, &p, end, err) < 0)
			return err->code;
	for (uint64_t i = 0; i < head.n_hashes; i++) {
		struct ai_batch_hash h;
		if (!take(&p, end, &h, sizeof h))
			return cut_short(err);
		if (ai_batch_hash(s, &h.key, &h.id, err) < 0)
			return err->code;
	}
	return p == end ? 0 : cut_short(err);
}
