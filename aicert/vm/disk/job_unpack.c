/* job_unpack.c -- a job disk into a store, its sources derived anew (job_disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "model/node.h"
#include "vm/disk/closure.h"
#include "vm/disk/derive.h"
#include "vm/disk/intake.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/job_parts.h"

struct unpack {
	struct ai_disk *d;
	struct ai_store *store;
	const char *aside;
	const struct ai_shelf *shelf;   /* NULL: none */
	const struct ai_talk *talk;
	struct ai_derive derive;
	struct ai_closure needed;
	bool *used;                     /* of each object: something of the plan needs it */
	struct ai_unpacked *out;
};

/* --- copying ------------------------------------------------------------------------------------ */

static int
write_some(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	return ai_write_all(*(int *)ctx, p, n, "job: object aside", err);
}

/* A git object or a part of an image, into its file aside. */
static int
copy_aside(struct unpack *u, size_t i, struct ai_err *err)
{
	const struct ai_disk_object *o = ai_disk_object(u->d, i);
	AI_FREE char *path = ai_format("%s/%s/%s", u->aside, o->type, strncmp(o->name, "sha256:", 7) == 0 ? o->name + 7 : o->name);
	if (!path)
		return ai_nomem(err);
	AI_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot create", path);
	return ai_disk_read(u->d, i, write_some, &fd, err);
}

static int
copy_object(struct unpack *u, size_t i, struct ai_err *err)
{
	const char *type = ai_disk_object(u->d, i)->type;
	if (strcmp(type, "node") == 0)
		return ai_intake_node(u->d, i, u->store, err);
	if (strcmp(type, "blob") == 0)
		return ai_intake_blob(u->d, i, u->store, err);
	return copy_aside(u, i, err);
}

/* Of the shelf: its file system, what stands on it, its hashes? These stay where they are. */
static bool
on_shelf(const struct unpack *u, size_t i)
{
	return u->shelf && i + 1 >= u->shelf->first && i <= u->shelf->first + u->shelf->n;
}

/* What nothing in the plan could name is needed; the blobs between must be, as all others. */
static int
take_shelf(struct unpack *u, struct ai_err *err)
{
	const struct ai_shelf *s = u->shelf;
	for (size_t i = 0; s && i < s->n; i++) {
		const struct ai_disk_object *o = ai_disk_object(u->d, s->first + i);
		int there = ai_store_has(u->store, &(struct ai_ref){ AI_REF_BLOB, o->sha256 }, err);
		if (there < 0)
			return there;
		if (there == 0)
			return ai_fail(err, AI_EINPUT, "job disk: blob %s: is not on the shelf", o->name);
	}
	if (s)
		u->used[s->first - 1] = u->used[s->first + s->n] = true;
	return 0;
}

/* Before anything is copied: is there something that no job has? */
static int
check_types(struct unpack *u, uint64_t *total, struct ai_err *err)
{
	static const char *const types[] = { "node", "blob", "git", "oci" };
	for (size_t i = 0; i < ai_disk_count(u->d); i++) {
		if (on_shelf(u, i))
			continue;
		const struct ai_disk_object *o = ai_disk_object(u->d, i);
		bool known = false;
		for (size_t k = 0; k < sizeof types / sizeof *types; k++)
			known = known || strcmp(o->type, types[k]) == 0;
		if (!known)
			return ai_fail(err, AI_EINPUT, "job disk: %s '%s': a job has no such object", o->type, o->name);
		*total += o->size;
	}
	return 0;
}

static int
copy_all(struct unpack *u, struct ai_err *err)
{
	uint64_t total = 0, done = 0;
	if (check_types(u, &total, err) < 0 || take_shelf(u, err) < 0)
		return err->code;
	for (size_t i = 0; i < ai_disk_count(u->d); i++) {
		if (on_shelf(u, i))
			continue;
		if (copy_object(u, i, err) < 0)
			return err->code;
		done += ai_disk_object(u->d, i)->size;
		ai_say_progress(u->talk, "job disk", done, total);
	}
	return 0;
}

/* --- what the plan needs -------------------------------------------------------------------------- */

static int
mark(struct unpack *u, const char *type, const char *name, struct ai_err *err)
{
	size_t i;
	if (!ai_disk_find(u->d, type, name, &i))
		return ai_fail(err, AI_EINPUT, "%s %s is missing", type, name);
	u->used[i] = true;
	return 0;
}

static int
need(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err)
{
	char hex[AI_HEX];
	(void)node;
	ai_hex(id, hex);
	return mark(ctx, type, hex, err);
}

static int
need_object(void *ctx, const char *type, const char *name, int fd, struct ai_err *err)
{
	(void)fd;
	return mark(ctx, type, name, err);
}

static int
on_blob(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	struct unpack *u = ctx;
	return ai_closure_blob(&u->needed, id, err);
}

static int
on_environment(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	struct unpack *u = ctx;
	AI_JSON *node = NULL;
	return ai_closure_node(&u->needed, "environment", id, &node, err);
}

