/* attack_kernel.c -- attacks on the kernel and on the machine's settings and devices.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

void
sys_core_pattern(void)
{
	open_each((const char *const[]){ "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/core_uses_pid", "/proc/sys/kernel/core_pipe_limit", NULL },
		O_WRONLY);
	refused();
}

void
sys_settings(void)
{
	open_each((const char *const[]){ "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
		"/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/panic",
		"/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/sem", "/proc/sys/fs/suid_dumpable",
		"/proc/sys/fs/protected_symlinks", "/proc/sys/fs/mqueue/msg_max", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
		"/proc/sys/net/core/somaxconn", "/proc/sys/user/max_user_namespaces", "/proc/sys/dev/tty/legacy_tiocsti", NULL }, O_WRONLY);
	refused();
}

void
sys_sysrq(void)
{
	/* h prints help and does no more. */
	write_each((const char *const[]){ "/proc/sysrq-trigger", "/proc/sys/kernel/sysrq", NULL }, "h");
	refused();
}

void
sys_binfmt(void)
{
	write_each((const char *const[]){ "/proc/sys/fs/binfmt_misc/register", NULL }, ":attack:M::attack::/bin/false:");
	refused();
}

void
sys_sysfs(void)
{
	write_each((const char *const[]){ "/sys/power/state", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/kernel/debug/clear_warn_once",
		"/sys/kernel/livepatch", "/sys/class/net/lo/mtu", "/sys/bus/pci/rescan", "/sys/firmware/efi/efivars", "/sys/fs/selinux/enforce",
		"/sys/module/kernel/parameters/panic", NULL }, "attack");
	refused();
}

void
sys_proc_read(void)
{
	static const char *const files[] = { "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
		"/proc/kpagecount", "/proc/kpageflags", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/sysvipc/nothing", "/proc/acpi/wakeup" };
	char text[64];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int fd = open(files[i], O_RDONLY | O_NONBLOCK);
		if (fd >= 0 && read(fd, text, sizeof text) > 0)
			harmed("%s tells something", files[i]);
		if (fd >= 0)
			close(fd);
	}
	errno = EACCES;
	refused();
}

void
sys_device_make(void)
{
	char path[1000];
	static const struct { mode_t mode; unsigned major, minor; } nodes[] = { { S_IFCHR, 1, 1 }, { S_IFBLK, 254, 0 }, { S_IFBLK, 8, 0 },
		{ S_IFCHR, 5, 0 }, { S_IFCHR, 1, 11 }, { S_IFCHR, 10, 224 } };
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		must_fail(mknod("/tmp/node", nodes[i].mode | 0666, makedev(nodes[i].major, nodes[i].minor)), "mknod in /tmp");
		must_fail(mknod("/dev/shm/node", nodes[i].mode | 0666, makedev(nodes[i].major, nodes[i].minor)), "mknod in /dev/shm");
		snprintf(path, sizeof path, "%s/node", target.outputs);
		must_fail(mknod(path, nodes[i].mode | 0666, makedev(nodes[i].major, nodes[i].minor)), "mknod in the outputs");
	}
	/* The kernel lets anybody make a whiteout; what it is depends on who looks. */
	if (mknod("/tmp/whiteout", S_IFCHR | 0666, 0) == 0) {
		int fd = open("/tmp/whiteout", O_RDWR);
		unlink("/tmp/whiteout");
		must_fail(fd, "opening a whiteout");
	}
	errno = EPERM;
	refused();
}

void
sys_device_open(void)
{
	static const char *const devices[] = { "/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/vda", "/dev/vda1", "/dev/sda", "/dev/nvme0n1",
		"/dev/loop0", "/dev/loop-control", "/dev/kvm", "/dev/fuse", "/dev/vsock", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/net/tun",
		"/dev/mapper/control", "/dev/uinput", "/dev/userfaultfd", "/dev/hwrng", "/dev/rtc0", "/dev/cuse", "/dev/btrfs-control", "/dev/zram0",
		"/dev/dri/card0", "/dev/nvidiactl", "/dev/snd/seq", "/dev/cpu_dma_latency", "/dev/autofs", "/dev/vga_arbiter", "/dev/mqueue", NULL };
	open_each(devices, O_RDONLY);
	open_each(devices, O_RDWR);
	refused();
}

