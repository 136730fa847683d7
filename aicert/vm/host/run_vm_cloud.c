/* run_vm_cloud.c -- see run_vm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/run_vm_parts.h"

int
ai_vm_cloud_open(const struct ai_vm_options *vm, struct ai_provider **out, struct ai_err *err)
{
	AI_JSON *settings = NULL;
	*out = NULL;
	if (!vm->provider)
		return vm->n_set ? ai_fail(err, AI_EUSAGE, "usage: '--set' is for a cloud: expected '--provider' too") : 0;
	if (vm->memory || vm->cpus) {
		ai_fail(err, AI_EUSAGE, "usage: --vm-memory and --vm-cpus do not go with --provider: how large the machine is, a setting says");
		return ai_hint(err, "see: aicert vm provider %s", vm->provider);
	}
	return ai_provider_settings(vm->set, vm->n_set, &settings, err) < 0 ? err->code : ai_provider_open(vm->provider, NULL, 0, settings, out, err);
}

int
ai_vm_cloud_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *left, struct ai_err *err)
{
	bool collected = false;
	struct ai_provider_run with = *run;
	with.collected = &collected;
	int r = ai_provider_run(p, &with, err);
	if (r == 0 || !collected)
		return r;
	*left = *err;
	ai_say(run->talk, AI_TALK_NOTE, "%s", left->text);
	return 0;
}
