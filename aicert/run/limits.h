/*
 * limits.h -- how much memory and how many processes a step may have.
 *
 * Memory is limited for the step as a whole by a control group where one can be
 * had: cgroup v2 if delegated to this user (or to root), v1 if root. Otherwise by
 * RLIMIT_DATA, which holds per process and cannot tell a breach from a bug.
 * Processes are limited by RLIMIT_NPROC, which counts inside the step's own user
 * namespace (Linux 5.14; before, all processes of the user).
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LIMITS_H
#define AI_LIMITS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* What a group shall keep to; 0 = no limit. */
struct ai_cgroup_want {
	unsigned long long memory;  /* bytes */
	unsigned pids, cpus;
};

struct ai_cgroup {
	char *path;     /* NULL: none could be had */
	bool v2;
};

/* Which limit the kernel says was hit. */
typedef enum ai_breach { AI_BREACH_NONE, AI_BREACH_MEMORY, AI_BREACH_PIDS } ai_breach;

/* 1 a group with these limits was made; 0 this machine lends none; negative: no memory. */
int ai_cgroup_make(const struct ai_cgroup_want *want, struct ai_cgroup *out, struct ai_err *err) AI_CHECKED;
/* The process, and all it will start, live in the group. */
int ai_cgroup_put(const struct ai_cgroup *g, pid_t pid, struct ai_err *err) AI_CHECKED;
/* Has the kernel killed something in it for want of memory, or refused it a process? */
ai_breach ai_cgroup_breach(const struct ai_cgroup *g);
/* Removes the group, whose processes must have ended, and frees what g holds. */
void ai_cgroup_done(struct ai_cgroup *g);

/* Limits of the calling process and its children: no core files, at most pids (0: 16384) processes, and data bytes (0: any). */
int ai_limits_set(unsigned pids, unsigned long long data, struct ai_err *err) AI_CHECKED;

#endif
