/*
 * db.h -- SQLite as the store needs it: open with a format, statements, transactions.
 *
 * WAL, synchronous=FULL: what a commit acknowledged survives a power cut. A
 * database of a newer format (PRAGMA user_version) is refused and left as it is;
 * an older one is brought forward in one transaction. Writers use BEGIN IMMEDIATE
 * and wait for each other up to a minute. The only file that includes sqlite3.h.
 *
 * Depends on: base.  Threads: a database belongs to one; processes share the file.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DB_H
#define AI_DB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct ai_db;

/* What a database file is: its name in errors, its steps of format, and what to tell whoever finds it damaged. */
struct ai_db_kind {
	const char *label;            /* "cache: store.db" */
	const char *const *formats;   /* SQL that leads from format i to i+1 */
	int n_formats;
	const char *damaged_hint;
};

/* Opens or makes the database; *fresh_out says that this call made its tables. AI_EENV when it cannot, or when it is of a newer format. */
int ai_db_open(const char *path, const struct ai_db_kind *kind, struct ai_db **out, int *fresh_out, struct ai_err *err) AI_CHECKED;
void ai_db_close(struct ai_db *db);

int ai_db_begin(struct ai_db *db, struct ai_err *err) AI_CHECKED;
/* Durable when it returns 0; on failure everything since begin is undone. */
int ai_db_commit(struct ai_db *db, struct ai_err *err) AI_CHECKED;
/* Undoes; keeps the error that made the caller give up. */
void ai_db_rollback(struct ai_db *db);

/* A statement from the database's cache of prepared ones. sql must be a literal: it is known by its address. */
struct ai_stmt {
	struct ai_db *db;
	void *s;      /* sqlite3_stmt; NULL before begin and after end */
	int rc;       /* first failure of a bind; sticks until step */
};

int ai_stmt_begin(struct ai_stmt *st, struct ai_db *db, const char *sql, struct ai_err *err) AI_CHECKED;
/* Parameters count from 1. Bytes and text are borrowed until the statement ends. */
void ai_stmt_int(struct ai_stmt *st, int i, int64_t v);
void ai_stmt_text(struct ai_stmt *st, int i, const char *s);
void ai_stmt_blob(struct ai_stmt *st, int i, const void *p, size_t n);
void ai_stmt_digest(struct ai_stmt *st, int i, const struct ai_digest *d);
/* 1 a row, 0 done, negative. */
int ai_stmt_step(struct ai_stmt *st, struct ai_err *err) AI_CHECKED;
/* Columns count from 0; bytes and text are valid until the next step. */
int64_t ai_col_int(struct ai_stmt *st, int i);
const char *ai_col_text(struct ai_stmt *st, int i);
const void *ai_col_blob(struct ai_stmt *st, int i, size_t *n_out);
/* A column of exactly 32 bytes; anything else is damage: AI_EENV. */
int ai_col_digest(struct ai_stmt *st, int i, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
void ai_stmt_end(struct ai_stmt *st);

#define AI_STMT __attribute__((cleanup(ai_stmt_end))) struct ai_stmt

/* PRAGMA integrity_check: 0 when the database says "ok", else AI_EENV with its first complaint. */
int ai_db_check(struct ai_db *db, struct ai_err *err) AI_CHECKED;

#endif
