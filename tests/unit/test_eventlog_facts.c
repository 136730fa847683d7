/* A boot log in words: what is believed of it, what lies are seen through, what the profile's rules find.  SPDX-License-Identifier: Apache-2.0 */
#include "log_bytes.h"

#define DRIVER_CONFIG 0x80000001u
#define VARIABLE_BOOT 0x80000002u
#define APPLICATION 0x80000003u
#define GPT_EVENT 0x80000006u
#define EFI_ACTION 0x80000007u
#define FIRMWARE_BLOB 0x80000008u
#define FIRMWARE_BLOB2 0x8000000au
#define AUTHORITY 0x800000e0u
enum { POST_CODE = 1, NO_ACTION = 3, SEPARATOR = 4, EVENT_TAG = 6, IPL = 13 };

static json_t *
facts_of(const struct ai_buf *b)
{
	struct ai_eventlog log;
	json_t *facts = NULL;
	ok(parse_log(b, false, &log, &err));
	ok(ai_eventlog_facts(&log, AI_BANK_SHA256, &facts, &err));
	assert_int_equal(json_array_size(facts), log.n);
	ai_eventlog_done(&log);
	return facts;
}

/* Event i says key = value; "true" and "false" are booleans, NULL is absence. */
static void
says(const json_t *facts, size_t i, const char *key, const char *value)
{
	const json_t *v = json_object_get(json_array_get(facts, i), key);
	if (!value)
		assert_null(v);
	else if (json_is_boolean(v))
		assert_string_equal(json_is_true(v) ? "true" : "false", value);
	else if (json_is_integer(v))
		assert_int_equal(json_integer_value(v), strtoll(value, NULL, 10));
	else
		assert_string_equal(json_is_string(v) ? json_string_value(v) : "(no text)", value);
}

static void
firmware(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	AI_BUF_AUTO blob = AI_BUF(100);
	put_header(&b, only_sha256, "");
	put_event(&b, 0, 8, "v\0001\0\0\0", 6);
	put_event(&b, 0, 8, "\x1e\xfb\x6b\x54\x0c\x1d\x55\x40\xa4\xad\x4e\xf4\xbf\x17\xb8\x3a", 16);
	put_event_of(&b, 0, POST_CODE, "code", 4, "ACPI DATA", 9);
	put64(&blob, 0x820000);
	put64(&blob, 0xe0000);
	put_event_of(&b, 0, FIRMWARE_BLOB, "code", 4, blob.data, blob.len);
	ai_buf_clear(&blob);
	ai_buf_puts(&blob, "\3FV1");
	put64(&blob, 1);
	put64(&blob, 2);
	put_event_of(&b, 0, FIRMWARE_BLOB2, "code", 4, blob.data, blob.len);
	put_event(&b, 0xffffffffu, NO_ACTION, "SP800-155 Event3rest", 20);
	AI_JSON *f = facts_of(&b);
	says(f, 0, "what", "firmware-version");
	says(f, 0, "version", "v1");
	says(f, 0, "believed", "true");
	says(f, 1, "version", "546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a");
	says(f, 2, "what", "firmware");
	says(f, 2, "text", "ACPI DATA");
	says(f, 2, "believed", "false");
	says(f, 3, "base", "0x820000");
	says(f, 3, "length", "0xe0000");
	says(f, 4, "text", "FV1");
	says(f, 4, "base", "0x1");
	says(f, 5, "pcr", "-1");
	says(f, 5, "what", "no-action");
	says(f, 5, "signature", "SP800-155 Event3");
	says(f, 5, "believed", "false");
}

/* An EFI_SIGNATURE_LIST of hashes, all of one owner. */
static void
put_hashes(struct ai_buf *b, uint32_t n)
{
	ai_buf_put(b, "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28", 16);
	put32(b, 28 + 48 * n);
	put32(b, 0);
	put32(b, 48);
	for (uint32_t i = 0; i < n; i++) {
		ai_buf_put(b, "\xbd\x9a\xfa\x77\x59\x03\x32\x4d\xbd\x60\x28\xf4\xe7\x8f\x78\x4b", 16);
		for (int k = 0; k < 8; k++)
			put32(b, i);
	}
}

