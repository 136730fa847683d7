/* cgroup.c -- see cgroup.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

#define PERIOD_US 100000
/* The kernel charges memory in batches for each processor, so usage stops a little short of the limit. */
#define BATCH (4u << 20)
#define PREFIX "aicert-"
/* A group younger than this may be one that another aicert is about to use. */
#define STALE_S 60

static const struct { unsigned bit; const char *name; } controllers[] = {
	{ AI_HOLDS_MEMORY, "memory" }, { AI_HOLDS_PIDS, "pids" }, { AI_HOLDS_CPUS, "cpu" },
};
#define N_CONTROLLERS (sizeof controllers / sizeof *controllers)

/* --- files of a group ------------------------------------------------------ */

static bool
put_text(const char *dir, const char *name, const char *text)
{
	AI_FREE char *path = ai_join(dir, name);
	AI_FD fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool
put_number(const char *dir, const char *name, unsigned long long n)
{
	char text[32];
	snprintf(text, sizeof text, "%llu\n", n);
	return put_text(dir, name, text);
}

/* A small file of a group, its text in b; false when it is not there. */
static bool
get_text(const char *dir, const char *name, struct ai_buf *b)
{
	struct ai_err ignored = { 0 };
	AI_FREE char *path = ai_join(dir, name);
	return path && ai_read_file(AT_FDCWD, path, b, &ignored) >= 0 && b->data;
}

/* Is word one of the list's, which stand between separators? */
static bool
listed(const char *list, size_t n, const char *separators, const char *word)
{
	for (size_t i = 0, len; i < n; i += len + 1) {
		for (len = 0; i + len < n && !strchr(separators, list[i + len]); len++)
			;
		if (len == strlen(word) && memcmp(list + i, word, len) == 0)
			return true;
	}
	return false;
}

static bool
file_lists(const char *dir, const char *name, const char *word)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	return get_text(dir, name, &b) && listed(b.data, b.len, " \n", word);
}

/* The number after "key " at the beginning of a line, or the first of the file (""); 0 when there is none. */
static unsigned long long
counter(const char *dir, const char *name, const char *key)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	size_t n = strlen(key);
	if (!get_text(dir, name, &b))
		return 0;
	for (const char *line = b.data; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (n == 0 || (strncmp(line, key, n) == 0 && line[n] == ' '))
			return strtoull(line + n, NULL, 10);
	return 0;
}

/* --- where our own groups are ---------------------------------------------- */

/* The path after "<number>:<controllers>:" where the controller is one of them ("" is v2's); fresh, NULL when there is none. */
static char *
own_group(const char *text, const char *controller)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL, *end = line + strcspn(line, "\n");
		if (!path || path > end)
			continue;
		size_t n = (size_t)(path - list - 1);
		if (*controller ? listed(list + 1, n, ",", controller) : n == 0)
			return ai_strndup(path + 1, (size_t)(end - path - 1));
	}
	return NULL;
}

/* "\040" and its like are how mountinfo writes white space and backslashes. */
static char *
unescape(const char *s, size_t n)
{
	char *out = ai_strndup(s, n), *to = out;
	for (size_t i = 0; out && i < n; i++) {
		char c = s[i];
		if (c == '\\' && i + 3 < n && strspn(s + i + 1, "01234567") >= 3) {
			c = (char)(((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0')) & 0xff);
			i += 3;
		}
		*to++ = c;
	}
	if (out)
		*to = '\0';
	return out;
}

/* What is left of path below root; NULL when it is not below. */
static const char *
below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
	return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]) && !strstr(path + n, "/..") ? path + n : NULL;
}

/* One line of mountinfo: "id parent dev root point options… - type source super". */
struct mounted {
	char *root, *point;
	const char *type, *super;   /* borrowed */
	size_t n_type, n_super;
};

static void
mounted_done(struct mounted *m)
{
	free(m->root);
	free(m->point);
}

