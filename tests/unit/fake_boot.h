/*
 * fake_boot.h -- the event log of a measured boot, written event by event, and the PCRs that it gives.
 *
 * fake_boot_usual writes what a machine does that boots one UKI with Secure Boot on; the SHA-256 bank alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_BOOT_H
#define FAKE_BOOT_H

#include "attest/runlog.h"
#include "base/buf.h"
#include "base/hash.h"
#include "unit.h"

/* TCG PC Client Platform Firmware Profile, table "Event Types". */
enum { BOOT_NO_ACTION = 3, BOOT_SEPARATOR = 4, BOOT_CRTM_VERSION = 8, BOOT_IPL = 0xd };
#define BOOT_VARIABLE 0x80000001u   /* EV_EFI_VARIABLE_DRIVER_CONFIG */
#define BOOT_APPLICATION 0x80000003u
#define BOOT_DRIVER 0x80000004u
#define BOOT_ACTION 0x80000007u
#define BOOT_FIRMWARE_BLOB 0x80000008u

struct fake_boot {
	struct ai_buf log;
	struct ai_digest pcrs[AI_N_PCRS];
};

static inline void
boot_number(struct ai_buf *b, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		ai_buf_putc(b, (char)(v >> (8 * i)));
}

/* An event whose digest is given: TCG_PCR_EVENT2 with one digest. */
static inline void
boot_digest(struct fake_boot *f, uint32_t pcr, uint32_t type, const struct ai_digest *digest, const void *data, size_t n)
{
	boot_number(&f->log, pcr, 4);
	boot_number(&f->log, type, 4);
	boot_number(&f->log, 1, 4);
	boot_number(&f->log, 0x000b, 2);
	ai_buf_put(&f->log, digest->b, sizeof digest->b);
	boot_number(&f->log, n, 4);
	ai_buf_put(&f->log, data, n);
	if (type != BOOT_NO_ACTION && pcr < AI_N_PCRS)
		ai_sha256_pair(&f->pcrs[pcr], digest, &f->pcrs[pcr]);
}

/* An event whose data is what was hashed. */
static inline void
boot_event(struct fake_boot *f, uint32_t pcr, uint32_t type, const void *data, size_t n)
{
	struct ai_digest d;
	ai_sha256(data, n, &d);
	boot_digest(f, pcr, type, &d, data, n);
}

static inline void
boot_text(struct fake_boot *f, uint32_t pcr, uint32_t type, const char *text)
{
	boot_event(f, pcr, type, text, strlen(text));
}

/* UEFI_VARIABLE_DATA of a variable with the global GUID. */
static inline void
boot_variable(struct fake_boot *f, uint32_t pcr, uint32_t type, const char *name, const void *value, size_t n)
{
	static const uint8_t global[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	ai_buf_put(&b, global, sizeof global);
	boot_number(&b, strlen(name), 8);
	boot_number(&b, n, 8);
	for (const char *p = name; *p; p++)
		boot_number(&b, (unsigned char)*p, 2);
	ai_buf_put(&b, value, n);
	boot_event(f, pcr, type, b.data, b.len);
}

/* The header: a TCG_PCR_EVENT of the SHA-1 format that holds a TCG_EfiSpecIDEvent. */
static inline void
boot_header(struct fake_boot *f)
{
	static const char signature[16] = "Spec ID Event03";
	boot_number(&f->log, 0, 4);
	boot_number(&f->log, BOOT_NO_ACTION, 4);
	for (int i = 0; i < 20; i++)
		ai_buf_putc(&f->log, 0);
	boot_number(&f->log, 16 + 4 + 4 + 4 + 4 + 1, 4);
	ai_buf_put(&f->log, signature, sizeof signature);
	boot_number(&f->log, 0, 4);                     /* platform class */
	ai_buf_put(&f->log, "\x00\x02\x00\x02", 4);     /* 2.0, errata 0, UINTN of 8 bytes */
	boot_number(&f->log, 1, 4);
	boot_number(&f->log, 0x000b, 2);
	boot_number(&f->log, 32, 2);
	boot_number(&f->log, 0, 1);                     /* no vendor information */
}

static inline void
fake_boot_init(struct fake_boot *f)
{
	*f = (struct fake_boot){ .log = AI_BUF(AI_MAX_BOOT_LOG) };
	boot_header(f);
}

static inline void
fake_boot_done(struct fake_boot *f)
{
	ai_buf_done(&f->log);
}

/* An image by its Authenticode digest, which here is the SHA-256 of a word. Data: UEFI_IMAGE_LOAD_EVENT with an end node for a path. */
static inline void
boot_image(struct fake_boot *f, uint32_t pcr, uint32_t type, const char *word)
{
	struct ai_digest d;
	uint8_t load[36] = { [24] = 4, [32] = 0x7f, 0xff, 4, 0 };
	ai_sha256(word, strlen(word), &d);
	boot_digest(f, pcr, type, &d, load, sizeof load);
}

static inline void
boot_separators(struct fake_boot *f)
{
	for (uint32_t pcr = 0; pcr < 8; pcr++)
		boot_event(f, pcr, BOOT_SEPARATOR, "\0\0\0\0", 4);
}

/* Firmware, Secure Boot on, one UKI. */
static inline void
fake_boot_usual(struct fake_boot *f, const char *uki, uint8_t secure_boot)
{
	boot_event(f, 0, BOOT_CRTM_VERSION, "1\0.\0002\0\0", 8);
	boot_text(f, 0, BOOT_FIRMWARE_BLOB, "firmware");
	boot_variable(f, 7, BOOT_VARIABLE, "SecureBoot", &secure_boot, 1);
	boot_variable(f, 7, BOOT_VARIABLE, "PK", "pk", 2);
	boot_variable(f, 7, BOOT_VARIABLE, "KEK", "kek", 3);
	boot_text(f, 4, BOOT_ACTION, "Calling EFI Application from Boot Option");
	boot_separators(f);
	boot_image(f, 4, BOOT_APPLICATION, uki);
	boot_event(f, 11, BOOT_IPL, ".linux", 7);
	boot_text(f, 5, BOOT_ACTION, "Exit Boot Services Invocation");
	boot_text(f, 5, BOOT_ACTION, "Exit Boot Services Returned with Success");
}

#endif
