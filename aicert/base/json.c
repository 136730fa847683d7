/* json.c -- see json.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/*
 * A value of three bytes ("{},") takes 230 in memory: what is counted before it is parsed bounds a stranger's file to some 2 GiB. A proof
 * that carries the trees of four million files stays within.
 */
enum { MAX_DEPTH = 64, MAX_CONTAINERS = 1 << 22, MAX_VALUES = 1 << 24 };
static const json_int_t max_int = 9007199254740991; /* 2^53 - 1: what every JSON reader holds exactly */

static int check(const json_t *j, int depth, struct ai_err *err);

static int
bad_string(struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "a string holds NUL or U+007F, which canonical JSON here does not allow");
}

static int
bad_key(struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "a key is not printable ASCII");
}

static int
bad_integer(struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "an integer is outside +-(2^53-1)");
}

static int
bad_depth(struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "nested deeper than %d", MAX_DEPTH);
}

static int
bad_type(const json_t *j, struct ai_err *err)
{
	return json_is_real(j) ? ai_fail(err, AI_EINPUT, "a number is not an integer") : ai_fail(err, AI_EINPUT, "null is not allowed");
}

static int
check_string(const char *s, size_t n, struct ai_err *err)
{
	return memchr(s, 0, n) || memchr(s, 0x7f, n) ? bad_string(err) : 0;
}

static bool
is_safe(json_int_t n)
{
	return n <= max_int && n >= -max_int;
}

static int
check_object(const json_t *j, int depth, struct ai_err *err)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)j, key, v) {
		for (const char *p = key; *p; p++)
			if (*p < 0x20 || *p > 0x7e)
				return bad_key(err);
		if (check(v, depth + 1, err) < 0)
			return err->code;
	}
	return 0;
}

static int
check(const json_t *j, int depth, struct ai_err *err)
{
	if (depth > MAX_DEPTH)
		return bad_depth(err);
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return check_object(j, depth, err);
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(j); i++)
			if (check(json_array_get(j, i), depth + 1, err) < 0)
				return err->code;
		return 0;
	case JSON_STRING:
		return check_string(json_string_value(j), json_string_length(j), err);
	case JSON_INTEGER:
		return is_safe(json_integer_value(j)) ? 0 : bad_integer(err);
	case JSON_TRUE:
	case JSON_FALSE:
		return 0;
	case JSON_REAL:
	case JSON_NULL:
		break;
	}
	return bad_type(j, err);
}

/* Behind the quote that ends a string whose text begins at i; len when it does not end. */
static size_t
string_end(const char *text, size_t len, size_t i)
{
	for (const char *q; i < len && (q = memchr(text + i, '"', len - i)); i = (size_t)(q - text) + 1) {
		size_t escapes = 0;
		while (q - escapes > text + i && q[-1 - (ptrdiff_t)escapes] == '\\')
			escapes++;
		if (escapes % 2 == 0)
			return (size_t)(q - text) + 1;
	}
	return len;
}

/* What shows without parsing: how much there is, and -0, which jansson reads as 0 (a second spelling of one number). */
static int
look_over(const char *text, size_t len, bool *minus_zero, struct ai_err *err)
{
	size_t containers = 0, commas = 0;
	*minus_zero = false;
	for (size_t i = 0; i < len;) {
		char c = text[i++];
		if (c == '"')
			i = string_end(text, len, i);
		*minus_zero |= c == '-' && i < len && text[i] == '0';
		containers += c == '{' || c == '[';
		commas += c == ',';
	}
	if (containers > MAX_CONTAINERS || containers + commas > MAX_VALUES)
		return ai_fail(err, AI_EINPUT, "too large: it holds over %d objects and lists, or over %d values", MAX_CONTAINERS, MAX_VALUES);
	return 0;
}

int
ai_json_parse(const char *text, size_t len, const char *what, json_t **out, struct ai_err *err)
{
	json_error_t e;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return ai_fail(err, AI_EINPUT, "%s:1:1: not JSON: it begins with a byte order mark: expected plain UTF-8", what);
	bool minus_zero;
	if (look_over(text, len, &minus_zero, err) < 0)
		return ai_in(err, "%s", what);
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!j)
		return ai_fail(err, AI_EINPUT, "%s:%d:%d: not JSON: %s", what, e.line, e.column, e.text);
	int r = minus_zero ? ai_fail(err, AI_EINPUT, "a number is written -0") : check(j, 0, err);
	if (r < 0) {
		json_decref(j);
		return ai_in(err, "%s", what);
	}
	*out = j;
	return 0;
}

/* RFC 8785 section 3.2.2.2: the short escapes, \u00xx for other controls, everything else as it is. */
static int
canon_string(const char *s, size_t n, struct ai_buf *b, struct ai_err *err)
{
	ai_buf_putc(b, '"');
	size_t from = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		if (c == 0 || c == 0x7f)
			return bad_string(err);
		ai_buf_put(b, s + from, i - from);
		from = i + 1;
		switch (c) {
		case '"': ai_buf_puts(b, "\\\""); break;
		case '\\': ai_buf_puts(b, "\\\\"); break;
		case '\b': ai_buf_puts(b, "\\b"); break;
		case '\t': ai_buf_puts(b, "\\t"); break;
		case '\n': ai_buf_puts(b, "\\n"); break;
		case '\f': ai_buf_puts(b, "\\f"); break;
		case '\r': ai_buf_puts(b, "\\r"); break;
		default: ai_buf_printf(b, "\\u%04x", c);
		}
	}
	ai_buf_put(b, s + from, n - from);
	ai_buf_putc(b, '"');
	return 0;
}

