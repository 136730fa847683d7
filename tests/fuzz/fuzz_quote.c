/* fuzz_quote.c -- the first byte chooses: 0 key, 1 quote, 2 signature, 3 certificates (length, then one; the rest).  SPDX-License-Identifier: Apache-2.0 */
#include "attest/chain.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good key to judge against: P-256, ECDSA with SHA-256, its point the curve's generator. */
static const uint8_t area[] = "\x00\x23\x00\x0b\x00\x05\x00\x72\x00\x00\x00\x10\x00\x18\x00\x0b\x00\x03\x00\x10\x00\x20"
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x00\x20"
	"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err;
	struct ai_ak good, ak;
	struct ai_quote quote;
	struct ai_chain chain;
	if (size < 3 || ai_ak_parse(area, sizeof area - 1, &good, &err) < 0)
		return size < 3 ? 0 : -1;
	const uint8_t *p = data + 1;
	size_t n = size - 1, cut = ((size_t)p[0] << 8 | p[1]) % (n - 1);
	AI_BUF_AUTO leaf = AI_BUF(1u << 22);
	AI_BUF_AUTO rest = AI_BUF(1u << 22);
	ai_b64_put(&leaf, p + 2, cut);
	ai_b64_put(&rest, p + 2 + cut, n - 2 - cut);
	AI_JSON *list = json_pack("[s%, s%]", leaf.len ? leaf.data : "", leaf.len, rest.len ? rest.data : "", rest.len);
	if (data[0] % 4 == 0 && ai_ak_parse(p, n, &ak, &err) == 0)
		ai_ak_done(&ak);
	if (data[0] % 4 == 1)
		(void)!ai_quote_parse(p, n, &quote, &err);
	if (data[0] % 4 == 2 && ai_quote_signature(&good, area, sizeof area, p, n, &err) == 0)
		abort();
	if (data[0] % 4 == 3 && ai_chain_check(list, &good, &chain, &err) == 0)
		ai_chain_done(&chain);
	ai_ak_done(&good);
	return 0;
}
