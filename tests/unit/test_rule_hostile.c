/* test_rule_hostile.c -- rule files that attack: each is refused by name, and leaves nothing for the next.  SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "plan_help.h"
#include "rule/source.h"

#define ATTRS "attrs = { x = attr.text { default = '' }, i = attr.artifact { optional = true }, l = attr.list(attr.text) { default = {} }, outputs = attr.outputs {} }"
#define PLAN(body) "return rule { name = 'evil', " ATTRS ",\nplan = function(a, out) " body " end }"
#define RUN "return action.run { argv = { 'true' } }"
#define STEP "aicert: 1\ninputs: {data: {path: data.csv}, dir: {path: dir}}\nsteps: {s: {use: evil, i: data}}\n"

static int
plan_rule(const char *rule, size_t n, const char *aicertfile, json_t **out, struct ai_err *err)
{
	struct ai_rule_text text = { (char *)"evil", (char *)(uintptr_t)rule, n };
	return plan_with(aicertfile, &text, 1, out, err);
}

/* Refused with these words that name the rule's file, and what comes after it is as it was before. */
static void
evil_n(const char *words, const char *rule, size_t n)
{
	json_t *kept = (json_t *)0xaa, *after = NULL;
	struct ai_err err = { 0 };
	int rc = plan_rule(rule, n, STEP, &kept, &err);
	if (rc != AI_EUSAGE || !strstr(err.text, words))
		fail_msg("%s: got %d '%s', expected '%s'", rule, rc, err.text, words);
	if (!strstr(err.text, "rules/evil.lua") && !strstr(err.text, "Aicertfile:"))
		fail_msg("%s: '%s' names no file", rule, err.text);
	assert_ptr_equal(kept, (json_t *)0xaa);
	rc = plan_rule(PLAN(RUN), strlen(PLAN(RUN)), STEP, &after, &err);
	assert_int_equal(rc, 0);
	json_decref(after);
}

static void
evil(const char *words, const char *rule)
{
	evil_n(words, rule, strlen(rule));
}

static void
loops(void **state)
{
	(void)state;
	clock_t t0 = clock(); /* of this process: the machine may be busy */
	evil("takes too long", PLAN("while true do end"));
	evil("takes too long", PLAN("repeat until false"));
	evil("takes too long", PLAN("local i = 0 ::a:: i = i + 1 goto a"));
	evil("takes too long", PLAN("for i = 1, 9e18 do end"));
	evil("takes too long", PLAN("local f f = function() return f() end return f()"));
	evil("takes too long", "local function f() while true do end end " PLAN(RUN) ", f()");
	evil("takes too long", PLAN("for _ in function() return 1 end do end"));
	evil("takes too long", PLAN("local t = {} for i = 1, 1000 do t[i] = 'x' end while true do join(t, '') end"));
	assert_true((clock() - t0) / CLOCKS_PER_SEC < 75);
}

static void
memory(void **state)
{
	(void)state;
	evil("too much memory", PLAN("local t = {} while true do t[#t + 1] = {} end"));
	evil("too much memory", PLAN("local t = {} for i = 1, 1e9 do t['k' .. i] = i end"));
	evil("too much memory", PLAN("local s = 'x' while true do s = s .. s end"));
	evil("too much memory", PLAN("local s = ('x'):replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') while true do s = s:replace('x', s) end"));
	evil("too much memory", PLAN("local s = 'xx' while true do s = join({ s, s, s, s }, s) end"));
	evil("too much memory", PLAN("local s = 'x' while true do s = ('%s%s%s%s'):format(s, s, s, s) end"));
	evil("too much memory", PLAN("local s = ('abc'):upper() while true do s = s:upper() .. s:lower() end"));
	evil("too much memory", PLAN("local s = '%' while true do s = url_escape(s) .. s end"));
	evil("too much memory", PLAN("local s = 'a,' while true do s = s .. s local t = s:split(',') end"));
	evil("too much memory", PLAN("local c = {} while true do c = copy(c, { ['k' .. #c] = c }) c[1] = nil local o = {} o.c = c c = { c = o, d = c } local s = 'x' while true do s = s .. s end end"));
	/* It begins while the file is read, not when it is asked. */
	evil("too much memory", "local s = 'x' while true do s = s .. s end " PLAN(RUN));
}

