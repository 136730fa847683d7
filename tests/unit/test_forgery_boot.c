/*
 * test_forgery_boot.c -- forgeries of what was booted: by a builder with root, and by a cloud's customer who boots what he likes.
 *
 * All of it is quoted by a genuine TPM of the authority that the policy names. What the log says was measured is in the PCRs, unless the test says
 * that it is not.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forgery.h"

/* --- a log that is not of this boot ------------------------------------------------ */

/* The PCRs of s.booted, quoted; the log of s.other, named by the claims. */
static json_t *
told_another(void)
{
	boots(&s.other, &s.told);
	s.f.tpm.told = &s.told;
	return made();
}

TEST(the_log_of_a_good_machine_beside_my_tpm)
{
	START;
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)].hashed = "grub with a back door";
	unmeasured(told_another(), "PCR 4: the boot log replays to");
}

TEST(events_that_never_were_injected_into_the_log)
{
	START;
	insert_event(&s.other, event_at(&s.other, 9, IPL, 0), 9, IPL, "/good", 5, NULL);
	unmeasured(told_another(), "PCR 9: the boot log replays to");
}

TEST(the_event_that_betrays_me_left_out)
{
	START;
	add_text(&s.booted, 9, IPL, "/rootkit", "rootkit");
	unmeasured(told_another(), "PCR 9: the boot log replays to");
}

TEST(the_events_in_the_order_that_the_policy_wants)
{
	START;
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 0)].hashed = "grub";
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)].hashed = "shim";
	unmeasured(told_another(), "PCR 4: the boot log replays to");
}

/* Of the last event too, though nothing follows it. */
TEST(the_log_cut_off_before_the_end)
{
	START;
	ai_buf_done(&s.other.events[--s.other.n].data);
	unmeasured(told_another(), "PCR 5: the boot log replays to");
}

TEST(no_log_at_all)
{
	START;
	fake_boot_init(&s.told);
	ai_buf_clear(&s.told.log);
	s.f.tpm.told = &s.told;
	ends(made(), "genuine-tpm", "measured platform+policy boot", "boot log");
}

TEST(a_log_that_the_claims_do_not_name)
{
	START;
	json_t *proof = made();
	struct ai_buf log;
	get_bytes(evidence_of(proof), "boot_log", &log);
	ai_buf_putc(&log, 0);
	put_bytes(evidence_of(proof), "boot_log", &log);
	caught(proof, "boot log", "which the claims name");
}

/* Bytes of the log edited as whoever boots may: the claims name them. */
static json_t *
log_edited(size_t at, size_t n, const void *with, size_t len)
{
	boots(&s.booted, &s.seen);
	s.f.tpm.boot = &s.seen;
	s.told.log = AI_BUF(AI_MAX_BOOT_LOG);
	ai_buf_put(&s.told.log, s.seen.log.data, s.seen.log.len);
	put_over(&s.told.log, at == SIZE_MAX ? s.told.log.len : at, n, with, len);
	s.f.tpm.told = &s.told;
	return made();
}

TEST(bytes_behind_the_log_go_unseen) { START; unmeasured(log_edited(SIZE_MAX, 0, "\1", 1), "is cut off: got 1 bytes"); }

/* TCG_PCR_EVENTs, whose digests are SHA-1's. */
TEST(a_log_of_the_sha1_format)
{
	START;
	s.told.log = AI_BUF(AI_MAX_BOOT_LOG);
	for (size_t i = 0; i < s.booted.n; i++) {
		const struct made_event *e = &s.booted.events[i];
		uint8_t digest[20];
		assert_int_equal(EVP_Digest(e->data.data, e->data.len, digest, NULL, EVP_sha1(), NULL), 1);
		put_le(&s.told.log, e->pcr, 4);
		put_le(&s.told.log, e->type, 4);
		ai_buf_put(&s.told.log, digest, sizeof digest);
		put_le(&s.told.log, e->data.len, 4);
		ai_buf_put(&s.told.log, e->data.data, e->data.len);
	}
	s.f.tpm.told = &s.told;
	unmeasured(made(), "boot log: event log: got the SHA-1 format");
}

/* The digests are called SHA-1's, in the header. */
TEST(a_log_of_the_sha1_bank)
{
	START;
	unmeasured(log_edited(32 + 28, 4, "\4\0\x14\0", 4), "unknown algorithm: got 0x000b");
}

/* --- a boot that is not the policy's ----------------------------------------------- */

TEST(another_kernel)
{
	START;
	s.booted.events[event_at(&s.booted, 9, IPL, 0)].hashed = "kernel of mine";
	unmeasured(made(), "PCR 9: event 23 (EV_IPL, file '/vmlinuz'");
}

TEST(another_boot_loader)
{
	START;
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)].hashed = "grub of mine";
	unmeasured(made(), "PCR 4: event 20 (EV_EFI_BOOT_SERVICES_APPLICATION");
}

