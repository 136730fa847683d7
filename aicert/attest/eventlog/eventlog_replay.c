/* eventlog_replay.c -- banks, their hashes, and the PCRs after a log; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "attest/eventlog/eventlog.h"
#include "attest/eventlog/eventlog_parts.h"

/* Fetching an algorithm takes OpenSSL longer than replaying a log, so it is done once. */
static struct bank { uint16_t alg; uint16_t size; const char *word, *name; EVP_MD *md; } banks[] = {
	{ AI_BANK_SHA256, 32, "sha256", "SHA256", NULL }, { AI_BANK_SHA384, 48, "sha384", "SHA384", NULL },
	{ AI_BANK_SHA512, 64, "sha512", "SHA512", NULL }, { AI_BANK_SM3, 32, "sm3_256", "SM3", NULL }, { AI_BANK_SHA1, 20, "sha1", "SHA1", NULL },
};
enum { BANKS = sizeof banks / sizeof *banks };
static pthread_once_t banks_once = PTHREAD_ONCE_INIT;

static void
fetch_banks(void)
{
	for (int i = 0; i < BANKS; i++)
		banks[i].md = EVP_MD_fetch(NULL, banks[i].name, NULL);
}

static int
find(uint16_t alg)
{
	for (int i = 0; i < BANKS; i++)
		if (banks[i].alg == alg)
			return i;
	return -1;
}

const char *
ai_bank_word(uint16_t bank)
{
	int i = find(bank);
	return i < 0 ? NULL : banks[i].word;
}

uint16_t
ai_bank_parse(const char *word)
{
	for (int i = 0; i < BANKS; i++)
		if (strcmp(banks[i].word, word) == 0)
			return banks[i].alg;
	return 0;
}

size_t
ai_bank_size(uint16_t bank)
{
	int i = find(bank);
	return i < 0 ? 0 : banks[i].size;
}

int
ai_bank_hash_init(uint16_t bank, struct ai_bank_hash *out, struct ai_err *err)
{
	int i = find(bank);
	if (i < 0)
		return ai_fail(err, AI_ENO, "event log: bank 0x%04x: its hash is not known here", bank);
	pthread_once(&banks_once, fetch_banks);
	if (!banks[i].md)
		return ai_fail(err, AI_ENO, "event log: bank %s: this libcrypto has no %s", banks[i].word, banks[i].name);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestInit_ex2(ctx, banks[i].md, NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return ai_nomem(err);
	}
	*out = (struct ai_bank_hash){ .ctx = ctx, .size = banks[i].size };
	return 0;
}

void
ai_bank_hash_done(struct ai_bank_hash *h)
{
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
}

bool
ai_bank_hash_of(struct ai_bank_hash *h, const void *a, size_t n_a, const void *b, size_t n_b, uint8_t out[64])
{
	return EVP_DigestInit_ex2(h->ctx, NULL, NULL) == 1 && EVP_DigestUpdate(h->ctx, a, n_a) == 1 && (n_b == 0 || EVP_DigestUpdate(h->ctx, b, n_b) == 1) &&
		EVP_DigestFinal_ex(h->ctx, out, NULL) == 1;
}

int
ai_eventlog_bank(const struct ai_eventlog *log, uint16_t bank)
{
	for (size_t i = 0; i < log->n_banks; i++)
		if (log->banks[i] == bank)
			return (int)i;
	return -1;
}

/* What a PCR is reset to. Those of a dynamic launch (17 to 22) are all ones until one happens, and it begins at zeros. */
static void
reset(struct ai_pcr_value pcrs[AI_LOG_PCRS], size_t size, uint32_t mask)
{
	for (uint32_t i = 0; i < AI_LOG_PCRS; i++) {
		pcrs[i] = (struct ai_pcr_value){ .n = size };
		if (i >= 17 && i <= 22 && !(mask & 1u << i))
			memset(pcrs[i].b, 0xff, size);
	}
}

/* Which PCRs are extended; AI_ENO where an event that extends one has no digest in the bank. */
static int
extended(const struct ai_eventlog *log, size_t bank, uint32_t *out, struct ai_err *err)
{
	uint32_t mask = 0;
	for (size_t i = 0; i < log->n; i++) {
		const struct ai_event *e = &log->events[i];
		if (e->type == EV_NO_ACTION)
			continue;
		if (!e->digests[bank])
			return ai_fail(err, AI_ENO, "event log: event %zu at byte %zu has no digest in bank %s", i, e->at, ai_bank_word(log->banks[bank]));
		mask |= 1u << e->pcr;
	}
	*out = mask;
	return 0;
}

int
ai_eventlog_replay(const struct ai_eventlog *log, uint16_t bank, struct ai_pcr_value out[AI_LOG_PCRS], uint32_t *mask_out, struct ai_err *err)
{
	struct ai_pcr_value pcrs[AI_LOG_PCRS];
	struct ai_bank_hash h;
	uint32_t mask = 0;
	int at = ai_eventlog_bank(log, bank);
	if (at < 0)
		return ai_fail(err, AI_ENO, "event log: got no bank %s", ai_bank_word(bank) ? ai_bank_word(bank) : "of that algorithm");
	if (ai_bank_hash_init(bank, &h, err) < 0)
		return err->code;
	int code = extended(log, (size_t)at, &mask, err);
	if (code == 0) {
		reset(pcrs, h.size, mask);
		pcrs[0].b[h.size - 1] = log->hcrtm ? 4 : log->locality;
		if (pcrs[0].b[h.size - 1])
			mask |= 1;
	}
	for (size_t i = 0; code == 0 && i < log->n; i++) {
		const struct ai_event *e = &log->events[i];
		if (e->type == EV_NO_ACTION)
			continue;
		uint8_t *value = pcrs[e->pcr].b;
		if (!ai_bank_hash_of(&h, value, h.size, e->digests[at], h.size, value))
			code = ai_nomem(err);
	}
	ai_bank_hash_done(&h);
	if (code < 0)
		return code;
	memcpy(out, pcrs, sizeof pcrs);
	*mask_out = mask;
	return 0;
}
