/* test_vm_disk.c -- the container of a measured run's disks: written, read once, and everything that somebody may put in its place.  SPDX-License-Identifier: Apache-2.0 */
#include "vm_disk_unit.h"

#define LOG_A "log", "a", "first\n"
#define LOG_B "log", "b", "second\n"

static int
collect(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	struct ai_buf *b = ctx;
	ai_buf_put(b, p, n);
	return ai_buf_ok(b, "object", err);
}

static int
ignore(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	(void)ctx, (void)p, (void)n, (void)err;
	return 0;
}

static void
is_object(struct ai_disk *d, size_t i, const char *type, const char *name, const void *bytes, size_t n)
{
	struct ai_buf b = AI_BUF(1u << 26);
	assert_string_equal(ai_disk_object(d, i)->type, type);
	assert_string_equal(ai_disk_object(d, i)->name, name);
	assert_int_equal(ai_disk_object(d, i)->size, n);
	ok(ai_disk_read(d, i, collect, &b, &err));
	assert_int_equal(b.len, n);
	assert_memory_equal(b.data ? b.data : "", bytes, n);
	ai_buf_done(&b);
}

static int
open_it(int fd, struct ai_err *err)
{
	struct ai_disk *d = NULL;
	int r = ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, err);
	if (r == 0)
		ai_disk_close(d);
	else
		assert_null(d);
	return r;
}

/* --- what is written is read --------------------------------------------------------------- */

enum { BIG = (5 << 20) / 2 + 77 };

static void
fill(char *p, size_t n)
{
	uint32_t x = 2463534242u;
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (char)x;
	}
}

/* A blob of BIG bytes by fd, two logs by memory, an empty blob. Returns the disk's file; header_out may be NULL. */
static int
write_disk(char *big, char big_name[AI_HEX], struct ai_digest *header)
{
	struct ai_disk_writer *w = NULL;
	struct ai_digest d, none;
	char none_name[AI_HEX];
	int fd = scratch_file(), from = scratch_file();
	/* A disk is no clean sheet. */
	char junk[3 * AI_DISK_BLOCK];
	memset(junk, 0xee, sizeof junk);
	put(fd, 0, junk, sizeof junk);
	fill(big, BIG);
	ai_sha256(big, BIG, &d);
	ai_hex(&d, big_name);
	ai_sha256("", 0, &none);
	ai_hex(&none, none_name);
	put(from, 0, "skipped", 7);
	put(from, 7, big, BIG);
	assert_int_equal(lseek(from, 7, SEEK_SET), 7);
	AI_JSON *about = json_pack("{s:s}", "what", "a test");
	ok(ai_disk_begin(fd, "job", 64u << 20, &w, &err));
	ok(ai_disk_add(w, "log", "a", "first\n", 6, &err));
	ok(ai_disk_add_fd(w, "blob", big_name, from, &err));
	ok(ai_disk_add(w, "blob", none_name, "", 0, &err));
	ok(ai_disk_add(w, "log", "b", "second\n", 7, &err));
	/* Of one type and name there is one. */
	ok(ai_disk_add(w, "log", "b", "other", 5, &err));
	assert_int_equal(ai_disk_added(w, "log", "b"), 1);
	assert_int_equal(ai_disk_added(w, "blob", "b"), 0);
	ok(ai_disk_finish(w, about, header, &err));
	close(from);
	return fd;
}

struct seen { struct ai_digest header; int calls; };

static int
measured(void *ctx, const struct ai_digest *header, struct ai_err *err)
{
	struct seen *s = ctx;
	(void)err;
	s->header = *header;
	s->calls++;
	return 0;
}

