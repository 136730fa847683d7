/*
 * policy_boot.c -- is what was booted what the policy allows?
 *
 * The log is worth what its replay is: PCRs 0 to 7 must replay to what was quoted whatever judges them, the others where rules look at them.
 * An event is allowed by what follows from its digest, never by its type alone, for nobody hashes that.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proof/policy/policy_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/eventlog/ima.h"

/* --- the log ---------------------------------------------------------------- */

static void
boot_done(struct ai_boot *b)
{
	json_decref(b->facts);
	ai_eventlog_done(&b->log);
}

/* Facts in their PCRs, and which PCRs the log replays to. An empty log is of a machine that measured nothing. */
static int
boot_open(const struct ai_policy *p, const struct ai_evidence *e, struct ai_boot *b, struct ai_err *err)
{
	struct ai_pcr_value values[AI_LOG_PCRS] = { 0 };
	uint32_t mask;
	*b = (struct ai_boot){ .pcrs = json_object_get(p->j, "pcrs"), .rules = json_object_get(p->j, "boot"), .e = e };
	if (e->boot_log.len == 0) {
		b->facts = json_array();
	} else {
		if (ai_eventlog_parse((const uint8_t *)e->boot_log.data, e->boot_log.len, false, &b->log, err) < 0)
			return ai_in(err, "boot log");
		if (ai_eventlog_replay(&b->log, AI_BANK_SHA256, values, &mask, err) < 0 || ai_eventlog_facts(&b->log, AI_BANK_SHA256, &b->facts, err) < 0)
			return ai_in(err, "boot log");
	}
	if (!b->facts)
		return ai_nomem(err);
	if (json_array_size(b->facts) != b->log.n)
		return ai_fail(err, AI_EENV, "internal: boot log: got %zu facts of %zu events", json_array_size(b->facts), b->log.n);
	for (int i = 0; i < AI_N_BOOT_PCRS; i++) {
		memcpy(b->replayed[i].b, values[i].b, sizeof b->replayed[i].b);
		b->replays[i] = ai_digest_eq(&b->replayed[i], &e->pcrs[i]);
	}
	return 0;
}

void
ai_boot_describe(const json_t *fact, size_t i, struct ai_buf *out)
{
	static const char *const telling[] = { "name", "text", "version", "section", "path", "value" };
	ai_buf_printf(out, "PCR %d: event %zu (%s, %s", pcr_of(fact), i, word_of(fact, "type"), word_of(fact, "what"));
	for (size_t k = 0; k < sizeof telling / sizeof *telling; k++)
		if (ai_json_str(fact, telling[k])) {
			ai_buf_printf(out, " '%.120s'", ai_json_str(fact, telling[k]));
			break;
		}
	ai_buf_printf(out, ", %s)", word_of(fact, "digest"));
}

/* --- what is allowed ----------------------------------------------------------- */

/* The rules in which a PCR's images are listed; NULL when none is. */
static const json_t *
image_list(const struct ai_boot *b, int pcr)
{
	if (pcr == PCR_DRIVERS)
		return json_object_get(b->rules, "drivers");
	return pcr == PCR_IMAGES ? json_object_get(json_object_get(b->rules, "images"), "digests") : NULL;
}

/* The secure_boot_keys list that speaks of this variable; NULL when none does. */
static const json_t *
key_list(const struct ai_boot *b, const json_t *fact)
{
	static const char *const names[] = { "PK", "KEK", "db", "dbx" };
	for (size_t k = 0; k < 4; k++)
		if (is_variable(fact, names[k], k < 2 ? AI_GUID_GLOBAL : AI_GUID_SECURITY))
			return json_object_get(json_object_get(b->rules, "secure_boot_keys"), names[k]);
	return NULL;
}

/* The SHA-256 of a variable's value, which the fact holds in hex. */
static bool
value_digest(const json_t *fact, char out[AI_HEX])
{
	const char *hex = word_of(fact, "value");
	size_t n = strlen(hex) / 2;
	AI_FREE uint8_t *bytes = ai_calloc(n + 1, 1);
	struct ai_digest d;
	for (size_t i = 0; bytes && i < n; i++) {
		const char two[3] = { hex[2 * i], hex[2 * i + 1] };
		bytes[i] = (uint8_t)strtoull(two, NULL, 16);
	}
	if (bytes)
		ai_sha256(bytes, n, &d);
	ai_hex(bytes ? &d : &(struct ai_digest){ 0 }, out);
	return bytes != NULL;
}