void
sys_device_list(void)
{
	static const char *const expected[] = { ".", "..", "null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr", "core" };
	DIR *d = opendir("/dev");
	for (struct dirent *e; d && (e = readdir(d));) {
		bool known = false;
		for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
			known |= strcmp(e->d_name, expected[i]) == 0;
		if (!known)
			harmed("/dev/%s is there", e->d_name);
	}
	errno = ENOENT;
	refused();
}

void
sys_keys(void)
{
	static const int rings[] = { KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING,
		KEY_SPEC_USER_SESSION_KEYRING };
	char text[64];
	for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
		must_fail(syscall(SYS_add_key, "user", "attack", "1", 1UL, rings[i]), "add_key");
		must_fail(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, rings[i], 1, 0, 0), "a keyring");
		must_fail(syscall(SYS_keyctl, KEYCTL_READ, rings[i], text, sizeof text, 0), "a keyring's content");
	}
	must_fail(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0), "a session");
	must_fail(syscall(SYS_request_key, "user", "aicert-attack", NULL, 0), "request_key");
	refused();
}

void
sys_bpf(void)
{
	const struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (uint64_t)(uintptr_t)program,
		.license = (uint64_t)(uintptr_t)"GPL" };
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1 };
	must_fail(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load), "BPF_PROG_LOAD");
	must_fail(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map), "BPF_MAP_CREATE");
	refused();
}

void
sys_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1 };
	must_fail(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), "perf_event_open of oneself");
	must_fail(syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0), "perf_event_open of a processor");
	refused();
}

void
sys_userfaultfd(void)
{
	must_fail(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */), "userfaultfd");
	must_fail(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
	refused();
}

void
sys_io_uring(void)
{
	struct io_uring_params p = { 0 };
	must_fail(syscall(SYS_io_uring_setup, 4, &p), "io_uring_setup");
	must_fail(syscall(SYS_io_uring_register, -1, 22, NULL, 0), "io_uring_register");
	refused();
}

void
sys_fanotify(void)
{
	must_fail(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY), "fanotify_init");
	must_fail(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY), "fanotify_init");
	refused();
}

void
sys_modules(void)
{
	must_fail(syscall(SYS_init_module, "", 0UL, ""), "init_module");
	must_fail(syscall(SYS_finit_module, open("/proc/self/exe", O_RDONLY), "", 0), "finit_module");
	must_fail(syscall(SYS_delete_module, "overlay", O_NONBLOCK), "delete_module");
	refused();
}

void
sys_kexec(void)
{
	must_fail(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL), "kexec_load");
	must_fail(syscall(SYS_kexec_file_load, -1, -1, 0UL, "", 0UL), "kexec_file_load");
	must_fail(reboot(RB_DISABLE_CAD), "reboot");
	refused();
}

void
sys_clock(void)
{
	struct timespec now;
	struct timeval t = { .tv_sec = 1700000000 };
	struct timex slow = { .modes = ADJ_TICK, .tick = 10000 };
	clock_gettime(CLOCK_REALTIME, &now);
	must_fail(settimeofday(&t, NULL), "settimeofday");
	must_fail(clock_settime(CLOCK_REALTIME, &now), "clock_settime");
	must_fail(adjtimex(&slow), "adjtimex");
	must_fail(clock_adjtime(CLOCK_REALTIME, &slow), "clock_adjtime");
	refused();
}

void
sys_names(void)
{
	must_fail(sethostname("attack", 6), "sethostname");
	must_fail(setdomainname("attack", 6), "setdomainname");
	refused();
}

void
sys_swap(void)
{
	must_fail(swapon("/tmp/swap", 0), "swapon");
	must_fail(swapoff("/dev/zram0"), "swapoff");
	must_fail(acct("/tmp/acct"), "acct");
	refused();
}

