/*
 * fuzz_timestamp.c -- any bytes as a token and as an authority's answer: no crash, no leak, and nobody is believed.
 *
 * Before what is tried come 32 bytes of imprint, so that a real token can be a seed. SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/timestamp.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const uint8_t *token, size_t n, const struct ai_digest *imprint, const struct ai_roots *roots)
{
	struct ai_err err = { 0 };
	struct ai_stamp s = { 0 };
	int r = ai_timestamp_check(token, n, imprint, roots, &s, &err);
	/* Nothing built in may stamp time. */
	if (r < 0 ? !err.text[0] || s.authority : s.anchor || !s.why_not || !s.authority)
		abort();
	ai_stamp_done(&s);
}

static void
answer(const uint8_t *bytes, size_t n, const struct ai_digest *imprint)
{
	struct ai_err err = { 0 };
	AI_BUF_AUTO token = AI_BUF(1 << 20);
	int r = ai_timestamp_answer(bytes, n, imprint, NULL, &token, &err);
	if (r < 0 ? !err.text[0] || token.len : !token.len)
		abort();
	/* What an answer gives, a verifier takes. */
	struct ai_stamp s = { 0 };
	if (r == 0 && ai_timestamp_check(token.data, token.len, imprint, NULL, &s, &err) < 0)
		abort();
	ai_stamp_done(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ai_roots *roots;
	struct ai_err err = { 0 };
	struct ai_digest imprint;
	if (!roots && ai_roots_new(true, &roots, &err) < 0)
		abort();
	if (size < sizeof imprint.b)
		return 0;
	memcpy(imprint.b, data, sizeof imprint.b);
	check(data + sizeof imprint.b, size - sizeof imprint.b, &imprint, roots);
	answer(data + sizeof imprint.b, size - sizeof imprint.b, &imprint);
	return 0;
}
