/* eventlog.c -- parsing; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/eventlog/eventlog.h"

#include <stdlib.h>
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"

enum {
	SHA1_HEAD = 32,      /* TCG_PCR_EVENT without its data: pcr, type, digest[20], size */
	SPEC_ID_HEAD = 28,   /* TCG_EfiSpecIDEvent up to its algorithms: signature[16], class, minor, major, errata, uintn, count */
	MAX_DIGEST = 64,
};

struct reader { const uint8_t *p; size_t n, at; };

static size_t
left(const struct reader *r)
{
	return r->n - r->at;
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

bool
ai_event_signed(const uint8_t *data, size_t n, const char *signature)
{
	size_t len = strlen(signature) + 1;
	return n >= len && memcmp(data, signature, len) == 0;
}

static int
truncated(const struct reader *r, size_t index, size_t want, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu is cut off: got %zu bytes, expected %zu", index, r->at, left(r), want);
}

/* Places for one more event; the array grows, so that a log's length alone allocates nothing. */
static int
next_event(struct ai_eventlog *log, size_t *cap, struct ai_event **out, struct ai_err *err)
{
	if (log->n >= AI_MAX_EVENTS)
		return ai_fail(err, AI_EINPUT, "event log: got more than %d events", AI_MAX_EVENTS);
	if (ai_grow(&log->events, cap, log->n, sizeof *log->events, err) < 0)
		return err->code;
	*out = &log->events[log->n];
	**out = (struct ai_event){ 0 };
	return 0;
}

/* The fixed head of TCG_PCR_EVENT, and its data. */
static int
sha1_event(struct reader *r, size_t index, struct ai_event *e, struct ai_err *err)
{
	if (left(r) < SHA1_HEAD)
		return truncated(r, index, SHA1_HEAD, err);
	const uint8_t *p = r->p + r->at;
	uint32_t size = ai_le32(p + 28);
	if (size > left(r) - SHA1_HEAD)
		return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: its size lies: got %u bytes of data, expected at most the %zu that follow",
			index, r->at, size, left(r) - SHA1_HEAD);
	*e = (struct ai_event){ .pcr = ai_le32(p), .type = ai_le32(p + 4), .digests = { p + 8 }, .data = p + SHA1_HEAD, .data_len = size, .at = r->at };
	r->at += SHA1_HEAD + size;
	return 0;
}

/* TCG_EfiSpecIDEvent: the banks of the log and their digests' sizes. Nothing may follow its vendor's bytes. */
static int
spec_id(const uint8_t *p, size_t n, struct ai_eventlog *log, struct ai_err *err)
{
	if (n < SPEC_ID_HEAD)
		return ai_fail(err, AI_EINPUT, "event log: header: got %zu bytes of TCG_EfiSpecIDEvent, expected at least %d", n, SPEC_ID_HEAD + 1);
	if (p[21] != 2 || p[20] != 0)
		return ai_fail(err, AI_EINPUT, "event log: header: got version %u.%u, expected 2.0", p[21], p[20]);
	uint32_t count = ai_le32(p + 24);
	if (count == 0 || count > AI_LOG_BANKS)
		return ai_fail(err, AI_EINPUT, "event log: header: got %u algorithms, expected 1 to %d", count, AI_LOG_BANKS);
	if (n < SPEC_ID_HEAD + 4 * (size_t)count + 1)
		return ai_fail(err, AI_EINPUT, "event log: header: %u algorithms do not fit into its %zu bytes", count, n);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t alg = ai_le16(p + SPEC_ID_HEAD + 4 * i), size = ai_le16(p + SPEC_ID_HEAD + 4 * i + 2);
		size_t known = ai_bank_size(alg);
		if (size == 0 || size > MAX_DIGEST || (known && size != known))
			return ai_fail(err, AI_EINPUT, "event log: header: algorithm 0x%04x: got digests of %u bytes, expected %s", alg, size,
				known ? "those of its hash" : "1 to 64");
		if (ai_eventlog_bank(log, alg) >= 0)
			return ai_fail(err, AI_EINPUT, "event log: header: algorithm 0x%04x is listed twice", alg);
		log->banks[log->n_banks] = alg;
		log->sizes[log->n_banks++] = size;
	}
	size_t vendor_at = SPEC_ID_HEAD + 4 * (size_t)count;
	if (p[vendor_at] != n - vendor_at - 1)
		return ai_fail(err, AI_EINPUT, "event log: header: vendorInfoSize lies: got %u, expected the %zu bytes that follow it", p[vendor_at],
			n - vendor_at - 1);
	return 0;
}

