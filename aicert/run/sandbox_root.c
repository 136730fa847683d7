/* sandbox_root.c -- the tree that a step sees.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "run/sandbox_box.h"

/* Until the tree stands, the machine's own is reached here. */
#define OLD "/.old"

/* The machine's system folders: each as a link where it is one there (merged /usr), else bound. */
static const char *const host_folders[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt" };

/*
 * What programs need of the machine's /etc: how libraries are found, which alternative is meant, certificates, fonts, names
 * of types and protocols. Nothing of users, keys, the network or this machine's name.
 */
static const char *const host_etc[] = {
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/ssl/openssl.cnf", "/etc/ssl/certs",
	"/etc/pki/tls/openssl.cnf", "/etc/crypto-policies", "/etc/ca-certificates.conf", "/etc/fonts", "/etc/mime.types", "/etc/magic",
	"/etc/magic.mime", "/etc/protocols", "/etc/services", "/etc/os-release", "/etc/debian_version", "/etc/locale.alias", "/etc/inputrc",
	"/etc/terminfo", "/etc/matplotlibrc", "/etc/perl", "/etc/OpenCL",
};
/* And the folders of /etc whose names begin so. */
static const char *const host_etc_prefixes[] = { "python", "java-", "R", "ImageMagick-" };

/* The same on every machine, whoever runs it. */
static const struct { const char *path, *text; } made[] = {
	{ "/etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\naicert:x:1000:1000:aicert:/home/aicert:/bin/sh\n"
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "/etc/group", "root:x:0:\naicert:x:1000:\nnogroup:x:65534:\n" },
	{ "/etc/hosts", "127.0.0.1 localhost aicert\n::1 localhost ip6-localhost ip6-loopback\n" },
	{ "/etc/hostname", "aicert\n" },
	{ "/etc/host.conf", "multi on\n" },
	{ "/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n" },
	{ "/etc/timezone", "Etc/UTC\n" },
};

static const struct { const char *path, *target; } links[] = {
	{ "/dev/fd", "/proc/self/fd" }, { "/dev/stdin", "/proc/self/fd/0" }, { "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" }, { "/etc/localtime", "/usr/share/zoneinfo/Etc/UTC" }, { "/etc/mtab", "/proc/self/mounts" },
	{ "/var/tmp", "/tmp" }, { "/workspace/workspace", "." },
};

static const char *const folders[] = { "/proc", "/dev", "/etc", "/tmp", "/run", "/var", "/root", "/home", AI_BOX_HOME, "/workspace", "/dev/shm" };
static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };

/* Parts of /proc that act on or tell of the whole machine; the first are made read-only, the others empty. */
static const char *const proc_read_only[] = { "/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi",
	"/proc/scsi", "/proc/driver" };
static const char *const proc_empty[] = { "/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
	"/proc/latency_stats", "/proc/kallsyms", "/proc/kmsg" };

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

static int
add_host(struct ai_box *b, size_t *cap, const char *path, struct ai_err *err)
{
	if (ai_grow(&b->host, cap, b->n_host, sizeof *b->host, err) < 0)
		return err->code;
	b->host[b->n_host] = ai_strdup(path);
	return b->host[b->n_host++] ? 0 : ai_nomem(err);
}

static int
add_etc(struct ai_box *b, size_t *cap, const char *name, struct ai_err *err)
{
	for EACH(i, host_etc_prefixes) {
		if (strncmp(name, host_etc_prefixes[i], strlen(host_etc_prefixes[i])) != 0)
			continue;
		AI_FREE char *path = ai_join("/etc", name);
		return path ? add_host(b, cap, path, err) : ai_nomem(err);
	}
	return 0;
}

int
ai_box_host_paths(struct ai_box *b, struct ai_err *err)
{
	size_t cap = 0;
	for EACH(i, host_folders)
		if (add_host(b, &cap, host_folders[i], err) < 0)
			return err->code;
	for (size_t i = 0; b->s->extra_host && b->s->extra_host[i]; i++)
		if (add_host(b, &cap, b->s->extra_host[i], err) < 0)
			return err->code;
	for EACH(i, host_etc)
		if (add_host(b, &cap, host_etc[i], err) < 0)
			return err->code;
	DIR *d = opendir("/etc");
	int r = 0;
	for (struct dirent *e; d && r == 0 && (e = readdir(d));)
		r = add_etc(b, &cap, e->d_name, err);
	if (d)
		closedir(d);
	return r;
}

