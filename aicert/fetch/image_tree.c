/* image_tree.c -- see image_tree.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/image_tree.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

struct ai_image_node {
	char *name;
	struct ai_image_node *parent;
	void *kids;                   /* FOLDER: tsearch(3)'s balanced tree, by name: no choice of names makes it slow */
	size_t n_kids;
	char *target;                 /* LINK */
	struct ai_digest id;          /* FILE, EXEC */
	ai_image_kind_of kind;
	unsigned layer;               /* the last one that named it or something in it */
	unsigned cleaned;             /* the last one whose whiteout removed all that was lower in it */
	unsigned depth, path_len;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct ai_image_node *)a)->name, ((const struct ai_image_node *)b)->name);
}

static struct ai_image_node *
child(const struct ai_image_node *dir, const char *name)
{
	struct ai_image_node wanted = { .name = (char *)name };
	struct ai_image_node **found = tfind(&wanted, &dir->kids, by_name);
	return found ? *found : NULL;
}

/* Frees the node and what is in it; at most AI_IMAGE_DEPTH deep. */
static void
drop(struct ai_image_tree *t, struct ai_image_node *n)
{
	while (n->kids) {
		struct ai_image_node *k = *(struct ai_image_node **)n->kids;
		tdelete(k, &n->kids, by_name);
		drop(t, k);
	}
	free(n->name);
	free(n->target);
	free(n);
	t->n_nodes--;
}

static void
take_out(struct ai_image_tree *t, struct ai_image_node *n)
{
	tdelete(n, &n->parent->kids, by_name);
	n->parent->n_kids--;
	drop(t, n);
}

/* This layer has something here, so its whiteouts leave it: a folder with a new file in it stays. */
static void
touch(const struct ai_image_tree *t, struct ai_image_node *n)
{
	for (; n && n->layer != t->layer; n = n->parent)
		n->layer = t->layer;
}

/* A new child, whose name is free. */
static int
add(struct ai_image_tree *t, struct ai_image_node *dir, const char *name, ai_image_kind_of kind, struct ai_image_node **out, struct ai_err *err)
{
	size_t len = strlen(name);
	char shown[AI_IMAGE_SHOWN];
	if (dir->depth + 1 > AI_IMAGE_DEPTH || dir->path_len + 1 + len > AI_IMAGE_PATH) {
		ai_image_shown(name, shown);
		return ai_fail(err, AI_EINPUT, "'%s': its path has more than %d parts or %d bytes", shown, AI_IMAGE_DEPTH, AI_IMAGE_PATH);
	}
	if (t->n_nodes >= t->max_nodes)
		return ai_fail(err, AI_EINPUT, "the image has more than %zu files", t->max_nodes);
	struct ai_image_node *n = ai_calloc(1, sizeof *n);
	if (!n || !(n->name = ai_strndup(name, len)) || !tsearch(n, &dir->kids, by_name)) {
		if (n)
			free(n->name);
		free(n);
		return ai_nomem(err);
	}
	t->n_nodes++;
	dir->n_kids++;
	n->parent = dir;
	n->kind = kind;
	n->depth = dir->depth + 1;
	n->path_len = dir->path_len + 1 + (unsigned)len;
	touch(t, n);
	*out = n;
	return 0;
}

int
ai_image_tree_init(struct ai_image_tree *t, struct ai_err *err)
{
	struct ai_image_node *root = ai_calloc(1, sizeof *root);
	if (!root)
		return ai_nomem(err);
	root->kind = AI_IMAGE_FOLDER;
	*t = (struct ai_image_tree){ .root = root, .n_nodes = 1, .max_nodes = AI_OCI_MAX_ENTRIES };
	return 0;
}

void
ai_image_tree_done(struct ai_image_tree *t)
{
	if (t->root)
		drop(t, t->root);
	t->root = NULL;
}

/* --- paths ------------------------------------------------------------------ */

