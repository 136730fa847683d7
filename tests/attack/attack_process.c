/* attack_process.c -- attacks on other processes, and on the step's own bounds.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

void
proc_signal(void)
{
	must_fail(kill(target.victim, SIGKILL), "SIGKILL");
	must_fail(kill(-target.victim, SIGKILL), "SIGKILL to its group");
	must_fail(syscall(SYS_tgkill, target.victim, target.victim, SIGKILL), "tgkill");
	must_fail(syscall(SYS_rt_sigqueueinfo, target.victim, SIGTERM, &(siginfo_t){ .si_code = SI_QUEUE }), "sigqueue");
	refused();
}

void
proc_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, target.victim, 0);
	must_fail(fd, "pidfd_open");
	int e = errno;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d", target.victim);
	int proc = open(path, O_RDONLY | O_DIRECTORY);
	if (proc >= 0)
		must_fail(syscall(SYS_pidfd_send_signal, proc, SIGKILL, NULL, 0), "pidfd_send_signal");
	errno = e;
	refused();
}

/* Of a sandbox with few processes, every number beyond them is the machine's. */
void
proc_seen(void)
{
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));)
		if (number(e->d_name) == target.victim || number(e->d_name) > 2000)
			harmed("process %s shows", e->d_name);
	for (int pid = 2000; pid < 100000; pid++)
		if (kill(pid, 0) == 0 || errno == EPERM)
			harmed("process %d is there", pid);
	errno = ESRCH;
	refused();
}

void
proc_init_kill(void)
{
	static const int signals[] = { SIGSTOP, SIGQUIT, SIGSEGV, SIGINT, SIGHUP, SIGKILL };
	bool sent = false;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sent |= kill(1, signals[i]) == 0;
	if (!sent)
		refused();
	usleep(50000);
	no_effect("pid 1 lives, and so do we");
}

void
proc_init_look(void)
{
	open_each((const char *const[]){ "/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/fd", "/proc/1/fd/3", "/proc/1/map_files",
		"/proc/1/exe", "/proc/1/auxv", "/proc/1/stack", "/proc/1/pagemap", "/proc/1/syscall", "/proc/1/io", NULL }, O_RDONLY);
	refused();
}

void
proc_init_getfd(void)
{
	for (int pid = 1; pid < 4; pid++) {
		int pidfd = (int)syscall(SYS_pidfd_open, pid == 2 ? getppid() : pid, 0);
		for (int fd = 0; pidfd >= 0 && fd < 20; fd++)
			must_fail(syscall(SYS_pidfd_getfd, pidfd, fd, 0), "pidfd_getfd");
	}
	refused();
}

void
proc_ptrace(void)
{
	const int whom[] = { target.victim, 1, getppid() };
	for (size_t i = 0; i < sizeof whom / sizeof *whom; i++) {
		must_fail(ptrace(PTRACE_SEIZE, whom[i], NULL, NULL), "PTRACE_SEIZE");
		must_fail(ptrace(PTRACE_ATTACH, whom[i], NULL, NULL), "PTRACE_ATTACH");
	}
	refused();
}

void
proc_vm(void)
{
	static char here[16];
	const int whom[] = { target.victim, 1, getppid() };
	for (size_t i = 0; i < sizeof whom / sizeof *whom; i++) {
		struct iovec local = { here, sizeof here }, there = { here, sizeof here };
		must_fail(process_vm_readv(whom[i], &local, 1, &there, 1, 0), "process_vm_readv");
		must_fail(process_vm_writev(whom[i], &local, 1, &there, 1, 0), "process_vm_writev");
	}
	refused();
}

void
proc_mem(void)
{
	char victim[64], maps[64];
	snprintf(victim, sizeof victim, "/proc/%d/mem", target.victim);
	snprintf(maps, sizeof maps, "/proc/%d/maps", target.victim);
	open_each((const char *const[]){ victim, maps, "/proc/1/mem", NULL }, O_RDONLY);
	open_each((const char *const[]){ victim, "/proc/1/mem", NULL }, O_RDWR);
	refused();
}

void
proc_kcmp(void)
{
	void *head;
	size_t len;
	const int whom[] = { target.victim, 1 };
	for (size_t i = 0; i < sizeof whom / sizeof *whom; i++) {
		must_fail(syscall(SYS_kcmp, whom[i], getpid(), 0, 0, 0), "kcmp");
		must_fail(syscall(SYS_get_robust_list, whom[i], &head, &len), "get_robust_list");
		must_fail(syscall(SYS_move_pages, whom[i], 0UL, NULL, NULL, NULL, 0), "move_pages");
	}
	refused();
}

void
proc_rlimit(void)
{
	const struct rlimit none = { 0, 0 };
	must_fail(prlimit(target.victim, RLIMIT_CPU, &none, NULL), "prlimit");
	must_fail(prlimit(target.victim, RLIMIT_FSIZE, &none, NULL), "prlimit");
	refused();
}

