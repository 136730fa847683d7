/* test_forgery_policy.c -- forgeries against what a verifier asks for: his policy, several parties, and the time.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "fake_tsa.h"
#include "forgery.h"

/* A line of the policy's top. */
static void
ask(const char *line)
{
	AI_FREE char *lines = ai_format("%s\nrequire:", line);
	change("require:", lines);
}

/* --- what ran ---------------------------------------------------------------------- */

static void
asked(const char *line, const char *check, const char *words)
{
	ask(line);
	unwanted(made(), check, words);
}

#define SOME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

TEST(no_image_evades_a_rule_on_images) { START; asked("images: [ 'sha256:" SOME "' ]", "policy images", "no step ran in an image: nothing was compared"); }
TEST(the_host_passes_for_an_image) { START; asked("environments: [ image ]", "policy environments", "of kind 'host'"); }
TEST(a_rule_of_mine_under_an_official_name) { START; asked("rules: { python: " SOME " }", "policy rules", "rule 'python': got"); }
TEST(a_rule_under_a_name_of_mine) { START; asked("rules: { shell: " SOME " }", "policy rules", "rule 'python' is none of those"); }
TEST(the_step_that_tests_is_left_out) { START; asked("steps: { require: [ test ] }", "policy steps", "step 'test': the run has none"); }
TEST(an_input_of_mine_under_an_official_name) { START; asked("inputs: { alpaca: " SOME " }", "policy inputs", "expected " SOME); }
TEST(an_input_under_a_name_of_mine) { START; asked("inputs: { official: " SOME " }", "policy inputs", "the plan has none of that name"); }
TEST(an_input_more_than_is_allowed) { START; asked("inputs: { alpaca: { type: url } }\ninputs-only: true", "policy inputs", "input 'code' is none of those"); }
TEST(an_input_from_elsewhere) { START; asked("inputs: { alpaca: { uri: 'https://example.org/official.csv' } }", "policy inputs", "uri: got"); }
TEST(a_model_of_mine) { START; asked("outputs: { model: " SOME " }", "policy outputs", "expected " SOME); }
TEST(a_model_under_a_name_of_mine) { START; asked("outputs: { official: " SOME " }", "policy outputs", "the run has none of that name"); }
TEST(a_root_of_another_run) { START; asked("root: " SOME, "policy root", "none of the 1 roots"); }

/* --- what is disclosed --------------------------------------------------------------------- */

/* What a disclosure of the repository's one file says otherwise; NULL: as it is. */
struct disclosure { const char *root, *path, *blob, *name; };

static char *
disclosure_text(const struct disclosure *lie)
{
	json_t *tree = json_deep_copy(json_object_get(s.f.nodes, s.f.repo)), *entry = json_array_get(json_object_get(tree, "entries"), 0);
	json_t *blob = lie->blob ? json_string(lie->blob) : json_incref(json_object_get(entry, "id"));
	if (lie->name)
		json_object_set_new(entry, "name", json_string(lie->name));
	AI_JSON *d = json_pack("{s:i, s:s, s:{s:s}, s:s, s:{s:o}, s:[o]}", "disclosure", 1, "root", lie->root ? lie->root : s.f.root, "of", "input", "code",
		"path", lie->path ? lie->path : "main.py", "reference", "blob", blob, "trees", tree);
	return json_dumps(d, JSON_COMPACT);
}

/* Asked about beside the good proof. words NULL: it must be good. */
static void
disclosed(const struct disclosure *lie, const char *words)
{
	json_t *proof = made();
	char *dir = NULL;
	AI_FREE char *text = disclosure_text(lie);
	ok(ai_mkdtemp("/tmp/test_forgery", &dir, &err));
	AI_FREE char *path = ai_format("%s/disclosure.json", dir);
	AI_FREE char *check = ai_format("disclosure %s", path);
	ok(ai_write_file(AT_FDCWD, path, text, strlen(text), 0644, &err));
	const struct ai_named_ref given = { .name = path };
	s.o.disclosures = &given;
	s.o.n_disclosures = 1;
	unwanted(proof, words ? check : "", words ? words : "");
	ai_discard_tree(dir);
	free(dir);
}

