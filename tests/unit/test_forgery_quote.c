/*
 * test_forgery_quote.c -- forgeries of what the TPM signs: quotes, signatures, keys, PCRs.
 *
 * Structures are signed anew where a key could have signed them: what is refused is what they say, not the signature.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forgery.h"

/* Where things stand in the fake TPM's TPMS_ATTEST and TPMT_PUBLIC. */
enum { AT_MAGIC = 0, AT_TYPE = 4, AT_EXTRA = 42, AT_CLOCK = 76, AT_BANKS = 101, AT_BANK = 105, AT_SELECT = 107, AT_DIGEST = 111, ATTEST_SIZE = 145 };
enum { PUB_NAME_ALG = 2, PUB_ATTRIBUTES = 4, PUB_SYMMETRIC = 10, PUB_SCHEME = 12, PUB_HASH = 14, PUB_CURVE = 16, PUB_X = 22, PUBLIC_SIZE = 88 };

/* --- the quote -------------------------------------------------------------------- */

TEST(an_edited_quote_keeps_its_signature)
{
	START;
	json_t *proof = made();
	struct ai_buf attest;
	get_bytes(proof, "low_level_quote", &attest);
	put_over(&attest, AT_CLOCK, 1, "\x7f", 1);
	put_bytes(proof, "low_level_quote", &attest);
	caught(proof, "quote", "not made by this attestation key");
}

TEST(a_signature_of_another_quote_will_do)
{
	START;
	json_t *proof = made();
	json_object_set(proof, "signature", json_object_get(earlier_of(proof), "signature"));
	caught(proof, "quote", "not made by this attestation key");
}

/* What TPM2_Hash and TPM2_Sign would sign for an unrestricted key. */
TEST(bytes_that_no_tpm_generated_pass_for_its_own)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_MAGIC, 4, "\xff\x54\x43\x48", 4);
	caught(proof, "quote+pcrs", "no TPM made this");
}

/* TPM2_CertifyCreation over the claims: a restricted key signs it, with the asker's data. */
TEST(an_attestation_of_a_creation_passes_for_a_quote)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_TYPE, 2, "\x80\x1a", 2);
	caught(proof, "quote+pcrs", "type: got 801a, expected 8018");
}

TEST(bytes_behind_the_quote_go_unseen)
{
	START;
	json_t *proof = made();
	quote_again(proof, ATTEST_SIZE, 0, "\0", 1);
	caught(proof, "quote+pcrs", "1 bytes follow its end");
}

TEST(bytes_behind_the_signature_go_unseen)
{
	START;
	json_t *proof = made();
	struct ai_buf sig;
	get_bytes(proof, "signature", &sig);
	ai_buf_putc(&sig, 0);
	put_bytes(proof, "signature", &sig);
	caught(proof, "quote", "1 bytes follow its end");
}

TEST(bytes_behind_the_key_go_unseen)
{
	START;
	json_t *proof = made();
	public_again(proof, PUBLIC_SIZE, 0, "\0", 1);
	caught(proof, "attestation key", "1 bytes follow its end");
}

TEST(a_quote_for_another_question_speaks_for_these_claims)
{
	START;
	s.f.tpm.other_extra = true;
	caught(made(), "quote+reused", "extraData: got");
}

TEST(the_beginning_of_the_claims_id_is_enough)
{
	START;
	json_t *proof = made();
	struct ai_buf attest;
	get_bytes(proof, "low_level_quote", &attest);
	char begin[33] = { 0, 31 };
	memcpy(begin + 2, attest.data + AT_EXTRA + 2, 31);
	ai_buf_done(&attest);
	quote_again(proof, AT_EXTRA, 34, begin, 33);
	caught(proof, "quote", "got 31 bytes, expected 32");
}

TEST(a_quote_that_asks_nothing_speaks_for_everything)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_EXTRA, 34, "\0\0", 2);
	caught(proof, "quote", "got 0 bytes, expected 32");
}

