/*
 * filehash.h -- which file (by stat) had which hash, so that a data set is hashed once.
 *
 * A file is known by device, inode, size, mtime and ctime in nanoseconds. A hash
 * is only remembered when a later change must change one of these: git's
 * racy-timestamp rule. A file changed in the same tick of the clock in which it was
 * hashed could be changed again without a trace, so its mtime and ctime must lie
 * before the tick in which hashing began; on file systems that stamp coarsely
 * or by another machine's clock, ten seconds before.
 *
 * Depends on: base, db.  Threads: as the database.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FILEHASH_H
#define AI_FILEHASH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/hash.h"
#include "cache/db.h"

struct ai_file_key {
	int64_t dev, ino, size, mtime_ns, ctime_ns;
};

void ai_file_key(const struct stat *st, struct ai_file_key *out);
bool ai_file_key_eq(const struct ai_file_key *a, const struct ai_file_key *b);
/* Device and inode as a key of an idset. */
void ai_file_slot(const struct ai_file_key *key, struct ai_digest *out);

/* The clock that the kernel stamps files with: read it before the file is opened for hashing. */
struct timespec ai_stamp_now(void);
/* Could a change after `began` leave this stamp as it is? trusted: the file system stamps finely and by our clock. */
bool ai_stamp_is_racy(const struct stat *st, const struct timespec *began, bool trusted);
/* Is fd on a file system that stamps in nanoseconds by this machine's clock? */
bool ai_stamps_trusted(int fd);

/* 1 known, 0 not. */
int ai_filehash_get(struct ai_db *db, const struct ai_file_key *key, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
int ai_filehash_put(struct ai_db *db, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;

#endif