static void
variables(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	AI_BUF_AUTO v = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	put_variable_event(&b, 7, DRIVER_CONFIG, "SecureBoot", "\1", 1);
	put_hashes(&v, 3);
	put_variable_event(&b, 7, DRIVER_CONFIG, "dbx", v.data, v.len);
	put_variable_event(&b, 7, AUTHORITY, "SbatLevel", "sbat,1,2021030218\n", 18);
	/* Older firmware: the value of BootOrder, without its name. */
	ai_buf_clear(&v);
	put_variable(&v, "BootOrder", "\1\0", 2);
	put_event_of(&b, 1, VARIABLE_BOOT, "\1\0", 2, v.data, v.len);
	/* A lie: another value than what was hashed. */
	put_event_of(&b, 7, DRIVER_CONFIG, "something", 9, v.data, v.len);
	/* The last byte of its value was not hashed. */
	put_event_of(&b, 7, DRIVER_CONFIG, v.data, v.len - 1, v.data, v.len);
	/* shim 15: a byte more than it hashed. */
	ai_buf_putc(&v, (char)0xaf);
	put_event_of(&b, 7, AUTHORITY, v.data, v.len - 1, v.data, v.len);
	/* Its lengths lie: 2^63 characters of name. */
	v.data[23] = (char)0x80;
	put_event(&b, 7, DRIVER_CONFIG, v.data, v.len);
	AI_JSON *f = facts_of(&b);
	says(f, 0, "what", "variable");
	says(f, 0, "guid", "8be4df61-93ca-11d2-aa0d-00e098032b8c");
	says(f, 0, "name", "SecureBoot");
	says(f, 0, "value", "01");
	says(f, 0, "authority", "false");
	says(f, 0, "believed", "true");
	const json_t *list = ai_json_arr(json_array_get(f, 1), "signatures");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(ai_json_str(json_array_get(list, 2), "type"), "sha256");
	assert_string_equal(ai_json_str(json_array_get(list, 2), "owner"), "77fa9abd-0359-4d32-bd60-28f4e78f784b");
	assert_int_equal(strncmp(ai_json_str(json_array_get(list, 2), "sha256"), "0200000002", 10), 0);
	says(f, 2, "authority", "true");
	says(f, 2, "text", "sbat,1,2021030218\\x0a");
	says(f, 3, "believed", "false");
	says(f, 3, "value_believed", "true");
	says(f, 4, "believed", "false");
	says(f, 4, "value_believed", "false");
	says(f, 5, "believed", "false");
	says(f, 6, "name", "BootOrder");
	says(f, 6, "believed", "true");
	says(f, 7, "believed", "false");
	says(f, 7, "name", NULL);
}

/* A list that cannot be read to its end is not believed: it may hide what it lists. */
static void
signature_lists_that_lie(void **state)
{
	(void)state;
	static const struct { size_t at; uint32_t value; } lies[] = { { 16, 27 }, { 16, 0xffffffffu }, { 16, 28 + 47 }, { 20, 1 }, { 20, 0xfffffff0u }, { 24, 0 }, { 24, 16 }, { 24, 47 } };
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		AI_BUF_AUTO v = AI_BUF(1u << 20);
		put_header(&b, only_sha256, "");
		put_hashes(&v, 2);
		for (int k = 0; k < 4; k++)
			v.data[lies[i].at + (size_t)k] = (char)(lies[i].value >> 8 * k);
		put_variable_event(&b, 7, DRIVER_CONFIG, "db", v.data, v.len);
		AI_JSON *f = facts_of(&b);
		says(f, 0, "believed", "false");
	}
	/* More than are listed: seen, and not passed off as all. */
	AI_BUF_AUTO b = AI_BUF(8u << 20);
	AI_BUF_AUTO v = AI_BUF(8u << 20);
	put_header(&b, only_sha256, "");
	put_hashes(&v, 16385);
	AI_BUF_AUTO data = AI_BUF(8u << 20);
	put_variable(&data, "dbx", v.data, v.len);
	put_event(&b, 7, DRIVER_CONFIG, data.data, data.len);
	AI_JSON *f = facts_of(&b);
	says(f, 0, "believed", "false");
	assert_int_equal(json_array_size(ai_json_arr(json_array_get(f, 0), "signatures")), 16384);
}

