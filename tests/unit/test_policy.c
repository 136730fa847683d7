/* test_policy.c -- a policy's file: what it may say, and every refusal at its place.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/hash.h"
#include "proof/policy/policy.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A CA of nobody's: P-256, self-signed, CN=Policy Test CA. */
static const char pem[] =
	"        -----BEGIN CERTIFICATE-----\n"
	"        MIIBmTCCAT+gAwIBAgIUO/lWhrezR8X6ZLzmrZlEaEWljiEwCgYIKoZIzj0EAwIw\n"
	"        GTEXMBUGA1UEAwwOUG9saWN5IFRlc3QgQ0EwIBcNMjYxMTIzMDYzNjEwWhgPMjEy\n"
	"        NjEwMzAwNjM2MTBaMBkxFzAVBgNVBAMMDlBvbGljeSBUZXN0IENBMFkwEwYHKoZI\n"
	"        zj0CAQYIKoZIzj0DAQcDQgAEjPkXa4/spoLIqXkYukZeEzG7HFP530diRB49n+N3\n"
	"        klgPFPUuoQzaRNvzpdMTkx3HEChno0Xu4k+LaqIQMH9UNaNjMGEwHQYDVR0OBBYE\n"
	"        FH5t73k6SAlQYg7c0zeYzN+IIZxAMB8GA1UdIwQYMBaAFH5t73k6SAlQYg7c0zeY\n"
	"        zN+IIZxAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49\n"
	"        BAMCA0gAMEUCIBDchlDC3AjRcCLO2tw23ZuN7MiqhYNaHyCvWO84WuiQAiEAv/Y/\n"
	"        wmUeh5CzSjcERlIHoTT1A+1HHZwriv7/AMyKSFE=\n"
	"        -----END CERTIFICATE-----\n";

static struct ai_policy *
parse(const char *text)
{
	struct ai_policy *p = NULL;
	ok(ai_policy_parse(text, strlen(text), "p.yaml", NULL, NULL, &p, &err));
	assert_non_null(p);
	return p;
}

static void
bad(const char *text, const char *words)
{
	struct ai_policy *p = (void *)0x1;
	struct ai_err err = { 0 };
	int r = ai_policy_parse(text, strlen(text), "p.yaml", NULL, NULL, &p, &err);
	if (r != AI_EUSAGE && r != AI_EINPUT)
		fail_msg("'%s': got %d '%s', expected a refusal", text, r, err.text);
	if (!strstr(err.text, words))
		fail_msg("'%s': text '%s' lacks '%s'", text, err.text, words);
	if (strncmp(err.text, "p.yaml:", 7) != 0)
		fail_msg("'%s': text '%s' names no place", text, err.text);
	assert_ptr_equal(p, (void *)0x1);
}

static void
test_least(void **state)
{
	(void)state;
	struct ai_policy *p = parse("aicert-policy: 1\n");
	ai_level level = AI_LEVEL_NONE;
	assert_false(ai_policy_require(p, &level));
	assert_int_equal(ai_policy_key(p, HEX_A), 0);
	assert_false(ai_policy_authority(p, "azure"));
	assert_null(ai_policy_nonce(p));
	assert_false(ai_policy_wants_timestamp(p));
	assert_false(ai_policy_may_withhold(p, "source", "a"));
	assert_int_equal(ai_policy_threshold(p), 1);
	ai_policy_free(p);
}

static void
test_answers(void **state)
{
	(void)state;
	struct ai_policy *p = parse("aicert-policy: 1\nrequire: genuine-tpm\nkeys: { accept: [ " HEX_A " ], deny: [ " HEX_B " ] }\n"
		"authorities: [ azure, { name: ops-team } ]\nnonce: 'fresh 1'\ntimestamp: required\nwithhold: [ tree, source:code ]\nthreshold: 3\n"
		"deny: { keys: [ cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc ] }\n");
	ai_level level = AI_LEVEL_NONE;
	assert_true(ai_policy_require(p, &level));
	assert_int_equal(level, AI_LEVEL_GENUINE_TPM);
	assert_int_equal(ai_policy_key(p, HEX_A), 1);
	assert_int_equal(ai_policy_key(p, HEX_B), -1);
	assert_int_equal(ai_policy_key(p, "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"), -1);
	assert_true(ai_policy_authority(p, "azure"));
	assert_true(ai_policy_authority(p, "ops-team"));
	assert_false(ai_policy_authority(p, "gcp"));
	assert_false(ai_policy_authority(p, ""));
	assert_string_equal(ai_policy_nonce(p), "fresh 1");
	assert_true(ai_policy_wants_timestamp(p));
	assert_true(ai_policy_may_withhold(p, "tree", NULL));
	assert_true(ai_policy_may_withhold(p, "source", "code"));
	assert_false(ai_policy_may_withhold(p, "source", "data"));
	assert_false(ai_policy_may_withhold(p, "source", NULL));
	assert_false(ai_policy_may_withhold(p, "environment", NULL));
	assert_int_equal(ai_policy_threshold(p), 3);
	ai_policy_free(p);
}

