/*
 * oci_layout.h -- what the readers of layouts and archives share: files by their name in a folder or a tar file.
 *
 * A folder is read through openat2(RESOLVE_BENEATH): links inside it are followed, one that leads out is an error.
 *
 * Depends on: base, oci_parts, image_archive.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_LAYOUT_H
#define AI_OCI_LAYOUT_H

#include "fetch/image_archive.h"
#include "fetch/oci_parts.h"

struct ai_oci_files {
	int dirfd;                         /* the folder, or */
	struct ai_image_archive *archive;  /* the archive */
	char *scratch;                     /* folder for temporary files */
	_Atomic bool stopped;              /* copying ends soon, with AI_EINTR: set from another thread */
};

/* 1 opened: bytes offset…offset+size of *fd (caller closes); 0 no such file; AI_EINPUT when it is something else or leads out. */
int ai_oci_file_open(const struct ai_oci_files *f, const char *name, int *fd, int64_t *offset, int64_t *size, struct ai_err *err) AI_CHECKED;
/* The whole of a small file (out's ceiling holds): 1, 0 no such file. */
int ai_oci_file_read(const struct ai_oci_files *f, const char *name, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* n bytes from offset of fd to where out (-1: nowhere) stands, hashed. */
int ai_oci_copy(const struct ai_oci_files *f, int fd, int64_t offset, int64_t n, int out, struct ai_digest *digest,
	struct ai_err *err) AI_CHECKED;

/* --- oci_archive.c: what `docker save` writes ------------------------------- */
struct ai_docker_blob { struct ai_digest digest; char *name; };
struct ai_docker_image {
	struct ai_buf manifest;            /* made: an OCI manifest over config and layers as they lie there */
	struct ai_docker_blob *blobs; size_t n;
};
/*
 * ai_docker_image_find -- the image of that tag (NULL: the only one). 1 found, 0 the archive has no manifest.json.
 * Reads every layer once, for its hash is its name in the manifest.
 */
int ai_docker_image_find(const struct ai_oci_files *f, const char *tag, struct ai_docker_image *out, struct ai_err *err) AI_CHECKED;
void ai_docker_image_done(struct ai_docker_image *i);

#endif