/* Not a forgery. */
TEST(the_good_disclosure) { START; disclosed(&(struct disclosure){ 0 }, NULL); }
TEST(a_file_of_another_run_is_disclosed) { START; disclosed(&(struct disclosure){ .root = SOME }, "it was made for another proof"); }
TEST(a_file_of_mine_is_disclosed_as_theirs) { START; disclosed(&(struct disclosure){ .blob = SOME }, "reference: got blob aaaa"); }
TEST(a_file_that_is_not_there_is_disclosed) { START; disclosed(&(struct disclosure){ .path = "backdoor.py" }, "there is no 'backdoor.py' in its folder"); }
TEST(a_folder_of_mine_is_disclosed_as_theirs) { START; disclosed(&(struct disclosure){ .path = "x.py", .name = "x.py" }, "its canonical bytes hash to"); }

/* --- who is denied -------------------------------------------------------------------- */

/* The program that made what is reused. */
TEST(a_denied_program_lends_its_result) { START; asked("deny: { programs: [ " SOME " ] }", "policy denied", "the policy denies the program " SOME); }

static void
deny_key(const char *hex)
{
	AI_FREE char *line = ai_format("keys: { deny: [ %s ] }", hex);
	ask(line);
}

TEST(a_denied_key_still_speaks)
{
	START;
	char key[AI_HEX];
	fake_fingerprint(&s.f.tpm, key);
	deny_key(key);
	ends(made(), "unsigned", "accepted key+genuine tpm+measured platform+policy denied", "the policy denies the attestation key");
}

/* Another machine of the same authority, whose key is denied. */
static void
reuse_of_another_machine(void)
{
	struct fake_cert leaf = s.leaf;
	leaf.key = s.f.other_tpm.key;
	boots(&s.booted, &s.seen);
	s.f.tpm.boot = s.f.other_tpm.boot = &s.seen;
	s.f.other_tpm.certificates = forgery_certificates(&leaf);
	s.f.two_keys = true;
}

TEST(a_denied_key_lends_its_result)
{
	START;
	char key[AI_HEX];
	reuse_of_another_machine();
	fake_fingerprint(&s.f.other_tpm, key);
	deny_key(key);
	ends(made(), "unsigned", "accepted key+genuine tpm+measured platform+policy denied", "the policy denies the attestation key");
}

/* The same key under other words about it, that nobody signed: its fingerprint is another. */
TEST(a_denied_key_under_another_fingerprint)
{
	START;
	char before[AI_HEX], after[AI_HEX], hex[AI_HEX];
	struct ai_digest d;
	unsigned char *spki = NULL;
	fake_fingerprint(&s.f.tpm, before);
	s.f.tpm.attributes ^= 0x400; /* noDA */
	fake_fingerprint(&s.f.tpm, after);
	assert_string_not_equal(before, after);
	int n = i2d_PUBKEY(s.f.tpm.key, &spki);
	ai_sha256(spki, (size_t)n, &d);
	OPENSSL_free(spki);
	ai_hex(&d, hex);
	deny_key(hex);
	ends(made(), "unsigned", "accepted key+genuine tpm+measured platform+policy denied", "the policy denies the attestation key");
}

/* --- of how many it is the word ---------------------------------------------------------- */

static struct fake_cert south;

/* Two parties are asked for, and a second authority is known; both results were executed in the proof's own run. */
static void claim_all(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "executed", json_pack("[s, s]", x->tokens, x->train));
	json_object_set_new(claims, "reused", json_array());
}
static void log_all(struct fake *x, json_t *log) { json_object_set_new(json_array_get(log, 1), "ids", json_pack("[s, s]", x->tokens, x->train)); }

