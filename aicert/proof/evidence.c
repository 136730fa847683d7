/*
 * evidence.c -- attestations: the quote, the key that signed it, and what it binds.
 *
 * The proof's own attestation is checked in named steps for the report; those of
 * reused results by the same functions, all in one check.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/chain.h"
#include "attest/eventlog/eventlog.h"
#include "attest/eventlog/ima.h"
#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"

enum { ALG_SHA256 = 0x000b /* TPM 2.0 Part 2, TPM_ALG_ID */, ALL_PCRS = 0xffff };

static int
get_base64(const json_t *object, const char *field, size_t ceiling, struct ai_buf *out, struct ai_err *err)
{
	const json_t *text = json_object_get(object, field);
	*out = AI_BUF(ceiling);
	if (!json_is_string(text))
		return ai_fail(err, AI_ENO, "'%s' must be a string", field);
	if (ai_b64_get(json_string_value(text), json_string_length(text), out, err) < 0)
		return ai_in(err, "'%s'", field);
	return 0;
}

static int
get_pcrs(const json_t *pcrs, struct ai_digest out[AI_N_PCRS], struct ai_err *err)
{
	if (json_object_size(pcrs) != AI_N_PCRS)
		return ai_fail(err, AI_ENO, "pcrs: got %zu, expected %d", json_object_size(pcrs), AI_N_PCRS);
	for (int i = 0; i < AI_N_PCRS; i++) {
		char key[12];
		snprintf(key, sizeof key, "%d", i);
		if (!ai_json_digest(pcrs, key, &out[i]))
			return ai_fail(err, AI_ENO, "pcrs: '%s' is missing, or not 64 lower-case hex digits", key);
	}
	return 0;
}

int
ai_evidence_open(const json_t *attestation, struct ai_evidence *out, struct ai_err *err)
{
	const json_t *e = json_object_get(attestation, "evidence");
	out->claims = json_object_get(attestation, "claims");
	out->certificates = json_object_get(e, "ak_certificates");
	out->run_log = json_object_get(e, "run_log");
	if (ai_node_check(out->claims, err) < 0)
		return err->code;
	if (ai_node_kind(out->claims) != AI_KIND_CLAIMS)
		return ai_fail(err, AI_ENO, "claims: got kind '%s', expected 'claims'", ai_kind_word(ai_node_kind(out->claims)));
	if (ai_json_id(out->claims, &out->id, err) < 0 || get_pcrs(json_object_get(e, "pcrs"), out->pcrs, err) < 0
		|| get_base64(e, "ak_public", AI_MAX_QUOTE, &out->ak_public, err) < 0
		|| get_base64(e, "boot_log", AI_MAX_BOOT_LOG, &out->boot_log, err) < 0
		|| get_base64(attestation, "low_level_quote", AI_MAX_QUOTE, &out->quote, err) < 0
		|| get_base64(attestation, "signature", AI_MAX_QUOTE, &out->signature, err) < 0)
		return err->code;
	return 0;
}

void
ai_evidence_done(struct ai_evidence *e)
{
	ai_buf_done(&e->ak_public);
	ai_buf_done(&e->boot_log);
	ai_buf_done(&e->quote);
	ai_buf_done(&e->signature);
	ai_ak_done(&e->ak);
	ai_chain_done(&e->chain);
	free(e->stamped_by);
	free(e->why_no_tpm);
	free(e->why_not_measured);
}

/* --- one attestation, part by part ----------------------------------------- */

static const uint8_t *
bytes(const struct ai_buf *b)
{
	return (const uint8_t *)(b->data ? b->data : "");
}

/* A digest that the claims state is the one computed. */
static int
same_digest(const json_t *claims, const char *field, const struct ai_digest *got, struct ai_err *err)
{
	struct ai_digest want;
	char hex[AI_HEX];
	ai_hex(got, hex);
	if (ai_json_digest(claims, field, &want) && ai_digest_eq(&want, got))
		return 0;
	return ai_fail(err, AI_ENO, "got %s, expected %s, which the claims name", hex, ai_json_str(claims, field));
}

static int
evidence_key(struct ai_evidence *e, struct ai_err *err)
{
	if (ai_ak_parse(bytes(&e->ak_public), e->ak_public.len, &e->ak, err) < 0)
		return err->code;
	ai_hex(&e->ak.fingerprint, e->key);
	return same_digest(e->claims, "ak", &e->ak.fingerprint, err) < 0 ? ai_in(err, "attestation key") : 0;
}

