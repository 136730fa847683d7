/* test_policy_boot.c -- what a policy makes of a boot: the good one, and what somebody would like to pass for it.  SPDX-License-Identifier: Apache-2.0 */
#include "policy_help.h"

static struct boot b;
static char policy[8192];

/* Every PCR by rules that this boot keeps. */
static void
write_policy(void)
{
	snprintf(policy, sizeof policy,
		"aicert-policy: 1\n"
		"pcrs: { 0-2: rules, 3: rules, 4: rules, 5: rules, 6: rules, 7: rules, 8: rules, 9: rules, 10: zero, 11: rules, 12-13: zero, 14: rules }\n"
		"boot:\n"
		"  firmware: [ firmware 1 ]\n"
		"  secure_boot: on\n"
		"  secure_boot_keys: { PK: [ %s ], KEK: [ %s ], db: [ %s ], dbx: [ %s ] }\n"
		"  verified_by: [ %s ]\n"
		"  variables: [ BootOrder, 'Boot####' ]\n"
		"  drivers: none\n"
		"  images: { exactly: [ %s, %s ] }\n"
		"  gpt: any\n"
		"  loader: [ 'set x=1' ]\n"
		"  command_line: [ '/vmlinuz quiet' ]\n"
		"  files: [ %s, %s ]\n"
		"  uki: { .linux: %s, .initrd: %s }\n"
		"  events: { 14: [ %s ] }\n",
		hex_of("pk"), hex_of("kek"), hex_of("db key"), hex_of("bad image"), "%AUTHORITY%", hex_of("shim"), hex_of("grub"), hex_of("kernel"),
		hex_of("initrd"), hex_of("kernel"), hex_of("initrd"), hex_of("mok"));
	/* The authority's digest is of its event's data. */
	const struct made_event *a = &b.events[event_at(&b, 7, AUTHORITY, 0)];
	struct ai_digest d;
	char hex[AI_HEX], *at = strstr(policy, "%AUTHORITY%");
	ai_sha256(a->data.data, a->data.len, &d);
	ai_hex(&d, hex);
	memmove(at + 64, at + strlen("%AUTHORITY%"), strlen(at + strlen("%AUTHORITY%")) + 1);
	memcpy(at, hex, 64);
}

static int
setup(void **state)
{
	(void)state;
	make_boot(&b);
	write_policy();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	boot_free(&b);
	return 0;
}

/* Replaces a text in the policy. */
static void
edit(const char *from, const char *to)
{
	static char whole[8192];
	char *at = strstr(policy, from);
	if (!at)
		fail_msg("the policy has no '%s'", from);
	snprintf(whole, sizeof whole, "%.*s%s%s", (int)(at - policy), policy, to, at + strlen(from));
	memcpy(policy, whole, sizeof policy);
}

static void
judged(const char *words)
{
	struct ai_evidence e;
	quote_boot(&b, &e);
	judge_with(policy, &e, words);
	ai_buf_done(&e.boot_log);
}

static void
test_good(void **state)
{
	(void)state;
	judged(NULL);
}

static void
test_good_by_values(void **state)
{
	(void)state;
	struct ai_evidence e;
	AI_BUF_AUTO text = AI_BUF(1 << 16);
	quote_boot(&b, &e);
	ai_buf_puts(&text, "aicert-policy: 1\n");
	put_values(&text, &e);
	judge_with(text.data, &e, NULL);
	/* Of one PCR another value, whichever. */
	for (int i = 0; i < 15; i++) {
		e.pcrs[i].b[5] ^= 1;
		char where[24];
		snprintf(where, sizeof where, "PCR %d: ", i);
		judge_with(text.data, &e, where);
		e.pcrs[i].b[5] ^= 1;
	}
	ai_buf_done(&e.boot_log);
}

/* --- what somebody would like to pass ------------------------------------------------ */

static void
test_injected_event(void **state)
{
	(void)state;
	add_text(&b, 4, APPLICATION, "image load event", "evil loader");
	judged("PCR 4");
}

static void
test_injected_event_not_quoted(void **state)
{
	(void)state;
	struct ai_evidence e;
	quote_boot(&b, &e);
	struct ai_evidence other;
	add_text(&b, 4, APPLICATION, "image load event", "grub");
	quote_boot(&b, &other);
	/* The log of another boot beside these PCRs. */
	memcpy(other.pcrs, e.pcrs, sizeof e.pcrs);
	judge_with(policy, &other, "PCR 4: the boot log replays to");
	ai_buf_done(&e.boot_log);
	ai_buf_done(&other.boot_log);
}

