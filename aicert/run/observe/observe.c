/*
 * observe.c -- see observe.h: the thread that hears of the step's calls.
 *
 * Why notifications: fanotify sees no stat, no O_PATH and no failed look-up, and of the 1,300 calls that `python3 -c 'import
 * numpy'` makes about paths 690 are stats and 65 fail; a user may not ptrace without two more switches a call, nor load BPF.
 * A call that is announced costs 9 us more than the call itself, nearly all of it the switch to us and back, if we are
 * woken on the caller's own processor (130 us if not), and 1.4 us for reading its path through an open /proc/PID/mem (2.6 by
 * process_vm_readv). poll before each wait is 1.6 us more. So: a thread that does nothing else; a table that knows most paths
 * after their first look; and 940 calls instead of 1,357, for libc's fstat (seccomp.c) and getdents are not announced. Measured
 * on Linux 6.18, two virtual processors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "run/observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "run/observe/observe_calls.h"
#include "run/observe/observe_seen.h"

/* Of newer kernels than the distribution's headers (6.6): the waiter is woken on the processor that the caller left. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#define PATH_BYTES 4096 /* what the kernel reads of a path at most, its NUL included */
#define FIRST_BYTES 256 /* what nearly all paths fit into */
#define MEMORY_MS 100

enum { NONE = -1 };
typedef enum how { NOTHING, FOLLOW, NOFOLLOW, OPEN, OPEN2, AT, LINK, MAKE, EXEC } how;

struct call { signed char dirfd, path, flags; unsigned char how; };

#define X(call, dirfd, path, flags, how) [__NR_##call] = { dirfd, path, flags, how },
static const struct call calls[] = { AI_OBSERVED_CALLS(X) };
static const struct call second[] = { AI_OBSERVED_SECOND(X) };
#undef X

/* --- life ------------------------------------------------------------------- */

struct ai_observer *
ai_observer_new(void)
{
	struct ai_observer *o = ai_calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->root = o->listener = o->trouble = -1;
	for (size_t i = 0; i < sizeof o->memory / sizeof *o->memory; i++)
		o->memory[i].fd = -1;
	return o;
}

void
ai_observer_free(struct ai_observer *o)
{
	if (!o)
		return;
	ai_seen_free(o);
	for (size_t i = 0; i < o->n_host; i++)
		free(o->host[i].path);
	free(o->host);
	free(o);
}

int
ai_observer_host(struct ai_observer *o, const char *path, struct ai_err *err)
{
	for (size_t i = 0; i < o->n_host; i++)
		if (strcmp(o->host[i].path, path) == 0)
			return 0;
	if (ai_grow(&o->host, &o->cap_host, o->n_host, sizeof *o->host, err) < 0)
		return err->code;
	struct ai_seen_host *h = &o->host[o->n_host];
	h->path = ai_strdup(path);
	h->len = strlen(path);
	if (!h->path)
		return ai_nomem(err);
	o->n_host++;
	return 0;
}

void
ai_observer_root(struct ai_observer *o, int root_fd)
{
	o->root = root_fd;
}

/* --- the caller's memory ------------------------------------------------------ */

static void
forget_memory(struct ai_observer *o)
{
	for (size_t i = 0; i < sizeof o->memory / sizeof *o->memory; i++) {
		ai_close_fd(&o->memory[i].fd);
		o->memory[i].fd = -1;
		o->memory[i].pid = 0;
	}
}

static int64_t
coarse_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether the caller still waits for the answer; when it was killed meanwhile, its number may be another's. */
static bool
still_waits(const struct ai_observer *o)
{
	int saved = errno;
	bool yes = ioctl(o->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &o->call_id) == 0;
	errno = saved;
	return yes;
}

/*
 * /proc/PID/mem, kept open for a while: a read through it costs half of process_vm_readv. It stays with the memory that the
 * process had when it was opened, so it is let go at each exec, and soon, before another process can have the number.
 */
static int
open_memory(struct ai_observer *o, pid_t pid, bool afresh, struct ai_err *err)
{
	size_t i, n = sizeof o->memory / sizeof *o->memory;
	if (coarse_ms() - o->memory_ms > MEMORY_MS) {
		forget_memory(o);
		o->memory_ms = coarse_ms();
	}
	for (i = 0; i < n && o->memory[i].pid != pid; i++)
		;
	if (i < n && !afresh)
		return o->memory[i].fd;
	if (i == n)
		i = o->next_memory++ % n;
	ai_close_fd(&o->memory[i].fd);
	char name[64];
	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	o->memory[i].fd = open(name, O_RDONLY | O_CLOEXEC);
	o->memory[i].pid = o->memory[i].fd < 0 ? 0 : pid;
	/* What is being killed has its memory no more, and its files in /proc are root's then: that refuses nothing. */
	if (o->memory[i].fd < 0 && (errno == EACCES || errno == EPERM) && still_waits(o)) {
		ai_fail_errno(err, AI_EENV, "observer: cannot read the paths of a process of the step");
		return ai_hint(err, "sysctl kernel.yama.ptrace_scope must be less than 3");
	}
	return o->memory[i].fd;
}

