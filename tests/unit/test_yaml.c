/* test_yaml.c -- YAML as text with places, and what of YAML is refused.  SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml.h"
#include "unit.h"

static int
parse(const char *text, struct ai_yaml **out, struct ai_err *err)
{
	return ai_yaml_parse(text, strlen(text), "Aicertfile", out, err);
}

/* The text must be refused with the words, and the out-parameter left alone. */
#define bad(words, text) do { struct ai_yaml *kept = (struct ai_yaml *)0xaa; \
	refused(AI_EUSAGE, words, parse(text, &kept, &err)); assert_ptr_equal(kept, (struct ai_yaml *)0xaa); } while (0)

static void
scalars_stay_text(void **state)
{
	(void)state;
	struct ai_yaml *y = NULL;
	ok(parse("a: 3.10\nb: yes\nc: \"q\\tx\"\nd:\ne: 0x1F\nf: ''\nlist: [1, {k: v}]\n", &y, &err));
	assert_string_equal(ai_yaml_get(y, "a")->text, "3.10");
	assert_string_equal(ai_yaml_get(y, "b")->text, "yes");
	assert_string_equal(ai_yaml_get(y, "c")->text, "q\tx");
	assert_false(ai_yaml_get(y, "c")->plain);
	assert_string_equal(ai_yaml_get(y, "d")->text, "");
	assert_true(ai_yaml_get(y, "d")->plain);
	assert_false(ai_yaml_get(y, "f")->plain);
	assert_string_equal(ai_yaml_get(y, "e")->text, "0x1F");
	const struct ai_yaml *list = ai_yaml_get(y, "list");
	assert_int_equal(list->n, 2);
	assert_string_equal(ai_yaml_get(list->items[1], "k")->text, "v");
	assert_int_equal(list->items[1]->line, 7);
	assert_int_equal(list->items[1]->column, 11);
	assert_null(ai_yaml_get(y, "absent"));
	assert_null(ai_yaml_get(list, "k"));
	ai_yaml_free(y);
}

static void
editing(void **state)
{
	(void)state;
	struct ai_yaml *y = NULL;
	ok(parse("{a: 1, b: 2, c: 3, d: 4, e: 5}", &y, &err));
	struct ai_yaml *b = ai_yaml_take(y, "b"), *e = ai_yaml_take(y, "e");
	assert_string_equal(b->text, "2");
	assert_null(ai_yaml_take(y, "b"));
	assert_int_equal(y->n, 3);
	for (int i = 0; i < 20; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		ok(ai_yaml_set(y, ai_yaml_new(AI_YAML_SCALAR, key, y), ai_yaml_new(AI_YAML_SCALAR, "v", y), &err));
	}
	assert_string_equal(ai_yaml_get(y, "d")->text, "4");
	assert_string_equal(ai_yaml_get(y, "k19")->text, "v");
	ai_yaml_free(b);
	ai_yaml_free(e);
	ai_yaml_free(y);
}

/* Tabs at line ends, as the published guide's example has them; lines and columns stay. */
static void
trailing_tabs(void **state)
{
	(void)state;
	struct ai_yaml *y = NULL;
	ok(parse("kind: python\t\nsource:\t\t\n  type: git \t\n\t\n  ref: main\t\r\n", &y, &err));
	const struct ai_yaml *source = ai_yaml_get(y, "source");
	assert_string_equal(ai_yaml_get(y, "kind")->text, "python");
	assert_string_equal(ai_yaml_get(source, "ref")->text, "main");
	assert_int_equal(ai_yaml_get(source, "ref")->line, 5);
	ai_yaml_free(y);
	/* Where the file is YAML as it stands, blanks in a script count. */
	ok(parse("script: |\n  a  \n  b\t\n", &y, &err));
	assert_string_equal(ai_yaml_get(y, "script")->text, "a  \nb\t\n");
	ai_yaml_free(y);
	bad("Aicertfile:2:1:", "a: b\t\n\tc: d\n");
}

