/* test_dag.c -- loading and walking a DAG, and the keys that a verifier accepts.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/fs.h"
#include "base/path.h"
#include "fake_proof.h"
#include "proof/trust.h"

static struct fake f;
static json_t *proof;

static int
setup(void **state)
{
	(void)state;
	fake_init(&f);
	proof = fake_make(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	json_decref(proof);
	fake_done(&f);
	return 0;
}

static void
loads(void **state)
{
	AI_DAG_AUTO *d = NULL;
	struct ai_digest root, id;
	struct ai_dag_counts n = { 0 };
	(void)state;
	ok(ai_dag_load(json_object_get(proof, "nodes"), json_object_get(proof, "blobs"), &d, &err));
	assert_true(ai_unhex(f.root, &root));
	assert_non_null(ai_dag_node(d, AI_KIND_RUN, &root));
	assert_null(ai_dag_node(d, AI_KIND_PLAN, &root));
	assert_int_equal(ai_dag_kind(d, &root), AI_KIND_RUN);
	assert_null(ai_dag_blob(d, &root));
	for (int i = 0; i < 2; i++) { /* a walk leaves no trace */
		ok(ai_dag_walk(d, &root, &n, &err));
		assert_int_equal(n.nodes, 10);
		assert_int_equal(n.blobs, 4);
		assert_int_equal(n.withheld, 0);
	}
	ai_sha256("-- rule\n", 8, &id);
	assert_int_equal(ai_dag_blob(d, &id)->len, 8);
	assert_int_equal(ai_dag_kind(d, &id), AI_KIND_NONE);
	assert_true(ai_unhex(f.train, &id));
	refused(AI_ENO, "got result, expected a run node", ai_dag_walk(d, &id, &n, &err));
}

static void
wrong_ids(void **state)
{
	struct ai_dag *d = NULL;
	(void)state;
	json_t *nodes = json_object_get(proof, "nodes"), *blobs = json_object_get(proof, "blobs");
	AI_JSON *train = json_incref(json_object_get(nodes, f.train));
	json_object_set(nodes, f.train, json_object_get(nodes, f.tokens));
	refused(AI_ENO, "canonical bytes hash to", ai_dag_load(nodes, blobs, &d, &err));
	json_object_set(nodes, f.train, train);
	json_object_set(nodes, "XYZ", train);
	refused(AI_EINPUT, "64 lower-case hex digits", ai_dag_load(nodes, blobs, &d, &err));
	json_object_del(nodes, "XYZ");
	json_object_set_new(blobs, f.root, json_string("AAAA"));
	refused(AI_ENO, "its bytes hash to", ai_dag_load(nodes, blobs, &d, &err));
	json_object_set_new(blobs, f.root, json_integer(1));
	refused(AI_EINPUT, "expected a string", ai_dag_load(nodes, blobs, &d, &err));
	assert_null(d);
}

static void
absent_nodes(void **state)
{
	const char *const needed[] = { f.plan, f.train, f.train_step, f.code, f.environment, f.used };
	struct ai_digest root;
	(void)state;
	assert_true(ai_unhex(f.root, &root));
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		AI_DAG_AUTO *d = NULL;
		struct ai_dag_counts n;
		AI_JSON *nodes = json_copy(json_object_get(proof, "nodes"));
		json_object_del(nodes, needed[i]);
		ok(ai_dag_load(nodes, json_object_get(proof, "blobs"), &d, &err));
		refused(AI_ENO, "is absent, expected a", ai_dag_walk(d, &root, &n, &err));
	}
	const char *id;
	json_t *v;
	json_object_foreach(json_object_get(proof, "blobs"), id, v) {
		AI_DAG_AUTO *d = NULL;
		struct ai_dag_counts n;
		AI_JSON *blobs = json_copy(json_object_get(proof, "blobs"));
		json_object_del(blobs, id);
		ok(ai_dag_load(json_object_get(proof, "nodes"), blobs, &d, &err));
		refused(AI_ENO, "expected a blob that the proof carries", ai_dag_walk(d, &root, &n, &err));
	}
}

/* A reference that names a node of another kind. */
static void
wrong_kind(void **state)
{
	struct ai_digest root;
	struct ai_dag_counts n;
	AI_DAG_AUTO *d = NULL;
	char id[AI_HEX];
	(void)state;
	json_t *nodes = json_object_get(proof, "nodes"), *run = json_deep_copy(json_object_get(nodes, f.root));
	json_object_set_new(run, "plan", json_string(f.train));
	fake_put(&f, run, id);
	json_object_set(nodes, id, run);
	assert_true(ai_unhex(id, &root));
	ok(ai_dag_load(nodes, json_object_get(proof, "blobs"), &d, &err));
	refused(AI_ENO, "is result, expected a plan", ai_dag_walk(d, &root, &n, &err));
}

/* A writer whose store gives the wrong thing writes no proof. */
static int
no_node(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	(void)ctx;
	(void)id;
	*out = json_pack("{s:s}", "kind", "withheld");
	return *out ? 0 : ai_nomem(err);
}

