/* runlog.c -- see runlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/runlog.h"

#include <string.h>

#include "base/buf.h"

static json_t *
event(const char *word, json_t *id)
{
	return json_pack("{s:s, s:o}", "event", word, "id", id);
}

json_t *
ai_event_job(const struct ai_digest *header)
{
	return event("job", ai_json_hex(header));
}

json_t *
ai_event_plan(const struct ai_digest *plan)
{
	return event("plan", ai_json_hex(plan));
}

json_t *
ai_event_claims(const struct ai_digest *claims)
{
	return event("claims", ai_json_hex(claims));
}

json_t *
ai_event_results(const struct ai_digest *ids, size_t n)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, ai_json_hex(&ids[i])) < 0)
			return NULL;
	return json_pack("{s:s, s:O}", "event", "results", "ids", list);
}

static int
check_ids(const json_t *event_, struct ai_err *err)
{
	const json_t *ids = ai_json_arr(event_, "ids");
	if (!ids || json_array_size(ids) == 0)
		return ai_fail(err, AI_EINPUT, "results event: 'ids' is not a list of ids");
	for (size_t i = 0; i < json_array_size(ids); i++) {
		struct ai_digest d;
		const char *s = json_string_value(json_array_get(ids, i));
		if (!s || !ai_unhex(s, &d))
			return ai_fail(err, AI_EINPUT, "results event: ids[%zu] is not 64 lower-case hex digits", i);
	}
	return 0;
}

int
ai_event_digest(const json_t *event_, struct ai_digest *out, struct ai_err *err)
{
	const char *word = ai_json_str(event_, "event");
	struct ai_digest d;
	if (!word)
		return ai_fail(err, AI_EINPUT, "an event lacks its 'event' word");
	/* Every event has two fields; a third would be one that nobody looks at. */
	if (json_object_size(event_) != 2)
		return ai_fail(err, AI_EINPUT, "%.32s event: got %zu fields, expected 2", word, json_object_size(event_));
	if (strcmp(word, "opaque") == 0) {
		if (!ai_json_digest(event_, "digest", out))
			return ai_fail(err, AI_EINPUT, "opaque event: 'digest' is not 64 lower-case hex digits");
		return 0;
	}
	if (strcmp(word, "results") == 0) {
		if (check_ids(event_, err) < 0)
			return err->code;
	} else if (strcmp(word, "job") == 0 || strcmp(word, "plan") == 0 || strcmp(word, "claims") == 0) {
		if (!ai_json_digest(event_, "id", &d))
			return ai_fail(err, AI_EINPUT, "%s event: 'id' is not 64 lower-case hex digits", word);
	} else {
		return ai_fail(err, AI_EINPUT, "unknown event '%.32s'", word);
	}
	return ai_json_id(event_, out, err);
}

/* What has been seen of a log so far, and what it must be. */
struct walk {
	const struct ai_digest *plan, *claims;
	bool given, planned, claimed;
	json_t *results;
	size_t n_opaque;
};

static int
same_id(const json_t *event_, const struct ai_digest *want, const char *word, struct ai_err *err)
{
	struct ai_digest got;
	char a[AI_HEX], b[AI_HEX];
	if (!ai_json_digest(event_, "id", &got))
		return ai_fail(err, AI_EINPUT, "%s event has no id", word);
	if (ai_digest_eq(&got, want))
		return 0;
	ai_hex(&got, a);
	ai_hex(want, b);
	return ai_fail(err, AI_ENO, "%s event names another %s: got %s, expected %s", word, word, a, b);
}

/* The order of events; their shape is already checked. */
static int
walk_event(struct walk *w, const json_t *event_, struct ai_err *err)
{
	const char *word = ai_json_str(event_, "event");
	if (w->claimed)
		return ai_fail(err, AI_ENO, "%s event follows claims, which must be last", word);
	if (strcmp(word, "opaque") == 0) {
		w->n_opaque++;
		return 0;
	}
	if (strcmp(word, "job") == 0) {
		if (w->given || w->planned)
			return ai_fail(err, AI_ENO, w->given ? "a second job event" : "job event follows the plan, and stands before it");
		w->given = true;
		return 0;
	}
	if (strcmp(word, "plan") == 0) {
		if (w->planned)
			return ai_fail(err, AI_ENO, "a second plan event");
		w->planned = true;
		return same_id(event_, w->plan, word, err);
	}
	if (!w->planned)
		return ai_fail(err, AI_ENO, "%s event stands before the plan", word);
	if (strcmp(word, "claims") == 0) {
		w->claimed = true;
		return same_id(event_, w->claims, word, err);
	}
	return json_array_extend(w->results, ai_json_arr(event_, "ids")) < 0 ? ai_nomem(err) : 0;
}

int
ai_runlog_check(const json_t *log, const struct ai_digest *plan, const struct ai_digest *claims,
	struct ai_digest *pcr15, json_t **results, size_t *n_opaque, struct ai_err *err)
{
	AI_JSON *list = json_array();
	struct walk w = { .plan = plan, .claims = claims, .results = list };
	struct ai_digest pcr = { { 0 } };
	if (!json_is_array(log))
		return ai_fail(err, AI_EINPUT, "run log: not a list");
	if (!list)
		return ai_nomem(err);
	for (size_t i = 0; i < json_array_size(log); i++) {
		const json_t *e = json_array_get(log, i);
		struct ai_digest d;
		if (ai_event_digest(e, &d, err) < 0 || walk_event(&w, e, err) < 0)
			return ai_in(err, "run log: event %zu", i);
		ai_sha256_pair(&pcr, &d, &pcr);
	}
	if (!w.claimed)
		return ai_fail(err, AI_ENO, "run log: ends without %s", w.planned ? "claims" : "a plan");
	*pcr15 = pcr;
	*results = json_incref(list);
	*n_opaque = w.n_opaque;
	return 0;
}
