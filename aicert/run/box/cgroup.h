/*
 * cgroup.h -- control groups: the kernel's own limits for a step as a whole.
 *
 * Where a controller is, is read from /proc/self/cgroup and /proc/self/mountinfo: a v1 hierarchy of its own (then root, or
 * whoever may write there), or the v2 tree, as far up from our own group as it is ours to write. The groups lie below our
 * own where that is possible, so what limits us limits the step.
 *
 * What a group could not be had for is not in holds; run/box/limits.h then does the next best.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CGROUP_H
#define AI_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* What a group shall keep to; 0 = no limit. */
struct ai_cgroup_want {
	unsigned long long memory;  /* bytes, swap included */
	unsigned pids, cpus;        /* tasks (threads count); processors' worth of time */
};

/* Of the limits, which a group keeps. */
enum { AI_HOLDS_CPUS = 1, AI_HOLDS_PIDS = 2, AI_HOLDS_MEMORY = 4 };

struct ai_cgroup {
	struct ai_cgroup_folder {
		char *path;
		unsigned holds;
		bool v2;
	} at[3];                    /* one for each hierarchy */
	size_t n;
	unsigned holds;             /* those of all */
};

/* Which limit was hit. */
typedef enum ai_breach { AI_BREACH_NONE, AI_BREACH_MEMORY, AI_BREACH_PIDS } ai_breach;

/*
 * The process from which all of ours descend, if it is not this one: a v2 group lends nothing while processes are in it, so one in which only
 * these are is left by all of them for a group below it.
 */
void ai_cgroup_head(pid_t pid);
/* Makes what can be had, perhaps nothing (out->holds == 0). */
void ai_cgroup_make(const struct ai_cgroup_want *want, struct ai_cgroup *out);
/* The same by these texts of /proc/self/cgroup and /proc/self/mountinfo. */
void ai_cgroup_make_by(const char *cgroup, const char *mountinfo, const struct ai_cgroup_want *want, struct ai_cgroup *out);
/* The process, and all it will start, live in the group. */
int ai_cgroup_put(const struct ai_cgroup *g, pid_t pid, struct ai_err *err) AI_CHECKED;
/* Has the kernel killed something in it because of its limit of memory, or refused it a process? */
ai_breach ai_cgroup_breach(const struct ai_cgroup *g);
/* Removes the group, whose processes must have ended, and frees what g holds. */
void ai_cgroup_done(struct ai_cgroup *g);

#endif
