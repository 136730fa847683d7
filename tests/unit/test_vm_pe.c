/* test_vm_pe.c -- PE images: what is read, hashed as firmware does, given sections, and refused.  SPDX-License-Identifier: Apache-2.0 */
#include "pe_bytes.h"

#include "base/fs.h"

static void
authenticode(const struct ai_buf *image, char out[AI_HEX])
{
	struct ai_pe pe;
	struct ai_digest d;
	ok(ai_pe_parse(image->data, image->len, &pe, &err));
	ok(ai_pe_authenticode(&pe, &d, &err));
	ai_hex(&d, out);
}

/* All of the file but CheckSum and the certificates' directory entry, put together by hand. */
static void
by_hand(const struct ai_buf *image, size_t end, char out[AI_HEX])
{
	AI_BUF_AUTO hashed = AI_BUF(1 << 20);
	struct ai_digest d;
	ai_buf_put(&hashed, image->data, PE_OPT + 64);
	ai_buf_put(&hashed, image->data + PE_OPT + 68, 112 + 32 - 68);
	ai_buf_put(&hashed, image->data + PE_OPT + 112 + 40, end - (PE_OPT + 112 + 40));
	ai_sha256(hashed.data, hashed.len, &d);
	ai_hex(&d, out);
}

static void
test_hash(void **state)
{
	(void)state;
	char a[AI_HEX], b[AI_HEX];
	AI_BUF_AUTO image = AI_BUF(1 << 20);
	pe_make(&image, "code");
	pe_add(&image, ".data", "data", 4);
	by_hand(&image, image.len, a);
	authenticode(&image, b);
	assert_string_equal(a, b);
	/* Neither the checksum nor a signature is in it. */
	pe_set(&image, PE_OPT + 64, 7, 4);
	size_t end = image.len;
	pe_set(&image, PE_OPT + 112 + 32, end, 4);
	pe_set(&image, PE_OPT + 112 + 36, 24, 4);
	ai_buf_put(&image, "a certificate and its pad", 24);
	authenticode(&image, b);
	assert_string_equal(a, b);
	/* What follows the last section is, and every other byte. */
	pe_set(&image, PE_OPT + 112 + 32, 0, 8);
	authenticode(&image, b);
	assert_string_not_equal(a, b);
	by_hand(&image, image.len, a);
	assert_string_equal(a, b);
	image.data[PE_HEADERS] ^= 1;
	authenticode(&image, b);
	assert_string_not_equal(a, b);
}

static void
test_read(void **state)
{
	(void)state;
	struct ai_pe pe;
	AI_BUF_AUTO image = AI_BUF(1 << 20);
	pe_make(&image, "code");
	pe_add(&image, ".longest", "data", 4);
	ok(ai_pe_parse(image.data, image.len, &pe, &err));
	assert_int_equal(pe.n_sections, 2);
	assert_int_equal(pe.opt_magic, 0x20b);
	assert_string_equal(pe.sections[1].name, ".longest");
	assert_ptr_equal(ai_pe_find(&pe, ".longest"), &pe.sections[1]);
	assert_null(ai_pe_find(&pe, ".long"));
	assert_int_equal(pe.sections[1].virtual_size, 4);
	assert_int_equal(pe.sections[1].offset, PE_HEADERS + PE_ALIGN);
}

/* One number of a good image changed, and what is said of it. */
struct fault { size_t at; uint32_t value; size_t n; const char *words; };