TEST(one_more_boot_loader)
{
	START;
	add_text(&s.booted, 4, APPLICATION, "image load event", "grub");
	unmeasured(made(), "expected none, after those that the policy lists");
}

TEST(another_uki_section)
{
	START;
	add_section(&s.booted, ".cmdline", "init=/bin/sh");
	unmeasured(made(), "PCR 11: its events are the sections of none");
}

TEST(another_command_line)
{
	START;
	struct made_event *e = &s.booted.events[event_at(&s.booted, 8, IPL, 1)];
	ai_buf_clear(&e->data);
	ai_buf_puts(&e->data, "kernel_cmdline: /vmlinuz init=/bin/sh");
	e->hashed = "/vmlinuz init=/bin/sh";
	unmeasured(made(), "PCR 8: event 22 (EV_IPL, command-line '/vmlinuz init=/bin/sh'");
}

/* The text is the policy's, the digest another's. */
TEST(the_command_line_that_the_policy_wants_told_of_another)
{
	START;
	s.booted.events[event_at(&s.booted, 8, IPL, 1)].hashed = "/vmlinuz init=/bin/sh";
	unmeasured(made(), "command-line '/vmlinuz quiet', 9cbb");
}

TEST(a_second_command_line)
{
	START;
	add_text(&s.booted, 8, IPL, "kernel_cmdline: /vmlinuz init=/bin/sh", "/vmlinuz init=/bin/sh");
	unmeasured(made(), "PCR 8: event 32 (EV_IPL, command-line");
}

TEST(the_loader_runs_a_command_of_mine)
{
	START;
	add_text(&s.booted, 8, IPL, "grub_cmd: insmod evil", "insmod evil");
	unmeasured(made(), "loader 'insmod evil'");
}

static void
secure_boot_is(const char *value)
{
	size_t at = event_at(&s.booted, 7, VARIABLE, 0);
	ai_buf_clear(&s.booted.events[at].data);
	put_variable(&s.booted.events[at].data, guid_global, "SecureBoot", value, 1);
}

TEST(secure_boot_off)
{
	START;
	secure_boot_is("\0");
	unmeasured(made(), "Secure Boot: got off");
}

/* Off, and the log says on: the digest is of the true value. */
TEST(secure_boot_off_told_as_on)
{
	START;
	s.booted.events[event_at(&s.booted, 7, VARIABLE, 0)].hashed = "SecureBoot = 0";
	unmeasured(made(), "variable 'SecureBoot', ");
}

/* Off at boot; the operating system extends a variable that says on, after the separator. */
TEST(secure_boot_turned_on_by_the_operating_system)
{
	START;
	secure_boot_is("\0");
	add_variable(&s.booted, 7, VARIABLE, guid_global, "SecureBoot", "\1", 1);
	unmeasured(made(), "variable 'SecureBoot' was measured after the separator");
}

TEST(a_secure_boot_key_of_mine)
{
	START;
	struct boot mine = { 0 };
	add_key_variable(&mine, guid_security, "db", "my key");
	insert_event(&s.booted, event_at(&s.booted, 7, SEPARATOR, 0), 7, VARIABLE, mine.events[0].data.data, mine.events[0].data.len, NULL);
	boot_free(&mine);
	unmeasured(made(), "variable 'db' was measured 2 times, expected once");
}

TEST(a_revocation_list_without_the_bad_image)
{
	START;
	struct made_event *e = &s.booted.events[event_at(&s.booted, 7, VARIABLE, 4)];
	ai_buf_clear(&e->data);
	put_variable(&e->data, guid_security, "dbx", "", 0);
	unmeasured(made(), "variable 'dbx' (");
}

TEST(a_driver_hidden_in_pcr_2)
{
	START;
	insert_event(&s.booted, event_at(&s.booted, 2, SEPARATOR, 0), 2, DRIVER, "image load event", 16, "evil driver");
	unmeasured(made(), "PCR 2: event 12 (");
}

/* The same driver, called an action of the firmware's. */
TEST(a_driver_told_as_something_harmless)
{
	START;
	insert_event(&s.booted, event_at(&s.booted, 2, SEPARATOR, 0), 2, ACTION, "Calling EFI Application from Boot Option", 40, "evil driver");
	unmeasured(made(), "PCR 2: event 12 (");
}

/* And a separator: there is one in each PCR, and it says nothing. */
TEST(a_driver_told_as_a_separator)
{
	START;
	insert_event(&s.booted, event_at(&s.booted, 2, SEPARATOR, 0), 2, SEPARATOR, "\0\0\0\0", 4, "evil driver");
	unmeasured(made(), "PCR 2: event 12 (");
}

