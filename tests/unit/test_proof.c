/* test_proof.c -- a good proof, one who edits it, and what the verdict says.  SPDX-License-Identifier: Apache-2.0 */
#include "proof_cases.h"

static void
good(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *report = NULL;
	ok(fake_verify(&f, proof, NULL, &report, &err));
	assert_true(json_is_true(json_object_get(report, "verified")));
	assert_string_equal(ai_json_str(report, "level"), "software");
	assert_string_equal(ai_json_str(report, "root"), f.root);
	assert_string_equal(ai_json_str(report, "key"), f.key);
	assert_string_equal(ai_json_str(report, "name"), "guide");
	assert_int_equal(json_integer_value(json_object_get(report, "executed")), 1);
	assert_int_equal(json_integer_value(json_object_get(report, "reused")), 1);
	const json_t *inputs = json_object_get(report, "inputs");
	assert_string_equal(ai_json_str(json_array_get(inputs, 0), "name"), "alpaca.csv");
	assert_string_equal(ai_json_str(json_array_get(inputs, 0), "hash"), f.csv);
	assert_string_equal(ai_json_str(json_array_get(inputs, 1), "name"), "r");
	assert_string_equal(ai_json_str(json_array_get(inputs, 1), "hash"), "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2");
	assert_non_null(strstr(ai_json_str(report, "why_not_next"), "no certificate"));
	/* What had nothing to look at has not passed. */
	static const char *const skipped[] = { "carried", "nonce", "lineage", "lineage accepted", "planned again", "certificates", "timestamp", "withheld", "cosigned", "genuine tpm",
		"measured platform", "threshold", "policy timestamp", "policy root", "policy inputs", "policy outputs", "policy rules", "policy steps", "policy images",
		"policy environments", "policy boot", "policy job", "policy denied", "policy withheld" };
	for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
		assert_string_equal(ai_json_str(fake_check_named(report, skipped[i]), "status"), "skipped");
	static const char *const passed[] = { "format", "ids", "references", "evidence", "claims", "plan", "provenance", "coverage",
		"attestation key", "quote", "pcrs", "boot log", "run log", "reused", "summary", "judged", "accepted key", "level" };
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		assert_string_equal(ai_json_str(fake_check_named(report, passed[i]), "status"), "passed");
	assert_int_equal(json_array_size(json_object_get(report, "checks")), sizeof passed / sizeof *passed + sizeof skipped / sizeof *skipped);
}

static void
no_trees_unless_asked(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	assert_null(json_object_get(json_object_get(proof, "nodes"), f.repo));
	assert_int_equal(json_object_size(json_object_get(proof, "nodes")), 10);
	assert_int_equal(json_object_size(json_object_get(proof, "blobs")), 4);
	assert_int_equal(json_object_size(proof), 14);
}

/* --- one who edits a good proof -------------------------------------------- */

static json_t *
nodes_of(json_t *proof)
{
	return json_object_get(proof, "nodes");
}

static void
unused_node(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f), *node = fake_json("{'kind':'environment','platform':'linux/arm64','host':true}");
	struct ai_digest d;
	char hex[AI_HEX];
	ok(ai_json_id(node, &d, &err));
	ai_hex(&d, hex);
	json_object_set_new(nodes_of(proof), hex, node);
	expect_failed(proof, "references", "nothing that the root reaches refers to it");
}

