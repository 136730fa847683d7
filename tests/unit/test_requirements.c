/* test_requirements.c -- requirements files, pip's settings, reports and complaints: what is honoured, what is refused.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#define HASH "f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"

#include "run/pip/pip_settings.h"
#include "run/pip/requirements_text.h"
#include "run/pip/resolve_parts.h"

static char included[1024];

static int
include(void *ctx, const char *path, struct ai_err *err)
{
	(void)ctx, (void)err;
	strncat(included, path, sizeof included - strlen(included) - 2);
	strncat(included, ";", 2);
	return 0;
}

static int
read_text(const char *path, const char *text, size_t n, struct ai_indexes *x, struct ai_buf *out, struct ai_err *err)
{
	struct ai_requirements_reader r = { .include = include, .indexes = x };
	included[0] = '\0';
	return ai_requirements_read(path, text, n, &r, out, err);
}

static void
gives(const char *text, const char *want)
{
	struct ai_indexes x = { 0 };
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	ok(read_text("requirements.txt", text, strlen(text), &x, &out, &err));
	assert_string_equal(out.data ? out.data : "", want);
	ai_indexes_done(&x);
}

static void
no(const char *text, size_t n, const char *words)
{
	struct ai_indexes x = { 0 };
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	refused(AI_EUSAGE, words, read_text("requirements.txt", text, n, &x, &out, &err));
	ai_indexes_done(&x);
}

static void
test_lines(void **state)
{
	(void)state;
	gives("", "");
	gives("\xef\xbb\xbf" "alpha\r\nbeta\rgamma", "alpha\nbeta\ngamma\n");
	gives("alpha # why\n#all\n  # of it\nbeta\t#too", "alpha\nbeta\n");
	no("beta#not-a-comment", 18, "is not a requirement");
}

static void
test_requirements(void **state)
{
	(void)state;
	gives("alpha >= 1, \\\n  < 2 ; python_version > '3'\n", "alpha >= 1,   < 2 ; python_version > '3'\n");
	gives("alpha[x,y]==1.0+local.1", "alpha[x,y]==1.0+local.1\n");
	gives("alpha (>=1)", "alpha (>=1)\n");
	gives("alpha==1 --hash=sha256:" HASH " --hash sha256:" HASH, "alpha==1 --hash=sha256:" HASH " --hash=sha256:" HASH "\n");
	gives("alpha \\\n# a comment ends it\nbeta", "alpha\nbeta\n");
	gives("alpha~=1.4.2\\", "alpha~=1.4.2\n");
	gives("alpha===weird", "alpha===weird\n");
	gives("--pre\n--only-binary :all:\n--trusted-host x\n--require-hashes\nalpha", "--pre\n--require-hashes\nalpha\n");
}

static void
test_files_and_indexes(void **state)
{
	(void)state;
	static const char text[] = "-r more/a.txt\n-rb.txt\n--requirement=c.txt\n-c ../up.txt\n--index-url http://one/\n--extra-index-url=https://two\n";
	struct ai_indexes x = { 0 };
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	ok(ai_indexes_add(&x, "https://first/", "test", &err));
	ok(read_text("deps/requirements.txt", text, sizeof text - 1, &x, &out, &err));
	assert_string_equal(included, "deps/more/a.txt;deps/b.txt;deps/c.txt;up.txt;");
	assert_string_equal(out.data, "-r ./more/a.txt\n-r ./b.txt\n-r ./c.txt\n-c ./../up.txt\n");
	assert_int_equal(x.n, 2);
	assert_string_equal(x.url[0], "http://one/");
	assert_string_equal(x.url[1], "https://two");
	ok(read_text("r.txt", "--no-index", 10, &x, &out, &err));
	assert_int_equal(x.n, 0);
	ai_indexes_done(&x);
}

static void
test_refusals(void **state)
{
	(void)state;
	static const struct { const char *text, *words; } cases[] = {
		{ "-e .", "editable" }, { "--editable=git+https://x/y", "editable" }, { "git+https://x/y.git", "repository" },
		{ "alpha @ https://x/a.whl", "URL or repository" }, { "alpha@file:///etc/passwd", "URL or repository" },
		{ "https://x/alpha-1-py3-none-any.whl", "URL" }, { "file:///etc/passwd", "URL" }, { "file:x", "is not a requirement" },
		{ "./a.whl", "path" }, { "../up", "path" }, { "/etc/passwd", "path" }, { "a.tar.gz", "path" }, { "a-1-py3-none-any.whl", "path" },
		{ ".", "path" }, { "x.ZIP", "path" }, { "a\\b", "is not a requirement" },
		{ "-r /etc/passwd", "not in the source" }, { "-r ../x", "leads out" }, { "-r a/../../x", "leads out" }, { "-r .", "leads out" },
		{ "-c http://x/y", "not in the source" }, { "-r", "needs a value" }, { "-f /srv", "--find-links" }, { "--no-binary x", "--no-binary" },
		{ "--global-option=x", "not honoured" }, { "alpha --config-settings=x", "not honoured" }, { "alpha --install-option=x", "not honoured" },
		{ "alpha -e .", "not honoured" }, { "alpha ; x == ' -e . '", "not honoured" }, { "alpha --hash", "not a hash" }, { "alpha --hash=sha256:aa", "not a hash" }, { "alpha --hash md5:" HASH, "not a hash" },
		{ "alpha --hash sha256:b--extra-index-url=https://c", "not a hash" },
		{ "--index-url http://x/${HOME}", "variables" }, { "alpha${X}", "variables" }, { "--index-url file:///srv", "http or https" },
		{ "--index-url 'http://x'", "quotes" }, { "alpha --hash=\"x\"", "not a hash" }, { "\xc3\xa4lpha", "ASCII" }, { "\xff", "UTF-8" },
		{ "alpha\x0b-e .", "control character" }, { "alpha\x1c-e .", "control character" }, { "alpha\x7f", "control character" },
		{ "alpha\xc2\x85-e .", "ASCII" }, { "alpha\xe2\x80\xa8-e .", "ASCII" }, { "-i http://x --evil", "not honoured" }, { "=1", "is not a requirement" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		no(cases[i].text, strlen(cases[i].text), cases[i].words);
	no("a\0b", 3, "");
}

static void
test_settings(void **state)
{
	(void)state;
	static const char text[] = "# c\n[global]\nindex_url = https://me:pw@one/simple\nextra-index-url =\n    https://two\n    https://three\n; c\n[list]\nfind-links = x\n"
		"[install]\n--index-url: https://four\ntimeout = 3\nno-deps = false\n";
	struct ai_pip_settings s = { 0 };
	struct ai_indexes x = { 0 };
	ok(ai_pip_config(&s, text, sizeof text - 1, "pip.conf", &err));
	ok(ai_pip_indexes(&s, &x, &err));
	assert_int_equal(x.n, 3);
	assert_string_equal(x.url[0], "https://four");
	assert_string_equal(x.url[2], "https://three");
	ai_indexes_clear(&x);
	ok(ai_pip_setting(&s, AI_PIP_ENV, "index-url", "https://five", "PIP_INDEX_URL", &err));
	ok(ai_pip_setting(&s, AI_PIP_ENV, "extra-index-url", "", "PIP_EXTRA_INDEX_URL", &err));
	ok(ai_pip_indexes(&s, &x, &err));
	assert_string_equal(x.url[0], "https://five");
	assert_int_equal(x.n, 3);
	ai_indexes_clear(&x);
	ok(ai_pip_setting(&s, AI_PIP_ENV, "no-index", "yes", "PIP_NO_INDEX", &err));
	ok(ai_pip_indexes(&s, &x, &err));
	assert_int_equal(x.n, 0);
	refused(AI_EUSAGE, "find-links", ai_pip_config(&s, "[global]\nfind-links=x", 21, "pip.conf", &err));
	refused(AI_EUSAGE, "pip.conf: pip's setting 'constraint'", ai_pip_config(&s, "[install]\nconstraint=x\n", 23, "pip.conf", &err));
	ai_indexes_done(&x);
	ai_pip_settings_done(&s);
}

static void
test_report(void **state)
{
	(void)state;
	static const char good[] = "{\"version\":\"1\",\"x\":1.5,\"y\":null,\"install\":[{\"download_info\":{\"url\":\"http://h/file/7/a.whl\"}},"
		"{\"download_info\":{\"url\":\"http://h/file/12/b.whl\"}}]}";
	static const char *const bad[] = { "{}", "x", "{\"install\":[{}]}", "{\"install\":[{\"download_info\":{\"url\":\"https://pypi.org/file/7/a\"}}]}",
		"{\"install\":[{\"download_info\":{\"url\":\"http://h/file/a/7\"}}]}", "{\"install\":[{\"download_info\":{\"url\":\"file:///etc/passwd\"}}]}",
		"{\"install\":[{\"download_info\":{\"url\":\"http://h/file/7\"}}]}" };
	size_t *numbers, n;
	ok(ai_pip_report(good, sizeof good - 1, "http://h/file/", &numbers, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(numbers[1], 12);
	free(numbers);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EINPUT, "pip's report", ai_pip_report(bad[i], strlen(bad[i]), "http://h/file/", &numbers, &n, &err));
}

static void
test_complaint(void **state)
{
	(void)state;
	static const char log[] = "Looking in indexes\nERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for My_Proj.x==9\n";
	AI_BUF_AUTO b = AI_BUF(1024);
	char project[256];
	ai_pip_complaint(log, sizeof log - 1, &b, project);
	assert_string_equal(b.data, "Could not find a version (from versions: none)");
	assert_string_equal(project, "my-proj-x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_requirements), cmocka_unit_test(test_files_and_indexes), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_settings), cmocka_unit_test(test_report), cmocka_unit_test(test_complaint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
