/* test_vm_deb.c -- packages of Debian merged into one tree, and what is no package refused.  SPDX-License-Identifier: Apache-2.0 */
#include "image_unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>

#include "fetch/archive_deb.h"

struct in_deb { const char *path; unsigned type; const char *text; bool exec; };
enum { HARD = 1 };   /* no type of a file: a hard link to text */

/* A tar file of the list, packed; fresh. */
static char *
tar_of(const struct in_deb *list, size_t n, const char *packing, size_t *size)
{
	char *out = malloc(1 << 20);
	struct archive *a = archive_write_new();
	assert_non_null(out);
	if (strcmp(packing, ".gz") == 0)
		archive_write_add_filter_gzip(a);
	else if (strcmp(packing, ".xz") == 0)
		archive_write_add_filter_xz(a);
	else if (strcmp(packing, ".zst") == 0)
		archive_write_add_filter_zstd(a);
	archive_write_set_format_gnutar(a);
	assert_int_equal(archive_write_open_memory(a, out, 1 << 20, size), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();
		size_t len = list[i].type == AE_IFREG ? strlen(list[i].text) : 0;
		archive_entry_set_pathname(e, list[i].path);
		archive_entry_set_filetype(e, list[i].type == HARD ? AE_IFREG : list[i].type);
		archive_entry_set_perm(e, list[i].exec || list[i].type == AE_IFDIR ? 0755 : 0644);
		archive_entry_set_size(e, (la_int64_t)len);
		if (list[i].type == AE_IFLNK)
			archive_entry_set_symlink(e, list[i].text);
		if (list[i].type == HARD)
			archive_entry_set_hardlink(e, list[i].text);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, list[i].text ? list[i].text : "", len), (la_ssize_t)len);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	return out;
}

static void
put_member(struct ai_buf *b, const char *name, const char *data, size_t n)
{
	ai_buf_printf(b, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "100644", n);
	ai_buf_put(b, data, n);
	if (n & 1)
		ai_buf_putc(b, '\n');
}

static struct ai_buf
deb_of(const struct in_deb *list, size_t n, const char *packing)
{
	struct ai_buf b = AI_BUF(1 << 21);
	size_t size;
	char *tar = tar_of(list, n, packing, &size), name[17];
	snprintf(name, sizeof name, "data.tar%s", packing);
	ai_buf_puts(&b, "!<arch>\n");
	put_member(&b, "debian-binary", "2.0\n", 4);
	put_member(&b, "control.tar.xz", "odd", 3);
	put_member(&b, name, tar, size);
	free(tar);
	return b;
}

static int
apply(struct ai_debs *d, const struct ai_buf *deb, struct ai_err *err)
{
	AI_FD fd = memfd_create("deb", MFD_CLOEXEC);
	assert_int_equal(write(fd, deb->data, deb->len), (ssize_t)deb->len);
	return ai_debs_apply(d, fd, err);
}

static const char *const leave_out[] = { "usr/share/doc/**", NULL };

/* The merged packages checked out below the test's folder: its path, which is the caller's. */
static char *
merged(struct ai_debs *d)
{
	static int n;
	struct ai_ref ref = { .type = AI_REF_TREE };
	char *path = ai_format("%s/out%d", getenv("TEST_TMP"), n++);
	ok(ai_debs_tree(d, &ref.id, &err));
	ok(ai_store_checkout(image_store, &ref, path, &err));
	return path;
}

static void
says(const char *root, const char *path, const char *text, bool exec)
{
	char *whole = ai_join(root, path);
	struct ai_buf b = AI_BUF(4096);
	ok(ai_read_file(AT_FDCWD, whole, &b, &err));
	assert_string_equal(b.data, text);
	assert_int_equal(access(whole, X_OK) == 0, exec);
	ai_buf_done(&b);
	free(whole);
}

static void
leads(const char *root, const char *path, const char *to)
{
	char *whole = ai_join(root, path), target[256] = "";
	assert_true(readlink(whole, target, sizeof target - 1) > 0);
	assert_string_equal(target, to);
	free(whole);
}