/* n bytes of the caller's at most; 0 when there are none there (the call itself fails then, too), or the caller is gone. */
static ssize_t
read_memory(struct ai_observer *o, uint64_t address, void *out, size_t n, struct ai_err *err)
{
	ssize_t got = 0;
	/* Nothing at all comes from the memory of a program that is no more: once more from that of the present one. */
	for (int turn = 0; turn < 2 && got == 0; turn++) {
		int fd = open_memory(o, o->caller, turn > 0, err);
		if (fd < 0)
			return err->code; /* 0 when the caller is gone */
		got = pread(fd, out, n, (off_t)address);
	}
	return got < 0 ? 0 : got;
}

/* The text at an address of the caller: 1; 0 when it is not readable or not ended. */
static int
read_path(struct ai_observer *o, uint64_t address, char out[PATH_BYTES], struct ai_err *err)
{
	ssize_t n = address ? read_memory(o, address, out, FIRST_BYTES, err) : 0;
	if (n <= 0 || memchr(out, '\0', (size_t)n))
		return n > 0 ? 1 : (int)n;
	if (n < FIRST_BYTES)
		return 0;
	ssize_t more = read_memory(o, address + FIRST_BYTES, out + FIRST_BYTES, PATH_BYTES - FIRST_BYTES, err);
	return more < 0 ? (int)more : more > 0 && memchr(out + FIRST_BYTES, '\0', (size_t)more);
}

/* The folder that a relative path starts from, or the file behind a descriptor; false when it has no path. */
static bool
read_base(const struct ai_observer *o, int dirfd, char *out, size_t size)
{
	char link[64];
	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/%d/cwd", o->caller);
	else
		snprintf(link, sizeof link, "/proc/%d/fd/%d", o->caller, dirfd);
	ssize_t n = readlink(link, out, size - 1);
	if (n <= 0 || out[0] != '/')
		return false;
	out[n] = '\0';
	return true;
}

/* --- one call ------------------------------------------------------------------ */

/* One of the paths of a call, and how it is looked up. */
struct asked {
	ai_use use;
	size_t floor;
	int opened; /* what an EXEC of a descriptor reads, else -1 */
};

static ai_use
by_open_flags(uint64_t flags)
{
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return AI_USE_MAKE;
	if ((flags & O_PATH) || (flags & O_ACCMODE) != O_RDONLY)
		return flags & O_NOFOLLOW ? AI_USE_NOFOLLOW : AI_USE_FOLLOW;
	return flags & O_NOFOLLOW ? AI_USE_READ_NOFOLLOW : AI_USE_READ;
}

/* 1; 0 when the call cannot be read. */
static int
use_of(struct ai_observer *o, const struct call *c, const struct seccomp_data *d, struct asked *out, bool *in_root, struct ai_err *err)
{
	uint64_t flags = c->flags == NONE ? 0 : d->args[c->flags];
	struct open_how wish;
	ssize_t n;
	out->use = AI_USE_FOLLOW;
	switch ((enum how)c->how) {
	case NOFOLLOW: out->use = AI_USE_NOFOLLOW; break;
	case OPEN: out->use = by_open_flags(flags); break;
	case OPEN2:
		if ((n = read_memory(o, flags, &wish, sizeof wish, err)) != (ssize_t)sizeof wish)
			return n < 0 ? (int)n : 0;
		out->use = by_open_flags(wish.flags);
		*in_root = wish.resolve & RESOLVE_IN_ROOT;
		break;
	case AT: out->use = flags & AT_SYMLINK_NOFOLLOW ? AI_USE_NOFOLLOW : AI_USE_FOLLOW; break;
	case LINK: out->use = flags & AT_SYMLINK_FOLLOW ? AI_USE_FOLLOW : AI_USE_NOFOLLOW; break;
	case MAKE: out->use = AI_USE_MAKE; break;
	case EXEC: out->use = AI_USE_EXEC; break;
	case FOLLOW: case NOTHING: break;
	}
	return 1;
}