/* --- the selection ----------------------------------------------------------------- */

TEST(a_quote_without_the_pcr_that_betrays_me)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_SELECT + 1, 1, "\xef", 1);
	caught(proof, "pcrs", "got bank 000b, PCRs 00ffef");
}

TEST(a_quote_with_pcr_23_that_everybody_may_reset)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_SELECT + 3, 1, "\x80", 1);
	caught(proof, "pcrs", "PCRs 80ffff");
}

TEST(a_quote_of_pcrs_16_to_23_instead)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_SELECT + 1, 3, "\0\0\xff", 3);
	caught(proof, "pcrs", "PCRs ff0000");
}

TEST(a_quote_of_no_pcr_at_all)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_SELECT + 1, 3, "\0\0\0", 3);
	caught(proof, "quote+pcrs", "selects no PCR");
}

TEST(the_same_bank_twice_shows_one_and_quotes_the_other)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_BANKS, 10, "\0\0\0\2\0\x0b\3\xff\xff\0\0\x0b\3\0\0\xff", 16);
	caught(proof, "quote+pcrs", "selects 2 PCR banks");
}

TEST(a_second_bank_beside_the_first)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_BANKS, 10, "\0\0\0\2\0\x0b\3\xff\xff\0\0\x04\3\xff\xff\0", 16);
	caught(proof, "quote+pcrs", "selects 2 PCR banks");
}

TEST(the_sha1_bank_is_good_enough)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_BANK, 2, "\0\4", 2);
	caught(proof, "pcrs", "got bank 0004");
}

TEST(a_pcr_digest_by_sha1_is_good_enough)
{
	START;
	json_t *proof = made();
	quote_again(proof, AT_DIGEST, 34, "\0\x14" "aaaaaaaaaaaaaaaaaaaa", 22);
	caught(proof, "pcrs", "PCR digest of 20 bytes");
}

/* --- the values ------------------------------------------------------------------------ */

/* The two claims: of PCR i the value of k. */
static void
swap_pcrs(json_t *proof, const char *i, const char *k)
{
	json_t *pcrs = json_object_get(evidence_of(proof), "pcrs"), *a = json_incref(json_object_get(pcrs, i));
	json_object_set(pcrs, i, json_object_get(pcrs, k));
	json_object_set(pcrs, k, a);
	json_decref(a);
}

TEST(the_values_of_two_pcrs_change_places)
{
	START;
	json_t *proof = made();
	swap_pcrs(proof, "8", "9");
	caught(proof, "pcrs+summary+measured platform+policy boot", "not those quoted");
}

TEST(a_pcr_is_shown_as_it_should_have_been)
{
	START;
	s.booted.events[event_at(&s.booted, 4, APPLICATION, 1)].hashed = "grub with a back door";
	boots(&s.other, &s.told);
	char good[AI_HEX];
	ai_hex(&s.told.pcrs[4], good);
	json_t *proof = made();
	json_object_set_new(json_object_get(evidence_of(proof), "pcrs"), "4", json_string(good));
	caught(proof, "pcrs+summary+measured platform+policy boot", "not those quoted");
}

TEST(pcr_15_relabelled_as_pcr_16)
{
	START;
	json_t *proof = made(), *pcrs = json_object_get(evidence_of(proof), "pcrs");
	json_object_set(pcrs, "16", json_object_get(pcrs, "15"));
	json_object_del(pcrs, "15");
	caught(proof, "evidence", "'15' is missing");
}

TEST(a_seventeenth_pcr_goes_unseen)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_object_get(evidence_of(proof), "pcrs"), "16", json_string(nowhere));
	caught(proof, "evidence", "got 17, expected 16");
}

/* Quoted when the run began, before its log was extended. */
TEST(a_quote_from_before_the_run_speaks_of_its_end)
{
	START;
	json_t *proof = made(), *claims = json_incref(json_object_get(proof, "claims")), *none = json_array();
	json_t *log = json_incref(json_object_get(evidence_of(proof), "run_log"));
	AI_JSON *attestation = fake_attestation(&s.f.tpm, claims, none);
	json_object_update(proof, attestation);
	json_object_set_new(evidence_of(proof), "run_log", log);
	json_decref(claims);
	json_decref(none);
	caught(proof, "run log", "expected PCR 15, which is 0000");
}

