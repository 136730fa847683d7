/*
 * test_forgery_vm.c -- forgeries of a measured runner's proof: of the job that it was given, and of who operates it.
 *
 * The good one is a proof whose run log begins with the job, in front of a policy that asks for one. PCR 15 is what the log gives, unless the
 * test says that it is not.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forgery.h"

/* SHA-256 of two headers. */
static const char given[] = "2222222222222222222222222222222222222222222222222222222222222222";
static const char other_job[] = "3333333333333333333333333333333333333333333333333333333333333333";

static json_t *job_event(const char *id) { return fake_json("{'event':'job','id':'%s'}", id); }
static void begins_with_the_job(struct fake *x, json_t *log) { (void)x; json_array_insert_new(log, 0, job_event(given)); }

static int
runner_setup(void **state)
{
	forgery_setup(state);
	change("require:", "job: required\nrequire:");
	s.f.on_log = s.f.on_earlier_log = begins_with_the_job;
	return 0;
}

static json_t *log_of_proof(const json_t *proof) { return json_object_get(evidence_of(proof), "run_log"); }
/* The log is not what was extended; what it says of a job counts for nothing. */
static void not_logged(json_t *proof, const char *words) { ends(proof, "none", "run log+policy job", words); }
/* The proof holds and its boot is good; what ran in it is not what a measured machine runs. */
static void no_runner(json_t *proof, const char *words) { ends(proof, "measured-platform", "policy job", words); }

static void
digest_of(const json_t *event, json_t **out)
{
	struct ai_digest d;
	ok(ai_event_digest(event, &d, &err));
	*out = json_pack("{s:s, s:o}", "event", "opaque", "digest", ai_json_hex(&d));
}

static const char *
compared(const json_t *report, const char *name)
{
	return ai_json_str(fake_check_named(report, name), "compared");
}

/* The report on this proof under the policy as it is now; steals the proof. */
static json_t *
report_on(json_t *proof)
{
	struct ai_policy *p = policy_of(s.policy.data);
	struct ai_verify_options o = s.o;
	json_t *report = NULL;
	struct ai_err unsaid = { 0 };
	o.policy = p;
	char *text = json_dumps(proof, JSON_COMPACT);
	json_decref(proof);
	int r = ai_verify(text, strlen(text), "proof.json", &o, &report, &unsaid);
	free(text);
	ai_policy_free(p);
	assert_non_null(report);
	assert_int_equal(r == 0, json_is_true(json_object_get(report, "verified")));
	return report;
}

TEST(the_good_runner_says_what_it_was_given)
{
	START;
	AI_JSON *report = report_on(made());
	assert_string_equal(ai_json_str(report, "job"), given);
	assert_non_null(strstr(compared(report, "run log"), "given as job disk 2222"));
	assert_true(json_is_true(json_object_get(json_object_get(report, "boot"), "replayed")));
	assert_true(json_is_true(json_object_get(json_object_get(report, "boot"), "matches")));
}

TEST(the_good_job_is_one_that_the_policy_lists)
{
	START;
	AI_FREE char *list = ai_format("job: [ %s, %s ]", other_job, given);
	change("job: required", list);
	ends(made(), "measured-platform", "", "");
}

TEST(the_good_one_of_no_runner_where_none_is_asked_for)
{
	START;
	change("job: required\n", "");
	s.f.on_log = s.f.on_earlier_log = NULL;
	AI_JSON *report = report_on(made());
	assert_string_equal(ai_json_str(report, "job"), "");
	assert_true(json_is_true(json_object_get(report, "verified")));
}

static void
from_a_checkpoint(struct fake *x, json_t *result)
{
	(void)x;
	json_object_set_new(result, "resumed", fake_json("['%s']", other_job));
}

/* No forgery of a builder's own machine, but nothing to be passed over in silence. */
TEST(the_good_one_of_no_runner_went_on_from_a_checkpoint)
{
	START;
	change("job: required\n", "");
	s.f.on_log = s.f.on_earlier_log = NULL;
	s.f.on_train_result = from_a_checkpoint;
	AI_JSON *report = report_on(made());
	assert_true(json_is_true(json_object_get(report, "verified")));
	assert_non_null(strstr(compared(report, "plan"), "not where the checkpoints came from, which a run that had not ended left, and from which went on 'train'"));
}

