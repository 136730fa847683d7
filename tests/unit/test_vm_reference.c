/*
 * test_vm_reference.c -- what a UKI's bytes say that it will measure, against a machine that booted one (tests/vm/data: its log, and what
 * `aicert vm reference --json` said of the runner beforehand); and every deviation from that boot, refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_help.h"

#include "fake_cert.h"
#include "pe_bytes.h"
#include "vm/uki/reference.h"

static void
extended(struct ai_digest *pcr, const void *p, size_t n)
{
	struct ai_digest d;
	ai_sha256(p, n, &d);
	ai_sha256_pair(pcr, &d, pcr);
}

/* --- a UKI made by hand ------------------------------------------------------- */

static void
test_computed(void **state)
{
	(void)state;
	struct ai_reference r;
	struct ai_digest pcr9 = { 0 }, pcr11 = { 0 }, disk = { 0 }, direct = { 0 }, separator;
	AI_BUF_AUTO uki = AI_BUF(1 << 20);
	AI_BUF_AUTO kernel = AI_BUF(1 << 20);
	pe_uki(&uki, "quiet", "initrd");
	pe_make(&kernel, "the kernel's code");
	ok(ai_reference_compute(uki.data, uki.len, &r, &err));
	assert_string_equal(r.command_line, "quiet");
	extended(&pcr9, "q\0u\0i\0e\0t\0\0", 12);
	extended(&pcr9, "initrd", 6);
	assert_true(ai_digest_eq(&r.pcr9, &pcr9));
	extended(&pcr11, ".linux", 7);
	extended(&pcr11, kernel.data, kernel.len);
	extended(&pcr11, ".osrel", 7);
	extended(&pcr11, "ID=test\n", 8);
	extended(&pcr11, ".cmdline", 9);
	extended(&pcr11, "quiet", 5);
	extended(&pcr11, ".initrd", 8);
	extended(&pcr11, "initrd", 6);
	assert_true(ai_digest_eq(&r.pcr11, &pcr11));
	ai_sha256("\0\0\0", 4, &separator);
	extended(&disk, "Calling EFI Application from Boot Option", 40);
	ai_sha256_pair(&disk, &separator, &disk);
	ai_sha256_pair(&disk, &r.uki, &disk);
	ai_sha256_pair(&disk, &r.kernel, &disk);
	assert_true(ai_digest_eq(&r.pcr4, &disk));
	ai_sha256_pair(&direct, &r.uki, &direct);
	extended(&direct, "Calling EFI Application from Boot Option", 40);
	ai_sha256_pair(&direct, &separator, &direct);
	ai_sha256_pair(&direct, &r.kernel, &direct);
	assert_true(ai_digest_eq(&r.pcr4_direct, &direct));
	ai_reference_done(&r);
}

/* A UKI of a stub and these sections; kernel: whether there is one. */
static void
refuse(const char *words, const char *magic, const struct ai_pe_add *add, size_t n, bool kernel)
{
	struct ai_pe pe;
	struct ai_reference r;
	AI_BUF_AUTO stub = AI_BUF(1 << 20);
	AI_BUF_AUTO linux_ = AI_BUF(1 << 20);
	AI_BUF_AUTO uki = AI_BUF(1 << 20);
	struct ai_pe_add all[8];
	pe_make(&stub, "stub");
	if (magic)
		pe_add(&stub, ".sdmagic", magic, strlen(magic));
	pe_make(&linux_, "kernel");
	memcpy(all, add, n * sizeof *add);
	all[n] = (struct ai_pe_add){ ".linux", linux_.data, linux_.len };
	ok(ai_pe_parse(stub.data, stub.len, &pe, &err));
	ok(ai_pe_append(&pe, all, n + kernel, &uki, &err));
	refused(AI_EINPUT, words, ai_reference_compute(uki.data, uki.len, &r, &err));
}

