/* vm.c -- `aicert vm`: finds the command of the family.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/vm.h"

#include <stdio.h>

#include "base/fs.h"
#include "base/home.h"
#include "base/path.h"
#include "cli/family.h"

static const struct ai_command commands[] = {
	{ "build", ai_vm_build_main, "build the measured runner: one file that firmware boots" },
	{ "enroll", ai_vm_enroll_main, "certify the key that this host's machines attest with" },
	{ "image", ai_vm_image_main, "write it as a disk that firmware boots: raw, VHD, qcow2, or for Google Cloud" },
	{ "provider", ai_vm_provider_main, "show where it can run, clouds and this host, and what is typed there" },
	{ "reference", ai_vm_reference_main, "say what a machine that boots a runner must measure, or write it as a policy" },
	{ 0 },
};

static void
help(void)
{
	puts("usage: aicert vm COMMAND [OPTION…]\n"
	     "\n"
	     "The measured runner: a virtual machine that holds nothing but a kernel and aicert, whose every byte is measured as it\n"
	     "boots. `aicert run --in vm` runs a project in it.\n");
	ai_family_list(commands);
	puts("\n"
	     "`aicert vm COMMAND --help` explains one.\n"
	     "example: aicert vm build --source ~/src/aicert");
}

int
ai_vm_default_uki(char **path, struct ai_err *err)
{
	struct ai_home home;
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	*path = ai_join(home.cache, "vm/aicert.efi");
	ai_home_done(&home);
	if (!*path)
		return ai_nomem(err);
	if (ai_exists(*path))
		return 0;
	ai_fail(err, AI_EINPUT, "%s: there is no runner yet", *path);
	return ai_hint(err, "build it: aicert vm build");
}

int
ai_cmd_vm(int argc, char **argv)
{
	return ai_family_run("vm", commands, help, argc, argv);
}
