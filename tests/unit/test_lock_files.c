/* test_lock_files.c -- pins that list files: what they may say, and the content that follows.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock.h"
#include "model/lock_files.h"
#include "model/manifest.h"
#include "unit.h"

#define A "1111111111111111111111111111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222222222222222222222222222"
#define COMMIT "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2"
#define ASKED "\"type\":\"hub\",\"uri\":\"https://e.org/x\",\"asked\":\"" A "\""
#define FILE_OF(path, sha) "{\"path\":\"" path "\",\"uri\":\"https://e.org/" path "\",\"sha256\":\"" sha "\",\"size\":3}"
#define LOCK(pin) "{\"format\":1,\"inputs\":{\"x\":{" pin "}}}"

static int
parse(const char *text, json_t **out, struct ai_err *err)
{
	return ai_lock_parse(text, strlen(text), out, err);
}

#define bad(words, pin) do { json_t *j = (json_t *)0xaa; refused(AI_EINPUT, words, parse(LOCK(pin), &j, &err)); assert_ptr_equal(j, (json_t *)0xaa); } while (0)
#define good(pin) do { json_t *j = NULL; ok(parse(LOCK(pin), &j, &err)); json_decref(j); } while (0)

static json_t *
files_of(const char *text)
{
	json_t *pin = NULL;
	AI_FREE char *whole = ai_format("{\"files\":%s}", text);
	ok(ai_json_parse(whole, strlen(whole), "pin", &pin, &err));
	return pin;
}

static void
content_is(const char *files, const char *want_word, const char *canonical)
{
	AI_JSON *pin = files_of(files);
	struct ai_ref ref;
	struct ai_digest want;
	ok(ai_pin_content(pin, &ref, &err));
	assert_string_equal(ai_ref_word(ref.type), want_word);
	ai_sha256(canonical, strlen(canonical), &want);
	assert_true(ai_digest_eq(&want, &ref.id));
}

struct seen { size_t n; char names[400]; };

static int
note(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct seen *s = ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	s->n++;
	for (size_t i = 0; i < n; i++)
		snprintf(s->names + strlen(s->names), sizeof s->names - strlen(s->names), "%s:%s ", entries[i].name, ai_entry_word(entries[i].type));
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	return 0;
}

static void
folders_follow_from_paths(void **state)
{
	(void)state;
	content_is("[" FILE_OF("a", A) "]", "tree", "{\"entries\":[{\"id\":\"" A "\",\"name\":\"a\",\"type\":\"file\"}],\"kind\":\"tree\"}");
	content_is("[]", "tree", "{\"entries\":[],\"kind\":\"tree\"}");
	/* A folder's files stand together in the order of bytes, whatever lies between its name and theirs. */
	AI_JSON *pin = files_of("[" FILE_OF("a-b", A) "," FILE_OF("a/b/c", B) "," FILE_OF("a/d", A) "," FILE_OF("a0", B)
		",{\"path\":\"l\",\"target\":\"a/d\"},{\"path\":\"t\",\"text\":\"hi\"}]");
	struct seen s = { 0, "" };
	struct ai_ref by_put, by_hash;
	ok(ai_files_trees(pin, note, &s, &by_put, &err));
	assert_string_equal(s.names, "c:file b:dir d:file a-b:file a:dir a0:file l:link t:file ");
	assert_int_equal(s.n, 3);
	ok(ai_pin_content(pin, &by_hash, &err));
	assert_true(ai_ref_eq(&by_put, &by_hash));
	assert_string_equal(ai_json_str(ai_files_find(ai_json_arr(pin, "files"), "a/d"), "sha256"), A);
	assert_null(ai_files_find(ai_json_arr(pin, "files"), "a/e"));
}

static void
other_pins_have_content_too(void **state)
{
	(void)state;
	struct ai_ref ref;
	AI_JSON *archive = json_pack("{s:b,s:s,s:s}", "unpack", 1, "sha256", A, "tree", B);
	AI_JSON *file = json_pack("{s:s}", "sha256", A);
	AI_JSON *git = json_pack("{s:b,s:s}", "git", 1, "revision", COMMIT);
	struct ai_digest a, b;
	assert_true(ai_unhex(A, &a) && ai_unhex(B, &b));
	ok(ai_pin_content(archive, &ref, &err));
	assert_true(ref.type == AI_REF_TREE && ai_digest_eq(&ref.id, &b));
	ok(ai_pin_content(file, &ref, &err));
	assert_true(ref.type == AI_REF_BLOB && ai_digest_eq(&ref.id, &a));
	struct ai_err err = { 0 };
	assert_int_equal(ai_pin_content(git, &ref, &err), 0);
	AI_JSON *single = json_pack("{s:[{s:s,s:s}],s:b}", "files", "path", "a", "sha256", B, "single", 1);
	assert_int_equal(ai_pin_content(single, &ref, &err), 1);
	assert_true(ref.type == AI_REF_BLOB && ai_digest_eq(&ref.id, &b));
}

