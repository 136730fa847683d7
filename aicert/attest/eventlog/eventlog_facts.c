/* eventlog_facts.c -- a log in words, event by event; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"

/* The longest revocation lists in use have some 500 entries; this bounds what a made-up log costs. */
enum { MAX_SIGNATURES = 16384 };

const char *
ai_event_type_word(uint32_t type, char buf[16])
{
#define TYPE_WORD(name, value) if (type == (value)) return #name;
	AI_EVENT_TYPES(TYPE_WORD)
#undef TYPE_WORD
	snprintf(buf, 16, "0x%08x", type);
	return buf;
}

bool
ai_fact_is(struct ai_fact *f, const void *p, size_t n)
{
	uint8_t digest[64];
	return f->digest && ai_bank_hash_of(f->hash, p, n, NULL, 0, digest) && memcmp(digest, f->digest, f->hash->size) == 0;
}

bool
ai_fact_of_data(struct ai_fact *f, size_t *covered)
{
	const struct ai_event *e = f->event;
	*covered = e->data_len;
	if (ai_fact_is(f, e->data, e->data_len))
		return true;
	*covered = e->data_len ? e->data_len - 1 : 0;
	return e->data_len && ai_fact_is(f, e->data, e->data_len - 1);
}

void
ai_fact_set(struct ai_fact *f, json_t *o, const char *key, json_t *value)
{
	if (json_object_set_new(o, key, value) < 0)
		f->failed = true;
}

void
ai_fact_text(struct ai_fact *f, json_t *o, const char *key, struct ai_buf *b)
{
	struct ai_err err = { 0 };
	if (ai_buf_ok(b, key, &err) < 0)
		f->failed = true;
	else
		ai_fact_set(f, o, key, json_stringn(b->data ? b->data : "", b->len));
	ai_buf_clear(b);
}

void
ai_fact_hex(struct ai_fact *f, json_t *o, const char *key, const void *p, size_t n)
{
	AI_FREE char *hex = ai_calloc(2 * n + 1, 1);
	if (!hex) {
		f->failed = true;
		return;
	}
	ai_hex_bytes(p, n, hex);
	ai_fact_set(f, o, key, json_stringn(hex, 2 * n));
}

void
ai_fact_what(struct ai_fact *f, const char *what, bool believed)
{
	ai_fact_set(f, f->o, "what", json_string(what));
	ai_fact_set(f, f->o, "believed", json_boolean(believed));
}

/* The bytes of a text without the NULs at its end; UTF-16 when its second byte is zero. */
static void
put_loose_text(struct ai_fact *f, const char *key, const uint8_t *p, size_t n)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	bool utf16 = n >= 2 && n % 2 == 0 && p[1] == 0;
	size_t unit = utf16 ? 2 : 1;
	while (n >= unit && p[n - 1] == 0 && p[n - unit] == 0)
		n -= unit;
	if (utf16)
		ai_text_utf16(&text, p, n);
	else
		ai_text_bytes(&text, p, n);
	ai_fact_text(f, f->o, key, &text);
}

static bool
measured(struct ai_fact *f)
{
	return ai_fact_is(f, f->event->data, f->event->data_len);
}

static void
no_action(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	const uint8_t *nul = e->data_len ? memchr(e->data, 0, e->data_len < 16 ? e->data_len : 16) : NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_text_bytes(&text, e->data, nul ? (size_t)(nul - e->data) : e->data_len < 16 ? e->data_len : 16);
	ai_fact_text(f, f->o, "signature", &text);
	if (ai_event_signed(e->data, e->data_len, "StartupLocality") && e->data_len == 17)
		ai_fact_set(f, f->o, "locality", json_integer(e->data[16]));
	ai_fact_what(f, "no-action", false);
}

/* An error is what was hashed: the data may then tell more about it. */
static void
separator(struct ai_fact *f)
{
	static const uint8_t error[4] = { 1, 0, 0, 0 };
	const struct ai_event *e = f->event;
	bool failed = ai_fact_is(f, error, 4);
	ai_fact_hex(f, f->o, "value", e->data, e->data_len);
	ai_fact_set(f, f->o, "error", json_boolean(failed || (e->data_len == 4 && memcmp(e->data, error, 4) == 0)));
	ai_fact_what(f, "separator", measured(f));
}

static bool
reads_as_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] >= 0x7f)
			return false;
	return n > 0;
}

/* EFI_PLATFORM_FIRMWARE_BLOB{,2}, also in EV_POST_CODE and EV_S_CRTM_CONTENTS: base and length of what was hashed; or a text. */
static void
firmware(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	bool second = e->type == EV_EFI_PLATFORM_FIRMWARE_BLOB2 && e->data_len >= 1;
	size_t at = second ? 1u + e->data[0] : 0;
	if (second && e->data_len == at + 16)
		put_loose_text(f, "text", e->data + 1, at - 1);
	if (e->data_len == at + 16 && (second || !reads_as_text(e->data, 16))) {
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		ai_buf_printf(&text, "0x%llx", (unsigned long long)ai_le64(e->data + at));
		ai_fact_text(f, f->o, "base", &text);
		ai_buf_printf(&text, "0x%llx", (unsigned long long)ai_le64(e->data + at + 8));
		ai_fact_text(f, f->o, "length", &text);
	} else {
		put_loose_text(f, "text", e->data, e->data_len);
	}
	ai_fact_what(f, "firmware", measured(f));
}

