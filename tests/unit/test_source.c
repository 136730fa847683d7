/* test_source.c -- what an input stands for, as source rules say it, and what they may not.  SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "rule/source.h"
#include "unit.h"

#define COMMIT "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2"

/* A network of pages: what is asked for and not there is unreachable. */
struct page {
	const char *url, *body;
	int status;
	const char *link;
};

struct web {
	const struct page *pages;
	char log[2000];
};

static int
web_get(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err)
{
	struct web *w = ctx;
	const char *key;
	json_t *value;
	size_t used = strlen(w->log);
	snprintf(w->log + used, sizeof w->log - used, "%s ", url);
	json_object_foreach((json_t *)(uintptr_t)headers, key, value) {
		used = strlen(w->log);
		snprintf(w->log + used, sizeof w->log - used, "%s=%s ", key, json_string_value(value));
	}
	for (const struct page *p = w->pages; p && p->url; p++) {
		if (strcmp(p->url, url) != 0)
			continue;
		if (strlen(p->body) > max)
			return ai_fail(err, AI_EINPUT, "%s: too long", url);
		ai_buf_puts(body, p->body);
		*answer = json_pack("{s:i,s:s,s:{s:s*}}", "status", p->status ? p->status : 200, "url", url, "headers", "link", p->link);
		return 0;
	}
	return ai_fail(err, AI_EENV, "%s: unreachable", url);
}

static int
resolve_with(const char *text, const char *attrs, struct web *w, json_t **pin, struct ai_err *err)
{
	struct ai_rule_text rule = { (char *)"hub", (char *)(uintptr_t)text, strlen(text) };
	struct ai_source_net net = { web_get, w };
	struct ai_yaml *y = NULL;
	if (ai_yaml_parse(attrs, strlen(attrs), "Aicertfile", &y, err) < 0)
		return err->code;
	struct ai_input in = { .name = (char *)"falcon", .use = (char *)"hub", .attrs = y, .line = 3, .column = 5 };
	int rc = w ? ai_source_resolve(&rule, "Aicertfile", &in, &net, pin, err) : ai_source_check(&rule, "Aicertfile", &in, err);
	ai_yaml_free(y);
	return rc;
}

#define SOURCE(body) "return source { name = 'hub', attrs = { hub = attr.text {}, ref = attr.text { default = 'main' }, files = attr.list(attr.text) { default = {} } },\n" \
	"resolve = function(a, net) " body " end }"
#define bad_with(code, words, rule, attrs, pages) do { struct web w = { pages, "" }; json_t *kept = (json_t *)0xaa; \
	refused(code, words, resolve_with(rule, attrs, &w, &kept, &err)); assert_ptr_equal(kept, (json_t *)0xaa); } while (0)
#define bad(words, body) bad_with(AI_EUSAGE, words, SOURCE(body), "{hub: x/y}", NULL)

static const struct page hub[] = {
	{ "https://hub.test/api/x/y/main", "{\"sha\":\"" COMMIT "\",\"private\":false,\"score\":1.5e3,\"none\":null,\"tags\":[\"a\",null,\"\\u00e9\\ud83d\\ude00\"]}", 0, NULL },
	{ "https://hub.test/tree", "[{\"path\":\"b.bin\",\"size\":7},{\"path\":\"a.json\",\"size\":3}]", 0, "<https://hub.test/tree?cursor=2>; rel=\"next\"" },
	{ "https://hub.test/tree?cursor=2", "[{\"path\":\"c/d e.bin\",\"size\":9}]", 0, NULL },
	{ "https://hub.test/gone", "gone", 404, NULL },
	{ "https://hub.test/text", "{\"a\":1,}", 0, NULL },
	{ 0 },
};