static bool
read_mount(const char *line, size_t n, struct mounted *out)
{
	const char *word[5], *end = line + n, *dash = memmem(line, n, " - ", 3);
	size_t len[5];
	const char *p = line;
	for (size_t i = 0; i < 5; i++) {
		word[i] = p;
		len[i] = strcspn(p, " \n");
		p += len[i];
		if (p >= end || *p++ != ' ')
			return false;
	}
	if (!dash)
		return false;
	out->type = dash + 3;
	out->n_type = strcspn(out->type, " \n");
	const char *source = out->type + out->n_type + 1;
	if (source >= end)
		return false;
	out->super = source + strcspn(source, " \n") + 1;
	if (out->super > end)
		return false;
	out->n_super = strcspn(out->super, "\n");
	out->root = unescape(word[3], len[3]);
	out->point = unescape(word[4], len[4]);
	return out->root && out->point;
}

/* Our own group's folder in a controller's hierarchy ("" is v2's), and the top one that can be seen; false when there is none. */
static bool
own_folder(const char *cgroup, const char *mountinfo, const char *controller, char **own, char **top)
{
	AI_FREE char *group = own_group(cgroup, controller);
	for (const char *line = mountinfo; group && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct mounted m = { 0 };
		const char *rest = NULL;
		if (read_mount(line, strcspn(line, "\n"), &m)) {
			bool v2 = m.n_type == 7 && strncmp(m.type, "cgroup2", 7) == 0;
			bool v1 = m.n_type == 6 && strncmp(m.type, "cgroup", 6) == 0 && listed(m.super, m.n_super, ",", controller);
			rest = (*controller ? v1 : v2) ? below(group, m.root) : NULL;
		}
		if (rest) {
			*own = ai_join(m.point, rest + (*rest == '/'));
			*top = ai_strdup(m.point);
			/* The top one is "point/". */
			if (*own && !rest[rest[0] == '/'])
				(*own)[strlen(*top)] = '\0';
		}
		mounted_done(&m);
		if (rest)
			return *own && *top;
	}
	return false;
}

/* --- making ----------------------------------------------------------------- */

