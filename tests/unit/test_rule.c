/* test_rule.c -- what a rule may do, and everything it tries beyond that.  SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>
#include <time.h>

#include "plan_help.h"

/* A rule whose plan() is the given text; a.x is any text. */
#define PLAN(body) "return rule { name = 'evil', attrs = { x = attr.text { default = '' }, i = attr.artifact { optional = true }, outputs = attr.outputs {} },\n" \
	"plan = function(a, out) " body " end }"
#define RUN "return action.run { argv = { 'true' } }"
#define STEP "aicert: 1\ninputs: {data: {path: data.csv}, dir: {path: dir}}\nsteps: {s: {use: evil, i: data}}\n"

static int
plan_rule(const char *rule, const char *aicertfile, json_t **out, struct ai_err *err)
{
	struct ai_rule_text text = { (char *)"evil", (char *)(uintptr_t)rule, strlen(rule) };
	return plan_with(aicertfile, &text, 1, out, err);
}

#define evil_in(words, rule, file) do { json_t *kept = (json_t *)0xaa; refused(AI_EUSAGE, words, plan_rule(rule, file, &kept, &err)); \
	assert_ptr_equal(kept, (json_t *)0xaa); } while (0)
#define evil(words, rule) evil_in(words, rule, STEP)

static void
an_honest_rule(void **state)
{
	(void)state;
	json_t *p = NULL;
	ok(plan_rule(PLAN("local env = copy({ B = '2' }, { A = a.i })\n"
		"for name, o in sorted(out) do env['OUT_' .. upper(name)] = o end\n"
		"return { action.write { path = 'conf.txt', text = ('%s %d'):format('n', 7) }, action.copy { from = a.i, to = 'b' },"
		" action.run { argv = { 'x', { 'y', a.i } }, env = env, cwd = '/workspace/src' } }"), STEP, &p, &err));
	const json_t *actions = json_object_get(recipe_of(p, 0), "actions");
	assert_int_equal(json_array_size(actions), 3);
	assert_string_equal(ai_json_str(json_array_get(actions, 0), "path"), "/workspace/conf.txt");
	assert_string_equal(ai_json_str(json_array_get(actions, 0), "text"), "n 7");
	assert_string_equal(ai_json_str(json_array_get(actions, 1), "from"), "/workspace/resources/data.csv");
	const json_t *run = json_array_get(actions, 2), *argv = json_object_get(run, "argv");
	assert_string_equal(json_string_value(json_array_get(argv, 2)), "/workspace/resources/data.csv");
	assert_string_equal(ai_json_str(json_array_get(json_object_get(run, "env"), 0), "name"), "A");
	assert_int_equal(json_array_size(json_object_get(recipe_of(p, 0), "inputs")), 1);
	json_decref(p);
	/* An artifact that is not placed is no input. */
	ok(plan_rule(PLAN(RUN), STEP, &p, &err));
	assert_int_equal(json_array_size(json_object_get(recipe_of(p, 0), "inputs")), 0);
	json_decref(p);
	ok(plan_rule(PLAN("return action.run { argv = { a.i / 'x/y' } }"), "aicert: 1\ninputs: {d: {path: dir}}\nsteps: {s: {use: evil, i: d}}\n", &p, &err));
	argv = json_object_get(json_array_get(json_object_get(recipe_of(p, 0), "actions"), 0), "argv");
	assert_string_equal(json_string_value(json_array_get(argv, 0)), "/workspace/resources/d/x/y");
	json_decref(p);
}

