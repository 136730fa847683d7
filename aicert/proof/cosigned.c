/*
 * cosigned.c -- further attestations of the same root, and of how many parties each result must be the word.
 *
 * An attestation in `cosigned` is held to all that the proof's own is held to; nothing of it is taken from the proof's
 * own. They stand in the order of their ids, so that one set of them has one way to be written.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"
#include "proof/policy/policy.h"
#include "proof/policy/policy_parts.h"

/* --- what each says ---------------------------------------------------------- */

/* Which results the attestations of reused results executed: {attestation: {result: true}}, of those that were found to hold. */
struct lenders { struct ai_verify *v; json_t *executed; };

static int
add_lender(const struct lenders *l, const char *hex, const struct ai_evidence *e, struct ai_err *err)
{
	AI_JSON *set = NULL;
	if (ai_index_set(json_object_get(e->claims, "executed"), &set, err) < 0)
		return err->code;
	return json_object_set(l->executed, hex, set) < 0 ? ai_nomem(err) : 0;
}

/* The attestations that the proof's own claims name were taken apart by "reused". */
static int
add_reused(const struct lenders *l, struct ai_err *err)
{
	for (size_t i = 0; i < l->v->n_reused; i++) {
		char hex[AI_HEX];
		ai_hex(&l->v->reused[i].id, hex);
		if (add_lender(l, hex, &l->v->reused[i], err) < 0)
			return err->code;
	}
	return 0;
}

/* One that only a cosigned attestation names: it must hold as those do. */
static int
open_lender(const struct lenders *l, const char *hex, struct ai_err *err)
{
	struct ai_verify *v = l->v;
	const json_t *attestation = json_object_get(json_object_get(v->proof, "attestations"), hex);
	struct ai_digest id;
	size_t n_opaque;
	if (!attestation)
		return ai_fail(err, AI_ENO, "is not carried");
	struct ai_evidence *e = &v->lent[v->n_lent++];
	e->memo = v->memo;
	if (ai_evidence_open(attestation, e, err) < 0)
		return err->code;
	if (!ai_unhex(hex, &id) || !ai_digest_eq(&id, &e->id))
		return ai_fail(err, AI_ENO, "its claims have another id");
	if (ai_evidence_holds(e, v->roots, &n_opaque, err) < 0 || ai_evidence_judge(v, attestation, e, err) < 0)
		return err->code;
	return add_lender(l, hex, e, err);
}

/* Each result that the claims say was reused is one that the attestation which they name executed. */
static int
check_lenders(const struct lenders *l, const json_t *claims, struct ai_err *err)
{
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(claims, "reused"), i, item) {
		const char *hex = ai_json_str(item, "attestation"), *result = ai_json_str(item, "result");
		if (!json_object_get(l->executed, hex) && open_lender(l, hex, err) < 0)
			return ai_in(err, "attestation %s of reused result %s", hex, result);
		if (!json_object_get(json_object_get(l->executed, hex), result))
			return ai_fail(err, AI_ENO, "attestation %s does not list result %s as executed", hex, result);
	}
	return 0;
}

static int
check_one(const struct lenders *l, const json_t *attestation, const struct ai_evidence *before, struct ai_evidence *e, struct ai_err *err)
{
	struct ai_verify *v = l->v;
	size_t n_opaque;
	e->memo = v->memo;
	if (ai_evidence_open(attestation, e, err) < 0)
		return err->code;
	if (ai_digest_eq(&e->id, &v->main.id))
		return ai_fail(err, AI_ENO, "is the proof's own attestation once more");
	if (before && ai_digest_cmp(&before->id, &e->id) >= 0)
		return ai_fail(err, AI_ENO, "%s", ai_digest_eq(&before->id, &e->id) ? "stands twice" : "stands after one of a greater id: expected the order of their ids");
	if (ai_evidence_holds(e, v->roots, &n_opaque, err) < 0 || ai_claims_fit(v, e->claims, err) < 0 || ai_claims_cover(v, e->claims, err) < 0
		|| check_lenders(l, e->claims, err) < 0)
		return err->code;
	return ai_evidence_judge(v, attestation, e, err);
}

