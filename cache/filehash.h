/*
 * filehash.h -- which file (by stat) had which hash, so that a data set is hashed once.
 *
 * A file is known by device, inode, size, mtime and ctime in nanoseconds. A hash
 * is only remembered when a later change must change one of these (filekey.h).
 *
 * Depends on: base, db.  Threads: as the database.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FILEHASH_H
#define AI_FILEHASH_H

#include "base/hash.h"
#include "cache/db.h"
#include "cache/filekey.h"

/* 1 known, 0 not. */
int ai_filehash_get(struct ai_db *db, const struct ai_file_key *key, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
int ai_filehash_put(struct ai_db *db, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;

#endif
