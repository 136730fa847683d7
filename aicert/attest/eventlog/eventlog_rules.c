/* eventlog_rules.c -- what the profile asks of a log; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"

enum { BIOS_PCRS = 8, MAX_FAULTS = 200 };

/*
 * Where the profile (section 3.3.4) lets a type be measured, as a mask of PCRs 0 to 7, with what firmware in the field does. What is not
 * listed here may stand in none of them.
 */
static const struct home { uint32_t type; uint8_t pcrs; } homes[] = {
	{ 0x0 /* EV_PREBOOT_CERT */, 0x00 }, { 0x1 /* EV_POST_CODE */, 0x01 }, { 0x13 /* EV_POST_CODE2 */, 0x01 }, { 0x4 /* EV_SEPARATOR */, 0xff },
	{ 0x5 /* EV_ACTION */, 0xff }, { 0x6 /* EV_EVENT_TAG */, 0xff }, { 0x7 /* EV_S_CRTM_CONTENTS */, 0x01 }, { 0x8 /* EV_S_CRTM_VERSION */, 0x01 },
	{ 0x9 /* EV_CPU_MICROCODE */, 0x02 }, { 0xa /* EV_PLATFORM_CONFIG_FLAGS */, 0x0a }, { 0xb /* EV_TABLE_OF_DEVICES */, 0x02 },
	{ 0xc /* EV_COMPACT_HASH */, 0x70 }, { 0xd /* EV_IPL */, 0x30 }, { 0xe /* EV_IPL_PARTITION_DATA */, 0x20 },
	{ 0xf /* EV_NONHOST_CODE */, 0x05 }, { 0x10 /* EV_NONHOST_CONFIG */, 0x0a }, { 0x11 /* EV_NONHOST_INFO */, 0x01 },
	{ 0x12 /* EV_OMIT_BOOT_DEVICE_EVENTS */, 0x10 }, { 0x80000001u /* VARIABLE_DRIVER_CONFIG */, 0x8a }, { 0x80000002u /* VARIABLE_BOOT */, 0x22 },
	{ 0x8000000cu /* VARIABLE_BOOT2 */, 0x22 }, { 0x80000003u /* BOOT_SERVICES_APPLICATION */, 0x14 }, { 0x80000004u /* BOOT_SERVICES_DRIVER */, 0x15 },
	{ 0x80000005u /* RUNTIME_SERVICES_DRIVER */, 0x15 }, { 0x80000006u /* GPT_EVENT */, 0x20 }, { 0x8000000du /* GPT_EVENT2 */, 0x20 },
	{ 0x80000007u /* EFI_ACTION */, 0xf2 }, { 0x80000008u /* PLATFORM_FIRMWARE_BLOB */, 0x15 }, { 0x8000000au /* …BLOB2 */, 0x15 },
	{ 0x80000009u /* HANDOFF_TABLES */, 0x02 }, { 0x8000000bu /* HANDOFF_TABLES2 */, 0x02 }, { 0x80000010u /* HCRTM_EVENT */, 0x01 },
	{ 0x800000e0u /* VARIABLE_AUTHORITY */, 0x80 }, { 0x800000e1u /* SPDM_FIRMWARE_BLOB */, 0x04 }, { 0x800000e2u /* SPDM_FIRMWARE_CONFIG */, 0x08 },
	{ 0x800000e3u /* SPDM_DEVICE_POLICY */, 0x80 }, { 0x800000e4u /* SPDM_DEVICE_AUTHORITY */, 0x80 },
};

struct look {
	const struct ai_eventlog *log;
	size_t bank;
	struct ai_bank_hash *hash;
	json_t *faults;
	bool failed;
	uint8_t quiet[3][64];          /* digests of the separators: 00000000, ffffffff, 01000000 (an error) */
	unsigned separators[BIOS_PCRS], secure_boot, invoked, succeeded;
	bool pcr0;                     /* has PCR 0 been extended? */
};