/* A certificate's subject, of one that is cut short anywhere none, and its hash in any case; shim leaves out the owner. */
static void
certificates(void **state)
{
	(void)state;
	static const char cn_a[] = "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "a", cn_b[] = "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "b";
	AI_BUF_AUTO tbs = AI_BUF(1000);
	AI_BUF_AUTO der = AI_BUF(1000);
	ai_buf_put(&tbs, "\xa0\x03\x02\x01\x02" "\x02\x01\x07" "\x30\x00", 10);
	ai_buf_put(&tbs, cn_a, 14);
	ai_buf_put(&tbs, "\x30\x00", 2);
	ai_buf_put(&tbs, cn_b, 14);
	char filler[300] = { 0 };
	ai_buf_put(&der, "\x30\x82\0\0" "\x30\x81", 6);
	ai_buf_putc(&der, (char)tbs.len);
	ai_buf_put(&der, tbs.data, tbs.len);
	ai_buf_put(&der, filler, sizeof filler);
	der.data[2] = (char)((der.len - 4) >> 8);
	der.data[3] = (char)((der.len - 4) & 0xff);
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	put_variable_event(&b, 7, AUTHORITY, "Shim", der.data, der.len);
	/* Each byte of its frame, changed. */
	for (size_t i = 4; i < 7 + tbs.len - 14; i++) {
		der.data[i] = (char)(der.data[i] ^ 0x40);
		put_variable_event(&b, 7, AUTHORITY, "Shim", der.data, der.len);
		der.data[i] = (char)(der.data[i] ^ 0x40);
	}
	AI_JSON *f = facts_of(&b);
	const json_t *first = json_array_get(ai_json_arr(json_array_get(f, 0), "signatures"), 0);
	assert_string_equal(ai_json_str(first, "subject"), "CN=b");
	assert_string_equal(ai_json_str(first, "type"), "x509");
	assert_null(ai_json_str(first, "owner"));
	size_t without = 0;
	for (size_t i = 0; i < json_array_size(f); i++) {
		const json_t *s = json_array_get(ai_json_arr(json_array_get(f, i), "signatures"), 0);
		assert_non_null(ai_json_str(s, "sha256"));
		without += !ai_json_str(s, "subject");
	}
	assert_true(without > 8);
}

static void
put_utf16(struct ai_buf *b, const char *s)
{
	do
		put16(b, (uint8_t)*s);
	while (*s++);
}

static void
images(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	AI_BUF_AUTO e = AI_BUF(1u << 10);
	AI_BUF_AUTO name = AI_BUF(1u << 10);
	put_utf16(&name, "\\EFI\\shimx64.efi");
	put64(&e, 1);
	put64(&e, 2);
	put64(&e, 0);
	put64(&e, 12 + 6 + 4 + name.len + 4);
	ai_buf_put(&e, "\2\1\14\0\xd0\x41\3\12\0\0\0\0", 12);
	ai_buf_put(&e, "\1\1\6\0\3\4", 6);
	ai_buf_put(&e, "\4\4", 2);
	put16(&e, (uint16_t)(4 + name.len));
	ai_buf_put(&e, name.data, name.len);
	ai_buf_put(&e, "\x7f\xff\4\0", 4);
	put_header(&b, only_sha256, "");
	put_event_of(&b, 4, APPLICATION, "code", 4, e.data, e.len);
	/* A node that says it is longer than the path, and one of no length, which would never end. */
	e.data[34] = (char)0xff;
	put_event_of(&b, 4, APPLICATION, "code", 4, e.data, e.len);
	e.data[34] = 0;
	put_event_of(&b, 4, APPLICATION, "code", 4, e.data, e.len);
	e.data[24 + 7] = (char)0xff;
	put_event_of(&b, 4, APPLICATION, "code", 4, e.data, e.len);
	AI_JSON *f = facts_of(&b);
	says(f, 0, "what", "image");
	says(f, 0, "path", "PciRoot(0x0)/Pci(0x4,0x3)/\\EFI\\shimx64.efi");
	says(f, 0, "believed", "true");
	says(f, 1, "path", "…");
	says(f, 2, "path", "…");
	says(f, 3, "path", "");
}

