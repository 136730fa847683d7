/* test_attack.c -- what a proof's author may still try: other spellings, other kinds, lies in fields that are seldom looked at.  SPDX-License-Identifier: Apache-2.0 */
#include "proof_cases.h"

/* --- spellings of the file ----------------------------------------------------- */


/* Verifies text of n bytes as it is; the fake's key is accepted. */
static int
verify_text(const char *text, size_t n, struct ai_err *err)
{
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1 };
	AI_JSON *report = NULL;
	return ai_verify(text, n, "proof.json", &o, &report, err);
}

/* The text with the first place of `from` replaced by n bytes of `to`; *n_out its length. */
static char *
edited(const char *text, const char *from, const char *to, size_t n, size_t *n_out)
{
	const char *at = strstr(text, from);
	if (!at)
		fail_msg("the proof has no '%s'", from);
	struct ai_buf b = AI_BUF(AI_MAX_TEXT);
	ai_buf_put(&b, text, (size_t)(at - text));
	ai_buf_put(&b, to, n);
	ai_buf_puts(&b, at + strlen(from));
	*n_out = b.len;
	return ai_buf_take(&b);
}

static void
spellings_refused(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT | JSON_SORT_KEYS);
	AI_FREE char *nested = malloc(200001);
	memset(nested, '[', 200000);
	nested[200000] = '\0';
	const struct { const char *what, *from, *to; size_t n; } edits[] = {
#define E(what, from, to) { what, from, to, sizeof to - 1 }
		E("a key twice, once escaped", "\"version\":\"v1\"", "\"version\":\"v1\",\"v\\u0065rsion\":\"v1\""),
		E("a key twice in a node, once escaped", "\"platform\":\"linux/amd64\"", "\"platform\":\"linux/amd64\",\"pl\\u0061tform\":\"evil/amd64\""),
		E("a key twice in the claims", "\"cpu\":\"example\"", "\"cpu\":\"example\",\"cpu\":\"other\""),
		E("a real one", "\"format\":1", "\"format\":1.0"),
		E("an exponent", "\"format\":1", "\"format\":1e0"),
		E("a leading zero", "\"format\":1", "\"format\":01"),
		E("a plus", "\"format\":1", "\"format\":+1"),
		E("a huge integer", "\"format\":1", "\"format\":18446744073709551617"),
		E("true for one", "\"format\":1", "\"format\":true"),
		E("minus zero", "\"format\":1", "\"format\":-0"),
		E("null", "\"format\":1", "\"format\":null"),
		E("NaN", "\"format\":1", "\"format\":NaN"),
		E("a comment", "\"version\"", "/* */\"version\""),
		E("a trailing comma", "\"lineage\":[]", "\"lineage\":[],"),
		E("a lone surrogate", "\"cpu\":\"example\"", "\"cpu\":\"\\ud800\""),
		E("a surrogate in raw bytes", "\"cpu\":\"example\"", "\"cpu\":\"\xed\xa0\x80\""),
		E("an overlong byte", "\"cpu\":\"example\"", "\"cpu\":\"\xc1\xa1\""),
		E("a NUL escape", "\"cpu\":\"example\"", "\"cpu\":\"a\\u0000b\""),
		E("a NUL byte", "\"cpu\":\"example\"", "\"cpu\":\"a\0b\""),
		E("a NUL in a key", "\"cpu\":\"example\"", "\"cp\\u0000\":\"example\""),
		E("a key that is not ASCII", "\"cpu\":\"example\"", "\"cp\\u00fc\":\"example\""),
		E("a raw line end in a string", "\"cpu\":\"example\"", "\"cpu\":\"exa\nmple\""),
		E("a single quote", "\"version\"", "'version'"),
#undef E
	};
	struct ai_err good = { 0 };
	assert_int_equal(verify_text(text, strlen(text), &good), 0);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		size_t n;
		struct ai_err err = { 0 };
		AI_FREE char *bad = edited(text, edits[i].from, edits[i].to, edits[i].n, &n);
		if (verify_text(bad, n, &err) >= 0)
			fail_msg("%s: verified", edits[i].what);
	}
}

