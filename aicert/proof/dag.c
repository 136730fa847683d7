/*
 * dag.c -- see dag.h.
 *
 * Nodes and blobs are arrays sorted by id, searched by halves: ids in a proof are
 * an adversary's to choose, and a sorted array has no bad case.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proof/dag.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct item {
	struct ai_digest id;
	ai_kind kind;        /* of a node; AI_KIND_BLOB */
	json_t *node;        /* a reference, or NULL */
	struct ai_buf bytes; /* of a blob */
	bool reached;
};

struct items { struct item *v; size_t n; };

struct ai_dag { struct items nodes, blobs; };

static int
by_id(const void *a, const void *b)
{
	return ai_digest_cmp(&((const struct item *)a)->id, &((const struct item *)b)->id);
}

static struct item *
find(const struct items *s, const struct ai_digest *id)
{
	struct item key = { .id = *id };
	return s->n ? bsearch(&key, s->v, s->n, sizeof *s->v, by_id) : NULL;
}

static int
load_node(const char *hex, json_t *node, struct item *it, struct ai_err *err)
{
	struct ai_digest id;
	it->node = json_incref(node);
	if (ai_node_check(node, err) < 0)
		return ai_in(err, "node %s", hex);
	it->kind = ai_node_kind(node);
	/* A withheld node stands under the id of what it stands for, which nothing here can recompute. */
	if (it->kind == AI_KIND_WITHHELD)
		return 0;
	if (ai_json_id(node, &id, err) < 0)
		return ai_in(err, "node %s", hex);
	if (!ai_digest_eq(&id, &it->id)) {
		char got[AI_HEX];
		ai_hex(&id, got);
		return ai_fail(err, AI_ENO, "node %s: its canonical bytes hash to %s", hex, got);
	}
	return 0;
}

static int
load_blob(const char *hex, const json_t *text, struct item *it, struct ai_err *err)
{
	struct ai_digest id;
	it->kind = AI_KIND_BLOB;
	it->bytes = AI_BUF(AI_MAX_PROOF);
	if (!json_is_string(text))
		return ai_fail(err, AI_EINPUT, "blob %s: expected a string of base64", hex);
	if (ai_b64_get(json_string_value(text), json_string_length(text), &it->bytes, err) < 0)
		return ai_in(err, "blob %s", hex);
	ai_sha256(it->bytes.data ? it->bytes.data : "", it->bytes.len, &id);
	if (!ai_digest_eq(&id, &it->id)) {
		char got[AI_HEX];
		ai_hex(&id, got);
		return ai_fail(err, AI_ENO, "blob %s: its bytes hash to %s", hex, got);
	}
	return 0;
}

static int
load_all(const json_t *object, bool is_blob, struct items *s, struct ai_err *err)
{
	const char *hex;
	json_t *v;
	s->v = ai_calloc(json_object_size(object) + 1, sizeof *s->v);
	if (!s->v)
		return ai_nomem(err);
	json_object_foreach((json_t *)object, hex, v) {
		struct item *it = &s->v[s->n++];
		if (!ai_unhex(hex, &it->id))
			return ai_fail(err, AI_EINPUT, "%s '%s': expected 64 lower-case hex digits", is_blob ? "blob" : "node", hex);
		if ((is_blob ? load_blob(hex, v, it, err) : load_node(hex, v, it, err)) < 0)
			return err->code;
	}
	if (s->n > 1)
		qsort(s->v, s->n, sizeof *s->v, by_id);
	return 0;
}

int
ai_dag_load(const json_t *nodes, const json_t *blobs, struct ai_dag **out, struct ai_err *err)
{
	AI_DAG_AUTO *d = ai_calloc(1, sizeof *d);
	if (!d)
		return ai_nomem(err);
	if (load_all(nodes, false, &d->nodes, err) < 0 || load_all(blobs, true, &d->blobs, err) < 0)
		return err->code;
	*out = d;
	d = NULL;
	return 0;
}

static void
items_done(struct items *s)
{
	for (size_t i = 0; i < s->n; i++) {
		json_decref(s->v[i].node);
		ai_buf_done(&s->v[i].bytes);
	}
	free(s->v);
}

void
ai_dag_free(struct ai_dag *d)
{
	if (!d)
		return;
	items_done(&d->nodes);
	items_done(&d->blobs);
	free(d);
}

const json_t *
ai_dag_node(const struct ai_dag *d, ai_kind kind, const struct ai_digest *id)
{
	const struct item *it = find(&d->nodes, id);
	return it && it->kind == kind && kind != AI_KIND_WITHHELD ? it->node : NULL;
}

