/*
 * image_archive.h -- a tar file with an image in it, as a table of its members.
 *
 * The file is read through once, headers only; members are then read at their offsets. A file that
 * is packed as a whole (`docker save | gzip`) is unpacked into a nameless temporary file first. Of two members
 * with one name the last counts, and links are followed inside the archive, as if it had been unpacked.
 *
 * Depends on: base, image_unpack.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_ARCHIVE_H
#define AI_IMAGE_ARCHIVE_H

#include <stdint.h>

#include "base/buf.h"

struct ai_image_archive;

/* Takes fd, also on failure. scratch: the folder for temporary files, made if absent. AI_EINPUT when it is no tar file. */
int ai_image_archive_open(int fd, const char *scratch, struct ai_image_archive **out, struct ai_err *err) AI_CHECKED;
void ai_image_archive_free(struct ai_image_archive *a);

/* 1 and where in ai_image_archive_fd the plain file's bytes are, 0 there is none of that name. */
int ai_image_archive_find(const struct ai_image_archive *a, const char *name, int64_t *offset, int64_t *size);
int ai_image_archive_fd(const struct ai_image_archive *a);

/* A file without a name in the folder: open for reading and writing, gone when it is closed. Descriptor or negative. */
int ai_image_scratch(const char *folder, struct ai_err *err) AI_CHECKED;

#endif
