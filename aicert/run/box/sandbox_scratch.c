/* sandbox_scratch.c -- what stands on disk before a step starts: folders, its user, its scratch copies.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "run/box/sandbox_box.h"

/*
 * A scratch mount up to this size is copied: every file the step's own, writable, as in a fresh clone. Above it is overlaid:
 * no copy, but files that the store keeps read-only must be replaced to be changed. The size is the input's, so the
 * choice is the same on every machine.
 */
#define COPY_BYTES (256ull << 20)
#define COPY_FILES 50000u
#define MAX_DEPTH 256

/* Unused by Debian's policy (65000-65533 is reserved) and by systemd's table of uids; within 16 bits for every file system. */
#define FIRST_UID 65520u
#define LAST_UID 65533u

/* Nobody's uid and gid: what the step leaves or sends can be nobody else's. Looked up once, for it goes through the whole of NSS. */
static int
unused_id(struct ai_box *b, struct ai_err *err)
{
	static unsigned found;
	for (unsigned id = FIRST_UID; !found && id <= LAST_UID; id++)
		if (!getpwuid(id) && !getgrgid(id))
			found = id;
	b->uid = found;
	b->gid = found;
	return found ? 0 : ai_fail(err, AI_EENV, "sandbox: uids %u to %u all belong to somebody: expected one unused", FIRST_UID, LAST_UID);
}