static void
test_round_trip(void **state)
{
	(void)state;
	char name[AI_HEX], *big = malloc(BIG);
	struct ai_digest header, of_bytes;
	unsigned char block[AI_DISK_BLOCK], again[AI_DISK_BLOCK];
	struct ai_disk *d = NULL;
	struct seen seen = { .calls = 0 };
	size_t at = 99;
	int fd = write_disk(big, name, &header);
	assert_int_equal(size_of(fd) % AI_DISK_BLOCK, 0);
	watch(fd, size_of(fd));
	ok(ai_disk_open(fd, size_of(fd), "job", measured, &seen, &d, &err));
	assert_int_equal(seen.calls, 1);
	assert_true(ai_digest_eq(&seen.header, &header));
	assert_string_equal(ai_json_str(ai_disk_about(d), "what"), "a test");
	assert_int_equal(ai_disk_count(d), 4);
	is_object(d, 3, "log", "b", "second\n", 7);
	is_object(d, 1, "blob", name, big, BIG);
	is_object(d, 0, "log", "a", "first\n", 6);
	is_object(d, 2, "blob", ai_disk_object(d, 2)->name, "", 0);
	assert_int_equal(ai_disk_find(d, "log", "b", &at), 1);
	assert_int_equal(at, 3);
	assert_int_equal(ai_disk_find(d, "log", "c", &at), 0);
	assert_int_equal(ai_disk_find(d, "node", name, &at), 0);
	refused(AI_EUSAGE, "second time", ai_disk_read(d, 1, ignore, NULL, &err));
	ai_disk_close(d);
	watch_ends();
	/* The header's hash is that of its 4096 bytes, as any tool computes it, and the same content gives the same disk. */
	assert_int_equal(pread(fd, block, sizeof block, 0), AI_DISK_BLOCK);
	ai_sha256(block, sizeof block, &of_bytes);
	assert_true(ai_digest_eq(&of_bytes, &header));
	int fd2 = write_disk(big, name, NULL);
	assert_int_equal(pread(fd2, again, sizeof again, 0), AI_DISK_BLOCK);
	assert_memory_equal(again, block, sizeof block);
	close(fd);
	close(fd2);
	free(big);
}

/* Between the objects stand zeros, not what was on the disk before. */
static void
test_nothing_left_between(void **state)
{
	(void)state;
	char name[AI_HEX], *big = malloc(BIG), gap[AI_DISK_BLOCK];
	int fd = write_disk(big, name, NULL);
	assert_int_equal(pread(fd, gap, sizeof gap, AI_DISK_BLOCK), AI_DISK_BLOCK);
	for (size_t i = 6; i < sizeof gap; i++)
		assert_int_equal(gap[i], 0);
	close(fd);
	free(big);
}

static void
test_writer_refuses(void **state)
{
	(void)state;
	struct ai_disk_writer *w = NULL;
	char id[AI_HEX], big[2 * AI_DISK_BLOCK] = { 0 };
	struct ai_digest d;
	int fd = scratch_file();
	ai_sha256("x", 1, &d);
	ai_hex(&d, id);
	refused(AI_EENV, "is full", ai_disk_begin(fd, "job", 100, &w, &err));
	assert_null(w);
	ok(ai_disk_begin(fd, "job", 3 * AI_DISK_BLOCK, &w, &err));
	refused(AI_EINPUT, "hashes to", ai_disk_add(w, "blob", id, "y", 1, &err));
	refused(AI_EINPUT, "not a name", ai_disk_add(w, "blob", "x", "y", 1, &err));
	refused(AI_EINPUT, "not a name", ai_disk_add(w, "git", id, "y", 1, &err));
	refused(AI_EINPUT, "not a name", ai_disk_add(w, "log", "a\nb", "y", 1, &err));
	refused(AI_EINPUT, "not a name", ai_disk_add(w, "attestation", "a", "{}", 2, &err));
	refused(AI_EINPUT, "type 'file'", ai_disk_add(w, "file", id, "x", 1, &err));
	/* What was refused is not there, and the writer goes on. */
	assert_int_equal(ai_disk_added(w, "blob", id), 0);
	ok(ai_disk_add(w, "blob", id, "x", 1, &err));
	refused(AI_EENV, "is full", ai_disk_add(w, "log", "a", big, sizeof big, &err));
	ok(ai_disk_add(w, "log", "a", big, AI_DISK_BLOCK, &err));
	AI_JSON *about = json_object();
	refused(AI_EENV, "is full", ai_disk_finish(w, about, NULL, &err));
	/* Unfinished: nothing. */
	refused(AI_ENO, "nothing was written", open_it(fd, &err));
	close(fd);
}

