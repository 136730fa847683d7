/*
 * test_real_proof.c -- a proof that the built command made, attacked byte by byte and piece by piece.
 *
 * None of the changed proofs may verify, except where the change is none: white space, an equivalent JSON spelling, or a
 * field that is documented as unsigned. What a change means is asked of jansson, not of the code under test.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aicert.h"
#include "base/fs.h"
#include "unit.h"

static const char aicertfile[] =
	"aicert: 1\nname: flip\ninputs:\n  words: { path: words.txt }\nsteps:\n"
	"  sort: { use: shell, inputs: { raw: words }, script: 'sort \"$IN_RAW\" > \"$OUT_SORTED\"', outputs: { sorted: sorted.txt } }\n"
	"  count: { use: shell, inputs: { rows: sort.sorted }, script: 'wc -l < \"$IN_ROWS\" > \"$OUT_N\"', outputs: { n: n.txt } }\n"
	"outputs: { n: count.n, sorted: sort.sorted }\n";

static char *dir, *home;
static char *proof;
static size_t proof_len;
static json_t *original;

static int
command(const char *const *argv)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		if (chdir(dir) < 0)
			_exit(99);
		execv(argv[0], (char *const *)argv);
		_exit(98);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
write_words(const char *text)
{
	char *path = ai_format("%s/words.txt", dir);
	ok(ai_write_file(AT_FDCWD, path, text, strlen(text), 0644, &err));
	free(path);
}

/* Two runs, so that the proof holds an attestation of a reused result as well as one executed. */
static int
set_up(void **state)
{
	(void)state;
	const char *build = getenv("AICERT_BUILD");
	char *engine = ai_format("%s/aicert", build ? build : "build");
	char *abs = ai_abspath(engine), *path;
	ok(ai_mkdtemp("/tmp/aicert-flip", &dir, &err));
	home = ai_format("%s/home", dir);
	assert_int_equal(setenv("AICERT_HOME", home, 1), 0);
	path = ai_format("%s/Aicertfile", dir);
	ok(ai_write_file(AT_FDCWD, path, aicertfile, sizeof aicertfile - 1, 0644, &err));
	free(path);
	const char *const run[] = { abs, "-q", "--force", NULL };
	write_words("b\na\n");
	int code = command(run);
	if (code == 0) {
		write_words("a\nb\n");
		code = command(run);
	}
	free(abs);
	free(engine);
	if (code != 0)
		fail_msg("aicert ended with %d", code);
	path = ai_format("%s/proof.json", dir);
	struct ai_buf b = AI_BUF(AI_MAX_PROOF);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	free(path);
	proof_len = b.len;
	proof = ai_buf_take(&b);
	original = json_loadb(proof, proof_len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(original);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	ai_discard_tree(dir);
	json_decref(original);
	free(proof);
	free(home);
	free(dir);
	return 0;
}

static int
verify(const char *text, size_t n)
{
	aicert_verify_options o = { .size = sizeof o, .require = "software" };
	return aicert_verify(text, n, &o, NULL, NULL);
}

static void
it_verifies_as_it_is(void **state)
{
	(void)state;
	assert_int_equal(verify(proof, proof_len), 0);
	assert_int_equal(json_object_size(json_object_get(original, "attestations")), 1);
}

/* Does changed text that verified say the same as the original? */
static bool
says_the_same(const char *text, size_t n)
{
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	bool same = j && json_equal(j, original);
	json_decref(j);
	return same;
}

/* Flips bytes from..to with a mask; returns how many changed proofs verified though they say something else. */
static size_t
flip(size_t from, size_t step, unsigned char mask)
{
	char *text = malloc(proof_len);
	size_t bad = 0;
	if (!text)
		return 1;
	memcpy(text, proof, proof_len);
	for (size_t i = from; i < proof_len; i += step) {
		text[i] = (char)(proof[i] ^ mask);
		if (verify(text, proof_len) == 0 && !says_the_same(text, proof_len)) {
			fprintf(stderr, "byte %zu ^ 0x%02x verifies\n", i, mask);
			bad++;
		}
		text[i] = proof[i];
	}
	free(text);
	return bad;
}

/* Every byte in the long run, each in three ways. In the short one a third of them; of sanitizers, six times as slow, a fifth. */
#ifdef __SANITIZE_ADDRESS__
enum { SOME = 5 };
#else
enum { SOME = 3 };
#endif

static void
no_flipped_byte_verifies(void **state)
{
	(void)state;
	static const unsigned char masks[] = { 0x01, 0x20, 0x02 };
	bool all = getenv("AICERT_LONG") != NULL;
	size_t n_masks = all ? sizeof masks : 1, stride = all ? 1 : SOME;
	pid_t half[2];
	for (size_t h = 0; h < 2; h++) {
		half[h] = fork();
		if (half[h] == 0) {
			size_t bad = 0;
			for (size_t m = 0; m < n_masks; m++)
				bad += flip(h * stride, 2 * stride, masks[m]);
			_exit(bad ? 1 : 0);
		}
	}
	for (size_t h = 0; h < 2; h++) {
		int status = 1;
		waitpid(half[h], &status, 0);
		assert_int_equal(status, 0);
	}
}

static void
no_truncation_verifies(void **state)
{
	(void)state;
	for (size_t n = 0; n < proof_len - 1; n += 97)
		assert_true(verify(proof, n) < 0);
}

static size_t n_tried;

/* Verifies the (changed) original; a change that is none is no failure. */
static void
try_changed(json_t *changed, const json_t *before, const char *what, const char *path)
{
	n_tried++;
	if (json_equal(changed, before))
		return;
	char *text = json_dumps(changed, JSON_COMPACT);
	assert_non_null(text);
	if (verify(text, strlen(text)) == 0)
		fail_msg("%s at %s: the proof still verifies", what, path);
	free(text);
}

static void walk(json_t *top, json_t *at, const char *path);

static void
attack_object(json_t *top, json_t *obj, const char *path)
{
	const char *key;
	json_t *v;
	json_t *keys = json_array();
	json_object_foreach(obj, key, v)
		json_array_append_new(keys, json_string(key));
	for (size_t i = 0; i < json_array_size(keys); i++) {
		key = json_string_value(json_array_get(keys, i));
		char *here = ai_format("%s.%s", path, key);
		json_t *old = json_incref(json_object_get(obj, key));
		json_object_del(obj, key);
		try_changed(top, original, "dropped", here);
		json_object_set_new(obj, "other", json_incref(old));
		try_changed(top, original, "renamed", here);
		json_object_set_new(obj, key, json_incref(old));
		try_changed(top, original, "doubled", here);
		json_object_del(obj, "other");
		json_object_set_new(obj, key, json_string("x"));
		try_changed(top, original, "replaced", here);
		json_object_set_new(obj, key, old);
		walk(top, json_object_get(obj, key), here);
		free(here);
	}
	json_decref(keys);
}

static void
attack_array(json_t *top, json_t *array, const char *path)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		char *here = ai_format("%s[%zu]", path, i);
		json_t *old = json_incref(json_array_get(array, i));
		json_array_remove(array, i);
		try_changed(top, original, "dropped", here);
		json_array_insert(array, i, old);
		json_array_insert(array, i, old);
		try_changed(top, original, "doubled", here);
		json_array_remove(array, i);
		if (i + 1 < json_array_size(array)) {
			json_t *next = json_incref(json_array_get(array, i + 1));
			json_array_set(array, i, next);
			json_array_set(array, i + 1, old);
			try_changed(top, original, "swapped", here);
			json_array_set(array, i, old);
			json_array_set_new(array, i + 1, next);
		}
		json_decref(old);
		walk(top, json_array_get(array, i), here);
		free(here);
	}
}

static void
walk(json_t *top, json_t *at, const char *path)
{
	if (json_is_object(at))
		attack_object(top, at, path);
	else if (json_is_array(at))
		attack_array(top, at, path);
}

static void
no_piece_can_be_dropped_doubled_renamed_or_swapped(void **state)
{
	(void)state;
	json_t *copy = json_deep_copy(original);
	walk(copy, copy, "proof");
	assert_true(json_equal(copy, original));
	assert_true(n_tried > 500);
	json_decref(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_verifies_as_it_is),
		cmocka_unit_test(no_truncation_verifies),
		cmocka_unit_test(no_piece_can_be_dropped_doubled_renamed_or_swapped),
		cmocka_unit_test(no_flipped_byte_verifies),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
