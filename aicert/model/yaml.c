/* yaml.c -- see yaml.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/path.h"

enum { MAX_DEPTH = 64, MAX_VALUES = 8000000 /* of two bytes each there could be more than memory holds */ };

struct reader {
	yaml_parser_t parser;
	const char *file;
	size_t values;
	struct ai_err *err;
};

void
ai_yaml_free(struct ai_yaml *y)
{
	if (!y)
		return;
	for (size_t i = 0; i < y->n && y->pairs; i++) {
		ai_yaml_free(y->pairs[i].key);
		ai_yaml_free(y->pairs[i].value);
	}
	for (size_t i = 0; i < y->n && y->items; i++)
		ai_yaml_free(y->items[i]);
	free(y->pairs);
	free(y->items);
	free(y->text);
	free(y);
}

struct ai_yaml *
ai_yaml_new(ai_yaml_type type, const char *text, const struct ai_yaml *at)
{
	struct ai_yaml *y = ai_calloc(1, sizeof *y);
	if (!y)
		return NULL;
	*y = (struct ai_yaml){ .type = type, .line = at->line, .column = at->column, .plain = true };
	if (type == AI_YAML_SCALAR && !(y->text = ai_strdup(text))) {
		free(y);
		return NULL;
	}
	return y;
}

static bool
copy_parts(const struct ai_yaml *y, struct ai_yaml *copy)
{
	if (y->n && y->type == AI_YAML_LIST && !(copy->items = ai_calloc(y->n, sizeof(struct ai_yaml *))))
		return false;
	if (y->n && y->type == AI_YAML_MAP && !(copy->pairs = ai_calloc(y->n, sizeof *copy->pairs)))
		return false;
	for (; copy->n < y->n; copy->n++) {
		size_t i = copy->n;
		if (y->type == AI_YAML_LIST && !(copy->items[i] = ai_yaml_copy(y->items[i])))
			return false;
		if (y->type == AI_YAML_LIST)
			continue;
		struct ai_yaml *key = ai_yaml_copy(y->pairs[i].key), *value = ai_yaml_copy(y->pairs[i].value);
		if (!key || !value) {
			ai_yaml_free(key);
			ai_yaml_free(value);
			return false;
		}
		copy->pairs[i] = (struct ai_yaml_pair){ key, value };
	}
	return true;
}

/* What was parsed is at most 64 deep. */
struct ai_yaml *
ai_yaml_copy(const struct ai_yaml *y)
{
	struct ai_yaml *copy = ai_yaml_new(y->type, y->text, y);
	if (!copy)
		return NULL;
	copy->plain = y->plain;
	if (copy_parts(y, copy))
		return copy;
	ai_yaml_free(copy);
	return NULL;
}

/* Arrays grow by doubling: there is room for one more until n is a power of two. */
static bool
room_for_one(size_t n)
{
	return n != 0 && (n & (n - 1)) != 0;
}

int
ai_yaml_append(struct ai_yaml *list, struct ai_yaml *child, struct ai_err *err)
{
	struct ai_yaml **items = list->items;
	if (!room_for_one(list->n))
		items = reallocarray(list->items, list->n ? list->n * 2 : 1, sizeof(struct ai_yaml *));
	if (!items || !child) {
		if (items)
			list->items = items;
		ai_yaml_free(child);
		return ai_nomem(err);
	}
	list->items = items;
	list->items[list->n++] = child;
	return 0;
}

int
ai_yaml_set(struct ai_yaml *map, struct ai_yaml *key, struct ai_yaml *child, struct ai_err *err)
{
	struct ai_yaml_pair *pairs = map->pairs;
	if (!room_for_one(map->n))
		pairs = reallocarray(map->pairs, map->n ? map->n * 2 : 1, sizeof *pairs);
	if (pairs)
		map->pairs = pairs;
	if (!pairs || !key || !child) {
		ai_yaml_free(key);
		ai_yaml_free(child);
		return ai_nomem(err);
	}
	map->pairs[map->n++] = (struct ai_yaml_pair){ key, child };
	return 0;
}

static struct ai_yaml_pair *
find_pair(const struct ai_yaml *map, const char *key)
{
	if (!map || map->type != AI_YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->pairs[i].key->text, key) == 0)
			return &map->pairs[i];
	return NULL;
}

