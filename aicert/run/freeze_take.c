/* freeze_take.c -- see freeze_take.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/freeze_take.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

enum { MAX_LINKS = 40 /* as the kernel */, MAX_TAKEN = 4000000 /* as an image may have */, MAX_LEFT_OUT = 1000 };

/* A step sees its own there, whatever an image has (run/box/image_root.c). */
static const char *const hidden[] = { "/dev", "/home", "/proc", "/sys", "/tmp", "/var/tmp", "/workspace" };
/* Secrets of accounts and services that somebody may have made readable. */
static const char *const never[] = { "/etc/shadow*", "/etc/gshadow*", "/etc/sudoers*", "/etc/security/opasswd*", "/etc/krb5.keytab", "/etc/ssl/private",
	"/etc/ssh/ssh_host_*_key" };
/* Taken only if they, or something in them, are named. */
static const char *const apart[] = { "/root", "/run", "/var/run" };
static const char *const apart_names[] = { ".aws", ".docker", ".git-credentials", ".gnupg", ".kube", ".netrc", ".pgpass", ".pypirc", ".ssh", "id_dsa", "id_ecdsa",
	"id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_rsa" };

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

/* --- what may be taken ------------------------------------------------------- */

/* Is path this folder, or in it? */
static bool
within(const char *path, size_t len, const char *folder)
{
	size_t n = strlen(folder);
	return n <= len && memcmp(path, folder, n) == 0 && (n == len || path[n] == '/');
}

static bool
is_hidden(const char *path)
{
	for EACH(i, hidden)
		if (within(path, strlen(path), hidden[i]))
			return true;
	return false;
}

static bool
is_never(const struct ai_taking *t, const char *path)
{
	for EACH(i, never)
		if (ai_glob(never[i], path + 1))
			return true;
	for (size_t i = 1; i < sizeof t->own / sizeof *t->own; i++)
		if (t->own[i] && within(path, strlen(path), t->own[i]))
			return true;
	return false;
}

static bool
name_is_apart(const char *name, size_t n)
{
	for EACH(i, apart_names)
		if (strlen(apart_names[i]) == n && memcmp(apart_names[i], name, n) == 0)
			return true;
	return false;
}

/* Does the path's part of len bytes begin a place that must be named? */
static bool
begins_apart(const struct ai_taking *t, const char *path, size_t len)
{
	size_t name = len;
	while (path[name - 1] != '/')
		name--;
	if (name_is_apart(path + name, len - name) || (t->own[0] && strlen(t->own[0]) == len && memcmp(path, t->own[0], len) == 0))
		return true;
	for EACH(i, apart)
		if (strlen(apart[i]) == len && memcmp(apart[i], path, len) == 0)
			return true;
	return false;
}

/* Was a path named that lies in that place and holds this one, or to which this one is on the way? */
static bool
was_named(const struct ai_taking *t, const char *path, size_t place, bool way)
{
	for (size_t i = 0; i < t->n_named; i++) {
		const char *n = t->named[i];
		if (strlen(n) >= place && (within(path, strlen(path), n) || (way && within(n, strlen(n), path))))
			return true;
	}
	return false;
}

/* way: it is only passed through; else it comes with all that is in it. */
static bool
may_take(const struct ai_taking *t, const char *path, bool way)
{
	if (is_hidden(path) || is_never(t, path))
		return false;
	for (size_t n = 1; n <= strlen(path); n++)
		if ((path[n] == '/' || path[n] == '\0') && begins_apart(t, path, n) && !was_named(t, path, n, way))
			return false;
	return true;
}

static int
leave_out(struct ai_taking *t, const char *path, struct ai_err *err)
{
	if (json_array_size(t->left_out) >= MAX_LEFT_OUT || !ai_utf8_valid(path, strlen(path)))
		return 0;
	return json_array_append_new(t->left_out, json_string(path)) < 0 ? ai_nomem(err) : 0;
}

/* --- what was taken ------------------------------------------------------------- */

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct ai_taken *)a)->path, ((const struct ai_taken *)b)->path);
}

static void
taken_free(void *p)
{
	struct ai_taken *e = p;
	free(e->path);
	free(e->target);
	free(e);
}

