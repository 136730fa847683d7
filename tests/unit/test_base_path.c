/* test_base_path.c -- names, paths, patterns, near names, and what of a URL may be written down.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <time.h>

#include "base/path.h"

static void
test_utf8(void **state)
{
	(void)state;
	static const char *const good[] = { "", "a", "\xc3\xa9", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2" "a", "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82" "a", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "ok\xff" };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!ai_utf8_valid(good[i], strlen(good[i])))
			fail_msg("good[%zu] refused", i);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ai_utf8_valid(bad[i], strlen(bad[i])))
			fail_msg("bad[%zu] accepted", i);
	assert_false(ai_utf8_valid("a\0b", 3));
}

static void
test_names(void **state)
{
	(void)state;
	char longest[257];
	memset(longest, 'a', 256);
	longest[256] = '\0';
	refused(AI_EINPUT, "longer than 255", ai_name_check(longest, &err));
	longest[255] = '\0';
	ok(ai_name_check(longest, &err));
	ok(ai_name_check("caf\xc3\xa9 au lait...", &err));
	ok(ai_name_check("...", &err));
	ok(ai_name_check("-rf", &err));
	refused(AI_EINPUT, "empty", ai_name_check("", &err));
	refused(AI_EINPUT, "'.'", ai_name_check(".", &err));
	refused(AI_EINPUT, "'..'", ai_name_check("..", &err));
	refused(AI_EINPUT, "'/'", ai_name_check("a/b", &err));
	refused(AI_EINPUT, "control", ai_name_check("a\nb", &err));
	refused(AI_EINPUT, "a\\x0ab", ai_name_check("a\nb", &err));
	refused(AI_EINPUT, "control", ai_name_check("a\x7f", &err));
	refused(AI_EINPUT, "UTF-8", ai_name_check("a\xff", &err));
	refused(AI_EINPUT, "\\xff", ai_name_check("a\xff", &err));
}

static void
test_relative_paths(void **state)
{
	(void)state;
	ok(ai_relpath_check("a", &err));
	ok(ai_relpath_check("a/b/c.txt", &err));
	ok(ai_relpath_check("a/..b/.c", &err));
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", "./a", "a/.", "a/..", "../a", "a/../b", "a/\n/b", "a/\xff" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EINPUT, "path '", ai_relpath_check(bad[i], &err));
}

static void
test_links_stay_inside(void **state)
{
	(void)state;
	static const struct { const char *path, *target; bool inside; } cases[] = {
		{ "l", "a", true }, { "l", ".", true }, { "l", "./a/./b", true }, { "l", "a//b/", true },
		{ "l", "..", false }, { "l", "../a", false }, { "l", "/etc/passwd", false }, { "l", "", false },
		{ "d/l", "..", true }, { "d/l", "../a", true }, { "d/l", "../..", false }, { "d/l", "../../d/a", false },
		{ "a/b/c/l", "../../../x", true }, { "a/b/c/l", "../../../../x", false }, { "a/b/c/l", "./.././../../..", false },
		{ "l", "...", true }, { "l", "..a/b", true },
		/* deep/up -> "../.." is inside; through it a ".." leads out, and what a name is cannot be seen from here. */
		{ "l", "a/b/up/..", false }, { "l", "a/..", false }, { "l", "a/../..", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (ai_link_inside(cases[i].path, cases[i].target) != cases[i].inside)
			fail_msg("'%s' -> '%s': expected %s", cases[i].path, cases[i].target, cases[i].inside ? "inside" : "outside");
}

