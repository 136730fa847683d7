/* test_plan_pinned.c -- what a plan takes of inputs that source rules, lists and archives pin: what the lock says, and nothing else.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock_files.h"
#include "plan_help.h"

#define OTHER_ID "1111111111111111111111111111111111111111111111111111111111111111"
#define FILES "[{\"path\":\"a\",\"uri\":\"https://e.org/a\",\"sha256\":\"" BLOB_ID "\",\"size\":3}]"

static const char rule[] = "return source { name = 'hub', attrs = { hub = attr.text {} }, resolve = function(a, net) return pin.url { url = a.hub } end }";
static const char text[] = "aicert: 1\ninputs: {m: {hub: o/n}}\nsteps: {look: {use: shell, inputs: {m: m}, script: x, outputs: {o: o}}}\n";

/* One input 'm', its pin (members of an object; NULL: none) and its source. */
struct given { const char *text, *pin; json_t *node; const char *rule; };

static int
make(const struct given *g, json_t **out, struct ai_err *err)
{
	struct ai_rule_text rules[2] = { *ai_rule_builtin("shell"), { (char *)"hub", (char *)(uintptr_t)rule, strlen(rule) } };
	struct ai_plan_source s = { "m", g->node };
	struct ai_manifest *m = NULL;
	struct ai_digest asked;
	char hex[AI_HEX] = "";
	if (ai_manifest_parse(g->text, strlen(g->text), "Aicertfile", NULL, &m, err) < 0)
		return err->code;
	const struct ai_input *in = ai_manifest_input(m, "m");
	if (ai_attrs_id(in->attrs, &asked, err) < 0)
		return err->code;
	ai_hex(&asked, hex);
	AI_FREE char *lock = g->pin ? ai_format("{\"format\":1,\"inputs\":{\"m\":{%s%s%s%s}}}", in->attrs ? "\"asked\":\"" : "", in->attrs ? hex : "", in->attrs ? "\"," : "", g->pin)
		: ai_strdup("{\"format\":1,\"inputs\":{}}");
	struct ai_plan_in plan = { .aicertfile = g->text, .aicertfile_len = strlen(g->text), .file = "Aicertfile", .lock = lock, .lock_len = strlen(lock),
		.rules = rules, .n_rules = g->rule ? 1 : 2, .sources = &s, .n_sources = 1, .platform = "linux/amd64" };
	int rc = ai_plan_make(&plan, out, NULL, err);
	ai_manifest_free(m);
	json_decref(g->node);
	return rc;
}

/* The source node of a type, with the content that a pin of these files gives, or another. */
static json_t *
node(const char *type, const char *uri, const char *revision, const char *word, const char *id)
{
	json_t *n = json_pack("{s:s,s:s,s:s,s:{s:s}}", "kind", "source", "type", type, "uri", uri, "content", word, id);
	if (revision)
		json_object_set_new(n, "revision", json_string(revision));
	return n;
}

static const char *
tree_of_files(void)
{
	static char hex[AI_HEX];
	AI_JSON *pin = json_loads("{\"files\":" FILES "}", 0, NULL);
	struct ai_ref ref;
	ok(ai_pin_content(pin, &ref, &err));
	ai_hex(&ref.id, hex);
	return hex;
}

#define good(...) do { struct given g = { __VA_ARGS__ }; json_t *p = NULL; ok(make(&g, &p, &err)); json_decref(p); } while (0)
#define bad(code, words, ...) do { struct given g = { __VA_ARGS__ }; json_t *p = (json_t *)0xaa; refused(code, words, make(&g, &p, &err)); \
	assert_ptr_equal(p, (json_t *)0xaa); } while (0)
#define PIN "\"type\":\"hub\",\"uri\":\"https://e.org\",\"revision\":\"r1\",\"files\":" FILES

static void
of_a_source_rule(void **state)
{
	(void)state;
	const char *tree = tree_of_files();
	good(text, PIN, node("hub", "https://e.org", "r1", "tree", tree), NULL);
	bad(AI_EINPUT, "content: got " OTHER_ID, text, PIN, node("hub", "https://e.org", "r1", "tree", OTHER_ID), NULL);
	bad(AI_EINPUT, "a folder", text, PIN, node("hub", "https://e.org", "r1", "blob", tree), NULL);
	bad(AI_EINPUT, "type: got bub, expected hub", text, PIN, node("bub", "https://e.org", "r1", "tree", tree), NULL);
	bad(AI_EINPUT, "uri: got https://evil.org", text, PIN, node("hub", "https://evil.org", "r1", "tree", tree), NULL);
	bad(AI_EINPUT, "revision: got r2, expected r1", text, PIN, node("hub", "https://e.org", "r2", "tree", tree), NULL);
	bad(AI_EINPUT, "revision: got none", text, PIN, node("hub", "https://e.org", NULL, "tree", tree), NULL);
	bad(AI_EINPUT, "has no pin", text, NULL, node("hub", "https://e.org", "r1", "tree", tree), NULL);
	/* A pin for other attributes, or of another rule, is none. */
	bad(AI_EINPUT, "has no pin", text, "\"type\":\"bub\",\"uri\":\"https://e.org\",\"revision\":\"r1\",\"files\":" FILES, node("hub", "https://e.org", "r1", "tree", tree), NULL);
	bad(AI_EUSAGE, "there is no rule 'hub'", text, PIN, node("hub", "https://e.org", "r1", "tree", tree), "absent");
}