static void
test_other_image(void **state)
{
	(void)state;
	b.events[event_at(&b, 4, APPLICATION, 1)].hashed = "grub with a back door";
	judged("PCR 4");
}

static void
test_images_in_another_order(void **state)
{
	(void)state;
	b.events[event_at(&b, 4, APPLICATION, 0)].hashed = "grub";
	b.events[event_at(&b, 4, APPLICATION, 1)].hashed = "shim";
	judged("images: PCR 4");
}

static void
test_image_missing(void **state)
{
	(void)state;
	b.events[event_at(&b, 4, APPLICATION, 1)].pcr = 16;
	judged("PCR 4: got 1 of the 2");
}

/* The data says what the policy wants to read; something else was hashed. */
static void
test_text_that_was_not_hashed(void **state)
{
	(void)state;
	b.events[event_at(&b, 8, IPL, 1)].hashed = "/vmlinuz init=/bin/sh";
	judged("not what was hashed");
}

static void
test_loader_text_that_was_not_hashed(void **state)
{
	(void)state;
	b.events[event_at(&b, 8, IPL, 0)].hashed = "set root=evil";
	judged("not what was hashed");
}

static void
test_secure_boot_that_was_not_hashed(void **state)
{
	(void)state;
	b.events[event_at(&b, 7, VARIABLE, 0)].hashed = "SecureBoot is off";
	judged("not what was hashed");
}

static void
test_secure_boot_off(void **state)
{
	(void)state;
	struct made_event *e = &b.events[event_at(&b, 7, VARIABLE, 0)];
	e->data.data[e->data.len - 1] = 0;
	judged("Secure Boot: got off");
	edit("secure_boot: on", "secure_boot: off");
	judged(NULL);
}

static void
test_secure_boot_on_where_off_was_asked(void **state)
{
	(void)state;
	edit("secure_boot: on", "secure_boot: off");
	judged("Secure Boot: got on");
}

/* What the operating system extends later says that Secure Boot was on. */
static void
test_secure_boot_measured_late(void **state)
{
	(void)state;
	struct made_event late = b.events[event_at(&b, 7, VARIABLE, 0)];
	size_t at = event_at(&b, 7, VARIABLE, 0);
	memmove(&b.events[at], &b.events[at + 1], (b.n - at - 1) * sizeof b.events[0]);
	b.events[b.n - 1] = late;
	judged("after the separator");
}

static void
test_secure_boot_said_twice(void **state)
{
	(void)state;
	add_variable(&b, 7, VARIABLE, guid_global, "SecureBoot", "\1", 1);
	struct made_event *e = &b.events[event_at(&b, 7, VARIABLE, 0)];
	e->data.data[e->data.len - 1] = 0;
	judged("secure_boot: PCR 7");
}

/* A variable of the same name that is nobody's policy. */
static void
test_secure_boot_of_another_guid(void **state)
{
	(void)state;
	struct made_event *e = &b.events[event_at(&b, 7, VARIABLE, 0)];
	memcpy(e->data.data, guid_security, 16);
	judged("PCR 7");
}

static void
test_secure_boot_never_measured(void **state)
{
	(void)state;
	b.events[event_at(&b, 7, VARIABLE, 0)].pcr = 16;
	judged("measured 0 times");
}

static void
test_key_added_to_db(void **state)
{
	(void)state;
	edit(hex_of("db key"), hex_of("another key"));
	judged("variable 'db'");
}

static void
test_dbx_without_a_revocation(void **state)
{
	(void)state;
	edit(hex_of("bad image"), hex_of("a worse image"));
	judged("variable 'dbx'");
}

static void
test_verified_by_another(void **state)
{
	(void)state;
	struct made_event *e = &b.events[event_at(&b, 7, AUTHORITY, 0)];
	e->data.data[e->data.len - 1] ^= 1;
	judged("PCR 7");
}

static void
test_image_passed_off_as_separator(void **state)
{
	(void)state;
	struct made_event *e = &b.events[event_at(&b, 4, APPLICATION, 1)];
	e->type = SEPARATOR;
	e->hashed = "evil loader";
	judged("PCR 4");
}

static void
test_image_passed_off_as_action(void **state)
{
	(void)state;
	struct made_event *e = insert_event(&b, event_at(&b, 4, APPLICATION, 1), 4, ACTION, "Calling EFI Application from Boot Option", 40, "evil loader");
	(void)e;
	judged("not what was hashed");
}