/* PRIO_USER is of one uid, whoever's processes in other namespaces have it too: the victim outside must keep its own. */
void
proc_priority(void)
{
	must_fail(setpriority(PRIO_PROCESS, (id_t)target.victim, 5), "setpriority");
	must_fail(setpriority(PRIO_PGRP, (id_t)target.victim, 5), "setpriority");
	must_fail(setpriority(PRIO_PROCESS, 0, -10), "a higher priority");
	must_fail(syscall(SYS_ioprio_set, 1, target.victim, 3 << 13), "ioprio_set");
	bool by_user = setpriority(PRIO_USER, 0, 3) == 0;
	by_user |= syscall(SYS_ioprio_set, 3, getuid(), 2 << 13 | 7) == 0;
	if (by_user)
		no_effect("by user: processes of the step only; the process outside keeps its own");
	refused();
}

void
proc_affinity(void)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must_fail(sched_setaffinity(target.victim, sizeof one, &one), "sched_setaffinity");
	must_fail(sched_setscheduler(target.victim, SCHED_IDLE, &(struct sched_param){ 0 }), "sched_setscheduler");
	refused();
}

void
proc_realtime(void)
{
	struct { unsigned size, policy; unsigned long long flags; int nice; unsigned priority; unsigned long long runtime, deadline, period; } d =
		{ .size = 48, .policy = SCHED_DEADLINE, .runtime = 5000000, .deadline = 10000000, .period = 10000000 };
	must_fail(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }), "SCHED_FIFO");
	must_fail(sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 }), "SCHED_RR");
	must_fail(syscall(SYS_sched_setattr, 0, &d, 0), "SCHED_DEADLINE");
	refused();
}

void
proc_oom(void)
{
	write_each((const char *const[]){ "/proc/self/oom_score_adj", NULL }, "-1000");
	write_each((const char *const[]){ "/proc/1/oom_score_adj", NULL }, "1000");
	errno = EACCES;
	refused();
}

void
proc_limits_raise(void)
{
	static const int which[] = { RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_NICE, RLIMIT_RTPRIO };
	for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
		struct rlimit l, now;
		getrlimit(which[i], &l);
		if (l.rlim_max == RLIM_INFINITY)
			continue;
		l.rlim_max++;
		l.rlim_cur = l.rlim_max;
		/* What is answered does not count: what holds afterwards does. */
		bool said = setrlimit(which[i], &l) == 0;
		int e = errno;
		getrlimit(which[i], &now);
		if (now.rlim_max >= l.rlim_max)
			harmed("limit %d rose", which[i]);
		errno = said ? EPERM : e;
	}
	refused();
}

/* A pattern that begins with | has the machine run a program as root on a dying process's memory, whatever RLIMIT_CORE but 1. */
void
proc_core(void)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit now;
	int status = 0;
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prlimit(0, RLIMIT_CORE, &none, NULL);
	(void)prlimit(getpid(), RLIMIT_CORE, &none, NULL);
	if (getrlimit(RLIMIT_CORE, &now) < 0 || now.rlim_cur != 1 || now.rlim_max != 1)
		harmed("RLIMIT_CORE is %lld of %lld, not 1", (long long)now.rlim_cur, (long long)now.rlim_max);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGSEGV);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WCOREDUMP(status))
		harmed("a core was dumped");
	no_effect("RLIMIT_CORE stays 1, and a crash dumps nothing");
}

void
proc_identity(void)
{
	static const unsigned ids[] = { 0, 1, 33, 65534, 65520, 12345 };
	gid_t groups[] = { 0, 6 };
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		if (ids[i] == getuid())
			continue;
		must_fail(setuid(ids[i]), "setuid");
		must_fail(setresuid(ids[i], ids[i], ids[i]), "setresuid");
		must_fail(setgid(ids[i]), "setgid");
	}
	must_fail(setgroups(2, groups), "setgroups");
	setfsuid(0);
	if (setfsuid((uid_t)-1) == 0)
		harmed("setfsuid");
	refused();
}

void
proc_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[2] = { { ~0U, ~0U, ~0U }, { ~0U, ~0U, ~0U } }, now[2] = { 0 };
	must_fail(syscall(SYS_capset, &head, &all), "capset");
	must_fail(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0), "an ambient capability");
	must_fail(prctl(PR_SET_SECUREBITS, 0), "securebits");
	if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		harmed("no_new_privs is off");
	errno = 0;
	if (syscall(SYS_capget, &head, &now) < 0 || now[0].effective | now[0].permitted | now[0].inheritable | now[1].effective | now[1].permitted)
		harmed("capabilities are held: %x", now[0].permitted);
	for (int cap = 0; cap < 41; cap++)
		if (prctl(PR_CAPBSET_READ, cap) > 0)
			harmed("capability %d is in the bounding set", cap);
	errno = EPERM;
	refused();
}