/* The signature is good, and what was signed is a quote made for these claims. */
static int
evidence_quote(struct ai_evidence *e, struct ai_err *err)
{
	struct ai_digest extra;
	struct ai_quote *q = &e->q;
	if (ai_quote_signature(&e->ak, bytes(&e->quote), e->quote.len, bytes(&e->signature), e->signature.len, err) < 0
		|| ai_quote_parse(bytes(&e->quote), e->quote.len, q, err) < 0)
		return err->code;
	if (q->extra_len != sizeof extra.b)
		return ai_fail(err, AI_ENO, "quote: extraData: got %zu bytes, expected 32: the id of the claims", q->extra_len);
	memcpy(extra.b, q->extra, sizeof extra.b);
	if (ai_digest_eq(&extra, &e->id))
		return 0;
	char a[AI_HEX], b[AI_HEX];
	ai_hex(&extra, a);
	ai_hex(&e->id, b);
	return ai_fail(err, AI_ENO, "quote: extraData: got %s, expected %s, the id of the claims", a, b);
}

static int
evidence_pcrs(const struct ai_evidence *e, struct ai_err *err)
{
	const struct ai_quote *q = &e->q;
	if (q->bank != ALG_SHA256 || q->pcr_mask != ALL_PCRS)
		return ai_fail(err, AI_ENO, "quote: selection: got bank %04x, PCRs %06x, expected bank 000b (SHA-256), PCRs 00ffff", q->bank, (unsigned)q->pcr_mask);
	return ai_quote_values(q, e->ak.hash, e->pcrs, sizeof e->pcrs, err);
}

static int
evidence_boot_log(const struct ai_evidence *e, struct ai_err *err)
{
	struct ai_digest got;
	ai_sha256(bytes(&e->boot_log), e->boot_log.len, &got);
	return same_digest(e->claims, "boot_log", &got, err) < 0 ? ai_in(err, "boot log") : 0;
}

/* Two sets of ids, both {id: true}. */
static int
same_sets(const json_t *logged, const json_t *executed, struct ai_err *err)
{
	const char *id;
	json_t *t;
	json_object_foreach((json_t *)logged, id, t)
		if (!json_object_get(executed, id))
			return ai_fail(err, AI_ENO, "result %s was logged and is not claimed as executed", id);
	json_object_foreach((json_t *)executed, id, t)
		if (!json_object_get(logged, id))
			return ai_fail(err, AI_ENO, "result %s is claimed as executed and was not logged", id);
	return 0;
}

void
ai_evidence_note_job(struct ai_evidence *e)
{
	const char *first = ai_json_str(json_array_get(e->run_log, 0), "event");
	size_t i;
	json_t *event;
	e->alone = first && strcmp(first, "job") == 0;
	json_array_foreach((json_t *)e->run_log, i, event) {
		const char *word = ai_json_str(event, "event");
		if (strcmp(word, "job") == 0)
			e->job = ai_json_str(event, "id");
		e->alone = e->alone && strcmp(word, "opaque") != 0;
	}
}

static int
evidence_run_log(struct ai_evidence *e, size_t *n_opaque, struct ai_err *err)
{
	struct ai_digest plan, pcr;
	AI_JSON *results = NULL, *logged = NULL, *executed = NULL;
	if (!ai_json_digest(e->claims, "plan", &plan))
		return ai_fail(err, AI_ENO, "claims: no plan");
	if (ai_runlog_check(e->run_log, &plan, &e->id, &pcr, &results, n_opaque, err) < 0)
		return err->code;
	if (!ai_digest_eq(&pcr, &e->pcrs[AI_PCR_RUN])) {
		char a[AI_HEX], b[AI_HEX];
		ai_hex(&pcr, a);
		ai_hex(&e->pcrs[AI_PCR_RUN], b);
		return ai_fail(err, AI_ENO, "run log: replays to %s, expected PCR 15, which is %s", a, b);
	}
	if (ai_index_set(results, &logged, err) < 0 || ai_index_set(json_object_get(e->claims, "executed"), &executed, err) < 0
		|| same_sets(logged, executed, err) < 0)
		return ai_in(err, "run log");
	ai_evidence_note_job(e);
	return 0;
}

/* 1 checked, 0 there are none. Whether they are believed is judge.c's. */
static int
evidence_certificates(struct ai_evidence *e, const struct ai_roots *roots, struct ai_err *err)
{
	if (json_array_size(e->certificates) == 0)
		return 0;
	return ai_chain_check_memo(e->certificates, &e->ak, roots, e->memo, &e->chain, err) < 0 ? err->code : 1;
}

