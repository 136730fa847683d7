/* tpm_check_judge.c -- the checks of `aicert tpm check`; see tpm_check.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/x509/chain.h"
#include "attest/eventlog/eventlog.h"
#include "base/when.h"
#include "cli/tpm_check.h"

enum { SKIPPED = 0, PASSED = 1 };

static const uint8_t *bytes(const struct ai_buf *b) { return (const uint8_t *)(b->data ? b->data : ""); }

static void
put_hex(struct ai_buf *b, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ai_buf_printf(b, "%02x", ((const uint8_t *)p)[i]);
	if (n == 0)
		ai_buf_puts(b, "(nothing)");
}

static void
put_mask(struct ai_buf *b, uint32_t mask)
{
	const char *between = "";
	for (unsigned k = 0; k < AI_CHECK_PCRS; k++)
		if (mask >> k & 1) {
			ai_buf_printf(b, "%s%u", between, k);
			between = ",";
		}
	if (!mask)
		ai_buf_puts(b, "none");
}

void
ai_tpm_selection_text(const struct ai_quote *q, struct ai_buf *out)
{
	for (size_t i = 0; i < q->n_banks; i++) {
		ai_buf_printf(out, "%s%s:", i ? "+" : "", ai_bank_word(q->banks[i].bank));
		put_mask(out, q->banks[i].mask);
	}
}

/* A check that stands on another that failed. */
static int
needs(struct ai_buf *said, const char *what)
{
	ai_buf_printf(said, "not looked at: %s", what);
	return SKIPPED;
}

int
ai_tpm_check_form(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	if (ai_quote_parse_banks(bytes(&c->f.quote), c->f.quote.len, &c->q, err) < 0)
		return err->code;
	c->has_q = true;
	ai_buf_printf(said, "TPMS_ATTEST of %zu bytes%s: magic ff544347, type 8018 (a quote), selects ", c->f.quote.len,
		c->f.wrapped ? " (its TPM2B_ATTEST taken off)" : "");
	ai_tpm_selection_text(&c->q, said);
	ai_buf_puts(said, ", nothing follows");
	return PASSED;
}

/* A PEM key does not say what it signs with: --scheme does, or the signature itself, which is then held to it. */
static int
key_from_pem(struct ai_tpm_check *c, struct ai_err *err)
{
	uint16_t scheme = c->told_scheme, hash = c->told_hash;
	if (!c->scheme && ai_quote_signature_words(bytes(&c->f.signature), c->f.signature.len, &scheme, &hash, err) < 0)
		return err->code;
	return ai_ak_from_pem(c->f.key.data, c->f.key.len, scheme, hash, c->allow_sha1, &c->ak, err);
}

int
ai_tpm_check_key(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	const uint8_t *p = bytes(&c->f.key);
	size_t n = c->f.key.len;
	int r = c->f.pem ? key_from_pem(c, err) : c->allow_sha1 ? ai_ak_parse_sha1(p, n, &c->ak, err) : ai_ak_parse(p, n, &c->ak, err);
	if (r < 0) {
		if (strstr(err->text, "SHA-1"))
			ai_hint(err, "--allow-sha1 takes it all the same");
		return r;
	}
	c->has_ak = true;
	if (c->scheme && (c->told_scheme != c->ak.scheme || c->told_hash != c->ak.hash))
		return ai_fail(err, AI_ENO, "key: it signs by %s with %s, --scheme says '%s'", ai_scheme_word(c->ak.scheme), ai_hash_word(c->ak.hash), c->scheme);
	ai_buf_printf(said, "%s %d, signs by %s with %s", c->ak.bits ? "RSA" : "ECC", c->ak.bits ? c->ak.bits : c->ak.curve == 4 ? 384 : 256,
		ai_scheme_word(c->ak.scheme), ai_hash_word(c->ak.hash));
	if (c->f.pem) {
		ai_buf_printf(said, " (%s)", c->scheme ? "as --scheme says" : "as the signature says, for a PEM key does not");
		return PASSED;
	}
	ai_buf_puts(said, "; fingerprint ");
	put_hex(said, c->ak.fingerprint.b, sizeof c->ak.fingerprint.b);
	return PASSED;
}

