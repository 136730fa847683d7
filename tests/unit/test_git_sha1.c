/*
 * test_git_sha1.c -- objects whose SHA-1 was made to collide are refused, and all others have the SHA-1 that they have.
 *
 * The two contents are the first 320 bytes of the two files of https://shattered.io (Stevens, Bursztein, Karpman, Albertini, Markov: The first collision
 * for full SHA-1, 2017), as far as they differ.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/path.h"
#include "cache/hashsink.h"
#include "fetch/git_sha1.h"
#include "vm/disk/aside.h"

#define COLLIDING "f92d74e3874587aaf443d1db961d4e26dde13e9c"
static const char *const shattered[2] = {
	"255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f547970652034203020522f"
	"537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c656e6774682038203020522f42697473506572"
	"436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d3120697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe01"
	"7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7bd728f0e45bce046d2"
	"3c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1",
	"255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f547970652034203020522f"
	"537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c656e6774682038203020522f42697473506572"
	"436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d3120697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe01"
	"7f46dc93a6b67e013b029aaa1db2560b45ca67d688c7f84b8c4c791fe02b3df614f86db1690901c56b45c1530afedfb76038e972722fe7ad728f0e4904e046c2"
	"30570fe9d41398abe12ef5bc942be33542a4802d98b5d70f2a332ec37fac3514e74ddc0f2cc1a874cd0c78305a21566461309789606bd0bf3f98cda8044629a1",
};
enum { N = 320 };

static void
bytes_of(const char *hex, unsigned char out[N])
{
	assert_int_equal(strlen(hex), 2 * N);
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < N; i++)
		out[i] = (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
}

/* They differ, collide for who only hashes, and neither is taken. */
static void
test_made_to_collide(void **state)
{
	(void)state;
	unsigned char one[N], two[N];
	uint8_t a[20], b[20], out[20] = { 0 };
	char hex[41];
	bytes_of(shattered[0], one);
	bytes_of(shattered[1], two);
	assert_memory_not_equal(one, two, N);
	ai_sha1(one, N, a);
	ai_sha1(two, N, b);
	assert_memory_equal(a, b, 20);
	ai_hex_bytes(a, 20, hex);
	assert_string_equal(hex, COLLIDING);
	refused(AI_EINPUT, "made to collide", ai_git_sha1(one, N, out, &err));
	refused(AI_EINPUT, "made to collide", ai_git_sha1(two, N, out, &err));
	/* Nothing is taken of it, and what follows does not hide it. */
	assert_memory_equal(out, (uint8_t[20]){ 0 }, 20);
	unsigned char longer[4 * N] = { 0 };
	memcpy(longer, two, N);
	refused(AI_EINPUT, "made to collide", ai_git_sha1(longer, sizeof longer, out, &err));
	/* What is not there cannot be seen: before the last of the two blocks all is well. */
	ok(ai_git_sha1(one, 192, out, &err));
	ok(ai_git_sha1(one, 256, out, &err));
}

static void
test_all_others(void **state)
{
	(void)state;
	unsigned char bytes[5000];
	unsigned seed = 1;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
	for (size_t n = 0; n < sizeof bytes; n += n < 200 ? 1 : 97) {
		uint8_t plain[20], got[20];
		ai_sha1(bytes, n, plain);
		ok(ai_git_sha1(bytes, n, got, &err));
		assert_memory_equal(plain, got, 20);
	}
}

/* As an attacker would bring it: one of two twins, under the name that both have. */
static void
test_as_an_object(void **state)
{
	(void)state;
	char *folder;
	unsigned char one[N];
	ok(ai_mkdtemp("/tmp/aicert-sha1", &folder, &err));
	AI_FREE char *git = ai_join(folder, "git"), *path = ai_join(folder, "git/" COLLIDING);
	assert_int_equal(mkdir(git, 0700), 0);
	struct ai_hashsink *hash = NULL;
	struct ai_digest tree;
	const struct ai_aside aside = { .folders = (const char *const *)&folder, .n = 1 };
	ok(ai_hashsink_new(&hash, &err));
	for (int i = 0; i < 2; i++) {
		bytes_of(shattered[i], one);
		ok(ai_write_file(AT_FDCWD, path, one, N, 0600, &err));
		refused(AI_EINPUT, "git object " COLLIDING ": its bytes are made to collide",
			ai_aside_git_tree(&aside, COLLIDING, true, true, ai_hashsink_sink(hash), NULL, &tree, &err));
	}
	ai_hashsink_free(hash);
	ok(ai_remove_tree(AT_FDCWD, folder, &err));
	free(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_to_collide), cmocka_unit_test(test_all_others), cmocka_unit_test(test_as_an_object),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
