/* compare.c -- see compare.h: two trees walked side by side.  SPDX-License-Identifier: Apache-2.0 */
#include "run/again/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/again/parting.h"

enum { MAX_DEPTH = 256 };

/* What stands at one place on one side; type NULL: nothing. */
struct side {
	const char *type;           /* "file", "exec", "dir", "link" */
	struct ai_digest id;        /* but for links */
	const char *target;         /* of links */
};

struct walk {
	struct ai_compare *c;
	const char *output;
};

static json_t *
side_json(const struct side *s, const uint64_t *size)
{
	json_t *j = json_pack("{s:s}", "type", s->type);
	if (j && s->target)
		json_object_set_new(j, "target", json_string(s->target));
	else if (j)
		json_object_set_new(j, "id", ai_json_hex(&s->id));
	if (j && size)
		json_object_set_new(j, "size", json_integer((json_int_t)*size));
	return j;
}

/* Counts a difference, and tells it unless enough are told. p: where two files part; NULL: not known, or no files. */
static int
add(struct walk *w, const char *path, const char *kind, const struct side s[2], const struct ai_parting *p, struct ai_err *err)
{
	static const char *const keys[] = { "first", "second" };
	if (w->c->total++ >= AI_COMPARE_SHOWN)
		return 0;
	AI_JSON *d = json_pack("{s:s, s:s, s:s}", "output", w->output, "path", path, "kind", kind);
	int bad = !d;
	for (int k = 0; k < 2 && !bad; k++)
		if (s[k].type)
			bad |= json_object_set_new(d, keys[k], side_json(&s[k], p ? &p->sizes[k] : NULL)) < 0;
	if (p && !bad)
		bad |= json_object_set_new(d, "offset", json_integer((json_int_t)p->offset)) < 0;
	if (p && p->line && !bad)
		bad |= json_object_set_new(d, "line", json_pack("{s:I, s:s, s:s}", "number", (json_int_t)p->line, "first", p->lines[0],
			"second", p->lines[1])) < 0;
	if (p && p->hint && !bad)
		bad |= json_object_set_new(d, "hint", json_string(p->hint)) < 0;
	return bad || json_array_append(w->c->list, d) < 0 ? ai_nomem(err) : 0;
}

/* Two files of different content. The bytes are read only when the difference will be told. */
static int
files(struct walk *w, const char *path, const struct side s[2], struct ai_err *err)
{
	const struct ai_compare_io *io = w->c->io;
	AI_FD first = -1;
	AI_FD second = -1;
	struct ai_parting p;
	if (w->c->total >= AI_COMPARE_SHOWN)
		return add(w, path, "content", s, NULL, err);
	int r = io->blob(io->ctx, &s[0].id, &first, err);
	if (r == 1)
		r = io->blob(io->ctx, &s[1].id, &second, err);
	if (r < 0)
		return r;
	if (r == 0) {
		w->c->by_id_only = true;
		return add(w, path, "content", s, NULL, err);
	}
	if (ai_parting_find(first, second, &p, err) < 0)
		return ai_in(err, "output '%s': '%s'", w->output, path);
	return add(w, path, "content", s, &p, err);
}

static int folders(struct walk *w, const char *path, const struct side s[2], int depth, struct ai_err *err);

static bool
is(const struct side *s, const char *type)
{
	return s->type && strcmp(s->type, type) == 0;
}

static int
place(struct walk *w, const char *path, const struct side s[2], int depth, struct ai_err *err)
{
	if (!s[0].type || !s[1].type)
		return add(w, path, "missing", s, NULL, err);
	bool plain[2];
	for (int k = 0; k < 2; k++)
		plain[k] = is(&s[k], "file") || is(&s[k], "exec");
	if (plain[0] && plain[1]) {
		if (strcmp(s[0].type, s[1].type) != 0 && add(w, path, "exec", s, NULL, err) < 0)
			return err->code;
		return ai_digest_eq(&s[0].id, &s[1].id) ? 0 : files(w, path, s, err);
	}
	if (strcmp(s[0].type, s[1].type) != 0)
		return add(w, path, "type", s, NULL, err);
	if (is(&s[0], "link"))
		return strcmp(s[0].target, s[1].target) == 0 ? 0 : add(w, path, "link", s, NULL, err);
	return ai_digest_eq(&s[0].id, &s[1].id) ? 0 : folders(w, path, s, depth, err);
}

static int
read_entry(const json_t *e, struct side *s, struct ai_err *err)
{
	*s = (struct side){ .type = ai_json_str(e, "type"), .target = ai_json_str(e, "target") };
	bool sound = ai_json_str(e, "name") && s->type && (is(s, "link") ? s->target != NULL : ai_json_digest(e, "id", &s->id));
	return sound ? 0 : ai_fail(err, AI_EINPUT, "a tree has an entry that is none");
}

