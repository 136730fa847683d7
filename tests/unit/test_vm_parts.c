/* test_vm_parts.c -- what goes into the runner: files of a tree by path, modules with what they depend on, libraries of a program.  SPDX-License-Identifier: Apache-2.0 */
#include "image_unit.h"

#include "vm/build/build_parts.h"

/* A module's object file: sections "", .modinfo and .shstrtab, nothing else. */
static struct ai_buf
module_of(const char *info, size_t n)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	struct ai_buf b = AI_BUF(1 << 16);
	unsigned char h[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }, s[3][64] = { { 0 } };
	h[40] = 64;
	h[58] = 64;
	h[60] = 3;
	h[62] = 2;
	s[1][0] = 1;
	s[2][0] = 10;
	const size_t info_at = 64 + sizeof s, names_at = info_at + n;
	s[1][24] = (unsigned char)info_at;
	s[1][25] = (unsigned char)(info_at >> 8);
	s[1][32] = (unsigned char)n;
	s[1][33] = (unsigned char)(n >> 8);
	s[2][24] = (unsigned char)names_at;
	s[2][25] = (unsigned char)(names_at >> 8);
	s[2][32] = sizeof names;
	ai_buf_put(&b, h, sizeof h);
	ai_buf_put(&b, s, sizeof s);
	ai_buf_put(&b, info, n);
	ai_buf_put(&b, names, sizeof names);
	return b;
}

static int
collect(void *ctx, const char *name, size_t len, struct ai_err *err)
{
	(void)err;
	ai_buf_printf(ctx, "%.*s;", (int)len, name);
	return 0;
}

static void
test_modinfo(void **state)
{
	(void)state;
	static const char info[] = "license=GPL\0depends=virtio,virtio_ring\0name=x";
	struct ai_buf m = module_of(info, sizeof info), said = AI_BUF(4096), none = module_of("depends=", 9);
	ok(ai_modinfo_depends(m.data, m.len, collect, &said, &err));
	assert_string_equal(said.data, "virtio;virtio_ring;");
	ai_buf_clear(&said);
	ok(ai_modinfo_depends(none.data, none.len, collect, &said, &err));
	assert_int_equal(said.len, 0);
	refused(AI_EINPUT, "no module of a 64-bit kernel", ai_modinfo_depends("\x7f" "ELF", 4, collect, &said, &err));
	m.data[64 + 64] = 2;
	refused(AI_EINPUT, "has no .modinfo", ai_modinfo_depends(m.data, m.len, collect, &said, &err));
	m.data[64 + 64] = 1;
	m.data[64 + 64 + 39] = 1;
	refused(AI_EINPUT, "has no .modinfo", ai_modinfo_depends(m.data, m.len, collect, &said, &err));
	m.data[62] = 9;
	refused(AI_EINPUT, "no module", ai_modinfo_depends(m.data, m.len, collect, &said, &err));
	m.data[60] = 0;
	refused(AI_EINPUT, "no module", ai_modinfo_depends(m.data, m.len, collect, &said, &err));
	/* Cut anywhere it is refused, or says the same. */
	for (size_t i = 0; i < none.len; i++) {
		struct ai_err err = { 0 };
		ai_buf_clear(&said);
		if (ai_modinfo_depends(none.data, i, collect, &said, &err) == 0)
			assert_int_equal(said.len, 0);
	}
	ai_buf_done(&m);
	ai_buf_done(&none);
	ai_buf_done(&said);
}

/* --- a tree ------------------------------------------------------------------- */

static struct ai_sysroot
tree_of(const struct in_image *list, size_t n)
{
	return (struct ai_sysroot){ image_store, image_tree(list, n, "") };
}

#define TREE_OF(list) tree_of(list, sizeof (list) / sizeof *(list))

