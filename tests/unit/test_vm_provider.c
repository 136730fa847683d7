/*
 * test_vm_provider.c -- a machine is never left behind: failures, time limits and interrupts at every stage, with a stand-in for the clouds' tools.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/talk.h"
#include "vm/cloud/image.h"
#include "vm/cloud/image_parts.h"
#include "vm/cloud/provider.h"
#include "vm/cloud/provider_parts.h"

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

struct ground {
	char *folder, *uki, *job, *result, *calls;
	struct ai_buf heard;
	struct ai_talk talk;
	bool collected;
};

static void
hear(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct ground *g = ctx;
	(void)total;
	ai_buf_put(&g->heard, text, kind == AI_TALK_LOG ? (size_t)done : strlen(text));
	ai_buf_putc(&g->heard, '\n');
}

static char *
in(const struct ground *g, const char *name)
{
	return ai_format("%s/%s", g->folder, name);
}

static void
put(const char *path, const char *text)
{
	struct ai_err err = { 0 };
	if (ai_write_file(AT_FDCWD, path, text, strlen(text), 0600, &err) < 0)
		fail_msg("%s", err.text);
}

/* answers: of the stand-in, before those that go well. */
static struct ground
begin(const char *answers)
{
	struct ground g = { .heard = AI_BUF(AI_MAX_TEXT) };
	char uki[512] = "MZ";
	ok(ai_mkdtemp("/tmp/test_vm_provider", &g.folder, &err));
	g.uki = in(&g, "aicert.efi");
	g.job = in(&g, "job");
	g.result = in(&g, "result");
	g.calls = in(&g, "calls");
	g.talk = (struct ai_talk){ hear, NULL };
	ok(ai_write_file(AT_FDCWD, g.uki, uki, sizeof uki, 0600, &err));
	put(g.job, "a job");
	AI_FREE char *file = in(&g, "answers.json"), *text = ai_format("[%s%s%s]", answers, *answers ? "," : "", WELL);
	put(file, text);
	setenv("STAND_IN", g.folder, 1);
	ai_interrupted = 0;
	return g;
}

static void
end(struct ground *g)
{
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no process of ours is left */
	assert_int_equal(errno, ECHILD);
	ai_discard_tree(g->folder);
	free(g->folder);
	free(g->uki);
	free(g->job);
	free(g->result);
	free(g->calls);
	ai_buf_done(&g->heard);
	ai_interrupted = 0;
}

/* The words of all calls, a line each. */
static char *
called(const struct ground *g)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
	struct ai_err err = { 0 };
	if (ai_read_file_if(AT_FDCWD, g->calls, &b, &err) != 1)
		return ai_strdup("");
	for (char *p = b.data, *e; *p && (e = strchr(p, '\n')); p = e + 1) {
		AI_JSON *j = json_loadb(p, (size_t)(e - p), 0, NULL);
		size_t i;
		json_t *w;
		json_array_foreach(json_object_get(j, "argv"), i, w) {
			ai_buf_puts(&out, i ? " " : "");
			ai_buf_puts(&out, json_string_value(w));
		}
		ai_buf_putc(&out, '\n');
	}
	ai_buf_put(&out, "", 0);
	return ai_buf_take(&out);
}

static int
run_text(struct ground *g, const char *text, unsigned time_s, struct ai_err *err)
{
	struct ai_provider *p = NULL;
	g->talk.ctx = g;
	const struct ai_provider_run run = { .uki = g->uki, .job = g->job, .result = g->result, .machine = "aicert-test", .time_s = time_s,
		.collected = &g->collected, .talk = &g->talk };
	if (ai_provider_open("mini", text, strlen(text), NULL, &p, err) < 0)
		return err->code;
	int r = ai_provider_run(p, &run, err);
	ai_provider_close(p);
	return r;
}

#define has(text, words) do { if (!strstr((text), (words))) fail_msg("'%s' lacks '%s'", (text), (words)); } while (0)
#define lacks(text, words) do { if (strstr((text), (words))) fail_msg("'%s' holds '%s'", (text), (words)); } while (0)

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

