/*
 * git_attr.h -- which paths of a repository are Git LFS's: those whose attribute `filter` is `lfs`, as git itself finds it (gitattributes(5)).
 *
 * Of a commit alone: the .gitattributes of its folders, deeper ones before higher ones, later lines before earlier ones, macros of the root's, `-filter`,
 * `!filter`, quoted patterns. What a user's own git has beside them (info/attributes, core.attributesFile) is another's on every machine, and not asked.
 * As in git, lines that are malformed, of 2048 bytes or more, or begin with '!' count as absent.
 *
 * Depends on: base.  Threads: pure but for memory.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_ATTR_H
#define AI_GIT_ATTR_H

#include <stdint.h>

#include "base/names.h"

enum { AI_GIT_ATTR_BYTES = 16 << 20, AI_GIT_ATTR_MACROS = 1000 };

struct ai_git_attrs_level;

/* The files from the root down to some folder. Zeros are none. */
struct ai_git_attrs {
	struct ai_git_attrs_level *levels; size_t n, cap;
	struct ai_names macros;      /* of the root's file: 1, 2, …; the names lie in text */
	size_t n_macros;
	char *text;
	uint64_t steps;              /* that matching took so far, which is bounded */
};

/* The file of a folder, whose path is "" or ends in '/'. AI_EINPUT: it is too large, or has too many macros. */
int ai_git_attrs_push(struct ai_git_attrs *a, const char *dir, const char *bytes, size_t n, struct ai_err *err) AI_CHECKED;
/* Leaves the last one. */
void ai_git_attrs_pop(struct ai_git_attrs *a);
void ai_git_attrs_done(struct ai_git_attrs *a);

/* Is the file at path, from the repository's root, one of Git LFS? 1, 0; AI_EINPUT when finding out takes too long. */
int ai_git_attrs_lfs(struct ai_git_attrs *a, const char *path, struct ai_err *err) AI_CHECKED;

#endif
