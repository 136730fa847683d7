/*
 * filekey.h -- a file as its stat shows it, and whether a later change must show there.
 *
 * A hash is only remembered when a later change must change the stat: git's
 * racy-timestamp rule. A file changed in the same tick of the clock in which it was
 * hashed could be changed again without a trace, so its mtime and ctime must lie
 * before the tick in which hashing began; on file systems that stamp coarsely
 * or by another machine's clock, ten seconds before.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FILEKEY_H
#define AI_FILEKEY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/hash.h"

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

#endif
