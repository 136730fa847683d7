/* test_fetch_parse.c -- the parsers of foreign bytes in fetch/: git objects, .gitmodules, git URLs, netrc, known_hosts.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "fetch/auth.h"
#include "fetch/git_text.h"
#include "fetch/known_hosts.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static void
ids(void **state)
{
	struct ai_git_id id;
	char hex[AI_GIT_HEX];
	(void)state;
	assert_true(ai_git_id_parse(ID, &id));
	ai_git_id_hex(&id, hex);
	assert_string_equal(hex, ID);
	assert_false(ai_git_id_parse(ID "0", &id));
	assert_false(ai_git_id_parse("0123456789ABCDEF0123456789abcdef01234567", &id));
	assert_false(ai_git_id_parse("", &id));
	assert_true(ai_git_id_is_short("0123abc"));
	assert_false(ai_git_id_is_short("012"));
	assert_false(ai_git_id_is_short("deadbeefs"));
}

static void
commits(void **state)
{
	struct ai_git_id id;
	char text[] = "tree " ID "\nauthor x\n";
	(void)state;
	ok(ai_git_commit_tree_id(text, sizeof text - 1, &id, &err));
	for (size_t n = 0; n <= 46; n++) {
		struct ai_err err = { 0 };
		AI_FREE char *cut = malloc(n ? n : 1);
		memcpy(cut, text, n);
		assert_int_equal(ai_git_commit_tree_id(cut, n, &id, &err), AI_EINPUT);
	}
	text[0] = 'T';
	refused(AI_EINPUT, "does not name a tree", ai_git_commit_tree_id(text, sizeof text - 1, &id, &err));
}

/* Every prefix of a good tree, and every byte of it replaced, in memory of just that size: nothing is read beyond. */
static void
trees(void **state)
{
	static const char good[] = "100644 a\0" "01234567890123456789" "40000 dir\0" "abcdefghijklmnopqrst";
	enum { N = sizeof good - 1 };
	(void)state;
	for (size_t n = 0; n <= N; n++) {
		for (int change = -1; change < (int)n; change++) {
			AI_FREE char *t = malloc(n ? n : 1);
			struct ai_git_entry e;
			struct ai_err err = { 0 };
			size_t at = 0;
			int r;
			memcpy(t, good, n);
			if (change >= 0)
				t[change] ^= 0x15;
			while ((r = ai_git_tree_next(t, n, &at, &e, &err)) == 1)
				assert_true(strlen(e.name) > 0);
			if (change < 0)
				assert_int_equal(r, n == 0 || n == 29 || n == N ? 0 : AI_EINPUT);
		}
	}
}

static void
modules(void **state)
{
	static const char text[] = "# c\n[core]\n\tpath = no\n[submodule \"a \\\" ]b\"]\n\tpath = \"a b\" ; c\n\turl=../x.git   \n  [Submodule \"c\"] Path = d\\te # c\n"
		"url = https://h/\"q;#\"x\n ignore\n[submodule]\npath = none\n";
	struct ai_submodule *s;
	size_t n;
	(void)state;
	ok(ai_gitmodules_parse(text, sizeof text - 1, &s, &n, &err));
	assert_int_equal(n, 2);
	assert_string_equal(s[0].path, "a b");
	assert_string_equal(s[0].url, "../x.git");
	assert_string_equal(s[1].path, "d\te");
	assert_string_equal(s[1].url, "https://h/q;#x");
	ai_submodules_free(s, n);
	refused(AI_EINPUT, ".gitmodules:2: unclosed quote", ai_gitmodules_parse("\n[submodule \"a]\n", 16, &s, &n, &err));
	refused(AI_EINPUT, "unclosed '['", ai_gitmodules_parse("[x", 2, &s, &n, &err));
	refused(AI_EINPUT, "unclosed quote", ai_gitmodules_parse("[submodule \"a\"]\nurl=\"x", 22, &s, &n, &err));
	refused(AI_EINPUT, "without a value", ai_gitmodules_parse("[submodule \"a\"]\nurl\n", 20, &s, &n, &err));
	for (size_t cut = 0; cut < sizeof text; cut++) {
		struct ai_err err = { 0 };
		AI_FREE char *t = malloc(cut ? cut : 1);
		memcpy(t, text, cut);
		if (ai_gitmodules_parse(t, cut, &s, &n, &err) == 0)
			ai_submodules_free(s, n);
	}
}

