/*
 * log_bytes.h -- boot logs made by hand: a header, events, and their true or false digests.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LOG_BYTES_H
#define AI_LOG_BYTES_H

#include <openssl/evp.h>

#include "attest/eventlog/eventlog.h"
#include "unit.h"

static inline void
put16(struct ai_buf *b, uint16_t v)
{
	ai_buf_putc(b, (char)(v & 0xff));
	ai_buf_putc(b, (char)(v >> 8));
}

static inline void
put32(struct ai_buf *b, uint32_t v)
{
	put16(b, (uint16_t)(v & 0xffff));
	put16(b, (uint16_t)(v >> 16));
}

static inline void
put64(struct ai_buf *b, uint64_t v)
{
	put32(b, (uint32_t)v);
	put32(b, (uint32_t)(v >> 32));
}

/* A TCG_EfiSpecIDEvent in its event: banks and sizes until a bank of 0. */
static inline void
put_header(struct ai_buf *b, const uint16_t banks[][2], const char *vendor)
{
	static const uint8_t zeros[20];
	size_t n = 0;
	while (banks[n][0])
		n++;
	put32(b, 0);
	put32(b, 3);
	ai_buf_put(b, zeros, 20);
	put32(b, (uint32_t)(28 + 4 * n + 1 + strlen(vendor)));
	ai_buf_put(b, "Spec ID Event03", 16);
	ai_buf_put(b, "\0\0\0\0\0\2\0\2", 8);
	put32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		put16(b, banks[i][0]);
		put16(b, banks[i][1]);
	}
	ai_buf_putc(b, (char)strlen(vendor));
	ai_buf_puts(b, vendor);
}

/* An event of a log of SHA-256 alone, its digest that of `hashed`. */
static inline void
put_event_of(struct ai_buf *b, uint32_t pcr, uint32_t type, const void *hashed, size_t n_hashed, const void *data, size_t n)
{
	uint8_t digest[32] = { 0 };
	if (hashed && EVP_Digest(hashed, n_hashed, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	put32(b, pcr);
	put32(b, type);
	put32(b, 1);
	put16(b, AI_BANK_SHA256);
	ai_buf_put(b, digest, 32);
	put32(b, (uint32_t)n);
	ai_buf_put(b, data, n);
}

static inline void
put_event(struct ai_buf *b, uint32_t pcr, uint32_t type, const void *data, size_t n)
{
	put_event_of(b, pcr, type, data, n, data, n);
}

static inline void
put_text_event(struct ai_buf *b, uint32_t pcr, uint32_t type, const char *text)
{
	put_event(b, pcr, type, text, strlen(text));
}

/* UEFI_VARIABLE_DATA. */
static inline void
put_variable(struct ai_buf *b, const char *name, const void *value, size_t n)
{
	ai_buf_put(b, "\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c", 16);
	put64(b, strlen(name));
	put64(b, n);
	for (const char *p = name; *p; p++)
		put16(b, (uint8_t)*p);
	ai_buf_put(b, value, n);
}

static inline void
put_variable_event(struct ai_buf *b, uint32_t pcr, uint32_t type, const char *name, const void *value, size_t n)
{
	AI_BUF_AUTO v = AI_BUF(1u << 20);
	put_variable(&v, name, value, n);
	put_event(b, pcr, type, v.data, v.len);
}

static const uint16_t only_sha256[][2] = { { AI_BANK_SHA256, 32 }, { 0, 0 } };

/* A log as firmware should write it: nothing is wrong with it. */
static inline void
put_good_log(struct ai_buf *b)
{
	put_header(b, only_sha256, "");
	put_event(b, 0, 0x8, "v\0001\0\0\0", 6);
	put_variable_event(b, 7, 0x80000001u, "SecureBoot", "\1", 1);
	put_variable_event(b, 7, 0x80000001u, "PK", "", 0);
	for (uint32_t pcr = 0; pcr < 8; pcr++)
		put_event(b, pcr, 4, "\0\0\0\0", 4);
	put_text_event(b, 5, 0x80000007u, "Exit Boot Services Invocation");
	put_text_event(b, 5, 0x80000007u, "Exit Boot Services Returned with Success");
}

static inline int
parse_log(const struct ai_buf *b, bool allow_sha1, struct ai_eventlog *out, struct ai_err *err)
{
	return ai_eventlog_parse((const uint8_t *)b->data, b->len, allow_sha1, out, err);
}

#endif
