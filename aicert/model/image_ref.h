/*
 * image_ref.h -- the name of a container image, as an Aicertfile has it.
 *
 *   NAME[:TAG][@sha256:HEX]          a registry's; "python:3.11" is docker.io/library/python:3.11; no tag and no digest: latest
 *   oci:DIR[:TAG]                    an OCI image layout
 *   oci-archive:FILE[:TAG]           the same in a tar file
 *   docker-archive:FILE[:NAME:TAG]   what `docker save` writes
 *
 * The grammar is the one of the Docker reference package (distribution/reference): lower-case repository parts, tags of at most 128.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMAGE_REF_H
#define AI_IMAGE_REF_H

#include "base/err.h"

typedef enum ai_image_kind { AI_IMAGE_REGISTRY, AI_IMAGE_OCI_DIR, AI_IMAGE_OCI_ARCHIVE, AI_IMAGE_DOCKER_ARCHIVE } ai_image_kind;

struct ai_image_ref {
	ai_image_kind kind;
	char *text;         /* the whole, normalised: "docker.io/library/python:3.11", "oci:images/base:v1"; holds no secret */
	char *registry;     /* REGISTRY: "docker.io", "localhost:5000" */
	char *repository;   /* REGISTRY: "library/python" */
	char *tag;          /* as written or "latest"; NULL beside a digest alone. DIR and archives: what follows the path, or NULL */
	char *digest;       /* "sha256:…" or NULL */
	char *path;         /* DIR and archives, as written */
};

/* AI_EUSAGE when it is no such name; the error shows it and what is wrong. */
int ai_image_ref_parse(const char *text, struct ai_image_ref *out, struct ai_err *err) AI_CHECKED;
void ai_image_ref_done(struct ai_image_ref *r);

/*
 * ai_image_uri -- what lock and source node say of where an image comes from, fresh: text; of a folder or archive whose path is absolute or
 * leads out of the project, "local". NULL when memory is out.
 */
char *ai_image_uri(const struct ai_image_ref *r);

#endif
