/* test_policy_init.c -- the policy that is made from a proof: the proof passes it, and another does not.  SPDX-License-Identifier: Apache-2.0 */
#include "policy_help.h"
#include "proof_cases.h"

static char text[65536];

/* Writes the policy of a proof, borrowed, into text. */
static void
init_from(const json_t *proof)
{
	struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .allow_withheld = true };
	struct ai_evidence e = { 0 };
	struct ai_eventlog log;
	AI_JSON *report = NULL, *facts = NULL;
	AI_BUF_AUTO out = AI_BUF(sizeof text - 1);
	ok(fake_verify(&f, proof, &o, &report, &err));
	ok(ai_evidence_open(proof, &e, &err));
	if (e.boot_log.len) {
		ok(ai_eventlog_parse((const uint8_t *)e.boot_log.data, e.boot_log.len, false, &log, &err));
		ok(ai_eventlog_facts(&log, AI_BANK_SHA256, &facts, &err));
		ai_eventlog_done(&log);
	}
	ok(ai_policy_init(proof, report, facts, &out, &err));
	memcpy(text, out.data, out.len + 1);
	ai_evidence_done(&e);
}

/* Verifies with nothing but the policy: failing NULL: it passes; else that check fails. */
static void
verify_with_text(const json_t *proof, const char *failing)
{
	struct ai_policy *p = policy_of(text);
	struct ai_verify_options o = { .policy = p };
	AI_JSON *report = NULL;
	struct ai_err err = { 0 };
	assert_true(ai_policy_require(p, &o.require));
	int r = fake_verify(&f, proof, &o, &report, &err);
	ai_policy_free(p);
	if (r != (failing ? AI_ENO : 0))
		fail_msg("got %d '%s'\n%s", r, err.text, text);
	if (failing && strcmp(ai_json_str(fake_check_named(report, failing), "status"), "failed") != 0)
		fail_msg("'%s' did not fail: %s", failing, err.text);
}

/* Turns the line that begins so into a comment. */
static void
drop_line(const char *begin)
{
	char *at = strstr(text, begin);
	if (!at)
		fail_msg("no line '%s' in\n%s", begin, text);
	*at = '#';
}

static void
has(const char *words)
{
	if (!strstr(text, words))
		fail_msg("no '%s' in\n%s", words, text);
}

static void
other_weights(struct fake *x, json_t *result)
{
	(void)x;
	json_object_set_new(json_array_get(json_object_get(result, "outputs"), 0), "blob", json_string(nowhere));
}

static void
other_weights_out(struct fake *x, json_t *run)
{
	(void)x;
	json_object_set_new(json_array_get(json_object_get(run, "outputs"), 0), "blob", json_string(nowhere));
}

static void
test_this_proof_and_no_other(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	init_from(proof);
	has("require: software");
	has(f.key);
	has("inputs-only: true");
	has("environments: [ host ]");
	verify_with_text(proof, NULL);
	/* Another key. */
	fake_done(&f);
	fake_init(&f);
	AI_JSON *stranger = fake_make(&f);
	verify_with_text(stranger, "accepted key");
}

static void
test_other_output(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	init_from(proof);
	json_t *nodes = f.nodes, *blobs = f.blobs, *attestations = f.attestations;
	f.nodes = json_object();
	f.blobs = json_object();
	f.attestations = json_object();
	f.on_train_result = other_weights;
	f.on_run = other_weights_out;
	AI_JSON *other = fake_make(&f);
	verify_with_text(other, "policy root");
	drop_line("root: ");
	verify_with_text(proof, NULL);
	verify_with_text(other, "policy outputs");
	json_decref(nodes);
	json_decref(blobs);
	json_decref(attestations);
}

static void
test_no_policy_of_an_altered_proof(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *report = json_pack("{s:s}", "level", "none");
	AI_BUF_AUTO out = AI_BUF(4096);
	refused(AI_ENO, "does not hold", ai_policy_init(proof, report, NULL, &out, &err));
	assert_int_equal(out.len, 0);
}

/* --- what was booted --------------------------------------------------------------- */

