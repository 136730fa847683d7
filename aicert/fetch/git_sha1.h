/*
 * git_sha1.h -- the SHA-1 of a git object, refused where its bytes are made to collide.
 *
 * Two contents of one SHA-1 can be made (SHAttered, 2017; with chosen prefixes, SHA-mbles, 2020): a tree that was harmless when its commit became official could
 * be exchanged for its twin. The blocks of every such attack that is known show what was done to them; git, GitHub and libgit2 look for it with the
 * detection of Stevens and Shumow, and so does this, with the very code: two members of the distribution's libgit2.a, and nothing else of it (Makefile).
 * Fetched objects have passed libgit2 itself; this is for those that come raw, in a measured machine.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_SHA1_H
#define AI_GIT_SHA1_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Of an object with its header. AI_EINPUT: some of its blocks are made to collide. */
int ai_git_sha1(const void *p, size_t n, uint8_t out[20], struct ai_err *err) AI_CHECKED;

#endif
