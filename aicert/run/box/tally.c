/* tally.c -- what a sandbox's processes hold, by its /proc (limits.h).  SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "run/box/limits.h"

struct part { unsigned long long anonymous, shared; };

/* A small file of one process; false when the process has gone. */
static bool
read_of(int proc, const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "%.20s/%s", pid, name);
	AI_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static unsigned long long
kilobytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) << 10 : 0;
}

/* Proportional: a page of three processes is a third of each. Walks page tables; false too when the process does not let us. */
static bool
exact_part(int proc, const char *pid, struct part *out)
{
	char text[4096];
	if (!read_of(proc, pid, "smaps_rollup", text, sizeof text))
		return false;
	*out = (struct part){ .anonymous = kilobytes(text, "\nPss_Anon:"), .shared = kilobytes(text, "\nPss_Shmem:") };
	return true;
}

/* "size resident shared …" in pages; of shared, what is file and what is shared memory is not told, so none is taken. */
static bool
rough_part(int proc, const char *pid, struct part *out)
{
	char text[256], *end;
	if (!read_of(proc, pid, "statm", text, sizeof text))
		return false;
	(void)strtoull(text, &end, 10);
	unsigned long long resident = strtoull(end, &end, 10), shared = strtoull(end, &end, 10);
	*out = (struct part){ .anonymous = resident > shared ? (resident - shared) * (unsigned long long)sysconf(_SC_PAGESIZE) : 0,
		.shared = shared * (unsigned long long)sysconf(_SC_PAGESIZE) };
	return true;
}

/* A folder has a link from itself, one from above and one from each folder in it: of each thread. */
static unsigned
threads(int proc, const char *pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof path, "%.20s/task", pid);
	return fstatat(proc, path, &st, 0) == 0 && st.st_nlink > 2 ? (unsigned)st.st_nlink - 2 : 1;
}

static unsigned long long
held_by_folder(int root, const char *path)
{
	struct statvfs v;
	AI_FD fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && fstatvfs(fd, &v) == 0 && v.f_blocks >= v.f_bfree ? (v.f_blocks - v.f_bfree) * v.f_frsize : 0;
}

void
ai_tally_take(int root, bool exact, struct ai_tally *out)
{
	struct part all = { 0 };
	unsigned tasks = 0;
	*out = (struct ai_tally){ 0 };
	int proc = openat(root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = proc >= 0 ? fdopendir(proc) : NULL;
	if (proc >= 0 && !d)
		close(proc);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct part p = { 0 };
		/* Pid 1 is the sandbox's own. */
		if (!isdigit((unsigned char)*e->d_name) || strcmp(e->d_name, "1") == 0)
			continue;
		if (!(exact && exact_part(proc, e->d_name, &p)) && !rough_part(proc, e->d_name, &p))
			continue;
		tasks += threads(proc, e->d_name);
		all.anonymous += p.anonymous;
		all.shared += p.shared;
	}
	if (d)
		closedir(d);
	/* What is mapped of /dev/shm is in both numbers; which of them is larger is at least there. */
	unsigned long long shm = held_by_folder(root, "dev/shm");
	*out = (struct ai_tally){ .memory = all.anonymous + (all.shared > shm ? all.shared : shm), .tasks = tasks };
}
