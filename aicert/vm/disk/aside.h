/*
 * aside.h -- raw git objects and image blobs in folders, and the trees that they give: commit -> tree, manifest -> layers -> tree.
 *
 * A folder has git/<sha1> (a raw object with its header "commit 123\0") and oci/<hex> (manifest, config, layers). Nothing is believed for its name: a git
 * object's SHA-1 (fetch/git_sha1.h) and a manifest's or config's SHA-256 are recomputed whenever it is read; a layer's when it was brought here, and its unpacked bytes when they are merged.
 * The same walk runs outside (what belongs to the source?) and in the measured machine (is that its content?). No libgit2, no network.
 *
 * Depends on: base, model, fetch (walks and merges).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_ASIDE_H
#define AI_VM_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/talk.h"
#include "fetch/sink.h"
#include "model/image_ref.h"

struct ai_aside {
	const char *const *folders; size_t n;   /* looked through in order */
	/* Called with each object that was taken (more than once for some); fd stands at its start. type, name: as disk.h has them. May be NULL. */
	int (*used)(void *ctx, const char *type, const char *name, int fd, struct ai_err *err);
	/* Called with each content of Git LFS that a commit's tree has; it is nobody's object, but content as it is. May be NULL. */
	int (*lfs)(void *ctx, const struct ai_digest *oid, struct ai_err *err);
	void *ctx;
};

/* Descriptor of the plain file of an object, and its size; AI_EINPUT when there is none. */
int ai_aside_open(const struct ai_aside *a, const char *type, const char *name, uint64_t *size, struct ai_err *err) AI_CHECKED;

/* The tree of a commit into the sink, submodules at exactly the commits that it names (false: empty folders), files of Git LFS by their oid (false: pointers). */
int ai_aside_git_tree(const struct ai_aside *a, const char *revision, bool submodules, bool lfs, const struct ai_sink *sink, const struct ai_talk *talk,
	struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

/*
 * The merged layers of a manifest into the sink (NULL: all of it is only looked for, and *tree_out is not set). A digest in the image's name must
 * lead to the manifest, and the manifest's config must be config, as the lock has it. Layers are read in a confined child (layers_apart.h).
 */
int ai_aside_image_tree(const struct ai_aside *a, const struct ai_image_ref *ref, const char *revision, const char *platform, const json_t *config,
	const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

/* Pure: kind and content of a raw git object ("blob 3\0abc"); AI_EINPUT. kind_out is a literal. */
int ai_aside_git_parse(const char *bytes, size_t n, const char **kind_out, size_t *content_out, struct ai_err *err) AI_CHECKED;

#endif