static int
give(const struct ai_box *b, int fd, const char *name, struct ai_err *err)
{
	if (b->root && fchownat(fd, name, b->uid, b->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot give to the step's user", *name ? name : "its folder");
	return 0;
}

int
ai_box_point(const struct ai_box *b, int dirfd, const char *rel, bool folder, bool own, int *fd_out, struct ai_err *err)
{
	AI_FD at = -1;
	for (const char *p = rel; *p;) {
		size_t n = strcspn(p, "/");
		AI_FREE char *name = ai_strndup(p, n);
		p += n + strspn(p + n, "/");
		bool dir = *p || folder;
		int above = at >= 0 ? at : dirfd;
		if (!name)
			return ai_nomem(err);
		AI_FD fd = -1;
		bool fresh = dir ? mkdirat(above, name, 0755) == 0 :
			(fd = openat(above, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)) >= 0;
		if (!fresh && errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make '%s'", rel, name);
		int next = openat(above, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (dir ? O_DIRECTORY : 0));
		if (next < 0)
			return ai_fail_errno(err, AI_EINPUT, "%s: '%s' is in the way", rel, name);
		ai_close_fd(&at);
		at = next;
		if (fresh && own && give(b, at, "", err) < 0)
			return err->code;
	}
	if (at < 0 && (at = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", rel);
	*fd_out = at;
	at = -1;
	return 0;
}

struct size {
	unsigned long long bytes;
	unsigned files;
};

/* Adds up what is under a folder, as far as it matters. */
static int
measure(int dirfd, const char *name, unsigned depth, struct size *size, struct ai_err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d || depth > MAX_DEPTH) {
		if (d)
			closedir(d);
		else if (fd >= 0)
			close(fd);
		return depth > MAX_DEPTH ? ai_fail(err, AI_EINPUT, "%s: folders nested deeper than %d", name, MAX_DEPTH) :
			ai_fail_errno(err, AI_EINPUT, "%s: cannot list", name);
	}
	int r = 0;
	for (struct dirent *e; r == 0 && size->bytes <= COPY_BYTES && size->files <= COPY_FILES && (e = readdir(d));) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = ai_fail_errno(err, AI_EINPUT, "%s", e->d_name);
			break;
		}
		size->files++;
		if (S_ISDIR(st.st_mode))
			r = measure(fd, e->d_name, depth + 1, size, err);
		else
			size->bytes += (unsigned long long)st.st_size;
	}
	closedir(d);
	return r;
}

static int copy_folder(const struct ai_box *b, int from, int to, unsigned depth, struct ai_err *err);

/* One entry with its bytes and its time; modes are reduced to executable or not, as in a tree. */
static int
copy_entry(const struct ai_box *b, int from, const char *name, int to, unsigned depth, struct ai_err *err)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s", name);
	if (S_ISLNK(st.st_mode)) {
		AI_FREE char *target = calloc(1, (size_t)st.st_size + 1);
		if (!target)
			return ai_nomem(err);
		if (readlinkat(from, name, target, (size_t)st.st_size) < 0 || symlinkat(target, to, name) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", name);
	} else if (S_ISREG(st.st_mode)) {
		AI_FD in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		AI_FD out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", name);
		if (ai_copy_fd(in, out, name, err) < 0)
			return err->code;
		if (fchmod(out, st.st_mode & 0111 ? 0755 : 0644) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", name);
	} else if (S_ISDIR(st.st_mode)) {
		AI_FD in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (in < 0 || mkdirat(to, name, 0755) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", name);
		AI_FD out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot copy", name);
		if (copy_folder(b, in, out, depth + 1, err) < 0)
			return err->code;
	} else {
		return ai_fail(err, AI_EINPUT, "%s: a device, socket or FIFO: expected a file, a folder or a link", name);
	}
	const struct timespec times[2] = { st.st_mtim, st.st_mtim };
	if (utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot set its time", name);
	return give(b, to, name, err);
}

static int
copy_folder(const struct ai_box *b, int from, int to, unsigned depth, struct ai_err *err)
{
	int fd = dup(from);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d || depth > MAX_DEPTH) {
		if (d)
			closedir(d);
		else if (fd >= 0)
			close(fd);
		return ai_fail(err, AI_EINPUT, "sandbox: cannot copy folders nested deeper than %d", MAX_DEPTH);
	}
	int r = 0;
	for (struct dirent *e; r == 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(b, from, e->d_name, to, depth, err);
	closedir(d);
	return r;
}

/* Can this kernel overlay here? Asked by the kernel's own list, for modules load by themselves only for root. */
static bool
overlay_known(void)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	return ai_read_file(AT_FDCWD, "/proc/filesystems", &text, &ignored) == 0 && strstr(text.data, "\toverlay\n");
}

static int
make_folder(const struct ai_box *b, int scratch, const char *rel, mode_t mode, struct ai_err *err)
{
	AI_FD fd = -1;
	if (ai_box_point(b, scratch, rel, true, true, &fd, err) < 0)
		return err->code;
	struct stat st;
	if (fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode)
		return 0;
	AI_FD open_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (open_fd < 0 || fchmod(open_fd, mode) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot set its mode", rel);
	return 0;
}

/* A single file that the step may change. */
static int
copy_file(const struct ai_box *b, int scratch, const struct ai_mount *m, struct ai_err *err)
{
	AI_FD to = -1;
	AI_FD in = open(m->from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s", m->from);
	if (ai_box_point(b, scratch, m->to + 1, false, true, &to, err) < 0)
		return err->code;
	AI_FD out = openat(scratch, m->to + 1, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return out < 0 ? ai_fail_errno(err, AI_EENV, "%s", m->to) : ai_copy_fd(in, out, m->to, err);
}

/* A folder that the step may change: a copy, or the upper layer of an overlay. */
static int
ready_scratch(struct ai_box *b, int scratch, size_t i, struct ai_err *err)
{
	const struct ai_mount *m = &b->s->mounts[i];
	struct size size = { 0 };
	AI_FD from = open(m->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 && errno == ENOTDIR)
		return copy_file(b, scratch, m, err);
	if (from < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s", m->from);
	if (measure(from, ".", 0, &size, err) < 0)
		return err->code;
	bool large = size.bytes > COPY_BYTES || size.files > COPY_FILES;
	if (large && overlay_known() && ai_box_can_give(b, from)) {
		AI_FREE char *upper = ai_format("overlay/%zu/upper", i);
		AI_FREE char *work = ai_format("overlay/%zu/work", i);
		AI_FREE char *lower = ai_format("overlay/%zu/lower", i);
		b->found->overlay[i] = true;
		return !upper || !work || !lower ? ai_nomem(err) : make_folder(b, scratch, upper, 0755, err) < 0 ||
			make_folder(b, scratch, work, 0755, err) < 0 || make_folder(b, scratch, lower, 0755, err) < 0 ? err->code : 0;
	}
	if (large)
		ai_say(b->s->talk, AI_TALK_NOTE, "%s is large and is copied whole: this kernel cannot lay it under a layer of the step's", m->to);
	AI_FD to = -1;
	if (ai_box_point(b, scratch, m->to + 1, true, true, &to, err) < 0)
		return err->code;
	AI_FD to_dir = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return to_dir < 0 ? ai_fail_errno(err, AI_EENV, "%s", m->to) : copy_folder(b, from, to_dir, 0, err);
}

static int
check_mounts(const struct ai_sandbox *s, struct ai_err *err)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (strncmp(s->mounts[i].to, "/workspace/", 11) != 0 || ai_relpath_check(s->mounts[i].to + 1, err) < 0)
			return ai_fail(err, AI_EUSAGE, "sandbox: '%s': expected a place under /workspace", s->mounts[i].to);
	if (s->outputs && ai_relpath_check(s->outputs + (*s->outputs == '/'), err) < 0)
		return ai_in(err, "sandbox: outputs");
	return 0;
}

static bool
under_mount(const struct ai_sandbox *s, const char *path)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		size_t n = strlen(s->mounts[i].to);
		if (strncmp(path, s->mounts[i].to, n) == 0 && (path[n] == '/' || path[n] == '\0'))
			return true;
	}
	return false;
}

static int
make_wanted(const struct ai_box *b, int scratch, struct ai_err *err)
{
	for (const char *const *f = b->s->folders; f && *f; f++) {
		AI_FD made = -1;
		if (under_mount(b->s, *f) || (b->s->outputs && strcmp(*f, b->s->outputs) == 0))
			continue;
		if (strncmp(*f, "/workspace/", 11) != 0 || ai_relpath_check(*f + 1, err) < 0)
			return ai_fail(err, AI_EUSAGE, "sandbox: folder '%s': expected a place under /workspace", *f);
		if (ai_box_point(b, scratch, *f + 1, true, true, &made, err) < 0)
			return ai_in(err, "sandbox");
	}
	return 0;
}

/* --- places in an image ------------------------------------------------------ */

static int
in_image(int root, const char *path, unsigned long long flags)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The text of the path that fd is; fresh. */
static char *
path_of(int fd)
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	for (size_t room = 1024; room <= 65536; room *= 4) {
		AI_FREE char *out = ai_calloc(room, 1);
		ssize_t n = out ? readlink(link, out, room - 1) : -1;
		if (n < 0)
			return NULL;
		if ((size_t)n < room - 1)
			return ai_strdup(out);
	}
	return NULL;
}

/*
 * Where the image lacks the place of a bind, scratch/places gets it: below what of the path is there, links of the image
 * followed inside it.
 */
static int
make_place(struct ai_box *b, int scratch, int root, const struct ai_bind *bind, struct ai_err *err)
{
	struct stat st;
	AI_FD there = in_image(root, bind->to, 0);
	AI_FREE char *above = ai_strdup(bind->to);
	AI_FREE char *image = path_of(root);
	if (there >= 0)
		return 0;
	if (!above || !image)
		return ai_nomem(err);
	if (stat(bind->from, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", bind->from);
	while (there < 0 && *above) {
		*strrchr(above, '/') = '\0';
		there = in_image(root, *above ? above : "/", O_DIRECTORY);
	}
	AI_FREE char *real = there < 0 ? NULL : path_of(there);
	size_t n = strlen(image);
	if (!real || strncmp(real, image, n) != 0)
		return ai_fail(err, AI_EENV, "%s: no place in the image", bind->to);
	AI_FREE char *place = ai_format("places%s%s", real + n, bind->to + strlen(above));
	AI_FD made = -1;
	b->found->places = true;
	return place ? ai_box_point(b, scratch, place, S_ISDIR(st.st_mode), false, &made, err) : ai_nomem(err);
}

static int
ready_binds(struct ai_box *b, int scratch, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	if (!s->root || !s->n_binds)
		return 0;
	AI_FD root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return ai_fail_errno(err, AI_EENV, "sandbox: %s", s->root);
	for (size_t i = 0; i < s->n_binds; i++)
		if (!s->binds[i].device && make_place(b, scratch, root, &s->binds[i], err) < 0)
			return ai_in(err, "sandbox");
	return 0;
}

static int
check_binds(const struct ai_sandbox *s, struct ai_err *err)
{
	for (size_t i = 0; i < s->n_binds; i++) {
		const struct ai_bind *bind = &s->binds[i];
		bool dev = strncmp(bind->to, "/dev/", 5) == 0;
		if (bind->to[0] != '/' || ai_relpath_check(bind->to + 1, err) < 0 || bind->device != dev || strncmp(bind->to, "/workspace/", 11) == 0)
			return ai_fail(err, AI_EUSAGE, "sandbox: '%s': expected a device's place under /dev, or another's elsewhere", bind->to);
	}
	return 0;
}

static size_t
found_size(const struct ai_box *b)
{
	return sizeof *b->found + b->s->n_mounts * sizeof *b->found->overlay;
}

int
ai_box_check(struct ai_box *b, struct ai_err *err)
{
	if (check_mounts(b->s, err) < 0 || check_binds(b->s, err) < 0 || (b->root && unused_id(b, err) < 0))
		return err->code;
	void *p = mmap(NULL, found_size(b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return ai_nomem(err);
	b->found = p;
	return 0;
}

void
ai_box_forget(struct ai_box *b)
{
	if (b->found)
		munmap(b->found, found_size(b));
	b->found = NULL;
}

int
ai_box_prepare(struct ai_box *b, struct ai_err *err)
{
	const struct ai_sandbox *s = b->s;
	AI_FD scratch = open(s->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return ai_fail_errno(err, AI_EENV, "sandbox: %s", s->scratch);
	if (make_folder(b, scratch, "workspace", 0755, err) < 0 || make_folder(b, scratch, "tmp", 01777, err) < 0 ||
	    make_folder(b, scratch, "home", 0755, err) < 0)
		return ai_in(err, "sandbox: scratch");
	for (size_t i = 0; i < s->n_mounts; i++)
		if ((s->mounts[i].how == AI_MOUNT_SCRATCH && ready_scratch(b, scratch, i, err) < 0) ||
		    (s->mounts[i].how == AI_MOUNT_WRITABLE && give(b, AT_FDCWD, s->mounts[i].from, err) < 0))
			return ai_in(err, "sandbox: %s", s->mounts[i].to);
	if (s->outputs && strncmp(s->outputs, "/workspace/", 11) == 0 && make_folder(b, scratch, s->outputs + 1, 0755, err) < 0)
		return ai_in(err, "sandbox: outputs");
	if (make_wanted(b, scratch, err) < 0 || ready_binds(b, scratch, err) < 0)
		return err->code;
	/* The guide's examples open workspace/src/… from /workspace. */
	return symlinkat(".", scratch, "workspace/workspace") < 0 && errno != EEXIST ? ai_fail_errno(err, AI_EENV, "sandbox: scratch: cannot link") : 0;
}
