/* attack_mounts.c -- attacks by namespaces and mounts.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

static void
namespace(unsigned long flag, const char *what)
{
	must_fail(unshare((int)flag), what);
	long pid = flag & 0xff ? -1 : syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	must_fail(pid, what);
	struct clone_args args = { .flags = flag, .exit_signal = SIGCHLD };
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(0);
	must_fail(pid, what);
}

void
ns_user(void)
{
	namespace(CLONE_NEWUSER, "a user namespace");
	namespace(CLONE_NEWUSER | CLONE_NEWNS, "a user and mount namespace");
	refused();
}

void
ns_each(void)
{
	namespace(CLONE_NEWNS, "mount");
	namespace(CLONE_NEWNET, "net");
	namespace(CLONE_NEWPID, "pid");
	namespace(CLONE_NEWIPC, "ipc");
	namespace(CLONE_NEWUTS, "uts");
	namespace(CLONE_NEWCGROUP, "cgroup");
	namespace(CLONE_NEWTIME, "time");
	refused();
}

static const char *const kinds[] = { "mnt", "net", "pid", "ipc", "uts", "user", "cgroup", "time", "pid_for_children" };
#define N_KINDS (sizeof kinds / sizeof *kinds)

void
ns_setns(void)
{
	const int whose[] = { 1, getppid(), target.victim, getpid() };
	int e = ENOENT;
	for (size_t w = 0; w < sizeof whose / sizeof *whose; w++) {
		for (size_t i = 0; i < N_KINDS; i++) {
			char path[64];
			snprintf(path, sizeof path, "/proc/%d/ns/%s", whose[w], kinds[i]);
			int fd = open(path, O_RDONLY);
			if (fd < 0)
				continue;
			must_fail(setns(fd, 0), path);
			e = errno;
		}
		int pidfd = (int)syscall(SYS_pidfd_open, whose[w], 0);
		if (pidfd >= 0)
			must_fail(setns(pidfd, CLONE_NEWNS | CLONE_NEWUSER), "setns by pidfd");
	}
	errno = e == EINVAL ? EPERM : e; /* entering the user namespace one is in */
	refused();
}

void
ns_owner(void)
{
	int got = 0;
	for (size_t i = 0; i < N_KINDS; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
		int fd = open(path, O_RDONLY);
		int owner = ioctl(fd, NS_GET_USERNS), parent = ioctl(fd, NS_GET_PARENT);
		for (int k = 0; k < 2; k++) {
			int ns = k ? parent : owner;
			if (ns < 0)
				continue;
			got++;
			must_fail(setns(ns, 0), "entering an owner or parent");
		}
	}
	if (got)
		no_effect("%d of the step's own were shown, and none can be entered", got);
	errno = EPERM;
	refused();
}

void
ns_maps(void)
{
	write_each((const char *const[]){ "/proc/self/uid_map", "/proc/self/gid_map", "/proc/1/uid_map", NULL }, "0 0 1");
	write_each((const char *const[]){ "/proc/self/setgroups", NULL }, "allow");
	write_each((const char *const[]){ "/proc/self/timens_offsets", NULL }, "monotonic 1000 0");
	errno = EPERM;
	refused();
}

void
mount_new(void)
{
	static const char *const types[] = { "tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs", "bpf", "mqueue",
		"ramfs", "devtmpfs", "configfs", "fusectl", "hugetlbfs" };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		must_fail(mount("none", "/tmp", types[i], 0, NULL), types[i]);
	must_fail(mount("none", "/tmp", "overlay", 0, "lowerdir=/usr,upperdir=/tmp,workdir=/tmp"), "overlay");
	must_fail(mount("/dev/vda", "/tmp", "ext4", 0, NULL), "ext4");
	must_fail(mount("none", "/tmp", "cgroup", 0, "rdma"), "cgroup with release_agent");
	refused();
}

void
mount_bind(void)
{
	static const char *const places[] = { "/", "/usr", "/proc/sys", "/etc", "/workspace", "/dev" };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		must_fail(mount(places[i], "/tmp", NULL, MS_BIND | MS_REC, NULL), "bind");
		must_fail(mount(NULL, places[i], NULL, MS_REMOUNT | MS_BIND, NULL), "remount writable");
		must_fail(mount(places[i], "/tmp", NULL, MS_MOVE, NULL), "move");
		must_fail(mount(NULL, places[i], NULL, MS_SHARED | MS_REC, NULL), "make shared");
	}
	must_fail(mount(target.input, target.outputs, NULL, MS_BIND, NULL), "bind");
	refused();
}

void
mount_umount(void)
{
	static const char *const covers[] = { "/proc/sys", "/proc/kcore", "/proc", "/dev/shm", "/tmp", "/usr", "/" };
	for (size_t i = 0; i < sizeof covers / sizeof *covers; i++) {
		must_fail(umount2(covers[i], 0), covers[i]);
		must_fail(umount2(covers[i], MNT_DETACH), covers[i]);
	}
	must_fail(umount2(target.input, MNT_DETACH), target.input);
	refused();
}

void
mount_api(void)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	must_fail(fsopen("tmpfs", 0), "fsopen");
	must_fail(fspick(AT_FDCWD, "/", 0), "fspick");
	must_fail(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE), "open_tree");
	must_fail(move_mount(AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0), "move_mount");
	must_fail(mount_setattr(AT_FDCWD, "/usr", 0, &writable, sizeof writable), "mount_setattr");
	must_fail(mount_setattr(AT_FDCWD, target.input, 0, &writable, sizeof writable), "mount_setattr");
	refused();
}

void
mount_root(void)
{
	must_fail(syscall(SYS_pivot_root, "/workspace", "/workspace"), "pivot_root");
	must_fail(chroot("/workspace"), "chroot");
	must_fail(chroot("/tmp"), "chroot");
	refused();
}

void
mount_list(void)
{
	struct { uint32_t size, spare; uint64_t id, param; } ask = { .size = sizeof ask, .id = ~0ULL, .param = 2 };
	uint64_t ids[64];
	long n = syscall(458 /* listmount */, &ask, ids, 64UL, 0UL);
	if (n > 0)
		harmed("listmount told of %ld mounts", n);
	must_fail(n, "listmount");
	must_fail(syscall(457 /* statmount */, &ask, ids, sizeof ids, 0), "statmount");
	refused();
}

void
mount_cgroup(void)
{
	static const char *const files[] = { "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/release_agent",
		"/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/cgroup.subtree_control",
		"/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/rdma/release_agent", NULL };
	open_each(files, O_WRONLY);
	must_fail(mkdir("/sys/fs/cgroup/attack", 0755), "a group");
	refused();
}
