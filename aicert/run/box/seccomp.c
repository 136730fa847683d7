/* seccomp.c -- see seccomp.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/buf.h"
#include "run/observe/observe_calls.h"

#ifndef __x86_64__
#error "the sandbox's filter is written for x86_64: name this machine's AUDIT_ARCH and look through its calls"
#endif

/* The highest number that this list was written for (set_mempolicy_home_node): later calls do not exist in the sandbox. */
#define LAST_KNOWN_CALL 450
#define X32_BIT 0x40000000u
#define MAX_CODE 1024

/* --- what is done about each call ------------------------------------------- */

/* The checks look at arguments; the others are final. */
typedef enum deed { ALLOW, REFUSE, UNKNOWN, NOTIFY, CHECK_PERSONALITY, CHECK_SOCKET, CHECK_CLONE, CHECK_IOCTL, CHECK_SECCOMP, CHECK_STAT,
	CHECK_FCNTL, CHECK_SETRLIMIT, CHECK_PRLIMIT, N_DEEDS } deed;

#define DO(call, what) [__NR_##call] = (what)
#define NOT(call) [__NR_##call] = REFUSE
#define NOTED(call, dirfd, path, flags, how) [__NR_##call] = NOTIFY,

static const unsigned char deeds[LAST_KNOWN_CALL + 1] = {
	/* io_uring: opens and connects without system calls, past seccomp and the observer. */
	NOT(io_uring_setup), NOT(io_uring_enter), NOT(io_uring_register),
	/* Keyrings: not in a namespace, shared by everything of one uid. */
	NOT(keyctl), NOT(add_key), NOT(request_key),
	/* Namespaces: would give all capabilities inside, and with them the kernel's least tested code. */
	NOT(unshare), NOT(setns),
	/* Mounts: the tree that the step sees is the one that was declared. */
	NOT(mount), NOT(umount2), NOT(pivot_root), NOT(chroot), NOT(open_tree), NOT(move_mount), NOT(fsopen), NOT(fsconfig), NOT(fsmount),
	NOT(fspick), NOT(mount_setattr),
	/* Other processes' memory, descriptors and registers, pid 1's among them. */
	NOT(ptrace), NOT(process_vm_readv), NOT(process_vm_writev), NOT(pidfd_getfd), NOT(kcmp),
	/* The kernel's own inner machines. */
	NOT(bpf), NOT(perf_event_open), NOT(userfaultfd), NOT(fanotify_init), NOT(lookup_dcookie),
	NOT(kexec_load), NOT(kexec_file_load), NOT(init_module), NOT(finit_module), NOT(delete_module),
	/* Files by handle: past every path check. */
	NOT(name_to_handle_at), NOT(open_by_handle_at),
	/* The machine: swap, clock, power, accounting, ports, log, terminals. */
	NOT(swapon), NOT(swapoff), NOT(reboot), NOT(quotactl), NOT(quotactl_fd), NOT(acct), NOT(settimeofday), NOT(clock_settime),
	NOT(clock_adjtime), NOT(adjtimex), NOT(iopl), NOT(ioperm), NOT(syslog), NOT(vhangup), NOT(modify_ldt), NOT(uselib), NOT(sethostname),
	NOT(setdomainname),
	/* clone3 has its flags in memory, where a filter cannot look; libc falls back to clone. */
	DO(clone3, UNKNOWN),
	DO(personality, CHECK_PERSONALITY), DO(socket, CHECK_SOCKET), DO(socketpair, CHECK_SOCKET), DO(clone, CHECK_CLONE),
	DO(ioctl, CHECK_IOCTL), DO(seccomp, CHECK_SECCOMP), DO(fcntl, CHECK_FCNTL), DO(setrlimit, CHECK_SETRLIMIT), DO(prlimit64, CHECK_PRLIMIT),
};

/* What is announced besides, when the step is observed; none of it stands above. */
static const unsigned char noted[LAST_KNOWN_CALL + 1] = { AI_OBSERVED_CALLS(NOTED) };

/* --- the program ------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* 32 bits of an argument suffice where the kernel reads an int. */
#define LOAD_ARG(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i)))
#define LOAD_HIGH(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i) + 4u))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ON(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define ON_BITS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (yes), (no))
#define WITH(e) (SECCOMP_RET_ERRNO | (e))

static const struct sock_filter begin[] = {
	LOAD(arch),
	ON(AUDIT_ARCH_X86_64, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	/* Calls newer than the list: as on a kernel without them, so that libc falls back. */
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN_CALL, 0, 1),
	RETURN(WITH(ENOSYS)),
};

/* The query and PER_LINUX only; no READ_IMPLIES_EXEC, no ADDR_NO_RANDOMIZE. */
static const struct sock_filter check_personality[] = {
	LOAD_ARG(0), ON(0, 2, 0), ON(0xffffffff, 1, 0), RETURN(WITH(EPERM)), RETURN(SECCOMP_RET_ALLOW),
};

