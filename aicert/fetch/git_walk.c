/* git_walk.c -- see git_walk.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_walk.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

/* A few small trees that name each other many times stand for more folders than any disk holds. */
enum { MAX_DEPTH = 256, MAX_ENTRIES = 20000000 };

static int walk_tree(struct ai_git_walk *w, const struct ai_git_id *id, const char *path, int depth, struct ai_digest *out, struct ai_err *err);

static int
put_blob(struct ai_git_walk *w, const struct ai_git_object *o, struct ai_digest *out, struct ai_err *err)
{
	void *obj;
	if (w->sink->begin(w->sink->ctx, &obj, err) < 0)
		return err->code;
	if (w->sink->write(obj, o->bytes, o->n, err) < 0) {
		w->sink->abort(obj);
		return err->code;
	}
	return w->sink->commit(obj, out, NULL, err);
}

static int
take_file(struct ai_git_walk *w, const struct ai_git_id *id, const char *path, struct ai_digest *out, struct ai_err *err)
{
	struct ai_git_object o;
	if (w->read(w->ctx, id, AI_GIT_BLOB, &o, err) < 0)
		return ai_in(err, "'%s'", path);
	uint64_t size;
	int r = w->lfs && ai_git_lfs_begins(o.bytes, o.n) ? ai_git_attrs_lfs(&w->attrs, path + strlen(w->prefix), err) : 0;
	if (r == 1)
		r = ai_git_lfs_pointer(o.bytes, o.n, out, &size, err);
	if (r < 0) {
		ai_in(err, "'%s'", path);
		ai_hint(err, "'lfs: false' takes pointers as the files that they are");
	} else {
		r = r == 1 ? w->lfs(w->ctx, path, out, size, err) : put_blob(w, &o, out, err);
	}
	uint64_t before = w->bytes;
	w->bytes += o.n;
	if (before >> 20 != w->bytes >> 20)
		ai_say_progress(w->talk, "git", w->bytes, 0);
	w->release(&o);
	return r;
}

static int
take_link(struct ai_git_walk *w, const struct ai_git_id *id, const char *path, char **target_out, struct ai_err *err)
{
	struct ai_git_object o;
	if (w->read(w->ctx, id, AI_GIT_BLOB, &o, err) < 0)
		return ai_in(err, "'%s'", path);
	bool sound = o.n > 0 && o.n < 4096 && !memchr(o.bytes, '\0', o.n);
	char *target = sound ? ai_strndup(o.bytes, o.n) : NULL;
	w->release(&o);
	if (!sound)
		return ai_fail(err, AI_EINPUT, "'%s': link with a malformed target", path);
	if (!target)
		return ai_nomem(err);
	if (!ai_link_inside(path, target)) {
		ai_fail(err, AI_EINPUT, "'%s': link to '%s' leaves the repository", path, target);
		free(target);
		return err->code;
	}
	*target_out = target;
	return 0;
}

static int
take_submodule(struct ai_git_walk *w, const struct ai_git_id *commit, const char *path, struct ai_digest *out, struct ai_err *err)
{
	if (!w->submodule)
		return w->sink->tree(w->sink->ctx, NULL, 0, out, err);
	const char *inner = path + strlen(w->prefix);
	for (size_t i = 0; i < w->n_modules; i++)
		if (w->modules[i].path && strcmp(w->modules[i].path, inner) == 0 && w->modules[i].url)
			return w->submodule(w->ctx, &w->modules[i], commit, path, out, err) < 0 ? ai_in(err, "submodule '%s'", path) : 0;
	return ai_fail(err, AI_EINPUT, "submodule '%s': .gitmodules has no url for it", path);
}

static int
take_entry(struct ai_git_walk *w, const struct ai_git_entry *g, const char *path, int depth, struct ai_entry *e, struct ai_err *err)
{
	switch (g->mode & 0170000) {
	case 0040000:
		e->type = AI_ENTRY_DIR;
		return walk_tree(w, &g->id, path, depth + 1, &e->id, err);
	case 0100000:
		e->type = g->mode & 0100 ? AI_ENTRY_EXEC : AI_ENTRY_FILE;
		return take_file(w, &g->id, path, &e->id, err);
	case 0120000:
		e->type = AI_ENTRY_LINK;
		return take_link(w, &g->id, path, &e->target, err);
	case 0160000:
		e->type = AI_ENTRY_DIR;
		return take_submodule(w, &g->id, path, &e->id, err);
	default:
		return ai_fail(err, AI_EINPUT, "'%s': mode %06o: expected a file, link, folder or submodule", path, g->mode);
	}
}

static int
take_entries(struct ai_git_walk *w, const struct ai_git_object *o, const char *path, int depth, struct ai_entry **list, size_t *n, struct ai_err *err)
{
	size_t cap = 0, at = 0;
	struct ai_git_entry g;
	int r;
	while ((r = ai_git_tree_next(o->bytes, o->n, &at, &g, err)) == 1) {
		if (ai_check_interrupt(err) < 0)
			return err->code;
		if (++w->entries > MAX_ENTRIES)
			return ai_fail(err, AI_EINPUT, "'%s': the repository has more than %d files", path, MAX_ENTRIES);
		if (ai_name_check(g.name, err) < 0)
			return ai_in(err, "'%s'", path);
		if (strcasecmp(g.name, ".git") == 0)
			return ai_fail(err, AI_EINPUT, "'%s%s': a file of a repository cannot have this name", path, g.name);
		if (ai_grow(list, &cap, *n, sizeof **list, err) < 0)
			return err->code;
		struct ai_entry *e = &(*list)[*n];
		*e = (struct ai_entry){ .name = ai_strdup(g.name) };
		AI_FREE char *child = ai_format("%s%s", path, g.name);
		if (!e->name || !child) {
			free(e->name);
			return ai_nomem(err);
		}
		++*n;
		if (take_entry(w, &g, child, depth, e, err) < 0)
			return err->code;
	}
	return r;
}

