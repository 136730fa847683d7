/*
 * git_text.h -- git's objects and addresses as bytes: pure, bounded parsers.
 *
 * What comes from a repository is foreign: a commit, a tree, .gitmodules and the
 * URLs in it are read here and nowhere else, without libgit2, so that each can be
 * tested and fuzzed alone.
 *
 * Formats: commit `tree <40 hex>\n…`; tree: (`<octal mode> <name>\0<20 bytes>`)*.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIT_TEXT_H
#define AI_GIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define AI_GIT_HEX 41 /* an object id in hex, with its NUL */

struct ai_git_id { uint8_t b[20]; };

/* 40 lower-case hex digits and the end of the text; anything else is false. */
bool ai_git_id_parse(const char *hex, struct ai_git_id *out);
void ai_git_id_hex(const struct ai_git_id *id, char out[AI_GIT_HEX]);
bool ai_git_id_eq(const struct ai_git_id *a, const struct ai_git_id *b);
/* 4..39 hex digits: looks like a commit that was cut short. */
bool ai_git_id_is_short(const char *s);

/* The tree that a commit names. */
int ai_git_commit_tree_id(const char *bytes, size_t n, struct ai_git_id *tree_out, struct ai_err *err) AI_CHECKED;

struct ai_git_entry {
	unsigned mode;
	const char *name;      /* NUL-terminated; borrowed from the bytes */
	struct ai_git_id id;
};
/* The entry at *at, which moves on. 1 an entry, 0 the end, negative malformed. Start with *at = 0. */
int ai_git_tree_next(const char *bytes, size_t n, size_t *at, struct ai_git_entry *out, struct ai_err *err) AI_CHECKED;

/* Does this content begin as a pointer of Git LFS, and is no longer than one? */
bool ai_git_lfs_begins(const char *bytes, size_t n);
/*
 * Is this content the pointer that Git LFS leaves in the place of a file? 1 and what it points to, 0 no, AI_EINPUT: it begins like one and is
 * malformed, or wants an extension's program.
 */
int ai_git_lfs_pointer(const char *bytes, size_t n, struct ai_digest *oid, uint64_t *size, struct ai_err *err) AI_CHECKED;
/* `lfs.url` of a .lfsconfig, fresh; NULL when it has none. */
int ai_git_lfsconfig(const char *text, size_t n, char **url, struct ai_err *err) AI_CHECKED;

struct ai_submodule { char *path, *url; };
/* `path` and `url` of each [submodule "…"] of a .gitmodules; at most 4096 of them. Free with ai_submodules_free. */
int ai_gitmodules_parse(const char *text, size_t n, struct ai_submodule **out, size_t *n_out, struct ai_err *err) AI_CHECKED;
void ai_submodules_free(struct ai_submodule *s, size_t n);

typedef enum ai_git_scheme { AI_GIT_FILE, AI_GIT_HTTP, AI_GIT_HTTPS, AI_GIT_SSH } ai_git_scheme;

/* Where a repository is, with what is secret kept apart from what may be said. */
struct ai_git_url {
	ai_git_scheme scheme;
	char *full;            /* as written (a path: made absolute): base of relative submodule URLs. Secret. */
	char *wire;            /* what goes to the library: no user info for http(s), no password for ssh; a query stays */
	char *shown;           /* what errors, talk and cache keys may hold */
	char *path;            /* FILE only: absolute path */
	char *host;            /* else */
	unsigned port;         /* 0 = the scheme's */
	char *user, *password; /* decoded; NULL when not written */
};
/*
 * ai_git_url_parse -- file, http, https and ssh URLs, `user@host:path`, and paths (relative ones against base, an absolute
 * folder). AI_EINPUT on any other scheme. Free with ai_git_url_done.
 */
int ai_git_url_parse(const char *text, const char *base, struct ai_git_url *out, struct ai_err *err) AI_CHECKED;
void ai_git_url_done(struct ai_git_url *u);

/*
 * ai_git_url_submodule -- the URL of a submodule of parent; `./` and `../` are resolved as git does, never past the host.
 * A submodule of a remote repository may not name a path of this machine.
 */
int ai_git_url_submodule(const struct ai_git_url *parent, const char *url, struct ai_git_url *out, struct ai_err *err) AI_CHECKED;

#endif