/* Spellings that mean the very same value are the same proof: the ids are of the values. */
static void
same_values_verify(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT | JSON_SORT_KEYS);
	const struct { const char *from, *to; } edits[] = {
		{ "\"platform\":", "\"pl\\u0061tform\" : " }, { "linux/amd64", "linux\\/amd64" }, { "\"cpu\":\"example\"", "\"cpu\":\"ex\\u0061mple\"" },
	};
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		size_t n;
		struct ai_err err = { 0 };
		AI_FREE char *other = edited(text, edits[i].from, edits[i].to, strlen(edits[i].to), &n);
		if (verify_text(other, n, &err) < 0)
			fail_msg("%s: %s", edits[i].to, err.text);
	}
}

static void
whole_texts_refused(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	size_t n = strlen(text);
	struct ai_err err = { 0 };
	const struct { const char *before, *after; } around[] = {
		{ "\xef\xbb\xbf", "" }, { "", "{}" }, { "", "\x1a" }, { "[", "]" }, { "", "," }, { "\xff\xfe", "" }, { "", "\n}" },
	};
	for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
		AI_FREE char *bad = ai_format("%s%s%s", around[i].before, text, around[i].after);
		if (verify_text(bad, strlen(bad), &err) >= 0)
			fail_msg("'%s'…'%s' verified", around[i].before, around[i].after);
	}
	AI_FREE char *wide = calloc(2, n); /* UTF-16 */
	for (size_t i = 0; i < n; i++)
		wide[2 * i] = text[i];
	assert_true(verify_text(wide, 2 * n, &err) < 0);
	/* A NUL and what follows are bytes of the file like any. */
	AI_FREE char *after = calloc(1, n + 8);
	memcpy(after, text, n);
	assert_true(verify_text(after, n + 1, &err) < 0);
	for (size_t i = 0; i < 3; i++) {
		size_t deep = 1u << 20;
		AI_FREE char *nested = malloc(deep);
		memset(nested, "[{\""[i], deep);
		assert_true(verify_text(nested, deep, &err) < 0);
	}
}

/* Twelve megabytes that a parser would make a gigabyte of: counted first. */
static void
swollen_text_refused(void **state)
{
	(void)state;
	fake_fingerprint(&f.tpm, f.key);
	static const char *const pieces[] = { "{},", "[],", "1,", "\"\"," };
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct ai_buf b = AI_BUF(128u << 20);
		size_t n = i < 2 ? 1u << 22 : 1u << 24;
		ai_buf_puts(&b, "{\"version\":\"v1\",\"inputs\":[");
		for (size_t k = 0; k < n; k++)
			ai_buf_puts(&b, pieces[i]);
		ai_buf_puts(&b, "1]}");
		refused(AI_EINPUT, "too large: it holds over", verify_text(b.data, b.len, &err));
		ai_buf_done(&b);
	}
}

/* What we print of a proof, as an error or as JSON: the same meaning, and nothing that a terminal obeys or that begins a line. */
static void
foreign_text_is_tame(void **state)
{
	(void)state;
	static const char foreign[] = "é\x1b[2J\xc2\x9b\xc2\x80\xc2\xa0\xe2\x80\x8e\xe2\x80\xa9\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa5\xe2\x82\xac\xe2\x80\x94\nVERIFIED";
	static const char *const obeyed[] = { "\x1b", "\xc2\x9b", "\xc2\x80", "\xe2\x80\x8e", "\xe2\x80\xa9", "\xe2\x80\xae", "\xe2\x81\xa6", "\nV" };
	struct ai_err said = { 0 };
	AI_JSON *j = json_pack("{s:s}", "a", foreign), *back = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	ok(ai_json_pretty(j, &b, &err));
	ok(ai_json_parse(b.data, b.len, "again", &back, &err));
	assert_true(json_equal(j, back));
	(void)ai_fail(&said, AI_ENO, "%s", foreign);
	for (size_t i = 0; i < sizeof obeyed / sizeof *obeyed; i++) {
		assert_null(strstr(b.data, obeyed[i]));
		assert_null(strstr(said.text, obeyed[i]));
	}
	assert_non_null(strstr(b.data, "é"));
	assert_non_null(strstr(b.data, "\xe2\x82\xac\xe2\x80\x94"));
	assert_non_null(strstr(said.text, "\xe2\x82\xac\xe2\x80\x94 VERIFIED"));
}

