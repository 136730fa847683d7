/*
 * eventlog_parts.h -- what the files of the event log share: numbers and texts of foreign bytes, a hash in a bank, and one fact's making.
 *
 * Depends on: base, libcrypto.  Threads: a hasher belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_EVENTLOG_PARTS_H
#define AI_EVENTLOG_PARTS_H

#include "attest/eventlog/eventlog.h"
#include "base/buf.h"

/* TCG PC Client Platform Firmware Profile, table of event types. X(name, value) */
#define AI_EVENT_TYPES(X) \
	X(EV_PREBOOT_CERT, 0x0) X(EV_POST_CODE, 0x1) X(EV_UNUSED, 0x2) X(EV_NO_ACTION, 0x3) X(EV_SEPARATOR, 0x4) X(EV_ACTION, 0x5) \
	X(EV_EVENT_TAG, 0x6) X(EV_S_CRTM_CONTENTS, 0x7) X(EV_S_CRTM_VERSION, 0x8) X(EV_CPU_MICROCODE, 0x9) \
	X(EV_PLATFORM_CONFIG_FLAGS, 0xa) X(EV_TABLE_OF_DEVICES, 0xb) X(EV_COMPACT_HASH, 0xc) X(EV_IPL, 0xd) \
	X(EV_IPL_PARTITION_DATA, 0xe) X(EV_NONHOST_CODE, 0xf) X(EV_NONHOST_CONFIG, 0x10) X(EV_NONHOST_INFO, 0x11) \
	X(EV_OMIT_BOOT_DEVICE_EVENTS, 0x12) X(EV_POST_CODE2, 0x13) X(EV_EFI_EVENT_BASE, 0x80000000u) \
	X(EV_EFI_VARIABLE_DRIVER_CONFIG, 0x80000001u) X(EV_EFI_VARIABLE_BOOT, 0x80000002u) \
	X(EV_EFI_BOOT_SERVICES_APPLICATION, 0x80000003u) X(EV_EFI_BOOT_SERVICES_DRIVER, 0x80000004u) \
	X(EV_EFI_RUNTIME_SERVICES_DRIVER, 0x80000005u) X(EV_EFI_GPT_EVENT, 0x80000006u) X(EV_EFI_ACTION, 0x80000007u) \
	X(EV_EFI_PLATFORM_FIRMWARE_BLOB, 0x80000008u) X(EV_EFI_HANDOFF_TABLES, 0x80000009u) \
	X(EV_EFI_PLATFORM_FIRMWARE_BLOB2, 0x8000000au) X(EV_EFI_HANDOFF_TABLES2, 0x8000000bu) X(EV_EFI_VARIABLE_BOOT2, 0x8000000cu) \
	X(EV_EFI_GPT_EVENT2, 0x8000000du) X(EV_EFI_HCRTM_EVENT, 0x80000010u) X(EV_EFI_VARIABLE_AUTHORITY, 0x800000e0u) \
	X(EV_EFI_SPDM_FIRMWARE_BLOB, 0x800000e1u) X(EV_EFI_SPDM_FIRMWARE_CONFIG, 0x800000e2u) \
	X(EV_EFI_SPDM_DEVICE_POLICY, 0x800000e3u) X(EV_EFI_SPDM_DEVICE_AUTHORITY, 0x800000e4u)
#define AI_EVENT_CONST(name, value) static const uint32_t name = value;
AI_EVENT_TYPES(AI_EVENT_CONST)

static inline uint16_t ai_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t ai_le32(const uint8_t *p) { return ai_le16(p) | (uint32_t)ai_le16(p + 2) << 16; }
static inline uint64_t ai_le64(const uint8_t *p) { return ai_le32(p) | (uint64_t)ai_le32(p + 4) << 32; }

/* Does the data begin with these characters and a NUL (a signature of the profile)? */
bool ai_event_signed(const uint8_t *data, size_t n, const char *signature);

/* A bank's hash, set up once for any number of messages. */
struct ai_bank_hash { void *ctx; size_t size; };
/* AI_ENO for a bank that is not known or that this libcrypto has not. */
int ai_bank_hash_init(uint16_t bank, struct ai_bank_hash *out, struct ai_err *err) AI_CHECKED;
void ai_bank_hash_done(struct ai_bank_hash *h);
/* The digest of a followed by b (which may be empty); false when libcrypto refuses. */
bool ai_bank_hash_of(struct ai_bank_hash *h, const void *a, size_t n_a, const void *b, size_t n_b, uint8_t out[64]) AI_CHECKED;

/* The bank's place in the log, or -1. */
int ai_eventlog_bank(const struct ai_eventlog *log, uint16_t bank);

/*
 * Foreign text, printable: what is no UTF-8, or a control, or reorders, becomes \xNN; a backslash before an x becomes \x5c, so that no two
 * texts look the same.
 */
void ai_text_bytes(struct ai_buf *out, const uint8_t *p, size_t n);
/* The same from UTF-16LE (n bytes). */
void ai_text_utf16(struct ai_buf *out, const uint8_t *p, size_t n);
/* aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee from the 16 bytes of an EFI_GUID. */
void ai_text_guid(struct ai_buf *out, const uint8_t p[16]);
/* UEFI 2.10 section 10: a device path as text; stops, with "…", at what is malformed. */
void ai_text_device_path(struct ai_buf *out, const uint8_t *p, size_t n);

/* The making of one event's facts. Failure sticks in `failed`: a JSON value or a text that did not fit in memory. */
struct ai_fact {
	const struct ai_eventlog *log;
	const struct ai_event *event;
	const uint8_t *digest;         /* in the bank; NULL where the event has none */
	struct ai_bank_hash *hash;
	json_t *o;
	bool failed;
	size_t *signatures_left;       /* how many more may be listed, of all events */
	uint8_t *section_due;          /* 1: PCR 11's next event is the content of the section whose name was measured last */
	const struct ai_event **section;
};

/* Is the digest that of these bytes? */
bool ai_fact_is(struct ai_fact *f, const void *p, size_t n);
/* What the digest is of: the data, or the data but for its last byte (shim 15 miscounts), or NULL. */
bool ai_fact_of_data(struct ai_fact *f, size_t *covered);
void ai_fact_set(struct ai_fact *f, json_t *o, const char *key, json_t *value);
/* Takes the text out of b (which is then empty). */
void ai_fact_text(struct ai_fact *f, json_t *o, const char *key, struct ai_buf *b);
void ai_fact_hex(struct ai_fact *f, json_t *o, const char *key, const void *p, size_t n);
/* what and believed */
void ai_fact_what(struct ai_fact *f, const char *what, bool believed);

/* Each puts an event of its kind in words. */
void ai_fact_variable(struct ai_fact *f);
void ai_fact_image(struct ai_fact *f);
void ai_fact_gpt(struct ai_fact *f);
void ai_fact_ipl(struct ai_fact *f);
void ai_fact_tag(struct ai_fact *f);

/*
 * A UEFI_VARIABLE_DATA taken apart; false when its lengths do not fit into n bytes.
 * end: where the structure ends.
 */
struct ai_efi_variable { const uint8_t *guid, *name, *value; size_t name_len, value_len, end; };
bool ai_efi_variable(const uint8_t *p, size_t n, struct ai_efi_variable *out);
/* Is its name (UTF-16) these characters? */
bool ai_efi_variable_named(const struct ai_efi_variable *v, const char *name);

#endif
