/* intake.c -- see intake.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/intake.h"

#include <string.h>

#include "model/node.h"

static int
put_some(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	struct ai_buf *b = ctx;
	ai_buf_put(b, p, n);
	return ai_buf_ok(b, "object", err);
}

int
ai_intake_bytes(struct ai_disk *d, size_t i, struct ai_buf *out, struct ai_err *err)
{
	const struct ai_disk_object *o = ai_disk_object(d, i);
	if (o->size > out->max)
		return ai_fail(err, AI_EINPUT, "%s '%s': %llu bytes, at most %zu", o->type, o->name, (unsigned long long)o->size, out->max);
	ai_buf_put(out, "", 0);
	return ai_disk_read(d, i, put_some, out, err);
}

/* A tree goes in as its entries, many to one sync; any other node as its JSON, which must be canonical. */
static int
put_node(struct ai_store *store, const struct ai_buf *b, struct ai_digest *out, struct ai_err *err)
{
	AI_JSON *node = NULL;
	if (ai_json_parse(b->data, b->len, "node", &node, err) < 0 || ai_node_check(node, err) < 0)
		return err->code;
	if (ai_node_kind(node) != AI_KIND_TREE)
		return ai_store_put_node(store, node, out, err);
	struct ai_entry *entries = NULL;
	size_t n = 0;
	const struct ai_sink *sink = ai_store_sink(store);
	if (ai_tree_parse(b->data, b->len, &entries, &n, err) < 0)
		return err->code;
	int r = sink->tree(sink->ctx, entries, n, out, err);
	ai_entries_free(entries, n);
	return r;
}

int
ai_intake_node(struct ai_disk *d, size_t i, struct ai_store *store, struct ai_err *err)
{
	const struct ai_disk_object *o = ai_disk_object(d, i);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	struct ai_digest got;
	if (ai_intake_bytes(d, i, &b, err) < 0)
		return err->code;
	if (put_node(store, &b, &got, err) < 0)
		return ai_in(err, "node %s", o->name);
	return ai_digest_eq(&got, &o->sha256) ? 0 : ai_fail(err, AI_EINPUT, "node %s: not in canonical form", o->name);
}

struct writing { const struct ai_sink *sink; void *obj; };

static int
write_some(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	struct writing *w = ctx;
	return w->sink->write(w->obj, p, n, err);
}

int
ai_intake_blob(struct ai_disk *d, size_t i, struct ai_store *store, struct ai_err *err)
{
	struct writing w = { .sink = ai_store_sink(store) };
	struct ai_digest got;
	if (w.sink->begin(w.sink->ctx, &w.obj, err) < 0)
		return err->code;
	if (ai_disk_read(d, i, write_some, &w, err) < 0) {
		w.sink->abort(w.obj);
		return err->code;
	}
	if (w.sink->commit(w.obj, &got, NULL, err) < 0)
		return err->code;
	/* Disk and store hash apart: that they agree is what makes the name true. */
	return ai_digest_eq(&got, &ai_disk_object(d, i)->sha256) ? 0 : ai_fail(err, AI_EINPUT, "internal: blob '%s' hashes twice to different ids",
		ai_disk_object(d, i)->name);
}