/* The entry of a path, new or known; one that looks otherwise than before is an error. target is copied. */
static int
add(struct ai_taking *t, const char *path, ai_look look, const char *target, struct ai_taken **out, struct ai_err *err)
{
	struct ai_taken *e = ai_calloc(1, sizeof *e);
	if (!e || !(e->path = ai_strdup(path)) || (target && !(e->target = ai_strdup(target)))) {
		if (e)
			taken_free(e);
		return ai_nomem(err);
	}
	e->look = look;
	struct ai_taken **at = tsearch(e, &t->tree, by_path);
	if (!at || *at != e)
		taken_free(e);
	else if (++t->n > MAX_TAKEN)
		return ai_fail(err, AI_EINPUT, "%s: more than %d files, at most as many as an image may have", path, MAX_TAKEN);
	if (!at)
		return ai_nomem(err);
	*out = *at;
	if ((*at)->made)
		return 0;
	if ((*at)->look != look || (target && strcmp((*at)->target, target) != 0))
		return ai_fail(err, AI_EINPUT, "%s: changes while it is looked at", path);
	return 0;
}

/* A folder with all that is in it: its turn comes. */
static int
add_whole(struct ai_taking *t, const char *path, struct ai_err *err)
{
	struct ai_taken *e;
	if (add(t, path, AI_LOOK_DIR, NULL, &e, err) < 0)
		return err->code;
	if (e->whole)
		return 0;
	if (ai_grow(&t->todo, &t->cap_todo, t->n_todo, sizeof *t->todo, err) < 0)
		return err->code;
	e->whole = true;
	t->todo[t->n_todo++] = e;
	return 0;
}

/* --- paths of the machine ----------------------------------------------------------- */

/* Where a walk is: now is through no link, rest is to go. */
struct walk { struct ai_buf now, rest; unsigned links; };

static void
walk_done(struct walk *w)
{
	ai_buf_done(&w->now);
	ai_buf_done(&w->rest);
}

static void
go_up(struct walk *w)
{
	while (w->now.len > 0 && w->now.data[--w->now.len] != '/')
		;
	if (w->now.data)
		w->now.data[w->now.len] = '\0';
}

static int
follow(struct walk *w, const char *target, struct ai_err *err)
{
	struct ai_buf rest = AI_BUF(AI_MAX_HEADER);
	ai_buf_printf(&rest, "%s/%s", target, w->rest.data);
	if (ai_buf_ok(&rest, target, err) < 0 || ++w->links > MAX_LINKS) {
		ai_buf_done(&rest);
		return err->code ? err->code : 0;
	}
	ai_buf_done(&w->rest);
	w->rest = rest;
	if (*target == '/')
		ai_buf_clear(&w->now);
	else
		go_up(w);
	return 1;
}

/* The next name of rest, put behind now; *last: nothing follows. 1, 0 there is none. */
static int
next(struct walk *w, bool *last, struct ai_err *err)
{
	for (;;) {
		const char *p = w->rest.data + strspn(w->rest.data, "/");
		size_t n = strcspn(p, "/");
		bool up = n == 2 && p[0] == '.' && p[1] == '.';
		if (n == 0)
			return 0;
		if (!up && !(n == 1 && *p == '.')) {
			ai_buf_putc(&w->now, '/');
			ai_buf_put(&w->now, p, n);
		}
		if (up)
			go_up(w);
		p += n;
		p += strspn(p, "/");
		*last = *p == '\0';
		w->rest.len = strlen(p);
		memmove(w->rest.data, p, w->rest.len + 1);
		if (ai_buf_ok(&w->now, "path", err) < 0)
			return err->code;
		if (!up && n > 0 && w->now.len > 0)
			return 1;
	}
}

static int
walk_step(struct ai_taking *t, struct walk *w, bool last, ai_look *look, struct ai_err *err)
{
	AI_FREE char *target = NULL;
	struct ai_taken *e;
	const char *path = w->now.data;
	if (!may_take(t, path, !last)) {
		*look = AI_LOOK_ABSENT;
		return leave_out(t, path, err) < 0 ? err->code : 0;
	}
	if (ai_look_at(path, look, NULL, &target, err) < 0)
		return err->code;
	if (*look == AI_LOOK_LINK)
		return add(t, path, *look, target, &e, err) < 0 ? err->code : follow(w, target, err);
	if (*look == AI_LOOK_DIR)
		return last ? add_whole(t, path, err) : 1;
	if (*look == AI_LOOK_ABSENT || !last) {
		*look = AI_LOOK_ABSENT;
		return 0;
	}
	return add(t, path, *look, NULL, &e, err);
}

