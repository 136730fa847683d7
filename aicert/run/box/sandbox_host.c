/* sandbox_host.c -- the machine's own folders as a step's root: see sandbox_box.h.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "run/box/sandbox_box.h"

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

/* Relative to the new root: its working directory is there. */
static const char *const folders[] = { "proc", "dev", "dev/shm", "etc", "tmp", "run", "var", "root", "home", "home/aicert", "workspace" };
static const struct { const char *path, *text; } made[] = {
#define X(name, text) { "etc/" name, text },
	AI_BOX_ETC(X)
#undef X
	{ "etc/timezone", "Etc/UTC\n" },
};
static const struct { const char *path, *target; } links[] = {
	{ "etc/localtime", "/usr/share/zoneinfo/Etc/UTC" }, { "etc/mtab", "/proc/self/mounts" }, { "var/tmp", "/tmp" },
};

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

/*
 * Is aicert's home in a folder that every step sees? Then a step would read the store, which holds what it did not declare, and a
 * user's keys, whose owner it is. Scratch lies in that home.
 */
static int
check_home(const struct ai_box *b, struct ai_err *err)
{
	AI_FREE char *scratch = realpath(b->s->scratch, NULL);
	for EACH(i, host_folders) {
		AI_FREE char *folder = realpath(host_folders[i], NULL);
		size_t n = folder ? strlen(folder) : 0;
		if (!scratch || !folder || strncmp(scratch, folder, n) != 0 || scratch[n] != '/')
			continue;
		ai_fail(err, AI_EENV, "sandbox: aicert's own folder is in '%s', all of which a step in the host environment can read", host_folders[i]);
		return ai_hint(err, "set AICERT_HOME to a folder elsewhere, or run the step in an image");
	}
	return 0;
}

int
ai_box_host_paths(struct ai_box *b, struct ai_err *err)
{
	size_t cap = 0;
	if (check_home(b, err) < 0)
		return err->code;
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

/* The same link in the new root; 0 or -1 with errno. */
static int
copy_link(const char *path, size_t size)
{
	AI_FREE char *target = calloc(1, size + 1);
	return !target || readlink(path, target, size) < 0 || (symlink(target, path + 1) < 0 && errno != EEXIST) ? -1 : 0;
}

/* A folder or an empty file to mount on; 0 or -1 with errno. */
static int
make_point(const char *to, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return mkdir(to, 0755) < 0 && errno != EEXIST ? -1 : 0;
	AI_FD fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : 0;
}

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/*
 * One of the lists' paths at its own place, read-only: a link as that link, an absent one not at all. No link is on the way to
 * it in the new root, so the kernel may look the place up: few calls, for there are some thirty in each step.
 */
static int
bind_listed(const struct ai_box *b, int root, const char *path, struct ai_err *err)
{
	struct stat st;
	const char *to = path + 1;
	for (int turn = 0;; turn++) {
		if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : ai_fail_errno(err, AI_EENV, "%s", path);
		if (S_ISLNK(st.st_mode) ? copy_link(path, (size_t)st.st_size) == 0 : make_point(to, &st) == 0)
			break;
		/* A folder of /etc that is not there yet. */
		AI_FREE char *above = ai_strndup(to, (size_t)(strrchr(path, '/') - to));
		AI_FD at = -1;
		if (errno != ENOENT || turn || !above)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make its place", path);
		if (ai_box_point(b, root, above, true, false, &at, err) < 0)
			return err->code;
	}
	struct mount_attr attr = { .attr_set = READ_ONLY };
	if (!S_ISLNK(st.st_mode) && (mount(path, to, NULL, MS_BIND | MS_REC, NULL) < 0 || mount_setattr(AT_FDCWD, to, AT_RECURSIVE, &attr, sizeof attr) < 0))
		return ai_fail_errno(err, AI_EENV, "%s: cannot bind it read-only (Linux 5.12 or newer is needed)", path);
	return 0;
}

/* A path that somebody asked for: as above, but the place is made through no link, for one of the machine's would lead back to it. */
static int
bind_asked(const struct ai_box *b, int root, const char *path, struct ai_err *err)
{
	struct stat st;
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : ai_fail_errno(err, AI_EENV, "%s", path);
	AI_FD at = -1;
	if (S_ISLNK(st.st_mode)) {
		char *slash = strrchr(path + 1, '/');
		AI_FREE char *above = slash ? ai_strndup(path + 1, (size_t)(slash - path - 1)) : NULL;
		if (slash && !above)
			return ai_nomem(err);
		if (above && ai_box_point(b, root, above, true, false, &at, err) < 0)
			return err->code;
		return copy_link(path, (size_t)st.st_size) < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot link", path) : 0;
	}
	AI_FD from = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	return ai_box_point(b, root, path + 1, S_ISDIR(st.st_mode), false, &at, err) < 0 ? err->code :
		ai_box_bind(from, at, READ_ONLY, path, err);
}

static int
make_plain(struct ai_err *err)
{
	for EACH(i, folders)
		if (mkdir(folders[i], 0755) < 0)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot make folder", folders[i]);
	for EACH(i, made) {
		AI_FD fd = open(made[i].path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot make", made[i].path);
		if (ai_write_all(fd, made[i].text, strlen(made[i].text), made[i].path, err) < 0)
			return err->code;
	}
	for EACH(i, links)
		if (symlink(links[i].target, links[i].path) < 0)
			return ai_fail_errno(err, AI_EENV, "/%s: cannot link", links[i].path);
	return 0;
}

int
ai_box_host_tree(const struct ai_box *b, int root, struct ai_err *err)
{
	if (make_plain(err) < 0)
		return err->code;
	/* In the order of ai_box_host_paths. */
	size_t asked = sizeof host_folders / sizeof *host_folders, end = asked;
	while (b->s->extra_host && b->s->extra_host[end - asked])
		end++;
	for (size_t i = 0; i < b->n_host; i++)
		if ((i < asked || i >= end) && bind_listed(b, root, b->host[i], err) < 0)
			return err->code;
	return 0;
}

int
ai_box_host_asked(const struct ai_box *b, int root, struct ai_err *err)
{
	for (size_t i = 0; b->s->extra_host && b->s->extra_host[i]; i++)
		if (bind_asked(b, root, b->s->extra_host[i], err) < 0)
			return err->code;
	return 0;
}
