/*
 * intake.h -- nodes and blobs of a disk into a store, each hashed as it is read; what is not what it says leaves nothing.
 *
 * Depends on: disk, base, model, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_INTAKE_H
#define AI_VM_INTAKE_H

#include "base/buf.h"
#include "cache/store.h"
#include "vm/disk/disk.h"

/* Object i, a node: of an exact shape, in canonical bytes. */
int ai_intake_node(struct ai_disk *d, size_t i, struct ai_store *store, struct ai_err *err) AI_CHECKED;
/* Object i, a blob: never whole in memory. */
int ai_intake_blob(struct ai_disk *d, size_t i, struct ai_store *store, struct ai_err *err) AI_CHECKED;
/* Object i, small enough for out's ceiling. */
int ai_intake_bytes(struct ai_disk *d, size_t i, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
