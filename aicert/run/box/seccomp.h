/*
 * seccomp.h -- the system calls that a step may not make, as a program for the kernel.
 *
 * What is refused is refused with EPERM (or what a kernel without it would say, so
 * that programs fall back); code of another architecture is killed. The program is
 * made before the clone, so that a child only installs it: a search tree over the
 * numbers of calls, ready in microseconds.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SECCOMP_H
#define AI_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ai_filter {
	void *code;         /* struct sock_filter[n] */
	size_t n;
	size_t fstat_at;    /* the instruction that knows libc's fstat (seccomp.c); 0 = none */
};

/* observe: the calls of observe_calls.h are announced to a listener. Freed by ai_filter_done. */
int ai_filter_make(bool observe, struct ai_filter *out, struct ai_err *err) AI_CHECKED;
void ai_filter_done(struct ai_filter *f);

/*
 * Confines the calling process and all that it becomes; no_new_privs must be set. listener_out (NULL: not observed) gets
 * the descriptor on which the supervisor answers.
 */
int ai_filter_install(const struct ai_filter *f, int *listener_out, struct ai_err *err) AI_CHECKED;

#endif