static int
check_all(const struct lenders *l, const json_t *list, struct ai_err *err)
{
	struct ai_verify *v = l->v;
	size_t i;
	json_t *attestation;
	if (add_reused(l, err) < 0)
		return err->code;
	json_array_foreach((json_t *)list, i, attestation) {
		struct ai_evidence *e = &v->cosigned[v->n_cosigned++];
		if (check_one(l, attestation, i ? e - 1 : NULL, e, err) < 0)
			return ai_in(err, "cosigned[%zu]", i);
	}
	return 0;
}

int
ai_check_cosigned(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *list = json_object_get(v->proof, "cosigned");
	const size_t n = json_array_size(list);
	AI_JSON *executed = json_object();
	const struct lenders l = { v, executed };
	if (n == 0) {
		ai_buf_puts(said, "no other attestation of this root is there");
		return CHECK_SKIPPED;
	}
	v->cosigned = ai_calloc(n, sizeof *v->cosigned);
	v->lent = ai_calloc(json_object_size(json_object_get(v->proof, "attestations")) + 1, sizeof *v->lent);
	if (!executed || !v->cosigned || !v->lent)
		return ai_nomem(err);
	if (check_all(&l, list, err) < 0)
		return err->code;
	size_t believed = 0;
	for (size_t i = 0; i < n; i++)
		believed += ai_evidence_level(&v->cosigned[i]) > AI_LEVEL_UNSIGNED;
	ai_buf_printf(said, "each of %zu further attestations with this root, this plan and the run's results: its key, quote, PCRs, boot log, run log and "
		"certificates hold by themselves, and those of %zu attestations that only they reuse results of; this verifier believes %zu of the %zu", n,
		v->n_lent, believed, n);
	return CHECK_PASSED;
}

/* --- of how many ------------------------------------------------------------- */

/*
 * Who speaks: whoever operates what vouches for a genuine TPM; else the holder of the key. Two keys of one authority are one party, since
 * who may make one may make two. Fresh.
 */
static char *
party_of(const struct ai_evidence *e)
{
	char hex[AI_HEX];
	if (!e->anchor)
		return ai_format("key %s", e->key);
	if (e->anchor->authority[0])
		return ai_format("authority '%s'", e->anchor->authority);
	ai_hex(&e->anchor->spki, hex);
	return ai_format("anchor %s", hex);
}

struct tally {
	const struct ai_verify *v;
	ai_level least;     /* an attestation that reaches less counts for nothing */
	bool boots;         /* the policy speaks of what may boot: so must it be for whoever counts */
	json_t *parties;    /* {result: {party: true}} for every result of the run */
	json_t *keys;       /* {SHA-256 of a key's SPKI: party} */
};

static int
key_of(const struct ai_evidence *e, char out[AI_HEX], struct ai_err *err)
{
	struct ai_digest spki;
	if (ai_ak_spki(&e->ak, &spki, err) < 0)
		return err->code;
	ai_hex(&spki, out);
	return 0;
}

/*
 * One key is one party, though two authorities certify it, or it goes without its certificates once, or under another fingerprint: the
 * first of its attestations that has an anchor says which.
 */
static int
name_party(const struct tally *t, const struct ai_evidence *e, struct ai_err *err)
{
	char key[AI_HEX];
	AI_FREE char *party = party_of(e);
	if (!party)
		return ai_nomem(err);
	if (key_of(e, key, err) < 0)
		return err->code;
	const char *known = ai_json_str(t->keys, key);
	if (known && (!e->anchor || strncmp(known, "key ", 4) != 0))
		return 0;
	return json_object_set_new(t->keys, key, json_string(party)) < 0 ? ai_nomem(err) : 0;
}

/* Is this the word of somebody whom the verifier would believe, were it the proof's own? 1, 0 or negative. */
static int
counts(const struct tally *t, const struct ai_evidence *e, struct ai_err *err)
{
	AI_BUF_AUTO unsaid = AI_BUF(AI_MAX_TEXT);
	struct ai_err why = { 0 };
	if (ai_evidence_level(e) < t->least)
		return 0;
	if (!t->boots || ai_policy_boot_holds(t->v->options->policy, e, &unsaid, &why) == 0)
		return 1;
	if (why.code == AI_ENO)
		return 0;
	*err = why;
	return why.code;
}