static void
is_url(const char *text, ai_git_scheme scheme, const char *wire, const char *shown, const char *host, unsigned port)
{
	struct ai_git_url u;
	ok(ai_git_url_parse(text, "/base", &u, &err));
	assert_int_equal(u.scheme, scheme);
	assert_string_equal(u.wire, wire);
	assert_string_equal(u.shown, shown);
	if (host)
		assert_string_equal(u.host, host);
	assert_int_equal(u.port, port);
	ai_git_url_done(&u);
}

static void
urls(void **state)
{
	struct ai_git_url u;
	(void)state;
	is_url("https://u:p%40w@h.org:8443/x.git?token=t#f", AI_GIT_HTTPS, "https://h.org:8443/x.git?token=t", "https://h.org:8443/x.git", "h.org", 8443);
	is_url("ssh://git:pw@h/x", AI_GIT_SSH, "ssh://git@h/x", "ssh://git@h/x", "h", 0);
	is_url("git@h.org:a/b.git", AI_GIT_SSH, "git@h.org:a/b.git", "git@h.org:a/b.git", "h.org", 0);
	is_url("ssh://[::1]:22/x", AI_GIT_SSH, "ssh://[::1]:22/x", "ssh://[::1]:22/x", "::1", 22);
	is_url("file:///a%20b/c", AI_GIT_FILE, "/a b/c", "/a b/c", NULL, 0);
	is_url("../x", AI_GIT_FILE, "/x", "../x", NULL, 0);
	is_url("/abs/./y", AI_GIT_FILE, "/abs/y", "/abs/./y", NULL, 0);
	ok(ai_git_url_parse("https://u%3a:p%40w@h/x", "/", &u, &err));
	assert_string_equal(u.user, "u:");
	assert_string_equal(u.password, "p@w");
	ai_git_url_done(&u);
	static const char *const bad[] = { "", "-x", "git://h/x", "ext::sh -c id", "https://", "https:///x", "ssh://-oX/y", "https://h:99999/x", "https://h:x/y", "https://a b/x",
		"https://h\nhost=evil/x", "file://x/y", "file:///a%00b", "ssh://[::1/x", "h:a::b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EINPUT, "git URL", ai_git_url_parse(bad[i], "/", &u, &err));
}

static void
sub(const char *parent, const char *url, const char *want)
{
	struct ai_git_url p, u;
	struct ai_err e = { 0 };
	ok(ai_git_url_parse(parent, "/base", &p, &err));
	int r = ai_git_url_submodule(&p, url, &u, &e);
	if (want) {
		assert_int_equal(r, 0);
		assert_string_equal(u.full, want);
		ai_git_url_done(&u);
	} else {
		assert_int_equal(r, AI_EINPUT);
	}
	ai_git_url_done(&p);
}

static void
submodule_urls(void **state)
{
	(void)state;
	sub("https://u:p@h/a/b.git", "../c.git", "https://u:p@h/a/c.git");
	sub("https://h/a/b/", "../../c", "https://h/c");
	sub("https://h/a/b?token=t", "./c", "https://h/a/b/c");
	sub("git@h:a/b.git", "../c", "git@h:a/c");
	sub("git@h:a.git", "../c", "git@h:c");
	sub("/x/y", "../z", "/x/z");
	sub("/x/y", "/w", "/w");
	sub("https://h/a", "https://other/z", "https://other/z");
	sub("https://h/a", "../../z", NULL);
	sub("https://h/a", "/etc", NULL);
	sub("https://h/a", "file:///etc", NULL);
	sub("git@h:a", "x/y", NULL);
	sub("https://h/a", "ext::sh", NULL);
}

static void
netrc(void **state)
{
	static const char text[] = "machine a login me password one\nmachine b\n\tlogin \"you two\" password \"p\\\"w\"\n# c machine d login x password y\n"
		"macdef m\nmachine e login x password y\n\nmachine a login other password two default login any password three";
	struct ai_login l;
	(void)state;
	static const struct { const char *host, *user, *want_user, *want; } good[] = {
		{ "a", NULL, "me", "one" }, { "A", "me", "me", "one" }, { "a", "other", "other", "two" }, { "b", NULL, "you two", "p\"w" }, { "d", NULL, "any", "three" },
		{ "e", NULL, "any", "three" },
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ok(ai_netrc_find(text, sizeof text - 1, good[i].host, good[i].user, &l, &err));
		assert_string_equal(l.user, good[i].want_user);
		assert_string_equal(l.password, good[i].want);
		ai_login_done(&l);
	}
	struct ai_err err = { 0 };
	assert_int_equal(ai_netrc_find(text, sizeof text - 1, "a", "nobody", &l, &err), 0);
	for (size_t cut = 0; cut < sizeof text - 1; cut++) {
		AI_FREE char *t = malloc(cut ? cut : 1);
		memcpy(t, text, cut);
		if (ai_netrc_find(t, cut, "a", NULL, &l, &err) == 1)
			ai_login_done(&l);
	}
}

/* |1|salt|hash is `ssh-keygen -H` of "h.org" (sshd(8)): HMAC-SHA1 with the salt 0123456789abcdefghij. */
static void
known_hosts(void **state)
{
	static const char text[] = "# c\nplain,other ssh-ed25519 QUJD mine\n*.wild,!no.wild ssh-rsa QUJD\n[h]:2222 x QUJD\n@revoked rev x QUJD\nrev x QUJD\n"
		"@cert-authority ca x QUJD\nshort x\nchanged x REVG\r\nchanged x QUJD\ndiff x REVG\n|1|MDEyMzQ1Njc4OWFiY2RlZmdoaWo=|3ey4bk6HFzgaHPkOxvf0VTYaDvM= x QUJD\n";
	static const struct { const char *host; unsigned port; ai_host_verdict want; } cases[] = {
		{ "plain", 0, AI_HOST_KNOWN }, { "PLAIN", 22, AI_HOST_KNOWN }, { "other", 0, AI_HOST_KNOWN }, { "plain", 2222, AI_HOST_UNKNOWN },
		{ "a.wild", 0, AI_HOST_KNOWN }, { "no.wild", 0, AI_HOST_UNKNOWN }, { "wild", 0, AI_HOST_UNKNOWN }, { "h", 2222, AI_HOST_KNOWN }, { "h", 0, AI_HOST_UNKNOWN },
		{ "rev", 0, AI_HOST_REVOKED }, { "ca", 0, AI_HOST_UNKNOWN }, { "short", 0, AI_HOST_UNKNOWN }, { "changed", 0, AI_HOST_KNOWN }, { "diff", 0, AI_HOST_CHANGED },
		{ "h.org", 0, AI_HOST_KNOWN }, { "h.orh", 0, AI_HOST_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(ai_known_hosts_check(text, sizeof text - 1, cases[i].host, cases[i].port, "ABC", 3), cases[i].want);
	assert_int_equal(ai_known_hosts_check(text, sizeof text - 1, "plain", 0, "ABCD", 4), AI_HOST_CHANGED);
	for (size_t cut = 0; cut < sizeof text - 1; cut++) {
		AI_FREE char *t = malloc(cut ? cut : 1);
		memcpy(t, text, cut);
		(void)ai_known_hosts_check(t, cut, "h.org", 0, "ABC", 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids), cmocka_unit_test(commits), cmocka_unit_test(trees), cmocka_unit_test(modules), cmocka_unit_test(urls),
		cmocka_unit_test(submodule_urls), cmocka_unit_test(netrc), cmocka_unit_test(known_hosts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