static void
pins_of_rules(void **state)
{
	(void)state;
	good(ASKED ",\"files\":[" FILE_OF("a", A) "]");
	good(ASKED ",\"ref\":\"main\",\"revision\":\"v1\",\"single\":true,\"files\":[" FILE_OF("a", A) "]");
	good(ASKED ",\"git\":true,\"revision\":\"" COMMIT "\",\"ref\":\"main\"");
	good(ASKED ",\"unpack\":true,\"sha256\":\"" A "\",\"size\":3,\"tree\":\"" B "\",\"strip\":1");
	good("\"type\":\"url\",\"uri\":\"https://e.org/x\",\"files\":[" FILE_OF("a", A) "]");
	good("\"type\":\"url\",\"uri\":\"https://e.org/x\",\"unpack\":true,\"sha256\":\"" A "\",\"size\":3,\"tree\":\"" B "\"");
	/* Checks of git, images and the like go by type: a rule cannot pass for one. */
	bad("expected the name of a source rule", "\"type\":\"git\",\"uri\":\"x\",\"asked\":\"" A "\",\"files\":[]");
	bad("expected the name of a source rule", "\"type\":\"image\",\"uri\":\"x\",\"asked\":\"" A "\",\"files\":[]");
	bad("expected the name of a source rule", "\"type\":\"proof\",\"uri\":\"x\",\"asked\":\"" A "\",\"files\":[]");
	bad("expected the name of a source rule", "\"type\":\"a/b\",\"uri\":\"x\",\"asked\":\"" A "\",\"files\":[]");
	bad("type: got 'hub'", "\"type\":\"hub\",\"uri\":\"x\",\"files\":[]");
	bad("'asked'", "\"type\":\"hub\",\"uri\":\"x\",\"asked\":\"1\",\"files\":[]");
	bad("holds a secret", "\"type\":\"hub\",\"uri\":\"https://u:p@e.org/\",\"asked\":\"" A "\",\"files\":[]");
	bad("expected one of 'files', 'git' and 'unpack'", ASKED);
	bad("expected one of 'files', 'git' and 'unpack'", ASKED ",\"files\":[],\"git\":true");
	bad("expected one of 'files', 'git' and 'unpack'", ASKED ",\"files\":[],\"more\":1");
	bad("'revision' of 40", ASKED ",\"git\":true,\"revision\":\"main\"");
	bad("'tree'", ASKED ",\"unpack\":true,\"sha256\":\"" A "\",\"size\":3");
	bad("'strip'", ASKED ",\"unpack\":true,\"sha256\":\"" A "\",\"size\":3,\"tree\":\"" B "\",\"strip\":0");
}

#define FILES(list) ASKED ",\"files\":[" list "]"

static void
files_of_pins(void **state)
{
	(void)state;
	bad("without a path", FILES("{}"));
	bad("expected a relative path", FILES("{\"path\":\"../a\",\"text\":\"\"}"));
	bad("expected a relative path", FILES("{\"path\":\"/a\",\"text\":\"\"}"));
	bad("expected a relative path", FILES("{\"path\":\"a//b\",\"text\":\"\"}"));
	bad("not sorted", FILES(FILE_OF("b", A) "," FILE_OF("a", A)));
	bad("there twice", FILES(FILE_OF("a", A) "," FILE_OF("a", B)));
	bad("'a'", FILES(FILE_OF("a", A) "," FILE_OF("a/b", B)));
	bad("'sha256'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"size\":1}"));
	bad("'size'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"sha256\":\"" A "\"}"));
	bad("'size'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"sha256\":\"" A "\",\"size\":-1}"));
	bad("'uri'", FILES("{\"path\":\"a\",\"uri\":\"file:///etc/passwd\",\"sha256\":\"" A "\",\"size\":1}"));
	bad("'uri'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/?X-Amz-Signature=1\",\"sha256\":\"" A "\",\"size\":1}"));
	bad("'sha1'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"sha256\":\"" A "\",\"size\":1,\"sha1\":\"1\"}"));
	bad("'exec'", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"sha256\":\"" A "\",\"size\":1,\"exec\":false}"));
	bad("unknown fields", FILES("{\"path\":\"a\",\"uri\":\"https://e.org/\",\"sha256\":\"" A "\",\"size\":1,\"text\":\"x\"}"));
	bad("leaves the folder", FILES("{\"path\":\"a\",\"target\":\"../b\"}"));
	bad("leaves the folder", FILES("{\"path\":\"a\",\"target\":\"/etc/passwd\"}"));
	bad("'single'", ASKED ",\"single\":true,\"files\":[" FILE_OF("a", A) "," FILE_OF("b", A) "]");
	bad("'single'", ASKED ",\"single\":true,\"files\":[{\"path\":\"a\",\"text\":\"x\"}]");
	AI_BUF_AUTO deep = AI_BUF(1 << 20);
	ai_buf_puts(&deep, "{\"format\":1,\"inputs\":{\"x\":{" ASKED ",\"files\":[{\"path\":\"");
	for (int i = 0; i < 400; i++)
		ai_buf_puts(&deep, "d/");
	ai_buf_puts(&deep, "f\",\"text\":\"\"}]}}}");
	json_t *j = NULL;
	refused(AI_EINPUT, "nested deeper", parse(deep.data, &j, &err));
}

