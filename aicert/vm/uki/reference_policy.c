/* reference_policy.c -- a UKI's reference values as a verifier's policy; see reference.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/uki/reference.h"

enum { FIRMWARE_PCRS = 8 };

/* Where machines differ, beyond their firmware's values. */
struct kind {
	const char *name;
	bool direct;           /* QEMU's -kernel: no disk is booted, and no boot entry looked at */
	bool cloud;            /* its authority is its name, its roots are built in */
};
static const struct kind kinds[] = { { "qemu", true, false }, { "azure", false, true }, { "gcp", false, true } };

/* --- what is known of the firmware ------------------------------------------------ */

/* A name stands in a comment of the policy, and must not end it: YAML breaks lines at U+0085, U+2028 and U+2029, too. */
static int
check_name(const json_t *build, size_t i, struct ai_err *err)
{
	const char *name = ai_json_str(build, "name");
	for (const char *p = name; p && *p; p++)
		if (*p < ' ' || *p > '~')
			return ai_fail(err, AI_EUSAGE, "firmware: build %zu: its name: got byte 0x%02x, expected printable ASCII", i, (unsigned char)*p);
	return name && *name && ai_json_obj(build, "pcrs") && json_object_size(build) == 2 ? 0
		: ai_fail(err, AI_EUSAGE, "firmware: build %zu: expected {\"name\": text, \"pcrs\": {\"0\": [hex]}}, and nothing else", i);
}

/* Values of one PCR, by a build: how many. */
static int
count_values(const json_t *build, const char *pcr, struct ai_err *err)
{
	const json_t *values = json_object_get(ai_json_obj(build, "pcrs"), pcr);
	static const struct ai_digest zero;
	struct ai_digest d;
	size_t i;
	json_t *v;
	if (values && json_array_size(values) == 0)
		return ai_fail(err, AI_EUSAGE, "firmware '%s': PCR %s: expected a list of values", ai_json_str(build, "name"), pcr);
	json_array_foreach((json_t *)values, i, v) {
		if (!json_is_string(v) || !ai_unhex(json_string_value(v), &d))
			return ai_fail(err, AI_EUSAGE, "firmware '%s': PCR %s: value %zu: expected 64 hex digits", ai_json_str(build, "name"), pcr, i);
		/* Firmware that measures ends each of its PCRs with a separator. */
		if (ai_digest_eq(&d, &zero))
			return ai_fail(err, AI_EUSAGE, "firmware '%s': PCR %s: value %zu: got zeros, which is what firmware that measures nothing leaves there",
				ai_json_str(build, "name"), pcr, i);
	}
	return (int)json_array_size(values);
}

/* A policy lists values PCR by PCR, so of two builds that differ in more than PCR 0 it would take one's with the other's. */
static int
check_alike(const json_t *builds, struct ai_err *err)
{
	json_t *first = json_array_get(builds, 0), *build, *values;
	const char *key;
	size_t i;
	json_array_foreach((json_t *)builds, i, build)
		json_object_foreach(ai_json_obj(build, "pcrs"), key, values) {
			const json_t *its = json_object_get(ai_json_obj(first, "pcrs"), key);
			if (strcmp(key, "0") == 0 || !its || json_equal(its, values))
				continue;
			(void)ai_fail(err, AI_EUSAGE, "firmware: PCR %s: '%s' and '%s' have different values, which a policy would take mixed, too", key,
				ai_json_str(first, "name"), ai_json_str(build, "name"));
			return ai_hint(err, "write a policy for each build");
		}
	return 0;
}

static int
check_builds(const struct kind *k, const json_t *builds, struct ai_err *err)
{
	size_t i;
	json_t *build, *v;
	const char *key;
	if (json_array_size(builds) == 0) {
		(void)ai_fail(err, AI_EUSAGE, "firmware: no build of machine '%s' is known here", k->name);
		return ai_hint(err, "give its values (--firmware FILE: [{\"name\": …, \"pcrs\": {\"0\": [hex]}}]), from the boot log of a machine that you trust");
	}
	json_array_foreach((json_t *)builds, i, build) {
		if (check_name(build, i, err) < 0)
			return err->code;
		json_object_foreach(ai_json_obj(build, "pcrs"), key, v)
			if (strlen(key) != 1 || key[0] < '0' || key[0] > '7' || key[0] == '4')
				return ai_fail(err, AI_EUSAGE, "firmware '%s': got PCR '%.20s', expected 0 to 3 or 5 to 7", ai_json_str(build, "name"), key);
		int n = count_values(build, "0", err);
		if (n <= 0)
			return n < 0 ? n : ai_fail(err, AI_EUSAGE, "firmware '%s': there is no value of PCR 0", ai_json_str(build, "name"));
	}
	return check_alike(builds, err);
}

