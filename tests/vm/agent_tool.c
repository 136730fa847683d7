/*
 * agent_tool.c -- a measured run in its parts, for tests.
 *   pack AICERTFILE HOME DISK [NONCE [CERTIFICATES]]   job disk of a project: prints the plan's id and the header's digest
 *   run JOB RESULT HOME TCTI             the agent, on two files instead of a machine's disks
 *   take AICERTFILE HOME RESULT          result disk into a store: prints root, attestation, and how each step ended
 *   boot UKI JOB RESULT FOLDER           a machine: prints its console
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "run/job.h"
#include "vm/agent/agent_parts.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/result_disk.h"
#include "vm/cloud/provider.h"
#include "vm/host/machine.h"
#include "vm/host/objects.h"
#include "vm/host/vtpm.h"

#define LIMIT (1ull << 32)

static int
open_job(char **a, struct ai_run_options *o, struct ai_job *job, struct ai_err *err)
{
	*o = (struct ai_run_options){ .file = a[0], .home = a[1] };
	return ai_job_open(o, job, err) < 0 || ai_job_fetch(job, err) < 0 || ai_job_plan(job, err) < 0 ? err->code : 0;
}

static int
pack(char **a, struct ai_err *err)
{
	struct ai_run_options o;
	struct ai_job job = { 0 };
	struct ai_digest header;
	char plan[AI_HEX], hex[AI_HEX];
	AI_FREE char *aside = ai_format("%s.aside", a[2]);
	const char *const folders[] = { aside };
	AI_FD fd = open(a[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	AI_JSON *certificates = a[3] && a[4] ? json_loads(a[4], 0, NULL) : NULL;
	int r = open_job(a, &o, &job, err);
	if (r == 0)
		r = ai_job_objects(&job, aside, err);
	const struct ai_job_pack in = { .store = job.store, .plan = job.plan, .nonce = a[3], .certificates = certificates, .environments = job.environments,
		.aside = folders, .n_aside = 1 };
	if (r == 0)
		r = ai_job_pack(&in, fd, LIMIT, &header, NULL, err);
	if (r == 0) {
		ai_hex(&job.plan_id, plan);
		ai_hex(&header, hex);
		printf("{\"plan\": \"%s\", \"header\": \"%s\"}\n", plan, hex);
	}
	ai_job_done(&job);
	return r;
}

static int
run(char **a, struct ai_err *err)
{
	struct ai_console console = { .fd = 1 };
	const struct ai_talk talk = ai_console_talk(&console);
	struct stat job, result;
	struct ai_agent agent = { .job = open(a[0], O_RDONLY | O_CLOEXEC), .result = open(a[1], O_RDWR | O_CLOEXEC), .home = a[2], .tpm = a[3], .talk = &talk };
	if (agent.job < 0 || agent.result < 0 || fstat(agent.job, &job) < 0 || fstat(agent.result, &result) < 0)
		return ai_fail_errno(err, AI_EENV, "disks");
	agent.job_size = (uint64_t)job.st_size;
	agent.result_size = (uint64_t)result.st_size;
	return ai_agent_job(&agent, err);
}

static int
take(char **a, struct ai_err *err)
{
	struct ai_run_options o;
	struct ai_job job = { 0 };
	struct stat st;
	AI_JSON *attestation = NULL;
	AI_FD fd = open(a[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", a[2]);
	int r = open_job(a, &o, &job, err);
	if (r == 0)
		r = ai_result_take(fd, (uint64_t)st.st_size, &job, &attestation, err);
	char root[AI_HEX] = "";
	if (job.run_node)
		ai_hex(&job.root_id, root);
	AI_JSON *steps = json_array();
	for (size_t i = 0; i < job.n_steps; i++)
		(void)json_array_append_new(steps, json_pack("{s:s, s:i, s:s}", "name", job.steps[i].name, "state", (int)job.steps[i].state, "failure",
			job.steps[i].failure ? job.steps[i].failure : ""));
	AI_JSON *all = json_pack("{s:s, s:O, s:O, s:s, s:s}", "root", root, "attestation", attestation ? attestation : json_false(), "steps", steps, "error",
		err->text, "hint", err->hint);
	AI_FREE char *text = json_dumps(all, 0);
	printf("%s\n", text);
	ai_job_done(&job);
	return r;
}

static void
line(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	printf("%.*s\n", (int)n, text);
	fflush(stdout);
}

static int
boot(char **a, struct ai_err *err)
{
	AI_FREE char *data = ai_join(a[3], "h");
	AI_FREE char *scratch = ai_join(a[3], "s");
	struct ai_home home = { 0 };
	char *tpm = NULL;
	if (ai_mkdirs(scratch, 0700, err) < 0 || ai_home_find(data, &home, err) < 0 || ai_home_make(&home, err) < 0 || ai_vtpm_state(&home, NULL, &tpm, err) < 0)
		return err->code;
	struct ai_machine m = { .uki = a[0], .job = a[1], .result = a[2], .tpm_state = tpm, .scratch = scratch, .memory = 1ull << 30, .cpus = 1,
		.time_s = 300, .line = line };
	int r = ai_provider_open("qemu", NULL, 0, NULL, &m.shape, err);
	r = r < 0 ? r : ai_machine_choose(m.shape, &m.accelerator, err);
	r = r < 0 ? r : ai_machine_run(&m, err);
	ai_provider_close(m.shape);
	free(tpm);
	ai_home_done(&home);
	return r;
}

int
main(int argc, char **argv)
{
	static const struct { const char *name; int args; int (*call)(char **a, struct ai_err *err); } verbs[] = {
		{ "pack", 3, pack }, { "run", 4, run }, { "take", 3, take }, { "boot", 4, boot },
	};
	struct ai_err err = { 0 };
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i].name) != 0 || argc < verbs[i].args + 2)
			continue;
		int r = verbs[i].call(argv + 2, &err);
		if (r < 0)
			fprintf(stderr, "%s%s%s\n", err.text, err.hint[0] ? "\nhint: " : "", err.hint);
		return -r;
	}
	return 2;
}
