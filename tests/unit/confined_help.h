/*
 * confined_help.h -- what the programs that test confined children share: ceilings, functions to confine, and what a failure looks like.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CONFINED_HELP_H
#define CONFINED_HELP_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>
#include <time.h>

#include "run/plan/confined.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static const struct ai_confined_limits limits = { .who = "the child", .max_bytes = 1 << 20, .memory = 64 << 20, .cpu_seconds = 5, .seconds = 10 };

static inline void
no_child_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static inline size_t
open_descriptors(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The child fails with this code and words, says nothing, and leaves nothing behind. */
static inline void
fails(int code, const char *words, ai_confined_fn *fn, void *ctx, const struct ai_confined_limits *l)
{
	AI_BUF_AUTO out = AI_BUF(l->max_bytes + 4);
	size_t before = open_descriptors();
	ai_buf_puts(&out, "kept");
	refused(code, words, ai_confined(fn, ctx, l, &out, &err));
	assert_string_equal(out.data, "kept");
	assert_int_equal(open_descriptors(), before);
	no_child_left();
}

static inline int
fn_echo(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	ai_buf_puts(out, ctx);
	return 0;
}

/* malloc of all sizes, a sort that is too large for the stack, the clock. */
static inline int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 64);
}

/* malloc of all sizes, a sort that is too large for the stack, the clock. */
static inline int
fn_work(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx;
	enum { N = 20000 };
	char (*rows)[64] = ai_calloc(N, sizeof *rows);
	struct timespec t;
	if (!rows)
		return ai_nomem(err);
	for (size_t i = 0; i < N; i++)
		snprintf(rows[i], sizeof rows[i], "%zu", i * 7919 % N);
	qsort(rows, N, sizeof *rows, by_bytes);
	for (size_t size = 16; size < (8u << 20); size *= 2) {
		char *p = malloc(size), *q = p ? realloc(p, 3 * size) : NULL;
		if (!q)
			return ai_nomem(err);
		memset(q, 1, 3 * size);
		free(q);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	ai_buf_printf(out, "%s %lld", rows[1], (long long)time(NULL) > 0 ? 1LL : 0LL);
	free(rows);
	return 0;
}

static inline int
fn_loop(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx, (void)out, (void)err;
	for (volatile int on = 1; on;)
		;
	return 0;
}

#endif