static void
test_refused(void **state)
{
	(void)state;
	enum { FIRST = PE_SECTIONS_AT, SECOND = PE_SECTIONS_AT + 40 };
	static const struct fault faults[] = {
		{ 0, 0, 2, "do not begin as an image does" }, { 60, 0xfffffff0, 4, "do not begin as an image does" }, { 60, 0x7fc, 4, "do not begin as an image does" },
		{ PE_AT, 0, 4, "do not begin as an image does" }, { PE_OPT, 0x107, 2, "expected PE32 or PE32+" }, { PE_AT + 20, 0, 2, "expected PE32 or PE32+" },
		{ PE_AT + 20, 0xffff, 2, "expected PE32 or PE32+" }, { PE_AT + 20, 248, 2, "does not hold its 16 directories" },
		{ PE_OPT + 108, 17, 4, "does not hold its 17 directories" }, { PE_OPT + 108, 4, 4, "does not hold its 4 directories" },
		{ PE_AT + 6, 97, 2, "expected at most 96" }, { PE_AT + 6, 60, 2, "do not hold those of 60 sections" },
		{ PE_OPT + 60, 0x10000, 4, "do not hold those of 2 sections" }, { PE_OPT + 60, 0x100, 4, "do not hold those of 2 sections" },
		{ FIRST + 20, 0x3ff, 4, "between the headers and the end of the file" }, { FIRST + 16, 0xffffffff, 4, "between the headers and the end of the file" },
		{ FIRST + 20, 0xfffffe00, 4, "between the headers and the end of the file" },
		{ FIRST + 12, 0, 4, "between the headers and the end of the image" }, { FIRST + 8, 0xffffffff, 4, "between the headers and the end of the image" },
		{ SECOND + 20, PE_HEADERS + 4, 4, "at the same bytes of the file" }, { SECOND + 12, 0x1001, 4, "at the same addresses" },
		{ PE_OPT + 112 + 36, 8, 4, "certificates" },
	};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct ai_pe pe;
		AI_BUF_AUTO image = AI_BUF(1 << 20);
		pe_make(&image, "code");
		pe_add(&image, ".data", "data", 4);
		pe_set(&image, faults[i].at, faults[i].value, faults[i].n);
		refused(AI_EINPUT, faults[i].words, ai_pe_parse(image.data, image.len, &pe, &err));
	}
	struct ai_pe pe;
	refused(AI_EINPUT, "do not begin", ai_pe_parse("", 0, &pe, &err));
}

/* Where firmware and tools would hash other bytes, there is no hash. */
static void
test_no_one_hash(void **state)
{
	(void)state;
	struct ai_pe pe;
	struct ai_digest d;
	AI_BUF_AUTO image = AI_BUF(1 << 20);
	pe_make(&image, "code");
	pe_zeros(&image, image.len + PE_ALIGN);
	pe_add(&image, ".far", "data", 4);
	ok(ai_pe_parse(image.data, image.len, &pe, &err));
	refused(AI_EINPUT, "bytes between sections", ai_pe_authenticode(&pe, &d, &err));
	AI_BUF_AUTO tail = AI_BUF(1 << 20);
	pe_make(&tail, "code");
	pe_set(&tail, PE_OPT + 112 + 32, tail.len, 4);
	pe_set(&tail, PE_OPT + 112 + 36, 8, 4);
	ai_buf_put(&tail, "12345678and more", 16);
	ok(ai_pe_parse(tail.data, tail.len, &pe, &err));
	refused(AI_EINPUT, "follow the certificates", ai_pe_authenticode(&pe, &d, &err));
}

static void
test_append(void **state)
{
	(void)state;
	struct ai_pe pe, got;
	AI_BUF_AUTO image = AI_BUF(1 << 20);
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	AI_BUF_AUTO again = AI_BUF(1 << 20);
	char *large = calloc(1, 3 * PE_ALIGN + 1);
	assert_non_null(large);
	memset(large, 'x', 3 * PE_ALIGN + 1);
	const struct ai_pe_add add[] = { { ".one", "1", 1 }, { ".two", large, 3 * PE_ALIGN + 1 }, { ".three", "333", 3 } };
	pe_make(&image, "code");
	pe_set(&image, PE_AT + 12, 4444, 4);            /* a symbol table, which is left out, as are certificates */
	pe_set(&image, PE_OPT + 112 + 32, image.len, 4);
	pe_set(&image, PE_OPT + 112 + 36, 8, 4);
	ai_buf_puts(&image, "symbols!");
	ok(ai_pe_parse(image.data, image.len, &pe, &err));
	ok(ai_pe_append(&pe, add, 3, &out, &err));
	ok(ai_pe_append(&pe, add, 3, &again, &err));
	assert_int_equal(out.len, again.len);
	assert_memory_equal(out.data, again.data, out.len);
	ok(ai_pe_parse(out.data, out.len, &got, &err));
	assert_int_equal(got.n_sections, 4);
	assert_int_equal(got.certificates_size, 0);
	assert_int_equal(pe_get(&out, PE_AT + 8), 0);
	assert_int_equal(pe_get(&out, PE_AT + 12), 0);
	assert_int_equal(pe_get(&out, PE_OPT + 64), 0);
	for (size_t i = 0; i < 3; i++) {
		const struct ai_pe_section *s = ai_pe_find(&got, add[i].name);
		assert_non_null(s);
		assert_int_equal(s->virtual_size, add[i].n);
		assert_int_equal(s->virtual_address % PE_ALIGN + s->offset % PE_ALIGN + s->raw_size % PE_ALIGN, 0);
		assert_memory_equal(out.data + s->offset, add[i].data, add[i].n);
	}
	assert_true(got.image >= got.sections[3].virtual_address + PE_ALIGN);
	assert_memory_equal(out.data + PE_HEADERS, "code", 4);
	assert_int_equal(out.len, got.sections[3].offset + PE_ALIGN);
	free(large);
}

