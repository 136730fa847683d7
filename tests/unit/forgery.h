/*
 * forgery.h -- the good proof that every forgery begins with, and how a forgery must end.
 *
 * A builder's TPM with a certificate by a team's attestation CA (leaf, issuing CA, root), a boot that the policy judges event by
 * event, one executed and one reused result: `measured-platform` with nothing changed. An attack changes one thing, signs anew all that
 * its attacker could sign, and names the level that it is left with and every check that refuses it: no more and no fewer, so that none
 * is refused for another reason than its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FORGERY_H
#define FORGERY_H

#include <time.h>

#include "fake_cert.h"
#include "fake_proof.h"
#include "policy_help.h"

struct forgery {
	struct fake f;
	EVP_PKEY *root_key, *mid_key, *own_key;      /* own_key: of the attacker's own */
	struct fake_cert root, mid, leaf;            /* as the CA made them; changed before made() */
	bool no_root, no_mid, no_certificates;
	struct boot booted, other;                   /* other: the same boot, of another machine or to be changed */
	struct fake_boot seen, told;
	struct ai_buf policy;
	struct ai_verify_options o;
	int64_t as_of;
};

static struct forgery s;

static const char nowhere[] = "1111111111111111111111111111111111111111111111111111111111111111";

/* --- the good one ------------------------------------------------------------ */

static inline void
forgery_pem(const struct fake_cert *c, struct ai_buf *pem)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO b64 = AI_BUF(AI_MAX_CERT);
	fake_cert_der(c, &der);
	ai_b64_put(&b64, der.data, der.len);
	ai_buf_puts(pem, "-----BEGIN CERTIFICATE-----\\n");
	for (size_t i = 0; i < b64.len; i += 64)
		ai_buf_printf(pem, "%.64s\\n", b64.data + i);
	ai_buf_puts(pem, "-----END CERTIFICATE-----\\n");
}

/* Every PCR by rules that this boot keeps. */
static inline void
forgery_policy(const struct fake_cert *root)
{
	const struct made_event *a = &s.booted.events[event_at(&s.booted, 7, AUTHORITY, 0)];
	struct ai_digest d;
	char authority[AI_HEX];
	AI_BUF_AUTO pem = AI_BUF(AI_MAX_CERT);
	forgery_pem(root, &pem);
	ai_sha256(a->data.data, a->data.len, &d);
	ai_hex(&d, authority);
	s.policy = AI_BUF(1 << 16);
	ai_buf_printf(&s.policy, "aicert-policy: 1\nrequire: measured-platform\n"
		"roots: { add: [ { name: team-ca, role: ak-ca, pem: \"%s\" } ] }\nauthorities: [ gcp, { name: ops-team, roots: [ team-ca ] } ]\n"
		"pcrs: { 0-9: rules, 10: zero, 11: rules, 12-13: zero, 14: rules }\n"
		"boot:\n  firmware: [ firmware 1 ]\n  secure_boot: on\n"
		"  secure_boot_keys: { PK: [ %s ], KEK: [ %s ], db: [ %s ], dbx: [ %s ] }\n"
		"  verified_by: [ %s ]\n  variables: [ BootOrder, 'Boot####' ]\n  drivers: none\n  images: { exactly: [ %s, %s ] }\n  gpt: any\n"
		"  loader: [ 'set x=1' ]\n  command_line: [ '/vmlinuz quiet' ]\n  files: [ %s, %s ]\n  uki: { .linux: %s, .initrd: %s }\n  events: { 14: [ %s ] }\n",
		pem.data, hex_of("pk"), hex_of("kek"), hex_of("db key"), hex_of("bad image"), authority, hex_of("shim"), hex_of("grub"), hex_of("kernel"),
		hex_of("initrd"), hex_of("kernel"), hex_of("initrd"), hex_of("mok"));
}

