/* test_compare.c -- two contents compared: every kind of difference, what is unknown, hostile trees; where two files part.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "model/tree.h"
#include "run/again/compare.h"
#include "run/again/parting.h"

/* --- contents in memory ------------------------------------------------------ */

struct thing { struct ai_digest id; char *bytes; size_t n; bool hidden; };
static struct thing things[64];
static size_t n_things;

static struct ai_digest
put(const void *p, size_t n)
{
	struct thing *t = &things[n_things++];
	assert_true(n_things <= 64);
	ai_sha256(p, n, &t->id);
	t->bytes = malloc(n + 1);
	memcpy(t->bytes, p, n);
	t->n = n;
	t->hidden = false;
	return t->id;
}

static struct ai_digest
text(const char *s)
{
	return put(s, strlen(s));
}

static struct ai_ref
tree(struct ai_entry *entries, size_t n)
{
	struct ai_buf b = AI_BUF(AI_MAX_NODE);
	ok(ai_tree_bytes(entries, n, &b, &err));
	struct ai_ref r = { AI_REF_TREE, put(b.data, b.len) };
	ai_buf_done(&b);
	return r;
}

static struct thing *
find(const struct ai_digest *id)
{
	for (size_t i = 0; i < n_things; i++)
		if (ai_digest_eq(&things[i].id, id) && !things[i].hidden)
			return &things[i];
	return NULL;
}

static void
hide(const struct ai_digest *id)
{
	for (size_t i = 0; i < n_things; i++)
		things[i].hidden = things[i].hidden || ai_digest_eq(&things[i].id, id);
}

static int
find_tree(void *ctx, const struct ai_digest *id, json_t **node, struct ai_err *err)
{
	(void)ctx;
	struct thing *t = find(id);
	return t ? ai_json_parse(t->bytes, t->n, "tree", node, err) < 0 ? err->code : 1 : 0;
}

static int
file_of(const void *p, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	return fd;
}

static int
find_blob(void *ctx, const struct ai_digest *id, int *fd, struct ai_err *err)
{
	(void)ctx, (void)err;
	struct thing *t = find(id);
	if (t)
		*fd = file_of(t->bytes, t->n);
	return t != NULL;
}

static const struct ai_compare_io io = { find_tree, find_blob, NULL };

static int
forget(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_things; i++)
		free(things[i].bytes);
	n_things = 0;
	return 0;
}

/* The differences as "kind path" lines. */
static void
expect(const struct ai_ref *a, const struct ai_ref *b, const char *lines, bool by_id_only)
{
	AI_JSON *list = json_array();
	struct ai_compare c = { .io = &io, .list = list };
	AI_BUF_AUTO got = AI_BUF(AI_MAX_TEXT);
	size_t i;
	json_t *d;
	ok(ai_compare(&c, "out", a, b, &err));
	json_array_foreach(list, i, d)
		ai_buf_printf(&got, "%s %s%s%s\n", ai_json_str(d, "kind"), ai_json_str(d, "path"), ai_json_obj(d, "first") ? "" : " -",
			ai_json_obj(d, "second") ? "" : " +");
	assert_string_equal(got.data ? got.data : "", lines);
	assert_int_equal(c.by_id_only, by_id_only);
	assert_int_equal(c.total, json_array_size(list));
}

static void
every_kind(void **state)
{
	(void)state;
	struct ai_digest x = text("x\n"), y = text("y\n"), z = text("z\n");
	struct ai_entry in_a[] = { { .name = "deep", .id = x }, { .name = "same", .id = x } };
	struct ai_entry in_b[] = { { .name = "deep", .id = y }, { .name = "same", .id = x } };
	struct ai_ref sub_a = tree(in_a, 2), sub_b = tree(in_b, 2);
	struct ai_entry a[] = {
		{ .name = "a-only", .id = x }, { .name = "both", .id = x }, { .name = "content", .id = x }, { .name = "exec", .id = x },
		{ .name = "exec+", .id = x, .type = AI_ENTRY_EXEC }, { .name = "link", .type = AI_ENTRY_LINK, .target = "p" },
		{ .name = "same-link", .type = AI_ENTRY_LINK, .target = "p" }, { .name = "sub", .type = AI_ENTRY_DIR, .id = sub_a.id },
		{ .name = "type", .id = x },
	};
	struct ai_entry b[] = {
		{ .name = "b-only", .type = AI_ENTRY_DIR, .id = sub_b.id }, { .name = "both", .id = x }, { .name = "content", .id = y },
		{ .name = "exec", .id = x, .type = AI_ENTRY_EXEC }, { .name = "exec+", .id = z }, { .name = "link", .type = AI_ENTRY_LINK, .target = "q" },
		{ .name = "same-link", .type = AI_ENTRY_LINK, .target = "p" }, { .name = "sub", .type = AI_ENTRY_DIR, .id = sub_b.id },
		{ .name = "type", .type = AI_ENTRY_DIR, .id = sub_b.id },
	};
	struct ai_ref first = tree(a, 9), second = tree(b, 9);
	expect(&first, &second, "missing a-only +\nmissing b-only -\ncontent content\nexec exec\nexec exec+\ncontent exec+\nlink link\n"
		"content sub/deep\ntype type\n", false);
	expect(&first, &first, "", false);
	struct ai_ref file = { AI_REF_BLOB, x }, other = { AI_REF_BLOB, y };
	expect(&file, &other, "content \n", false);
	expect(&file, &first, "type \n", false);
}