TEST(extends_of_pcr_15_that_no_log_tells_of)
{
	START;
	json_t *proof = made(), *log = json_object_get(evidence_of(proof), "run_log");
	json_t *claims = json_incref(json_object_get(proof, "claims")), *told = json_deep_copy(log), *real = json_deep_copy(log);
	json_array_insert_new(real, 1, fake_json("{'event':'opaque','digest':'%s'}", nowhere));
	AI_JSON *attestation = fake_attestation(&s.f.tpm, claims, real);
	json_object_update(proof, attestation);
	json_object_set_new(evidence_of(proof), "run_log", told);
	json_decref(claims);
	json_decref(real);
	caught(proof, "run log", "run log: replays to");
}

/* --- the key -------------------------------------------------------------------------- */

/* A key with these attributes changed, which the claims name as it is. */
static void
attributes(uint32_t change_, const char *words)
{
	s.f.tpm.attributes ^= change_;
	caught(made(), "attestation key", words);
}

TEST(a_key_that_signs_anything_passes_for_an_ak) { START; attributes(1u << 16, "restricted is clear"); }
TEST(a_key_that_decrypts_passes_for_an_ak) { START; attributes(1u << 17, "decrypt is set"); }
TEST(a_key_that_cannot_sign_passes_for_an_ak) { START; attributes(1u << 18, "sign is clear"); }
TEST(a_key_that_moves_between_tpms_passes_for_an_ak) { START; attributes(1u << 1, "fixedTPM is clear"); }
TEST(a_key_that_can_be_duplicated_passes_for_an_ak) { START; attributes(1u << 4, "fixedParent is clear"); }
TEST(a_key_that_i_imported_passes_for_an_ak) { START; attributes(1u << 5, "sensitiveDataOrigin is clear"); }
TEST(a_key_that_signs_certificates_passes_for_an_ak) { START; attributes(1u << 19, "x509sign is set"); }
TEST(reserved_bits_of_a_key_go_unseen) { START; attributes(1u << 31, "reserved attribute bits"); }

static void
public_edited(size_t at, const char *two, const char *words)
{
	json_t *proof = made();
	public_again(proof, at, 2, two, 2);
	caught(proof, "attestation key", words);
}

TEST(a_key_that_signs_with_sha1) { START; public_edited(PUB_HASH, "\0\4", "it signs with SHA-1"); }
TEST(a_key_named_by_sha1) { START; public_edited(PUB_NAME_ALG, "\0\4", "name algorithm: got 0004"); }
TEST(a_key_whose_scheme_i_may_choose) { START; public_edited(PUB_SCHEME, "\0\x10", "scheme is not fixed by the key"); }
TEST(a_key_of_a_scheme_that_signs_blindly) { START; public_edited(PUB_SCHEME, "\0\x1a", "signature scheme: got 001a"); }
TEST(a_storage_key_passes_for_an_ak) { START; public_edited(PUB_SYMMETRIC, "\0\6", "has a symmetric algorithm"); }
TEST(a_key_on_a_weaker_curve) { START; public_edited(PUB_CURVE, "\0\1", "curve: got 0001"); }
TEST(a_point_that_is_on_no_curve) { START; public_edited(PUB_X, "\0\0", "not on the curve"); }

static void
signature_words(const char *four, const char *words)
{
	json_t *proof = made();
	struct ai_buf sig;
	get_bytes(proof, "signature", &sig);
	put_over(&sig, 0, 4, four, 4);
	put_bytes(proof, "signature", &sig);
	caught(proof, "quote", words);
}

