/* doctor_trust.c -- the TPM, the measured machine's needs, the network (doctor.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/path.h"
#include "cli/doctor.h"
#include "fetch/fetch.h"
#include "fetch/http_small.h"
#include "vm/cloud/provider.h"
#include "vm/host/machine.h"

void
ai_doctor_tpm(struct ai_checkup *c)
{
	static const char device[] = "/dev/tpmrm0";
	const char *given = getenv("AICERT_TPM");
	if (given && *given)
		ai_checkup_add(c, "tpm", AI_FINDING_OK, "aicert tpm status opens it", "AICERT_TPM says '%s'", given);
	else if (!ai_exists(device))
		ai_checkup_add(c, "tpm", AI_FINDING_NOTE, NULL, "none on this machine: proofs are signed by an embedded software TPM, and reach the level 'software'");
	else if (access(device, R_OK | W_OK) < 0)
		/* A TPM that is there and cannot be used is no reason to take a weaker one unasked. */
		ai_checkup_add(c, "tpm", AI_FINDING_FAIL, "usermod -aG tss $USER, and log in again; or --tpm embedded", "%s: this user may not use it", device);
	else
		ai_checkup_add(c, "tpm", AI_FINDING_OK, "aicert tpm status opens it", "%s", device);
}

static int
check_vm(const char *uki, struct ai_err *err)
{
	struct ai_provider *shape = NULL;
	AI_JSON *settings = json_object();
	if (!settings)
		return ai_nomem(err);
	if (ai_provider_open("qemu", NULL, 0, settings, &shape, err) < 0)
		return err->code;
	int r = ai_machine_check(shape, uki, err);
	ai_provider_close(shape);
	return r;
}

void
ai_doctor_vm(struct ai_checkup *c)
{
	struct ai_err err = { 0 };
	AI_FREE char *uki = ai_join(c->home.cache, "vm/aicert.efi");
	if (!uki)
		return;
	if (check_vm(uki, &err) < 0) {
		AI_FREE char *text = ai_format("%s", err.text);
		ai_checkup_add(c, "vm", AI_FINDING_NOTE, err.hint[0] ? err.hint : "aicert vm build", "for --in vm: %s", text ? text : "");
		return;
	}
	bool kvm = access("/dev/kvm", R_OK | W_OK) == 0;
	ai_checkup_add(c, "vm", kvm ? AI_FINDING_OK : AI_FINDING_WARN, kvm ? NULL : "usermod -aG kvm $USER, or switch virtualisation on: without KVM it is many times slower",
		"QEMU, firmware, software TPM and runner are there%s", kvm ? ", and KVM" : "; KVM is not");
}

/* Any answer will do: most of these want a login for what was asked. */
static void
check_host(struct ai_checkup *c, const char *what, const char *url)
{
	AI_BUF_AUTO body = AI_BUF(AI_MAX_HEADER);
	struct ai_err err = { 0 };
	bool answers = ai_fetch_init(&err) == 0 && (ai_http_small(url, 5, &body, &err) == 0 || err.code == AI_EINPUT);
	if (answers)
		ai_checkup_add(c, what, AI_FINDING_OK, NULL, "%s answers", url);
	else
		ai_checkup_add(c, what, AI_FINDING_WARN, "what is pinned and here needs no network; behind a proxy set https_proxy", "%s", err.text);
}

void
ai_doctor_network(struct ai_checkup *c)
{
	const char *given = getenv("HF_ENDPOINT");
	AI_FREE char *hub = given && *given ? ai_url_public(given) : NULL;
	check_host(c, "registry", "https://registry-1.docker.io/v2/");
	check_host(c, "git", "https://github.com/robots.txt");
	check_host(c, "hub", hub ? hub : "https://huggingface.co/robots.txt");
	check_host(c, "packages", "https://pypi.org/simple/pip/");
}
