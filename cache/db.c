/* db.c -- see db.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

enum {
	BUSY_MS = 60000,      /* how long a writer waits for other writers */
	MAX_STATEMENTS = 48,  /* more than all literals of cache/ together */
};

struct ai_db {
	sqlite3 *h;
	const struct ai_db_kind *kind;
	struct { const char *sql; sqlite3_stmt *s; } cached[MAX_STATEMENTS];
	size_t n_cached;
};

static int
db_fail(const struct ai_db *db, int rc, struct ai_err *err)
{
	ai_fail(err, AI_EENV, "%s: %s", db->kind->label, db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc));
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ai_hint(err, "free some space, or set AICERT_HOME to a folder on a larger disk");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ai_hint(err, "another aicert has kept the store locked for %d s: wait for it, or end it", BUSY_MS / 1000);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ai_hint(err, "%s", db->kind->damaged_hint);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return ai_hint(err, "set AICERT_HOME to a folder that you can write to");
	default:
		return err->code;
	}
}

/* For statements without parameters and rows. */
static int
run_sql(struct ai_db *db, const char *sql, struct ai_err *err)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

static int
user_version(struct ai_db *db, int *out, struct ai_err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->h, "PRAGMA user_version", -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : db_fail(db, rc, err);
}

static int
check_version(struct ai_db *db, int *version, struct ai_err *err)
{
	if (user_version(db, version, err) < 0)
		return err->code;
	if (*version <= db->kind->n_formats && *version >= 0)
		return 0;
	/* Closing the last connection would fold a left-over WAL into the file: a newer program's file stays as it is. */
	(void)sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	ai_fail(err, AI_EENV, "%s: written by a newer aicert: got format %d, expected at most %d", db->kind->label, *version, db->kind->n_formats);
	return ai_hint(err, "use the newer aicert, or set AICERT_HOME to another folder");
}

/*
 * Two programs that open one new file at once collide where SQLite does not call
 * its busy handler (the switch to WAL), so that one statement is tried again.
 */
static int
set_wal(struct ai_db *db, struct ai_err *err)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	for (int ms = 0;; ms += 10) {
		int rc = sqlite3_exec(db->h, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			return 0;
		if ((rc & 0xff) != SQLITE_BUSY || ms >= BUSY_MS)
			return db_fail(db, rc, err);
		nanosleep(&pause, NULL);
	}
}

/* The version is read again inside the transaction: another process may have been first. */
static int
bring_forward(struct ai_db *db, int *fresh_out, struct ai_err *err)
{
	int version = 0;
	if (ai_db_begin(db, err) < 0)
		return err->code;
	if (check_version(db, &version, err) < 0)
		goto undo;
	*fresh_out = version == 0;
	for (int v = version; v < db->kind->n_formats; v++)
		if (run_sql(db, db->kind->formats[v], err) < 0)
			goto undo;
	if (version < db->kind->n_formats) {
		AI_FREE char *sql = ai_format("PRAGMA user_version=%d", db->kind->n_formats);
		if (!sql)
			ai_nomem(err);
		if (!sql || run_sql(db, sql, err) < 0)
			goto undo;
	}
	return ai_db_commit(db, err);
undo:
	ai_db_rollback(db);
	return err->code;
}

static int
set_up(struct ai_db *db, int *fresh_out, struct ai_err *err)
{
	int version = 0;
	(void)sqlite3_busy_timeout(db->h, BUSY_MS);
	(void)sqlite3_extended_result_codes(db->h, 1);
	(void)sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (check_version(db, &version, err) < 0 || set_wal(db, err) < 0)
		return err->code;
	if (run_sql(db, "PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF", err) < 0)
		return err->code;
	*fresh_out = 0;
	return version == db->kind->n_formats ? 0 : bring_forward(db, fresh_out, err);
}

int
ai_db_open(const char *path, const struct ai_db_kind *kind, struct ai_db **out, int *fresh_out, struct ai_err *err)
{
	struct ai_db *db = ai_calloc(1, sizeof *db);
	if (!db)
		return ai_nomem(err);
	db->kind = kind;
	int rc = sqlite3_open_v2(path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		db_fail(db, rc, err);
	if (rc != SQLITE_OK || set_up(db, fresh_out, err) < 0) {
		ai_db_close(db);
		return err->code;
	}
	*out = db;
	return 0;
}

void
ai_db_close(struct ai_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->n_cached; i++)
		sqlite3_finalize(db->cached[i].s);
	(void)sqlite3_close(db->h);
	free(db);
}