static void
depth(void **state)
{
	(void)state;
	evil("too much memory", PLAN("local function f(n) return 1 + f(n + 1) end return f(1)"));
	evil("nested too deep", PLAN("local t = {} t[1] = t return action.run { argv = { 'x', t } }"));
	evil("nested too deep", PLAN("local t = { i = a.i } t.t = t return action.run { argv = { 'x' }, inputs = t }"));
	evil("nested too deep", PLAN("local t = 'x' for i = 1, 5000 do t = { t } end return action.run { argv = t }"));
	evil("env: A: got a table", PLAN("local t = {} t.t = t return action.run { argv = { 'x' }, env = { A = t } }"));
	evil("plan: item 1 is not an action", PLAN("local t = {} t[1] = t return t"));
	static char deep[400000];
	size_t n = (size_t)snprintf(deep, sizeof deep, "local t = ");
	memset(deep + n, '{', 150000);
	memset(deep + n + 150000, '}', 150000);
	evil_n("C stack overflow", deep, n + 300000);
	n = (size_t)snprintf(deep, sizeof deep, "local t = 1");
	for (size_t i = 0; i < 100000; i++)
		n += (size_t)snprintf(deep + n, sizeof deep - n, "+1");
	json_t *kept = NULL;
	struct ai_err err = { 0 };
	assert_int_equal(plan_rule(deep, n, STEP, &kept, &err), AI_EUSAGE); /* whatever Lua makes of it, it is no rule */
	n = (size_t)snprintf(deep, sizeof deep, "local t = function() ");
	for (size_t i = 0; i < 300; i++)
		n += (size_t)snprintf(deep + n, sizeof deep - n, "return function() ");
	evil_n("C stack overflow", deep, n);
	n = 0;
	for (size_t i = 0; i < 201; i++)
		n += (size_t)snprintf(deep + n, sizeof deep - n, "local v%zu = 1 ", i);
	evil_n("too many local variables", deep, n);
}

/* Nothing holds patterns; the words that search are plain and bounded. */
static void
patterns(void **state)
{
	(void)state;
	static const char *const gone[] = { "match", "gmatch", "gsub", "rep", "reverse", "byte", "char", "dump", "pack", "unpack", "packsize" };
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		char rule[600];
		snprintf(rule, sizeof rule, PLAN("return ('x'):%s('x', 'y')"), gone[i]);
		evil("attempt to call a nil value", rule);
	}
	evil("takes too long", PLAN("local s = 'a' for i = 1, 18 do s = s .. s end while true do s:find('ab') end"));
	evil("takes too long", PLAN("local p, s = '', '' for i = 1, 300 do p, s = p .. '*a', s .. 'aaaaaaaaaa' end while true do glob(p .. 'b', s) end"));
	evil("takes too long", PLAN("local p = '*' for i = 1, 16 do p = p .. p end glob(p, 'x')"));
}

static void
errors(void **state)
{
	(void)state;
	evil("error: got a table, expected a text", PLAN("error({ code = 1 })"));
	evil("error: got a no value, expected a text", PLAN("error()"));
	evil("error: got a boolean, expected a text", PLAN("error(false)"));
	evil("fail: expected a text", PLAN("fail({})"));
	evil("fail: expected a text", PLAN("fail('x', {})"));
	evil("step 's': told", PLAN("fail('told', 'and what to do')"));
	evil("an error without text", PLAN("error('', 0)"));
	evil("too much memory", "error('not enough memory', 0)"); /* who lies about himself is believed */
	evil("a?b?[31m", "error('a\\0b\\27[31m')");
}

