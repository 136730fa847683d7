/* policy_read_boot.c -- a policy's `pcrs:` and `boot:` into their normal form (policy_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/policy/policy_parts.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* "4" or "12-14". */
static int
take_span(struct ai_policy_reader *r, const struct ai_yaml *key, unsigned *from, unsigned *to)
{
	const char *s = key->text;
	size_t n = strspn(s, "0123456789"), m = s[n] == '-' ? strspn(s + n + 1, "0123456789") : 0;
	bool good = n >= 1 && n <= 2 && (s[n] ? m >= 1 && m <= 2 && !s[n + 1 + m] : true);
	unsigned long a = good ? strtoull(s, NULL, 10) : 0, b = good && m ? strtoull(s + n + 1, NULL, 10) : a;
	if (!good || a > b)
		return ai_policy_at(r, key, "pcrs: got '%.100s', expected a PCR or a span of them, like '12-14'", s);
	if (b >= AI_N_BOOT_PCRS)
		return ai_policy_at(r, key, "pcrs: got %lu, expected 0 to 14: PCR 15 is the run's own log, and no other is quoted", b);
	*from = (unsigned)a;
	*to = (unsigned)b;
	return 0;
}

/* zero, rules, boot-aggregate, a value, or a list of values. */
static int
take_reference(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	json_t *one = NULL;
	if (y->type == AI_YAML_LIST)
		return ai_policy_hexes(r, y, what, out);
	if (y->type == AI_YAML_SCALAR && (strcmp(y->text, "zero") == 0 || strcmp(y->text, "rules") == 0))
		return ai_policy_text(r, y, what, out);
	if (y->type == AI_YAML_SCALAR && strcmp(y->text, "boot-aggregate") == 0)
		return strcmp(what, "10") == 0 ? ai_policy_text(r, y, what, out) : ai_policy_at(r, y, "PCR %s: 'boot-aggregate' is said of PCR 10 alone", what);
	struct ai_digest d;
	if (y->type != AI_YAML_SCALAR || !ai_unhex(y->text, &d))
		return ai_policy_at(r, y, "PCR %s: got '%.100s', expected 'zero', 'rules', a value of 64 hex digits, or a list of values", what,
			y->type == AI_YAML_SCALAR ? y->text : "a map");
	if (ai_policy_hex(r, y, what, &one) < 0)
		return r->err->code;
	*out = json_pack("[o]", one);
	return *out ? 0 : ai_nomem(r->err);
}

/* A map by PCR, each span written out. */
static int
by_pcr(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, ai_policy_take *one, json_t **out)
{
	AI_JSON *made = json_object();
	if (y->type != AI_YAML_MAP)
		return ai_policy_at(r, y, "%s: expected a map from PCRs", what);
	for (size_t i = 0; i < y->n; i++) {
		const struct ai_yaml *key = y->pairs[i].key;
		AI_JSON *value = NULL;
		unsigned from = 0, to = 0;
		if (take_span(r, key, &from, &to) < 0 || one(r, y->pairs[i].value, key->text, &value) < 0)
			return r->err->code;
		for (unsigned p = from; p <= to; p++) {
			char name[4];
			snprintf(name, sizeof name, "%u", p % 100);
			if (json_object_get(made, name))
				return ai_policy_at(r, key, "%s: PCR %s is given twice", what, name);
			if (json_object_set(made, name, value) < 0)
				return ai_nomem(r->err);
		}
	}
	*out = json_incref(made);
	return 0;
}

int
ai_policy_pcrs(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return by_pcr(r, y, what, take_reference, out);
}

static int
take_events(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return by_pcr(r, y, what, ai_policy_hexes, out);
}

static int
take_on(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "on", "off" };
	return ai_policy_word(r, y, what, words, 2, out);
}

static int
take_secure_boot_keys(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "PK", ai_policy_hexes }, { "KEK", ai_policy_hexes }, { "db", ai_policy_hexes }, { "dbx", ai_policy_hexes } };
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}

/* [digests]: any of these; {exactly: [digests]}: these, in this order. */
static int
take_digests(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	const struct ai_yaml *list = y;
	json_t *digests = NULL;
	if (y->type == AI_YAML_MAP && (y->n != 1 || !(list = ai_yaml_get(y, "exactly"))))
		return ai_policy_at(r, y, "%s: expected a list of digests, or {exactly: [digests in their order]}", what);
	if (list != y && list->type == AI_YAML_LIST && list->n > 1) {
		/* In a sequence the same file may come twice. */
		digests = json_array();
		for (size_t i = 0; i < list->n; i++) {
			json_t *one = NULL;
			if (ai_policy_hex(r, list->items[i], what, &one) < 0 || json_array_append_new(digests, one) < 0) {
				json_decref(digests);
				return r->err->code ? r->err->code : ai_nomem(r->err);
			}
		}
	} else if (ai_policy_hexes(r, list, what, &digests) < 0)
		return r->err->code;
	*out = json_pack("{s:b, s:o}", "exactly", list != y, "digests", digests);
	return *out ? 0 : ai_nomem(r->err);
}

