/*
 * manifest_param.c -- parameters: what is declared and given, and `${param.NAME}` in the texts.
 *
 * A value is put in before anything else looks at the text, and is not looked at again itself. `$${` is left as it is: an escape in what rules
 * read as templates.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/manifest_read.h"

enum { MAX_PARAMETERS = 10000, MAX_VALUE = 64 << 10, MAX_WORD = 120 /* between "${" and "}": "matrix." and a name */ };

/* --- what is given ------------------------------------------------------------- */

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The steps' names sorted, once each, joined by ','. */
static int
join_steps(const char *const *steps, size_t n, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE const char **sorted = ai_calloc(n, sizeof *sorted);
	if (!sorted)
		return ai_nomem(err);
	memcpy(sorted, steps, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_bytes);
	for (size_t i = 0; i < n; i++) {
		if (!*sorted[i] || strchr(sorted[i], ','))
			return ai_fail(err, AI_EUSAGE, "usage: '%s' is not the name of a step", sorted[i]);
		if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0)
			ai_buf_printf(out, "%s%s", out->len ? "," : "", sorted[i]);
	}
	return ai_buf_ok(out, "the steps' names", err);
}

/* A new reference is stored in list; what is wrong with the text is an error of the user's. */
static int
add(json_t *list, const char *name, size_t n, const char *value, struct ai_err *err)
{
	if (!ai_utf8_valid(name, n) || !ai_utf8_valid(value, strlen(value)))
		return ai_fail(err, AI_EUSAGE, "usage: a parameter that is not UTF-8");
	json_t *p = json_pack("{s:s%,s:s}", "name", name, n, "value", value);
	return json_array_append_new(list, p) < 0 ? ai_nomem(err) : 0;
}

int
ai_manifest_parameters(const char *const *define, size_t n_define, const char *const *steps, size_t n_steps, json_t **out, struct ai_err *err)
{
	AI_JSON *list = json_array();
	AI_BUF_AUTO joined = AI_BUF(AI_MAX_TEXT);
	if (!list)
		return ai_nomem(err);
	for (size_t i = 0; i < n_define; i++) {
		size_t n = strcspn(define[i], "=");
		if (n == 0 || !define[i][n])
			return ai_fail(err, AI_EUSAGE, "usage: -D: got '%s', expected NAME=VALUE", define[i]);
		if (memchr(define[i], '.', n))
			return ai_fail(err, AI_EUSAGE, "usage: -D: '%s': a parameter's name has no '.'", define[i]);
		if (add(list, define[i], n, define[i] + n + 1, err) < 0)
			return err->code;
	}
	if (n_steps && (join_steps(steps, n_steps, &joined, err) < 0 || add(list, AI_PARAM_STEPS, strlen(AI_PARAM_STEPS), joined.data, err) < 0))
		return err->code;
	*out = json_array_size(list) ? json_incref(list) : NULL;
	return 0;
}

/* --- what is declared ------------------------------------------------------------ */

static int
by_name(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "name"), ai_json_str(*(json_t *const *)b, "name"));
}

/* Every value stands in the plan, and so in the proof. */
static int
check_value(struct reader *r, const struct ai_yaml *at, const char *name, const char *value)
{
	size_t n = strlen(value);
	if (n > MAX_VALUE)
		return ai_at(r, at, "parameter '%s': got %zu bytes, expected at most %d", name, n, MAX_VALUE);
	/* What is given is a text as the file could have it. */
	if (!ai_yaml_is_text(value, n))
		return ai_at(r, at, "parameter '%s': its value holds a control character", name);
	if (!ai_url_has_secret(value))
		return 0;
	ai_at(r, at, "parameter '%s': its value is a URL that holds a secret, and parameters are published with the proof", name);
	return ai_hint(r->err, "leave it out and use a credential helper, ssh-agent or ~/.netrc");
}