/* Ends in time: each of these would else take the machine. */
static void
rules_without_end(void **state)
{
	(void)state;
	clock_t t0 = clock(); /* of this process: the machine may be busy */
	evil("takes too long", PLAN("while true do end"));
	evil("takes too long", PLAN("::a:: goto a"));
	evil("takes too long", PLAN("for i = 1, 1e18 do end"));
	evil("takes too long", PLAN("local function f() return f() end return f()"));
	evil("takes too long", "while true do end");
	evil("takes too long", PLAN("local s = ('x'):replace('x', 'yyyyyyyyyyyyyyyy') for i = 1, 12 do s = s .. s end while true do s:find('nothing') end"));
	evil("nested too deep", PLAN("local t = {} for i = 1, 100 do t = { t, t, t, t, t, t } end return action.run { argv = t }"));
	evil("too much memory", PLAN("local t = {} for i = 1, 1e9 do t[i] = i end"));
	evil("too much memory", PLAN("local s = 'x' while true do s = s .. s end"));
	evil("too much memory", PLAN("local s = 'xxxxxxxxxxxxxxxx' for i = 1, 40 do s = s:replace('x', 'xxxxxxxxxxxxxxxx') end"));
	evil("too much memory", PLAN("local s = 'x' for i = 1, 20 do s = s .. s end while true do local r = s .. 'y' end"));
	evil("takes too long", PLAN("local s = 'x' for i = 1, 22 do s = s .. s end local p, q = s .. 'y', s .. 'y' while p == q do end"));
	evil("too much memory", PLAN("local function f() return 1 + f() end return f()"));
	evil("nested too deep", PLAN("local t = {} t[1] = t return action.run { argv = t }"));
	evil("nested too deep", PLAN("local t = { a.i } t[2] = t return action.run { argv = { 'x' }, inputs = t }"));
	assert_true((clock() - t0) / CLOCKS_PER_SEC < 75);
}

static void
no_way_out(void **state)
{
	(void)state;
	static const char *const absent[] = { "pairs", "next", "tostring", "tonumber", "load", "loadstring", "dofile", "require", "setmetatable",
		"getmetatable", "rawset", "rawget", "rawequal", "pcall", "xpcall", "coroutine", "os", "io", "debug", "math", "string", "table", "utf8",
		"collectgarbage", "print", "_G", "wrap", "unwrap", "guard", "find", "keys" };
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		char rule[400], words[100];
		snprintf(rule, sizeof rule, PLAN("local x = %s"), absent[i]);
		snprintf(words, sizeof words, "rules/evil.lua:2: a rule does not know '%s'", absent[i]);
		evil(words, rule);
	}
	evil("rules have no globals: write 'local counter'", PLAN("counter = 1 " RUN));
	evil("rules have no globals: write 'local helper'", "function helper() end " PLAN(RUN));
	evil("'type' is a word of the rules' language", PLAN("type = 1 " RUN));
	evil("no use for '_ENV'", PLAN("_ENV[1] = 2 " RUN));
	evil("no use for '_ENV'", "local _ENV <const> = 11; a = 1");
	evil("attr cannot be changed", PLAN("attr.text = 1 " RUN));
	evil("action has no 'ruin' (did you mean 'run'?)", PLAN("return action.ruin {}"));
	evil("attempt to call a nil value", PLAN("return (''):rep(1e9)"));
	evil("attempt to call a nil value", PLAN("return (''):dump()"));
	evil("attempt to call a nil value", PLAN("return ('a'):gsub('a*', '')"));
	evil("attempt to index a string value", PLAN("local s = '' s.upper = 1"));
	evil("'%p' is unknown", PLAN("return ('%p'):format(a)"));
	evil("got a table, expected a text", PLAN("return ('%s'):format({})"));
	evil("got a function, expected a text", PLAN("return ('%s'):format(error)"));
	evil("attempt to load a binary chunk", "\x1bLua");
	evil("near", "return rule {");
	evil("expected 'return rule", "return {}");
	evil("expected 'return rule", "");
	evil("rules/evil.lua: C stack overflow", "return ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
		"(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1");
}

static void
errors_are_text(void **state)
{
	(void)state;
	evil("rules/evil.lua:2: no good", PLAN("error('no good')"));
	evil("error: got a table, expected a text", PLAN("error({})"));
	evil("error: got a nil, expected a text", PLAN("error(nil)"));
	evil("error: got a function, expected a text", PLAN("error(error)"));
	evil("attempt to call a nil value", PLAN("local y y()"));
	evil("attempt to compare", PLAN("return {} < {}"));
	evil("?[31m", PLAN("error('\\27[31m')"));
}