static void
test_not_a_runner(void **state)
{
	(void)state;
	static const char v252[] = "#### LoaderInfo: systemd-stub 252.1 ####";
	const struct ai_pe_add good[] = { { ".cmdline", "quiet", 5 }, { ".initrd", "i", 1 } }, spaced[] = { { ".cmdline", "quiet ", 6 }, { ".initrd", "i", 1 } },
		wide[] = { { ".cmdline", "qui\xc3\xa9t", 6 }, { ".initrd", "i", 1 } };
	struct ai_reference r;
	refuse("no section '.sdmagic'", NULL, good, 2, true);
	refuse("not that of systemd-stub 252", "#### LoaderInfo: systemd-stub 253.1 ####", good, 2, true);
	refuse("not that of systemd-stub 252", "#### LoaderInfo: systemd-stub 2520 ####", good, 2, true);
	refuse("no section '.linux'", v252, good, 2, false);
	refuse("no section '.initrd'", v252, good, 1, true);
	refuse("no section '.cmdline'", v252, good + 1, 1, true);
	refuse("expected printable ASCII", v252, spaced, 2, true);
	refuse("expected printable ASCII", v252, wide, 2, true);
	refused(AI_EINPUT, "do not begin as an image does", ai_reference_compute("x", 1, &r, &err));
}

/* The stub would take one of two sections; which, is nobody's intention. */
static void
test_section_twice(void **state)
{
	(void)state;
	struct ai_reference r;
	AI_BUF_AUTO uki = AI_BUF(1 << 20);
	pe_uki(&uki, "quiet", "initrd");
	memcpy(uki.data + PE_SECTIONS_AT + 40 * 4, ".initrd", 8);        /* was .uname */
	refused(AI_EINPUT, "'.initrd' is there 2 times", ai_reference_compute(uki.data, uki.len, &r, &err));
	memcpy(uki.data + PE_SECTIONS_AT + 40 * 4, ".uname\0", 8);
	pe_set(&uki, PE_SECTIONS_AT + 40 * 2 + 8, PE_ALIGN + 1, 4);       /* .osrel: zeros in memory beyond the file's */
	pe_set(&uki, PE_SECTIONS_AT + 40 * 2 + 12, 0x20000, 4);
	pe_set(&uki, PE_OPT + 56, 0x30000, 4);
	refused(AI_EINPUT, "'.osrel': got 513 bytes in memory of 512", ai_reference_compute(uki.data, uki.len, &r, &err));
}

/* --- a machine that booted ------------------------------------------------------ */

static struct ai_buf real_log;
static struct ai_reference real;

static void
digest_of(const json_t *o, const char *key, struct ai_digest *out)
{
	assert_true(ai_json_digest(o, key, out));
}

static int
setup(void **state)
{
	(void)state;
	AI_BUF_AUTO text = AI_BUF(1 << 20);
	AI_JSON *j = NULL;
	real_log = AI_BUF(AI_MAX_BOOT_LOG);
	ok(ai_read_file(-100, "tests/vm/data/qemu-boot.log", &real_log, &err));
	ok(ai_read_file(-100, "tests/vm/data/qemu-boot.json", &text, &err));
	ok(ai_json_parse(text.data, text.len, "qemu-boot.json", &j, &err));
	digest_of(j, "uki", &real.uki);
	digest_of(j, "kernel", &real.kernel);
	digest_of(j, "pcr4_direct", &real.pcr4_direct);
	digest_of(json_object_get(j, "pcrs"), "4", &real.pcr4);
	digest_of(json_object_get(j, "pcrs"), "9", &real.pcr9);
	digest_of(json_object_get(j, "pcrs"), "11", &real.pcr11);
	real.sections = json_incref(json_object_get(j, "sections"));
	real.files = json_incref(json_object_get(j, "files"));
	real.command_line = ai_strdup(ai_json_str(j, "command_line"));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ai_buf_done(&real_log);
	ai_reference_done(&real);
	return 0;
}

