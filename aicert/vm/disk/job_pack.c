/* job_pack.c -- a planned job onto its disk (job_disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cache/hashsink.h"
#include "vm/disk/closure.h"
#include "vm/disk/derive.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/job_parts.h"

/* Smaller ones gain a machine nothing, and a file system is quicker to make of few. */
enum { SHELF_LEAST = 64 << 10 };

struct pack {
	const struct ai_job_pack *in;
	struct ai_disk_writer *w;
	struct ai_closure carried;      /* what goes onto the disk */
	struct ai_closure derived;      /* what is made of it inside: only counted */
	struct ai_derive derive;
	uint64_t bytes;                 /* of content that goes into memory */
	struct ai_shelf_file *large;    /* blobs that wait until it is known what fits */
	size_t n_large, cap_large;
};

/* --- what goes onto the disk ------------------------------------------------------------------ */

static int
open_blob(struct ai_store *store, const struct ai_digest *id, struct stat *st, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	AI_FREE char *path = ai_store_object_path(store, id);
	if (!path)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "blob %s is not in the store", hex);
	int opened = fd;
	fd = -1;
	return opened;
}

static int
add_node(struct pack *p, const char *hex, const json_t *node, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_canon(node, &b, err) < 0 || ai_buf_ok(&b, "node", err) < 0)
		return err->code;
	p->bytes += b.len;
	return ai_disk_add(p->w, "node", hex, b.data, b.len, err);
}

static int
add_blob(struct pack *p, const struct ai_digest *id, struct ai_err *err)
{
	struct stat st;
	char hex[AI_HEX];
	ai_hex(id, hex);
	AI_FD fd = open_blob(p->in->store, id, &st, err);
	return fd < 0 || ai_disk_add_fd(p->w, "blob", hex, fd, err) < 0 ? err->code : 0;
}

static int
carry(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err)
{
	struct pack *p = ctx;
	struct stat st;
	char hex[AI_HEX];
	ai_hex(id, hex);
	if (node)
		return add_node(p, hex, node, err);
	AI_FD fd = open_blob(p->in->store, id, &st, err);
	if (fd < 0)
		return err->code;
	p->bytes += (uint64_t)st.st_size;
	if (p->in->room && st.st_size >= SHELF_LEAST) {
		if (ai_grow(&p->large, &p->cap_large, p->n_large, sizeof *p->large, err) < 0)
			return err->code;
		p->large[p->n_large++] = (struct ai_shelf_file){ *id, (uint64_t)st.st_size };
		return 0;
	}
	if (ai_disk_add_fd(p->w, type, hex, fd, err) < 0)
		return err->code;
	ai_say_progress(p->in->talk, "job disk", p->bytes, 0);
	return 0;
}

static int
count(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err)
{
	struct pack *p = ctx;
	struct stat st;
	(void)type;
	if (node)
		return 0;
	AI_FD fd = open_blob(p->in->store, id, &st, err);
	if (fd < 0)
		return err->code;
	p->bytes += (uint64_t)st.st_size;
	return 0;
}

