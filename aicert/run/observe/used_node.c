/* used_node.c -- see observe.h: the `used` node of what was seen.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "run/observe/observe_seen.h"
#include "run/observe/used.h"

/* --- names of a folder ---------------------------------------------------- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
ai_names_bytes(const char *path, const char *names, size_t len, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE const char **all = NULL;
	size_t n = 0, cap = 0;
	for (const char *p = names; p < names + len; p += strlen(p) + 1) {
		if (ai_name_check(p, err) < 0)
			return ai_in(err, "%s", path);
		if (ai_grow(&all, &cap, n, sizeof *all, err) < 0)
			return err->code;
		all[n++] = p;
	}
	if (n)
		qsort(all, n, sizeof *all, by_text);
	AI_JSON *array = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(array, json_string(all[i])) < 0)
			return ai_nomem(err);
	if (!array)
		return ai_nomem(err);
	return ai_canon(array, out, err) < 0 ? err->code : ai_buf_ok(out, path, err);
}

/* --- the node --------------------------------------------------------------- */

static int
by_path(const void *a, const void *b)
{
	return strcmp((*(struct ai_seen_path *const *)a)->path, (*(struct ai_seen_path *const *)b)->path);
}

/* What belongs into the record, sorted; fresh. */
static int
collect(const struct ai_observer *o, struct ai_seen_path ***out, size_t *n_out, struct ai_err *err)
{
	struct ai_seen_path **all = ai_calloc(o->n ? o->n : 1, sizeof *all);
	size_t n = 0;
	if (!all)
		return ai_nomem(err);
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i] && o->table[i]->noted)
			all[n++] = o->table[i];
	if (n)
		qsort(all, n, sizeof *all, by_path);
	*out = all;
	*n_out = n;
	return 0;
}

static int
add_to(json_t *array, json_t *value, struct ai_err *err)
{
	return json_array_append_new(array, value) < 0 ? ai_nomem(err) : 0;
}

/* The hash of the file that was seen; looked at after the hashing, so that neither before nor during it was it another. */
static int
hash_seen(const struct ai_seen_path *p, const struct ai_used_io *io, struct ai_digest *out, struct ai_err *err)
{
	struct stat st;
	struct ai_stamp now = { 0 };
	struct ai_digest id;
	struct ai_err of_hash = { 0 };
	ai_look look;
	int r = io->hash_file(io->ctx, p->path, &id, &of_hash);
	if (ai_look_at(p->path, &look, &st, NULL, err) < 0)
		return err->code;
	if (look != AI_LOOK_ABSENT)
		ai_stamp_of(&st, &now);
	if (look != p->look || !ai_stamp_eq(&now, &p->stamp)) {
		ai_fail(err, AI_EINPUT, "%s: changed while the step ran, so what the step saw of it is not known", p->path);
		return ai_hint(err, "run again while nothing is installed on this machine");
	}
	if (r < 0)
		*err = of_hash;
	else
		*out = id;
	return r;
}

static int
add_file(json_t *files, const struct ai_seen_path *p, const struct ai_used_io *io, struct ai_err *err)
{
	struct ai_digest id;
	AI_JSON *f = json_pack("{ss ss}", "path", p->path, "type", ai_look_word(p->look));
	if (!f)
		return ai_nomem(err);
	if (p->look == AI_LOOK_LINK && !ai_utf8_valid(p->target, strlen(p->target)))
		return ai_fail(err, AI_EINPUT, "%s: links to a name that is not UTF-8", p->path);
	if (p->look == AI_LOOK_LINK && json_object_set_new(f, "target", json_string(p->target)) < 0)
		return ai_nomem(err);
	if (p->look == AI_LOOK_FILE || p->look == AI_LOOK_EXEC) {
		if (hash_seen(p, io, &id, err) < 0)
			return err->code;
		if (json_object_set_new(f, "id", ai_json_hex(&id)) < 0)
			return ai_nomem(err);
	}
	return add_to(files, json_incref(f), err);
}

static int
add_listed(json_t *listed, const struct ai_seen_path *p, const struct ai_used_io *io, struct ai_err *err)
{
	struct ai_digest id;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	if (ai_names_bytes(p->path, p->names, p->names_len, &bytes, err) < 0 || io->put_names(io->ctx, bytes.data, bytes.len, &id, err) < 0)
		return err->code;
	json_t *l = json_pack("{ss so}", "path", p->path, "names", ai_json_hex(&id));
	return l ? add_to(listed, l, err) : ai_nomem(err);
}

/* A text that canonical JSON takes as a path: what else a step looked for in vain is no part of the record. */
static bool
plain_path(const char *path)
{
	struct ai_err ignored = { 0 };
	return ai_relpath_check(path + 1, &ignored) == 0;
}

static int
add_seen(const struct ai_seen_path *p, json_t *used, const struct ai_used_io *io, struct ai_err *err)
{
	if (!plain_path(p->path))
		return p->look == AI_LOOK_ABSENT ? 0 : ai_fail(err, AI_EINPUT, "the step used a file whose name is not UTF-8 or has control "
			"characters: '%s'", p->path);
	if (p->look == AI_LOOK_ABSENT)
		return add_to(ai_json_arr(used, "absent"), json_string(p->path), err);
	if (p->names)
		return add_listed(ai_json_arr(used, "listed"), p, io, err);
	return add_file(ai_json_arr(used, "files"), p, io, err);
}

int
ai_observer_used(struct ai_observer *o, const struct ai_used_io *io, json_t **used, struct ai_err *err)
{
	struct ai_seen_path **all = NULL;
	size_t n = 0;
	AI_JSON *node = json_pack("{ss s[] s[] s[]}", "kind", "used", "files", "absent", "listed");
	if (!node)
		return ai_nomem(err);
	if (collect(o, &all, &n, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		if ((r = add_seen(all[i], node, io, err)) < 0)
			ai_in(err, "used");
	free(all);
	if (r == 0)
		*used = json_incref(node);
	return r;
}
