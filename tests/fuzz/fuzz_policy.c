/*
 * fuzz_policy.c -- any bytes as a policy; what reads as one is asked everything, and judges a boot that it was not written for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A log of one event, the separator of PCR 4, whose digest is that of another. */
static const uint8_t log_bytes[] = "\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x21\0\0\0Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0b\0\x20\0\0"
	"\4\0\0\0\4\0\0\0\1\0\0\0\x0b\0abcdefghijklmnopqrstuvwxyzabcdef\4\0\0\0\0\0\0";

static void
ask(const struct ai_policy *p)
{
	struct ai_err err = { 0 };
	struct ai_roots *roots = NULL;
	struct ai_evidence e = { .boot_log = { .data = (char *)log_bytes, .len = sizeof log_bytes } };
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	ai_level level;
	(void)ai_policy_require(p, &level);
	(void)ai_policy_key(p, "a");
	(void)ai_policy_authority(p, "gcp");
	(void)ai_policy_may_withhold(p, "source", "a");
	if (ai_policy_threshold(p) == 0)
		abort();
	if (ai_policy_roots(p, NULL, &roots, &err) == 0)
		ai_roots_free(roots);
	/* PCR 4 is zero and the log says otherwise: never good. */
	err = (struct ai_err){ 0 };
	if (ai_policy_judge_boot(p, &e, &said, &err) != AI_ENO || !err.text[0])
		abort();
	err = (struct ai_err){ 0 };
	if (ai_policy_boot_holds(p, &e, &said, &err) < 0 && err.code != AI_ENO)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_policy *p = NULL;
	int r = ai_policy_parse((const char *)data, size, "fuzz", NULL, NULL, &p, &err);
	if (r < 0) {
		if (p || !err.text[0])
			abort();
		return 0;
	}
	ask(p);
	ai_policy_free(p);
	return 0;
}