/* Keys are printable ASCII, of which few need an escape. */
static int
canon_key(const char *s, struct ai_buf *b, struct ai_err *err)
{
	size_t n = 0;
	for (; s[n]; n++)
		if (s[n] < 0x20 || s[n] > 0x7e)
			return bad_key(err);
	return canon_string(s, n, b, err);
}

struct member { const char *key; const json_t *value; };

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Most objects are small, and stand in order already: what was written by us. */
static void
sort_members(struct member *m, size_t n)
{
	enum { SMALL = 16 };
	if (n > SMALL)
		qsort(m, n, sizeof *m, by_key);
	for (size_t i = 1; i < n && n <= SMALL; i++) {
		struct member x = m[i];
		size_t k = i;
		for (; k > 0 && strcmp(m[k - 1].key, x.key) > 0; k--)
			m[k] = m[k - 1];
		m[k] = x;
	}
}

static int canon(const json_t *j, int depth, struct ai_buf *b, struct ai_err *err);

/* Keys are ASCII, so the order of bytes is the order of UTF-16 units that RFC 8785 asks for. */
static int
canon_object(const json_t *j, int depth, struct ai_buf *b, struct ai_err *err)
{
	size_t n = json_object_size(j), i = 0;
	struct member few[16];
	struct member *members = n <= 16 ? few : ai_calloc(n, sizeof *members);
	if (!members)
		return ai_nomem(err);
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)j, key, v)
		members[i++] = (struct member){ key, v };
	sort_members(members, n);
	int r = 0;
	ai_buf_putc(b, '{');
	for (i = 0; i < n && r == 0; i++) {
		if (i)
			ai_buf_putc(b, ',');
		r = canon_key(members[i].key, b, err);
		ai_buf_putc(b, ':');
		if (r == 0)
			r = canon(members[i].value, depth + 1, b, err);
	}
	ai_buf_putc(b, '}');
	if (members != few)
		free(members);
	return r;
}

static int
canon(const json_t *j, int depth, struct ai_buf *b, struct ai_err *err)
{
	if (depth > MAX_DEPTH)
		return bad_depth(err);
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return canon_object(j, depth, b, err);
	case JSON_ARRAY:
		ai_buf_putc(b, '[');
		for (size_t i = 0; i < json_array_size(j); i++) {
			if (i)
				ai_buf_putc(b, ',');
			if (canon(json_array_get(j, i), depth + 1, b, err) < 0)
				return err->code;
		}
		ai_buf_putc(b, ']');
		return 0;
	case JSON_STRING:
		return canon_string(json_string_value(j), json_string_length(j), b, err);
	case JSON_INTEGER:
		if (!is_safe(json_integer_value(j)))
			return bad_integer(err);
		ai_buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
		return 0;
	case JSON_TRUE:
		ai_buf_puts(b, "true");
		return 0;
	case JSON_FALSE:
		ai_buf_puts(b, "false");
		return 0;
	case JSON_REAL:
	case JSON_NULL:
		break;
	}
	return bad_type(j, err);
}

int
ai_canon(const json_t *j, struct ai_buf *b, struct ai_err *err)
{
	if (!j)
		return ai_nomem(err);
	size_t was = b->len;
	if (canon(j, 0, b, err) < 0) {
		b->len = was;
		if (b->data)
			b->data[was] = '\0';
		return err->code;
	}
	return ai_buf_ok(b, "canonical JSON", err);
}

int
ai_json_id(const json_t *j, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_canon(j, &b, err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	return 0;
}

/*
 * What a terminal would obey and JSON lets stand as it is (U+0080 to U+009F; what turns text around: U+200E, U+200F, U+2028 to U+202E,
 * U+2066 to U+2069) as an escape: outside strings a JSON text is ASCII, so the value is the same. 0: the character at p stands.
 */
static unsigned
obeyed(const unsigned char *p)
{
	if (p[0] == 0xc2 && p[1] < 0xa0)
		return p[1];
	if (p[0] != 0xe2 || (p[1] != 0x80 && p[1] != 0x81))
		return 0;
	unsigned c = 0x2000u | (p[1] & 1u) << 6 | (p[2] & 0x3fu);
	return c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

int
ai_json_pretty(const json_t *j, struct ai_buf *b, struct ai_err *err)
{
	char *s = json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY);
	if (!s)
		return ai_nomem(err);
	const char *from = s;
	for (const char *p = s; (p = strpbrk(p, "\xc2\xe2")) != NULL;) {
		unsigned c = obeyed((const unsigned char *)p);
		size_t n = *p == '\xc2' ? 2 : 3;
		if (c) {
			ai_buf_put(b, from, (size_t)(p - from));
			ai_buf_printf(b, "\\u%04x", c);
			from = p + n;
		}
		p += n;
	}
	ai_buf_puts(b, from);
	ai_buf_putc(b, '\n');
	free(s);
	return ai_buf_ok(b, "JSON text", err);
}

const char *
ai_json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

json_t *
ai_json_arr(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);
	return json_is_array(v) ? v : NULL;
}

json_t *
ai_json_obj(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);
	return json_is_object(v) ? v : NULL;
}

bool
ai_json_digest(const json_t *obj, const char *key, struct ai_digest *out)
{
	const char *s = ai_json_str(obj, key);
	return s && ai_unhex(s, out);
}

json_t *
ai_json_hex(const struct ai_digest *d)
{
	char hex[AI_HEX];
	ai_hex(d, hex);
	return json_string(hex);
}
