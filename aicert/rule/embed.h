/*
 * embed.h -- the Lua files that are part of the program (lua/ and rules/), as the build put them there.
 *
 * Depends on: nothing.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_EMBED_H
#define AI_EMBED_H

#include <stddef.h>

struct ai_embedded {
	const char *path;   /* "rules/python.lua" */
	const char *text;   /* NUL follows, not counted */
	size_t len;
};

/* Sorted by path; ends with a NULL path. */
extern const struct ai_embedded ai_embedded[];

#endif