static void
policy_for(const char *machine, const json_t *firmware, struct ai_buf *out)
{
	*out = AI_BUF(1 << 20);
	ok(ai_reference_policy(&real, machine, firmware, NULL, NULL, out, &err));
}

static void
test_predicted(void **state)
{
	(void)state;
	struct ai_evidence e;
	AI_BUF_AUTO policy = AI_BUF(1);
	quote_log(real_log.data, real_log.len, &e);
	assert_true(ai_digest_eq(&e.pcrs[4], &real.pcr4_direct));
	assert_true(ai_digest_eq(&e.pcrs[9], &real.pcr9));
	assert_true(ai_digest_eq(&e.pcrs[11], &real.pcr11));
	policy_for("qemu", NULL, &policy);
	judge_with(policy.data, &e, NULL);
	ai_buf_done(&e.boot_log);
}

/* 1 good, 0 refused. */
static int
judged(const struct ai_policy *p, const void *log, size_t n)
{
	struct ai_evidence e;
	struct ai_err err = { 0 };
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	quote_log(log, n, &e);
	int r = ai_policy_judge_boot(p, &e, &said, &err);
	ai_buf_done(&e.boot_log);
	if (r < 0 && r != AI_ENO)
		fail_msg("got %d '%s'", r, err.text);
	return r == 0;
}

static int
bank_at(const struct ai_eventlog *log)
{
	for (size_t i = 0; i < log->n_banks; i++)
		if (log->banks[i] == AI_BANK_SHA256)
			return (int)i;
	fail_msg("the log has no SHA-256 bank");
	return -1;
}

/* Each event with another digest, and each left out: what is quoted then is what the log gives, and the policy sees it. */
static void
test_every_event_counts(void **state)
{
	(void)state;
	struct ai_eventlog log;
	size_t optional = 0;
	AI_BUF_AUTO policy = AI_BUF(1);
	AI_BUF_AUTO changed = AI_BUF(AI_MAX_BOOT_LOG);
	policy_for("qemu", NULL, &policy);
	struct ai_policy *p = policy_of(policy.data);
	ok(ai_eventlog_parse((const uint8_t *)real_log.data, real_log.len, false, &log, &err));
	assert_int_equal(log.n, 33);
	for (size_t i = 0; i < log.n; i++) {
		const struct ai_event *e = &log.events[i];
		size_t digest = (size_t)(e->digests[bank_at(&log)] - (const uint8_t *)real_log.data), end = i + 1 < log.n ? log.events[i + 1].at : real_log.len;
		ai_buf_clear(&changed);
		ai_buf_put(&changed, real_log.data, real_log.len);
		changed.data[digest] ^= 1;
		assert_int_equal(judged(p, changed.data, changed.len), 0);
		ai_buf_clear(&changed);
		ai_buf_put(&changed, real_log.data, e->at);
		ai_buf_put(&changed, real_log.data + end, real_log.len - end);
		/* A firmware that is left before it says so, or has fewer boot variables, boots the same. */
		bool may_lack = (e->pcr == 5 && e->type == ACTION) || (e->pcr == 1 && e->type == VARIABLE_BOOT);
		assert_int_equal(judged(p, changed.data, changed.len), may_lack);
		optional += may_lack;
	}
	assert_int_equal(optional, 4);
	ai_eventlog_done(&log);
	ai_policy_free(p);
}

