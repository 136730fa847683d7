/* used.c -- see used.h and observe.h: the `used` node, and whether it still holds.  SPDX-License-Identifier: Apache-2.0 */
#include "run/used.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "run/observe.h"
#include "run/observe_seen.h"

static const char *const words[] = { [AI_LOOK_ABSENT] = "absent", [AI_LOOK_FILE] = "file", [AI_LOOK_EXEC] = "exec",
	[AI_LOOK_DIR] = "dir", [AI_LOOK_LINK] = "link" };

/* --- one path ------------------------------------------------------------- */

static bool
readable(const char *path, mode_t mode)
{
	if (mode & S_IROTH || geteuid() == 0)
		return mode & S_IROTH;
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

int
ai_look_at(const char *path, ai_look *out, char **target, struct ai_err *err)
{
	struct stat st;
	*out = AI_LOOK_ABSENT;
	if (lstat(path, &st) < 0)
		return errno == ENOMEM || errno == EIO ? ai_fail_errno(err, AI_EENV, "%s", path) : 0;
	if (S_ISDIR(st.st_mode))
		*out = AI_LOOK_DIR;
	else if (S_ISREG(st.st_mode) && readable(path, st.st_mode))
		*out = st.st_mode & 0111 ? AI_LOOK_EXEC : AI_LOOK_FILE;
	if (!S_ISLNK(st.st_mode))
		return 0;
	char text[4097];
	ssize_t n = readlink(path, text, sizeof text - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	if (target && !(*target = ai_strdup(text)))
		return ai_nomem(err);
	*out = AI_LOOK_LINK;
	return 0;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A new array of the texts in the order of their bytes. */
static int
sorted_array(char **texts, size_t n, json_t **out, struct ai_err *err)
{
	if (n)
		qsort(texts, n, sizeof *texts, by_text);
	AI_JSON *array = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(array, json_string(texts[i])) < 0)
			return ai_nomem(err);
	if (!array)
		return ai_nomem(err);
	*out = json_incref(array);
	return 0;
}

int
ai_list_names(const char *path, json_t **out, struct ai_err *err)
{
	DIR *d = opendir(path);
	if (!d)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot list", path);
	char **names = NULL;
	size_t n = 0, cap = 0;
	int r = 0;
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (ai_name_check(e->d_name, err) < 0)
			r = ai_in(err, "%s", path);
		else if ((r = ai_grow(&names, &cap, n, sizeof *names, err)) == 0 && !(names[n++] = ai_strdup(e->d_name)))
			r = ai_nomem(err);
	}
	closedir(d);
	if (r == 0)
		r = sorted_array(names, n, out, err);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return r;
}

/* --- the node --------------------------------------------------------------- */

static int
by_path(const void *a, const void *b)
{
	return strcmp((*(struct ai_seen_path *const *)a)->path, (*(struct ai_seen_path *const *)b)->path);
}

/* What was looked at, sorted; fresh. */
static int
collect(const struct ai_observer *o, struct ai_seen_path ***out, size_t *n_out, struct ai_err *err)
{
	struct ai_seen_path **all = ai_calloc(o->n ? o->n : 1, sizeof *all);
	size_t n = 0;
	if (!all)
		return ai_nomem(err);
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i] && o->table[i]->looked)
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

static int
add_file(json_t *files, const char *path, ai_look look, const char *target, const struct ai_used_io *io, struct ai_err *err)
{
	struct ai_digest id;
	AI_JSON *f = json_pack("{ss ss}", "path", path, "type", words[look]);
	if (!f)
		return ai_nomem(err);
	if (look == AI_LOOK_LINK && !ai_utf8_valid(target, strlen(target)))
		return ai_fail(err, AI_EINPUT, "%s: links to a name that is not UTF-8", path);
	if (look == AI_LOOK_LINK && json_object_set_new(f, "target", json_string(target)) < 0)
		return ai_nomem(err);
	if (look == AI_LOOK_FILE || look == AI_LOOK_EXEC) {
		if (io->hash_file(io->ctx, path, &id, err) < 0)
			return err->code;
		if (json_object_set_new(f, "id", ai_json_hex(&id)) < 0)
			return ai_nomem(err);
	}
	return add_to(files, json_incref(f), err);
}