static void
boot_from(struct fake_boot *to, const struct ai_evidence *e)
{
	*to = (struct fake_boot){ .log = AI_BUF(AI_MAX_BOOT_LOG) };
	ai_buf_put(&to->log, e->boot_log.data, e->boot_log.len);
	memcpy(to->pcrs, e->pcrs, sizeof to->pcrs);
}

/* The policy of a proof after one boot, and what it makes of the same run after another. */
static void
one_then_other(const struct ai_evidence *one, const struct ai_evidence *other)
{
	struct fake_boot a, b;
	boot_from(&a, one);
	boot_from(&b, other);
	f.tpm.boot = &a;
	AI_JSON *proof = fake_make(&f);
	init_from(proof);
	verify_with_text(proof, NULL);
	f.tpm.boot = &b;
	AI_JSON *after = fake_make(&f);
	verify_with_text(after, "policy boot");
	/* The other log beside the first one's PCRs. */
	f.tpm.boot = &a;
	f.tpm.told = &b;
	AI_JSON *told = fake_make(&f);
	verify_with_text(told, "policy boot");
	fake_boot_done(&a);
	fake_boot_done(&b);
}

static void
test_made_boot(void **state)
{
	(void)state;
	struct boot one, other;
	struct ai_evidence e1, e2;
	make_boot(&one);
	make_boot(&other);
	other.events[event_at(&other, 4, APPLICATION, 1)].hashed = "grub with a back door";
	quote_boot(&one, &e1);
	quote_boot(&other, &e2);
	one_then_other(&e1, &e2);
	has("  secure_boot: on\n");
	has("  drivers: none\n");
	has("  command_line: [ \"/vmlinuz quiet\" ]\n");
	has("  1: rules\n");
	has("  5: rules\n");
	has("  10: zero\n");
	has("    \".linux\": ");
	has("{ name: \"Boot####\" }");
	/* The boot entries and the disk may change; what is loaded may not. */
	boot_free(&other);
	make_boot(&other);
	add_variable(&other, 1, VARIABLE_BOOT, guid_global, "Boot0007", "a stick", 7);
	ai_buf_done(&e2.boot_log);
	quote_boot(&other, &e2);
	judge_with(text, &e2, NULL);
	ai_buf_done(&e1.boot_log);
	ai_buf_done(&e2.boot_log);
	boot_free(&one);
	boot_free(&other);
}

static void
quote_vector(const char *name, struct ai_evidence *e)
{
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	load_vector(name, &log);
	quote_log(log.data, log.len, e);
}

static void
test_real_boots(void **state)
{
	(void)state;
	static const char *const names[] = { "rhel8-uefi.bin", "ubuntu-1804-amd-sev.bin", "arch-linux-workstation.bin", "gdc-host.bin", "cos-101-amd-sev.bin" };
	if (!shared_dir())
		skip();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct ai_evidence one, other;
		quote_vector(names[i], &one);
		quote_vector(names[(i + 1) % 5], &other);
		one_then_other(&one, &other);
		has("secure_boot: ");
		has("\npcrs:\n");
		ai_buf_done(&one.boot_log);
		ai_buf_done(&other.boot_log);
		fake_done(&f);
		fake_init(&f);
	}
}

/* A log that is not what was quoted gives no rules, and says so. */
static void
test_log_that_does_not_replay(void **state)
{
	(void)state;
	struct boot one;
	struct ai_evidence e;
	struct fake_boot a;
	make_boot(&one);
	quote_boot(&one, &e);
	boot_from(&a, &e);
	a.pcrs[4].b[0] ^= 1;
	f.tpm.boot = &a;
	AI_JSON *proof = fake_make(&f);
	init_from(proof);
	has("does not replay");
	assert_null(strstr(text, "\npcrs:"));
	verify_with_text(proof, NULL);
	fake_boot_done(&a);
	ai_buf_done(&e.boot_log);
	boot_free(&one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_this_proof_and_no_other), T(test_other_output), T(test_no_policy_of_an_altered_proof), T(test_made_boot), T(test_real_boots),
		T(test_log_that_does_not_replay),
	};
	return cmocka_run_group_tests_name("policy_init", tests, NULL, NULL);
}