static void
artifacts_are_values(void **state)
{
	(void)state;
	evil("rules/evil.lua:2: an artifact is not text; pass it as its own argument", PLAN("return 'x' .. a.i"));
	evil("an artifact is not text; pass it as its own argument", PLAN("return a.i .. 'x'"));
	evil("an artifact has no fields", PLAN("return a.i.path"));
	evil("attempt to index", PLAN("a.i.path = '/etc'"));
	evil("it has no length", PLAN("return #a.i"));
	evil("got a artifact, expected a text", PLAN("return ('%s'):format(a.i)"));
	evil("'data' is a file: there is nothing inside it", PLAN("return a.i / 'x'"));
	evil_in("'..'", PLAN("return a.i / '../x'"), "aicert: 1\ninputs: {d: {path: dir}}\nsteps: {s: {use: evil, i: d}}\n");
	evil_in("followed by '/' and a text", PLAN("return a.i / a.i"), "aicert: 1\ninputs: {d: {path: dir}}\nsteps: {s: {use: evil, i: d}}\n");
}

static void
actions_are_closed(void **state)
{
	(void)state;
	evil("plan: got a nil, expected an action", PLAN(""));
	evil("plan: got a string", PLAN("return 'rm -rf /'"));
	evil("plan: no action", PLAN("return {}"));
	evil("plan: item 1 is not an action", PLAN("return { { kind = 'run' } }"));
	evil("action.run has no field 'argz' (did you mean 'argv'?)", PLAN("return action.run { argz = {} }"));
	evil("rules/evil.lua:2: argv: is empty", PLAN("local r = action.run { argv = {} } return r"));
	evil("rules/evil.lua: argv: is empty", PLAN("return action.run { argv = {} }"));
	evil("argv: got a nil", PLAN("return action.run {}"));
	evil("argv: got a boolean", PLAN("return action.run { argv = { true } }"));
	evil("env: 'A=B' is not a variable's name", PLAN("return action.run { argv = { 'x' }, env = { ['A=B'] = '' } }"));
	evil("env: 'HF_TOKEN' is the name of a secret", PLAN("return action.run { argv = { 'x' }, env = { HF_TOKEN = 'x' } }"));
	evil("cwd: path", PLAN("return action.run { argv = { 'x' }, cwd = '/etc' }"));
	evil("cwd: path", PLAN("return action.run { argv = { 'x' }, cwd = '../x' }"));
	evil("path: path", PLAN("return action.write { path = '/etc/passwd', text = '' }"));
	evil("text: got a nil", PLAN("return action.write { path = 'x' }"));
	evil("from: got a nil", PLAN("return action.copy { to = 'x' }"));
	evil("inputs: got a string", PLAN("return action.run { argv = { 'x' }, inputs = { 'data' } }"));
	evil("not UTF-8", PLAN("return action.run { argv = { '\\xff' } }"));
	evil("NUL", PLAN("return action.run { argv = { 'a\\0b' } }"));
	evil("argv: got a number", PLAN("return action.run { argv = { 1.5 } }"));
}

static void
declarations_are_checked(void **state)
{
	(void)state;
#define ATTRS(attrs) "return rule { name = 'evil', attrs = { " attrs " }, plan = function(a, out) " RUN " end }"
	evil("rule has no field 'plam' (did you mean 'plan'?)", "return rule { name = 'evil', attrs = {}, plam = 1 }");
	evil("rule: plan: got a nil, expected a function", "return rule { name = 'evil', attrs = {} }");
	evil("calls itself 'other', expected 'evil'", "return rule { name = 'other', attrs = {}, plan = function() end }");
	evil("attr has no 'txt' (did you mean 'text'?)", ATTRS("x = attr.txt {}"));
	evil("attr.text has no option 'defalt' (did you mean 'default'?)", ATTRS("x = attr.text { defalt = '' }"));
	evil("attr.text has no option 'under'", ATTRS("x = attr.text { under = 'x' }"));
	evil("attribute 'x': expected a type", ATTRS("x = 'text'"));
	evil("attribute 'x': expected a type", ATTRS("x = attr.text"));
	evil("attr.list: expected a type", ATTRS("x = attr.list('text') {}"));
	evil("attr.text: expected a table", ATTRS("x = attr.text('x')"));
}

