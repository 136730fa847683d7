/* attack_inputs.c -- attacks on what a step is given: its inputs are the store's very objects.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

/* The input's file and its folder, at each place of the step where one lies. */
static const char *
input(const char *name)
{
	static char path[4][1000];
	static int i;
	i = (i + 1) % 4;
	snprintf(path[i], sizeof path[i], "%s%s%s", target.input, *name ? "/" : "", name);
	return path[i];
}

void
input_write(void)
{
	open_each((const char *const[]){ input("data"), input("sub/more"), NULL }, O_WRONLY);
	open_each((const char *const[]){ input("data"), input("sub/more"), NULL }, O_RDWR);
	open_each((const char *const[]){ input("data"), NULL }, O_WRONLY | O_APPEND);
	open_each((const char *const[]){ input("data"), NULL }, O_WRONLY | O_TRUNC);
	refused();
}

void
input_reopen(void)
{
	char path[64];
	int fd = open(input("data"), O_RDONLY);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	must_fail(open(path, O_RDWR), path);
	int handle = open(input("data"), O_PATH);
	snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
	must_fail(open(path, O_WRONLY), path);
	must_fail(write(fd, "x", 1) == 1 ? 0 : -1, "write to a reading descriptor");
	must_fail(open(path, O_WRONLY | O_TRUNC), path);
	refused();
}

void
input_truncate(void)
{
	must_fail(truncate(input("data"), 0), "truncate");
	int fd = open(input("data"), O_RDONLY);
	must_fail(ftruncate(fd, 0), "ftruncate");
	must_fail(truncate(input("sub/more"), 1000), "truncate");
	refused();
}

void
input_mode(void)
{
	int fd = open(input("data"), O_RDONLY);
	must_fail(chmod(input("data"), 0777), "chmod");
	must_fail(fchmod(fd, 0777), "fchmod");
	must_fail(chown(input("data"), getuid(), getgid()), "chown");
	must_fail(fchown(fd, getuid(), getgid()), "fchown");
	must_fail(chmod(input(""), 0777), "chmod of the folder");
	must_fail(chmod(input("sub"), 0777), "chmod of the folder");
	refused();
}

void
input_times(void)
{
	const struct timespec t[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = open(input("data"), O_RDONLY);
	must_fail(utimensat(AT_FDCWD, input("data"), NULL, 0), "utimensat");
	must_fail(utimensat(AT_FDCWD, input("sub"), t, 0), "utimensat");
	must_fail(futimens(fd, t), "futimens");
	refused();
}

void
input_xattr(void)
{
	int fd = open(input("data"), O_RDONLY), flags = 0;
	must_fail(setxattr(input("data"), "user.attack", "1", 1, 0), "setxattr");
	must_fail(fsetxattr(fd, "user.attack", "1", 1, 0), "fsetxattr");
	must_fail(setxattr(input("data"), "security.capability", "1", 1, 0), "setxattr");
	must_fail(setxattr(input(""), "user.overlay.opaque", "y", 1, 0), "setxattr");
	must_fail(ioctl(fd, FS_IOC_SETFLAGS, &flags), "FS_IOC_SETFLAGS");
	refused();
}

void
input_unlink(void)
{
	must_fail(unlink(input("data")), "unlink");
	must_fail(unlink(input("sub/more")), "unlink");
	must_fail(rmdir(input("sub")), "rmdir");
	must_fail(rmdir(input("")), "rmdir");
	refused();
}

void
input_rename(void)
{
	char path[1000];
	snprintf(path, sizeof path, "%s/moved", target.outputs);
	must_fail(rename(input("data"), path), "away");
	must_fail(rename(input("data"), input("other")), "within");
	must_fail(rename(input(""), path), "the whole input");
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	must_fail(rename(path, input("data")), "something over it");
	must_fail(renameat2(AT_FDCWD, path, AT_FDCWD, input("data"), RENAME_EXCHANGE), "exchange");
	int e = errno;
	close(fd);
	unlink(path);
	errno = e;
	refused();
}

void
input_link(void)
{
	char to[1000], from[64];
	snprintf(to, sizeof to, "%s/linked", target.outputs);
	must_fail(link(input("data"), to), "link");
	must_fail(link(input("data"), "/tmp/linked"), "link");
	must_fail(link(input("data"), input("linked")), "link");
	int fd = open(input("data"), O_RDONLY);
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	must_fail(linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW), "linkat by /proc/self/fd");
	must_fail(linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH), "linkat of a descriptor");
	refused();
}

void
input_map(void)
{
	int fd = open(input("data"), O_RDONLY);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		harmed("mapped writable");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		must_fail(mprotect(p, 4096, PROT_READ | PROT_WRITE), "mprotect");
	refused();
}

void
input_clone(void)
{
	char path[] = "/tmp/clone.XXXXXX";
	int own = mkstemp(path), fd = open(input("data"), O_RDONLY);
	loff_t from = 0, to = 0;
	unlink(path);
	if (own < 0 || write(own, "evil", 4) != 4 || fd < 0)
		no_effect("nothing to copy");
	must_fail(ioctl(fd, FICLONE, own), "FICLONE");
	must_fail(copy_file_range(own, &from, fd, &to, 4, 0), "copy_file_range");
	must_fail(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), "fallocate");
	/* Each of these wants a descriptor open for writing: what stands in the way is that there is none. */
	if (errno == EBADF || errno == EINVAL || errno == EOPNOTSUPP)
		refused_as("%s: only a reading descriptor", strerrorname_np(errno));
	refused();
}

void
input_lease(void)
{
	int fd = open(input("data"), O_RDONLY);
	must_fail(fcntl(fd, F_SETLEASE, F_WRLCK), "a write lease");
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		no_effect("a read lease holds up writers only, and nobody writes to an object");
	refused();
}

void
input_folder(void)
{
	open_each((const char *const[]){ input("new"), input("sub/new"), NULL }, O_WRONLY | O_CREAT);
	must_fail(mkdir(input("new"), 0700), "mkdir");
	must_fail(symlink("/tmp", input("new")), "symlink");
	must_fail(mkfifo(input("new"), 0600), "mkfifo");
	must_fail(rename(input("sub"), input("bus")), "rename");
	must_fail(open(input(""), O_TMPFILE | O_RDWR, 0600), "O_TMPFILE");
	refused();
}

void
input_program(void)
{
	open_each((const char *const[]){ "/proc/self/exe", NULL }, O_RDWR);
	open_each((const char *const[]){ "/proc/1/exe", NULL }, O_RDWR);
	must_fail(chmod("/proc/self/exe", 0777), "chmod");
	refused();
}
