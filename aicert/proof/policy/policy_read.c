/* policy_read.c -- a policy's YAML into its normal form (policy_parts.h), every refusal at its place.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "proof/policy/policy_parts.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* --- taking values ----------------------------------------------------------- */

int
ai_policy_at(struct ai_policy_reader *r, const struct ai_yaml *at, const char *fmt, ...)
{
	char text[900];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: %s", r->file, at->line, at->column, text);
}

static const char *
type_word(const struct ai_yaml *y)
{
	return y->type == AI_YAML_LIST ? "a list" : y->type == AI_YAML_MAP ? "a map" : "a text";
}

/* Puts a taken value under its key; steals value. */
static int
put(struct ai_policy_reader *r, json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) < 0 ? ai_nomem(r->err) : 0;
}

int
ai_policy_fields(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, const struct ai_policy_field *fields, size_t n, json_t **out)
{
	const char *known[24];
	AI_JSON *made = json_object();
	if (y->type != AI_YAML_MAP)
		return ai_policy_at(r, y, "%s: got %s, expected a map", what, type_word(y));
	for (size_t i = 0; i < n && i < COUNT(known); i++)
		known[i] = fields[i].key;
	for (size_t i = 0; i < y->n; i++) {
		const struct ai_yaml *key = y->pairs[i].key;
		json_t *value = NULL;
		size_t f = 0;
		while (f < n && strcmp(fields[f].key, key->text) != 0)
			f++;
		if (f == n) {
			const char *near = ai_near(key->text, known, n);
			return ai_policy_at(r, key, "%s has no key '%s'%s%s%s", what, key->text, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		}
		if (fields[f].take(r, y->pairs[i].value, fields[f].key, &value) < 0 || put(r, made, fields[f].key, value) < 0)
			return r->err->code;
	}
	*out = json_incref(made);
	return 0;
}

static bool
is_member(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v)
		if (json_equal(v, value))
			return true;
	return false;
}

int
ai_policy_list(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, ai_policy_take *one, json_t **out)
{
	AI_JSON *made = json_array();
	if (y->type != AI_YAML_LIST)
		return ai_policy_at(r, y, "%s: got %s, expected a list", what, type_word(y));
	if (y->n > 4096)
		return ai_policy_at(r, y, "%s: got %zu entries, expected at most 4096", what, y->n);
	for (size_t i = 0; i < y->n; i++) {
		json_t *value = NULL;
		if (one(r, y->items[i], what, &value) < 0)
			return r->err->code;
		bool twice = is_member(made, value);
		if (json_array_append_new(made, value) < 0)
			return ai_nomem(r->err);
		if (twice)
			return ai_policy_at(r, y->items[i], "%s: this is listed twice", what);
	}
	*out = json_incref(made);
	return 0;
}

int
ai_policy_map(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, ai_policy_take *one, json_t **out)
{
	AI_JSON *made = json_object();
	if (y->type != AI_YAML_MAP)
		return ai_policy_at(r, y, "%s: got %s, expected a map", what, type_word(y));
	for (size_t i = 0; i < y->n; i++) {
		json_t *value = NULL;
		if (one(r, y->pairs[i].value, y->pairs[i].key->text, &value) < 0 || put(r, made, y->pairs[i].key->text, value) < 0)
			return r->err->code;
	}
	*out = json_incref(made);
	return 0;
}

int
ai_policy_text(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	if (y->type != AI_YAML_SCALAR)
		return ai_policy_at(r, y, "%s: got %s, expected a text", what, type_word(y));
	if (y->text[0] == '\0' && y->plain)
		return ai_policy_at(r, y, "%s is empty", what);
	*out = json_string(y->text);
	return *out ? 0 : ai_nomem(r->err);
}

int
ai_policy_word(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, const char *const *words, size_t n, json_t **out)
{
	char list[200] = "";
	for (size_t i = 0, len = 0; i < n && len < sizeof list; i++) {
		if (y->type == AI_YAML_SCALAR && strcmp(y->text, words[i]) == 0)
			return ai_policy_text(r, y, what, out);
		len += (size_t)snprintf(list + len, sizeof list - len, "%s'%s'", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
	}
	return ai_policy_at(r, y, "%s: got %s%.100s%s, expected %s", what, y->type == AI_YAML_SCALAR ? "'" : "",
		y->type == AI_YAML_SCALAR ? y->text : type_word(y), y->type == AI_YAML_SCALAR ? "'" : "", list);
}

int
ai_policy_hex(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	struct ai_digest d;
	if (y->type != AI_YAML_SCALAR || !ai_unhex(y->text, &d))
		return ai_policy_at(r, y, "%s: got %s%.100s%s, expected 64 lower-case hex digits", what, y->type == AI_YAML_SCALAR ? "'" : "",
			y->type == AI_YAML_SCALAR ? y->text : type_word(y), y->type == AI_YAML_SCALAR ? "'" : "");
	return ai_policy_text(r, y, what, out);
}

int
ai_policy_texts(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, ai_policy_text, out);
}

