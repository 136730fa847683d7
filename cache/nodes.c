/* nodes.c -- see nodes.h and store.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/nodes.h"

#include "base/buf.h"
#include "cache/inside.h"
#include "model/node.h"

int
ai_node_there(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	if (ai_batch_has(s, id, AI_AS_NODE))
		return 1;
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->db, "SELECT 1 FROM nodes WHERE id=?", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	return ai_stmt_step(&st, err);
}

static int
remove_node(struct ai_store *s, const struct ai_digest *id, const struct ai_digest *got, struct ai_err *err)
{
	char want[AI_SHORT], is[AI_SHORT];
	AI_STMT st = { 0 };
	ai_idset_done(&s->sound);
	ai_idset_done(&s->laid);
	if (ai_stmt_begin(&st, s->db, "DELETE FROM nodes WHERE id=?", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	if (ai_stmt_step(&st, err) < 0)
		return err->code;
	ai_short_id(id, want);
	ai_short_id(got, is);
	ai_fail(err, AI_EINPUT, "cache: node %s: content hashes to %s: removed", want, is);
	return ai_hint(err, "run the same command again: what is missing is then fetched or made anew");
}

int
ai_node_bytes(struct ai_store *s, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err)
{
	struct ai_digest got;
	{
		AI_STMT st = { 0 };
		if (ai_stmt_begin(&st, s->db, "SELECT bytes FROM nodes WHERE id=?", err) < 0)
			return err->code;
		ai_stmt_digest(&st, 1, id);
		int r = ai_stmt_step(&st, err);
		if (r <= 0)
			return r;
		size_t n;
		const void *p = ai_col_blob(&st, 0, &n);
		ai_sha256(p, n, &got);
		if (ai_digest_eq(id, &got)) {
			ai_buf_put(out, p, n);
			return ai_buf_ok(out, "cache: node", err) < 0 ? err->code : 1;
		}
	} /* the reading ends before the row is removed */
	return remove_node(s, id, &got, err);
}

int
ai_node_entries(struct ai_store *s, const struct ai_digest *id, struct ai_entry **out, size_t *n_out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	char text[AI_SHORT];
	int r = ai_node_bytes(s, id, &b, err);
	if (r <= 0)
		return r;
	if (ai_tree_parse(b.data, b.len, out, n_out, err) < 0) {
		ai_short_id(id, text);
		return ai_in(err, "cache: node %s", text);
	}
	return 1;
}

int
ai_store_put_node(struct ai_store *s, const json_t *node, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	struct ai_digest id;
	if (ai_node_check(node, err) < 0 || ai_canon(node, &b, err) < 0 || ai_buf_ok(&b, "node", err) < 0)
		return ai_in(err, "cache");
	ai_sha256(b.data, b.len, &id);
	if (s->looks) {
		*out = id;
		return 0;
	}
	int there = ai_node_there(s, &id, err);
	if (there < 0)
		return there;
	json_t *edges = ai_node_kind(node) == AI_KIND_TREE ? NULL : (json_t *)node;
	if (there == 0 && ai_batch_node(s, &id, b.data, b.len, edges, err) < 0)
		return err->code;
	if (ai_batch_keep(s, err) < 0)
		return err->code;
	*out = id;
	return 0;
}

int
ai_store_get_node(struct ai_store *s, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_batch_need(s, id, AI_AS_NODE, err) < 0)
		return err->code;
	int r = ai_node_bytes(s, id, &b, err);
	if (r <= 0)
		return r;
	return ai_json_parse(b.data, b.len, "cache: node", out, err) < 0 ? err->code : 1;
}