void
ai_image_shown(const char *name, char out[AI_IMAGE_SHOWN])
{
	size_t n = 0;
	bool utf8 = ai_utf8_valid(name, strlen(name));
	for (; *name && n + 8 < AI_IMAGE_SHOWN; name++) {
		unsigned char c = (unsigned char)*name;
		if (c >= 0x20 && c != 0x7f && (c < 0x7f || utf8))
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	/* Cut between characters. */
	while (*name && utf8 && n > 0 && ((unsigned char)*name & 0xc0) == 0x80 && (unsigned char)out[n - 1] >= 0x80) {
		n--;
		name--;
	}
	snprintf(out + n, AI_IMAGE_SHOWN - n, "%s", *name ? "..." : "");
}

static int
split(struct ai_image_path *p, struct ai_err *err)
{
	for (char *s = p->text; *s;) {
		size_t n = strcspn(s, "/");
		char *next = s + n + (s[n] == '/');
		s[n] = '\0';
		if (strcmp(s, "..") == 0)
			return ai_fail(err, AI_EINPUT, "a part of its name is '..'");
		if (n > 0 && strcmp(s, ".") != 0) {
			if (p->n == AI_IMAGE_DEPTH)
				return ai_fail(err, AI_EINPUT, "its name has more than %d parts", AI_IMAGE_DEPTH);
			if (ai_name_check(s, err) < 0)
				return err->code;
			p->part[p->n++] = s;
		}
		s = next;
	}
	return 0;
}

int
ai_image_path_split(const char *name, struct ai_image_path *out, struct ai_err *err)
{
	char shown[AI_IMAGE_SHOWN];
	struct ai_image_path *p = out;
	p->n = 0;
	p->text = NULL;
	if (strlen(name) > AI_IMAGE_PATH)
		ai_fail(err, AI_EINPUT, "its name has more than %d bytes", AI_IMAGE_PATH);
	else if (!*name)
		ai_fail(err, AI_EINPUT, "it has no name");
	else if (!(p->text = ai_strdup(name)))
		ai_nomem(err);
	else if (split(p, err) == 0)
		return 0;
	ai_image_path_done(p);
	ai_image_shown(name, shown);
	return ai_in(err, "'%s'", shown);
}

void
ai_image_path_done(struct ai_image_path *p)
{
	free(p->text);
	p->text = NULL;
	p->n = 0;
}

/* --- walking ----------------------------------------------------------------- */

/* A place on the way: a node, or the name of what is not there (yet). */
struct step { struct ai_image_node *node; char *missing; };

struct walk {
	struct step *steps;
	size_t n, cap;
	int links;
};

static void
step_back(struct walk *w)
{
	if (w->n > 0)
		free(w->steps[--w->n].missing);
}

static void
walk_done(struct walk *w)
{
	while (w->n > 0)
		step_back(w);
	free(w->steps);
}

static int walk_text(struct ai_image_tree *t, struct walk *w, const char *path, struct ai_err *err);

/* One part of a path, from where the walk is. */
static int
walk_part(struct ai_image_tree *t, struct walk *w, const char *name, struct ai_err *err)
{
	const struct step *top = w->n ? &w->steps[w->n - 1] : NULL;
	struct ai_image_node *dir = top ? top->node : t->root, *next = NULL;
	if (dir && dir->kind == AI_IMAGE_FOLDER)
		next = child(dir, name);
	if (next && next->kind == AI_IMAGE_LINK) {
		if (++w->links > AI_IMAGE_LINKS)
			return ai_fail(err, AI_EINPUT, "more than %d links on its way", AI_IMAGE_LINKS);
		while (next->target[0] == '/' && w->n > 0)
			step_back(w);
		return walk_text(t, w, next->target, err);
	}
	if (ai_grow(&w->steps, &w->cap, w->n, sizeof *w->steps, err) < 0)
		return err->code;
	struct step s = { next, next ? NULL : ai_strdup(name) };
	if (!s.node && !s.missing)
		return ai_nomem(err);
	w->steps[w->n++] = s;
	return 0;
}

/* A link's target. ".." goes back to where the walk came from, at the root nowhere. Calls nest as deep as links follow links. */
static int
walk_text(struct ai_image_tree *t, struct walk *w, const char *path, struct ai_err *err)
{
	AI_FREE char *text = ai_strdup(path);
	if (!text)
		return ai_nomem(err);
	for (char *s = text; *s;) {
		size_t n = strcspn(s, "/");
		char *next = s + n + (s[n] == '/');
		s[n] = '\0';
		if (strcmp(s, "..") == 0)
			step_back(w);
		else if (n > 0 && strcmp(s, ".") != 0 && walk_part(t, w, s, err) < 0)
			return err->code;
		s = next;
	}
	return 0;
}

/* The folder at the end of the walk; with make, what is missing is made, else *out may be NULL. */
static int
arrive(struct ai_image_tree *t, const struct walk *w, bool make, struct ai_image_node **out, struct ai_err *err)
{
	struct ai_image_node *dir = t->root;
	char shown[AI_IMAGE_SHOWN];
	for (size_t i = 0; i < w->n; i++) {
		struct ai_image_node *next = w->steps[i].node;
		if (!make && (!next || next->kind != AI_IMAGE_FOLDER)) {
			*out = NULL;
			return 0;
		}
		if (!next && (ai_name_check(w->steps[i].missing, err) < 0 || add(t, dir, w->steps[i].missing, AI_IMAGE_FOLDER, &next, err) < 0))
			return err->code;
		if (next->kind != AI_IMAGE_FOLDER) {
			ai_image_shown(next->name, shown);
			return ai_fail(err, AI_EINPUT, "'%s' on its way is not a folder", shown);
		}
		dir = next;
	}
	*out = dir;
	return 0;
}

/* The folder that the first n parts of a path lead to. */
static int
find_folder(struct ai_image_tree *t, const struct ai_image_path *p, size_t n, bool make, struct ai_image_node **out, struct ai_err *err)
{
	struct walk w = { 0 };
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = walk_part(t, &w, p->part[i], err);
	if (r == 0)
		r = arrive(t, &w, make, out, err);
	walk_done(&w);
	return r;
}

/* --- changes ------------------------------------------------------------------ */

/* The folder for a new last part of at, which stands free afterwards. */
static int
make_room(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_image_node **dir, struct ai_err *err)
{
	if (at->n == 0)
		return ai_fail(err, AI_EINPUT, "the root can only be a folder");
	if (find_folder(t, at, at->n - 1, true, dir, err) < 0)
		return err->code;
	struct ai_image_node *old = child(*dir, at->part[at->n - 1]);
	if (old)
		take_out(t, old);
	return 0;
}

static int
put_folder(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_err *err)
{
	struct ai_image_node *dir, *n;
	if (at->n == 0) {
		touch(t, t->root);
		return 0;
	}
	if (find_folder(t, at, at->n - 1, true, &dir, err) < 0)
		return err->code;
	n = child(dir, at->part[at->n - 1]);
	if (n && n->kind == AI_IMAGE_FOLDER) {
		touch(t, n);
		return 0;
	}
	if (n)
		take_out(t, n);
	return add(t, dir, at->part[at->n - 1], AI_IMAGE_FOLDER, &n, err);
}

int
ai_image_put(struct ai_image_tree *t, const struct ai_image_path *at, ai_image_kind_of kind, const struct ai_digest *id, const char *target,
	struct ai_err *err)
{
	struct ai_image_node *dir, *n;
	if (kind == AI_IMAGE_FOLDER)
		return put_folder(t, at, err);
	AI_FREE char *copy = target ? ai_strdup(target) : NULL;
	if (target && !copy)
		return ai_nomem(err);
	if (make_room(t, at, &dir, err) < 0 || add(t, dir, at->part[at->n - 1], kind, &n, err) < 0)
		return err->code;
	if (id)
		n->id = *id;
	n->target = copy;
	copy = NULL;
	return 0;
}

int
ai_image_hard_link(struct ai_image_tree *t, const struct ai_image_path *at, const struct ai_image_path *target, struct ai_err *err)
{
	struct ai_image_node *dir, *from = NULL;
	/* The place is cleared first, as link(2) wants it: so a link to itself is one to nothing. */
	if (make_room(t, at, &dir, err) < 0)
		return err->code;
	if (target->n > 0 && find_folder(t, target, target->n - 1, false, &from, err) < 0)
		return err->code;
	from = from ? child(from, target->part[target->n - 1]) : NULL;
	if (!from)
		return ai_fail(err, AI_EINPUT, "hard link to what is not there");
	if (from->kind == AI_IMAGE_FOLDER)
		return ai_fail(err, AI_EINPUT, "hard link to a folder");
	return ai_image_put(t, at, from->kind, &from->id, from->target, err);
}

int
ai_image_put_link(struct ai_image_tree *t, const struct ai_image_path *at, const char *target, struct ai_err *err)
{
	/* One entry of a tree node has the same rule: asked here, the fault is told with the archive and the path. */
	struct ai_entry probe = { .name = (char *)"link", .type = AI_ENTRY_LINK, .target = (char *)(target ? target : "") };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_HEADER);
	if (ai_tree_bytes(&probe, 1, &b, err) < 0)
		return err->code;
	return ai_image_put(t, at, AI_IMAGE_LINK, NULL, target, err);
}