/* A key that is accepted and denied is denied. */
static void
test_denied_wins(void **state)
{
	(void)state;
	struct ai_policy *p = parse("aicert-policy: 1\nkeys: { accept: [ " HEX_A " ] }\ndeny: { keys: [ " HEX_A " ] }\n");
	assert_int_equal(ai_policy_key(p, HEX_A), -1);
	ai_policy_free(p);
}

static const struct { const char *text, *words; } refusals[] = {
	{ "", "p.yaml:" },
	{ "- a\n", "expected a map" },
	{ "require: software\n", "'aicert-policy: 1' is missing" },
	{ "aicert-policy: 2\n", "p.yaml:1:16: aicert-policy: got '2', expected '1'" },
	{ "aicert-policy: 1\nrequre: software\n", "p.yaml:2:1: a policy has no key 'requre' (did you mean 'require'?)" },
	{ "aicert-policy: 1\nrequire: high\n", "p.yaml:2:10: require: got 'high', expected" },
	{ "aicert-policy: 1\nrequire: software\nrequire: unsigned\n", "is given twice" },
	{ "aicert-policy: 1\nboot: { secure_boot: on, secure_boot: off }\n", "is given twice" },
	{ "aicert-policy: 1\ninputs: { a: " HEX_A ", a: " HEX_B " }\n", "is given twice" },
	{ "aicert-policy: 1\nrequire: measured-platform\n", "needs 'authorities'" },
	{ "aicert-policy: 1\nrequire: measured-platform\nauthorities: [ azure ]\n", "needs 'pcrs'" },
	{ "aicert-policy: 1\njob: yes\n", "p.yaml:2:6: job: got 'yes', expected 'required'" },
	{ "aicert-policy: 1\njob: [ abc ]\n", "job: got 'abc', expected 64 lower-case hex digits" },
	{ "aicert-policy: 1\njob: { required: true }\n", "job: got" },
	{ "aicert-policy: 1\nkeys: { accept: abc }\n", "p.yaml:2:17: accept: got a text, expected a list" },
	{ "aicert-policy: 1\nkeys: { accept: [ abc ] }\n", "p.yaml:2:19: accept: got 'abc', expected 64 lower-case hex digits" },
	{ "aicert-policy: 1\nkeys: { accept: [ AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ] }\n", "lower-case" },
	{ "aicert-policy: 1\nkeys: { acept: [] }\n", "did you mean 'accept'" },
	{ "aicert-policy: 1\nkeys: { accept: [ " HEX_A ", " HEX_A " ] }\n", "listed twice" },
	{ "aicert-policy: 1\npcrs: { 15: zero }\n", "PCR 15 is the run's own log" },
	{ "aicert-policy: 1\npcrs: { 10-16: zero }\n", "expected 0 to 14" },
	{ "aicert-policy: 1\npcrs: { x: zero }\n", "expected a PCR" },
	{ "aicert-policy: 1\npcrs: { 7-3: zero }\n", "expected a PCR" },
	{ "aicert-policy: 1\npcrs: { 3-5: zero, 4: zero }\n", "PCR 4 is given twice" },
	{ "aicert-policy: 1\npcrs: { 4: zero, 04: rules }\n", "PCR 4 is given twice" },
	{ "aicert-policy: 1\npcrs: { 4: any }\n", "PCR 4: got 'any'" },
	{ "aicert-policy: 1\npcrs: { 4: { a: b } }\n", "PCR 4: got 'a map'" },
	{ "aicert-policy: 1\nboot: { secureboot: on }\n", "did you mean 'secure_boot'" },
	{ "aicert-policy: 1\nboot: { secure_boot: yes }\n", "expected 'on' or 'off'" },
	{ "aicert-policy: 1\nboot: { images: { any: [] } }\n", "exactly" },
	{ "aicert-policy: 1\nboot: { uki: { linux: " HEX_A " } }\n", "expected a section's name" },
	{ "aicert-policy: 1\nboot: { uki: {} }\n", "expected a map from a UKI's sections" },
	{ "aicert-policy: 1\nboot: { gpt: none }\n", "expected 'any'" },
	{ "aicert-policy: 1\nboot: { variables: [ { name: a, guid: 8BE4DF61-93ca-11d2-aa0d-00e098032b8c } ] }\n", "expected a GUID" },
	{ "aicert-policy: 1\nboot: { variables: [ { guid: 8be4df61-93ca-11d2-aa0d-00e098032b8c } ] }\n", "has no 'name'" },
	{ "aicert-policy: 1\nboot: { variables: [ { name: a, pcr: 4 } ] }\n", "pcr: got '4'" },
	{ "aicert-policy: 1\nboot: { events: { 4: x } }\n", "expected a list" },
	{ "aicert-policy: 1\nboot: { command_line: quiet }\n", "expected a list" },
	{ "aicert-policy: 1\nboot: { command_line: [ ] , command_lines: [] }\n", "did you mean 'command_line'" },
	{ "aicert-policy: 1\nboot: { secure_boot: on }\n", "p.yaml:2:22: secure_boot looks at PCR 7, of which 'pcrs' says nothing" },
	{ "aicert-policy: 1\npcrs: { 0-8: rules }\nboot: { command_line: [ quiet ] }\n", "command_line looks at PCR 9" },
	{ "aicert-policy: 1\nroots: { builtin: maybe }\n", "expected 'true' or 'false'" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a } ] }\n", "has no 'role'" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a, role: root, pem: x } ] }\n", "role: got 'root'" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a, role: ak-ca } ] }\n", "either 'file' or 'pem': got neither" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a, role: ak-ca, file: a, pem: b } ] }\n", "got both" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a, role: ak-ca, file: /etc/passwd } ] }\n", "may not name files" },
	{ "aicert-policy: 1\nroots: { add: [ { name: a, role: ak-ca, pem: nonsense } ] }\n", "not an X.509 certificate" },
	{ "aicert-policy: 1\nauthorities: [ { name: ops, roots: [ nobody ] } ]\n", "root 'nobody' is none of those" },
	{ "aicert-policy: 1\nauthorities: [ { roots: [] } ]\n", "has no 'name'" },
	{ "aicert-policy: 1\ninputs-only: true\n", "there are no 'inputs'" },
	{ "aicert-policy: 1\ninputs: { a: xyz }\n", "expected the hash" },
	{ "aicert-policy: 1\ninputs: { a: {} }\n", "input 'a': expected a hash" },
	{ "aicert-policy: 1\ninputs: { a: { url: x } }\n", "an input has no key 'url'" },
	{ "aicert-policy: 1\noutputs: { a: abc }\n", "a: got 'abc'" },
	{ "aicert-policy: 1\nrules: { python: abc }\n", "python: got 'abc'" },
	{ "aicert-policy: 1\nimages: [ python:3.11 ]\n", "expected a manifest's digest" },
	{ "aicert-policy: 1\nsteps: [ a ]\n", "expected a map" },
	{ "aicert-policy: 1\nenvironments: [ vm ]\n", "expected 'image' or 'host'" },
	{ "aicert-policy: 1\nnonce:\n", "nonce is empty" },
	{ "aicert-policy: 1\nwithhold: [ run ]\n", "got 'run'" },
	{ "aicert-policy: 1\nwithhold: [ 'source:' ]\n", "got 'source:'" },
	{ "aicert-policy: 1\nthreshold: 0\n", "expected a number from 1 to 99" },
	{ "aicert-policy: 1\nthreshold: 2x\n", "expected a number from 1 to 99" },
	{ "aicert-policy: 1\ntimestamp: true\n", "expected 'required'" },
	{ "aicert-policy: 1\ndeny: { program: [] }\n", "did you mean 'programs'" },
	{ "aicert-policy: 1\nrequire: &a software\n", "p.yaml:2" },
};

