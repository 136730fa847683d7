/* sandbox.c -- see sandbox.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"
#include "run/box/limits.h"
#include "run/observe/observe.h"
#include "run/box/sandbox_box.h"

/* Between SIGTERM and SIGKILL. */
#define GRACE_S 2.0
/* How often the user's Ctrl-C is looked at when nothing else happens. */
#define TICK_MS 100

/* So much of a log is kept: a step that prints without end fills no disk. */
#define LOG_BYTES (64ull << 20)
/* What a step must leave free of the disk that holds its scratch folders, at most; how often that is looked at. */
#define DISK_BYTES (1ull << 30)
#define DISK_S 0.1

/* One run as aicert sees it. */
struct watch {
	struct ai_box *b;
	int sock, log, pidfd, root;
	pid_t pid;
	struct ai_keeper keeper;
	double deadline;        /* monotonic seconds; 0 = none */
	double kill_at;         /* once SIGTERM was sent */
	double disk_at;         /* when the disk is looked at next */
	unsigned long long floor;  /* bytes that must stay free on it; 0 = not yet known */
	unsigned long long logged; /* bytes printed so far */
	enum { GOING, TIMED_OUT, INTERRUPTED, BROKEN } why;
	bool built;             /* the step's tree stands */
	bool ended;             /* status is the command's wait status */
	int status;
	unsigned tasks;         /* how many were left when the command ended */
	struct ai_err err;      /* when BROKEN */
};

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the clone ------------------------------------------------------------ */

static int
write_proc(pid_t pid, const char *name, const char *text, struct ai_err *err)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	AI_FD fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return ai_fail_errno(err, AI_EENV, "sandbox: %s: cannot write", path);
	return 0;
}

/* One user and one group exist inside, and they are nobody's (root) or our own (a user) outside. */
static int
map_ids(const struct ai_box *b, pid_t pid, struct ai_err *err)
{
	char uids[64], gids[64];
	snprintf(uids, sizeof uids, "%d %u 1\n", AI_BOX_UID, b->uid);
	snprintf(gids, sizeof gids, "%d %u 1\n", AI_BOX_GID, b->gid);
	if (write_proc(pid, "setgroups", "deny", err) < 0 || write_proc(pid, "uid_map", uids, err) < 0 ||
	    write_proc(pid, "gid_map", gids, err) < 0)
		return err->code;
	return 0;
}

static int
no_namespaces(struct ai_err *err)
{
	int e = errno;
	ai_fail_errno(err, AI_EENV, "sandbox: cannot make namespaces");
	if (e == EPERM || e == EACCES)
		return ai_hint(err, "let users make user namespaces: sysctl kernel.unprivileged_userns_clone=1 "
			"(Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0; in a container: --privileged)");
	if (e == ENOSPC || e == EUSERS) {
		err->hint[0] = '\0';
		return ai_hint(err, "raise the limit: sysctl user.max_user_namespaces=10000");
	}
	return err->code;
}

/*
 * A user needs the user namespace first, to have the right to the others; root enters its own last (sandbox_init.c), so
 * that the others belong to the machine's root and nothing inside has any say in them. The network, which costs most, is
 * made beside the tree (sandbox_init.c), where there is a processor for it.
 */
static int
spawn(struct watch *w, int child_sock, int child_log, struct ai_err *err)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
			(w->b->root ? 0 : CLONE_NEWUSER) | (w->b->s->busy ? CLONE_NEWNET : 0),
		.pidfd = (unsigned long long)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		ai_box_init(w->b, child_sock, child_log);
	if (pid < 0)
		return no_namespaces(err);
	w->pid = (pid_t)pid;
	w->pidfd = pidfd;
	return 0;
}

/* --- the loop ------------------------------------------------------------- */

static void
signal_box(const struct watch *w, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, w->pidfd, sig, NULL, 0);
}

