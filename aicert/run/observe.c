/* observe.c -- see observe.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/observe_calls.h"
#include "run/observe_seen.h"

/* Of newer kernels than the distribution's headers (6.6): the waiter is woken on the processor that the caller left. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#define PATH_BYTES 4096 /* what the kernel reads of a path at most, its NUL included */
#define PAGE 4096u

enum { NONE = -1 };
typedef enum how { FOLLOW, NOFOLLOW, OPEN, AT, EXEC, LIST } how;

static const struct call {
	int nr;
	int dirfd, path, flags;
	how how;
} calls[] = {
#define X(call, dirfd, path, flags, how) { __NR_##call, dirfd, path, flags, how },
	AI_OBSERVED_CALLS(X)
#undef X
};

struct ai_observer *
ai_observer_new(void)
{
	struct ai_observer *o = ai_calloc(1, sizeof *o);
	if (o) {
		o->root = -1;
		o->sync_fd = -1;
	}
	return o;
}

void
ai_observer_free(struct ai_observer *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i]) {
			free(o->table[i]->path);
			free(o->table[i]->target);
			free(o->table[i]);
		}
	for (size_t i = 0; i < o->n_host; i++)
		free(o->host[i]);
	free(o->host);
	free(o->table);
	free(o);
}

int
ai_observer_host(struct ai_observer *o, const char *path, struct ai_err *err)
{
	for (size_t i = 0; i < o->n_host; i++)
		if (strcmp(o->host[i], path) == 0)
			return 0;
	if (ai_grow(&o->host, &o->cap_host, o->n_host, sizeof *o->host, err) < 0)
		return err->code;
	o->host[o->n_host] = ai_strdup(path);
	return o->host[o->n_host++] ? 0 : ai_nomem(err);
}

void
ai_observer_root(struct ai_observer *o, int root_fd)
{
	o->root = root_fd;
	o->sync_fd = -1;
}

/* The text at an address of the caller; false when it is not readable or not ended (the call itself fails then, too). */
static bool
read_path(pid_t pid, uint64_t address, char out[PATH_BYTES])
{
	size_t first = PAGE - address % PAGE;
	struct iovec local = { .iov_base = out, .iov_len = PATH_BYTES };
	struct iovec remote[2] = {
		{ .iov_base = (void *)(uintptr_t)address, .iov_len = first },
		{ .iov_base = (void *)(uintptr_t)(address + first), .iov_len = PATH_BYTES - first },
	};
	ssize_t n = process_vm_readv(pid, &local, 1, remote, first < PATH_BYTES ? 2 : 1, 0);
	return n > 0 && memchr(out, '\0', (size_t)n);
}

/* The folder that a relative path starts from, or the file behind a descriptor; false when it has no path. */
static bool
read_base(pid_t pid, int dirfd, char out[PATH_BYTES])
{
	char link[64];
	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/%d/cwd", pid);
	else
		snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, dirfd);
	ssize_t n = readlink(link, out, PATH_BYTES - 1);
	if (n <= 0 || out[0] != '/')
		return false;
	out[n] = '\0';
	return true;
}

static const struct call *
find_call(int nr)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

static ai_use
use_of(const struct call *c, const struct seccomp_data *d)
{
	uint64_t flags = c->flags == NONE ? 0 : d->args[c->flags];
	switch (c->how) {
	case NOFOLLOW: return AI_USE_NOFOLLOW;
	case OPEN: return flags & O_NOFOLLOW ? AI_USE_NOFOLLOW : AI_USE_FOLLOW;
	case AT: return flags & AT_SYMLINK_NOFOLLOW ? AI_USE_NOFOLLOW : AI_USE_FOLLOW;
	case EXEC: return AI_USE_EXEC;
	case LIST: return AI_USE_LIST;
	case FOLLOW: break;
	}
	return AI_USE_FOLLOW;
}

/* The absolute path that the call is about, fresh; NULL when there is none that says more than an earlier call did. */
static char *
path_of(const struct call *c, pid_t pid, const struct seccomp_data *d)
{
	char path[PATH_BYTES] = "", base[PATH_BYTES];
	int dirfd = c->dirfd == NONE ? AT_FDCWD : (int)d->args[c->dirfd];
	if (c->path != NONE && !read_path(pid, d->args[c->path], path))
		return NULL;
	if (path[0] == '/')
		return ai_strdup(path);
	/* fstat by an empty path tells only of what is open already; fexecve does start it. */
	if (c->path != NONE && !path[0] && c->how != EXEC)
		return NULL;
	if (!read_base(pid, dirfd, base))
		return NULL;
	return path[0] ? ai_join(base, path) : ai_strdup(base);
}

static int
answer(int fd, uint64_t id)
{
	struct seccomp_notif_resp resp = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

int
ai_observer_serve(struct ai_observer *o, int notify_fd, struct ai_err *err)
{
	/* The kernel writes as much as it knows of: room for what newer ones add. */
	union { struct seccomp_notif n; char room[512]; } in = { .room = { 0 } };
	if (o->sync_fd != notify_fd) {
		(void)ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
		o->sync_fd = notify_fd;
	}
	if (ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_RECV, &in.n) < 0) {
		if (errno == ENOENT || errno == EINTR || errno == EAGAIN)
			return 0;
		return ai_fail_errno(err, AI_EENV, "observer: cannot receive a call");
	}
	const struct call *c = find_call(in.n.data.nr);
	AI_FREE char *path = c ? path_of(c, (pid_t)in.n.pid, &in.n.data) : NULL;
	/* Still the same caller? Else the pid may have been another's when its memory was read. */
	bool valid = ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &in.n.id) == 0;
	/* It goes on at once; what it saw is noted while it runs. */
	if (answer(notify_fd, in.n.id) < 0 && errno != ENOENT)
		return ai_fail_errno(err, AI_EENV, "observer: cannot answer a call");
	return path && valid ? ai_seen_walk(o, path, use_of(c, &in.n.data), err) : 0;
}