static void
test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		bad(refusals[i].text, refusals[i].words);
}

static void
test_too_long(void **state)
{
	(void)state;
	size_t n = AI_MAX_AICERTFILE + 1;
	char *text = malloc(n);
	memset(text, '\n', n);
	memcpy(text, "aicert-policy: 1", 16);
	struct ai_policy *p = NULL;
	refused(AI_EUSAGE, "expected at most", ai_policy_parse(text, n, "p.yaml", NULL, NULL, &p, &err));
	free(text);
}

/* --- roots ------------------------------------------------------------------------ */

static char *
with_root(const char *rest)
{
	return ai_format("aicert-policy: 1\nroots:\n%s  add:\n    - name: team\n      role: ak-ca\n      pem: |\n%s", rest, pem);
}

static const struct ai_anchor *
anchor_named(const struct ai_roots *r, const char *name)
{
	for (size_t i = 0; i < ai_roots_n(r); i++)
		if (strcmp(ai_roots_at(r, i)->name, name) == 0)
			return ai_roots_at(r, i);
	return NULL;
}

/* The roots that a policy makes of the built-in ones; freed by the caller. */
static struct ai_roots *
roots_of(const char *text)
{
	struct ai_policy *p = parse(text);
	struct ai_roots *base = NULL, *made = NULL;
	ok(ai_roots_new(true, &base, &err));
	ok(ai_policy_roots(p, base, &made, &err));
	ai_roots_free(base);
	ai_policy_free(p);
	return made;
}

