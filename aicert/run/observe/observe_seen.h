/*
 * observe_seen.h -- the paths that a step looked at, as a bounded hash table, and the walk that finds them.
 *
 * A path is followed component by component as the kernel does in the sandbox, so
 * that each link on the way is seen. What is the machine's (and so the same outside)
 * is looked at there once and remembered as it was then; what is the step's own is only
 * followed, through the sandbox's root, for links that lead out of it. All this happens
 * while the caller waits for its answer, so that what is noted is what it is about to see.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_SEEN_H
#define AI_OBSERVE_SEEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "run/observe/used.h"

/*
 * How a path was used; as bits, also what has been done for a path as the step wrote it. READ: opened for reading, so that
 * a folder may be listed. MAKE: by a call that makes something there: only if it is there already does that say anything.
 */
typedef enum ai_use {
	AI_USE_FOLLOW = 1, AI_USE_NOFOLLOW = 2, AI_USE_EXEC = 4, AI_USE_READ = 8, AI_USE_READ_NOFOLLOW = 16, AI_USE_MAKE = 32,
} ai_use;

struct ai_seen_path {
	char *path;
	uint64_t hash;
	bool known;                 /* look, stamp and target are: it was looked at */
	bool noted;                 /* belongs into the record */
	bool closed;                /* a folder in which the step may not search */
	unsigned char look;         /* ai_look */
	unsigned done;              /* ai_use bits of walks that began with just this text */
	struct ai_stamp stamp;
	char *target;               /* of a link */
	char *names;                /* of a folder that was listed: each ended by NUL; NULL before */
	size_t names_len;
};

struct ai_seen_host { char *path; size_t len; };

struct ai_observer {
	struct ai_seen_path **table; /* open addressing, a power of two */
	size_t cap, n;
	struct ai_seen_host *host;   /* what is the machine's in the sandbox */
	size_t n_host, cap_host;
	int root;                    /* the sandbox's root, borrowed; -1 */
	pid_t caller;                /* the thread whose call is being looked at */
	uint64_t call_id;            /* of the call, for SECCOMP_IOCTL_NOTIF_ID_VALID */

	/* observe.c */
	bool running;
	pthread_t thread;
	int listener, trouble;       /* -1 when none */
	bool poll_first;
	struct { pid_t pid; int fd; } memory[4];
	unsigned next_memory;
	int64_t memory_ms;
	char text[3 * 4096];         /* the path of the call */
	struct ai_err err;           /* why the thread gave up */
};

/*
 * ai_seen_walk -- notes what a call by o->caller looks at.
 *   path    absolute, as the step used it
 *   floor   how much of path is the root of the look-up (RESOLVE_IN_ROOT); else 0
 *   opened  EXEC of a descriptor: one to read the program from; else -1
 * AI_EENV when the table is full.
 */
int ai_seen_walk(struct ai_observer *o, const char *path, size_t floor, ai_use use, int opened, struct ai_err *err) AI_CHECKED;
/* Would a walk that begins with this text add nothing? */
bool ai_seen_done(const struct ai_observer *o, const char *path, ai_use use);

/* --- observe_seen.c, for the walk ------------------------------------------ */
int ai_seen_entry(struct ai_observer *o, const char *path, struct ai_seen_path **out, struct ai_err *err) AI_CHECKED;
/* The entry of a path of the machine, looked at. beneath: the folder it lies in is closed to the step. */
int ai_seen_host(struct ai_observer *o, const char *path, bool beneath_closed, struct ai_seen_path **out, struct ai_err *err) AI_CHECKED;
/* The folder's names as they are now, once. */
int ai_seen_list(struct ai_seen_path *p, struct ai_err *err) AI_CHECKED;
void ai_seen_free(struct ai_observer *o);

/* --- observe_exec.c ---------------------------------------------------------- */
/* The program that runs this one, by a `#!` line or of an ELF file; fresh, or NULL. */
char *ai_exec_interpreter(int fd);
/* What /proc/self (or thread-self) is to the caller, as a path under /proc inside the sandbox; false when it has ended. */
bool ai_exec_proc_self(pid_t caller, bool thread, char out[64]);

#endif