static void
test_well(void **state)
{
	(void)state;
	struct ground g = begin("");
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
		struct ground g = begin(answer);
		assert_int_equal(run_text(&g, mini, 60, &err), AI_EENV);
		AI_FREE char *where = ai_format("mini: %s: %s", cases[i].stage, cases[i].call), *calls = called(&g);
		has(err.text, where);
		has(err.text, "exit code 3: ERROR: quota is used up");
		lacks(calls, cases[i].never);
		ends_destroyed(&g);
		is_tidy(&g);
		assert_false(g.collected);
		end(&g);
	}
}

/* A look that fails now and then is the network's; one that always does is not asked for ever. */
static void
test_flaky_look(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az look\"],\"code\":1,\"times\":4}");
	ok(run_text(&g, mini, 60, &err));
	ends_destroyed(&g);
	end(&g);
}

static void
test_time_limit(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az look\"],\"say\":\"running\",\"sleep\":0.3}");
	refused(AI_EENV, "did not end by itself within 1 s", run_text(&g, mini, 1, &err));
	ends_destroyed(&g);
	end(&g);
}

static void
test_no_result(void **state)
{
	(void)state;
	struct ground g = begin("{\"match\":[\"az fetch\"]}");
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
		struct ground g = begin(answer);
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
		struct ground g = begin(answer);
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
	struct ground g = begin("");
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
	struct ground g = begin("{\"match\":[\"az remove\"],\"sleep\":3}");
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
	struct ground g = begin("{\"match\":[\"az remove\"],\"code\":1,\"err\":\"conflict\\n\",\"times\":1},{\"match\":[\"az left\"],\"say\":\"vm\\n\",\"times\":1}");
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
	struct ground g = begin("{\"match\":[\"az left\"],\"say\":\"vm\\n\"}");
	assert_int_equal(run_text(&g, mini, 60, &err), AI_EENV);
	has(err.text, "the machine 'aicert-test' may still be there");
	assert_string_equal(err.hint, "type: az remove aicert-test");
	assert_true(g.collected);
	AI_FREE char *calls = called(&g);
	size_t n = 0;
	for (const char *p = calls; (p = strstr(p, "az remove")); p++)
		n++;
	assert_int_equal(n, 4);
	end(&g);
}

/* Both fail: what may be left is the error, the first one is said. */
static void
test_both_fail(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ground g = begin("{\"match\":[\"az start\"],\"code\":1,\"err\":\"no such size\\n\"},{\"match\":[\"az left\"],\"code\":1,\"err\":\"no network\\n\"}");
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
	struct ground g = begin("{\"match\":[\"az fetch\"],\"code\":1,\"err\":\"GET https://h/c/b?sv=1&sig=SECRETSECRETSECRET%3D\\nforbidden: SECRETSECRETSECRET=\\n\"}");
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
	struct ground g = begin("");
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
		struct ground g = begin("");
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
	struct ground g = begin("");
	const char *hit = strstr(mini, "'az', 'make'");
	AI_FREE char *text = ai_format("%.*s'az-that-is-not-there', 'make'%s", (int)(hit - mini), mini, hit + strlen("'az', 'make'"));
	assert_int_equal(run_text(&g, text, 60, &err), AI_EENV);
	has(err.text, "cannot start 'az-that-is-not-there'");
	has(err.hint, "install the cloud's command-line tool");
	AI_FREE char *calls = called(&g);
	assert_string_equal(calls, ""); /* nothing was made, so nothing is destroyed */
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
		refused(AI_EUSAGE, "machine: got", ai_provider_destroy(p, bad[i], NULL, &err));
	ai_provider_close(p);
}

static void
test_destroy_alone(void **state)
{
	(void)state;
	struct ground g = begin("");
	struct ai_provider *p = NULL;
	ok(ai_provider_open("mini", mini, strlen(mini), NULL, &p, &err));
	ok(ai_provider_destroy(p, "aicert-test", NULL, &err));
	ends_destroyed(&g);
	ai_provider_close(p);
	end(&g);
}

/* --- the clouds themselves ------------------------------------------------ */

