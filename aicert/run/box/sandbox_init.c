/* sandbox_init.c -- pid 1 of the sandbox, and the command's last steps before it runs.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "run/box/landlock.h"
#include "run/box/limits.h"
#include "run/box/sandbox_box.h"

/* A sanitizer takes a stack of our own for a broken one. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Where pid 1 keeps its end of the pair; stdin, stdout and stderr are the command's already. */
#define SOCK 3

static const char *const writable[] = { "/workspace", "/tmp", AI_BOX_HOME, "/dev/shm", "/dev/null", "/dev/zero", "/dev/full",
	"/dev/random", "/dev/urandom" };

bool
ai_box_send(int sock, const struct ai_box_msg *msg, int fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec io = { .iov_base = (void *)msg, .iov_len = sizeof *msg };
	struct msghdr head = { .msg_iov = &io, .msg_iovlen = 1 };
	if (fd >= 0) {
		head.msg_control = control.bytes;
		head.msg_controllen = sizeof control.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&head);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	ssize_t n;
	while ((n = sendmsg(sock, &head, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof *msg;
}

int
ai_box_receive(int sock, struct ai_box_msg *msg, int *fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec io = { .iov_base = msg, .iov_len = sizeof *msg };
	struct msghdr head = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	*fd = -1;
	ssize_t n = recvmsg(sock, &head, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -1 : 0;
	if (n != (ssize_t)sizeof *msg)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	msg->text[sizeof msg->text - 1] = '\0';
	msg->hint[sizeof msg->hint - 1] = '\0';
	return 1;
}

static _Noreturn void
give_up(int sock, const struct ai_err *err)
{
	struct ai_box_msg msg = { .kind = AI_BOX_FAILED, .code = err->code };
	memcpy(msg.text, err->text, sizeof msg.text);
	memcpy(msg.hint, err->hint, sizeof msg.hint);
	(void)ai_box_send(sock, &msg, -1);
	_exit(1);
}

static void
wait_go(int sock)
{
	struct ai_box_msg msg;
	int fd, r;
	while ((r = ai_box_receive(sock, &msg, &fd)) < 0)
		;
	if (r == 0 || msg.kind != AI_BOX_GO)
		_exit(1);
}

/* If aicert dies, even by SIGKILL, so does pid 1, and with it everything in the namespace. Lost at each change of ids. */
static void
die_with_parent(int sock)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct pollfd p = { .fd = sock };
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
		_exit(1);
}

/* No signal handler, mask or descriptor of aicert's lives on; no controlling terminal. */
static void
start_clean(int sock, int log)
{
	setsid();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	/* Above the numbers that they are moved to, so that no move closes another. */
	int s = fcntl(sock, F_DUPFD, 16), l = fcntl(log, F_DUPFD, 16), null = open("/dev/null", O_RDONLY);
	if (s < 0 || l < 0 || null < 0 || dup2(null, 0) < 0 || dup2(l, 1) < 0 || dup2(l, 2) < 0 || dup3(s, SOCK, O_CLOEXEC) < 0)
		_exit(1);
	if (syscall(SYS_close_range, SOCK + 1, ~0U, 0) < 0)
		_exit(1);
}

/* A network namespace being made by a thread: it takes the kernel as long as the whole tree takes us. */
struct net {
	pthread_t thread;
	bool threaded;
	int fd;         /* of the namespace */
	int error;      /* errno, or 0 */
};

/* The loopback device, the only one there, is brought up: trainers talk to themselves over it. A socket of that network, or -1. */
static int
bring_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	AI_FD s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &lo) < 0)
		return -1;
	int up = s;
	s = -1;
	return up;
}

static void *
make_net(void *p)
{
	struct net *net = p;
	AI_FD s = unshare(CLONE_NEWNET) < 0 ? -1 : bring_up();
	if (s < 0 || (net->fd = ioctl(s, SIOCGSKNS)) < 0)
		net->error = errno;
	return NULL;
}

/* busy: we have been in it from our beginning. */
static void
begin_net(struct net *net, bool busy)
{
	*net = (struct net){ .fd = -1 };
	if (busy) {
		AI_FD s = bring_up();
		net->error = s < 0 ? errno : 0;
		return;
	}
	net->threaded = pthread_create(&net->thread, NULL, make_net, net) == 0;
	if (!net->threaded)
		make_net(net);
}

/* Pid 1 moves into it, and is one thread again: until then it is in the machine's network, and nothing of the step's runs. */
static int
join_net(struct net *net, struct ai_err *err)
{
	if (net->threaded)
		pthread_join(net->thread, NULL);
	AI_FD fd = net->fd;
	errno = net->error;
	if (net->error || (fd >= 0 && setns(fd, CLONE_NEWNET) < 0))
		return ai_fail_errno(err, AI_EENV, "cannot make a network of its own");
	return 0;
}

