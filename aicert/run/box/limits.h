/*
 * limits.h -- what a step may use: memory, processes, processors; and which of these it broke.
 *
 * A control group keeps the step as a whole where one can be had (run/box/cgroup.h). What none keeps is counted: as often as
 * the step could fill what is left, at most ten times a second and for a twentieth of a processor, /proc is asked what its
 * processes hold. Memory that is counted is anonymous memory, shared memory and what lies in /dev/shm; file pages are the
 * kernel's to take back. Rlimits lie below: RLIMIT_DATA, loose, for a process that outruns the count, and RLIMIT_NPROC, which
 * counts inside the step's own user namespace (Linux 5.14; before, all processes of the user).
 *
 * Counting stops an honest step that needs more than was thought, and an ordinary hog. A step of a plain user that hides
 * memory in descriptors, or sets its own affinity, is held only by a group.
 *
 * Depends on: base, cgroup.h, sandbox.h.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LIMITS_H
#define AI_LIMITS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "run/box/cgroup.h"
#include "run/box/sandbox.h"

struct ai_keeper {
	struct ai_cgroup group;
	unsigned long long memory;   /* counted, for no group keeps it; 0 = not */
	unsigned pids;               /* the same */
	double next_s;               /* monotonic time of the next count */
	unsigned most;               /* tasks ever counted */
	ai_breach breach;
};

/* What rlimits the command shall have. */
struct ai_rlimits {
	unsigned tasks;              /* RLIMIT_NPROC */
	unsigned long long data;     /* RLIMIT_DATA; 0 = any */
};

/* Readies the limits of s: groups, and what is left to count. */
void ai_keeper_start(const struct ai_sandbox *s, struct ai_keeper *k, struct ai_rlimits *rlimits);
/* Pid 1 of the sandbox, before it starts anything. */
int ai_keeper_put(const struct ai_keeper *k, pid_t pid, struct ai_err *err) AI_CHECKED;
/*
 * ai_keeper_look -- has the step gone beyond its memory? To be asked every TICK at least; cheap when nothing is due.
 * root is a descriptor of the sandbox's root folder (-1: not yet there). k->next_s tells when to ask again.
 */
bool ai_keeper_look(struct ai_keeper *k, int root, double now_s);
/*
 * What the step broke, in the end: memory, whatever it made of that; processes only if it failed, for it was merely refused
 * one. tasks: how many were left when its first process ended (0: unknown).
 */
ai_breach ai_keeper_verdict(const struct ai_keeper *k, bool failed, unsigned tasks);
void ai_keeper_done(struct ai_keeper *k);

/* What the processes hold that the /proc below root shows. exact shares what processes share, and costs more. */
struct ai_tally { unsigned long long memory; unsigned tasks; };
void ai_tally_take(int root, bool exact, struct ai_tally *out);

/* Limits of the calling process and its children, and no core files. */
int ai_limits_set(const struct ai_rlimits *l, struct ai_err *err) AI_CHECKED;

/* "memory limit (512M)", "time limit (1h30m)", "process limit (100)": fresh; NULL for other ends or when memory is out. */
char *ai_limits_words(ai_end_kind kind, const struct ai_sandbox *s);
/* How to raise it: part of a hint; "" for other ends. Static. */
const char *ai_limits_hint(ai_end_kind kind);

#endif