/* The digests of a TCG_PCR_EVENT2, in any order, each of a listed algorithm and none twice. */
static int
digests(struct reader *r, const struct ai_eventlog *log, uint32_t count, struct ai_event *e, struct ai_err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		if (left(r) < 2)
			return truncated(r, log->n, 2, err);
		uint16_t alg = ai_le16(r->p + r->at);
		int bank = ai_eventlog_bank(log, alg);
		if (bank < 0)
			return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: unknown algorithm: got 0x%04x, expected one that the header lists", log->n, e->at, alg);
		if (e->digests[bank])
			return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: two digests of algorithm 0x%04x", log->n, e->at, alg);
		if (left(r) - 2 < log->sizes[bank])
			return truncated(r, log->n, 2u + log->sizes[bank], err);
		e->digests[bank] = r->p + r->at + 2;
		r->at += 2u + log->sizes[bank];
	}
	return 0;
}

static int
agile_event(struct reader *r, struct ai_eventlog *log, struct ai_event *e, struct ai_err *err)
{
	enum { HEAD = 12 };
	if (left(r) < HEAD)
		return truncated(r, log->n, HEAD, err);
	const uint8_t *p = r->p + r->at;
	uint32_t count = ai_le32(p + 8);
	*e = (struct ai_event){ .pcr = ai_le32(p), .type = ai_le32(p + 4), .at = r->at };
	if (count > log->n_banks)
		return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: wrong digest count: got %u, expected at most the header's %zu", log->n, r->at,
			count, log->n_banks);
	r->at += HEAD;
	if (digests(r, log, count, e, err) < 0)
		return err->code;
	if (left(r) < 4)
		return truncated(r, log->n, 4, err);
	uint32_t size = ai_le32(r->p + r->at);
	if (size > left(r) - 4)
		return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: its size lies: got %u bytes of data, expected at most the %zu that follow", log->n,
			e->at, size, left(r) - 4);
	e->data = r->p + r->at + 4;
	e->data_len = size;
	r->at += 4 + (size_t)size;
	return 0;
}

/* How PCR 0 starts: at its TPM2_Startup's locality, or at 4 when an H-CRTM was hashed before. pcr0: was PCR 0 extended already? */
static int
startup(struct ai_eventlog *log, const struct ai_event *e, bool *said, bool pcr0, struct ai_err *err)
{
	if (e->type == EV_EFI_HCRTM_EVENT && e->pcr == 0 && !pcr0)
		log->hcrtm = true;
	if (e->type != EV_NO_ACTION || !ai_event_signed(e->data, e->data_len, "StartupLocality"))
		return 0;
	uint8_t locality = e->data_len == 17 ? e->data[16] : 0xff;
	if (locality != 0 && locality != 3 && locality != 4)
		return ai_fail(err, AI_EINPUT, "event log: event %zu: StartupLocality: got %zu bytes with locality %u, expected 17 with 0, 3 or 4", log->n, e->data_len,
			e->data_len > 16 ? e->data[16] : 0);
	if (*said)
		return ai_fail(err, AI_EINPUT, "event log: event %zu: a second StartupLocality", log->n);
	*said = true;
	log->locality = locality;
	return 0;
}

static int
events(struct reader *r, struct ai_eventlog *log, struct ai_err *err)
{
	size_t cap = 0;
	bool said = false, pcr0 = false;
	while (left(r) > 0) {
		struct ai_event *e = NULL;
		/* Firmware copies the whole of the area that it keeps for the log: an event of PCR 0, type 0, without digests and data is none. */
		if (all_zero(r->p + r->at, left(r)))
			break;
		if (next_event(log, &cap, &e, err) < 0)
			return err->code;
		int code = log->crypto_agile ? agile_event(r, log, e, err) : sha1_event(r, log->n, e, err);
		if (code < 0)
			return code;
		if (e->pcr >= AI_LOG_PCRS && !(e->pcr == UINT32_MAX && e->type == EV_NO_ACTION))
			return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: got PCR %u, expected 0 to %d", log->n, e->at, e->pcr, AI_LOG_PCRS - 1);
		if (e->type == EV_NO_ACTION && ai_event_signed(e->data, e->data_len, "Spec ID Event03"))
			return ai_fail(err, AI_EINPUT, "event log: event %zu at byte %zu: a second header", log->n, e->at);
		if (startup(log, e, &said, pcr0, err) < 0)
			return err->code;
		pcr0 |= e->pcr == 0 && e->type != EV_NO_ACTION;
		log->n++;
	}
	return 0;
}

