/* test_vm_pins.c -- pins of the runner's packages: read strictly, written, and taken from what apt prints.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/json.h"
#include "vm/build/packages.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PACKAGE(name, use) "{\"for\":\"" use "\",\"name\":\"" name "\",\"sha256\":\"" SUM "\",\"size\":7,\"url\":\"http://deb.example/x_1.deb\",\"version\":\"1:2.0-1+b1~x\"}"
#define FILE_OF(packages) "{\"aicert-vm-pins\":1,\"packages\":[\n" packages "\n],\"platform\":\"linux/amd64\"}\n"

static const char good[] = FILE_OF(PACKAGE("gcc-12", "compiler") ",\n" PACKAGE("libc6", "both"));

static int
parse(const char *text, json_t **pins, struct ai_err *err)
{
	return ai_pins_parse(text, strlen(text), "p.json", pins, err);
}

static void
test_round_trip(void **state)
{
	(void)state;
	AI_JSON *pins = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_PINS_MAX);
	ok(parse(good, &pins, &err));
	ok(ai_pins_text(pins, &text, &err));
	assert_string_equal(text.data, good);
	/* Without its line breaks it is canonical. */
	AI_BUF_AUTO canon = AI_BUF(AI_PINS_MAX);
	ok(ai_canon(pins, &canon, &err));
	size_t k = 0;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '\n')
			text.data[k++] = text.data[i];
	assert_int_equal(k, canon.len);
	assert_memory_equal(text.data, canon.data, k);
}

