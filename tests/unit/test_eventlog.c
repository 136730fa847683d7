/* The boot log's parser and replay: what is taken, what is refused and with which words.  SPDX-License-Identifier: Apache-2.0 */
#include "log_bytes.h"

enum { NO_ACTION = 3, SEPARATOR = 4, HCRTM = 0x80000010u };

static void
extend(uint8_t pcr[32], const void *data, size_t n)
{
	uint8_t both[64];
	memcpy(both, pcr, 32);
	assert_int_equal(EVP_Digest(data, n, both + 32, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(EVP_Digest(both, 64, pcr, NULL, EVP_sha256(), NULL), 1);
}

static void
replayed(const struct ai_buf *b, unsigned pcr, const uint8_t want[32], uint32_t want_mask)
{
	struct ai_eventlog log;
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask = 0;
	ok(parse_log(b, false, &log, &err));
	ok(ai_eventlog_replay(&log, AI_BANK_SHA256, values, &mask, &err));
	assert_int_equal(mask, want_mask);
	assert_int_equal(values[pcr].n, 32);
	assert_memory_equal(values[pcr].b, want, 32);
	ai_eventlog_done(&log);
}

static void
replays_as_by_hand(void **state)
{
	(void)state;
	uint8_t pcr5[32] = { 0 }, launch[32];
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_good_log(&b);
	extend(pcr5, "\0\0\0\0", 4);
	extend(pcr5, "Exit Boot Services Invocation", 29);
	extend(pcr5, "Exit Boot Services Returned with Success", 40);
	replayed(&b, 5, pcr5, 0xff);
	memset(launch, 0xff, 32);
	replayed(&b, 17, launch, 0xff);
	/* A dynamic launch begins at zeros. */
	uint8_t zero[32] = { 0 };
	extend(zero, "x", 1);
	put_event(&b, 17, 0x501, "x", 1);
	replayed(&b, 17, zero, 0x200ff);
}

static void
starts_of_pcr_0(void **state)
{
	(void)state;
	for (int locality = 0; locality < 5; locality++) {
		uint8_t want[32] = { [31] = (uint8_t)locality };
		char data[17] = "StartupLocality";
		data[16] = (char)locality;
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		put_header(&b, only_sha256, "");
		put_event_of(&b, 0, NO_ACTION, NULL, 0, data, 17);
		struct ai_eventlog log;
		if (locality == 1 || locality == 2) {
			refused(AI_EINPUT, "StartupLocality", parse_log(&b, false, &log, &err));
			continue;
		}
		replayed(&b, 0, want, locality ? 1 : 0);
		put_event_of(&b, 0, NO_ACTION, NULL, 0, data, 17);
		refused(AI_EINPUT, "second StartupLocality", parse_log(&b, false, &log, &err));
	}
	uint8_t want[32] = { [31] = 4 };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	put_text_event(&b, 0, HCRTM, "HCRTM");
	extend(want, "HCRTM", 5);
	replayed(&b, 0, want, 1);
	/* One that is not the first event of PCR 0 did not come before TPM2_Startup. */
	uint8_t late[32] = { 0 };
	ai_buf_clear(&b);
	put_header(&b, only_sha256, "");
	put_text_event(&b, 0, 8, "v");
	put_text_event(&b, 0, HCRTM, "HCRTM");
	extend(late, "v", 1);
	extend(late, "HCRTM", 5);
	replayed(&b, 0, late, 1);
}

static void
no_action_is_never_extended(void **state)
{
	(void)state;
	const uint8_t zero[32] = { 0 };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "vendor");
	put_event(&b, 0xffffffffu, NO_ACTION, "trust point", 11);
	put_event(&b, 4, NO_ACTION, "SP800-155 Event\0", 16);
	replayed(&b, 4, zero, 0);
	/* The log ends where the zeros begin. */
	for (int i = 0; i < 1000; i++) {
		ai_buf_putc(&b, 0);
		replayed(&b, 4, zero, 0);
	}
	struct ai_eventlog log;
	ai_buf_putc(&b, 1);
	refused(AI_EINPUT, "", parse_log(&b, false, &log, &err));
}

/* An algorithm that is not known is taken by the header's size; one that the header does not list is not. */
static void
unknown_algorithms(void **state)
{
	(void)state;
	static const uint16_t banks[][2] = { { 0x0027, 33 }, { AI_BANK_SHA256, 32 }, { 0, 0 } };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	uint8_t digest[33] = { 0 };
	struct ai_eventlog log;
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask;
	put_header(&b, banks, "");
	put32(&b, 1);
	put32(&b, SEPARATOR);
	put32(&b, 2);
	put16(&b, AI_BANK_SHA256);
	ai_buf_put(&b, digest, 32);
	put16(&b, 0x0027);
	ai_buf_put(&b, digest, 33);
	put32(&b, 0);
	ok(parse_log(&b, false, &log, &err));
	assert_int_equal(log.n, 1);
	assert_int_equal(log.sizes[0], 33);
	ok(ai_eventlog_replay(&log, AI_BANK_SHA256, values, &mask, &err));
	refused(AI_ENO, "not known", ai_eventlog_replay(&log, 0x0027, values, &mask, &err));
	refused(AI_ENO, "no bank sha384", ai_eventlog_replay(&log, AI_BANK_SHA384, values, &mask, &err));
	ai_eventlog_done(&log);
	put32(&b, 1);
	put32(&b, SEPARATOR);
	put32(&b, 1);
	put16(&b, AI_BANK_SHA512);
	ai_buf_put(&b, digest, 33);
	ai_buf_put(&b, digest, 33);
	refused(AI_EINPUT, "unknown algorithm: got 0x000d", parse_log(&b, false, &log, &err));
}

/* Firmware with a bank off: what has no digest in it cannot be replayed in it, nor skipped. */
static void
missing_digest(void **state)
{
	(void)state;
	static const uint16_t banks[][2] = { { AI_BANK_SHA384, 48 }, { AI_BANK_SHA256, 32 }, { 0, 0 } };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	struct ai_eventlog log;
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask = 77;
	put_header(&b, banks, "");
	put_text_event(&b, 4, 0x80000007u, "x");
	ok(parse_log(&b, false, &log, &err));
	assert_null(log.events[0].digests[0]);
	ok(ai_eventlog_replay(&log, AI_BANK_SHA256, values, &mask, &err));
	memset(values, 0xaa, sizeof values);
	mask = 77;
	refused(AI_ENO, "no digest in bank sha384", ai_eventlog_replay(&log, AI_BANK_SHA384, values, &mask, &err));
	assert_int_equal(mask, 77);
	assert_int_equal(values[4].b[0], 0xaa);
	ai_eventlog_done(&log);
}

static void
refuses_headers(void **state)
{
	(void)state;
	static const struct { uint16_t banks[10][2]; const char *words; } bad[] = {
		{ { { AI_BANK_SHA256, 20 } }, "0x000b: got digests of 20" }, { { { AI_BANK_SHA256, 32 }, { AI_BANK_SHA256, 32 } }, "listed twice" },
		{ { { 0x99, 0 } }, "0x0099: got digests of 0" }, { { { 0x99, 65 } }, "0x0099: got digests of 65" }, { { { 0 } }, "got 0 algorithms" },
		{ { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 5, 1 }, { 6, 1 }, { 7, 1 }, { 8, 1 }, { 9, 1 }, { 10, 1 } }, "got 9 algorithms" },
	};
	struct ai_eventlog log;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		put_header(&b, bad[i].banks, "");
		refused(AI_EINPUT, bad[i].words, parse_log(&b, false, &log, &err));
	}
	/* Where the bytes of the header stand: its digest, version, count, and vendorInfoSize at its end. */
	static const struct { size_t at; uint8_t value; const char *words; } lies[] = {
		{ 0, 1, "header: got PCR 1" }, { 8, 1, "digest of its own" }, { 27, 1, "digest of its own" }, { 52, 1, "version 2.1" }, { 53, 1, "version 1.0" }, { 56, 9, "9 algorithms" },
		{ 56, 2, "do not fit" }, { 59, 0xff, "algorithms" }, { 64, 1, "vendorInfoSize lies" }, { 28, 200, "size lies" },
	};
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		put_good_log(&b);
		if (lies[i].at == 28)
			b.len = 100;
		b.data[lies[i].at] = (char)lies[i].value;
		refused(AI_EINPUT, lies[i].words, parse_log(&b, false, &log, &err));
	}
	/* Bytes after the vendor's own. */
	AI_BUF_AUTO more = AI_BUF(1u << 20);
	put_header(&more, only_sha256, "xy");
	more.data[64] = 1;
	refused(AI_EINPUT, "vendorInfoSize lies: got 1", parse_log(&more, false, &log, &err));
	AI_BUF_AUTO twice = AI_BUF(1u << 20);
	put_good_log(&twice);
	put_event(&twice, 0, NO_ACTION, "Spec ID Event03", 16);
	refused(AI_EINPUT, "second header", parse_log(&twice, false, &log, &err));
}

