/*
 * eventlog.h -- the firmware's log of a measured boot: parsed, replayed, and put in words.
 *
 * The log is told by whoever had the machine. It is worth what its replay is: an
 * event is real when the PCR that it replays into was quoted with that value, and its
 * data is real only where the data's hash is the digest (or where an event's type says
 * what else was hashed: a PE image's Authenticode digest, for one). EventType is never
 * trusted alone: nobody hashes it.
 *
 * Bounded: at most AI_MAX_EVENTS events, the log at most AI_MAX_BOOT_LOG bytes; no event
 * or algorithm is skipped by guessing its size.
 *
 * Depends on: base.  Threads: pure.
 * Source: TCG PC Client Platform Firmware Profile 1.06, TCG_PCR_EVENT, TCG_EfiSpecIDEvent, TCG_PCR_EVENT2; TCG EFI Protocol.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_EVENTLOG_H
#define AI_EVENTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum { AI_MAX_EVENTS = 65536, AI_LOG_BANKS = 8, AI_LOG_PCRS = 24 };

/* TPM_ALG_ID of the banks that are known. */
enum { AI_BANK_SHA1 = 0x0004, AI_BANK_SHA256 = 0x000b, AI_BANK_SHA384 = 0x000c, AI_BANK_SHA512 = 0x000d, AI_BANK_SM3 = 0x0012 };

struct ai_event {
	uint32_t pcr, type;                       /* pcr 0xffffffff happens for EV_NO_ACTION */
	const uint8_t *digests[AI_LOG_BANKS];     /* as the log's banks; NULL where the event has none; into the log's bytes */
	const uint8_t *data;
	size_t data_len, at;                      /* at: offset of the event in the log */
};

struct ai_eventlog {
	bool crypto_agile;                        /* false: the SHA-1 format of TPM 1.2 */
	uint16_t banks[AI_LOG_BANKS];             /* TPM_ALG_ID, as the log's header lists them */
	uint16_t sizes[AI_LOG_BANKS];             /* bytes of a digest of each */
	size_t n_banks;
	struct ai_event *events;                  /* the header event is not among them */
	size_t n;
	uint8_t locality;                         /* of StartupLocality: PCR 0 starts with it in its last byte; 0 without */
	bool hcrtm;                               /* H-CRTM events come before all: PCR 0 starts at 4 */
};

/* A PCR's value in one bank. */
struct ai_pcr_value { uint8_t b[64]; size_t n; };

/*
 * ai_eventlog_parse -- the events of binary_bios_measurements, all of it.
 *   p, n        borrowed until ai_eventlog_done: events point into it
 *   allow_sha1  take a log of the SHA-1 format; without, AI_ENO (it binds nothing any more)
 * AI_EINPUT when it is malformed: truncated, trailing bytes that are no zero padding, unknown algorithm, wrong digest count,
 * a header that comes twice, sizes that lie.
 */
int ai_eventlog_parse(const uint8_t *p, size_t n, bool allow_sha1, struct ai_eventlog *out, struct ai_err *err) AI_CHECKED;
void ai_eventlog_done(struct ai_eventlog *log);

/*
 * ai_eventlog_replay -- what the PCRs of a bank hold after these events.
 *   mask_out   bit i: PCR i was extended (PCR 0 also when only its start differs from zero)
 * AI_ENO when the log has no such bank.
 */
int ai_eventlog_replay(const struct ai_eventlog *log, uint16_t bank, struct ai_pcr_value out[AI_LOG_PCRS], uint32_t *mask_out, struct ai_err *err) AI_CHECKED;

/* "EV_SEPARATOR", or "0x…" in buf for a type nobody defined. */
const char *ai_event_type_word(uint32_t type, char buf[16]);
/* "sha256"…; NULL for one that is not known. And back: 0. */
const char *ai_bank_word(uint16_t bank);
uint16_t ai_bank_parse(const char *word);
size_t ai_bank_size(uint16_t bank);

/*
 * ai_eventlog_facts -- event by event, what it says and whether that is to be believed. New reference to an array of objects:
 *   index     from 0
 *   pcr       number (-1 for 0xffffffff)
 *   type      "EV_…"
 *   digest    hex, in the bank
 *   what      one of the words below
 *   believed  true: `facts` below follow from the digest (the data's hash is it); false: they are what the log says of itself
 * and by `what`:
 *   "no-action"        signature: text of the event's header ("StartupLocality", "SP800-155 Event", …)
 *   "separator"        value: hex of the data; error: bool
 *   "firmware-version" version: text         (EV_S_CRTM_VERSION)
 *   "firmware"         EV_S_CRTM_CONTENTS, EV_POST_CODE, EFI_PLATFORM_FIRMWARE_BLOB(2): text, base and length where there are such
 *   "tables"           EFI_HANDOFF_TABLES(2)
 *   "variable"         guid, name: text; value: hex; for SecureBoot/PK/KEK/db/dbx also signatures: [{owner, type, sha256 or subject}];
 *                      authority: bool (EV_EFI_VARIABLE_AUTHORITY)
 *   "image"            EV_EFI_BOOT_SERVICES_APPLICATION, _DRIVER, RUNTIME_SERVICES_DRIVER: path: device path as text;
 *                      the digest is the image's Authenticode hash: believed is true as far as the PCR is quoted, `path` is not
 *   "gpt"              disk: guid
 *   "action"           text  (EV_EFI_ACTION, EV_ACTION)
 *   "command-line"     text: a kernel's (GRUB's kernel_cmdline:, systemd-stub, the kernel's own load options)
 *   "loader"           text: another EV_IPL of a boot loader (GRUB's commands, file names, MokList…)
 *   "file"             name: a file that a boot loader measured (GRUB: PCR 9); kernel, initrd
 *   "uki-section"      section: ".linux", ".initrd"…; the digest is of the section's bytes (systemd-stub, PCR 11)
 *   "other"
 * Text is printable (others are escaped); bounded by the log's size. AI_ENO when the log has no such bank.
 */
int ai_eventlog_facts(const struct ai_eventlog *log, uint16_t bank, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * ai_eventlog_rules -- is this a log as the profile asks for it, in a bank? What is wrong, as an array of texts ("PCR 4: 2 separators,
 * expected exactly 1"); empty when nothing is. Separators in PCRs 0-7: exactly one each; none with an error; ExitBootServices calls; nothing
 * extended into PCR 0-7 by a type that the profile does not allow there.
 */
int ai_eventlog_rules(const struct ai_eventlog *log, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