/* The parse of a public area refuses a key with others; a PEM key has none to look at. */
int
ai_tpm_check_attributes(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	(void)err;
	if (!c->has_ak)
		return needs(said, "the key is not one that it could be judged with");
	if (c->f.pem) {
		ai_buf_puts(said, "a PEM key does not say whether it is in a TPM, and signs only what the TPM made: unless certificates do, nobody does");
		return SKIPPED;
	}
	ai_buf_printf(said, "%08x: restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin; not decrypt", (unsigned)c->ak.attributes);
	return PASSED;
}

static int
check_signature(const struct ai_tpm_check *c, const struct ai_buf *quote, const struct ai_buf *sig, struct ai_err *err)
{
	return (c->scheme ? ai_quote_signature_bare : ai_quote_signature)(&c->ak, bytes(quote), quote->len, bytes(sig), sig->len, err);
}

int
ai_tpm_check_signature(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	if (!c->has_ak)
		return needs(said, "the key is not one that it could be judged with");
	if (check_signature(c, &c->f.quote, &c->f.signature, err) < 0)
		return err->code;
	ai_buf_printf(said, "%s %s over the quote's %zu bytes, by this key", ai_scheme_word(c->ak.scheme), ai_hash_word(c->ak.hash), c->f.quote.len);
	return PASSED;
}

int
ai_tpm_check_bank(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	if (!c->has_q)
		return needs(said, "the quote is none");
	for (size_t i = 0; i < c->q.n_banks; i++) {
		const char *word = ai_bank_word(c->q.banks[i].bank);
		if (c->q.banks[i].bank == AI_BANK_SHA1 && !c->allow_sha1) {
			ai_fail(err, AI_ENO, "the quote is of PCRs in the SHA-1 bank, whose values others can be made to have");
			return ai_hint(err, "--allow-sha1 takes it all the same");
		}
		if (c->bank && (c->q.n_banks != 1 || c->q.banks[i].bank != ai_bank_parse(c->bank)))
			return ai_fail(err, AI_ENO, "PCR bank: got %s%s, expected %s alone", word, c->q.n_banks > 1 ? " among others" : "", c->bank);
	}
	ai_buf_printf(said, "PCRs of %s%s%s", ai_bank_word(c->q.bank), c->q.n_banks > 1 ? " and others" : "", c->bank ? ", as --bank says" : "");
	return PASSED;
}

int
ai_tpm_check_extra(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	AI_BUF_AUTO got = AI_BUF(AI_MAX_HEADER);
	AI_BUF_AUTO want = AI_BUF(AI_MAX_TEXT);
	if (!c->has_q)
		return needs(said, "the quote is none");
	put_hex(&got, c->q.extra, c->q.extra_len);
	put_hex(&want, c->f.extra.data, c->f.extra.len);
	if (!c->f.has_extra) {
		ai_buf_printf(said, "extraData is %s; neither --extra nor --nonce says what it must be, so the quote may be an old one", got.data);
		return SKIPPED;
	}
	if (ai_buf_ok(&want, "--nonce", err) < 0)
		return err->code;
	if (!ai_quote_extra_is(&c->q, c->f.extra.data ? c->f.extra.data : "", c->f.extra.len))
		return ai_fail(err, AI_ENO, "extraData: got %s, expected %.200s", got.data, want.data);
	ai_buf_printf(said, "extraData is %s", got.data);
	return PASSED;
}

/* --- PCRs ------------------------------------------------------------------------ */