int
ai_policy_hexes(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, ai_policy_hex, out);
}

int
ai_policy_flag(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "true", "false" };
	json_t *word = NULL;
	if (ai_policy_word(r, y, what, words, 2, &word) < 0)
		return r->err->code;
	*out = json_boolean(json_string_value(word)[0] == 't');
	json_decref(word);
	return 0;
}

/* --- what is asked of the attestation ------------------------------------------ */

static int
take_version(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "1" };
	return ai_policy_word(r, y, what, words, 1, out);
}

static int
take_level(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "unsigned", "software", "genuine-tpm", "measured-platform" }; /* ORDER LEVEL */
	return ai_policy_word(r, y, what, words, COUNT(words), out);
}

static int
take_keys(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "accept", ai_policy_hexes }, { "deny", ai_policy_hexes } };
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}

static int
take_deny(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "programs", ai_policy_hexes }, { "keys", ai_policy_hexes } };
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}

static int
take_timestamp(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "required" };
	return ai_policy_word(r, y, what, words, 1, out);
}

/* That it was given as a job disk at all, or as one of these. */
static int
take_job(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "required" };
	return y->type == AI_YAML_LIST ? ai_policy_hexes(r, y, what, out) : ai_policy_word(r, y, what, words, 1, out);
}

static int
take_threshold(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	const char *s = y->type == AI_YAML_SCALAR ? y->text : "";
	size_t n = strspn(s, "0123456789");
	unsigned long long v = n > 0 && n <= 2 && !s[n] ? strtoull(s, NULL, 10) : 0;
	if (v < 1)
		return ai_policy_at(r, y, "%s: got '%.100s', expected a number from 1 to 99", what, y->type == AI_YAML_SCALAR ? s : type_word(y));
	*out = json_integer((json_int_t)v);
	return *out ? 0 : ai_nomem(r->err);
}

static int
take_builtin(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return y->type == AI_YAML_LIST ? ai_policy_texts(r, y, what, out) : ai_policy_flag(r, y, what, out);
}

static int
take_role(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "ek", "ak-cloud", "ak-ca", "tsa" };
	return ai_policy_word(r, y, what, words, COUNT(words), out);
}

/* The certificate of a root, from `file` or `pem`, as base64; it must be one that a set of roots takes. */
static int
take_certificate(struct ai_policy_reader *r, const struct ai_yaml *y, json_t *root)
{
	const struct ai_yaml *file = ai_yaml_get(y, "file"), *pem = ai_yaml_get(y, "pem"), *from = file ? file : pem;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_CERT);
	struct ai_roots *one = NULL;
	ai_role role;
	if (!file == !pem)
		return ai_policy_at(r, y, "a root has either 'file' or 'pem': got %s", file ? "both" : "neither");
	if (pem)
		ai_buf_puts(&bytes, pem->text);
	else if (!r->read)
		return ai_policy_at(r, file, "file '%.200s': this policy may not name files", file->text);
	else if (r->read(r->ctx, file->text, &bytes, r->err) < 0)
		return ai_in(r->err, "%s:%d:%d", r->file, file->line, file->column);
	if (ai_buf_ok(&bytes, "certificate", r->err) < 0)
		return ai_in(r->err, "%s:%d:%d", r->file, from->line, from->column);
	if (ai_role_parse(ai_json_str(root, "role"), &role, r->err) < 0 || ai_roots_new(false, &one, r->err) < 0)
		return r->err->code;
	int bad = ai_roots_add(one, bytes.data, bytes.len, ai_json_str(root, "name"), role, ai_json_str(root, "authority"), r->err);
	ai_roots_free(one);
	if (bad < 0)
		return ai_in(r->err, "%s:%d:%d", r->file, from->line, from->column);
	ai_b64_put(&text, bytes.data, bytes.len);
	if (ai_buf_ok(&text, "certificate", r->err) < 0)
		return r->err->code;
	json_object_del(root, "file");
	json_object_del(root, "pem");
	return put(r, root, "certificate", json_string(text.data));
}