/* A path of the machine's tree, links resolved as they are there and not as they would be here. */
static int
open_old(const char *path, unsigned long long flags)
{
	AI_FD old = open(OLD, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	return old < 0 ? -1 : (int)syscall(SYS_openat2, old, path, &how, sizeof how);
}

/* What fd names, with all that is mounted below it, also at `to`. */
static int
bind_fd(const struct ai_box *b, int fd, const char *to, unsigned long long attrs, struct ai_err *err)
{
	struct stat st;
	AI_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot look at it", to);
	AI_FD at = -1;
	if (ai_box_point(b, root, to + 1, S_ISDIR(st.st_mode), strncmp(to, "/workspace/", 11) == 0, &at, err) < 0)
		return err->code;
	AI_FD tree = open_tree(fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot bind", to);
	struct mount_attr attr = { .attr_set = attrs, .propagation = MS_PRIVATE };
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot restrict the mount (Linux 5.13 or newer is needed)", to);
	if (move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot mount", to);
	return 0;
}

static int
bind_old(const struct ai_box *b, const char *from, const char *to, unsigned long long attrs, struct ai_err *err)
{
	AI_FD fd = open_old(from, 0);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", from);
	return bind_fd(b, fd, to, attrs, err);
}

/* A path of the machine at its own place, read-only: a link as that link, an absent one not at all. */
static int
bind_host(const struct ai_box *b, const char *path, struct ai_err *err)
{
	AI_FD fd = open_old(path, O_NOFOLLOW);
	struct stat st;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	if (!S_ISLNK(st.st_mode))
		return bind_fd(b, fd, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	AI_FREE char *target = calloc(1, (size_t)st.st_size + 1);
	if (!target)
		return ai_nomem(err);
	if (readlinkat(fd, "", target, (size_t)st.st_size) < 0 || (symlink(target, path) < 0 && errno != EEXIST))
		return ai_fail_errno(err, AI_EENV, "%s: cannot link", path);
	return 0;
}

static int
bind_hosts(const struct ai_box *b, struct ai_err *err)
{
	for (size_t i = 0; i < b->n_host; i++)
		if (bind_host(b, b->host[i], err) < 0)
			return err->code;
	return 0;
}

/* A fresh tmpfs becomes the root, the machine's tree lies at OLD. /usr serves as a mount point: it is always there. */
static int
new_root(struct ai_err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		ai_fail_errno(err, AI_EENV, "cannot make mounts private");
		return ai_hint(err, "a security module may take rights away from user namespaces: on Ubuntu, "
			"sysctl kernel.apparmor_restrict_unprivileged_userns=0");
	}
	if (mount("tmpfs", "/usr", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") < 0)
		return ai_fail_errno(err, AI_EENV, "cannot mount a tmpfs");
	if (mkdir("/usr" OLD, 0755) < 0 || syscall(SYS_pivot_root, "/usr", "/usr" OLD) < 0 || chdir("/") < 0)
		return ai_fail_errno(err, AI_EENV, "cannot change the root");
	return 0;
}

static int
make_plain(struct ai_err *err)
{
	for EACH(i, folders)
		if (mkdir(folders[i], 0755) < 0 && errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make folder", folders[i]);
	for EACH(i, made) {
		AI_FD fd = open(made[i].path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make", made[i].path);
		if (ai_write_all(fd, made[i].text, strlen(made[i].text), made[i].path, err) < 0)
			return err->code;
	}
	return 0;
}

/* A /proc of the new pid namespace, without the others' processes. It comes before OLD goes: the kernel gives a user a new one only beside a whole old one. */
static int
mount_proc(const struct ai_box *b, struct ai_err *err)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0) {
		ai_fail_errno(err, AI_EENV, "cannot mount /proc");
		return ai_hint(err, "inside a container, run it with --security-opt systempaths=unconfined, or run aicert outside");
	}
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	for EACH(i, proc_read_only) {
		AI_FD tree = open_tree(AT_FDCWD, proc_read_only[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (tree < 0 && errno == ENOENT)
			continue;
		if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0 ||
		    move_mount(tree, "", AT_FDCWD, proc_read_only[i], MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make it read-only", proc_read_only[i]);
	}
	for EACH(i, proc_empty)
		if (faccessat(AT_FDCWD, proc_empty[i], F_OK, 0) == 0 && bind_old(b, "/dev/null", proc_empty[i], MOUNT_ATTR_RDONLY, err) < 0)
			return err->code;
	return 0;
}

static int
mount_dev(const struct ai_box *b, struct ai_err *err)
{
	for EACH(i, devices)
		if (bind_old(b, devices[i], devices[i], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err) < 0)
			return err->code;
	char options[64];
	if (b->s->memory)
		snprintf(options, sizeof options, "mode=1777,size=%llu", b->s->memory);
	else
		snprintf(options, sizeof options, "mode=1777,size=50%%");
	if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return ai_fail_errno(err, AI_EENV, "/dev/shm: cannot mount");
	return 0;
}

/* A folder of scratch at its place inside. */
static int
bind_scratch(const struct ai_box *b, const char *name, const char *to, struct ai_err *err)
{
	AI_FREE char *from = ai_join(b->s->scratch, name);
	return from ? bind_old(b, from, to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err) : ai_nomem(err);
}

/* A user namespace in which root's files are the step's: what an id-mapped mount needs. */
static int
id_map(const struct ai_box *b)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return -1;
	char path[64], uids[64], gids[64];
	bool mapped = true;
	snprintf(uids, sizeof uids, "0 %u 1\n", b->uid);
	snprintf(gids, sizeof gids, "0 %u 1\n", b->gid);
	for (int i = 0; i < 2 && mapped; i++) {
		const char *text = i ? gids : uids;
		snprintf(path, sizeof path, "/proc/%d/%s_map", pid, i ? "gid" : "uid");
		AI_FD fd = open(path, O_WRONLY | O_CLOEXEC);
		mapped = fd >= 0 && write(fd, text, strlen(text)) > 0;
	}
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	int ns = mapped ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

#define LOWER "/run/lower"

/* Root's input as the step's own, mounted at LOWER for as long as the overlay is being made; *fd is then that. */
static int
own_lower(const struct ai_box *b, int *fd, struct ai_err *err)
{
	AI_FD ns = id_map(b);
	AI_FD tree = open_tree(*fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY, .userns_fd = (unsigned)ns };
	if (ns < 0 || tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0 ||
	    (mkdir(LOWER, 0700) < 0 && errno != EEXIST) || move_mount(tree, "", AT_FDCWD, LOWER, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot give an input to the step's user");
	close(*fd);
	*fd = open(LOWER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? ai_fail_errno(err, AI_EENV, LOWER) : 0;
}

/* Changes go to a folder of scratch; descriptors stand for the paths, whose letters may mean something to overlayfs. */
static int
mount_overlay(const struct ai_box *b, size_t i, struct ai_err *err)
{
	const struct ai_mount *m = &b->s->mounts[i];
	AI_FREE char *up = ai_format("%s/overlay/%zu/upper", b->s->scratch, i);
	AI_FREE char *work = ai_format("%s/overlay/%zu/work", b->s->scratch, i);
	if (!up || !work)
		return ai_nomem(err);
	AI_FD lower_fd = open_old(m->from, 0);
	AI_FD upper_fd = open_old(up, 0);
	AI_FD work_fd = open_old(work, 0);
	AI_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AI_FD at = -1;
	if (lower_fd < 0 || upper_fd < 0 || work_fd < 0 || root < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot overlay", m->to);
	if (ai_box_point(b, root, m->to + 1, true, true, &at, err) < 0 || (b->root && own_lower(b, &lower_fd, err) < 0))
		return err->code;
	char options[256], target[64];
	snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,userxattr",
		lower_fd, upper_fd, work_fd);
	snprintf(target, sizeof target, "/proc/self/fd/%d", at);
	if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot overlay", m->to);
	/* The overlay keeps a mount of its own. */
	return b->root && (umount2(LOWER, MNT_DETACH) < 0 || rmdir(LOWER) < 0) ? ai_fail_errno(err, AI_EENV, LOWER) : 0;
}

static int
mount_declared(const struct ai_box *b, struct ai_err *err)
{
	for (size_t i = 0; i < b->s->n_mounts; i++) {
		const struct ai_mount *m = &b->s->mounts[i];
		int r = 0;
		if (m->how == AI_MOUNT_READ_ONLY)
			r = bind_old(b, m->from, m->to, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
		else if (b->overlay[i])
			r = mount_overlay(b, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
make_links(struct ai_err *err)
{
	for EACH(i, links)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "%s: cannot link", links[i].path);
	return 0;
}

/* The machine's tree goes away, and what is left of ours cannot be changed. */
static int
close_root(struct ai_err *err)
{
	if (umount2(OLD, MNT_DETACH) < 0 || rmdir(OLD) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot let go of the old root");
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	if (mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof read_only) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot make the root read-only");
	return 0;
}

int
ai_box_build(const struct ai_box *b, struct ai_err *err)
{
	if (new_root(err) < 0 || make_plain(err) < 0 || mount_proc(b, err) < 0 || mount_dev(b, err) < 0 ||
	    bind_scratch(b, "workspace", "/workspace", err) < 0 || bind_scratch(b, "tmp", "/tmp", err) < 0 ||
	    bind_scratch(b, "home", AI_BOX_HOME, err) < 0 || bind_hosts(b, err) < 0 || make_links(err) < 0 ||
	    mount_declared(b, err) < 0 || close_root(err) < 0)
		return err->code;
	return 0;
}
