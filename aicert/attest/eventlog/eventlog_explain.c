/* eventlog_explain.c -- why a log does not replay to a value, where that can be seen; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"

struct replay {
	const struct ai_eventlog *log;
	size_t bank;
	unsigned pcr;
	const struct ai_pcr_value *known;
	struct ai_bank_hash hash;
	uint8_t value[64];
	bool failed;
};

static void
extend(struct replay *r, const uint8_t *digest)
{
	r->failed |= !digest || !ai_bank_hash_of(&r->hash, r->value, r->hash.size, digest, r->hash.size, r->value);
}

static bool
reached(const struct replay *r)
{
	return memcmp(r->value, r->known->b, r->hash.size) == 0;
}

/* From a start to the end; *prefix is the number of the log's events after which the value was the known one, or the log's length. */
static bool
run(struct replay *r, uint8_t start, size_t *prefix)
{
	memset(r->value, 0, sizeof r->value);
	r->value[r->hash.size - 1] = start;
	*prefix = reached(r) ? 0 : r->log->n;
	for (size_t i = 0; i < r->log->n && !r->failed; i++) {
		const struct ai_event *e = &r->log->events[i];
		if (e->pcr != r->pcr || e->type == EV_NO_ACTION)
			continue;
		extend(r, e->digests[r->bank]);
		if (reached(r) && *prefix == r->log->n)
			*prefix = i + 1;
	}
	return reached(r);
}

static bool
with_exit_boot_services(struct replay *r)
{
	static const char *const texts[] = { "Exit Boot Services Invocation", "Exit Boot Services Returned with Success" };
	uint8_t digest[64];
	for (size_t i = 0; i < 2; i++) {
		r->failed |= !ai_bank_hash_of(&r->hash, texts[i], strlen(texts[i]), NULL, 0, digest);
		extend(r, digest);
	}
	return reached(r);
}

static void
explain(struct replay *r, struct ai_buf *out)
{
	static const uint8_t zeros[64], starts[] = { 0, 3, 4 };
	size_t prefix, after;
	uint8_t start = r->pcr == 0 ? (r->log->hcrtm ? 4 : r->log->locality) : 0;
	(void)run(r, start, &after);
	if (r->pcr == 5 && with_exit_boot_services(r)) {
		ai_buf_puts(out, "it is equal with the two events of ExitBootServices behind the log: firmware left them out");
		return;
	}
	if (memcmp(r->known->b, zeros, r->hash.size) == 0) {
		ai_buf_puts(out, "the known value is that of a PCR which nothing was extended into: another boot's, or of a bank that is off");
		return;
	}
	for (size_t i = 0; r->pcr == 0 && i < sizeof starts; i++)
		if (starts[i] != start && run(r, starts[i], &prefix)) {
			ai_buf_printf(out, "it is equal when PCR 0 starts at locality %u, which the log does not say", starts[i]);
			return;
		}
	if (after < r->log->n)
		ai_buf_printf(out, "it is equal up to event %zu: the values were read before the rest, or the log goes on after another boot's start", after - 1);
}

int
ai_eventlog_explain(const struct ai_eventlog *log, uint16_t bank, unsigned pcr, const struct ai_pcr_value *known, struct ai_buf *out, struct ai_err *err)
{
	int at = ai_eventlog_bank(log, bank);
	struct replay r = { .log = log, .bank = at < 0 ? 0 : (size_t)at, .pcr = pcr, .known = known };
	if (at < 0 || known->n != ai_bank_size(bank) || pcr >= AI_LOG_PCRS)
		return ai_fail(err, AI_ENO, "event log: got no bank or PCR of that kind");
	if (ai_bank_hash_init(bank, &r.hash, err) < 0)
		return err->code;
	AI_BUF_AUTO text = AI_BUF(1024);
	explain(&r, &text);
	ai_bank_hash_done(&r.hash);
	if (!r.failed)
		ai_buf_put(out, text.data, text.len);
	return !r.failed && text.len ? 1 : 0;
}
