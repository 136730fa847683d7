/* sandbox_root.c -- the tree that a step sees.  SPDX-License-Identifier: Apache-2.0 */
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
#include "base/path.h"
#include "run/box/sandbox_box.h"

/*
 * The tree is built on top of the scratch folder, which this mount namespace then no longer shows, while "/" is still the machine's:
 * so what is mounted is named as the machine names it, and a place is named relative to the new root, the working directory.
 */

static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
static const struct { const char *path, *target; } device_links[] = {
	{ "dev/fd", "/proc/self/fd" }, { "dev/stdin", "/proc/self/fd/0" }, { "dev/stdout", "/proc/self/fd/1" }, { "dev/stderr", "/proc/self/fd/2" },
};

/* Parts of /proc that tell of the whole machine: empty. */
static const char *const proc_empty[] = { "proc/kcore", "proc/keys", "proc/key-users", "proc/timer_list", "proc/sched_debug",
	"proc/latency_stats", "proc/kallsyms", "proc/kmsg" };

/* Folders of scratch and where they stand inside. */
static const struct { const char *name, *to; } scratches[] = { { "workspace", "workspace" }, { "tmp", "tmp" }, { "home", "home/aicert" } };

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

static int
open_at(int dirfd, const char *path, unsigned long long flags, unsigned long long resolve)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve };
	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int