/* --- lies that are signed -------------------------------------------------------- */

#define LIE(name, hook, check, words) \
	static void name(void **state) { (void)state; f.hook = lie_##name; expect_failed(fake_make(&f), check, words); }

static void lie_takes_its_own_output(struct fake *x, json_t *recipe) { (void)x; json_array_set_new(json_object_get(recipe, "inputs"), 1, fake_json("{'path':'/workspace/resources/tokens','step':'train','output':'model'}")); }
LIE(takes_its_own_output, on_recipe, "plan", "does not stand before it")
static void lie_sha256_for_git(struct fake *x, json_t *claims) { json_object_set_new(claims, "verified", fake_json("[{'id':'%s','how':'sha256'},{'id':'%s','how':'oci'}]", x->code, x->alpaca)); }
LIE(sha256_for_git, on_claims, "claims", "verified[0]")
/* A URL's content "verified as git": then the summary would show a revision of the builder's choice for its hash. */
static void lie_git_for_a_url(struct fake *x, json_t *claims) { json_object_set_new(claims, "verified", fake_json("[{'id':'%s','how':'git'}]", x->alpaca)); }
LIE(git_for_a_url, on_claims, "claims", "'git' is not how a source of type 'url'")
static void lie_oci_for_git(struct fake *x, json_t *claims) { json_object_set_new(claims, "verified", fake_json("[{'id':'%s','how':'oci'}]", x->code)); }
LIE(oci_for_git, on_claims, "claims", "'oci' is not how a source of type 'git'")

static void lie_key_of_another(struct fake *x, json_t *claims) { char ak[AI_HEX]; fake_fingerprint(&x->other_tpm, ak); json_object_set_new(claims, "ak", json_string(ak)); }
LIE(key_of_another, on_claims, "attestation key", "which the claims name")
static void lie_boot_log_of_another(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "boot_log", json_string(nowhere)); }
LIE(boot_log_of_another, on_claims, "boot log", "which the claims name")
static void lie_reused_twice(struct fake *x, json_t *claims) { json_array_append(json_object_get(claims, "reused"), json_array_get(json_object_get(claims, "reused"), 0)); (void)x; }
LIE(reused_twice, on_claims, "evidence", "stands twice")
static void
lie_executed_in_capitals(struct fake *x, json_t *claims)
{
	char id[AI_HEX];
	snprintf(id, sizeof id, "%s", x->train);
	for (char *p = id; *p; p++)
		*p = (char)(*p >= 'a' ? *p - 32 : *p);
	json_object_set_new(claims, "executed", fake_json("['%s']", id));
}
LIE(executed_in_capitals, on_claims, "evidence", "64 lower-case hex digits")
static void lie_empty_nonce(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "nonce", json_string("")); }
LIE(empty_nonce, on_claims, "evidence", "nonce")
static void lie_nonce_number(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "nonce", json_integer(1)); }
LIE(nonce_number, on_claims, "evidence", "nonce")
static void lie_nonce_escape(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "nonce", json_string("a\x1b[2J")); }
LIE(nonce_escape, on_claims, "evidence", "nonce")
static void lie_small_z(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "started", json_string("2026-01-02T00:00:00z")); }
LIE(small_z, on_claims, "evidence", "a time like")
static void lie_offset(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "finished", json_string("2026-01-02T00:00:05+00:00")); }
LIE(offset, on_claims, "evidence", "a time like")
static void lie_machine_in_machine(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "machine", fake_json("{'cpu':{'a':'b'}}")); }
LIE(machine_in_machine, on_claims, "evidence", "machine")
static void lie_empty_results(struct fake *x, json_t *log) { (void)x; json_array_insert_new(log, 1, fake_json("{'event':'results','ids':[]}")); }
static void
empty_results(void **state)
{
	(void)state;
	/* Not even the helper that plays the TPM takes it. */
	AI_JSON *e = fake_json("{'event':'results','ids':[]}");
	struct ai_digest d;
	(void)lie_empty_results;
	refused(AI_EINPUT, "not a list of ids", ai_event_digest(e, &d, &err));
}
static void lie_second_plan(struct fake *x, json_t *log) { (void)x; json_array_insert_new(log, 1, fake_json("{'event':'plan','id':'%s'}", nowhere)); }
LIE(second_plan, on_log, "run log", "a second plan event")
static void lie_second_claims(struct fake *x, json_t *log) { (void)x; json_array_append(log, json_array_get(log, 2)); }
LIE(second_claims, on_log, "run log", "follows claims")