struct listing { struct ai_image_node **nodes; size_t n; };

static void
list_one(const void *node, VISIT which, void *ctx)
{
	struct listing *l = ctx;
	if (which == postorder || which == leaf)
		l->nodes[l->n++] = *(struct ai_image_node *const *)node;
}

/* The children, by name; caller frees the array. */
static int
list(const struct ai_image_node *dir, struct listing *out, struct ai_err *err)
{
	*out = (struct listing){ ai_calloc(dir->n_kids ? dir->n_kids : 1, sizeof *out->nodes), 0 };
	if (!out->nodes)
		return ai_nomem(err);
	twalk_r(dir->kids, list_one, out);
	return 0;
}

/* Removes what is in the folder and not of this layer. Nothing lower can come back in this layer, so once is enough. */
static int
clean(struct ai_image_tree *t, struct ai_image_node *dir, struct ai_err *err)
{
	struct listing l;
	if (dir->cleaned == t->layer)
		return 0;
	if (list(dir, &l, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		if (l.nodes[i]->layer != t->layer)
			take_out(t, l.nodes[i]);
		else if (l.nodes[i]->kind == AI_IMAGE_FOLDER)
			r = clean(t, l.nodes[i], err);
	}
	free(l.nodes);
	dir->cleaned = t->layer;
	return r;
}

/* path: of the folder, with '/' at its end unless it is the root. */
static int
links_inside(const struct ai_image_node *dir, const char *path, struct ai_err *err)
{
	struct listing l;
	char shown[AI_IMAGE_SHOWN];
	if (list(dir, &l, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct ai_image_node *n = l.nodes[i];
		if (n->kind != AI_IMAGE_LINK && n->kind != AI_IMAGE_FOLDER)
			continue;
		AI_FREE char *whole = ai_format("%s%s%s", path, n->name, n->kind == AI_IMAGE_FOLDER ? "/" : "");
		if (!whole) {
			r = ai_nomem(err);
		} else if (n->kind == AI_IMAGE_FOLDER) {
			r = links_inside(n, whole, err);
		} else if (!ai_link_inside(whole, n->target)) {
			ai_image_shown(whole, shown);
			r = ai_fail(err, AI_EINPUT, "'%s': link to '%s' leads out", shown, n->target);
		}
	}
	free(l.nodes);
	return r;
}

int
ai_image_links_inside(const struct ai_image_tree *t, struct ai_err *err)
{
	return links_inside(t->root, "", err);
}

int
ai_image_whiteout(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_err *err)
{
	const char *name = at->part[at->n - 1] + strlen(".wh.");
	struct ai_image_node *dir, *n;
	if (find_folder(t, at, at->n - 1, false, &dir, err) < 0)
		return err->code;
	if (strcmp(name, ".wh..opq") == 0)
		return dir ? clean(t, dir, err) : 0;
	if (ai_name_check(name, err) < 0)
		return ai_in(err, "whiteout");
	n = dir ? child(dir, name) : NULL;
	if (n && n->layer != t->layer)
		take_out(t, n);
	else if (n && n->kind == AI_IMAGE_FOLDER)
		return clean(t, n, err);
	return 0;
}

int
ai_image_work_folder(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_err *err)
{
	struct ai_image_node *dir;
	return find_folder(t, at, at->n, true, &dir, err);
}

/* --- sealing -------------------------------------------------------------------- */

static int
seal(const struct ai_image_node *dir, const struct ai_sink *sink, struct ai_digest *out, size_t *left_out, struct ai_err *err)
{
	static const ai_entry_type types[] = { AI_ENTRY_FILE, AI_ENTRY_EXEC, AI_ENTRY_DIR, AI_ENTRY_LINK }; /* as ai_image_kind_of counts */
	struct listing l;
	if (list(dir, &l, err) < 0)
		return err->code;
	/* Names and targets stay the nodes'. */
	struct ai_entry *entries = ai_calloc(l.n ? l.n : 1, sizeof *entries);
	size_t n = 0;
	int r = entries ? 0 : ai_nomem(err);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct ai_image_node *k = l.nodes[i];
		if (k->kind == AI_IMAGE_SPECIAL) {
			++*left_out;
			continue;
		}
		entries[n] = (struct ai_entry){ k->name, types[k->kind], k->id, k->target };
		if (k->kind == AI_IMAGE_FOLDER)
			r = seal(k, sink, &entries[n].id, left_out, err);
		n++;
	}
	if (r == 0)
		r = sink->tree(sink->ctx, entries, n, out, err);
	free(entries);
	free(l.nodes);
	return r;
}

int
ai_image_seal(const struct ai_image_tree *t, const struct ai_sink *sink, struct ai_digest *out, size_t *left_out, struct ai_err *err)
{
	*left_out = 0;
	return seal(t->root, sink, out, left_out, err);
}