static bool
value_listed(const json_t *rule, const json_t *fact)
{
	const json_t *values = json_object_get(rule, "values");
	char digest[AI_HEX];
	return !values || (value_digest(fact, digest) && ai_policy_lists(values, digest));
}

/*
 * believed: guid, name and value are what was hashed. Some firmware hashes the value alone; then the name is anybody's, and a rule must
 * say that it does without.
 */
static bool
variable_allowed(const struct ai_boot *b, const json_t *fact)
{
	size_t k;
	json_t *rule;
	bool value_believed = json_is_true(json_object_get(fact, "value_believed"));
	if (json_is_true(json_object_get(fact, "authority")))
		return ai_policy_lists(json_object_get(b->rules, "verified_by"), word_of(fact, "digest"));
	/* These are judged by the rules that demand them; here it is enough that they are spoken of. */
	if (pcr_of(fact) == PCR_SECURE_BOOT && is_variable(fact, "SecureBoot", AI_GUID_GLOBAL) && json_object_get(b->rules, "secure_boot"))
		return is_believed(fact);
	if (pcr_of(fact) == PCR_SECURE_BOOT && key_list(b, fact))
		return is_believed(fact) || ai_policy_lists(key_list(b, fact), word_of(fact, "digest"));
	json_array_foreach(json_object_get(b->rules, "variables"), k, rule) {
		bool named = ai_policy_name_fits(ai_json_str(rule, "name"), word_of(fact, "name")) && strcmp(ai_json_str(rule, "guid"), word_of(fact, "guid")) == 0;
		bool bound = is_believed(fact) || (value_believed && json_is_true(json_object_get(rule, "unnamed")));
		if (named && bound && json_integer_value(json_object_get(rule, "pcr")) == pcr_of(fact) && value_listed(rule, fact))
			return true;
	}
	return false;
}

/* Does some rule speak for this event? */
static bool
is_allowed(const struct ai_boot *b, const json_t *fact)
{
	int pcr = pcr_of(fact);
	const char *digest = word_of(fact, "digest"), *text = word_of(fact, "text");
	char name[4];
	snprintf(name, sizeof name, "%u", (unsigned)pcr % 100);
	if (!digest[0])
		return false;
	if (ai_policy_lists(json_object_get(json_object_get(b->rules, "events"), name), digest))
		return true;
	if (is_what(fact, "image"))
		return ai_policy_lists(image_list(b, pcr), digest);
	if (is_what(fact, "variable"))
		return variable_allowed(b, fact);
	/* A file is its digest, whatever the log calls it. */
	if (pcr == PCR_FILES && ai_policy_lists(json_object_get(json_object_get(b->rules, "files"), "digests"), digest))
		return true;
	/* The sections of a UKI are judged as a whole, and so is all of PCR 11 with them. */
	if (pcr == PCR_UKI && json_object_get(b->rules, "uki"))
		return true;
	if (!is_believed(fact))
		return false;
	if (is_what(fact, "separator"))
		return pcr <= LAST_FIRMWARE_PCR && is_separator(fact);
	if (is_what(fact, "action"))
		return ai_policy_usual_action(pcr, text) || ai_policy_lists(json_object_get(b->rules, "actions"), text);
	if (is_what(fact, "gpt"))
		return pcr == PCR_GPT && json_object_get(b->rules, "gpt");
	if (is_what(fact, "firmware-version"))
		return pcr == PCR_FIRMWARE && ai_policy_lists(json_object_get(b->rules, "firmware"), word_of(fact, "version"));
	if (is_what(fact, "command-line"))
		return pcr >= PCR_LOADER && ai_policy_lists(json_object_get(b->rules, "command_line"), text);
	return is_what(fact, "loader") && pcr >= PCR_LOADER && ai_policy_lists(json_object_get(b->rules, "loader"), text);
}

/* Every event of a PCR that is judged by rules is allowed, and its separator is there once. */
static int
judge_events(const struct ai_boot *b, int pcr, struct ai_err *err)
{
	size_t i, separators = 0;
	json_t *fact;
	json_array_foreach(b->facts, i, fact) {
		if (pcr_of(fact) != pcr || !is_extended(fact))
			continue;
		if (!is_allowed(b, fact)) {
			AI_BUF_AUTO what = AI_BUF(AI_MAX_HEADER);
			ai_boot_describe(fact, i, &what);
			return ai_fail(err, AI_ENO, "%s: no rule of the policy allows it%s", what.data ? what.data : "",
				is_believed(fact) ? "" : ", and what the log says of it is not what was hashed");
		}
		separators += is_separator(fact);
	}
	size_t want = pcr <= LAST_FIRMWARE_PCR;
	if (separators != want)
		return ai_fail(err, AI_ENO, "PCR %d: got %zu separators, expected %zu", pcr, separators, want);
	return 0;
}

