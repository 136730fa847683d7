/*
 * packages.h -- the distribution's packages that a runner is built from, pinned by SHA-256, as one tree.
 *
 * A pins file (canonical JSON with line breaks) is {"aicert-vm-pins":1,"platform","packages":[{"name","version","url","size","sha256","for":"runtime"|"compiler"|"both"}]}, sorted by name.
 * Without one, apt resolves the closure of what is wanted against an empty system (signatures checked by apt, machine's own sources),
 * and the file is written; with one (strict) nothing is asked of apt, and a package that is gone from its url is an error that names it.
 * Packages are fetched by hash into the store and unpacked there by the rules of image layers: no maintainer script runs.
 *
 * Depends on: base, model, fetch, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PACKAGES_H
#define AI_VM_PACKAGES_H

#include "base/json.h"
#include "base/talk.h"
#include "cache/store.h"

/* names for "runtime" (kernel, stub, libraries) and "compiler". New reference. AI_EENV without apt or network. */
int ai_packages_resolve(const char *const *runtime, size_t n_runtime, const char *const *compiler, size_t n_compiler, const char *scratch,
	const struct ai_talk *talk, json_t **pins, struct ai_err *err) AI_CHECKED;
int ai_pins_parse(const char *text, size_t n, const char *file, json_t **pins, struct ai_err *err) AI_CHECKED;
int ai_pins_text(const json_t *pins, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* Every package of this use ("runtime" or "compiler"; "both" belongs to either) fetched and merged into one tree in the store. */
int ai_packages_tree(struct ai_store *store, const char *scratch, const json_t *pins, const char *use, const struct ai_talk *talk, struct ai_digest *tree,
	struct ai_err *err) AI_CHECKED;

#endif