/* The path, the links on its way, and what it leads to; *found is false when that is nothing, or not for an image. */
static int
walk(struct ai_taking *t, const char *path, bool *found, struct ai_err *err)
{
	struct walk w = { .now = AI_BUF(AI_MAX_HEADER), .rest = AI_BUF(AI_MAX_HEADER) };
	ai_look look = AI_LOOK_DIR;
	bool last = true;
	ai_buf_puts(&w.rest, path);
	int r = ai_buf_ok(&w.rest, path, err);
	/* The folders that a link leads through are named by no entry of their own: the list gives each path those above it. */
	for (r = r < 0 ? r : 1; r > 0;)
		if ((r = next(&w, &last, err)) > 0)
			r = walk_step(t, &w, last, &look, err);
	/* A link to a folder that ends in "..", or to the root. */
	if (r == 0 && look == AI_LOOK_LINK)
		look = AI_LOOK_ABSENT;
	walk_done(&w);
	*found = look != AI_LOOK_ABSENT;
	return r;
}

static int
take_inside(struct ai_taking *t, const struct ai_taken *folder, const char *name, struct ai_err *err)
{
	struct ai_err bad = { 0 };
	struct ai_taken *e;
	ai_look look = AI_LOOK_ABSENT;
	bool found;
	AI_FREE char *target = NULL;
	AI_FREE char *path = ai_join(folder->path, name);
	if (!path)
		return ai_nomem(err);
	if (ai_name_check(name, &bad) == 0 && may_take(t, path, false) && ai_look_at(path, &look, NULL, &target, err) < 0)
		return err->code;
	if (look == AI_LOOK_ABSENT || (target && !ai_utf8_valid(target, strlen(target))))
		return leave_out(t, path, err);
	if (look == AI_LOOK_DIR)
		return add_whole(t, path, err);
	if (add(t, path, look, target, &e, err) < 0)
		return err->code;
	return look == AI_LOOK_LINK ? walk(t, path, &found, err) : 0;
}

static int
take_folders(struct ai_taking *t, struct ai_err *err)
{
	while (t->n_todo > 0) {
		const struct ai_taken *folder = t->todo[--t->n_todo];
		AI_BUF_AUTO names = AI_BUF(AI_MAX_NODE);
		int r = ai_look_into(folder->path, &names, err);
		if (r < 0 || ai_check_interrupt(err) < 0)
			return err->code;
		if (r == 0 && leave_out(t, folder->path, err) < 0)
			return err->code;
		for (const char *n = names.data; r == 1 && n < names.data + names.len; n += strlen(n) + 1)
			if (take_inside(t, folder, n, err) < 0)
				return err->code;
	}
	return 0;
}

int
ai_taking_path(struct ai_taking *t, const char *path, struct ai_err *err)
{
	AI_GUISE g = { .on = false };
	bool found;
	if (path[1] == '\0')
		return ai_fail(err, AI_EUSAGE, "'/': is the whole machine: name folders of it");
	if (is_hidden(path)) {
		ai_fail(err, AI_EUSAGE, "'%s': no step sees it: it has /home, /tmp, /dev, /proc, /sys and /workspace of its own", path);
		return ai_hint(err, "copy it to a folder of /opt, and name that");
	}
	if (is_never(t, path))
		return ai_fail(err, AI_EUSAGE, "'%s': holds secrets, and goes into no image", path);
	if (ai_guise_on(&g, err) < 0 || walk(t, path, &found, err) < 0 || take_folders(t, err) < 0)
		return err->code;
	return found ? 0 : ai_fail(err, AI_EUSAGE, "'%s': is not there, or not for everybody to read", path);
}

/* --- what a run used ------------------------------------------------------------------- */

static int
no_longer(const char *path, const char *how, struct ai_err *err)
{
	ai_fail(err, AI_EINPUT, "%s: is no longer what the last run used: %s", path, how);
	return ai_hint(err, "run again (aicert run --fresh), then freeze");
}