/* "[ a, b ]": a PCR's values of all builds, or "rules" where none has one. A build that has none would be refused by the others' values. */
static int
put_values(const json_t *builds, unsigned pcr, struct ai_buf *out, struct ai_err *err)
{
	const char name[2] = { (char)('0' + pcr), 0 };
	AI_JSON *written = json_object();   /* builds and shapes of machines share values, and a policy lists each once */
	size_t i, with = 0;
	json_t *build;
	json_array_foreach((json_t *)builds, i, build) {
		int n = count_values(build, name, err);
		if (n < 0)
			return n;
		with += n > 0;
	}
	if (with && with < json_array_size(builds))
		return ai_fail(err, AI_EUSAGE, "firmware: PCR %s: %zu of %zu builds have values, expected all or none", name, with, json_array_size(builds));
	ai_buf_printf(out, "  %u:%s\n", pcr, with ? "" : " rules");
	json_array_foreach((json_t *)builds, i, build) {
		size_t k;
		json_t *v;
		if (with)
			ai_buf_printf(out, "    # %s\n", ai_json_str(build, "name"));
		json_array_foreach(json_object_get(ai_json_obj(build, "pcrs"), name), k, v) {
			if (json_object_get(written, json_string_value(v)))
				continue;
			ai_buf_printf(out, "    - %s\n", json_string_value(v));
			if (json_object_set_new(written, json_string_value(v), json_true()) < 0)
				return ai_nomem(err);
		}
	}
	return 0;
}

/* --- the parts of the policy --------------------------------------------------------- */

static void
put_digest(struct ai_buf *out, const char *before, const struct ai_digest *d, const char *after)
{
	char hex[AI_HEX];
	ai_hex(d, hex);
	ai_buf_printf(out, "%s%s%s", before, hex, after);
}

/* A JSON text is a YAML text in double quotes. */
static int
put_text(struct ai_buf *out, const char *text, struct ai_err *err)
{
	AI_JSON *j = json_string(text);
	if (!j)
		return ai_fail(err, AI_EUSAGE, "policy: a text is not UTF-8");
	return ai_canon(j, out, err);
}

static int
put_authority(const struct kind *k, const char *authority, const char *root_pem, struct ai_buf *out, struct ai_err *err)
{
	if (!authority != !root_pem)
		return ai_fail(err, AI_EUSAGE, "policy: an authority and its root come together: got only the %s", authority ? "authority" : "root");
	for (size_t i = 0; authority && i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].cloud && strcmp(authority, kinds[i].name) == 0)
			return ai_fail(err, AI_EUSAGE, "policy: authority: got '%s', which is the cloud's that has its roots built in: expected another name", authority);
	if (!authority && k->cloud) {
		ai_buf_printf(out, "# Whose TPMs and hypervisors they are: the cloud's, by its built-in roots.\nrequire: measured-platform\nauthorities: [ %s ]\n", k->name);
		return 0;
	}
	if (!authority) {
		ai_buf_puts(out, "# Nobody is named who operates the TPM and the hypervisor: whoever runs such a machine has both, and its proof is worth his word.\n"
			"require: software\n");
		return 0;
	}
	ai_buf_puts(out, "# Who operates the TPM and the hypervisor, and is not the builder.\nrequire: measured-platform\nauthorities:\n  - name: ");
	if (put_text(out, authority, err) < 0)
		return err->code;
	ai_buf_puts(out, "\n    roots: [ operator ]\nroots:\n  add:\n    - name: operator\n      role: ak-ca\n      pem: ");
	if (put_text(out, root_pem, err) < 0)
		return err->code;
	ai_buf_putc(out, '\n');
	return 0;
}

static int
put_pcrs(const struct ai_reference *r, const struct kind *k, const json_t *builds, struct ai_buf *out, struct ai_err *err)
{
	/* uki.h: with this word on its command line the kernel does not start IMA. */
	bool ima = !strstr(r->command_line, "initcall_blacklist=init_ima");
	ai_buf_puts(out, "\njob: required\n\n# What was booted. 0 to 7 are the firmware's, but for the images in 4.\npcrs:\n");
	for (unsigned pcr = 0; pcr < FIRMWARE_PCRS; pcr++) {
		/* A cloud's firmware may try other boot entries before: the images count, not how often one was called. */
		if (pcr == 4 && k->direct)
			put_digest(out, "  4: [ ", &r->pcr4_direct, " ]\n");
		else if (pcr == 4)
			ai_buf_puts(out, "  4: rules\n");
		else if (put_values(builds, pcr, out, err) < 0)
			return err->code;
	}
	ai_buf_puts(out, "  8: zero\n");
	put_digest(out, "  9: [ ", &r->pcr9, " ]\n");
	ai_buf_printf(out, "  10: %s\n", ima ? "boot-aggregate" : "zero");
	put_digest(out, "  11: [ ", &r->pcr11, " ]\n");
	ai_buf_puts(out, "  12-14: zero\n");
	return 0;
}

