/*
 * arena.h -- the memory of one state in one piece, so that it can be put back to how it was.
 *
 * All that a state allocates lies in one mapping, and so do the allocator's own lists. A mark keeps a copy of the bytes in use;
 * going back to it copies them again, and the state is then, byte for byte, the one that was marked: what ran in between has left
 * nothing. Pointers stay good because the mapping stays where it is.
 *
 * Freed blocks are kept in lists by size, and go to the next that needs that size. The mapping's size is the ceiling.
 *
 * Depends on: base.  Threads: an arena belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ARENA_H
#define AI_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct ai_arena;

/* NULL when there is no room for it. Pages that are never used cost nothing. */
struct ai_arena *ai_arena_new(size_t size);
void ai_arena_free(struct ai_arena *a);

/* As realloc and free (size 0), told the old size; p NULL: a new block. NULL when it is full; then p is as it was. */
void *ai_arena_resize(struct ai_arena *a, void *p, size_t old, size_t size);

/* Keeps what is there now, if it is at most max bytes; false: it is more, or memory is out, and there is no mark. Once in an arena's life. */
bool ai_arena_mark(struct ai_arena *a, size_t max);
void ai_arena_back(struct ai_arena *a);

#endif