/* One name of what is declared: its value as given, or its default. */
static int
declare(struct reader *r, const struct ai_yaml_pair *p, const struct ai_names *given, const json_t *list, json_t *out)
{
	AI_FREE char *name = NULL;
	size_t at;
	if (ai_take_name(r, p->key, "parameter", &name) < 0)
		return r->err->code;
	if (ai_env_is_secret(name)) {
		ai_at(r, p->key, "parameter '%s' is the name of a secret, and parameters are published with the proof", name);
		return ai_hint(r->err, "take it out; what a step needs a secret for is an input");
	}
	if (p->value->type != AI_YAML_SCALAR)
		return ai_at(r, p->value, "parameter '%s': got a %s, expected a text", name, p->value->type == AI_YAML_LIST ? "list" : "map");
	bool has_default = p->value->text[0] || !p->value->plain;
	const char *value = ai_names_find(given, name, strlen(name), &at) ? ai_json_str(json_array_get(list, at), "value") : has_default ? p->value->text : NULL;
	if (!value) {
		ai_at(r, p->key, "parameter '%s' has no default: it must be given", name);
		return ai_hint(r->err, "-D %s=VALUE", name);
	}
	if (check_value(r, p->key, name, value) < 0)
		return r->err->code;
	return json_array_append_new(out, json_pack("{s:s,s:s}", "name", name, "value", value)) < 0 ? ai_nomem(r->err) : 0;
}