/* Each type of attribute: what it refuses, with the place. The rule has all of them. */
static void
attributes_are_checked(void **state)
{
	(void)state;
	static const char rule[] = "return rule { name = 'evil', outputs = { o = 'dir' }, attrs = { t = attr.text { optional = true }, n = attr.integer { min = 1, max = 9, default = 3 },"
		"f = attr.flag { default = false }, c = attr.choice { of = { 'red', 'green' }, optional = true }, p = attr.path { optional = true },"
		"u = attr.url { optional = true }, commit = attr.hex { len = { 40, 64 }, optional = true }, l = attr.list(attr.text) { default = {} },"
		"m = attr.map(attr.text) { default = {} }, a = attr.artifact { optional = true }, e = attr.env { default = {} },"
		"v = attr.version { optional = true, parts = 2, alias = 'wersion' }, d = attr.artifact { optional = true, only = 'dir', at = 'src' },"
		"z = attr.list(attr.template) { default = {} } },"
		"plan = function(a, out) return action.run { argv = { 'x', ('%d'):format(a.n), a.z, a.l }, env = a.e, inputs = { a.a, a.d } } end }";
	static const struct { const char *attrs, *words; } cases[] = {
		{ "comit: x", "Aicertfile:3:24: step 's': 'evil' takes no attribute 'comit' (did you mean 'commit'?)" },
		{ "enviroment: x", "(did you mean 'environment'?)" },
		{ "commit: main", "Aicertfile:3:32: step 's': commit: expected 40 or 64 lower-case hex digits, got 'main'" },
		{ "t: [a]", "t: got a list, expected a text" },
		{ "n: x", "n: expected a whole number, got 'x'" },
		{ "n: 1.5", "n: expected a whole number, got '1.5'" },
		{ "n: 0", "n: expected at least 1, got '0'" },
		{ "n: 10", "n: expected at most 9, got '10'" },
		{ "f: yes", "f: expected true or false, got 'yes'" },
		{ "c: gren", "c: expected one of red, green, got 'gren' (did you mean 'green'?)" },
		{ "p: /etc/passwd", "p: path '/etc/passwd'" },
		{ "p: a/../../b", "'..'" },
		{ "p: a//b", "p: path" },
		{ "u: nothing", "u: expected a URL" },
		{ "u: 'https://u:p@e.org'", "u: the URL holds a secret" },
		{ "l: x", "l: got a text, expected a list" },
		{ "l: [[a]]", "l: got a list, expected a text" },
		{ "m: [a]", "m: got a list, expected a map" },
		{ "m: {a b: c}", "m: name 'a b'" },
		{ "a: dta", "a: there is no input or step output 'dta' (did you mean 'data'?)" },
		{ "a: t.x", "a: there is no input or step output 't.x'" },
		{ "a: s.o", "steps need each other: 's' needs 's'" },
		{ "d: data", "d: 'data' is a file, expected a folder" },
		{ "e: {1A: x}", "e: '1A' is not a variable's name" },
		{ "e: {MY_API_KEY: x}", "e: 'MY_API_KEY' is the name of a secret" },
		{ "v: 3.x", "v: expected a version like 3.11, got '3.x'" },
		{ "v: 3.11.4", "v: expected a version" },
		{ "v: 3.11, wersion: 3", "'v' and 'wersion' say the same" },
		{ "z: ['${nothing}']", "z: there is no input or step output 'nothing'" },
		{ "z: ['${out.p}']", "z: there is no output 'p'" },
		{ "z: ['${open']", "z: '${' without '}'" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char file[300];
		snprintf(file, sizeof file, "aicert: 1\ninputs: {data: {path: data.csv}, dir: {path: dir}}\nsteps: {s: {use: evil, %s}}\n", cases[i].attrs);
		evil_in(cases[i].words, rule, file);
	}
	json_t *p = NULL;
	ok(plan_rule(rule, "aicert: 1\ninputs: {data: {path: data.csv}, dir: {path: dir}}\nsteps: {s: {use: evil, a: data, d: dir, n: 7,"
		" e: {X: 'a$${b} ${data}'}, z: ['--in=${data}', '${out.o}', plain, '${dir}/x']}}\n", &p, &err));
	const json_t *run = json_array_get(json_object_get(recipe_of(p, 0), "actions"), 0), *argv = json_object_get(run, "argv");
	static const char *const want[] = { "x", "7", "--in=/workspace/resources/data.csv", "/workspace/outputs/o", "plain", "/workspace/resources/dir/x" };
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(json_string_value(json_array_get(argv, i)), want[i]);
	const json_t *env = json_object_get(run, "env");
	assert_string_equal(ai_json_str(json_array_get(env, json_array_size(env) - 1), "value"), "a${b} /workspace/resources/data.csv");
	assert_int_equal(json_array_size(json_object_get(recipe_of(p, 0), "inputs")), 3); /* dir stands at src and in resources */
	json_decref(p);
}

/* What one action writes and another reads; in nobody's way. */
static void
temporaries(void **state)
{
	(void)state;
	json_t *p = NULL;
	static const char rule[] = PLAN("local t = temporary 'list' return { action.run { argv = { 'x', t, t / 'a' } }, action.copy { from = t / 'a', to = out.outputs / 'b' } }");
	ok(plan_rule(rule, STEP, &p, &err));
	const json_t *actions = json_object_get(recipe_of(p, 0), "actions"), *argv = json_object_get(json_array_get(actions, 0), "argv");
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "/workspace/tmp.list");
	assert_string_equal(json_string_value(json_array_get(argv, 2)), "/workspace/tmp.list/a");
	assert_string_equal(ai_json_str(json_array_get(actions, 1), "from"), "/workspace/tmp.list/a");
	assert_string_equal(ai_json_str(json_array_get(actions, 1), "to"), "/workspace/outputs/b");
	assert_int_equal(json_array_size(json_object_get(recipe_of(p, 0), "inputs")), 0);
	json_decref(p);
	evil("temporary: expected a name without '/'", PLAN("temporary 'a/b'"));
	evil("temporary: expected a name", PLAN("temporary {}"));
	evil_in("temporary 'x' and input 'd' come to the same place 'tmp.x'", PLAN("return action.run { argv = { temporary 'x', a.i } }"),
		"aicert: 1\ninputs: {d: {path: data.csv, to: tmp.x}}\nsteps: {s: {use: evil, i: d}}\n");
}