/* Banks and PCRs presented are those quoted: no fewer, and no more, for of more the quote says nothing. */
static int
same_selection(const struct ai_tpm_check *c, struct ai_err *err)
{
	const struct ai_presented *p = &c->f.presented;
	for (size_t i = 0; i < p->n; i++) {
		uint32_t quoted = 0;
		for (size_t k = 0; k < c->q.n_banks; k++)
			quoted = c->q.banks[k].bank == p->banks[i].bank ? c->q.banks[k].mask : quoted;
		if (quoted == p->banks[i].mask)
			continue;
		AI_BUF_AUTO a = AI_BUF(AI_MAX_TEXT);
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		put_mask(&a, p->banks[i].mask);
		ai_tpm_selection_text(&c->q, &b);
		return ai_fail(err, AI_ENO, "PCR values: got %s:%s, expected those that were quoted: %s", ai_bank_word(p->banks[i].bank), a.data, b.data);
	}
	for (size_t k = 0; k < c->q.n_banks; k++) {
		bool there = c->q.banks[k].mask == 0;
		for (size_t i = 0; i < p->n; i++)
			there = there || p->banks[i].bank == c->q.banks[k].bank;
		if (!there)
			return ai_fail(err, AI_ENO, "PCR values: got none of the bank %s, which was quoted", ai_bank_word(c->q.banks[k].bank));
	}
	return 0;
}

static const uint8_t *
presented(const struct ai_presented *p, uint16_t bank, unsigned pcr)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->banks[i].bank == bank && p->banks[i].mask >> pcr & 1)
			return p->banks[i].values[pcr];
	return NULL;
}

static int
compare_values(struct ai_tpm_check *c, struct ai_err *err)
{
	AI_BUF_AUTO all = AI_BUF(AI_MAX_HEADER);
	if (ai_tpm_files_pcrs(c, err) < 0 || same_selection(c, err) < 0)
		return err->code;
	for (size_t i = 0; i < c->q.n_banks; i++)
		for (unsigned k = 0; k < AI_CHECK_PCRS; k++)
			if (c->q.banks[i].mask >> k & 1)
				ai_buf_put(&all, presented(&c->f.presented, c->q.banks[i].bank, k), ai_bank_size(c->q.banks[i].bank));
	if (ai_buf_ok(&all, "PCR values", err) < 0)
		return err->code;
	return ai_quote_values(&c->q, c->ak.hash, all.data, all.len, err);
}

int
ai_tpm_check_pcrs(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	if (!c->has_q || !c->has_ak)
		return needs(said, c->has_q ? "which hash the digest is by, the key says" : "the quote is none");
	if (!c->pcrs) {
		ai_buf_puts(said, "the quote holds only their digest, ");
		put_hex(said, c->q.pcr_digest, c->q.pcr_digest_len);
		ai_buf_puts(said, "; --pcrs gives values to compare");
		return SKIPPED;
	}
	if (compare_values(c, err) < 0) {
		memset(&c->f.presented, 0, sizeof c->f.presented);
		return err->code;
	}
	ai_buf_printf(said, "the %s of the values of ", ai_hash_word(c->ak.hash));
	ai_tpm_selection_text(&c->q, said);
	ai_buf_printf(said, " (%s) is the quote's digest, ", c->f.pcrs_form);
	put_hex(said, c->q.pcr_digest, c->q.pcr_digest_len);
	return PASSED;
}