static inline int
forgery_setup(void **state)
{
	(void)state;
	s = (struct forgery){ .root_key = EVP_EC_gen("P-256"), .mid_key = EVP_EC_gen("P-256"), .own_key = EVP_EC_gen("P-256"),
		.o = { .require = AI_LEVEL_MEASURED_PLATFORM, .now = time(NULL) } };
	fake_init(&s.f);
	s.root = (struct fake_cert){ .subject = "team CA", .issuer = "team CA", .key = s.root_key, .signer = s.root_key,
		.constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign", .serial = 1 };
	s.mid = (struct fake_cert){ .subject = "issuing CA", .issuer = "team CA", .key = s.mid_key, .signer = s.root_key,
		.constraints = "critical,CA:TRUE,pathlen:0", .usage = "critical,keyCertSign", .serial = 2 };
	s.leaf = (struct fake_cert){ .subject = "ak", .issuer = "issuing CA", .key = s.f.tpm.key, .signer = s.mid_key,
		.constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature", .extended = "2.23.133.8.3", .serial = 3 };
	make_boot(&s.booted);
	make_boot(&s.other);
	forgery_policy(&s.root);
	return 0;
}

static inline int
forgery_teardown(void **state)
{
	(void)state;
	fake_done(&s.f);
	EVP_PKEY_free(s.root_key);
	EVP_PKEY_free(s.mid_key);
	EVP_PKEY_free(s.own_key);
	boot_free(&s.booted);
	boot_free(&s.other);
	fake_boot_done(&s.seen);
	fake_boot_done(&s.told);
	ai_buf_done(&s.policy);
	return 0;
}

static inline json_t *
forgery_certificates(const struct fake_cert *leaf)
{
	json_t *list = json_array();
	if (s.no_certificates)
		return list;
	json_array_append_new(list, fake_cert_text(leaf));
	if (!s.no_mid)
		json_array_append_new(list, fake_cert_text(&s.mid));
	if (!s.no_root)
		json_array_append_new(list, fake_cert_text(&s.root));
	return list;
}

/* What a TPM holds after this boot, and its log. */
static inline void
boots(const struct boot *b, struct fake_boot *out)
{
	struct ai_evidence e;
	quote_boot(b, &e);
	fake_boot_done(out);
	*out = (struct fake_boot){ .log = AI_BUF(AI_MAX_BOOT_LOG) };
	ai_buf_put(&out->log, e.boot_log.data, e.boot_log.len);
	memcpy(out->pcrs, e.pcrs, sizeof out->pcrs);
	ai_buf_done(&e.boot_log);
}

/* The proof of this builder, with what was changed before. Tests that set f.tpm.boot themselves keep it. */
static inline json_t *
made(void)
{
	if (!s.f.tpm.certificates)
		s.f.tpm.certificates = forgery_certificates(&s.leaf);
	if (!s.f.tpm.boot) {
		boots(&s.booted, &s.seen);
		s.f.tpm.boot = &s.seen;
	}
	return fake_make(&s.f);
}

/* Replaces a text of the policy. */
static inline void
change(const char *from, const char *to)
{
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	const char *at = strstr(s.policy.data, from);
	if (!at)
		fail_msg("the policy has no '%s'", from);
	ai_buf_put(&out, s.policy.data, (size_t)(at - s.policy.data));
	ai_buf_printf(&out, "%s%s", to, at + strlen(from));
	ai_buf_clear(&s.policy);
	ai_buf_put(&s.policy, out.data, out.len);
}

/* --- how it ends ---------------------------------------------------------------- */

/* The names of the checks that failed but for "level", with '+' between; and what they say. */
static inline void
failed_checks(const json_t *report, struct ai_buf *names, struct ai_buf *texts)
{
	size_t i;
	json_t *c;
	ai_buf_puts(names, "");
	json_array_foreach(json_object_get(report, "checks"), i, c) {
		const char *name = ai_json_str(c, "name");
		if (strcmp(ai_json_str(c, "status"), "failed") != 0 || strcmp(name, "level") == 0)
			continue;
		ai_buf_printf(names, "%s%s", names->len ? "+" : "", name);
		ai_buf_printf(texts, "%s\n", ai_json_str(c, "compared"));
	}
}

/* The verdict on these bytes: the level, exactly these checks, in a text with these words. checks "": verified. */
static inline void
ends_text(const char *text, const char *level, const char *checks, const char *words)
{
	struct ai_policy *p = policy_of(s.policy.data);
	struct ai_verify_options o = s.o;
	AI_JSON *report = NULL;
	struct ai_err err = { 0 };
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO texts = AI_BUF(AI_MAX_PROOF);
	o.policy = p;
	int r = ai_verify(text, strlen(text), "proof.json", &o, &report, &err);
	ai_policy_free(p);
	if (!report)
		fail_msg("no report, got %d '%s'", r, err.text);
	failed_checks(report, &names, &texts);
	const char *failed = names.len ? names.data : "", *said = texts.len ? texts.data : "";
	if (r != (*checks ? AI_ENO : 0) || json_is_true(json_object_get(report, "verified")) != !*checks || strcmp(ai_json_str(report, "level"), level) != 0
		|| strcmp(failed, checks) != 0)
		fail_msg("got %d, level '%s', failed '%s', expected level '%s', failed '%s':\n%s", r, ai_json_str(report, "level"), failed, level, checks, said);
	if (!strstr(said, words))
		fail_msg("failed '%s' lacks '%s':\n%s", failed, words, said);
	/* Who is left with less is told the same reason. */
	bool lesser = strcmp(level, "software") == 0 || strcmp(level, "genuine-tpm") == 0;
	if (lesser && !strstr(ai_json_str(report, "why_not_next"), words))
		fail_msg("why_not_next '%s' lacks '%s'", ai_json_str(report, "why_not_next"), words);
}

/* Steals the proof. */
static inline void
ends(json_t *proof, const char *level, const char *checks, const char *words)
{
	char *text = json_dumps(proof, JSON_COMPACT);
	json_decref(proof);
	ends_text(text, level, checks, words);
	free(text);
}

/* Nothing is proven: the proof is altered, or lies. */
static inline void caught(json_t *proof, const char *check, const char *words) { ends(proof, "none", check, words); }
/* The key is nobody's whom this verifier believes. */
static inline void worthless(json_t *proof, const char *words) { ends(proof, "unsigned", "accepted key+genuine tpm+measured platform", words); }
/* A genuine TPM says so: of a machine that is not known. */
static inline void unmeasured(json_t *proof, const char *words) { ends(proof, "genuine-tpm", "measured platform+policy boot", words); }
/* The proof holds, and is not what this verifier asked for. */
static inline void unwanted(json_t *proof, const char *check, const char *words) { ends(proof, "measured-platform", check, words); }

static inline void
the_good_one(void **state)
{
	(void)state;
	ends(made(), "measured-platform", "", "");
}

/* --- what attackers do --------------------------------------------------------- */

static inline void
get_bytes(const json_t *from, const char *field, struct ai_buf *out)
{
	const json_t *text = json_object_get(from, field);
	*out = AI_BUF(AI_MAX_BOOT_LOG);
	ok(ai_b64_get(json_string_value(text), json_string_length(text), out, &err));
}

/* Takes the bytes. */
static inline void
put_bytes(json_t *to, const char *field, struct ai_buf *bytes)
{
	json_object_set_new(to, field, fake_base64(bytes));
}

static inline json_t *evidence_of(const json_t *proof) { return json_object_get(proof, "evidence"); }

/* Puts bytes in place of n others. */
static inline void
put_over(struct ai_buf *b, size_t at, size_t n, const void *with, size_t len)
{
	AI_BUF_AUTO out = AI_BUF(AI_MAX_BOOT_LOG);
	assert_true(at + n <= b->len);
	ai_buf_put(&out, b->data, at);
	ai_buf_put(&out, with, len);
	ai_buf_put(&out, b->data + at + n, b->len - at - n);
	ai_buf_clear(b);
	ai_buf_put(b, out.data, out.len);
}

/* A quote with other bytes, signed by the key all the same: what a TPM would not do with a restricted key, or would of another structure. */
static inline void
quote_again(json_t *proof, size_t at, size_t n, const void *with, size_t len)
{
	struct ai_buf attest, sig = AI_BUF(AI_MAX_QUOTE);
	get_bytes(proof, "low_level_quote", &attest);
	put_over(&attest, at, n, with, len);
	fake_sign(&s.f.tpm, &attest, &sig);
	put_bytes(proof, "low_level_quote", &attest);
	put_bytes(proof, "signature", &sig);
}

/* Other claims of the same run, logged and quoted as they are. They were changed in place. */
static inline void
attest_again(json_t *proof)
{
	json_t *claims = json_incref(json_object_get(proof, "claims")), *log = json_deep_copy(json_object_get(evidence_of(proof), "run_log"));
	struct ai_digest id;
	ok(ai_json_id(claims, &id, &err));
	json_object_set_new(json_array_get(log, json_array_size(log) - 1), "id", ai_json_hex(&id));
	AI_JSON *attestation = fake_attestation(&s.f.tpm, claims, log);
	json_object_update(proof, attestation);
	json_decref(claims);
	json_decref(log);
}

/* Other bytes of the key's public area, which the claims name and the TPM signs. */
static inline void
public_again(json_t *proof, size_t at, size_t n, const void *with, size_t len)
{
	struct ai_buf public;
	struct ai_digest d;
	get_bytes(evidence_of(proof), "ak_public", &public);
	put_over(&public, at, n, with, len);
	ai_sha256(public.data, public.len, &d);
	json_object_set_new(json_object_get(proof, "claims"), "ak", ai_json_hex(&d));
	attest_again(proof);
	put_bytes(evidence_of(proof), "ak_public", &public);
}

static inline json_t *
earlier_of(const json_t *proof)
{
	return json_object_get(json_object_get(proof, "attestations"), s.f.earlier);
}

#define TEST(name) static void name(void **state)
#define START (void)state
/* The attacker hopes that … */
#define H(name) cmocka_unit_test_setup_teardown(name, forgery_setup, forgery_teardown)

/* The first of them is the good one, without which no refusal says anything; what else is no forgery is named the_good_*, too. */
static inline int
forgeries(const char *theme, const struct CMUnitTest *tests, size_t n)
{
	size_t good = 0;
	for (size_t i = 0; i < n; i++)
		good += strncmp(tests[i].name, "the_good_", 9) == 0;
	print_message("%s: %zu forgeries, and %zu that must pass\n", theme, n - good, good);
	return _cmocka_run_group_tests(theme, tests, n, NULL, NULL);
}
#define RUN(theme, tests) forgeries(theme, tests, sizeof tests / sizeof *tests)

#endif