static int
on_source(void *ctx, const char *name, const struct ai_digest *id, struct ai_err *err)
{
	struct unpack *u = ctx;
	struct ai_unpacked_source *s = &u->out->sources[u->out->n_sources];
	struct ai_ref content;
	*s = (struct ai_unpacked_source){ .name = ai_strdup(name) };
	u->out->n_sources++;
	if (!s->name)
		return ai_nomem(err);
	if (ai_closure_node(&u->needed, "source", id, &s->node, err) < 0)
		return ai_in(err, "source '%s'", name);
	ai_say(u->talk, AI_TALK_STAGE, "derive  %s", name);
	int r = ai_derive_source(&u->derive, name, s->node, &s->how, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (ai_ref_get(ai_json_obj(s->node, "content"), &content, err) < 0 || ai_closure_content(&u->needed, &content, err) < 0)
		return ai_in(err, "source '%s'", name);
	return 0;
}

static int
check_unneeded(const struct unpack *u, struct ai_err *err)
{
	for (size_t i = 0; i < ai_disk_count(u->d); i++)
		if (!u->used[i]) {
			const struct ai_disk_object *o = ai_disk_object(u->d, i);
			return ai_fail(err, AI_EINPUT, "%s %s: nothing in the plan needs it", o->type, o->name);
		}
	return 0;
}

static int
take_plan(struct unpack *u, struct ai_err *err)
{
	struct ai_job_about about;
	if (ai_job_about_parse(ai_disk_about(u->d), &about, err) < 0)
		return err->code;
	if (about.shelved != (u->shelf != NULL))
		return ai_fail(err, AI_EINPUT, "job disk: a shelf: it has %s, expected %s", about.shelved ? "one" : "none", u->shelf ? "one" : "none");
	u->out->plan_id = about.plan;
	u->out->certificates = json_incref(about.certificates);
	u->out->nonce = about.nonce ? ai_strdup(about.nonce) : NULL;
	return about.nonce && !u->out->nonce ? ai_nomem(err) : 0;
}

static int
derive_all(struct unpack *u, struct ai_err *err)
{
	static const struct ai_plan_names names = { .blob = on_blob, .environment = on_environment, .source = on_source };
	struct ai_unpacked *out = u->out;
	struct ai_digest aicertfile, lock;
	if (ai_closure_node(&u->needed, "plan", &out->plan_id, &out->plan, err) < 0)
		return err->code;
	out->sources = ai_calloc(json_array_size(ai_json_arr(out->plan, "sources")), sizeof *out->sources);
	if (!out->sources)
		return ai_nomem(err);
	/* What is read first must have come from the disk first. */
	if (ai_json_digest(out->plan, "aicertfile", &aicertfile) && ai_json_digest(out->plan, "lock", &lock) &&
		(on_blob(u, &aicertfile, err) < 0 || on_blob(u, &lock, err) < 0))
		return err->code;
	if (ai_derive_init(&u->derive, u->store, out->plan, err) < 0 || ai_plan_each(out->plan, &names, u, err) < 0)
		return err->code;
	return check_unneeded(u, err);
}

/* --- the whole -------------------------------------------------------------------------------------- */

static int
make_aside(const char *aside, struct ai_err *err)
{
	static const char *const folders[] = { "git", "oci" };
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		AI_FREE char *path = ai_join(aside, folders[i]);
		if (!path)
			return ai_nomem(err);
		if (ai_mkdirs(path, 0700, err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_job_shelf(const struct ai_disk *d, struct ai_shelf *out, struct ai_err *err)
{
	struct ai_job_about about;
	if (ai_job_about_parse(ai_disk_about(d), &about, err) < 0)
		return err->code;
	if (!about.shelved)
		return 0;
	return ai_shelf_find(d, &about.shelf, out, err) < 0 ? err->code : 1;
}

int
ai_job_unpack(struct ai_disk *d, struct ai_store *store, const char *aside, const struct ai_shelf *shelf, const struct ai_talk *talk,
	struct ai_unpacked *out, struct ai_err *err)
{
	struct ai_unpacked made = { 0 };
	const char *const folders[] = { aside };
	struct unpack u = { .d = d, .store = store, .aside = aside, .shelf = shelf, .talk = talk, .out = &made };
	u.needed = (struct ai_closure){ .store = store, .need = need, .ctx = &u };
	u.derive = (struct ai_derive){ .aside = { folders, 1, need_object, on_blob, &u }, .git = ai_store_sink(store), .image = ai_store_sink(store), .talk = talk };
	u.used = ai_calloc(ai_disk_count(d), sizeof *u.used);
	int r = u.used ? take_plan(&u, err) : ai_nomem(err);
	if (r == 0)
		r = make_aside(aside, err);
	if (r == 0)
		r = copy_all(&u, err);
	if (r == 0 && derive_all(&u, err) < 0)
		r = ai_in(err, "job disk");
	ai_discard_tree(aside);
	ai_closure_done(&u.needed);
	ai_derive_done(&u.derive);
	free(u.used);
	if (r < 0)
		ai_unpacked_done(&made);
	else
		*out = made;
	return r;
}

void
ai_unpacked_done(struct ai_unpacked *u)
{
	for (size_t i = 0; i < u->n_sources; i++) {
		free(u->sources[i].name);
		json_decref(u->sources[i].node);
	}
	free(u->sources);
	free(u->nonce);
	json_decref(u->plan);
	json_decref(u->certificates);
	*u = (struct ai_unpacked){ 0 };
}