/* The quoted PCRs of a bank against what the log replays to: which agree, and which of them the log does not speak of. */
static int
compare_log(const struct ai_tpm_check *c, const struct ai_eventlog *log, size_t i, uint32_t *agree, uint32_t *silent, struct ai_err *err)
{
	struct ai_pcr_value values[AI_LOG_PCRS] = { 0 };
	uint16_t bank = c->q.banks[i].bank;
	uint32_t mask = 0, differ = 0;
	unsigned first = 0;
	if (ai_eventlog_replay(log, bank, values, &mask, err) < 0)
		return err->code;
	*agree = *silent = 0;
	for (unsigned k = AI_CHECK_PCRS; k-- > 0;) {
		if (!(c->q.banks[i].mask >> k & 1))
			continue;
		if (k >= AI_LOG_PCRS || !(mask >> k & 1)) {
			*silent |= 1u << k;
		} else if (memcmp(values[k].b, presented(&c->f.presented, bank, k), ai_bank_size(bank)) == 0) {
			*agree |= 1u << k;
		} else {
			differ |= 1u << k;
			first = k;
		}
	}
	if (!differ)
		return 0;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	put_mask(&text, differ);
	ai_buf_printf(&text, " of %s; PCR %u: the log gives ", ai_bank_word(bank), first);
	put_hex(&text, values[first].b, ai_bank_size(bank));
	ai_buf_puts(&text, ", quoted is ");
	put_hex(&text, presented(&c->f.presented, bank, first), ai_bank_size(bank));
	return ai_fail(err, AI_ENO, "event log: it does not replay to the quoted PCRs %s", text.data);
}

int
ai_tpm_check_event_log(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	struct ai_eventlog log;
	if (!c->event_log) {
		ai_buf_puts(said, "none given (--eventlog)");
		return SKIPPED;
	}
	if (c->f.presented.n == 0)
		return needs(said, "the PCR values that it would be compared with are not those quoted");
	if (ai_eventlog_parse(bytes(&c->f.event_log), c->f.event_log.len, c->allow_sha1, &log, err) < 0)
		return ai_in(err, "event log");
	int r = PASSED;
	ai_buf_printf(said, "%zu events", log.n);
	for (size_t i = 0; r == PASSED && i < c->q.n_banks; i++) {
		uint32_t agree, silent;
		if (c->q.banks[i].mask == 0)
			continue;
		if (compare_log(c, &log, i, &agree, &silent, err) < 0) {
			r = err->code;
		} else if (!agree) {
			r = ai_fail(err, AI_ENO, "event log: it speaks of none of the quoted PCRs of %s", ai_bank_word(c->q.banks[i].bank));
		} else {
			ai_buf_printf(said, "; replays to the quoted %s:", ai_bank_word(c->q.banks[i].bank));
			put_mask(said, agree);
			ai_buf_puts(said, "; does not speak of ");
			put_mask(said, silent);
		}
	}
	ai_eventlog_done(&log);
	return r;
}

/* --- whose ------------------------------------------------------------------------ */

/* The Name of the key given, and through --parent's if there is one: does qualifiedSigner fit? */
int
ai_tpm_check_signer(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	struct ai_name name, parent;
	if (!c->has_q || !c->has_ak)
		return needs(said, c->has_q ? "there is no key whose quote it could be" : "the quote is none");
	if (c->f.pem) {
		ai_buf_puts(said, "qualifiedSigner is ");
		put_hex(said, c->q.signer, c->q.signer_len);
		ai_buf_puts(said, "; a PEM key has no Name to compare it with");
		return SKIPPED;
	}
	if (ai_name_of(bytes(&c->f.key), c->f.key.len, &name, err) < 0
		|| (c->parent && ai_name_of(bytes(&c->f.parent), c->f.parent.len, &parent, err) < 0))
		return err->code;
	if (c->q.signer_len != name.n || memcmp(c->q.signer, name.b, 2) != 0)
		return ai_fail(err, AI_ENO, "qualifiedSigner: %zu bytes of algorithm %02x%02x, expected the key's name algorithm, %02x%02x", c->q.signer_len,
			c->q.signer[0], c->q.signer[1], name.b[0], name.b[1]);
	const char *hierarchy = c->parent ? ai_quote_hierarchy_through(&c->q, &parent, &name) : ai_quote_hierarchy(&c->q, &name);
	if (!hierarchy && c->parent)
		return ai_fail(err, AI_ENO, "qualifiedSigner: not that of this key below this parent, the parent a primary key of a hierarchy");
	ai_buf_puts(said, "Name ");
	put_hex(said, name.b, name.n);
	if (!hierarchy) {
		ai_buf_puts(said, "; qualifiedSigner does not show it as a primary key: it has a parent, which --parent would give");
		return SKIPPED;
	}
	ai_buf_printf(said, "; qualifiedSigner is that of this key %s the %s hierarchy", c->parent ? "below its parent, a primary key of" : "as a primary key of",
		hierarchy);
	return PASSED;
}

