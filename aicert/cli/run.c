/* run.c -- `aicert [run]`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/differences.h"
#include "cli/engine.h"
#include "model/manifest.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert [run] [STEP…] [OPTION…]\n"
	     "\n"
	     "Pins and fetches every input by hash, runs each step with no network and nothing but its declared inputs,\n"
	     "reuses what it knows, binds the DAG's root into a TPM quote, and writes the proof.\n"
	     "With names of steps: these and what they need; their outputs are the run's, and the plan says that they were chosen.\n");
	ai_options_help(table, n);
	puts("\n"
	     "--json prints an object for each thing that happens, one a line: \"event\" is stage, note, progress, step (\"state\": begins, reused,\n"
	     "done, failed, skipped), log, and last report or error. With -q the last alone.\n"
	     "\n"
	     "--check runs each named step twice in fresh sandboxes (once, where its result is known) and compares what both runs gave\n"
	     "file by file. When something differs the exit code is 1 and no proof is written. What depends on the machine, the number\n"
	     "of processors or the day does not show in it: `aicert reproduce PROOF` elsewhere, or later, shows that.\n"
	     "\n"
	     "--timestamp asks a time-stamping authority for its word that the quote existed before now. When it gives none, the proof is\n"
	     "written without, the exit code is 5, and `aicert timestamp PROOF` adds one later.\n"
	     "\n"
	     "--in vm runs the steps in a virtual machine that holds nothing but a kernel and aicert (`aicert vm build` makes it), and the\n"
	     "proof says what booted. Steps need an image; everything is fetched before, and every step is executed, whatever results are\n"
	     "known. Memory: --vm-memory, or twice the content and 512M and the largest step's limit; it and the number of processors are\n"
	     "rounded up where it is not known what firmware measures in such a machine. Time: --vm-time, or what the steps' limits allow\n"
	     "(a day for one without) and half an hour. The largest files that do not fit into that memory, or into this host's, stay on the\n"
	     "machine's disk, each block checked as it is read. --provider has a cloud run it: `aicert vm provider` shows which, and what is typed.\n"
	     "\n"
	     "example: aicert --output-bom falcon-finetuned-proof.json\n"
	     "         aicert verify falcon-finetuned-proof.json --require software\n"
	     "         aicert run train -D epochs=5\n"
	     "         aicert run --check train");
}

/* The proof as the user would name it: relative when it lies below here. */
static const char *
shown(const char *path)
{
	static char cwd[4096];
	size_t n = getcwd(cwd, sizeof cwd) ? strlen(cwd) : 0;
	return n && strncmp(path, cwd, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static void
print_report(const char *text)
{
	struct ai_err err = { 0 };
	AI_JSON *j = NULL;
	if (ai_json_parse(text, strlen(text), "report", &j, &err) < 0) {
		fputs(text, stdout);
		return;
	}
	const json_t *checks = ai_json_arr(j, "checks");
	size_t i;
	json_t *c;
	json_array_foreach(checks, i, c)
		ai_print_compared("check", c, ai_json_str(c, "against"), strcmp(ai_json_str(c, "against"), "the known result") == 0 ? "known" : "first", "again");
	if (!ai_json_str(j, "proof"))
		return;
	printf("proof    ");
	ai_put_safe(shown(ai_json_str(j, "proof")));
	printf("\noutputs  ");
	ai_put_safe(shown(ai_json_str(j, "outputs")));
	printf("\nroot     %s\n", ai_json_str(j, "root"));
	printf("steps    %d executed, %d reused\n", (int)json_integer_value(json_object_get(j, "executed")),
		(int)json_integer_value(json_object_get(j, "reused")));
}

/* `aicert -q plan`: without a word before them, the options are of `run`, and the words its steps. */
static void
hint_order(const char *word, aicert_error *error)
{
	if (!word || error->code != AI_EUSAGE || error->hint[0])
		return;
	for (const struct ai_command *c = ai_commands; c->name; c++)
		if (strcmp(c->name, word) == 0)
			snprintf(error->hint, sizeof error->hint, "a command comes first: aicert %s …", word);
}

/* A failed step ends the run; who wants the others too is told how. */
static void
hint_others(const struct ai_engine_cli *e, aicert_error *error)
{
	size_t left = e->n_steps > e->n_told ? e->n_steps - e->n_told : 0, n = strlen(error->hint);
	if (error->code == AI_ESTEP && left && !e->run.keep_going)
		snprintf(error->hint + n, sizeof error->hint - n, "%s%zu other step%s not started: -k starts what does not need it", n ? "; " : "", left,
			left == 1 ? " was" : "s were");
}

/* A report is there also when --check found a difference, or a timestamp is missing. */
static int
run(struct ai_engine_cli *e)
{
	struct ai_events events = { .quiet = e->printer.quiet, .verbose = e->printer.verbose };
	ai_engine_watch(e, e->printer.json ? &events : NULL);
	char *report = NULL;
	aicert_error error;
	int r = aicert_run(&e->run, &report, &error);
	ai_engine_settle(e);
	if (r < 0) {
		hint_order(e->run.n_steps ? e->run.steps[0] : NULL, &error);
		hint_others(e, &error);
	}
	if (r < 0 && e->events)
		ai_events_error(e->events, &error);
	if (report && e->events)
		ai_events_report(e->events, report);
	else if (report && !e->printer.quiet)
		print_report(report);
	aicert_free(report);
	fflush(stdout);
	return r < 0 ? ai_print_error(&error) : 0;
}

/* --vm-memory, --vm-cpus, --vm-time. */
struct machine_texts { const char *memory, *cpus, *time; };

static int
take_machine(const struct machine_texts *t, aicert_run_options *o, struct ai_err *err)
{
	enum { LEAST_MEMORY = 64 << 20 };
	double seconds = 0;
	const char *given = t->memory ? "--vm-memory" : t->cpus ? "--vm-cpus" : t->time ? "--vm-time" : o->vm_image ? "--vm-image" :
		o->vm_provider ? "--provider" : NULL;
	if (o->in && strcmp(o->in, "vm") != 0)
		return ai_fail(err, AI_EUSAGE, "usage: --in: got '%s', expected 'vm'", o->in);
	if (given && !o->in)
		return ai_fail(err, AI_EUSAGE, "usage: '%s' is for the measured machine: expected '--in vm' too", given);
	if (t->memory && (!ai_memory_parse(t->memory, &o->vm_memory) || o->vm_memory < LEAST_MEMORY))
		return ai_fail(err, AI_EUSAGE, "usage: --vm-memory: got '%s', expected a size like 512M or 32G", t->memory);
	if (t->time && (!ai_duration_parse(t->time, &seconds) || seconds > 365.0 * 86400))
		return ai_fail(err, AI_EUSAGE, "usage: --vm-time: got '%s', expected a time like 45s, 30m or 12h", t->time);
	o->vm_time = (unsigned)seconds;
	size_t digits = t->cpus ? strspn(t->cpus, "0123456789") : 0;
	if (t->cpus && (digits == 0 || digits > 3 || t->cpus[digits] || *t->cpus == '0'))
		return ai_fail(err, AI_EUSAGE, "usage: --vm-cpus: got '%s', expected 1 to 999 processors", t->cpus);
	o->vm_cpus = t->cpus ? (unsigned)strtoull(t->cpus, NULL, 10) : 0;
	return 0;
}

static int
take_jobs(const char *text, aicert_run_options *o, struct ai_err *err)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;
	if (text && (digits == 0 || digits > 4 || text[digits] || *text == '0'))
		return ai_fail(err, AI_EUSAGE, "usage: --jobs: got '%s', expected a number from 1 to 9999", text);
	o->jobs = text ? (unsigned)strtoull(text, NULL, 10) : 0;
	return 0;
}

int
ai_cmd_run(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	enum { OWN = 19 };
	struct machine_texts machine = { 0 };
	const char *jobs = NULL;
	struct ai_text_list check = { 0 }, set = { 0 };
	struct ai_option table[AI_ENGINE_OPTIONS + OWN] = {
		[AI_ENGINE_OPTIONS] =
		{ "output-bom", 'o', AI_OPTION_TEXT, (void *)&e.run.proof, "PROOF", "where the proof goes (default: proof.json)" },
		{ "output-dir", 0, AI_OPTION_TEXT, (void *)&e.run.output_dir, "DIR", "where the outputs go (default: ./outputs)" },
		{ "force", 0, AI_OPTION_FLAG, &e.run.force, NULL, "replace a proof or outputs that the last run did not write" },
		{ "nonce", 0, AI_OPTION_TEXT, (void *)&e.run.nonce, "TEXT", "a verifier's nonce, to go into the claims" },
		{ "ak", 0, AI_OPTION_TEXT, (void *)&e.run.ak, "ALG", "attestation key: ecc (P-256, default) or rsa (2048)" },
		{ "tpm", 0, AI_OPTION_TEXT, (void *)&e.run.tpm, "TCTI", "the TPM: 'embedded' or a TCTI (default: $AICERT_TPM, /dev/tpmrm0, embedded)" },
		{ "jobs", 'j', AI_OPTION_TEXT, (void *)&jobs, "N", "run so many steps at once (default: as many as there are processors)" },
		{ "keep-going", 'k', AI_OPTION_FLAG, &e.run.keep_going, NULL, "start what does not need a failed step" },
		{ "with-trees", 0, AI_OPTION_FLAG, &e.run.with_trees, NULL, "carry every tree node in the proof" },
		{ "fresh", 0, AI_OPTION_FLAG, &e.run.fresh, NULL, "run every step, whatever results are known" },
		{ "timestamp", 0, AI_OPTION_TEXT, (void *)&e.run.timestamp, "URL", "have the quote stamped by this RFC 3161 authority" },
		{ "in", 0, AI_OPTION_TEXT, (void *)&e.run.in, "vm", "run in the measured machine" },
		{ "vm-image", 0, AI_OPTION_TEXT, (void *)&e.run.vm_image, "FILE", "the machine's UKI (default: the one of `aicert vm build`)" },
		{ "vm-memory", 0, AI_OPTION_TEXT, (void *)&machine.memory, "SIZE", "the machine's memory, like 8G (default: by what the job needs)" },
		{ "vm-cpus", 0, AI_OPTION_TEXT, (void *)&machine.cpus, "N", "its processors (default: by the steps' limits)" },
		{ "vm-time", 0, AI_OPTION_TEXT, (void *)&machine.time, "TIME", "end it after so long, like 2h (default: by the steps' limits)" },
		{ "provider", 0, AI_OPTION_TEXT, (void *)&e.run.vm_provider, "NAME", "where the machine runs: a cloud, or qemu, this host (default)" },
		{ "set", 0, AI_OPTION_LIST, &set, "NAME=VALUE", "a setting of the provider (may be repeated): aicert vm provider NAME" },
		{ "check", 0, AI_OPTION_LIST, &check, "STEP|all", "run a step twice and compare its outputs (may be repeated)" },
	};
	ai_engine_options(&e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, AI_ENGINE_OPTIONS + OWN, argc, argv, &words, &err);
	r = r < 0 ? r : take_machine(&machine, &e.run, &err);
	r = r < 0 ? r : take_jobs(jobs, &e.run, &err);
	int code = 0;
	if (r < 0)
		code = ai_print_err(&err);
	else if (e.help)
		help(table, AI_ENGINE_OPTIONS + OWN);
	else {
		e.run.steps = words.items;
		e.run.n_steps = words.n;
		e.run.check = check.items;
		e.run.n_check = check.n;
		e.run.vm_set = set.items;
		e.run.n_vm_set = set.n;
		code = run(&e);
	}
	ai_engine_done(&e);
	ai_text_list_done(&words);
	ai_text_list_done(&check);
	ai_text_list_done(&set);
	return code;
}