/* An object of a commit or an image, as the walk comes by it. */
static int
carry_object(void *ctx, const char *type, const char *name, int fd, struct ai_err *err)
{
	struct pack *p = ctx;
	struct stat st;
	if (ai_disk_added(p->w, type, name))
		return 0;
	if (fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s object %s: cannot read", type, name);
	if (ai_disk_add_fd(p->w, type, name, fd, err) < 0)
		return err->code;
	p->bytes += (uint64_t)st.st_size;
	ai_say_progress(p->in->talk, "job disk", p->bytes, 0);
	/* The walk reads it too. */
	return lseek(fd, 0, SEEK_SET) < 0 ? ai_fail_errno(err, AI_EINPUT, "%s object %s: cannot read", type, name) : 0;
}

/* What a commit's tree holds and its objects do not. */
static int
carry_content(void *ctx, const struct ai_digest *oid, struct ai_err *err)
{
	struct pack *p = ctx;
	return ai_closure_blob(&p->carried, oid, err);
}

static int
carry_source(struct pack *p, const char *name, const json_t *node, struct ai_err *err)
{
	const char *how;
	struct ai_ref content;
	int r = ai_derive_source(&p->derive, name, node, &how, err);
	if (r < 0)
		return r;
	if (ai_ref_get(ai_json_obj(node, "content"), &content, err) < 0 || ai_closure_content(r ? &p->derived : &p->carried, &content, err) < 0)
		return ai_in(err, "source '%s'", name);
	return 0;
}

/* --- what stays on the disk ----------------------------------------------------------------------- */

static int
by_id(const void *a, const void *b)
{
	const struct ai_shelf_file *x = a, *y = b;
	return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* The largest first; and none before another without a reason. */
static int
by_size(const void *a, const void *b)
{
	const struct ai_shelf_file *x = a, *y = b;
	return x->size != y->size ? (x->size < y->size ? 1 : -1) : by_id(a, b);
}

static int
add_shelf(struct pack *p, size_t n, struct ai_digest *root, struct ai_err *err)
{
	AI_BUF_AUTO image = AI_BUF(AI_SHELF_MAX_IMAGE);
	const uint64_t from = ai_disk_next(p->w);
	qsort(p->large, n, sizeof *p->large, by_id);
	if (ai_shelf_image(p->large, n, &image, err) < 0 || ai_disk_add(p->w, "shelf", "", image.data, image.len, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		if (add_blob(p, &p->large[i].id, err) < 0)
			return err->code;
		ai_say_progress(p->in->talk, "shelf", i + 1, n);
	}
	return ai_disk_add_tree(p->w, from, root, err);
}

/* Everything else is on the disk and counted: the largest of what waits stay there, as many as must; the others are carried as ever. */
static int
settle_large(struct pack *p, json_t *about, struct ai_err *err)
{
	uint64_t shelved = 0;
	size_t n = 0;
	struct ai_digest root;
	if (p->n_large > 0)
		qsort(p->large, p->n_large, sizeof *p->large, by_size);
	while (n < p->n_large && n < AI_SHELF_MAX_FILES && p->bytes - shelved > p->in->room)
		shelved += p->large[n++].size;
	for (size_t i = n; i < p->n_large; i++)
		if (add_blob(p, &p->large[i].id, err) < 0)
			return err->code;
	p->bytes -= shelved;
	if (p->in->shelved)
		*p->in->shelved = shelved;
	if (n == 0)
		return 0;
	if (add_shelf(p, n, &root, err) < 0)
		return err->code;
	return json_object_set_new(about, "shelf", ai_json_hex(&root)) < 0 ? ai_nomem(err) : 0;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static int
carry_environments(struct pack *p, struct ai_err *err)
{
	size_t i;
	json_t *env;
	json_array_foreach(p->in->environments, i, env) {
		struct ai_digest id;
		char hex[AI_HEX];
		if (ai_json_id(env, &id, err) < 0)
			return err->code;
		ai_hex(&id, hex);
		if (add_node(p, hex, env, err) < 0)
			return err->code;
	}
	return 0;
}

static int
on_source(void *ctx, const char *name, const struct ai_digest *id, struct ai_err *err)
{
	struct pack *p = ctx;
	AI_JSON *node = NULL;
	if (ai_closure_node(&p->carried, "source", id, &node, err) < 0)
		return ai_in(err, "source '%s'", name);
	return carry_source(p, name, node, err);
}

static int
on_blob(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	struct pack *p = ctx;
	return ai_closure_blob(&p->carried, id, err);
}

/* Those in environments are on the disk already. */
static int
on_environment(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	struct pack *p = ctx;
	AI_JSON *node = NULL;
	char hex[AI_HEX];
	ai_hex(id, hex);
	return ai_disk_added(p->w, "node", hex) ? 0 : ai_closure_node(&p->carried, "environment", id, &node, err);
}

static int
make_about(const struct ai_job_pack *in, const char *plan, json_t **out, struct ai_err *err)
{
	AI_JSON *about = json_pack("{s:s, s:s}", "plan", plan, "version", AICERT_VERSION);
	if (!about || (in->nonce && json_object_set_new(about, "nonce", json_string(in->nonce)) < 0))
		return ai_nomem(err);
	if (in->certificates && json_object_set(about, "certificates", (json_t *)(uintptr_t)in->certificates) < 0)
		return ai_nomem(err);
	/* Inside it is checked before anything else of it: what would be refused there is refused here. */
	struct ai_job_about checked;
	if (ai_job_about_parse(about, &checked, err) < 0)
		return err->code;
	*out = json_incref(about);
	return 0;
}

static int
pack(struct pack *p, struct ai_digest *header, struct ai_err *err)
{
	static const struct ai_plan_names names = { .blob = on_blob, .environment = on_environment, .source = on_source };
	struct ai_digest id;
	char hex[AI_HEX];
	AI_JSON *about = NULL;
	if (ai_json_id(p->in->plan, &id, err) < 0)
		return err->code;
	ai_hex(&id, hex);
	if (make_about(p->in, hex, &about, err) < 0 || ai_derive_init(&p->derive, p->in->store, p->in->plan, err) < 0)
		return err->code;
	if (add_node(p, hex, p->in->plan, err) < 0 || carry_environments(p, err) < 0 || ai_plan_each(p->in->plan, &names, p, err) < 0)
		return err->code;
	if (settle_large(p, about, err) < 0)
		return err->code;
	int r = ai_disk_finish(p->w, about, header, err);
	p->w = NULL;
	return r;
}

int
ai_job_pack(const struct ai_job_pack *in, int fd, uint64_t limit, struct ai_digest *header, uint64_t *bytes, struct ai_err *err)
{
	struct ai_hashsink *hash = NULL;
	struct pack p = { .in = in };
	p.carried = (struct ai_closure){ .store = in->store, .need = carry, .ctx = &p };
	p.derived = (struct ai_closure){ .store = in->store, .need = count, .ctx = &p };
	int r = ai_hashsink_new(&hash, err);
	if (r == 0)
		p.derive = (struct ai_derive){ .git = ai_hashsink_sink(hash), .aside = { in->aside, in->n_aside, carry_object, carry_content, &p } };
	if (r == 0)
		r = ai_disk_begin(fd, "job", limit, &p.w, err);
	if (r == 0)
		r = pack(&p, header, err);
	free(p.large);
	ai_disk_abort(p.w);
	ai_closure_done(&p.carried);
	ai_closure_done(&p.derived);
	ai_derive_done(&p.derive);
	ai_hashsink_free(hash);
	if (r == 0 && bytes)
		*bytes = p.bytes;
	return r;
}