int
ai_tpm_check_certificates(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	struct ai_roots *roots = NULL;
	struct ai_chain chain;
	const struct ai_anchor *anchor = NULL;
	char when[AI_WHEN_TEXT];
	if (!c->f.certificates) {
		ai_buf_puts(said, "none given (--certificates): nobody says whose key it is");
		return SKIPPED;
	}
	if (!c->has_ak)
		return needs(said, "the key is not one that they could be of");
	if (ai_roots_new(true, &roots, err) < 0)
		return err->code;
	int r = ai_chain_check(c->f.certificates, &c->ak, roots, &chain, err);
	if (r == 0) {
		r = ai_chain_trust(&chain, roots, AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA, c->at, &anchor, err);
		ai_when_text(c->at, when);
		if (r == 0)
			ai_buf_printf(said, "%zu certificates name this key, '%s', and end at '%s' (%s), as of %s", chain.n, chain.subject, anchor->name,
				anchor->authority, when);
		ai_chain_done(&chain);
	}
	ai_roots_free(roots);
	return r < 0 ? r : PASSED;
}

/* --- two quotes ---------------------------------------------------------------------- */

static int
compare_clocks(const struct ai_quote *then, const struct ai_quote *now, struct ai_err *err)
{
	if (then->signer_len != now->signer_len || memcmp(then->signer, now->signer, now->signer_len) != 0)
		return ai_fail(err, AI_ENO, "earlier quote: it is another key's: the qualifiedSigner differs");
	if (then->firmware != now->firmware)
		return ai_fail(err, AI_ENO, "earlier quote: the TPM's firmware was %016llx then and is %016llx now", (unsigned long long)then->firmware,
			(unsigned long long)now->firmware);
	if (then->reset_count != now->reset_count)
		return ai_fail(err, AI_ENO, "earlier quote: the TPM was reset in between: resetCount was %u and is %u", (unsigned)then->reset_count,
			(unsigned)now->reset_count);
	if (then->restart_count != now->restart_count)
		return ai_fail(err, AI_ENO, "earlier quote: the TPM was restarted in between: restartCount was %u and is %u", (unsigned)then->restart_count,
			(unsigned)now->restart_count);
	if (then->clock >= now->clock)
		return ai_fail(err, AI_ENO, "earlier quote: it is not earlier: the clock was %llu and is %llu", (unsigned long long)then->clock,
			(unsigned long long)now->clock);
	return 0;
}

int
ai_tpm_check_after(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err)
{
	struct ai_quote then;
	if (!c->after) {
		ai_buf_puts(said, "none given (--after)");
		return SKIPPED;
	}
	if (!c->has_q || !c->has_ak)
		return needs(said, c->has_q ? "there is no key that it would be of" : "the quote is none");
	if (ai_quote_parse_banks(bytes(&c->f.earlier), c->f.earlier.len, &then, err) < 0)
		return ai_in(err, "earlier quote");
	if (c->after_signature && check_signature(c, &c->f.earlier, &c->f.earlier_signature, err) < 0)
		return ai_in(err, "earlier quote");
	if (compare_clocks(&then, &c->q, err) < 0)
		return err->code;
	ai_buf_printf(said, "%llu ms earlier by the TPM's clock, same resetCount %u and restartCount %u: no reset in between", (unsigned long long)(c->q.clock - then.clock),
		(unsigned)c->q.reset_count, (unsigned)c->q.restart_count);
	ai_buf_puts(said, c->after_signature ? "; signed by the same key" : "; its signature was not given (--after-signature), so anyone may have written it");
	return PASSED;
}