static void
metatables(void **state)
{
	(void)state;
	evil("does not know 'setmetatable'", PLAN("setmetatable('', {})"));
	evil("does not know 'getmetatable'", PLAN("getmetatable('').__index = nil"));
	evil("does not know 'rawset'", PLAN("rawset(a, 1, 1)"));
	evil("attempt to index a nil value", PLAN("('').__index.x = 1"));
	evil("attempt to index a nil value", PLAN("('').__metatable.x = 1"));
	evil("an artifact has no fields", PLAN("return a.i.__index"));
	evil("an artifact has no fields", PLAN("return a.i.__name"));
	evil("attempt to compare", PLAN("return a.i < a.i"));
	evil("attempt to call", PLAN("return a.i()"));
	evil("attempt to perform arithmetic", PLAN("return a.i + 1"));
	/* A table that says it has metamethods has none. */
	evil("got a table, expected a text", PLAN("return action.run { argv = { 'x' }, env = { A = { __tostring = function() return 'x' end } } }"));
	evil("cannot be changed", PLAN("attr.text = nil"));
	evil("cannot be changed", PLAN("action.run = nil"));
	evil("cannot be changed", PLAN("pin.files = nil"));
	/* A declaration is a value: neither its check nor anything else of it is a file's to change. */
	evil("attribute 'x': expected a type", "local d = attr.text {} return rule { name = 'evil', attrs = { x = copy(d) }, plan = function() end }");
	evil("step 's': 'evil' takes no attribute 'i'", "local d = attr.text { default = '' } d.check = function(c) c.find = nil end local attrs = { x = d }\n"
		"local r = rule { name = 'evil', attrs = attrs, plan = function(a, out) " RUN " end } attrs.i = attr.artifact {} return r");
}

static void
environments(void **state)
{
	(void)state;
	evil("no use for '_ENV'", "local _ENV = { rule = rule } " PLAN(RUN));
	evil("no use for '_ENV'", PLAN("local function f(_ENV) return x end return f({ x = 1 })"));
	evil("no use for '_ENV'", PLAN("_ENV.rule = nil"));
	evil("rules have no globals", PLAN("x = 1"));
	evil("rules have no globals", "x = 1 " PLAN(RUN));
	evil("does not know '_G'", PLAN("_G.x = 1"));
	evil("does not know 'coroutine'", PLAN("coroutine.wrap(function() end)()"));
	evil("does not know 'pcall'", PLAN("pcall(function() while true do end end)"));
	evil("does not know 'load'", PLAN("load('return 1')()"));
	evil("does not know 'require'", PLAN("require 'os'"));
	evil("does not know 'debug'", PLAN("debug.sethook()"));
	evil("does not know 'string'", PLAN("string.rep('x', 1e9)"));
	evil("does not know 'from_json'", PLAN("from_json('1')"));
	evil("does not know 'constant'", PLAN("constant('a', 'b')"));
	evil("does not know 'wrap'", PLAN("wrap({ kind = 'input', path = '/etc' })"));
}

static void
not_text(void **state)
{
	(void)state;
	static const char chunk[] = "\x1bLuaT\0\x19\x93\r\n\x1a\n\x04\x08\x08xV", comment[] = "# a first line that Lua skips in a file\n\x1bLua";
	evil_n("binary chunk", chunk, sizeof chunk - 1);
	evil_n("rules/evil.lua", comment, sizeof comment - 1);
	evil_n("rules/evil.lua", "\xef\xbb\xbf\x1bLua", 7);
	evil_n("rules/evil.lua", "return\0rule", 11);
	static char large[(1u << 20) + 2];
	memset(large, ' ', sizeof large);
	evil_n("too large", large, sizeof large - 1);
}

