/*
 * machine_shape.c -- the command lines of a machine and its TPM, asked of the provider's file; and whether this host has what they name (machine.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "vm/cloud/provider.h"
#include "vm/host/machine_parts.h"

enum { MIB = 1 << 20 };

const char *const ai_machine_stages[] = { "tpm", "machine", NULL };

/* --- its command lines ------------------------------------------------------------ */

static int
put_path(json_t *run, const char *name, const char *path, struct ai_err *err)
{
	if (!ai_utf8_valid(path, strlen(path)))
		return ai_fail(err, AI_EENV, "machine: '%s': got a path that is not UTF-8, expected one that a provider's file can be told", path);
	return json_object_set_new(run, name, json_string(path)) < 0 ? ai_nomem(err) : 0;
}

static int
put_paths(json_t *run, const struct ai_machine_facts *f, struct ai_err *err)
{
	const struct { const char *name, *path; } all[] = { { "uki", f->uki }, { "job", f->job }, { "result", f->result }, { "firmware", AI_OVMF "OVMF_CODE_4M.fd" },
		{ "variables", f->variables }, { "tpm", f->tpm }, { "control", f->control }, { "listen", f->listen } };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (put_path(run, all[i].name, all[i].path, err) < 0)
			return err->code;
	return 0;
}

static int
ask(struct ai_provider *shape, const char *stage, const struct ai_machine_facts *f, json_t **out, struct ai_err *err)
{
	char memory[24], cpus[12];
	snprintf(memory, sizeof memory, "%llu", (unsigned long long)((f->memory + MIB - 1) / MIB));
	snprintf(cpus, sizeof cpus, "%u", f->cpus ? f->cpus : 1);
	AI_JSON *settled = json_pack("{s:s, s:s, s:s}", "memory", memory, "cpus", cpus, "accelerator", f->accelerator);
	AI_JSON *run = json_object();
	if (!settled || !run)
		return ai_nomem(err);
	return put_paths(run, f, err) < 0 ? err->code : ai_provider_program(shape, stage, settled, run, out, err);
}

int
ai_machine_program(struct ai_provider *shape, const char *stage, const struct ai_machine_facts *f, struct ai_machine_program *out, struct ai_err *err)
{
	size_t i;
	json_t *word;
	*out = (struct ai_machine_program){ 0 };
	if (ask(shape, stage, f, &out->made, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(out->made, "argv"), i, word)
		ai_argv_add(&out->argv, "%s", json_string_value(word));
	out->package = ai_json_str(out->made, "package");
	return ai_argv_ok(&out->argv, err);
}

void
ai_machine_program_done(struct ai_machine_program *p)
{
	ai_argv_done(&p->argv);
	json_decref(p->made);
	*p = (struct ai_machine_program){ 0 };
}

/* --- seen without a boot ------------------------------------------------------------ */

static const struct ai_machine_facts example = { .uki = "UKI", .job = "JOB", .result = "RESULT", .variables = "SCRATCH/vars.fd", .tpm = "TPM",
	.control = "SCRATCH/sock.ctrl", .listen = "path=SCRATCH/sock.ctrl", .accelerator = "tcg", .memory = 1ull << 30, .cpus = 1 };

int
ai_machine_plan(struct ai_provider *shape, json_t **plan, struct ai_err *err)
{
	struct ai_machine_facts f = example;
	AI_JSON *all = json_object();
	if (!all)
		return ai_nomem(err);
	f.memory = ai_machine_memory(shape) ? ai_machine_memory(shape) : f.memory;
	f.cpus = ai_machine_cpus(shape) ? ai_machine_cpus(shape) : f.cpus;
	const char *given = ai_provider_given(shape, "accelerator");
	f.accelerator = given ? given : ai_machine_accelerator();
	for (size_t i = 0; ai_machine_stages[i]; i++) {
		json_t *made = NULL;
		if (ask(shape, ai_machine_stages[i], &f, &made, err) < 0)
			return err->code;
		if (json_object_set_new(all, ai_machine_stages[i], json_pack("[o]", made)) < 0)
			return ai_nomem(err);
	}
	*plan = json_incref(all);
	return 0;
}

/* --- what was asked for ---------------------------------------------------------------- */

uint64_t
ai_machine_memory(const struct ai_provider *shape)
{
	const char *mib = ai_provider_given(shape, "memory");
	return mib ? (uint64_t)strtoull(mib, NULL, 10) * MIB : 0;
}

unsigned
ai_machine_cpus(const struct ai_provider *shape)
{
	const char *n = ai_provider_given(shape, "cpus");
	return n ? (unsigned)strtoull(n, NULL, 10) : 0;
}

int
ai_machine_choose(const struct ai_provider *shape, const char **accelerator, struct ai_err *err)
{
	const char *given = ai_provider_given(shape, "accelerator");
	if (given && strcmp(given, "kvm") == 0 && strcmp(ai_machine_accelerator(), "kvm") != 0) {
		(void)ai_fail(err, AI_EENV, "machine: accelerator: got 'kvm', which does not run on this host");
		return ai_hint(err, "without the setting it is emulated, which is slower");
	}
	*accelerator = given ? given : ai_machine_accelerator();
	return 0;
}

/* --- what there must be ----------------------------------------------------------------- */

static int
need_file(const char *path, const char *package, struct ai_err *err)
{
	if (access(path, R_OK) == 0)
		return 0;
	(void)ai_fail_errno(err, AI_EENV, "machine: %s", path);
	return ai_hint(err, package ? "install it: apt-get install %s" : "%s", package ? package : "aicert vm build makes it");
}

static int
need_program(const char *name, const char *package, struct ai_err *err)
{
	const char *path = getenv("PATH");
	if (strchr(name, '/'))
		return need_file(name, package, err);
	for (path = path ? path : "/usr/bin:/bin"; *path; path += strcspn(path, ":"), path += *path == ':') {
		AI_FREE char *file = ai_format("%.*s/%s", (int)strcspn(path, ":"), path, name);
		if (file && access(file, X_OK) == 0)
			return 0;
	}
	(void)ai_fail(err, AI_EENV, "machine: there is no %s on this host", name);
	return ai_hint(err, "install it: apt-get install %s", package);
}

static int
need_stage(struct ai_provider *shape, const char *stage, struct ai_err *err)
{
	struct ai_machine_program p;
	int r = ai_machine_program(shape, stage, &example, &p, err);
	r = r < 0 ? r : need_program(p.argv.v[0], p.package, err);
	ai_machine_program_done(&p);
	return r;
}

int
ai_machine_check(struct ai_provider *shape, const char *uki, struct ai_err *err)
{
	if (need_file(uki, NULL, err) < 0 || need_stage(shape, "machine", err) < 0 || need_stage(shape, "tpm", err) < 0)
		return err->code;
	return need_file(AI_OVMF "OVMF_CODE_4M.fd", "ovmf", err) < 0 ? err->code : need_file(AI_OVMF "OVMF_VARS_4M.fd", "ovmf", err);
}