ai_box_bind(int from, int at, unsigned long long attrs, const char *name, struct ai_err *err)
{
	AI_FD tree = open_tree(from, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot bind", name);
	struct mount_attr attr = { .attr_set = attrs, .propagation = MS_PRIVATE };
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot restrict the mount (Linux 5.13 or newer is needed)", name);
	if (move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot mount", name);
	return 0;
}

/* The file or folder from, at a place of the new root that is made unless it is there. */
static int
bind_new(const struct ai_box *b, const struct ai_site *t, const char *from, const char *to, unsigned long long attrs, struct ai_err *err)
{
	struct stat st;
	AI_FD fd = open(from, O_PATH | O_CLOEXEC);
	AI_FD at = -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", from);
	if (ai_box_point(b, t->root, to + 1, S_ISDIR(st.st_mode), strncmp(to, "/workspace/", 11) == 0, &at, err) < 0)
		return err->code;
	return ai_box_bind(fd, at, attrs, to, err);
}

/* --- the root itself --------------------------------------------------------------- */

/*
 * The image, read-only. Where it lacks places that something of the machine's goes to, a folder that has just those is laid
 * over it: the image itself is shared with other steps and cannot be written.
 */
static int
mount_image(const struct ai_box *b, struct ai_site *t, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	const unsigned long long attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	AI_FD image = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (image < 0)
		return ai_fail_errno(err, AI_EENV, "%s", s->root);
	if (!b->found->places)
		return ai_box_bind(image, t->scratch, attrs, "/", err);
	AI_FD places = openat(t->scratch, "places", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char options[128];
	snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,userxattr", places, image);
	if (places < 0 || mount("overlay", s->scratch, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot lay the machine's things over the image: overlayfs is needed");
	return 0;
}

/* What run/box/image_root.h promises. A link there would lead a mount to another place, even to one of the machine's. */
static int
check_image(const struct ai_site *t, struct ai_err *err)
{
	static const char *const needed[] = { "dev", "proc", "tmp", "workspace", "home/aicert" };
	for EACH(i, needed) {
		AI_FD fd = open_at(t->root, needed[i], O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (fd < 0)
			return ai_fail_errno(err, AI_EINPUT, "image: '/%s': expected a folder", needed[i]);
	}
	return 0;
}

/* The shared memory is as large as memory may get: it counts as such. */
static int
mount_tmpfs(const struct ai_box *b, const char *to, struct ai_err *err)
{
	char options[64] = "mode=0755,size=50%";
	if (b->s->memory)
		snprintf(options, sizeof options, "mode=0755,size=%llu", b->s->memory);
	return mount("tmpfs", to, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? ai_fail_errno(err, AI_EENV, "cannot mount a tmpfs") : 0;
}

static int
new_root(const struct ai_box *b, struct ai_site *t, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		ai_fail_errno(err, AI_EENV, "cannot make mounts private");
		return ai_hint(err, "a security module may take rights away from user namespaces: on Ubuntu, "
			"sysctl kernel.apparmor_restrict_unprivileged_userns=0");
	}
	if ((s->root ? mount_image(b, t, err) : mount_tmpfs(b, s->scratch, err)) < 0)
		return err->code;
	t->root = open(s->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0 || fchdir(t->root) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot go to the new root");
	return s->root ? check_image(t, err) : ai_box_host_tree(b, t->root, err);
}

/*
 * A /proc of the new pid namespace, without the others' processes; read-only in the end (close_root). It comes before the
 * machine's goes: the kernel gives a user a new one only beside a whole old one.
 */
static int
mount_proc(struct ai_err *err)
{
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0) {
		ai_fail_errno(err, AI_EENV, "cannot mount /proc");
		return ai_hint(err, "inside a container, run it with --security-opt systempaths=unconfined, or run aicert outside");
	}
	for EACH(i, proc_empty)
		if (mount("/dev/null", proc_empty[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot empty it", proc_empty[i]);
	return 0;
}

/* --- /dev ------------------------------------------------------------------------------ */

/* The machine's node under its own mode. Read-only is about the node (mode, times, attributes), not about the device behind it. */
static int
bind_device(const char *path, struct ai_err *err)
{
	AI_FD fd = open(path + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	if (fd < 0 || mount(path, path + 1, NULL, MS_BIND, NULL) < 0 || mount_setattr(AT_FDCWD, path + 1, 0, &attr, sizeof attr) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot bind", path);
	return 0;
}

/* A tmpfs of ours, in an image; shared memory is a folder of it, mounted once more to be writable. */
static int
mount_dev(const struct ai_box *b, struct ai_err *err)
{
	if (b->s->root && (mount_tmpfs(b, "dev", err) < 0 || mkdir("dev/shm", 0755) < 0))
		return err->code ? err->code : ai_fail_errno(err, AI_EENV, "/dev/shm: cannot make folder");
	for EACH(i, devices)
		if (bind_device(devices[i], err) < 0)
			return err->code;
	for EACH(i, device_links)
		if (symlink(device_links[i].target, device_links[i].path) < 0)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot link", device_links[i].path);
	if (chmod("dev/shm", 01777) < 0 || mount("dev/shm", "dev/shm", NULL, MS_BIND, NULL) < 0)
		return ai_fail_errno(err, AI_EENV, "/dev/shm: cannot mount");
	return 0;
}

/* --- scratch and inputs ------------------------------------------------------------------ */

static int
mount_scratch(const struct ai_site *t, struct ai_err *err)
{
	for EACH(i, scratches) {
		AI_FD from = openat(t->scratch, scratches[i].name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		AI_FD at = open_at(t->root, scratches[i].to, O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (from < 0 || at < 0)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot mount", scratches[i].to);
		if (ai_box_bind(from, at, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, scratches[i].to, err) < 0)
			return err->code;
	}
	return 0;
}

/* A user namespace in which root's files are the step's: what an id-mapped mount needs. */
static int
id_map(const struct ai_box *b, const char *proc)
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
		snprintf(path, sizeof path, "%s/%d/%s_map", proc, pid, i ? "gid" : "uid");
		AI_FD fd = open(path, O_WRONLY | O_CLOEXEC);
		mapped = fd >= 0 && write(fd, text, strlen(text)) > 0;
	}
	snprintf(path, sizeof path, "%s/%d/ns/user", proc, pid);
	int ns = mapped ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

/* The folder fd as the step's own, mounted nowhere yet: a descriptor, or -1 with errno. proc: where this process finds itself. */
static int
given(const struct ai_box *b, const char *proc, int fd)
{
	AI_FD ns = id_map(b, proc);
	AI_FD tree = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY, .userns_fd = (unsigned)ns };
	if (ns < 0 || tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return -1;
	int out = tree;
	tree = -1;
	return out;
}

bool
ai_box_can_give(const struct ai_box *b, int fd)
{
	AI_FD tree = b->root ? given(b, "/proc", fd) : -1;
	return !b->root || tree >= 0 || errno != EINVAL;
}

/* Root's input as the step's own, mounted at its place in scratch for as long as the overlay is being made; *fd is then that. */
static int
own_lower(const struct ai_box *b, int at, int *fd, struct ai_err *err)
{
	/* The new /proc: in the machine's the pid is another. */
	AI_FD tree = given(b, "proc", *fd);
	if (tree < 0 || move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot give an input to the step's user");
	close(*fd);
	*fd = tree;
	tree = -1;
	return 0;
}

static int
open_layer(const struct ai_site *t, size_t i, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "overlay/%zu/%s", i, name);
	return open_at(t->scratch, path, O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Changes go to a folder of scratch; descriptors stand for the paths, whose letters may mean something to overlayfs. */
static int
mount_overlay(const struct ai_box *b, const struct ai_site *t, size_t i, struct ai_err *err)
{
	const struct ai_mount *m = &b->s->mounts[i];
	AI_FD lower_fd = open(m->from, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AI_FD upper_fd = open_layer(t, i, "upper");
	AI_FD work_fd = open_layer(t, i, "work");
	AI_FD own_fd = open_layer(t, i, "lower");
	AI_FD at = -1;
	if (lower_fd < 0 || upper_fd < 0 || work_fd < 0 || own_fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot overlay", m->to);
	if (ai_box_point(b, t->root, m->to + 1, true, true, &at, err) < 0 || (b->root && own_lower(b, own_fd, &lower_fd, err) < 0))
		return err->code;
	char options[256], target[64];
	snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,userxattr",
		lower_fd, upper_fd, work_fd);
	snprintf(target, sizeof target, "/proc/self/fd/%d", at);
	return mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot overlay", m->to) : 0;
}

static int
mount_declared(const struct ai_box *b, const struct ai_site *t, struct ai_err *err)
{
	for (size_t i = 0; i < b->s->n_mounts; i++) {
		const struct ai_mount *m = &b->s->mounts[i];
		int r = 0;
		if (m->how == AI_MOUNT_READ_ONLY)
			r = bind_new(b, t, m->from, m->to, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
		else if (m->how == AI_MOUNT_WRITABLE)
			r = bind_new(b, t, m->from, m->to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
		else if (b->found->overlay[i])
			r = mount_overlay(b, t, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- further things of the machine ------------------------------------------------------- */

/* Into an image, whose links are followed within it; elsewhere the place is made. */
static int
mount_binds(const struct ai_box *b, const struct ai_site *t, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	for (size_t i = 0; i < s->n_binds; i++) {
		const struct ai_bind *bind = &s->binds[i];
		unsigned long long attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (bind->device ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV);
		if (!s->root || bind->device) {
			if (bind_new(b, t, bind->from, bind->to, attrs, err) < 0)
				return err->code;
			continue;
		}
		AI_FD from = open(bind->from, O_PATH | O_CLOEXEC);
		if (from < 0)
			return ai_fail_errno(err, AI_EENV, "%s", bind->from);
		AI_FD at = open_at(t->root, bind->to, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (at < 0)
			return ai_fail_errno(err, AI_EENV, "%s: no place in the image", bind->to);
		if (ai_box_bind(from, at, attrs, bind->to, err) < 0)
			return err->code;
	}
	return 0;
}

/* The machine's tree goes away, and what is left of ours cannot be changed. */
static int
close_root(const struct ai_sandbox *s, struct ai_err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	if (mount_setattr(AT_FDCWD, "proc", 0, &read_only, sizeof read_only) < 0 ||
	    mount_setattr(AT_FDCWD, s->root ? "dev" : ".", 0, &read_only, sizeof read_only) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot make the root read-only");
	/* Old over new at the same place: no folder for the old one is needed in an image. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return ai_fail_errno(err, AI_EENV, "cannot change the root");
	return 0;
}

int
ai_box_begin(const struct ai_box *b, struct ai_site *out, struct ai_err *err)
{
	struct ai_site t = { .root = -1, .scratch = open(b->s->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	if (t.scratch < 0)
		return ai_fail_errno(err, AI_EENV, "%s", b->s->scratch);
	if (new_root(b, &t, err) < 0 || mount_proc(err) < 0 || mount_dev(b, err) < 0) {
		ai_close_fd(&t.root);
		ai_close_fd(&t.scratch);
		return err->code;
	}
	*out = t;
	return 0;
}

int
ai_box_finish(const struct ai_box *b, struct ai_site *site, struct ai_err *err)
{
	int r = 0;
	if (mount_scratch(site, err) < 0 || (b->s->host && ai_box_host_asked(b, site->root, err) < 0) ||
	    mount_declared(b, site, err) < 0 || mount_binds(b, site, err) < 0 || close_root(b->s, err) < 0)
		r = err->code;
	ai_close_fd(&site->root);
	ai_close_fd(&site->scratch);
	return r;
}