/* A disk that is written anew holds nothing until it is finished, whatever it held before. */
static void
test_unfinished_is_nothing(void **state)
{
	(void)state;
	struct ai_disk_writer *w = NULL;
	const struct forged list[] = { { LOG_A } };
	int fd = forge("job", NULL, list, 1);
	ok(open_it(fd, &err));
	ok(ai_disk_begin(fd, "job", 1u << 20, &w, &err));
	refused(AI_ENO, "nothing was written", open_it(fd, &err));
	ai_disk_abort(w);
	refused(AI_ENO, "nothing was written", open_it(fd, &err));
	close(fd);
}

/* --- the other end changes the disk ----------------------------------------------------------- */

/* After each read, what was read is overwritten: as if the disk were an enemy's. */
static void
spoil(int fd, off_t at, size_t n)
{
	char *junk = malloc(n);
	memset(junk, 0xa5, n);
	put(fd, at, junk, n);
	free(junk);
}

static void
test_changed_after_reading(void **state)
{
	(void)state;
	char name[AI_HEX], *big = malloc(BIG);
	struct ai_disk *d = NULL;
	struct ai_digest header;
	struct seen seen = { .calls = 0 };
	int fd = write_disk(big, name, &header);
	watch(fd, size_of(fd));
	after_read = spoil;
	ok(ai_disk_open(fd, size_of(fd), "job", measured, &seen, &d, &err));
	assert_true(ai_digest_eq(&seen.header, &header));
	is_object(d, 1, "blob", name, big, BIG);
	is_object(d, 0, "log", "a", "first\n", 6);
	is_object(d, 3, "log", "b", "second\n", 7);
	ai_disk_close(d);
	watch_ends();
	/* And so it is nothing any more. */
	refused(AI_EINPUT, "no aicert disk", open_it(fd, &err));
	close(fd);
	free(big);
}

/* The header is swapped for another good one while it is measured: what was measured is what is used. */
static int swap_fd;
static unsigned char swap_block[AI_DISK_BLOCK];

static int
swap_header(void *ctx, const struct ai_digest *header, struct ai_err *err)
{
	(void)ctx, (void)header, (void)err;
	put(swap_fd, 0, swap_block, sizeof swap_block);
	return 0;
}

static void
test_header_swapped_while_measured(void **state)
{
	(void)state;
	const struct forged good[] = { { LOG_A } }, other[] = { { LOG_A }, { LOG_B } };
	struct ai_disk *d = NULL;
	int fd2 = forge("job", NULL, other, 2);
	assert_int_equal(pread(fd2, swap_block, sizeof swap_block, 0), AI_DISK_BLOCK);
	swap_fd = forge("job", NULL, good, 1);
	/* The other's objects and index are there too. */
	char index[AI_DISK_BLOCK];
	ssize_t n = pread(fd2, index, sizeof index, 3 * AI_DISK_BLOCK);
	assert_true(n > 0);
	put(swap_fd, 3 * AI_DISK_BLOCK, index, (size_t)n);
	ok(ai_disk_open(swap_fd, size_of(swap_fd), "job", swap_header, NULL, &d, &err));
	assert_int_equal(ai_disk_count(d), 1);
	ai_disk_close(d);
	close(swap_fd);
	close(fd2);
}

static int
no_tpm(void *ctx, const struct ai_digest *header, struct ai_err *err)
{
	(void)ctx, (void)header;
	return ai_fail(err, AI_EENV, "no TPM");
}