/* The earlier run's evidence must stand by itself. */
static void lie_earlier_key(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "ak", json_string(nowhere)); }
LIE(earlier_key, on_earlier, "reused", "which the claims name")
static void lie_earlier_boot_log(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "boot_log", json_string(nowhere)); }
LIE(earlier_boot_log, on_earlier, "reused", "boot log")
static void lie_earlier_claims_more(struct fake *x, json_t *claims) { (void)x; json_array_append_new(json_object_get(claims, "executed"), json_string(nowhere)); }
LIE(earlier_claims_more, on_earlier, "reused", "was not logged")
static void lie_earlier_other_plan(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "plan", json_string(nowhere)); }
LIE(earlier_other_plan, on_earlier, "reused", "plan event names another")

/* Others' events in the log of a reused result's run are told as the run's own are. */
static void opaque_first(struct fake *x, json_t *log) { (void)x; json_array_insert_new(log, 0, fake_json("{'event':'opaque','digest':'%s'}", nowhere)); }
static void
opaque_events_of_reused_are_told(void **state)
{
	(void)state;
	AI_JSON *report = NULL;
	f.on_earlier_log = opaque_first;
	AI_JSON *proof = fake_make(&f);
	ok(fake_verify(&f, proof, NULL, &report, &err));
	assert_non_null(strstr(ai_json_str(fake_check_named(report, "reused"), "compared"), "1 of the events are not"));
}

/* --- edits that no signature covers ----------------------------------------------- */

static void
ids_have_one_spelling(void **state)
{
	(void)state;
	static const char *const holders[] = { "nodes", "blobs", "attestations" };
	for (size_t i = 0; i < 3; i++) {
		json_t *proof = fake_make(&f), *holder = json_object_get(proof, holders[i]), *v = NULL;
		char id[AI_HEX];
		const char *key;
		json_object_foreach(holder, key, v) {
			snprintf(id, sizeof id, "%s", key);
			if (strpbrk(id, "abcdef"))
				break;
		}
		*strpbrk(id, "abcdef") -= 32;
		json_object_set(holder, id, v);
		expect_failed(proof, i == 2 ? "format" : "ids", "64 lower-case hex digits");
	}
}

/* A tree's bytes given as a blob under the tree's id serve no edge that wants the tree, and nothing else refers to them. */
static void
tree_as_blob(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_TEXT);
	ok(ai_canon(json_object_get(f.nodes, f.repo), &bytes, &err));
	json_object_set_new(json_object_get(proof, "blobs"), f.repo, fake_base64(&bytes));
	expect_failed(proof, "references", "nothing that the root reaches");
}

