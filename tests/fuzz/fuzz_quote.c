/* fuzz_quote.c -- TPMS_ATTEST, and what is asked of one that parses.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "attest/quote/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[AI_MAX_SELECTIONS * 32 * 64];
	struct ai_err err;
	struct ai_quote one, many;
	struct ai_name name = { { 0, 0x0b }, 34 };
	int a = ai_quote_parse(data, size, &one, &err), b = ai_quote_parse_banks(data, size, &many, &err);
	if (a == 0 && (b < 0 || one.n_banks != 1 || memcmp(one.banks, many.banks, sizeof one.banks[0]) != 0))
		abort();
	if (a == 0)
		(void)!ai_quote_pcrs(&one, (const struct ai_digest *)zeros, one.pcr_mask, &err);
	if (b < 0)
		return 0;
	size_t n = ai_quote_values_size(&many);
	if (n == 0 || n > sizeof zeros || ai_quote_values(&many, 0x0b, zeros, n + 1, &err) == 0)
		abort();
	(void)!ai_quote_values(&many, 0x0b, zeros, n, &err);
	(void)ai_quote_hierarchy(&many, &name);
	if (!ai_quote_extra_is(&many, many.extra, many.extra_len))
		abort();
	return 0;
}