/* The entries of two trees are sorted by name: the lesser name of the two heads is next. */
static int
merge(struct walk *w, const char *path, const json_t *a, const json_t *b, int depth, struct ai_err *err)
{
	for (size_t i = 0, k = 0; i < json_array_size(a) || k < json_array_size(b);) {
		const json_t *x = json_array_get(a, i), *y = json_array_get(b, k);
		struct side s[2] = { 0 };
		if ((x && read_entry(x, &s[0], err) < 0) || (y && read_entry(y, &s[1], err) < 0))
			return err->code;
		int order = !x ? 1 : !y ? -1 : strcmp(ai_json_str(x, "name"), ai_json_str(y, "name"));
		const char *name = ai_json_str(order <= 0 ? x : y, "name");
		if (order != 0)
			s[order < 0 ? 1 : 0] = (struct side){ 0 };
		AI_FREE char *at = path[0] ? ai_join(path, name) : ai_strdup(name);
		if (!at)
			return ai_nomem(err);
		if (place(w, at, s, depth + 1, err) < 0)
			return err->code;
		i += order <= 0;
		k += order >= 0;
	}
	return 0;
}

static int
folders(struct walk *w, const char *path, const struct side s[2], int depth, struct ai_err *err)
{
	const struct ai_compare_io *io = w->c->io;
	AI_JSON *a = NULL;
	AI_JSON *b = NULL;
	if (depth > MAX_DEPTH)
		return ai_fail(err, AI_EINPUT, "output '%s': folders lie deeper than %d", w->output, MAX_DEPTH);
	int r = io->tree(io->ctx, &s[0].id, &a, err);
	if (r == 1)
		r = io->tree(io->ctx, &s[1].id, &b, err);
	if (r < 0)
		return r;
	if (r == 0) {
		w->c->by_id_only = true;
		return add(w, path, "content", s, NULL, err);
	}
	return merge(w, path, ai_json_arr(a, "entries"), ai_json_arr(b, "entries"), depth, err);
}

int
ai_compare(struct ai_compare *c, const char *output, const struct ai_ref *first, const struct ai_ref *second, struct ai_err *err)
{
	struct walk w = { c, output };
	const struct side s[2] = {
		{ .type = first->type == AI_REF_TREE ? "dir" : "file", .id = first->id },
		{ .type = second->type == AI_REF_TREE ? "dir" : "file", .id = second->id },
	};
	return place(&w, "", s, 0, err);
}

static const json_t *
named(const json_t *outputs, const char *name)
{
	size_t i;
	json_t *o;
	json_array_foreach(outputs, i, o)
		if (name && strcmp(name, ai_json_str(o, "name")) == 0)
			return o;
	return NULL;
}

static int
put_ref(json_t *to, const char *key, const struct ai_ref *ref, struct ai_err *err)
{
	json_t *j = json_object();
	if (!j || json_object_set_new(to, key, j) < 0)
		return ai_nomem(err);
	return ai_ref_set(j, ref, err);
}

static int
one_output(struct ai_compare *c, const json_t *first, const json_t *second, json_t *outputs, struct ai_err *err)
{
	const char *name = ai_json_str(first, "name");
	struct ai_ref a, b;
	if (!second)
		return ai_fail(err, AI_EINPUT, "output '%s' is in one result only", name);
	if (ai_ref_get(first, &a, err) < 0 || ai_ref_get(second, &b, err) < 0)
		return ai_in(err, "output '%s'", name);
	json_t *o = json_pack("{s:s, s:b}", "name", name, "same", ai_ref_eq(&a, &b));
	if (json_array_append_new(outputs, o) < 0)
		return ai_nomem(err);
	if (put_ref(o, "first", &a, err) < 0 || put_ref(o, "second", &b, err) < 0)
		return err->code;
	return ai_ref_eq(&a, &b) ? 0 : ai_compare(c, name, &a, &b, err);
}

int
ai_compare_outputs(const struct ai_compare_io *io, const json_t *first, const json_t *second, json_t **report, struct ai_err *err)
{
	AI_JSON *outputs = json_array();
	AI_JSON *list = json_array();
	struct ai_compare c = { .io = io, .list = list };
	size_t i;
	json_t *o;
	if (!outputs || !list)
		return ai_nomem(err);
	if (json_array_size(first) != json_array_size(second))
		return ai_fail(err, AI_EINPUT, "two results of one step have other outputs");
	json_array_foreach(first, i, o)
		if (one_output(&c, o, named(second, ai_json_str(o, "name")), outputs, err) < 0)
			return err->code;
	json_t *made = json_pack("{s:b, s:O, s:O, s:I, s:b}", "same", c.total == 0, "outputs", outputs, "differences", list,
		"total", (json_int_t)c.total, "by_id_only", c.by_id_only);
	if (!made)
		return ai_nomem(err);
	*report = made;
	return 0;
}