int
ai_evidence_holds(struct ai_evidence *e, const struct ai_roots *roots, size_t *n_opaque, struct ai_err *err)
{
	if (evidence_key(e, err) < 0 || evidence_quote(e, err) < 0 || evidence_pcrs(e, err) < 0 || evidence_boot_log(e, err) < 0
		|| evidence_run_log(e, n_opaque, err) < 0 || evidence_certificates(e, roots, err) < 0)
		return err->code;
	return 0;
}

/* --- the proof's own ------------------------------------------------------- */

int
ai_check_evidence(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	v->main.memo = v->memo;
	if (ai_evidence_open(v->proof, &v->main, err) < 0)
		return err->code;
	char id[AI_HEX];
	ai_hex(&v->main.id, id);
	ai_buf_printf(said, "the fields of claims and evidence with those of their kind, and their base64 with the only way to write it; the claims are %s", id);
	return CHECK_PASSED;
}

int
ai_check_key_attributes(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	if (evidence_key(&v->main, err) < 0)
		return err->code;
	ai_buf_printf(said, "the attestation key %s with the one the claims name, and its attributes with those of a restricted signing key", v->main.key);
	return CHECK_PASSED;
}

int
ai_check_quote(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	if (evidence_quote(&v->main, err) < 0)
		return err->code;
	ai_buf_puts(said, "the signature over the quote with the attestation key, by the key's own scheme, and the quote's extraData with the id of the claims");
	return CHECK_PASSED;
}

int
ai_check_pcrs(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	if (ai_quote_parse(bytes(&v->main.quote), v->main.quote.len, &v->main.q, err) < 0 || evidence_pcrs(&v->main, err) < 0)
		return err->code;
	ai_buf_puts(said, "the quote's selection with the SHA-256 bank, PCRs 0 to 15, and its digest with the SHA-256 of the carried values");
	return CHECK_PASSED;
}

/* The PCRs of which the log speaks, by whether its replay gives what was quoted. AI_EINPUT: it is no log. */
static int
replay(const struct ai_evidence *e, unsigned *same, unsigned *other, struct ai_err *err)
{
	struct ai_eventlog log = { 0 };
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask = 0;
	int r = ai_eventlog_parse(bytes(&e->boot_log), e->boot_log.len, false, &log, err);
	if (r == 0)
		r = ai_eventlog_replay(&log, AI_BANK_SHA256, values, &mask, err);
	*same = *other = 0;
	for (int i = 0; r == 0 && i < AI_PCR_RUN; i++)
		if (mask >> i & 1)
			*(memcmp(values[i].b, e->pcrs[i].b, sizeof e->pcrs[i].b) == 0 ? same : other) |= 1u << i;
	ai_eventlog_done(&log);
	return r;
}

bool
ai_evidence_replays(const struct ai_evidence *e)
{
	static const struct ai_digest zero;
	struct ai_err unsaid = { 0 };
	unsigned same, other;
	if (e->boot_log.len == 0 || replay(e, &same, &other, &unsaid) < 0 || other || !same)
		return false;
	for (int i = 0; i < AI_PCR_RUN; i++)
		if (!(same >> i & 1) && !ai_digest_eq(&e->pcrs[i], &zero) && !(i == AI_PCR_IMA && ai_ima_is_boot_aggregate(e->pcrs)))
			return false;
	return true;
}

/* What replaying the log gives, in words: whether that is enough is for a policy, since not every machine logs all that it measures. */
static void
say_replay(const struct ai_evidence *e, struct ai_buf *said)
{
	struct ai_err why = { 0 };
	unsigned same, other;
	if (e->boot_log.len == 0) {
		ai_buf_puts(said, "; it is empty: nothing says what booted");
		return;
	}
	if (replay(e, &same, &other, &why) < 0) {
		ai_buf_printf(said, "; it says nothing: %s", why.text);
		return;
	}
	ai_buf_puts(said, "; its replay with the quoted values:");
	for (int i = 0; i < AI_PCR_RUN; i++)
		if ((same | other) >> i & 1)
			ai_buf_printf(said, " PCR %d %s", i, same >> i & 1 ? "agrees," : "DIFFERS,");
	ai_buf_puts(said, " and what booted is for a policy to judge");
}

