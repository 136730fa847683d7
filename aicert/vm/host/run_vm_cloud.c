/* run_vm_cloud.c -- see run_vm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/host/run_vm_parts.h"

/* {"NAME": "VALUE"} */
static int
settings_of(const struct ai_vm_options *vm, json_t **out, struct ai_err *err)
{
	AI_JSON *j = json_object();
	for (size_t i = 0; i < vm->n_set; i++) {
		size_t n = strcspn(vm->set[i], "=");
		AI_FREE char *name = ai_strndup(vm->set[i], n);
		if (!j || !name)
			return ai_nomem(err);
		if (n == 0 || !vm->set[i][n])
			return ai_fail(err, AI_EUSAGE, "usage: '--set': got '%s', expected NAME=VALUE", vm->set[i]);
		json_t *value = json_object_get(j, name) ? NULL : json_string(vm->set[i] + n + 1);
		if (!value)
			return ai_fail(err, AI_EUSAGE, "usage: '--set': '%s' is set twice, or not UTF-8", name);
		if (json_object_set_new(j, name, value) < 0)
			return ai_nomem(err);
	}
	*out = json_incref(j);
	return 0;
}

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
	return settings_of(vm, &settings, err) < 0 ? err->code : ai_provider_open(vm->provider, NULL, 0, settings, out, err);
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