/* Reads what .gitattributes of this folder say: 1; 0: it has none. A link of this name is none for git either. */
static int
push_attributes(struct ai_git_walk *w, const struct ai_git_object *tree, const char *path, struct ai_err *err)
{
	struct ai_git_object o;
	struct ai_git_entry g;
	size_t at = 0;
	int r;
	while ((r = ai_git_tree_next(tree->bytes, tree->n, &at, &g, err)) == 1) {
		if (strcmp(g.name, ".gitattributes") != 0 || (g.mode & 0170000) != 0100000)
			continue;
		if (w->read(w->ctx, &g.id, AI_GIT_BLOB, &o, err) < 0)
			return ai_in(err, "'%s.gitattributes'", path);
		r = ai_git_attrs_push(&w->attrs, path + strlen(w->prefix), o.bytes, o.n, err);
		w->release(&o);
		return r < 0 ? r : 1;
	}
	return r;
}

/* dir is "" at the root, else a path. */
static int
walk_tree(struct ai_git_walk *w, const struct ai_git_id *id, const char *dir, int depth, struct ai_digest *out, struct ai_err *err)
{
	struct ai_git_object o;
	struct ai_entry *list = NULL;
	size_t n = 0;
	if (depth > MAX_DEPTH)
		return ai_fail(err, AI_EINPUT, "'%s': folders nested deeper than %d", dir, MAX_DEPTH);
	bool at_root = dir[0] == '\0' || dir[strlen(dir) - 1] == '/';
	AI_FREE char *path = ai_format("%s%s", dir, at_root ? "" : "/");
	if (!path)
		return ai_nomem(err);
	if (w->read(w->ctx, id, AI_GIT_TREE, &o, err) < 0)
		return ai_in(err, "'%s'", path);
	int attributes = w->lfs ? push_attributes(w, &o, path, err) : 0, r = attributes;
	if (r >= 0)
		r = take_entries(w, &o, path, depth, &list, &n, err);
	if (attributes == 1)
		ai_git_attrs_pop(&w->attrs);
	w->release(&o);
	if (r == 0)
		r = w->sink->tree(w->sink->ctx, list, n, out, err) < 0 ? ai_in(err, "'%s'", path) : 0;
	ai_entries_free(list, n);
	return r;
}

static int
take_lfsconfig(struct ai_git_walk *w, const struct ai_git_object *o, struct ai_err *err)
{
	AI_FREE char *url = NULL;
	if (ai_git_lfsconfig(o->bytes, o->n, &url, err) < 0)
		return err->code;
	return url ? w->lfs_url(w->ctx, url, err) : 0;
}

/* The file of the root tree that has this name, where there is one, to take(). */
static int
read_root_file(struct ai_git_walk *w, const struct ai_git_id *root, const char *name,
	int (*take)(struct ai_git_walk *w, const struct ai_git_object *o, struct ai_err *err), struct ai_err *err)
{
	struct ai_git_object o, m;
	struct ai_git_entry g;
	size_t at = 0;
	if (w->read(w->ctx, root, AI_GIT_TREE, &o, err) < 0)
		return err->code;
	int r;
	while ((r = ai_git_tree_next(o.bytes, o.n, &at, &g, err)) == 1) {
		if (strcmp(g.name, name) != 0 || (g.mode & 0170000) != 0100000)
			continue;
		r = w->read(w->ctx, &g.id, AI_GIT_BLOB, &m, err);
		if (r < 0)
			break;
		r = m.n > 1 << 20 ? ai_fail(err, AI_EINPUT, "%s: larger than 1 MiB", name) : take(w, &m, err);
		w->release(&m);
		break;
	}
	w->release(&o);
	return r < 0 ? r : 0;
}

static int
take_modules(struct ai_git_walk *w, const struct ai_git_object *o, struct ai_err *err)
{
	return ai_gitmodules_parse(o->bytes, o->n, &w->modules, &w->n_modules, err);
}

int
ai_git_walk(struct ai_git_walk *w, const struct ai_git_id *commit, struct ai_digest *tree_out, struct ai_err *err)
{
	struct ai_git_object o;
	struct ai_git_id root;
	if (w->read(w->ctx, commit, AI_GIT_COMMIT, &o, err) < 0)
		return err->code;
	int r = ai_git_commit_tree_id(o.bytes, o.n, &root, err);
	w->release(&o);
	w->modules = NULL;
	w->n_modules = 0;
	w->attrs = (struct ai_git_attrs){ .levels = NULL };
	if (r == 0 && w->submodule)
		r = read_root_file(w, &root, ".gitmodules", take_modules, err);
	if (r == 0 && w->lfs && w->lfs_url)
		r = read_root_file(w, &root, ".lfsconfig", take_lfsconfig, err);
	if (r == 0)
		r = walk_tree(w, &root, w->prefix, 0, tree_out, err);
	ai_submodules_free(w->modules, w->n_modules);
	ai_git_attrs_done(&w->attrs);
	return r;
}