/* Groups that an aicert left behind, for it was killed: only empty ones can go. */
static void
sweep(const char *dir)
{
	DIR *d = opendir(dir);
	struct stat st;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		long long pid = strtoll(e->d_name + strlen(PREFIX), NULL, 10);
		if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH && time(NULL) - st.st_mtime > STALE_S)
			(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

/* Sets one limit in a group. Swap would only make a breach slow; a kernel without swap accounting has no such file. */
static bool
set_limit(const char *dir, bool v2, unsigned bit, const struct ai_cgroup_want *want)
{
	char quota[64];
	switch (bit) {
	case AI_HOLDS_MEMORY:
		if (!put_number(dir, v2 ? "memory.max" : "memory.limit_in_bytes", want->memory))
			return false;
		(void)put_number(dir, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", v2 ? 0 : want->memory);
		/* All of the step ends at a breach, and not whichever part is largest. */
		if (v2)
			(void)put_text(dir, "memory.oom.group", "1\n");
		return true;
	case AI_HOLDS_PIDS:
		return put_number(dir, "pids.max", want->pids);
	default:
		snprintf(quota, sizeof quota, "%llu %d\n", (unsigned long long)want->cpus * PERIOD_US, PERIOD_US);
		if (v2)
			return put_text(dir, "cpu.max", quota);
		return put_number(dir, "cpu.cfs_period_us", PERIOD_US) &&
			put_number(dir, "cpu.cfs_quota_us", (unsigned long long)want->cpus * PERIOD_US);
	}
}

/* A group below base with those of the limits in bits that it can be given; false when that is none of them. */
static bool
make_below(const char *base, bool v2, unsigned bits, const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	static unsigned count;
	sweep(base);
	AI_FREE char *path = ai_format("%s/" PREFIX "%ld-%u", base, (long)getpid(), count++);
	if (!path || mkdir(path, 0755) < 0)
		return false;
	unsigned holds = 0;
	for (size_t i = 0; i < N_CONTROLLERS; i++)
		if (bits & controllers[i].bit && set_limit(path, v2, controllers[i].bit, want))
			holds |= controllers[i].bit;
	if (!holds) {
		(void)rmdir(path);
		return false;
	}
	out->at[out->n++] = (struct ai_cgroup_folder){ .path = path, .holds = holds, .v2 = v2 };
	out->holds |= holds;
	path = NULL;
	return true;
}

/* All v1 controllers that share a mount share a group. */
static void
make_v1(const char *cgroup, const char *mountinfo, unsigned bits, const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	for (size_t i = 0; i < N_CONTROLLERS; i++) {
		AI_FREE char *own = NULL;
		AI_FREE char *top = NULL;
		if (!(bits & controllers[i].bit) || out->holds & controllers[i].bit ||
		    !own_folder(cgroup, mountinfo, controllers[i].name, &own, &top))
			continue;
		unsigned together = 0;
		for (size_t k = i; k < N_CONTROLLERS; k++) {
			AI_FREE char *other = NULL;
			AI_FREE char *other_top = NULL;
			if (bits & controllers[k].bit && own_folder(cgroup, mountinfo, controllers[k].name, &other, &other_top) &&
			    strcmp(top, other_top) == 0)
				together |= controllers[k].bit;
		}
		(void)make_below(own, false, together, want, out);
	}
}

static pid_t head;      /* 0: this process */

void
ai_cgroup_head(pid_t pid)
{
	head = pid;
}

static long long
head_pid(void)
{
	return head ? head : getpid();
}

/* Is it the process from which all of ours descend, or one that does? */
static bool
is_ours(long long pid)
{
	enum { MOST = 64 };
	for (int up = 0; up < MOST && pid > 1; up++) {
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		char dir[64];
		if (pid == head_pid())
			return true;
		snprintf(dir, sizeof dir, "/proc/%lld", pid);
		/* "pid (name) state parent": the name may be anything. */
		const char *rest = get_text(dir, "stat", &b) ? strrchr(b.data, ')') : NULL;
		if (!rest || strlen(rest) < 4)
			return false;
		pid = strtoll(rest + 3, NULL, 10);
	}
	return false;
}

/* Puts each process of the list, one a line, into a group; look: none is put, but are all ours? */
static bool
each_process(const char *list, const char *to, bool look)
{
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		long long pid = strtoll(line, NULL, 10);
		if (look ? !is_ours(pid) && (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) :
			!put_number(to, "cgroup.procs", (unsigned long long)pid) && errno != ESRCH)
			return false;
	}
	return true;
}

/*
 * We are alone in a group that was given to us, with our workers: in a group below it we let it have limited children. Several workers may do
 * so at once, each for all, and processes may begin meanwhile: so until none is left. Who is there already does not go deeper.
 */
static bool
step_aside(const char *dir)
{
	enum { TURNS = 16 };
	AI_FREE char *name = ai_format(PREFIX "%lld", head_pid());
	AI_FREE char *leaf = name ? ai_join(dir, name) : NULL;
	if (!leaf || strcmp(ai_basename(dir), name) == 0)
		return false;
	for (int turn = 0; turn < TURNS; turn++) {
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		if (!get_text(dir, "cgroup.procs", &b) || !each_process(b.data, leaf, true))
			return false;
		if (!*b.data)
			return true;
		if ((mkdir(leaf, 0755) < 0 && errno != EEXIST) || !each_process(b.data, leaf, false))
			return false;
	}
	return false;
}

static bool
hand_down(const char *dir, const char *name)
{
	char text[32];
	snprintf(text, sizeof text, "+%s\n", name);
	return put_text(dir, "cgroup.subtree_control", text) ||
		/* v2: a group with processes in it lends nothing to its children. */
		(step_aside(dir) && put_text(dir, "cgroup.subtree_control", text));
}

/* Which controllers the children of a group have, some handed down now. */
static unsigned
lends(const char *dir, unsigned bits)
{
	AI_FREE char *procs = ai_join(dir, "cgroup.procs");
	unsigned given = 0;
	/* Whoever moves a process must be allowed to write where the old group and the new one meet: here. */
	if (!procs || faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) < 0)
		return 0;
	for (size_t i = 0; i < N_CONTROLLERS; i++)
		if (bits & controllers[i].bit && file_lists(dir, "cgroup.controllers", controllers[i].name) &&
		    (file_lists(dir, "cgroup.subtree_control", controllers[i].name) || hand_down(dir, controllers[i].name)))
			given |= controllers[i].bit;
	return given;
}