/* good with one part replaced by another. */
static int
parse_with(const char *old, const char *new, struct ai_err *err)
{
	const char *at = strstr(good, old);
	assert_non_null(at);
	char *text = ai_format("%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
	json_t *pins = (json_t *)0xaaaa;
	int r = parse(text, &pins, err);
	free(text);
	if (r == 0)
		json_decref(pins);
	else
		assert_ptr_equal(pins, (void *)0xaaaa);
	return r;
}

static void
test_refused(void **state)
{
	(void)state;
	static const struct { const char *old, *new, *words; } cases[] = {
		{ "\"aicert-vm-pins\":1", "\"aicert-vm-pins\":2", "the only format" },
		{ "\"aicert-vm-pins\":1", "\"aicert-vm-pins\":\"1\"", "the only format" },
		{ "\"aicert-vm-pins\":1,", "", "'aicert-vm-pins' is missing" },
		{ "linux/amd64", "linux/arm64", "platform: got 'linux/arm64', expected 'linux/amd64'" },
		{ "\"platform\"", "\"platforn\"", "unknown key 'platforn' (did you mean 'platform'?)" },
		{ "\"for\":\"compiler\"", "\"for\":\"nothing\"", "package 'gcc-12': 'for'" },
		{ "\"size\":7", "\"size\":0", "package 'gcc-12': 'size'" },
		{ "\"size\":7", "\"size\":-7", "'size'" },
		{ "\"size\":7", "\"size\":\"7\"", "'size'" },
		{ "\"size\":7", "\"size\":99999999999", "'size'" },
		{ "\"size\":7", "\"size\":7,\"script\":\"rm\"", "package 'gcc-12': unknown key 'script'" },
		{ "\"size\":7,", "", "package 'gcc-12': key 'size' is missing" },
		{ "\"sha256\":\"0", "\"sha256\":\"A", "package 'gcc-12': 'sha256'" },
		{ "\"sha256\":\"0", "\"sha256\":\"", "'sha256'" },
		{ "http://", "file:///", "'url': expected http" },
		{ "http://", "ftp://", "'url': expected http" },
		{ "http://", "http://me:secret@", "a login or token" },
		{ "x_1.deb", "x y", "'url'" },
		{ "\"version\":\"1:", "\"version\":\"; ", "'version'" },
		{ "\"gcc-12\"", "\"../gcc\"", "package 1: 'name'" },
		{ "\"gcc-12\"", "\"\"", "package 1: 'name'" },
		{ "\"gcc-12\"", "\"libc6\"", "package 'libc6': stands there twice" },
		{ "\"gcc-12\"", "\"zlib1g\"", "package 'libc6': stands behind 'zlib1g'" },
		{ "[\n", "[\n7,", "package 1: expected an object" },
		{ "linux/amd64\"}", "linux/amd64\"} x", "p.json" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_err err = { 0 };
		assert_int_equal(parse_with(cases[i].old, cases[i].new, &err), AI_EINPUT);
		if (!strstr(err.text, cases[i].words) || !strstr(err.text, "p.json") || strstr(err.text, "secret"))
			fail_msg("case %zu: '%s' lacks '%s'", i, err.text, cases[i].words);
	}
	json_t *pins;
	refused(AI_EINPUT, "expected an object", parse("[]", &pins, &err));
	refused(AI_EINPUT, "1 to", parse(FILE_OF(""), &pins, &err));
}

static void
test_have(void **state)
{
	(void)state;
	AI_JSON *pins = NULL;
	ok(parse(good, &pins, &err));
	static const struct ai_wanted there[] = { { "libc6", NULL, "runtime" }, { "libc6", NULL, "compiler" }, { "gcc", "gcc-[0-9]*", "compiler" } };
	static const struct ai_wanted lacks[] = { { "libc6", NULL, "runtime" }, { "libssl3", NULL, "runtime" } };
	static const struct ai_wanted other[] = { { "gcc-12", NULL, "runtime" } };
	ok(ai_pins_have(pins, there, 3, "p.json", &err));
	refused(AI_EINPUT, "p.json: no package 'libssl3'", ai_pins_have(pins, lacks, 2, "p.json", &err));
	refused(AI_EINPUT, "package 'gcc-12': for: got 'compiler', expected 'runtime'", ai_pins_have(pins, other, 1, "p.json", &err));
	assert_string_equal(ai_json_str(ai_pins_find(pins, "lib*"), "name"), "libc6");
	assert_null(ai_pins_find(pins, "make"));
}

static int
listed(const char *text, json_t *to, struct ai_err *err)
{
	return ai_packages_listed(text, strlen(text), to, err);
}

static void
test_listed(void **state)
{
	(void)state;
	AI_JSON *list = json_array();
	ok(listed("'http://h/pool/z/zlib1g_1.2%2b1_amd64.deb' zlib1g_1%3a1.2+1_amd64.deb 86684 SHA256:" SUM "\n"
		"'https://h/tzdata_2025b_all.deb' tzdata_2025b_all.deb 1 SHA256:" SUM "\n", list, &err));
	assert_int_equal(json_array_size(list), 2);
	const json_t *p = json_array_get(list, 0);
	assert_string_equal(ai_json_str(p, "name"), "zlib1g");
	assert_string_equal(ai_json_str(p, "version"), "1:1.2+1");
	assert_string_equal(ai_json_str(p, "url"), "http://h/pool/z/zlib1g_1.2%2b1_amd64.deb");
	assert_int_equal(json_integer_value(json_object_get(p, "size")), 86684);
	assert_string_equal(ai_json_str(p, "sha256"), SUM);
	assert_string_equal(ai_json_str(json_array_get(list, 1), "version"), "2025b");

	refused(AI_EENV, "no SHA-256", listed("'http://h/a' a_1_amd64.deb 1 MD5Sum:8d98f0c882f269aaee8437bcfe89346e\n", list, &err));
	refused(AI_EENV, "no SHA-256", listed("'http://h/a' a_1_amd64.deb 1 \n", list, &err));
	refused(AI_EENV, "no line of", listed("http://h/a a_1_amd64.deb 1 SHA256:" SUM "\n", list, &err));
	refused(AI_EENV, "no line of", listed("'http://h/a' a_1_i386.deb 1 SHA256:" SUM "\n", list, &err));
	refused(AI_EENV, "no line of", listed("'http://h/a' a_1%00_amd64.deb 1 SHA256:" SUM "\n", list, &err));
	refused(AI_EENV, "no line of", listed("'http://h/a' a_1_amd64.deb one SHA256:" SUM "\n", list, &err));
	refused(AI_EENV, "no line of", listed("Reading package lists...\n", list, &err));
	ok(listed("", list, &err));
	assert_int_equal(json_array_size(list), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused), cmocka_unit_test(test_have), cmocka_unit_test(test_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
