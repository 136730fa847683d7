/* image_root.c -- see image_root.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/image_root.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/tree.h"
#include "run/box/sandbox_box.h"

/*
 * The root is a tree of its own, made from the image's nodes and checked out by the store like any other. So no path of
 * an image is ever opened while it is changed: its links lead nowhere, no hard link to an object is written through,
 * and a layout that somebody has changed since is found and made anew.
 */

#define MAX_LINKS 40        /* as the kernel */
#define MAX_DEPTH 256       /* as a checkout */

/* What shall stand in a folder of the root, whatever the image has there. */
struct want {
	const char *name;
	enum {
		EMPTY,      /* an empty folder: something is mounted on it, or the image's own shall not be seen */
		THERE,      /* a folder; the image's own if it has one */
		WITHIN,     /* the image's own folder, with some entries of ours; a link to it stands for it */
		OURS,       /* a folder with nothing but our entries */
		TEXT, LINK,
	} kind;
	const char *text;
	const struct want *list; size_t n;
};

/* glibc without nsswitch.conf asks the network first for 'localhost'. mtab shows the step's mounts and not those of who built the image. */
static const struct want etc[] = {
#define X(file, content) { .name = (file), .kind = TEXT, .text = (content) },
	AI_BOX_ETC(X)
#undef X
	{ .name = "resolv.conf", .kind = TEXT, .text = "" },
	{ .name = "mtab", .kind = LINK, .text = "/proc/self/mounts" },
};
static const struct want home[] = { { .name = "aicert", .kind = EMPTY } };
static const struct want var[] = { { .name = "tmp", .kind = LINK, .text = "/tmp" } };

/*
 * /sys stays empty: it tells of the machine. /home is nobody's but the step's. An image's /etc/localtime stays, and without one it is UTC as
 * on the machine: the time zone is the image's to say.
 */
static const struct want root[] = {
	{ .name = "dev", .kind = EMPTY }, { .name = "etc", .kind = WITHIN, .list = etc, .n = sizeof etc / sizeof *etc },
	{ .name = "home", .kind = OURS, .list = home, .n = sizeof home / sizeof *home }, { .name = "proc", .kind = EMPTY },
	{ .name = "root", .kind = THERE }, { .name = "run", .kind = THERE }, { .name = "sys", .kind = EMPTY }, { .name = "tmp", .kind = EMPTY },
	{ .name = "var", .kind = WITHIN, .list = var, .n = sizeof var / sizeof *var }, { .name = "workspace", .kind = EMPTY },
};

/* One folder as its entries. */
struct folder {
	struct ai_entry *entries;
	size_t n, cap;
};

static void
folder_done(struct folder *f)
{
	ai_entries_free(f->entries, f->n);
}

#define FOLDER_AUTO __attribute__((cleanup(folder_done))) struct folder

static int
load(struct ai_store *s, const struct ai_digest *tree, struct folder *out, struct ai_err *err)
{
	AI_JSON *node = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_NODE);
	char hex[AI_HEX];
	int r = ai_store_get_node(s, tree, &node, err);
	if (r < 0)
		return r;
	ai_hex(tree, hex);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "image: tree %.12s…: not in the store", hex);
	if (ai_canon(node, &text, err) < 0 || ai_tree_parse(text.data, text.len, &out->entries, &out->n, err) < 0)
		return err->code;
	out->cap = out->n;
	return 0;
}

static struct ai_entry *
find(const struct folder *f, const char *name, size_t len)
{
	for (size_t i = 0; i < f->n; i++)
		if (strncmp(f->entries[i].name, name, len) == 0 && f->entries[i].name[len] == '\0')
			return &f->entries[i];
	return NULL;
}

/* --- a link to a folder, inside the image ------------------------------------------ */

/* Where a walk is: the folders from the root down to it. */
struct walk {
	struct ai_digest at[MAX_DEPTH];
	size_t depth;           /* at[depth] is where we are */
	char *rest;             /* what is still to go */
	unsigned links;
};

/* One name of w->rest. 1 go on, 0 arrived, negative: no folder is there. */
static int
walk_step(struct ai_store *s, struct walk *w, struct ai_err *err)
{
	const char *name = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(name, "/");
	FOLDER_AUTO here = { 0 };
	if (n == 0)
		return 0;
	if (n == 2 && name[0] == '.' && name[1] == '.')
		w->depth -= w->depth > 0;
	else if (n != 1 || name[0] != '.') {
		if (load(s, &w->at[w->depth], &here, err) < 0)
			return err->code;
		const struct ai_entry *e = find(&here, name, n);
		if (e && e->type == AI_ENTRY_LINK && w->links++ < MAX_LINKS) {
			char *rest = ai_format("%s/%s", e->target, name + n);
			if (!rest)
				return ai_nomem(err);
			w->depth = e->target[0] == '/' ? 0 : w->depth;
			free(w->rest);
			w->rest = rest;
			return 1;
		}
		if (!e || e->type != AI_ENTRY_DIR || w->depth + 1 == MAX_DEPTH)
			return ai_fail(err, AI_EINPUT, "it leads to no folder of the image");
		w->at[++w->depth] = e->id;
	}
	memmove(w->rest, name + n, strlen(name + n) + 1);
	return 1;
}