static void
refuse_append(const char *words, const struct ai_buf *image, const struct ai_pe_add *add, size_t n)
{
	struct ai_pe pe;
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	ok(ai_pe_parse(image->data, image->len, &pe, &err));
	refused(AI_EINPUT, words, ai_pe_append(&pe, add, n, &out, &err));
	assert_int_equal(out.len, 0);
}

static void
test_append_refused(void **state)
{
	(void)state;
	const struct ai_pe_add same[] = { { ".a", "1", 1 }, { ".a", "2", 1 } }, there[] = { { ".text", "1", 1 } }, longer[] = { { ".ninechar", "1", 1 } },
		empty[] = { { ".a", "", 0 } }, huge[] = { { ".a", "1", (size_t)1 << 33 } };
	struct ai_pe_add many[16];
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p" };
	for (size_t i = 0; i < 16; i++)
		many[i] = (struct ai_pe_add){ names[i], "1", 1 };
	AI_BUF_AUTO image = AI_BUF(1 << 20);
	pe_make(&image, "code");
	refuse_append("given twice", &image, same, 2);
	refuse_append("has a section '.text' already", &image, there, 1);
	refuse_append("at most 8 characters", &image, longer, 1);
	refuse_append("and content", &image, empty, 1);
	refuse_append("and content", &image, huge, 1);
	refuse_append("no room for 16", &image, many, 16);
	/* What stands where a header would go is not overwritten. */
	image.data[PE_SECTIONS_AT + 45] = 1;
	refuse_append("no room for 1", &image, many, 1);
	image.data[PE_SECTIONS_AT + 45] = 0;
	pe_set(&image, PE_OPT + 32, 3, 4);
	refuse_append("powers of two", &image, many, 1);
	pe_set(&image, PE_OPT + 32, PE_ALIGN, 4);
	image.data[PE_SECTIONS_AT] = '/';
	refuse_append("a table that would be left out", &image, many, 1);
}

/* What the distribution gives: systemd's stub takes the sections of a UKI. */
static void
test_real_stub(void **state)
{
	(void)state;
	struct ai_pe pe;
	AI_BUF_AUTO stub = AI_BUF(1 << 20);
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	const struct ai_pe_add add[] = { { ".osrel", "1", 1 }, { ".cmdline", "2", 1 }, { ".uname", "3", 1 }, { ".initrd", "4", 1 }, { ".linux", "5", 1 } };
	struct ai_err unread = { 0 };
	if (ai_read_file(-100, "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", &stub, &unread) < 0)
		skip();
	ok(ai_pe_parse(stub.data, stub.len, &pe, &err));
	ok(ai_pe_append(&pe, add, 5, &out, &err));
	ok(ai_pe_parse(out.data, out.len, &pe, &err));
	assert_non_null(ai_pe_find(&pe, ".sdmagic"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hash), cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_one_hash),
		cmocka_unit_test(test_append), cmocka_unit_test(test_append_refused), cmocka_unit_test(test_real_stub) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
