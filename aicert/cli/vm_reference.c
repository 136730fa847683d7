/* vm_reference.c -- `aicert vm reference`: what a machine that boots a runner must measure.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/vm.h"
#include "proof/policy/policy.h"
#include "vm/uki/reference.h"

enum { MAX_UKI = 1 << 30, MAX_FIRMWARE = 64 << 20 };

struct request {
	const char *machine, *policy, *firmware, *authority, *root;
	int json, force, help;
};

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert vm reference [UKI] [OPTION…]\n"
	     "\n"
	     "Says what a machine that boots this runner (default: the one that `aicert vm build` put into aicert's cache) must measure,\n"
	     "computed from the runner's bytes alone: PCR 4 (the runner and\n"
	     "the kernel in it), 9 (command line and initrd, as the kernel takes them) and 11 (its sections). With --policy they\n"
	     "become a policy for `aicert verify`, together with what is known of the machine's firmware.\n");
	ai_options_help(table, n);
	puts("\n"
	     "--firmware FILE is a code image (OVMF_CODE_4M.fd): then the policy takes that build and no other; or JSON, for machines of\n"
	     "which nothing is known here: [{\"name\": \"what it is\", \"pcrs\": {\"0\": [VALUES], …}}], PCRs 0 to 3 and 5 to 7; those without\n"
	     "values go by rules. Without --authority a policy for qemu asks for level software: who runs QEMU operates its TPM.\n"
	     "--json: {uki, kernel: Authenticode hashes, command_line, pcrs: {4, 9, 11}, pcr4_direct: PCR 4 by QEMU's -kernel, sections: [{name,\n"
	     "sha256}], files: [{what, sha256}]}.\n"
	     "\n"
	     "example: aicert vm reference aicert.efi --policy runner.yaml --authority \"Example Hosting\" --root example-ca.pem");
}

/* The builds that --firmware names: the JSON in it, or those that its bytes are one of. */
static int
read_firmware(const struct request *q, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(MAX_FIRMWARE);
	struct ai_digest d;
	char hex[AI_HEX];
	if (ai_read_file(AT_FDCWD, q->firmware, &bytes, err) < 0)
		return err->code;
	size_t at = 0;
	while (at < bytes.len && (bytes.data[at] == ' ' || bytes.data[at] == '\n' || bytes.data[at] == '\t' || bytes.data[at] == '\r'))
		at++;
	if (at < bytes.len && (bytes.data[at] == '[' || bytes.data[at] == '{')) {
		if (ai_json_parse(bytes.data, bytes.len, q->firmware, out, err) < 0)
			return err->code;
		return json_is_array(*out) ? 0 : ai_fail(err, AI_EUSAGE, "%s: expected an array of builds", q->firmware);
	}
	ai_sha256(bytes.data, bytes.len, &d);
	ai_hex(&d, hex);
	if (ai_reference_firmware(q->machine, &d, out, err) < 0)
		return err->code;
	return json_array_size(*out) ? 0 : ai_fail(err, AI_EUSAGE, "%s: no build that is known here: SHA-256 %s", q->firmware, hex);
}

static int
write_policy(const struct request *q, const struct ai_reference *r, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	AI_JSON *firmware = NULL;
	struct ai_policy *p = NULL;
	if (ai_exchange_room(q->policy, q->force, err) < 0)
		return err->code;
	if (q->firmware && read_firmware(q, &firmware, err) < 0)
		return err->code;
	if (q->root && ai_read_file(AT_FDCWD, q->root, &root, err) < 0)
		return err->code;
	if (ai_reference_policy(r, q->machine, firmware, q->authority, q->root ? root.data : NULL, &text, err) < 0)
		return err->code;
	/* A root that is no certificate is better found here than by the verifier. */
	if (ai_policy_parse(text.data, text.len, "policy", NULL, NULL, &p, err) < 0)
		return q->root ? ai_in(err, "%s", q->root) : err->code;
	ai_policy_free(p);
	return ai_exchange_write(q->policy, &text, err);
}

