/* policy_demands.c -- what a policy wants to see in a boot log; a rule that finds nothing to look at fails (policy_boot.h).  SPDX-License-Identifier: Apache-2.0 */
#include "proof/policy/policy_boot.h"

#include <string.h>

/* A rule that demands something needs a PCR whose events are real. */
static int
needs(const struct ai_boot *b, int pcr, struct ai_err *err)
{
	return b->replays[pcr] ? 0 : ai_boot_differs(b, pcr, err);
}

/* The one event that measures a variable of the Secure Boot policy, before PCR 7's separator. */
static int
find_variable(const struct ai_boot *b, const char *name, const char *guid, const json_t **out, struct ai_err *err)
{
	size_t i, separated = 0, found = 0;
	json_t *fact;
	if (needs(b, PCR_SECURE_BOOT, err) < 0)
		return err->code;
	json_array_foreach(b->facts, i, fact) {
		if (pcr_of(fact) != PCR_SECURE_BOOT || !is_extended(fact))
			continue;
		separated += is_separator(fact);
		if (!is_variable(fact, name, guid) || json_is_true(json_object_get(fact, "authority")))
			continue;
		if (!is_believed(fact))
			return ai_fail(err, AI_ENO, "PCR 7: event %zu: variable '%s': what the log says of it is not what was hashed", i, name);
		/* What the operating system extends later could say anything. */
		if (separated)
			return ai_fail(err, AI_ENO, "PCR 7: event %zu: variable '%s' was measured after the separator, expected before", i, name);
		*out = fact;
		found++;
	}
	return found == 1 ? 0 : ai_fail(err, AI_ENO, "PCR 7: variable '%s' was measured %zu times, expected once", name, found);
}

static int
demand_secure_boot(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	const json_t *fact = NULL;
	if (find_variable(b, "SecureBoot", AI_GUID_GLOBAL, &fact, err) < 0)
		return err->code;
	const char *value = word_of(fact, "value");
	bool on = strcmp(value, "01") == 0, off = strcmp(value, "00") == 0 || value[0] == '\0';
	bool want = strcmp(json_string_value(rule), "on") == 0;
	return want ? on ? 0 : ai_fail(err, AI_ENO, "Secure Boot: got off (value '%.20s'), expected on", value)
		: off ? 0 : ai_fail(err, AI_ENO, "Secure Boot: got on (value '%.20s'), expected off", value);
}

/* The lists by which keys are allowed: all of the variable's are listed; dbx, by which they are denied, holds all that are listed. */
static bool
signatures_fit(const json_t *fact, const json_t *list, bool denies)
{
	const json_t *signatures = json_object_get(fact, "signatures");
	AI_JSON *there = json_object();
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)signatures, i, v) {
		const char *digest = ai_json_str(v, "sha256");
		if (!denies && (!digest || !ai_policy_lists(list, digest)))
			return false;
		if (digest && json_object_set_new(there, digest, json_true()) < 0)
			return false;
	}
	json_array_foreach((json_t *)list, i, v)
		if (denies && !json_object_get(there, json_string_value(v)))
			return false;
	return json_array_size(signatures) > 0 && json_array_size(list) > 0;
}

static int
demand_secure_boot_keys(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	const char *name;
	json_t *list;
	json_object_foreach((json_t *)rule, name, list) {
		const json_t *fact = NULL;
		if (find_variable(b, name, strncmp(name, "db", 2) == 0 ? AI_GUID_SECURITY : AI_GUID_GLOBAL, &fact, err) < 0)
			return err->code;
		if (!ai_policy_lists(list, word_of(fact, "digest")) && !signatures_fit(fact, list, strcmp(name, "dbx") == 0))
			return ai_fail(err, AI_ENO, "PCR 7: variable '%s' (%s) is not one that the policy lists, nor are its signatures", name, word_of(fact, "digest"));
	}
	return 0;
}

