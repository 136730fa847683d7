/* fuzz_signature.c -- TPMT_SIGNATURE and bare ones, against keys that signed nothing.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "attest/quote/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* P-256, ECDSA with SHA-256, its point the curve's generator. */
static const uint8_t ecc[] = "\x00\x23\x00\x0b\x00\x05\x00\x72\x00\x00\x00\x10\x00\x18\x00\x0b\x00\x03\x00\x10\x00\x20"
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x00\x20"
	"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

/* The generator's private key is 1, so a signature by it can be made by anyone: what must not verify is one over other bytes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err;
	struct ai_ak ak;
	uint16_t scheme, hash;
	if (ai_ak_parse(ecc, sizeof ecc - 1, &ak, &err) < 0)
		abort();
	if (ai_quote_signature_words(data, size, &scheme, &hash, &err) == 0 && size < 4)
		abort();
	if (ai_quote_signature(&ak, ecc, sizeof ecc, data, size, &err) == 0 && (size < 8 || scheme != ak.scheme || hash != ak.hash))
		abort();
	if (ai_quote_signature_bare(&ak, ecc, sizeof ecc, data, size, &err) == 0 && size < 8)
		abort();
	ai_ak_done(&ak);
	return 0;
}