static void
stop(struct watch *w, int why)
{
	if (w->why != GOING)
		return;
	w->why = (unsigned)why;
	w->kill_at = now_s() + GRACE_S;
	signal_box(w, SIGTERM);
}

/* Something of ours failed while the step ran: it cannot go on. */
static void
broken(struct watch *w)
{
	w->why = BROKEN;
	signal_box(w, SIGKILL);
}

static int
keep_log(struct watch *w, const char *bytes, size_t n, struct ai_err *err)
{
	static const char cut[] = "\naicert: the log is cut here: what the step printed after this is not kept\n";
	unsigned long long room = LOG_BYTES - (w->logged < LOG_BYTES ? w->logged : LOG_BYTES);
	bool last = room > 0 && n >= room;
	w->logged += n;
	if (w->b->s->log_fd < 0 || room == 0)
		return 0;
	if (ai_write_all(w->b->s->log_fd, bytes, last ? (size_t)room : n, "log", err) < 0)
		return err->code;
	return last ? ai_write_all(w->b->s->log_fd, cut, sizeof cut - 1, "log", err) : 0;
}

static int
hand_on_log(struct watch *w, struct ai_err *err)
{
	char chunk[1 << 16];
	ssize_t n = read(w->log, chunk, sizeof chunk);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : 0;
	if (n == 0)
		return 0;
	ai_say_log(w->b->s->talk, chunk, (size_t)n);
	return keep_log(w, chunk, (size_t)n, err) < 0 ? err->code : 1;
}

static int
hear(struct watch *w, struct ai_err *err)
{
	struct ai_box_msg msg;
	int fd, r = ai_box_receive(w->sock, &msg, &fd);
	if (r < 0)
		return 1;
	if (r == 0)
		return 0;
	switch (msg.kind) {
	case AI_BOX_MAP:
		if (map_ids(w->b, w->pid, err) < 0)
			return err->code;
		(void)ai_box_send(w->sock, &(struct ai_box_msg){ .kind = AI_BOX_GO }, -1);
		break;
	case AI_BOX_ROOT:
		if (w->b->s->observer)
			ai_observer_root(w->b->s->observer, fd);
		w->built = true;
		w->root = fd;
		fd = -1;
		break;
	case AI_BOX_LISTENER:
		/* It takes fd over. */
		if (ai_observer_start(w->b->s->observer, fd, err) < 0)
			return err->code;
		fd = -1;
		break;
	case AI_BOX_END:
		w->ended = true;
		w->status = msg.value;
		w->tasks = (unsigned)msg.code;
		break;
	case AI_BOX_FAILED:
		ai_fail(err, msg.code, "sandbox: %s", msg.text);
		if (msg.hint[0])
			ai_hint(err, "%s", msg.hint);
		return err->code;
	case AI_BOX_SERVICE:
		if (w->b->s->service->listening(w->b->s->service->ctx, fd, err) < 0)
			return err->code;
		fd = -1;
		break;
	case AI_BOX_GO:
		break;
	}
	if (fd >= 0)
		close(fd);
	return 1;
}

static int
wait_ms(const struct watch *w)
{
	double left = TICK_MS / 1e3, t = now_s();
	if (w->kill_at > 0 && w->kill_at - t < left)
		left = w->kill_at - t;
	if (w->why == GOING && w->deadline > 0 && w->deadline - t < left)
		left = w->deadline - t;
	if (w->keeper.next_s > 0 && w->keeper.next_s - t < left)
		left = w->keeper.next_s - t;
	return left <= 0 ? 0 : (int)(left * 1e3) + 1;
}

/*
 * Files of a step have no limit of their own: what stands between one that writes without end and everybody else who needs the disk is
 * that it is stopped before nothing is left. Where little was free to begin with, it may use half of that.
 */