static int
take_drivers(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	if (y->type == AI_YAML_SCALAR && strcmp(y->text, "none") == 0) {
		*out = json_array();
		return *out ? 0 : ai_nomem(r->err);
	}
	return ai_policy_hexes(r, y, what, out);
}

static int
take_gpt(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "any" };
	return ai_policy_word(r, y, what, words, 1, out);
}

static int
take_guid(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *s = y->type == AI_YAML_SCALAR ? y->text : "";
	size_t i = 0;
	while (s[i] && form[i] && (form[i] == '-' ? s[i] == '-' : strchr("0123456789abcdef", s[i]) != NULL))
		i++;
	return s[i] || form[i] ? ai_policy_at(r, y, "%s: got '%.100s', expected a GUID in lower case, like '%s'", what, s, AI_GUID_GLOBAL)
		: ai_policy_text(r, y, what, out);
}

static int
take_variable_pcr(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "1", "3", "5", "7" };
	json_t *word = NULL;
	if (ai_policy_word(r, y, what, words, COUNT(words), &word) < 0)
		return r->err->code;
	*out = json_integer(json_string_value(word)[0] - '0');
	json_decref(word);
	return *out ? 0 : ai_nomem(r->err);
}

static int
take_variable(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "name", ai_policy_text }, { "guid", take_guid }, { "pcr", take_variable_pcr },
		{ "values", ai_policy_hexes }, { "unnamed", ai_policy_flag } };
	AI_JSON *made = NULL;
	if (y->type == AI_YAML_SCALAR) {
		json_t *name = NULL;
		if (ai_policy_text(r, y, what, &name) < 0)
			return r->err->code;
		made = json_pack("{s:o}", "name", name);
	} else if (ai_policy_fields(r, y, "a variable", fields, COUNT(fields), &made) < 0)
		return r->err->code;
	if (!ai_json_str(made, "name") || !ai_json_str(made, "name")[0])
		return ai_policy_at(r, y, "a variable has no 'name'");
	AI_JSON *defaults = json_pack("{s:s, s:i, s:b}", "guid", AI_GUID_GLOBAL, "pcr", 1, "unnamed", 0);
	if (!defaults || json_object_update_missing(made, defaults) < 0)
		return ai_nomem(r->err);
	*out = json_incref(made);
	return 0;
}

static int
take_variables(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_variable, out);
}

/* {".linux": digest, …}, in the order in which the stub measures them. */
static int
take_one_uki(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	AI_JSON *made = json_array();
	if (y->type != AI_YAML_MAP || y->n == 0)
		return ai_policy_at(r, y, "%s: expected a map from a UKI's sections, like '.linux', to the digests of their bytes", what);
	for (size_t i = 0; i < y->n; i++) {
		json_t *digest = NULL;
		if (y->pairs[i].key->text[0] != '.')
			return ai_policy_at(r, y->pairs[i].key, "%s: got '%.100s', expected a section's name, like '.linux'", what, y->pairs[i].key->text);
		if (ai_policy_hex(r, y->pairs[i].value, y->pairs[i].key->text, &digest) < 0)
			return r->err->code;
		if (json_array_append_new(made, json_pack("[s, o]", y->pairs[i].key->text, digest)) < 0)
			return ai_nomem(r->err);
	}
	*out = json_incref(made);
	return 0;
}

static int
take_uki(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	json_t *one = NULL;
	if (y->type == AI_YAML_LIST)
		return ai_policy_list(r, y, what, take_one_uki, out);
	if (take_one_uki(r, y, what, &one) < 0)
		return r->err->code;
	*out = json_pack("[o]", one);
	return *out ? 0 : ai_nomem(r->err);
}

int
ai_policy_boot(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = {
		{ "secure_boot", take_on }, { "secure_boot_keys", take_secure_boot_keys }, { "verified_by", ai_policy_hexes }, { "firmware", ai_policy_texts },
		{ "images", take_digests }, { "drivers", take_drivers }, { "variables", take_variables }, { "gpt", take_gpt },
		{ "command_line", ai_policy_texts }, { "loader", ai_policy_texts }, { "uki", take_uki }, { "files", take_digests },
		{ "actions", ai_policy_texts }, { "events", take_events },
	};
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}