int
ai_db_begin(struct ai_db *db, struct ai_err *err)
{
	return run_sql(db, "BEGIN IMMEDIATE", err);
}

int
ai_db_commit(struct ai_db *db, struct ai_err *err)
{
	if (run_sql(db, "COMMIT", err) == 0)
		return 0;
	ai_db_rollback(db);
	return err->code;
}

void
ai_db_rollback(struct ai_db *db)
{
	/* A full disk may have ended the transaction already; then there is nothing to undo and nothing to say. */
	if (!sqlite3_get_autocommit(db->h))
		(void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
}

int
ai_stmt_begin(struct ai_stmt *st, struct ai_db *db, const char *sql, struct ai_err *err)
{
	*st = (struct ai_stmt){ .db = db, .rc = SQLITE_OK };
	for (size_t i = 0; i < db->n_cached; i++) {
		if (db->cached[i].sql == sql) {
			st->s = db->cached[i].s;
			return 0;
		}
	}
	if (db->n_cached == MAX_STATEMENTS)
		return ai_fail(err, AI_EENV, "internal: more than %d statements", MAX_STATEMENTS);
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
	if (rc != SQLITE_OK)
		return db_fail(db, rc, err);
	db->cached[db->n_cached].sql = sql;
	db->cached[db->n_cached++].s = s;
	st->s = s;
	return 0;
}

static void
note(struct ai_stmt *st, int rc)
{
	if (st->rc == SQLITE_OK)
		st->rc = rc;
}

void
ai_stmt_int(struct ai_stmt *st, int i, int64_t v)
{
	note(st, sqlite3_bind_int64(st->s, i, v));
}

void
ai_stmt_text(struct ai_stmt *st, int i, const char *s)
{
	note(st, sqlite3_bind_text64(st->s, i, s, strlen(s), SQLITE_STATIC, SQLITE_UTF8));
}

void
ai_stmt_blob(struct ai_stmt *st, int i, const void *p, size_t n)
{
	note(st, sqlite3_bind_blob64(st->s, i, p, n, SQLITE_STATIC));
}

void
ai_stmt_digest(struct ai_stmt *st, int i, const struct ai_digest *d)
{
	ai_stmt_blob(st, i, d->b, sizeof d->b);
}

int
ai_stmt_step(struct ai_stmt *st, struct ai_err *err)
{
	int rc = st->rc == SQLITE_OK ? sqlite3_step(st->s) : st->rc;
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_fail(st->db, rc, err);
}

int64_t
ai_col_int(struct ai_stmt *st, int i)
{
	return sqlite3_column_int64(st->s, i);
}

const char *
ai_col_text(struct ai_stmt *st, int i)
{
	const unsigned char *t = sqlite3_column_text(st->s, i);
	return t ? (const char *)t : "";
}

const void *
ai_col_blob(struct ai_stmt *st, int i, size_t *n_out)
{
	const void *p = sqlite3_column_blob(st->s, i);
	*n_out = (size_t)sqlite3_column_bytes(st->s, i);
	return p ? p : "";
}

int
ai_col_digest(struct ai_stmt *st, int i, struct ai_digest *out, struct ai_err *err)
{
	size_t n;
	const void *p = ai_col_blob(st, i, &n);
	if (n != sizeof out->b) {
		ai_fail(err, AI_EENV, "%s: damaged: got an id of %zu bytes, expected %zu", st->db->kind->label, n, sizeof out->b);
		return ai_hint(err, "%s", st->db->kind->damaged_hint);
	}
	memcpy(out->b, p, n);
	return 0;
}

void
ai_stmt_end(struct ai_stmt *st)
{
	if (!st->s)
		return;
	(void)sqlite3_reset(st->s);
	(void)sqlite3_clear_bindings(st->s);
	st->s = NULL;
}

int
ai_db_check(struct ai_db *db, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "PRAGMA integrity_check(1)", err) < 0 || ai_stmt_step(&st, err) < 0)
		return err->code;
	if (strcmp(ai_col_text(&st, 0), "ok") == 0)
		return 0;
	ai_fail(err, AI_EENV, "%s: damaged: %s", db->kind->label, ai_col_text(&st, 0));
	return ai_hint(err, "%s", db->kind->damaged_hint);
}
