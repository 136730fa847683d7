/*
 * stamp.c -- the timestamps of a proof: which hold, which this verifier believes, and when chains are judged.
 *
 * Each attestation may carry one: the proof's own, those of reused results, cosigned ones. One that does not hold fails the proof, for
 * somebody put it there. One by an authority that nobody here chose is passed over, as if it were not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "attest/x509/timestamp.h"
#include "base/when.h"
#include "proof/check.h"
#include "proof/policy/policy.h"

enum { MAX_TOKEN_TEXT = 128 << 10, CLOCKS_DIFFER_S = 5 * 60 };

/* 1: there is one, and it holds (*out); 0: there is none. */
static int
open_stamp(const struct ai_verify *v, const json_t *attestation, struct ai_stamp *out, struct ai_err *err)
{
	const json_t *text = json_object_get(json_object_get(attestation, "evidence"), "timestamp");
	AI_BUF_AUTO token = AI_BUF(MAX_TOKEN_TEXT);
	struct ai_digest imprint;
	if (!text)
		return 0;
	if (!json_is_string(text))
		return ai_fail(err, AI_ENO, "'timestamp' must be a string");
	if (ai_b64_get(json_string_value(text), json_string_length(text), &token, err) < 0 || ai_timestamp_imprint(attestation, &imprint, err) < 0)
		return ai_in(err, "timestamp");
	if (ai_timestamp_check(token.data ? token.data : "", token.len, &imprint, v->roots, out, err) < 0)
		return err->code;
	/* A clock that runs ahead would let an expired chain wait for it. */
	if (out->time > v->options->now + CLOCKS_DIFFER_S) {
		char at[AI_WHEN_TEXT], now[AI_WHEN_TEXT];
		ai_when_text(out->time, at);
		ai_when_text(v->options->now, now);
		ai_stamp_done(out);
		return ai_fail(err, AI_ENO, "timestamp: is from the future: got %s, and now it is %s", at, now);
	}
	return 1;
}

int
ai_evidence_time(const struct ai_verify *v, const json_t *attestation, struct ai_evidence *e, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_verify_options *o = v->options;
	struct ai_stamp s = { 0 };
	int r = open_stamp(v, attestation, &s, err);
	if (r < 0)
		return r;
	free(e->stamped_by);
	e->stamped_by = NULL;
	if (s.anchor) {
		e->at = s.time;
		e->at_how = AI_AT_STAMP;
		e->stamped_by = s.authority;
		s.authority = NULL;
	} else {
		e->at = o->as_of ? *o->as_of : o->now;
		e->at_how = o->as_of ? AI_AT_AS_OF : AI_AT_NOW;
	}
	char at[AI_WHEN_TEXT];
	ai_when_text(e->at, at);
	ai_buf_printf(said, "judged as of %s%s", at, e->at_how == AI_AT_STAMP ? ", the time of its timestamp" : "");
	ai_stamp_done(&s);
	return 0;
}

/* --- the check -------------------------------------------------------------- */

struct tally { size_t n, held, believed; };

/* Of attestations other than the proof's own: how many carry one, and how many of those are believed. */
static int
count(const struct ai_verify *v, const json_t *attestation, struct tally *t, struct ai_err *err)
{
	struct ai_stamp s = { 0 };
	int r = open_stamp(v, attestation, &s, err);
	if (r < 0)
		return r;
	t->n++;
	t->held += r == 1;
	t->believed += s.anchor != NULL;
	ai_stamp_done(&s);
	return 0;
}

static int
count_others(const struct ai_verify *v, struct tally *t, struct ai_err *err)
{
	const char *hex;
	json_t *a;
	size_t i;
	json_object_foreach(json_object_get(v->proof, "attestations"), hex, a)
		if (count(v, a, t, err) < 0)
			return ai_in(err, "attestation %s", hex);
	json_array_foreach(json_object_get(v->proof, "cosigned"), i, a)
		if (count(v, a, t, err) < 0)
			return ai_in(err, "cosigned %zu", i);
	return 0;
}

static void
say_own(const struct ai_stamp *s, bool there, struct ai_buf *said)
{
	char at[AI_WHEN_TEXT];
	ai_when_text(s->time, at);
	if (!there)
		ai_buf_puts(said, "the proof carries no timestamp of its own");
	else if (s->anchor)
		ai_buf_printf(said, "the timestamp's imprint with the quote, its signature, key and certificates; its signature with the authority '%s', up to '%s', "
			"which this verifier believes: they existed before %s", s->authority, s->anchor->name, at);
	else
		ai_buf_printf(said, "the timestamp by '%s' of %s holds and is not believed: %s; to believe it: aicert trust add --root FILE --role tsa",
			s->authority, at, s->why_not);
}

int
ai_check_timestamp(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	struct ai_stamp own = { 0 };
	struct tally others = { 0 };
	int r = open_stamp(v, v->proof, &own, err);
	if (r < 0 || count_others(v, &others, err) < 0) {
		ai_stamp_done(&own);
		return err->code;
	}
	say_own(&own, r == 1, said);
	if (others.held > 0)
		ai_buf_printf(said, "; of %zu further attestations %zu carry one that holds, and %zu of those are believed", others.n, others.held, others.believed);
	bool passed = own.anchor || (r == 0 && others.believed > 0);
	ai_stamp_done(&own);
	return passed ? CHECK_PASSED : CHECK_SKIPPED;
}

int
ai_check_policy_timestamp(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	bool there = json_object_get(json_object_get(v->proof, "evidence"), "timestamp");
	if (!v->options->policy || !ai_policy_wants_timestamp(v->options->policy)) {
		ai_buf_puts(said, "the policy asks for no timestamp");
		return CHECK_SKIPPED;
	}
	if (v->main.at_how == AI_AT_STAMP) {
		ai_buf_printf(said, "the policy asks for a timestamp; it is by '%s'", v->main.stamped_by);
		return CHECK_PASSED;
	}
	(void)ai_fail(err, AI_ENO, "the policy asks for a timestamp: got %s", there ? "one by an authority that this verifier does not believe" : "none");
	return there ? ai_hint(err, "to believe the authority: aicert trust add --root FILE --role tsa")
		: ai_hint(err, "whoever has the proof can add one: aicert timestamp PROOF --url URL");
}
