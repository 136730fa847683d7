/*
 * test_vm_provider_clouds.c -- Azure's and Google's files, run whole with a stand-in for their tools; secrets hidden.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "provider_unit.h"

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
		"{\"match\":[\"blob download\"],\"file\":[\"--file\",\"result\"]}, {\"match\":[\"group exists\"],\"say\":\"false\\n\"}", "");
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
	struct ground g = begin("", "");
	AI_FD in_fd = open(g.job, O_RDONLY);
	ok(ai_vm_disk_gcp(in_fd, out, &err));
	end(&g);
	answers = ai_format("{\"match\":[\"instances describe\"],\"say\":\"TERMINATED\\n\"},{\"match\":[\"storage cp\",\"result.tar.gz\"],\"copy\":[4,\"%s\"]}", name);
	g = begin(answers, "");
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
	struct ground g = begin("{\"match\":[\"instances list\"],\"say\":\"aicert-test\\n\"}", "");
	ok(ai_provider_open("gcp", NULL, 0, settings, &p, &err));
	assert_int_equal(ai_provider_destroy(p, "aicert-test", NULL, NULL, &e), AI_EENV);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_azure), cmocka_unit_test(test_gcp), cmocka_unit_test(test_gcp_left), cmocka_unit_test(test_hide),
	};
	return cmocka_run_group_tests(tests, use_stand_in, NULL);
}
