/*
 * test_vm_apart.c -- the agent's process, which holds the TPM, never hands what a stranger wrote to libyaml or Lua, nor believes who does.
 *
 * The entry points of these libraries are ours here: they note who calls them, and can be what a stranger's bytes make of them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vm_inside_unit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yaml.h>

#include "base/fs.h"
#include "model/yaml_flat.h"
#include "run/plan/apart.h"
#include "vm/agent/agent.h"

/* --- libraries that were taken over ------------------------------------------------- */

static bool watched, in_child; /* a confined child may not even ask for its number: fork tells it */
static int in_agent;         /* how often a parser ran in the agent's process */
static int canary = -1;      /* something that the agent has open, as it has the TPM */
static const char *secret_place;
static void (*yaml_attack)(void), (*lua_attack)(void);

static void
becomes_child(void)
{
	in_child = true;
}

static void
entered(void (*attack)(void))
{
	if (watched && !in_child)
		in_agent++;
	else if (watched && attack)
		attack();
}

int
yaml_parser_initialize(yaml_parser_t *p)
{
	int (*real)(yaml_parser_t *) = (int (*)(yaml_parser_t *))dlsym(RTLD_NEXT, "yaml_parser_initialize");
	entered(yaml_attack);
	return real(p);
}

/* Every question to a rule is one; a new state is not, because a thread keeps states ready (rule/ready.h). */
int
lua_pcallk(lua_State *L, int n_args, int n_results, int handler, lua_KContext ctx, lua_KFunction k)
{
	int (*real)(lua_State *, int, int, int, lua_KContext, lua_KFunction) =
		(int (*)(lua_State *, int, int, int, lua_KContext, lua_KFunction))dlsym(RTLD_NEXT, "lua_pcallk");
	entered(lua_attack);
	return real(L, n_args, n_results, handler, ctx, k);
}

static void attack_write_tpm(void) { if (write(canary, "evil", 4) == 4) _exit(0); }
static void attack_open(void) { (void)!open(secret_place, O_RDWR); }
#ifndef __SANITIZE_ADDRESS__ /* whose confinement is no wall (confined.h) */
static void attack_ioctl(void) { (void)!ioctl(canary, 0); }
static void attack_kill(void) { (void)!kill(getppid(), 0); }
#endif
static void attack_socket(void) { (void)!socket(AF_UNIX, SOCK_STREAM, 0); }
static void attack_fork(void) { (void)!fork(); }
static void attack_end(void) { _exit(0); }
static void attack_crash(void) { abort(); }

/* The answer itself, in the form that confined.c has: kind 1, length, bytes. */
static void
answer(const char *text)
{
	const uint32_t head[2] = { 1, (uint32_t)strlen(text) };
	if (write(3, head, sizeof head) == sizeof head)
		(void)!write(3, text, strlen(text));
	_exit(0);
}

static void lie_nothing(void) { answer(""); }
static void lie_garbage(void) { answer("[[[[[[[[["); }
static void lie_object(void) { answer("{}"); }
static void lie_huge(void) { answer("[[\"l\",1,1,9007199254740991]]"); }
static void lie_key(void) { answer("[[\"m\",1,1,1],[\"l\",1,1,0],[\"l\",1,1,0]]"); }
static void lie_host(void) { answer("[[\"m\",1,1,2],[\"s\",1,1,true,\"aicert\"],[\"s\",1,1,true,\"1\"],[\"s\",1,1,true,\"steps\"],[\"l\",1,1,0]]"); }
static void lie_plan_object(void) { answer("{\"environments\":[],\"plan\":{\"kind\":\"plan\"}}"); }
static void lie_plan_more(void) { answer("{\"environments\":[],\"more\":1,\"plan\":{}}"); }

/* The good plan with another command: everything about it holds, and the Aicertfile does not give it. */
static char *other_plan;
static void lie_plan_other(void) { answer(other_plan); }

/* --- the agent, on two files ---------------------------------------------------------- */

