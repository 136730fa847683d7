/* filehash.c -- see filehash.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/filehash.h"

int
ai_filehash_get(struct ai_db *db, const struct ai_file_key *key, struct ai_digest *out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "SELECT size, mtime, ctime, hash FROM files WHERE dev=? AND ino=?", err) < 0)
		return err->code;
	ai_stmt_int(&st, 1, key->dev);
	ai_stmt_int(&st, 2, key->ino);
	int r = ai_stmt_step(&st, err);
	if (r <= 0)
		return r;
	if (ai_col_int(&st, 0) != key->size || ai_col_int(&st, 1) != key->mtime_ns || ai_col_int(&st, 2) != key->ctime_ns)
		return 0;
	return ai_col_digest(&st, 3, out, err) < 0 ? err->code : 1;
}

int
ai_filehash_put(struct ai_db *db, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, db, "INSERT OR REPLACE INTO files(dev, ino, size, mtime, ctime, hash) VALUES(?,?,?,?,?,?)", err) < 0)
		return err->code;
	ai_stmt_int(&st, 1, key->dev);
	ai_stmt_int(&st, 2, key->ino);
	ai_stmt_int(&st, 3, key->size);
	ai_stmt_int(&st, 4, key->mtime_ns);
	ai_stmt_int(&st, 5, key->ctime_ns);
	ai_stmt_digest(&st, 6, id);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}
