/* test_seal.c -- an attestation holds together: claims, quote, run log, evidence.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/seal.h"

#include <fcntl.h>

#include "attest/x509/chain.h"
#include "attest/quote/quote.h"
#include "base/fs.h"
#include "model/node.h"
#include "unit.h"

struct fixture {
	char *state;
	struct ai_tpm *t;
	json_t *executed, *none, *verified;
	struct ai_digest root;
	struct ai_claims_in in;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	ok(ai_mkdtemp("/tmp/aicert-seal", &f->state, &err));
	struct ai_tpm_options o = { .tcti = "embedded", .state = f->state };
	ok(ai_tpm_open(&o, &f->t, &err));
	struct ai_digest result = { { 3 } }, source = { { 4 } };
	f->executed = json_pack("[o]", ai_json_hex(&result));
	f->none = json_array();
	f->verified = json_pack("[{s:o, s:s}]", "id", ai_json_hex(&source), "how", "git");
	f->root = (struct ai_digest){ { 5 } };
	f->in = (struct ai_claims_in){ .plan = { { 1 } }, .root = &f->root, .executed = f->executed, .reused = f->none, .failed = f->none,
		.verified = f->verified, .started = "2026-01-01T00:00:00Z", .finished = "2026-01-01T00:00:05Z", .program_version = "0.1.0",
		.program = { { 6 } } };
	AI_JSON *plan = ai_event_plan(&f->in.plan);
	AI_JSON *results = ai_event_results(&result, 1);
	ok(ai_tpm_event(f->t, plan, &err));
	ok(ai_tpm_event(f->t, results, &err));
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	ai_tpm_close(f->t);
	ok(ai_remove_tree(AT_FDCWD, f->state, &err));
	json_decref(f->executed);
	json_decref(f->none);
	json_decref(f->verified);
	free(f->state);
	free(f);
	return 0;
}

static void
unpack(const json_t *obj, const char *key, struct ai_buf *out)
{
	const char *s = ai_json_str(obj, key);
	assert_non_null(s);
	ok(ai_b64_get(s, strlen(s), out, &err));
}

static void
check_pcrs(const json_t *evidence, const struct ai_quote *q, const struct ai_digest *pcr15)
{
	struct ai_digest pcrs[AI_N_PCRS];
	const json_t *values = ai_json_obj(evidence, "pcrs");
	assert_int_equal(json_object_size(values), AI_N_PCRS);
	for (int i = 0; i < AI_N_PCRS; i++) {
		char key[12];
		snprintf(key, sizeof key, "%d", i);
		assert_true(ai_json_digest(values, key, &pcrs[i]));
	}
	ok(ai_quote_pcrs(q, pcrs, 0xffff, &err));
	assert_true(ai_digest_eq(pcr15, &pcrs[15]));
}

/* From the JSON alone, as a verifier reads it. */
static void
check_attestation(const json_t *a, const struct ai_digest *plan)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO attest = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO sig = AI_BUF(AI_MAX_QUOTE);
	const json_t *claims = ai_json_obj(a, "claims"), *evidence = ai_json_obj(a, "evidence");
	struct ai_digest id, ak_id, boot, pcr15, empty;
	struct ai_ak ak;
	struct ai_quote q;
	struct ai_chain chain;
	AI_JSON *executed = NULL;
	size_t n_opaque;
	assert_int_equal(json_object_size(a), 4);
	assert_int_equal(json_object_size(evidence), 6);
	assert_string_equal(ai_json_str(evidence, "type"), "tpm2");
	ok(ai_node_check(claims, &err));
	ok(ai_json_id(claims, &id, &err));
	unpack(evidence, "ak_public", &public);
	unpack(a, "low_level_quote", &attest);
	unpack(a, "signature", &sig);
	ok(ai_ak_parse((uint8_t *)public.data, public.len, &ak, &err));
	assert_true(ai_json_digest(claims, "ak", &ak_id) && ai_digest_eq(&ak_id, &ak.fingerprint));
	ai_sha256("", 0, &empty);
	assert_true(ai_json_digest(claims, "boot_log", &boot) && ai_digest_eq(&boot, &empty));
	assert_string_equal(ai_json_str(evidence, "boot_log"), "");
	ok(ai_quote_signature(&ak, (uint8_t *)attest.data, attest.len, (uint8_t *)sig.data, sig.len, &err));
	ok(ai_quote_parse((uint8_t *)attest.data, attest.len, &q, &err));
	assert_memory_equal(q.extra, id.b, 32);
	ok(ai_runlog_check(ai_json_arr(evidence, "run_log"), plan, &id, &pcr15, &executed, &n_opaque, &err));
	check_pcrs(evidence, &q, &pcr15);
	ok(ai_chain_check(ai_json_arr(evidence, "ak_certificates"), &ak, NULL, &chain, &err));
	assert_true(chain.software);
	ai_chain_done(&chain);
	ai_ak_done(&ak);
}

