/* fuzz_proof.c -- the verifier on any bytes: no crash, no leak, and a report exactly when there is a verdict.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "proof/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	json_t *report = NULL;
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .allow_withheld = true };
	int r = ai_verify((const char *)data, size, "fuzz", &o, &report, &err);
	/* No key is accepted, so nothing may reach the level. */
	if (r >= 0 || (r == AI_ENO) != (report != NULL) || !err.text[0])
		abort();
	json_decref(report);
	return 0;
}
