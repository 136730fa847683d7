/* test_image_layers.c -- layers merged in memory, ceilings, and stores that fail in the middle.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/image_tree.h"
#include "fetch/image_unpack.h"

/* --- the tree alone ----------------------------------------------------------------- */

static int
put(struct ai_image_tree *t, const char *name, ai_image_kind_of kind, const char *target, struct ai_err *err)
{
	struct ai_image_path p;
	struct ai_digest id;
	memset(&id, 7, sizeof id);
	if (ai_image_path_split(name, &p, err) < 0)
		return err->code;
	int r = ai_image_put(t, &p, kind, &id, target, err);
	ai_image_path_done(&p);
	return r;
}

static int
whiteout(struct ai_image_tree *t, const char *name, struct ai_err *err)
{
	struct ai_image_path p;
	if (ai_image_path_split(name, &p, err) < 0)
		return err->code;
	int r = ai_image_whiteout(t, &p, err);
	ai_image_path_done(&p);
	return r;
}

static int
seal_to_text(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_buf *b = ctx;
	(void)err;
	for (size_t i = 0; i < n; i++)
		ai_buf_printf(b, "%s%s", i ? "," : "", entries[i].name);
	ai_buf_putc(b, ';');
	memset(out, 0, sizeof *out);
	return 0;
}

/* Folders from the leaves up, each as its names and a ';'. */
#define holds(want, t) do { AI_BUF_AUTO text = AI_BUF(1 << 20); struct ai_sink sink = { .ctx = &text, .tree = seal_to_text }; struct ai_digest id; \
	size_t left; ok(ai_image_seal(t, &sink, &id, &left, &err)); assert_string_equal(text.data, want); } while (0)

static void
test_whiteouts_know_their_layer(void **state)
{
	(void)state;
	struct ai_image_tree t;
	ok(ai_image_tree_init(&t, &err));
	t.layer = 1;
	ok(put(&t, "a/low", AI_IMAGE_FILE, NULL, &err));
	ok(put(&t, "a/sub/low", AI_IMAGE_FILE, NULL, &err));
	t.layer = 2;
	ok(put(&t, "a/sub/new", AI_IMAGE_FILE, NULL, &err));
	ok(whiteout(&t, ".wh.a", &err));
	holds("new;sub;a;", &t);
	/* Nothing lower is left: again changes nothing, and what comes after stays. */
	ok(put(&t, "a/later", AI_IMAGE_EXEC, NULL, &err));
	ok(whiteout(&t, "a/.wh..wh..opq", &err));
	holds("new;later,sub;a;", &t);
	t.layer = 3;
	ok(whiteout(&t, "a/.wh..wh..opq", &err));
	holds(";a;", &t);
	assert_int_equal(t.n_nodes, 2);
	ai_image_tree_done(&t);
}

static void
test_ceilings(void **state)
{
	(void)state;
	struct ai_image_tree t;
	ok(ai_image_tree_init(&t, &err));
	t.layer = 1;
	t.max_nodes = 4;
	ok(put(&t, "a/b", AI_IMAGE_FILE, NULL, &err));
	ok(put(&t, "a/b", AI_IMAGE_LINK, "c", &err));
	/* Parents that no entry names count as well: a short name makes many folders. */
	refused(AI_EINPUT, "more than 4 files", put(&t, "x/y/z", AI_IMAGE_FILE, NULL, &err));
	ai_image_tree_done(&t);
}

static void
test_no_order_is_slow(void **state)
{
	(void)state;
	struct ai_image_tree t;
	char name[64];
	ok(ai_image_tree_init(&t, &err));
	t.layer = 1;
	for (int i = 0; i < 200000; i++) {
		snprintf(name, sizeof name, "d/%08d", i);
		ok(put(&t, name, AI_IMAGE_FILE, NULL, &err));
	}
	for (int i = 0; i < 200000; i++)
		ok(whiteout(&t, "d/.wh..wh..opq", &err));
	assert_int_equal(t.n_nodes, 200002);
	ai_image_tree_done(&t);
}

static void
test_names(void **state)
{
	(void)state;
	struct ai_image_path p;
	char shown[AI_IMAGE_SHOWN], longer[1000];
	ok(ai_image_path_split("/./a//b/./", &p, &err));
	assert_int_equal(p.n, 2);
	assert_string_equal(p.part[0], "a");
	assert_string_equal(p.part[1], "b");
	ai_image_path_done(&p);
	ok(ai_image_path_split("./", &p, &err));
	assert_int_equal(p.n, 0);
	ai_image_path_done(&p);
	refused(AI_EINPUT, "no name", ai_image_path_split("", &p, &err));
	refused(AI_EINPUT, "'..'", ai_image_path_split("a/..", &p, &err));
	refused(AI_EINPUT, "a\\xc3", ai_image_path_split("a\xc3", &p, &err));
	/* An error's text stays UTF-8 wherever it is cut. */
	for (size_t skip = 0; skip < 3; skip++) {
		memset(longer, 'a', sizeof longer);
		for (size_t i = skip; i + 2 < sizeof longer; i += 2)
			memcpy(longer + i, "\xc3\xa9", 2);
		longer[skip + 800] = '\0';
		ai_image_shown(longer, shown);
		assert_true(ai_utf8_valid(shown, strlen(shown)));
		assert_string_equal(shown + strlen(shown) - 3, "...");
	}
}

/* --- layers into a store that fails ---------------------------------------------------- */

struct failing { int left; int begun, ended; };

static int
step(struct failing *f, struct ai_err *err)
{
	return f->left-- == 0 ? ai_fail(err, AI_EENV, "disk full") : 0;
}

