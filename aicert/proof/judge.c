/*
 * judge.c -- what this verifier makes of evidence that holds: whose word it is, and how far that reaches.
 *
 * Nothing here is decided by the proof: keys, roots, authorities, reference values and the clock are the verifier's.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/when.h"
#include "proof/check.h"
#include "proof/policy/policy.h"

static bool
is_listed(const struct ai_verify_options *o, const char *fingerprint)
{
	size_t i;
	json_t *t;
	for (i = 0; i < o->n_keys; i++)
		if (strcmp(o->keys[i], fingerprint) == 0)
			return true;
	json_array_foreach((json_t *)o->trusted, i, t)
		if (json_is_string(t) && strcmp(json_string_value(t), fingerprint) == 0)
			return true;
	return false;
}

static bool
key_accepted(const struct ai_verify_options *o, const char *fingerprint)
{
	int said = o->policy ? ai_policy_key(o->policy, fingerprint) : 0;
	return said >= 0 && (said > 0 || is_listed(o, fingerprint));
}

/*
 * The certificates that speak for this evidence's key. A certificate binds a key and not an attestation, so those of the proof's own
 * attestation speak for an earlier one by the same key, made before the key was enrolled.
 */
static const struct ai_chain *
chain_of(const struct ai_verify *v, const struct ai_evidence *e)
{
	bool lent = e->chain.n == 0 && v->main.chain.n > 0 && strcmp(e->key, v->main.key) == 0;
	return lent ? &v->main.chain : &e->chain;
}

/* Whose TPM is it? Sets anchor or why_no_tpm. */
static int
judge_chain(const struct ai_verify *v, struct ai_evidence *e, struct ai_err *err)
{
	const struct ai_chain *c = chain_of(v, e);
	struct ai_err why = { 0 };
	if (c->n == 0)
		e->why_no_tpm = ai_strdup("the attestation key has no certificate, so nothing says that it is in a TPM");
	else if (c->software)
		e->why_no_tpm = ai_format("the attestation key's certificates end at '%s', which vouches for no TPM", c->issuer);
	else if (!v->roots)
		e->why_no_tpm = ai_format("the attestation key's certificates end at '%s', and this verifier was given no roots to judge it by", c->issuer);
	else if (ai_chain_trust(c, v->roots, AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA, e->at, &e->anchor, &why) == 0)
		return 0;
	else if (why.code == AI_ENO)
		e->why_no_tpm = ai_format("the attestation key's certificates: %s", why.text);
	else {
		*err = why;
		return why.code;
	}
	return e->why_no_tpm ? 0 : ai_nomem(err);
}

/* Is everything that booted known to the policy? Sets replayed and matches, whoever vouches for the TPM; why: what is not, else untouched. */
static int
judge_boot(const struct ai_policy *policy, struct ai_evidence *e, struct ai_err *why)
{
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	e->replayed = ai_evidence_replays(e);
	if (!policy || (!e->anchor && !json_object_get(ai_policy_json(policy), "pcrs")))
		return 0;
	int r = ai_policy_judge_boot(policy, e, &said, why);
	/* Such a machine has nothing else in PCR 15; what is known by its digest alone could be another job. */
	if (r == 0 && e->job)
		r = ai_evidence_job(e, why);
	e->matches = r == 0;
	return r;
}

/* Is everything that booted known, on a platform that the builder does not operate? Sets measured or why_not_measured. */
static int
judge_platform(const struct ai_verify *v, struct ai_evidence *e, struct ai_err *err)
{
	const struct ai_policy *policy = v->options->policy;
	struct ai_err why = { 0 };
	int r = judge_boot(policy, e, &why);
	if (r == AI_EENV || r == AI_EINTR) {
		*err = why;
		return r;
	}
	if (!e->anchor)
		e->why_not_measured = ai_strdup(e->why_no_tpm);
	else if (!policy)
		e->why_not_measured = ai_strdup("what may boot is for a policy to say, and none was given (--policy FILE)");
	else if (!ai_policy_authority(policy, e->anchor->authority))
		e->why_not_measured = ai_format("the TPM is vouched for by '%s', operated by '%s', which is none of the authorities that the policy names",
			e->anchor->name, e->anchor->authority);
	else if (e->matches) {
		e->measured = true;
		return 0;
	} else
		e->why_not_measured = ai_strdup(why.text);
	return e->why_not_measured ? 0 : ai_nomem(err);
}