/* The variables of a machine without keys, whose events are known whole: UEFI_VARIABLE_DATA without a value. */
static void
put_empty_key(struct ai_buf *out, const char *name, bool database)
{
	static const unsigned char global[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
	static const unsigned char security[16] = { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f };
	unsigned char event[48] = { [16] = (unsigned char)strlen(name) };
	struct ai_digest d;
	memcpy(event, database ? security : global, 16);
	for (size_t i = 0; name[i]; i++)
		event[32 + 2 * i] = (unsigned char)name[i];
	ai_sha256(event, 32 + 2 * strlen(name), &d);
	ai_buf_printf(out, "    %s: ", name);
	put_digest(out, "[ ", &d, " ]\n");
}

static void
put_qemu_rules(struct ai_buf *out)
{
	/* EFI_GLOBAL_VARIABLE Boot0000 of OVMF with fresh variables: its own menu, of which -kernel makes no use; alone in BootOrder. */
	static const unsigned char boot0000[] = { 9, 1, 0, 0, 0x2c, 0, 'U', 0, 'i', 0, 'A', 0, 'p', 0, 'p', 0, 0, 0, 4, 7, 0x14, 0, 0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8,
		0x34, 0x4f, 0xaa, 0xea, 0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1, 4, 6, 0x14, 0, 0x21, 0xaa, 0x2c, 0x46, 0x14, 0x76, 3, 0x45, 0x83, 0x6e, 0x8a, 0xb6, 0xf4, 0x66,
		0x23, 0x31, 0x7f, 0xff, 4, 0 };
	struct ai_digest d;
	ai_buf_puts(out, "  # No keys: nothing is verified when it is loaded, and all of it is measured.\n  secure_boot_keys:\n");
	put_empty_key(out, "PK", false);
	put_empty_key(out, "KEK", false);
	put_empty_key(out, "db", true);
	put_empty_key(out, "dbx", true);
	ai_buf_puts(out, "  # The firmware's own menu; this firmware hashes values alone.\n  variables:\n");
	ai_sha256("\0", 2, &d);
	put_digest(out, "    - { name: BootOrder, unnamed: true, values: [ ", &d, " ] }\n");
	ai_sha256(boot0000, sizeof boot0000, &d);
	put_digest(out, "    - { name: Boot0000, unnamed: true, values: [ ", &d, " ] }\n");
}

static void
put_cloud_rules(struct ai_buf *out)
{
	ai_buf_puts(out, "  # Boot entries and keys are the cloud's, whichever: what they led to is in `images`.\n"
		"  variables:\n    - { name: BootOrder, unnamed: true }\n    - { name: 'Boot####', unnamed: true }\n"
		"    - { name: PK, pcr: 7 }\n    - { name: KEK, pcr: 7 }\n"
		"    - { name: db, pcr: 7, guid: d719b2cb-3d3a-4596-a3bc-dad00e67656f }\n    - { name: dbx, pcr: 7, guid: d719b2cb-3d3a-4596-a3bc-dad00e67656f }\n"
		"  gpt: any\n");
}

static void
put_boot(const struct ai_reference *r, const struct kind *k, struct ai_buf *out)
{
	size_t i;
	json_t *one;
	ai_buf_puts(out, "boot:\n  secure_boot: off\n  drivers: none\n");
	put_digest(out, "  # The UKI, and the kernel in it.\n  images: { exactly: [ ", &r->uki, ", ");
	put_digest(out, "", &r->kernel, " ] }\n  # The kernel's load options, which are its command line, and its initrd.\n  files: { exactly: [");
	json_array_foreach(r->files, i, one)
		ai_buf_printf(out, "%s%s", i ? ", " : " ", ai_json_str(one, "sha256"));
	ai_buf_puts(out, " ] }\n  uki:\n");
	json_array_foreach(r->sections, i, one)
		ai_buf_printf(out, "    %s: %s\n", ai_json_str(one, "name"), ai_json_str(one, "sha256"));
	if (k->direct)
		put_qemu_rules(out);
	else
		put_cloud_rules(out);
}

int
ai_reference_policy(const struct ai_reference *r, const char *machine, const json_t *firmware, const char *authority, const char *root_pem,
	struct ai_buf *out, struct ai_err *err)
{
	const struct kind *k = NULL;
	AI_BUF_AUTO made = AI_BUF(AI_MAX_AICERTFILE);
	AI_JSON *builds = NULL;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, machine) == 0)
			k = &kinds[i];
	if (!k)
		return ai_fail(err, AI_EUSAGE, "machine: got '%s', expected qemu, azure or gcp", machine);
	if (firmware)
		builds = json_incref((json_t *)firmware);
	else if (ai_reference_firmware(machine, NULL, &builds, err) < 0)
		return err->code;
	if (check_builds(k, builds, err) < 0)
		return err->code;
	ai_buf_printf(&made, "# What `aicert verify --policy` asks of a proof that was made in this measured runner, on machine '%s'. Computed from the runner's bytes.\n"
		"# Its command line: %s\naicert-policy: 1\n\n", k->name, r->command_line);
	if (put_authority(k, authority, root_pem, &made, err) < 0 || put_pcrs(r, k, builds, &made, err) < 0)
		return err->code;
	put_boot(r, k, &made);
	if (ai_buf_ok(&made, "policy", err) < 0)
		return err->code;
	ai_buf_put(out, made.data, made.len);
	return ai_buf_ok(out, "policy", err);
}
