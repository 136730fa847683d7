/* issuers.c -- see issuers.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/issuers.h"

#include <stdlib.h>
#include <strings.h>

#include "fetch/http_small.h"

enum { SECONDS = 10 };

static unsigned
seconds(void)
{
	const char *s = getenv("AICERT_ISSUER_S");
	unsigned long long v = s ? strtoull(s, NULL, 10) : 0;
	return v >= 1 && v <= 60 ? (unsigned)v : SECONDS;
}

int
ai_issuer_ask(void *ctx, const char *url, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO answer = AI_BUF(AI_MAX_CERT);
	(void)ctx;
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return ai_fail(err, AI_EINPUT, "'%s': expected http or https", url);
	if (ai_http_small(url, seconds(), &answer, err) < 0)
		return err->code;
	ai_buf_put(out, answer.data, answer.len);
	return ai_buf_ok(out, "issuer's certificate", err);
}