static void
a_source_of_files(void **state)
{
	(void)state;
	struct web w = { hub, "" };
	json_t *pin = NULL;
	ok(resolve_with(SOURCE("local info = net.json('https://hub.test/api/' .. a.hub .. '/' .. a.ref, { headers = { Accept = 'application/json' } })\n"
		"local files, url = {}, 'https://hub.test/tree'\n"
		"while url do local list, got = net.json(url)\n"
		"  for _, f in ipairs(list) do files[#files + 1] = { path = f.path, size = f.size, url = 'https://hub.test/get/' .. url_escape(f.path), exec = f.path:ends('.sh') } end\n"
		"  local link = got.header('Link') url = link and link:split('>')[1]:sub(2) end\n"
		"files[#files + 1] = { path = 'refs/main', text = info.sha }\n"
		"return pin.files { uri = a.hub, ref = a.ref, revision = info.sha, files = files }"), "{hub: x/y}", &w, &pin, &err));
	AI_BUF_AUTO b = AI_BUF(4096);
	ok(ai_canon(pin, &b, &err));
	assert_string_equal(b.data, "{\"files\":[{\"path\":\"a.json\",\"size\":3,\"url\":\"https://hub.test/get/a.json\"},{\"path\":\"b.bin\",\"size\":7,\"url\":\"https://hub.test/get/b.bin\"},"
		"{\"path\":\"c/d e.bin\",\"size\":9,\"url\":\"https://hub.test/get/c/d%20e.bin\"},{\"path\":\"refs/main\",\"text\":\"" COMMIT "\"}],"
		"\"pin\":\"files\",\"ref\":\"main\",\"revision\":\"" COMMIT "\",\"uri\":\"x/y\"}");
	assert_string_equal(w.log, "https://hub.test/api/x/y/main Accept=application/json https://hub.test/tree https://hub.test/tree?cursor=2 ");
	json_decref(pin);
}

static void
other_pins_and_answers(void **state)
{
	(void)state;
	struct web w = { hub, "" };
	json_t *pin = NULL;
	ok(resolve_with(SOURCE("local got = net.get('https://hub.test/gone') if got.status == 404 and got.body == 'gone' and not got.header('x') then return pin.git { url = 'https://e.org/r', ref = a.ref } end"),
		"{hub: x, ref: v1}", &w, &pin, &err));
	assert_string_equal(ai_json_str(pin, "pin"), "git");
	assert_string_equal(ai_json_str(pin, "ref"), "v1");
	json_decref(pin);
	ok(resolve_with(SOURCE("return pin.url { url = 's3://bucket/a?versionId=7', size = 12, unpack = true, strip = 1 }"), "{hub: x}", &w, &pin, &err));
	assert_true(json_is_true(json_object_get(pin, "unpack")));
	json_decref(pin);
	/* null is absent, in a list false; texts are UTF-8; whole numbers and others. */
	ok(resolve_with(SOURCE("local i = net.json('https://hub.test/api/x/y/main') if i.none == nil and i.tags[2] == false and i.tags[3] == 'é😀' and i.score == 1500.0 and i.private == false then\n"
		"return pin.url { url = 'https://e.org/x' } end"), "{hub: x}", &w, &pin, &err));
	json_decref(pin);
	/* Only the attributes: neither network nor resolve. */
	ok(resolve_with(SOURCE("error('not called')"), "{hub: x}", NULL, NULL, &err));
}

static void
attributes_are_checked(void **state)
{
	(void)state;
	bad_with(AI_EUSAGE, "Aicertfile:1:10: input 'falcon': 'hub' takes no attribute 'rev' (did you mean 'ref'?)", SOURCE(""), "{hub: x, rev: y}", hub);
	bad_with(AI_EUSAGE, "Aicertfile:3:5: input 'falcon': 'hub' needs the attribute 'hub'", SOURCE(""), "{ref: y}", hub);
	bad_with(AI_EUSAGE, "Aicertfile:1:17: input 'falcon': files: got a text, expected a list", SOURCE(""), "{hub: x, files: y}", hub);
	bad_with(AI_EUSAGE, "Aicertfile:3:5: input 'falcon': no such thing", SOURCE("fail('no such thing')"), "{hub: x}", hub);
	bad_with(AI_EUSAGE, "source: attribute 'x': attr.artifact is for rules of steps", "return source { name = 'hub', attrs = { x = attr.list(attr.artifact) {} }, resolve = function() end }", "{}", hub);
	bad_with(AI_EUSAGE, "rules/hub.lua: is a type of steps, expected one of inputs", "return rule { name = 'hub', attrs = {}, plan = function() end }", "{}", hub);
	bad_with(AI_EUSAGE, "source has no field 'plan'", "return source { name = 'hub', attrs = {}, plan = function() end }", "{}", hub);
	bad_with(AI_EUSAGE, "source: resolve: got a nil, expected a function", "return source { name = 'hub', attrs = {} }", "{}", hub);
}

