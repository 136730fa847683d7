/* attack_files.c -- attacks on the machine's files.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

static void
steal_below(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The secret below a folder that might be the machine's root. */
static void
steal_below(const char *fmt, ...)
{
	char folder[300], path[1000];
	va_list args;
	va_start(args, fmt);
	vsnprintf(folder, sizeof folder, fmt, args);
	va_end(args);
	snprintf(path, sizeof path, "%s%s", folder, target.secret);
	steal(path);
}

void
file_absolute(void)
{
	steal(target.secret);
	refused();
}

void
file_dotdot(void)
{
	steal_below("../../../../../../../../../../../..");
	steal_below("/..");
	steal_below("%s/../../../../../..", target.input);
	int fd = open("/", O_PATH | O_DIRECTORY);
	for (int i = 0; i < 20; i++)
		fd = openat(fd, "..", O_PATH | O_DIRECTORY);
	if (fchdir(fd) == 0)
		steal(target.secret + 1);
	refused();
}

void
file_proc_1_root(void)
{
	steal_below("/proc/1/root");
	steal_below("/proc/1/cwd/../../../../..");
	steal_below("/proc/1/task/1/root");
	refused();
}

void
file_proc_self_root(void)
{
	steal_below("/proc/self/root");
	steal_below("/proc/self/root/..");
	steal_below("/proc/self/task/self/root");
	steal_below("/proc/thread-self/root/../..");
	refused();
}

void
file_proc_others(void)
{
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		steal_below("/proc/%.20s/root", e->d_name);
		steal_below("/proc/%.20s/cwd/../../../../../../..", e->d_name);
		for (int fd = 0; fd < 64; fd++)
			steal_below("/proc/%.20s/fd/%d/../../../../../../..", e->d_name, fd);
	}
	errno = ENOENT;
	refused();
}

void
file_handle(void)
{
	struct { struct file_handle h; unsigned char bytes[128]; } at = { .h.handle_bytes = 128 };
	int id;
	must_fail(name_to_handle_at(AT_FDCWD, "/", &at.h, &id, 0), "name_to_handle_at");
	/* The root of an ext4: inode 2, any generation. */
	at.h.handle_bytes = 8;
	at.h.handle_type = 1;
	memcpy(at.bytes, "\2\0\0\0\0\0\0\0", 8);
	int mount_fd = open("/workspace", O_RDONLY | O_DIRECTORY);
	if (mount_fd < 0)
		mount_fd = open("/", O_RDONLY | O_DIRECTORY);
	must_fail(open_by_handle_at(mount_fd, &at.h, O_RDONLY), "open_by_handle_at");
	refused();
}

void
file_old_root(void)
{
	open_each((const char *const[]){ "/.old", "/oldroot", "/newroot", "/old_root", "/put_old", "/run/lower", "/mnt", "/host", NULL },
		O_RDONLY | O_DIRECTORY);
	refused();
}

void
file_chroot_out(void)
{
	char folder[] = "/tmp/out.XXXXXX";
	int up = open("/", O_RDONLY | O_DIRECTORY);
	if (!mkdtemp(folder))
		no_effect("no folder");
	if (chroot(folder) < 0) {
		rmdir(folder);
		errno = EPERM;
		refused();
	}
	for (int i = 0; i < 64 && fchdir(up) == 0 && chdir("..") == 0; i++)
		;
	must_fail(chroot("."), "chroot");
	refused();
}

void
file_write(void)
{
	char path[1000];
	snprintf(path, sizeof path, "%s/made-by-the-attack", target.folder);
	must_fail(open(path, O_WRONLY | O_CREAT, 0666), path);
	must_fail(mkdir(path, 0777), path);
	must_fail(symlink("/", path), path);
	must_fail(truncate(target.secret, 0), target.secret);
	must_fail(rename(target.secret, path), target.secret);
	must_fail(unlink(target.secret), target.secret);
	refused();
}

void
file_machine_secrets(void)
{
	open_each((const char *const[]){ "/etc/shadow", "/etc/gshadow", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssl/private",
		"/etc/sudoers", "/etc/fstab", "/var/lib", "/var/log", "/boot", "/srv", "/media", "/lost+found", "/root/.ssh",
		"/root/.bashrc", "/root/.netrc", "/run/secrets", "/run/user", "/run/systemd", "/sys/kernel", "/sys/class", NULL }, O_RDONLY);
	refused();
}

void
file_store(void)
{
	static const char *const parts[] = { "", "/cache", "/cache/objects", "/cache/store.db", "/cache/tmp", "/cache/logs", "/data" };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char path[1000];
		snprintf(path, sizeof path, "%s%s", target.home, parts[i]);
		open_each((const char *const[]){ path, NULL }, O_RDONLY);
	}
	refused();
}

void
file_tpm(void)
{
	char state[1000];
	snprintf(state, sizeof state, "%s/data/tpm", target.home);
	open_each((const char *const[]){ "/dev/tpm0", "/dev/tpmrm0", "/dev/tpm1", "/dev/tpmrm1", "/sys/class/tpm", "/sys/kernel/security/tpm0",
		"/var/lib/tpm", state, NULL }, O_RDONLY);
	refused();
}

