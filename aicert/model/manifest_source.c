/*
 * manifest_source.c -- an input that a source rule resolves: `{ huggingface: owner/name, … }`, `{ use: NAME, … }`, `type: NAME` in the short form.
 * What the rule's attributes mean, the rule says; here they are told apart from what belongs to every input.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/manifest_read.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const built_in[] = { "git", "gitRepo", "url", "path", "proof" };
/* What stands beside a place: no rule is called so. */
static const char *const beside[] = { "ref", "branch", "tag", "commit", "sha256", "size", "exclude", "follow", "submodules", "lfs", "unpack", "strip", "output",
	"level", "content", "image" };
/* What sources of ours are called in a plan: that of a rule must not be taken for one. */
static const char *const reserved[] = { "git", "url", "path", "proof", "image", "wheels" };
static const char *const frame[] = { "to", "name", "use", "type" };

static bool
is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

/* The key that names the rule: `use`, a `type` that is not ours, else the first key that is no input's. NULL: it is not a rule's input. */
static const struct ai_yaml *
named_by(const struct ai_yaml *map)
{
	const struct ai_yaml *use = ai_yaml_get(map, "use"), *type = ai_yaml_get(map, "type");
	if (use)
		return use;
	for (size_t i = 0; i < COUNT(built_in); i++)
		if (ai_yaml_get(map, built_in[i]))
			return NULL;
	if (type)
		return type->type == AI_YAML_SCALAR && !is_one_of(type->text, built_in, COUNT(built_in)) ? type : NULL;
	for (size_t i = 0; i < map->n; i++) {
		const struct ai_yaml *key = map->pairs[i].key;
		if (!is_one_of(key->text, frame, COUNT(frame)))
			return is_one_of(key->text, beside, COUNT(beside)) ? NULL : key;
	}
	return NULL;
}

/* A URL's secret cannot be taken out of attributes that only a rule understands. */
static int
no_secrets(struct reader *r, const struct ai_input *in, const struct ai_yaml *y)
{
	if (y->type == AI_YAML_SCALAR && ai_url_has_secret(y->text)) {
		ai_at(r, y, "input '%s': this URL holds a secret, and the Aicertfile is published with the proof", in->name);
		return ai_hint(r->err, "leave it out and use a credential helper, ssh-agent or ~/.netrc");
	}
	for (size_t i = 0; i < y->n; i++)
		if (no_secrets(r, in, y->type == AI_YAML_LIST ? y->items[i] : y->pairs[i].value) < 0)
			return r->err->code;
	return 0;
}

static int
take_attrs(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	struct ai_yaml *attrs = ai_yaml_copy(map);
	if (!attrs)
		return ai_nomem(r->err);
	in->attrs = attrs;
	for (size_t i = 0; i < COUNT(frame); i++)
		ai_yaml_free(ai_yaml_take(attrs, frame[i]));
	return no_secrets(r, in, attrs);
}

int
ai_read_rule_input(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	const struct ai_yaml *by = named_by(map), *to = ai_yaml_get(map, "to"), *type = ai_yaml_get(map, "type");
	if (!by)
		return 0;
	const struct ai_yaml *main = ai_yaml_get(map, by->text);
	/* Not far from one of ours and not said to be a rule: a slip. */
	const char *near = by != ai_yaml_get(map, "use") ? ai_near(by->text, built_in, COUNT(built_in)) : NULL;
	if (near) {
		ai_at(r, by, "an input has no key '%s' (did you mean '%s'?)", by->text, near);
		return ai_hint(r->err, "a source rule of that name is written 'use: %s'", by->text);
	}
	if (ai_take_name(r, by, "source rule", &in->use) < 0)
		return r->err->code;
	if (is_one_of(in->use, reserved, COUNT(reserved)))
		return ai_at(r, by, "input '%s': no source rule can be called '%s': that is a type of its own", in->name, in->use);
	if (type && strcmp(type->text ? type->text : "", in->use) != 0)
		return ai_at(r, type, "input '%s': 'type' and 'use' name two rules: write one of them", in->name);
	in->type = AI_INPUT_RULE;
	in->where = ai_strdup(main && main->type == AI_YAML_SCALAR && *main->text ? main->text : in->use);
	if (!in->where)
		return ai_nomem(r->err);
	if (take_attrs(r, map, in) < 0 || (to && ai_read_to(r, to, in) < 0))
		return r->err->code;
	return 1;
}
