/*
 * ask.h -- what a source rule may ask the network: one GET, answered with status, headers and a bounded body.
 *
 * Over http(s), as the user who runs it: tokens that auth.h finds are shown to a server that says no without, and to no other. The rule sees
 * none of them, and of a redirect's URL only what may be said. A listing of a bucket (s3.h) is answered as JSON.
 *
 * Depends on: base, http.  Threads: an asking belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ASK_H
#define AI_ASK_H

#include "base/json.h"

struct ai_buf;
struct ai_fetch;
struct ai_http_session;

struct ai_asking {
	const struct ai_fetch *f;
	struct ai_http_session *session;   /* made at the first question */
};

/*
 * ai_ask -- ctx is a struct ai_asking. headers: {"name": "value"} or NULL. body: appended, at most max bytes. *answer: {"status", "url",
 * "headers": {name in lower case: value, several joined by ", "}}. A status is an answer; AI_EENV: cannot be reached; AI_EINPUT: no place to ask,
 * a header that is none, more than max.
 */
int ai_ask(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err) AI_CHECKED;
void ai_asking_done(struct ai_asking *a);

#endif
