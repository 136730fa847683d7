/* test_store_records.c -- nodes, pins, results, attestations, runs, and the file-hash cache.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/filehash.h"
#include "cache/hashsink.h"
#include "cache/store.h"
#include "model/node.h"

struct fix {
	char *dir;
	struct ai_home home;
	struct ai_store *s;
};

#define gives(want, call) do { struct ai_err err = { 0 }; int got = (call); \
	if (got != (want)) fail_msg("%s: got %d '%s', expected %d", #call, got, err.text, (want)); } while (0)

static void
reopen(struct fix *f)
{
	ai_store_close(f->s);
	ok(ai_store_open(&f->home, &f->s, &err));
}

static int
setup(void **state)
{
	struct fix *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/aicert-store", tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &f->dir, &err));
	AI_FREE char *root = ai_join(f->dir, "home");
	ok(ai_home_find(root, &f->home, &err));
	ok(ai_store_open(&f->home, &f->s, &err));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix *f = *state;
	ai_store_close(f->s);
	ok(ai_remove_tree(AT_FDCWD, f->dir, &err));
	ai_home_done(&f->home);
	free(f->dir);
	free(f);
	return 0;
}

static json_t *
parse(const char *text)
{
	json_t *j = NULL;
	ok(ai_json_parse(text, strlen(text), "test", &j, &err));
	return j;
}

static struct ai_digest
hash_of(const char *text)
{
	struct ai_digest d;
	ai_sha256(text, strlen(text), &d);
	return d;
}

static void
golden_nodes_keep_their_ids(void **state)
{
	struct fix *f = *state;
	if (!shared_dir()) {
		skip();
	}
	AI_FREE char *path = ai_join(shared_dir(), "golden/golden.json");
	AI_BUF_AUTO b = AI_BUF(1 << 24);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	AI_JSON *all = parse(b.data);
	const char *name;
	json_t *g;
	json_object_foreach(ai_json_obj(all, "nodes"), name, g) {
		struct ai_digest id, want;
		struct ai_err shape = { 0 };
		json_t *node = ai_json_obj(g, "node");
		/* Whether a node's shape is right is the model's own test. */
		if (ai_node_check(node, &shape) < 0)
			continue;
		assert_true(ai_json_digest(g, "id", &want));
		ok(ai_store_put_node(f->s, node, &id, &err));
		assert_true(ai_digest_eq(&id, &want));
	}
	reopen(f);
	json_object_foreach(ai_json_obj(all, "nodes"), name, g) {
		struct ai_digest want;
		AI_JSON *back = NULL;
		struct ai_err shape = { 0 };
		assert_true(ai_json_digest(g, "id", &want));
		if (ai_node_check(ai_json_obj(g, "node"), &shape) < 0)
			continue;
		gives(1, ai_store_get_node(f->s, &want, &back, &err));
		assert_true(json_equal(back, ai_json_obj(g, "node")));
	}
}

static void
nodes_that_are_none_are_refused(void **state)
{
	struct fix *f = *state;
	static const char *const bad[] = { "{}", "[]", "{\"kind\":\"tree\"}", "{\"kind\":\"nonsense\"}", "{\"entries\":[],\"kind\":\"tree\",\"more\":1}" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		AI_JSON *j = parse(bad[i]);
		struct ai_digest id;
		refused(AI_EINPUT, "cache: ", ai_store_put_node(f->s, j, &id, &err));
	}
	struct ai_digest absent = hash_of("absent");
	AI_JSON *none = NULL;
	gives(0, ai_store_get_node(f->s, &absent, &none, &err));
	assert_null(none);
}

static void
pins_hold_while_their_content_does(void **state)
{
	struct fix *f = *state;
	struct ai_ref ref = { AI_REF_BLOB, hash_of("data") }, back;
	char how[16];
	ok(ai_store_put_pin(f->s, "url https://example.org/d 1f0c", &ref, "sha256", &err));
	gives(0, ai_store_get_pin(f->s, "url https://example.org/d 1f0c", &back, how, &err));
	struct ai_digest id;
	ok(ai_store_put_bytes(f->s, "data", 4, &id, &err));
	reopen(f);
	gives(1, ai_store_get_pin(f->s, "url https://example.org/d 1f0c", &back, how, &err));
	assert_true(ai_ref_eq(&ref, &back));
	assert_string_equal(how, "sha256");
	gives(0, ai_store_get_pin(f->s, "another key", &back, how, &err));
	refused(AI_EENV, "longer than", ai_store_put_pin(f->s, "k", &ref, "sixteen letters!", &err));
}

