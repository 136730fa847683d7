/*
 * observe_calls.h -- the system calls that look at a path, as one list. ORDER OBSERVED
 *
 * seccomp.c makes the kernel announce them, observe.c reads their arguments: both
 * come from here, so neither can know a call that the other does not. Calls that
 * only write (mkdir, unlink, rename...) are not in it: what is observed is mounted
 * read-only, so they change nothing and fail the same everywhere. What newer kernels
 * add is refused as unknown (seccomp.c), so that nothing goes round this list.
 *
 *   X(call, dirfd, path, flags, how)
 *     dirfd, path, flags   which argument holds it, or NONE
 *     how                  FOLLOW or NOFOLLOW the last link; OPEN, AT: the flags say;
 *                          EXEC: a program is started; LIST: dirfd is a folder that is listed
 *
 * Depends on: nothing.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBSERVE_CALLS_H
#define AI_OBSERVE_CALLS_H

#define AI_OBSERVED_CALLS(X) \
	X(open, NONE, 0, 1, OPEN) \
	X(openat, 0, 1, 2, OPEN) \
	X(openat2, 0, 1, NONE, FOLLOW) \
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
	X(getdents, 0, NONE, NONE, LIST) \
	X(getdents64, 0, NONE, NONE, LIST)

#endif
