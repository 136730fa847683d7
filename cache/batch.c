/* batch.c -- see batch.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "cache/inside.h"
#include "cache/objects.h"
#include "model/node.h"

enum {
	MAX_OBJECTS = 16384,       /* a batch is settled when it has as many objects, */
	MAX_NODES = 262144,
	MAX_HASHES = 4096,
	FEW = 8,                   /* as many files are synced one by one; more by syncfs, which also waits for what is not ours */
};
static const uint64_t max_bytes = 1u << 31; /* or as many bytes */

static void
clear(struct ai_batch *b)
{
	for (size_t i = 0; i < b->n_nodes; i++) {
		free(b->nodes[i].bytes);
		json_decref(b->nodes[i].json);
	}
	b->n_objects = b->n_nodes = b->n_hashes = b->n_results = 0;
	b->bytes = 0;
	b->new_folder = false;
	ai_idset_done(&b->ids);
	ai_idset_done(&b->files);
}

/* --- content: steps 1 to 3 ----------------------------------------------- */

static int
sync_all(int fd, struct ai_err *err)
{
	return syncfs(fd) < 0 ? ai_fail_errno(err, AI_EENV, "cache: cannot sync") : 0;
}

static int
sync_temps(struct ai_store *s, struct ai_err *err)
{
	const struct ai_batch *b = &s->batch;
	if (b->n_objects > FEW)
		return sync_all(s->objects_fd, err);
	for (size_t i = 0; i < b->n_objects; i++) {
		const struct ai_batch_object *o = &b->objects[i];
		char name[AI_OBJECT_NAME];
		ai_object_name(&o->id, name);
		AI_FD fd = *o->tmp ? openat(s->session.dir_fd, o->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) :
			openat(s->objects_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || fsync(fd) < 0)
			return ai_fail_errno(err, AI_EENV, "cache: object: cannot sync");
	}
	return 0;
}