/*
 * Socket families: unix, inet and inet6 (in the step's own network namespace: lo), and netlink's routes, which libc's
 * getifaddrs asks and where without capabilities nothing can be changed. vsock and others know no namespace.
 */
static const struct sock_filter check_socket[] = {
	LOAD_ARG(0), ON(AF_UNIX, 6, 0), ON(AF_INET, 5, 0), ON(AF_INET6, 4, 0), ON(AF_NETLINK, 1, 0), RETURN(WITH(EAFNOSUPPORT)),
	LOAD_ARG(2), ON(0 /* NETLINK_ROUTE */, 0, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(WITH(EPROTONOSUPPORT)),
};

static const struct sock_filter check_clone[] = {
	LOAD_ARG(0), ON_BITS(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, 0, 1),
	RETURN(WITH(EPERM)), RETURN(SECCOMP_RET_ALLOW),
};

/* Typing into, and driving, a terminal that somebody passed by mistake. */
static const struct sock_filter check_ioctl[] = {
	LOAD_ARG(1), ON(TIOCSTI, 1, 0), ON(TIOCLINUX, 0, 1), RETURN(WITH(EPERM)), RETURN(SECCOMP_RET_ALLOW),
};

/* A step's own filters only tighten, but a listener of its own would answer in the observer's place. */
static const struct sock_filter check_seccomp[] = {
	LOAD_ARG(1), ON_BITS(SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 1), RETURN(WITH(EPERM)), RETURN(SECCOMP_RET_ALLOW),
};

/* A lease on an input, which is the store's own object, would hold up everybody else who opens it (for 45 s each time). */
static const struct sock_filter check_fcntl[] = {
	LOAD_ARG(1), ON(F_SETLEASE, 0, 1), RETURN(WITH(EPERM)), RETURN(SECCOMP_RET_ALLOW),
};

/*
 * RLIMIT_CORE stays at what limits.c made it, 1: at 0 a kernel.core_pattern that names a program would still run that
 * program, as the machine's root, on a crashing step's memory. Programs that ask for 0 are told that they have it.
 */
static const struct sock_filter check_setrlimit[] = {
	LOAD_ARG(0), ON(RLIMIT_CORE, 0, 1), RETURN(WITH(0)), RETURN(SECCOMP_RET_ALLOW),
};
/* Reading it (no new value: both halves of the pointer are 0) is as ever. */
static const struct sock_filter check_prlimit[] = {
	LOAD_ARG(1), ON(RLIMIT_CORE, 0, 5), LOAD_ARG(2), ON(0, 0, 2), LOAD_HIGH(2), ON(0, 1, 0), RETURN(WITH(0)), RETURN(SECCOMP_RET_ALLOW),
};

/*
 * glibc before 2.39 asks fstat(2) by newfstatat(fd, "", …, AT_EMPTY_PATH): a quarter of all that a Python start would announce,
 * and nothing is looked up by it. A filter cannot read the path, but it can tell that call of libc's by how far the empty text
 * lies from the instruction that calls, both being constants of libc; ai_filter_install finds out how far. Any other call with
 * AT_EMPTY_PATH, whose path may have a name in it, is announced.
 */
enum { STAT_DISTANCE = 6 };
static const struct sock_filter check_stat[] = {
	LOAD_ARG(3), ON(AT_EMPTY_PATH, 0, 9),
	LOAD(instruction_pointer), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD_ARG(1), BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
	[STAT_DISTANCE] = ON(0 /* no call has its path where its code is */, 0, 4),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4u), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD_HIGH(1),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0),
	RETURN(SECCOMP_RET_USER_NOTIF), RETURN(SECCOMP_RET_ALLOW),
};

static const struct sock_filter allow[] = { RETURN(SECCOMP_RET_ALLOW) }, refuse[] = { RETURN(WITH(EPERM)) }, unknown[] = { RETURN(WITH(ENOSYS)) },
	notify[] = { RETURN(SECCOMP_RET_USER_NOTIF) };

#define CODE(deed, code) [deed] = { code, sizeof (code) / sizeof *(code) }
static const struct { const struct sock_filter *code; size_t n; } codes[N_DEEDS] = {
	CODE(ALLOW, allow), CODE(REFUSE, refuse), CODE(UNKNOWN, unknown), CODE(NOTIFY, notify), CODE(CHECK_PERSONALITY, check_personality),
	CODE(CHECK_SOCKET, check_socket), CODE(CHECK_CLONE, check_clone), CODE(CHECK_IOCTL, check_ioctl), CODE(CHECK_SECCOMP, check_seccomp),
	CODE(CHECK_STAT, check_stat), CODE(CHECK_FCNTL, check_fcntl), CODE(CHECK_SETRLIMIT, check_setrlimit), CODE(CHECK_PRLIMIT, check_prlimit),
};

struct maker {
	bool observe;
	struct sock_filter code[MAX_CODE];
	size_t n;
	size_t first[LAST_KNOWN_CALL + 1]; /* where runs of neighbours with one deed begin */
	size_t n_runs, fstat_at;
	bool full;
};

