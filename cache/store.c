/* store.c -- see store.h: opening, closing, blobs.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cache/inside.h"
#include "cache/objects.h"
#include "cache/sink.h"

/*
 * Ids are blobs of 32 bytes. objects and nodes are content; a row of edges says that node source names target, which is
 * of that kind; trees have no rows there, their entries are their edges. seq orders what has an order in time.
 */
static const char *const store_formats[] = {
	"CREATE TABLE objects(id BLOB PRIMARY KEY NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE nodes(id BLOB PRIMARY KEY NOT NULL, kind TEXT NOT NULL, bytes BLOB NOT NULL);"
	"CREATE TABLE edges(source BLOB NOT NULL, target BLOB NOT NULL, kind TEXT NOT NULL, PRIMARY KEY(source, target, kind)) WITHOUT ROWID;"
	"CREATE INDEX edges_by_target ON edges(target);"
	"CREATE TABLE results(seq INTEGER PRIMARY KEY AUTOINCREMENT, step BLOB NOT NULL, result BLOB NOT NULL, UNIQUE(step, result));"
	"CREATE TABLE pins(key TEXT PRIMARY KEY NOT NULL, type INTEGER NOT NULL, id BLOB NOT NULL, how TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE files(dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
	" ctime INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(dev, ino)) WITHOUT ROWID;",
};
static const char *const attest_formats[] = {
	"CREATE TABLE attestations(seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);"
	"CREATE TABLE executed(result BLOB NOT NULL, attestation BLOB NOT NULL, PRIMARY KEY(result, attestation)) WITHOUT ROWID;"
	"CREATE TABLE runs(seq INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, bytes BLOB NOT NULL);"
	"CREATE INDEX runs_by_project ON runs(project);",
};
static const struct ai_db_kind store_kind = { "cache: store.db", store_formats, sizeof store_formats / sizeof *store_formats,
	"remove the cache folder (~/.cache/aicert, or cache/ in AICERT_HOME): what it held is fetched or made anew" };
static const struct ai_db_kind attest_kind = { "data: attest.db", attest_formats, sizeof attest_formats / sizeof *attest_formats,
	"move attest.db out of the data folder (~/.local/share/aicert, or data/ in AICERT_HOME): what it attested is run again" };

static int
open_db(const char *folder, const char *name, const struct ai_db_kind *kind, struct ai_db **out, int *fresh, struct ai_err *err)
{
	AI_FREE char *path = ai_join(folder, name);
	return path ? ai_db_open(path, kind, out, fresh, err) : ai_nomem(err);
}

/* A new store's own name must survive a power cut as well: every folder on the way to it is synced, once. */
static int
sync_upwards(const char *folder, struct ai_err *err)
{
	AI_FREE char *p = ai_strdup(folder);
	if (!p)
		return ai_nomem(err);
	if (ai_fsync_dir(AT_FDCWD, p, err) < 0)
		return err->code;
	for (char *slash; (slash = strrchr(p, '/')) && slash != p;) {
		*slash = '\0';
		/* Folders above may belong to others; those that cannot be opened were not made by us. */
		struct ai_err ignored = { 0 };
		(void)(ai_fsync_dir(AT_FDCWD, p, &ignored) < 0);
	}
	return 0;
}

static int
open_folders(struct ai_store *s, struct ai_err *err)
{
	s->cache_fd = open(s->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->cache_fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", s->cache);
	if ((mkdirat(s->cache_fd, "objects", 0755) < 0 && errno != EEXIST) || (mkdirat(s->cache_fd, "trees", 0755) < 0 && errno != EEXIST))
		return ai_fail_errno(err, AI_EENV, "cache: cannot make folder");
	s->objects_fd = openat(s->cache_fd, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->objects_fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: objects: cannot open");
	return ai_session_open(&s->session, s->cache_fd, err);
}

static int
open_parts(struct ai_store *s, const struct ai_home *home, struct ai_err *err)
{
	int fresh = 0, fresh_attest = 0;
	if (ai_home_make(home, err) < 0)
		return err->code;
	/* First the databases: a store of a newer format is refused before anything else in it is looked at. */
	if (open_db(home->cache, "store.db", &store_kind, &s->db, &fresh, err) < 0 ||
	    open_db(home->data, "attest.db", &attest_kind, &s->attest, &fresh_attest, err) < 0 || open_folders(s, err) < 0)
		return err->code;
	if (fresh && sync_upwards(home->cache, err) < 0)
		return err->code;
	return fresh_attest ? sync_upwards(home->data, err) : 0;
}

int
ai_store_open(const struct ai_home *home, struct ai_store **out, struct ai_err *err)
{
	struct ai_store *s = ai_calloc(1, sizeof *s);
	if (!s)
		return ai_nomem(err);
	s->cache_fd = s->objects_fd = -1;
	s->session = (struct ai_session){ -1, -1, -1, -1, "", 0 };
	s->cache = ai_strdup(home->cache);
	if (!s->cache)
		ai_nomem(err);
	if (!s->cache || open_parts(s, home, err) < 0) {
		ai_store_close(s);
		return err->code;
	}
	ai_sink_of_store(s, &s->sink);
	*out = s;
	return 0;
}

void
ai_store_close(struct ai_store *s)
{
	if (!s)
		return;
	while (s->open)
		ai_object_abort(s->open);
	ai_batch_close(s);
	ai_session_close(&s->session);
	ai_db_close(s->db);
	ai_db_close(s->attest);
	ai_close_fd(&s->cache_fd);
	ai_close_fd(&s->objects_fd);
	ai_idset_done(&s->sound);
	ai_idset_done(&s->laid);
	ai_read_done(&s->read);
	ai_hashsink_free(s->hashes);
	free(s->chunk);
	free(s->cache);
	free(s);
}

int
ai_store_put_bytes(struct ai_store *s, const void *p, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_digest id;
	if (s->looks) {
		ai_sha256(p, n, out);
		return 0;
	}
	if (ai_object_put(s, p, n, &id, err) < 0 || ai_batch_keep(s, err) < 0)
		return err->code;
	*out = id;
	return 0;
}

int
ai_store_get_bytes(struct ai_store *s, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(out->max);
	struct ai_digest got;
	struct stat st;
	char text[AI_SHORT];
	if (ai_batch_need(s, id, AI_AS_BLOB, err) < 0)
		return err->code;
	AI_FD fd = ai_object_open(s, id, &st, err);
	if (fd < 0)
		return err->code;
	ai_short_id(id, text);
	if (ai_read_fd(fd, text, &b, err) < 0)
		return ai_in(err, "cache: object");
	ai_sha256(b.data ? b.data : "", b.len, &got);
	if (!ai_digest_eq(id, &got))
		return ai_object_damaged(s, id, &got, &st, err);
	ai_buf_put(out, b.data ? b.data : "", b.len);
	return ai_buf_ok(out, text, err);
}

char *
ai_store_object_path(struct ai_store *s, const struct ai_digest *id)
{
	char name[AI_OBJECT_NAME];
	struct ai_err ignored = { 0 };
	/* An object that cannot be settled is not there, which whoever opens the path will find. */
	(void)(ai_batch_keep(s, &ignored) < 0);
	ai_object_name(id, name);
	return ai_format("%s/objects/%s", s->cache, name);
}
