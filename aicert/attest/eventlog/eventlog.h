/*
 * eventlog.h -- the firmware's log of a measured boot: parsed, replayed, and put in words.
 *
 * The log is told by whoever had the machine. It is worth what its replay is: an
 * event is real when the PCR that it replays into was quoted with that value, and its
 * data is real only where the data's hash is the digest (or where an event's type says
 * what else was hashed: a PE image's Authenticode digest, for one). EventType is never
 * trusted alone: nobody hashes it. Nor is the label that GRUB puts before a text.
 *
 * Bounded: at most AI_MAX_EVENTS events, the log at most AI_MAX_BOOT_LOG bytes; no event
 * or algorithm is skipped by guessing its size.
 *
 * Depends on: base, libcrypto.  Threads: pure.
 * Source: TCG PC Client Platform Firmware Profile 1.06, TCG_PCR_EVENT, TCG_EfiSpecIDEvent, TCG_PCR_EVENT2; UEFI 2.10.
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
 * AI_EINPUT when it is malformed: truncated, trailing bytes that are no zero padding, an algorithm that the header does not list, more
 * digests than it lists, a header that comes twice, sizes that lie; also in the SHA-1 format. An event may lack digests (firmware with banks
 * that are off): what has none in a bank cannot be replayed in it. Algorithms that are not known here are taken with the header's size.
 */
int ai_eventlog_parse(const uint8_t *p, size_t n, bool allow_sha1, struct ai_eventlog *out, struct ai_err *err) AI_CHECKED;
void ai_eventlog_done(struct ai_eventlog *log);

/*
 * ai_eventlog_replay -- what the PCRs of a bank hold after these events: all 24, those without events what they are reset to.
 *   mask_out   bit i: PCR i was extended (PCR 0 also when only its start differs from zero)
 * AI_ENO when the log has no such bank, or an event that extends a PCR has no digest in it.
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
 *   type      "EV_…", as the log says; nobody hashed it
 *   digest    hex, in the bank; absent where the event has none
 *   what      one of the words below
 *   believed  true: the digest is that of the facts below (so they are true as far as the PCR is quoted and the type is right);
 *             false: they are what the log says of itself
 * and by `what`:
 *   "no-action"        signature: text of the event's header ("StartupLocality", "SP800-155 Event", …); locality: number
 *   "separator"        value: hex of the data; error: bool (by the digest, too)
 *   "firmware-version" version: text         (EV_S_CRTM_VERSION)
 *   "firmware"         EV_S_CRTM_CONTENTS, EV_POST_CODE, EFI_PLATFORM_FIRMWARE_BLOB(2): text, or base and length (hex)
 *   "tables"           EFI_HANDOFF_TABLES(2)
 *   "variable"         guid, name: text; value: hex; for PK/KEK/db/dbx and most authorities also signatures: [{owner, type: x509, sha256 or a guid;
 *                      sha256: of the certificate, or the hash listed; subject; value: hex of another type}]; authority: bool
 *                      (EV_EFI_VARIABLE_AUTHORITY); value_believed: bool, when believed is false: the value alone was hashed, not its name.
 *                      text: of SbatLevel. Not believed when its signatures cannot be read, or are too many to be listed.
 *   "image"            EV_EFI_BOOT_SERVICES_APPLICATION, _DRIVER, RUNTIME_SERVICES_DRIVER: path: device path as text;
 *                      the digest is the image's Authenticode hash: believed is true as far as the PCR is quoted, `path` is not
 *   "gpt"              disk: guid; partitions: number
 *   "action"           text  (EV_EFI_ACTION, EV_ACTION)
 *   "command-line"     text: a kernel's (GRUB's kernel_cmdline:, systemd-stub, systemd-boot); label: GRUB's, when there was one
 *   "loader"           text: another EV_IPL of a boot loader (GRUB's commands, with label; MokList…)
 *                      Which of GRUB's texts is a command line stands in the label alone, and nobody hashes that: whoever wrote the log can
 *                      give the label of a command line to any other text that GRUB measured. Who asks for a command line asks that
 *                      every text of the PCR is an expected one.
 *   "file"             name: a file that a boot loader or the kernel's stub measured (GRUB: PCR 9; kernel, initrd, load options); the
 *                      digest is of its content, so that name is not believed
 *   "uki-section"      section: ".linux", ".initrd"…; of: "name" or "content". systemd-stub measures (PCR 11) the name, then the bytes;
 *                      the digest of "content" is of the section's bytes, and believed where its name was hashed just before
 *   "other"            text, where the data is one; tag: of an EV_EVENT_TAG
 * Text is printable (other bytes are \xNN, a backslash before an x is \x5c: no two texts look the same); bounded by the log's size. AI_ENO when
 * the log has no such bank.
 */
int ai_eventlog_facts(const struct ai_eventlog *log, uint16_t bank, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * ai_eventlog_rules -- is this a log as the profile asks for it? What is wrong, as an array of texts ("PCR 4: 2 separators, expected
 * exactly 1"); empty when nothing is. Separators in PCRs 0-7: exactly one each, by digest as well as by type; none with an error; ExitBootServices
 * calls; nothing extended into PCR 0-7 by a type that the profile does not allow there; PCR 7: every event's data is what was hashed, the
 * SecureBoot variable once, no configuration after the separator; EV_NO_ACTION without a digest; StartupLocality and H-CRTM first.
 * Judged in one bank: SHA-256, else 384, 512, SM3, SHA-1. AI_ENO when there is none of these.
 */
int ai_eventlog_rules(const struct ai_eventlog *log, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * ai_eventlog_explain -- why does a PCR's known value differ from what the log replays to? 1 with a sentence appended to out where it can be seen
 * (ExitBootServices left out of the log, another start of PCR 0, a value read before the last events), 0 where it cannot.
 */
int ai_eventlog_explain(const struct ai_eventlog *log, uint16_t bank, unsigned pcr, const struct ai_pcr_value *known, struct ai_buf *out,
	struct ai_err *err) AI_CHECKED;

#endif