static void
boot_loaders(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	AI_BUF_AUTO w = AI_BUF(1u << 10);
	put_header(&b, only_sha256, "");
	put_event_of(&b, 8, IPL, "/vmlinuz ro", 11, "kernel_cmdline: /vmlinuz ro", 28);
	put_event_of(&b, 8, IPL, "set x=1", 7, "grub_cmd: set x=1", 18);
	put_event_of(&b, 8, IPL, "/vmlinuz ro", 11, "kernel_cmdline: /vmlinuz rw", 28);
	put_event_of(&b, 9, IPL, "the kernel's bytes", 18, "/vmlinuz", 9);
	put_event_of(&b, 14, IPL, "keys", 4, "MokList", 8);
	put_utf16(&w, "quiet ro");
	put_event(&b, 12, IPL, w.data, w.len);
	put_event_of(&b, 8, IPL, w.data, w.len, w.data, w.len - 1);
	ai_buf_clear(&w);
	put_utf16(&w, "Credentials initrd");
	put_event_of(&b, 12, IPL, "cpio", 4, w.data, w.len);
	put_event_of(&b, 9, EVENT_TAG, "bytes", 5, "\xec\x22\x3b\x8f\15\0\0\0Linux initrd", 21);
	put_event(&b, 12, EVENT_TAG, "\1\0\1\x40\1\0\0\0x", 9);
	put_event(&b, 12, EVENT_TAG, "\xec\x22\x3b\x8f\377\377\377\377x", 9);
	AI_JSON *f = facts_of(&b);
	static const char *const want[][4] = {
		{ "command-line", "true", "text", "/vmlinuz ro" }, { "loader", "true", "text", "set x=1" }, { "command-line", "false", "text", "/vmlinuz rw" },
		{ "file", "false", "name", "/vmlinuz" }, { "loader", "false", "text", "MokList" }, { "command-line", "true", "text", "quiet ro" },
		{ "command-line", "true", "text", "quiet ro" }, { "file", "false", "name", "Credentials initrd" }, { "file", "false", "name", "Linux initrd" },
		{ "other", "true", "tag", "0x40010001" }, { "other", "true", "tag", NULL },
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		says(f, i, "what", want[i][0]);
		says(f, i, "believed", want[i][1]);
		says(f, i, want[i][2], want[i][3]);
	}
	says(f, 0, "label", "kernel_cmdline");
	says(f, 1, "label", "grub_cmd");
}

static void
put_section(struct ai_buf *b, const char *logged, const void *hashed, size_t n)
{
	AI_BUF_AUTO w = AI_BUF(1u << 10);
	put_utf16(&w, logged);
	put_event_of(b, 11, IPL, hashed, n, w.data, w.len);
}

/* systemd-stub: name, content, name, content. What is called a section without its name before it is not believed. */
static void
uki_sections(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	put_section(&b, ".linux", ".linux", 7);
	put_section(&b, ".linux", "kernel", 6);
	put_section(&b, ".initrd", ".initrd", 8);
	/* A content that reads like a name is a content still. */
	put_section(&b, ".initrd", ".linux", 7);
	/* The attack: two contents, the second under another's label. */
	put_section(&b, ".cmdline", "evil", 4);
	put_section(&b, ".osrel", ".osrel", 7);
	put_section(&b, ".cmdline", "evil", 4);
	AI_JSON *f = facts_of(&b);
	static const char *const want[][3] = {
		{ ".linux", "name", "true" }, { ".linux", "content", "true" }, { ".initrd", "name", "true" }, { ".initrd", "content", "true" },
		{ ".cmdline", "name", "false" }, { ".osrel", "name", "true" }, { ".cmdline", "content", "false" },
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		says(f, i, "what", "uki-section");
		says(f, i, "section", want[i][0]);
		says(f, i, "of", want[i][1]);
		says(f, i, "believed", want[i][2]);
	}
}

