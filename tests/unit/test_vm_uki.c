/* test_vm_uki.c -- a UKI of parts: its sections and their order, the same bytes, and parts that are none; what an ELF file needs.  SPDX-License-Identifier: Apache-2.0 */
#include "pe_bytes.h"

#include "base/fs.h"
#include "vm/uki/elf.h"

static void
test_make(void **state)
{
	(void)state;
	static const char *const order[] = { ".text", ".sdmagic", ".osrel", ".cmdline", ".uname", ".initrd", ".linux" };
	struct ai_pe pe, kernel;
	AI_BUF_AUTO a = AI_BUF(1 << 20);
	AI_BUF_AUTO b = AI_BUF(1 << 20);
	pe_uki(&a, "console=ttyS0 quiet", "the initrd");
	pe_uki(&b, "console=ttyS0 quiet", "the initrd");
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	ok(ai_pe_parse(a.data, a.len, &pe, &err));
	assert_int_equal(pe.n_sections, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(pe.sections[i].name, order[i]);
	const struct ai_pe_section *s = ai_pe_find(&pe, ".cmdline"), *linux_ = ai_pe_find(&pe, ".linux");
	assert_int_equal(s->virtual_size, strlen("console=ttyS0 quiet"));
	assert_memory_equal(a.data + s->offset, "console=ttyS0 quiet", s->virtual_size);
	ok(ai_pe_parse(a.data + linux_->offset, linux_->virtual_size, &kernel, &err));
}

static void
refuse(int code, const char *words, struct ai_uki_parts p)
{
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	refused(code, words, ai_uki_make(&p, &out, &err));
	assert_int_equal(out.len, 0);
}

static void
test_refused(void **state)
{
	(void)state;
	AI_BUF_AUTO stub = AI_BUF(1 << 20);
	AI_BUF_AUTO kernel = AI_BUF(1 << 20);
	AI_BUF_AUTO uki = AI_BUF(1 << 20);
	pe_stub(&stub);
	pe_make(&kernel, "kernel");
	pe_uki(&uki, "quiet", "initrd");
	const struct ai_uki_parts good = { stub.data, stub.len, kernel.data, kernel.len, "i", 1, "quiet", "ID=x\n", "6.1" };
	struct ai_uki_parts p = good;
	p.command_line = "";
	refuse(AI_EUSAGE, "there is no command line", p);
	p.command_line = "quiet\xc3\xa9";
	refuse(AI_EUSAGE, "expected printable ASCII", p);
	p.command_line = "quiet\nrdinit=/bin/sh";
	refuse(AI_EUSAGE, "expected printable ASCII", p);
	p = good, p.os_release = NULL;
	refuse(AI_EUSAGE, "there is no os-release", p);
	p = good, p.uname = "6.1\n";
	refuse(AI_EUSAGE, "expected printable ASCII", p);
	p = good, p.initrd_n = 0;
	refuse(AI_EINPUT, "'.initrd' of 0 bytes", p);
	p = good, p.kernel = "\x7f" "ELF", p.kernel_n = 4;
	refuse(AI_EINPUT, "kernel: PE:", p);
	p = good, p.stub = uki.data, p.stub_n = uki.len;
	refuse(AI_EINPUT, "has a section '.osrel' already", p);
	pe_set(&kernel, PE_AT + 4, 0xaa64, 2);
	refuse(AI_EINPUT, "for x86-64", good);
}

static void
test_elf_libraries(void **state)
{
	(void)state;
	struct ai_elf e;
	AI_BUF_AUTO b = AI_BUF(64 << 20);
	ok(ai_read_file(-100, "/proc/self/exe", &b, &err));
	ok(ai_elf_parse(b.data, b.len, &e, &err));
	bool cmocka = false;
	for (size_t i = 0; i < e.n_needed; i++)
		cmocka |= strncmp(e.needed[i], "libcmocka.so", 12) == 0;
	assert_true(cmocka);
	assert_string_equal(e.interpreter, "/lib64/ld-linux-x86-64.so.2");
	assert_null(e.soname);
	assert_false(e.runpath);
}

static void
test_elf_refused(void **state)
{
	(void)state;
	struct ai_elf e;
	AI_BUF_AUTO b = AI_BUF(64 << 20);
	ok(ai_read_file(-100, "/proc/self/exe", &b, &err));
	refused(AI_EINPUT, "do not begin as an ELF file does", ai_elf_parse("MZ", 2, &e, &err));
	refused(AI_EINPUT, "do not begin as an ELF file does", ai_elf_parse(b.data, 63, &e, &err));
	refused(AI_EINPUT, "outside of the file", ai_elf_parse(b.data, 64, &e, &err));
	refused(AI_EINPUT, "outside of the file", ai_elf_parse(b.data, 4096, &e, &err));
	static const struct { size_t at; int value; const char *words; } faults[] = { { 4, 1, "for 64-bit x86" }, { 5, 2, "for 64-bit x86" }, { 18, 3, "for 64-bit x86" },
		{ 16, 1, "a program" }, { 54, 32, "program headers" }, { 39, 0x7f, "program headers" } };
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		char kept = b.data[faults[i].at];
		b.data[faults[i].at] = (char)faults[i].value;
		refused(AI_EINPUT, faults[i].words, ai_elf_parse(b.data, b.len, &e, &err));
		b.data[faults[i].at] = kept;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_make), cmocka_unit_test(test_refused), cmocka_unit_test(test_elf_libraries),
		cmocka_unit_test(test_elf_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