static void
test_variable_passed_off_as_no_action(void **state)
{
	(void)state;
	struct ai_evidence e;
	struct made_event *v = &b.events[event_at(&b, 7, VARIABLE, 0)];
	v->data.data[v->data.len - 1] = 0;
	quote_boot(&b, &e);
	/* The variable that says off is hidden; another in front says on. */
	v->type = NO_ACTION;
	add_variable(&b, 7, VARIABLE, guid_global, "SecureBoot", "\1", 1);
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	log_of(&b, &log);
	ai_buf_clear(&e.boot_log);
	ai_buf_put(&e.boot_log, log.data, log.len);
	judge_with(policy, &e, "PCR 7: the boot log replays to");
	ai_buf_done(&e.boot_log);
}

static void
test_variable_relabelled_as_gpt(void **state)
{
	(void)state;
	b.events[event_at(&b, 7, VARIABLE, 0)].type = GPT;
	judged("PCR 7");
}

static void
test_boot_variable_passed_off_as_another(void **state)
{
	(void)state;
	/* Only the value was hashed: what the log calls it is the log's word. */
	b.events[event_at(&b, 1, VARIABLE_BOOT, 1)].hashed = "load option";
	judged("PCR 1");
	edit("[ BootOrder, 'Boot####' ]", "[ BootOrder, { name: 'Boot####', unnamed: true } ]");
	judged(NULL);
	b.events[event_at(&b, 1, VARIABLE_BOOT, 1)].hashed = "another option";
	judged("PCR 1");
}

static void
test_boot_variable_by_value(void **state)
{
	(void)state;
	char rule[300];
	snprintf(rule, sizeof rule, "[ BootOrder, { name: Boot0001, values: [ %s ] } ]", hex_of("load option"));
	edit("[ BootOrder, 'Boot####' ]", rule);
	judged(NULL);
	edit(hex_of("load option"), hex_of("other option"));
	judged("PCR 1");
}

static void
test_driver_variable(void **state)
{
	(void)state;
	add_variable(&b, 1, VARIABLE_BOOT, guid_global, "Driver0001", "evil", 4);
	judged("PCR 1: event");
}

static void
test_sysprep_variable(void **state)
{
	(void)state;
	add_variable(&b, 1, VARIABLE_BOOT, guid_global, "SysPrep0001", "evil", 4);
	judged("PCR 1: event");
}

static void
test_driver_hidden_in_pcr_2(void **state)
{
	(void)state;
	add_text(&b, 2, DRIVER, "image load event", "option ROM");
	judged("PCR 2");
	char list[100];
	snprintf(list, sizeof list, "drivers: [ %s ]", hex_of("option ROM"));
	edit("drivers: none", list);
	judged(NULL);
}

static void
test_driver_where_pcr_2_goes_by_value(void **state)
{
	(void)state;
	struct ai_evidence e;
	AI_BUF_AUTO text = AI_BUF(1 << 16);
	add_text(&b, 2, DRIVER, "image load event", "option ROM");
	quote_boot(&b, &e);
	ai_buf_puts(&text, "aicert-policy: 1\n");
	put_values(&text, &e);
	judge_with(text.data, &e, NULL);
	ai_buf_puts(&text, "boot: { drivers: none }\n");
	judge_with(text.data, &e, "drivers: PCR 2");
	ai_buf_done(&e.boot_log);
}

static void
test_second_command_line(void **state)
{
	(void)state;
	add_text(&b, 8, IPL, "kernel_cmdline: /vmlinuz init=/bin/sh", "/vmlinuz init=/bin/sh");
	judged("PCR 8");
}

/* Both are allowed, and which of them the kernel got nobody knows. */
static void
test_two_allowed_command_lines(void **state)
{
	(void)state;
	edit("[ '/vmlinuz quiet' ]", "[ '/vmlinuz quiet', '/vmlinuz' ]");
	add_text(&b, 8, IPL, "kernel_cmdline: /vmlinuz", "/vmlinuz");
	judged("a second command line");
}

static void
test_command_line_never_measured(void **state)
{
	(void)state;
	b.events[event_at(&b, 8, IPL, 1)].pcr = 16;
	judged("no command line was measured");
}

static void
test_other_initrd(void **state)
{
	(void)state;
	b.events[event_at(&b, 9, IPL, 1)].hashed = "initrd with a back door";
	judged("PCR 9");
}

static void
test_section_of_another_uki(void **state)
{
	(void)state;
	b.events[event_at(&b, 11, IPL, 1)].hashed = "another kernel";
	judged("uki: PCR 11");
}

static void
test_sections_more_and_fewer(void **state)
{
	(void)state;
	add_section(&b, ".cmdline", "init=/bin/sh");
	judged("uki: PCR 11");
	b.events[b.n - 1].pcr = b.events[b.n - 2].pcr = 16;
	judged(NULL);
	b.events[event_at(&b, 11, IPL, 3)].pcr = 16;
	judged("uki: PCR 11");
}