static void
test_roots(void **state)
{
	(void)state;
	AI_FREE char *added = with_root(""), *only = with_root("  builtin: false\n"), *some = with_root("  builtin: [ gcp ]\n");
	struct ai_roots *r = roots_of("aicert-policy: 1\n");
	size_t n = ai_roots_n(r);
	assert_true(n > 2);
	ai_roots_free(r);
	r = roots_of(added);
	assert_int_equal(ai_roots_n(r), n + 1);
	const struct ai_anchor *team = anchor_named(r, "team");
	assert_non_null(team);
	assert_int_equal(team->roles, AI_ROLE_AK_CA);
	assert_string_equal(team->authority, "");
	assert_false(team->builtin);
	ai_roots_free(r);
	r = roots_of(only);
	assert_int_equal(ai_roots_n(r), 1);
	ai_roots_free(r);
	r = roots_of(some);
	assert_true(ai_roots_n(r) > 1 && ai_roots_n(r) < n + 1);
	for (size_t i = 0; i < ai_roots_n(r); i++)
		assert_true(strcmp(ai_roots_at(r, i)->authority, "gcp") == 0 || strcmp(ai_roots_at(r, i)->name, "team") == 0);
	ai_roots_free(r);
}

static void
test_roots_unknown_name(void **state)
{
	(void)state;
	struct ai_policy *p = parse("aicert-policy: 1\nroots: { builtin: [ azur ] }\n");
	struct ai_roots *base = NULL, *made = NULL;
	ok(ai_roots_new(true, &base, &err));
	refused(AI_EUSAGE, "azur", ai_policy_roots(p, base, &made, &err));
	assert_null(made);
	ai_roots_free(base);
	ai_policy_free(p);
}

static void
test_group_is_the_roots_authority(void **state)
{
	(void)state;
	AI_FREE char *text = with_root("  revoked: [ " HEX_A " ]\n");
	AI_FREE char *grouped = ai_format("%sauthorities: [ { name: ops-team, roots: [ team ] } ]\n", text);
	struct ai_roots *r = roots_of(grouped);
	assert_string_equal(anchor_named(r, "team")->authority, "ops-team");
	struct ai_digest d;
	assert_true(ai_unhex(HEX_A, &d));
	assert_true(ai_roots_revoked(r, &d));
	ai_roots_free(r);
	AI_FREE char *other = ai_format("%sauthorities: [ { name: ops-team, roots: [ team ] }, { name: others, roots: [ team ] } ]\n", text);
	bad(other, "root 'team' is of authority 'ops-team' already");
}

/* One that the verifier trusts already is believed as the policy says. */
static void
test_root_that_is_there_already(void **state)
{
	(void)state;
	AI_FREE char *text = with_root("");
	AI_FREE char *grouped = ai_format("%sauthorities: [ { name: ops-team, roots: [ team ] } ]\n", text);
	struct ai_policy *p = parse(grouped);
	struct ai_roots *base = NULL, *made = NULL;
	AI_BUF_AUTO bytes = AI_BUF(1 << 16);
	for (const char *line = pem; *line; line += strcspn(line, "\n") + 1)
		ai_buf_put(&bytes, line + 8, strcspn(line, "\n") + 1 - 8);
	ok(ai_roots_new(true, &base, &err));
	ok(ai_roots_add(base, bytes.data, bytes.len, "mine", AI_ROLE_AK_CA, "me", &err));
	ok(ai_policy_roots(p, base, &made, &err));
	assert_int_equal(ai_roots_n(made), ai_roots_n(base));
	assert_null(anchor_named(made, "mine"));
	assert_string_equal(anchor_named(made, "team")->authority, "ops-team");
	ai_roots_free(base);
	ai_roots_free(made);
	ai_policy_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least), cmocka_unit_test(test_answers), cmocka_unit_test(test_denied_wins), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_long), cmocka_unit_test(test_roots), cmocka_unit_test(test_roots_unknown_name),
		cmocka_unit_test(test_group_is_the_roots_authority), cmocka_unit_test(test_root_that_is_there_already),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