/*
 * TCG Canonical Event Log in TLV, big-endian: type 0, the record's number, of 4 or 8 bytes; then where it was measured: a PCR (type 1), an NV
 * index (2) or a register of a confidential machine (108), of 1 or 4 bytes.
 */
static bool
is_cel_tlv(const uint8_t *p, size_t n)
{
	if (n < 5 || !all_zero(p, 4) || (p[4] != 4 && p[4] != 8) || n < 11u + p[4])
		return false;
	const uint8_t *where = p + 5 + p[4];
	return (where[0] == 1 || where[0] == 2 || where[0] == 108) && all_zero(where + 1, 3) && (where[4] == 1 || where[4] == 4);
}

static bool
is_printable(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= 0x20 && p[i] < 0x7f) || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
			return false;
	return true;
}

/* What is plainly something else is called by its name. */
static int
not_a_log(const uint8_t *p, size_t n, struct ai_err *err)
{
	if (n == 0)
		return ai_fail(err, AI_EINPUT, "event log: got an empty file");
	if (n > AI_MAX_BOOT_LOG)
		return ai_fail(err, AI_EINPUT, "event log: got %zu bytes, expected at most %u", n, AI_MAX_BOOT_LOG);
	if (all_zero(p, n))
		return ai_fail(err, AI_EINPUT, "event log: got %zu zero bytes and no event", n);
	/* Four bytes of text are no PCR's number. */
	if (is_printable(p, n < 64 ? n : 64))
		return ai_fail(err, AI_EINPUT, "event log: got text, expected the bytes of binary_bios_measurements");
	if (is_cel_tlv(p, n))
		return ai_fail(err, AI_EINPUT, "event log: got a TCG Canonical Event Log (CEL, in TLV), expected the firmware's log, binary_bios_measurements");
	return 0;
}

int
ai_eventlog_parse(const uint8_t *p, size_t n, bool allow_sha1, struct ai_eventlog *out, struct ai_err *err)
{
	struct ai_eventlog log = { .banks = { AI_BANK_SHA1 }, .sizes = { 20 }, .n_banks = 1 };
	struct reader r = { p, n, 0 };
	struct ai_event first;
	if (not_a_log(p, n, err) < 0 || sha1_event(&r, 0, &first, err) < 0)
		return err->code;
	log.crypto_agile = first.type == EV_NO_ACTION && ai_event_signed(first.data, first.data_len, "Spec ID Event03");
	if (log.crypto_agile) {
		log.n_banks = 0;
		if (first.pcr != 0 || !all_zero(first.digests[0], 20))
			return ai_fail(err, AI_EINPUT, "event log: header: got PCR %u and a digest of its own, expected PCR 0 and zeros", first.pcr);
		if (spec_id(first.data, first.data_len, &log, err) < 0)
			return err->code;
	} else {
		r.at = 0;
	}
	int code = events(&r, &log, err);
	/* A malformed log is called malformed, whatever its format. */
	if (code == 0 && !log.crypto_agile && !allow_sha1) {
		code = ai_fail(err, AI_ENO, "event log: got the SHA-1 format of TPM 1.2, expected a crypto-agile log: two texts of one SHA-1 can be made, so it proves nothing");
		code = ai_hint(err, "--allow-sha1 takes it nevertheless");
	}
	if (code < 0) {
		ai_eventlog_done(&log);
		return code;
	}
	*out = log;
	return 0;
}

void
ai_eventlog_done(struct ai_eventlog *log)
{
	free(log->events);
	*log = (struct ai_eventlog){ 0 };
}
