/*
 * build_parts.h -- what the files of `aicert vm build` share: files of a tree in the store, what goes into the runner's cpio, the compiler.
 *
 * Depends on: packages, uki, cache, run/box.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_BUILD_PARTS_H
#define AI_VM_BUILD_PARTS_H

#include "base/buf.h"
#include "cache/store.h"
#include "vm/build/build.h"
#include "vm/uki/cpio.h"

enum { AI_BUILD_FILE = 512 << 20 };   /* bytes of one file, and of the whole cpio */

/* --- sysroot.c: files of a tree in the store ---------------------------------- */
struct ai_sysroot { struct ai_store *store; struct ai_digest tree; };

/* The file at a path ("usr/lib/x.so"), links followed inside the tree, appended to out: 1; 0 there is none. */
int ai_sysroot_read(const struct ai_sysroot *s, const char *path, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* As it, but AI_EINPUT when there is none. */
int ai_sysroot_need(const struct ai_sysroot *s, const char *path, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* The one name in a folder that matches (ai_glob): caller frees. AI_EINPUT when there is none or more than one. */
int ai_sysroot_only(const struct ai_sysroot *s, const char *folder, const char *pattern, char **name, struct ai_err *err) AI_CHECKED;

/* --- files.c: what goes into the cpio, with the folders above it --------------- */
struct ai_cpio_files { struct ai_cpio_entry *entries; size_t n, cap; };
/* Takes bytes and path over (freed by done). Folders above that are not there yet are made. */
int ai_cpio_file(struct ai_cpio_files *f, const char *path, unsigned mode, struct ai_buf *bytes, struct ai_err *err) AI_CHECKED;
int ai_cpio_link(struct ai_cpio_files *f, const char *path, const char *target, struct ai_err *err) AI_CHECKED;
bool ai_cpio_has(const struct ai_cpio_files *f, const char *path);
void ai_cpio_files_done(struct ai_cpio_files *f);

/* --- modinfo.c: what a kernel module says of itself; pure ------------------------ */
/* Calls each for every module that this one depends on (names as in the file, of n bytes). AI_EINPUT when it is no 64-bit ELF object with a .modinfo. */
int ai_modinfo_depends(const void *bytes, size_t n, int (*each)(void *ctx, const char *name, size_t len, struct ai_err *err), void *ctx,
	struct ai_err *err) AI_CHECKED;

/* --- modules.c, libraries.c, compile.c -------------------------------------------- */
/* The kernel's modules of these names with what they depend on into modules/, and modules/order; built-in ones are passed over. */
int ai_build_modules(const struct ai_sysroot *s, const char *version, const char *const *names, size_t n, struct ai_cpio_files *out,
	struct ai_err *err) AI_CHECKED;
/* The interpreter and libraries that the program needs, and they in turn, at paths where the loader looks. */
int ai_build_libraries(const struct ai_sysroot *s, const void *program, size_t n, struct ai_cpio_files *out, struct ai_err *err) AI_CHECKED;
/* The agent, compiled from the source folder in the sandbox with what is in the tree. Its bytes are appended to out; source_id (tree of what was compiled). */
int ai_build_agent(const struct ai_vm_build *in, const char *cache, struct ai_store *store, const struct ai_digest *compiler, struct ai_buf *out,
	struct ai_digest *source_id, struct ai_err *err) AI_CHECKED;

#endif
