/* test_vm_cpio.c -- a newc archive: its bytes, the same for the same entries, and what is refused.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "vm/uki/cpio.h"

enum { FILE_MODE = 0100644, DIR_MODE = 040755, LINK_MODE = 0120777 };

/* buffer-format.rst: ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check, in eight hex digits each. */
#define HEAD(ino, mode, size, name) "070701" ino mode "00000000" "00000000" "00000001" "00000000" size "00000000" "00000000" "00000000" "00000000" name "00000000"

static void
test_bytes(void **state)
{
	(void)state;
	struct ai_cpio_entry entries[] = { { "init", 0100755, "hello", 5 }, { "d/l", LINK_MODE, "../init", 7 }, { "d", DIR_MODE, NULL, 0 } };
	static const char expected[] = HEAD("00000001", "000041ed", "00000000", "00000002") "d\0"
		HEAD("00000002", "0000a1ff", "00000007", "00000004") "d/l\0\0\0" "../init\0"
		HEAD("00000003", "000081ed", "00000005", "00000005") "init\0\0" "hello\0\0\0"
		HEAD("00000000", "00000000", "00000000", "0000000b") "TRAILER!!!\0\0\0\0";
	size_t n = sizeof expected - 1;
	AI_BUF_AUTO made = AI_BUF(1 << 16);
	ok(ai_cpio_write(entries, 3, &made, &err));
	assert_int_equal(made.len, 512);
	assert_memory_equal(made.data, expected, n);
	for (size_t i = n; i < made.len; i++)
		assert_int_equal(made.data[i], 0);
}

static void
test_same_for_any_order(void **state)
{
	(void)state;
	struct ai_cpio_entry a[] = { { "a", DIR_MODE, NULL, 0 }, { "a/b", FILE_MODE, "1", 1 }, { "a-", FILE_MODE, "2", 1 } };
	struct ai_cpio_entry b[] = { { "a-", FILE_MODE, "2", 1 }, { "a/b", FILE_MODE, "1", 1 }, { "a", DIR_MODE, NULL, 0 } };
	AI_BUF_AUTO one = AI_BUF(1 << 16);
	AI_BUF_AUTO two = AI_BUF(1 << 16);
	ok(ai_cpio_write(a, 3, &one, &err));
	/* What is there already is kept, and what follows is not moved by it. */
	ai_buf_puts(&two, "abc");
	ok(ai_cpio_write(b, 3, &two, &err));
	assert_int_equal(two.len, one.len + 3);
	assert_memory_equal(two.data + 3, one.data, one.len);
}

static void
refuse(const char *words, struct ai_cpio_entry entry)
{
	struct ai_cpio_entry entries[] = { { "d", DIR_MODE, NULL, 0 }, { "f", FILE_MODE, "x", 1 }, entry };
	AI_BUF_AUTO out = AI_BUF(1 << 16);
	ai_buf_puts(&out, "kept");
	refused(AI_EINPUT, words, ai_cpio_write(entries, 3, &out, &err));
	assert_string_equal(out.data, "kept");
}

static void
test_refused(void **state)
{
	(void)state;
	refuse("given twice", (struct ai_cpio_entry){ "f", FILE_MODE, "y", 1 });
	refuse("its folder is not among", (struct ai_cpio_entry){ "no/f", FILE_MODE, "y", 1 });
	refuse("its folder is not among", (struct ai_cpio_entry){ "f/g", FILE_MODE, "y", 1 });
	refuse("relative path", (struct ai_cpio_entry){ "/init", FILE_MODE, "y", 1 });
	refuse("relative path", (struct ai_cpio_entry){ "d/../g", FILE_MODE, "y", 1 });
	refuse("relative path", (struct ai_cpio_entry){ "", FILE_MODE, "y", 1 });
	refuse("cannot hold an entry of this name", (struct ai_cpio_entry){ "TRAILER!!!", FILE_MODE, "y", 1 });
	refuse("expected a file, folder or link", (struct ai_cpio_entry){ "null", 020666, NULL, 0 });
	refuse("a folder with content", (struct ai_cpio_entry){ "e", DIR_MODE, "y", 1 });
	refuse("whose target is no path", (struct ai_cpio_entry){ "l", LINK_MODE, NULL, 0 });
	refuse("whose target is no path", (struct ai_cpio_entry){ "l", LINK_MODE, "a\0b", 3 });
}

static void
test_ceiling(void **state)
{
	(void)state;
	struct ai_cpio_entry entries[] = { { "f", FILE_MODE, "0123456789", 10 } };
	AI_BUF_AUTO small = AI_BUF(300);
	refused(AI_EINPUT, "too large", ai_cpio_write(entries, 1, &small, &err));
	AI_BUF_AUTO empty = AI_BUF(1 << 10);
	ok(ai_cpio_write(NULL, 0, &empty, &err));
	assert_int_equal(empty.len, 512);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bytes), cmocka_unit_test(test_same_for_any_order), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ceiling) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