/* What is not content may never be withheld, allowed or not. */
static void
mandatory_nodes_are_not_withheld(void **state)
{
	(void)state;
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .keys = keys, .n_keys = 1, .allow_withheld = true };
	AI_JSON *whole = fake_make(&f);
	const char *const ids[] = { f.root, f.plan, f.train, f.tokens, f.train_step, f.tokens_step };
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		AI_JSON *proof = json_deep_copy(whole), *report = NULL;
		json_object_set_new(json_object_get(proof, "nodes"), ids[i], fake_json("{'kind':'withheld'}"));
		struct ai_err err = { 0 };
		assert_int_equal(fake_verify(&f, proof, &o, &report, &err), AI_ENO);
		assert_string_equal(ai_json_str(report, "level"), "none");
	}
}

/* --- signatures --------------------------------------------------------------------- */

static void
part(struct ai_buf *b, const BIGNUM *v, int pad)
{
	uint8_t bytes[80] = { 0 };
	int n = BN_num_bytes(v);
	BN_bn2bin(v, bytes + pad);
	fake_2b(b, bytes, (size_t)(n + pad));
}

/* An ECDSA signature of other numbers, or of the same in another width. */
static void
with_numbers(json_t *proof, const BIGNUM *r, const BIGNUM *s, int pad, bool good)
{
	struct ai_buf b = AI_BUF(AI_MAX_TEXT);
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	fake_number(&b, 0x0018000b, 4);
	part(&b, r, pad);
	part(&b, s, pad);
	json_object_set_new(proof, "signature", fake_base64(&b));
	int got = fake_verify(&f, proof, NULL, &report, &err);
	assert_int_equal(got, good ? 0 : AI_ENO);
	if (!good)
		assert_string_equal(ai_json_str(fake_check_named(report, "quote"), "status"), "failed");
}

static void
signature_numbers(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_BUF_AUTO sig = AI_BUF(AI_MAX_TEXT);
	const char *text = ai_json_str(proof, "signature");
	ok(ai_b64_get(text, strlen(text), &sig, &err));
	BIGNUM *n = NULL, *zero = BN_new(), *r = BN_bin2bn((unsigned char *)sig.data + 6, 32, NULL), *s = BN_bin2bn((unsigned char *)sig.data + 40, 32, NULL);
	BIGNUM *r_n = BN_new(), *s_n = BN_new();
	assert_int_equal(EVP_PKEY_get_bn_param(f.tpm.key, OSSL_PKEY_PARAM_EC_ORDER, &n), 1);
	BN_add(r_n, r, n);
	BN_add(s_n, s, n);
	with_numbers(proof, r, s, 0, true);
	with_numbers(proof, zero, s, 0, false);
	with_numbers(proof, r, zero, 0, false);
	with_numbers(proof, zero, zero, 0, false);
	with_numbers(proof, n, s, 0, false);
	with_numbers(proof, r, n, 0, false);
	with_numbers(proof, r_n, s, 0, false);
	with_numbers(proof, r, s_n, 0, false);
	with_numbers(proof, s, r, 0, false);
	with_numbers(proof, r, s, 1, false);
	BN_free(n), BN_free(zero), BN_free(r), BN_free(s), BN_free(r_n), BN_free(s_n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(spellings_refused), T(same_values_verify), T(whole_texts_refused), T(swollen_text_refused), T(foreign_text_is_tame),
		T(takes_its_own_output), T(sha256_for_git), T(git_for_a_url), T(oci_for_git),
		T(key_of_another), T(boot_log_of_another), T(reused_twice), T(executed_in_capitals), T(empty_nonce), T(nonce_number), T(nonce_escape),
		T(small_z), T(offset), T(machine_in_machine), T(empty_results), T(second_plan), T(second_claims),
		T(earlier_key), T(earlier_boot_log), T(earlier_claims_more), T(earlier_other_plan), T(opaque_events_of_reused_are_told),
		T(ids_have_one_spelling), T(tree_as_blob), T(mandatory_nodes_are_not_withheld), T(signature_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
