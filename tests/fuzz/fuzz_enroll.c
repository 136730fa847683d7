/*
 * fuzz_enroll.c -- the files of an enrolment as foreign bytes; the first byte chooses which. What parses is written again, and goes on: a request to be
 * judged, an answer against an entry, a certificate to be installed. 5: an endorsement key's public area; 6: certificates of a file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attest/enrol/authority.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good key to judge against: P-256, ECDSA with SHA-256, its point the curve's generator. */
static const uint8_t area[] = "\x00\x23\x00\x0b\x00\x05\x00\x72\x00\x00\x00\x10\x00\x18\x00\x0b\x00\x03\x00\x10\x00\x20"
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x00\x20"
	"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

/* No root is believed and no secret known here, so nothing may come of what a stranger sends. */
static void
use(ai_enrolment kind, json_t *file)
{
	struct ai_err err;
	struct ai_roots *roots = NULL;
	struct ai_candidate c;
	char *authority = NULL;
	if (ai_roots_new(true, &roots, &err) < 0)
		abort();
	if (kind == AI_ENROLMENT_REQUEST && ai_candidate_judge(file, ai_json_arr(file, "ek_certificates"), roots, 1767225600, &c, &err) == 0)
		abort();
	AI_JSON *pending = json_pack("{s:s, s:o, s:s, s:s}", "id", ai_json_str(file, "challenge") ? ai_json_str(file, "challenge") : "", "ak_public",
		ai_enrolment_text(area, sizeof area - 1), "secret", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "expires", "2026-01-01T00:00:00Z");
	if (kind == AI_ENROLMENT_ANSWER && ai_authority_answered(pending, file, 1767225600, &err) == 0)
		abort();
	if (kind == AI_ENROLMENT_CERTIFICATE && ai_enrolled_check(file, area, sizeof area - 1, 1767225600, &authority, &err) == 0)
		free(authority);
	ai_roots_free(roots);
}

static void
try_file(ai_enrolment kind, const char *text, size_t n)
{
	struct ai_err err;
	AI_JSON *file = NULL;
	AI_JSON *again = NULL;
	AI_BUF_AUTO out = AI_BUF(4 * AI_MAX_ENROLMENT);
	if (ai_enrolment_parse(kind, text, n, "file", &file, &err) < 0) {
		/* A check that fits is more than a mutation finds: what is well-formed but for it gets one. */
		AI_JSON *fields = NULL;
		if (ai_json_parse(text, n, "file", &fields, &err) < 0 || !json_is_object(fields))
			return;
		(void)json_object_del(fields, "check");
		if (ai_enrolment_format(kind, fields, &out, &err) < 0 || ai_enrolment_parse(kind, out.data, out.len, "file", &file, &err) < 0)
			return;
	}
	ai_buf_clear(&out);
	if (ai_json_pretty(file, &out, &err) < 0 || (out.len <= AI_MAX_ENROLMENT && ai_enrolment_parse(kind, out.data, out.len, "file", &again, &err) < 0)
		|| (again && !json_equal(file, again)))
		abort();
	use(kind, file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err;
	struct ai_ek ek;
	if (size < 1)
		return 0;
	if (data[0] % 7 < 5)
		try_file((ai_enrolment)(data[0] % 7), (const char *)data + 1, size - 1);
	if (data[0] % 7 == 5 && ai_ek_parse(data + 1, size - 1, &ek, &err) == 0)
		ai_ek_done(&ek);
	AI_JSON *list = json_array();
	if (data[0] % 7 == 6)
		(void)!ai_certificates_add(list, data + 1, size - 1, &err);
	return 0;
}