static void
answers(void **state)
{
	(void)state;
	evil("argv: got a number", PLAN("return action.run { argv = { 0/0 } }"));
	evil("argv: got a number", PLAN("return action.run { argv = { 1/0 } }"));
	evil("argv: got a number", PLAN("return action.run { argv = { 1e300 * 1e300 } }"));
	evil("argv: got a number", PLAN("return action.run { argv = { 9007199254740992 + 0.5 } }"));
	evil("argv: got a function", PLAN("return action.run { argv = { error } }"));
	evil("expected names as keys, got a number", PLAN("return action.run { argv = { 'x' }, env = { 'A' } }"));
	evil("expected names as keys, got a boolean", PLAN("return action.run { argv = { 'x' }, env = { [true] = 'A' } }"));
	evil("expected names as keys, got a number", PLAN("return action.run { 'x' }"));
	evil("expected names as keys, got a table", PLAN("return action.run { argv = { 'x' }, env = { [{}] = 'A' } }"));
	evil("env: '' is not a variable's name", PLAN("return action.run { argv = { 'x' }, env = { [''] = 'A' } }"));
	evil("is not a variable's name", PLAN("return action.run { argv = { 'x' }, env = { ['A\\0B'] = 'A' } }"));
	evil("path holds NUL", PLAN("return action.write { path = 'a\\0b', text = '' }"));
	evil("attempt to index a nil value", PLAN("return action.run { argv = { [1] = 'x', n = out.nothing.x } }"));
	evil("table index is NaN", PLAN("local t = {} t[0/0] = 1"));
	evil("rule: output 'a/b': expected letters", "return rule { name = 'evil', attrs = {}, outputs = { ['a/b'] = 'dir' }, plan = function() end }");
	evil("rule: output 'a': expected", "return rule { name = 'evil', attrs = {}, outputs = { a = 'link' }, plan = function() end }");
	evil("too much memory", "local o = {} for i = 1, 1000000 do o['o' .. i] = 'dir' end return rule { name = 'evil', attrs = {}, outputs = o, plan = function(a, out) " RUN " end }");
}

/* What a rule left in its tables, or how it ended, is not there when it is asked again: a thousand times the same bytes. */
static void
nothing_is_left(void **state)
{
	(void)state;
	static const char rule[] = "local n, seen = 0, {}\n" PLAN("n = n + 1 seen[#seen + 1] = a.x out.y = 1 a.l[#a.l + 1] = 'more'\n"
		"if a.x == 'fail' then error('failed') end if a.x == 'loop' then while true do end end if a.x == 'eat' then local s = 'x' while true do s = s .. s end end\n"
		"return action.run { argv = { ('%d'):format(n), ('%d'):format(#seen), ('%d'):format(#a.l), a.x } }");
	static const char *const ways[] = { "a", "fail", "a", "loop", "a", "eat", "a", "a" };
	json_t *first = NULL;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		char file[200];
		json_t *p = NULL;
		struct ai_err err = { 0 };
		snprintf(file, sizeof file, "aicert: 1\nsteps: {s: {use: evil, x: %s}}\n", ways[i]);
		int rc = plan_rule(rule, strlen(rule), file, &p, &err);
		assert_int_equal(rc, strcmp(ways[i], "a") == 0 ? 0 : AI_EUSAGE);
		if (!first && rc == 0)
			first = json_incref(p);
		if (rc == 0)
			assert_true(json_equal(first, p));
		json_decref(p);
	}
	const json_t *argv = json_object_get(json_array_get(json_object_get(recipe_of(first, 0), "actions"), 0), "argv");
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_string_value(json_array_get(argv, i)), "1");
	json_decref(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops), cmocka_unit_test(memory), cmocka_unit_test(depth), cmocka_unit_test(patterns), cmocka_unit_test(errors), cmocka_unit_test(metatables),
		cmocka_unit_test(environments), cmocka_unit_test(not_text), cmocka_unit_test(answers), cmocka_unit_test(nothing_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