static void
print_list(const json_t *list, const char *what, const char *key)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)list, i, one)
		printf("%s %-12s %s\n", what, ai_json_str(one, key), ai_json_str(one, "sha256"));
}

static int
print_reference(const struct request *q, const struct ai_reference *r, struct ai_err *err)
{
	AI_JSON *j = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (ai_reference_json(r, &j, err) < 0)
		return err->code;
	if (q->json) {
		if (ai_json_pretty(j, &text, err) < 0)
			return err->code;
		fputs(text.data, stdout);
		return 0;
	}
	const json_t *pcrs = json_object_get(j, "pcrs");
	printf("UKI          %s\nkernel       %s\ncommand line ", ai_json_str(j, "uki"), ai_json_str(j, "kernel"));
	ai_put_safe(r->command_line);
	printf("\nPCR 4        %s   (QEMU's -kernel: %s)\nPCR 9        %s\nPCR 11       %s\n", ai_json_str(pcrs, "4"), ai_json_str(j, "pcr4_direct"),
		ai_json_str(pcrs, "9"), ai_json_str(pcrs, "11"));
	print_list(r->files, "file   ", "what");
	print_list(r->sections, "section", "name");
	return 0;
}

static int
work(const struct request *q, const char *given, struct ai_err *err)
{
	struct ai_reference r;
	AI_FREE char *found = NULL;
	AI_JSON *known = NULL;
	AI_BUF_AUTO uki = AI_BUF(MAX_UKI);
	if (!q->policy && (q->firmware || q->authority || q->root || q->force))
		return ai_fail(err, AI_EUSAGE, "usage: aicert vm reference: --firmware, --authority, --root and --force are for --policy");
	/* One that nobody knows is no less a mistake where no policy is written. */
	if (ai_reference_firmware(q->machine, NULL, &known, err) < 0 || (!given && ai_vm_default_uki(&found, err) < 0))
		return err->code;
	const char *path = given ? given : found;
	if (ai_read_file(AT_FDCWD, path, &uki, err) < 0)
		return err->code;
	if (ai_reference_compute(uki.data, uki.len, &r, err) < 0) {
		(void)ai_in(err, "%s", path);
		return ai_hint(err, "a runner is what `aicert vm build` writes");
	}
	int code = q->policy ? write_policy(q, &r, err) : 0;
	if (code == 0)
		code = print_reference(q, &r, err);
	ai_reference_done(&r);
	return code;
}

int
ai_vm_reference_main(int argc, char **argv)
{
	struct request q = { .machine = "qemu" };
	const struct ai_option table[] = {
		{ "machine", 0, AI_OPTION_TEXT, (void *)&q.machine, "NAME", "whose firmware and boot variables: qemu (the default), azure or gcp" },
		{ "policy", 0, AI_OPTION_TEXT, (void *)&q.policy, "FILE", "write a policy, too" },
		{ "firmware", 0, AI_OPTION_TEXT, (void *)&q.firmware, "FILE", "the firmware's code image, or its values (see below)" },
		{ "authority", 0, AI_OPTION_TEXT, (void *)&q.authority, "NAME", "who operates the machine and its TPM" },
		{ "root", 0, AI_OPTION_TEXT, (void *)&q.root, "FILE", "certificate of the authority's attestation CA (PEM)" },
		{ "json", 0, AI_OPTION_FLAG, &q.json, NULL, "print the values as JSON" },
		{ "force", 0, AI_OPTION_FLAG, &q.force, NULL, "overwrite the policy that is there" },
		{ "help", 'h', AI_OPTION_FLAG, &q.help, NULL, "show this" },
	};
	enum { ROWS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, ROWS, argc, argv, &words, &err);
	if (r == 0 && q.help)
		help(table, ROWS);
	else if (r == 0 && words.n > 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm reference [UKI]: got '%s' too", words.items[1]);
	else if (r == 0)
		r = work(&q, words.n ? words.items[0] : NULL, &err);
	ai_text_list_done(&words);
	return ai_print_end(r < 0 ? ai_print_err(&err) : 0);
}
