/* run_vm_cloud.c -- see run_vm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/run_vm_parts.h"

/* How large the machine is, one place says. */
static int
check_size(const struct ai_vm_options *vm, const struct ai_provider *p, struct ai_err *err)
{
	if ((vm->memory || vm->cpus) && !ai_provider_is_host(p)) {
		ai_fail(err, AI_EUSAGE, "usage: --vm-memory and --vm-cpus do not go with --provider: how large the machine is, a setting says");
		return ai_hint(err, "see: aicert vm provider %s", vm->provider);
	}
	const char *twice = vm->memory && ai_provider_given(p, "memory") ? "memory" : vm->cpus && ai_provider_given(p, "cpus") ? "cpus" : NULL;
	return twice ? ai_fail(err, AI_EUSAGE, "usage: --vm-%s and --set %s=… say the same: expected one of them", twice, twice) : 0;
}

int
ai_vm_provider_open(const struct ai_vm_options *vm, struct ai_provider **out, struct ai_err *err)
{
	AI_JSON *settings = NULL;
	struct ai_provider *p = NULL;
	if (!vm->provider && vm->n_set)
		return ai_fail(err, AI_EUSAGE, "usage: '--set' is for a provider: expected '--provider' too");
	if (ai_provider_settings(vm->set, vm->n_set, &settings, err) < 0
		|| ai_provider_open(vm->provider ? vm->provider : "qemu", NULL, 0, settings, &p, err) < 0)
		return err->code;
	if (check_size(vm, p, err) < 0) {
		ai_provider_close(p);
		return err->code;
	}
	*out = p;
	return 0;
}

/* Machines of earlier runs cost money until somebody looks; whoever starts another one does. */
static void
say_left(const struct ai_provider_run *run)
{
	struct ai_err ignored = { 0 };
	AI_JSON *left = NULL;
	size_t i;
	json_t *one;
	if (!run->records || ai_provider_left(run->records, &left, &ignored) < 0)
		return;
	json_array_foreach(left, i, one)
		if (!json_is_true(json_object_get(one, "running")))
			ai_say(run->talk, AI_TALK_NOTE, "machine %s of an earlier run may have been left behind in a cloud: 'aicert vm provider' shows how to destroy it",
				ai_json_str(one, "machine"));
}

int
ai_vm_cloud_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *left, struct ai_err *err)
{
	bool collected = false;
	struct ai_provider_run with = *run;
	with.collected = &collected;
	say_left(run);
	int r = ai_provider_run(p, &with, err);
	if (r == 0 || !collected)
		return r;
	*left = *err;
	ai_say(run->talk, AI_TALK_NOTE, "%s", left->text);
	return 0;
}