/* What could not be measured is not looked at. */
static void
test_unmeasured_is_unread(void **state)
{
	(void)state;
	struct ai_disk *d = NULL;
	char junk[AI_DISK_BLOCK];
	struct seen seen = { .calls = 0 };
	memset(junk, 7, sizeof junk);
	int fd = scratch_file();
	put(fd, 0, junk, sizeof junk);
	refused(AI_EENV, "no TPM", ai_disk_open(fd, size_of(fd), "job", no_tpm, NULL, &d, &err));
	/* And junk is measured before it is called junk. */
	refused(AI_EINPUT, "no aicert disk", ai_disk_open(fd, size_of(fd), "job", measured, &seen, &d, &err));
	assert_int_equal(seen.calls, 1);
	close(fd);
}

/* --- headers -------------------------------------------------------------------------------------- */

static void
test_headers(void **state)
{
	(void)state;
	const struct forged list[] = { { LOG_A } };
	const struct { off_t at; const char *bytes; size_t n; const char *words; } cases[] = {
		{ 0, "b", 1, "no aicert disk" },
		{ 13, "2", 1, "no aicert disk" },
		{ 15, "x", 1, "no aicert disk" },
		{ 16, "result", 6, "is of kind 'result'" },
		{ 19, "b", 1, "is of kind 'jobb'" },
		{ 31, "b", 1, "is of kind 'job'" },                              /* behind a NUL */
		{ 32, "\0\0", 2, "lies at byte 0" },                               /* the header itself */
		{ 32, "\1\x20", 2, "multiple of 4096" },
		{ 32, "\0\x10", 2, "hashes to" },                                  /* over the first object */
		{ 32, "\0\0\0\0\0\0\0\x80", 8, "lies at byte" },
		{ 32, "\0\xf0\xff\xff\xff\xff\xff\xff", 8, "lies at byte" },          /* offset + length would overflow */
		{ 40, "\0\0\0\0\0\0\0\0", 8, "an index of 0 bytes" },
		{ 40, "\1\0\0\x10", 4, "an index of 268435457 bytes" },
		{ 40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "an index of" },
		{ 48, "\1\2\3", 3, "the header says" },
		{ 80, "x", 1, "behind its end" },
		{ 4095, "x", 1, "behind its end" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd = forge("job", NULL, list, 1);
		ok(open_it(fd, &err));
		put(fd, cases[i].at, cases[i].bytes, cases[i].n);
		refused(AI_EINPUT, cases[i].words, open_it(fd, &err));
		close(fd);
	}
}

static void
test_truncated(void **state)
{
	(void)state;
	const struct forged list[] = { { LOG_A }, { LOG_B } };
	int fd = forge("job", NULL, list, 2);
	uint64_t whole = size_of(fd);
	for (uint64_t n = 0; n < whole; n += n < 16 || n > whole - 300 ? 1 : 509) {
		struct ai_disk *d = NULL;
		struct ai_err e = { 0 };
		/* The size that is said, and then the file itself. */
		assert_int_equal(ai_disk_open(fd, n, "job", NULL, NULL, &d, &e), AI_EINPUT);
	}
	assert_int_equal(ftruncate(fd, (off_t)whole - 1), 0);
	struct ai_disk *d = NULL;
	refused(AI_EINPUT, "1 bytes early", ai_disk_open(fd, whole, "job", NULL, NULL, &d, &err));
	close(fd);
}

/* An object's bytes end before its length: the file shrinks after the index was read. */
static void
test_object_shrinks(void **state)
{
	(void)state;
	const struct forged list[] = { { LOG_A }, { LOG_B } };
	struct ai_disk *d = NULL;
	int fd = forge("job", NULL, list, 2);
	ok(ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, &err));
	assert_int_equal(ftruncate(fd, 2 * AI_DISK_BLOCK + 3), 0);
	ok(ai_disk_read(d, 0, ignore, NULL, &err));
	refused(AI_EINPUT, "4 bytes early", ai_disk_read(d, 1, ignore, NULL, &err));
	ai_disk_close(d);
	close(fd);
}