static void
fault(struct look *l, const char *fmt, ...) AI_PRINTF(2, 3);

static void
fault(struct look *l, const char *fmt, ...)
{
	char text[400];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	size_t n = json_array_size(l->faults);
	if (n < MAX_FAULTS && json_array_append_new(l->faults, json_string(n + 1 < MAX_FAULTS ? text : "more faults than are listed here")) < 0)
		l->failed = true;
}

static bool
is(struct look *l, const struct ai_event *e, const void *p, size_t n)
{
	uint8_t digest[64];
	const uint8_t *d = e->digests[l->bank];
	return d && ai_bank_hash_of(l->hash, p, n, NULL, 0, digest) && memcmp(d, digest, l->hash->size) == 0;
}

static bool
measured(struct look *l, const struct ai_event *e)
{
	return is(l, e, e->data, e->data_len) || (e->data_len && is(l, e, e->data, e->data_len - 1));
}

/* Which of the separators' digests an event has, or -1. */
static int
quiet_digest(const struct look *l, const struct ai_event *e)
{
	for (int i = 0; i < 3; i++)
		if (e->digests[l->bank] && memcmp(e->digests[l->bank], l->quiet[i], l->hash->size) == 0)
			return i;
	return -1;
}

static bool
at_home(const struct ai_event *e)
{
	for (size_t i = 0; i < sizeof homes / sizeof *homes; i++)
		if (homes[i].type == e->type)
			return homes[i].pcrs & 1u << e->pcr;
	return false;
}

/*
 * A separator is one by its digest; the type is the log's word. In PCRs 0 and 1 other things have that digest too: a BootOrder of two zeros,
 * a table that is not there.
 */
static void
separators(struct look *l, size_t i, const struct ai_event *e)
{
	int quiet = quiet_digest(l, e);
	if (e->type == EV_SEPARATOR) {
		l->separators[e->pcr]++;
		if (quiet < 0)
			fault(l, "PCR %u: event %zu: a separator whose digest is no separator's", e->pcr, i);
		if (quiet == 2)
			fault(l, "PCR %u: event %zu: the separator says that firmware met an error", e->pcr, i);
	} else if (quiet >= 0 && e->pcr > 1) {
		char word[16];
		fault(l, "PCR %u: event %zu: %s with a separator's digest", e->pcr, i, ai_event_type_word(e->type, word));
	}
}

/* PCR 7 says which keys decide what starts: each of its events is known, by what was hashed. */
static void
secure_boot(struct look *l, size_t i, const struct ai_event *e)
{
	struct ai_efi_variable v;
	char word[16];
	const char *type = ai_event_type_word(e->type, word);
	if (!measured(l, e) && e->type != EV_SEPARATOR)
		fault(l, "PCR 7: event %zu: %s: its data is not what was hashed", i, type);
	if (e->type == EV_EFI_VARIABLE_DRIVER_CONFIG && l->separators[7])
		fault(l, "PCR 7: event %zu: a Secure Boot variable after the separator", i);
	bool variable = e->type == EV_EFI_VARIABLE_DRIVER_CONFIG || e->type == EV_EFI_VARIABLE_AUTHORITY;
	if (variable && !ai_efi_variable(e->data, e->data_len, &v))
		fault(l, "PCR 7: event %zu: %s: its data is no variable", i, type);
	else if (e->type == EV_EFI_VARIABLE_DRIVER_CONFIG && ai_efi_variable_named(&v, "SecureBoot"))
		l->secure_boot++;
	for (size_t k = 0; !variable && e->type != EV_SEPARATOR && k < e->data_len; k++)
		if ((e->data[k] < 0x20 || e->data[k] >= 0x7f) && !(e->data[k] == 0 && k + 1 == e->data_len)) {
			fault(l, "PCR 7: event %zu: %s: its data is no text", i, type);
			break;
		}
}