TEST(a_measured_runner_went_on_from_a_checkpoint)
{
	START;
	s.f.on_train_result = from_a_checkpoint;
	caught(made(), "plan", "a measured runner has none");
}

static json_t *
facts_of(const json_t *proof)
{
	struct ai_eventlog log = { 0 };
	struct ai_buf bytes;
	json_t *facts = NULL;
	get_bytes(evidence_of(proof), "boot_log", &bytes);
	ok(ai_eventlog_parse((const uint8_t *)bytes.data, bytes.len, false, &log, &err));
	ok(ai_eventlog_facts(&log, AI_BANK_SHA256, &facts, &err));
	ai_eventlog_done(&log);
	ai_buf_done(&bytes);
	return facts;
}

/* A policy made from it asks for a job, and takes it; of a run without one it asks for none. */
TEST(the_good_job_is_asked_for_by_a_policy_made_from_it)
{
	START;
	for (int job = 1; job >= 0; job--) {
		AI_BUF_AUTO made_of_it = AI_BUF(AI_MAX_AICERTFILE);
		if (!job) {
			change("job: required\n", "");
			s.f.on_log = NULL;
		}
		json_t *proof = job ? made() : fake_make(&s.f);
		AI_JSON *report = report_on(json_incref(proof));
		assert_string_equal(ai_json_str(report, "level"), "measured-platform");
		AI_JSON *facts = facts_of(proof);
		ok(ai_policy_init(proof, report, facts, &made_of_it, &err));
		assert_int_equal(strstr(made_of_it.data, "\njob: required\n") != NULL, job);
		json_decref(proof);
	}
}

/* --- the job, in the file -------------------------------------------------------- */

TEST(the_job_dropped_from_the_log)
{
	START;
	json_t *proof = made();
	json_array_remove(log_of_proof(proof), 0);
	not_logged(proof, "expected PCR 15");
}

TEST(the_job_doubled)
{
	START;
	json_t *proof = made();
	json_array_insert(log_of_proof(proof), 0, json_array_get(log_of_proof(proof), 0));
	not_logged(proof, "a second job event");
}

TEST(the_job_moved_behind_the_plan)
{
	START;
	json_t *proof = made(), *log = log_of_proof(proof), *job = json_incref(json_array_get(log, 0));
	json_array_remove(log, 0);
	json_array_insert_new(log, 1, job);
	not_logged(proof, "job event follows the plan");
}

TEST(the_job_exchanged_for_another)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_array_get(log_of_proof(proof), 0), "id", json_string(other_job));
	not_logged(proof, "expected PCR 15");
}

TEST(the_job_of_an_earlier_attestation_exchanged)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_array_get(log_of_proof(earlier_of(proof)), 0), "id", json_string(other_job));
	caught(proof, "reused", "expected PCR 15");
}

TEST(a_job_that_was_never_measured_put_into_the_log)
{
	START;
	s.f.on_log = NULL;
	json_t *proof = made();
	json_array_insert_new(log_of_proof(proof), 0, job_event(given));
	not_logged(proof, "expected PCR 15");
}

TEST(a_job_with_a_word_more)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_array_get(log_of_proof(proof), 0), "by", json_string("ops"));
	not_logged(proof, "got 3 fields");
}

/* It replays: an opaque event is its digest. */
TEST(the_job_made_opaque)
{
	START;
	json_t *proof = made(), *log = log_of_proof(proof), *event;
	digest_of(json_array_get(log, 0), &event);
	json_array_set_new(log, 0, event);
	no_runner(proof, "has no job event");
}

/* --- the job, measured: a machine of the builder's that boots what is good and extends what it likes ----- */

TEST(a_run_that_was_given_nothing)
{
	START;
	s.f.on_log = NULL;
	no_runner(made(), "has no job event");
}

TEST(a_reused_result_of_a_run_that_was_given_nothing)
{
	START;
	s.f.on_earlier_log = NULL;
	no_runner(made(), "has no job event");
}

static void
lie_two_jobs_on_one_boot(struct fake *x, json_t *log)
{
	begins_with_the_job(x, log);
	json_array_insert_new(log, 0, job_event(other_job));
}
TEST(two_jobs_on_one_boot)
{
	START;
	s.f.on_log = lie_two_jobs_on_one_boot;
	not_logged(made(), "a second job event");
}