static int
add_listed(json_t *listed, const char *path, const struct ai_used_io *io, struct ai_err *err)
{
	struct ai_digest id;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	AI_JSON *names = NULL;
	if (ai_list_names(path, &names, err) < 0 || ai_canon(names, &bytes, err) < 0 || ai_buf_ok(&bytes, path, err) < 0 ||
	    io->put_names(io->ctx, bytes.data, bytes.len, &id, err) < 0)
		return err->code;
	json_t *l = json_pack("{ss so}", "path", path, "names", ai_json_hex(&id));
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
	ai_look look;
	AI_FREE char *target = NULL;
	if (ai_look_at(p->path, &look, &target, err) < 0)
		return err->code;
	if (!plain_path(p->path))
		return look == AI_LOOK_ABSENT ? 0 : ai_fail(err, AI_EINPUT, "the step used a file whose name is not UTF-8 or has control "
			"characters: '%s'", p->path);
	if (look == AI_LOOK_ABSENT)
		return add_to(ai_json_arr(used, "absent"), json_string(p->path), err);
	if (look == AI_LOOK_DIR && p->listed)
		return add_listed(ai_json_arr(used, "listed"), p->path, io, err);
	return add_file(ai_json_arr(used, "files"), p->path, look, target, io, err);
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

/* --- does it hold? ------------------------------------------------------------ */

static int
differs(char **what, struct ai_err *err, const char *path, const char *how)
{
	if (!what)
		return 0;
	*what = ai_format("%s: %s", path, how);
	return *what ? 0 : ai_nomem(err);
}

static int
file_holds(const json_t *f, const struct ai_used_io *io, char **what, struct ai_err *err)
{
	const char *path = ai_json_str(f, "path"), *type = ai_json_str(f, "type");
	AI_FREE char *target = NULL;
	struct ai_digest id, now;
	ai_look look;
	if (!path || !type)
		return ai_fail(err, AI_EINPUT, "used: a file without path or type");
	if (ai_look_at(path, &look, &target, err) < 0)
		return err->code;
	if (look == AI_LOOK_ABSENT)
		return differs(what, err, path, "is gone");
	if (strcmp(words[look], type) != 0) {
		AI_FREE char *how = ai_format("is a %s, was a %s", words[look], type);
		return how ? differs(what, err, path, how) : ai_nomem(err);
	}
	if (look == AI_LOOK_LINK) {
		const char *was = ai_json_str(f, "target");
		return was && strcmp(was, target) == 0 ? 1 : differs(what, err, path, "links elsewhere");
	}
	if (look == AI_LOOK_DIR)
		return 1;
	if (!ai_json_digest(f, "id", &id))
		return ai_fail(err, AI_EINPUT, "used: %s: has no id", path);
	if (io->hash_file(io->ctx, path, &now, err) < 0)
		return err->code;
	return ai_digest_eq(&id, &now) ? 1 : differs(what, err, path, "content differs");
}

static int
absent_holds(const json_t *a, char **what, struct ai_err *err)
{
	const char *path = json_string_value(a);
	ai_look look;
	if (!path)
		return ai_fail(err, AI_EINPUT, "used: an absent path that is no text");
	if (ai_look_at(path, &look, NULL, err) < 0)
		return err->code;
	return look == AI_LOOK_ABSENT ? 1 : differs(what, err, path, "is there now");
}

static int
listed_holds(const json_t *l, char **what, struct ai_err *err)
{
	const char *path = ai_json_str(l, "path");
	struct ai_digest id, now;
	AI_JSON *names = NULL;
	ai_look look;
	if (!path || !ai_json_digest(l, "names", &id))
		return ai_fail(err, AI_EINPUT, "used: a listed folder without path or names");
	if (ai_look_at(path, &look, NULL, err) < 0)
		return err->code;
	if (look != AI_LOOK_DIR)
		return differs(what, err, path, "is no folder any more");
	if (ai_list_names(path, &names, err) < 0) {
		if (err->code != AI_EINPUT)
			return err->code;
		*err = (struct ai_err){ 0 };
		return differs(what, err, path, "can no longer be listed");
	}
	if (ai_json_id(names, &now, err) < 0)
		return err->code;
	return ai_digest_eq(&id, &now) ? 1 : differs(what, err, path, "holds other names");
}

int
ai_used_holds(const json_t *used, const struct ai_used_io *io, char **what, struct ai_err *err)
{
	size_t i;
	json_t *v;
	int r = 1;
	/* Cheapest first: a few stats settle most changes. */
	json_array_foreach(ai_json_arr(used, "absent"), i, v)
		if ((r = absent_holds(v, what, err)) != 1)
			return r;
	json_array_foreach(ai_json_arr(used, "listed"), i, v)
		if ((r = listed_holds(v, what, err)) != 1)
			return r;
	json_array_foreach(ai_json_arr(used, "files"), i, v)
		if ((r = file_holds(v, io, what, err)) != 1)
			return r;
	return r;
}
