/* limits.c -- see limits.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

#define DEFAULT_PIDS 16384

static bool
put_number(const char *dir, const char *name, unsigned long long n)
{
	AI_FREE char *path = ai_join(dir, name);
	char text[32];
	int len = snprintf(text, sizeof text, "%llu\n", n);
	AI_FD fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	return fd >= 0 && write(fd, text, (size_t)len) == len;
}

/* One group below base, with the limit set; false when base lends none. */
static bool
make_below(const char *base, bool v2, unsigned long long memory, struct ai_cgroup *out)
{
	static unsigned counter;
	AI_FREE char *path = ai_format("%s/aicert-%ld-%u", base, (long)getpid(), counter++);
	if (!path || mkdir(path, 0755) < 0)
		return false;
	bool set = put_number(path, v2 ? "memory.max" : "memory.limit_in_bytes", memory);
	if (!set) {
		(void)rmdir(path);
		return false;
	}
	/* Swap would only make the breach slow; a kernel without swap accounting has no such file. */
	(void)put_number(path, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", v2 ? 0 : memory);
	out->path = path;
	out->v2 = v2;
	path = NULL;
	return true;
}

/* The path after "<controllers>:" in a line of /proc/self/cgroup, fresh; NULL when there is none. */
static char *
own_group(const char *text, const char *controllers)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *field = strchr(line, ':');
		size_t n = strlen(controllers);
		if (!field || strncmp(field + 1, controllers, n) != 0 || field[1 + n] != ':')
			continue;
		const char *path = field + 1 + n + 1;
		return strstr(path, "/..") ? NULL : ai_strndup(path, strcspn(path, "\n"));
	}
	return NULL;
}

int
ai_cgroup_make(const struct ai_cgroup_want *want, struct ai_cgroup *out, struct ai_err *err)
{
	unsigned long long memory = want->memory;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	*out = (struct ai_cgroup){ 0 };
	if (ai_read_file(AT_FDCWD, "/proc/self/cgroup", &text, err) < 0) {
		*err = (struct ai_err){ 0 };
		return 0;
	}
	AI_FREE char *v2 = own_group(text.data, "");
	AI_FREE char *v1 = own_group(text.data, "memory");
	AI_FREE char *in_v2 = v2 ? ai_join("/sys/fs/cgroup", v2) : NULL;
	AI_FREE char *in_v1 = v1 ? ai_join("/sys/fs/cgroup/memory", v1) : NULL;
	if ((v2 && !in_v2) || (v1 && !in_v1))
		return ai_nomem(err);
	if (in_v1 && make_below(in_v1, false, memory, out))
		return 1;
	/* Our own group may hold processes, which v2 does not let have limited children; root has the top one too. */
	return (in_v2 && make_below(in_v2, true, memory, out)) ||
		(v2 && geteuid() == 0 && make_below("/sys/fs/cgroup", true, memory, out));
}

int
ai_cgroup_put(const struct ai_cgroup *g, pid_t pid, struct ai_err *err)
{
	if (g->path && !put_number(g->path, "cgroup.procs", (unsigned long long)pid))
		return ai_fail_errno(err, AI_EENV, "sandbox: %s: cannot put the step in", g->path);
	return 0;
}

ai_breach
ai_cgroup_breach(const struct ai_cgroup *g)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	AI_FREE char *path = g->path ? ai_join(g->path, g->v2 ? "memory.events" : "memory.oom_control") : NULL;
	if (!path || ai_read_file(AT_FDCWD, path, &text, &ignored) < 0)
		return AI_BREACH_NONE;
	const char *line = strstr(text.data, "oom_kill ");
	return line && strtoull(line + strlen("oom_kill "), NULL, 10) > 0 ? AI_BREACH_MEMORY : AI_BREACH_NONE;
}

void
ai_cgroup_done(struct ai_cgroup *g)
{
	/* The kernel empties a group a moment after its last process was waited for. */
	for (int i = 0; g->path && rmdir(g->path) < 0 && errno == EBUSY && i < 200; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	free(g->path);
	*g = (struct ai_cgroup){ 0 };
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
ai_limits_set(unsigned pids, unsigned long long data, struct ai_err *err)
{
	if (lower(RLIMIT_CORE, 0, "RLIMIT_CORE", err) < 0 || lower(RLIMIT_NPROC, pids ? pids : DEFAULT_PIDS, "RLIMIT_NPROC", err) < 0)
		return err->code;
	return data ? lower(RLIMIT_DATA, data, "RLIMIT_DATA", err) : 0;
}