static void
what_is_not_known_is_said(void **state)
{
	(void)state;
	struct ai_digest x = text("x\n"), y = text("y\n");
	struct ai_entry a[] = { { .name = "f", .id = x } }, b[] = { { .name = "f", .id = y } };
	struct ai_ref first = tree(a, 1), second = tree(b, 1);
	hide(&y);
	expect(&first, &second, "content f\n", true);
	hide(&second.id);
	expect(&first, &second, "content \n", true);
}

static void
many_are_counted(void **state)
{
	(void)state;
	struct ai_digest x = text("x\n"), y = text("y\n");
	struct ai_entry a[30], b[30];
	char names[30][16];
	for (int i = 0; i < 30; i++) {
		snprintf(names[i], sizeof names[i], "f%02d", i);
		a[i] = (struct ai_entry){ .name = names[i], .id = x };
		b[i] = (struct ai_entry){ .name = names[i], .id = y };
	}
	struct ai_ref first = tree(a, 30), second = tree(b, 30);
	AI_JSON *list = json_array();
	struct ai_compare c = { .io = &io, .list = list };
	ok(ai_compare(&c, "out", &first, &second, &err));
	assert_int_equal(c.total, 30);
	assert_int_equal(json_array_size(list), AI_COMPARE_SHOWN);
}

static void
hostile_trees_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{\"entries\":[{\"name\":\"a\",\"type\":\"link\"}],\"kind\":\"tree\"}",
		"{\"entries\":[{\"id\":\"00\",\"name\":\"a\",\"type\":\"file\"}],\"kind\":\"tree\"}",
		"{\"entries\":[{\"type\":\"file\"}],\"kind\":\"tree\"}",
		"{\"entries\":[7],\"kind\":\"tree\"}",
	};
	struct ai_entry one[] = { { .name = "a", .type = AI_ENTRY_LINK, .target = "p" } };
	struct ai_ref good = tree(one, 1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ai_ref r = { AI_REF_TREE, text(bad[i]) };
		AI_JSON *list = json_array();
		struct ai_compare c = { .io = &io, .list = list };
		refused(AI_EINPUT, "entry", ai_compare(&c, "out", &good, &r, &err));
	}
}

static void
outputs_by_name(void **state)
{
	(void)state;
	struct ai_digest x = text("x\n"), y = text("y\n");
	char hx[AI_HEX], hy[AI_HEX];
	ai_hex(&x, hx);
	ai_hex(&y, hy);
	AI_JSON *a = json_pack("[{s:s,s:s},{s:s,s:s}]", "name", "m", "blob", hx, "name", "n", "blob", hy);
	AI_JSON *b = json_pack("[{s:s,s:s},{s:s,s:s}]", "name", "n", "blob", hy, "name", "m", "blob", hy);
	AI_JSON *report = NULL;
	AI_JSON *same = NULL;
	ok(ai_compare_outputs(&io, a, b, &report, &err));
	assert_true(json_is_false(json_object_get(report, "same")));
	assert_int_equal(json_integer_value(json_object_get(report, "total")), 1);
	const json_t *outputs = ai_json_arr(report, "outputs");
	assert_true(json_is_false(json_object_get(json_array_get(outputs, 0), "same")));
	assert_true(json_is_true(json_object_get(json_array_get(outputs, 1), "same")));
	ok(ai_compare_outputs(&io, a, a, &same, &err));
	assert_true(json_is_true(json_object_get(same, "same")));
	json_array_remove(b, 0);
	AI_JSON *none = NULL;
	refused(AI_EINPUT, "other outputs", ai_compare_outputs(&io, a, b, &none, &err));
	assert_null(none);
}

/* --- where two files part ---------------------------------------------------- */

static struct ai_parting
part(const void *a, size_t n, const void *b, size_t m)
{
	AI_FD x = file_of(a, n);
	AI_FD y = file_of(b, m);
	struct ai_parting p;
	memset(&p, 0xaa, sizeof p);
	ok(ai_parting_find(x, y, &p, &err));
	return p;
}