static void
the_rule_is_in_the_plan(void **state)
{
	(void)state;
	struct given g = { text, PIN, node("hub", "https://e.org", "r1", "tree", tree_of_files()), NULL };
	json_t *p = NULL;
	ok(make(&g, &p, &err));
	const json_t *rules = json_object_get(p, "rules");
	assert_int_equal(json_array_size(rules), 2);
	assert_string_equal(ai_json_str(json_array_get(rules, 0), "name"), "hub");
	json_decref(p);
}

static void
of_other_pins(void **state)
{
	(void)state;
	static const char git[] = "\"type\":\"hub\",\"uri\":\"https://e.org\",\"git\":true,\"revision\":\"" COMMIT "\"";
	static const char archive[] = "\"type\":\"hub\",\"uri\":\"https://e.org\",\"unpack\":true,\"sha256\":\"" BLOB_ID "\",\"size\":1,\"tree\":\"" TREE_ID "\"";
	static const char single[] = "\"type\":\"hub\",\"uri\":\"https://e.org\",\"single\":true,\"files\":" FILES;
	good(text, git, node("hub", "https://e.org", COMMIT, "tree", TREE_ID), NULL);
	bad(AI_EINPUT, "revision", text, git, node("hub", "https://e.org", "0000000000000000000000000000000000000000", "tree", TREE_ID), NULL);
	good(text, archive, node("hub", "https://e.org", NULL, "tree", TREE_ID), NULL);
	bad(AI_EINPUT, "content", text, archive, node("hub", "https://e.org", NULL, "tree", OTHER_ID), NULL);
	bad(AI_EINPUT, "content", text, archive, node("hub", "https://e.org", NULL, "blob", BLOB_ID), NULL);
	good(text, single, node("hub", "https://e.org", NULL, "blob", BLOB_ID), NULL);
	bad(AI_EINPUT, "content", text, single, node("hub", "https://e.org", NULL, "blob", OTHER_ID), NULL);
	bad(AI_EINPUT, "content", text, single, node("hub", "https://e.org", NULL, "tree", BLOB_ID), NULL);
}

#define STEPS "steps: {look: {use: shell, inputs: {m: m}, script: x, outputs: {o: o}}}\n"
#define URL(more) "aicert: 1\ninputs: {m: {url: " more "}}\n" STEPS

static void
of_urls(void **state)
{
	(void)state;
	static const char list[] = "\"type\":\"url\",\"uri\":\"https://e.org/a\",\"files\":" FILES;
	static const char archive[] = "\"type\":\"url\",\"uri\":\"https://e.org/a\",\"unpack\":true,\"sha256\":\"" BLOB_ID "\",\"size\":1,\"tree\":\"" TREE_ID "\"";
	const char *tree = tree_of_files();
	good(URL("['https://e.org/a']"), list, node("url", "https://e.org/a", NULL, "tree", tree), NULL);
	good(URL("['https://e.org/a'], sha256: ['" BLOB_ID "']"), list, node("url", "https://e.org/a", NULL, "tree", tree), NULL);
	bad(AI_EINPUT, "a: got " BLOB_ID ", expected " OTHER_ID, URL("['https://e.org/a'], sha256: ['" OTHER_ID "']"), list,
		node("url", "https://e.org/a", NULL, "tree", tree), NULL);
	bad(AI_EINPUT, "content", URL("['https://e.org/a']"), list, node("url", "https://e.org/a", NULL, "tree", OTHER_ID), NULL);
	bad(AI_EINPUT, "has no pin", URL("['https://e.org/a', 'https://e.org/b']"), list, node("url", "https://e.org/a", NULL, "tree", tree), NULL);
	bad(AI_EINPUT, "has no pin", URL("https://e.org/a"), list, node("url", "https://e.org/a", NULL, "tree", tree), NULL);
	good(URL("'https://e.org/a', unpack: true"), archive, node("url", "https://e.org/a", NULL, "tree", TREE_ID), NULL);
	good(URL("'https://e.org/a', unpack: true, sha256: " BLOB_ID), archive, node("url", "https://e.org/a", NULL, "tree", TREE_ID), NULL);
	bad(AI_EINPUT, "sha256: got " BLOB_ID, URL("'https://e.org/a', unpack: true, sha256: " OTHER_ID), archive, node("url", "https://e.org/a", NULL, "tree", TREE_ID), NULL);
	bad(AI_EINPUT, "has no pin", URL("'https://e.org/a', unpack: true, strip: 1"), archive, node("url", "https://e.org/a", NULL, "tree", TREE_ID), NULL);
	bad(AI_EINPUT, "has no pin", URL("'https://e.org/a'"), archive, node("url", "https://e.org/a", NULL, "blob", BLOB_ID), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(of_a_source_rule), cmocka_unit_test(the_rule_is_in_the_plan), cmocka_unit_test(of_other_pins), cmocka_unit_test(of_urls) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
