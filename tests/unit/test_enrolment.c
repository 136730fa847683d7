/* test_enrolment.c -- the files of an enrolment: read strictly, whole or not at all.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/enrolment.h"

#include "unit.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { N_KINDS = AI_ENROLMENT_PENDING + 1 };

/* A good one of each kind, as far as its form goes. */
static json_t *
fields_of(size_t kind)
{
	switch (kind) {
	case AI_ENROLMENT_REQUEST:
		return json_pack("{s:s, s:[s, s], s:s}", "ek_public", "AAAA", "ek_certificates", "MAAA", "MAAB", "ak_public", "AAAA");
	case AI_ENROLMENT_CHALLENGE:
		return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", HEX, "authority", "Équipe", "ak", HEX, "credential", "AAAA", "seed", "AAAA", "expires",
			"2026-01-01T00:00:00Z");
	case AI_ENROLMENT_ANSWER:
		return json_pack("{s:s, s:s, s:s}", "challenge", HEX, "ak", HEX, "secret", "AAAA");
	case AI_ENROLMENT_CERTIFICATE:
		return json_pack("{s:s, s:[s]}", "ak", HEX, "certificates", "MAAA");
	default:
		return json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:{s:s}, s:s, s:s}", "id", HEX, "ak_public", "AAAA", "ek", HEX, "another", 0, "secret", HEX, "anchor", "A root", "tpm",
			"manufacturer", "id:4558414D", "made", "2026-01-01T00:00:00Z", "expires", "2026-01-01T01:00:00Z");
	}
}

static json_t *
file_of(size_t kind)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	AI_JSON *fields = fields_of(kind);
	json_t *file = NULL;
	ok(ai_enrolment_format((ai_enrolment)kind, fields, &text, &err));
	ok(ai_enrolment_parse((ai_enrolment)kind, text.data, text.len, "file", &file, &err));
	return file;
}

static void
refuse_text(ai_enrolment kind, const char *why, const char *text, size_t n)
{
	json_t *file = NULL;
	refused(AI_EINPUT, why, ai_enrolment_parse(kind, text, n, "file", &file, &err));
	assert_null(file);
}

static void
test_files_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		AI_JSON *file = file_of(i);
		AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
		ok(ai_json_pretty(file, &text, &err));
		json_t *again = NULL;
		ok(ai_enrolment_parse((ai_enrolment)i, text.data, text.len, "file", &again, &err));
		assert_true(json_equal(again, file));
		json_decref(again);
		/* None is another's. */
		for (size_t k = 0; k < N_KINDS; k++)
			if (k != i)
				refuse_text((ai_enrolment)k, "kind", text.data, text.len);
		/* Cut anywhere (the last byte is a line end). */
		for (size_t n = 0; n + 1 < text.len; n++)
			refuse_text((ai_enrolment)i, "file", text.data, n);
		/* Any field gone, and one too many: with and without the check that would tell. */
		const char *key;
		json_t *v;
		void *next;
		json_object_foreach_safe(file, next, key, v) {
			AI_JSON *less = json_copy(file);
			AI_BUF_AUTO out = AI_BUF(AI_MAX_ENROLMENT);
			json_object_del(less, key);
			ok(ai_json_pretty(less, &out, &err));
			refuse_text((ai_enrolment)i, "", out.data, out.len);
		}
		AI_JSON *more = json_copy(file);
		AI_BUF_AUTO out = AI_BUF(AI_MAX_ENROLMENT);
		json_object_set_new(more, "note", json_string("x"));
		ok(ai_json_pretty(more, &out, &err));
		refuse_text((ai_enrolment)i, "unknown field 'note'", out.data, out.len);
		json_object_del(more, "kind");
		json_object_del(more, "format");
		json_object_del(more, "check");
		refused(AI_EINPUT, "unknown field 'note'", ai_enrolment_format((ai_enrolment)i, more, &out, &err));
	}
}

static void
test_an_edited_file(void **state)
{
	(void)state;
	AI_JSON *request = file_of(AI_ENROLMENT_REQUEST);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	json_object_set_new(request, "ak_public", json_string("AAAB"));
	ok(ai_json_pretty(request, &text, &err));
	refuse_text(AI_ENROLMENT_REQUEST, "damaged or edited", text.data, text.len);
}

static void
test_values_of_fields(void **state)
{
	(void)state;
	static const struct { const char *key, *value, *why; } cases[] = {
		{ "expires", "2026-01-01", "'expires'" }, { "expires", "2026-13-01T00:00:00Z", "'expires'" }, { "id", "ABCD", "'id'" }, { "authority", "a\x1b[2J", "'authority'" },
		{ "credential", "", "'credential'" }, { "credential", "AAA", "'credential'" }, { "credential", " AAA=", "'credential'" },
	};
	AI_JSON *challenge = file_of(AI_ENROLMENT_CHALLENGE);
	json_object_del(challenge, "check");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_JSON *fields = json_copy(challenge);
		AI_BUF_AUTO out = AI_BUF(AI_MAX_ENROLMENT);
		json_object_set_new(fields, cases[i].key, json_string(cases[i].value));
		refused(AI_EINPUT, cases[i].why, ai_enrolment_format(AI_ENROLMENT_CHALLENGE, fields, &out, &err));
	}
	AI_JSON *fields = json_copy(challenge);
	AI_BUF_AUTO out = AI_BUF(AI_MAX_ENROLMENT);
	uint8_t big[1025] = { 0 };
	json_object_set_new(fields, "seed", ai_enrolment_text(big, sizeof big));
	refused(AI_EINPUT, "'seed'", ai_enrolment_format(AI_ENROLMENT_CHALLENGE, fields, &out, &err));
	json_object_set_new(fields, "format", json_integer(2));
	refused(AI_EINPUT, "format", ai_enrolment_format(AI_ENROLMENT_CHALLENGE, fields, &out, &err));
	AI_FREE char *huge = calloc(1, AI_MAX_ENROLMENT + 1);
	memset(huge, ' ', AI_MAX_ENROLMENT + 1);
	refuse_text(AI_ENROLMENT_REQUEST, "expected at most", huge, AI_MAX_ENROLMENT + 1);
	AI_JSON *many = json_array();
	for (int i = 0; i < 9; i++)
		json_array_append_new(many, json_string("AAAA"));
	AI_JSON *r = json_pack("{s:s, s:O, s:s}", "ek_public", "AAAA", "ek_certificates", many, "ak_public", "AAAA");
	refused(AI_EINPUT, "at most 8", ai_enrolment_format(AI_ENROLMENT_REQUEST, r, &out, &err));
	assert_int_equal(out.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_read_strictly),
		cmocka_unit_test(test_an_edited_file),
		cmocka_unit_test(test_values_of_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