static void
refuses_events(void **state)
{
	(void)state;
	struct ai_eventlog log;
	static const struct { uint32_t pcr, type, count, alg, size; const char *words; } bad[] = {
		{ 24, SEPARATOR, 1, AI_BANK_SHA256, 0, "got PCR 24" }, { 0xffffffffu, SEPARATOR, 1, AI_BANK_SHA256, 0, "got PCR 4294967295" },
		{ 24, NO_ACTION, 1, AI_BANK_SHA256, 0, "got PCR 24" }, { 0, SEPARATOR, 2, AI_BANK_SHA256, 0, "wrong digest count: got 2" },
		{ 0, SEPARATOR, 0xffffffffu, AI_BANK_SHA256, 0, "wrong digest count" }, { 0, SEPARATOR, 1, AI_BANK_SHA1, 0, "unknown algorithm: got 0x0004" },
		{ 0, SEPARATOR, 1, AI_BANK_SHA256, 1, "size lies: got 1" }, { 0, SEPARATOR, 1, AI_BANK_SHA256, 0xffffffffu, "size lies: got 4294967295" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const uint8_t digest[32] = { 0 };
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		put_header(&b, only_sha256, "");
		put32(&b, bad[i].pcr);
		put32(&b, bad[i].type);
		put32(&b, bad[i].count);
		put16(&b, (uint16_t)bad[i].alg);
		ai_buf_put(&b, digest, 32);
		put32(&b, bad[i].size);
		refused(AI_EINPUT, bad[i].words, parse_log(&b, false, &log, &err));
	}
	static const uint16_t two[][2] = { { AI_BANK_SHA256, 32 }, { AI_BANK_SM3, 32 }, { 0, 0 } };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	const uint8_t digest[32] = { 0 };
	put_header(&b, two, "");
	put32(&b, 0);
	put32(&b, SEPARATOR);
	put32(&b, 2);
	for (int i = 0; i < 2; i++) {
		put16(&b, AI_BANK_SHA256);
		ai_buf_put(&b, digest, 32);
	}
	put32(&b, 0);
	refused(AI_EINPUT, "two digests of algorithm 0x000b", parse_log(&b, false, &log, &err));
}

/* Every place to cut a log is either between events, or refused; and never read past. */
static void
every_cut(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_good_log(&b);
	size_t whole = 0;
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		struct ai_eventlog log = { 0 };
		struct ai_err err = { 0 };
		memcpy(exact, b.data, n);
		int r = ai_eventlog_parse(exact, n, false, &log, &err);
		if (r == 0)
			whole++;
		else
			assert_true(r == AI_EINPUT && err.text[0]);
		ai_eventlog_done(&log);
		free(exact);
	}
	/* After the header, after each of 12 events of 13; and where only zeros of the next are there, as of padding. */
	assert_in_range(whole, 13, 13 + 13 * 12);
}