static void
results_come_newest_first(void **state)
{
	struct fix *f = *state;
	struct ai_digest step = hash_of("step"), other = hash_of("other"), id[3], *ids = NULL;
	size_t n = 9;
	for (int i = 0; i < 3; i++) {
		char hex[AI_HEX];
		ai_hex(&step, hex);
		struct ai_digest c = hash_of(i == 0 ? "a" : i == 1 ? "b" : "c");
		char out[AI_HEX];
		ai_hex(&c, out);
		AI_FREE char *text = ai_format("{\"kind\":\"result\",\"outputs\":[{\"blob\":\"%s\",\"name\":\"model\"}],\"step\":\"%s\"}", out, hex);
		AI_JSON *node = parse(text);
		ok(ai_store_put_node(f->s, node, &id[i], &err));
		ok(ai_store_add_result(f->s, &step, &id[i], &err));
	}
	ok(ai_store_add_result(f->s, &step, &id[0], &err));
	reopen(f);
	ok(ai_store_results(f->s, &step, &ids, &n, &err));
	assert_int_equal(n, 3);
	assert_true(ai_digest_eq(&ids[0], &id[0]));
	assert_true(ai_digest_eq(&ids[1], &id[2]));
	assert_true(ai_digest_eq(&ids[2], &id[1]));
	free(ids);
	ok(ai_store_results(f->s, &other, &ids, &n, &err));
	assert_int_equal(n, 0);
	free(ids);
	refused(AI_EENV, "internal: ", ai_store_add_result(f->s, &step, &other, &err));
}

static void
attestations_survive_the_cache(void **state)
{
	struct fix *f = *state;
	struct ai_digest result = hash_of("result"), other = hash_of("other"), id, want;
	char hex[AI_HEX];
	ai_hex(&result, hex);
	for (int i = 0; i < 2; i++) {
		AI_FREE char *text = ai_format("{\"claims\":{\"kind\":\"claims\",\"executed\":[\"%s\"],\"started\":\"%d\"},\"signature\":\"s\"}", hex, i);
		AI_JSON *a = parse(text);
		ok(ai_store_put_attestation(f->s, a, &id, &err));
		ok(ai_store_put_attestation(f->s, a, &id, &err));
	}
	want = id;
	AI_JSON *run = parse("{\"plan\":\"p\",\"n\":1}");
	ok(ai_store_put_run(f->s, "/home/me/project", run, &err));
	ai_store_close(f->s);
	ok(ai_remove_tree(AT_FDCWD, f->home.cache, &err));
	ok(ai_store_open(&f->home, &f->s, &err));
	AI_JSON *back = NULL;
	gives(1, ai_store_attestation_of(f->s, &result, &id, &back, &err));
	assert_true(ai_digest_eq(&id, &want));
	assert_string_equal(ai_json_str(ai_json_obj(back, "claims"), "started"), "1");
	AI_JSON *none = NULL;
	gives(0, ai_store_attestation_of(f->s, &other, &id, &none, &err));
	AI_JSON *last = NULL;
	gives(1, ai_store_last_run(f->s, "/home/me/project", &last, &err));
	assert_true(json_equal(last, run));
	gives(0, ai_store_last_run(f->s, "/home/me/other", &none, &err));
	AI_JSON *bad = parse("{\"claims\":{\"kind\":\"claims\",\"executed\":[\"xyz\"]}}");
	refused(AI_EINPUT, "executed[0] is not an id", ai_store_put_attestation(f->s, bad, &id, &err));
	AI_JSON *empty = parse("{}");
	refused(AI_EINPUT, "no claims", ai_store_put_attestation(f->s, empty, &id, &err));
}