static void
unused_blob(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	json_object_set_new(json_object_get(proof, "blobs"), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", json_string("AA=="));
	expect_failed(proof, "references", "nothing that the root reaches refers to it");
}

/* Carried bytes make an input known: everybody can look at them. */
static const char zero_byte[] = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
static void take_zero_byte(struct fake *x, json_t *recipe) { (void)x; set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", zero_byte); }

static void
carried_blob_is_an_origin(void **state)
{
	(void)state;
	f.on_recipe = take_zero_byte;
	expect_failed(fake_make(&f), "provenance", "comes from nowhere");
	AI_JSON *proof = fake_make(&f), *report = NULL;
	json_object_set_new(json_object_get(proof, "blobs"), zero_byte, json_string("AA=="));
	ok(fake_verify(&f, proof, NULL, &report, &err));
	json_object_set_new(json_object_get(proof, "blobs"), zero_byte, json_string("AQ=="));
	expect_failed(json_incref(proof), "ids", "its bytes hash to");
}

static void
withheld_step(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	json_object_set_new(nodes_of(proof), f.train_step, fake_json("{'kind':'withheld'}"));
	expect_failed(proof, "references", "withheld, expected a step");
}

static void
withheld_source(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *report = NULL;
	json_object_set_new(nodes_of(proof), f.used, fake_json("{'kind':'withheld'}"));
	expect_failed(json_incref(proof), "references", "nothing that the root reaches"); /* the names that used listed */
	json_t *blobs = json_object_get(proof, "blobs");
	const char *id;
	json_t *v;
	void *next;
	json_object_foreach_safe(blobs, next, id, v)
		if (strcmp(json_string_value(v), "WyJsaWJtLnNvLjYiXQ==") == 0)
			json_object_del(blobs, id);
	expect_failed(json_incref(proof), "withheld", "1 nodes are withheld");
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .allow_withheld = true };
	ok(fake_verify(&f, proof, &o, &report, &err));
	assert_string_equal(ai_json_str(fake_check_named(report, "withheld"), "status"), "skipped");
	/* A withheld source: what came from it is no longer followed, and the report does not claim it. */
	json_object_set_new(nodes_of(proof), f.alpaca, fake_json("{'kind':'withheld'}"));
	json_array_set_new(json_object_get(proof, "inputs"), 0, fake_json("{'type':'withheld','name':'alpaca','download_url':'','hash':'%s'}", f.alpaca));
	json_decref(report);
	report = NULL;
	ok(fake_verify(&f, proof, &o, &report, &err));
	assert_string_equal(ai_json_str(fake_check_named(report, "provenance"), "status"), "skipped");
}

static void
summary_lies(void **state)
{
	(void)state;
	static const char *const fields[] = { "type", "name", "download_url", "hash" };
	AI_JSON *proof = fake_make(&f);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		json_t *lie = json_deep_copy(proof);
		json_object_set_new(json_array_get(json_object_get(lie, "inputs"), 1), fields[i], json_string("x"));
		expect_failed(lie, "summary", "'inputs[1]'");
	}
	json_t *lie = json_deep_copy(proof);
	json_object_set_new(lie, "output_model_hash", json_string(f.csv));
	expect_failed(lie, "summary", "'output_model_hash'");
	lie = json_deep_copy(proof);
	json_object_set_new(lie, "platform_hash", json_string(f.csv));
	expect_failed(lie, "summary", "'platform_hash'");
	lie = json_deep_copy(proof);
	json_array_remove(json_object_get(lie, "inputs"), 0);
	expect_failed(lie, "summary", "'inputs': got 1, expected 2");
}

static void
unsupported_parts(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	json_object_set_new(proof, "cosigned", fake_json("[{}]"));
	expect_failed(proof, "format", "cosigned[0]: field 'claims' is missing");
	proof = fake_make(&f);
	json_object_set_new(proof, "proofs", fake_json("{'a':{}}"));
	expect_failed(proof, "lineage", "is not 64 lower-case hex digits");
}

static void
attestation_of_nothing(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f), *attestations = json_object_get(proof, "attestations");
	json_object_set(attestations, nowhere, json_object_get(attestations, f.earlier));
	expect_failed(proof, "coverage", "is of no reused result");
	proof = fake_make(&f);
	json_object_clear(json_object_get(proof, "attestations"));
	expect_failed(proof, "coverage", "is not carried");
}

/* Evidence of the earlier run in place of this one's: a good quote, of other claims. */
static void
evidence_of_other_run(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f), *other = json_object_get(json_object_get(proof, "attestations"), f.earlier);
	json_object_set(proof, "signature", json_object_get(other, "signature"));
	json_object_set(proof, "low_level_quote", json_object_get(other, "low_level_quote"));
	json_object_set(proof, "evidence", json_object_get(other, "evidence"));
	expect_failed(proof, "quote", "extraData");
	proof = fake_make(&f);
	other = json_object_get(json_object_get(proof, "attestations"), f.earlier);
	json_object_update(proof, other);
	expect_failed(proof, "claims", "failed prove nothing");
}

static void
pcrs_edited(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) {
		char key[12];
		snprintf(key, sizeof key, "%d", i);
		json_t *proof = fake_make(&f);
		json_object_set_new(json_object_get(json_object_get(proof, "evidence"), "pcrs"), key, json_string(nowhere));
		expect_failed(proof, "pcrs", "");
	}
	json_t *proof = fake_make(&f);
	json_object_set_new(json_object_get(json_object_get(proof, "evidence"), "pcrs"), "16", json_string(nowhere));
	expect_failed(proof, "evidence", "got 17");
}

static void
stray_base64_bits(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f), *blobs = json_object_get(proof, "blobs");
	const char *id;
	json_t *v;
	size_t n = 0;
	void *next;
	json_object_foreach_safe(blobs, next, id, v) {
		AI_FREE char *text = ai_strdup(json_string_value(v));
		char *pad = strchr(text, '=');
		if (!pad)
			continue;
		pad[-1]++;
		json_object_set_new(blobs, id, json_string(text));
		n++;
	}
	assert_true(n > 0);
	expect_failed(proof, "ids", "bits that nothing uses");
}