TEST(a_signature_with_sha1) { START; signature_words("\0\x18\0\4", "got 0018 0004, expected the key's 0018 000b"); }
TEST(a_signature_of_another_scheme) { START; signature_words("\0\x14\0\x0b", "got 0014 000b"); }

TEST(a_signature_of_zeros)
{
	START;
	json_t *proof = made();
	struct ai_buf sig;
	static const char zeros[32];
	get_bytes(proof, "signature", &sig);
	put_over(&sig, 6, 32, zeros, 32);
	put_over(&sig, 40, 32, zeros, 32);
	put_bytes(proof, "signature", &sig);
	caught(proof, "quote", "not made by this attestation key");
}

/* --- freshness --------------------------------------------------------------------- */

TEST(yesterdays_proof_answers_todays_question)
{
	START;
	s.o.nonce = "of today";
	unwanted(made(), "nonce", "got 'fresh', expected 'of today'");
}

static void forget_nonce(struct fake *x, json_t *claims) { (void)x; json_object_del(claims, "nonce"); }

TEST(a_proof_that_answers_no_question)
{
	START;
	change("require:", "nonce: of today\nrequire:");
	s.f.on_claims = forget_nonce;
	unwanted(made(), "nonce", "the claims have no nonce");
}

TEST(the_nonce_is_edited_into_the_claims)
{
	START;
	s.o.nonce = "of today";
	json_t *proof = made();
	json_object_set_new(json_object_get(proof, "claims"), "nonce", json_string("of today"));
	caught(proof, "quote+run log", "extraData");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_one), H(an_edited_quote_keeps_its_signature), H(a_signature_of_another_quote_will_do), H(bytes_that_no_tpm_generated_pass_for_its_own),
		H(an_attestation_of_a_creation_passes_for_a_quote), H(bytes_behind_the_quote_go_unseen), H(bytes_behind_the_signature_go_unseen), H(bytes_behind_the_key_go_unseen),
		H(a_quote_for_another_question_speaks_for_these_claims), H(the_beginning_of_the_claims_id_is_enough),
		H(a_quote_that_asks_nothing_speaks_for_everything), H(a_quote_without_the_pcr_that_betrays_me), H(a_quote_with_pcr_23_that_everybody_may_reset),
		H(a_quote_of_pcrs_16_to_23_instead), H(a_quote_of_no_pcr_at_all), H(the_same_bank_twice_shows_one_and_quotes_the_other), H(a_second_bank_beside_the_first),
		H(the_sha1_bank_is_good_enough), H(a_pcr_digest_by_sha1_is_good_enough), H(the_values_of_two_pcrs_change_places), H(a_pcr_is_shown_as_it_should_have_been),
		H(pcr_15_relabelled_as_pcr_16), H(a_seventeenth_pcr_goes_unseen), H(a_quote_from_before_the_run_speaks_of_its_end), H(extends_of_pcr_15_that_no_log_tells_of),
		H(a_key_that_signs_anything_passes_for_an_ak), H(a_key_that_decrypts_passes_for_an_ak), H(a_key_that_cannot_sign_passes_for_an_ak),
		H(a_key_that_moves_between_tpms_passes_for_an_ak), H(a_key_that_can_be_duplicated_passes_for_an_ak), H(a_key_that_i_imported_passes_for_an_ak),
		H(a_key_that_signs_certificates_passes_for_an_ak), H(reserved_bits_of_a_key_go_unseen), H(a_key_that_signs_with_sha1), H(a_key_named_by_sha1),
		H(a_key_whose_scheme_i_may_choose), H(a_key_of_a_scheme_that_signs_blindly), H(a_storage_key_passes_for_an_ak), H(a_key_on_a_weaker_curve),
		H(a_point_that_is_on_no_curve), H(a_signature_with_sha1), H(a_signature_of_another_scheme), H(a_signature_of_zeros), H(yesterdays_proof_answers_todays_question),
		H(a_proof_that_answers_no_question), H(the_nonce_is_edited_into_the_claims),
	};
	return RUN("forgery_quote", tests);
}