static void
look_at_disk(struct watch *w, double t)
{
	struct statvfs disk;
	if (w->why != GOING || t < w->disk_at || statvfs(w->b->s->scratch, &disk) < 0)
		return;
	unsigned long long left = (unsigned long long)disk.f_bavail * disk.f_frsize;
	w->disk_at = t + DISK_S;
	if (!w->floor)
		w->floor = left / 2 < DISK_BYTES ? left / 2 + 1 : DISK_BYTES;
	if (left >= w->floor)
		return;
	ai_fail(&w->err, AI_EENV, "stopped: it has used up the disk: %llu MiB are left where '%s' is, expected %llu", left >> 20, w->b->s->scratch,
		w->floor >> 20);
	broken(w);
}

static void
look_at_clock(struct watch *w)
{
	look_at_disk(w, now_s());
	if (ai_interrupted)
		stop(w, INTERRUPTED);
	if (w->deadline > 0 && now_s() >= w->deadline)
		stop(w, TIMED_OUT);
	bool over = ai_keeper_look(&w->keeper, w->root, now_s());
	if (over || (w->kill_at > 0 && now_s() >= w->kill_at)) {
		signal_box(w, SIGKILL);
		w->kill_at = 0;
	}
}

/* One turn; 0 when pid 1 of the sandbox has ended, and so everything in it. */
static int
turn(struct watch *w)
{
	enum { END, SOCK, LOG, OBSERVER, N };
	struct pollfd p[N] = {
		[END] = { .fd = w->pidfd, .events = POLLIN }, [SOCK] = { .fd = w->sock, .events = POLLIN },
		[LOG] = { .fd = w->log, .events = POLLIN },
		[OBSERVER] = { .fd = w->b->s->observer ? ai_observer_trouble(w->b->s->observer) : -1, .events = POLLIN },
	};
	int n = poll(p, N, wait_ms(w));
	look_at_clock(w);
	if (n <= 0)
		return 1;
	int r = 1;
	if (p[OBSERVER].revents & POLLIN)
		r = ai_observer_stop(w->b->s->observer, &w->err) < 0 ? w->err.code : 1;
	if (r > 0 && (p[SOCK].revents & (POLLIN | POLLHUP)) && (r = hear(w, &w->err)) == 0) {
		close(w->sock);
		w->sock = -1;
		r = 1;
	}
	if (r > 0 && (p[LOG].revents & (POLLIN | POLLHUP)) && (r = hand_on_log(w, &w->err)) == 0) {
		close(w->log);
		w->log = -1;
		r = 1;
	}
	if (r < 0 && w->why != BROKEN)
		broken(w);
	return !(p[END].revents & POLLIN);
}

static void
loop(struct watch *w)
{
	while (turn(w))
		;
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	/* All are dead, so both ends come to an end: what they said last. */
	while (w->sock >= 0 && w->why != BROKEN) {
		int r = hear(w, &w->err);
		if (r < 0)
			w->why = BROKEN;
		if (r <= 0)
			break;
	}
	while (w->log >= 0 && hand_on_log(w, &w->err) > 0)
		;
	struct ai_err of_observer = { 0 };
	if (w->b->s->observer && ai_observer_stop(w->b->s->observer, &of_observer) < 0 && !w->err.code)
		w->err = of_observer;
	if (w->err.code && w->why == GOING)
		w->why = BROKEN;
}

/* --- the verdict ----------------------------------------------------------- */

static int
verdict(const struct watch *w, struct ai_end *end, struct ai_err *err)
{
	struct ai_end e = { .kind = AI_END_SIGNAL, .value = SIGKILL };
	if (w->why == BROKEN) {
		*err = w->err;
		return err->code;
	}
	if (w->why == INTERRUPTED)
		return ai_fail(err, AI_EINTR, "interrupted");
	bool failed = !w->ended || !WIFEXITED(w->status) || WEXITSTATUS(w->status) != 0;
	ai_breach breach = ai_keeper_verdict(&w->keeper, failed, w->tasks);
	if (!w->ended && !w->built && breach == AI_BREACH_NONE)
		return ai_fail(err, AI_EENV, "sandbox: its first process died while it was being set up");
	if (w->ended && WIFEXITED(w->status))
		e = (struct ai_end){ .kind = AI_END_EXIT, .value = WEXITSTATUS(w->status) };
	else if (w->ended)
		e = (struct ai_end){ .kind = AI_END_SIGNAL, .value = WTERMSIG(w->status) };
	if (breach != AI_BREACH_NONE)
		e.kind = breach == AI_BREACH_MEMORY ? AI_END_MEMORY : AI_END_PIDS;
	/* A command that ended well within the grace still took longer than it was given. */
	if (w->why == TIMED_OUT)
		e.kind = AI_END_TIME;
	*end = e;
	return 0;
}

