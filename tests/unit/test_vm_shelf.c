/* test_vm_shelf.c -- the shelf as bytes: its file system and its hashes, by our own reading and by other people's code.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "unit.h"
#include "base/fs.h"
#include "base/path.h"
#include "cache/objects.h"
#include "vm/disk/shelf.h"

#define FSCK "/usr/bin/fsck.erofs"
#define VERITYSETUP "/usr/sbin/veritysetup"
enum { BLOCK = 4096, MOST = 3000 };

static struct ai_shelf_file files[MOST];

/* Ascending ids, many of them in the same folder; sizes of which some end where a block does. */
static void
make_files(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		files[i] = (struct ai_shelf_file){ .size = i % 3 == 0 ? BLOCK * (1 + i % 5) : 1 + i * 37 % 9000 };
		files[i].id.b[0] = (uint8_t)(i * 256 / n / 64 * 64);
		files[i].id.b[30] = (uint8_t)(i >> 8);
		files[i].id.b[31] = (uint8_t)i;
	}
}

static uint64_t
get(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* --- the file system, read as the kernel's documentation says -------------------------------------- */

static const unsigned char *
inode(const struct ai_buf *b, uint64_t nid)
{
	assert_true(nid * 32 + 64 <= b->len);
	return (const unsigned char *)b->data + nid * 32;
}

/* The inode of a name in a folder; 0: it has none. Names must ascend. */
static uint64_t
look_up(const struct ai_buf *b, uint64_t folder, const char *want, size_t *entries)
{
	const unsigned char *p = inode(b, folder);
	uint64_t size = get(p + 8, 8), block = get(p + 16, 4), found = 0;
	char before[AI_HEX] = "";
	*entries = 0;
	assert_int_equal(get(p + 4, 2), S_IFDIR | 0755);
	for (uint64_t at = 0; at < size; at += BLOCK) {
		const unsigned char *e = (const unsigned char *)b->data + (block * BLOCK + at);
		size_t room = size - at < BLOCK ? (size_t)(size - at) : BLOCK, n = get(e + 8, 2) / 12;
		assert_true(block * BLOCK + at + room <= b->len && n > 0);
		for (size_t i = 0; i < n; i++, ++*entries) {
			size_t from = get(e + 12 * i + 8, 2), to = i + 1 < n ? get(e + 12 * (i + 1) + 8, 2) : room;
			char name[AI_HEX] = "";
			assert_true(from < to && to <= room);
			memcpy(name, e + from, strnlen((const char *)e + from, to - from));
			assert_true(strcmp(before, name) < 0);
			memcpy(before, name, sizeof before);
			if (strcmp(name, want) == 0)
				found = get(e + 12 * i, 8);
		}
	}
	return found;
}

static void
is_file(const struct ai_buf *b, uint64_t folder, size_t i, uint64_t block)
{
	char hex[AI_HEX];
	size_t entries;
	ai_hex(&files[i].id, hex);
	uint64_t nid = look_up(b, folder, hex + 2, &entries);
	assert_true(nid > 0);
	const unsigned char *p = inode(b, nid);
	assert_int_equal(get(p, 2), 1);
	assert_int_equal(get(p + 2, 2), 0);
	assert_int_equal(get(p + 4, 2), S_IFREG | 0444);
	assert_int_equal(get(p + 8, 8), files[i].size);
	assert_int_equal(get(p + 16, 4), block);
	assert_int_equal(get(p + 24, 4), 0);
	assert_int_equal(get(p + 28, 4), 0);
	assert_int_equal(get(p + 32, 8), AI_OBJECT_MTIME);
	assert_int_equal(get(p + 44, 4), 1);
}

static void
check_image(size_t n)
{
	AI_BUF_AUTO b = AI_BUF(AI_SHELF_MAX_IMAGE), again = AI_BUF(AI_SHELF_MAX_IMAGE);
	size_t entries;
	char folder_name[3];
	make_files(n);
	ok(ai_shelf_image(files, n, &b, &err));
	ok(ai_shelf_image(files, n, &again, &err));
	assert_int_equal(b.len % BLOCK, 0);
	assert_true(b.len == again.len && memcmp(b.data, again.data, b.len) == 0);
	const unsigned char *super = (const unsigned char *)b.data + 1024;
	uint64_t objects = look_up(&b, get(super + 14, 2), "objects", &entries), block = b.len / BLOCK;
	assert_int_equal(get(super, 4), 0xE0F5E1E2);
	assert_int_equal(entries, 3);
	for (size_t i = 0; i < n; i++) {
		ai_hex_bytes(files[i].id.b, 1, folder_name);
		uint64_t folder = look_up(&b, objects, folder_name, &entries);
		assert_true(folder > 0);
		is_file(&b, folder, i, block);
		block += (files[i].size + BLOCK - 1) / BLOCK;
	}
	assert_int_equal(get(super + 36, 4), block);
}

static void
test_image(void **state)
{
	(void)state;
	static const size_t counts[] = { 1, 2, 55, 56, 300, MOST };
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		check_image(counts[i]);
}

static void
test_image_refuses(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(AI_SHELF_MAX_IMAGE);
	make_files(4);
	refused(AI_EINPUT, "0 objects", ai_shelf_image(files, 0, &b, &err));
	refused(AI_EINPUT, "objects, expected", ai_shelf_image(files, AI_SHELF_MAX_FILES + 1, &b, &err));
	files[2].size = 0;
	refused(AI_EINPUT, "object 2: 0 bytes", ai_shelf_image(files, 4, &b, &err));
	/* Sizes whose sum would run over. */
	make_files(4);
	files[0].size = AI_SHELF_MAX_BYTES;
	refused(AI_EINPUT, "object 1", ai_shelf_image(files, 4, &b, &err));
	files[0].size = AI_SHELF_MAX_BYTES - 1;
	refused(AI_EINPUT, "object 1", ai_shelf_image(files, 4, &b, &err));
	files[0].size = UINT64_MAX;
	refused(AI_EINPUT, "object 0", ai_shelf_image(files, 4, &b, &err));
	make_files(4);
	files[1] = files[0];
	refused(AI_EINPUT, "object 1: not in ascending", ai_shelf_image(files, 4, &b, &err));
	make_files(4);
	files[3].id = files[0].id;
	refused(AI_EINPUT, "object 3: not in ascending", ai_shelf_image(files, 4, &b, &err));
	struct ai_buf small = AI_BUF(BLOCK);
	make_files(4);
	refused(AI_EINPUT, "shelf", ai_shelf_image(files, 4, &small, &err));
	ai_buf_done(&small);
	assert_int_equal(b.len, 0);
}

/* --- hashes --------------------------------------------------------------------------------------- */

static int
scratch(void)
{
	char path[] = "/tmp/aicert-shelf.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

/* So many blocks, each of which says its number, from byte at on. */
static void
fill(int fd, uint64_t at, uint64_t blocks)
{
	unsigned char block[BLOCK];
	for (uint64_t i = 0; i < blocks; i++) {
		memset(block, (int)(i % 251), sizeof block);
		memcpy(block, &i, sizeof i);
		assert_int_equal(pwrite(fd, block, sizeof block, (off_t)(at + i * BLOCK)), BLOCK);
	}
}

static void
hash_block(int fd, uint64_t at, struct ai_digest *out)
{
	unsigned char block[BLOCK];
	assert_int_equal(pread(fd, block, sizeof block, (off_t)at), BLOCK);
	ai_sha256(block, sizeof block, out);
}

/* Three levels: each hash stands in the block above, at its place, and nothing behind the last. */
static void
test_tree(void **state)
{
	(void)state;
	enum { AT = 3 * BLOCK, BLOCKS = 128 * 128 + 5 };
	const uint64_t to = AT + (uint64_t)BLOCKS * BLOCK, level[] = { to + 3 * BLOCK, to + BLOCK, to };
	const uint64_t counts[] = { BLOCKS, 129, 2 }, from[] = { AT, level[0], level[1] };
	struct ai_digest root, want;
	unsigned char got[32], zeros[32] = { 0 };
	int fd = scratch();
	fill(fd, AT, BLOCKS);
	assert_int_equal(ai_verity_size(BLOCKS), (129 + 2 + 1) * BLOCK);
	ok(ai_verity_build(fd, AT, BLOCKS, to, &root, &err));
	for (size_t k = 0; k < 3; k++) {
		for (uint64_t i = 0; i < counts[k]; i++) {
			hash_block(fd, from[k] + i * BLOCK, &want);
			assert_int_equal(pread(fd, got, 32, (off_t)(level[k] + i * 32)), 32);
			assert_memory_equal(got, want.b, 32);
		}
		assert_int_equal(pread(fd, got, 32, (off_t)(level[k] + counts[k] * 32)), 32);
		assert_memory_equal(got, zeros, 32);
	}
	hash_block(fd, to, &want);
	assert_true(ai_digest_eq(&root, &want));
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)(to + ai_verity_size(BLOCKS)));
	close(fd);
}

