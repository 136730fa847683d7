/* fuzz_public.c -- TPMT_PUBLIC and PEM: attestation keys and Names.  SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>

#include "attest/quote/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err;
	struct ai_ak strict, lax, pem;
	struct ai_name name, qualified;
	int a = ai_ak_parse(data, size, &strict, &err), b = ai_ak_parse_sha1(data, size, &lax, &err);
	int c = ai_name_of(data, size, &name, &err);
	/*
	 * What is strict is lax too, and has a Name. But whether a number is an RSA modulus is found out with random numbers: one with
	 * small factors, which no maker's key has, can pass once and not again.
	 */
	bool unlucky = a == 0 && b < 0 && strict.type == 0x0001 /* TPM_ALG_RSA */;
	if (a == 0 && !unlucky && (b < 0 || c < 0 || !ai_digest_eq(&strict.fingerprint, &lax.fingerprint) || strict.name_alg == 4))
		abort();
	if (c == 0 && !ai_name_qualify("\x40\0\0\x0b", 4, &name, &qualified))
		abort();
	if (a == 0)
		ai_ak_done(&strict);
	if (b == 0)
		ai_ak_done(&lax);
	if (ai_ak_from_pem((const char *)data, size, 0x14, 0x0b, false, &pem, &err) == 0
		|| ai_ak_from_pem((const char *)data, size, 0x18, 0x0b, false, &pem, &err) == 0)
		ai_ak_done(&pem);
	return 0;
}
