/* closure.c -- see closure.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/closure.h"

#include <string.h>

#include "base/talk.h"
#include "model/node.h"

/* A blob of a tree's canonical bytes has the tree's id. */
enum { DEPTH = 256, SEEN_NODE = 1, SEEN_BLOB = 2 };

void
ai_closure_done(struct ai_closure *c)
{
	ai_idset_done(&c->seen);
}

/* 1 when it was seen before; 0 when it is now. */
static int
seen(struct ai_closure *c, const struct ai_digest *id, uint64_t as, struct ai_err *err)
{
	if (ai_idset_has(&c->seen, id, as))
		return 1;
	return ai_idset_mark(&c->seen, id, as, err);
}

int
ai_closure_node(struct ai_closure *c, const char *kind, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	AI_JSON *node = NULL;
	ai_hex(id, hex);
	int r = ai_store_get_node(c->store, id, &node, err);
	if (r < 0)
		return r;
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "%s %s is missing", kind, hex);
	const char *is = ai_kind_word(ai_node_kind(node));
	if (strcmp(is, kind) != 0)
		return ai_fail(err, AI_EINPUT, "node %s: got a %s, expected a %s", hex, is, kind);
	r = seen(c, id, SEEN_NODE, err);
	if (r == 0)
		r = c->need(c->ctx, "node", id, node, err);
	if (r < 0)
		return r;
	*out = json_incref(node);
	return 0;
}

int
ai_closure_blob(struct ai_closure *c, const struct ai_digest *id, struct ai_err *err)
{
	int r = seen(c, id, SEEN_BLOB, err);
	return r == 0 ? c->need(c->ctx, "blob", id, NULL, err) : r < 0 ? r : 0;
}

static int
tree(struct ai_closure *c, const struct ai_digest *id, int depth, struct ai_err *err)
{
	AI_JSON *node = NULL;
	size_t i;
	json_t *e;
	if (ai_idset_has(&c->seen, id, SEEN_NODE))
		return 0;
	if (depth > DEPTH)
		return ai_fail(err, AI_EINPUT, "folders nested deeper than %d", DEPTH);
	if (ai_check_interrupt(err) < 0 || ai_closure_node(c, "tree", id, &node, err) < 0)
		return err->code;
	json_array_foreach(ai_json_arr(node, "entries"), i, e) {
		struct ai_digest child;
		const char *type = ai_json_str(e, "type");
		if (!ai_json_digest(e, "id", &child))
			continue; /* a link */
		if ((strcmp(type, "dir") == 0 ? tree(c, &child, depth + 1, err) : ai_closure_blob(c, &child, err)) < 0)
			return err->code;
	}
	return 0;
}

int
ai_closure_content(struct ai_closure *c, const struct ai_ref *ref, struct ai_err *err)
{
	return ref->type == AI_REF_TREE ? tree(c, &ref->id, 0, err) : ai_closure_blob(c, &ref->id, err);
}
