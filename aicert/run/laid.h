/*
 * laid.h -- very many input files as one folder.
 *
 * Each input is a mount of its own, and a namespace has room for 100,000. Where more than a
 * few hundred single files go below /workspace/resources they are laid there as links to the
 * store's objects, and mounted together, read-only. That folder lies beside the step's scratch, which its root is
 * mounted over.
 *
 * Depends on: base, cache, box.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LAID_H
#define AI_LAID_H

#include "base/json.h"
#include "run/box/sandbox.h"

struct ai_laid {
	char *folder;      /* NULL: there is none */
	int lock;
};

/*
 * ai_lay_files -- takes the files among mounts[*n] away and puts one mount in front instead; what else goes below finds its place made.
 * Does nothing where they are few, or where an output lies among them. from of each is the caller's to free, before and after.
 */
int ai_lay_files(const char *cache, const json_t *outputs, struct ai_mount *mounts, size_t *n, struct ai_laid *out, struct ai_err *err) AI_CHECKED;
void ai_laid_done(struct ai_laid *l);

#endif
