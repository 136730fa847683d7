/*
 * confined.h -- runs a function on foreign bytes in a child that can do nothing but think and answer.
 *
 * `aicert verify` hands a stranger's Aicertfile to libyaml and a stranger's rules to
 * Lua. A fault in either that lets those bytes take over is worth nothing to their
 * author in here, because the child that they take over
 *   - has no descriptor but the pipe of its answer, and no shared memory: what was mapped shared is unmapped, or
 *     copied where it was a small table that is only read;
 *   - may call the kernel only to write, for memory that is not executable, for the time, and to end; any other call kills it
 *     (seccomp, for x86_64 and aarch64);
 *   - has ceilings of memory and processor time, leaves no core, and dies with its parent.
 * All of it is in force before the function begins; where it cannot be, the function does not run. The parent waits for a
 * bounded time, reads a bounded answer, and says what became of the child.
 *
 * What is left to a taken-over child is to lie: its bytes are what the child *says*, to be parsed as strictly as any
 * foreign bytes, and its errors are foreign text. So 'planned again' is worth what Lua, libyaml and this confinement are worth;
 * every other check of a verdict is made outside and stays sound. It can read, though not send elsewhere, the memory that its parent had.
 *
 * Built with -fsanitize=address or thread it is a tool for tests, no wall: their shadow rules out a ceiling of memory, their
 * reports need standard error and to read files. Then only new processes (but of a stream), programs and sockets, writing files, and
 * executable memory are refused, and a process of several threads should not confine: gcc 12's ASan may leave its malloc locked in the child.
 *
 * The child comes from fork(2), which leaves malloc usable in a process of many threads; what else other threads had locked stays
 * locked, and a function that waits for it is ended by the clock. A host with a SIGCHLD handler sees one more child; one that
 * reaps children which are not its own, or ignores SIGCHLD, costs only the words for how the child died.
 *
 * Depends on: base.  Threads: any.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CONFINED_H
#define AI_CONFINED_H

#include <stddef.h>

#include "base/err.h"

struct ai_buf;

/*
 * Appends its answer to out and returns 0, or a negative code with the error set. In the child: what it changes
 * in memory is gone with it, what it prints is lost, a file that a library reads at its first use kills it; ctx must not lie in shared memory.
 */
typedef int ai_confined_fn(void *ctx, struct ai_buf *out, struct ai_err *err);

struct ai_confined_limits {
	const char *who;           /* "the planner": begins what is said about the child */
	size_t max_bytes;          /* of the answer; less than 4 GiB */
	size_t memory;             /* bytes, beyond what this process has mapped already */
	unsigned cpu_seconds, seconds;
};

/*
 * ai_confined -- the answer of fn, appended to out. The function's own error comes back as it was, with two differences:
 * AI_EENV becomes AI_ENO, since the only thing of the machine that can lack in there is what these limits do not give; AI_EINTR
 * is no error of a child's.
 * AI_ENO: the child died, took too long, said too much, or what is no answer. AI_EENV: this machine cannot confine.
 * AI_EINTR: interrupted. The child has ended and is reaped in every case.
 */
int ai_confined(ai_confined_fn *fn, void *ctx, const struct ai_confined_limits *limits, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* --- what is too large for one answer --------------------------------------- */

enum { AI_CONFINED_FIRST = 4, AI_CONFINED_FILES = 600, AI_CONFINED_PART = 1 << 20 };

/* In the child: its files are the descriptors from AI_CONFINED_FIRST on, to be read by offset, and it may start threads. Says what it has with ai_confined_say. */
typedef int ai_confined_stream_fn(void *ctx, struct ai_err *err);
/* At most AI_CONFINED_PART bytes, which reach take as they are, in one call. */
int ai_confined_say(const void *p, size_t n, struct ai_err *err) AI_CHECKED;
/*
 * As ai_confined, with n files, which should be open for reading only, and parts that take (in this process, while the child works on) is given in
 * order; an error of take's ends it. max_bytes says nothing here. What take has done when this fails is take's to undo.
 */
int ai_confined_stream(ai_confined_stream_fn *fn, void *ctx, const struct ai_confined_limits *limits, const int *files, size_t n,
	int (*take)(void *ctx, const void *p, size_t n, struct ai_err *err), void *take_ctx, struct ai_err *err) AI_CHECKED;

#endif
