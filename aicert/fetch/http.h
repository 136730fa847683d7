/*
 * http.h -- one file over http(s) into a sink; and calls of a protocol over http(s), in which a refusal is an answer.
 *
 * Resumes what an earlier attempt or process left (Range with If-Range); tries
 * again with doubling pauses on lost connections, 408, 429 and 5xx, as Retry-After
 * says (at most 60 s); follows redirects to http and https, never from https to
 * http. Bytes are taken as they come, without decompression. Proxies and netrc as
 * curl has them; SSL_CERT_FILE is honoured. User info, query and headers appear
 * nowhere but on the wire.
 *
 * A call (ai_http_call, ai_http_blob) is stricter: https only (unless `plain`), or http to this very machine, at every redirect; headers go to the scheme, host
 * and port of its URL and no further; no netrc, no token variables, no proxy for this machine.
 *
 * Tests set AICERT_RETRY_BASE_MS (first pause in milliseconds, else 500) and AICERT_STALL_S (how long a server may say nothing, else 60).
 * Wraps libcurl: http*.c are the only files that include curl/.
 *
 * Depends on: base, sink.  Threads: one request per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HTTP_H
#define AI_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "fetch/sink.h"

struct ai_http_session;
struct ai_talk;

struct ai_http_request {
	const char *url;                    /* http or https */
	const char *const *headers;         /* "Name: value", sent to the first host only */
	size_t n_headers;
	const struct ai_digest *sha256;     /* what must arrive; NULL = anything */
	int64_t size;                       /* bytes that must arrive; -1 = any */
	const char *partial;                /* folder for unfinished downloads (partial.h) */
	const struct ai_talk *talk;         /* may be NULL */
	size_t max;                         /* bytes of a body at most; 0 = any (ai_http_get) or none (ai_http_call) */
	const char *ca;                     /* bundle of authorities; NULL = $SSL_CERT_FILE, else the machine's */
	const char *name;                   /* of the unfinished download (ai_http_get); NULL = what may be said of the URL */
	const atomic_bool *stop;            /* true: another thread no longer wants it (AI_EINTR); may be NULL */
	/* Calls only: */
	struct ai_http_session *session;    /* may be NULL */
	const char *post;                   /* what to send (a form, unless a header says otherwise); NULL = GET */
	size_t post_size;                   /* bytes of post; 0: it is text */
	bool plain;                         /* http to any host will do: what comes back is signed, and says nothing secret */
	unsigned tries;                     /* attempts; 0 = as many as a get */
};

/*
 * ai_http_get -- *out and *size_out are of what the sink now holds.
 * AI_EINPUT: gone (404, 410), no right to it (401, 403), or not what must arrive (both shown); AI_EENV: cannot be reached.
 */
int ai_http_get(const struct ai_http_request *req, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;

/* Connections kept open between the calls of one thread. NULL: no memory. */
struct ai_http_session *ai_http_session_new(void);
void ai_http_session_free(struct ai_http_session *s);

/* What a server said in the end; a text that it did not say is NULL. */
struct ai_http_answer {
	long status;
	char *type, *challenge, *digest;    /* Content-Type; WWW-Authenticate (several joined by ", "); Docker-Content-Digest */
	char *url;                          /* who said it, after all redirects; may hold a secret */
	struct ai_buf headers;              /* a call's, each `name: value` and a newline, names in lower case; those that fit into AI_MAX_HEADER */
	bool elsewhere;                     /* a redirect led to another scheme, host or port: not the URL's server said it */
	struct ai_buf body;                 /* of ai_http_call, at most max bytes */
};
void ai_http_answer_done(struct ai_http_answer *a);

/*
 * ai_http_call -- what does the server say? *out (empty before; the caller's to release) has any status but that of a redirect to somewhere; those that
 * stand for a bad moment (429, 5xx) after the usual attempts. AI_EINPUT: a body over max, a place where no call may go; AI_EENV: cannot be reached.
 */
int ai_http_call(const struct ai_http_request *req, struct ai_http_answer *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_http_blob -- the file that sha256 and size name, both given: 1, and *fd (caller closes) reads it from its start, checked.
 * 0: the server says something else (*out, without a body). It stays in the partial folder under its name, whichever server it came from,
 * so that the next call has it at once, until ai_http_blob_drop. AI_EINPUT when something else arrives.
 */
int ai_http_blob(const struct ai_http_request *req, int *fd, struct ai_http_answer *out, struct ai_err *err) AI_CHECKED;
void ai_http_blob_drop(const char *partial, const struct ai_digest *sha256, int64_t size);

/* Is this host of a URL ("localhost", "127.0.0.1", "[::1]") this very machine? */
bool ai_http_is_loopback(const char *host);

/* Of a URL: its host, fresh, and whether it is https; NULL when it is no URL (or memory is out). */
char *ai_http_host(const char *url, bool *https);
/* The path of a file: URL, decoded; caller frees. AI_EINPUT when it is malformed or names another host. */
int ai_http_file_path(const char *url, char **path_out, struct ai_err *err) AI_CHECKED;

#endif
