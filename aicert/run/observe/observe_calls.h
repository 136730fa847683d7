/*
 * observe_calls.h -- the system calls that look at a path, as one list. ORDER OBSERVED
 *
 * seccomp.c makes the kernel announce them, observe.c reads their arguments: both
 * come from here, so neither can know a call that the other does not. Calls that
 * would change something are in it too: what is observed is mounted read-only, and
 * whether they fail with EROFS, ENOENT or EEXIST tells what is there. Not in it:
 * calls that are refused anyway; connect and bind, for a socket counts as absent;
 * getdents, for a folder that is opened for reading counts as listed.
 * What newer kernels add is refused as unknown (seccomp.c), so that nothing goes round
 * this list.
 *
 *   X(call, dirfd, path, flags, how)
 *     dirfd, path, flags   which argument holds it, or NONE
 *     how                  FOLLOW or NOFOLLOW the last link; OPEN, OPEN2, AT, LINK: the flags say;
 *                          MAKE: only what is there already is looked at; EXEC: a program is
 *                          started
 *
 * Depends on: nothing.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_CALLS_H
#define AI_OBSERVE_CALLS_H

#define AI_OBSERVED_CALLS(X) \
	X(open, NONE, 0, 1, OPEN) \
	X(openat, 0, 1, 2, OPEN) \
	X(openat2, 0, 1, 2, OPEN2) \
	X(creat, NONE, 0, NONE, FOLLOW) \
	X(stat, NONE, 0, NONE, FOLLOW) \
	X(lstat, NONE, 0, NONE, NOFOLLOW) \
	X(newfstatat, 0, 1, 3, AT) \
	X(statx, 0, 1, 2, AT) \
	X(access, NONE, 0, NONE, FOLLOW) \
	X(faccessat, 0, 1, NONE, FOLLOW) \
	X(faccessat2, 0, 1, 3, AT) \
	X(readlink, NONE, 0, NONE, NOFOLLOW) \
	X(readlinkat, 0, 1, NONE, NOFOLLOW) \
	X(execve, NONE, 0, NONE, EXEC) \
	X(execveat, 0, 1, 4, EXEC) \
	X(chdir, NONE, 0, NONE, FOLLOW) \
	X(statfs, NONE, 0, NONE, FOLLOW) \
	X(getxattr, NONE, 0, NONE, FOLLOW) \
	X(lgetxattr, NONE, 0, NONE, NOFOLLOW) \
	X(listxattr, NONE, 0, NONE, FOLLOW) \
	X(llistxattr, NONE, 0, NONE, NOFOLLOW) \
	X(inotify_add_watch, NONE, 1, NONE, FOLLOW) \
	X(mkdir, NONE, 0, NONE, MAKE) \
	X(mkdirat, 0, 1, NONE, MAKE) \
	X(mknod, NONE, 0, NONE, MAKE) \
	X(mknodat, 0, 1, NONE, MAKE) \
	X(symlink, NONE, 1, NONE, MAKE) \
	X(symlinkat, 1, 2, NONE, MAKE) \
	X(link, NONE, 0, NONE, NOFOLLOW) \
	X(linkat, 0, 1, 4, LINK) \
	X(rename, NONE, 0, NONE, NOFOLLOW) \
	X(renameat, 0, 1, NONE, NOFOLLOW) \
	X(renameat2, 0, 1, NONE, NOFOLLOW) \
	X(rmdir, NONE, 0, NONE, NOFOLLOW) \
	X(unlink, NONE, 0, NONE, NOFOLLOW) \
	X(unlinkat, 0, 1, NONE, NOFOLLOW) \
	X(chmod, NONE, 0, NONE, FOLLOW) \
	X(fchmodat, 0, 1, NONE, FOLLOW) \
	X(chown, NONE, 0, NONE, FOLLOW) \
	X(lchown, NONE, 0, NONE, NOFOLLOW) \
	X(fchownat, 0, 1, 4, AT) \
	X(utime, NONE, 0, NONE, FOLLOW) \
	X(utimes, NONE, 0, NONE, FOLLOW) \
	X(futimesat, 0, 1, NONE, FOLLOW) \
	X(utimensat, 0, 1, 3, AT) \
	X(truncate, NONE, 0, NONE, FOLLOW) \
	X(setxattr, NONE, 0, NONE, FOLLOW) \
	X(lsetxattr, NONE, 0, NONE, NOFOLLOW) \
	X(removexattr, NONE, 0, NONE, FOLLOW) \
	X(lremovexattr, NONE, 0, NONE, NOFOLLOW)

/* The second paths of those that have two. */
#define AI_OBSERVED_SECOND(X) \
	X(link, NONE, 1, NONE, MAKE) \
	X(linkat, 2, 3, NONE, MAKE) \
	X(rename, NONE, 1, NONE, MAKE) \
	X(renameat, 2, 3, NONE, MAKE) \
	X(renameat2, 2, 3, NONE, MAKE)

#endif