static void
test_globs(void **state)
{
	(void)state;
	static const struct { const char *pattern, *path; bool match; } cases[] = {
		/* without a '/', the last name at any depth, and all in a folder that matches */
		{ "*.pyc", "a.pyc", true }, { "*.pyc", "a/b/c.pyc", true }, { "*.pyc", "a.pyc.txt", false }, { "*.pyc", "a.pyc/b", true }, { "*.pyc", "a.py", false },
		{ "build", "build", true }, { "build", "build/x/y", true }, { "build", "src/build/x", true }, { "build", "rebuild", false }, { "build", "builder/x", false },
		{ "build/", "build/x", true }, { "build/", "a/build/x", true }, { "*", "a/b", true }, { "", "a", false }, { ".*", ".git/x", true }, { ".*", "a.b", false },
		/* with a '/', from the root */
		{ "/build", "build/x", true }, { "/build", "a/build", false }, { "a/b", "a/b", true }, { "a/b", "a/b/c", true }, { "a/b", "x/a/b", false }, { "a/b", "a/bc", false },
		{ "a/*", "a/b", true }, { "a/*", "a/b/c", true }, { "a/*.c", "a/b/x.c", false }, { "a/*.c", "a/x.c", true }, { "a/*/c", "a/b/c", true }, { "a/*/c", "a/c", false },
		{ "a/*/c", "a/b/b/c", false },
		/* "**" crosses '/' */
		{ "a/**", "a/b/c", true }, { "a/**/z", "a/z", true }, { "a/**/z", "a/b/c/z", true }, { "a/**/z", "ab/z", false }, { "**/z", "z", true }, { "**/z", "a/b/z", true },
		{ "**/z", "az", false }, { "**/*.c", "x.c", true }, { "a**z", "a/b/z", true }, { "a/**/b/**/c", "a/b/c", true }, { "a/**/b/**/c", "a/x/b/y/y/c", true },
		{ "a/**/b/**/c", "a/x/y/c", false },
		/* '?' and sets */
		{ "a?c", "abc", true }, { "a?c", "ac", false }, { "x/a?c", "x/a/c", false }, { "[abc]", "b", true }, { "[abc]", "d", false }, { "[a-c]x", "bx", true }, { "[!a-c]x", "bx", false },
		{ "[!a-c]x", "dx", true }, { "[^a]", "a", false }, { "[]]", "]", true }, { "[]-]", "-", true }, { "[a-]", "-", true }, { "x/[!a]", "x//", false }, { "[", "[", true },
		{ "[a", "[a", true }, { "[a", "a", false }, { "[z-a]", "m", false }, { "a[*]b", "a*b", true }, { "a[*]b", "axb", false },
		{ "caf\xc3\xa9*", "caf\xc3\xa9.txt", true }, { "caf?.txt", "caf\xc3\xa9.txt", true }, { "caf??.txt", "caf\xc3\xa9.txt", false }, { "caf?", "caf\xc3\xa9", true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (ai_glob(cases[i].pattern, cases[i].path) != cases[i].match)
			fail_msg("'%s' on '%s': expected %s", cases[i].pattern, cases[i].path, cases[i].match ? "a match" : "none");
}

/* The pattern that makes backtracking matchers exponential: a minute here would be the bug. */
static void
test_globs_cost_no_more_than_their_product(void **state)
{
	(void)state;
	char pattern[2001], path[4001];
	for (size_t i = 0; i < 1000; i++)
		memcpy(pattern + 2 * i, i % 2 ? "*a" : "?*", 2);
	pattern[2000] = '\0';
	memset(path, 'a', 4000);
	path[4000] = '\0';
	path[3999] = 'b';
	clock_t start = clock();
	(void)ai_glob(pattern, path);
	assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
}

static void
test_public_urls(void **state)
{
	(void)state;
	static const struct { const char *url, *public; bool secret; } cases[] = {
		{ "https://example.org/r.git", "https://example.org/r.git", false },
		{ "https://user:pw@example.org/r.git", "https://example.org/r.git", true },
		{ "https://ghp_token@example.org/r.git", "https://example.org/r.git", true },
		{ "https://user:p@ss@example.org/r", "https://example.org/r", true },
		{ "https://user:pw@example.org:8443/r?x=1", "https://example.org:8443/r?x=1", true },
		{ "https://example.org/a@b/r", "https://example.org/a@b/r", false },
		{ "https://example.org/f?rev=3", "https://example.org/f?rev=3", false },
		{ "https://example.org/f?rev=3#part", "https://example.org/f?rev=3", false },
		{ "https://example.org/f#part", "https://example.org/f", false },
		{ "https://s3.example.org/f?X-Amz-Signature=abc&X-Amz-Date=1", "https://s3.example.org/f", true },
		{ "https://example.org/f?access_token=abc", "https://example.org/f", true },
		{ "https://example.org/f?rev=1&Token=abc", "https://example.org/f", true },
		{ "https://b.example.org/f?sv=2020&se=2026&sp=r&sig=abc", "https://b.example.org/f", true },
		{ "https://example.org/f?apikey=abc", "https://example.org/f", true },
		{ "https://example.org?password=abc", "https://example.org", true },
		{ "https://example.org/f?file=tokenizer.json&rev=1", "https://example.org/f?file=tokenizer.json&rev=1", false },
		{ "https://example.org/f?a=1;token=x", "https://example.org/f", true },
		{ "https://example.org/f?a=1?token=x", "https://example.org/f", true },
		{ "https://example.org/f?a&mytokenvalue", "https://example.org/f", true },
		{ "ssh://git@example.org/r.git", "ssh://git@example.org/r.git", false },
		{ "ssh://git:pw@example.org/r.git", "ssh://example.org/r.git", true },
		{ "SSH://git@example.org/r.git", "SSH://git@example.org/r.git", false },
		{ "git@example.org:r.git", "git@example.org:r.git", false },
		{ "file:///srv/r.git", "file:///srv/r.git", false },
		{ "./repo", "./repo", false },
		{ "data/a?b.csv", "data/a?b.csv", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_FREE char *public = ai_url_public(cases[i].url);
		assert_string_equal(public, cases[i].public);
		if (ai_url_has_secret(cases[i].url) != cases[i].secret)
			fail_msg("'%s': expected %s", cases[i].url, cases[i].secret ? "a secret" : "none");
		assert_false(ai_url_has_secret(public));
	}
}

static void
test_secret_variables(void **state)
{
	(void)state;
	static const char *const secret[] = { "HF_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "OPENAI_API_KEY", "my_token", "GOOGLE_APPLICATION_CREDENTIALS", "WANDB_API_KEY", "PASSWD",
		"SSH_KEY", "ENCRYPTION_KEY" };
	static const char *const open[] = { "PATH", "HOME", "PYTHONHASHSEED", "KEYBOARD", "LANG", "CUDA_VISIBLE_DEVICES", "MAX_TOKENS", "max_new_tokens",
		"TOKENIZER", "TOKENIZERS_PARALLELISM" };
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		if (!ai_env_is_secret(secret[i]))
			fail_msg("'%s' is not seen as a secret", secret[i]);
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		if (ai_env_is_secret(open[i]))
			fail_msg("'%s' is seen as a secret", open[i]);
}

static void
test_near_names(void **state)
{
	(void)state;
	static const char *const known[] = { "commit", "branch", "pythonEntryPoint", "pythonVersion", "kind", "inputs" };
	size_t n = sizeof known / sizeof *known;
	assert_string_equal(ai_near("comit", known, n), "commit");
	assert_string_equal(ai_near("commmit", known, n), "commit");
	assert_string_equal(ai_near("input", known, n), "inputs");
	assert_string_equal(ai_near("kin", known, n), "kind");
	assert_string_equal(ai_near("pythonentrypoint", known, n), "pythonEntryPoint");
	assert_string_equal(ai_near("KIND", known, n), "kind");
	assert_null(ai_near("x", known, n));
	assert_null(ai_near("", known, n));
	assert_null(ai_near("banana", known, n));
	assert_null(ai_near("commit", known, 0));
	char big[200];
	memset(big, 'k', 199);
	big[199] = '\0';
	assert_null(ai_near(big, known, n));
}

static void
test_joins(void **state)
{
	(void)state;
	AI_FREE char *a = ai_join("a", "b"), *b = ai_join("a/", "b"), *c = ai_join("/", "b");
	assert_string_equal(a, "a/b");
	assert_string_equal(b, "a/b");
	assert_string_equal(c, "/b");
	assert_string_equal(ai_basename("a/b/c"), "c");
	assert_string_equal(ai_basename("c"), "c");
	assert_string_equal(ai_basename("a/"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_relative_paths),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_globs_cost_no_more_than_their_product),
		cmocka_unit_test(test_public_urls),
		cmocka_unit_test(test_secret_variables),
		cmocka_unit_test(test_near_names),
		cmocka_unit_test(test_joins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
