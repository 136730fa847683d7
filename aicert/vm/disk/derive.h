/*
 * derive.h -- a source's content from what its revision names: the same outside, to find what belongs on the disk, and inside, to believe it.
 *
 * Aicertfile and lock, as the plan names them, say what is meant: whether a commit's submodules belong to it, and what config an image has.
 *
 * Depends on: aside, base, model, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_DERIVE_H
#define AI_VM_DERIVE_H

#include "cache/store.h"
#include "model/manifest.h"
#include "vm/disk/aside.h"

struct ai_derive {
	struct ai_manifest *manifest;
	json_t *lock;
	struct ai_aside aside;
	const struct ai_sink *git;       /* where a commit's tree goes */
	const struct ai_sink *image;     /* and an image's; NULL: its layers are looked for and not merged */
	const struct ai_talk *talk;
};

/* Aicertfile and lock of a plan whose blobs are in the store. */
int ai_derive_init(struct ai_derive *d, struct ai_store *store, const json_t *plan, struct ai_err *err) AI_CHECKED;
void ai_derive_done(struct ai_derive *d);

/*
 * 1 derived, and what came out is what the node says; 0 a source of a type that is carried as it is. *how: "git", "oci"; of what is carried "sha256" where
 * the lock pins content by it, else "none". AI_EINPUT: other content, or objects that are missing.
 */
int ai_derive_source(const struct ai_derive *d, const char *name, const json_t *node, const char **how, struct ai_err *err) AI_CHECKED;

#endif