static void
test_tree_sizes(void **state)
{
	(void)state;
	static const struct { uint64_t blocks, tree; } cases[] = { { 2, 1 }, { 128, 1 }, { 129, 3 }, { 128 * 128, 129 }, { 128 * 128 + 1, 132 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(ai_verity_size(cases[i].blocks), cases[i].tree * BLOCK);
	/* All that a shelf may hold, and more: counted, and no loop without end. */
	assert_true(ai_verity_size(AI_SHELF_MAX_BYTES / BLOCK) < AI_SHELF_MAX_BYTES / 100);
	assert_true(ai_verity_size(UINT64_MAX / BLOCK) > 0);
	int fd = scratch();
	struct ai_digest root = { 0 }, none = { 0 };
	fill(fd, 0, 3);
	refused(AI_EENV, "ends at byte", ai_verity_build(fd, 0, 4, 4 * BLOCK, &root, &err));
	assert_true(ai_digest_eq(&root, &none));
	close(fd);
}

/* --- other people's code ---------------------------------------------------------------------------- */

/* The whole shelf in two files of a folder; the number of blocks that the tree is over. */
static uint64_t
write_shelf(const char *dir, size_t n, char root_hex[AI_HEX])
{
	AI_BUF_AUTO b = AI_BUF(AI_SHELF_MAX_IMAGE);
	AI_FREE char *path = ai_join(dir, "both");
	AI_FREE char *line = ai_format("cd '%s' && head -c $(cat n) both > fs && tail -c +$(($(cat n) + 1)) both > tree", dir);
	struct ai_digest root;
	make_files(n);
	ok(ai_shelf_image(files, n, &b, &err));
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, b.data, b.len, 0), b.len);
	uint64_t block = b.len / BLOCK;
	for (size_t i = 0; i < n; i++) {
		AI_FREE unsigned char *content = ai_calloc(1, files[i].size);
		memset(content, (int)(1 + i % 255), files[i].size);
		assert_int_equal(pwrite(fd, content, files[i].size, (off_t)(block * BLOCK)), files[i].size);
		block += (files[i].size + BLOCK - 1) / BLOCK;
	}
	assert_int_equal(ftruncate(fd, (off_t)(block * BLOCK)), 0);
	ok(ai_verity_build(fd, 0, block, block * BLOCK, &root, &err));
	close(fd);
	AI_FREE char *size = ai_format("%llu", (unsigned long long)block * BLOCK);
	AI_FREE char *size_path = ai_join(dir, "n");
	ok(ai_write_file(AT_FDCWD, size_path, size, strlen(size), 0600, &err));
	assert_int_equal(system(line), 0);
	ai_hex(&root, root_hex);
	return block;
}

