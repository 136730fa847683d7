/*
 * image_write.h -- an OCI image layout of one layer, the same bytes for the same things.
 *
 * DIR/oci-layout, index.json, blobs/sha256/ with manifest, config and layer. The layer is a plain tar (ustar, a pax header where a name
 * does not fit): times and owners 0, modes 0755 and 0644, no attributes, not packed (what packs bytes differs between versions of a
 * library). All is written beside DIR and takes its place when it is whole.
 *
 * Depends on: base.  Threads: a writer belongs to one.
 * Source: OCI Image Format Specification 1.0; POSIX.1-2017, pax Interchange Format.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_WRITE_H
#define AI_IMAGE_WRITE_H

#include <stdbool.h>

#include "base/hash.h"

struct ai_image_writer;

struct ai_image_written {
	struct ai_digest manifest, layer;
	uint64_t bytes;                    /* of the layer */
};

/* replace: an image layout that stands at dir may be replaced. AI_EUSAGE when something else does. */
int ai_image_write_begin(const char *dir, bool replace, struct ai_image_writer **out, struct ai_err *err) AI_CHECKED;

/* Paths are relative, and come in the order of their bytes: so a folder comes before what is in it. AI_EUSAGE otherwise. */
int ai_image_write_folder(struct ai_image_writer *w, const char *path, struct ai_err *err) AI_CHECKED;
int ai_image_write_link(struct ai_image_writer *w, const char *path, const char *target, struct ai_err *err) AI_CHECKED;
/* fd from its start to its end; *id is of the bytes that went in. AI_EINPUT when it changes meanwhile. */
int ai_image_write_file(struct ai_image_writer *w, const char *path, bool exec, int fd, struct ai_digest *id, struct ai_err *err) AI_CHECKED;
int ai_image_write_text(struct ai_image_writer *w, const char *path, const char *text, struct ai_err *err) AI_CHECKED;

/*
 * platform: "linux/amd64". Puts the image at dir, durably; one that is there already with the same manifest stays.
 * Frees the writer whatever it returns; after an error dir is as it was.
 */
int ai_image_write_finish(struct ai_image_writer *w, const char *platform, struct ai_image_written *out, struct ai_err *err) AI_CHECKED;
void ai_image_write_abort(struct ai_image_writer *w);

#endif