static void
insert_opaque(json_t *log, size_t at)
{
	json_array_insert_new(log, at, fake_json("{'event':'opaque','digest':'%s'}", other_job));
}

/* The first job of the boot is known by its digests only. */
static void lie_another_job_before(struct fake *x, json_t *log) { begins_with_the_job(x, log); for (size_t i = 0; i < 4; i++) insert_opaque(log, 0); }
TEST(a_second_job_on_the_same_boot_with_the_first_one_opaque)
{
	START;
	s.f.on_log = lie_another_job_before;
	ends(made(), "genuine-tpm", "measured platform+policy job", "PCR 15: the run log holds events beside this job's own");
}

/* And whatever the policy says of jobs: a log that speaks of one is a runner's, or is none. */
TEST(a_second_job_where_the_policy_asks_for_none)
{
	START;
	change("job: required\n", "");
	s.f.on_log = lie_another_job_before;
	ends(made(), "genuine-tpm", "measured platform", "PCR 15: the run log holds events beside this job's own");
}

static void lie_something_between_job_and_plan(struct fake *x, json_t *log) { begins_with_the_job(x, log); insert_opaque(log, 1); }
TEST(something_extended_between_job_and_plan)
{
	START;
	s.f.on_log = lie_something_between_job_and_plan;
	ends(made(), "genuine-tpm", "measured platform+policy job", "does one job and begins with it");
}

static void lie_something_among_the_results(struct fake *x, json_t *log) { begins_with_the_job(x, log); insert_opaque(log, 2); }
TEST(something_extended_while_it_ran)
{
	START;
	s.f.on_log = lie_something_among_the_results;
	ends(made(), "genuine-tpm", "measured platform+policy job", "does one job and begins with it");
}

/* The first job's extends are in PCR 15, and the log does not have them. */
TEST(a_second_job_on_the_same_boot_without_its_log)
{
	START;
	s.f.on_log = lie_another_job_before;
	json_t *proof = made();
	for (size_t i = 0; i < 4; i++)
		json_array_remove(log_of_proof(proof), 0);
	not_logged(proof, "expected PCR 15");
}

static void lie_a_job_behind_the_claims(struct fake *x, json_t *log) { (void)x; json_array_append_new(log, job_event(given)); }
TEST(a_job_behind_the_claims)
{
	START;
	s.f.on_log = lie_a_job_behind_the_claims;
	not_logged(made(), "follows claims");
}

TEST(another_job_than_the_one_that_i_was_told_of)
{
	START;
	AI_FREE char *list = ai_format("job: [ %s ]", other_job);
	change("job: required", list);
	no_runner(made(), "given as job disk 2222");
}

TEST(any_job_where_the_policy_lists_none)
{
	START;
	change("job: required", "job: []");
	no_runner(made(), "none of the 0 that the policy lists");
}

/* A good quote of another boot of the same machine, with this boot's log. */
TEST(the_quote_of_another_job)
{
	START;
	json_t *proof = made();
	s.f.on_log = lie_something_between_job_and_plan;
	json_t *again = fake_make(&s.f);
	json_object_set(evidence_of(again), "run_log", log_of_proof(proof));
	json_decref(proof);
	not_logged(again, "expected PCR 15");
}

/* --- who operates it ---------------------------------------------------------------- */

/* Verdict at this level, with these words why it is not more. */
static void
not_more(const char *level, const char *first, const char *second)
{
	AI_JSON *report = report_on(made());
	const char *why = ai_json_str(report, "why_not_next");
	if (strcmp(ai_json_str(report, "level"), level) != 0 || !strstr(why, first) || (second && !strstr(why, second)))
		fail_msg("level '%s', '%s': lacks '%s' or '%s'", ai_json_str(report, "level"), why, first, second);
	if (!second && strstr(why, "runner matches"))
		fail_msg("'%s' says that the runner matches", why);
}

static void
accept_own_key(void)
{
	static char fingerprint[AI_HEX];
	static const char *keys[] = { fingerprint };
	fake_fingerprint(&s.f.tpm, fingerprint);
	s.o.keys = keys;
	s.o.n_keys = 1;
	s.no_certificates = true;
}

/* The builder's own QEMU: everything matches, and all of it is his word. */
TEST(my_own_qemu_with_the_good_runner)
{
	START;
	accept_own_key();
	not_more("software", "has no certificate", "boot replayed, runner matches");
}