static void
test_object_changed(void **state)
{
	(void)state;
	const struct forged list[] = { { LOG_A }, { LOG_B } };
	struct ai_disk *d = NULL;
	int fd = forge("job", NULL, list, 2);
	ok(ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, &err));
	put(fd, 2 * AI_DISK_BLOCK, "S", 1);
	refused(AI_EINPUT, "log 'b': hashes to", ai_disk_read(d, 1, ignore, NULL, &err));
	ai_disk_close(d);
	close(fd);
}

/* --- indexes ---------------------------------------------------------------------------------------- */

static int
open_index(const char *index, uint64_t at, struct ai_err *err)
{
	int fd = scratch_file();
	char zeros[2 * AI_DISK_BLOCK] = { 0 };
	put(fd, 0, zeros, sizeof zeros);
	forge_end(fd, "job", index, strlen(index), at);
	int r = open_it(fd, err);
	close(fd);
	return r;
}

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define INDEX(objects) "{\"about\":{},\"kind\":\"aicert-disk\",\"objects\":[" objects "]}"
#define OBJECT(name, sha, size, type) "{\"name\":\"" name "\",\"sha256\":\"" sha "\",\"size\":" size ",\"type\":\"" type "\"}"

static void
test_indexes(void **state)
{
	(void)state;
	const struct { const char *index, *words; } cases[] = {
		{ "", "an index of 0" },
		{ "[]", "index" },
		{ "{}", "expected kind" },
		{ "{\"about\":{},\"kind\":\"aicert-disc\",\"objects\":[]}", "expected kind" },
		{ "{\"about\":[],\"kind\":\"aicert-disk\",\"objects\":[]}", "expected kind" },
		{ "{\"about\":{},\"kind\":\"aicert-disk\",\"objects\":{}}", "expected kind" },
		{ "{\"about\":{},\"extra\":1,\"kind\":\"aicert-disk\",\"objects\":[]}", "expected kind" },
		{ "{\"kind\":\"aicert-disk\",\"about\":{},\"objects\":[]}", "canonical" },
		{ "{\"about\":{},\"kind\":\"aicert-disk\",\"objects\":[]} ", "canonical" },
		{ "{\"about\":{},\"kind\":\"aicert-disk\",\"kind\":\"aicert-disk\",\"objects\":[]}", "duplicate" },
		{ INDEX("1"), "object 0" },
		{ INDEX("{}"), "object 0" },
		{ INDEX(OBJECT("a", EMPTY, "-1", "log")), "object 0" },
		{ INDEX(OBJECT("a", EMPTY, "\"0\"", "log")), "object 0" },
		{ INDEX(OBJECT("a", EMPTY, "1.5", "log")), "index" },
		{ INDEX(OBJECT("a", "e3b0", "0", "log")), "object 0" },
		{ INDEX("{\"at\":4096,\"name\":\"a\",\"sha256\":\"" EMPTY "\",\"size\":0,\"type\":\"log\"}"), "nothing else" },
		{ INDEX(OBJECT("a", EMPTY, "0", "file")), "type 'file'" },
		{ INDEX(OBJECT("a", EMPTY, "0", "blob")), "not a name" },
		{ INDEX(OBJECT("A3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", EMPTY, "0", "blob")), "not a name" },
		{ INDEX(OBJECT("03b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", EMPTY, "0", "blob")), "its content hashes to" },
		{ INDEX(OBJECT("03b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", EMPTY, "0", "node")), "its content hashes to" },
		{ INDEX(OBJECT(EMPTY, EMPTY, "0", "oci")), "not a name" },
		{ INDEX(OBJECT("sha256:" EMPTY, EMPTY, "0", "blob")), "not a name" },
		{ INDEX(OBJECT("sha256:03b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", EMPTY, "0", "oci")), "its content hashes to" },
		{ INDEX(OBJECT("../../../etc/passwd", EMPTY, "0", "git")), "not a name" },
		{ INDEX(OBJECT("da39a3ee5e6b4b0d3255bfef95601890afd8070", EMPTY, "0", "git")), "not a name" },
		{ INDEX(OBJECT("", EMPTY, "0", "log")), "not a name" },
		{ INDEX(OBJECT("a\\nb", EMPTY, "0", "log")), "not a name" },
		{ INDEX(OBJECT("a\\u001b[2J", EMPTY, "0", "log")), "not a name" },
		{ INDEX(OBJECT("x", EMPTY, "0", "attestation")), "not a name" },
		{ INDEX(OBJECT("a", EMPTY, "0", "log") "," OBJECT("a", EMPTY, "0", "log")), "listed twice" },
		/* Over the index, behind it, and behind everything. */
		{ INDEX(OBJECT("a", EMPTY, "1", "log")), "the objects end" },
		{ INDEX(OBJECT("a", EMPTY, "4097", "log")), "the objects end" },
		{ INDEX(OBJECT("a", EMPTY, "9007199254740991", "log")), "the objects end" },
		{ INDEX(OBJECT("a", EMPTY, "9007199254740991", "log") "," OBJECT("b", EMPTY, "9007199254740991", "log")), "the objects end" },
	};
	ok(open_index(INDEX(""), AI_DISK_BLOCK, &err));
	ok(open_index(INDEX(OBJECT("a", EMPTY, "0", "log") "," OBJECT("b", EMPTY, "0", "log")), AI_DISK_BLOCK, &err));
	ok(open_index(INDEX(OBJECT("a", EMPTY, "4096", "log")), 2 * AI_DISK_BLOCK, &err));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(AI_EINPUT, cases[i].words, open_index(cases[i].index, AI_DISK_BLOCK, &err));
	/* Room between the last object and the index could hold what is never looked at, and be counted by another reader. */
	refused(AI_EINPUT, "it lies at byte", open_index(INDEX(OBJECT("a", EMPTY, "0", "log")), 2 * AI_DISK_BLOCK, &err));
}

