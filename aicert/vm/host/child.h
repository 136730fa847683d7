/*
 * child.h -- a program of the distribution, started and surely ended: QEMU, swtpm, swtpm_setup.
 *
 * It dies with us however we die, leaves the terminal's Ctrl-C to us, reads nothing, and what it says on standard error goes to a file, in whose folder
 * its temporary files are, too.
 *
 * Depends on: base.  Threads: the one that started it waits for it and lives as long.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_CHILD_H
#define AI_VM_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct ai_buf;

/* A command line that grows; failure sticks and shows in ai_argv_ok. */
struct ai_argv { char **v; size_t n, cap; bool failed; };
void ai_argv_add(struct ai_argv *a, const char *fmt, ...) AI_PRINTF(2, 3);
int ai_argv_ok(const struct ai_argv *a, struct ai_err *err) AI_CHECKED;
void ai_argv_done(struct ai_argv *a);

struct ai_child_io {
	const char *errors;   /* file that takes its standard error, and its standard output unless out is wanted */
	int *out;             /* read end of a pipe from its standard output; NULL: not wanted */
	const int *keep;      /* descriptors that it gets under the same numbers */
	size_t n_keep;
};

/* Started when it returns 0. AI_EENV when it cannot be; package: which one it is of, for the hint. */
int ai_child_start(const struct ai_argv *argv, const char *package, const struct ai_child_io *io, pid_t *pid, struct ai_err *err) AI_CHECKED;
/* 1 it ended within ms (*pid is 0 then, *status as of waitpid), 0 it goes on. */
int ai_child_wait(pid_t *pid, unsigned ms, int *status);
/* Asked to end, with whatever it started, then made to; *pid is 0 when it returns. One that is 0 already is none. */
void ai_child_end(pid_t *pid);
/* The last line of a file of errors that says anything, harmless to print; "" when there is none. */
void ai_child_last_words(const char *errors, char *out, size_t n);
/* Runs it to its end within s seconds. AI_EENV with its last words when it fails; AI_EINTR. */
int ai_child_run(const struct ai_argv *argv, const char *package, const char *errors, unsigned s, struct ai_err *err) AI_CHECKED;

#endif