static void
the_network_has_bounds(void **state)
{
	(void)state;
	bad_with(AI_EENV, "Aicertfile:3:5: input 'falcon': https://away.test/: unreachable", SOURCE("net.get('https://away.test/')"), "{hub: x}", hub);
	bad_with(AI_EINPUT, "too long", SOURCE("net.get('https://hub.test/gone', { max = 3 })"), "{hub: x}", hub);
	bad_with(AI_EUSAGE, "https://hub.test/gone: got status 404, expected 200", SOURCE("net.json('https://hub.test/gone')"), "{hub: x}", hub);
	bad_with(AI_EUSAGE, "https://hub.test/text: is not JSON: an object whose names are no texts", SOURCE("net.json('https://hub.test/text')"), "{hub: x}", hub);
	bad_with(AI_EUSAGE, "net: more than 10000 calls", SOURCE("while true do net.get('https://hub.test/gone') end"), "{hub: x}", hub);
	bad("the URL holds a secret", "net.get('https://u:p@e.org/')");
	bad("the URL holds NUL", "net.get('https://e.org/\\0')");
	bad("is not one", "net.get('https://e.org/', { headers = { ['A: b'] = 'x' } })");
	bad("is not one", "net.get('https://e.org/', { headers = { A = 'x\\r\\nB: c' } })");
	static const char *const framing[] = { "Host", "content-length", "Transfer-Encoding", "AUTHORIZATION", "Cookie", "Proxy-Authorization", "Connection" };
	for (size_t i = 0; i < sizeof framing / sizeof *framing; i++) {
		char rule[300];
		snprintf(rule, sizeof rule, SOURCE("net.get('https://e.org/', { headers = { ['%s'] = 'x' } })"), framing[i]);
		bad_with(AI_EUSAGE, "is not a rule's to set", rule, "{hub: x}", NULL);
	}
	bad("net has no field 'hedders' (did you mean 'headers'?)", "net.get('https://e.org/', { hedders = {} })");
	bad("net has no 'post'", "net.post('https://e.org/')");
	bad("net cannot be changed", "net.get = 1");
	bad("got a nil, expected a URL", "net.get()");
}

/* A server that says what would break a reader, and rules that do not end. */
static void
hostile(void **state)
{
	(void)state;
	static char deep[100001], wide[300001];
	memset(deep, '[', sizeof deep - 1);
	for (size_t i = 0; i < sizeof wide - 1; i += 3)
		memcpy(wide + i, i ? "{},"  : "[{}", 3);
	const struct page pages[] = { { "https://e.org/deep", deep, 0, NULL }, { "https://e.org/wide", wide, 0, NULL }, { "https://e.org/twice", "{\"a\":1,\"a\":2}", 0, NULL },
		{ "https://e.org/half", "\"\\ud800\"", 0, NULL }, { "https://e.org/text", "\"abc", 0, NULL }, { "https://e.org/number", "01", 0, NULL },
		{ "https://e.org/huge", "1e999999999999999999999999999999999999999999", 0, NULL }, { "https://e.org/more", "1 2", 0, NULL }, { "https://e.org/none", "", 0, NULL },
		{ "https://e.org/list", "[1,2,[]]", 0, "x" }, { 0 } };
	static const char *const faults[][2] = { { "deep", "nested too deep" }, { "wide", "is not JSON" }, { "twice", "a name that stands twice" }, { "half", "a bad \\u" },
		{ "text", "a text without end" }, { "number", "a bad number" }, { "huge", "a bad number" }, { "more", "something behind it" }, { "none", "no value" } };
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		char rule[500];
		snprintf(rule, sizeof rule, SOURCE("net.json('https://e.org/%s')"), faults[i][0]);
		bad_with(AI_EUSAGE, faults[i][1], rule, "{hub: x}", pages);
	}
	bad_with(AI_EUSAGE, "path: got a number, expected a string", SOURCE("local l = net.json('https://e.org/list') return pin.files { uri = 'x', files = { { path = l[1] } } }"), "{hub: x}", pages);
	bad_with(AI_EUSAGE, "takes too long: got more than 200000000 instructions", SOURCE("while true do end"), "{hub: x}", pages);
	bad_with(AI_EUSAGE, "too much memory", SOURCE("local s = 'x' while true do s = s .. s end"), "{hub: x}", pages);
	bad_with(AI_EUSAGE, "does not know 'ask'", SOURCE("ask('https://e.org/', {}, 0)"), "{hub: x}", pages);
	/* What is answered is the rule's to change, and nobody else's to see. */
	struct web w = { pages, "" };
	json_t *pin = NULL;
	ok(resolve_with(SOURCE("local g = net.get('https://e.org/list') g.status = 'x' g.header = nil local h = net.get('https://e.org/list')\n"
		"if h.status == 200 and h.header('LINK') == 'x' then return pin.url { url = h.url } end"), "{hub: x}", &w, &pin, &err));
	assert_string_equal(ai_json_str(pin, "url"), "https://e.org/list");
	json_decref(pin);
}