static deed
deed_of(const struct maker *m, size_t call)
{
	if (m->observe && noted[call])
		return call == __NR_newfstatat ? CHECK_STAT : NOTIFY;
	return (deed)deeds[call];
}

static void
find_runs(struct maker *m)
{
	for (size_t call = 0; call <= LAST_KNOWN_CALL; call++)
		if (call == 0 || deed_of(m, call) != deed_of(m, call - 1))
			m->first[m->n_runs++] = call;
}

static void
put(struct maker *m, const struct sock_filter *code, size_t n)
{
	if (n > MAX_CODE - m->n) {
		m->full = true;
		return;
	}
	memcpy(m->code + m->n, code, n * sizeof *code);
	m->n += n;
}

/*
 * A search tree over the runs from..to-1, in at most eight comparisons. A call that needs no argument is decided without
 * loading one, so that the kernel finds out at once, when the filter is installed, which calls it need not run it for.
 */
static void
put_tree(struct maker *m, size_t from, size_t to)
{
	deed d = deed_of(m, m->first[from]);
	if (to - from == 1) {
		if (d == CHECK_STAT)
			m->fstat_at = m->n + STAT_DISTANCE;
		put(m, codes[d].code, codes[d].n);
		return;
	}
	size_t middle = from + (to - from) / 2, at = m->n;
	/* Left on, right far: a conditional jump reaches 255 only. */
	const struct sock_filter fork[] = { BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)m->first[middle], 0, 1), BPF_STMT(BPF_JMP | BPF_JA, 0) };
	put(m, fork, 2);
	put_tree(m, from, middle);
	if (m->full)
		return;
	m->code[at + 1].k = (uint32_t)(m->n - at - 2);
	put_tree(m, middle, to);
}

int
ai_filter_make(bool observe, struct ai_filter *out, struct ai_err *err)
{
	AI_FREE struct maker *m = ai_calloc(1, sizeof *m);
	if (!m)
		return ai_nomem(err);
	m->observe = observe;
	find_runs(m);
	put(m, begin, sizeof begin / sizeof *begin);
	put_tree(m, 0, m->n_runs);
	if (m->full)
		return ai_fail(err, AI_EENV, "internal: the filter of system calls is longer than %d", MAX_CODE);
	struct sock_filter *code = ai_calloc(m->n, sizeof *code);
	if (!code)
		return ai_nomem(err);
	memcpy(code, m->code, m->n * sizeof *code);
	*out = (struct ai_filter){ .code = code, .n = m->n, .fstat_at = m->fstat_at };
	return 0;
}

void
ai_filter_done(struct ai_filter *f)
{
	free(f->code);
	*f = (struct ai_filter){ 0 };
}

/* --- libc's fstat -------------------------------------------------------------- */

static volatile char stopped;           /* the kernel reads it at each call: while it is set, calls become signals */
static volatile uint32_t fstat_distance;

static void
on_stopped_call(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
	(void)sig;
	stopped = SYSCALL_DISPATCH_FILTER_ALLOW;
	if (info->si_syscall == __NR_newfstatat && r[REG_R10] == AT_EMPTY_PATH)
		fstat_distance = (uint32_t)((uint64_t)r[REG_RSI] - (uint64_t)(uintptr_t)info->si_call_addr);
}

/*
 * Makes libc call fstat with calls turned into signals (Linux 5.11; without it, or with another libc, fstat is announced like
 * anything else). In the child that is about to become the step: it has one thread, and exec forgets the handler.
 */
static uint32_t
learn_fstat(void)
{
	struct stat st;
	struct sigaction on = { .sa_sigaction = on_stopped_call, .sa_flags = SA_SIGINFO }, before;
	fstat_distance = 0;
	if (sigaction(SIGSYS, &on, &before) < 0)
		return 0;
	stopped = SYSCALL_DISPATCH_FILTER_ALLOW;
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &stopped) == 0) {
		stopped = SYSCALL_DISPATCH_FILTER_BLOCK;
		(void)fstat(0, &st);
		stopped = SYSCALL_DISPATCH_FILTER_ALLOW;
		(void)prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	}
	(void)sigaction(SIGSYS, &before, NULL);
	return fstat_distance;
}

int
ai_filter_install(const struct ai_filter *f, int *listener_out, struct ai_err *err)
{
	if (f->fstat_at)
		((struct sock_filter *)f->code)[f->fstat_at].k = learn_fstat();
	struct sock_fprog program = { .len = (unsigned short)f->n, .filter = f->code };
	/* No program expects EINTR of stat or execve: a call that is being looked at is not ended by a signal that does not kill. */
	unsigned long flags = listener_out ? SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (r < 0 && errno == EINVAL && listener_out) /* before Linux 5.19 */
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (r < 0)
		return ai_fail_errno(err, AI_EENV, "seccomp: cannot install the filter");
	if (listener_out)
		*listener_out = (int)r;
	return 0;
}