static int
take_used(struct ai_taking *t, const char *path, const json_t *was, struct ai_err *err)
{
	const char *type = was ? ai_json_str(was, "type") : "dir", *aim = ai_json_str(was, "target");
	AI_FREE char *target = NULL;
	struct ai_taken *e;
	ai_look look;
	if (!path || path[0] != '/' || !type)
		return ai_fail(err, AI_EINPUT, "used: an entry without a path or type");
	if (is_never(t, path) || is_hidden(path))
		return ai_fail(err, AI_EINPUT, "%s: the last run used it, and it goes into no image", path);
	if (ai_look_at(path, &look, NULL, &target, err) < 0)
		return err->code;
	if (strcmp(ai_look_word(look), type) != 0) {
		AI_FREE char *how = ai_format("%s, was %s", ai_look_word(look), type);
		return no_longer(path, how ? how : "changed", err);
	}
	if (look == AI_LOOK_LINK && (!aim || !target || strcmp(aim, target) != 0))
		return no_longer(path, "links elsewhere", err);
	if (add(t, path, look, target, &e, err) < 0)
		return err->code;
	if (e->made || (look != AI_LOOK_FILE && look != AI_LOOK_EXEC))
		return 0;
	struct ai_digest id;
	if (!ai_json_digest(was, "id", &id))
		return ai_fail(err, AI_EINPUT, "used: %s: has no id", path);
	if (e->known && !ai_digest_eq(&e->id, &id))
		return no_longer(path, "two of its steps used two contents", err);
	e->id = id;
	e->known = true;
	return 0;
}

int
ai_taking_used(struct ai_taking *t, const json_t *used, struct ai_err *err)
{
	AI_GUISE g = { .on = false };
	size_t i;
	json_t *v;
	if (ai_guise_on(&g, err) < 0)
		return err->code;
	json_array_foreach(ai_json_arr(used, "files"), i, v)
		if (take_used(t, ai_json_str(v, "path"), v, err) < 0)
			return err->code;
	json_array_foreach(ai_json_arr(used, "listed"), i, v)
		if (take_used(t, ai_json_str(v, "path"), NULL, err) < 0)
			return err->code;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

int
ai_taking_begin(struct ai_taking *t, const char *const *named, size_t n_named, const char *home, const char *cache, const char *data, struct ai_err *err)
{
	*t = (struct ai_taking){ .named = named, .n_named = n_named, .own = { home, cache, data }, .left_out = json_array() };
	return t->left_out ? 0 : ai_nomem(err);
}

int
ai_taking_made(struct ai_taking *t, const char *path, const char *target, const char *text, struct ai_err *err)
{
	struct ai_taken *e;
	if (add(t, path, target ? AI_LOOK_LINK : AI_LOOK_FILE, target, &e, err) < 0)
		return err->code;
	e->made = true;
	e->text = text;
	return 0;
}

void
ai_taking_done(struct ai_taking *t)
{
	if (t->tree)
		tdestroy(t->tree, taken_free);
	free(t->todo);
	json_decref(t->left_out);
	*t = (struct ai_taking){ .tree = NULL };
}

struct listing { struct ai_taken **all; size_t n; };

static void
list_one(const void *node, VISIT visit, void *ctx)
{
	struct listing *l = ctx;
	if (visit == postorder || visit == leaf)
		l->all[l->n++] = *(struct ai_taken *const *)node;
}

static int
list(const struct ai_taking *t, struct listing *out, struct ai_err *err)
{
	out->n = 0;
	out->all = ai_calloc(t->n + 1, sizeof *out->all);
	if (!out->all)
		return ai_nomem(err);
	twalk_r(t->tree, list_one, out);
	return 0;
}

/* The folders on the way to a path; the nearest that is known has those above it, too. */
static int
add_above(struct ai_taking *t, const char *path, struct ai_err *err)
{
	struct ai_taken *e;
	AI_FREE char *above = ai_strdup(path);
	if (!above)
		return ai_nomem(err);
	for (char *slash; (slash = strrchr(above, '/')) && slash > above;) {
		*slash = '\0';
		if (add(t, above, AI_LOOK_DIR, NULL, &e, err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_taking_list(struct ai_taking *t, struct ai_taken ***out, size_t *n, struct ai_err *err)
{
	struct listing l;
	if (list(t, &l, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = add_above(t, l.all[i]->path, err);
	free(l.all);
	if (r < 0 || list(t, &l, err) < 0)
		return err->code;
	*out = l.all;
	*n = l.n;
	return 0;
}