/* What is given and was not declared: the planner's own, or a slip. */
static int
check_given(struct reader *r, const struct ai_yaml *declared, const json_t *list, struct ai_names *given, json_t *out)
{
	size_t i, n = declared ? declared->n : 0;
	json_t *p;
	json_array_foreach(list, i, p) {
		const char *name = ai_json_str(p, "name"), *value = ai_json_str(p, "value");
		if (!name || !value)
			return ai_fail(r->err, AI_EUSAGE, "%s: a parameter is not {name, value}", r->file);
		int put = ai_names_put(given, name, strlen(name), i, r->err);
		if (put < 0)
			return put;
		if (put == 0)
			return ai_fail(r->err, AI_EUSAGE, "%s: parameter '%s' is given twice", r->file, name);
		if (strcmp(name, AI_PARAM_STEPS) == 0) {
			if (json_array_append(out, p) < 0)
				return ai_nomem(r->err);
			continue;
		}
		if (ai_yaml_get(declared, name))
			continue;
		AI_FREE const char **names = ai_calloc(n, sizeof *names);
		for (size_t k = 0; names && k < n; k++)
			names[k] = declared->pairs[k].key->text;
		const char *near = names ? ai_near(name, names, n) : NULL;
		ai_fail(r->err, AI_EUSAGE, "%s: there is no parameter '%s'%s%s%s", r->file, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return ai_hint(r->err, "declare it at the top of the Aicertfile: 'parameters: { %s: DEFAULT }'", name);
	}
	return 0;
}

/* out in the order of the names, and its index. */
static int
keep(struct reader *r, const json_t *out)
{
	size_t n = json_array_size(out);
	AI_FREE json_t **sorted = ai_calloc(n, sizeof(json_t *));
	json_t *list = r->m->parameters = json_array();
	if (!sorted || !list)
		return ai_nomem(r->err);
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(out, i);
	if (n)
		qsort(sorted, n, sizeof *sorted, by_name);
	for (size_t i = 0; i < n; i++) {
		const char *name = ai_json_str(sorted[i], "name");
		if (json_array_append(list, sorted[i]) < 0)
			return ai_nomem(r->err);
		if (ai_names_put(&r->values, name, strlen(name), i, r->err) < 0)
			return r->err->code;
	}
	return 0;
}

int
ai_read_parameters(struct reader *r, const struct ai_yaml *declared, const json_t *list)
{
	struct ai_names given = { 0 };
	AI_JSON *out = json_array();
	int rc = out ? 0 : ai_nomem(r->err);
	if (rc == 0 && declared && declared->type != AI_YAML_MAP)
		rc = ai_at(r, declared, "parameters: expected a map of names and defaults");
	if (rc == 0 && declared && declared->n > MAX_PARAMETERS)
		rc = ai_at(r, declared, "parameters: got %zu, expected at most %d", declared->n, MAX_PARAMETERS);
	if (rc == 0)
		rc = check_given(r, declared, list, &given, out);
	for (size_t i = 0; rc == 0 && declared && i < declared->n; i++)
		rc = declare(r, &declared->pairs[i], &given, list, out);
	if (rc == 0)
		rc = keep(r, out);
	ai_names_done(&given);
	return rc;
}

/* --- putting in -------------------------------------------------------------------- */

static int
unknown_parameter(struct reader *r, const struct ai_yaml *at, const char *name, size_t n)
{
	size_t many = json_array_size(r->m->parameters);
	AI_FREE char *word = ai_strndup(name, n);
	AI_FREE const char **names = ai_calloc(many, sizeof *names);
	for (size_t i = 0; names && i < many; i++)
		names[i] = ai_json_str(json_array_get(r->m->parameters, i), "name");
	const char *near = names && word ? ai_near(word, names, many) : NULL;
	ai_at(r, at, "there is no parameter '%.*s'%s%s%s", n > 100 ? 100 : (int)n, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(r->err, "declare it at the top of the Aicertfile: 'parameters: { NAME: DEFAULT }'");
}

static int
unknown_axis(struct reader *r, const struct ai_yaml *at, const char *name, size_t n, const struct axis *axes, size_t n_axes)
{
	if (!n_axes)
		return ai_at(r, at, "'${matrix.%.*s}' is for a step with 'matrix:'", n > 100 ? 100 : (int)n, name);
	AI_FREE char *word = ai_strndup(name, n);
	AI_FREE const char **names = ai_calloc(n_axes, sizeof *names);
	for (size_t i = 0; names && i < n_axes; i++)
		names[i] = axes[i].name;
	const char *near = names && word ? ai_near(word, names, n_axes) : NULL;
	return ai_at(r, at, "the matrix has no '%.*s'%s%s%s", n > 100 ? 100 : (int)n, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* The value of what stands between "${" and "}": 1, or 0 when it is neither a parameter nor of the matrix. */
static int
value_of(struct reader *r, const struct ai_yaml *at, const char *word, size_t n, const struct axis *axes, size_t n_axes, const char **value, size_t *len)
{
	if (n > 6 && memcmp(word, "param.", 6) == 0) {
		size_t i;
		/* The planner's own parameter is none of the file's. */
		if (memchr(word + 6, '.', n - 6) || !ai_names_find(&r->values, word + 6, n - 6, &i))
			return unknown_parameter(r, at, word + 6, n - 6);
		*value = ai_json_str(json_array_get(r->m->parameters, i), "value");
		*len = strlen(*value);
		return 1;
	}
	if (n <= 7 || memcmp(word, "matrix.", 7) != 0)
		return 0;
	for (size_t i = 0; i < n_axes; i++)
		if (strlen(axes[i].name) == n - 7 && memcmp(axes[i].name, word + 7, n - 7) == 0) {
			*value = axes[i].value;
			*len = axes[i].len;
			return 1;
		}
	return unknown_axis(r, at, word + 7, n - 7, axes, n_axes);
}

/* Parameters are published, what a URL holds of secrets is not: the one must not be the way of the other. */
static int
no_secret(struct reader *r, const struct ai_yaml *y)
{
	if (!ai_url_has_secret(y->text))
		return 0;
	ai_at(r, y, "with its parameters this is a URL that holds a secret, and parameters are published with the proof");
	return ai_hint(r->err, "leave it out and use a credential helper, ssh-agent or ~/.netrc");
}

static int
fill_text(struct reader *r, struct ai_yaml *y, const struct axis *axes, size_t n)
{
	const char *from = y->text, *look = from, *at, *value = "";
	size_t len = 0;
	bool given = false;
	if (!strstr(from, "${param.") && !strstr(from, "${matrix."))
		return 0;
	AI_BUF_AUTO out = AI_BUF(r->room);
	while ((at = strstr(look, "${"))) {
		const char *end = memchr(at + 2, '}', strnlen(at + 2, MAX_WORD));
		look = at + 2;
		if (at > y->text && at[-1] == '$')
			continue;
		if (!end && (strncmp(look, "param.", 6) == 0 || strncmp(look, "matrix.", 7) == 0))
			return ai_at(r, y, "'%.20s…': expected '}' behind the name", at);
		if (!end)
			continue;
		int known = value_of(r, y, at + 2, (size_t)(end - at - 2), axes, n, &value, &len);
		if (known < 0)
			return known;
		if (known == 0)
			continue;
		given = given || at[2] == 'p';
		ai_buf_put(&out, from, (size_t)(at - from));
		ai_buf_put(&out, value, len);
		from = look = end + 1;
	}
	ai_buf_puts(&out, from);
	if (out.state == AI_BUF_FULL)
		return ai_at(r, y, "with its parameters the Aicertfile grows too large");
	if (out.state != AI_BUF_GOOD)
		return ai_nomem(r->err);
	r->room -= out.len;
	free(y->text);
	y->text = ai_buf_take(&out);
	return given ? no_secret(r, y) : 0;
}

int
ai_fill_in(struct reader *r, struct ai_yaml *y, const struct axis *axes, size_t n)
{
	if (y->type == AI_YAML_SCALAR)
		return fill_text(r, y, axes, n);
	for (size_t i = 0; i < y->n; i++)
		if (ai_fill_in(r, y->type == AI_YAML_LIST ? y->items[i] : y->pairs[i].value, axes, n) < 0)
			return r->err->code;
	return 0;
}