TEST(my_own_qemu_with_another_runner)
{
	START;
	accept_own_key();
	s.booted.events[event_at(&s.booted, 11, IPL, 3)].hashed = "initrd of mine";
	not_more("software", "has no certificate", NULL);
}

TEST(my_own_qemu_under_a_policy_that_does_not_speak_of_boots)
{
	START;
	accept_own_key();
	ai_buf_clear(&s.policy);
	ai_buf_puts(&s.policy, "aicert-policy: 1\n");
	not_more("software", "has no certificate", NULL);
}

/* What the policy says of boots holds at level software, too. */
TEST(my_own_qemu_with_another_runner_at_level_software)
{
	START;
	accept_own_key();
	s.o.require = AI_LEVEL_SOFTWARE;
	s.booted.events[event_at(&s.booted, 11, IPL, 3)].hashed = "initrd of mine";
	AI_JSON *report = report_on(made());
	assert_false(json_is_true(json_object_get(report, "verified")));
	assert_string_equal(ai_json_str(fake_check_named(report, "policy boot"), "status"), "failed");
	assert_non_null(strstr(compared(report, "policy boot"), "PCR 11"));
}

/* Certified by a CA that the policy knows and does not name as operator. */
TEST(my_own_qemu_with_a_certificate_of_a_ca_that_is_no_operator)
{
	START;
	change("authorities: [ gcp, { name: ops-team, roots: [ team-ca ] } ]", "authorities: [ gcp ]");
	not_more("genuine-tpm", "none of the authorities that the policy names", "boot replayed, runner matches");
}

/* By a CA of the builder's own that this verifier never heard of. */
TEST(my_own_qemu_with_a_certificate_of_my_own_ca)
{
	START;
	struct fake_cert root = { .subject = "ops-team", .issuer = "ops-team", .key = s.own_key, .signer = s.own_key,
		.constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign", .serial = 1 };
	s.root = root;
	s.mid.issuer = "ops-team";
	s.mid.signer = s.own_key;
	not_more("unsigned", "does not accept the attestation key", NULL);
}

/* The operator's CA as a root of endorsement keys: it says whose TPM, and nothing of attestation keys. */
TEST(my_own_qemu_where_the_ca_has_another_role)
{
	START;
	change("role: ak-ca", "role: ek");
	not_more("unsigned", "does not accept the attestation key", NULL);
}

#define R(name) cmocka_unit_test_setup_teardown(name, runner_setup, forgery_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		R(the_good_one), R(the_good_runner_says_what_it_was_given), R(the_good_job_is_one_that_the_policy_lists),
		R(the_good_one_of_no_runner_where_none_is_asked_for), R(the_good_one_of_no_runner_went_on_from_a_checkpoint),
		R(a_measured_runner_went_on_from_a_checkpoint), R(the_good_job_is_asked_for_by_a_policy_made_from_it),
		R(the_job_dropped_from_the_log), R(the_job_doubled), R(the_job_moved_behind_the_plan),
		R(the_job_exchanged_for_another), R(the_job_of_an_earlier_attestation_exchanged), R(a_job_that_was_never_measured_put_into_the_log),
		R(a_job_with_a_word_more), R(the_job_made_opaque), R(a_run_that_was_given_nothing), R(a_reused_result_of_a_run_that_was_given_nothing),
		R(two_jobs_on_one_boot), R(a_second_job_on_the_same_boot_with_the_first_one_opaque), R(a_second_job_where_the_policy_asks_for_none),
		R(something_extended_between_job_and_plan), R(something_extended_while_it_ran), R(a_second_job_on_the_same_boot_without_its_log),
		R(a_job_behind_the_claims), R(another_job_than_the_one_that_i_was_told_of), R(any_job_where_the_policy_lists_none),
		R(the_quote_of_another_job), R(my_own_qemu_with_the_good_runner), R(my_own_qemu_with_another_runner),
		R(my_own_qemu_under_a_policy_that_does_not_speak_of_boots), R(my_own_qemu_with_another_runner_at_level_software),
		R(my_own_qemu_with_a_certificate_of_a_ca_that_is_no_operator), R(my_own_qemu_with_a_certificate_of_my_own_ca),
		R(my_own_qemu_where_the_ca_has_another_role),
	};
	return RUN("forgery_vm", tests);
}