static void
not_this_yaml(void **state)
{
	(void)state;
	bad("the file is empty", "");
	bad("the file is empty", "# nothing\n");
	bad("given twice: first in line 1", "a: 1\nb: 2\na: 3\n");
	bad("Aicertfile:2:10: key 'x' is given twice", "m:\n  {x: 1, x: 2}\n");
	bad("anchors", "a: &x 1\n");
	bad("aliases", "a: *x\n");
	bad("aliases", "*x : 1\n");
	bad("tags", "a: !!int 1\n");
	bad("tags", "a: ! 1\n");
	bad("tags", "!t {a: 1}\n");
	bad("second document", "a: 1\n---\nb: 1\n");
	bad("%TAG", "%TAG !e! tag:example.org,2000:\n---\na: 1\n");
	bad("a key must be a text", "? [a]\n: b\n");
	bad("a key must be a text", "{a: 1}: b\n");
	bad("not YAML", "a: [1, 2\n");
	bad("not YAML", "a: b: c\n");
	bad("not YAML", "%YAML 2.0\n---\na: 1\n");
}

static void
bad_bytes(void **state)
{
	(void)state;
	struct ai_yaml *y = NULL;
	bad("Aicertfile:2:4: a control character (byte 0x07)", "a: 1\nb: \a\n");
	bad("0x7f", "a: \x7f\n");
	bad("control character", "a: x\xc2\x85y\n");
	bad("control character", "# hidden\xe2\x80\xa8kind: shell\n");
	bad("control character", "a: b\rc: d\n");
	bad("control character", "a: \"\\0\"\n");
	bad("control character", "a: \"\\e[31m\"\n");
	bad("not UTF-8", "a: \xff\n");
	bad("not UTF-8", "a: \xc0\xaf\n");
	bad("not UTF-8", "a: \xed\xa0\x80\n");
	refused(AI_EUSAGE, "control character", ai_yaml_parse("a: \0b", 5, "Aicertfile", &y, &err));
	refused(AI_EUSAGE, "control character", ai_yaml_parse("\xff\xfe" "a\0:\0", 6, "Aicertfile", &y, &err));
	/* Text that turns around what stands beside it, so that a reviewer sees another script. */
	refused(AI_EUSAGE, "Aicertfile:2:4: a character that turns the direction of text", parse("a: b\nc: \xe2\x80\xae" "fed\n", &y, &err));
	refused(AI_EUSAGE, "turns the direction", parse("a: b # \xe2\x81\xa6\n", &y, &err));
	refused(AI_EUSAGE, "turns the direction", parse("\"\xe2\x80\xaa\": b\n", &y, &err));
	ok(parse("a: \"\\u202e\" # \xe2\x80\x8e \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\n", &y, &err)); /* escaped it is seen; a mark turns nothing */
	assert_string_equal(ai_yaml_get(y, "a")->text, "\xe2\x80\xae");
	ai_yaml_free(y);
	ok(parse("\xef\xbb\xbf" "a: \xc3\xa9\n", &y, &err)); /* a byte order mark, and é */
	assert_string_equal(ai_yaml_get(y, "a")->text, "\xc3\xa9");
	ai_yaml_free(y);
}

static void
ceilings(void **state)
{
	(void)state;
	struct ai_yaml *y = NULL;
	char deep[140] = "";
	for (int i = 0; i < 64; i++)
		deep[i] = '[';
	for (int i = 64; i < 128; i++)
		deep[i] = ']';
	ok(parse(deep, &y, &err));
	ai_yaml_free(y);
	y = NULL;
	memset(deep, '[', 65);
	refused(AI_EUSAGE, "nested deeper than 64", parse(deep, &y, &err));
	size_t n = AI_MAX_AICERTFILE;
	char *big = calloc(1, n + 2);
	memset(big, '#', n + 1);
	refused(AI_EUSAGE, "too large", ai_yaml_parse(big, n + 1, "Aicertfile", &y, &err));
	memset(big, '[', n);
	refused(AI_EUSAGE, "nested deeper than 64", ai_yaml_parse(big, n, "Aicertfile", &y, &err));
	/* A quarter of a million keys: told quickly that two are the same. */
	size_t len = 0;
	for (unsigned i = 0; i < 250000; i++)
		len += (size_t)snprintf(big + len, 20, "k%u:\n", i);
	len += (size_t)snprintf(big + len, 20, "k7:\n");
	refused(AI_EUSAGE, "key 'k7' is given twice: first in line 8", ai_yaml_parse(big, len, "Aicertfile", &y, &err));
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_stay_text), cmocka_unit_test(editing), cmocka_unit_test(trailing_tabs),
		cmocka_unit_test(not_this_yaml), cmocka_unit_test(bad_bytes), cmocka_unit_test(ceilings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