static void
quiet(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct ai_buf *said = ctx;
	(void)done, (void)total;
	if (kind == AI_TALK_STAGE || kind == AI_TALK_NOTE)
		ai_buf_printf(said, "%s\n", text);
}

/* What became of the good job disk, and what the agent said. */
static int
run_agent(struct ai_buf *said, struct ai_err *why)
{
	char *home;
	const struct ai_talk talk = { .say = quiet, .ctx = said };
	int result = scratch_file();
	assert_int_equal(ftruncate(result, 64 << 20), 0);
	ok(ai_mkdtemp("/tmp/aicert-apart", &home, &err));
	struct ai_agent a = { .job = good_fd, .job_size = size_of(good_fd), .result = result, .result_size = 64u << 20, .home = home, .tpm = "embedded", .talk = &talk };
	watched = true;
	in_agent = 0;
	int r = ai_agent_job(&a, why);
	watched = false;
	close(result);
	ok(ai_remove_tree(AT_FDCWD, home, &err));
	free(home);
	return r;
}

/* The job is planned, and its step runs (and fails: the image has no shell), without a parser in the agent. */
static void
test_no_parser_in_the_agent(void **state)
{
	(void)state;
	AI_BUF_AUTO said = AI_BUF(1u << 20);
	struct ai_err err = { 0 };
	int r = run_agent(&said, &err);
	if (r != AI_ESTEP || !strstr(said.data, "run     one"))
		fail_msg("%d %s\n%s", r, err.text, said.data);
	assert_int_equal(in_agent, 0);
}

/* The watch itself: planned as a builder's own project is, the parsers are seen. */
static void
test_the_watch_can_fail(void **state)
{
	(void)state;
	struct ai_job job = { 0 };
	watched = true;
	in_agent = 0;
	ok(ai_job_open(&project.options, &job, &err));
	assert_true(in_agent > 0);
	watched = false;
	ai_job_done(&job);
}

struct attempt { const char *what; void (*attack)(void); const char *words; };

static void
each(const struct attempt *a, size_t n, void (**where)(void))
{
	for (size_t i = 0; i < n; i++) {
		AI_BUF_AUTO said = AI_BUF(1u << 20);
		struct ai_err err = { 0 };
		print_message("%s\n", a[i].what);
		*where = a[i].attack;
		int r = run_agent(&said, &err);
		*where = NULL;
		if (r != AI_EINPUT || !strstr(err.text, a[i].words))
			fail_msg("%s: got %d '%s', expected '%s'", a[i].what, r, err.text, a[i].words);
		/* Measured before, and nothing ran. */
		assert_non_null(strstr(said.data, "job     "));
		assert_null(strstr(said.data, "run     "));
		assert_int_equal(in_agent, 0);
	}
}

#define KILLED "asked the kernel for something that its work does not need"
static const struct attempt takeovers[] = {
#ifndef __SANITIZE_ADDRESS__
	{ "a command to the TPM", attack_ioctl, KILLED },
	{ "signals the agent", attack_kill, KILLED },
#endif
	{ "opens a file", attack_open, KILLED },
	{ "makes a socket", attack_socket, KILLED },
	{ "starts a process", attack_fork, KILLED },
	{ "goes without a word", attack_end, "died before it answered" },
	{ "crashes", attack_crash, "died" },
};

static void
test_libyaml_taken_over(void **state)
{
	(void)state;
	static const struct attempt lies[] = {
		{ "says nothing", lie_nothing, "reader of the Aicertfile" }, { "garbage", lie_garbage, "what the reader of the Aicertfile gave" },
		{ "an object", lie_object, "expected an array" }, { "a list of all the world", lie_huge, "expected how much is in it" },
		{ "a list for a key", lie_key, "a key must be a text" },
	};
	each(takeovers, sizeof takeovers / sizeof *takeovers, &yaml_attack);
	each(lies, sizeof lies / sizeof *lies, &yaml_attack);
}