int
ai_evidence_judge(const struct ai_verify *v, const json_t *attestation, struct ai_evidence *e, struct ai_err *err)
{
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	int denied = v->options->policy ? ai_evidence_denied(v->options->policy, e, err) : 0;
	if (denied < 0)
		return denied;
	e->accepted = !denied && key_accepted(v->options, e->key);
	if (ai_evidence_time(v, attestation, e, &said, err) < 0 || judge_chain(v, e, err) < 0)
		return err->code;
	/* A key that the policy denies speaks for nobody, whoever vouches for its TPM. */
	if (denied) {
		e->anchor = NULL;
		free(e->why_no_tpm);
		e->why_no_tpm = ai_format("the policy denies the attestation key %s", e->key);
		if (!e->why_no_tpm)
			return ai_nomem(err);
	}
	return judge_platform(v, e, err);
}

ai_level
ai_evidence_level(const struct ai_evidence *e)
{
	if (e->measured)
		return AI_LEVEL_MEASURED_PLATFORM;
	if (e->anchor)
		return AI_LEVEL_GENUINE_TPM;
	return e->accepted ? AI_LEVEL_SOFTWARE : AI_LEVEL_UNSIGNED;
}

const struct ai_evidence *
ai_weakest(const struct ai_verify *v)
{
	const struct ai_evidence *weakest = &v->main;
	for (size_t i = 0; i < v->n_reused; i++)
		if (ai_evidence_level(&v->reused[i]) < ai_evidence_level(weakest))
			weakest = &v->reused[i];
	return weakest;
}

int
ai_check_judged(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	static const char *const how[] = { "now", "the time asked for", "the time of its timestamp" };
	const json_t *attestations = json_object_get(v->proof, "attestations");
	if (ai_evidence_judge(v, v->proof, &v->main, err) < 0)
		return err->code;
	for (size_t i = 0; i < v->n_reused; i++) {
		char hex[AI_HEX];
		ai_hex(&v->reused[i].id, hex);
		if (ai_evidence_judge(v, json_object_get(attestations, hex), &v->reused[i], err) < 0)
			return ai_in(err, "attestation %s", hex);
	}
	char at[AI_WHEN_TEXT];
	ai_when_text(v->main.at, at);
	ai_buf_printf(said, "certificates are judged as of %s, %s", at, how[v->main.at_how]);
	if (v->main.at_how == AI_AT_STAMP)
		ai_buf_printf(said, ", by '%s': the quote existed before it", v->main.stamped_by);
	return CHECK_PASSED;
}

/* --- the three that a level asks for ---------------------------------------- */

/* What is missing for a level: fatal only where the level is required. */
static int
lacking(const struct ai_verify *v, ai_level needed_by, struct ai_buf *said, struct ai_err *err, const char *why)
{
	if (v->options->require >= needed_by)
		return ai_fail(err, AI_ENO, "%s", why);
	ai_buf_printf(said, "level '%s' does not ask for it: %s", ai_level_word(v->options->require), why);
	return CHECK_SKIPPED;
}

/* The same, naming whose evidence it is when it is not the proof's own. */
static int
lacking_of(const struct ai_verify *v, const struct ai_evidence *w, ai_level needed_by, struct ai_buf *said, struct ai_err *err, const char *why)
{
	if (w == &v->main)
		return lacking(v, needed_by, said, err, why);
	AI_FREE char *whose = ai_format("a reused result, attested by key %s: %s", w->key, why);
	return whose ? lacking(v, needed_by, said, err, whose) : ai_nomem(err);
}

int
ai_check_key(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_evidence *w = ai_weakest(v);
	if (ai_evidence_level(w) == AI_LEVEL_UNSIGNED) {
		AI_FREE char *why = ai_format("%s is not among the keys that this verifier accepts", w == &v->main ? w->key : "a key that attested a reused result");
		return why ? lacking(v, AI_LEVEL_SOFTWARE, said, err, why) : ai_nomem(err);
	}
	if (!v->main.accepted) {
		ai_buf_printf(said, "%s is not listed by this verifier; its certificates speak for it", v->main.key);
		return CHECK_SKIPPED;
	}
	ai_buf_printf(said, "the attestation key %s with the keys that this verifier accepts", v->main.key);
	return CHECK_PASSED;
}

int
ai_check_tpm(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_evidence *w = ai_weakest(v);
	if (!w->anchor)
		return lacking_of(v, w, AI_LEVEL_GENUINE_TPM, said, err, w->why_no_tpm);
	ai_buf_printf(said, "the attestation key's certificates with '%s', which this verifier believes (authority '%s')", w->anchor->name, w->anchor->authority);
	return CHECK_PASSED;
}

int
ai_check_platform(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_evidence *w = ai_weakest(v);
	if (!w->measured)
		return lacking_of(v, w, AI_LEVEL_MEASURED_PLATFORM, said, err, w->why_not_measured);
	return ai_policy_judge_boot(v->options->policy, &v->main, said, err) < 0 ? err->code : CHECK_PASSED;
}
