/*
 * test_threshold.c -- of how many parties each result must be the word, and who tries to be several.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_cert.h"
#include "merge_help.h"

static const char two[] = "threshold: 2\n";

/* Another run of the same key says the same root at another time. */
static void
later(struct fake *x, json_t *claims)
{
	claim_all(x, claims);
	json_object_set_new(claims, "finished", json_string("2026-01-02T01:00:00Z"));
}

static void
give_key(struct fake_tpm *to, const struct fake_tpm *from)
{
	EVP_PKEY_up_ref(from->key);
	EVP_PKEY_free(to->key);
	to->key = from->key;
}

static void
two_keys_are_two(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 2, two, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "at least 2 different parties");
	says(judged(m, 2, "threshold: 3\n", NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "got 2 parties");
	says(judged(m, 2, NULL, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "skipped", "no policy asks");
	says(judged(m, 2, "threshold: 1\n", NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "skipped", "no policy asks");
}

/* What is missed is a demand of this verifier's: the proof holds all the same. */
static void
one_is_not_two(void **state)
{
	(void)state;
	AI_JSON *a = make_all(&by[0]);
	AI_JSON *report = judged(a, 1, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO);
	assert_string_equal(ai_json_str(report, "level"), "software");
	assert_non_null(strstr(ai_json_str(report, "hint"), "aicert merge"));
	says(json_incref(report), "threshold", "failed", "step 'tokens': got 1 parties that executed it at level 'software' (key ");
}

static void
a_key_that_nobody_believes(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 1, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "got 1 parties");
	/* Not even where no signature is asked for: anybody can make two keys. */
	says(judged(m, 0, two, NULL, AI_LEVEL_UNSIGNED, AI_ENO), "threshold", "failed", "got 0 parties");
}

static void
a_key_that_the_policy_denies(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	AI_FREE char *lines = ai_format("threshold: 2\ndeny: { keys: [%s] }\n", by[1].key);
	says(judged(m, 2, lines, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "got 1 parties");
}

static void
one_key_twice(void **state)
{
	(void)state;
	give_key(&by[1].tpm, &by[0].tpm);
	json_t *a = make_all(&by[0]);
	by[1].on_claims = later;
	by[1].on_log = log_all;
	AI_JSON *m = merged((json_t *[]){ a, fake_make(&by[1]) }, 2);
	assert_int_equal(json_array_size(json_object_get(m, "cosigned")), 1);
	says(judged(m, 2, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "got 1 parties");
}

/* The second took the first's tokens over: of those there is one word. */
static void
reuse_does_not_count(void **state)
{
	(void)state;
	by[1].two_keys = true;
	give_key(&by[1].other_tpm, &by[0].tpm);
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), fake_make(&by[1]) }, 2);
	says(judged(m, 2, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "step 'tokens': got 1 parties");
	/* The other way round, too. */
	AI_JSON *turned = merged((json_t *[]){ fake_make(&by[1]), make_all(&by[0]) }, 2);
	says(judged(turned, 2, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "step 'tokens': got 1 parties");
}

/* Who executed what others took over counts as what he is: here tokens by 2 and 1, train by 0 and 1. */
static void
who_executed_it_counts(void **state)
{
	(void)state;
	by[0].two_keys = true;
	give_key(&by[0].other_tpm, &by[2].tpm);
	fake_fingerprint(&by[2].tpm, by[2].key);
	AI_JSON *m = merged((json_t *[]){ fake_make(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 3, two, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "each of 2 results");
	AI_JSON *turned = merged((json_t *[]){ make_all(&by[1]), fake_make(&by[0]) }, 2);
	says(judged(turned, 3, two, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "each of 2 results");
	/* Were that one not believed, tokens would be the word of one. */
	by[2].key[0] = '\0';
	says(judged(turned, 2, two, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "step 'tokens': got 1 parties");
}

/* Who booted what the policy does not want is no second party, though his key is good. */
static void
another_boot(void **state)
{
	(void)state;
	struct fake_boot wanted, other;
	char hex[AI_HEX];
	fake_boot_init(&wanted);
	fake_boot_init(&other);
	fake_boot_usual(&wanted, "uki", 1);
	fake_boot_usual(&other, "another uki", 1);
	ai_hex(&wanted.pcrs[4], hex);
	AI_FREE char *lines = ai_format("threshold: 2\npcrs: { 4: [%s] }\n", hex);
	by[0].tpm.boot = by[1].tpm.boot = &wanted;
	AI_JSON *same = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(same, 2, lines, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "at least 2");
	by[1].tpm.boot = &other;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 2, lines, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "threshold", "failed", "got 1 parties");
	says(judged(m, 2, two, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "at least 2");
	fake_boot_done(&wanted);
	fake_boot_done(&other);
}

/* A program that is denied is denied wherever it ran: also where only a cosigned attestation reuses its result. */
static void
denied_where_it_was_lent(void **state)
{
	(void)state;
	by[1].two_keys = true;
	give_key(&by[1].other_tpm, &by[2].tpm);
	fake_fingerprint(&by[2].tpm, by[2].key);
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), fake_make(&by[1]) }, 2);
	says(judged(m, 3, two, NULL, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "at least 2");
	AI_FREE char *lines = ai_format("deny: { keys: [%s] }\n", by[2].key);
	says(judged(m, 3, lines, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "policy denied", "failed", by[1].earlier);
}

/* --- genuine TPMs ------------------------------------------------------------ */

/* An attestation CA of this name, believed with this authority; the builder's key gets a certificate of it. */
static void
enroll(struct fake *x, EVP_PKEY *ca, const char *ca_name)
{
	const struct fake_cert leaf = { .subject = "AK", .issuer = ca_name, .key = x->tpm.key, .signer = ca, .constraints = "critical,CA:FALSE",
		.usage = "critical,digitalSignature", .extended = "critical,2.23.133.8.3" };
	const struct fake_cert root = { .subject = ca_name, .issuer = ca_name, .key = ca, .signer = ca, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign" };
	x->tpm.certificates = json_pack("[o, o]", fake_cert_text(&leaf), fake_cert_text(&root));
}

static void
believe(struct ai_roots *roots, EVP_PKEY *ca, const char *ca_name, const char *authority)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	const struct fake_cert root = { .subject = ca_name, .issuer = ca_name, .key = ca, .signer = ca, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign" };
	fake_cert_der(&root, &der);
	ok(ai_roots_add(roots, der.data, der.len, NULL, AI_ROLE_AK_CA, authority, &err));
}

/* Two builders, each with a TPM that one of two CAs vouches for. */
static void
count_authorities(bool one_ca, const char *authority_1, const char *authority_2, int want, const char *words)
{
	EVP_PKEY *ca[2] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-256") };
	struct ai_roots *roots = NULL;
	ok(ai_roots_new(false, &roots, &err));
	believe(roots, ca[0], "ca one", authority_1);
	believe(roots, ca[1], "ca two", authority_2);
	enroll(&by[0], ca[0], "ca one");
	enroll(&by[1], one_ca ? ca[0] : ca[1], one_ca ? "ca one" : "ca two");
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 0, two, roots, AI_LEVEL_GENUINE_TPM, want), "threshold", want ? "failed" : "passed", words);
	ai_roots_free(roots);
	EVP_PKEY_free(ca[0]);
	EVP_PKEY_free(ca[1]);
}

static void two_authorities(void **state) { (void)state; count_authorities(false, "north", "south", 0, "at level 'genuine-tpm'"); }
static void one_authority_twice(void **state) { (void)state; count_authorities(false, "north", "north", AI_ENO, "got 1 parties that executed it at level 'genuine-tpm' (authority 'north')"); }
static void one_ca_twice(void **state) { (void)state; count_authorities(true, "north", "south", AI_ENO, "got 1 parties"); }
static void nameless_authorities(void **state) { (void)state; count_authorities(false, NULL, NULL, 0, "at least 2"); }
static void nameless_ca_twice(void **state) { (void)state; count_authorities(true, NULL, NULL, AI_ENO, "(anchor "); }

/* A key in software is no second party where genuine TPMs are asked for. */
static void
less_than_required(void **state)
{
	(void)state;
	EVP_PKEY *ca = EVP_EC_gen("P-256");
	struct ai_roots *roots = NULL;
	ok(ai_roots_new(false, &roots, &err));
	believe(roots, ca, "ca", "north");
	enroll(&by[0], ca, "ca");
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	says(judged(m, 2, two, roots, AI_LEVEL_GENUINE_TPM, AI_ENO), "threshold", "failed", "got 1 parties");
	says(judged(m, 2, two, roots, AI_LEVEL_SOFTWARE, 0), "threshold", "passed", "at least 2");
	ai_roots_free(roots);
	EVP_PKEY_free(ca);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(two_keys_are_two), T(one_is_not_two), T(a_key_that_nobody_believes), T(a_key_that_the_policy_denies), T(one_key_twice), T(reuse_does_not_count),
		T(who_executed_it_counts), T(another_boot), T(denied_where_it_was_lent), T(two_authorities), T(one_authority_twice), T(one_ca_twice), T(nameless_authorities), T(nameless_ca_twice),
		T(less_than_required),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