static void
test_lua_taken_over(void **state)
{
	(void)state;
	static const struct attempt lies[] = {
		{ "says nothing", lie_nothing, "what the planner gave" }, { "garbage", lie_garbage, "what the planner gave" },
		{ "a plan that is none", lie_plan_object, "what the planner gave" }, { "a word more", lie_plan_more, "and nothing else" },
		{ "another plan", lie_plan_other, "the plan made here is" },
	};
	each(takeovers, sizeof takeovers / sizeof *takeovers, &lua_attack);
	each(lies, sizeof lies / sizeof *lies, &lua_attack);
}

/* What is open in the agent, as the TPM and the disks are, is open there only. */
static void
test_no_descriptor(void **state)
{
	(void)state;
	AI_BUF_AUTO said = AI_BUF(1u << 20);
	struct ai_err err = { 0 };
	canary = scratch_file();
	yaml_attack = attack_write_tpm;
	int r = run_agent(&said, &err);
	yaml_attack = NULL;
	if (r != AI_ESTEP)
		fail_msg("%d %s", r, err.text);
	assert_int_equal(size_of(canary), 0);
	close(canary);
	canary = -1;
}

/* A file with another form of Aicertfile is refused with its place, as outside. */
static void
test_manifest_of_a_lie(void **state)
{
	(void)state;
	struct ai_manifest *m = NULL;
	watched = true;
	yaml_attack = lie_host;
	refused(AI_EUSAGE, "Aicertfile:1:1: steps: expected a map", ai_manifest_apart("x", 1, "Aicertfile", NULL, &m, &err));
	yaml_attack = NULL;
	watched = false;
	refused(AI_EUSAGE, "Aicertfile:2:1: an Aicertfile has no key 'stps'", ai_manifest_apart("aicert: 1\nstps: {}\nsteps: {}\n", 28, "Aicertfile", NULL, &m, &err));
	assert_null(m);
}

/* --- chosen steps ---------------------------------------------------------------------------- */

#define CHOSEN "aicert: 1\nname: n\nenvironment: host\ninputs: {x: {path: x}, y: {path: y}}\nsteps:\n" \
	"  a: {use: shell, matrix: {k: [1, 2]}, script: 'true', inputs: {x: x}, outputs: {o: o}}\n" \
	"  b: {use: shell, script: 'true', inputs: [a.o], outputs: {o: o}}\n" \
	"  c: {use: shell, script: 'true', inputs: {y: y}, outputs: {o: o}}\n" \
	"outputs: {a: a.o, b: b.o, c: c.o}\n"
#define X_SOURCE "{\"kind\":\"source\",\"type\":\"path\",\"uri\":\"x\",\"content\":{\"blob\":\"1111111111111111111111111111111111111111111111111111111111111111\"}}"

static const char *marks;
static void lie_marks(void) { answer(marks); }

static struct ai_manifest *
chosen(void)
{
	struct ai_manifest *m = NULL;
	AI_JSON *parameters = json_pack("[{s:s, s:s}]", "name", AI_PARAM_STEPS, "value", "b");
	ok(ai_manifest_parse(CHOSEN, strlen(CHOSEN), "Aicertfile", parameters, &m, &err));
	return m;
}

/* What a child that was taken over says is needed for b, of a-1, a-2, b, c, x and y. */
static int
chosen_by(const char *said, struct ai_manifest **m, struct ai_err *err)
{
	*m = chosen();
	marks = said;
	watched = true;
	in_agent = 0;
	lua_attack = said ? lie_marks : NULL;
	int r = ai_plan_select_apart(*m, ai_rule_builtin("shell"), 1, err);
	lua_attack = NULL;
	watched = false;
	assert_int_equal(in_agent, 0);
	return r;
}

/* The plan of what was kept, as the agent asks for it next. */
static int
plan_kept(json_t **plan, struct ai_err *err)
{
	static const char lock[] = "{\"format\":1,\"inputs\":{},\"images\":{}}";
	AI_JSON *parameters = json_pack("[{s:s, s:s}]", "name", AI_PARAM_STEPS, "value", "b"), *x = json_loads(X_SOURCE, 0, NULL), *environments = NULL;
	const struct ai_plan_source sources[] = { { "x", x } };
	const struct ai_plan_in in = { .aicertfile = CHOSEN, .aicertfile_len = strlen(CHOSEN), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock),
		.rules = ai_rule_builtin("shell"), .n_rules = 1, .sources = sources, .n_sources = 1, .platform = "linux/amd64", .parameters = parameters };
	return ai_plan_apart(&in, plan, &environments, err);
}