/* No byte of a log reaches a reader as a control, and no two texts look the same. */
static void
texts(void **state)
{
	(void)state;
	static const struct { const char *data; size_t n; const char *text; } cases[] = {
		{ "plain", 5, "plain" }, { "a\033[31mb", 7, "a\\x1b[31mb" }, { "a\\x1bb", 6, "a\\x5cx1bb" }, { "\\EFI\\a", 6, "\\EFI\\a" }, { "\xc3\xa4", 2, "ä" },
		{ "a\xff\xfe z", 5, "a\\xff\\xfe z" }, { "a\0b", 3, "a\\x00b" }, { "a\x7f", 2, "a\\x7f" }, { "\xe2\x80\xae", 3, "\\xe2\\x80\\xae" }, { "a\xc2\x9bm", 4, "a\\xc2\\x9bm" },
		{ "a\xe2\x82", 3, "a\\xe2\\x82" }, { "\xf0\x9f\x98\x80", 4, "😀" }, { "\xef\xbf\xbf", 3, "\\xef\\xbf\\xbf" }, { "", 0, "" },
		/* As UTF-16: ä, a surrogate pair, half of one, a control. */
		{ "a\0\xe4\0", 4, "aä" }, { "a\0\x3d\xd8\0\xde", 6, "a😀" }, { "a\0\x3d\xd8z\0", 6, "a\\xd8\\x3dz" }, { "a\0\x1b\0", 4, "a\\x1b" }, { "a\0\x2e\x20", 4, "a\\x20\\x2e" },
		{ "a\0\x40\xdb\x41\xdc", 6, "a\\x40\\xdb\\x41\\xdc" },
	};
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		put_event(&b, 4, EFI_ACTION, cases[i].data, cases[i].n);
	AI_JSON *f = facts_of(&b);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		says(f, i, "text", cases[i].text);
}

static void
gpt(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	char table[100 + 128] = "EFI PART";
	memset(table + 56, 0x11, 16);
	table[92] = 1;
	put_header(&b, only_sha256, "");
	put_event(&b, 5, GPT_EVENT, table, sizeof table);
	table[99] = 1;
	put_event(&b, 5, GPT_EVENT, table, sizeof table);
	put_event(&b, 5, GPT_EVENT, table, 20);
	AI_JSON *f = facts_of(&b);
	says(f, 0, "disk", "11111111-1111-1111-1111-111111111111");
	says(f, 0, "partitions", "1");
	says(f, 0, "believed", "true");
	says(f, 1, "believed", "false");
	says(f, 2, "believed", "false");
}

/* The faults of a log must be these words' and no others. */
static void
faulty(const struct ai_buf *b, size_t n, const char *words)
{
	struct ai_eventlog log;
	AI_JSON *faults = NULL;
	ok(parse_log(b, false, &log, &err));
	ok(ai_eventlog_rules(&log, &faults, &err));
	ai_eventlog_done(&log);
	if (json_array_size(faults) != n) {
		AI_FREE char *text = json_dumps(faults, 0);
		fail_msg("got %s, expected %zu", text, n);
	}
	for (size_t i = 0; i < n; i++)
		if (strstr(json_string_value(json_array_get(faults, i)), words))
			return;
	if (n)
		fail_msg("'%s' is not among the faults", words);
}

static void
rules(void **state)
{
	(void)state;
	AI_BUF_AUTO good = AI_BUF(1u << 20);
	put_good_log(&good);
	faulty(&good, 0, "");
	static const struct { uint32_t pcr, type; const char *data; size_t n; size_t faults; const char *words; } more[] = {
		{ 4, SEPARATOR, "\0\0\0\0", 4, 1, "PCR 4: 2 separators, expected exactly 1" },
		{ 4, SEPARATOR, "\1\0\0\0", 4, 2, "firmware met an error" },
		{ 4, SEPARATOR, "abcd", 4, 2, "whose digest is no separator's" },
		{ 4, EFI_ACTION, "\0\0\0\0", 4, 1, "EV_EFI_ACTION with a separator's digest" },
		{ 0, IPL, "x", 1, 1, "PCR 0: event 13: EV_IPL, which the profile does not allow there" },
		{ 7, EFI_ACTION, "DMA Protection Disabled", 23, 0, "" },
		{ 7, EFI_ACTION, "a\033b", 3, 1, "its data is no text" },
		{ 7, 0x0badbeef, "x", 1, 1, "0x0badbeef, which the profile does not allow" },
		{ 7, DRIVER_CONFIG, "x", 1, 2, "its data is no variable" },
		{ 2, APPLICATION, "x", 1, 0, "" }, { 9, 0x0badbeef, "x", 1, 0, "" },
		{ 0, 0x80000010u, "HCRTM", 5, 1, "EV_EFI_HCRTM_EVENT is not the first" },
		{ 0, NO_ACTION, "StartupLocality\0\3", 17, 1, "StartupLocality after" },
	};
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		AI_BUF_AUTO b = AI_BUF(1u << 20);
		put_good_log(&b);
		put_event(&b, more[i].pcr, more[i].type, more[i].data, more[i].n);
		faulty(&b, more[i].faults, more[i].words);
	}
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_good_log(&b);
	put_event_of(&b, 0, NO_ACTION, "x", 1, "y", 1);
	faulty(&b, 1, "EV_NO_ACTION with a digest");
	/* The attack: Secure Boot was off, then an image extends what firmware would have with it on. */
	ai_buf_clear(&b);
	put_good_log(&b);
	put_variable_event(&b, 7, DRIVER_CONFIG, "SecureBoot", "\1", 1);
	faulty(&b, 2, "after the separator");
	/* Or hides the one that says off under a type that nobody reads. */
	ai_buf_clear(&b);
	put_good_log(&b);
	put_variable_event(&b, 7, EFI_ACTION, "SecureBoot", "\0", 1);
	faulty(&b, 1, "its data is no text");
	/* Or shows other data than what was hashed. */
	ai_buf_clear(&b);
	put_good_log(&b);
	put_event_of(&b, 7, EFI_ACTION, "secret", 6, "harmless", 8);
	faulty(&b, 1, "its data is not what was hashed");
	ai_buf_clear(&b);
	put_header(&b, only_sha256, "");
	faulty(&b, 10, "ExitBootServices");
}