/* Steps of which each rests on another attestation than the one before: 10,000 look-ups parse each of the twenty once. */
static void
attestations_are_read_once_each(void **state)
{
	enum { ATTESTATIONS = 20, TURNS = 500 };
	struct fix *f = *state;
	struct ai_digest result[ATTESTATIONS], id;
	const json_t *first[ATTESTATIONS];
	for (int i = 0; i < ATTESTATIONS; i++) {
		AI_FREE char *name = ai_format("result %d", i);
		result[i] = hash_of(name);
		char hex[AI_HEX];
		ai_hex(&result[i], hex);
		AI_FREE char *text = ai_format("{\"claims\":{\"kind\":\"claims\",\"executed\":[\"%s\"]}}", hex);
		AI_JSON *a = parse(text);
		ok(ai_store_put_attestation(f->s, a, &id, &err));
	}
	for (int turn = 0; turn < TURNS; turn++)
		for (int i = 0; i < ATTESTATIONS; i++) {
			AI_JSON *a = NULL;
			gives(1, ai_store_attestation_of(f->s, &result[i], &id, &a, &err));
			if (turn == 0)
				first[i] = a;
			assert_ptr_equal(a, first[i]);
		}
	/* What is put anew is read anew. */
	AI_JSON *again = NULL;
	AI_JSON *a = NULL;
	gives(1, ai_store_attestation_of(f->s, &result[0], &id, &again, &err));
	json_t *signed_anew = json_deep_copy(again);
	json_object_set_new(signed_anew, "signature", json_string("other"));
	ok(ai_store_put_attestation(f->s, signed_anew, &id, &err));
	gives(1, ai_store_attestation_of(f->s, &result[0], &id, &a, &err));
	assert_true(json_equal(a, signed_anew));
	json_decref(signed_anew);
}

/* --- the file-hash cache ------------------------------------------------------ */

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
same_tick_change_is_seen(void **state)
{
	struct fix *f = *state;
	AI_FREE char *p = ai_join(f->dir, "data");
	struct ai_digest a, b, want;
	/* Same size, within one tick of the clock that stamps files; often enough that some turns stay within one. */
	for (int i = 0; i < 500; i++) {
		write_file(p, "one");
		ok(ai_store_hash_file(f->s, AT_FDCWD, p, &a, &err));
		write_file(p, "two");
		ok(ai_store_hash_file(f->s, AT_FDCWD, p, &b, &err));
		want = hash_of("two");
		assert_true(ai_digest_eq(&b, &want));
	}
}

/* Replaces what the cache knows of the file by a lie: what comes back tells whether the cache was asked. */
static void
plant(struct fix *f, const char *path, const char *lie)
{
	ai_store_close(f->s);
	f->s = NULL;
	AI_FREE char *db = ai_join(f->home.cache, "store.db");
	const char *const formats[] = { "" };
	const struct ai_db_kind kind = { "test", formats, 1, "" };
	struct ai_db *h;
	struct stat st;
	struct ai_file_key key;
	struct ai_digest d = hash_of(lie), old;
	int fresh;
	assert_int_equal(stat(path, &st), 0);
	ai_file_key(&st, &key);
	ok(ai_db_open(db, &kind, &h, &fresh, &err));
	gives(1, ai_filehash_get(h, &key, &old, &err));
	ok(ai_filehash_put(h, &key, &d, &err));
	ai_db_close(h);
	ok(ai_store_open(&f->home, &f->s, &err));
}

static void
unchanged_files_are_not_read_again(void **state)
{
	struct fix *f = *state;
	AI_FREE char *p = ai_join(f->dir, "data");
	struct ai_digest d, lie = hash_of("a lie"), want = hash_of("content");
	write_file(p, "content");
	const struct timespec tick = { .tv_nsec = 50000000 };
	nanosleep(&tick, NULL);
	ok(ai_store_hash_file(f->s, AT_FDCWD, p, &d, &err));
	assert_true(ai_digest_eq(&d, &want));
	plant(f, p, "a lie");
	ok(ai_store_hash_file(f->s, AT_FDCWD, p, &d, &err));
	assert_true(ai_digest_eq(&d, &lie));
	/* The sink asks the cache too, but takes nothing on trust that the store does not have. */
	const struct ai_sink *k = ai_store_sink(f->s);
	ok(k->file(k->ctx, AT_FDCWD, p, &d, NULL, &err));
	assert_true(ai_digest_eq(&d, &want));
	/* An mtime put back does not help: ctime has moved. */
	plant(f, p, "a lie");
	struct stat st;
	assert_int_equal(stat(p, &st), 0);
	write_file(p, "CONTENT");
	struct timespec times[2] = { st.st_atim, st.st_mtim };
	assert_int_equal(utimensat(AT_FDCWD, p, times, 0), 0);
	want = hash_of("CONTENT");
	ok(ai_store_hash_file(f->s, AT_FDCWD, p, &d, &err));
	assert_true(ai_digest_eq(&d, &want));
}