/* Every event of a PCR that fits is in the list, and there is one if the list has one. */
static int
demand_listed(const struct ai_boot *b, int pcr, bool (*fits)(const json_t *fact), const char *key, const json_t *list, struct ai_err *err)
{
	size_t i, found = 0;
	json_t *fact;
	if (needs(b, pcr, err) < 0)
		return err->code;
	json_array_foreach(b->facts, i, fact) {
		if (pcr_of(fact) != pcr || !is_extended(fact) || !fits(fact))
			continue;
		found++;
		if (!ai_policy_lists(list, word_of(fact, key))) {
			AI_BUF_AUTO what = AI_BUF(AI_MAX_HEADER);
			ai_boot_describe(fact, i, &what);
			return ai_fail(err, AI_ENO, "%s is not among the %zu that the policy lists", what.data ? what.data : "", json_array_size(list));
		}
	}
	if (!found && json_array_size(list) > 0)
		return ai_fail(err, AI_ENO, "PCR %d: got none of the events that the rule is about", pcr);
	return 0;
}

static bool
is_authority(const json_t *fact)
{
	return is_what(fact, "variable") && json_is_true(json_object_get(fact, "authority"));
}

static int
demand_verified_by(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	return demand_listed(b, PCR_SECURE_BOOT, is_authority, "digest", rule, err);
}

static bool
is_version(const json_t *fact)
{
	return is_what(fact, "firmware-version") && is_believed(fact);
}

static int
demand_firmware(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	return demand_listed(b, PCR_FIRMWARE, is_version, "version", rule, err);
}

static bool
is_image(const json_t *fact)
{
	return is_what(fact, "image");
}

static int
demand_drivers(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	size_t i;
	json_t *fact;
	if (needs(b, PCR_DRIVERS, err) < 0)
		return err->code;
	json_array_foreach(b->facts, i, fact)
		if (pcr_of(fact) == PCR_DRIVERS && is_image(fact) && !ai_policy_lists(rule, word_of(fact, "digest")))
			return ai_fail(err, AI_ENO, "PCR 2: event %zu: driver %s is not among the %zu that the policy lists", i, word_of(fact, "digest"), json_array_size(rule));
	return 0;
}

/* {exactly: [digests]}: the fitting events of a PCR are these, in this order. */
static int
demand_sequence(const struct ai_boot *b, int pcr, bool (*fits)(const json_t *fact), const json_t *digests, struct ai_err *err)
{
	size_t i, at = 0;
	json_t *fact;
	json_array_foreach(b->facts, i, fact) {
		if (pcr_of(fact) != pcr || !is_extended(fact) || !fits(fact))
			continue;
		const char *want = json_string_value(json_array_get(digests, at++));
		if (!want || strcmp(want, word_of(fact, "digest")) != 0)
			return ai_fail(err, AI_ENO, "PCR %d: event %zu: got %s, expected %s", pcr, i, word_of(fact, "digest"), want ? want : "none, after those that the policy lists");
	}
	if (at != json_array_size(digests))
		return ai_fail(err, AI_ENO, "PCR %d: got %zu of the %zu that the policy lists", pcr, at, json_array_size(digests));
	return 0;
}

static int
demand_digests(const struct ai_boot *b, int pcr, bool (*fits)(const json_t *fact), const json_t *rule, struct ai_err *err)
{
	const json_t *digests = json_object_get(rule, "digests");
	if (demand_listed(b, pcr, fits, "digest", digests, err) < 0)
		return err->code;
	if (json_array_size(digests) == 0)
		return 0;
	return json_is_true(json_object_get(rule, "exactly")) ? demand_sequence(b, pcr, fits, digests, err) : 0;
}

static int
demand_images(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	return demand_digests(b, PCR_IMAGES, is_image, rule, err);
}

/* All that a PCR of files is extended with is files, but for a command line that is what was hashed. */
static bool
is_file(const json_t *fact)
{
	return !(is_what(fact, "command-line") && is_believed(fact)) && !is_separator(fact);
}