/* A folder that is no part of the step's key may not hide what is. */
static void
checkpoints(void **state)
{
	(void)state;
	static const char rule[] = PLAN("return action.run { argv = { 'true', a.i } }");
#define AT(to, checkpoint) "aicert: 1\ninputs: {d: {path: dir, to: " to "}}\nsteps:\n  s: {use: evil, i: d, checkpoint: " checkpoint "}\n"
	static const char *const over[][2] = { { "src", "src" }, { "src", "src/lib" }, { "data/train", "data" }, { "data/train", "data/train/x" }, { "resources/d", "/workspace/resources/d" } };
	for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
		char file[300];
		snprintf(file, sizeof file, AT("%s", "%s"), over[i][0], over[i][1]);
		evil_in(i < 4 ? "come to the same place" : "is not the step's own", rule, file);
	}
	json_t *p = NULL;
	ok(plan_rule(rule, AT("data", "dat"), &p, &err));
	json_decref(p);
	ok(plan_rule(rule, AT("data", "data-2"), &p, &err));
	json_decref(p);
}

static void
defaults_and_aliases(void **state)
{
	(void)state;
#define ONE(attr) "return rule { name = 'evil', attrs = { x = " attr " }, plan = function(a, out) " RUN " end }"
	evil("attr.integer: default: is not what the attribute takes", ONE("attr.integer { default = '3' }"));
	evil("attr.integer: default: is not what the attribute takes", ONE("attr.integer { default = 3, max = 2 }"));
	evil("attr.integer: default: is not what the attribute takes", ONE("attr.integer { default = 1.5 }"));
	evil("attr.number: default: is not what the attribute takes", ONE("attr.number { default = 0.5 }"));
	evil("attr.number: default: is not what the attribute takes", ONE("attr.number { default = '.5' }"));
	evil("attr.choice: of: expected a list of words", ONE("attr.choice {}"));
	evil("attr.choice: of: item 1 is not one", ONE("attr.choice { of = { 1 } }"));
	evil("attr.choice: default: is not what the attribute takes", ONE("attr.choice { of = { 'a' }, default = 'b' }"));
	evil("attr.path: default: is not what the attribute takes", ONE("attr.path { default = '../x' }"));
	evil("attr.list: default: is not what the attribute takes", ONE("attr.list(attr.text) { default = 'x' }"));
	evil("attr.artifact has no default: make it optional", ONE("attr.artifact { default = 'x' }"));
	evil("attr.text: optional: got a string, expected a boolean", ONE("attr.text { optional = 'yes' }"));
	evil("attr.artifact: only: expected \"file\" or \"dir\"", ONE("attr.artifact { only = 'folder' }"));
	evil("rule: alias 'y' of 'x' is another attribute's name", "return rule { name = 'evil', attrs = { x = attr.text { alias = 'y' }, y = attr.text {} }, plan = function() end }");
	evil("rule: attrs: there are two of attr.outputs", "return rule { name = 'evil', attrs = { x = attr.outputs {}, y = attr.outputs {} }, plan = function() end }");
	static const char numbers[] = "return rule { name = 'evil', attrs = { n = attr.number { min = 0, max = 1 } }, outputs = { o = 'file' },\n"
		"plan = function(a, out) return action.run { argv = { a.n, out.o } } end }";
	static const char *const bad[] = { "1.", ".5", "1e", "0x1", "1e1000", "inf", "nan", "1 ", "-0.1", "1.1", "1_0" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char file[200];
		snprintf(file, sizeof file, "aicert: 1\nsteps: {s: {use: evil, n: '%s'}}\n", bad[i]);
		evil_in("Aicertfile:2:27: step 's': n: expected a", numbers, file);
	}
	json_t *p = NULL;
	ok(plan_rule(numbers, "aicert: 1\nsteps: {s: {use: evil, n: 1e-4}}\n", &p, &err)); /* the text that was written */
	assert_string_equal(json_string_value(json_array_get(json_object_get(json_array_get(json_object_get(recipe_of(p, 0), "actions"), 0), "argv"), 0)), "1e-4");
	json_decref(p);
}

