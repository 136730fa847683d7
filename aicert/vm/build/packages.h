/*
 * packages.h -- the distribution's packages that a runner is built from, pinned by SHA-256, as trees.
 *
 * A pins file (canonical JSON with line breaks) is {"aicert-vm-pins":1,"packages":[{"for":"runtime"|"compiler"|"both","name","sha256","size","url","version"}],"platform"},
 * packages sorted by name. Without one, apt resolves the closure of what is wanted against an empty system (signatures checked by apt, machine's own
 * sources), and the file is written; with one (strict) nothing is asked of apt, and a package that is gone from its url is an error that names it.
 * Packages are fetched by hash into the store and unpacked there by the rules of fetch/archive_deb.h: no maintainer script runs.
 *
 * Depends on: base, model, fetch, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PACKAGES_H
#define AI_VM_PACKAGES_H

#include "base/buf.h"
#include "base/json.h"
#include "base/talk.h"
#include "cache/store.h"

#define AI_PINS_PLATFORM "linux/amd64"
enum { AI_PINS_MAX = 4 << 20, AI_PINS_MAX_PACKAGES = 4096 };

/*
 * A package that is wanted. keep: NULL, and it is meant with all that it depends on; or a pattern for names (base/path.h's ai_glob), and of it and what it depends on
 * only the packages so called are (a kernel without what installs it).
 */
struct ai_wanted { const char *name, *keep; const char *use; };

/*
 * ai_packages_resolve -- what would apt fetch for these ("runtime" or "compiler" each; what both need is "both")?
 *   scratch  empty folder for apt's own files; removed by the caller
 * *pins is a new reference. AI_EENV without apt or network, or when the distribution lacks one of them.
 */
int ai_packages_resolve(const struct ai_wanted *wanted, size_t n, const char *scratch, const struct ai_talk *talk, json_t **pins, struct ai_err *err) AI_CHECKED;
/* What apt-get --print-uris printed, one `'url' file size SHA256:hex` a line, as pins without "for" (pure): appended to the array. AI_EENV. */
int ai_packages_listed(const char *text, size_t n, json_t *packages, struct ai_err *err) AI_CHECKED;

/* A pins file's bytes; file names it in errors. *pins is a new reference. AI_EINPUT names the key, the package and what is wrong. */
int ai_pins_parse(const char *text, size_t n, const char *file, json_t **pins, struct ai_err *err) AI_CHECKED;
/* The file's bytes, appended. */
int ai_pins_text(const json_t *pins, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* Is each wanted package among the pins, for its use? AI_EINPUT names the first that is not. */
int ai_pins_have(const json_t *pins, const struct ai_wanted *wanted, size_t n, const char *file, struct ai_err *err) AI_CHECKED;
/* The first pinned package whose name matches, or NULL. Borrowed. */
const json_t *ai_pins_find(const json_t *pins, const char *pattern);

/* Every package of this use ("runtime" or "compiler"; "both" belongs to either) fetched and merged into one tree in the store. partial: folder of unfinished downloads. */
int ai_packages_tree(struct ai_store *store, const char *partial, const json_t *pins, const char *use, const struct ai_talk *talk, struct ai_digest *tree,
	struct ai_err *err) AI_CHECKED;

#endif