static void
test_merge(void **state)
{
	(void)state;
	static const char *const packings[] = { "", ".gz", ".xz", ".zst" };
	static const struct in_deb one[] = {
		{ "./", AE_IFDIR, NULL, false }, { "./lib/", AE_IFDIR, NULL, false }, { "./lib/x/", AE_IFDIR, NULL, false }, { "./lib/x/libc.so.6", AE_IFREG, "libc", true },
		{ "./lib64/", AE_IFDIR, NULL, false }, { "./lib64/ld.so", AE_IFLNK, "/lib/x/ld.so", false }, { "./usr/share/doc/a/copyright", AE_IFREG, "words", false },
		{ "./bin/dash", AE_IFREG, "dash", true }, { "./bin/sh", AE_IFLNK, "dash", false }, { "./bin/ash", HARD, "./bin/dash", false },
	};
	static const struct in_deb two[] = {
		{ "./usr/lib/x/libz.so", AE_IFREG, "libz", false }, { "./etc/\xc3\xa9", AE_IFREG, "name", false }, { "./lib/x/libc.so.6", AE_IFREG, "newer", false },
	};
	for (size_t i = 0; i < 4; i++) {
		struct ai_debs *d;
		struct ai_buf a = deb_of(one, sizeof one / sizeof *one, packings[i]), b = deb_of(two, sizeof two / sizeof *two, packings[i]);
		ok(ai_debs_new(ai_store_sink(image_store), leave_out, &d, &err));
		ok(apply(d, &a, &err));
		ok(apply(d, &b, &err));
		char *root = merged(d);
		leads(root, "lib", "usr/lib");
		leads(root, "lib64", "usr/lib64");
		leads(root, "bin", "usr/bin");
		leads(root, "sbin", "usr/sbin");
		says(root, "usr/bin/dash", "dash", true);
		says(root, "usr/bin/ash", "dash", true);
		leads(root, "usr/bin/sh", "dash");
		leads(root, "usr/lib64/ld.so", "/lib/x/ld.so");
		says(root, "usr/lib/x/libz.so", "libz", false);
		says(root, "usr/lib/x/libc.so.6", "newer", false);
		says(root, "etc/\xc3\xa9", "name", false);
		char *doc = ai_join(root, "usr/share/doc/a/copyright");
		assert_false(ai_exists(doc));
		free(doc);
		free(root);
		ai_debs_free(d);
		ai_buf_done(&a);
		ai_buf_done(&b);
	}
}

static void
refuses(const char *words, const char *bytes, size_t n)
{
	struct ai_debs *d;
	struct ai_digest id;
	const struct ai_buf b = { .data = (char *)(uintptr_t)bytes, .len = n };
	ok(ai_debs_new(ai_store_sink(image_store), NULL, &d, &err));
	refused(AI_EINPUT, words, apply(d, &b, &err));
	/* What was applied in part is nothing. */
	refused(AI_EINPUT, "a package before failed", apply(d, &b, &err));
	refused(AI_EINPUT, "a package before failed", ai_debs_tree(d, &id, &err));
	ai_debs_free(d);
}

static void
test_containers(void **state)
{
	(void)state;
	static const struct in_deb one[] = { { "./f", AE_IFREG, "0123456789", false } };
	struct ai_buf deb = deb_of(one, 1, ".xz");
	char *copy = malloc(deb.len);
	refuses("no ar container", "!<Arch>\n", 8);
	refuses("in the middle", "!<ar", 4);
	refuses("has no 'data.tar'", "!<arch>\n", 8);
	for (size_t cut = 9; cut < deb.len; cut += 7) {
		struct ai_debs *d;
		const struct ai_buf part = { .data = deb.data, .len = cut };
		ok(ai_debs_new(ai_store_sink(image_store), NULL, &d, &err));
		refused(AI_EINPUT, "", apply(d, &part, &err));
		ai_debs_free(d);
	}
	static const struct { size_t at; const char *bytes, *words; } damage[] = {
		{ 8, "debian-binarx", "expected 'debian-binary' first" }, { 68, "3.0\n", "another format" }, { 8 + 58, "!!", "damaged header" },
		{ 8 + 48, "x", "damaged header" }, { 8 + 49, "x", "damaged header" }, { 8 + 48, "9999999999", "beyond the end" },
	};
	for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
		memcpy(copy, deb.data, deb.len);
		memcpy(copy + damage[i].at, damage[i].bytes, strlen(damage[i].bytes));
		refuses(damage[i].words, copy, deb.len);
	}
	/* The packing is what the name says, and no other. */
	char *name = memmem(deb.data, deb.len, "data.tar.xz", 11);
	assert_non_null(name);
	memcpy(name, "data.tar.bz", 11);
	refuses("expected gz, xz or zst", deb.data, deb.len);
	memcpy(name, "data.tar.gz", 11);
	struct ai_debs *d;
	ok(ai_debs_new(ai_store_sink(image_store), NULL, &d, &err));
	refused(AI_EINPUT, "", apply(d, &deb, &err));
	ai_debs_free(d);
	free(copy);
	ai_buf_done(&deb);
}

static void
test_entries(void **state)
{
	(void)state;
	static const struct { struct in_deb e; const char *words; } cases[] = {
		{ { "./dev/null", AE_IFCHR, NULL, false }, "a device" }, { { "./fifo", AE_IFIFO, NULL, false }, "a device" },
		{ { "../etc/passwd", AE_IFREG, "x", false }, ".." }, { { "./a/../../b", AE_IFREG, "x", false }, ".." },
		{ { "./a\nb", AE_IFREG, "x", false }, "a\\x0ab" }, { { "./a", HARD, "./nothing", false }, "hard link to what is not there" },
		{ { "./", AE_IFREG, "x", false }, "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_buf deb = deb_of(&cases[i].e, 1, "");
		refuses(cases[i].words, deb.data, deb.len);
		ai_buf_done(&deb);
	}
}

static int
set_up(void **state)
{
	(void)state;
	char *tmp = NULL;
	struct ai_err err = { 0 };
	if (ai_mkdtemp("/tmp/aicert-deb", &tmp, &err) < 0)
		return -1;
	setenv("TEST_TMP", tmp, 1);
	image_store_open(tmp);
	free(tmp);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	image_store_close();
	ai_discard_tree(getenv("TEST_TMP"));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_merge), cmocka_unit_test(test_containers), cmocka_unit_test(test_entries) };
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