/* One event more, whatever it says, in each PCR that a log can speak of. */
static void
test_nothing_beside(void **state)
{
	(void)state;
	static const struct { uint32_t type; const char *data; } more[] = { { IPL, "loader" }, { ACTION, "an action" }, { APPLICATION, "an image" }, { DRIVER, "a driver" },
		{ EVENT_TAG, "tagged event data" }, { VARIABLE_BOOT, "a variable" }, { SEPARATOR, "\1\1\1" } };
	AI_BUF_AUTO policy = AI_BUF(1);
	AI_BUF_AUTO changed = AI_BUF(AI_MAX_BOOT_LOG);
	policy_for("qemu", NULL, &policy);
	struct ai_policy *p = policy_of(policy.data);
	for (uint32_t pcr = 0; pcr < 15; pcr++)
		for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
			/* In a bank of SHA-256 alone an event of the same log: the others' digests are zeros. */
			static const struct { uint16_t bank; size_t n; } banks[] = { { 4, 20 }, { 0xb, 32 }, { 0xc, 48 }, { 0xd, 64 } };
			ai_buf_clear(&changed);
			ai_buf_put(&changed, real_log.data, real_log.len);
			put_le(&changed, pcr, 4);
			put_le(&changed, more[k].type, 4);
			put_le(&changed, 4, 4);
			for (size_t b = 0; b < 4; b++) {
				struct ai_digest d;
				ai_sha256(more[k].data, strlen(more[k].data), &d);
				put_le(&changed, banks[b].bank, 2);
				ai_buf_put(&changed, d.b, banks[b].n < 32 ? banks[b].n : 32);
				for (size_t i = 32; i < banks[b].n; i++)
					ai_buf_putc(&changed, 0);
			}
			put_le(&changed, strlen(more[k].data), 4);
			ai_buf_puts(&changed, more[k].data);
			assert_int_equal(judged(p, changed.data, changed.len), 0);
		}
	ai_policy_free(p);
}

/* Boots that go another way, each refused by what differs. */
static void
test_other_reference(void **state)
{
	(void)state;
	struct ai_evidence e;
	struct ai_reference other = real;
	AI_BUF_AUTO policy = AI_BUF(1 << 20);
	quote_log(real_log.data, real_log.len, &e);
	other.pcr9.b[0] ^= 1;
	ok(ai_reference_policy(&other, "qemu", NULL, NULL, NULL, &policy, &err));
	judge_with(policy.data, &e, "PCR 9");
	ai_buf_clear(&policy);
	other = real;
	other.pcr4_direct.b[0] ^= 1;
	ok(ai_reference_policy(&other, "qemu", NULL, NULL, NULL, &policy, &err));
	judge_with(policy.data, &e, "PCR 4");
	ai_buf_clear(&policy);
	other = real;
	char *line = ai_strdup("console=ttyS0");
	other.command_line = line;                      /* a kernel that starts IMA */
	ok(ai_reference_policy(&other, "qemu", NULL, NULL, NULL, &policy, &err));
	assert_non_null(strstr(policy.data, "10: boot-aggregate"));
	judge_with(policy.data, &e, "PCR 10");
	AI_JSON *builds = json_pack("[{s:s, s:{s:[s]}}]", "name", "another firmware", "pcrs", "0", hex_of("firmware"));
	ai_buf_clear(&policy);
	ok(ai_reference_policy(&real, "qemu", builds, NULL, NULL, &policy, &err));
	judge_with(policy.data, &e, "PCR 0");
	free(line);
	ai_buf_done(&e.boot_log);
}

/* --- policies ------------------------------------------------------------------------ */

static void
test_clouds(void **state)
{
	(void)state;
	ai_level level;
	AI_BUF_AUTO gcp = AI_BUF(1);
	policy_for("gcp", NULL, &gcp);
	struct ai_policy *p = policy_of(gcp.data);
	assert_true(ai_policy_authority(p, "gcp"));
	assert_false(ai_policy_authority(p, "azure"));
	assert_true(ai_policy_require(p, &level));
	assert_int_equal(level, AI_LEVEL_MEASURED_PLATFORM);
	ai_policy_free(p);
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	refused(AI_EUSAGE, "no build of machine 'azure' is known", ai_reference_policy(&real, "azure", NULL, NULL, NULL, &out, &err));
	refused(AI_EUSAGE, "got 'xen', expected qemu, azure or gcp", ai_reference_policy(&real, "xen", NULL, NULL, NULL, &out, &err));
	AI_JSON *builds = json_pack("[{s:s, s:{s:[s], s:[s]}}]", "name", "from a machine of mine", "pcrs", "0", hex_of("0"), "1", hex_of("1"));
	ok(ai_reference_policy(&real, "azure", builds, NULL, NULL, &out, &err));
	p = policy_of(out.data);
	assert_true(ai_policy_authority(p, "azure"));
	ai_policy_free(p);
}