static void
writer_checks(void **state)
{
	struct ai_digest root;
	json_t *out = NULL;
	struct ai_proof_source src = { no_node, fake_get_blob, fake_get_attestation, &f, false, NULL };
	(void)state;
	assert_true(ai_unhex(f.root, &root));
	refused(AI_EINPUT, "got withheld, expected run", ai_proof_make(&root, proof, &src, &out, &err));
	src.node = fake_get_node;
	json_object_clear(f.attestations);
	refused(AI_EINPUT, "no attestation", ai_proof_make(&root, proof, &src, &out, &err));
	json_object_clear(f.blobs);
	refused(AI_EINPUT, "no blob", ai_proof_make(&root, proof, &src, &out, &err));
	assert_null(out);
}

static void
with_trees(void **state)
{
	struct ai_digest root;
	AI_JSON *out = NULL, *report = NULL;
	struct ai_proof_source src = { fake_get_node, fake_get_blob, fake_get_attestation, &f, true, NULL };
	(void)state;
	assert_true(ai_unhex(f.root, &root));
	ok(ai_proof_make(&root, proof, &src, &out, &err));
	assert_non_null(json_object_get(json_object_get(out, "nodes"), f.repo));
	ok(fake_verify(&f, out, NULL, &report, &err));
}

/* The output's hash when there are several outputs and none is called model: the folder that holds them. */
static void
hash_of_outputs(void **state)
{
	AI_DAG_AUTO *d = NULL;
	AI_JSON *summary = NULL;
	struct ai_digest root, want;
	char id[AI_HEX], hex[AI_HEX];
	(void)state;
	json_t *nodes = json_object_get(proof, "nodes"), *run = json_deep_copy(json_object_get(nodes, f.root));
	json_object_set_new(run, "outputs", fake_json("[{'name':'b','tree':'%s'},{'name':'a','blob':'%s'}]", f.repo, f.csv));
	fake_put(&f, run, id);
	json_object_set(nodes, id, run);
	assert_true(ai_unhex(id, &root));
	ok(ai_dag_load(nodes, json_object_get(proof, "blobs"), &d, &err));
	ok(ai_proof_summary(d, &root, proof, &summary, &err));
	AI_FREE char *tree = ai_format("{\"entries\":[{\"id\":\"%s\",\"name\":\"a\",\"type\":\"file\"},{\"id\":\"%s\",\"name\":\"b\",\"type\":\"dir\"}],\"kind\":\"tree\"}",
		f.csv, f.repo);
	ai_sha256(tree, strlen(tree), &want);
	ai_hex(&want, hex);
	assert_string_equal(ai_json_str(summary, "output_model_hash"), hex);
}

static void
trust(void **state)
{
	struct ai_err e = { 0 };
	AI_FREE char *home = NULL;
	AI_JSON *keys = NULL, *after = NULL;
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/trust", tmp ? tmp : "/tmp");
	(void)state;
	ok(ai_mkdtemp(prefix, &home, &err));
	ok(ai_trust_read(home, &keys, &err));
	assert_int_equal(json_array_size(keys), 0);
	ok(ai_trust_add(home, f.key, "alice", &err));
	ok(ai_trust_add(home, f.root, "bob", &err));
	refused(AI_EUSAGE, "accepted already", ai_trust_add(home, f.key, "carol", &err));
	refused(AI_EUSAGE, "is taken", ai_trust_add(home, f.plan, "bob", &err));
	refused(AI_EUSAGE, "64 lower-case hex", ai_trust_add(home, "abc", "carol", &err));
	refused(AI_EUSAGE, "key name", ai_trust_add(home, f.plan, "a\033[2J", &err));
	refused(AI_EUSAGE, "fits 0", ai_trust_remove(home, "carol", &err));
	AI_FREE char *seven = ai_strndup(f.key, 7), *eight = ai_strndup(f.key, 8);
	refused(AI_EUSAGE, "fits 0", ai_trust_remove(home, seven, &err));
	ok(ai_trust_remove(home, eight, &err));
	ok(ai_trust_read(home, &after, &err));
	assert_int_equal(json_array_size(after), 1);
	assert_string_equal(ai_json_str(json_array_get(after, 0), "name"), "bob");
	ok(ai_trust_remove(home, "bob", &err));
	AI_FREE char *file = ai_join(home, "trust.json");
	ok(ai_write_file(AT_FDCWD, file, "{\"keys\":[{\"fingerprint\":\"x\"}]}", 30, 0600, &err));
	json_t *none = NULL;
	refused(AI_EINPUT, "keys[0]", ai_trust_read(home, &none, &err));
	assert_int_equal(ai_remove_tree(AT_FDCWD, home, &e), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(loads), T(wrong_ids), T(absent_nodes), T(wrong_kind), T(writer_checks), T(with_trees), T(hash_of_outputs), T(trust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