/* Reuse does not count: who took a result over did not see it made. */
static int
count_one(const struct tally *t, const struct ai_evidence *e, struct ai_err *err)
{
	size_t i;
	json_t *id;
	char key[AI_HEX];
	int r = counts(t, e, err);
	if (r <= 0)
		return r;
	if (key_of(e, key, err) < 0)
		return err->code;
	const char *party = ai_json_str(t->keys, key);
	json_array_foreach(json_object_get(e->claims, "executed"), i, id) {
		json_t *set = json_object_get(t->parties, json_string_value(id));
		if (set && json_object_set_new(set, party, json_true()) < 0)
			return ai_nomem(err);
	}
	return 0;
}

typedef int tally_fn(const struct tally *t, const struct ai_evidence *e, struct ai_err *err);

static int
each_of(const struct tally *t, const struct ai_evidence *list, size_t n, tally_fn *one, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (one(t, &list[i], err) < 0)
			return err->code;
	return 0;
}

static int
each(const struct tally *t, tally_fn *one, struct ai_err *err)
{
	const struct ai_verify *v = t->v;
	if (one(t, &v->main, err) < 0 || each_of(t, v->reused, v->n_reused, one, err) < 0 || each_of(t, v->cosigned, v->n_cosigned, one, err) < 0)
		return err->code;
	return each_of(t, v->lent, v->n_lent, one, err);
}

static int
count_all(const struct tally *t, struct ai_err *err)
{
	const struct ai_verify *v = t->v;
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(v->run, "results"), i, item)
		if (json_object_set_new(t->parties, ai_json_str(item, "id"), json_object()) < 0)
			return ai_nomem(err);
	return each(t, name_party, err) < 0 || each(t, count_one, err) < 0 ? err->code : 0;
}

static int
too_few(const json_t *item, const json_t *set, unsigned k, ai_level least, struct ai_err *err)
{
	AI_BUF_AUTO who = AI_BUF(AI_MAX_TEXT);
	const char *party;
	json_t *v;
	json_object_foreach((json_t *)set, party, v)
		ai_buf_printf(&who, "%s%s", who.len ? ", " : "", party);
	(void)ai_fail(err, AI_ENO, "step '%s': got %zu parties that executed it at level '%s'%s%s%s, expected %u", ai_json_str(item, "name"),
		json_object_size(set), ai_level_word(least), who.len ? " (" : "", who.len ? who.data : "", who.len ? ")" : "", k);
	return ai_hint(err, "aicert merge puts attestations of the same root into one proof");
}

int
ai_check_threshold(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const unsigned k = v->options->policy ? ai_policy_threshold(v->options->policy) : 1;
	/* Anybody can make a key that nobody believes: below 'software' there is nothing to count. */
	const ai_level least = v->options->require > AI_LEVEL_SOFTWARE ? v->options->require : AI_LEVEL_SOFTWARE;
	AI_JSON *parties = json_object();
	AI_JSON *keys = json_object();
	size_t i;
	json_t *item;
	if (k <= 1) {
		ai_buf_puts(said, "no policy asks for more than one party");
		return CHECK_SKIPPED;
	}
	if (!parties || !keys)
		return ai_nomem(err);
	const json_t *asked = v->options->policy->j;
	const struct tally t = { v, least, json_object_get(asked, "pcrs") || json_object_get(asked, "boot"), parties, keys };
	if (count_all(&t, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(v->run, "results"), i, item) {
		const json_t *set = json_object_get(parties, ai_json_str(item, "id"));
		if (json_object_size(set) < k)
			return too_few(item, set, k, least, err);
	}
	ai_buf_printf(said, "each of %zu results with the attestations that executed it at level '%s': at least %u different parties each", i, ai_level_word(least), k);
	return CHECK_PASSED;
}