/* A machine of Google's that booted this: its firmware's events as published, the rest as `pcr4` and the kernel have it. */
static void
test_google_boot(void **state)
{
	(void)state;
	struct boot b = { 0 };
	static const char version[] = "G\0C\0E\0 \0V\0i\0r\0t\0u\0a\0l\0 \0F\0i\0r\0m\0w\0a\0r\0e\0 \0v\0" "1\0\0";
	static const char nonhost[32] = "GCE NonHostInfo";
	static const char gpt[92 + 8] = "EFI PART";
	struct ai_evidence e;
	AI_BUF_AUTO policy = AI_BUF(1 << 20);
	struct ai_reference r = { .sections = json_array(), .files = json_array(), .command_line = ai_strdup("initcall_blacklist=init_ima") };
	ai_sha256("uki", 3, &r.uki);
	ai_sha256("kernel", 6, &r.kernel);
	extended(&r.pcr9, "line", 4);
	extended(&r.pcr9, "initrd", 6);
	extended(&r.pcr11, ".linux", 7);
	extended(&r.pcr11, "kernel", 6);
	ok(json_array_append_new(r.files, json_pack("{s:s, s:s}", "what", "load options", "sha256", hex_of("line"))));
	ok(json_array_append_new(r.files, json_pack("{s:s, s:s}", "what", "initrd", "sha256", hex_of("initrd"))));
	ok(json_array_append_new(r.sections, json_pack("{s:s, s:s}", "name", ".linux", "sha256", hex_of("kernel"))));
	add_event(&b, 0, CRTM_VERSION, version, sizeof version, NULL);
	add_event(&b, 0, 0x11, nonhost, sizeof nonhost, NULL);
	add_variable(&b, 7, VARIABLE, guid_global, "SecureBoot", "\0", 1);
	add_key_variable(&b, guid_global, "PK", "pk");
	add_key_variable(&b, guid_global, "KEK", "kek");
	add_key_variable(&b, guid_security, "db", "db key");
	add_key_variable(&b, guid_security, "dbx", "bad image");
	add_separator(&b, 7);
	add_variable(&b, 1, VARIABLE_BOOT, guid_global, "BootOrder", "\1\0", 2);
	add_variable(&b, 1, VARIABLE_BOOT, guid_global, "Boot0001", "load option", 11);
	add_text(&b, 4, ACTION, "Calling EFI Application from Boot Option", NULL);
	for (uint32_t pcr = 0; pcr < 7; pcr++)
		add_separator(&b, pcr);
	add_event(&b, 5, GPT, gpt, sizeof gpt, NULL);
	add_text(&b, 4, APPLICATION, "image load event", "uki");
	add_section(&b, ".linux", "kernel");
	add_text(&b, 4, APPLICATION, "image load event", "kernel");
	add_text(&b, 9, EVENT_TAG, "tagged event data", "line");
	add_text(&b, 9, EVENT_TAG, "tagged event data", "initrd");
	ok(ai_reference_policy(&r, "gcp", NULL, NULL, NULL, &policy, &err));
	quote_boot(&b, &e);
	judge_with(policy.data, &e, NULL);
	ai_buf_done(&e.boot_log);
	/* An option ROM of a device. */
	add_text(&b, 2, DRIVER, "image load event", "rom");
	quote_boot(&b, &e);
	judge_with(policy.data, &e, "PCR 2");
	ai_buf_done(&e.boot_log);
	b.n--;
	ai_buf_done(&b.events[b.n].data);
	/* A boot manager in between. */
	struct made_event *image = &b.events[event_at(&b, 4, APPLICATION, 0)];
	image->hashed = "a boot manager";
	quote_boot(&b, &e);
	judge_with(policy.data, &e, "PCR 4");
	ai_buf_done(&e.boot_log);
	boot_free(&b);
	ai_reference_done(&r);
}