/* Every call of the plan was made, in its order, with this run's paths and answers in place of the examples. */
static void
follows_plan(const struct ground *g, struct ai_provider *p)
{
	AI_JSON *plan = NULL;
	size_t k, w;
	json_t *call, *word;
	AI_FREE char *calls = called(g);
	const char *at = calls;
	ok(ai_provider_plan(p, "aicert-test", &plan, &err));
	for (size_t i = 0; ai_provider_stages[i]; i++) {
		json_array_foreach(json_object_get(plan, ai_provider_stages[i]), k, call) {
			const char *first = json_string_value(json_array_get(json_object_get(call, "argv"), 0));
			if (strcmp(first, "az") != 0 && strcmp(first, "gcloud") != 0)
				continue;
			const char *line_end = strchr(at, '\n');
			assert_non_null(line_end);
			AI_FREE char *line = ai_strndup(at, (size_t)(line_end - at));
			json_array_foreach(json_object_get(call, "argv"), w, word) {
				const char *s = json_string_value(word);
				if (!strcmp(s, "IMAGE") || !strcmp(s, "JOB") || !strcmp(s, "RESULT") || !strncmp(s, "SCRATCH", 7) || !strcmp(s, "container") || !strcmp(s, "abcd"))
					continue;
				has(line, s);
			}
			at = line_end + 1;
		}
	}
	assert_string_equal(at, "");
}

static void
run_cloud(struct ground *g, const char *name, json_t *settings)
{
	struct ai_provider *p = NULL;
	g->talk.ctx = g;
	const struct ai_provider_run run = { .uki = g->uki, .job = g->job, .result = g->result, .machine = "aicert-test", .time_s = 86400,
		.collected = &g->collected, .talk = &g->talk };
	ok(ai_provider_open(name, NULL, 0, settings, &p, &err));
	ok(ai_provider_run(p, &run, &err));
	assert_true(g->collected);
	follows_plan(g, p);
	ai_provider_close(p);
}

static void
test_azure(void **state)
{
	(void)state;
	AI_JSON *settings = json_pack("{s:s}", "location", "westeurope");
	struct ground g = begin("{\"match\":[\"az group create\"],\"say\":\"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aicert-test\\n\"},"
		"{\"match\":[\"get-instance-view\"],\"say\":\"PowerState/stopped\\n\"}, {\"match\":[\"get-boot-log\"],\"say\":\"from the console\\n\"},"
		"{\"match\":[\"grant-access\"],\"say\":\"https://md-1.z2.blob.storage.azure.net/cont/blob?sv=1&sr=b&sig=SECRETSECRETSECRET%3D\\n\"},"
		"{\"match\":[\"blob download\"],\"file\":[\"--file\",\"result\"]}, {\"match\":[\"group exists\"],\"say\":\"false\\n\"}");
	setenv("AZURE_STORAGE_KEY", "of somebody else", 1);
	run_cloud(&g, "azure", settings);
	unsetenv("AZURE_STORAGE_KEY");
	has(g.heard.data, "from the console");
	lacks(g.heard.data, "SECRET");
	AI_BUF_AUTO calls = AI_BUF(AI_MAX_TEXT);
	ok(ai_read_file(AT_FDCWD, g.calls, &calls, &err));
	has(calls.data, "\"AZURE_STORAGE_SAS_TOKEN\": \"sv=1&sr=b&sig=SECRETSECRETSECRET%3D\"");
	has(calls.data, "\"AZURE_STORAGE_SERVICE_ENDPOINT\": \"https://md-1.z2.blob.storage.azure.net\"");
	has(calls.data, "\"--container-name\", \"cont\", \"--name\", \"blob\"");
	const char *download = strstr(calls.data, "\"download\"");
	assert_non_null(download);
	lacks(download, "of somebody else\", \"AZURE_STORAGE_SAS"); /* nor is another account's key beside it */
	/* The job became what Azure takes, in place. */
	AI_BUF_AUTO job = AI_BUF(AI_MAX_TEXT);
	ok(ai_read_file(AT_FDCWD, g.job, &job, &err));
	assert_int_equal(job.len, AI_MIB + 512);
	assert_memory_equal(job.data, "a job", 5);
	end(&g);
}