static void
is_extracted(const char *dir, size_t i)
{
	char name[AI_OBJECT_NAME];
	AI_BUF_AUTO got = AI_BUF(1 << 20);
	ai_object_name(&files[i].id, name);
	AI_FREE char *path = ai_format("%s/out/objects/%s", dir, name);
	ok(ai_read_file(AT_FDCWD, path, &got, &err));
	assert_int_equal(got.len, files[i].size);
	for (size_t k = 0; k < got.len; k++)
		assert_int_equal((unsigned char)got.data[k], 1 + i % 255);
}

static void
test_others(void **state)
{
	(void)state;
	char root[AI_HEX];
	char *dir = NULL;
	if (access(FSCK, X_OK) < 0 || access(VERITYSETUP, X_OK) < 0) {
		print_message("skipped: " FSCK " (erofs-utils) or " VERITYSETUP " (cryptsetup-bin) is absent\n");
		skip();
	}
	for (size_t n = 1; n <= 300; n += 299) {
		ok(ai_mkdtemp("/tmp/aicert-shelf", &dir, &err));
		uint64_t blocks = write_shelf(dir, n, root);
		AI_FREE char *line = ai_format("cd '%s' && " FSCK " --extract=out fs >/dev/null && " VERITYSETUP " verify --no-superblock --format=1 --data-block-size=4096 "
			"--hash-block-size=4096 --data-blocks=%llu --hash=sha256 --salt=- fs tree %s >/dev/null", dir, (unsigned long long)blocks, root);
		assert_int_equal(system(line), 0);
		for (size_t i = 0; i < n; i++)
			is_extracted(dir, i);
		ok(ai_remove_tree(AT_FDCWD, dir, &err));
		free(dir);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image), cmocka_unit_test(test_image_refuses), cmocka_unit_test(test_tree), cmocka_unit_test(test_tree_sizes),
		cmocka_unit_test(test_others),
	};
	return cmocka_run_group_tests_name("vm shelf", tests, NULL, NULL);
}
