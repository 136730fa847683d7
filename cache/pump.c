/* pump.c -- see pump.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

enum { CHUNK = 1 << 16 };

static int
pump(int in, int out, const char *what, struct ai_sha *sha, uint64_t *size, struct ai_err *err)
{
	char chunk[CHUNK];
	for (;;) {
		ssize_t n = read(in, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ai_fail_errno(err, AI_EINPUT, "%s: cannot read", what);
		if (n == 0)
			return 0;
		ai_sha_add(sha, chunk, (size_t)n);
		*size += (uint64_t)n;
		if (out >= 0 && ai_write_all(out, chunk, (size_t)n, what, err) < 0)
			return err->code;
		if (ai_check_interrupt(err) < 0)
			return err->code;
	}
}

int
ai_pump(int in, int out, const char *what, struct ai_digest *digest_out, uint64_t *size_out, struct ai_err *err)
{
	struct ai_sha sha;
	uint64_t size = 0;
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	(void)posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (pump(in, out, what, &sha, &size, err) < 0) {
		ai_sha_done(&sha);
		return err->code;
	}
	ai_sha_end(&sha, digest_out);
	if (size_out)
		*size_out = size;
	return 0;
}
