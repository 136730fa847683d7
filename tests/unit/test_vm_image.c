/* test_vm_image.c -- images are what their formats say, whatever the size of the program.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "vm/cloud/image.h"
#include "vm/cloud/image_parts.h"

static const ai_vm_format ALL[] = { AI_VM_RAW, AI_VM_VHD, AI_VM_QCOW2, AI_VM_GCP };

/* An EFI program as far as the image cares: n bytes that begin with MZ and are no two sectors alike. */
static char *
program(size_t n)
{
	char *p = malloc(n);
	uint32_t x = 12345;
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
	p[0] = 'M';
	p[1] = 'Z';
	return p;
}

static int
scratch(void)
{
	char name[] = "/tmp/test_vm_image.XXXXXX";
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static off_t
length(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void
get(int fd, void *to, size_t n, off_t at)
{
	assert_int_equal(pread(fd, to, n, at), (ssize_t)n);
}

static uint64_t
le(const uint8_t *p, int n)
{
	uint64_t v = 0;
	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void
test_same_bytes(void **state)
{
	(void)state;
	char *p = program(300000), *q = program(300000);
	q[299999] ^= 1;
	for (size_t f = 0; f < 4; f++) {
		struct ai_digest d[3];
		const char *from[] = { p, p, q };
		for (int i = 0; i < 3; i++) {
			AI_FD fd = scratch();
			ok(ai_vm_image_write(fd, from[i], 300000, ALL[f], &err));
			lseek(fd, 0, SEEK_SET);
			ok(ai_sha256_fd(fd, &d[i], NULL, &err));
		}
		assert_true(ai_digest_eq(&d[0], &d[1]));
		assert_false(ai_digest_eq(&d[0], &d[2]));
	}
	free(p);
	free(q);
}

/* The GPT's sums, the FAT's chain and the file's bytes, read here once more by other code than wrote them. */
static void
check_raw(int fd, const char *p, size_t n, off_t size)
{
	uint8_t head[34 * 512], boot[512], h[92], sector[512], file[512];
	get(fd, head, sizeof head, 0);
	memcpy(h, head + 512, 92);
	memset(h + 16, 0, 4);
	assert_int_equal(ai_crc32(0, h, 92), le(head + 512 + 16, 4));
	assert_int_equal(ai_crc32(0, head + 1024, 128 * 128), le(head + 512 + 88, 4));
	assert_int_equal(le(head + 512 + 32, 8), size / 512 - 1);
	uint64_t first = le(head + 1024 + 32, 8), last = le(head + 1024 + 40, 8);
	assert_int_equal(first, 2048);
	assert_int_equal(last % 2048, 2047);
	assert_true(last < le(head + 512 + 48, 8));
	off_t at = (off_t)first * 512;
	get(fd, boot, sizeof boot, at);
	uint64_t per = boot[13], fat = le(boot + 36, 4), sectors = le(boot + 32, 4), data = 32 + 2 * fat;
	assert_int_equal(sectors, last - first + 1);
	uint64_t clusters = (sectors - data) / per;
	assert_true(clusters >= 65525);
	assert_true(fat * 128 >= clusters + 2);
	get(fd, sector, 512, at + (off_t)(data + 2 * per) * 512); /* cluster 4: BOOT */
	assert_memory_equal(sector + 64, "BOOTX64 EFI", 11);
	assert_int_equal(le(sector + 64 + 28, 4), n);
	uint64_t cluster = le(sector + 64 + 26, 2) | le(sector + 64 + 20, 2) << 16, done = 0;
	for (; cluster < 0x0ffffff8; ) {
		assert_true(cluster >= 2 && cluster < clusters + 2 && done < n);
		for (uint64_t k = 0; k < per && done < n; k++, done += 512) {
			get(fd, file, 512, at + (off_t)(data + (cluster - 2) * per + k) * 512);
			assert_memory_equal(file, p + done, n - done < 512 ? n - done : 512);
		}
		uint8_t e[4];
		get(fd, e, 4, at + 32 * 512 + (off_t)cluster * 4);
		uint64_t next = le(e, 4);
		get(fd, e, 4, at + (off_t)(32 + fat) * 512 + (off_t)cluster * 4);
		assert_int_equal(next, le(e, 4));
		cluster = next;
	}
	assert_true(done >= n);
}

/* Around every edge: one sector, a cluster's end, where clusters double, where the disk grows by a MiB. */
static void
test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = { 64, 511, 512, 513, 4096, 1 << 20, (28 << 20) - 7, 30 << 20, (58 << 20) + 1, 120 << 20, 233 << 20 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *p = program(sizes[i]);
		AI_FD fd = scratch();
		ok(ai_vm_image_write(fd, p, sizes[i], AI_VM_RAW, &err));
		assert_int_equal(length(fd) % AI_MIB, 0);
		/* Not blown up: an eighth and what FAT32 takes at least. */
		assert_true((size_t)length(fd) < sizes[i] + sizes[i] / 4 + (48u << 20));
		check_raw(fd, p, sizes[i], length(fd));
		free(p);
	}
}

static void
test_vhd(void **state)
{
	(void)state;
	char *p = program(100000);
	AI_FD raw = scratch();
	AI_FD vhd = scratch();
	ok(ai_vm_image_write(raw, p, 100000, AI_VM_RAW, &err));
	ok(ai_vm_image_write(vhd, p, 100000, AI_VM_VHD, &err));
	assert_int_equal(length(vhd), length(raw) + 512);
	check_raw(vhd, p, 100000, length(raw));
	uint8_t f[512];
	get(vhd, f, sizeof f, length(raw));
	assert_memory_equal(f, "conectix", 8);
	uint32_t sum = 0;
	for (int i = 0; i < 512; i++)
		sum += i >= 64 && i < 68 ? 0 : f[i];
	assert_int_equal((uint32_t)f[64] << 24 | (uint32_t)f[65] << 16 | (uint32_t)f[66] << 8 | f[67], (uint32_t)~sum);
	free(p);
}

/* A job that is not a whole number of MiB is padded; what it held stays where it was. */
static void
test_disk_vhd(void **state)
{
	(void)state;
	AI_FD fd = scratch();
	char *p = program(3 << 20), back[16];
	ok(ai_put_at(fd, 0, p, (3 << 20) - 4096, &err));
	ok(ai_vm_disk_vhd(fd, &err));
	assert_int_equal(length(fd), (3 << 20) + 512);
	get(fd, back, sizeof back, (3 << 20) - 4096 - 16);
	assert_memory_equal(back, p + (3 << 20) - 4096 - 16, 16);
	get(fd, back, 8, 3 << 20);
	assert_memory_equal(back, "conectix", 8);
	free(p);
}

/* Sizes over 8 GiB do not fit tar's octal. The disk is a hole; the archive is read by tar in tests/vm/test_image.py. */
static void
test_gcp_head(void **state)
{
	(void)state;
	AI_FD raw = scratch();
	AI_FD out = scratch();
	uint8_t h[10 + 5 + 512];
	ok(ai_put_at(raw, 0, "job", 3, &err));
	ok(ai_vm_disk_gcp(raw, out, &err));
	get(out, h, sizeof h, 0);
	assert_memory_equal(h + 15 + 257, "ustar  ", 8);
	assert_int_equal(h[15 + 156], 'S');
	assert_string_equal((char *)h + 15 + 483, "10000000000"); /* a GiB */
	assert_true(length(out) < 8192);
}

static void
test_refused(void **state)
{
	(void)state;
	char *p = program(4096);
	AI_FD fd = scratch();
	ai_vm_format f;
	refused(AI_EINPUT, "not an EFI program", ai_vm_image_write(fd, "\x7f" "ELF", 4, AI_VM_RAW, &err));
	p[0] = 'm';
	refused(AI_EINPUT, "not an EFI program", ai_vm_image_write(fd, p, 4096, AI_VM_RAW, &err));
	p[0] = 'M';
	refused(AI_EINPUT, "too large", ai_vm_image_write(fd, p, (1u << 30) + 1, AI_VM_RAW, &err));
	assert_int_equal(length(fd), 0);
	refused(AI_EUSAGE, "did you mean 'qcow2'", ai_vm_format_parse("qcow", &f, &err));
	refused(AI_EUSAGE, "expected raw, vhd, qcow2 or gcp", ai_vm_format_parse("iso", &f, &err));
	AI_FD full = open("/dev/full", O_WRONLY);
	refused(AI_EENV, "No space", ai_vm_image_write(full, p, 4096, AI_VM_GCP, &err));
	free(p);
}

static void
test_parts(void **state)
{
	(void)state;
	assert_int_equal(ai_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(ai_crc32(ai_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	struct ai_pieces d = { .size = AI_MIB };
	char *mine = ai_pieces_add(&d, 4096, 512), back[1024];
	memset(mine, 'x', 512);
	ai_pieces_borrow(&d, 512, "y", 1);
	assert_int_equal(d.v[0].at, 512); /* in order */
	assert_false(ai_pieces_read(&d, 1024, back, 1024));
	assert_true(ai_pieces_read(&d, 4096 - 512, back, 1024));
	assert_int_equal(back[511], 0);
	assert_int_equal(back[512], 'x');
	ai_pieces_done(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_sizes), cmocka_unit_test(test_vhd), cmocka_unit_test(test_disk_vhd),
		cmocka_unit_test(test_gcp_head), cmocka_unit_test(test_refused), cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