static int
observe_host(const struct ai_box *b, struct ai_err *err)
{
	for (size_t i = 0; b->s->observer && i < b->n_host; i++)
		if (ai_observer_host(b->s->observer, b->host[i], err) < 0)
			return err->code;
	return 0;
}

static int
start(struct watch *w, struct ai_err *err)
{
	int pair[2], log[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ai_fail_errno(err, AI_EENV, "sandbox: cannot make a socket pair");
	AI_FD child_sock = pair[1];
	w->sock = pair[0];
	if (pipe2(log, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "sandbox: cannot make a pipe");
	AI_FD child_log = log[1];
	w->log = log[0];
	if (spawn(w, child_sock, child_log, err) < 0)
		return err->code;
	if (ai_keeper_put(&w->keeper, w->pid, err) < 0 || (!w->b->root && map_ids(w->b, w->pid, err) < 0))
		return err->code;
	const struct ai_box_msg go = { .kind = AI_BOX_GO };
	(void)ai_box_send(w->sock, &go, -1);
	if (ai_box_prepare(w->b, err) < 0)
		return err->code;
	w->deadline = w->b->s->time_s > 0 ? now_s() + w->b->s->time_s : 0;
	(void)ai_box_send(w->sock, &go, -1);
	return 0;
}

static void
release(struct watch *w)
{
	ai_close_fd(&w->sock);
	ai_close_fd(&w->log);
	ai_close_fd(&w->pidfd);
	ai_close_fd(&w->root);
	ai_keeper_done(&w->keeper);
	if (w->b->s->observer)
		ai_observer_root(w->b->s->observer, -1);
	for (size_t i = 0; i < w->b->n_host; i++)
		free(w->b->host[i]);
	free(w->b->host);
	ai_box_forget(w->b);
	ai_filter_done(&w->b->filter);
}

static int
run(struct watch *w, struct ai_end *end, struct ai_err *err)
{
	const struct ai_sandbox *s = w->b->s;
	if (ai_check_interrupt(err) < 0 || ai_box_check(w->b, err) < 0 || (s->host && ai_box_host_paths(w->b, err) < 0) ||
	    observe_host(w->b, err) < 0 || ai_filter_make(s->observer != NULL, &w->b->filter, err) < 0)
		return err->code;
	ai_keeper_start(s, &w->keeper, &w->b->rlimits);
	if (w->keeper.memory || w->keeper.pids)
		ai_say(s->talk, AI_TALK_DETAIL, "limits are kept by counting: this machine lends no control group");
	if (start(w, err) < 0) {
		if (w->pid > 0) {
			signal_box(w, SIGKILL);
			waitpid(w->pid, NULL, 0);
		}
		return err->code;
	}
	loop(w);
	return verdict(w, end, err);
}

int
ai_sandbox_run(const struct ai_sandbox *s, struct ai_end *end, struct ai_err *err)
{
	if (s->host == (s->root != NULL))
		return ai_fail(err, AI_EUSAGE, "sandbox: expected either the machine's folders or an image's root");
	struct ai_box b = { .s = s, .root = geteuid() == 0, .uid = geteuid(), .gid = getegid() };
	struct watch w = { .b = &b, .sock = -1, .log = -1, .pidfd = -1, .root = -1 };
	int r = run(&w, end, err);
	release(&w);
	return r;
}
