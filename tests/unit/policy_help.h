/*
 * policy_help.h -- a measured boot made by hand: its log, the PCRs that it leaves, and a policy in front of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_HELP_H
#define POLICY_HELP_H

#include "unit.h"

#include "attest/eventlog/eventlog.h"
#include "base/fs.h"
#include "base/hash.h"
#include "proof/check.h"
#include "proof/policy/policy.h"

/* TCG PC Client Platform Firmware Profile, table of event types. */
enum { NO_ACTION = 3, SEPARATOR = 4, EVENT_TAG = 6, CRTM_VERSION = 8, IPL = 0xd };
#define VARIABLE 0x80000001u
#define VARIABLE_BOOT 0x80000002u
#define APPLICATION 0x80000003u
#define DRIVER 0x80000004u
#define GPT 0x80000006u
#define ACTION 0x80000007u
#define AUTHORITY 0x800000e0u

/* One event: its data, and what was hashed (NULL: the data). */
struct made_event { uint32_t pcr, type; struct ai_buf data; const char *hashed; };

struct boot { struct made_event events[64]; size_t n; };

static const uint8_t guid_global[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
static const uint8_t guid_security[16] = { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f };
static const uint8_t guid_sha256[16] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };

static inline void
put_le(struct ai_buf *b, uint64_t v, size_t n)
{
	for (; n > 0; n--, v >>= 8)
		ai_buf_putc(b, (char)(v & 0xff));
}

/* The SHA-256 of a text, in hex; of the last sixteen asked for. */
static inline const char *
hex_of(const char *text)
{
	static char ring[16][AI_HEX];
	static size_t at;
	struct ai_digest d;
	char *to = ring[at++ % 16];
	ai_sha256(text, strlen(text), &d);
	ai_hex(&d, to);
	return to;
}

static inline struct made_event *
insert_event(struct boot *b, size_t at, uint32_t pcr, uint32_t type, const void *data, size_t len, const char *hashed)
{
	assert_true(b->n < 64 && at <= b->n);
	memmove(&b->events[at + 1], &b->events[at], (b->n - at) * sizeof b->events[0]);
	b->n++;
	b->events[at] = (struct made_event){ pcr, type, AI_BUF(1 << 16), hashed };
	ai_buf_put(&b->events[at].data, data, len);
	return &b->events[at];
}

static inline struct made_event *
add_event(struct boot *b, uint32_t pcr, uint32_t type, const void *data, size_t len, const char *hashed)
{
	return insert_event(b, b->n, pcr, type, data, len, hashed);
}

static inline void
add_text(struct boot *b, uint32_t pcr, uint32_t type, const char *text, const char *hashed)
{
	add_event(b, pcr, type, text, strlen(text), hashed);
}

static inline void
put_variable(struct ai_buf *to, const uint8_t guid[16], const char *name, const void *value, size_t len)
{
	ai_buf_put(to, guid, 16);
	put_le(to, strlen(name), 8);
	put_le(to, len, 8);
	for (const char *c = name; *c; c++)
		put_le(to, (uint8_t)*c, 2);
	ai_buf_put(to, value, len);
}

static inline void
add_variable(struct boot *b, uint32_t pcr, uint32_t type, const uint8_t guid[16], const char *name, const void *value, size_t len)
{
	AI_BUF_AUTO data = AI_BUF(1 << 16);
	put_variable(&data, guid, name, value, len);
	add_event(b, pcr, type, data.data, data.len, NULL);
}

/* An EFI_SIGNATURE_LIST of one SHA-256: of this text. */
static inline void
add_key_variable(struct boot *b, const uint8_t guid[16], const char *name, const char *signed_text)
{
	struct ai_digest d;
	AI_BUF_AUTO list = AI_BUF(1 << 16);
	ai_sha256(signed_text, strlen(signed_text), &d);
	ai_buf_put(&list, guid_sha256, 16);
	put_le(&list, 28 + 48, 4);
	put_le(&list, 0, 4);
	put_le(&list, 48, 4);
	ai_buf_put(&list, guid_global, 16);
	ai_buf_put(&list, d.b, 32);
	add_variable(b, 7, VARIABLE, guid, name, list.data, list.len);
}

static inline void
add_separator(struct boot *b, uint32_t pcr)
{
	add_event(b, pcr, SEPARATOR, "\0\0\0\0", 4, NULL);
}

/* A name in UTF-16 that systemd-stub measured, then the section's content. */
static inline void
add_section(struct boot *b, const char *name, const char *content)
{
	AI_BUF_AUTO wide = AI_BUF(256);
	for (const char *c = name; *c; c++)
		put_le(&wide, (uint8_t)*c, 2);
	put_le(&wide, 0, 2);
	add_event(b, 11, IPL, wide.data, wide.len, name);
	add_event(b, 11, IPL, wide.data, wide.len, content);
}

