/*
 * place.h -- where the bytes of a public URI are asked for on this machine, and with which headers.
 *
 * A pin names a file by the URI that is the same for everybody (https://huggingface.co/…); a user whose HF_ENDPOINT names a mirror asks there. Objects of
 * S3 have URIs of their own: s3.h.
 *
 * Depends on: base.  Threads: reads the environment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLACE_H
#define AI_PLACE_H

#include <stddef.h>

#include "base/err.h"

/* A request that stands for a URI. */
struct ai_place {
	char *url;
	char *headers[6];      /* "Name: value": secret */
	size_t n_headers;
};

/* AI_EINPUT when the URI is none. Free with ai_place_done. */
int ai_place_of(const char *uri, struct ai_place *out, struct ai_err *err) AI_CHECKED;
void ai_place_done(struct ai_place *p);

#endif