static void
a_good_run(void **state)
{
	struct fixture *f = *state;
	AI_JSON *a = NULL;
	f->in.nonce = "a nonce";
	ok(ai_seal(f->t, &f->in, &a, &err));
	check_attestation(a, &f->in.plan);
	const json_t *claims = ai_json_obj(a, "claims");
	assert_string_equal(ai_json_str(claims, "nonce"), "a nonce");
	assert_int_equal(json_object_size(claims), 14);
	/* What the machine says of itself, and nothing more: no host name, no user. */
	const json_t *machine = ai_json_obj(claims, "machine");
	assert_int_equal(json_object_size(machine), 2);
	assert_true(ai_json_str(machine, "cpu")[0] && ai_json_str(machine, "kernel")[0]);
	json_t *again = NULL;
	refused(AI_EENV, "nothing can follow the claims", ai_seal(f->t, &f->in, &again, &err));
	assert_null(again);
}

static void
a_failed_run_has_no_root(void **state)
{
	struct fixture *f = *state;
	AI_JSON *a = NULL;
	AI_JSON *failed = json_pack("[{s:s, s:s}]", "step", "train", "how", "exit 3");
	f->in.root = NULL;
	f->in.failed = failed;
	ok(ai_seal(f->t, &f->in, &a, &err));
	check_attestation(a, &f->in.plan);
	assert_null(json_object_get(ai_json_obj(a, "claims"), "root"));
	assert_null(json_object_get(ai_json_obj(a, "claims"), "nonce"));
}

static void
refuses_a_bad_nonce(void **state)
{
	struct fixture *f = *state;
	char longest[130];
	json_t *a = NULL;
	memset(longest, 'x', sizeof longest);
	longest[129] = '\0';
	const char *const bad[] = { "", "a\nb", "caf\xc3\xa9", longest };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		f->in.nonce = bad[i];
		refused(AI_EUSAGE, "nonce", ai_seal(f->t, &f->in, &a, &err));
		assert_null(a);
	}
	longest[128] = '\0';
	f->in.nonce = longest;
	ok(ai_seal(f->t, &f->in, &a, &err));
	json_decref(a);
}

static void
refuses_claims_of_another_plan(void **state)
{
	struct fixture *f = *state;
	json_t *a = NULL;
	f->in.plan.b[0] ^= 1;
	refused(AI_ENO, "names another plan", ai_seal(f->t, &f->in, &a, &err));
	assert_null(a);
}

static void
refuses_claims_that_are_no_node(void **state)
{
	struct fixture *f = *state;
	json_t *a = NULL;
	f->in.started = "yesterday";
	refused(AI_EINPUT, "internal: claims", ai_seal(f->t, &f->in, &a, &err));
	assert_null(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_run), TEST(a_failed_run_has_no_root), TEST(refuses_a_bad_nonce), TEST(refuses_claims_of_another_plan),
		TEST(refuses_claims_that_are_no_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