static struct ai_input
input_of(const char *attrs, struct ai_yaml **y)
{
	struct ai_err err = { 0 };
	if (ai_yaml_parse(attrs, strlen(attrs), "Aicertfile", y, &err) < 0)
		fail_msg("%s", err.text);
	return (struct ai_input){ .name = (char *)"x", .type = AI_INPUT_RULE, .use = (char *)"hub", .where = (char *)"o/n", .attrs = *y };
}

static void
a_pin_counts_for_what_was_asked(void **state)
{
	(void)state;
	struct ai_yaml *y, *other, *same;
	struct ai_input in = input_of("{hub: o/n, files: [a, b]}", &y), moved = input_of("{hub: o/n, files: [b, a]}", &other),
		spelt = input_of("hub: \"o/n\"\nfiles:\n- a\n- b\n", &same);
	struct ai_digest asked;
	json_t *lock = NULL;
	ok(ai_attrs_id(in.attrs, &asked, &err));
	ok(ai_lock_parse(NULL, 0, &lock, &err));
	json_t *pin = json_pack("{s:s,s:s,s:o,s:[{s:s,s:s}]}", "type", "hub", "uri", "https://e.org/x", "asked", ai_json_hex(&asked), "files", "path", "a", "text", "t");
	ok(ai_lock_set(lock, "x", pin, &err));
	assert_non_null(ai_lock_pin(lock, &in));
	assert_non_null(ai_lock_pin(lock, &spelt));
	assert_null(ai_lock_pin(lock, &moved));
	in.use = (char *)"bub";
	assert_null(ai_lock_pin(lock, &in));
	AI_BUF_AUTO text = AI_BUF(AI_MAX_LOCK);
	ok(ai_lock_format(lock, &text, &err));
	json_decref(lock);
	json_decref(pin);
	ok(parse(text.data, &lock, &err));
	in.use = (char *)"hub";
	assert_non_null(ai_lock_pin(lock, &in));
	json_decref(lock);
	ai_yaml_free(y);
	ai_yaml_free(other);
	ai_yaml_free(same);
}

static void
a_pin_counts_for_its_urls(void **state)
{
	(void)state;
	json_t *lock = NULL;
	char *urls[] = { (char *)"https://e.org/a", (char *)"https://e.org/b" }, *more[] = { (char *)"https://e.org/a", (char *)"https://e.org/c" };
	struct ai_input in = { .name = (char *)"x", .type = AI_INPUT_URL, .where = urls[0], .urls = urls, .n_urls = 2, .size = -1 };
	ok(parse(LOCK("\"type\":\"url\",\"uri\":\"https://e.org/a\",\"files\":[" FILE_OF("a", A) "," FILE_OF("b", B) "]"), &lock, &err));
	assert_non_null(ai_lock_pin(lock, &in));
	in.urls = more;
	assert_null(ai_lock_pin(lock, &in));
	in.urls = urls;
	in.n_urls = 1;
	assert_null(ai_lock_pin(lock, &in));
	in.n_urls = 0;
	assert_null(ai_lock_pin(lock, &in));
	json_decref(lock);
	ok(parse(LOCK("\"type\":\"url\",\"uri\":\"https://e.org/a\",\"unpack\":true,\"strip\":1,\"size\":1,\"sha256\":\"" A "\",\"tree\":\"" B "\""), &lock, &err));
	assert_null(ai_lock_pin(lock, &in));
	in.unpack = true;
	assert_null(ai_lock_pin(lock, &in));
	in.strip = 1;
	assert_non_null(ai_lock_pin(lock, &in));
	json_decref(lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders_follow_from_paths), cmocka_unit_test(other_pins_have_content_too), cmocka_unit_test(pins_of_rules),
		cmocka_unit_test(files_of_pins), cmocka_unit_test(a_pin_counts_for_what_was_asked), cmocka_unit_test(a_pin_counts_for_its_urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