void
file_descriptors(void)
{
	for (int fd = 0; fd < 4096; fd++) {
		char link[64], to[300] = "";
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		if (readlink(link, to, sizeof to - 1) < 0)
			to[0] = '\0';
		/* SAY, which is 64, is our own. */
		if (fd > 2 && fd != 64)
			harmed("descriptor %d is open: %s", fd, to);
		if (fd <= 2 && strncmp(to, "pipe:", 5) != 0 && strcmp(to, "/dev/null") != 0)
			harmed("descriptor %d leads to %s", fd, to);
	}
	errno = ENOENT;
	refused();
}

void
file_environment(void)
{
	static const char *const ours[] = { "AICERT_HOME", "XDG_CACHE_HOME", "SSH_AUTH_SOCK", "GITHUB_TOKEN", "HF_TOKEN", "LD_PRELOAD",
		"AICERT_TPM", "DBUS_SESSION_BUS_ADDRESS", "ATTACK_SECRET" };
	for (char **e = environ; *e; e++)
		if (strstr(*e, SECRET))
			harmed("the environment holds %s", *e);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (getenv(ours[i]))
			harmed("the environment has %s", ours[i]);
	errno = ENOENT;
	refused();
}

void
file_system_write(void)
{
	static const char *const files[] = { "/bin/sh", "/bin/busybox", "/usr/bin/env", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/ld.so.cache",
		"/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/usr/bin/python3", NULL };
	static const char *const made[] = { "/etc/ld.so.preload", "/new", "/usr/new", "/bin/new", "/lib/new", "/dev/new", "/etc/new", "/proc/new",
		"/run/new", "/var/new", "/root/new", "/home/new", "/opt/new", NULL };
	open_each(files, O_WRONLY);
	open_each(files, O_RDWR | O_APPEND);
	open_each(made, O_WRONLY | O_CREAT);
	for (const char *const *m = made; *m; m++) {
		must_fail(mkdir(*m, 0700), *m);
		must_fail(symlink("/tmp", *m), *m);
	}
	refused();
}

void
file_system_metadata(void)
{
	static const char *const files[] = { "/", "/dev", "/etc", "/usr", "/bin", "/bin/sh", "/etc/passwd", "/etc/hosts", "/dev/null", "/dev/zero",
		"/dev/urandom", "/proc" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		must_fail(chmod(files[i], 0777), files[i]);
		must_fail(chown(files[i], getuid(), getgid()), files[i]);
		must_fail(utimensat(AT_FDCWD, files[i], NULL, 0), files[i]);
		must_fail(setxattr(files[i], "user.attack", "1", 1, 0), files[i]);
	}
	refused();
}

/* The status of a program, or -1 when it cannot be started. */
static int
start(const char *path, char *const argv[])
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2)
			execv(path, argv);
		_exit(99);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A copy of this program that says which user it is (main: 7, or 77 as root). */
void
file_setuid_bit(void)
{
	char path[] = "/tmp/setuid.XXXXXX", chunk[1 << 16];
	int in = open("/proc/self/exe", O_RDONLY), out = mkostemp(path, O_CLOEXEC);
	ssize_t n;
	while (in >= 0 && out >= 0 && (n = read(in, chunk, sizeof chunk)) > 0)
		if (write(out, chunk, (size_t)n) != n)
			no_effect("no room for a program");
	if (in < 0 || out < 0)
		refused();
	/* root's set-user-id bit is what a step would want; its own is what it can make. */
	if (fchown(out, 0, 0) == 0)
		harmed("a file became root's");
	if (fchmod(out, 06755) < 0)
		refused();
	close(out);
	int status = start(path, (char *[]){ path, (char *)"whoami", NULL });
	unlink(path);
	/* An image may bring one along that is root's. */
	if (start("/bin/suid", (char *[]){ (char *)"/bin/suid", (char *)"whoami", NULL }) == 77)
		harmed("an image's program ran as root");
	if (status == 77)
		harmed("a program ran as root");
	if (status != 7)
		no_effect("the program did not run: status %d", status);
	no_effect("it ran as the step's own user");
}

void
file_su(void)
{
	static char *const programs[][6] = {
		{ (char *)"/bin/su", (char *)"root", (char *)"-c", (char *)"true", NULL },
		{ (char *)"/usr/bin/sudo", (char *)"-n", (char *)"true", NULL },
		{ (char *)"/usr/bin/pkexec", (char *)"true", NULL },
		{ (char *)"/bin/mount", (char *)"-t", (char *)"tmpfs", (char *)"tmpfs", (char *)"/tmp", NULL },
		{ (char *)"/usr/bin/newgrp", (char *)"root", NULL },
		{ (char *)"/usr/bin/passwd", (char *)"-d", (char *)"root", NULL },
		{ (char *)"/usr/bin/newuidmap", (char *)"1", (char *)"0", (char *)"0", (char *)"1", NULL },
	};
	int ran = 0;
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		int status = start(programs[i][0], programs[i]);
		if (status == 0)
			harmed("%s did it", programs[i][0]);
		ran += status != 99;
	}
	refused_as("%d programs ran and failed", ran);
}