struct ai_yaml *
ai_yaml_get(const struct ai_yaml *map, const char *key)
{
	struct ai_yaml_pair *p = find_pair(map, key);
	return p ? p->value : NULL;
}

struct ai_yaml *
ai_yaml_take(struct ai_yaml *map, const char *key)
{
	struct ai_yaml_pair *p = find_pair(map, key);
	if (!p)
		return NULL;
	struct ai_yaml *value = p->value;
	ai_yaml_free(p->key);
	size_t i = (size_t)(p - map->pairs);
	memmove(p, p + 1, (map->n - i - 1) * sizeof *p);
	map->n--;
	return value;
}

static int
refuse(struct reader *r, yaml_mark_t at, const char *what)
{
	return ai_fail(r->err, AI_EUSAGE, "%s:%zu:%zu: %s", r->file, at.line + 1, at.column + 1, what);
}

/* The next event; the caller deletes it. libyaml's own message and place when there is none. */
static int
next(struct reader *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->parser, e))
		return 0;
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_MEMORY_ERROR)
		return ai_nomem(r->err);
	yaml_mark_t at = p->problem_mark;
	return ai_fail(r->err, AI_EUSAGE, "%s:%zu:%zu: not YAML: %s%s%s", r->file, at.line + 1, at.column + 1,
		p->problem ? p->problem : "unreadable", p->context ? " " : "", p->context ? p->context : "");
}

/*
 * Is there a character that a reader of the file does not see as what it is? Tab and line feed are fine (and the carriage
 * return of a line end where allowed); C0, DEL, C1 and the Unicode line separators, which YAML 1.1 and 1.2 read differently, are not.
 */
static bool
has_control(const char *s, size_t n, bool cr, size_t *where)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i], d = i + 1 < n ? (unsigned char)s[i + 1] : 0;
		bool c0 = c < 0x20 && c != '\t' && c != '\n' && !(cr && c == '\r' && d == '\n');
		bool c1 = c == 0xc2 && d >= 0x80 && d <= 0x9f;
		bool separator = c == 0xe2 && d == 0x80 && i + 2 < n && ((unsigned char)s[i + 2] == 0xa8 || (unsigned char)s[i + 2] == 0xa9);
		if (c0 || c == 0x7f || c1 || separator) {
			*where = i;
			return true;
		}
	}
	return false;
}

bool
ai_text_turns(const char *s, size_t n, size_t *where)
{
	for (const char *p = s, *end = s + n; (p = memchr(p, 0xe2, (size_t)(end - p))); p++) {
		unsigned char b = p + 2 < end ? (unsigned char)p[1] : 0, c = b ? (unsigned char)p[2] : 0;
		if ((b == 0x80 && c >= 0xaa && c <= 0xae) || (b == 0x81 && c >= 0xa6 && c <= 0xa9)) {
			*where = (size_t)(p - s);
			return true;
		}
	}
	return false;
}

bool
ai_yaml_is_text(const char *s, size_t n)
{
	size_t where;
	return !has_control(s, n, false, &where) && ai_utf8_valid(s, n);
}

static int
scalar(struct reader *r, const yaml_event_t *e, struct ai_yaml *y)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t n = e->data.scalar.length;
	/* Escapes ("\0", "\e") can write what the bytes of the file may not hold. */
	if (!ai_yaml_is_text(text, n))
		return refuse(r, e->start_mark, "a control character in a text");
	y->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	y->text = ai_strndup(text, n);
	return y->text ? 0 : ai_nomem(r->err);
}

static int value(struct reader *r, const yaml_event_t *e, int depth, struct ai_yaml **out);

static int
list(struct reader *r, struct ai_yaml *y, int depth)
{
	for (;;) {
		yaml_event_t e;
		struct ai_yaml *child = NULL;
		if (next(r, &e) < 0)
			return r->err->code;
		bool end = e.type == YAML_SEQUENCE_END_EVENT;
		int rc = end ? 0 : value(r, &e, depth, &child);
		yaml_event_delete(&e);
		if (end || rc < 0)
			return rc;
		if (ai_yaml_append(y, child, r->err) < 0)
			return r->err->code;
	}
}

