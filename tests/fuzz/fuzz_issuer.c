/* fuzz_issuer.c -- what an address of a certificate answers, and what stands in a TPM's NV.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "attest/tpm/tpm_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err;
	AI_JSON *list = NULL;
	AI_JSON *about = NULL;
	size_t n = ai_der_length(data, size);
	if (n > size || (n > 0 && ai_der_length(data, n) != n))
		abort();
	if (ai_tpm_certs_in_answer(data, size, &list, &err) < 0 || json_array_size(list) > 16)
		abort();
	/* What was found is a certificate, and found again in itself. */
	for (size_t i = 0; i < json_array_size(list); i++) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		AI_JSON *again = NULL;
		AI_JSON *what = NULL;
		const json_t *text = json_array_get(list, i);
		if (ai_b64_get(json_string_value(text), json_string_length(text), &der, &err) < 0 || ai_tpm_certs_in_answer(der.data, der.len, &again, &err) < 0)
			abort();
		if (json_array_size(again) == 1 && ai_tpm_cert_about(der.data, der.len, &what, &err) < 0)
			abort();
	}
	if (ai_tpm_cert_about(data, size, &about, &err) == 0 && json_array_size(list) != 1)
		abort();
	return 0;
}