/* The service's socket lies in the step's network; whoever answers on it does not. */
static int
open_service(const struct ai_service *service, struct ai_err *err)
{
	AI_FD s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(service->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (s < 0 || bind(s, (const struct sockaddr *)&at, sizeof at) < 0 || listen(s, 64) < 0 ||
	    !ai_box_send(SOCK, &(struct ai_box_msg){ .kind = AI_BOX_SERVICE }, s))
		return ai_fail_errno(err, AI_EENV, "cannot listen for the step");
	return 0;
}

/*
 * Root's way out of being root. The tree was built as root; now the step's uid, one that nobody has, in a user namespace
 * that owns none of the other namespaces: what is left of capabilities in it can change nothing there.
 */
static int
leave_root(struct ai_err *err)
{
	int r = setgroups(0, NULL);
	/* The thread that made the network counts for a moment after it was joined. */
	for (int i = 0; r == 0 && (r = unshare(CLONE_NEWUSER)) < 0 && errno == EINVAL && i < 100000; i++) {
		sched_yield();
		r = 0;
	}
	if (r < 0)
		return ai_fail_errno(err, AI_EENV, "cannot make a user namespace");
	if (!ai_box_send(SOCK, &(struct ai_box_msg){ .kind = AI_BOX_MAP }, -1))
		_exit(1);
	return 0;
}

/* Once aicert has set the ids of the new user namespace. */
static int
become_user(struct ai_err *err)
{
	wait_go(SOCK);
	if (setresgid(AI_BOX_GID, AI_BOX_GID, AI_BOX_GID) < 0 || setresuid(AI_BOX_UID, AI_BOX_UID, AI_BOX_UID) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot become the step's user");
	return 0;
}

/* Nothing can come back: the bounding set is empty, and uid 0 would mean nothing. What is held still serves to become the step's user. */
static int
bound_rights(struct ai_err *err)
{
	int cap = 0;
	while (prctl(PR_CAPBSET_DROP, cap) == 0)
		cap++;
	/* The first that the kernel does not know. */
	if (errno != EINVAL || cap <= CAP_LAST_CAP)
		return ai_fail_errno(err, AI_EENV, "cannot drop capability %d", cap);
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
		SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot lock the secure bits");
	return 0;
}

/* Nothing can be gained by exec (no_new_privs), nothing is held (effective, permitted, inheritable, ambient). */
static int
drop_rights(struct ai_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &head, none) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot drop capabilities");
	return 0;
}

/* When the machine runs out of memory it is the step that goes, not whoever happens to be largest. Best effort: a lower limit stands anyway. */
static void
go_first(void)
{
	AI_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "500", 3);
}

/* The tree and, meanwhile, the network; scratch is waited for as late as can be. */
static int
build(const struct ai_box *b, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	bool places = s->root && s->n_binds;
	struct net net;
	struct ai_site site;
	begin_net(&net, s->busy);
	if (places)
		wait_go(SOCK);
	if (ai_box_begin(b, &site, err) < 0)
		return err->code;
	if (!places)
		wait_go(SOCK);
	if (join_net(&net, err) < 0 || (s->service && open_service(s->service, err) < 0))
		return err->code;
	return ai_box_finish(b, &site, err);
}

static int
set_up(const struct ai_box *b, struct ai_err *err)
{
	go_first();
	/* Now, for aicert has put us into our control group, and the new namespace begins where one is. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot make a cgroup namespace");
	if (sethostname("aicert", 6) < 0 || setdomainname("", 0) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot set the host name");
	if (build(b, err) < 0)
		return err->code;
	/* Only who looks on needs it; whoever holds it last takes the tree down. */
	bool wanted = b->s->observer || b->s->memory || b->s->pids;
	AI_FD root = wanted ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if ((wanted && root < 0) || !ai_box_send(SOCK, &(struct ai_box_msg){ .kind = AI_BOX_ROOT }, root))
		return ai_fail_errno(err, AI_EENV, "cannot show the root");
	if ((b->root && leave_root(err) < 0) || bound_rights(err) < 0 || (b->root && become_user(err) < 0))
		return err->code;
	return drop_rights(err);
}

/* What asks how many processors there are (nproc, OpenBLAS, PyTorch) gets the limit as its answer, and starts no more threads. */
static int
keep_cpus(unsigned n, struct ai_err *err)
{
	cpu_set_t ours, some;
	CPU_ZERO(&some);
	if (n && sched_getaffinity(0, sizeof ours, &ours) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot read which processors there are");
	unsigned left = n;
	for (size_t i = 0; left && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &ours)) {
			CPU_SET(i, &some);
			left--;
		}
	return n && sched_setaffinity(0, sizeof some, &some) < 0 ? ai_fail_errno(err, AI_EENV, "cannot keep to %u processors", n) : 0;
}