/*
 * The nearest group above us that lends what is needed. The quota need not come along: processors are limited by affinity as
 * well. What cannot be had together is tried with less.
 */
static void
make_v2(const char *own, const char *top, unsigned bits, const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	static const unsigned needs[] = { AI_HOLDS_MEMORY | AI_HOLDS_PIDS, AI_HOLDS_MEMORY, AI_HOLDS_PIDS, AI_HOLDS_CPUS };
	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
		AI_FREE char *dir = needs[i] & ~bits ? NULL : ai_strdup(own);
		while (dir) {
			unsigned given = lends(dir, bits);
			if ((given & needs[i]) == needs[i] && make_below(dir, true, given, want, out))
				return;
			if (strlen(dir) <= strlen(top))
				break;
			*strrchr(dir, '/') = '\0';
		}
	}
}

void
ai_cgroup_make_by(const char *cgroup, const char *mountinfo, const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	unsigned bits = (want->memory ? AI_HOLDS_MEMORY : 0u) | (want->pids ? AI_HOLDS_PIDS : 0u) | (want->cpus ? AI_HOLDS_CPUS : 0u);
	AI_FREE char *own = NULL;
	AI_FREE char *top = NULL;
	*out = (struct ai_cgroup){ 0 };
	make_v1(cgroup, mountinfo, bits, want, out);
	if (bits & ~out->holds && out->n < sizeof out->at / sizeof *out->at && own_folder(cgroup, mountinfo, "", &own, &top))
		make_v2(own, top, bits & ~out->holds, want, out);
}

void
ai_cgroup_make(const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	AI_BUF_AUTO cgroup = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO mountinfo = AI_BUF(AI_MAX_TEXT);
	*out = (struct ai_cgroup){ 0 };
	if (get_text("/proc/self", "cgroup", &cgroup) && get_text("/proc/self", "mountinfo", &mountinfo))
		ai_cgroup_make_by(cgroup.data, mountinfo.data, want, out);
}

int
ai_cgroup_put(const struct ai_cgroup *g, pid_t pid, struct ai_err *err)
{
	for (size_t i = 0; i < g->n; i++)
		if (!put_number(g->at[i].path, "cgroup.procs", (unsigned long long)pid))
			return ai_fail_errno(err, AI_EENV, "sandbox: %s: cannot put the step in", g->at[i].path);
	return 0;
}

/* The kernel counts every victim in a group, also when the whole machine had no memory left: that is no breach of ours. */
static bool
memory_breach(const struct ai_cgroup_folder *f)
{
	if (f->v2)
		return counter(f->path, "memory.events", "oom_kill") > 0 && counter(f->path, "memory.events", "oom") > 0;
	/* memory.failcnt would say it outright, but stays zero in recent kernels. */
	return counter(f->path, "memory.oom_control", "oom_kill") > 0 &&
		counter(f->path, "memory.max_usage_in_bytes", "") + BATCH >= counter(f->path, "memory.limit_in_bytes", "");
}

ai_breach
ai_cgroup_breach(const struct ai_cgroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->at[i].holds & AI_HOLDS_MEMORY && memory_breach(&g->at[i]))
			return AI_BREACH_MEMORY;
	for (size_t i = 0; i < g->n; i++)
		if (g->at[i].holds & AI_HOLDS_PIDS && counter(g->at[i].path, "pids.events", "max") > 0)
			return AI_BREACH_PIDS;
	return AI_BREACH_NONE;
}

void
ai_cgroup_done(struct ai_cgroup *g)
{
	for (size_t i = 0; i < g->n; i++) {
		/* The kernel empties a group a moment after its last process was waited for. */
		for (int k = 0; rmdir(g->at[i].path) < 0 && errno == EBUSY && k < 200; k++)
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
		free(g->at[i].path);
	}
	*g = (struct ai_cgroup){ 0 };
}