/* The same digests, name and content changed about. */
static void
test_sections_swapped(void **state)
{
	(void)state;
	b.events[event_at(&b, 11, IPL, 1)].hashed = "initrd";
	b.events[event_at(&b, 11, IPL, 3)].hashed = "kernel";
	judged("uki: PCR 11");
}

static void
test_two_separators(void **state)
{
	(void)state;
	add_separator(&b, 4);
	judged("PCR 4: got 2 separators");
}

static void
test_no_separator(void **state)
{
	(void)state;
	b.events[event_at(&b, 3, SEPARATOR, 0)].pcr = 16;
	judged("PCR 3: got 0 separators");
}

static void
test_separator_of_an_error(void **state)
{
	(void)state;
	b.events[event_at(&b, 3, SEPARATOR, 0)].data.data[0] = 1;
	judged("PCR 3");
}

static void
test_pcr_that_nobody_judges(void **state)
{
	(void)state;
	edit("3: rules, ", "");
	judged("PCR 3 was quoted and the policy does not judge it");
}

static void
test_pcr_that_is_not_zero(void **state)
{
	(void)state;
	add_text(&b, 10, IPL, "something", "something");
	judged("PCR 10");
}

static void
test_empty_log(void **state)
{
	(void)state;
	struct ai_evidence e;
	AI_BUF_AUTO text = AI_BUF(1 << 16);
	quote_boot(&b, &e);
	ai_buf_puts(&text, "aicert-policy: 1\n");
	put_values(&text, &e);
	ai_buf_clear(&e.boot_log);
	judge_with(text.data, &e, "empty");
	judge_with(policy, &e, "empty");
	ai_buf_done(&e.boot_log);
}

static void
test_malformed_log(void **state)
{
	(void)state;
	struct ai_evidence e;
	quote_boot(&b, &e);
	e.boot_log.len -= 3;
	judge_with(policy, &e, "boot log: ");
	ai_buf_done(&e.boot_log);
}

static void
test_empty_lists_allow_nothing(void **state)
{
	(void)state;
	static const char *const lists[][2] = { { "firmware: [ firmware 1 ]", "firmware: []" }, { "variables: [ BootOrder, 'Boot####' ]", "variables: []" },
		{ "loader: [ 'set x=1' ]", "loader: []" }, { "command_line: [ '/vmlinuz quiet' ]", "command_line: []" }, { "gpt: any", "actions: []" },
		{ "3: rules", "3: []" } };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		edit(lists[i][0], lists[i][1]);
		judged("");
		edit(lists[i][1], lists[i][0]);
	}
	judged(NULL);
	char from[200];
	snprintf(from, sizeof from, "images: { exactly: [ %s, %s ] }", hex_of("shim"), hex_of("grub"));
	edit(from, "images: []");
	judged("PCR 4");
	snprintf(from, sizeof from, "dbx: [ %s ]", hex_of("bad image"));
	write_policy();
	edit(from, "dbx: []");
	judged("variable 'dbx'");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_good), T(test_good_by_values), T(test_injected_event), T(test_injected_event_not_quoted), T(test_other_image),
		T(test_images_in_another_order), T(test_image_missing), T(test_text_that_was_not_hashed), T(test_loader_text_that_was_not_hashed),
		T(test_secure_boot_that_was_not_hashed), T(test_secure_boot_off), T(test_secure_boot_on_where_off_was_asked), T(test_secure_boot_measured_late),
		T(test_secure_boot_said_twice), T(test_secure_boot_of_another_guid), T(test_secure_boot_never_measured), T(test_key_added_to_db),
		T(test_dbx_without_a_revocation), T(test_verified_by_another), T(test_image_passed_off_as_separator), T(test_image_passed_off_as_action),
		T(test_variable_passed_off_as_no_action), T(test_variable_relabelled_as_gpt), T(test_boot_variable_passed_off_as_another),
		T(test_boot_variable_by_value), T(test_driver_variable), T(test_sysprep_variable), T(test_driver_hidden_in_pcr_2),
		T(test_driver_where_pcr_2_goes_by_value), T(test_second_command_line), T(test_two_allowed_command_lines), T(test_command_line_never_measured),
		T(test_other_initrd), T(test_section_of_another_uki), T(test_sections_more_and_fewer), T(test_sections_swapped), T(test_two_separators),
		T(test_no_separator), T(test_separator_of_an_error), T(test_pcr_that_nobody_judges), T(test_pcr_that_is_not_zero), T(test_empty_log),
		T(test_malformed_log), T(test_empty_lists_allow_nothing),
	};
	return cmocka_run_group_tests_name("policy_boot", tests, NULL, NULL);
}
