/*
 * lock_files.h -- pins that list files: what a source rule resolved its input to, and lists of URLs.
 *
 *   "falcon": {"type": "huggingface", "uri", "ref"?, "revision"?, "asked": "<sha256>", "files": [
 *       {"path": "config.json", "uri": "https://…", "sha256", "size", "sha1"?, "exec"?},
 *       {"path": "refs/main", "text": "…"}, {"path": "latest", "target": "config.json"}], "single"?: true}
 *   "other":  {"type": "mirror", "uri", "ref"?, "asked", "git": true, "revision"}
 *   "third":  {"type": "mirror", "uri", "asked", "sha256", "size", "unpack": true, "strip"?, "tree"}
 *
 * type is the rule's name; asked binds the attributes that were resolved, so that a pin counts for just those. sha1 is the id of a git
 * blob. Files are sorted by path; single: there is one, and the content is that file and no folder.
 *
 * The content of a list follows from paths and hashes alone, so a planner checks it without looking at the files.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LOCK_FILES_H
#define AI_LOCK_FILES_H

#include <stdbool.h>

#include "base/json.h"
#include "model/ref.h"
#include "model/tree.h"

struct ai_yaml;

/* May a source rule have this name? Not that of a type of our own: what is checked of those would not be checked of its pins. */
bool ai_rule_pin_name(const char *name);

/* Part of reading and writing a lock: what names the pin in errors. A pin of a rule has "asked". */
int ai_lock_check_rule(const json_t *pin, const char *what, struct ai_err *err) AI_CHECKED;
/* "files" (and "single") of any pin. */
int ai_lock_check_files(const json_t *pin, const char *what, struct ai_err *err) AI_CHECKED;
/* "sha256", "size", "strip" and "tree" of a pin that has "unpack". */
int ai_lock_check_unpack(const json_t *pin, const char *what, struct ai_err *err) AI_CHECKED;

/* SHA-256 of the canonical JSON of attributes as they were written; NULL attributes are those of an empty map. */
int ai_attrs_id(const struct ai_yaml *attrs, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* Calls put() for each folder of a list's content, inner ones first: what must be in the store. */
int ai_files_trees(const json_t *pin, int (*put)(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err),
	void *ctx, struct ai_ref *out, struct ai_err *err) AI_CHECKED;

/* The file of that path in a list, or NULL. Borrowed. */
const json_t *ai_files_find(const json_t *files, const char *path);

/* The content that a pin names, of any type: 1, or 0 when it does not follow from the pin (a commit's). */
int ai_pin_content(const json_t *pin, struct ai_ref *out, struct ai_err *err) AI_CHECKED;

#endif
