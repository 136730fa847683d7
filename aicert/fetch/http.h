/*
 * http.h -- one file over http(s) into a sink.
 *
 * Resumes what an earlier attempt or process left (Range with If-Range); tries
 * again with doubling pauses on lost connections, 408, 429 and 5xx, as Retry-After
 * says (at most 60 s); follows redirects to http and https, never from https to
 * http. Bytes are taken as they come, without decompression. Proxies and netrc as
 * curl has them; SSL_CERT_FILE is honoured. User info, query and headers appear
 * nowhere but on the wire.
 *
 * Tests set AICERT_RETRY_BASE_MS (first pause in milliseconds, else 500).
 * Wraps libcurl: http.c is the only file that includes curl/.
 *
 * Depends on: base, sink.  Threads: one request per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HTTP_H
#define AI_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "fetch/sink.h"

struct ai_talk;

struct ai_http_request {
	const char *url;                    /* http or https */
	const char *const *headers;         /* "Name: value", sent to the first host only */
	size_t n_headers;
	const struct ai_digest *sha256;     /* what must arrive; NULL = anything */
	int64_t size;                       /* bytes that must arrive; -1 = any */
	const char *partial;                /* folder for unfinished downloads (partial.h) */
	const struct ai_talk *talk;         /* may be NULL */
};

/*
 * ai_http_get -- *out and *size_out are of what the sink now holds.
 * AI_EINPUT: gone (404, 410), no right to it (401, 403), or not what must arrive (both shown); AI_EENV: cannot be reached.
 */
int ai_http_get(const struct ai_http_request *req, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;

/* The path of a file: URL, decoded; caller frees. AI_EINPUT when it is malformed or names another host. */
int ai_http_file_path(const char *url, char **path_out, struct ai_err *err) AI_CHECKED;

#endif