/* A text, or the GUID that Intel's and AMI's firmware has in its place. */
static void
version(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (e->data_len == 16 && !reads_as_text(e->data, 16) && memchr(e->data, 0, 15) != e->data + 1) {
		ai_text_guid(&text, e->data);
		ai_fact_text(f, f->o, "version", &text);
	} else {
		put_loose_text(f, "version", e->data, e->data_len);
	}
	ai_fact_what(f, "firmware-version", measured(f));
}

static void
action(struct ai_fact *f)
{
	put_loose_text(f, "text", f->event->data, f->event->data_len);
	ai_fact_what(f, "action", measured(f));
}

/* Unlisted types get their data's text where it is one. */
static void
other(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	size_t n = e->data_len && e->data[e->data_len - 1] == 0 ? e->data_len - 1 : e->data_len;
	if (reads_as_text(e->data, n))
		put_loose_text(f, "text", e->data, n);
	ai_fact_what(f, "other", measured(f));
}

static void
by_type(struct ai_fact *f)
{
	uint32_t t = f->event->type;
	if (t == EV_NO_ACTION)
		no_action(f);
	else if (t == EV_SEPARATOR)
		separator(f);
	else if (t == EV_S_CRTM_VERSION)
		version(f);
	else if (t == EV_S_CRTM_CONTENTS || t == EV_POST_CODE || t == EV_POST_CODE2 || t == EV_EFI_PLATFORM_FIRMWARE_BLOB || t == EV_EFI_PLATFORM_FIRMWARE_BLOB2)
		firmware(f);
	else if (t == EV_EFI_HANDOFF_TABLES || t == EV_EFI_HANDOFF_TABLES2)
		ai_fact_what(f, "tables", measured(f));
	else if (t == EV_EFI_VARIABLE_DRIVER_CONFIG || t == EV_EFI_VARIABLE_BOOT || t == EV_EFI_VARIABLE_BOOT2 || t == EV_EFI_VARIABLE_AUTHORITY)
		ai_fact_variable(f);
	else if (t == EV_EFI_BOOT_SERVICES_APPLICATION || t == EV_EFI_BOOT_SERVICES_DRIVER || t == EV_EFI_RUNTIME_SERVICES_DRIVER)
		ai_fact_image(f);
	else if (t == EV_EFI_GPT_EVENT || t == EV_EFI_GPT_EVENT2)
		ai_fact_gpt(f);
	else if (t == EV_EFI_ACTION || t == EV_ACTION)
		action(f);
	else if (t == EV_IPL)
		ai_fact_ipl(f);
	else if (t == EV_EVENT_TAG)
		ai_fact_tag(f);
	else
		other(f);
}

/* What every event has: its place, type and digest. */
static void
put_head(struct ai_fact *f, size_t index)
{
	char word[16];
	ai_fact_set(f, f->o, "index", json_integer((json_int_t)index));
	ai_fact_set(f, f->o, "pcr", json_integer(f->event->pcr < AI_LOG_PCRS ? (json_int_t)f->event->pcr : -1));
	ai_fact_set(f, f->o, "type", json_string(ai_event_type_word(f->event->type, word)));
	if (f->digest)
		ai_fact_hex(f, f->o, "digest", f->digest, f->hash->size);
}

int
ai_eventlog_facts(const struct ai_eventlog *log, uint16_t bank, json_t **out, struct ai_err *err)
{
	struct ai_bank_hash hash;
	int at = ai_eventlog_bank(log, bank);
	if (at < 0)
		return ai_fail(err, AI_ENO, "event log: got no bank %s", ai_bank_word(bank) ? ai_bank_word(bank) : "of that algorithm");
	if (ai_bank_hash_init(bank, &hash, err) < 0)
		return err->code;
	size_t signatures_left = MAX_SIGNATURES;
	uint8_t section_due = 0;
	const struct ai_event *section = NULL;
	json_t *list = json_array();
	bool failed = !list;
	for (size_t i = 0; i < log->n && !failed; i++) {
		const struct ai_event *e = &log->events[i];
		struct ai_fact f = { .log = log, .event = e, .digest = e->digests[at], .hash = &hash, .o = json_object(), .signatures_left = &signatures_left,
			.section_due = &section_due, .section = &section };
		put_head(&f, i);
		by_type(&f);
		failed = f.failed || json_array_append_new(list, f.o) < 0;
	}
	ai_bank_hash_done(&hash);
	if (failed) {
		json_decref(list);
		return ai_nomem(err);
	}
	*out = list;
	return 0;
}