static int
take_root(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "name", ai_policy_text }, { "role", take_role }, { "authority", ai_policy_text },
		{ "file", ai_policy_text }, { "pem", ai_policy_text } };
	AI_JSON *root = NULL;
	(void)what;
	if (ai_policy_fields(r, y, "a root", fields, COUNT(fields), &root) < 0)
		return r->err->code;
	if (!ai_json_str(root, "name") || !ai_json_str(root, "role"))
		return ai_policy_at(r, y, "a root has no '%s'", ai_json_str(root, "name") ? "role" : "name");
	if (!ai_json_str(root, "authority") && put(r, root, "authority", json_string("")) < 0)
		return r->err->code;
	if (take_certificate(r, y, root) < 0)
		return r->err->code;
	*out = json_incref(root);
	return 0;
}

static int
take_added(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_root, out);
}

static int
take_roots(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "builtin", take_builtin }, { "add", take_added }, { "revoked", ai_policy_hexes } };
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}

/* An authority's name; a group's map is looked at again in take_groups, when the roots are known. */
static int
take_authority(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "name", ai_policy_text }, { "roots", ai_policy_texts } };
	AI_JSON *group = NULL;
	if (y->type == AI_YAML_SCALAR)
		return ai_policy_text(r, y, what, out);
	if (ai_policy_fields(r, y, "an authority", fields, COUNT(fields), &group) < 0)
		return r->err->code;
	if (!ai_json_str(group, "name"))
		return ai_policy_at(r, y, "an authority has no 'name'");
	*out = json_incref(json_object_get(group, "name"));
	return 0;
}

static int
take_authorities(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_authority, out);
}

/* Roots that a group names are this policy's own, and nobody else's: their authority is the group. */
static int
take_groups(struct ai_policy_reader *r, const struct ai_yaml *top, json_t *made)
{
	const struct ai_yaml *list = ai_yaml_get(top, "authorities");
	json_t *added = json_object_get(json_object_get(made, "roots"), "add"), *root;
	for (size_t g = 0; list && g < list->n; g++) {
		const struct ai_yaml *names = ai_yaml_get(list->items[g], "roots");
		for (size_t k = 0; names && k < names->n; k++) {
			const char *group = ai_yaml_get(list->items[g], "name")->text, *name = names->items[k]->text;
			size_t i, found = 0;
			json_array_foreach(added, i, root) {
				const char *already = ai_json_str(root, "authority");
				if (strcmp(ai_json_str(root, "name"), name) != 0)
					continue;
				if (already[0] && strcmp(already, group) != 0)
					return ai_policy_at(r, names->items[k], "root '%s' is of authority '%s' already", name, already);
				found++;
				if (put(r, root, "authority", json_string(group)) < 0)
					return r->err->code;
			}
			if (!found)
				return ai_policy_at(r, names->items[k], "root '%s' is none of those under 'roots: add:'", name);
		}
	}
	return 0;
}

/* --- what is asked of the run ---------------------------------------------------- */

static bool
is_hash(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");
	struct ai_digest d;
	return (n == 40 && !s[n]) || ai_unhex(strncmp(s, "sha256:", 7) == 0 ? s + 7 : s, &d);
}

static int
take_hash(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	if (y->type != AI_YAML_SCALAR || !is_hash(y->text))
		return ai_policy_at(r, y, "%s: got '%.100s', expected the hash that a proof shows: 64 hex digits, or a commit's 40", what,
			y->type == AI_YAML_SCALAR ? y->text : type_word(y));
	return ai_policy_text(r, y, what, out);
}

static int
take_input(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "hash", take_hash }, { "type", ai_policy_text }, { "uri", ai_policy_text }, { "revision", ai_policy_text } };
	if (y->type == AI_YAML_MAP && y->n == 0)
		return ai_policy_at(r, y, "input '%s': expected a hash, or some of 'hash', 'type', 'uri' and 'revision'", what);
	if (y->type != AI_YAML_SCALAR)
		return ai_policy_fields(r, y, "an input", fields, COUNT(fields), out);
	json_t *hash = NULL;
	if (take_hash(r, y, what, &hash) < 0)
		return r->err->code;
	*out = json_pack("{s:o}", "hash", hash);
	return *out ? 0 : ai_nomem(r->err);
}

static int
take_inputs(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_map(r, y, what, take_input, out);
}

static int
take_outputs(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_map(r, y, what, ai_policy_hex, out);
}

/* One hash, or the hashes of several versions. */
static int
take_rule(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	json_t *hash = NULL;
	if (y->type == AI_YAML_LIST)
		return ai_policy_hexes(r, y, what, out);
	if (ai_policy_hex(r, y, what, &hash) < 0)
		return r->err->code;
	*out = json_pack("[o]", hash);
	return *out ? 0 : ai_nomem(r->err);
}

static int
take_rules(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_map(r, y, what, take_rule, out);
}