/* A boot with Secure Boot on, shim, GRUB, a kernel and a UKI's sections; all that the rules speak of. */
static inline void
make_boot(struct boot *b)
{
	static const char gpt[92 + 8] = "EFI PART";
	*b = (struct boot){ 0 };
	add_text(b, 0, CRTM_VERSION, "firmware 1", NULL);
	add_variable(b, 7, VARIABLE, guid_global, "SecureBoot", "\1", 1);
	add_key_variable(b, guid_global, "PK", "pk");
	add_key_variable(b, guid_global, "KEK", "kek");
	add_key_variable(b, guid_security, "db", "db key");
	add_key_variable(b, guid_security, "dbx", "bad image");
	add_separator(b, 7);
	add_variable(b, 1, VARIABLE_BOOT, guid_global, "BootOrder", "\1\0", 2);
	add_variable(b, 1, VARIABLE_BOOT, guid_global, "Boot0001", "load option", 11);
	add_text(b, 4, ACTION, "Calling EFI Application from Boot Option", NULL);
	for (uint32_t p = 0; p < 7; p++)
		add_separator(b, p);
	add_variable(b, 7, AUTHORITY, guid_security, "db", "who signed shim", 15);
	add_event(b, 5, GPT, gpt, sizeof gpt, NULL);
	add_text(b, 4, APPLICATION, "image load event", "shim");
	add_text(b, 4, APPLICATION, "image load event", "grub");
	add_text(b, 8, IPL, "grub_cmd: set x=1", "set x=1");
	add_text(b, 8, IPL, "kernel_cmdline: /vmlinuz quiet", "/vmlinuz quiet");
	add_text(b, 9, IPL, "/vmlinuz", "kernel");
	add_text(b, 9, IPL, "/initrd", "initrd");
	add_section(b, ".linux", "kernel");
	add_section(b, ".initrd", "initrd");
	add_text(b, 14, IPL, "MokList", "mok");
	add_text(b, 5, ACTION, "Exit Boot Services Invocation", NULL);
	add_text(b, 5, ACTION, "Exit Boot Services Returned with Success", NULL);
}

static inline void
boot_free(struct boot *b)
{
	for (size_t i = 0; i < b->n; i++)
		ai_buf_done(&b->events[i].data);
	*b = (struct boot){ 0 };
}

/* The n-th event of that PCR and type. */
static inline size_t
event_at(const struct boot *b, uint32_t pcr, uint32_t type, size_t nth)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->events[i].pcr == pcr && b->events[i].type == type && nth-- == 0)
			return i;
	fail_msg("no such event in PCR %u", pcr);
	return 0;
}

/* Crypto-agile bytes with one bank, SHA-256. */
static inline void
log_of(const struct boot *b, struct ai_buf *out)
{
	put_le(out, 0, 4);
	put_le(out, NO_ACTION, 4);
	put_le(out, 0, 20);
	put_le(out, 16 + 8 + 4 + 4 + 1, 4);
	ai_buf_put(out, "Spec ID Event03", 16);
	ai_buf_put(out, "\0\0\0\0\0\2\0\2", 8);
	put_le(out, 1, 4);
	put_le(out, AI_BANK_SHA256, 2);
	put_le(out, 32, 2);
	ai_buf_putc(out, 0);
	for (size_t i = 0; i < b->n; i++) {
		const struct made_event *e = &b->events[i];
		/* systemd-stub hashes a section's name with its NUL. */
		size_t nul = e->hashed && e->pcr == 11 && e->hashed[0] == '.';
		struct ai_digest d;
		ai_sha256(e->hashed ? e->hashed : e->data.data, e->hashed ? strlen(e->hashed) + nul : e->data.len, &d);
		put_le(out, e->pcr, 4);
		put_le(out, e->type, 4);
		put_le(out, 1, 4);
		put_le(out, AI_BANK_SHA256, 2);
		ai_buf_put(out, d.b, 32);
		put_le(out, e->data.len, 4);
		ai_buf_put(out, e->data.data, e->data.len);
	}
}

/* Evidence whose PCRs are what the log replays to. */
static inline void
quote_log(const void *log, size_t n, struct ai_evidence *out)
{
	struct ai_eventlog parsed = { 0 };
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask;
	*out = (struct ai_evidence){ .boot_log = AI_BUF(AI_MAX_BOOT_LOG) };
	ai_buf_put(&out->boot_log, log, n);
	ok(ai_eventlog_parse(log, n, false, &parsed, &err));
	ok(ai_eventlog_replay(&parsed, AI_BANK_SHA256, values, &mask, &err));
	for (int i = 0; i < AI_N_PCRS; i++)
		memcpy(out->pcrs[i].b, values[i].b, 32);
	ai_eventlog_done(&parsed);
}

/* A real machine's log, of ../shared; the test skips without. */
static inline void
load_vector(const char *name, struct ai_buf *out)
{
	AI_FREE char *path = ai_format("%s/vectors/google+go-tpm-tools/internal/test/eventlogs/%s", shared_dir(), name);
	ok(ai_read_file(-100, path, out, &err));
}

static inline void
quote_boot(const struct boot *b, struct ai_evidence *out)
{
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	log_of(b, &log);
	quote_log(log.data, log.len, out);
}

/* "{0: [hex], …}": the PCRs of evidence as reference values. */
static inline void
put_values(struct ai_buf *to, const struct ai_evidence *e)
{
	ai_buf_puts(to, "pcrs:\n");
	for (int i = 0; i < 15; i++) {
		char hex[AI_HEX];
		ai_hex(&e->pcrs[i], hex);
		ai_buf_printf(to, "  %d: %s\n", i, hex);
	}
}

static inline struct ai_policy *
policy_of(const char *text)
{
	struct ai_policy *p = NULL;
	ok(ai_policy_parse(text, strlen(text), "policy.yaml", NULL, NULL, &p, &err));
	return p;
}

/* Judges; words NULL: it must be good; else it must be refused in words that hold these. */
static inline void
judge_with(const char *policy, const struct ai_evidence *e, const char *words)
{
	struct ai_policy *p = policy_of(policy);
	struct ai_err err = { 0 };
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	int r = ai_policy_judge_boot(p, e, &said, &err);
	ai_policy_free(p);
	if (!words && r < 0)
		fail_msg("refused: %s", err.text);
	if (words && r != AI_ENO)
		fail_msg("got %d '%s', expected a refusal with '%s'", r, err.text, words);
	if (words && !strstr(err.text, words))
		fail_msg("text '%s' lacks '%s'", err.text, words);
}

#endif
