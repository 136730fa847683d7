/* sysroot.c -- files of a tree in the store, as a process whose root it is would find them (build_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/path.h"
#include "vm/build/build_parts.h"

enum { MAX_DEPTH = 64, MAX_LINKS = 40 };

struct walk {
	const struct ai_sysroot *s;
	struct ai_digest at[MAX_DEPTH];  /* folders from the root down; at[depth] is where we are */
	size_t depth;
	char *rest;                      /* what is still to go */
	unsigned links;
};

static int
load(const struct ai_sysroot *s, const struct ai_digest *tree, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(tree, hex);
	int r = ai_store_get_node(s->store, tree, out, err);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "cache: tree %.12s…: is gone from the store", hex);
	return r < 0 ? r : 0;
}

static const json_t *
entry_of(const json_t *tree, const char *name, size_t len)
{
	size_t i;
	json_t *e;
	json_array_foreach(ai_json_arr(tree, "entries"), i, e) {
		const char *its = ai_json_str(e, "name");
		if (strlen(its) == len && memcmp(its, name, len) == 0)
			return e;
	}
	return NULL;
}

static int
follow(struct walk *w, const char *target, const char *behind, struct ai_err *err)
{
	char *rest = ai_format("%s/%s", target, behind);
	if (!rest)
		return ai_nomem(err);
	free(w->rest);
	w->rest = rest;
	if (target[0] == '/')
		w->depth = 0;
	return w->links++ < MAX_LINKS ? 1 : ai_fail(err, AI_EINPUT, "more than %d links follow each other", MAX_LINKS);
}

/* One name of w->rest: 1 go on, 0 it ends here: *blob is the file, or (a folder, nothing) *found false. */
static int
step(struct walk *w, struct ai_digest *blob, bool *found, struct ai_err *err)
{
	AI_JSON *tree = NULL;
	const char *name = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(name, "/");
	const char *behind = name + n;
	bool last = behind[strspn(behind, "/")] == '\0';
	*found = false;
	if (n == 0)
		return 0;
	if (n == 2 && memcmp(name, "..", 2) == 0) {
		w->depth -= w->depth > 0;
	} else if (!(n == 1 && *name == '.')) {
		if (load(w->s, &w->at[w->depth], &tree, err) < 0)
			return err->code;
		const json_t *e = entry_of(tree, name, n);
		const char *type = ai_json_str(e, "type"), *target = ai_json_str(e, "target");
		if (e && strcmp(type, "link") == 0)
			return follow(w, target, behind, err);
		struct ai_digest id;
		if (!e || !ai_json_digest(e, "id", &id))
			return 0;
		if (strcmp(type, "dir") != 0) {
			*found = last;
			*blob = id;
			return 0;
		}
		if (w->depth + 1 == MAX_DEPTH)
			return ai_fail(err, AI_EINPUT, "more than %d folders deep", MAX_DEPTH);
		w->at[++w->depth] = id;
	}
	memmove(w->rest, behind, strlen(behind) + 1);
	return 1;
}

/* Walks to the end: *found and *blob are of a file; else, when the way ended in a folder, that is w->at[w->depth]. */
static int
go(struct walk *w, const struct ai_sysroot *s, const char *path, struct ai_digest *blob, bool *found, struct ai_err *err)
{
	*w = (struct walk){ .s = s, .rest = ai_strdup(path) };
	w->at[0] = s->tree;
	if (!w->rest)
		return ai_nomem(err);
	int r;
	while ((r = step(w, blob, found, err)) == 1)
		;
	return r < 0 ? ai_in(err, "'%s'", path) : 0;
}

int
ai_sysroot_read(const struct ai_sysroot *s, const char *path, struct ai_buf *out, struct ai_err *err)
{
	struct walk w;
	struct ai_digest blob;
	bool found = false;
	int r = go(&w, s, path, &blob, &found, err);
	free(w.rest);
	if (r < 0 || !found)
		return r;
	return ai_store_get_bytes(s->store, &blob, out, err) < 0 ? ai_in(err, "'%s'", path) : 1;
}

int
ai_sysroot_need(const struct ai_sysroot *s, const char *path, struct ai_buf *out, struct ai_err *err)
{
	int r = ai_sysroot_read(s, path, out, err);
	return r < 0 ? r : r == 1 ? 0 : ai_fail(err, AI_EINPUT, "the packages have no '%s'", path);
}

int
ai_sysroot_only(const struct ai_sysroot *s, const char *folder, const char *pattern, char **name, struct ai_err *err)
{
	struct walk w;
	struct ai_digest blob;
	bool found = false;
	AI_JSON *tree = NULL;
	const char *only = NULL;
	int r = go(&w, s, folder, &blob, &found, err);
	bool arrived = r == 0 && !w.rest[strspn(w.rest, "/")];
	if (arrived)
		r = load(s, &w.at[w.depth], &tree, err);
	free(w.rest);
	if (r < 0)
		return r;
	size_t i;
	json_t *e;
	json_array_foreach(ai_json_arr(tree, "entries"), i, e) {
		if (!ai_glob(pattern, ai_json_str(e, "name")))
			continue;
		if (only)
			return ai_fail(err, AI_EINPUT, "the packages have two of '%s/%s': '%s' and '%s'", folder, pattern, only, ai_json_str(e, "name"));
		only = ai_json_str(e, "name");
	}
	if (!only)
		return ai_fail(err, AI_EINPUT, "the packages have no '%s/%s'", folder, pattern);
	char *copy = ai_strdup(only);
	if (!copy)
		return ai_nomem(err);
	*name = copy;
	return 0;
}