const struct ai_buf *
ai_dag_blob(const struct ai_dag *d, const struct ai_digest *id)
{
	const struct item *it = find(&d->blobs, id);
	return it ? &it->bytes : NULL;
}

ai_kind
ai_dag_kind(const struct ai_dag *d, const struct ai_digest *id)
{
	const struct item *it = find(&d->nodes, id);
	return it ? it->kind : AI_KIND_NONE;
}

bool
ai_edge_is_carried(ai_kind from, const char *where)
{
	if (from == AI_KIND_PLAN)
		return strncmp(where, "steps[", 6) != 0;
	return from == AI_KIND_USED && strncmp(where, "listed[", 7) == 0;
}

struct walk {
	struct ai_dag *d;
	struct item **todo;    /* each node enters once, so the list is as long as there are nodes */
	size_t n_todo;
	const struct item *from;
	struct ai_dag_counts *counts;
};

static int
bad_edge(const struct walk *w, const char *where, const struct ai_digest *id, struct ai_err *err, const char *what, const char *expected)
{
	char from[AI_HEX], to[AI_HEX];
	ai_hex(&w->from->id, from);
	ai_hex(id, to);
	return ai_fail(err, AI_ENO, "%s %s: %s: %s is %s, expected a %s", ai_kind_word(w->from->kind), from, where, to, what, expected);
}

static int
follow_blob(struct walk *w, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct item *it = find(&w->d->blobs, id);
	if (it)
		it->reached = true;
	else if (ai_edge_is_carried(w->from->kind, where))
		return bad_edge(w, where, id, err, "absent", "blob that the proof carries");
	return 0;
}

static int
follow(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct walk *w = ctx;
	w->counts->edges++;
	if (kind == AI_KIND_BLOB)
		return follow_blob(w, id, where, err);
	/* Another run, in a proof of its own: lineage.c follows it. */
	if (kind == AI_KIND_RUN)
		return 0;
	struct item *it = find(&w->d->nodes, id);
	if (!it && kind == AI_KIND_TREE)
		return 0;
	if (!it)
		return bad_edge(w, where, id, err, "absent", ai_kind_word(kind));
	bool may_be_withheld = kind == AI_KIND_SOURCE || kind == AI_KIND_ENVIRONMENT || kind == AI_KIND_USED || kind == AI_KIND_TREE;
	if (it->kind != kind && !(it->kind == AI_KIND_WITHHELD && may_be_withheld))
		return bad_edge(w, where, id, err, ai_kind_word(it->kind), ai_kind_word(kind));
	if (it->reached)
		return 0;
	it->reached = true;
	if (it->kind == AI_KIND_WITHHELD)
		w->counts->withheld++;
	else
		w->todo[w->n_todo++] = it;
	return 0;
}

static void
forget_reached(struct items *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i].reached = false;
}

static int
nothing_left(const struct items *s, struct ai_err *err)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].reached) {
			char hex[AI_HEX];
			ai_hex(&s->v[i].id, hex);
			return ai_fail(err, AI_ENO, "%s %s: nothing that the root reaches refers to it", ai_kind_word(s->v[i].kind), hex);
		}
	return 0;
}

int
ai_dag_walk(struct ai_dag *d, const struct ai_digest *root, struct ai_dag_counts *out, struct ai_err *err)
{
	struct ai_dag_counts counts = { .nodes = d->nodes.n, .blobs = d->blobs.n };
	AI_FREE struct item **todo = ai_calloc(d->nodes.n + 1, sizeof *todo);
	struct walk w = { .d = d, .todo = todo, .counts = &counts };
	struct item *run = find(&d->nodes, root);
	if (!todo)
		return ai_nomem(err);
	if (!run || run->kind != AI_KIND_RUN) {
		char hex[AI_HEX];
		ai_hex(root, hex);
		return ai_fail(err, AI_ENO, "root %s: got %s, expected a run node", hex, run ? ai_kind_word(run->kind) : "nothing under this id");
	}
	forget_reached(&d->nodes);
	forget_reached(&d->blobs);
	run->reached = true;
	todo[w.n_todo++] = run;
	while (w.n_todo > 0) {
		w.from = todo[--w.n_todo];
		if (ai_node_edges(w.from->node, follow, &w, err) < 0)
			return err->code;
	}
	if (nothing_left(&d->nodes, err) < 0 || nothing_left(&d->blobs, err) < 0)
		return err->code;
	*out = counts;
	return 0;
}