static void
test_marks_that_cannot_be(void **state)
{
	(void)state;
	static const struct { const char *said, *words; } bad[] = {
		{ "", "what the planner gave: the chosen steps: got marks of 0 bytes" }, { "11101", "got marks of 5 bytes" }, { "1110100", "got marks of 7 bytes" },
		{ "11101000", "the planner" }, { "111012", "expected a 0 or 1" }, { "11101\n", "expected a 0 or 1" }, { "{\"a\":1", "expected a 0 or 1" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ai_manifest *m;
		refused(AI_EINPUT, bad[i].words, chosen_by(bad[i].said, &m, &err));
		/* Nothing of it was taken out. */
		assert_int_equal(m->n_steps, 4);
		assert_int_equal(m->n_inputs, 2);
		ai_manifest_free(m);
	}
}

/* Whatever it says in the right form: what was chosen stays, and the plan comes from the Aicertfile and not from what it says. */
static void
test_marks_that_lie(void **state)
{
	(void)state;
	static const struct { const char *said; size_t steps, inputs, outputs; } lies[] = {
		{ NULL, 3, 1, 1 }, { "111010", 3, 1, 1 }, { "111111", 4, 2, 1 }, { "110110", 4, 1, 1 }, { "000000", 1, 0, 1 }, { "001010", 1, 1, 1 },
		{ "101010", 2, 1, 1 }, { "011010", 2, 1, 1 }, { "111000", 3, 0, 1 }, { "000101", 2, 1, 1 },
	};
	AI_JSON *good = NULL;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct ai_manifest *m;
		AI_JSON *plan = NULL;
		ok(chosen_by(lies[i].said, &m, &err));
		assert_int_equal(m->n_steps, lies[i].steps);
		assert_int_equal(m->n_inputs, lies[i].inputs);
		assert_int_equal(m->n_outputs, lies[i].outputs);
		assert_non_null(ai_manifest_step(m, "b", 1));
		ok(plan_kept(&plan, &err));
		assert_true(!good || json_equal(good, plan));
		if (!good)
			good = json_incref(plan);
		ai_manifest_free(m);
	}
}

/* --- trees as bytes ------------------------------------------------------------------------ */

static void
round_trip(const char *text)
{
	struct ai_yaml *y = NULL, *z = NULL;
	AI_BUF_AUTO one = AI_BUF(1u << 24), two = AI_BUF(1u << 24);
	ok(ai_yaml_parse(text, strlen(text), "t", &y, &err));
	ok(ai_yaml_flat(y, &one, &err));
	ok(ai_yaml_unflat(one.data, one.len, &z, &err));
	ok(ai_yaml_flat(z, &two, &err));
	assert_string_equal(one.data, two.data);
	assert_int_equal(y->type, z->type);
	ai_yaml_free(y);
	ai_yaml_free(z);
}

static void
test_trees_come_back(void **state)
{
	(void)state;
	AI_BUF_AUTO deep = AI_BUF(1u << 16);
	round_trip("a");
	round_trip("''");
	round_trip("- 1\n- []\n- {}\n- 'é\\n'\n- \"tab\\tline\\n\"\n- ~\n");
	round_trip("a: {b: [c, {d: e}]}\nf: |\n  one\n  two\n'g': 3.10\n");
	for (int i = 0; i < 63; i++)
		ai_buf_putc(&deep, '[');
	ai_buf_putc(&deep, 'x');
	for (int i = 0; i < 63; i++)
		ai_buf_putc(&deep, ']');
	round_trip(deep.data);
}