/* The folder that a link in the image's root leads to. */
static int
follow(struct ai_store *s, const struct ai_digest *tree, const struct ai_entry *link, struct ai_digest *out, struct ai_err *err)
{
	struct walk w = { .rest = ai_strdup(link->target) };
	if (!w.rest)
		return ai_nomem(err);
	w.at[0] = *tree;
	int r;
	while ((r = walk_step(s, &w, err)) > 0)
		;
	free(w.rest);
	if (r < 0)
		return ai_in(err, "image: '/%s' is a link to '%s'", link->name, link->target);
	*out = w.at[w.depth];
	return 0;
}

/* --- the root ------------------------------------------------------------------------ */

static int merge(struct ai_store *s, const struct ai_digest *have, const struct want *list, size_t n, struct ai_digest *out, struct ai_err *err);

/* The entry of that name, made an empty link if there was none. */
static struct ai_entry *
place(struct folder *f, const char *name, struct ai_err *err)
{
	struct ai_entry *e = find(f, name, strlen(name));
	if (e)
		return e;
	if (ai_grow(&f->entries, &f->cap, f->n, sizeof *f->entries, err) < 0)
		return NULL;
	e = &f->entries[f->n];
	*e = (struct ai_entry){ .name = ai_strdup(name), .type = AI_ENTRY_LINK };
	if (!e->name) {
		(void)ai_nomem(err);
		return NULL;
	}
	f->n++;
	return e;
}

static void
become(struct ai_entry *e, ai_entry_type type, const struct ai_digest *id)
{
	free(e->target);
	e->target = NULL;
	e->type = type;
	e->id = *id;
}

/* The image's own folder of that name, links followed: 1, 0 it has nothing there. */
static int
own_folder(struct ai_store *s, const struct ai_digest *tree, const struct ai_entry *e, struct ai_digest *out, struct ai_err *err)
{
	if (!e)
		return 0;
	if (e->type == AI_ENTRY_LINK)
		return follow(s, tree, e, out, err) < 0 ? err->code : 1;
	if (e->type != AI_ENTRY_DIR)
		return ai_fail(err, AI_EINPUT, "image: '/%s' is a file: expected a folder", e->name);
	*out = e->id;
	return 1;
}

static int
set(struct ai_store *s, const struct ai_digest *tree, struct folder *f, const struct want *w, struct ai_err *err)
{
	struct ai_digest id, made;
	struct ai_entry *e = find(f, w->name, strlen(w->name));
	int had = 0;
	if (w->kind == THERE && e && e->type == AI_ENTRY_DIR)
		return 0;
	if (w->kind == WITHIN && (had = own_folder(s, tree, e, &id, err)) < 0)
		return had;
	if (!(e = place(f, w->name, err)))
		return err->code;
	if (w->kind == LINK) {
		char *target = ai_strdup(w->text);
		if (!target)
			return ai_nomem(err);
		free(e->target);
		e->target = target;
		e->type = AI_ENTRY_LINK;
		return 0;
	}
	if (w->kind == TEXT ? ai_store_put_bytes(s, w->text, strlen(w->text), &made, err) < 0 : merge(s, had ? &id : NULL, w->list, w->n, &made, err) < 0)
		return err->code;
	become(e, w->kind == TEXT ? AI_ENTRY_FILE : AI_ENTRY_DIR, &made);
	return 0;
}

/* The folder `have` (NULL: an empty one) with what is wanted in it. */
static int
merge(struct ai_store *s, const struct ai_digest *have, const struct want *list, size_t n, struct ai_digest *out, struct ai_err *err)
{
	const struct ai_sink *sink = ai_store_sink(s);
	FOLDER_AUTO f = { 0 };
	if (have && load(s, have, &f, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++)
		if (set(s, have, &f, &list[i], err) < 0)
			return err->code;
	return sink->tree(sink->ctx, f.entries, f.n, out, err);
}

/* The tree that was asked for last and the root made of it, which depends on nothing else: all steps of a run have few images. */
static _Thread_local struct { bool known; struct ai_digest tree, laid; } last;

int
ai_image_root(struct ai_store *store, const struct ai_digest *tree, char **path_out, struct ai_err *err)
{
	struct ai_digest laid;
	struct ai_err gone = { 0 };
	/* Where it is not there any more, or the store is another, it is made as if for the first time. */
	if (last.known && ai_digest_eq(&last.tree, tree) && ai_store_checked_out(store, &last.laid, path_out, &gone) == 0)
		return 0;
	last.known = false;
	if (merge(store, tree, root, sizeof root / sizeof *root, &laid, err) < 0 || ai_store_checked_out(store, &laid, path_out, err) < 0)
		return err->code;
	last.known = true;
	last.tree = *tree;
	last.laid = laid;
	return 0;
}
