/* git_sha1.c -- see git_sha1.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_sha1.h"

#include <stdalign.h>
#include <string.h>

#include "base/hash.h"

/*
 * sha1collisiondetection's interface, which the distribution ships without its header; the build gives its functions names of ours. Its context has some 2 KiB; hidden, so that no library of ours
 * exports or imports it.
 */
#define DETECTOR __attribute__((visibility("hidden"))) extern
DETECTOR void ai_sha1dc_init(void *ctx);
DETECTOR void ai_sha1dc_update(void *ctx, const char *p, size_t n);
DETECTOR int ai_sha1dc_final(unsigned char out[20], void *ctx);
enum { CONTEXT = 16 << 10 };

int
ai_git_sha1(const void *p, size_t n, uint8_t out[20], struct ai_err *err)
{
	alignas(64) char ctx[CONTEXT];
	uint8_t plain[20], seen[20];
	ai_sha1dc_init(ctx);
	ai_sha1dc_update(ctx, p, n);
	if (ai_sha1dc_final(seen, ctx) != 0)
		return ai_fail(err, AI_EINPUT, "its bytes are made to collide with others of the same SHA-1");
	/* A detector that looked at other bytes has detected nothing. */
	ai_sha1(p, n, plain);
	if (memcmp(plain, seen, sizeof plain) != 0)
		return ai_fail(err, AI_EENV, "internal: two ways to a SHA-1 differ");
	memcpy(out, plain, sizeof plain);
	return 0;
}
