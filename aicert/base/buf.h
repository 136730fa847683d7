/*
 * buf.h -- a growing byte string with a ceiling, and the cleanup attributes.
 *
 * Every buffer names its ceiling at init, so foreign bytes cannot make us
 * allocate without end. Failure sticks: append ten times, test once, with
 * ai_buf_ok. data is always followed by a NUL that len does not count.
 *
 * Depends on: err.  Threads: none shared.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_BUF_H
#define AI_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

/* The ceilings, in bytes, of everything that comes from outside. */
#define AI_MAX_AICERTFILE (64u << 20)
#define AI_MAX_LOCK (64u << 20)
#define AI_MAX_RULE (1u << 20)
#define AI_MAX_PROOF (1u << 30)
#define AI_MAX_NODE (256u << 20)
#define AI_MAX_CARRIED (64u << 10) /* an output that the proof carries */
#define AI_MAX_QUOTE (4u << 10)
#define AI_MAX_CERT (64u << 10)
#define AI_MAX_BOOT_LOG (16u << 20)
#define AI_MAX_HEADER (64u << 10)
#define AI_MAX_TEXT (16u << 20)

struct ai_buf {
	char *data;
	size_t len, cap, max;
	enum { AI_BUF_GOOD, AI_BUF_FULL, AI_BUF_NOMEM } state;
};

#define AI_BUF(ceiling) ((struct ai_buf){ .max = (ceiling) })

void ai_buf_done(struct ai_buf *b);
void ai_buf_put(struct ai_buf *b, const void *p, size_t n);
void ai_buf_puts(struct ai_buf *b, const char *s);
void ai_buf_putc(struct ai_buf *b, char c);
void ai_buf_printf(struct ai_buf *b, const char *fmt, ...) AI_PRINTF(2, 3);
/* Empties the buffer and keeps its memory and its state. */
void ai_buf_clear(struct ai_buf *b);
/* Did everything fit? Returns 0, or AI_EINPUT (over the ceiling), AI_EENV (no memory); what names the thing. */
int ai_buf_ok(const struct ai_buf *b, const char *what, struct ai_err *err) AI_CHECKED;
/* Moves the bytes out (never NULL when the buffer is good; caller frees) and leaves the buffer empty. */
char *ai_buf_take(struct ai_buf *b);

/* Cleanup attributes: the variable is released when it leaves its scope. */
static inline void ai_close_fd(int *fd) { if (*fd >= 0) close(*fd); }
static inline void ai_free_ptr(void *p) { free(*(void **)p); }
#define AI_FD __attribute__((cleanup(ai_close_fd))) int
#define AI_FREE __attribute__((cleanup(ai_free_ptr)))
#define AI_BUF_AUTO __attribute__((cleanup(ai_buf_done))) struct ai_buf

/* An array of n members, zeroed; NULL when n * size overflows or memory is out. */
void *ai_calloc(size_t n, size_t size);
/* Grows *p (an array of *cap members) so that index n fits; 0 or AI_EENV; *p is kept on failure. */
int ai_grow(void *p, size_t *cap, size_t n, size_t size, struct ai_err *err) AI_CHECKED;
/* strdup and printf into fresh memory; NULL when memory is out. */
char *ai_strdup(const char *s);
char *ai_strndup(const char *s, size_t n);
char *ai_format(const char *fmt, ...) AI_PRINTF(1, 2);

#endif