static void
test_operator(void **state)
{
	(void)state;
	ai_level level;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const struct fake_cert c = { .subject = "Operator CA", .issuer = "Operator CA", .key = key, .signer = key, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign" };
	AI_BUF_AUTO der = AI_BUF(1 << 16);
	AI_BUF_AUTO pem = AI_BUF(1 << 16);
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	fake_cert_der(&c, &der);
	ai_buf_puts(&pem, "-----BEGIN CERTIFICATE-----\n");
	ai_b64_put(&pem, der.data, der.len);
	ai_buf_puts(&pem, "\n-----END CERTIFICATE-----\n");
	ok(ai_reference_policy(&real, "qemu", NULL, "Hosting: \"us\" # and co", pem.data, &out, &err));
	struct ai_policy *p = policy_of(out.data);
	assert_true(ai_policy_authority(p, "Hosting: \"us\" # and co"));
	assert_true(ai_policy_require(p, &level));
	assert_int_equal(level, AI_LEVEL_MEASURED_PLATFORM);
	ai_policy_free(p);
	ai_buf_clear(&out);
	/* Nobody but the builder: software. */
	ok(ai_reference_policy(&real, "qemu", NULL, NULL, NULL, &out, &err));
	p = policy_of(out.data);
	assert_true(ai_policy_require(p, &level));
	assert_int_equal(level, AI_LEVEL_SOFTWARE);
	ai_policy_free(p);
	/* A name that speaks of somebody else's roots. */
	refused(AI_EUSAGE, "got 'azure', which is the cloud's", ai_reference_policy(&real, "qemu", NULL, "azure", pem.data, &out, &err));
	refused(AI_EUSAGE, "got 'gcp', which is the cloud's", ai_reference_policy(&real, "gcp", NULL, "gcp", pem.data, &out, &err));
	refused(AI_EUSAGE, "got only the authority", ai_reference_policy(&real, "qemu", NULL, "us", NULL, &out, &err));
	refused(AI_EUSAGE, "got only the root", ai_reference_policy(&real, "qemu", NULL, NULL, pem.data, &out, &err));
	EVP_PKEY_free(key);
}

static void
refuse_builds(const char *words, json_t *builds)
{
	AI_BUF_AUTO out = AI_BUF(1 << 20);
	refused(AI_EUSAGE, words, ai_reference_policy(&real, "qemu", builds, NULL, NULL, &out, &err));
	assert_int_equal(out.len, 0);
	json_decref(builds);
}

static void
test_firmware_refused(void **state)
{
	(void)state;
	refuse_builds("no build of machine 'qemu' is known", json_array());
	refuse_builds("expected {\"name\"", json_pack("[{s:s}]", "name", "x"));
	refuse_builds("expected {\"name\"", json_pack("[s]", "x"));
	/* What ends a comment in YAML, and would put what follows into the policy. */
	static const char *const ends[] = { "x\nrequire: unsigned", "x\rrequire: unsigned", "x\xc2\x85require: unsigned", "x\xe2\x80\xa8    - 00", "x\xe2\x80\xa9    - 00" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		refuse_builds("its name: got byte 0x", json_pack("[{s:s, s:{s:[s]}}]", "name", ends[i], "pcrs", "0", hex_of("0")));
	refuse_builds("and nothing else", json_pack("[{s:s, s:{s:[s]}, s:s}]", "name", "x", "pcrs", "0", hex_of("0"), "require", "unsigned"));
	refuse_builds("no value of PCR 0", json_pack("[{s:s, s:{s:[s]}}]", "name", "x", "pcrs", "1", hex_of("0")));
	refuse_builds("expected a list of values", json_pack("[{s:s, s:{s:[]}}]", "name", "x", "pcrs", "0"));
	refuse_builds("expected a list of values", json_pack("[{s:s, s:{s:s}}]", "name", "x", "pcrs", "0", hex_of("0")));
	refuse_builds("expected 64 hex digits", json_pack("[{s:s, s:{s:[s]}}]", "name", "x", "pcrs", "0", "12"));
	refuse_builds("expected 64 hex digits", json_pack("[{s:s, s:{s:[s]}}]", "name", "x", "pcrs", "0", "*"));
	/* An unmeasured firmware, as one that is known. */
	static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
	refuse_builds("measures nothing", json_pack("[{s:s, s:{s:[s, s]}}]", "name", "x", "pcrs", "0", hex_of("0"), zeros));
	refuse_builds("measures nothing", json_pack("[{s:s, s:{s:[s], s:[s]}}]", "name", "x", "pcrs", "0", hex_of("0"), "7", zeros));
	/* Two rows, of which a machine could have one half each. */
	refuse_builds("PCR 7: 'x' and 'y' have different values", json_pack("[{s:s, s:{s:[s], s:[s]}}, {s:s, s:{s:[s], s:[s]}}]", "name", "x", "pcrs", "0", hex_of("0"), "7",
		hex_of("7"), "name", "y", "pcrs", "0", hex_of("1"), "7", hex_of("8")));
	refuse_builds("got PCR '4'", json_pack("[{s:s, s:{s:[s], s:[s]}}]", "name", "x", "pcrs", "0", hex_of("0"), "4", hex_of("4")));
	refuse_builds("got PCR '10'", json_pack("[{s:s, s:{s:[s], s:[s]}}]", "name", "x", "pcrs", "0", hex_of("0"), "10", hex_of("4")));
	refuse_builds("1 of 2 builds have values", json_pack("[{s:s, s:{s:[s], s:[s]}}, {s:s, s:{s:[s]}}]", "name", "x", "pcrs", "0", hex_of("0"), "1",
		hex_of("1"), "name", "y", "pcrs", "0", hex_of("2")));
}

static void
test_known_builds(void **state)
{
	(void)state;
	struct ai_digest image = { { 0 } };
	AI_JSON *all = NULL, *none = NULL;
	ok(ai_reference_firmware("qemu", NULL, &all, &err));
	assert_int_equal(json_array_size(all), 2);
	ok(ai_reference_firmware("qemu", &image, &none, &err));
	assert_int_equal(json_array_size(none), 0);
	AI_JSON *one = NULL;
	assert_true(ai_unhex("b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c", &image));
	ok(ai_reference_firmware("qemu", &image, &one, &err));
	assert_true(json_equal(all, one));
	AI_JSON *unused = NULL;
	refused(AI_EUSAGE, "got 'xen'", ai_reference_firmware("xen", NULL, &unused, &err));
}

static void
test_shape(void **state)
{
	(void)state;
	static const struct { uint64_t mib, want; unsigned cpus, n; } shapes[] = { { 1, 1024, 0, 1 }, { 1024, 1024, 1, 1 }, { 1025, 2048, 2, 2 }, { 2049, 3072, 3, 4 },
		{ 3072, 3072, 5, 8 }, { 5000, 5000, 33, 64 }, { 300000, 300000, 65, 65 } };
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		uint64_t memory = shapes[i].mib << 20;
		unsigned cpus = shapes[i].cpus;
		ai_reference_shape(&memory, &cpus);
		assert_int_equal(memory >> 20, shapes[i].want);
		assert_int_equal(cpus, shapes[i].n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_computed), cmocka_unit_test(test_not_a_runner), cmocka_unit_test(test_section_twice),
		cmocka_unit_test(test_predicted), cmocka_unit_test(test_every_event_counts), cmocka_unit_test(test_nothing_beside), cmocka_unit_test(test_other_reference),
		cmocka_unit_test(test_clouds), cmocka_unit_test(test_google_boot), cmocka_unit_test(test_operator), cmocka_unit_test(test_firmware_refused),
		cmocka_unit_test(test_known_builds), cmocka_unit_test(test_shape) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
