/* test_rule_same.c -- a rule's text means the same in every process, on every processor, in every locale.  SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rule/rule.h"
#include "unit.h"

static int
find(void *ctx, const char *name, struct ai_artifact *out)
{
	(void)ctx;
	*out = (struct ai_artifact){ .name = name, .base = name };
	return 1;
}

/* The recipe of a rule whose plan is this body; a.i and a.j are optional artifacts. Each name is read in a state of its own. */
static int
recipe(const char *name, const char *body, const char *attrs, json_t **out, struct ai_err *err)
{
	AI_FREE char *text = ai_format("return rule { name = '%s', outputs = { o = 'file' }, attrs = { i = attr.artifact { optional = true }, j = attr.artifact { optional = true } },\n"
		"plan = function(a, out) %s end }", name, body);
	const struct ai_rule_text rule = { (char *)(uintptr_t)name, text, strlen(text) };
	AI_JSON *node = json_pack("{s:s,s:b,s:s}", "kind", "environment", "host", 1, "platform", "linux/amd64");
	struct ai_yaml *y = NULL;
	int rc = ai_yaml_parse(attrs, strlen(attrs), "Aicertfile", &y, err);
	const struct ai_step_spec step = { .name = (char *)(uintptr_t)"s", .use = (char *)(uintptr_t)name, .attrs = y, .line = 1, .column = 1 };
	const struct ai_rule_environment environment = { .node = node };
	if (rc == 0)
		rc = ai_rule_recipe(&rule, "Aicertfile", &step, &environment, find, NULL, out, err);
	ai_yaml_free(y);
	return rc;
}

/* The words of its first command, joined by ' '. */
static char *
said(const char *name, const char *body, const char *attrs)
{
	json_t *r = NULL, *word;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	size_t i;
	ok(recipe(name, body, attrs, &r, &err));
	json_array_foreach(json_object_get(json_array_get(json_object_get(r, "actions"), 0), "argv"), i, word)
		ai_buf_printf(&b, "%s%s", i ? " " : "", json_string_value(word));
	json_decref(r);
	return ai_buf_take(&b);
}

#define says(wanted, body) do { AI_FREE char *got = said("r", body, "{}"); assert_string_equal(got, wanted); } while (0)
#define value(wanted, expression) says(wanted, "local t, e, u = { 'a', 'b', 'c' }, {}, { n = { 1, 2 } } return action.run { argv = { ('%s'):format(" expression ") } }")
#define never(words, body) do { json_t *kept = (json_t *)0xaa; refused(AI_EUSAGE, words, recipe("r", body, "{}", &kept, &err)); assert_ptr_equal(kept, (json_t *)0xaa); } while (0)

/* Of tables with holes every border is a length, and Lua's depends on the seed of its hashes. */
static void
lengths_of_holes(void **state)
{
	(void)state;
	static const char body[] = "local seed = 12345 local function any(n) seed = (seed * 1103515245 + 12345) & 0x7fffffff return (seed >> 8) % n + 1 end\n"
		"local sum, other = 0, {} for round = 1, 1000 do local t = {}\n"
		"for i = 1, 30 do if any(3) == 1 then t['k' .. any(1000000)] = 1 t[{}] = 1 else local k = any(40) if any(4) == 1 then t[k] = nil else t[k] = k end end end\n"
		"sum = (sum * 31 + #t) & 0xffffffffffff end return action.run { argv = { ('%d'):format(sum) } }";
	AI_FREE char *first = said("r0", body, "{}");
	for (int i = 1; i < 6; i++) {
		char name[20];
		snprintf(name, sizeof name, "r%d", i);
		AI_FREE char *again = said(name, body, "{}");
		assert_string_equal(again, first);
	}
}

/* Wherever an operand may stand, and nowhere else. */
static void
lengths(void **state)
{
	(void)state;
	value("3", "#t");
	value("0", "#e");
	value("2", "#u.n");
	value("2", "#u['n']");
	value("4", "# t+1");
	value("-3", "-#t");
	value("5", "2+#t");
	value("6", "2*#t");
	value("1", "#t%2");
	value("1", "#'x'");
	value("2", "#('x'):upper() + #'y'");
	value("5", "#(t[1] .. 'bcde')");
	value("3x", "#t..'x'");
	value("c", "t[#t]");
	value("2", "#{#t,#e}");
	value("-4", "~#t");
	value("no", "not(#t==3) and 'yes' or 'no'");
	says("100 100", "local n, t = 0, {} for i = 1, 100 do t[#t+1] = 'x' if #t == i then n = n + 1 end end return action.run { argv = { n, #t } }");
	says("3", "local t = {1,2,3} local function f() return#t end return action.run { argv = { f() } }");
	never("attempt to get length of a nil value", "local t = {} return #t.nothing");
	never("attempt to get length of a number value", "return ##out");
	never("an artifact is not text; it has no length", "return #out.o");
	never("rules have no use for '_LENGTH'", "local _LENGTH = 1 return #{}");
}

