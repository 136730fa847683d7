/*
 * parting.h -- where two files part, and what the bytes there look like.
 *
 * The cause is named only where the bytes show it: both sides must hold the same kind of thing at the same place (a zip
 * member's time, an address, two numbers that differ in their last digits). No guess is better than a wrong one.
 *
 * Depends on: base.  Threads: pure but for the descriptors.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PARTING_H
#define AI_PARTING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { AI_PARTING_LINE = 200, AI_PARTING_BEFORE = 1024, AI_PARTING_AFTER = 4096 };

struct ai_parting {
	uint64_t offset;                         /* of the first byte that differs; the shorter one's size when it is the other's beginning */
	uint64_t sizes[2];
	uint64_t line;                           /* of that byte, from 1; 0: this is no text */
	char lines[2][AI_PARTING_LINE];          /* what stands there, cut; valid UTF-8, no control character but tabs */
	const char *hint;                        /* a usual cause that the bytes show, or NULL */
};

/* Two files that differ. AI_EINPUT when they cannot be read, or do not differ. */
int ai_parting_find(int first, int second, struct ai_parting *out, struct ai_err *err) AI_CHECKED;

/* The bytes around the place: n bytes of which [0, at) are the same on both sides; the place is at offset in its file. */
struct ai_parting_view {
	const unsigned char *bytes[2];
	size_t n[2];
	size_t at;
	uint64_t offset;
};

/* The cause that a view shows, or NULL. Pure; foreign bytes. */
const char *ai_parting_cause(const struct ai_parting_view *v);

/* Are two texts the same words in another order? Pure; foreign bytes. */
int ai_parting_reordered(const char *a, size_t n_a, const char *b, size_t n_b, struct ai_err *err) AI_CHECKED;

#endif