static int
by_key(const void *a, const void *b)
{
	const struct ai_yaml *x = *(struct ai_yaml *const *)a, *y = *(struct ai_yaml *const *)b;
	int c = strcmp(x->text, y->text);
	return c ? c : x->line != y->line ? (x->line > y->line) - (x->line < y->line) : x->column - y->column;
}

/* Sorting keeps a file of a hundred thousand keys from costing their square. */
int
ai_yaml_twice(const struct ai_yaml *map, const struct ai_yaml **first, const struct ai_yaml **again, struct ai_err *err)
{
	AI_FREE struct ai_yaml **keys = ai_calloc(map->n, sizeof *keys);
	if (!keys)
		return ai_nomem(err);
	for (size_t i = 0; i < map->n; i++)
		keys[i] = map->pairs[i].key;
	if (map->n)
		qsort(keys, map->n, sizeof *keys, by_key);
	for (size_t i = 1; i < map->n; i++)
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0) {
			*first = keys[i - 1];
			*again = keys[i];
			return 1;
		}
	return 0;
}

static int
no_duplicates(struct reader *r, const struct ai_yaml *y)
{
	const struct ai_yaml *first, *again;
	int twice = ai_yaml_twice(y, &first, &again, r->err);
	return twice <= 0 ? twice : ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: key '%s' is given twice: first in line %d", r->file, again->line, again->column,
		again->text, first->line);
}

static int
map(struct reader *r, struct ai_yaml *y, int depth)
{
	for (;;) {
		yaml_event_t e;
		struct ai_yaml *key = NULL, *child = NULL;
		if (next(r, &e) < 0)
			return r->err->code;
		bool end = e.type == YAML_MAPPING_END_EVENT;
		int rc = 0;
		if (!end)
			rc = e.type == YAML_SCALAR_EVENT || e.type == YAML_ALIAS_EVENT ? value(r, &e, depth, &key)
				: refuse(r, e.start_mark, "a key must be a text");
		yaml_event_delete(&e);
		if (end)
			return no_duplicates(r, y);
		if (rc == 0 && (rc = next(r, &e)) == 0) {
			rc = value(r, &e, depth, &child);
			yaml_event_delete(&e);
		}
		if (rc < 0) {
			ai_yaml_free(key);
			return rc;
		}
		if (ai_yaml_set(y, key, child, r->err) < 0)
			return r->err->code;
	}
}

/* What an event says about its node besides content: nothing of it is used here. */
static int
no_properties(struct reader *r, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (e->type) {
	case YAML_SCALAR_EVENT: anchor = e->data.scalar.anchor; tag = e->data.scalar.tag; break;
	case YAML_SEQUENCE_START_EVENT: anchor = e->data.sequence_start.anchor; tag = e->data.sequence_start.tag; break;
	case YAML_MAPPING_START_EVENT: anchor = e->data.mapping_start.anchor; tag = e->data.mapping_start.tag; break;
	case YAML_ALIAS_EVENT: return refuse(r, e->start_mark, "aliases (*name) are not read here");
	default: return refuse(r, e->start_mark, "expected a value");
	}
	if (anchor)
		return refuse(r, e->start_mark, "anchors (&name) are not read here");
	return tag ? refuse(r, e->start_mark, "tags (!name) are not read here") : 0;
}

static int
value(struct reader *r, const yaml_event_t *e, int depth, struct ai_yaml **out)
{
	if (no_properties(r, e) < 0)
		return r->err->code;
	if (depth > MAX_DEPTH)
		return refuse(r, e->start_mark, "nested deeper than 64");
	if (++r->values > MAX_VALUES)
		return refuse(r, e->start_mark, "more than 8000000 values");
	struct ai_yaml *y = ai_calloc(1, sizeof *y);
	if (!y)
		return ai_nomem(r->err);
	y->line = (int)e->start_mark.line + 1;
	y->column = (int)e->start_mark.column + 1;
	y->type = e->type == YAML_SCALAR_EVENT ? AI_YAML_SCALAR : e->type == YAML_SEQUENCE_START_EVENT ? AI_YAML_LIST : AI_YAML_MAP;
	int rc = y->type == AI_YAML_SCALAR ? scalar(r, e, y) : y->type == AI_YAML_LIST ? list(r, y, depth + 1) : map(r, y, depth + 1);
	if (rc < 0) {
		ai_yaml_free(y);
		return rc;
	}
	*out = y;
	return 0;
}

