/*
 * test_vm_provider.c -- a machine is never left behind: failures, time limits and interrupts at every stage, with a stand-in for the clouds' tools.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "provider_unit.h"

/* One call or two a stage; `look` is asked every 0 s. %s: what collect does with the secret. */
#define MINI(collect) \
	"return provider { name = 'mini', doc = 'a cloud of a test', disks = 'raw', settings = { size = setting.text { default = 'small' } }, stages = {\n" \
	" create = function(s, run) return { call { argv = { 'az', 'make', run.machine, s.size } }, call { argv = { 'az', 'name' }, keep = 'id', like = 'x' } } end,\n" \
	" upload = function(s, run) return { call { argv = { 'az', 'upload', run.image, run.job } } } end,\n" \
	" start = function(s, run) return { call { argv = { 'az', 'start', run.said.id } } } end,\n" \
	" wait = function(s, run) return { call { argv = { 'az', 'look' }, wait_for = 'stopped', every = '0' },\n" \
	"  call { argv = { 'az', 'console' }, maybe = true, show = true }, call { argv = { 'az', 'sign' }, keep = 'url', secret = true, like = 'https://h/c?s' } } end,\n" \
	" collect = function(s, run) return { " collect " } end,\n" \
	" destroy = function(s, run) return { call { argv = { 'az', 'remove', run.machine }, maybe = true }, call { argv = { 'az', 'left' }, expect = '', every = '0' } } end,\n" \
	"} }\n"
static const char mini[] = MINI("call { argv = { 'az', 'fetch', '--file', run.result }, env = { AZURE_URL = run.said.url, AZURE_NONE = '' } }");
static const char careless[] = MINI("call { argv = { 'az', 'fetch', '--from=' .. run.said.url } }");

/* What goes well: what each command says. */
#define WELL "{\"match\":[\"az name\"],\"say\":\"machine-1\\n\"}, {\"match\":[\"az look\"],\"say\":\"running\\n\",\"times\":1}, {\"match\":[\"az look\"],\"say\":\"stopped\\n\"}," \
	"{\"match\":[\"az console\"],\"say\":\"hello from inside\\n\"}, {\"match\":[\"az sign\"],\"say\":\"https://h/c/b?sv=1&sig=SECRETSECRETSECRET%3D\\n\"}," \
	"{\"match\":[\"az fetch\"],\"file\":[\"--file\",\"result\"]}"

static int
run_text(struct ground *g, const char *text, unsigned time_s, struct ai_err *err)
{
	struct ai_provider *p = NULL;
	g->talk.ctx = g;
	AI_FREE char *records = in(g, "records");
	const struct ai_provider_run run = { .records = records, .uki = g->uki, .job = g->job, .result = g->result, .machine = "aicert-test", .time_s = time_s,
		.collected = &g->collected, .talk = &g->talk };
	if (ai_provider_open("mini", text, strlen(text), NULL, &p, err) < 0)
		return err->code;
	int r = ai_provider_run(p, &run, err);
	ai_provider_close(p);
	return r;
}

static void
ends_destroyed(const struct ground *g)
{
	static const char last[] = "az remove aicert-test\naz left\n";
	AI_FREE char *calls = called(g);
	size_t n = strlen(calls);
	if (n < sizeof last - 1 || strcmp(calls + n - (sizeof last - 1), last) != 0)
		fail_msg("not destroyed at last: '%s'", calls);
}

/* Nothing of ours stays beside the job. */
static void
is_tidy(const struct ground *g)
{
	AI_FREE char *command = ai_format("test -z \"$(ls %s | grep cloud)\"", g->folder);
	assert_int_equal(system(command), 0);
}

/* How many machines there may be, by the records. */
static size_t
left(const struct ground *g, bool *running)
{
	AI_JSON *list = NULL;
	AI_FREE char *records = in(g, "records");
	ok(ai_provider_left(records, &list, &err));
	if (running && json_array_size(list))
		*running = json_is_true(json_object_get(json_array_get(list, 0), "running"));
	return json_array_size(list);
}

static void
test_well(void **state)
{
	(void)state;
	struct ground g = begin("", WELL);
	ok(run_text(&g, mini, 60, &err));
	AI_FREE char *calls = called(&g);
	static const char *const order[] = { "az make aicert-test small\n", "az name\n", "az upload ", "az start machine-1\n", "az look\naz look\n", "az console\n",
		"az sign\n", "az fetch --file " };
	const char *at = calls;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		if (!(at = strstr(at, order[i])))
			fail_msg("'%s' lacks '%s' in its place", calls, order[i]);
		at += strlen(order[i]) - 1;
	}
	ends_destroyed(&g);
	is_tidy(&g);
	assert_true(g.collected);
	assert_int_equal(left(&g, NULL), 0);
	has(g.heard.data, "hello from inside");
	end(&g);
}