/* What is never extended binds nothing, so nothing should look as if it were. Windows hashes its trust point all the same. */
static void
no_action(struct look *l, size_t i, const struct ai_event *e)
{
	static const uint8_t zeros[64];
	const uint8_t *d = e->digests[l->bank];
	if (d && memcmp(d, zeros, l->hash->size) != 0 && !is(l, e, e->data, e->data_len))
		fault(l, "event %zu: EV_NO_ACTION with a digest, which nothing extends", i);
	if (ai_event_signed(e->data, e->data_len, "StartupLocality") && l->pcr0)
		fault(l, "event %zu: StartupLocality after an event of PCR 0", i);
}

static void
one_event(struct look *l, size_t i)
{
	static const char invocation[] = "Exit Boot Services Invocation", success[] = "Exit Boot Services Returned with Success";
	const struct ai_event *e = &l->log->events[i];
	char word[16];
	if (e->type == EV_NO_ACTION) {
		no_action(l, i, e);
		return;
	}
	if (e->pcr >= BIOS_PCRS)
		return;
	if (!at_home(e))
		fault(l, "PCR %u: event %zu: %s, which the profile does not allow there", e->pcr, i, ai_event_type_word(e->type, word));
	if (e->pcr == 7)
		secure_boot(l, i, e);
	separators(l, i, e);
	if (e->type == EV_EFI_HCRTM_EVENT && l->pcr0)
		fault(l, "PCR 0: event %zu: EV_EFI_HCRTM_EVENT is not the first", i);
	if (e->pcr == 5) {
		l->invoked += is(l, e, invocation, sizeof invocation - 1);
		l->succeeded += is(l, e, success, sizeof success - 1);
	}
	l->pcr0 |= e->pcr == 0;
}

static void
whole_log(struct look *l)
{
	for (unsigned pcr = 0; pcr < BIOS_PCRS; pcr++)
		if (l->separators[pcr] != 1)
			fault(l, "PCR %u: %u separators, expected exactly 1", pcr, l->separators[pcr]);
	if (l->secure_boot != 1)
		fault(l, "PCR 7: the SecureBoot variable is there %u times, expected once", l->secure_boot);
	if (!l->invoked || !l->succeeded)
		fault(l, "PCR 5: the calls of ExitBootServices are not in the log");
}

/* The bank that is looked at: the one that a quote is taken over. */
static int
best_bank(const struct ai_eventlog *log)
{
	static const uint16_t order[] = { AI_BANK_SHA256, AI_BANK_SHA384, AI_BANK_SHA512, AI_BANK_SM3, AI_BANK_SHA1 };
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (ai_eventlog_bank(log, order[i]) >= 0)
			return ai_eventlog_bank(log, order[i]);
	return -1;
}

int
ai_eventlog_rules(const struct ai_eventlog *log, json_t **out, struct ai_err *err)
{
	static const uint8_t said[3][4] = { { 0, 0, 0, 0 }, { 0xff, 0xff, 0xff, 0xff }, { 1, 0, 0, 0 } };
	struct ai_bank_hash hash;
	int bank = best_bank(log);
	if (bank < 0)
		return ai_fail(err, AI_ENO, "event log: got no bank whose hash is known here");
	if (ai_bank_hash_init(log->banks[bank], &hash, err) < 0)
		return err->code;
	struct look l = { .log = log, .bank = (size_t)bank, .hash = &hash, .faults = json_array() };
	l.failed = !l.faults;
	for (int i = 0; i < 3; i++)
		l.failed |= !ai_bank_hash_of(&hash, said[i], 4, NULL, 0, l.quiet[i]);
	for (size_t i = 0; i < log->n && !l.failed; i++)
		one_event(&l, i);
	if (!l.failed)
		whole_log(&l);
	ai_bank_hash_done(&hash);
	if (l.failed) {
		json_decref(l.faults);
		return ai_nomem(err);
	}
	*out = l.faults;
	return 0;
}
