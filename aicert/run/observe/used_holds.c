/*
 * used_holds.c -- see observe.h: does a `used` node still hold?
 *
 * One lstat for each path, and readlink for links, in one pass. Only then the contents:
 * where the store remembers a file or a listed folder that looks just like this one, by
 * the rule of its file-hash cache, nothing is opened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "run/observe/observe.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "run/observe/used.h"

/* One path of the node as it is now. */
struct now {
	const char *path;
	const json_t *was;      /* the entry of files or listed; NULL for an absent path */
	ai_look look;
	struct stat st;
};

struct check {
	struct now *all;
	size_t n, n_absent, n_listed; /* in this order, then the files */
	struct timespec began;
	char **what;
	const struct ai_used_io *io;
};

static int
differs(const struct check *c, const char *path, const char *how, struct ai_err *err)
{
	if (!c->what)
		return 0;
	*c->what = ai_format("%s: %s", path, how);
	return *c->what ? 0 : ai_nomem(err);
}

/* --- what one look shows ------------------------------------------------------ */

static int
file_looks(const struct check *c, const struct now *f, const char *target, struct ai_err *err)
{
	const char *type = ai_json_str(f->was, "type"), *was = ai_json_str(f->was, "target"), *word = ai_look_word(f->look);
	if (f->look == AI_LOOK_ABSENT)
		return differs(c, f->path, "is gone", err);
	if (!type || strcmp(word, type) != 0) {
		AI_FREE char *how = ai_format("is a %s, was a %s", word, type ? type : "?");
		return how ? differs(c, f->path, how, err) : ai_nomem(err);
	}
	if (f->look == AI_LOOK_LINK && (!was || !target || strcmp(was, target) != 0))
		return differs(c, f->path, "links elsewhere", err);
	return 1;
}

static int
look_again(const struct check *c, size_t i, struct ai_err *err)
{
	struct now *p = &c->all[i];
	AI_FREE char *target = NULL;
	if (ai_look_at(p->path, &p->look, &p->st, &target, err) < 0)
		return err->code;
	if (i < c->n_absent)
		return p->look == AI_LOOK_ABSENT ? 1 : differs(c, p->path, "is there now", err);
	if (i < c->n_absent + c->n_listed)
		return p->look == AI_LOOK_DIR ? 1 : differs(c, p->path, "is no folder any more", err);
	return file_looks(c, p, target, err);
}

static int
look_at_all(const struct check *c, struct ai_err *err)
{
	AI_GUISE g = { .on = false };
	int r = ai_guise_on(&g, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n; i++)
		if ((r = look_again(c, i, err)) != 1)
			return r;
	return 1;
}

/* --- what is in it --------------------------------------------------------------- */

static int
known(const struct check *c, const struct now *p, struct ai_digest *out, struct ai_err *err)
{
	return c->io->known ? c->io->known(c->io->ctx, &p->st, out, err) : 0;
}

static int
names_now(const struct check *c, const struct now *l, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_NODE);
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	struct ai_err bad_name = { 0 };
	int r = (l->st.st_mode & 0444) == 0444 || ai_others_may(l->path, R_OK) ? ai_look_into(l->path, &names, err) : 0;
	if (r <= 0)
		return r;
	if ((r = ai_names_bytes(l->path, names.data, names.len, &bytes, &bad_name)) < 0) {
		if (r == AI_EINPUT)
			return 0;
		*err = bad_name;
		return r;
	}
	ai_sha256(bytes.data, bytes.len, out);
	return c->io->learn && (r = c->io->learn(c->io->ctx, l->path, &l->st, &c->began, out, err)) < 0 ? r : 1;
}

static int
listed_holds(const struct check *c, const struct now *l, struct ai_err *err)
{
	struct ai_digest was, is;
	if (!ai_json_digest(l->was, "names", &was))
		return ai_fail(err, AI_EINPUT, "used: %s: has no names", l->path);
	int r = known(c, l, &is, err);
	if (r == 0)
		r = names_now(c, l, &is, err);
	if (r < 0)
		return r;
	if (r == 0)
		return differs(c, l->path, "can no longer be listed", err);
	return ai_digest_eq(&was, &is) ? 1 : differs(c, l->path, "holds other names", err);
}

static int
file_holds(const struct check *c, const struct now *f, struct ai_err *err)
{
	struct ai_digest was, is;
	if (f->look != AI_LOOK_FILE && f->look != AI_LOOK_EXEC)
		return 1;
	if (!ai_json_digest(f->was, "id", &was))
		return ai_fail(err, AI_EINPUT, "used: %s: has no id", f->path);
	int r = known(c, f, &is, err);
	if (r < 0 || (r == 0 && (r = c->io->hash_file(c->io->ctx, f->path, &is, err)) < 0))
		return r;
	return ai_digest_eq(&was, &is) ? 1 : differs(c, f->path, "content differs", err);
}

/* --- the whole ------------------------------------------------------------------- */

/* The paths of one array of the node, added to all. */
static int
add_paths(struct check *c, const json_t *array, bool bare, struct ai_err *err)
{
	size_t i;
	json_t *v;
	json_array_foreach(array, i, v) {
		struct now *p = &c->all[c->n++];
		p->was = bare ? NULL : v;
		p->path = bare ? json_string_value(v) : ai_json_str(v, "path");
		if (!p->path)
			return ai_fail(err, AI_EINPUT, "used: an entry without a path");
	}
	return 0;
}

int
ai_used_holds(const json_t *used, const struct ai_used_io *io, char **what, struct ai_err *err)
{
	const json_t *absent = ai_json_arr(used, "absent"), *listed = ai_json_arr(used, "listed"), *files = ai_json_arr(used, "files");
	struct check c = { .what = what, .io = io, .n_absent = json_array_size(absent), .n_listed = json_array_size(listed) };
	AI_FREE struct now *all = ai_calloc(c.n_absent + c.n_listed + json_array_size(files) + 1, sizeof *all);
	if (!all)
		return ai_nomem(err);
	c.all = all;
	/* The clock that files are stamped by. */
	clock_gettime(CLOCK_REALTIME_COARSE, &c.began);
	if (add_paths(&c, absent, true, err) < 0 || add_paths(&c, listed, false, err) < 0 || add_paths(&c, files, false, err) < 0)
		return err->code;
	int r = look_at_all(&c, err);
	for (size_t i = c.n_absent; r == 1 && i < c.n; i++)
		r = i < c.n_absent + c.n_listed ? listed_holds(&c, &c.all[i], err) : file_holds(&c, &c.all[i], err);
	return r;
}
