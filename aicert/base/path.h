/*
 * path.h -- names and paths as text: what is allowed, what matches, what is secret.
 *
 * A name is one path component: 1..255 bytes of valid UTF-8 without control
 * characters, '/', and not "." or "..". A relative path is names joined by '/'.
 *
 * Depends on: err, buf.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PATH_H
#define AI_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Valid UTF-8 (no surrogates, no overlong forms, no NUL) over n bytes. */
bool ai_utf8_valid(const char *s, size_t n);

/* Is s a name? On failure the error shows the name with its bad bytes escaped. */
int ai_name_check(const char *s, struct ai_err *err) AI_CHECKED;

/* Is s a relative path of names, without "." or ".." or empty parts? */
int ai_relpath_check(const char *s, struct ai_err *err) AI_CHECKED;

/*
 * Does a link at path (relative to its tree's root) with this target stay inside the tree, whatever links are on the target's
 * way? Absolute targets do not, nor those with ".." behind a name.
 */
bool ai_link_inside(const char *path, const char *target);

/*
 * ai_glob -- does the whole of path match pattern?
 * '*' and '?' (one character) stay within a name, "**" crosses '/', "[a-z]" is a set of bytes. A pattern without '/' matches the last name at any
 * depth; a pattern that matches a folder matches what is in it. Cost is bounded by |pattern| * |path|.
 */
bool ai_glob(const char *pattern, const char *path);

/* A URL without user info, query and fragment: what may be written down. NULL when memory is out; caller frees. */
char *ai_url_public(const char *url);
/* Does the URL carry user info or a query that signs or authenticates (token, sig, key, X-Amz-…)? */
bool ai_url_has_secret(const char *url);
/* Is this variable's name one whose value is a secret (*TOKEN*, but not TOKENS or TOKENIZER, *SECRET*, *PASSWORD*, *_KEY, …)? */
bool ai_env_is_secret(const char *name);

/* The candidate nearest to word by edit distance (at most 2, and at most a third of it), or NULL. */
const char *ai_near(const char *word, const char *const *candidates, size_t n);

/* A place on this disk that says something about the machine: absolute, a home, or above the folder that it is relative to. Text only. */
bool ai_path_tells(const char *path);

/* a + "/" + b in fresh memory, without doubling slashes; NULL when memory is out. */
char *ai_join(const char *a, const char *b);
/* Text after the last '/'; never NULL. */
const char *ai_basename(const char *path);

#endif
