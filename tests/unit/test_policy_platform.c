/* test_policy_platform.c -- from a certificate and a boot to `measured-platform`, and each link without which it is not reached.  SPDX-License-Identifier: Apache-2.0 */
#include "fake_cert.h"
#include "policy_help.h"
#include "proof_cases.h"

static struct boot booted;
static struct ai_evidence quoted;
static struct fake_boot seen;
static EVP_PKEY *ca;
static struct ai_buf pem, policy;

/* The team's CA in PEM, one line behind the other as a YAML text in quotes; and the AK's certificate by it. */
static void
certify(void)
{
	const struct fake_cert root = { .subject = "team CA", .issuer = "team CA", .key = ca, .signer = ca, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign" };
	const struct fake_cert leaf = { .subject = "ak", .issuer = "team CA", .key = f.tpm.key, .signer = ca, .constraints = "critical,CA:FALSE",
		.usage = "critical,digitalSignature", .extended = "2.23.133.8.3" };
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO b64 = AI_BUF(AI_MAX_CERT);
	fake_cert_der(&root, &der);
	ai_b64_put(&b64, der.data, der.len);
	pem = AI_BUF(AI_MAX_CERT);
	ai_buf_puts(&pem, "-----BEGIN CERTIFICATE-----\\n");
	for (size_t i = 0; i < b64.len; i += 64)
		ai_buf_printf(&pem, "%.64s\\n", b64.data + i);
	ai_buf_puts(&pem, "-----END CERTIFICATE-----\\n");
	f.tpm.certificates = json_pack("[o, o]", fake_cert_text(&leaf), fake_cert_text(&root));
}

static int
platform_setup(void **state)
{
	setup(state);
	ca = EVP_EC_gen("P-256");
	certify();
	make_boot(&booted);
	quote_boot(&booted, &quoted);
	seen = (struct fake_boot){ .log = AI_BUF(AI_MAX_BOOT_LOG) };
	ai_buf_put(&seen.log, quoted.boot_log.data, quoted.boot_log.len);
	memcpy(seen.pcrs, quoted.pcrs, sizeof seen.pcrs);
	f.tpm.boot = &seen;
	policy = AI_BUF(1 << 16);
	ai_buf_printf(&policy, "aicert-policy: 1\nrequire: measured-platform\nroots: { add: [ { name: team-ca, role: ak-ca, pem: \"%s\" } ] }\n"
		"authorities: [ gcp, { name: ops-team, roots: [ team-ca ] } ]\n", pem.data);
	put_values(&policy, &quoted);
	ai_buf_puts(&policy, "boot: { secure_boot: on, drivers: none, command_line: [ '/vmlinuz quiet' ] }\n");
	return 0;
}

static int
platform_teardown(void **state)
{
	EVP_PKEY_free(ca);
	ai_buf_done(&pem);
	ai_buf_done(&policy);
	ai_buf_done(&quoted.boot_log);
	fake_boot_done(&seen);
	boot_free(&booted);
	return teardown(state);
}

static void
change(const char *from, const char *to)
{
	AI_BUF_AUTO made = AI_BUF(1 << 16);
	const char *at = strstr(policy.data, from);
	if (!at)
		fail_msg("no '%s' in\n%s", from, policy.data);
	ai_buf_put(&made, policy.data, (size_t)(at - policy.data));
	ai_buf_printf(&made, "%s%s", to, at + strlen(from));
	ai_buf_clear(&policy);
	ai_buf_put(&policy, made.data, made.len);
}

static void
reaches(const char *level, const char *words)
{
	struct ai_policy *p = policy_of(policy.data);
	struct ai_verify_options o = { .require = AI_LEVEL_MEASURED_PLATFORM, .policy = p, .now = time(NULL) };
	AI_JSON *proof = fake_make(&f), *report = NULL;
	struct ai_err err = { 0 };
	int r = fake_verify(&f, proof, &o, &report, &err);
	ai_policy_free(p);
	if (r != (words ? AI_ENO : 0) || strcmp(ai_json_str(report, "level"), level) != 0)
		fail_msg("got %d, level %s, expected %s: %s", r, ai_json_str(report, "level"), level, err.text);
	if (words && !strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
}

static void
test_measured(void **state)
{
	(void)state;
	reaches("measured-platform", NULL);
}

/* Whoever operates the machine is the builder himself, for all that the policy says. */
static void
test_authority_that_nobody_named(void **state)
{
	(void)state;
	change("[ gcp, { name: ops-team, roots: [ team-ca ] } ]", "[ gcp ]");
	reaches("genuine-tpm", "none of the authorities");
}

static void
test_root_that_nobody_added(void **state)
{
	(void)state;
	change("roots: { add:", "#");
	change("{ name: ops-team, roots: [ team-ca ] }", "ops-team");
	reaches("unsigned", "");
}

static void
test_root_of_another_role(void **state)
{
	(void)state;
	change("role: ak-ca", "role: ek");
	reaches("unsigned", "");
}

static void
test_root_that_was_revoked(void **state)
{
	(void)state;
	struct ai_digest d;
	char hex[AI_HEX];
	unsigned char *spki = NULL;
	int n = i2d_PUBKEY(ca, &spki);
	ai_sha256(spki, (size_t)n, &d);
	OPENSSL_free(spki);
	ai_hex(&d, hex);
	AI_FREE char *roots = ai_format("roots: { revoked: [ %s ], add:", hex);
	change("roots: { add:", roots);
	reaches("unsigned", "");
}

static void
test_other_boot(void **state)
{
	(void)state;
	seen.pcrs[4].b[0] ^= 1;
	reaches("genuine-tpm", "PCR 4");
}

static void
test_pcr_unjudged(void **state)
{
	(void)state;
	change("  3: ", "  # 3: ");
	reaches("genuine-tpm", "PCR 3 was quoted and the policy does not judge it");
}

static void
test_key_denied(void **state)
{
	(void)state;
	char key[AI_HEX];
	fake_fingerprint(&f.tpm, key);
	AI_FREE char *deny = ai_format("keys: { deny: [ %s ] }\nboot:", key);
	change("boot:", deny);
	reaches("unsigned", "");
}

/* Every link of it is there but one: the log is another machine's. */
static void
test_log_of_another_machine(void **state)
{
	(void)state;
	struct boot other;
	struct ai_evidence e;
	make_boot(&other);
	add_text(&other, 4, APPLICATION, "image load event", "evil");
	quote_boot(&other, &e);
	struct fake_boot told = { .log = e.boot_log };
	f.tpm.told = &told;
	reaches("genuine-tpm", "replays to");
	ai_buf_done(&e.boot_log);
	boot_free(&other);
}

#define P(name) cmocka_unit_test_setup_teardown(name, platform_setup, platform_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P(test_measured), P(test_authority_that_nobody_named), P(test_root_that_nobody_added), P(test_root_of_another_role),
		P(test_root_that_was_revoked), P(test_other_boot), P(test_pcr_unjudged), P(test_key_denied), P(test_log_of_another_machine),
	};
	return cmocka_run_group_tests_name("policy_platform", tests, NULL, NULL);
}
