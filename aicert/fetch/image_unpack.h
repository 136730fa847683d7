/*
 * image_unpack.h -- a packed file as a run of its unpacked bytes, inflated by a thread of its own.
 *
 * Inflating is what costs most of unpacking a layer, so it runs beside the reader, who
 * hashes and stores: a ring of blocks lies between them. The whole file must be one
 * packed stream (gzip: of any number of members): what is cut off or has something behind it is refused.
 *
 * Depends on: base, oci_parts.  Threads: called from one; starts one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_UNPACK_H
#define AI_IMAGE_UNPACK_H

#include "fetch/oci_parts.h"

struct ai_unpack;

/* fd is read from its start by offset and stays the caller's, who keeps it open until ai_unpack_free. */
int ai_unpack_new(int fd, ai_oci_packing packing, struct ai_unpack **out, struct ai_err *err) AI_CHECKED;
/* The next bytes, good until the next call; 1, or 0 at the end. AI_EINPUT when they are no such packing, AI_EINTR. */
int ai_unpack_next(struct ai_unpack *u, const void **bytes, size_t *n, struct ai_err *err) AI_CHECKED;
void ai_unpack_free(struct ai_unpack *u);

/* How a file that begins so is packed. */
ai_oci_packing ai_unpack_guess(const unsigned char magic[4]);

#endif
