/* seccomp.c -- see seccomp.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "run/observe_calls.h"

/* The highest number that this list was written for (set_mempolicy_home_node): later calls do not exist in the sandbox. */
#define LAST_KNOWN_CALL 450
#define X32_BIT 0x40000000u
#define ARG(i) ((uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i)))

/* Refused with EPERM, each for what it could reach. */
static const int refused[] = {
	/* io_uring: opens and connects without system calls, past seccomp and the observer. */
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	/* Keyrings: not in a namespace, shared by everything of one uid. */
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	/* Namespaces: would give all capabilities inside, and with them the kernel's least tested code. */
	SCMP_SYS(unshare), SCMP_SYS(setns),
	/* Mounts: the tree that the step sees is the one that was declared. */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_tree), SCMP_SYS(move_mount),
	SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
	/* Other processes' memory, descriptors and registers, pid 1's among them. */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
	/* The kernel's own inner machines. */
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(fanotify_init), SCMP_SYS(lookup_dcookie),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	/* Files by handle: past every path check. */
	SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at),
	/* The machine: swap, clock, power, accounting, ports, log, terminals. */
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd), SCMP_SYS(acct),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(modify_ldt), SCMP_SYS(uselib), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
};

static const int observed[] = {
#define X(call, dirfd, path, flags, how) SCMP_SYS(call),
	AI_OBSERVED_CALLS(X)
#undef X
};

/*
 * What libseccomp cannot say (none of; above): runs before its program, which follows it. Numbers are for the jumps.
 * 32 bits of an argument suffice where the kernel reads an int.
 */
static const struct sock_filter before[] = {
	/*  0 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	/*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 20), /* libseccomp's program kills */
	/*  2 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	/* Calls newer than the list: as on a kernel without them, so that libc falls back. x32 goes on to be killed. */
	/*  3 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 18, 0),
	/*  4 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN_CALL, 0, 1),
	/*  5 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	/* personality: the query and PER_LINUX only; no READ_IMPLIES_EXEC, no ADDR_NO_RANDOMIZE. */
	/*  6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_personality, 0, 4),
	/*  7 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0)),
	/*  8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 13, 0),
	/*  9 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 12, 0),
	/* 10 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	/*
	 * Socket families: unix, inet and inet6 (in the step's own network namespace: lo), and netlink's routes, which
	 * libc's getifaddrs asks and where without capabilities nothing can be changed. vsock and others know no namespace.
	 */
	/* 11 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 1, 0),
	/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socketpair, 0, 9),
	/* 13 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0)),
	/* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 7, 0),
	/* 15 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 6, 0),
	/* 16 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 5, 0),
	/* 17 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0),
	/* 18 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
	/* 19 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(2)),
	/* 20 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), /* NETLINK_ROUTE */
	/* 21 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
	/* 22: libseccomp's program */
};

static int
add(scmp_filter_ctx ctx, uint32_t action, int call, struct ai_err *err)
{
	int r = seccomp_rule_add_array(ctx, action, call, 0, NULL);
	if (r < 0 && r != -EDOM) {
		errno = -r;
		return ai_fail_errno(err, AI_EENV, "sandbox: seccomp: cannot add a rule for call %d", call);
	}
	return 0;
}

/* The call is refused when these 32 bits of an argument, under the mask, have the value. */
static int
add_masked(scmp_filter_ctx ctx, int call, unsigned arg, uint64_t mask, uint64_t value, struct ai_err *err)
{
	struct scmp_arg_cmp when = { .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), call, 1, &when);
	if (r < 0) {
		errno = -r;
		return ai_fail_errno(err, AI_EENV, "sandbox: seccomp: cannot add a rule for call %d", call);
	}
	return 0;
}

static int
add_all(scmp_filter_ctx ctx, bool observe, struct ai_err *err)
{
	static const uint64_t new_namespace[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET };
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], err) < 0)
			return err->code;
	/* clone3 has its flags in memory, where a filter cannot look; libc falls back to clone. */
	if (add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), err) < 0)
		return err->code;
	for (size_t i = 0; i < sizeof new_namespace / sizeof *new_namespace; i++)
		if (add_masked(ctx, SCMP_SYS(clone), 0, new_namespace[i], new_namespace[i], err) < 0)
			return err->code;
	/* Typing into, and driving, a terminal that somebody passed by mistake. */
	if (add_masked(ctx, SCMP_SYS(ioctl), 1, 0xffffffff, TIOCSTI, err) < 0 ||
	    add_masked(ctx, SCMP_SYS(ioctl), 1, 0xffffffff, TIOCLINUX, err) < 0)
		return err->code;
	/* A step's own filters only tighten, but a listener of its own would answer in the observer's place. */
	if (add_masked(ctx, SCMP_SYS(seccomp), 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER, err) < 0)
		return err->code;
	for (size_t i = 0; observe && i < sizeof observed / sizeof *observed; i++)
		if (add(ctx, SCMP_ACT_NOTIFY, observed[i], err) < 0)
			return err->code;
	return 0;
}

/* libseccomp writes its program to a descriptor only. */
static int
export(scmp_filter_ctx ctx, struct ai_filter *out, struct ai_err *err)
{
	AI_FD fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0)
		return ai_fail(err, AI_EENV, "sandbox: seccomp: cannot make the filter");
	off_t size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || size % (off_t)sizeof(struct sock_filter) != 0)
		return ai_fail(err, AI_EENV, "sandbox: seccomp: cannot make the filter");
	char *code = malloc(sizeof before + (size_t)size);
	if (!code)
		return ai_nomem(err);
	memcpy(code, before, sizeof before);
	if (pread(fd, code + sizeof before, (size_t)size, 0) != size) {
		free(code);
		return ai_fail_errno(err, AI_EENV, "sandbox: seccomp: cannot read the filter");
	}
	*out = (struct ai_filter){ .code = code, .n = (sizeof before + (size_t)size) / sizeof(struct sock_filter) };
	return 0;
}

int
ai_filter_make(bool observe, struct ai_filter *out, struct ai_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return ai_nomem(err);
	int r = 0;
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		r = ai_fail(err, AI_EENV, "sandbox: seccomp: this libseccomp is too old: expected 2.5 or newer");
	if (r == 0)
		r = add_all(ctx, observe, err);
	if (r == 0)
		r = export(ctx, out, err);
	seccomp_release(ctx);
	return r;
}

void
ai_filter_done(struct ai_filter *f)
{
	free(f->code);
	*f = (struct ai_filter){ 0 };
}

int
ai_filter_install(const struct ai_filter *f, int *listener_out, struct ai_err *err)
{
	struct sock_fprog program = { .len = (unsigned short)f->n, .filter = f->code };
	unsigned long flags = listener_out ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (r < 0)
		return ai_fail_errno(err, AI_EENV, "seccomp: cannot install the filter");
	if (listener_out)
		*listener_out = (int)r;
	return 0;
}