static void
places(void **state)
{
	(void)state;
	struct ai_parting p = part("one\ntwo\nthree", 13, "one\ntwo\nthere", 13);
	assert_int_equal(p.offset, 10);
	assert_int_equal(p.line, 3);
	assert_string_equal(p.lines[0], "three");
	assert_string_equal(p.lines[1], "there");
	p = part("same\n", 5, "same\nmore\n", 10);
	assert_true(p.offset == 5 && p.line == 2 && p.sizes[0] == 5 && p.sizes[1] == 10);
	assert_string_equal(p.lines[0], "");
	assert_string_equal(p.lines[1], "more");
	p = part("", 0, "x", 1);
	assert_true(p.offset == 0 && p.line == 1);
	p = part("a\0b", 3, "a\0c", 3);
	assert_int_equal(p.line, 0);
	p = part("a\033[31mx", 7, "a\033[31my", 7);
	assert_int_equal(p.line, 0);
	p = part("\xff\xfe", 2, "\xff\xfd", 2);
	assert_int_equal(p.line, 0);
	AI_FD x = file_of("q", 1);
	AI_FD y = file_of("q", 1);
	refused(AI_EINPUT, "same", ai_parting_find(x, y, &p, &err));
}

/* A difference behind the first MiB, in a line too long to show, between characters of three bytes. */
static void
far_and_long(void **state)
{
	(void)state;
	size_t n = (3u << 20) + 100;
	char *a = malloc(n), *b = malloc(n);
	for (size_t i = 0; i < n; i++)
		a[i] = "€"[i % 3];
	a[2000] = '\n';
	a[2001] = a[2002] = a[1999] = a[1998] = a[2003] = '.';
	memcpy(b, a, n);
	size_t at = (2u << 20) + 4 - ((2u << 20) + 4) % 3;
	memcpy(b + at, "abc", 3);
	struct ai_parting p = part(a, n, b, n);
	assert_int_equal(p.offset, at);
	assert_int_equal(p.line, 2);
	assert_true(strncmp(p.lines[0], "…€", 6) == 0 && strstr(p.lines[1], "€abc€") && strlen(p.lines[0]) < AI_PARTING_LINE);
	free(a);
	free(b);
}

static const char *
cause(const char *a, const char *b)
{
	return part(a, strlen(a), b, strlen(b)).hint;
}

/* Each cause with its like that must not be taken for it. */
static void
causes(void **state)
{
	(void)state;
	assert_non_null(strstr(cause("at 2026-01-02 03:04:05", "at 2026-01-02 03:04:07"), "time of day"));
	assert_non_null(strstr(cause("day 2026-01-02", "day 2026-01-03"), "time of day"));
	assert_null(cause("ratio 10:20", "ratio 10:21"));
	assert_null(cause("version 2.0.1", "version 2.0.2"));
	assert_non_null(strstr(cause("t=1795398279", "t=1795398999"), "1970"));
	assert_null(cause("t=17953982", "t=17953983"));
	assert_null(cause("id 1795398279", "id 3795398279"));
	assert_non_null(strstr(cause("<x at 0x7f7c6446c190>", "<x at 0x7f7c6446d190>"), "address"));
	assert_null(cause("colour 0xff", "colour 0xfe"));
	assert_non_null(strstr(cause("/tmp/tmpab12", "/tmp/tmpcd34"), "temporary"));
	assert_null(cause("/tmp/fixed/ab", "/tmp/fixed/cd"));
	assert_non_null(strstr(cause("0.12345678", "0.12345699"), "last digits"));
	assert_null(cause("0.1234", "0.9876"));
	assert_null(cause("10000", "10001"));
	assert_non_null(strstr(cause("b\na\nc\n", "a\nc\nb\n"), "another order"));
	assert_null(cause("b\na\nc\n", "a\nc\nd\n"));
	assert_non_null(strstr(cause("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"), "another order"));
}

static void
floats(void **state)
{
	(void)state;
	float a[600], b[600];
	double c[300], d[300];
	for (int i = 0; i < 600; i++) {
		a[i] = (float)(i + 1) * 0.37f;
		b[i] = a[i] * (1 + (float)(i % 3) * 1e-6f);
	}
	for (int i = 0; i < 300; i++) {
		c[i] = (i + 1) * 0.37;
		d[i] = c[i] * (1 + (i % 3) * 1e-12);
	}
	assert_non_null(strstr(part(a, sizeof a, b, sizeof b).hint, "floats"));
	assert_non_null(strstr(part(c, sizeof c, d, sizeof d).hint, "floats"));
	for (int i = 0; i < 600; i++)
		b[i] = a[i] * (1 + (float)(i % 3));
	assert_null(part(a, sizeof a, b, sizeof b).hint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_kind, forget), cmocka_unit_test_setup(what_is_not_known_is_said, forget),
		cmocka_unit_test_setup(many_are_counted, forget), cmocka_unit_test_setup(hostile_trees_are_refused, forget),
		cmocka_unit_test_setup(outputs_by_name, forget), cmocka_unit_test(places), cmocka_unit_test(far_and_long), cmocka_unit_test(causes),
		cmocka_unit_test(floats),
	};
	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
