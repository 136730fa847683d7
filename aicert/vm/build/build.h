/*
 * build.h -- `aicert vm build`: from pinned packages and aicert's own source to one UKI, bit for bit the same wherever it is built.
 *
 * The agent is compiled in the sandbox (no network) with the pinned compiler, in a tree of pinned packages; or taken as it is (agent), while
 * one develops. Files of the cpio: /init (the agent), the shared libraries that it needs (ELF DT_NEEDED, from the runtime tree), kernel modules in
 * /modules with their load order in /modules/order, folders.
 *
 * Depends on: packages, uki, base, cache, run/box.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_BUILD_H
#define AI_VM_BUILD_H

#include <stdbool.h>

#include "base/json.h"
#include "base/talk.h"

struct ai_vm_build {
	const char *home;          /* NULL: as the environment says */
	const char *out;           /* the UKI */
	const char *pins;          /* file; NULL: out + ".pins.json", written */
	bool strict;               /* --pins was given: the file must be there and is not changed */
	const char *source;        /* folder of aicert's source; NULL with agent */
	const char *agent;         /* a built agent to take as it is; NULL: compile */
	const struct ai_talk *talk;
};
/* *report (new reference): {"uki": path, "sha256", "bytes", "agent": sha256, "kernel": version, "packages": n, "pins": path}. */
int ai_vm_build(const struct ai_vm_build *in, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