static void
duplicate_key(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	AI_FREE char *twice = ai_format("{\"version\":\"v1\",%s", text + 1);
	struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED };
	json_t *report = NULL;
	refused(AI_EINPUT, "duplicate", ai_verify(twice, strlen(twice), "p", &o, &report, &err));
	refused(AI_EINPUT, "", ai_verify(text, strlen(text) - 1, "p", &o, &report, &err));
	refused(AI_EINPUT, "no 'version'", ai_verify("{}", 2, "p", &o, &report, &err));
	refused(AI_EINPUT, "", ai_verify("", 0, "p", &o, &report, &err));
	refused(AI_EINPUT, "expected 'v1'", ai_verify("{\"version\":\"v2\"}", 16, "p", &o, &report, &err));
	assert_null(report);
}

/* --- an input that lies inside a source ------------------------------------ */

static void
take_main_py(struct fake *x, json_t *recipe)
{
	const json_t *entry = json_array_get(json_object_get(json_object_get(x->nodes, x->repo), "entries"), 0);
	set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", ai_json_str(entry, "id"));
}

static void
merkle_path(void **state)
{
	(void)state;
	f.on_recipe = take_main_py;
	expect_failed(fake_make(&f), "provenance", "comes from nowhere");
	AI_JSON *tree = json_incref(json_object_get(f.nodes, f.repo)), *report = NULL;
	json_object_set(f.trees, f.repo, tree);
	AI_JSON *proof = fake_make(&f);
	ok(fake_verify(&f, proof, NULL, &report, &err));
	assert_string_equal(ai_json_str(fake_check_named(report, "provenance"), "status"), "passed");
}

/* --- levels and what the verifier asks for --------------------------------- */

static void
expect_level(const json_t *proof, struct ai_verify_options o, int want, const char *level, const char *check, const char *status)
{
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	int r = fake_verify(&f, proof, &o, &report, &err);
	if (r != want)
		fail_msg("got %d '%s', expected %d", r, err.text, want);
	assert_string_equal(ai_json_str(report, "level"), level);
	assert_string_equal(ai_json_str(fake_check_named(report, check), "status"), status);
	if (want < 0)
		assert_true(strlen(ai_json_str(report, "hint")) > 0 || strcmp(check, "nonce") == 0);
}

static void
levels(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	const char *keys[] = { f.key };
	AI_JSON *trusted = json_pack("[s]", f.key);
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_UNSIGNED }, 0, "unsigned", "accepted key", "skipped");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE }, AI_ENO, "unsigned", "accepted key", "failed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .trusted = trusted }, 0, "software", "accepted key", "passed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_GENUINE_TPM, .keys = keys, .n_keys = 1 }, AI_ENO, "software", "level", "failed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_MEASURED_PLATFORM, .keys = keys, .n_keys = 1 }, AI_ENO, "software", "level", "failed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .nonce = "fresh" }, 0, "software", "nonce", "passed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .nonce = "stale" }, AI_ENO, "software", "nonce", "failed");
	const char *bad[] = { "abc" };
	struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .keys = bad, .n_keys = 1 };
	json_t *report = NULL;
	refused(AI_EUSAGE, "64 lower-case hex digits", fake_verify(&f, proof, &o, &report, &err));
	ai_level level = AI_LEVEL_NONE;
	ok(ai_level_parse("genuine-tpm", &level, &err));
	assert_int_equal(level, AI_LEVEL_GENUINE_TPM);
	refused(AI_EUSAGE, "'software'", ai_level_parse("none", &level, &err));
	assert_int_equal(level, AI_LEVEL_GENUINE_TPM);
}

static void
reused_by_unknown_key(void **state)
{
	(void)state;
	f.two_keys = true;
	AI_JSON *proof = fake_make(&f);
	char other[AI_HEX];
	fake_fingerprint(&f.other_tpm, other);
	const char *keys[] = { f.key, other };
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1 }, AI_ENO, "unsigned", "accepted key", "failed");
	expect_level(proof, (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 2 }, 0, "software", "accepted key", "passed");
}

static void log_opaque(struct fake *x, json_t *log) { (void)x; json_array_insert_new(log, 0, fake_json("{'event':'opaque','digest':'%s'}", nowhere)); }