static void
pins_are_checked(void **state)
{
	(void)state;
#define FILES(list) "return pin.files { uri = 'x', files = { " list " } }"
	bad("resolve: got a nil, expected pin.files", "");
	bad("resolve: got a table, expected pin.files", "return { pin = 'url', url = 'https://e.org/' }");
	bad("pin has no 'file' (did you mean 'files'?)", "return pin.file {}");
	bad("pin.files has no field 'refs' (did you mean 'ref'?)", "return pin.files { refs = 'x' }");
	bad("uri: 'x y' holds a control character", "return pin.files { uri = 'x\\ny', files = { { path = 'a', url = 'https://e.org/' } } }");
	bad("holds a control character", "return pin.files { uri = 'https://e.org/\\u{202e}x', files = { { path = 'a', url = 'https://e.org/' } } }");
	bad("holds a control character", "return pin.git { url = 'https://e.org/\\u{9b}31m' }");
	bad("pin.files: files: got a table with names", "return pin.files { uri = 'x', files = { a = { path = 'a', url = 'https://e.org/' } } }");
	bad("pin.url: size: expected a whole number", "return pin.url { url = 'https://e.org/', size = 1.5 }");
	bad("pin.url: size: got a string, expected a number", "return pin.url { url = 'https://e.org/', size = '1' }");
	bad("size: expected a whole number that is not negative", "return pin.url { url = 'https://e.org/', size = -1 }");
	bad("url: is missing", "return pin.url {}");
	bad("expected a URL with http, https or s3", "return pin.url { url = 'file:///etc/passwd' }");
	bad("the URL holds a secret", "return pin.url { url = 'https://e.org/x?X-Amz-Signature=1' }");
	bad("the URL holds a secret", "return pin.git { url = 'https://u:p@e.org/x' }");
	bad("sha256: got 'ABC', expected 64 lower-case hex digits", "return pin.url { url = 'https://e.org/', sha256 = 'ABC' }");
	bad("files: there are none", FILES(""));
	bad("path 'a' is there twice", FILES("{ path = 'a', url = 'https://e.org/' }, { path = 'a', url = 'https://e.org/' }"));
	bad("'a' is a file, and 'a/b' lies in it", FILES("{ path = 'a/b', url = 'https://e.org/' }, { path = 'a-', text = '' }, { path = 'a', url = 'https://e.org/' }"));
	bad("expected a relative path", FILES("{ path = '../a', url = 'https://e.org/' }"));
	bad("expected a relative path", FILES("{ path = '/a', url = 'https://e.org/' }"));
	bad("files[1]: path: is missing", FILES("{ url = 'https://e.org/' }"));
	bad("files[1] has no field 'oid'", FILES("{ path = 'a', oid = '1' }"));
	bad("'url' is no field of it", FILES("{ path = 'a', url = 'https://e.org/', text = 'x' }"));
	bad("files: got 2, expected 1", "return pin.files { uri = 'x', single = true, files = { { path = 'a', text = '' }, { path = 'b', text = '' } } }");
	bad("holds a control character", "return pin.files { uri = 'x\\ny', files = { { path = 'a', text = '' } } }");
	bad("not UTF-8", FILES("{ path = '\\xff', text = '' }"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_of_files), cmocka_unit_test(other_pins_and_answers), cmocka_unit_test(attributes_are_checked),
		cmocka_unit_test(the_network_has_bounds), cmocka_unit_test(hostile), cmocka_unit_test(pins_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
