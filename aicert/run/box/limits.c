/* limits.c -- see limits.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/limits.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

/* Enough for any trainer, and few enough that the machine lives on. */
#define DEFAULT_TASKS 16384
/* A core fills no more than this in a second, page faults included. */
#define FILL_PER_S (4ull << 30)
#define SOONEST_S 0.005
#define LATEST_S 0.1
/* Counting may take this part of a processor. */
#define SHARE 0.05
/* What a process may have beyond the step's limit before its allocations fail: untouched stacks of threads, and time to count. */
#define DATA_ROOM (1ull << 30)

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
ai_keeper_start(const struct ai_sandbox *s, struct ai_keeper *k, struct ai_rlimits *rlimits)
{
	/* Affinity limits processors too, but a step can change its own; that gains nothing where there are no more. */
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	const struct ai_cgroup_want want = { .memory = s->memory, .pids = s->pids ? s->pids + 1 /* pid 1, which is ours */ : 0,
		.cpus = online > 0 && s->cpus < (unsigned long)online ? s->cpus : 0 };
	*k = (struct ai_keeper){ 0 };
	*rlimits = (struct ai_rlimits){ .tasks = DEFAULT_TASKS };
	if (want.memory || want.pids || want.cpus)
		ai_cgroup_make(&want, &k->group);
	if (!(k->group.holds & AI_HOLDS_MEMORY) && s->memory) {
		k->memory = s->memory;
		rlimits->data = 2 * s->memory + DATA_ROOM;
	}
	if (s->pids && !(k->group.holds & AI_HOLDS_PIDS))
		k->pids = s->pids;
	/* The group is to refuse first, for it tells: the rlimit lies above it. */
	if (s->pids)
		rlimits->tasks = k->pids ? want.pids : 2 * want.pids + DEFAULT_TASKS;
}

int
ai_keeper_put(const struct ai_keeper *k, pid_t pid, struct ai_err *err)
{
	return ai_cgroup_put(&k->group, pid, err);
}

/* When it makes sense to count again: not before the step can have filled what is left. */
static double
next_count(const struct ai_keeper *k, unsigned long long held, double began)
{
	double now = now_s(), wait = LATEST_S, rest = (now - began) / SHARE;
	if (k->memory && held < k->memory)
		wait = (double)(k->memory - held) / (double)FILL_PER_S;
	wait = wait < SOONEST_S ? SOONEST_S : wait > LATEST_S ? LATEST_S : wait;
	return now + (rest > wait ? rest : wait);
}

bool
ai_keeper_look(struct ai_keeper *k, int root, double now)
{
	if (k->breach != AI_BREACH_NONE || now < k->next_s || (!k->memory && !k->pids && !(k->group.holds & AI_HOLDS_MEMORY)))
		return false;
	struct ai_tally t = { 0 };
	k->next_s = now + LATEST_S;
	if (k->group.holds & AI_HOLDS_MEMORY && ai_cgroup_breach(&k->group) == AI_BREACH_MEMORY)
		k->breach = AI_BREACH_MEMORY;
	if ((k->memory || k->pids) && root >= 0) {
		ai_tally_take(root, false, &t);
		if (k->memory && t.memory > k->memory)
			ai_tally_take(root, true, &t);
		k->most = t.tasks > k->most ? t.tasks : k->most;
		if (k->memory && t.memory > k->memory)
			k->breach = AI_BREACH_MEMORY;
		k->next_s = next_count(k, t.memory, now);
	}
	return k->breach == AI_BREACH_MEMORY;
}

ai_breach
ai_keeper_verdict(const struct ai_keeper *k, bool failed, unsigned tasks)
{
	ai_breach kernel = ai_cgroup_breach(&k->group);
	if (k->breach == AI_BREACH_MEMORY || kernel == AI_BREACH_MEMORY)
		return AI_BREACH_MEMORY;
	if (!failed)
		return AI_BREACH_NONE;
	/* The process that was refused another has ended and left its place free, and so have those that waited for it (a shell). */
	unsigned room = 1 + (k->pids / 8 < 7 ? k->pids / 8 : 7);
	bool counted = k->pids && (k->most >= k->pids || (tasks > 0 && tasks + room >= k->pids));
	return kernel == AI_BREACH_PIDS || counted ? AI_BREACH_PIDS : AI_BREACH_NONE;
}

void
ai_keeper_done(struct ai_keeper *k)
{
	ai_cgroup_done(&k->group);
	*k = (struct ai_keeper){ 0 };
}

/* Lowers a limit, both values; a hard limit that is lower already stays. */
static int
lower(int what, rlim_t to, const char *name, struct ai_err *err)
{
	struct rlimit limit;
	if (getrlimit((__rlimit_resource_t)what, &limit) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", name);
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > to)
		limit.rlim_max = to;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &limit) < 0 ? ai_fail_errno(err, AI_EENV, "%s", name) : 0;
}

int
ai_limits_set(const struct ai_rlimits *l, struct ai_err *err)
{
	/* 1, not 0: only that keeps a core_pattern that names a program from running it (the kernel: "RLIMIT_CORE is set to 1, aborting core"). */
	if (lower(RLIMIT_CORE, 1, "RLIMIT_CORE", err) < 0 || lower(RLIMIT_NPROC, l->tasks, "RLIMIT_NPROC", err) < 0)
		return err->code;
	return l->data ? lower(RLIMIT_DATA, l->data, "RLIMIT_DATA", err) : 0;
}

/* --- words ------------------------------------------------------------------- */

/* As it would be written in an Aicertfile: 512M, 1h30m. */
static void
put_size(struct ai_buf *b, unsigned long long n)
{
	static const char units[] = "KMGT";
	size_t i = 0;
	for (; i < 4 && n && n % 1024 == 0; i++)
		n /= 1024;
	ai_buf_printf(b, "%llu", n);
	if (i > 0)
		ai_buf_putc(b, units[i - 1]);
}

static void
put_time(struct ai_buf *b, double seconds)
{
	static const struct { unsigned long long s; char letter; } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	unsigned long long left = (unsigned long long)seconds;
	if (left == 0)
		ai_buf_printf(b, "%gs", seconds);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (left / units[i].s)
			ai_buf_printf(b, "%llu%c", left / units[i].s, units[i].letter);
		left %= units[i].s;
	}
}

char *
ai_limits_words(ai_end_kind kind, const struct ai_sandbox *s)
{
	AI_BUF_AUTO b = AI_BUF(128);
	if (kind == AI_END_MEMORY) {
		ai_buf_puts(&b, "memory limit (");
		put_size(&b, s->memory);
	} else if (kind == AI_END_TIME) {
		ai_buf_puts(&b, "time limit (");
		put_time(&b, s->time_s);
	} else if (kind == AI_END_PIDS) {
		ai_buf_printf(&b, "process limit (%u", s->pids);
	} else {
		return NULL;
	}
	ai_buf_putc(&b, ')');
	return ai_buf_take(&b);
}

const char *
ai_limits_hint(ai_end_kind kind)
{
	switch (kind) {
	case AI_END_MEMORY:
		return "raise 'memory' in the step's 'limits', or let the step need less";
	case AI_END_TIME:
		return "raise 'time' in the step's 'limits'";
	case AI_END_PIDS:
		return "raise 'pids' in the step's 'limits' (threads count), or start fewer workers";
	default:
		return "";
	}
}