/* The absolute path that the call is about, in o->text: 1; 0 when there is none that says more than an earlier call did. */
static int
path_of(struct ai_observer *o, const struct call *c, const struct seccomp_data *d, struct asked *out, struct ai_err *err)
{
	char path[PATH_BYTES] = "";
	bool in_root = false;
	int r, dirfd = c->dirfd == NONE ? AT_FDCWD : (int)d->args[c->dirfd];
	if (c->path != NONE && (r = read_path(o, d->args[c->path], path, err)) <= 0)
		return r;
	if ((r = use_of(o, c, d, out, &in_root, err)) <= 0)
		return r;
	/* fstat by an empty path tells only of what is open already; fexecve does start it. */
	bool descriptor = c->how == EXEC && c->flags != NONE && (d->args[c->flags] & AT_EMPTY_PATH);
	if (c->path != NONE && !path[0] && !descriptor)
		return 0;
	if (path[0] == '/' && !in_root) {
		memcpy(o->text, path, strlen(path) + 1);
		return 1;
	}
	if (!path[0] && descriptor) {
		char link[64];
		snprintf(link, sizeof link, "/proc/%d/fd/%d", o->caller, dirfd);
		out->opened = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (!read_base(o, dirfd, o->text, sizeof o->text - PATH_BYTES - 1)) {
		/* A program without a path (memfd_create) is run by an interpreter that has one. */
		memcpy(o->text, "/", 2);
		return out->opened >= 0;
	}
	size_t n = strlen(o->text);
	out->floor = in_root && n > 1 ? n : 0;
	if (path[0]) {
		o->text[n] = '/';
		memcpy(o->text + n + 1, path, strlen(path) + 1);
	}
	return 1;
}

static int
note(struct ai_observer *o, const struct call *c, const struct seccomp_data *d, struct ai_err *err)
{
	struct asked a = { .opened = -1 };
	int r = path_of(o, c, d, &a, err);
	if (r > 0 && (a.floor || !ai_seen_done(o, o->text, a.use)) && still_waits(o))
		r = ai_seen_walk(o, o->text, a.floor, a.use, a.opened, err);
	ai_close_fd(&a.opened);
	return r < 0 ? r : 0;
}

/* --- the thread ------------------------------------------------------------------ */

/* All processes that are watched have ended. */
static bool
hung_up(const struct ai_observer *o)
{
	struct pollfd p = { .fd = o->listener, .events = POLLIN };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) && !(p.revents & POLLIN);
}

/* Hears of one call, notes it, and lets it go on: 1; 0 when nobody is left to call. */
static int
serve(struct ai_observer *o)
{
	/* The kernel writes as much as it knows of: room for what newer ones add. */
	union { struct seccomp_notif n; char room[256]; } in = { .room = { 0 } };
	struct pollfd p = { .fd = o->listener, .events = POLLIN };
	if (o->poll_first && (poll(&p, 1, -1) < 0 || !(p.revents & POLLIN)))
		return !hung_up(o);
	if (ioctl(o->listener, SECCOMP_IOCTL_NOTIF_RECV, &in.n) < 0) {
		if (errno == ENOENT || errno == EINTR || errno == EAGAIN)
			return !hung_up(o);
		return ai_fail_errno(&o->err, AI_EENV, "observer: cannot receive a call");
	}
	size_t nr = (size_t)in.n.data.nr;
	o->caller = (pid_t)in.n.pid;
	o->call_id = in.n.id;
	if (nr < sizeof calls / sizeof *calls && calls[nr].how != NOTHING && note(o, &calls[nr], &in.n.data, &o->err) < 0)
		return o->err.code;
	if (nr < sizeof second / sizeof *second && second[nr].how != NOTHING && note(o, &second[nr], &in.n.data, &o->err) < 0)
		return o->err.code;
	if (nr == __NR_execve || nr == __NR_execveat)
		forget_memory(o);
	struct seccomp_notif_resp go = { .id = in.n.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	if (ioctl(o->listener, SECCOMP_IOCTL_NOTIF_SEND, &go) < 0 && errno != ENOENT)
		return ai_fail_errno(&o->err, AI_EENV, "observer: cannot answer a call");
	return 1;
}

static void *
watch(void *arg)
{
	struct ai_observer *o = arg;
	int r;
	while ((r = serve(o)) > 0)
		;
	forget_memory(o);
	if (r < 0)
		(void)eventfd_write(o->trouble, 1);
	return NULL;
}

/* Since Linux 6.11 a wait for calls ends when nobody is left to make one; before, only poll does. */
static bool
wait_ends(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 11));
}

int
ai_observer_start(struct ai_observer *o, int listener, struct ai_err *err)
{
	sigset_t all, before;
	o->listener = listener;
	o->err = (struct ai_err){ 0 };
	o->poll_first = !wait_ends();
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	o->trouble = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->trouble < 0)
		return ai_fail_errno(err, AI_EENV, "observer: cannot start");
	/* Signals are the caller's to hear. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&o->thread, NULL, watch, o);
	o->running = errno == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return o->running ? 0 : ai_fail_errno(err, AI_EENV, "observer: cannot start a thread");
}

int
ai_observer_trouble(const struct ai_observer *o)
{
	return o->trouble;
}

int
ai_observer_stop(struct ai_observer *o, struct ai_err *err)
{
	if (o->running)
		pthread_join(o->thread, NULL);
	o->running = false;
	ai_close_fd(&o->listener);
	ai_close_fd(&o->trouble);
	o->listener = o->trouble = -1;
	if (!o->err.code)
		return 0;
	*err = o->err;
	return err->code;
}
