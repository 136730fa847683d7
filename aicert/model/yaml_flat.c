/* yaml_flat.c -- see yaml_flat.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml_flat.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* As yaml.c has it. */
enum { MAX_DEPTH = 64 };

/* --- writing ------------------------------------------------------------------ */

static int
flatten(const struct ai_yaml *y, json_t *to)
{
	json_t *head = y->type == AI_YAML_SCALAR ? json_pack("[s,i,i,b,s]", "s", y->line, y->column, y->plain, y->text)
		: json_pack("[s,i,i,I]", y->type == AI_YAML_LIST ? "l" : "m", y->line, y->column, (json_int_t)y->n);
	int r = json_array_append_new(to, head);
	for (size_t i = 0; r == 0 && y->type == AI_YAML_LIST && i < y->n; i++)
		r = flatten(y->items[i], to);
	for (size_t i = 0; r == 0 && y->type == AI_YAML_MAP && i < y->n; i++)
		r = flatten(y->pairs[i].key, to) < 0 ? -1 : flatten(y->pairs[i].value, to);
	return r;
}

int
ai_yaml_flat(const struct ai_yaml *y, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *list = json_array();
	if (!list || flatten(y, list) < 0)
		return ai_nomem(err);
	return ai_canon(list, out, err);
}

/* --- reading ------------------------------------------------------------------- */

struct flat { const json_t *list; size_t next; struct ai_err *err; };

static int
bad(struct flat *f, const char *what)
{
	return ai_fail(f->err, AI_EINPUT, "node %zu: %s", f->next, what);
}

static bool
place(const json_t *head, size_t i, int *out)
{
	const json_t *v = json_array_get(head, i);
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > INT_MAX)
		return false;
	*out = (int)json_integer_value(v);
	return true;
}

/* The next node without what is in it; *n: how many values that is. */
static int
read_head(struct flat *f, struct ai_yaml *y, size_t *n)
{
	const json_t *head = json_array_get(f->list, f->next);
	const char *type = json_string_value(json_array_get(head, 0)), *text = json_string_value(json_array_get(head, 4));
	const json_t *four = json_array_get(head, 3);
	bool scalar = type && strcmp(type, "s") == 0, map = type && strcmp(type, "m") == 0;
	*n = 0;
	if (!type || (!scalar && !map && strcmp(type, "l") != 0) || json_array_size(head) != (scalar ? 5 : 4))
		return bad(f, "expected a text, a list or a map");
	if (!place(head, 1, &y->line) || !place(head, 2, &y->column))
		return bad(f, "expected its line and column");
	y->type = scalar ? AI_YAML_SCALAR : map ? AI_YAML_MAP : AI_YAML_LIST;
	if (!scalar) {
		/* No more than there can be. */
		if (!json_is_integer(four) || json_integer_value(four) < 0 || (size_t)json_integer_value(four) > json_array_size(f->list))
			return bad(f, "expected how much is in it");
		*n = (size_t)json_integer_value(four);
	} else if (!json_is_boolean(four) || !text || !ai_yaml_is_text(text, strlen(text))) {
		return bad(f, "is no text as YAML has it");
	} else {
		y->plain = json_is_true(four);
		y->text = ai_strdup(text);
		if (!y->text)
			return ai_nomem(f->err);
	}
	f->next++;
	return 0;
}

static int
no_duplicates(struct flat *f, const struct ai_yaml *y)
{
	const struct ai_yaml *first, *again;
	int twice = ai_yaml_twice(y, &first, &again, f->err);
	return twice <= 0 ? twice : bad(f, "a map has a key twice");
}

static int value(struct flat *f, int depth, struct ai_yaml **out);

static int
pair(struct flat *f, int depth, struct ai_yaml *y)
{
	struct ai_yaml *key = NULL, *child = NULL;
	if (value(f, depth, &key) < 0)
		return f->err->code;
	if (key->type != AI_YAML_SCALAR)
		bad(f, "a key must be a text");
	else if (value(f, depth, &child) == 0)
		return ai_yaml_set(y, key, child, f->err);
	ai_yaml_free(key);
	return f->err->code;
}

static int
item(struct flat *f, int depth, struct ai_yaml *y)
{
	struct ai_yaml *child = NULL;
	return value(f, depth, &child) < 0 ? f->err->code : ai_yaml_append(y, child, f->err);
}

static int
value(struct flat *f, int depth, struct ai_yaml **out)
{
	size_t n;
	if (depth > MAX_DEPTH)
		return bad(f, "nested deeper than 64");
	struct ai_yaml *y = ai_calloc(1, sizeof *y);
	if (!y)
		return ai_nomem(f->err);
	int r = read_head(f, y, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = y->type == AI_YAML_MAP ? pair(f, depth + 1, y) : item(f, depth + 1, y);
	if (r == 0 && y->type == AI_YAML_MAP)
		r = no_duplicates(f, y);
	if (r < 0)
		ai_yaml_free(y);
	else
		*out = y;
	return r;
}

int
ai_yaml_unflat(const char *bytes, size_t n, struct ai_yaml **out, struct ai_err *err)
{
	AI_JSON *list = NULL;
	struct ai_yaml *y = NULL;
	if (ai_json_parse(bytes, n, "tree", &list, err) < 0)
		return err->code;
	if (!json_is_array(list))
		return ai_fail(err, AI_EINPUT, "tree: expected an array");
	struct flat f = { .list = list, .err = err };
	if (value(&f, 1, &y) < 0)
		return ai_in(err, "tree");
	if (f.next != json_array_size(list)) {
		ai_yaml_free(y);
		return ai_fail(err, AI_EINPUT, "tree: something stands behind it");
	}
	*out = y;
	return 0;
}
