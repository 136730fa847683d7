/*
 * fs.h -- files and folders of the local disk.
 *
 * Everything that is published goes write -> fsync -> rename -> fsync of the
 * folder, so that after a power cut a name has its old bytes or its new ones.
 *
 * Depends on: err, buf.  Threads: none shared.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FS_H
#define AI_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct ai_buf;

/* Whole file appended to b (whose ceiling holds). AI_EINPUT when it cannot be read. */
int ai_read_file(int dirfd, const char *path, struct ai_buf *b, struct ai_err *err) AI_CHECKED;
/* As ai_read_file, but an absent file is an answer: 1 read, 0 absent, negative error. */
int ai_read_file_if(int dirfd, const char *path, struct ai_buf *b, struct ai_err *err) AI_CHECKED;
int ai_read_fd(int fd, const char *what, struct ai_buf *b, struct ai_err *err) AI_CHECKED;

/* n bytes to path, all or nothing and durable; mode as given (not reduced by umask). AI_EENV when the disk refuses. */
int ai_write_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode, struct ai_err *err) AI_CHECKED;
/* write(2) until all n bytes are out. */
int ai_write_all(int fd, const void *p, size_t n, const char *what, struct ai_err *err) AI_CHECKED;
int ai_fsync_dir(int dirfd, const char *path, struct ai_err *err) AI_CHECKED;

/* mkdir -p; the mode is for folders that it makes. */
int ai_mkdirs(const char *path, mode_t mode, struct ai_err *err) AI_CHECKED;
/* rm -rf without following links; absent is fine. Makes unwritable folders writable on its way. */
int ai_remove_tree(int dirfd, const char *path, struct ai_err *err) AI_CHECKED;
/* As ai_remove_tree, for what is thrown away on the way out: a failure leaves something behind and changes nothing else. */
void ai_discard_tree(const char *path);
/* A fresh folder `prefix.XXXXXX`; *out is its path; caller frees and removes. */
int ai_mkdtemp(const char *prefix, char **out, struct ai_err *err) AI_CHECKED;

/* Copies the rest of in to out, by reflink or in the kernel where it can. */
int ai_copy_fd(int in, int out, const char *what, struct ai_err *err) AI_CHECKED;

/* Absolute form of path against the present folder, "." and ".." resolved as text, links kept; caller frees. */
char *ai_abspath(const char *path);
bool ai_exists(const char *path);

#endif