/* Each stage's failure: the error names it and what the tool said last; nothing after it runs but destroy. */
static void
test_failures(void **state)
{
	(void)state;
	static const struct { const char *call, *stage, *never; } cases[] = {
		{ "az make", "create", "az name" }, { "az name", "create", "az upload" }, { "az upload", "upload", "az start" }, { "az start", "start", "az look" },
		{ "az look", "wait", "az sign" }, { "az sign", "wait", "az fetch" }, { "az fetch", "collect", "az nothing" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_err err = { 0 };
		AI_FREE char *answer = ai_format("{\"match\":[\"%s\"],\"code\":3,\"err\":\"first\\nERROR: quota is used up\\n\\n\"}", cases[i].call);
		struct ground g = begin(answer, WELL);
		assert_int_equal(run_text(&g, mini, 60, &err), AI_EENV);
		AI_FREE char *where = ai_format("mini: %s: %s", cases[i].stage, cases[i].call), *calls = called(&g);
		has(err.text, where);
		has(err.text, "exit code 3: ERROR: quota is used up");
		lacks(calls, cases[i].never);
		ends_destroyed(&g);
		is_tidy(&g);
		assert_false(g.collected);
		assert_int_equal(left(&g, NULL), 0);
		end(&g);
	}
}

/* A look that fails now and then is the network's; one that always does is not asked for ever. */
static void
test_flaky_look(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az look\"],\"code\":1,\"times\":4}", WELL);
	ok(run_text(&g, mini, 60, &err));
	ends_destroyed(&g);
	end(&g);
}

static void
test_time_limit(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az look\"],\"say\":\"running\",\"sleep\":0.3}", WELL);
	refused(AI_EENV, "did not end by itself within 1 s", run_text(&g, mini, 1, &err));
	ends_destroyed(&g);
	end(&g);
}

static void
test_no_result(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az fetch\"]}", WELL);
	refused(AI_EENV, "no result disk came", run_text(&g, mini, 60, &err));
	ends_destroyed(&g);
	end(&g);
}

/* What a later stage needs and a command did not say. */
static void
test_nothing_said(void **state)
{
	(void)state;
	static const char *const said[] = { "", "two\\nlines" };
	for (size_t i = 0; i < 2; i++) {
		AI_FREE char *answer = ai_format("{\"match\":[\"az name\"],\"say\":\"%s\"}", said[i]);
		struct ground g = begin(answer, WELL);
		refused(AI_EENV, "expected one line of text", run_text(&g, mini, 60, &err));
		ends_destroyed(&g);
		end(&g);
	}
}

static void
on_alarm(int sig)
{
	(void)sig;
	ai_interrupted = 1;
}

static void
alarm_in(long ms)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Ctrl-C while each stage's command hangs: it is ended, and the machine destroyed. */
static void
test_interrupts(void **state)
{
	(void)state;
	static const char *const calls[] = { "az make", "az upload", "az start", "az look", "az fetch" };
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct timespec a, b;
		AI_FREE char *answer = ai_format("{\"match\":[\"%s\"],\"sleep\":60}", calls[i]);
		struct ground g = begin(answer, WELL);
		clock_gettime(CLOCK_MONOTONIC, &a);
		alarm_in(1200);
		refused(AI_EINTR, "interrupted", run_text(&g, mini, 600, &err));
		clock_gettime(CLOCK_MONOTONIC, &b);
		assert_true(b.tv_sec - a.tv_sec < 30);
		ends_destroyed(&g);
		is_tidy(&g);
		has(g.heard.data, "destroying the machine first");
		end(&g);
	}
}

/* Nothing was made yet, so nothing is called. */
static void
test_interrupted_before(void **state)
{
	(void)state;
	struct ground g = begin("", WELL);
	ai_interrupted = 1;
	refused(AI_EINTR, "interrupted", run_text(&g, mini, 600, &err));
	AI_FREE char *calls = called(&g);
	assert_string_equal(calls, "");
	end(&g);
}

/* Destroying goes on: the user's Ctrl-C is not what leaves a machine behind. */
static void
test_interrupt_of_destroy(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az remove\"],\"sleep\":3}", WELL);
	alarm_in(2500);
	struct ai_err err = { 0 };
	(void)!run_text(&g, mini, 600, &err);
	assert_int_equal(ai_interrupted, 1);
	ends_destroyed(&g);
	end(&g);
}