static void
too_many_events(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_BOOT_LOG + 100);
	struct ai_eventlog log;
	put_header(&b, only_sha256, "");
	for (int i = 0; i <= AI_MAX_EVENTS; i++) {
		if (i == AI_MAX_EVENTS) {
			ok(parse_log(&b, false, &log, &err));
			assert_int_equal(log.n, AI_MAX_EVENTS);
			ai_eventlog_done(&log);
		}
		put32(&b, 1);
		put32(&b, SEPARATOR);
		put32(&b, 0);
		put32(&b, 0);
	}
	refused(AI_EINPUT, "more than 65536 events", parse_log(&b, false, &log, &err));
	while (b.len <= AI_MAX_BOOT_LOG)
		put32(&b, 1);
	refused(AI_EINPUT, "expected at most", parse_log(&b, false, &log, &err));
}

static void
sha1_format(void **state)
{
	(void)state;
	const uint8_t digest[20] = { 1 };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	struct ai_eventlog log;
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask;
	put32(&b, 3);
	put32(&b, SEPARATOR);
	ai_buf_put(&b, digest, 20);
	put32(&b, 4);
	put32(&b, 0);
	refused(AI_ENO, "SHA-1 format", parse_log(&b, false, &log, &err));
	ok(parse_log(&b, true, &log, &err));
	assert_false(log.crypto_agile);
	assert_int_equal(log.n, 1);
	ok(ai_eventlog_replay(&log, AI_BANK_SHA1, values, &mask, &err));
	assert_int_equal(mask, 8);
	refused(AI_ENO, "no bank sha256", ai_eventlog_replay(&log, AI_BANK_SHA256, values, &mask, &err));
	ai_eventlog_done(&log);
	/* Malformed is said before SHA-1. */
	b.data[28] = 5;
	refused(AI_EINPUT, "size lies", parse_log(&b, false, &log, &err));
}