static int
take_manifest(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	struct ai_digest d;
	if (y->type != AI_YAML_SCALAR || strncmp(y->text, "sha256:", 7) != 0 || !ai_unhex(y->text + 7, &d))
		return ai_policy_at(r, y, "%s: got '%.100s', expected a manifest's digest: 'sha256:' and 64 hex digits", what,
			y->type == AI_YAML_SCALAR ? y->text : type_word(y));
	return ai_policy_text(r, y, what, out);
}

static int
take_images(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_manifest, out);
}

static int
take_steps(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const struct ai_policy_field fields[] = { { "require", ai_policy_texts } };
	return ai_policy_fields(r, y, what, fields, COUNT(fields), out);
}

static int
take_environment(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "image", "host" };
	return ai_policy_word(r, y, what, words, 2, out);
}

static int
take_environments(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_environment, out);
}

static int
take_withheld(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	static const char *const words[] = { "source", "environment", "used", "tree", "source:NAME" };
	bool named = y->type == AI_YAML_SCALAR && strncmp(y->text, "source:", 7) == 0 && y->text[7];
	return named ? ai_policy_text(r, y, what, out) : ai_policy_word(r, y, what, words, COUNT(words), out);
}

static int
take_withhold(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out)
{
	return ai_policy_list(r, y, what, take_withheld, out);
}

/* --- the whole ------------------------------------------------------------------- */

static const struct ai_policy_field top_fields[] = {
	{ "aicert-policy", take_version }, { "require", take_level }, { "roots", take_roots }, { "keys", take_keys }, { "authorities", take_authorities },
	{ "pcrs", ai_policy_pcrs }, { "boot", ai_policy_boot }, { "root", take_rule }, { "inputs", take_inputs }, { "inputs-only", ai_policy_flag }, { "outputs", take_outputs },
	{ "rules", take_rules }, { "images", take_images }, { "steps", take_steps }, { "environments", take_environments }, { "nonce", ai_policy_text },
	{ "deny", take_deny }, { "withhold", take_withhold }, { "threshold", take_threshold }, { "timestamp", take_timestamp },
	{ "job", take_job },
};

/*
 * What a rule demands is looked for by what the log calls its events. That is worth something only where every event of the PCR is accounted
 * for: else the one that matters could go by another name.
 */
static int
check_demands(struct ai_policy_reader *r, const struct ai_yaml *top, const json_t *made)
{
	static const struct { const char *key; unsigned first, last; } looks_at[] = { { "secure_boot", 7, 7 }, { "secure_boot_keys", 7, 7 }, { "verified_by", 7, 7 },
		{ "firmware", 0, 0 }, { "images", 4, 4 }, { "drivers", 2, 2 }, { "files", 9, 9 }, { "uki", 11, 11 }, { "command_line", 8, 14 } };
	const json_t *boot = json_object_get(made, "boot"), *pcrs = json_object_get(made, "pcrs");
	for (size_t i = 0; i < COUNT(looks_at); i++)
		for (unsigned p = looks_at[i].first; json_object_get(boot, looks_at[i].key) && p <= looks_at[i].last; p++) {
			char name[4];
			snprintf(name, sizeof name, "%u", p % 100);
			if (!json_object_get(pcrs, name))
				return ai_policy_at(r, ai_yaml_get(ai_yaml_get(top, "boot"), looks_at[i].key),
					"%s looks at PCR %u, of which 'pcrs' says nothing: expected values, 'zero' or 'rules'", looks_at[i].key, p);
		}
	return 0;
}

/* What asks for something that this file makes impossible is a mistake, better found here than in a refused proof. */
static int
check_whole(struct ai_policy_reader *r, const struct ai_yaml *top, const json_t *made)
{
	const char *level = ai_json_str(made, "require");
	const struct ai_yaml *only = ai_yaml_get(top, "inputs-only");
	if (!json_object_get(made, "aicert-policy"))
		return ai_policy_at(r, top, "'aicert-policy: 1' is missing");
	if (only && json_is_true(json_object_get(made, "inputs-only")) && !json_object_get(made, "inputs"))
		return ai_policy_at(r, only, "inputs-only: there are no 'inputs'");
	if (!level || strcmp(level, "measured-platform") != 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		const char *key = i ? "pcrs" : "authorities";
		if (!json_object_get(made, key))
			return ai_policy_at(r, ai_yaml_get(top, "require"), "require: measured-platform needs '%s', of which this policy says nothing", key);
	}
	return 0;
}

int
ai_policy_read(struct ai_policy_reader *r, const struct ai_yaml *top, json_t **out)
{
	AI_JSON *made = NULL;
	if (ai_policy_fields(r, top, "a policy", top_fields, COUNT(top_fields), &made) < 0 || check_whole(r, top, made) < 0
		|| check_demands(r, top, made) < 0 || take_groups(r, top, made) < 0)
		return r->err->code;
	*out = json_incref(made);
	return 0;
}