static void
test_destroy_again(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az remove\"],\"code\":1,\"err\":\"conflict\\n\",\"times\":1},{\"match\":[\"az left\"],\"say\":\"vm\\n\",\"times\":1}", WELL);
	ok(run_text(&g, mini, 60, &err));
	AI_FREE char *calls = called(&g);
	has(calls, "az remove aicert-test\naz left\naz remove aicert-test\naz left\n");
	has(g.heard.data, "got 'vm', expected ''");
	end(&g);
}

/* For good: it says what may be left and what to type; the result that came counts all the same. */
static void
test_destroy_never(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ground g = begin("{\"match\":[\"az left\"],\"say\":\"vm\\n\"}", WELL);
	assert_int_equal(run_text(&g, mini, 60, &err), AI_EENV);
	has(err.text, "the machine 'aicert-test' may still be there");
	assert_string_equal(err.hint, "type: az remove aicert-test");
	assert_true(g.collected);
	AI_FREE char *calls = called(&g);
	size_t n = 0;
	for (const char *p = calls; (p = strstr(p, "az remove")); p++)
		n++;
	assert_int_equal(n, 4);
	/* It stays known, and no second one of its name is made. */
	bool running = true;
	assert_int_equal(left(&g, &running), 1);
	assert_false(running);
	AI_FREE char *records = in(&g, "records");
	struct ai_provider *p = NULL;
	struct ai_err none = { 0 };
	assert_int_equal(run_text(&g, mini, 60, &none), AI_EUSAGE);
	has(none.text, "there may be one of this name already");
	assert_int_equal(ai_provider_open("mini", mini, strlen(mini), NULL, &p, &none), 0);
	AI_FREE char *answers = in(&g, "answers.json");
	put(answers, "[]");
	assert_int_equal(ai_provider_destroy(p, "aicert-test", records, NULL, &none), 0);
	assert_int_equal(left(&g, NULL), 0);
	ai_provider_close(p);
	end(&g);
}

/* Both fail: what may be left is the error, the first one is said. */
static void
test_both_fail(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ground g = begin("{\"match\":[\"az start\"],\"code\":1,\"err\":\"no such size\\n\"},{\"match\":[\"az left\"],\"code\":1,\"err\":\"no network\\n\"}", WELL);
	assert_int_equal(run_text(&g, mini, 60, &err), AI_EENV);
	has(err.text, "may still be there");
	has(err.text, "no network");
	has(g.heard.data, "no such size");
	assert_false(g.collected);
	end(&g);
}

static void
test_secrets(void **state)
{
	(void)state;
	struct ai_err e = { 0 };
	struct ground g = begin("{\"match\":[\"az fetch\"],\"code\":1,\"err\":\"GET https://h/c/b?sv=1&sig=SECRETSECRETSECRET%3D\\nforbidden: SECRETSECRETSECRET=\\n\"}", WELL);
	assert_int_equal(run_text(&g, mini, 60, &e), AI_EENV);
	lacks(e.text, "SECRET");
	lacks(g.heard.data, "SECRET");
	has(e.text, "forbidden: ***");
	has(g.heard.data, "GET ***");
	AI_BUF_AUTO calls = AI_BUF(AI_MAX_TEXT);
	ok(ai_read_file(AT_FDCWD, g.calls, &calls, &err));
	has(calls.data, "\"AZURE_URL\": \"https://h/c/b?sv=1&sig=SECRETSECRETSECRET%3D\"");
	lacks(calls.data, "AZURE_NONE");
	ends_destroyed(&g);
	end(&g);
}

/* A provider's file that would put it in a command line: refused before that runs, and the machine destroyed. */
static void
test_secret_in_argv(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ground g = begin("", WELL);
	assert_int_equal(run_text(&g, careless, 60, &err), AI_EUSAGE);
	has(err.text, "stage 'collect': command 1: argument 2 holds a secret");
	lacks(err.text, "SECRET");
	AI_FREE char *calls = called(&g);
	lacks(calls, "az fetch");
	ends_destroyed(&g);
	end(&g);
}