static void
racy_rule(void **state)
{
	(void)state;
	const struct timespec began = { 1000, 500 };
	struct stat st = { 0 };
#define STAMP(ms, mn, cs, cn) (st.st_mtim = (struct timespec){ (ms), (mn) }, st.st_ctim = (struct timespec){ (cs), (cn) })
	STAMP(999, 999999999, 1000, 499);
	assert_false(ai_stamp_is_racy(&st, &began, true));
	assert_true(ai_stamp_is_racy(&st, &began, false));
	STAMP(1000, 500, 900, 1);
	assert_true(ai_stamp_is_racy(&st, &began, true));
	STAMP(900, 1, 1000, 500);
	assert_true(ai_stamp_is_racy(&st, &began, true));
	STAMP(900, 1, 2000, 1);
	assert_true(ai_stamp_is_racy(&st, &began, true));
	STAMP(995, 0, 995, 0);
	assert_true(ai_stamp_is_racy(&st, &began, true));
	STAMP(989, 0, 989, 0);
	assert_false(ai_stamp_is_racy(&st, &began, true));
	assert_false(ai_stamp_is_racy(&st, &began, false));
}

static void
files_of_proc_are_never_remembered(void **state)
{
	struct fix *f = *state;
	struct ai_digest a, b;
	ok(ai_store_hash_file(f->s, AT_FDCWD, "/proc/self/stat", &a, &err));
	for (volatile unsigned i = 0; i < 50000000; i++)
		;
	ok(ai_store_hash_file(f->s, AT_FDCWD, "/proc/self/stat", &b, &err));
	reopen(f);
	ok(ai_store_hash_file(f->s, AT_FDCWD, "/proc/self/stat", &b, &err));
	assert_false(ai_digest_eq(&a, &b));
}

/* --- hashing without a store ---------------------------------------------------- */

static void
hashsink_agrees_with_the_store(void **state)
{
	struct fix *f = *state;
	struct ai_hashsink *h;
	AI_FREE char *dir = ai_join(f->dir, "many");
	ok(ai_mkdirs(dir, 0755, &err));
	ok(ai_hashsink_new(&h, &err));
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	enum { N = 300 };
	static char names[N][16];
	for (int i = 0; i < N; i++) {
		AI_FREE char *text = ai_format("content %d", i);
		snprintf(names[i], sizeof names[i], "f%03d", i);
		AI_FREE char *p = ai_join(dir, names[i]);
		write_file(p, text);
	}
	const struct ai_sink *sinks[2] = { ai_hashsink_sink(h), ai_store_sink(f->s) };
	struct ai_digest id[2];
	for (int s = 0; s < 2; s++) {
		struct ai_entry e[N];
		for (int i = 0; i < N; i++) {
			uint64_t size;
			e[i] = (struct ai_entry){ names[i], AI_ENTRY_FILE, { { 0 } }, NULL };
			ok(sinks[s]->file(sinks[s]->ctx, fd, names[i], &e[i].id, &size, &err));
			assert_int_equal(size, i < 10 ? 9 : i < 100 ? 10 : 11);
		}
		ok(sinks[s]->tree(sinks[s]->ctx, e, N, &id[s], &err));
	}
	assert_true(ai_digest_eq(&id[0], &id[1]));
	/* A file that changes after a helper may have read it. */
	struct ai_digest d, want = hash_of("changed!!");
	AI_FREE char *p = ai_join(dir, names[5]);
	write_file(p, "changed!!");
	ok(sinks[0]->file(sinks[0]->ctx, fd, names[5], &d, NULL, &err));
	assert_true(ai_digest_eq(&d, &want));
	void *o;
	ok(sinks[0]->begin(sinks[0]->ctx, &o, &err));
	ok(sinks[0]->write(o, "changed", 7, &err));
	ok(sinks[0]->write(o, "!!", 2, &err));
	ok(sinks[0]->commit(o, &d, NULL, &err));
	assert_true(ai_digest_eq(&d, &want));
	close(fd);
	ai_hashsink_free(h);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(golden_nodes_keep_their_ids), T(nodes_that_are_none_are_refused), T(pins_hold_while_their_content_does), T(results_come_newest_first),
		T(attestations_survive_the_cache), T(attestations_are_read_once_each), T(same_tick_change_is_seen), T(unchanged_files_are_not_read_again), T(racy_rule),
		T(files_of_proc_are_never_remembered), T(hashsink_agrees_with_the_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