static const char many[] = "aicert: 1\ninputs: {b: {path: b.csv}, a: {path: a.csv}, src: {path: code}}\nsteps:\n"
	"  s: {use: shell, source: src, inputs: {zeta: a, alpha: b}, env: {Z: '1', A: '${a}', M: '2'}, script: x, outputs: {q: q, p: p/, r: {type: file}}}\n";

static void
same_bytes_in_every_process(void **state)
{
	(void)state;
	char first[16384] = "", again[16384] = "";
	for (int round = 0; round < 4; round++) {
		char *into = round ? again : first;
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(fds[1], 1);
			execl("/proc/self/exe", "test_rule", "--recipe", (char *)NULL);
			_exit(127);
		}
		close(fds[1]);
		size_t n = 0;
		for (ssize_t r; (r = read(fds[0], into + n, sizeof first - 1 - n)) > 0;)
			n += (size_t)r;
		into[n] = '\0';
		close(fds[0]);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		if (round)
			assert_string_equal(first, again);
	}
	assert_non_null(strstr(first, "IN_ALPHA"));
}

/* The recipe of `many` as printed by a process of its own: with its own seed of Lua's hashes. */
static int
print_recipe(void)
{
	struct ai_err err = { 0 };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	json_t *p = NULL;
	if (plan(many, &p, &err) < 0 || ai_json_pretty(p, &b, &err) < 0)
		return 1;
	json_decref(p);
	return fwrite(b.data, 1, b.len, stdout) == b.len ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--recipe") == 0)
		return print_recipe();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_rule), cmocka_unit_test(rules_without_end), cmocka_unit_test(no_way_out), cmocka_unit_test(errors_are_text),
		cmocka_unit_test(artifacts_are_values), cmocka_unit_test(actions_are_closed), cmocka_unit_test(declarations_are_checked),
		cmocka_unit_test(attributes_are_checked), cmocka_unit_test(temporaries), cmocka_unit_test(checkpoints), cmocka_unit_test(defaults_and_aliases), cmocka_unit_test(same_bytes_in_every_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
