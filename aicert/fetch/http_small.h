/*
 * http_small.h -- a small answer of a stranger's server, or none, within a bounded time.
 *
 * For addresses that foreign data names (where a certificate says that its issuer's is): one attempt, at most
 * five redirects to http or https, a ceiling in bytes, and a deadline for all of it that a trickle of bytes
 * does not move. No login, no token, no netrc. Nothing that arrives is to be believed: whoever asks checks it.
 *
 * Depends on: base.  Threads: one request per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HTTP_SMALL_H
#define AI_HTTP_SMALL_H

#include "base/buf.h"

/* The body of a 200, appended to out, whose ceiling holds. AI_EENV: not reached, too slow; AI_EINPUT: another answer, too large. */
int ai_http_small(const char *url, unsigned seconds, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
