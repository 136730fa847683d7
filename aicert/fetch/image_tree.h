/*
 * image_tree.h -- the layers of an image merged in memory: names, kinds and hashes, no content.
 *
 * Applies the change sets of the OCI image specification ("layer.md") in the way that
 * umoci, containerd and docker do it:
 *   - an entry takes the place of what has its name, but a folder on a folder is merged;
 *   - `.wh.NAME` removes NAME, `.wh..wh..opq` everything in its folder, as far as it is from lower layers, wherever in the layer it stands;
 *   - parents are made when they are missing, and a link among them is followed inside the image, as if this were chroot;
 *   - a hard link is the file that its target is at that moment, found in any layer; the target must be there.
 * What stands in the tree always satisfies base/path.h's rule for names, has at most AI_IMAGE_DEPTH parts and
 * a path of at most AI_IMAGE_PATH bytes, so that every file system can hold it.
 *
 * Depends on: base, model, sink, oci_parts.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_TREE_H
#define AI_IMAGE_TREE_H

#include <stdint.h>

#include "fetch/oci_parts.h"

enum { AI_IMAGE_DEPTH = 256, AI_IMAGE_PATH = 4095, AI_IMAGE_LINKS = 40 };

struct ai_image_node;

struct ai_image_tree {
	struct ai_image_node *root;
	size_t n_nodes, max_nodes;
	unsigned layer;               /* the layer being applied, from 1 */
};

int ai_image_tree_init(struct ai_image_tree *t, struct ai_err *err) AI_CHECKED;
void ai_image_tree_done(struct ai_image_tree *t);

/* A name as a tar file has it, in its parts: without leading "/" and "./". */
struct ai_image_path {
	char *text;                   /* the parts, a NUL behind each */
	char *part[AI_IMAGE_DEPTH];
	size_t n;                     /* 0: the root */
};
/* AI_EINPUT, naming it, when a part is "..", or no name (not UTF-8, control characters), or when it is too long or deep. */
int ai_image_path_split(const char *name, struct ai_image_path *out, struct ai_err *err) AI_CHECKED;
void ai_image_path_done(struct ai_image_path *p);
/* For errors: bytes that are not printable are escaped. */
#define AI_IMAGE_SHOWN 320
void ai_image_shown(const char *name, char out[AI_IMAGE_SHOWN]);

/* What is at a path. Devices, FIFOs and sockets have a place, for they hide what is below, but stay out of the sealed tree. */
typedef enum ai_image_kind_of { AI_IMAGE_FILE, AI_IMAGE_EXEC, AI_IMAGE_FOLDER, AI_IMAGE_LINK, AI_IMAGE_SPECIAL } ai_image_kind_of;

int ai_image_put(struct ai_image_tree *t, const struct ai_image_path *at, ai_image_kind_of kind, const struct ai_digest *id, const char *target,
	struct ai_err *err) AI_CHECKED;
int ai_image_hard_link(struct ai_image_tree *t, const struct ai_image_path *at, const struct ai_image_path *target, struct ai_err *err) AI_CHECKED;
/* A link as an archive has it: its target is foreign text (NULL: none). */
int ai_image_put_link(struct ai_image_tree *t, const struct ai_image_path *at, const char *target, struct ai_err *err) AI_CHECKED;
/* Does every link, from where it came to lie, stay inside by its text (ai_link_inside)? AI_EINPUT names the first that does not. */
int ai_image_links_inside(const struct ai_image_tree *t, struct ai_err *err) AI_CHECKED;
/* at is the whole path, its last part the marker's name. */
int ai_image_whiteout(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_err *err) AI_CHECKED;

/* Makes the folder with its parents unless a path, links followed to its end, already leads to one. */
int ai_image_work_folder(struct ai_image_tree *t, const struct ai_image_path *at, struct ai_err *err) AI_CHECKED;

/* The tree nodes, from the leaves up, into the sink. *left_out counts what has a place and is no part of it. */
int ai_image_seal(const struct ai_image_tree *t, const struct ai_sink *sink, struct ai_digest *out, size_t *left_out, struct ai_err *err) AI_CHECKED;

#endif