static int
demand_files(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	return demand_digests(b, PCR_FILES, is_file, rule, err);
}

/* One command line, of those allowed: of two, either could be the kernel's. */
static int
demand_command_line(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	const char *seen = NULL;
	size_t i;
	json_t *fact;
	json_array_foreach(b->facts, i, fact) {
		int pcr = pcr_of(fact);
		if (!is_what(fact, "command-line") || !is_extended(fact))
			continue;
		if (pcr < PCR_LOADER || pcr >= AI_N_BOOT_PCRS)
			return ai_fail(err, AI_ENO, "PCR %d: event %zu: a command line in a PCR that is not judged for one", pcr, i);
		if (needs(b, pcr, err) < 0)
			return err->code;
		const char *text = word_of(fact, "text");
		if (!is_believed(fact))
			return ai_fail(err, AI_ENO, "PCR %d: event %zu: command line '%.300s' is not what was hashed", pcr, i, text);
		if (!ai_policy_lists(rule, text))
			return ai_fail(err, AI_ENO, "PCR %d: event %zu: command line '%.300s' is not one that the policy lists", pcr, i, text);
		if (seen && strcmp(seen, text) != 0)
			return ai_fail(err, AI_ENO, "PCR %d: event %zu: a second command line: got '%.200s' after '%.200s'", pcr, i, text, seen);
		seen = text;
	}
	return seen ? 0 : ai_fail(err, AI_ENO, "no command line was measured, expected one that the policy lists");
}

/* Is PCR 11 extended with exactly these sections: of each its name, then its bytes? */
static bool
is_uki(const struct ai_boot *b, const json_t *sections)
{
	size_t i, at = 0;
	json_t *fact;
	json_array_foreach(b->facts, i, fact) {
		if (pcr_of(fact) != PCR_UKI || !is_extended(fact))
			continue;
		const json_t *section = json_array_get(sections, at / 2);
		const char *name = json_string_value(json_array_get(section, 0)), *want = json_string_value(json_array_get(section, 1));
		struct ai_digest d;
		char of_name[AI_HEX];
		if (!name)
			return false;
		ai_sha256(name, strlen(name) + 1, &d);
		ai_hex(&d, of_name);
		if (strcmp(at % 2 ? want : of_name, word_of(fact, "digest")) != 0)
			return false;
		at++;
	}
	return at == 2 * json_array_size(sections);
}

static int
demand_uki(const struct ai_boot *b, const json_t *rule, struct ai_err *err)
{
	size_t i;
	json_t *sections;
	if (needs(b, PCR_UKI, err) < 0)
		return err->code;
	json_array_foreach((json_t *)rule, i, sections)
		if (is_uki(b, sections))
			return 0;
	return ai_fail(err, AI_ENO, "PCR 11: its events are the sections of none of the %zu UKIs that the policy lists", json_array_size(rule));
}

int
ai_boot_demands(const struct ai_boot *b, struct ai_buf *said, struct ai_err *err)
{
	static const struct { const char *key; int (*run)(const struct ai_boot *, const json_t *, struct ai_err *); } demands[] = {
		{ "secure_boot", demand_secure_boot }, { "secure_boot_keys", demand_secure_boot_keys }, { "verified_by", demand_verified_by },
		{ "firmware", demand_firmware }, { "drivers", demand_drivers }, { "images", demand_images }, { "files", demand_files },
		{ "command_line", demand_command_line }, { "uki", demand_uki },
	};
	for (size_t i = 0; i < sizeof demands / sizeof *demands; i++) {
		const json_t *rule = json_object_get(b->rules, demands[i].key);
		if (!rule)
			continue;
		if (demands[i].run(b, rule, err) < 0)
			return ai_in(err, "%s", demands[i].key);
		ai_buf_printf(said, "; %s", demands[i].key);
	}
	return 0;
}