/* EV_NO_ACTION extends nothing: what is called so is missing from the replay. */
TEST(a_boot_loader_told_as_no_action)
{
	START;
	boots(&s.booted, &s.seen);
	s.f.tpm.boot = &s.seen;
	s.other.events[event_at(&s.other, 4, APPLICATION, 1)].type = NO_ACTION;
	unmeasured(told_another(), "PCR 4: the boot log replays to");
}

/* A boot loader of his own that is called by the type of a thing that the policy lists by text. */
TEST(a_boot_loader_told_as_an_action)
{
	START;
	struct made_event *e = &s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)];
	e->type = ACTION;
	e->hashed = "grub of mine";
	ai_buf_clear(&e->data);
	ai_buf_puts(&e->data, "Calling EFI Application from Boot Option");
	unmeasured(made(), "PCR 4: event");
}

TEST(a_boot_without_separators)
{
	START;
	size_t at = event_at(&s.booted, 4, SEPARATOR, 0);
	ai_buf_done(&s.booted.events[at].data);
	memmove(&s.booted.events[at], &s.booted.events[at + 1], (--s.booted.n - at) * sizeof s.booted.events[0]);
	unmeasured(made(), "PCR 4: got 0 separators, expected 1");
}

TEST(a_firmware_variable_of_mine)
{
	START;
	insert_event(&s.booted, event_at(&s.booted, 1, SEPARATOR, 0), 1, VARIABLE_BOOT, "x", 1, NULL);
	unmeasured(made(), "PCR 1: event");
}

TEST(another_firmware)
{
	START;
	s.booted.events[event_at(&s.booted, 0, CRTM_VERSION, 0)].hashed = "firmware of mine";
	unmeasured(made(), "PCR 0: event");
}

TEST(something_in_a_pcr_that_ought_to_be_zero)
{
	START;
	add_text(&s.booted, 12, IPL, "addon", "an addon of mine");
	unmeasured(made(), "PCR 12: got");
}

TEST(a_pcr_that_the_policy_forgot)
{
	START;
	change("0-9: rules", "0-2: rules, 4-9: rules");
	ends(made(), "genuine-tpm", "measured platform", "PCR 3 was quoted and the policy does not judge it");
}

/* Reference values are the verifier's to say; what a proof says of them is no field of a proof. */
TEST(reference_values_from_the_proof)
{
	START;
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)].hashed = "grub of mine";
	json_t *proof = made();
	json_object_set_new(evidence_of(proof), "reference", json_deep_copy(json_object_get(evidence_of(proof), "pcrs")));
	caught(proof, "format", "field 'reference' is unknown");
}

TEST(a_policy_of_mine_in_the_proof)
{
	START;
	json_t *proof = made();
	json_object_set_new(proof, "policy", fake_json("{'pcrs':{}}"));
	caught(proof, "format", "field 'policy' is unknown");
}

/* A good boot now; what is reused was made on another machine of the same authority, that booted something else. */
TEST(a_reused_result_of_a_bad_boot)
{
	START;
	s.other.events[event_at(&s.other, 4, APPLICATION, 1)].hashed = "grub of mine";
	boots(&s.other, &s.told);
	s.f.two_keys = true;
	s.f.other_tpm.boot = &s.told;
	struct fake_cert leaf = s.leaf;
	leaf.key = s.f.other_tpm.key;
	s.f.other_tpm.certificates = forgery_certificates(&leaf);
	ends(made(), "genuine-tpm", "measured platform+policy boot", "PCR 4: event");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_one), H(the_log_of_a_good_machine_beside_my_tpm), H(events_that_never_were_injected_into_the_log), H(the_event_that_betrays_me_left_out),
		H(the_events_in_the_order_that_the_policy_wants), H(the_log_cut_off_before_the_end), H(no_log_at_all), H(a_log_that_the_claims_do_not_name),
		H(bytes_behind_the_log_go_unseen), H(a_log_of_the_sha1_format), H(a_log_of_the_sha1_bank), H(another_kernel), H(another_boot_loader), H(one_more_boot_loader),
		H(another_uki_section), H(another_command_line), H(the_command_line_that_the_policy_wants_told_of_another), H(a_second_command_line),
		H(the_loader_runs_a_command_of_mine), H(secure_boot_off), H(secure_boot_off_told_as_on), H(secure_boot_turned_on_by_the_operating_system),
		H(a_secure_boot_key_of_mine), H(a_revocation_list_without_the_bad_image), H(a_driver_hidden_in_pcr_2), H(a_driver_told_as_something_harmless),
		H(a_driver_told_as_a_separator), H(a_boot_loader_told_as_no_action), H(a_boot_loader_told_as_an_action), H(a_boot_without_separators),
		H(a_firmware_variable_of_mine), H(another_firmware), H(something_in_a_pcr_that_ought_to_be_zero), H(a_pcr_that_the_policy_forgot),
		H(reference_values_from_the_proof), H(a_policy_of_mine_in_the_proof), H(a_reused_result_of_a_bad_boot),
	};
	return RUN("forgery_boot", tests);
}