static void
test_gcp(void **state)
{
	(void)state;
	AI_JSON *settings = json_pack("{s:s, s:s, s:s}", "project", "p", "region", "europe-west1", "zone", "europe-west1-b");
	AI_FREE char *answers = NULL;
	char name[] = "/tmp/test_vm_provider.XXXXXX";
	AI_FD out = mkstemp(name);
	struct ground g = begin("");
	AI_FD in_fd = open(g.job, O_RDONLY);
	ok(ai_vm_disk_gcp(in_fd, out, &err));
	end(&g);
	answers = ai_format("{\"match\":[\"instances describe\"],\"say\":\"TERMINATED\\n\"},{\"match\":[\"storage cp\",\"result.tar.gz\"],\"copy\":[4,\"%s\"]}", name);
	g = begin(answers);
	run_cloud(&g, "gcp", settings);
	char first[5];
	AI_FD fd = open(g.result, O_RDONLY);
	assert_int_equal(read(fd, first, 5), 5);
	assert_memory_equal(first, "a job", 5);
	unlink(name);
	end(&g);
}

/* More commands than fit in a hint: then it is ours that is to be typed, with the same settings. */
static void
test_gcp_left(void **state)
{
	(void)state;
	struct ai_err e = { 0 };
	struct ai_provider *p = NULL;
	AI_JSON *settings = json_pack("{s:s, s:s, s:s}", "project", "p", "region", "europe-west1", "zone", "europe-west1-b");
	json_object_set_new(settings, "poll", json_string("1"));
	struct ground g = begin("{\"match\":[\"instances list\"],\"say\":\"aicert-test\\n\"}");
	ok(ai_provider_open("gcp", NULL, 0, settings, &p, &err));
	assert_int_equal(ai_provider_destroy(p, "aicert-test", NULL, &e), AI_EENV);
	assert_string_equal(e.hint, "type: aicert vm provider gcp --destroy aicert-test --set project=p --set region=europe-west1 --set zone=europe-west1-b --set poll=1");
	ai_provider_close(p);
	end(&g);
}

static void
test_hide(void **state)
{
	(void)state;
	struct ai_secrets s = { 0 };
	ok(ai_secrets_add(&s, "https://h/c?a=1&sig=abcdefghijklmn%2F&b=2", &err));
	static const char text[] = "x https://h/c?a=1&sig=abcdefghijklmn%2F&b=2 y a=1&sig=abcdefghijklmn%2F&b=2 z abcdefghijklmn/ w";
	AI_FREE char *clean = ai_secrets_hide(&s, text, sizeof text - 1);
	assert_string_equal(clean, "x *** y *** z *** w");
	assert_true(ai_secrets_in(&s, "--url=abcdefghijklmn%2F"));
	assert_false(ai_secrets_in(&s, "a=1"));
	ai_secrets_done(&s);
}

static int
use_stand_in(void **state)
{
	(void)state;
	AI_FREE char *here = ai_abspath("tests/vm/stand_in"), *path = ai_format("%s:%s", here, getenv("PATH"));
	return setenv("PATH", path, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well), cmocka_unit_test(test_failures), cmocka_unit_test(test_flaky_look), cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_no_result), cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_interrupts), cmocka_unit_test(test_interrupted_before),
		cmocka_unit_test(test_interrupt_of_destroy), cmocka_unit_test(test_destroy_again), cmocka_unit_test(test_destroy_never),
		cmocka_unit_test(test_both_fail), cmocka_unit_test(test_secrets), cmocka_unit_test(test_secret_in_argv), cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_no_tool), cmocka_unit_test(test_names_and_settings), cmocka_unit_test(test_destroy_alone), cmocka_unit_test(test_azure),
		cmocka_unit_test(test_gcp), cmocka_unit_test(test_gcp_left), cmocka_unit_test(test_hide),
	};
	return cmocka_run_group_tests(tests, use_stand_in, NULL);
}