static void
test_deep_index(void **state)
{
	(void)state;
	struct ai_buf b = AI_BUF(1u << 20);
	ai_buf_puts(&b, "{\"about\":{\"a\":");
	for (int i = 0; i < 100000; i++)
		ai_buf_putc(&b, '[');
	for (int i = 0; i < 100000; i++)
		ai_buf_putc(&b, ']');
	ai_buf_puts(&b, "},\"kind\":\"aicert-disk\",\"objects\":[]}");
	refused(AI_EINPUT, "index", open_index(b.data, AI_DISK_BLOCK, &err));
	ai_buf_done(&b);
}

/* Foreign names reach errors without what could drive a terminal. */
static void
test_errors_are_harmless(void **state)
{
	(void)state;
	struct ai_err e = { 0 };
	assert_int_equal(open_index(INDEX(OBJECT("a\\u001b[2Jb", EMPTY, "0", "blob")), AI_DISK_BLOCK, &e), AI_EINPUT);
	assert_null(strchr(e.text, '\033'));
	assert_non_null(strstr(e.text, "job disk: index: object 0: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_nothing_left_between), cmocka_unit_test(test_writer_refuses),
		cmocka_unit_test(test_unfinished_is_nothing), cmocka_unit_test(test_changed_after_reading),
		cmocka_unit_test(test_header_swapped_while_measured), cmocka_unit_test(test_unmeasured_is_unread), cmocka_unit_test(test_headers),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_object_shrinks), cmocka_unit_test(test_object_changed),
		cmocka_unit_test(test_indexes), cmocka_unit_test(test_deep_index), cmocka_unit_test(test_errors_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
