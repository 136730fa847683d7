/* test_base_hash.c -- SHA-256, hex and base64 against published vectors.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"

static void
assert_hex(const struct ai_digest *d, const char *want)
{
	char hex[AI_HEX];
	ai_hex(d, hex);
	assert_string_equal(hex, want);
}

/* FIPS 180-4 examples (NIST CSRC, SHA256.pdf), and the empty string. */
static void
test_sha256_vectors(void **state)
{
	(void)state;
	struct ai_digest d;
	ai_sha256("", 0, &d);
	assert_hex(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	ai_sha256("abc", 3, &d);
	assert_hex(&d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	ai_sha256(two, strlen(two), &d);
	assert_hex(&d, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void
test_running_hash_is_the_one_shot(void **state)
{
	(void)state;
	char data[1000];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 7);
	struct ai_digest whole, parts;
	ai_sha256(data, sizeof data, &whole);
	for (size_t step = 1; step < sizeof data; step += 61) {
		struct ai_sha s;
		ok(ai_sha_init(&s, &err));
		for (size_t i = 0; i < sizeof data; i += step)
			ai_sha_add(&s, data + i, sizeof data - i < step ? sizeof data - i : step);
		ai_sha_end(&s, &parts);
		assert_true(ai_digest_eq(&whole, &parts));
	}
	struct ai_sha unfinished;
	ok(ai_sha_init(&unfinished, &err));
	ai_sha_done(&unfinished);
	ai_sha_done(&unfinished);
}

static void
test_hash_of_a_file_from_its_offset(void **state)
{
	(void)state;
	FILE *f = tmpfile();
	assert_non_null(f);
	fputs("skipabc", f);
	fflush(f);
	assert_int_equal(lseek(fileno(f), 4, SEEK_SET), 4);
	struct ai_digest d;
	uint64_t size = 0;
	ok(ai_sha256_fd(fileno(f), &d, &size, &err));
	assert_int_equal(size, 3);
	assert_hex(&d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	fclose(f);
	memset(&d, 0xaa, sizeof d);
	refused(AI_EINPUT, "read", ai_sha256_fd(-1, &d, &size, &err));
	assert_int_equal(d.b[0], 0xaa);
}

static void
test_extend(void **state)
{
	(void)state;
	/* SHA-256 of 64 zero bytes: a zero PCR extended by a zero digest. */
	struct ai_digest zero = { { 0 } }, d;
	ai_sha256_pair(&zero, &zero, &d);
	assert_hex(&d, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
	ai_sha256_pair(&d, &zero, &d);
	assert_true(!ai_digest_eq(&d, &zero));
}

static void
test_hex_parses_only_itself(void **state)
{
	(void)state;
	const char *good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct ai_digest d;
	assert_true(ai_unhex(good, &d));
	assert_hex(&d, good);
	struct ai_digest before = d;
	assert_false(ai_unhex("", &d));
	assert_false(ai_unhex("ba78", &d));
	assert_false(ai_unhex("BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &d));
	assert_false(ai_unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", &d));
	assert_false(ai_unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", &d));
	assert_false(ai_unhex("ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &d));
	assert_false(ai_unhex(" a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &d));
	assert_memory_equal(&d, &before, sizeof d);
}

static void
test_compare_looks_at_every_byte(void **state)
{
	(void)state;
	struct ai_digest a = { { 0 } }, b = { { 0 } };
	assert_true(ai_digest_eq(&a, &b));
	for (size_t i = 0; i < sizeof a.b; i++) {
		b = a;
		b.b[i] = 1;
		assert_false(ai_digest_eq(&a, &b));
		assert_true(ai_digest_cmp(&a, &b) < 0);
		assert_true(ai_digest_cmp(&b, &a) > 0);
	}
}

/* RFC 4648, section 10. */
static void
test_base64_vectors(void **state)
{
	(void)state;
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		AI_BUF_AUTO text = AI_BUF(100);
		AI_BUF_AUTO bytes = AI_BUF(100);
		ai_buf_puts(&text, "");
		ai_b64_put(&text, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(text.data, pairs[i][1]);
		ok(ai_b64_get(text.data, text.len, &bytes, &err));
		assert_int_equal(bytes.len, strlen(pairs[i][0]));
		assert_string_equal(bytes.data, pairs[i][0]);
	}
}

/* Every text of four characters that decodes is the one that its bytes encode to: no two texts mean the same bytes. */
static void
test_base64_is_canonical(void **state)
{
	(void)state;
	static const char some[] = "AQgw/+=BZz09_- \n";
	char t[5] = { 0 };
	size_t n = sizeof some - 1, accepted = 0;
	for (size_t i = 0; i < n * n * n * n; i++) {
		for (size_t k = 0, v = i; k < 4; k++, v /= n)
			t[k] = some[v % n];
		AI_BUF_AUTO bytes = AI_BUF(8);
		AI_BUF_AUTO again = AI_BUF(8);
		struct ai_err err = { 0 };
		if (ai_b64_get(t, 4, &bytes, &err) < 0) {
			assert_true(err.code == AI_EINPUT && err.text[0]);
			continue;
		}
		accepted++;
		ai_b64_put(&again, bytes.data, bytes.len);
		assert_string_equal(again.data, t);
	}
	assert_true(accepted > 1000);
}

static void
test_base64_refuses(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(100);
	ai_buf_puts(&b, "kept");
	refused(AI_EINPUT, "multiple of 4", ai_b64_get("Zm9", 3, &b, &err));
	refused(AI_EINPUT, "bits", ai_b64_get("Zh==", 4, &b, &err));
	refused(AI_EINPUT, "alphabet", ai_b64_get("Zg==Zg==", 8, &b, &err));
	refused(AI_EINPUT, "alphabet", ai_b64_get("Zm9vZ=9v", 8, &b, &err));
	refused(AI_EINPUT, "alphabet", ai_b64_get("====", 4, &b, &err));
	refused(AI_EINPUT, "alphabet", ai_b64_get("Zm9v\0AAA", 8, &b, &err));
	assert_string_equal(b.data, "kept");
	AI_BUF_AUTO small = AI_BUF(2);
	refused(AI_EINPUT, "too large", ai_b64_get("Zm9v", 4, &small, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256_vectors),
		cmocka_unit_test(test_running_hash_is_the_one_shot),
		cmocka_unit_test(test_hash_of_a_file_from_its_offset),
		cmocka_unit_test(test_extend),
		cmocka_unit_test(test_hex_parses_only_itself),
		cmocka_unit_test(test_compare_looks_at_every_byte),
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_base64_is_canonical),
		cmocka_unit_test(test_base64_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