/* Found before anything is made. */
static void
test_wrong_files(void **state)
{
	(void)state;
	static const struct { const char *from, *to, *words; } cases[] = {
		{ "destroy = function", "destory = function", "did you mean 'destroy'?" },
		{ "'az', 'remove', run.machine", "'az', 'remove', 7", "got a number, expected texts" },
		{ "'az', 'remove', run.machine", "'az', run.mashine", "run has no 'mashine'" },
		{ "run.said.id", "run.said.ip", "run.said has no 'ip'" },
		{ "keep = 'id', like = 'x'", "keep = 'id'", "expected like too" },
		{ "'az', 'make'", "os.getenv('HOME')", "a provider does not know 'os'" },
		{ "maybe = true", "mybe = true", "call has no field 'mybe'" },
		{ "disks = 'raw'", "disks = 'iso'", "expected one of raw, vhd, gcp" },
		{ "every = '0'", "every = 'x'", "expected a text of digits" },
		{ "AZURE_NONE = ''", "['A B'] = ''", "expected a variable's name" },
		{ "return provider", "local p = provider", "expected 'return provider" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ground g = begin("", WELL);
		const char *hit = strstr(mini, cases[i].from);
		assert_non_null(hit);
		AI_FREE char *text = ai_format("%.*s%s%s", (int)(hit - mini), mini, cases[i].to, hit + strlen(cases[i].from));
		refused(AI_EUSAGE, cases[i].words, run_text(&g, text, 60, &err));
		AI_FREE char *calls = called(&g);
		assert_string_equal(calls, "");
		end(&g);
	}
}

static void
test_no_tool(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ground g = begin("", WELL);
	const char *hit = strstr(mini, "'az', 'make'");
	AI_FREE char *text = ai_format("%.*s'az-that-is-not-there', 'make'%s", (int)(hit - mini), mini, hit + strlen("'az', 'make'"));
	assert_int_equal(run_text(&g, text, 60, &err), AI_EENV);
	has(err.text, "cannot start 'az-that-is-not-there'");
	has(err.hint, "install the cloud's command-line tool");
	AI_FREE char *calls = called(&g);
	assert_string_equal(calls, ""); /* nothing was made, so nothing is destroyed */
	assert_int_equal(left(&g, NULL), 0);
	end(&g);
}

static void
test_names_and_settings(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "ab", "Aicert", "aicert_1", "1aicert", "aicert-", "aicert;rm", "a-name-that-is-too-long-for-it" };
	struct ai_provider *p = NULL;
	AI_JSON *wrong = json_pack("{s:s}", "size", "-rf"), *unknown = json_pack("{s:s}", "sise", "x"), *empty = json_pack("{s:s}", "size", "");
	refused(AI_EUSAGE, "does not begin with '-'", ai_provider_open("mini", mini, strlen(mini), wrong, &p, &err));
	refused(AI_EUSAGE, "did you mean 'size'?", ai_provider_open("mini", mini, strlen(mini), unknown, &p, &err));
	refused(AI_EUSAGE, "expected characters of", ai_provider_open("mini", mini, strlen(mini), empty, &p, &err));
	refused(AI_EUSAGE, "did you mean 'azure'?", ai_provider_open("azur", NULL, 0, NULL, &p, &err));
	refused(AI_EUSAGE, "needs the setting 'location'", ai_provider_open("azure", NULL, 0, NULL, &p, &err));
	refused(AI_EINPUT, "nowhere.lua", ai_provider_open("/nowhere.lua", NULL, 0, NULL, &p, &err));
	ok(ai_provider_open("mini", mini, strlen(mini), NULL, &p, &err));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EUSAGE, "machine: got", ai_provider_destroy(p, bad[i], NULL, NULL, &err));
	ai_provider_close(p);
}

static void
test_destroy_alone(void **state)
{
	(void)state;
	struct ground g = begin("", WELL);
	struct ai_provider *p = NULL;
	ok(ai_provider_open("mini", mini, strlen(mini), NULL, &p, &err));
	ok(ai_provider_destroy(p, "aicert-test", NULL, NULL, &err));
	ends_destroyed(&g);
	ai_provider_close(p);
	end(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well), cmocka_unit_test(test_failures), cmocka_unit_test(test_flaky_look), cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_no_result), cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_interrupts), cmocka_unit_test(test_interrupted_before),
		cmocka_unit_test(test_interrupt_of_destroy), cmocka_unit_test(test_destroy_again), cmocka_unit_test(test_destroy_never),
		cmocka_unit_test(test_both_fail), cmocka_unit_test(test_secrets), cmocka_unit_test(test_secret_in_argv), cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_no_tool), cmocka_unit_test(test_names_and_settings), cmocka_unit_test(test_destroy_alone),
	};
	return cmocka_run_group_tests(tests, use_stand_in, NULL);
}