/* What stays writable: the above, and the devices that the step was given. */
static int
confine_writes(const struct ai_sandbox *s, struct ai_err *err)
{
	size_t n = sizeof writable / sizeof *writable;
	AI_FREE const char **paths = ai_calloc(n + s->n_binds + 1, sizeof *paths);
	if (!paths)
		return ai_nomem(err);
	memcpy(paths, writable, sizeof writable);
	for (size_t i = 0; i < s->n_binds; i++)
		if (s->binds[i].device)
			paths[n++] = s->binds[i].to;
	return ai_landlock_confine(paths, err);
}

/*
 * The command: Landlock, then limits, then seccomp, so that the first two need not be allowed by the last, and nothing is allocated
 * under a limit of memory that counts what the engine holds.
 */
static _Noreturn void
become_command(const struct ai_box *b)
{
	struct ai_err err = { 0 };
	int listener = -1;
	if (chdir(b->s->cwd ? b->s->cwd : "/workspace") < 0) {
		ai_fail_errno(&err, AI_EENV, "%s: cannot go there", b->s->cwd ? b->s->cwd : "/workspace");
		give_up(SOCK, &err);
	}
	/* The sandbox's own, for the machine's tree is gone. */
	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, 0) < 0 || close(null) < 0) {
		ai_fail_errno(&err, AI_EENV, "/dev/null: cannot open");
		give_up(SOCK, &err);
	}
	if (keep_cpus(b->s->cpus, &err) < 0 || confine_writes(b->s, &err) < 0 || ai_limits_set(&b->rlimits, &err) < 0 ||
	    ai_filter_install(&b->filter, b->s->observer ? &listener : NULL, &err) < 0)
		give_up(SOCK, &err);
	if (listener >= 0) {
		if (!ai_box_send(SOCK, &(struct ai_box_msg){ .kind = AI_BOX_LISTENER }, listener))
			_exit(1);
		close(listener);
	}
	environ = (char **)b->s->env;
	execvp(b->s->argv[0], (char *const *)b->s->argv);
	int e = errno;
	dprintf(2, "aicert: %s: %s\n", b->s->argv[0], strerror(e));
	_exit(e == ENOENT || e == ENOTDIR ? 127 : 126);
}

/* What the command's process begins with. */
struct first {
	const struct ai_box *b;
	const sigset_t *signals;
};

static int
command_main(void *p)
{
	const struct first *first = p;
	sigprocmask(SIG_SETMASK, first->signals, NULL);
	become_command(first->b);
}

/*
 * The command's process borrows our memory until it has become the command, and we wait for that long: nothing is copied, and
 * we stay undumpable throughout. Only an observer that is a plain user needs a copy: it reads the first path from memory
 * that must then be dumpable.
 */
static pid_t
start_command(const struct first *first)
{
	enum { STACK = 1 << 20 };
	if (SANITIZED || (first->b->s->observer && !first->b->root)) {
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_DUMPABLE, 1);
			command_main((void *)first);
		}
		return pid;
	}
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	return stack == MAP_FAILED ? -1 : clone(command_main, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)first);
}

/* Reaps whatever ends, hands SIGTERM on, until the command itself ends; returns its wait status. */
static int
watch(pid_t command, const sigset_t *signals)
{
	for (;;) {
		siginfo_t info;
		int sig = sigwaitinfo(signals, &info), status;
		if (sig == SIGTERM)
			kill(-1, SIGTERM);
		for (pid_t p; (p = waitpid(-1, &status, WNOHANG)) > 0;)
			if (p == command)
				return status;
	}
}

void
ai_box_init(const struct ai_box *b, int sock, int log)
{
	struct ai_err err = { 0 };
	start_clean(sock, log);
	die_with_parent(SOCK);
	wait_go(SOCK);
	if (set_up(b, &err) < 0)
		give_up(SOCK, &err);
	die_with_parent(SOCK);
	sigset_t signals, before;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	/* The step has our uid: it shall not look into us (/proc/1/fd, /proc/1/mem). */
	prctl(PR_SET_DUMPABLE, 0);
	const struct first first = { b, &before };
	pid_t command = start_command(&first);
	if (command < 0) {
		ai_fail_errno(&err, AI_EENV, "cannot start a process");
		give_up(SOCK, &err);
	}
	struct ai_box_msg end = { .kind = AI_BOX_END, .value = watch(command, &signals) };
	if (b->s->pids) {
		struct ai_tally left;
		AI_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		ai_tally_take(root, false, &left);
		end.code = (int)left.tasks;
	}
	/* Daemons left behind; what this misses dies with us, as the kernel empties a namespace whose pid 1 ends. */
	kill(-1, SIGKILL);
	(void)ai_box_send(SOCK, &end, -1);
	_exit(0);
}