/* Even a log that is nothing but faults has a report of bounded length. */
static void
rules_are_bounded(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(8u << 20);
	put_header(&b, only_sha256, "");
	for (int i = 0; i < 2000; i++)
		put_event(&b, 3, 0x0badbeef, "x", 1);
	faulty(&b, 200, "more faults than are listed here");
}

static void
explained(const struct ai_buf *b, unsigned pcr, const uint8_t known[32], const char *words)
{
	struct ai_eventlog log;
	struct ai_pcr_value v = { .n = 32 };
	AI_BUF_AUTO said = AI_BUF(1024);
	memcpy(v.b, known, 32);
	struct ai_err failure = { 0 };
	ok(parse_log(b, false, &log, &err));
	assert_int_equal(ai_eventlog_explain(&log, AI_BANK_SHA256, pcr, &v, &said, &failure), words ? 1 : 0);
	if (words && !strstr(said.data, words))
		fail_msg("got '%s', expected '%s'", said.data, words);
	ai_eventlog_done(&log);
}

static void
extend(uint8_t pcr[32], const void *data, size_t n)
{
	uint8_t both[64];
	memcpy(both, pcr, 32);
	assert_int_equal(EVP_Digest(data, n, both + 32, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(EVP_Digest(both, 64, pcr, NULL, EVP_sha256(), NULL), 1);
}

static void
explains_differences(void **state)
{
	(void)state;
	uint8_t pcr5[32] = { 0 }, pcr0[32] = { [31] = 3 }, pcr4[32] = { 0 }, other[32] = { 9 }, zeros[32] = { 0 };
	AI_BUF_AUTO b = AI_BUF(1u << 20);
	put_header(&b, only_sha256, "");
	put_text_event(&b, 0, 8, "v");
	put_text_event(&b, 5, EFI_ACTION, "a");
	put_text_event(&b, 4, EFI_ACTION, "a");
	put_text_event(&b, 4, EFI_ACTION, "b");
	extend(pcr5, "a", 1);
	extend(pcr5, "Exit Boot Services Invocation", 29);
	extend(pcr5, "Exit Boot Services Returned with Success", 40);
	extend(pcr0, "v", 1);
	extend(pcr4, "a", 1);
	explained(&b, 5, pcr5, "ExitBootServices");
	explained(&b, 0, pcr0, "locality 3");
	explained(&b, 4, pcr4, "up to event 2");
	explained(&b, 4, zeros, "nothing was extended");
	explained(&b, 4, other, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firmware), cmocka_unit_test(variables), cmocka_unit_test(signature_lists_that_lie), cmocka_unit_test(certificates), cmocka_unit_test(images),
		cmocka_unit_test(boot_loaders), cmocka_unit_test(uki_sections), cmocka_unit_test(texts), cmocka_unit_test(gpt), cmocka_unit_test(rules),
		cmocka_unit_test(rules_are_bounded), cmocka_unit_test(explains_differences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