static void
test_sysroot(void **state)
{
	(void)state;
	static const struct in_image list[] = {
		{ "/usr", DIR_, NULL }, { "/usr/lib", DIR_, NULL }, { "/usr/lib/x", TEXT_, "here" }, { "/usr/lib/y", LINK_, "/lib/x" }, { "/usr/lib/up", LINK_, "../../lib/y" },
		{ "/lib", LINK_, "usr/lib" }, { "/loop", LINK_, "loop" }, { "/out", LINK_, "../../../usr/lib/x" }, { "/two1", TEXT_, "" }, { "/two2", TEXT_, "" },
	};
	const struct ai_sysroot s = TREE_OF(list);
	static const char *const same[] = { "usr/lib/x", "/usr/lib/x", "lib/x", "lib/y", "usr/lib/up", "usr/./lib/../lib/x", "out" };
	static const char *const absent[] = { "usr/lib/z", "usr", "", "usr/lib/x/y", "lib" };
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		struct ai_buf b = AI_BUF(64);
		struct ai_err err = { 0 };
		if (ai_sysroot_read(&s, same[i], &b, &err) != 1 || strcmp(b.data, "here") != 0)
			fail_msg("'%s': %s", same[i], err.text);
		ai_buf_done(&b);
	}
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		struct ai_buf b = AI_BUF(64);
		struct ai_err err = { 0 };
		assert_int_equal(ai_sysroot_read(&s, absent[i], &b, &err), 0);
		assert_int_equal(b.len, 0);
	}
	struct ai_buf b = AI_BUF(2);
	char *name = NULL;
	refused(AI_EINPUT, "links", ai_sysroot_read(&s, "loop", &b, &err));
	refused(AI_EINPUT, "the packages have no 'nothing'", ai_sysroot_need(&s, "nothing", &b, &err));
	refused(AI_EINPUT, "usr/lib/x", ai_sysroot_read(&s, "usr/lib/x", &b, &err));
	ok(ai_sysroot_only(&s, "usr", "l*", &name, &err));
	assert_string_equal(name, "lib");
	free(name);
	refused(AI_EINPUT, "two of '/two?'", ai_sysroot_only(&s, "", "two?", &name, &err));
	refused(AI_EINPUT, "no 'usr/z*'", ai_sysroot_only(&s, "usr", "z*", &name, &err));
	refused(AI_EINPUT, "no 'nowhere/z*'", ai_sysroot_only(&s, "nowhere", "z*", &name, &err));
	ai_buf_done(&b);
}

/* --- modules --------------------------------------------------------------------- */

/* Below lib/modules/6.1: a module of that file name that depends on others (NULL: the file is no module). */
struct in_kernel { const char *file, *depends; };

static struct ai_sysroot
kernel_of(const struct in_kernel *list, size_t n, const char *builtin)
{
	struct ai_entry entries[16];
	struct ai_buf order = AI_BUF(4096);
	struct ai_sysroot s = { .store = image_store };
	const struct ai_sink *sink = ai_store_sink(image_store);
	for (size_t i = 0; i < n; i++) {
		char *info = ai_format("depends=%s", list[i].depends ? list[i].depends : "");
		struct ai_buf m = module_of(info, strlen(info) + 1);
		entries[i] = (struct ai_entry){ .name = (char *)(uintptr_t)list[i].file, .type = AI_ENTRY_FILE };
		ok(ai_store_put_bytes(image_store, list[i].depends ? m.data : "text", list[i].depends ? m.len : 4, &entries[i].id, &err));
		ai_buf_printf(&order, "kernel/%s\n", list[i].file);
		ai_buf_done(&m);
		free(info);
	}
	struct ai_entry below[3] = { { .name = (char *)"kernel", .type = AI_ENTRY_DIR }, { .name = (char *)"modules.builtin" }, { .name = (char *)"modules.order" } };
	ok(sink->tree(sink->ctx, entries, n, &below[0].id, &err));
	ok(ai_store_put_bytes(image_store, builtin, strlen(builtin), &below[1].id, &err));
	ok(ai_store_put_bytes(image_store, order.data, order.len, &below[2].id, &err));
	static const char *const above[] = { "6.1", "modules", "lib" };
	ok(sink->tree(sink->ctx, below, 3, &s.tree, &err));
	for (size_t i = 0; i < 3; i++) {
		struct ai_entry e = { .name = (char *)(uintptr_t)above[i], .type = AI_ENTRY_DIR, .id = s.tree };
		ok(sink->tree(sink->ctx, &e, 1, &s.tree, &err));
	}
	ai_buf_done(&order);
	return s;
}

static const struct ai_cpio_entry *
entry(const struct ai_cpio_files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->entries[i].path, path) == 0)
			return &f->entries[i];
	fail_msg("no entry '%s'", path);
	return NULL;
}

