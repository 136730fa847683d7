/* test_index_page.c -- URLs, pages of links and requests, honest and hostile.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/pip/index_page.h"

static void
joins(const char *base, const char *ref, const char *want)
{
	AI_FREE char *got = ai_url_join(base, ref);
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void
test_join(void **state)
{
	(void)state;
	static const char base[] = "http://a/b/c/d;p?q";
	/* RFC 3986, 5.4 */
	joins(base, "g", "http://a/b/c/g");
	joins(base, "./g", "http://a/b/c/g");
	joins(base, "g/", "http://a/b/c/g/");
	joins(base, "/g", "http://a/g");
	joins(base, "//g", "http://g");
	joins(base, "g?y#s", "http://a/b/c/g?y#s");
	joins(base, "..", "http://a/b/");
	joins(base, "../g", "http://a/b/g");
	joins(base, "../../../g", "http://a/g");
	joins(base, "/./g", "http://a/g");
	joins(base, "/../g", "http://a/g");
	joins(base, "g/../h", "http://a/b/c/h");
	joins(base, "https://x/y", "https://x/y");
	joins("http://me:pw@a:81", "x", "http://me:pw@a:81/x");
	assert_null(ai_url_join("nothing", "x"));
}

static void
test_logins(void **state)
{
	(void)state;
	static const struct { const char *url, *index, *want; } cases[] = {
		{ "https://h/f", "https://me:pw@h/simple", "https://me:pw@h/f" }, { "https://h:443/f", "https://me:pw@h/simple", "https://me:pw@h:443/f" },
		{ "https://H/f", "https://me@h/simple", "https://me@H/f" }, { "http://h/f", "https://me:pw@h/simple", "http://h/f" },
		{ "https://h:8443/f", "https://me:pw@h/simple", "https://h:8443/f" }, { "https://other/f", "https://me:pw@h/simple", "https://other/f" },
		{ "https://h.evil/f", "https://me:pw@h/simple", "https://h.evil/f" }, { "https://you@h/f", "https://me:pw@h/simple", "https://you@h/f" },
		{ "https://evil/@h/", "https://me:pw@h/simple", "https://evil/@h/" }, { "https://h/f", "https://h/simple", "https://h/f" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_FREE char *got = ai_url_with_login(cases[i].url, cases[i].index);
		assert_string_equal(got, cases[i].want);
	}
}

static void
project_is(const char *name, const char *want)
{
	AI_FREE char *got = ai_file_project(name);
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void
test_names(void **state)
{
	(void)state;
	project_is("My_Pkg-1.0-py3-none-any.whl", "my-pkg");
	project_is("a.b-1.0-1-py3-none-any.whl", "a-b");
	project_is("my-pkg-1.0.tar.gz", "my-pkg");
	project_is("pkg-2-1.0.zip", "pkg-2");
	static const char *const none[] = { "", ".", "..", "../x-1.tar.gz", "a/b-1.tar.gz", "x.whl", "x-1.whl", "-x-1.tar.gz", ".x-1.tar.gz", "x-1.exe",
		"x 1-1.tar.gz", "x-1.tar.gz\n", "x\"-1.tar.gz", "x.tar.gz" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		project_is(none[i], NULL);
}

static bool
wheels_only(void *ctx, const struct ai_link *l)
{
	(void)ctx;
	return l->kind == AI_LINK_WHEEL;
}

static void
test_page(void **state)
{
	(void)state;
	static const char html[] = "<!-- <a href='no-1-py3-none-any.whl'> --><BODY><A\nclass=x HREF='../../f/a-1-py3-none-any.whl#egg=a&sha256="
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' data-requires-python=\"&gt;=3.8&#39;\" data-yanked>x</A>"
		"<a href=https://o/b-2.tar.gz data-core-metadata=true>b</a><a href=\"file:///b-3-py3-none-any.whl\">b</a><a>none</a><a href=\"unfinished-1.tar.gz";
	struct ai_link *l;
	size_t n;
	ok(ai_index_page_links(html, sizeof html - 1, "https://h/simple/a/", &l, &n, &err));
	assert_int_equal(n, 3);
	assert_string_equal(l[0].url, "https://h/f/a-1-py3-none-any.whl");
	assert_true(l[0].hashed && l[0].yanked && !l[0].metadata && l[0].sha256.b[0] == 0xaa);
	assert_string_equal(l[0].requires_python, ">=3.8'");
	assert_true(l[1].kind == AI_LINK_SDIST && l[1].metadata && !l[1].hashed);
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	ai_index_page_write(l, n, 40, wheels_only, NULL, &out);
	assert_non_null(strstr(out.data, "<a href=\"/file/40/a-1-py3-none-any.whl#sha256=aaaa"));
	assert_non_null(strstr(out.data, "data-requires-python=\"&#62;=3.8'\""));
	assert_null(strstr(out.data, "b-2.tar.gz"));
	ai_links_free(l, n);
	static const char moved[] = "<base href='http://m/x/'><a href=c-1-py3-none-any.whl>";
	ok(ai_index_page_links(moved, sizeof moved - 1, "https://h/simple/c/", &l, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(l[0].url, "http://m/x/c-1-py3-none-any.whl");
	ai_links_free(l, n);
}

static void
test_requests(void **state)
{
	(void)state;
	struct ai_index_request q;
	static const struct { const char *head; int what; size_t number; } cases[] = {
		{ "GET /0/simple/my-pkg/ HTTP/1.1\r\nHost: x\r\n\r\n", AI_ASK_PROJECT, 0 }, { "GET /3/simple/a HTTP/1.0\r\n\r\n", AI_ASK_PROJECT, 3 },
		{ "GET /file/17/a.whl HTTP/1.1\r\n\r\n", AI_ASK_FILE, 17 }, { "GET /file/17/a.whl.metadata HTTP/1.1\r\n\r\n", AI_ASK_METADATA, 17 },
		{ "GET / HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 }, { "GET /0/simple/../x/ HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 },
		{ "GET /0/simple/a/b/ HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 }, { "GET /file/x/a HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 },
		{ "GET http://evil/0/simple/a/ HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 }, { "GET /0/simple/%2e%2e/ HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 },
		{ "GET /0/simple/a?x HTTP/1.1\r\n\r\n", AI_ASK_OTHER, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_err e = { 0 };
		assert_int_equal(ai_index_request(cases[i].head, strlen(cases[i].head), &q, &e), 1);
		assert_int_equal(q.what, cases[i].what);
		assert_true(q.get && (q.what == AI_ASK_OTHER || q.number == cases[i].number));
	}
	struct ai_err e = { 0 };
	assert_int_equal(ai_index_request("GET / HTTP/1.1\r\nX: y", 19, &q, &e), 0);
	assert_int_equal(ai_index_request("POST / HTTP/1.1\r\n\r\n", 19, &q, &e), 1);
	assert_false(q.get);
	refused(AI_EINPUT, "HTTP/1", ai_index_request("hello\r\n\r\n", 9, &q, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_join), cmocka_unit_test(test_logins), cmocka_unit_test(test_names),
		cmocka_unit_test(test_page), cmocka_unit_test(test_requests) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