static void
test_trees_that_are_none(void **state)
{
	(void)state;
	static const struct { const char *bytes, *words; } bad[] = {
		{ "", "tree" }, { "1", "expected an array" }, { "[]", "expected a text, a list or a map" }, { "[1]", "expected a text" }, { "[[]]", "expected a text" },
		{ "[[\"x\",1,1,0]]", "expected a text" }, { "[[\"s\",1,1,true]]", "expected a text" }, { "[[\"s\",1,1,true,\"a\",1]]", "expected a text" },
		{ "[[\"s\",0,1,true,\"a\"]]", "line and column" }, { "[[\"s\",1,-1,true,\"a\"]]", "line and column" },
		{ "[[\"s\",2147483648,1,true,\"a\"]]", "line and column" }, { "[[\"s\",\"1\",1,true,\"a\"]]", "line and column" },
		{ "[[\"s\",1,1,1,\"a\"]]", "is no text" }, { "[[\"s\",1,1,true,1]]", "is no text" }, { "[[\"s\",1,1,true,\"\\u001b[2J\"]]", "is no text" },
		{ "[[\"l\",1,1,-1]]", "how much" }, { "[[\"l\",1,1,2]]", "how much" }, { "[[\"l\",1,1,true]]", "how much" },
		{ "[[\"l\",1,1,1]]", "expected a text" }, { "[[\"l\",1,1,0],[\"l\",1,1,0]]", "something stands behind it" },
		{ "[[\"m\",1,1,1],[\"s\",1,1,true,\"a\"]]", "expected a text" }, { "[[\"m\",1,1,1],[\"l\",1,1,0],[\"l\",1,1,0]]", "a key must be a text" },
		{ "[[\"m\",1,1,2],[\"s\",1,1,true,\"a\"],[\"l\",1,1,0],[\"s\",1,1,true,\"a\"],[\"l\",1,1,0]]", "a key twice" },
	};
	struct ai_yaml *y = NULL;
	AI_BUF_AUTO deep = AI_BUF(1u << 16);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		refused(AI_EINPUT, bad[i].words, ai_yaml_unflat(bad[i].bytes, strlen(bad[i].bytes), &y, &err));
		assert_null(y);
	}
	ai_buf_puts(&deep, "[");
	for (int i = 0; i < 64; i++)
		ai_buf_puts(&deep, "[\"l\",1,1,1],");
	ai_buf_puts(&deep, "[\"s\",1,1,true,\"a\"]]");
	refused(AI_EINPUT, "nested deeper", ai_yaml_unflat(deep.data, deep.len, &y, &err));
	assert_null(y);
}

static int
setup(void **state)
{
	assert_int_equal(pthread_atfork(NULL, NULL, becomes_child), 0);
	inside_setup(state);
	secret_place = project.aicertfile;
	AI_JSON *plan = json_deep_copy(project.job.plan);
	json_t *step = json_array_get(ai_json_arr(plan, "steps"), 0);
	json_t *run = json_array_get(ai_json_arr(ai_json_obj(step, "recipe"), "actions"), 0), *argv = ai_json_arr(run, "argv");
	assert_int_equal(json_array_set_new(argv, json_array_size(argv) - 1, json_string("echo evil")), 0);
	AI_JSON *both = json_pack("{s:O, s:O}", "environments", project.job.environments, "plan", plan);
	AI_BUF_AUTO b = AI_BUF(1u << 24);
	ok(ai_canon(both, &b, &err));
	other_plan = ai_buf_take(&b);
	return 0;
}

static int
teardown(void **state)
{
	free(other_plan);
	return inside_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_parser_in_the_agent), cmocka_unit_test(test_the_watch_can_fail), cmocka_unit_test(test_libyaml_taken_over),
		cmocka_unit_test(test_lua_taken_over), cmocka_unit_test(test_no_descriptor), cmocka_unit_test(test_manifest_of_a_lie),
		cmocka_unit_test(test_marks_that_cannot_be), cmocka_unit_test(test_marks_that_lie),
		cmocka_unit_test(test_trees_come_back), cmocka_unit_test(test_trees_that_are_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