/* What only looks like an operator is text. */
static void
texts(void **state)
{
	(void)state;
	says("#^\"", "return action.run { argv = { '#^\"' } }");
	says("it's #1^ \\", "return action.run { argv = { \"it's #1^ \\\\\" } }");
	says("'#' z#", "return action.run { argv = { '\\'#\\' \\z\n   z#' } }");
	says("]=] #^ ]]", "return action.run { argv = { [==[]=] #^ ]]]==] } }");
	says("#\n^", "return action.run { argv = { [[\n#\n^]] } }");
	says("x", "--[[ # ^ ]] --[==[ ]] # ^\n]==] return action.run { -- # ^ [[\n argv = { 'x' } --[=# ^\n }");
	says("c", "local t = { { 'a' }, { 'c' } } return action.run { argv = { t[#t][1] } }");
}

/* pow() of a processor with FMA and of one without differ in the last digit. */
static void
powers(void **state)
{
	(void)state;
	never("rules/r.lua:2: rules have no '^'", "return 2^3");
	never("rules/r.lua:3: rules have no '^'", "local x = '^' --[[ ^ ]]\nreturn x^x");
	never("rules have no '^'", "-- the line ends here\rlocal x = 1.1^0.3\n return");
	never("rules have no '^'", "local t = { [=[]]=], 1.1^0.3 }");
	never("rules have no '^'", "local s = '\\\\' .. 1.1^0.3");
	never("rules have no '^'", "local t = {} local x = t[t[1]]^0.3");
	never("unfinished long string", "local s = [=[ a text without end ^ #"); /* Lua's own words for it */
}

/* An attribute that was not given leaves a hole, not an end. */
static void
holes(void **state)
{
	(void)state;
	says("x y 3", "return { nil, action.run { argv = { 'x', a.i, 'y', nil, { nil, nil, 3 } }, inputs = { a.i, a.j } } }");
	json_t *r = NULL;
	ok(recipe("r", "return action.run { argv = { 'x' }, inputs = { a.i, a.j } }", "{j: data}", &r, &err));
	assert_int_equal(json_array_size(json_object_get(r, "inputs")), 1);
	json_decref(r);
	ok(recipe("r", "return action.run { argv = { 'x' }, inputs = { a.i, more = { [7] = a.j } } }", "{i: data, j: more}", &r, &err));
	assert_int_equal(json_array_size(json_object_get(r, "inputs")), 2);
	json_decref(r);
	never("argv: got a table with names, expected a list", "return action.run { argv = { 'x', flag = 'y' } }");
	never("got a table with names, expected a list of actions", "return { first = action.run { argv = { 'x' } } }");
	never("argv: is empty", "return action.run { argv = { nil, nil } }");
	never("expected names as keys, got a boolean", "return action.run { argv = { 'x' }, inputs = { [true] = temporary 'z' } }");
}

/* A list of a million empty texts costs something too. */
static void
long_lists(void **state)
{
	(void)state;
	never("takes too long", "local t = {} for i = 1, 300000 do t[i] = '' end while true do join(t, '') end");
}

/* A program that aicert is a library of may have a locale where ',' is the point, and 'a' comes before 'B'. */
static void
locales(void **state)
{
	(void)state;
	char dir[] = "/tmp/aicert-locale-XXXXXX";
	assert_non_null(mkdtemp(dir));
	AI_FREE char *path = ai_format("%s/de_DE.UTF-8", dir), *remove = ai_format("rm -rf %s", dir);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("localedef", "localedef", "-i", "de_DE", "-f", "UTF-8", path, (char *)NULL);
		_exit(127);
	}
	int status = 0, shell;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	setenv("LOCPATH", dir, 1);
	bool german = WIFEXITED(status) && setlocale(LC_ALL, "de_DE.UTF-8");
	unsetenv("LOCPATH");
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", remove, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &shell, 0), pid);
	if (!german) {
		print_message("no German locale could be made here\n");
		skip();
	}
	char shown[20];
	snprintf(shown, sizeof shown, "%.1f", 0.5);
	AI_FREE char *got = said("r", "local function less(x, y) return x < y and '1' or '0' end return action.run { argv = { 0.5 .. '', less('a', 'B'), 1.5 + 0.25 .. '' } }", "{}");
	bool kept = uselocale((locale_t)0) == LC_GLOBAL_LOCALE;
	assert_non_null(setlocale(LC_ALL, "C"));
	assert_string_equal(shown, "0,5"); /* else this test shows nothing */
	assert_true(kept);
	assert_string_equal(got, "0.5 0 1.75");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_of_holes), cmocka_unit_test(lengths), cmocka_unit_test(texts), cmocka_unit_test(powers), cmocka_unit_test(holes),
		cmocka_unit_test(long_lists), cmocka_unit_test(locales),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
