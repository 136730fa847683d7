/*
 * pump.h -- the bytes of one file, hashed while they are read and perhaps copied.
 *
 * The chunk is small enough to stay in the first caches, which is worth more
 * than a second thread: measured, reading then costs a sixth of hashing. The
 * input is read, never mapped: a file that somebody truncates meanwhile is an
 * error and not a signal.
 *
 * Depends on: base.  Threads: each call is one caller's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PUMP_H
#define AI_PUMP_H

#include <stdint.h>

#include "base/hash.h"

/*
 * ai_pump -- SHA-256 of what in holds from its present offset to its end, copied to out on the way.
 *   out      a file open for writing, or -1 to only hash
 *   what     the file's name in errors
 * Returns 0; AI_EINPUT (cannot be read), AI_EENV (cannot be written, no memory), AI_EINTR. size_out may be NULL.
 */
int ai_pump(int in, int out, const char *what, struct ai_digest *digest_out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;

#endif