/* Stream start, one document with one value, stream end. */
static int
document(struct reader *r, struct ai_yaml **out)
{
	static const yaml_event_type_t before[] = { YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT };
	static const yaml_event_type_t after[] = { YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT };
	yaml_event_t e;
	for (size_t i = 0; i < 2; i++) {
		if (next(r, &e) < 0)
			return r->err->code;
		bool tags = e.type == YAML_DOCUMENT_START_EVENT && e.data.document_start.tag_directives.start != e.data.document_start.tag_directives.end;
		int rc = e.type != before[i] ? refuse(r, e.start_mark, "the file is empty") : tags ? refuse(r, e.start_mark, "%TAG is not read here") : 0;
		yaml_event_delete(&e);
		if (rc < 0)
			return rc;
	}
	if (next(r, &e) < 0)
		return r->err->code;
	struct ai_yaml *y = NULL;
	int rc = value(r, &e, 1, &y);
	yaml_event_delete(&e);
	for (size_t i = 0; i < 2 && rc == 0; i++) {
		if ((rc = next(r, &e)) < 0)
			break;
		if (e.type != after[i])
			rc = refuse(r, e.start_mark, "a second document: expected one");
		yaml_event_delete(&e);
	}
	if (rc < 0)
		ai_yaml_free(y);
	else
		*out = y;
	return rc;
}

static int
parse(const char *text, size_t len, const char *file, struct ai_yaml **out, struct ai_err *err)
{
	struct reader r = { .file = file, .err = err };
	if (!yaml_parser_initialize(&r.parser))
		return ai_nomem(err);
	/* Said, not guessed: libyaml would take a byte order mark as leave to read UTF-16. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	int rc = document(&r, out);
	yaml_parser_delete(&r.parser);
	return rc;
}

/* text without the blanks at the ends of its lines, so that lines and columns of everything else stay. */
static char *
without_trailing_blanks(const char *text, size_t len, size_t *len_out)
{
	char *s = ai_strndup(text, len);
	if (!s)
		return NULL;
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
				n--;
		s[n++] = text[i];
	}
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	s[n] = '\0';
	*len_out = n;
	return s;
}

static int
check_bytes(const char *text, size_t len, const char *file, struct ai_err *err)
{
	if (len > AI_MAX_AICERTFILE)
		return ai_fail(err, AI_EUSAGE, "%s: too large: got %zu bytes, expected at most %u", file, len, AI_MAX_AICERTFILE);
	size_t where = 0, line = 1, from = 0;
	bool control = has_control(text, len, true, &where), turns = !control && ai_text_turns(text, len, &where);
	if (!control && !turns)
		return ai_utf8_valid(text, len) ? 0 : ai_fail(err, AI_EUSAGE, "%s: the file is not UTF-8", file);
	for (size_t i = 0; i < where; i++)
		if (text[i] == '\n') {
			line++;
			from = i + 1;
		}
	if (turns)
		return ai_fail(err, AI_EUSAGE, "%s:%zu:%zu: a character that turns the direction of text: what is shown would not be what is read", file, line, where - from + 1);
	return ai_fail(err, AI_EUSAGE, "%s:%zu:%zu: a control character (byte 0x%02x)", file, line, where - from + 1, (unsigned char)text[where]);
}

int
ai_yaml_parse(const char *text, size_t len, const char *file, struct ai_yaml **out, struct ai_err *err)
{
	if (check_bytes(text, len, file, err) < 0)
		return err->code;
	/* A byte order mark, as some editors write it, is allowed in front and is no part of the content (YAML 1.2, 5.2). */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	struct ai_err first = { 0 };
	if (parse(text, len, file, out, &first) == 0)
		return 0;
	/*
	 * The published guide's example has tabs at the ends of its lines, which YAML does not allow after a key. What is YAML as it
	 * stands is read as it stands, for in a script trailing blanks count; anything else gets a second try without them.
	 */
	size_t n;
	AI_FREE char *bare = without_trailing_blanks(text, len, &n);
	if (!bare)
		return ai_nomem(err);
	if (n != len)
		return parse(bare, n, file, out, err);
	*err = first;
	return err->code;
}