static int
fail_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct failing *f = ctx;
	if (step(f, err) < 0)
		return err->code;
	f->begun++;
	*obj = f;
	return 0;
}

static int
fail_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)p;
	(void)n;
	return step(obj, err);
}

static int
fail_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct failing *f = obj;
	(void)size_out;
	if (step(f, err) < 0)
		return err->code;
	f->ended++;
	memset(out, 1, sizeof *out);
	return 0;
}

static void
fail_abort(void *obj)
{
	((struct failing *)obj)->ended++;
}

static int
fail_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)entries;
	(void)n;
	memset(out, 2, sizeof *out);
	return step(ctx, err);
}

/* POSIX, pax "ustar Interchange Format". */
static void
header(struct ai_buf *tar, const char *name, size_t size)
{
	char h[512] = { 0 };
	unsigned sum = 0;
	snprintf(h, 100, "%s", name);
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	snprintf(h + 124, 12, "%011o", (unsigned)size);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\0" "00", 8);
	for (size_t i = 0; i < sizeof h; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum & 0777777);
	ai_buf_put(tar, h, sizeof h);
}

static int
layer_of(struct ai_buf *tar, struct ai_digest *diff_id)
{
	char zeros[1024] = { 0 };
	for (int i = 0; i < 3; i++) {
		char name[16];
		snprintf(name, sizeof name, "d%d/f", i);
		header(tar, name, 5);
		ai_buf_put(tar, "12345", 5);
		ai_buf_put(tar, zeros, 512 - 5);
	}
	ai_buf_put(tar, zeros, sizeof zeros);
	ai_sha256(tar->data, tar->len, diff_id);
	int fd = memfd_create("layer", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, tar->data, tar->len) == (ssize_t)tar->len);
	return fd;
}

static void
test_every_failure_of_the_store(void **state)
{
	(void)state;
	AI_BUF_AUTO tar = AI_BUF(1 << 20);
	struct ai_digest diff_id, id;
	AI_FD fd = layer_of(&tar, &diff_id);
	int n = 0;
	for (bool failed = true; failed; n++) {
		struct failing f = { .left = n };
		struct ai_sink sink = { &f, fail_begin, fail_write, fail_commit, fail_abort, NULL, fail_tree, NULL };
		struct ai_err why = { 0 };
		struct ai_layers *l = ai_layers_new(&sink, NULL);
		int r = ai_layers_apply(l, fd, AI_OCI_PLAIN, &diff_id, &why);
		bool in_layer = r < 0;
		if (r == 0)
			r = ai_layers_tree(l, "/work", &id, &why);
		failed = r < 0;
		if (failed) {
			assert_int_equal(r, AI_EENV);
			assert_non_null(strstr(why.text, "disk full"));
		}
		/* Half a layer is no image. */
		if (in_layer) {
			refused(AI_EINPUT, "failed", ai_layers_tree(l, NULL, &id, &err));
			refused(AI_EINPUT, "failed", ai_layers_apply(l, fd, AI_OCI_PLAIN, &diff_id, &err));
		}
		assert_int_equal(f.begun, f.ended);
		ai_layers_free(l);
	}
	/* Three files of begin, write and commit; five folders; and the time when nothing failed. */
	assert_int_equal(n, 3 * 3 + 5 + 1);
}

static void
test_interrupted(void **state)
{
	(void)state;
	AI_BUF_AUTO tar = AI_BUF(1 << 20);
	struct ai_digest diff_id;
	AI_FD fd = layer_of(&tar, &diff_id);
	struct failing f = { .left = -1 };
	struct ai_sink sink = { &f, fail_begin, fail_write, fail_commit, fail_abort, NULL, fail_tree, NULL };
	struct ai_layers *l = ai_layers_new(&sink, NULL);
	ai_interrupted = 1;
	refused(AI_EINTR, "interrupted", ai_layers_apply(l, fd, AI_OCI_PLAIN, &diff_id, &err));
	ai_interrupted = 0;
	ai_layers_free(l);
}

/* --- unpacking beside the reader -------------------------------------------------------- */

static void
test_a_reader_that_leaves_early(void **state)
{
	(void)state;
	AI_FD fd = memfd_create("big", MFD_CLOEXEC);
	static char chunk[1 << 20];
	memset(chunk, 'x', sizeof chunk);
	for (int i = 0; i < 16; i++)
		assert_int_equal(write(fd, chunk, sizeof chunk), sizeof chunk);
	/* After nothing, one block, and all of it: the thread ends each time. */
	for (size_t want = 0; want <= 16u << 20; want = want * 4 + 1) {
		struct ai_unpack *u;
		const void *bytes;
		size_t n, got = 0;
		ok(ai_unpack_new(fd, AI_OCI_PLAIN, &u, &err));
		while (got < want) {
			struct ai_err err = { 0 };
			assert_int_equal(ai_unpack_next(u, &bytes, &n, &err), 1);
			assert_memory_equal(bytes, chunk, n);
			got += n;
		}
		ai_unpack_free(u);
	}
}

static void
test_a_file_that_cannot_be_read(void **state)
{
	(void)state;
	struct ai_unpack *u;
	const void *bytes;
	size_t n;
	AI_FD fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(ai_unpack_new(fd, AI_OCI_GZIP, &u, &err));
	refused(AI_EINPUT, "gzip stream", ai_unpack_next(u, &bytes, &n, &err));
	ai_unpack_free(u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whiteouts_know_their_layer),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_no_order_is_slow),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_every_failure_of_the_store),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_a_reader_that_leaves_early),
		cmocka_unit_test(test_a_file_that_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