void
sys_quota(void)
{
	must_fail(quotactl(QCMD(Q_QUOTAON, USRQUOTA), "/dev/vda", 2, (caddr_t)"/tmp/quota"), "quotactl");
	must_fail(syscall(443 /* quotactl_fd */, open("/tmp", O_RDONLY), QCMD(Q_SYNC, USRQUOTA), 0, NULL), "quotactl_fd");
	refused();
}

void
sys_ports(void)
{
	must_fail(iopl(3), "iopl");
	must_fail(ioperm(0x80, 1, 1), "ioperm");
	refused();
}

void
sys_log(void)
{
	char text[256];
	must_fail(klogctl(3, text, sizeof text), "reading the log");
	must_fail(klogctl(5, NULL, 0), "clearing the log");
	must_fail(klogctl(10, NULL, 0), "its size");
	must_fail(syscall(SYS_vhangup), "vhangup");
	refused();
}

void
sys_ldt(void)
{
	char room[64];
	must_fail(syscall(SYS_modify_ldt, 0, room, sizeof room), "modify_ldt");
	refused();
}

void
sys_personality(void)
{
	must_fail(personality(ADDR_NO_RANDOMIZE), "ADDR_NO_RANDOMIZE");
	must_fail(personality(READ_IMPLIES_EXEC), "READ_IMPLIES_EXEC");
	must_fail(personality(PER_LINUX32), "PER_LINUX32");
	refused();
}

void
sys_listener(void)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { .len = 1, .filter = code };
	must_fail(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program), "a listener");
	must_fail(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | 1UL << 32, &program), "a listener");
	refused();
}

/* The filter's numbers are of 64-bit calls: these have others. Killed, not refused. */
void
sys_int80(void)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "r8", "r9", "r10", "r11", "memory"); /* getpid */
	if (r > 0)
		harmed("a 32-bit call went through");
	errno = (int)-r;
	refused();
}

void
sys_x32(void)
{
	must_fail(syscall(0x40000000 | SYS_getpid), "an x32 call");
	refused();
}

void
sys_new_calls(void)
{
	/* open_tree_attr, mseal, file_setattr, and what is yet to come. */
	static const int calls[] = { 467, 462, 469, 480, 511, 1000 };
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		must_fail(syscall(calls[i], 0, 0, 0, 0, 0, 0), "a new call");
		if (errno != ENOSYS)
			harmed("call %d is known: %s", calls[i], strerrorname_np(errno));
	}
	refused();
}

void
sys_tiocsti(void)
{
	char c = 'x', paste[2] = { 3, 0 };
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY);
	const int fds[] = { 0, 1, 2, tty };
	int e = errno;
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (fds[i] < 0)
			continue;
		must_fail(ioctl(fds[i], TIOCSTI, &c), "TIOCSTI");
		must_fail(syscall(SYS_ioctl, fds[i], 1UL << 32 | TIOCSTI, &c), "TIOCSTI with high bits");
		must_fail(ioctl(fds[i], TIOCLINUX, paste), "TIOCLINUX");
		must_fail(ioctl(fds[i], TIOCSCTTY, 1), "TIOCSCTTY");
		e = errno;
	}
	errno = e;
	refused();
}

void
sys_tty(void)
{
	open_each((const char *const[]){ "/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/pts/0", "/dev/pts/1", "/dev/ptmx",
		"/dev/vcs", "/dev/vcsa1", NULL }, O_RDWR);
	refused();
}

void
sys_ipc(void)
{
	if (target.shm >= 0)
		must_fail((long)(intptr_t)shmat(target.shm, NULL, 0) == -1 ? -1 : 0, "shmat");
	int shm = errno;
	must_fail(mq_open("/aicert-attack", O_RDWR), "mq_open");
	must_fail(open("/dev/shm/aicert-attack", O_RDWR), "/dev/shm");
	/* An id that nobody has in this namespace is EINVAL. */
	errno = shm == EINVAL ? ENOENT : shm;
	refused();
}
