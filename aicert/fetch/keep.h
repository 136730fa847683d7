/*
 * keep.h -- what content was derived from, kept beside the store: raw git objects, image manifests, configs and layers, one file each.
 *
 * A file's name is the object's own: the SHA-1 of a raw git object with its header ("blob 3\0abc"), the SHA-256 (hex) of a part of an image. A
 * file appears whole, by rename; it is not synced, since whoever reads it hashes it again.
 *
 * Depends on: base, model, git, oci_parts.  Threads: processes may share the folder.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_KEEP_H
#define AI_KEEP_H

#include <stdbool.h>

#include "base/json.h"
#include "fetch/fetch.h"
#include "model/image_ref.h"

/* git_objects.c: everything that a commit's content is made of, submodules and all, into folder. *tree_out: its content. */
int ai_git_keep(const struct ai_fetch *f, const struct ai_input *in, const char *commit, const char *folder, struct ai_digest *tree_out,
	struct ai_err *err) AI_CHECKED;

/*
 * oci_keep.c: manifest, config and layers that the pin's revision names, into folder; and, where the image's name holds a digest, what leads from it to
 * the manifest. AI_EINPUT when it leads elsewhere; else as ai_oci_content.
 */
int ai_oci_keep(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *pin, const char *folder, struct ai_err *err) AI_CHECKED;

/* A new file of the folder, to be written: descriptor and (fresh) path. Then its name, or away with it. git_objects.c */
int ai_keep_open(const char *folder, const char *name, char **path, struct ai_err *err) AI_CHECKED;
int ai_keep_close(const char *folder, const char *name, int fd, char *path, bool good, struct ai_err *err) AI_CHECKED;

#endif