static json_t *
made_for_two(void)
{
	AI_BUF_AUTO pem = AI_BUF(AI_MAX_CERT);
	south = (struct fake_cert){ .subject = "south CA", .issuer = "south CA", .key = s.own_key, .signer = s.own_key, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign", .serial = 9 };
	forgery_pem(&south, &pem);
	AI_FREE char *add = ai_format("roots: { add: [ { name: south-ca, role: ak-ca, pem: \"%s\" },", pem.data);
	change("roots: { add: [", add);
	change("{ name: ops-team, roots: [ team-ca ] }", "{ name: ops-team, roots: [ team-ca ] }, { name: south, roots: [ south-ca ] }");
	ask("threshold: 2");
	s.f.on_claims = claim_all;
	s.f.on_log = log_all;
	boots(&s.booted, &s.seen);
	s.f.tpm.boot = s.f.other_tpm.boot = &s.seen;
	return made();
}

/* Certificates of a TPM's key by the second authority. */
static json_t *
of_south(EVP_PKEY *key)
{
	struct fake_cert leaf = s.leaf;
	leaf.key = key;
	leaf.issuer = "south CA";
	leaf.signer = s.own_key;
	return json_pack("[o, o]", fake_cert_text(&leaf), fake_cert_text(&south));
}

/* This TPM, too, says that it executed both, a little later. A hook may change its claims. */
static json_t *
cosign(json_t *proof, struct fake_tpm *t, void (*hook)(json_t *claims, json_t *log))
{
	char ak[AI_HEX];
	struct ai_digest id;
	json_t *claims = json_deep_copy(json_object_get(proof, "claims")), *log = json_deep_copy(json_object_get(evidence_of(proof), "run_log"));
	fake_fingerprint(t, ak);
	json_object_set_new(claims, "ak", json_string(ak));
	json_object_set_new(claims, "finished", json_string("2026-01-03T00:00:00Z"));
	fake_claim_boot(t, claims);
	if (hook)
		hook(claims, log);
	ok(ai_json_id(claims, &id, &err));
	json_object_set_new(json_array_get(log, json_array_size(log) - 1), "id", ai_json_hex(&id));
	json_array_append_new(json_object_get(proof, "cosigned"), fake_attestation(t, claims, log));
	json_decref(claims);
	json_decref(log);
	return proof;
}

/* Not a forgery: two machines of two authorities. */
TEST(the_good_two)
{
	START;
	json_t *proof = made_for_two();
	s.f.other_tpm.certificates = of_south(s.f.other_tpm.key);
	ends(cosign(proof, &s.f.other_tpm, NULL), "measured-platform", "", "");
}

TEST(one_key_speaks_twice)
{
	START;
	json_t *proof = made_for_two();
	unwanted(cosign(proof, &s.f.tpm, NULL), "threshold", "got 1 parties");
}

TEST(two_keys_of_one_authority_speak_for_two)
{
	START;
	json_t *proof = made_for_two();
	struct fake_cert leaf = s.leaf;
	leaf.key = s.f.other_tpm.key;
	s.f.other_tpm.certificates = forgery_certificates(&leaf);
	unwanted(cosign(proof, &s.f.other_tpm, NULL), "threshold", "got 1 parties");
}

/* Enrolled with both, as anybody may be. */
TEST(one_key_with_certificates_of_two_authorities_speaks_for_two)
{
	START;
	json_t *proof = made_for_two();
	json_decref(s.f.tpm.certificates);
	s.f.tpm.certificates = of_south(s.f.tpm.key);
	unwanted(cosign(proof, &s.f.tpm, NULL), "threshold", "got 1 parties");
}

/* The same, with other words about the key, and so another fingerprint. */
TEST(one_key_with_two_fingerprints_speaks_for_two)
{
	START;
	json_t *proof = made_for_two();
	json_decref(s.f.tpm.certificates);
	s.f.tpm.certificates = of_south(s.f.tpm.key);
	s.f.tpm.attributes ^= 0x400;
	unwanted(cosign(proof, &s.f.tpm, NULL), "threshold", "got 1 parties");
}

/* A key that the verifier lists, once with its certificates and once without. */
TEST(one_key_without_its_certificates_is_another)
{
	START;
	char key[AI_HEX];
	json_t *proof = made_for_two();
	fake_fingerprint(&s.f.tpm, key);
	const char *keys[] = { key };
	s.o.keys = keys;
	s.o.n_keys = 1;
	s.o.require = AI_LEVEL_SOFTWARE;
	json_array_clear(s.f.tpm.certificates);
	unwanted(cosign(proof, &s.f.tpm, NULL), "threshold", "got 1 parties");
}

TEST(a_key_of_mine_is_the_second)
{
	START;
	json_t *proof = made_for_two();
	unwanted(cosign(proof, &s.f.other_tpm, NULL), "threshold", "got 1 parties");
}

TEST(a_bad_boot_is_the_second)
{
	START;
	json_t *proof = made_for_two();
	s.other.events[event_at(&s.other, 4, APPLICATION, 1)].hashed = "grub of mine";
	boots(&s.other, &s.told);
	s.f.other_tpm.boot = &s.told;
	s.f.other_tpm.certificates = of_south(s.f.other_tpm.key);
	unwanted(cosign(proof, &s.f.other_tpm, NULL), "threshold", "got 1 parties");
}

static void
take_tokens_over(json_t *claims, json_t *log)
{
	json_object_set_new(claims, "executed", json_pack("[s]", s.f.train));
	json_object_set_new(claims, "reused", fake_json("[{'result':'%s','attestation':'%s'}]", s.f.tokens, s.f.earlier));
	json_object_set_new(json_array_get(log, 1), "ids", json_pack("[s]", s.f.train));
}

/* The second took over what the first had made. */
TEST(reuse_is_a_second_word)
{
	START;
	json_t *proof = made_for_two();
	s.f.other_tpm.certificates = of_south(s.f.other_tpm.key);
	json_object_set(json_object_get(proof, "attestations"), s.f.earlier, json_object_get(s.f.attestations, s.f.earlier));
	unwanted(cosign(proof, &s.f.other_tpm, take_tokens_over), "threshold", "step 'tokens': got 1 parties");
}

static void of_another_root(json_t *claims, json_t *log) { (void)log; json_object_set_new(claims, "root", json_string(nowhere)); }

TEST(a_cosigner_of_another_root)
{
	START;
	json_t *proof = made_for_two();
	s.f.other_tpm.certificates = of_south(s.f.other_tpm.key);
	caught(cosign(proof, &s.f.other_tpm, of_another_root), "cosigned", "cosigned[0]: 'root': got 1111");
}

TEST(the_proofs_own_attestation_once_more)
{
	START;
	json_t *proof = made_for_two(), *own = json_pack("{s:O, s:O, s:O, s:O}", "claims", json_object_get(proof, "claims"), "signature",
		json_object_get(proof, "signature"), "low_level_quote", json_object_get(proof, "low_level_quote"), "evidence", evidence_of(proof));
	json_array_append_new(json_object_get(proof, "cosigned"), own);
	caught(proof, "cosigned", "once more");
}

TEST(a_cosigner_edited_in_the_file)
{
	START;
	json_t *proof = made_for_two();
	s.f.other_tpm.certificates = of_south(s.f.other_tpm.key);
	proof = cosign(proof, &s.f.other_tpm, NULL);
	json_t *claims = json_object_get(json_array_get(json_object_get(proof, "cosigned"), 0), "claims");
	json_object_set_new(claims, "nonce", json_string("another"));
	caught(proof, "cosigned", "extraData");
}

/* --- the time ---------------------------------------------------------------------------- */

enum { NOW = 1893456000 /* 2030-01-01 */, FROM = 1735689600 /* 2025-01-01 */, TO = 1782864000 /* 2026-07-01 */, LATER = 1924992000 /* 2031-01-01 */ };

static struct fake_tsa tsa;
static struct ai_roots *tsa_roots;

static int
time_setup(void **state)
{
	(void)forgery_setup(state);
	fake_tsa_init(&tsa);
	tsa_roots = fake_tsa_roots(&tsa.root);
	s.o.roots = tsa_roots;
	s.o.now = NOW;
	s.leaf.not_before = s.mid.not_before = s.root.not_before = FROM;
	s.mid.not_after = s.root.not_after = LATER;
	s.leaf.not_after = TO;
	return 0;
}

static int
time_teardown(void **state)
{
	ai_roots_free(tsa_roots);
	fake_tsa_done(&tsa);
	return forgery_teardown(state);
}

static void
stamp(const json_t *of, json_t *on)
{
	struct ai_digest d;
	struct ai_buf token = AI_BUF(AI_MAX_TEXT);
	ok(ai_timestamp_imprint(of, &d, &err));
	fake_token(&tsa, &d, &token);
	put_bytes(evidence_of(on), "timestamp", &token);
}

static json_t *
stamped(void)
{
	json_t *proof = made();
	stamp(proof, proof);
	stamp(earlier_of(proof), earlier_of(proof));
	return proof;
}

/* Not a forgery: expired since, and stamped in its time. */
TEST(the_good_stamp) { START; ends(stamped(), "measured-platform", "", ""); }
TEST(an_expired_chain_needs_no_stamp) { START; worthless(made(), "expired at 2026-07-01"); }

TEST(a_stamp_from_after_the_chain_expired)
{
	START;
	tsa.time = "20270101000000Z";
	worthless(stamped(), "expired at 2026-07-01T00:00:00Z: judged at 2027-01-01");
}

TEST(a_stamp_by_an_authority_of_mine)
{
	START;
	EVP_PKEY_free(tsa.root_key);
	tsa.root_key = EVP_EC_gen("P-256");
	tsa.root.key = tsa.root.signer = tsa.ca.signer = tsa.root_key;
	worthless(stamped(), "expired at 2026-07-01T00:00:00Z: judged at 2030-01-01");
}

TEST(a_stamp_from_the_future)
{
	START;
	s.o.now = 1767225600; /* 2026-01-01, midnight; stamped at noon */
	caught(stamped(), "timestamp+judged", "is from the future");
}

TEST(a_stamp_of_another_signature)
{
	START;
	json_t *proof = stamped();
	stamp(earlier_of(proof), proof);
	caught(proof, "timestamp+judged", "is the stamp of something else");
}

/* The signature alone binds nothing: for any signature a fitting key can be found. */
TEST(a_stamp_of_the_signature_alone)
{
	START;
	json_t *proof = stamped();
	struct ai_buf sig, token = AI_BUF(AI_MAX_TEXT);
	struct ai_digest d;
	get_bytes(proof, "signature", &sig);
	ai_sha256(sig.data, sig.len, &d);
	ai_buf_done(&sig);
	fake_token(&tsa, &d, &token);
	put_bytes(evidence_of(proof), "timestamp", &token);
	caught(proof, "timestamp+judged", "is the stamp of something else");
}

/* What is reused was never stamped. */
TEST(a_stamp_that_speaks_for_what_is_reused)
{
	START;
	json_t *proof = made();
	stamp(proof, proof);
	worthless(proof, "expired at 2026-07-01");
}

TEST(a_stamp_that_is_none)
{
	START;
	json_t *proof = stamped();
	json_object_set_new(evidence_of(proof), "timestamp", json_string("MAA="));
	caught(proof, "timestamp+judged", "is no signed CMS message");
}

TEST(a_stamp_that_the_policy_asks_for_is_left_out)
{
	START;
	s.leaf.not_after = LATER;
	asked("timestamp: required", "policy timestamp", "got none");
}

#define W(name) cmocka_unit_test_setup_teardown(name, time_setup, time_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_one),
		H(no_image_evades_a_rule_on_images), H(the_host_passes_for_an_image), H(a_rule_of_mine_under_an_official_name), H(a_rule_under_a_name_of_mine),
		H(the_step_that_tests_is_left_out), H(an_input_of_mine_under_an_official_name), H(an_input_under_a_name_of_mine), H(an_input_more_than_is_allowed),
		H(an_input_from_elsewhere), H(a_model_of_mine), H(a_model_under_a_name_of_mine), H(a_root_of_another_run), H(the_good_disclosure), H(a_file_of_another_run_is_disclosed),
		H(a_file_of_mine_is_disclosed_as_theirs), H(a_file_that_is_not_there_is_disclosed), H(a_folder_of_mine_is_disclosed_as_theirs), H(a_denied_program_lends_its_result),
		H(a_denied_key_still_speaks), H(a_denied_key_lends_its_result), H(a_denied_key_under_another_fingerprint), H(the_good_two),
		H(one_key_speaks_twice), H(two_keys_of_one_authority_speak_for_two), H(one_key_with_certificates_of_two_authorities_speaks_for_two),
		H(one_key_with_two_fingerprints_speaks_for_two), H(one_key_without_its_certificates_is_another), H(a_key_of_mine_is_the_second),
		H(a_bad_boot_is_the_second), H(reuse_is_a_second_word), H(a_cosigner_of_another_root), H(the_proofs_own_attestation_once_more),
		H(a_cosigner_edited_in_the_file), W(the_good_stamp), W(an_expired_chain_needs_no_stamp), W(a_stamp_from_after_the_chain_expired),
		W(a_stamp_by_an_authority_of_mine), W(a_stamp_from_the_future), W(a_stamp_of_another_signature), W(a_stamp_of_the_signature_alone),
		W(a_stamp_that_speaks_for_what_is_reused), W(a_stamp_that_is_none), W(a_stamp_that_the_policy_asks_for_is_left_out),
	};
	return RUN("forgery_policy", tests);
}
