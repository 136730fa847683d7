/* ima.c -- see ima.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/eventlog/ima.h"

#include <string.h>

enum { FIELD_LENGTH = 4, MAX_TEMPLATE = 128 };

static size_t
put_field(unsigned char *to, const char *text, size_t text_len, const struct ai_digest *digest)
{
	size_t n = text_len + (digest ? sizeof digest->b : 0);
	memcpy(to, &(const unsigned char[FIELD_LENGTH]){ (unsigned char)n }, FIELD_LENGTH);
	memcpy(to + FIELD_LENGTH, text, text_len);
	if (digest)
		memcpy(to + FIELD_LENGTH + text_len, digest->b, sizeof digest->b);
	return FIELD_LENGTH + n;
}

bool
ai_ima_is_boot_aggregate(const struct ai_digest *pcrs)
{
	static const struct ai_digest zero;
	static const char algorithm[] = "sha256:", name[] = "boot_aggregate";
	unsigned char data[MAX_TEMPLATE];
	struct ai_digest aggregate, entry, after;
	ai_sha256(pcrs, AI_PCR_IMA * sizeof *pcrs, &aggregate);
	/* Each field behind its length; ima-sig has a third, the signature, which is empty here. */
	size_t n = put_field(data, algorithm, sizeof algorithm, &aggregate);
	n += put_field(data + n, name, sizeof name, NULL);
	size_t with_signature = n + put_field(data + n, "", 0, NULL);
	for (int i = 0; i < 2; i++) {
		ai_sha256(data, i ? with_signature : n, &entry);
		ai_sha256_pair(&zero, &entry, &after);
		if (ai_digest_eq(&after, &pcrs[AI_PCR_IMA]))
			return true;
	}
	return false;
}