/* --- the PCRs --------------------------------------------------------------------- */

int
ai_boot_differs(const struct ai_boot *b, int pcr, struct ai_err *err)
{
	char a[AI_HEX], q[AI_HEX];
	ai_hex(&b->replayed[pcr], a);
	ai_hex(&b->e->pcrs[pcr], q);
	return ai_fail(err, AI_ENO, "PCR %d: the boot log%s replays to %s, expected what was quoted, %s", pcr, b->log.n ? "" : ", which is empty,", a, q);
}

static int
judge_pcr(const struct ai_boot *b, int pcr, const json_t *reference, struct ai_err *err)
{
	static const struct ai_digest zero;
	char hex[AI_HEX];
	ai_hex(&b->e->pcrs[pcr], hex);
	if (pcr <= LAST_FIRMWARE_PCR && !b->replays[pcr])
		return ai_boot_differs(b, pcr, err);
	if (json_is_array(reference))
		return ai_policy_lists(reference, hex) ? 0 : ai_fail(err, AI_ENO, "PCR %d: got %s, which is none of the %zu values that the policy lists", pcr, hex,
			json_array_size(reference));
	/* The operating system's, after the firmware's log was ended. */
	if (strcmp(json_string_value(reference), "boot-aggregate") == 0)
		return ai_ima_is_boot_aggregate(b->e->pcrs) ? 0 : ai_fail(err, AI_ENO, "PCR 10: got %s, expected what IMA's boot_aggregate of the other quoted PCRs gives", hex);
	/* Beyond the firmware's, a log may say less than was measured (by the operating system), but never other than it. */
	if (!b->replays[pcr])
		return ai_boot_differs(b, pcr, err);
	if (strcmp(json_string_value(reference), "rules") == 0)
		return judge_events(b, pcr, err);
	return ai_digest_eq(&b->e->pcrs[pcr], &zero) ? 0 : ai_fail(err, AI_ENO, "PCR %d: got %s, expected zero", pcr, hex);
}

/* all: a PCR that the policy says nothing of is refused. */
static int
judge_pcrs(const struct ai_boot *b, bool all, struct ai_buf *said, struct ai_err *err)
{
	size_t values = 0, rules = 0, zeros = 0, aggregates = 0;
	for (int i = 0; i < AI_N_BOOT_PCRS; i++) {
		char name[4];
		snprintf(name, sizeof name, "%u", (unsigned)i % 100);
		const json_t *reference = json_object_get(b->pcrs, name);
		if (!reference && all)
			return ai_fail(err, AI_ENO, "PCR %d was quoted and the policy does not judge it ('pcrs: %d:' has no values, and no rules)", i, i);
		if (!reference)
			continue;
		if (judge_pcr(b, i, reference, err) < 0)
			return err->code;
		const char *word = json_string_value(reference);
		values += !word;
		zeros += word && strcmp(word, "zero") == 0;
		rules += word && strcmp(word, "rules") == 0;
		aggregates += word && strcmp(word, "boot-aggregate") == 0;
	}
	if (b->pcrs)
		ai_buf_printf(said, "PCRs 0 to 14 with the policy: %zu by reference values, %zu by rules over their events, %zu with zero%s", values, rules, zeros,
			aggregates ? ", PCR 10 with IMA's boot_aggregate of those quoted" : "");
	return 0;
}

/* --- the whole ------------------------------------------------------------------ */

static int
judge(const struct ai_policy *p, const struct ai_evidence *e, bool all, struct ai_buf *said, struct ai_err *err)
{
	struct ai_boot b;
	int r = boot_open(p, e, &b, err);
	if (r == 0)
		r = judge_pcrs(&b, all, said, err);
	if (r == 0)
		r = ai_boot_demands(&b, said, err);
	boot_done(&b);
	/* A log that is malformed proves no boot: that is an answer, not an error of the file's. */
	if (r == AI_EINPUT)
		r = err->code = AI_ENO;
	return r;
}

int
ai_policy_judge_boot(const struct ai_policy *p, const struct ai_evidence *e, struct ai_buf *said, struct ai_err *err)
{
	if (e->boot_log.len == 0)
		return ai_fail(err, AI_ENO, "the boot log is empty: nothing says what was booted");
	return judge(p, e, true, said, err);
}

int
ai_policy_boot_holds(const struct ai_policy *p, const struct ai_evidence *e, struct ai_buf *said, struct ai_err *err)
{
	return judge(p, e, false, said, err);
}
