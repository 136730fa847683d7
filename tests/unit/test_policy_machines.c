/* test_policy_machines.c -- policies in front of the boots of real machines.  SPDX-License-Identifier: Apache-2.0 */
#include "policy_help.h"

static void
test_real_logs_by_value(void **state)
{
	(void)state;
	static const char *const names[] = { "rhel8-uefi.bin", "ubuntu-1804-amd-sev.bin", "ubuntu-2404-amd-sevsnp.bin", "arch-linux-workstation.bin",
		"cos-101-amd-sev.bin", "gdc-host.bin", "glinux-alex.bin" };
	if (!shared_dir())
		skip();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
		AI_BUF_AUTO text = AI_BUF(1 << 16);
		struct ai_evidence e;
		load_vector(names[i], &log);
		quote_log(log.data, log.len, &e);
		ai_buf_puts(&text, "aicert-policy: 1\n");
		put_values(&text, &e);
		judge_with(text.data, &e, NULL);
		/* The digest of a separator, one bit off. */
		struct ai_digest d;
		ai_sha256("\0\0\0\0", 4, &d);
		char *at = memmem(e.boot_log.data, e.boot_log.len, d.b, 32);
		assert_non_null(at);
		at[31] ^= 1;
		judge_with(text.data, &e, "the boot log replays to");
		ai_buf_done(&e.boot_log);
	}
}

/* Red Hat on Google's cloud with Secure Boot, PCRs 1, 2, 4, 5 and 7 by rules. */
static void
test_real_log_by_rules(void **state)
{
	(void)state;
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	AI_BUF_AUTO text = AI_BUF(1 << 16);
	struct ai_evidence e;
	if (!shared_dir())
		skip();
	load_vector("rhel8-uefi.bin", &log);
	quote_log(log.data, log.len, &e);
	ai_buf_puts(&text, "aicert-policy: 1\n");
	put_values(&text, &e);
	static const char *const by_rules[] = { "  1: ", "  2: ", "  5: " };
	for (size_t i = 0; i < 3; i++) {
		char *at = strstr(text.data, by_rules[i]) + 5;
		memset(at, ' ', 64);
		memcpy(at, "rules", 5);
	}
	size_t values = text.len;
	ai_buf_puts(&text, "boot:\n  secure_boot: on\n  drivers: none\n  gpt: any\n  firmware: [ GCE Virtual Firmware v1 ]\n"
		"  variables: [ { name: BootOrder, unnamed: true }, { name: 'Boot####', unnamed: true } ]\n");
	judge_with(text.data, &e, NULL);
	/* Nothing binds the names in this firmware's PCR 1, and a rule must say that it does without. */
	text.data[values] = '\0';
	ai_buf_clear(&log);
	ai_buf_printf(&log, "%sboot: { secure_boot: on, drivers: none, gpt: any, variables: [ BootOrder, 'Boot####' ] }\n", text.data);
	judge_with(log.data, &e, "PCR 1");
	ai_buf_clear(&log);
	ai_buf_printf(&log, "%sboot: { secure_boot: off, drivers: none, gpt: any, variables: [ { name: BootOrder, unnamed: true }, { name: 'Boot####', unnamed: true } ] }\n", text.data);
	judge_with(log.data, &e, "Secure Boot: got on");
	ai_buf_done(&e.boot_log);
}

/* The example's policy on the machine that it was written for, and on another. */
static void
test_example(void **state)
{
	(void)state;
	static const char *const others[] = { "ubuntu-1804-amd-sev.bin", "cos-101-amd-sev.bin", "ubuntu-2404-amd-sevsnp.bin" };
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	AI_BUF_AUTO text = AI_BUF(1 << 16);
	struct ai_evidence e;
	if (!shared_dir())
		skip();
	ok(ai_read_file(-100, "examples/policy/gcp-rhel8.yaml", &text, &err));
	load_vector("rhel8-uefi.bin", &log);
	quote_log(log.data, log.len, &e);
	judge_with(text.data, &e, NULL);
	ai_buf_done(&e.boot_log);
	for (size_t i = 0; i < 3; i++) {
		ai_buf_clear(&log);
		load_vector(others[i], &log);
		quote_log(log.data, log.len, &e);
		judge_with(text.data, &e, "PCR");
		ai_buf_done(&e.boot_log);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_real_logs_by_value), cmocka_unit_test(test_real_log_by_rules), cmocka_unit_test(test_example) };
	return cmocka_run_group_tests_name("policy_machines", tests, NULL, NULL);
}