static void
names_what_is_no_log(void **state)
{
	(void)state;
	struct ai_eventlog log;
	static const uint8_t cel[] = { 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 7, 3, 0, 0, 0, 0 };
	const uint8_t zeros[64] = { 0 };
	refused(AI_EINPUT, "empty", ai_eventlog_parse(NULL, 0, false, &log, &err));
	refused(AI_EINPUT, "zero bytes", ai_eventlog_parse(zeros, sizeof zeros, false, &log, &err));
	refused(AI_EINPUT, "Canonical Event Log", ai_eventlog_parse(cel, sizeof cel, true, &log, &err));
	refused(AI_EINPUT, "got text", ai_eventlog_parse((const uint8_t *)"---\nversion: 1\n", 15, true, &log, &err));
}

static void
words(void **state)
{
	(void)state;
	static const uint16_t banks[] = { AI_BANK_SHA1, AI_BANK_SHA256, AI_BANK_SHA384, AI_BANK_SHA512, AI_BANK_SM3 };
	char buf[16];
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(ai_bank_parse(ai_bank_word(banks[i])), banks[i]);
	assert_null(ai_bank_word(0x10));
	assert_int_equal(ai_bank_parse("md5"), 0);
	assert_int_equal(ai_bank_size(AI_BANK_SHA384), 48);
	assert_string_equal(ai_event_type_word(4, buf), "EV_SEPARATOR");
	assert_string_equal(ai_event_type_word(0x800000e0u, buf), "EV_EFI_VARIABLE_AUTHORITY");
	assert_string_equal(ai_event_type_word(0xdeadbeefu, buf), "0xdeadbeef");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_as_by_hand), cmocka_unit_test(starts_of_pcr_0), cmocka_unit_test(no_action_is_never_extended),
		cmocka_unit_test(unknown_algorithms), cmocka_unit_test(missing_digest), cmocka_unit_test(refuses_headers), cmocka_unit_test(refuses_events),
		cmocka_unit_test(every_cut), cmocka_unit_test(too_many_events), cmocka_unit_test(sha1_format), cmocka_unit_test(names_what_is_no_log),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