static void
opaque_events_are_told(void **state)
{
	(void)state;
	f.on_log = log_opaque;
	AI_JSON *proof = fake_make(&f), *report = NULL;
	ok(fake_verify(&f, proof, NULL, &report, &err));
	assert_non_null(strstr(ai_json_str(fake_check_named(report, "run log"), "compared"), "1 of the events are not this run's"));
}

/* The report of a proof with a certificate that nothing can check. */
static void
stray_certificate(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	json_object_set_new(json_object_get(proof, "evidence"), "ak_certificates", fake_json("['AAAA']"));
	expect_failed(proof, "certificates", "certificate");
}

struct disk { struct ai_ref ref; char revision[AI_HEX]; };

static int
hash_path(void *ctx, const char *path, const char *revision, struct ai_ref *out, struct ai_err *err)
{
	struct disk *d = ctx;
	(void)path;
	(void)err;
	snprintf(d->revision, sizeof d->revision, "%s", revision ? revision : "");
	*out = d->ref;
	return 0;
}

static int
replan_same(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err)
{
	struct ai_digest id;
	(void)ctx;
	(void)err;
	assert_non_null(ai_json_str(run, "name"));
	assert_true(ai_json_digest(plan, "aicertfile", &id));
	assert_memory_equal(ai_dag_blob(dag, &id)->data, "aicert: 1\n", 10);
	*out = json_deep_copy(plan);
	return 0;
}

static int
replan_other(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err)
{
	int r = replan_same(ctx, run, plan, dag, out, err);
	json_array_append_new(json_object_get(*out, "parameters"), json_pack("{s:s, s:s}", "name", "x", "value", "y"));
	return r;
}

static int
replan_refuses(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err)
{
	(void)ctx; (void)run; (void)plan; (void)dag; (void)out;
	return ai_fail(err, AI_EUSAGE, "Aicertfile:1:1: no such rule");
}

static void
planned_again(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .replan = replan_same };
	expect_level(proof, o, 0, "software", "planned again", "passed");
	struct ai_err err = { 0 };
	json_t *report = NULL;
	o.replan = replan_other;
	assert_int_equal(fake_verify(&f, proof, &o, &report, &err), AI_ENO);
	assert_string_equal(ai_json_str(fake_check_named(report, "planned again"), "status"), "failed");
	json_decref(report);
	o.replan = replan_refuses;
	assert_int_equal(fake_verify(&f, proof, &o, &report, &err), AI_ENO);
	assert_non_null(strstr(err.text, "no such rule"));
	json_decref(report);
}

static void
local_data(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *report = NULL;
	const char *keys[] = { f.key };
	struct disk d = { .ref = { .type = AI_REF_TREE } };
	struct ai_named_ref code = { "code", "/clone" }, model = { "model", "/m" }, none = { "nope", "/x" };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .hash_path = hash_path, .ctx = &d,
		.inputs = &code, .n_inputs = 1 };
	assert_true(ai_unhex(f.repo, &d.ref.id));
	ok(fake_verify(&f, proof, &o, &report, &err));
	assert_string_equal(d.revision, "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2");
	assert_string_equal(ai_json_str(fake_check_named(report, "input code"), "status"), "passed");
	json_decref(report);
	d.ref.type = AI_REF_BLOB; /* the same digest as a file is another thing */
	refused(AI_ENO, "got blob", fake_verify(&f, proof, &o, &report, &err));
	assert_string_equal(ai_json_str(report, "level"), "software");
	json_decref(report);
	report = NULL;
	o.inputs = &none;
	refused(AI_EUSAGE, "'alpaca', 'code'", fake_verify(&f, proof, &o, &report, &err));
	o.n_inputs = 0;
	o.outputs = &model;
	o.n_outputs = 1;
	ai_sha256("weights\n", 8, &d.ref.id);
	ok(fake_verify(&f, proof, &o, &report, &err));
	assert_string_equal(d.revision, "");
	json_decref(report);
	report = NULL;
	d.ref.id.b[0] ^= 1;
	refused(AI_ENO, "output model", fake_verify(&f, proof, &o, &report, &err));
	json_decref(report);
	report = NULL;
	o.outputs = &none;
	refused(AI_EUSAGE, "'model'", fake_verify(&f, proof, &o, &report, &err));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(good), T(no_trees_unless_asked), T(unused_node), T(unused_blob), T(carried_blob_is_an_origin), T(withheld_step), T(withheld_source),
		T(summary_lies), T(unsupported_parts), T(attestation_of_nothing), T(evidence_of_other_run), T(pcrs_edited), T(stray_base64_bits),
		T(duplicate_key), T(merkle_path), T(levels), T(reused_by_unknown_key), T(opaque_events_are_told), T(stray_certificate), T(planned_again),
		T(local_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
