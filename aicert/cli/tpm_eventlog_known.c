/* tpm_eventlog_known.c -- PCR values from a file, held against a log; see tpm_eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/tpm_eventlog.h"

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Hex digits in either case, with or without 0x in front. */
static bool
unhex(const char *s, struct ai_pcr_value *out)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	size_t n = strlen(s);
	*out = (struct ai_pcr_value){ .n = n / 2 };
	if (n == 0 || n % 2 || n / 2 > sizeof out->b)
		return false;
	for (size_t i = 0; i < n; i++) {
		int v = nibble(s[i]);
		if (v < 0)
			return false;
		out->b[i / 2] = (uint8_t)(out->b[i / 2] << 4 | v);
	}
	return true;
}

/* "0" to "23" and nothing else. */
static int
pcr_number(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n > 2 || strspn(s, "0123456789") != n || (n == 2 && s[0] == '0'))
		return -1;
	int v = n == 1 ? s[0] - '0' : (s[0] - '0') * 10 + (s[1] - '0');
	return v < AI_LOG_PCRS ? v : -1;
}

static uint16_t
bank_of_size(size_t n)
{
	static const uint16_t banks[] = { AI_BANK_SHA1, AI_BANK_SHA256, AI_BANK_SHA384, AI_BANK_SHA512 };
	for (size_t i = 0; i < sizeof banks / sizeof *banks; i++)
		if (ai_bank_size(banks[i]) == n)
			return banks[i];
	return 0;
}

/* One bank's {"0": hex, …}; bank 0: the first value's length says it. */
static int
read_bank(const json_t *pcrs, uint16_t bank, const char *what, struct ai_known_pcrs *out, struct ai_err *err)
{
	const char *key;
	json_t *v;
	struct ai_known_bank *b = &out->banks[out->n];
	*b = (struct ai_known_bank){ .bank = bank };
	if (out->n == AI_LOG_BANKS)
		return ai_fail(err, AI_EINPUT, "%s: got more than %d banks", what, AI_LOG_BANKS);
	json_object_foreach((json_t *)pcrs, key, v) {
		struct ai_pcr_value value;
		int pcr = pcr_number(key);
		if (pcr < 0)
			return ai_fail(err, AI_EINPUT, "%s: got '%s', expected a PCR, 0 to %d", what, key, AI_LOG_PCRS - 1);
		if (!json_is_string(v) || !unhex(json_string_value(v), &value))
			return ai_fail(err, AI_EINPUT, "%s: PCR %d: got no hex digits", what, pcr);
		if (!b->bank)
			b->bank = bank_of_size(value.n);
		if (!b->bank || ai_bank_size(b->bank) != value.n)
			return ai_fail(err, AI_EINPUT, "%s: PCR %d: got %zu bytes, expected %zu", what, pcr, value.n, b->bank ? ai_bank_size(b->bank) : 32);
		b->pcrs[pcr] = value;
		b->mask |= 1u << pcr;
	}
	out->n++;
	return 0;
}

int
ai_known_pcrs_parse(const char *text, size_t len, const char *what, struct ai_known_pcrs *out, struct ai_err *err)
{
	AI_JSON *root = NULL;
	struct ai_known_pcrs known = { 0 };
	const char *key;
	json_t *v;
	if (ai_json_parse(text, len, what, &root, err) < 0)
		return err->code;
	json_t *pcrs = ai_json_obj(root, "pcrs") ? ai_json_obj(root, "pcrs") : root;
	if (!json_is_object(pcrs) || json_object_size(pcrs) == 0)
		return ai_fail(err, AI_EINPUT, "%s: got no PCR values, expected {\"sha256\": {\"0\": \"hex\"}} or {\"0\": \"hex\"}", what);
	bool flat = json_is_string(json_object_iter_value(json_object_iter(pcrs)));
	if (flat && read_bank(pcrs, 0, what, &known, err) < 0)
		return err->code;
	if (!flat)
		json_object_foreach(pcrs, key, v) {
			uint16_t bank = ai_bank_parse(key);
			if (!bank || !json_is_object(v))
				return ai_fail(err, AI_EINPUT, "%s: got '%s', expected a bank (sha256, sha384, sha512, sm3_256, sha1) with its PCRs", what, key);
			if (read_bank(v, bank, what, &known, err) < 0)
				return err->code;
		}
	for (size_t i = 0; i < known.n; i++)
		if (known.banks[i].mask) {
			*out = known;
			return 0;
		}
	return ai_fail(err, AI_EINPUT, "%s: got no PCR values", what);
}

/* One known value; replayed is NULL when the log cannot be replayed in its bank. */
static int
compare_one(struct ai_compared *c, const struct ai_eventlog *log, const struct ai_replayed *replayed, struct ai_err *err)
{
	if (!replayed || !replayed->done) {
		snprintf(c->why, sizeof c->why, "%s", replayed ? replayed->why : "the log has no such bank");
		return 0;
	}
	c->replayed = replayed->pcrs[c->pcr];
	c->equal = memcmp(c->replayed.b, c->known.b, c->known.n) == 0;
	if (c->equal)
		return 0;
	AI_BUF_AUTO why = AI_BUF(1024);
	int r = 0;
	if (!(replayed->mask & 1u << c->pcr))
		ai_buf_puts(&why, "no event of the log is in this PCR: what extended it kept no log here");
	else
		r = ai_eventlog_explain(log, c->bank, c->pcr, &c->known, &why, err);
	snprintf(c->why, sizeof c->why, "%s", why.data ? why.data : "");
	return r < 0 ? r : 0;
}

int
ai_known_pcrs_compare(const struct ai_known_pcrs *known, const struct ai_eventlog *log, const struct ai_replayed *replayed, uint16_t only,
	struct ai_comparison *out, struct ai_err *err)
{
	out->n = out->n_equal = 0;
	for (size_t i = 0; i < known->n; i++) {
		const struct ai_known_bank *b = &known->banks[i];
		const struct ai_replayed *r = NULL;
		if (only && b->bank != only)
			continue;
		for (size_t k = 0; k < log->n_banks; k++)
			if (log->banks[k] == b->bank)
				r = &replayed[k];
		for (unsigned pcr = 0; pcr < AI_LOG_PCRS; pcr++) {
			if (!(b->mask & 1u << pcr))
				continue;
			struct ai_compared *c = &out->items[out->n++];
			*c = (struct ai_compared){ .bank = b->bank, .pcr = pcr, .known = b->pcrs[pcr] };
			if (compare_one(c, log, r, err) < 0)
				return err->code;
			out->n_equal += c->equal;
		}
	}
	return 0;
}