/* Is the file at name one that another process published in this same way? */
static bool
looks_published(struct ai_store *s, const struct ai_batch_object *o, const char *name)
{
	struct stat st;
	return fstatat(s->objects_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == o->size &&
		(st.st_mode & 07777) == 0444 && st.st_mtim.tv_sec == AI_OBJECT_MTIME && st.st_mtim.tv_nsec == 0;
}

static bool
same_bytes(int a, int b)
{
	enum { CHUNK = 1 << 18 };
	AI_FREE char *p = malloc(2 * CHUNK);
	while (p) {
		ssize_t n = read(a, p, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && read(b, p, 1) == 0;
		for (ssize_t have = 0, m; have < n; have += m) {
			m = read(b, p + CHUNK + have, (size_t)(n - have));
			if (m < 0 && errno == EINTR)
				m = 0;
			else if (m <= 0)
				return false;
		}
		if (memcmp(p, p + CHUNK, (size_t)n) != 0)
			return false;
	}
	return false;
}

/*
 * Does the file at name serve as ours would? Whoever gave it the name may have died before it was synced, so its bytes are
 * compared, and it is synced here.
 */
static bool
published_by_another(struct ai_store *s, const struct ai_batch_object *o, const char *name)
{
	if (!looks_published(s, o, name))
		return false;
	AI_FD theirs = openat(s->objects_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AI_FD ours = openat(s->session.dir_fd, o->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return theirs >= 0 && ours >= 0 && same_bytes(ours, theirs) && fsync(theirs) == 0;
}

/*
 * Gives the temporary file the object's name; 0 or -1 with errno. Who is second leaves the first one's file: checkouts are
 * hard links to it, and replacing it would make them look altered. What is there but damaged is replaced.
 */
static int
give_name(struct ai_store *s, const struct ai_batch_object *o, const char *name)
{
	if (renameat2(s->session.dir_fd, o->tmp, s->objects_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST && published_by_another(s, o, name))
		return unlinkat(s->session.dir_fd, o->tmp, 0);
	if (errno != EEXIST && errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(s->session.dir_fd, o->tmp, s->objects_fd, name);
}

static int
publish(struct ai_store *s, struct ai_batch_object *o, struct ai_err *err)
{
	char name[AI_OBJECT_NAME], folder[3];
	ai_object_name(&o->id, name);
	if (give_name(s, o, name) < 0) {
		snprintf(folder, sizeof folder, "%.2s", name);
		if (errno != ENOENT || (mkdirat(s->objects_fd, folder, 0755) < 0 && errno != EEXIST))
			return ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot publish", name);
		s->batch.new_folder = true;
		if (give_name(s, o, name) < 0)
			return ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot publish", name);
	}
	o->tmp[0] = '\0';
	return 0;
}

static int
sync_folders(struct ai_store *s, bool renamed, struct ai_err *err)
{
	const struct ai_batch *b = &s->batch;
	if (b->n_objects > FEW)
		return renamed ? sync_all(s->objects_fd, err) : 0;
	for (size_t i = 0; i < b->n_objects; i++) {
		char folder[3];
		ai_hex_bytes(b->objects[i].id.b, 1, folder);
		if (ai_fsync_dir(s->objects_fd, folder, err) < 0)
			return ai_in(err, "cache: objects");
	}
	if (b->new_folder && fsync(s->objects_fd) < 0)
		return ai_fail_errno(err, AI_EENV, "cache: objects: cannot sync folder");
	return 0;
}

static int
settle_content(struct ai_store *s, struct ai_err *err)
{
	bool renamed = false;
	if (s->batch.n_objects == 0)
		return 0;
	if (sync_temps(s, err) < 0)
		return err->code;
	for (size_t i = 0; i < s->batch.n_objects; i++) {
		struct ai_batch_object *o = &s->batch.objects[i];
		if (!*o->tmp)
			continue;
		renamed = true;
		if (publish(s, o, err) < 0)
			return err->code;
	}
	return sync_folders(s, renamed, err);
}

/* --- rows: step 4 ---------------------------------------------------------- */

int
ai_batch_row(struct ai_db *db, const struct ai_digest *id, uint64_t size, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "INSERT OR REPLACE INTO objects(id, size) VALUES(?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	ai_stmt_int(&st, 2, (int64_t)size);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

struct edge_from { struct ai_db *db; const struct ai_digest *id; };

static int
insert_edge(void *ctx, ai_kind kind, const struct ai_digest *to, const char *where, struct ai_err *err)
{
	const struct edge_from *from = ctx;
	AI_STMT st = { 0 };
	(void)where;
	if (ai_stmt_begin(&st, from->db, "INSERT OR IGNORE INTO edges(source, target, kind) VALUES(?,?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, from->id);
	ai_stmt_digest(&st, 2, to);
	ai_stmt_text(&st, 3, kind == AI_KIND_BLOB ? "blob" : ai_kind_word(kind));
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

static int
insert_node(struct ai_db *db, const struct ai_batch_node *n, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "INSERT OR REPLACE INTO nodes(id, kind, bytes) VALUES(?,?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, &n->id);
	ai_stmt_text(&st, 2, n->json ? ai_kind_word(ai_node_kind(n->json)) : "tree");
	ai_stmt_blob(&st, 3, n->bytes, n->n);
	if (ai_stmt_step(&st, err) < 0)
		return err->code;
	struct edge_from from = { db, &n->id };
	return n->json ? ai_node_edges(n->json, insert_edge, &from, err) : 0;
}

static int
insert_result(struct ai_db *db, const struct ai_batch_result *r, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "INSERT OR REPLACE INTO results(step, result) VALUES(?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, &r->step);
	ai_stmt_digest(&st, 2, &r->result);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

static int
insert_rows(struct ai_store *s, struct ai_err *err)
{
	const struct ai_batch *b = &s->batch;
	for (size_t i = 0; i < b->n_objects; i++)
		if (ai_batch_row(s->db, &b->objects[i].id, b->objects[i].size, err) < 0)
			return err->code;
	for (size_t i = 0; i < b->n_nodes; i++)
		if (insert_node(s->db, &b->nodes[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < b->n_results; i++)
		if (insert_result(s->db, &b->results[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < b->n_hashes; i++)
		if (ai_filehash_put(s->db, &b->hashes[i].key, &b->hashes[i].id, err) < 0)
			return err->code;
	return 0;
}

static int
settle_rows(struct ai_store *s, struct ai_err *err)
{
	if (ai_db_begin(s->db, err) < 0)
		return err->code;
	if (insert_rows(s, err) < 0) {
		ai_db_rollback(s->db);
		return err->code;
	}
	return ai_db_commit(s->db, err);
}

/* --- the batch --------------------------------------------------------------- */

/* What was acknowledged and could not be kept: the temporary files go, and every later write says why. */
static int
lose(struct ai_store *s, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	for (size_t i = 0; i < b->n_objects; i++)
		if (*b->objects[i].tmp)
			(void)unlinkat(s->session.dir_fd, b->objects[i].tmp, 0);
	clear(b);
	ai_idset_done(&s->sound);
	b->lost = *err;
	return err->code;
}

static int
settle_all(struct ai_store *s, struct ai_err *err)
{
	if (settle_content(s, err) < 0 || settle_rows(s, err) < 0)
		return lose(s, err);
	clear(&s->batch);
	return 0;
}

int
ai_batch_settle(struct ai_store *s, struct ai_err *err)
{
	if (s->batch.lost.code != 0) {
		*err = s->batch.lost;
		return err->code;
	}
	return s->batch.n_objects + s->batch.n_nodes + s->batch.n_results == 0 ? 0 : settle_all(s, err);
}

int
ai_batch_keep(struct ai_store *s, struct ai_err *err)
{
	return s->batch.defer && s->batch.lost.code == 0 ? 0 : ai_batch_settle(s, err);
}

int
ai_batch_need(struct ai_store *s, const struct ai_digest *id, uint64_t as, struct ai_err *err)
{
	return s->batch.defer && s->batch.lost.code == 0 && !ai_batch_has(s, id, as) ? 0 : ai_batch_settle(s, err);
}

void
ai_batch_close(struct ai_store *s)
{
	struct ai_batch *b = &s->batch;
	struct ai_err ignored = { 0 };
	if (b->lost.code == 0 && b->n_objects + b->n_nodes + b->n_results + b->n_hashes > 0)
		(void)(settle_all(s, &ignored) < 0);
	clear(b);
	free(b->objects);
	free(b->nodes);
	free(b->hashes);
	free(b->results);
	*b = (struct ai_batch){ 0 };
}

void
ai_batch_forget(struct ai_store *s)
{
	clear(&s->batch);
}

static int
settle_if_large(struct ai_store *s, struct ai_err *err)
{
	const struct ai_batch *b = &s->batch;
	return b->n_objects >= MAX_OBJECTS || b->n_nodes >= MAX_NODES || b->bytes >= max_bytes ? ai_batch_settle(s, err) : 0;
}

int
ai_batch_object(struct ai_store *s, const struct ai_digest *id, uint64_t size, const char *tmp, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	if (b->lost.code != 0) {
		(void)unlinkat(s->session.dir_fd, tmp, 0);
		*err = b->lost;
		return err->code;
	}
	if (ai_grow(&b->objects, &b->cap_objects, b->n_objects, sizeof *b->objects, err) < 0 || ai_idset_mark(&b->ids, id, AI_AS_BLOB, err) < 0) {
		(void)unlinkat(s->session.dir_fd, tmp, 0);
		return err->code;
	}
	struct ai_batch_object *o = &b->objects[b->n_objects++];
	*o = (struct ai_batch_object){ .id = *id, .size = size };
	snprintf(o->tmp, sizeof o->tmp, "%s", tmp);
	b->bytes += size;
	if (*tmp && b->defer && publish(s, o, err) < 0)
		return lose(s, err);
	return settle_if_large(s, err);
}

int
ai_batch_node(struct ai_store *s, const struct ai_digest *id, const char *bytes, size_t n, json_t *json, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	if (b->lost.code != 0) {
		*err = b->lost;
		return err->code;
	}
	AI_FREE char *copy = ai_strndup(bytes, n);
	if (!copy)
		return ai_nomem(err);
	if (ai_grow(&b->nodes, &b->cap_nodes, b->n_nodes, sizeof *b->nodes, err) < 0 || ai_idset_mark(&b->ids, id, AI_AS_NODE, err) < 0)
		return err->code;
	b->nodes[b->n_nodes++] = (struct ai_batch_node){ *id, copy, n, json ? json_incref(json) : NULL };
	copy = NULL;
	b->bytes += n;
	return settle_if_large(s, err);
}

int
ai_batch_hash(struct ai_store *s, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	struct ai_digest slot;
	if (b->lost.code != 0 || s->looks)
		return 0;
	ai_file_slot(key, &slot);
	if (ai_grow(&b->hashes, &b->cap_hashes, b->n_hashes, sizeof *b->hashes, err) < 0 || ai_idset_put(&b->files, &slot, b->n_hashes, err) < 0)
		return err->code;
	b->hashes[b->n_hashes++] = (struct ai_batch_hash){ *key, *id };
	/* Alone they may wait for the closing of the store; many of them are worth a transaction. */
	return b->n_hashes >= MAX_HASHES && b->n_objects + b->n_nodes == 0 ? settle_all(s, err) : 0;
}

int
ai_batch_result(struct ai_store *s, const struct ai_digest *step, const struct ai_digest *result, struct ai_err *err)
{
	struct ai_batch *b = &s->batch;
	if (b->lost.code != 0) {
		*err = b->lost;
		return err->code;
	}
	if (ai_grow(&b->results, &b->cap_results, b->n_results, sizeof *b->results, err) < 0)
		return err->code;
	b->results[b->n_results++] = (struct ai_batch_result){ *step, *result };
	return 0;
}

bool
ai_batch_has(const struct ai_store *s, const struct ai_digest *id, uint64_t as)
{
	return ai_idset_has(&s->batch.ids, id, as);
}

bool
ai_batch_hash_of(const struct ai_store *s, const struct ai_file_key *key, struct ai_digest *out)
{
	const struct ai_batch *b = &s->batch;
	struct ai_digest slot;
	uint64_t i;
	ai_file_slot(key, &slot);
	if (!ai_idset_get(&b->files, &slot, &i) || !ai_file_key_eq(&b->hashes[i].key, key))
		return false;
	*out = b->hashes[i].id;
	return true;
}