int
ai_check_boot_log(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	if (evidence_boot_log(&v->main, err) < 0)
		return err->code;
	ai_buf_printf(said, "the SHA-256 of the boot log's %zu bytes with the one the claims name", v->main.boot_log.len);
	say_replay(&v->main, said);
	return CHECK_PASSED;
}

int
ai_check_run_log(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	size_t n_opaque = 0;
	if (evidence_run_log(&v->main, &n_opaque, err) < 0)
		return err->code;
	ai_buf_printf(said, "the replay of %zu events with PCR 15, and the results in them with those claimed as executed", json_array_size(v->main.run_log));
	if (v->main.job)
		ai_buf_printf(said, "; given as job disk %s, which was measured before anything on it was looked at", v->main.job);
	if (n_opaque > 0)
		ai_buf_printf(said, "; %zu of the events are not this run's and are known by their digest only", n_opaque);
	return CHECK_PASSED;
}

int
ai_check_certificates(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	int r = evidence_certificates(&v->main, v->roots, err);
	if (r <= 0) {
		ai_buf_puts(said, "the attestation key has no certificates");
		return r;
	}
	ai_buf_printf(said, "%zu certificates with the attestation key and with each other, up to '%s'", v->main.chain.n, v->main.chain.issuer);
	return CHECK_PASSED;
}

/* --- those of reused results ----------------------------------------------- */

int
ai_attestation_holds(const json_t *attestation, struct ai_err *err)
{
	struct ai_evidence e = { 0 };
	size_t n_opaque;
	int r = ai_evidence_open(attestation, &e, err);
	if (r == 0)
		r = ai_evidence_holds(&e, NULL, &n_opaque, err);
	ai_evidence_done(&e);
	return r;
}

/* results: what the proof says this attestation executed. *n_opaque: events of its log that only their digest is known of. */
static int
check_reused(const struct ai_verify *v, const char *hex, const json_t *results, struct ai_evidence *e, size_t *n_opaque, struct ai_err *err)
{
	struct ai_digest id;
	size_t i;
	json_t *item;
	AI_JSON *executed = NULL;
	const json_t *attestation = json_object_get(json_object_get(v->proof, "attestations"), hex);
	e->memo = v->memo;
	if (ai_evidence_open(attestation, e, err) < 0)
		return err->code;
	if (!ai_unhex(hex, &id) || !ai_digest_eq(&id, &e->id))
		return ai_fail(err, AI_ENO, "its claims have another id");
	if (ai_evidence_holds(e, v->roots, n_opaque, err) < 0 || ai_index_set(json_object_get(e->claims, "executed"), &executed, err) < 0)
		return err->code;
	json_array_foreach((json_t *)results, i, item)
		if (!json_object_get(executed, json_string_value(item)))
			return ai_fail(err, AI_ENO, "it does not list result %s as executed", json_string_value(item));
	return 0;
}

/* {attestation: [results]} of the reused ones. */
static int
group_reused(const json_t *reused, json_t *groups, struct ai_err *err)
{
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)reused, i, item) {
		const char *id = ai_json_str(item, "attestation");
		json_t *list = json_object_get(groups, id);
		if (!list) {
			if (json_object_set_new(groups, id, json_array()) < 0)
				return ai_nomem(err);
			list = json_object_get(groups, id);
		}
		if (json_array_append(list, json_object_get(item, "result")) < 0)
			return ai_nomem(err);
	}
	return 0;
}

int
ai_check_reused(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *reused = json_object_get(v->main.claims, "reused");
	AI_JSON *groups = json_object();
	const char *hex;
	json_t *results;
	size_t n_opaque = 0;
	if (json_array_size(reused) == 0) {
		ai_buf_puts(said, "no result is reused");
		return CHECK_SKIPPED;
	}
	if (group_reused(reused, groups, err) < 0)
		return err->code;
	v->reused = ai_calloc(json_object_size(groups), sizeof *v->reused);
	if (!v->reused)
		return ai_nomem(err);
	json_object_foreach(groups, hex, results) {
		size_t n = 0;
		if (check_reused(v, hex, results, &v->reused[v->n_reused++], &n, err) < 0)
			return ai_in(err, "attestation %s", hex);
		n_opaque += n;
	}
	ai_buf_printf(said, "each of %zu reused results with the executed ones of the attestation that it names; and of those %zu attestations key, quote, "
		"PCRs, boot log, run log and certificates, as above", json_array_size(reused), v->n_reused);
	if (n_opaque > 0)
		ai_buf_printf(said, "; %zu of the events are not those runs' and are known by their digest only", n_opaque);
	return CHECK_PASSED;
}