static void
test_modules(void **state)
{
	(void)state;
	static const struct in_kernel kernel[] = {
		{ "ring.ko", "" }, { "disk.ko", "pci_dev,ring" }, { "pci-dev.ko", "ring,core" }, { "other.ko", "" }, { "needy.ko", "gone" }, { "a.ko", "b" }, { "b.ko", "a" },
		{ "text.ko", NULL },
	};
	const struct ai_sysroot s = kernel_of(kernel, 8, "kernel/core.ko\n");
	static const char *const names[] = { "disk", "core", "ring", "pci_dev" };
	struct ai_cpio_files f = { 0 };
	ok(ai_build_modules(&s, "6.1", names, 4, &f, &err));
	const struct ai_cpio_entry *order = entry(&f, "modules/order");
	assert_int_equal(order->n, strlen("ring.ko\npci-dev.ko\ndisk.ko\n"));
	assert_memory_equal(order->data, "ring.ko\npci-dev.ko\ndisk.ko\n", order->n);
	assert_int_equal(f.n, 5);
	assert_int_equal(entry(&f, "modules")->mode, 040755);
	assert_int_equal(entry(&f, "modules/disk.ko")->mode, 0100644);
	ai_cpio_files_done(&f);

	static const struct { const char *name, *words; } bad[] = {
		{ "nothing", "has no module 'nothing'" }, { "needy", "has no module 'gone'" }, { "a", "depends on itself" }, { "text", "no module of a 64-bit kernel" },
		{ "dis", "has no module 'dis'" }, { "isk", "has no module 'isk'" }, { "", "has no module ''" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		refused(AI_EINPUT, bad[i].words, ai_build_modules(&s, "6.1", &bad[i].name, 1, &f, &err));
		ai_cpio_files_done(&f);
	}
	refused(AI_EINPUT, "modules.order", ai_build_modules(&s, "6.2", names, 1, &f, &err));
	ai_cpio_files_done(&f);
}

/* --- libraries ---------------------------------------------------------------------- */

/* This very program, in a tree with libraries of the machine. */
static void
test_libraries(void **state)
{
	(void)state;
	static const struct in_image list[] = {
		{ "/usr", DIR_, NULL }, { "/usr/lib", DIR_, NULL }, { "/usr/lib64", DIR_, NULL }, { "/usr/lib/x86_64-linux-gnu", DIR_, NULL },
		{ "/lib", LINK_, "usr/lib" }, { "/lib64", LINK_, "usr/lib64" }, { "/usr/lib64/ld-linux-x86-64.so.2", LINK_, "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" },
		{ "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", PROGRAM_, "/lib64/ld-linux-x86-64.so.2" },
		{ "/usr/lib/x86_64-linux-gnu/libc.so.6", LIBRARY_, "/lib/x86_64-linux-gnu/libc.so.6" },
		{ "/usr/lib/x86_64-linux-gnu/libm.so.6", LIBRARY_, "/lib/x86_64-linux-gnu/libm.so.6" },
	};
	const struct ai_sysroot whole = TREE_OF(list);
	struct ai_buf program = AI_BUF(AI_BUILD_FILE);
	struct ai_cpio_files f = { 0 };
	/* A program of the machine that needs nothing but libc. */
	ok(ai_read_file(AT_FDCWD, "/usr/bin/env", &program, &err));
	ok(ai_build_libraries(&whole, program.data, program.len, &f, &err));
	assert_int_equal(entry(&f, "usr/lib64/ld-linux-x86-64.so.2")->mode, 0100755);
	assert_int_equal(entry(&f, "usr/lib/x86_64-linux-gnu/libc.so.6")->mode, 0100755);
	assert_int_equal(entry(&f, "lib64")->mode, 0120777);
	assert_false(ai_cpio_has(&f, "usr/lib/x86_64-linux-gnu/libm.so.6"));
	assert_false(ai_cpio_has(&f, "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
	ai_cpio_files_done(&f);

	const struct ai_sysroot lacks = tree_of(list, 8);
	refused(AI_EINPUT, "library 'libc.so.6': no package has it", ai_build_libraries(&lacks, program.data, program.len, &f, &err));
	ai_cpio_files_done(&f);
	const struct ai_sysroot bare = tree_of(list, 5);
	refused(AI_EINPUT, "ld-linux", ai_build_libraries(&bare, program.data, program.len, &f, &err));
	ai_cpio_files_done(&f);
	refused(AI_EINPUT, "the agent", ai_build_libraries(&whole, "#!/bin/sh\n", 10, &f, &err));
	ai_cpio_files_done(&f);
	ai_buf_done(&program);
}

static char *folder;

static int
set_up(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	if (ai_mkdtemp("/tmp/aicert-parts", &folder, &err) < 0)
		return -1;
	image_store_open(folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	image_store_close();
	ai_discard_tree(folder);
	free(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modinfo), cmocka_unit_test(test_sysroot), cmocka_unit_test(test_modules), cmocka_unit_test(test_libraries),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
